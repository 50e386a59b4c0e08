"""The venue's log from start to stop: recovery, the writer, and the durability agent.

A start finds what survived (`log_reading`), and goes on behind the last record, in the same epoch
if nothing that was told is lost. A venue whose ring is gone though it was in use goes on in a new
epoch; one without a log begins a new epoch with nothing. While the venue runs, the durability agent
writes what it logs to files, and the keeper takes snapshots, so that the next start has little to
carry out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.boot_mark import boot_number
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import (
    FLAG_RESULT,
    JournalRing,
    frame_bytes,
    journal_append,
    journal_has_room,
    journal_publish,
)
from tradecaptain.mesh.journal_agent import DurabilityAgent, JournalSettings
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.mesh.journal_storage import FileSystem
from tradecaptain.orderbook.epoch import next_epoch, not_before
from tradecaptain.orderbook.instrument_rules import VenueInstrument
from tradecaptain.orderbook.log_reading import Found, LogPaths, read_log
from tradecaptain.orderbook.replica import Replica
from tradecaptain.orderbook.snapshot import take_snapshot
from tradecaptain.orderbook.snapshot_files import needed_from, restored_from, write_snapshot
from tradecaptain.orderbook.snapshot_keeper import SnapshotKeeper
from tradecaptain.orderbook.venue_core import VenueCore, VenueSettings, allocate_core
from tradecaptain.wire import control, execution_event, instrument_definition

_LOG = structlog.get_logger("journal")
LEVELS: Final = {
    "process": execution_event.DURABILITY_PROCESS,
    "group": execution_event.DURABILITY_GROUP,
    "async": execution_event.DURABILITY_ASYNC,
}
"""Levels of durability by their names in the configuration."""
DEFAULT_LEVEL: Final = "process"


@kernel("int64(int64, int64, int64, int64)")
def append_record(journal: int, record: int, length: int, flags: int) -> int:
    """Append one record from Python and show it; its number, or 0 if there is no room."""
    if not journal_has_room(journal, frame_bytes(length)):
        return 0
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
    snapshot_sequence: int = 0
    """Sequence of the snapshot with which the start began; 0 if it carried out the whole log."""
    unusable_snapshots: tuple[str, ...] = ()
    """Newer snapshots that could not be used, and why."""


class ExecutionLog(Closing):
    """A venue's ring and what syncs it, for as long as the venue runs."""

    def __init__(
        self,
        ring: JournalRing,
        agent: DurabilityAgent,
        writer: npt.NDArray[Any],
        recovery: Recovery,
        levels: Mapping[str, str],
        keeper: SnapshotKeeper,
        paths: LogPaths,
    ) -> None:
        self.ring = ring
        self.agent = agent
        self.recovery = recovery
        self.keeper = keeper
        self._folder = paths.segments
        self._mark = paths.mark
        self._writer = writer
        self._levels = dict(levels)
        self._core: VenueCore | None = None
        self._is_closed = False

    def attach(self, core: VenueCore) -> None:
        """Have the sequencer write the log."""
        core.header[0]["journal"] = address_of(self._writer)
        self._core = core
        level = LEVELS[self._levels.get("default", DEFAULT_LEVEL)]
        core.header[0]["default_durability"] = level

    def start(self) -> None:
        """Sync, and take snapshots, on threads of their own."""
        self.agent.start()
        self.keeper.start()

    def complete(self, core: VenueCore, count: int) -> None:
        """Log the newest ``count`` events: their commands were logged, and the turn that carried
        them out was cut off before they were."""
        last = core.history.last_sequence
        for sequence in range(last - count + 1, last + 1):
            self._append(core.history.held(sequence), execution_event.RECORD_BYTES, FLAG_RESULT)

    def _append(self, record: int, length: int, flags: int) -> None:
        """Append a record before the venue runs, syncing first where the ring has no room."""
        while append_record(address_of(self._writer), record, length, flags) == 0:
            if self.agent.step(force=True) == 0 and self.agent.error:
                raise OSError(f"the log has no room and can't be synced: {self.agent.error}")

    def open_epoch(self, core: VenueCore, now_ns: int) -> None:
        """Log that the venue goes on in its present epoch, behind what is in the log."""
        header = core.header[0]
        header["sequence"] += 1
        header["time_ns"] = max(int(header["time_ns"]), now_ns)
        record = np.zeros(1, control.DTYPE)
        control.initialise(address_of(record))
        record["action"] = control.CONTROL_ACTION_EPOCH_START
        for name in ("epoch", "sequence", "time_ns"):
            record[name] = header[name]
        self._append(address_of(record), control.RECORD_BYTES, 0)
        _LOG.warning("what the log's ring had beyond the files is lost", epoch=core.epoch)

    def define(self, core: VenueCore, instruments: Sequence[Instrument], now_ns: int) -> int:
        """Log and apply what reference data says otherwise than the log; how many instruments."""
        core.remember_created()
        changed = 0
        for instrument in instruments:
            wanted = VenueInstrument.from_reference(instrument, level_of(instrument, self._levels))
            if core.instruments.get(instrument.instrument_id) == wanted:
                continue
            header = core.header[0]
            header["sequence"] += 1
            header["time_ns"] = max(int(header["time_ns"]), now_ns)
            record = wanted.record(core.epoch, int(header["sequence"]), int(header["time_ns"]))
            self._append(address_of(record), instrument_definition.RECORD_BYTES, 0)
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
            "journal_error": self.agent.error or self.agent.missing,
            "snapshot_sequence": self.keeper.snapshot_sequence,
        }

    def snapshot(self, core: VenueCore) -> bool:
        """Write a snapshot of the venue itself, between two of its turns, once all is on disk."""
        if self.end.sequence == 0 or int(core.header[0]["control_stage"]) != 0:
            return False
        try:
            write_snapshot(self._folder, take_snapshot(core, self.end))
        except (OSError, TradeCaptainError) as error:
            _LOG.error("no snapshot was written", error=str(error))
            return False
        return True

    def close(self, *, is_orderly: bool = True) -> None:
        """Sync what is left; the ring goes once everything is in the files. A venue that stopped
        in order, and not by a failure of its own, leaves a snapshot."""
        if self._is_closed:
            return
        self._is_closed = True
        self.keeper.close()
        if self.agent.close():
            if self._core is not None and is_orderly:
                self.snapshot(self._core)
            self._give_up_ring()
        else:
            _LOG.error("the log isn't synced; its ring stays", ring=str(self.ring.path))
        self.ring.close()

    def _give_up_ring(self) -> None:
        """Everything is in the files."""
        try:
            self._mark.finish()
        except OSError as error:
            # Without the mark a start would take the ring's absence for a loss.
            _LOG.error("the log's ring stays, for its mark can't be written", error=str(error))
            return
        self.ring.path.unlink(missing_ok=True)


