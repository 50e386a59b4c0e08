"""The accessors as plain Python: the same suites, with numba switched off."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.wire_records import REPOSITORY

SUITES = (
    "tests/unit/wire/test_golden_bytes.py",
    "tests/unit/wire/test_versions.py",
    "tests/property/wire/test_records.py",
)


def test_suites_pass_with_the_jit_off() -> None:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        pytest.skip("the JIT is off already")
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES],
        cwd=REPOSITORY,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-4000:]
