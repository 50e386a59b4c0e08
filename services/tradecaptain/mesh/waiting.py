"""Waiting in cold paths for something that another process does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.system_calls import sleep_ns

_POLL_INTERVAL_NS: Final = 1_000_000


def wait_until(condition: Callable[[], bool], timeout_ns: int) -> bool:
    """Ask again every millisecond until ``condition`` holds; false when time is up first."""
    deadline_ns = SYSTEM_CLOCK.monotonic_ns() + timeout_ns
    while not condition():
        if SYSTEM_CLOCK.monotonic_ns() >= deadline_ns:
            return False
        sleep_ns(_POLL_INTERVAL_NS)
    return True
