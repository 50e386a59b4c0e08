"""Reading a venue's log at a start: the newest good snapshot, then what the log has behind it.

What survived is the ring in shared memory if no more than processes ended, the segment files
otherwise, nothing on the first day. Every record is checked. A snapshot that is damaged, or isn't
of this log, is named, and the one before it is taken. One that is good, and was taken behind more
records than are left, stops the start: only what is on disk is carried out for a snapshot, so those
records were there and are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.mesh.boot_mark import BootMark, boot_number
from tradecaptain.mesh.journal import JournalRing
from tradecaptain.mesh.journal_files import (
    Checked,
    JournalDamaged,
    Segment,
    SegmentMissing,
    check_chain,
    list_segments,
)
from tradecaptain.mesh.journal_scan import FULL, Place, Scan
from tradecaptain.mesh.journal_sealing import seal_tail
from tradecaptain.orderbook.journaling import EVENT_FRAME_BYTES
from tradecaptain.orderbook.replica import Replica
from tradecaptain.orderbook.snapshot import Snapshot, SnapshotUnusable, read_head
from tradecaptain.orderbook.snapshot_files import list_snapshots, read_snapshot

_LOG = structlog.get_logger("journal")
HISTORY_FILE: Final = "execution_history"
MARK_NAME: Final = ".ring.written"
_BEGINNING: Final = Place()


@dataclass(frozen=True, slots=True)
class LogPaths:
    """Where the parts of a log lie."""

    ring: Path
    segments: Path
    history: Path
    epoch: Path

    @property
    def mark(self) -> BootMark:
        """Tells whether the ring was written out to the segments."""
        return BootMark(self.segments / MARK_NAME)

    @classmethod
    def of(cls, run: RunPaths) -> LogPaths:
        """Those of the venue of a run folder."""
        return cls(
            run.journal_ring,
            run.journal,
            run.shared_memory / HISTORY_FILE,
            run.epochs / "orderbook",
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A log as it was found: the replica (None without a log), where the files end, where the log
    ends, the ring if one survived, bytes of a torn record, the last command in the files, the
    snapshot that the replica began with, why newer ones could not be used, and whether the ring is
    gone with what it may have had beyond the files."""

    replica: Replica | None = None
    synced: Place = _BEGINNING
    end: Place = _BEGINNING
    ring: JournalRing | None = None
    torn_bytes: int = 0
    last_command: int = 0
    snapshot: Snapshot | None = None
    unusable: tuple[str, ...] = ()
    lost_ring: bool = False


@dataclass(frozen=True, slots=True)
class _Files:
    """The segment files, how they are checked, and up to where the ring tells them to be synced."""

    folder: Path
    segments: list[Segment]
    check_hashes: bool
    durable_position: int


@dataclass(frozen=True, slots=True)
class _Read:
    """What the segment files gave: the replica, the place behind them, and the last of them."""

    replica: Replica
    end: Place
    last: Checked | None


def read_log(
    paths: LogPaths,
    replica_of: Callable[[int], Replica],
    *,
    check_hashes: bool = False,
    huge_pages: bool = False,
) -> Found:
    """Check snapshots, files and ring and carry out what they hold."""
    ring = _surviving_ring(paths.ring, huge_pages=huge_pages) if paths.ring.exists() else None
    segments = list_segments(paths.segments) if paths.segments.is_dir() else []
    if ring is None and not segments:
        check_reach(_ahead_of(paths.segments, _BEGINNING), _BEGINNING)
        return Found()
    epoch = ring.epoch if ring is not None else segments[-1].epoch
    files = _Files(
        paths.segments, segments, check_hashes, ring.durable_position if ring is not None else 0
    )
    snapshot, read, unusable = _read_files(files, lambda: replica_of(epoch), epoch)
    torn = read.last.torn_bytes if read.last is not None else 0
    end, last_command = read.end, read.replica.sequence
    if ring is not None:
        end = _apply_ring(ring, read.end, read.replica)
    check_reach(_ahead_of(paths.segments, end), end)
    if read.last is not None:
        seal_tail(read.last)
    lost_ring = ring is None and not paths.mark.is_written_out
    return Found(
        read.replica, read.end, end, ring, torn, last_command, snapshot, tuple(unusable), lost_ring
    )


def _surviving_ring(path: Path, *, huge_pages: bool) -> JournalRing | None:
    """The ring, unless it is of before the machine ended, where shared memory lies on a disk: some
    of its pages may be older than others, so it is put aside."""
    ring = JournalRing(path, writable=True, huge_pages=huge_pages)
    if ring.boot in (0, boot_number()):
        return ring
    ring.close()
    aside = path.with_name(f"{path.name}.doubtful")
    path.rename(aside)
    _LOG.warning("the log's ring is of before the machine ended", moved_to=str(aside))
    return None


def _read_files(
    files: _Files, make: Callable[[], Replica], epoch: int
) -> tuple[Snapshot | None, _Read, list[str]]:
    """Carry out the segments behind the newest snapshot with which that goes well."""
    unusable: list[str] = []
    for path in reversed(list_snapshots(files.folder)):
        try:
            snapshot = read_snapshot(path)
            if snapshot.epoch > epoch:
                raise SnapshotUnusable(path.name, f"it is of epoch {snapshot.epoch}")
            read = _read_on(files, make, snapshot, path.name)
        except SnapshotUnusable as error:
            unusable.append(error.message)
            _LOG.error("a snapshot can't be used; the one before it is", why=error.message)
            continue
        return snapshot, read, unusable
    try:
        return None, _read_behind(files, make(), None, "", 0), unusable
    except JournalDamaged as error:
        if not unusable:
            raise
        raise JournalDamaged(f"{error.message}; {'; '.join(unusable)}", error.sequence) from error


