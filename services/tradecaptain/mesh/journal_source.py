"""Reading a log from its files and its ring, one checked piece after another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import JournalRing
from tradecaptain.mesh.journal_files import (
    Checked,
    JournalDamaged,
    Segment,
    check_chain,
    check_continues,
    list_segments,
)
from tradecaptain.mesh.journal_scan import FULL, Place, Scan


class LogSource(Closing):
    """Segment files, and the ring if there is one. Only reads; the venue may be running."""

    def __init__(self, folder: Path, ring: JournalRing | None) -> None:
        self.folder = folder
        self.ring = ring
        self.segments: list[Segment] = list_segments(folder) if folder.is_dir() else []

    def close(self) -> None:
        """Unmap the ring."""
        if self.ring is not None:
            self.ring.close()

    @property
    def first_sequence(self) -> int:
        """The oldest record that is still held."""
        return self.segments[0].start.sequence + 1 if self.segments else 1

    @property
    def epoch(self) -> int:
        """Epoch of the newest part of the log."""
        return self.ring.epoch if self.ring is not None else self.segments[-1].epoch

    @property
    def durable_position(self) -> int:
        """Up to where the ring, if there is one, tells that everything is on disk."""
        return self.ring.durable_position if self.ring is not None else 0

    def ring_frames(self, start: Place) -> Iterator[npt.NDArray[np.uint8]]:
        """Copies of what the ring holds behind a place, up to its tail now."""
        if self.ring is None or self.ring.tail <= start.position:
            return
        position, tail = start.position, self.ring.tail
        while position < tail:
            frames = np.frombuffer(bytes(self.ring.chunk(position, tail)), np.uint8)
            self.ring.check_intact(position)
            position += len(frames)
            yield frames

    def frames_behind(self, place: Place) -> Iterator[npt.NDArray[np.uint8]]:
        """Frames behind a place of the log, each checked."""
        before = [item for item in self.segments if item.start.position <= place.position]
        skipped = place.position - before[-1].start.position if before else 0
        for frames in self.checked_frames(place.sequence + 1):
            yield frames[skipped:]
            skipped = max(0, skipped - len(frames))

    def checked_frames(self, from_sequence: int = 1) -> Iterator[npt.NDArray[np.uint8]]:
        """Frames of the log in order, each checked; begins with the segment that has a record."""
        found: list[Checked] = []
        first = max(from_sequence, self.first_sequence)
        place = self.segments[0].start if self.segments else Place()
        if self.segments:
            # Segments are read one at a time, so that a long log doesn't have to fit into memory.
            for segment in self.segments:
                found.clear()
                following = [item for item in self.segments if item.start > segment.start]
                if following and following[0].start.sequence < first:
                    place = following[0].start
                    continue
                check_continues(segment, place)
                place = check_chain(
                    self.folder,
                    from_sequence=segment.start.sequence + 1,
                    until=segment,
                    check_hashes=False,
                    durable_position=self.durable_position,
                    on_segment=found.append,
                )
                yield from (checked.frames for checked in found)
        scan = Scan(place)
        for frames in self.ring_frames(place):
            good = scan.take(frames)
            yield frames[:good]
            if scan.verdict != FULL:
                named = scan.place.sequence + 1
                raise JournalDamaged(f"record {named} in the ring is damaged", named)
