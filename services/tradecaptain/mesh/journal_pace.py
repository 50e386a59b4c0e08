"""When closed segments are packed: in quiet times, and before too many wait.

The more is logged, the more time of a processor packing takes, and nobody waits for it. So it isn't
done while those who send orders need the processor. The lowest priority alone doesn't see to that:
a thread that has the interpreter's lock and no processor keeps its whole process waiting.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tradecaptain.base.clock import Clock

CALM_BYTES: Final = 1 << 25
CALM_NS: Final = 5_000_000_000
"""It is quiet once the log has grown by no more than ``CALM_BYTES`` in so long."""
WAITING_SHARE: Final = 4
"""One part of so many of what is kept may wait, and of what the disk has left."""


def free_bytes_of(folder: Path) -> int:
    """How much may still be written where a folder lies."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class PackingPace:
    """Whether closed segments of one log may wait; asked again and again while any does."""

    def __init__(
        self,
        folder: Path,
        keep_bytes: int,
        clock: Clock,
        *,
        free_bytes: Callable[[Path], int] = free_bytes_of,
    ) -> None:
        """``keep_bytes`` is how much of the log is kept."""
        self._folder = folder
        self._waiting_bytes_max = keep_bytes // WAITING_SHARE
        self._clock = clock
        self._free_bytes = free_bytes
        self._mark_position = 0
        self._mark_ns = clock.monotonic_ns()

    def may_wait(self, position: int, waiting_bytes: int) -> bool:
        """Whether ``waiting_bytes`` of closed segments may wait, the log having come to
        ``position``; while the disk can't be asked they do."""
        if self._is_calm(position):
            return False
        try:
            free_bytes = self._free_bytes(self._folder)
        except OSError:
            return True
        return waiting_bytes <= min(self._waiting_bytes_max, free_bytes // WAITING_SHARE)

    def _is_calm(self, position: int) -> bool:
        now_ns = self._clock.monotonic_ns()
        if position - self._mark_position > CALM_BYTES:
            self._mark_position, self._mark_ns = position, now_ns
        return now_ns - self._mark_ns >= CALM_NS