def level_of(instrument: Instrument, levels: Mapping[str, str]) -> int:
    """Level of durability of an instrument: that of its key or symbol, else ``default``."""
    default = levels.get("default", DEFAULT_LEVEL)
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
    found: Found | None = None,
) -> tuple[VenueCore, ExecutionLog]:
    """Recover the venue from its log, or begin one; the core is ready for `attach` of streams.

    A standby that has carried the log out already hands it over as ``found``. Raises
    :class:`JournalDamaged` if a record but a torn last one is damaged or missing.
    """
    began_ns = clock.monotonic_ns()
    if found is None:
        found = read_log(
            paths,
            lambda epoch: Replica(settings, epoch, paths.history),
            huge_pages=journal.huge_pages,
        )
    replica = found.replica
    if replica is None:
        core = allocate_core(settings, [], next_epoch(paths.epoch), paths.history, is_shown=False)
    else:
        core = replica.finish()
        logged_epoch = core.epoch
        _enter_epoch(found, core, paths)
    recovery = Recovery(
        core.epoch,
        replica.command_count if replica else 0,
        replica.event_count if replica else 0,
        found.torn_bytes,
        found.end.position - found.synced.position,
        (clock.monotonic_ns() - began_ns) / 1e9,
        replica.seconds if replica else 0.0,
        found.snapshot.sequence if found.snapshot else 0,
        found.unusable,
    )
    levels = levels or {}
    used = {level_of(instrument, levels) for instrument in instruments}
    is_group = LEVELS["group"] in used | {LEVELS[levels.get("default", DEFAULT_LEVEL)]}
    ring, agent = _writing(found, paths, journal, core, clock, files, is_group=is_group)
    keeper = SnapshotKeeper(
        settings,
        journal,
        ring,
        paths.segments,
        paths.history.with_name("snapshots"),
        clock=clock,
        on_snapshot=agent.note_snapshot,
        is_urgent=lambda: bool(agent.missing),
    )
    end = found.end
    writer = ring.writer_state(end.position, end.sequence, end.checksum)
    log = ExecutionLog(ring, agent, writer, recovery, levels, keeper, paths)
    log.attach(core)
    if replica is not None:
        log.complete(core, replica.unlogged_count)
        if core.epoch != logged_epoch:
            log.open_epoch(core, clock.now_ns())
    log.define(core, instruments, clock.now_ns())
    core.history.show()
    return core, log


def _enter_epoch(found: Found, core: VenueCore, paths: LogPaths) -> None:
    """Stay in the log's epoch, or go on in another if what was told beyond the files is gone: its
    sequences and ids must not come again."""
    not_before(paths.epoch, core.epoch)
    if found.lost_ring:
        core.continue_in(next_epoch(paths.epoch))
    elif found.ring is not None and found.ring.epoch > core.epoch:
        # A start that was cut off before it logged the epoch that it had opened.
        core.continue_in(found.ring.epoch)


def _writing(
    found: Found,
    paths: LogPaths,
    journal: JournalSettings,
    core: VenueCore,
    clock: Clock,
    files: FileSystem | None,
    *,
    is_group: bool,
) -> tuple[JournalRing, DurabilityAgent]:
    """The ring that the venue goes on with, and what syncs it."""
    ring, synced, end = found.ring, found.synced, found.end
    last_command = found.last_command
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
            boot=boot_number(),
            huge_pages=journal.huge_pages,
        )
    agent = DurabilityAgent(
        ring,
        paths.segments,
        journal,
        synced,
        epoch=core.epoch,
        last_command=last_command,
        clock=clock,
        files=files,
        is_group=is_group,
        retained_from=lambda: needed_from(paths.segments),
        restored_from=lambda: restored_from(paths.segments),
        on_begin=lambda: _mark_ring(paths),
    )
    agent.begin()
    return ring, agent


def _mark_ring(paths: LogPaths) -> None:
    """Note, on disk, that the ring has what the files may lack."""
    paths.segments.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.mark.begin()


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