def _read_on(files: _Files, make: Callable[[], Replica], snapshot: Snapshot, name: str) -> _Read:
    """Carry out what is behind a snapshot. A segment that is missing before it costs only events of
    the history."""
    past_from = 0
    while True:
        replica = make()
        try:
            _restore(replica, snapshot, name)
            return _read_behind(files, replica, snapshot, name, past_from)
        except SegmentMissing as error:
            replica.close()
            if not past_from < error.sequence <= snapshot.place.sequence:
                raise
            past_from = error.sequence
            _LOG.error(
                "a segment before the snapshot is missing, and events before it are not held",
                why=error.message,
            )
        except TradeCaptainError:
            replica.close()
            raise


def _restore(replica: Replica, snapshot: Snapshot, name: str) -> None:
    try:
        replica.restore(snapshot)
    except TradeCaptainError as error:
        raise SnapshotUnusable(name, error.message) from error


def _read_behind(
    files: _Files, replica: Replica, snapshot: Snapshot | None, name: str, past_from: int
) -> _Read:
    """Carry out what the segments have behind a snapshot, or all of it without one. What lies
    before fills the history, as far as that, and what begins with record ``past_from``, reaches."""
    place = snapshot.place if snapshot is not None else Place()
    segments = [item for item in files.segments if item.start.sequence >= past_from]
    from_sequence = 1
    history_bytes = replica.core.history.capacity * EVENT_FRAME_BYTES
    held_from = max(segments[-1].start.position, place.position) - history_bytes if segments else 0
    if snapshot is not None:
        if not segments or segments[0].start.position > place.position:
            raise SnapshotUnusable(name, f"the log lacks record {place.sequence}")
        from_sequence = _first_segment(segments, place, history_bytes).start.sequence + 1
    last: Checked | None = None

    def apply(checked: Checked) -> None:
        nonlocal last
        last = checked
        check_place(checked, place, name)
        before = place.position - checked.segment.start.position
        if before > 0:
            replica.show_past(checked.frames[:before])
        replica.hold_events(is_held=checked.end.position > held_from)
        replica.apply(checked.frames[max(before, 0) :])

    end = check_chain(
        files.folder,
        from_sequence=from_sequence,
        check_hashes=files.check_hashes,
        durable_position=files.durable_position,
        on_segment=apply,
    )
    if end.position < place.position:
        raise SnapshotUnusable(name, f"the log ends with record {end.sequence}, before it")
    return _Read(replica, end, last)


def _first_segment(segments: list[Segment], place: Place, history_bytes: int) -> Segment:
    """The last segment that begins so far before a place, or the first of all."""
    wanted = place.position - history_bytes
    before = [segment for segment in segments if segment.start.position <= wanted]
    return before[-1] if before else segments[0]


def check_place(checked: Checked, place: Place, name: str) -> None:
    """Refuse a snapshot whose place lies in a segment and isn't one between two of its records."""
    before = place.position - checked.segment.start.position
    if not 0 < before <= len(checked.frames):
        return
    scan = Scan(checked.segment.start)
    scan.take(checked.frames[:before])
    if scan.place != place:
        raise SnapshotUnusable(name, f"record {place.sequence} of the log is another one")


def check_reach(snapshots: Iterable[Snapshot], end: Place) -> None:
    """Raise JournalDamaged if a snapshot was taken behind records that aren't in the log."""
    for snapshot in snapshots:
        if snapshot.place.position > end.position:
            named = end.sequence + 1
            raise JournalDamaged(
                f"the log ends with record {end.sequence}, and the snapshot at"
                f" {snapshot.sequence} was taken behind record {snapshot.place.sequence}: record"
                f" {named} is missing",
                named,
            )


def _ahead_of(folder: Path, end: Place) -> Iterator[Snapshot]:
    """The good snapshots that lie behind a place; of others the head alone is read."""
    for path in list_snapshots(folder):
        try:
            if int(read_head(path)["journal_position"]) > end.position:
                yield read_snapshot(path)
        except SnapshotUnusable as error:
            _LOG.error("a snapshot can't be used", why=error.message)


def _apply_ring(ring: JournalRing, start: Place, replica: Replica) -> Place:
    tail = ring.tail
    # What isn't synced is never overwritten, though room for it may have been announced.
    first = min(ring.first_position(), ring.durable_position)
    if tail < start.position or (tail > start.position and start.position < first):
        named = start.sequence + 1
        raise JournalDamaged(
            f"the ring {ring.path} doesn't continue the files: record {named} is missing", named
        )
    scan = Scan(start)
    while scan.place.position < tail:
        chunk = np.frombuffer(ring.chunk(scan.place.position, tail), np.uint8)
        good = scan.take(chunk)
        replica.apply(chunk[:good])
        if scan.verdict != FULL:
            named = scan.place.sequence + 1
            raise JournalDamaged(f"record {named} in the ring {ring.path} is damaged", named)
    return scan.place
