"""What the log has on disk behind a place, piece by piece, for whoever carries it out again.

Pieces come out of the ring while it holds them, else out of the segment files, and are checked
either way. The writer is never held back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.mesh.journal import JournalLapped, JournalRing
from tradecaptain.mesh.journal_files import JournalDamaged, Segment, list_segments
from tradecaptain.mesh.journal_scan import Place, Scan

type Frames = npt.NDArray[np.uint8]

PIECE_BYTES: Final = 1 << 20


class _Reading:
    """A segment that is read, up to a position."""

    def __init__(self, segment: Segment, end: int) -> None:
        self._segment = segment
        self._end = end
        # What is packed can only be had together.
        self._unpacked = segment.frames() if segment.is_compressed else None

    def holds(self, position: int) -> bool:
        return self._segment.start.position <= position < self._end

    def frames(self, position: int, limit: int) -> Frames:
        offset = position - self._segment.start.position
        length = min(limit, self._end - position)
        if self._unpacked is not None:
            return self._unpacked[offset : offset + length]
        return self._segment.part(offset, length)


class LogTail:
    """Reads on from a place, as far as everything is on disk."""

    def __init__(self, folder: Path, ring: JournalRing, place: Place) -> None:
        self.place = place
        self._folder = folder
        self._ring = ring
        self._peeked = (0, place)
        self._reading: _Reading | None = None

    def peek(self, limit: int = PIECE_BYTES) -> Frames:
        """Whole frames behind the place, about ``limit`` bytes at most; empty if there are none.

        Raises JournalDamaged if the next one doesn't continue the log.
        """
        end = min(self._ring.durable_position, self.place.position + limit)
        if self.place.position >= end:
            return np.empty(0, np.uint8)
        frames = self._from_ring(end)
        if frames is None:
            frames = self._from_files(limit)
        scan = Scan(self.place)
        good = scan.take(frames)
        if good == 0:
            named = self.place.sequence + 1
            raise JournalDamaged(f"record {named} is damaged or missing", named)
        self._peeked = (good, scan.place)
        return frames[:good]

    def take(self, frames: Frames) -> None:
        """Go on behind ``frames``, the first of those that were peeked at."""
        if len(frames) == self._peeked[0]:
            self.place = self._peeked[1]
            return
        scan = Scan(self.place)
        scan.take(frames)
        self.place = scan.place

    def _from_ring(self, end: int) -> Frames | None:
        position = self.place.position
        if position < self._ring.first_position():
            return None
        # Copied by numpy, which lets other threads have the interpreter meanwhile.
        frames = np.frombuffer(self._ring.chunk(position, end), np.uint8).copy()
        try:
            self._ring.check_intact(position)
        except JournalLapped:
            return None
        self._reading = None
        return frames

    def _from_files(self, limit: int) -> Frames:
        position = self.place.position
        if self._reading is None or not self._reading.holds(position):
            self._reading = self._find(position)
        return self._reading.frames(position, limit)

    def _find(self, position: int) -> _Reading:
        segments = list_segments(self._folder)
        before = [item for item in segments if item.start.position <= position]
        if not before:
            named = self.place.sequence + 1
            raise JournalDamaged(f"record {named} is in no segment any more", named)
        # A segment that is still written, or that was given up, has more bytes than records.
        behind = [item.start.position for item in segments if item.start.position > position]
        return _Reading(before[-1], min([self._ring.durable_position, *behind]))
