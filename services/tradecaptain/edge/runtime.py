"""Runs a service's main coroutine as a process."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import uvloop
from tradecaptain.base.errors import TradeCaptainError


def run(main: Callable[[], Awaitable[None]]) -> int:
    """Run ``main`` on uvloop and return the exit code.

    What a service can't start with (TradeCaptainError, OSError) is one line on standard error and
    exit code 1; anything else is a bug and keeps its traceback.
    """

    async def body() -> None:
        await main()

    try:
        uvloop.run(body())
    except TradeCaptainError as error:
        sys.stderr.write(f"can't start: {error.message} ({error.name})\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"can't start: {error}\n")
        return 1
    return 0
