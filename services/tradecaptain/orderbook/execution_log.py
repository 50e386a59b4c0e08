"""The venue's log from start to stop: recovery, the writer, and the durability agent.

A start finds what survived: the ring in shared memory if no more than processes ended, the segment
files otherwise, nothing on the first day. It checks every record, carries out every command again,
and goes on behind the last one, in the same epoch. Only a venue without a log begins a new epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import JournalRing, journal_append, journal_publish
from tradecaptain.mesh.journal_agent import DurabilityAgent, FileSystem, JournalSettings
from tradecaptain.mesh.journal_files import (
    Checked,
    JournalDamaged,
    check_chain,
    cut_torn_tail,
    list_segments,
)
from tradecaptain.mesh.journal_scan import FULL, Place, Scan
from tradecaptain.orderbook.epoch import next_epoch, not_before
from tradecaptain.orderbook.instrument_rules import VenueInstrument
from tradecaptain.orderbook.replica import Replica
from tradecaptain.orderbook.venue_core import VenueCore, VenueSettings, allocate_core
from tradecaptain.wire import execution_event, instrument_definition

_LOG = structlog.get_logger("journal")
HISTORY_FILE: Final = "execution_history"
LEVELS: Final = {
    "process": execution_event.DURABILITY_PROCESS,
    "group": execution_event.DURABILITY_GROUP,
    "async": execution_event.DURABILITY_ASYNC,
}
"""Levels of durability by their names in the configuration."""


@kernel("int64(int64, int64, int64, int64)")
def append_record(journal: int, record: int, length: int, flags: int) -> int:
    """Append one record from Python and show it; there must be room."""
    sequence = journal_append(journal, record, length, flags)
    journal_publish(journal)
    return sequence


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a start found."""

    epoch: int
    command_count: int
    event_count: int
    torn_bytes: int
    from_ring_bytes: int
    seconds: float
    replay_seconds: float


@dataclass(frozen=True, slots=True)
class LogPaths:
    """Where the parts of a log lie."""

    ring: Path
    segments: Path
    history: Path
    epoch: Path

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
    ends, the ring if one survived, bytes of a torn record, and the last command in the files."""

    replica: Replica | None
    synced: Place
    end: Place
    ring: JournalRing | None
    torn_bytes: int
    last_command: int


def read_log(
    paths: LogPaths,
    replica_of: Callable[[int], Replica],
    *,
    check_hashes: bool = False,
    huge_pages: bool = False,
) -> Found:
    """Check files and ring and carry out what they hold."""
    ring = (
        JournalRing(paths.ring, writable=True, huge_pages=huge_pages)
        if paths.ring.exists()
        else None
    )
    segments = list_segments(paths.segments) if paths.segments.is_dir() else []
    if ring is None and not segments:
        return Found(None, Place(), Place(), None, 0, 0)
    replica = replica_of(ring.epoch if ring is not None else segments[-1].epoch)
    last: list[Checked] = []

    def apply(checked: Checked) -> None:
        last[:] = [checked]
        replica.apply(checked.frames)

    synced = check_chain(paths.segments, check_hashes=check_hashes, on_segment=apply)
    torn = last[0].torn_bytes if last else 0
    if torn:
        cut_torn_tail(last[0])
    end, last_command = synced, replica.sequence
    if ring is not None:
        end = _apply_ring(ring, synced, replica)
    return Found(replica, synced, end, ring, torn, last_command)


def _apply_ring(ring: JournalRing, start: Place, replica: Replica) -> Place:
    tail = ring.tail
    if tail < start.position or (tail > start.position and start.position < ring.first_position()):
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


class ExecutionLog(Closing):
    """A venue's ring and what syncs it, for as long as the venue runs."""

    def __init__(
        self,
        ring: JournalRing,
        agent: DurabilityAgent,
        writer: npt.NDArray[Any],
        recovery: Recovery,
        levels: Mapping[str, str],
    ) -> None:
        self.ring = ring
        self.agent = agent
        self.recovery = recovery
        self._writer = writer
        self._levels = dict(levels)
        self._is_closed = False

    def attach(self, core: VenueCore) -> None:
        """Have the sequencer write the log."""
        core.header[0]["journal"] = address_of(self._writer)

    def define(self, core: VenueCore, instruments: Sequence[Instrument], now_ns: int) -> int:
        """Log and apply what reference data says otherwise than the log; how many instruments."""
        changed = 0
        for instrument in instruments:
            wanted = VenueInstrument.from_reference(instrument, level_of(instrument, self._levels))
            if core.instruments.get(instrument.instrument_id) == wanted:
                continue
            header = core.header[0]
            header["sequence"] += 1
            header["time_ns"] = max(int(header["time_ns"]), now_ns)
            record = wanted.record(core.epoch, int(header["sequence"]), int(header["time_ns"]))
            append_record(
                address_of(self._writer),
                address_of(record),
                instrument_definition.RECORD_BYTES,
                0,
            )
            core.define(wanted)
            changed += 1
        return changed

    @property
    def end(self) -> Place:
        """Behind the last record."""
        row = self._writer[0]
        return Place(int(row["position"]), int(row["sequence"]), int(row["checksum"]))

    def stats(self) -> dict[str, int | str]:
        """Where the log stands."""
        writer = self._writer[0]
        return {
            "journal_position": int(writer["position"]),
            "journal_sequence": int(writer["sequence"]),
            "durable_position": self.agent.place.position,
            "durable_sequence": self.agent.place.sequence,
            "journal_blocked": int(writer["blocked_count"]),
            "journal_error": self.agent.error,
        }

    def close(self) -> None:
        """Sync what is left; the ring goes once everything is in the files."""
        if self._is_closed:
            return
        self._is_closed = True
        if self.agent.close():
            self.ring.path.unlink(missing_ok=True)
        else:
            _LOG.error("the log isn't synced; its ring stays", ring=str(self.ring.path))
        self.ring.close()


