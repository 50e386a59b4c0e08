"""Following the tail of the execution log from any process, without copying.

A follower never holds the writer back. What it reads may be overwritten while it reads: it asks
afterwards whether the frame was still whole, and when it was lapped it is told from where on it can
go on, or reads the segment files (`mesh.journal_files`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    acquire_fence,
    address_of,
    aligned_zeros,
    copy_bytes,
    load_acquire_i64,
)
from tradecaptain.base.records import records_at
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    LARGEST_FRAME_BYTES,
    OFFSET_ANNOUNCED,
    OFFSET_TAIL,
    JournalLapped,
    JournalRing,
    frame_bytes,
    frame_flags,
    frame_length,
)

LAPPED: Final = -1

FOLLOWER: Final = np.dtype(
    [
        ("header", "<i8"),
        ("frames", "<i8"),
        ("mask", "<i8"),
        ("capacity", "<i8"),
        ("position", "<i8"),
        ("frame_position", "<i8"),
        ("frame_count", "<i8"),
    ],
    align=True,
)
"""A follower's place: behind the frame it was given last, and where that frame begins."""


@inline
def follower_is_intact(follower: int) -> bool:
    """Whether the frame that was given last is still what the writer wrote."""
    state = records_at(follower, 1, FOLLOWER)
    acquire_fence()
    announced = load_acquire_i64(state[0]["header"] + OFFSET_ANNOUNCED)
    return state[0]["frame_position"] >= announced - state[0]["capacity"]


@inline
def follower_next(follower: int) -> int:
    """Address of the next frame, 0 if there is none yet, or ``LAPPED``."""
    state = records_at(follower, 1, FOLLOWER)
    tail = load_acquire_i64(state[0]["header"] + OFFSET_TAIL)
    while state[0]["position"] < tail:
        state[0]["frame_position"] = state[0]["position"]
        frame = state[0]["frames"] + (state[0]["position"] & state[0]["mask"])
        length = frame_length(frame)
        is_padding = frame_flags(frame) & FLAG_PADDING != 0
        if not follower_is_intact(follower):
            return LAPPED
        if not is_padding:
            state[0]["position"] += frame_bytes(length)
            state[0]["frame_count"] += 1
            return frame
        state[0]["position"] += FRAME_HEADER_BYTES + length
    return 0


@kernel("int64(int64, int64, int64)")
def copy_frames(follower: int, target: int, room: int) -> int:
    """Copy whole frames, one behind the other; returns their bytes, or ``LAPPED`` if none is."""
    copied = 0
    while copied + LARGEST_FRAME_BYTES <= room:
        frame = follower_next(follower)
        if frame == 0:
            break
        if frame < 0:
            return copied if copied > 0 else LAPPED
        size = frame_bytes(frame_length(frame))
        copy_bytes(target + copied, frame, size)
        if not follower_is_intact(follower):
            state = records_at(follower, 1, FOLLOWER)
            state[0]["position"] = state[0]["frame_position"]
            return copied if copied > 0 else LAPPED
        copied += size
    return copied


class JournalFollower(Closing):
    """Reads a ring from a position on: kernels through ``address``, Python by :meth:`read`."""

    def __init__(self, path: Path, position: int | None = None) -> None:
        """``position`` begins a frame; without it reading begins at the oldest that is known."""
        self.ring = JournalRing(path)
        self._state = aligned_zeros(1, FOLLOWER)
        record: Any = self._state[0]
        record["header"] = self.ring.address
        record["frames"] = self.ring.address + HEADER_BYTES
        record["mask"] = self.ring.capacity - 1
        record["capacity"] = self.ring.capacity
        record["position"] = self.ring.first_frame() if position is None else position

    @property
    def address(self) -> int:
        """What kernels take as ``follower``."""
        return address_of(self._state)

    @property
    def position(self) -> int:
        """Position behind the last frame that was read."""
        return int(self._state[0]["position"])

    def read(self, room: int = 1 << 20) -> np.ndarray[Any, Any]:
        """Frames that are there, copied; empty if there are none yet.

        Raises :class:`JournalLapped` when the next one has been overwritten.
        """
        target = np.empty(room, np.uint8)
        count = int(copy_frames(self.address, address_of(target), room))
        if count == LAPPED:
            raise JournalLapped(self.position, self.ring.first_frame())
        return target[:count]

    def close(self) -> None:
        """Unmap the ring."""
        self.ring.close()
