"""The orderbook process in simulation: sequencer, gate, book and log, and its crashes in between.

A turn of the sequencer is one call, so a crash inside it is made afterwards: of the stores by which
the turn showed its results (the log's tail, then the streams, then the history of events) only the
first few are left, and the frames behind the tail are torn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import (
    load_i32,
    load_i64,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching import engine_state_hash
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import PHASE_IDLE
from tradecaptain.mesh.history import OFFSET_LAST, HistoryReader
from tradecaptain.mesh.journal import OFFSET_DURABLE_COMMAND, OFFSET_TAIL, JournalRing
from tradecaptain.mesh.journal_files import (
    SEGMENT_HEADER_BYTES,
    Checked,
    JournalDamaged,
    check_chain,
    list_segments,
)
from tradecaptain.mesh.layout import METADATA_ACTIVE_TERM_COUNT, PARTITION_COUNT
from tradecaptain.orderbook.agent import BookState, Venue
from tradecaptain.orderbook.controls import STAGE_NONE
from tradecaptain.orderbook.execution_log import ExecutionLog
from tradecaptain.orderbook.log_reading import HISTORY_FILE
from tradecaptain.orderbook.replica import Replica
from tradecaptain.orderbook.snapshot_files import list_snapshots, read_snapshot
from tradecaptain.simulation import settings
from tradecaptain.simulation.disk import Flip, SimulatedFiles, choose_flip
from tradecaptain.simulation.process import SimulatedProcess, turn_agents
from tradecaptain.simulation.surroundings import Surroundings
from tradecaptain.simulation.witness import Violation, require
from tradecaptain.wire import common, execution_event

NOTHING_SHOWN: Final = 0
LOGGED: Final = 1
EXECUTIONS_SHOWN: Final = 2
ALL_SHOWN: Final = 3
"""How far a turn came in which the process is killed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What everybody else could see before a turn: the log's tail, the history, each stream."""

    tail: int
    last_event: int
    streams: tuple[tuple[int, tuple[int, ...], int, int], ...]


