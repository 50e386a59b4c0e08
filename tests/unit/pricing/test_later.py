"""What the service loads when it starts, and what only when it is asked."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tradecaptain.pricing.later import Later

SERVICES = (
    "tradecaptain.pricing.options.service",
    "tradecaptain.pricing.surfaces.service",
    "tradecaptain.pricing.fixed_income.service",
    "tradecaptain.pricing.indicators",
)


def test_an_answer_is_loaded_by_its_first_call() -> None:
    answer = Later("tradecaptain.pricing.surfaces.quotes:smile_of")
    other = Later("tradecaptain.pricing.surfaces.quotes:parity_of")
    assert not answer.is_loaded
    assert answer.load().__name__ == "smile_of"
    assert answer.is_loaded
    assert other.is_loaded


def test_an_answer_that_isnt_there_says_so() -> None:
    with pytest.raises(AttributeError, match="nobody"):
        Later("tradecaptain.pricing.surfaces.quotes:nobody")(None)


def test_the_edges_import_no_kernels_but_those_of_live_chains() -> None:
    script = f"""
import importlib, json, sys
import tradecaptain.pricing.chain
before = set(sys.modules)
for name in {SERVICES}:
    importlib.import_module(name)
print(json.dumps([name for name in set(sys.modules) - before if ".kernels." in name]))
"""
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    # Dates are plain functions.
    assert set(json.loads(said)) <= {"tradecaptain.kernels.pricing.civil_date"}