def level_of(instrument: Instrument, levels: Mapping[str, str]) -> int:
    """Level of durability of an instrument: that of its key or symbol, else ``default``."""
    default = levels.get("default", "process")
    return LEVELS[levels.get(str(instrument.key), levels.get(instrument.symbol, default))]


def open_log(
    paths: LogPaths,
    settings: VenueSettings,
    instruments: Sequence[Instrument],
    journal: JournalSettings,
    *,
    levels: Mapping[str, str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    files: FileSystem | None = None,
) -> tuple[VenueCore, ExecutionLog]:
    """Recover the venue from its log, or begin one; the core is ready for `attach` of streams.

    Raises :class:`JournalDamaged` if a record but a torn last one is damaged or missing.
    """
    began_ns = clock.monotonic_ns()
    found = read_log(
        paths, lambda epoch: Replica(settings, epoch, paths.history), huge_pages=journal.huge_pages
    )
    replica, synced, end, ring = found.replica, found.synced, found.end, found.ring
    last_command = found.last_command
    if replica is None:
        core = allocate_core(settings, [], next_epoch(paths.epoch), paths.history, is_shown=False)
    else:
        core = replica.finish()
        not_before(paths.epoch, core.epoch)
    from_ring = end.position - synced.position
    if ring is not None and ring.capacity != journal.ring_bytes:
        _move_to_files(ring, paths, journal, synced, core.epoch, clock)
        ring, last_command = None, int(core.header[0]["sequence"])
        synced = end
    if ring is None:
        ring = JournalRing.create(
            paths.ring,
            capacity=journal.ring_bytes,
            epoch=core.epoch,
            position=end.position,
            sequence=end.sequence,
            checksum=end.checksum,
            huge_pages=journal.huge_pages,
        )
    levels = levels or {}
    group = LEVELS["group"]
    agent = DurabilityAgent(
        ring,
        paths.segments,
        journal,
        synced,
        epoch=core.epoch,
        last_command=last_command,
        clock=clock,
        files=files,
        is_group=any(level_of(instrument, levels) == group for instrument in instruments),
    )
    recovery = Recovery(
        core.epoch,
        replica.command_count if replica else 0,
        replica.event_count if replica else 0,
        found.torn_bytes,
        from_ring,
        (clock.monotonic_ns() - began_ns) / 1e9,
        replica.seconds if replica else 0.0,
    )
    writer = ring.writer_state(end.position, end.sequence, end.checksum)
    log = ExecutionLog(ring, agent, writer, recovery, levels)
    log.attach(core)
    log.define(core, instruments, clock.now_ns())
    core.history.show()
    return core, log


def _move_to_files(
    ring: JournalRing,
    paths: LogPaths,
    journal: JournalSettings,
    synced: Place,
    epoch: int,
    clock: Clock,
) -> None:
    """Empty a ring of another length into the files, so that a new one can take its place."""
    agent = DurabilityAgent(ring, paths.segments, journal, synced, epoch=epoch, clock=clock)
    if not agent.close():
        raise OSError(f"the ring {ring.path} can't be written to {paths.segments}: {agent.error}")
    ring.close()
    ring.path.unlink()
