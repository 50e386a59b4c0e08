"""Where `tradecaptain journal` reads from: the run folder, or files that were put elsewhere."""

from __future__ import annotations

from pathlib import Path

from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.mesh.journal import JournalRing
from tradecaptain.mesh.journal_source import LogSource
from tradecaptain.orderbook.snapshot_files import list_snapshots


class VenueLog(LogSource):
    """The log of a venue. Only reads; the venue may be running."""

    def __init__(self, folder: Path, ring: JournalRing | None, run: RunPaths | None) -> None:
        super().__init__(folder, ring)
        self.run = run

    @property
    def snapshots(self) -> list[Path]:
        """Snapshot files beside the segments, the oldest first."""
        return list_snapshots(self.folder)


def open_source(folder: Path | None, ring: Path | None) -> VenueLog:
    """The log that a command line names; refuses when there is none."""
    run = RunPaths.from_environment() if folder is None else None
    next_step = "--folder names the one with segments, which are called <position>.journal"
    if run is not None:
        folder, ring = run.journal, ring or run.journal_ring
        next_step = "start with `tradecaptain up`"
    assert folder is not None
    opened = JournalRing(ring) if ring is not None and ring.exists() else None
    source = VenueLog(folder, opened, run)
    if opened is None and not source.segments:
        raise CommandError(f"there is no execution log in {folder}", next_step=next_step)
    return source
