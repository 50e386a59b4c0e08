"""A media driver in a process of its own, as the product runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradecaptain.mesh.driver import driver_is_active
from tradecaptain.mesh.waiting import wait_until

_TIMEOUT_NS = 20_000_000_000


@contextmanager
def media_driver() -> Iterator[Path]:
    """Start a driver in a private folder; yields that folder, which is gone afterwards."""
    parent = Path("/dev/shm") / f"tradecaptain-perf-{os.getpid()}"
    directory = parent / "aeron"
    process = subprocess.Popen(
        [sys.executable, "-m", "tradecaptain.mesh.driver", "--aeron-dir", str(directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if not wait_until(lambda: driver_is_active(directory), _TIMEOUT_NS):
            raise RuntimeError("the media driver did not start")
        yield directory
    finally:
        process.terminate()
        process.wait()
        parent.rmdir()
