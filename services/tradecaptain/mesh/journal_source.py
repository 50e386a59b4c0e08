"""Reading a log from its files and its ring, one checked piece after another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import JournalLapped, JournalRing
from tradecaptain.mesh.journal_files import (
    Checked,
    JournalDamaged,
    Segment,
    check_chain,
    check_continues,
    list_segments,
    segments_from,
)
from tradecaptain.mesh.journal_scan import CUT, FULL, Place, Scan

PIECE_BYTES: Final = 1 << 22
_EVERYTHING: Final = (1 << 63) - 1


class LogSource(Closing):
    """Segment files, and the ring if there is one. Only reads; the venue may be running."""

    def __init__(self, folder: Path, ring: JournalRing | None) -> None:
        self.folder = folder
        self.ring = ring
        # Before the segments are listed, so that those and the ring have all up to here.
        self.end_position = ring.tail if ring is not None else _EVERYTHING
        """Where the log ends: two who read it one after the other get the same."""
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

    def checked_frames(self, from_sequence: int = 1) -> Iterator[npt.NDArray[np.uint8]]:
        """Frames of the log in order, each checked; begins with the segment that has a record."""
        needed = segments_from(self.segments, max(from_sequence, self.first_sequence))
        yield from self.frames_behind(needed[0].start if needed else Place())

    def frames_behind(self, place: Place) -> Iterator[npt.NDArray[np.uint8]]:
        """Frames behind a place, each checked, up to where the log ended when it was opened.

        The writer goes on meanwhile: what the ring doesn't have any more is in segments that have
        come since.
        """
        while place.position < self.end_position:
            begun = place
            # Segments are read one at a time, so that a long log doesn't have to fit into memory.
            for segment in segments_from(self.segments, place.sequence + 1):
                if segment.start.position >= self.end_position:
                    break
                checked = self._checked(segment, place)
                frames = self._part(checked, place)
                if len(frames):
                    yield frames
                place = max(place, checked.end)
            while (piece := self._ring_piece(place)) is not None:
                frames, place = piece
                yield frames
            if self.ring is None:
                return
            if place == begun:
                self.ring.check_intact(place.position)
                return
            self.segments = list_segments(self.folder)

    def _checked(self, segment: Segment, place: Place) -> Checked:
        if place.position < segment.start.position:
            check_continues(segment, place)
        found: list[Checked] = []
        check_chain(
            self.folder,
            from_sequence=segment.start.sequence + 1,
            until=segment,
            check_hashes=False,
            durable_position=self.durable_position,
            on_segment=found.append,
        )
        return found[-1]

    def _part(self, checked: Checked, place: Place) -> npt.NDArray[np.uint8]:
        """What a segment has between a place and the end."""
        begin = checked.segment.start.position
        return checked.frames[max(0, place.position - begin) : self.end_position - begin]

    def _ring_piece(self, place: Place) -> tuple[npt.NDArray[np.uint8], Place] | None:
        """A copy of what the ring holds behind a place, and the place behind it; None if there is
        nothing more, or not there any more."""
        if self.ring is None or place.position >= self.end_position:
            return None
        end = min(self.end_position, place.position + PIECE_BYTES)
        frames = np.frombuffer(bytes(self.ring.chunk(place.position, end)), np.uint8)
        try:
            self.ring.check_intact(place.position)
        except JournalLapped:
            return None
        scan = Scan(place)
        good = scan.take(frames)
        if good == 0 or scan.verdict not in (FULL, CUT):
            named = scan.place.sequence + 1
            raise JournalDamaged(f"record {named} in the ring is damaged", named)
        return frames[:good], scan.place
