"""The one way in which tests wait: look at a condition until it holds or a deadline passes."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_STEP_SECONDS = 0.005


def wait_until[T](condition: Callable[[], T], *, timeout_s: float = 10.0, what: str = "") -> T:
    """Call the condition until it returns something true, and return that.

    When the deadline passes the test fails, saying what it waited for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain for {what or condition}")
        time.sleep(_STEP_SECONDS)


async def wait_until_async[T](
    condition: Callable[[], T | Awaitable[T]], *, timeout_s: float = 10.0, what: str = ""
) -> T:
    """Like :func:`wait_until` for code that runs on an event loop; the condition may be async."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain for {what or condition}")
        await asyncio.sleep(_STEP_SECONDS)
