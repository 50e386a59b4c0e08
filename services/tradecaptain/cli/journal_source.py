"""Where `tradecaptain journal` reads from: the run folder, or files that were put elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import typer
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import JournalRing
from tradecaptain.mesh.journal_files import (
    Checked,
    Segment,
    check_chain,
    list_segments,
)
from tradecaptain.mesh.journal_scan import Place, Scan

FOLDER = typer.Option(None, "--folder", help="Folder of segment files; the run folder's if absent.")
RING = typer.Option(None, "--ring", help="Ring in shared memory; the run folder's if absent.")


class LogSource(Closing):
    """Segment files, and the ring if there is one. Only reads; the venue may be running."""

    def __init__(self, folder: Path, ring: JournalRing | None, run: RunPaths | None) -> None:
        self.folder = folder
        self.ring = ring
        self.run = run
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
                    continue
                place = check_chain(
                    self.folder,
                    from_sequence=segment.start.sequence + 1,
                    until=segment,
                    check_hashes=False,
                    on_segment=found.append,
                )
                yield from (checked.frames for checked in found)
        scan = Scan(place)
        for frames in self.ring_frames(place):
            good = scan.take(frames)
            yield frames[:good]


def open_source(folder: Path | None, ring: Path | None) -> LogSource:
    """The log that a command line names; refuses when there is none."""
    run = RunPaths.from_environment() if folder is None else None
    if run is not None:
        folder, ring = run.journal, ring or run.journal_ring
    assert folder is not None
    opened = JournalRing(ring) if ring is not None and ring.exists() else None
    source = LogSource(folder, opened, run)
    if opened is None and not source.segments:
        raise CommandError(
            f"there is no execution log in {folder}", next_step="start with `tradecaptain up`"
        )
    return source
