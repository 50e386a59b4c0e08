"""The clock that a simulation turns, and an event loop that lives by it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Final

START_NS: Final = 1_780_315_200_000_000_000
"""Noon UTC of a day in June: days don't end while a simulation runs."""
_MONOTONIC_START_NS: Final = 1_000_000_000_000
_NS: Final = 1e9
_NOT_BEGUN: Final = inspect.CORO_CREATED


class SimulatedClock:
    """Tells the time that it is told; the wall clock may jump, the monotonic one never does."""

    def __init__(self) -> None:
        self._monotonic_ns = _MONOTONIC_START_NS
        self._offset_ns = START_NS - _MONOTONIC_START_NS

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, as the machine believes."""
        return self._monotonic_ns + self._offset_ns

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back."""
        return self._monotonic_ns

    def advance(self, delta_ns: int) -> None:
        """Let time pass."""
        self._monotonic_ns += delta_ns

    def jump(self, delta_ns: int) -> None:
        """Set the wall clock, forward or back, while no time passes."""
        self._offset_ns += delta_ns


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A process's event loop: runs what is due by a simulated clock, and only when it is turned.

    :meth:`forget` is what a kill does to it: what waited never runs.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__()
        self._simulated_clock = clock
        self.failures: list[str] = []
        """What no task caught, in words."""
        self.set_exception_handler(self._note_failure)

    def time(self) -> float:
        """Seconds of the simulated clock."""
        return self._simulated_clock.monotonic_ns() / _NS

    def turn(self, passes: int) -> None:
        """Run what is ready, so many times over; waits for nothing."""
        for _ in range(passes):
            self.call_soon(self.stop)
            self.run_forever()

    def call[Result](self, function: Callable[[], Result]) -> Result:
        """Call a function inside the loop and return what it returned."""
        outcome: list[Result] = []
        error: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(function())
            except Exception as caught:  # noqa: BLE001 - raised again by the caller below
                error.append(caught)

        self.call_soon(run)
        self.turn(1)
        if error:
            raise error[0]
        return outcome[0]

    def forget(self) -> None:
        """End without running anything: what was never begun isn't waited for, nor warned about."""
        for task in asyncio.all_tasks(self):
            coroutine = task.get_coro()
            if (
                inspect.iscoroutine(coroutine)
                and inspect.getcoroutinestate(coroutine) == _NOT_BEGUN
            ):
                coroutine.close()
        self.close()

    def _note_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context.get('message')}: {error!r}")