class VenueProcess(SimulatedProcess):
    """The orderbook's process."""

    name: ClassVar[str] = "orderbook"

    def __init__(self, world: Surroundings) -> None:
        super().__init__(world)
        self.files = SimulatedFiles(random.Random(world.random.random()))
        self.level = world.random.choice(["process", "process", "async", "group"])
        self.venue: Venue
        self.flip: Flip | None = None
        self._good_copy = b""
        self.state_hash = 0
        self.damage_found = 0
        self.lost_power_at: int | None = None
        """The last command that was certainly on disk when the power went; None once that was
        looked at."""
        self._heard = 0
        self._epoch = 0
        self._history: HistoryReader | None = None

    # Life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Recover from the log; raises :class:`Violation` if damage isn't found, or what was shown
        isn't there any more."""
        if self.flip is not None:
            self._start_damaged(self.flip)
            self.flip = None
        before = self.state_hash
        self._open()
        self.files.settle()
        if self.lost_power_at is not None:
            self._check_durable(self.lost_power_at)
            self.lost_power_at = None
            before = 0
        recovery = self.venue.recovery
        if recovery is not None and recovery.command_count:
            self._check_recovered(before)
        self.hear()

    def _open(self) -> None:
        world = self.world
        self.venue = self.make_venue()
        grows = self.lost_power_at is not None or self._epoch == 0
        require(
            self.venue.epoch > self._epoch if grows else self.venue.epoch == self._epoch,
            f"the venue is in epoch {self.venue.epoch} after epoch {self._epoch},"
            f" {'with' if grows else 'without'} a loss of power",
        )
        self._epoch = self.venue.epoch
        end = self._log().end
        world.trace(end.position, end.sequence, end.checksum)

    def make_venue(self) -> Venue:
        """The venue as its process makes it."""
        world = self.world
        return Venue(
            self.mesh,
            world.paths,
            settings.reference().own_venue(),
            settings.VENUE,
            world.journal,
            {"default": self.level},
            clock=world.clock,
            files=self.files,
        )

    def _start_damaged(self, flip: Flip) -> None:
        """A start on a damaged log must be refused; the operator then brings the right bytes."""
        try:
            self.make_venue()
        except JournalDamaged:
            self.damage_found += 1
        else:
            raise Violation(f"the log was taken for good with {flip} turned over")
        finally:
            self.files.drop()
            self.mesh.close()
            flip.path.write_bytes(self._good_copy)

    def _check_recovered(self, before: int) -> None:
        """Whether everything that was shown is there again, and the state is what it led to."""
        heard = self.world.witness.events()
        self._history = None
        again = self._read_history(1, len(heard))
        require(
            len(again) == len(heard),
            f"{len(heard) - len(again)} events that were shown are gone after a restart",
        )
        same = again.view(np.uint8) == heard.view(np.uint8)
        require(bool(same.all()), "events that were shown are different after a restart")
        if before:
            now = int(engine_state_hash(self.engine))
            require(now == before, "the book is another one after a restart")

    def _check_durable(self, durable_command: int) -> None:
        """Whether everything that was on disk is there again, and nothing else than was shown; what
        was shown beyond that is gone, and forgotten."""
        heard = self.world.witness.events()
        self._history = None
        again = self._read_history(1, settings.VENUE.history_events)
        count = min(len(heard), len(again))
        wanted = int((heard["command_sequence"] <= durable_command).sum())
        require(
            count >= wanted,
            f"{wanted - count} events that were on disk are gone after a loss of power",
        )
        same = again[:count].view(np.uint8) == heard[:count].view(np.uint8)
        require(bool(same.all()), "events that were shown are different after a loss of power")
        self.world.witness = self.world.witness.of_first(count)
        self._heard = count

    def lose_power(self, durable_command: int) -> None:
        """What a killed venue leaves on its disk when the machine ends as well."""
        self.files.lose_power(self.world.paths.journal)
        if self.lost_power_at is None:
            self.lost_power_at = durable_command

    # Turns ----------------------------------------------------------------------------------

    def turn(self) -> int:
        """A turn of the sequencer, then maybe one of the durability agent."""
        work = turn_agents([self.venue.agent], self.world.clock.now_ns())
        self.sync()
        self.hear()
        return work

    def sync(self) -> None:
        """Let durability agent and keeper of snapshots look once, if they have their turn."""
        log, weather, source = self._log(), self.world.weather, self.world.random
        if source.random() < weather.sync_probability:
            log.agent.step()
        if source.random() < weather.snapshot_probability:
            log.keeper.step()

    def hear(self) -> None:
        """Have the witness hear what was shown since the last time."""
        events = self._read_history(self._heard + 1, settings.VENUE.history_events)
        if len(events):
            self._heard += len(events)
            self.world.witness.hear(events)

    def _read_history(self, sequence: int, count: int) -> npt.NDArray[Any]:
        if self._history is None:
            self._history = HistoryReader.open(self.world.paths.shared_memory / HISTORY_FILE)
        return self._history.read_array(sequence, count, execution_event.DTYPE)

    def hash_at_rest(self) -> int:
        """Hash of the books; 0 in the middle of a command, which a replay would finish."""
        engine = self.venue.core.engine.address
        at_rest = (
            load_i64(engine + at.HEADER_PHASE) == PHASE_IDLE
            and int(self.venue.core.header[0]["control_stage"]) == STAGE_NONE
        )
        return int(engine_state_hash(engine)) if at_rest else 0

    @property
    def engine(self) -> int:
        """Address of the matching engine."""
        return int(self.venue.core.engine.address)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is under way, and all of the log is on disk."""
        header = self.venue.core.header[0]
        self.force_sync()
        log = self._log()
        return (
            self.hash_at_rest() != 0
            and int(header["pending_command"]) == 0
            and log.agent.place.position == log.ring.tail
        )

    def book(self) -> BookState:
        """The book as the venue has it."""
        return self.venue.copy_book(settings.INSTRUMENT_ID)

    def force_sync(self) -> None:
        """Have the durability agent sync now what it can."""
        while self._log().agent.step(force=True):
            pass

    def durable_command(self) -> int:
        """The last command that is on disk."""
        return self._log().ring.load(OFFSET_DURABLE_COMMAND)

    def log_checksum(self) -> int:
        """Checksum of everything in the log."""
        return self._log().end.checksum

    # The end --------------------------------------------------------------------------------

    def check_end(self) -> None:
        """Whether the log leads to this state, and the gate's sums are those of the events."""
        world = self.world
        replica = Replica(settings.VENUE, self.venue.epoch, world.paths.folder / "replayed")

        def carry_out(checked: Checked) -> None:
            replica.apply(checked.frames)

        end = check_chain(world.paths.journal, on_segment=carry_out)
        require(end == self._log().end, f"the files end at {end}, the log at {self._log().end}")
        require(
            replica.state_hash() == int(engine_state_hash(self.engine)),
            "the replay of the log leads to another state than the run",
        )
        require(
            replica.event_count == world.witness.count,
            f"the replay makes {replica.event_count} events of {world.witness.count}",
        )
        self._check_gate(replica.core.gate.pairs, "replayed gate")
        self._check_gate(self.venue.core.gate.pairs, "gate")
        replica.close()

    def _check_gate(self, pairs: npt.NDArray[Any], what: str) -> None:
        witness = self.world.witness
        working = witness.working_units()
        used = pairs[pairs["key"] != 0]
        found: set[tuple[int, int]] = set()
        for row in used:
            place = int(row["key"]) >> 32, int(row["key"]) & 0xFFFF_FFFF
            found.add(place)
            held = (int(row["position"]), int(row["working_buy"]), int(row["working_sell"]))
            wanted = (
                witness.positions.get(place, 0),
                working.get((*place, common.SIDE_BUY), 0),
                working.get((*place, common.SIDE_SELL), 0),
            )
            require(held == wanted, f"the {what} has {held} for {place}, the events say {wanted}")
        missing = {place for place, units in witness.positions.items() if units} - found
        require(not missing, f"the {what} has no position for {missing}")

    # Crashes --------------------------------------------------------------------------------

    def kill(self) -> None:
        """Kill it, and with it the views of its books, which live in the same process."""
        super().kill()
        if self.world.views.is_up:
            self.world.views.kill()

    def drop(self) -> None:
        """What the operating system does for a process that is gone."""
        venue = self.venue
        self.state_hash = self.hash_at_rest()
        venue.core.history.close()
        self._log().keeper.close()
        self._log().agent.drop()
        self._log().ring.close()
        self.files.drop()
        self._history = None

    def crash_in_turn(self, reached: int) -> None:
        """Turn once more, and be killed when the turn had come so far."""
        # A new driver's logs must be there before anybody looks: those of before are gone then.
        self.venue.agent.refresh()
        before, hash_before = self._look(), self.hash_at_rest()
        turn_agents([self.venue.agent], self.world.clock.now_ns())
        self._undo(before, reached)
        self.kill()
        if reached == NOTHING_SHOWN:
            self.state_hash = hash_before

    def _publications(self) -> list[Any]:
        streams = self.venue.streams
        return [streams.execution_events, streams.book_events, streams.control_events]

    def _look(self) -> Shown:
        states = []
        for publication in self._publications():
            record = publication.state[0]
            metadata = int(record["metadata_address"])
            tails = tuple(load_i64(metadata + 8 * place) for place in range(PARTITION_COUNT))
            count = load_i32(metadata + METADATA_ACTIVE_TERM_COUNT)
            frame = int(record["term_address"]) + int(record["term_offset"])
            states.append((metadata, tails, count, frame))
        ring = self._log().ring
        history = self.venue.core.history.address
        return Shown(ring.tail, load_i64(history + OFFSET_LAST), tuple(states))

    def _log(self) -> ExecutionLog:
        log = self.venue.log
        assert log is not None
        return log

    def _undo(self, before: Shown, reached: int) -> None:
        if reached >= ALL_SHOWN:
            return
        store_i64(self.venue.core.history.address + OFFSET_LAST, before.last_event)
        kept = 1 if reached == EXECUTIONS_SHOWN else 0
        for metadata, tails, count, frame in before.streams[kept:]:
            store_i64(frame, 0)
            for place, tail in enumerate(tails):
                store_i64(metadata + 8 * place, tail)
            store_i32(metadata + METADATA_ACTIVE_TERM_COUNT, count)
        ring = self._log().ring
        if reached == NOTHING_SHOWN and ring.tail != before.tail:
            self._tear(ring, before.tail, ring.tail)
            ring.store(OFFSET_TAIL, before.tail)

    def _tear(self, ring: JournalRing, start: int, end: int) -> None:
        """Leave of the frames behind the tail what a processor may have written out by then."""
        source = self.world.random
        for _ in range(source.randrange(4)):
            position = source.randrange(start, end) & ~7
            store_i64(ring.frame_address(position), source.getrandbits(62))

    def damage(self) -> None:
        """Turn a bit over in the log of the killed process, where a start has to read it."""
        source = self.world.random
        paths = self.world.paths
        segments = [item for item in list_segments(paths.journal) if not item.is_compressed]
        with JournalRing(paths.journal_ring) as ring:
            durable, tail, capacity = ring.durable_position, ring.tail, ring.capacity
        snapshots = list_snapshots(paths.journal)
        known = read_snapshot(snapshots[-1]).place.position if snapshots else 0
        if segments and source.random() < 0.5:
            segment = source.choice(segments)
            end = min(durable, segment.start.position + segment.capacity_bytes)
            following = [s.start.position for s in segments if s.start > segment.start]
            end = min([end, *following])
            offsets = (
                SEGMENT_HEADER_BYTES + max(position - segment.start.position, 0)
                for position in (known, end)
            )
            self.flip = choose_flip(source, segment.path, *offsets)
        elif tail > durable:
            from_here = durable & (capacity - 1)
            to_here = min(from_here + tail - durable, capacity)
            self.flip = choose_flip(source, paths.journal_ring, 4_096 + from_here, 4_096 + to_here)
        if self.flip is not None:
            self._good_copy = self.flip.path.read_bytes()
            self.flip.turn()
