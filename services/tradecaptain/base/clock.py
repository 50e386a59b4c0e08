"""The one seam through which time enters.

Only this module and its compiled half, ``base.kernel_clock``, read a clock. Services take a
:class:`Clock`; kernels take ``now_ns`` arguments.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in integer nanoseconds."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back; its zero means nothing."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when it is told to, for tests and simulation."""

    def __init__(self, start_ns: int = 1_750_000_000_000_000_000) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """The same instant as :meth:`now_ns`."""
        return self._now_ns

    def advance(self, delta_ns: int) -> None:
        """Move time on by ``delta_ns``, which may be negative to simulate a clock jump."""
        self._now_ns += delta_ns


SYSTEM_CLOCK: Clock = SystemClock()
