"""A media driver in a process of its own, as the product runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradecaptain.base.parent_death import end_with_parent
from tradecaptain.mesh.driver import driver_is_active
from tradecaptain.mesh.waiting import wait_until

_TIMEOUT_NS = 20_000_000_000


@contextmanager
def media_driver() -> Iterator[Path]:
    """Start a driver in a folder of its own; yields that folder, which is gone afterwards.

    A benchmark that is killed takes its driver along, which would disturb the next one.
    """
    benchmark = os.getpid()
    parent = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="tradecaptain-perf-"))
    directory = parent / "aeron"
    process = subprocess.Popen(
        [sys.executable, "-m", "tradecaptain.mesh.driver", "--aeron-dir", str(directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: end_with_parent(benchmark),
    )
    try:
        if not wait_until(lambda: driver_is_active(directory), _TIMEOUT_NS):
            raise RuntimeError("the media driver did not start")
        yield directory
    finally:
        process.terminate()
        process.wait()
        parent.rmdir()
