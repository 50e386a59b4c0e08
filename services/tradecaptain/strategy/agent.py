"""The agent that runs a strategy beside the venue: events in, order commands out.

It follows two streams, untethered, so that a slow strategy harms nobody: market ticks, and the
venue's execution events, of which it hands over those of its own orders. What the stream passed
over comes from the venue's history of events, in order, before anything newer. Handlers are called
one at a time in the order of the events' stamps as far as each stream tells it; a timer that is due
is called before an event that is stamped later.

Commands go straight into the log of ``order_commands``, one exclusive publication a strategy. While
there is no room in it, nothing more is taken. While no venue listens, commands come back as refused
executions with sequence zero and REASON_UNAVAILABLE: what was meant for now isn't sent later.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numba import types
from tradecaptain.base.clock import Clock
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import address_of, aligned_zeros, copy_bytes, load_i64
from tradecaptain.base.records import records_at
from tradecaptain.mesh.agent import (
    FRAME_ENTRY_BYTES,
    Agent,
    duty_cycle,
    frame_array,
    frame_records,
)
from tradecaptain.mesh.doorbell import NO_BELL, doorbell_ring
from tradecaptain.mesh.history import HistoryLapped, HistoryReader
from tradecaptain.mesh.image import (
    image_intact,
    image_length,
    image_next,
    image_put_back,
    image_release,
)
from tradecaptain.mesh.layout import BATCH_FRACTION, IMAGE, PUBLICATION
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_stride,
)
from tradecaptain.mesh.status import BACK_PRESSURED
from tradecaptain.mesh.transport import Mesh
from tradecaptain.strategy.contract import Strategy, call_handler, handler_address
from tradecaptain.strategy.desk import DESK, NO_TIMER, Desk, Owner
from tradecaptain.wire import execution_event, market_tick, order_command, reason, streams

_LOG = structlog.get_logger("strategy")
RECORDS_A_TURN: Final = 64
_TIMERS_A_TURN: Final = 16
_HISTORY_BATCH: Final = 1_024
_COMMAND_STRIDE: Final = publication_stride(order_command.RECORD_BYTES)
_SCRATCH_BYTES: Final = 1_024

HOST: Final = np.dtype(
    [
        ("desk", "<i8"),
        ("state", "<i8"),
        ("on_market_data", "<i8"),
        ("on_execution", "<i8"),
        ("on_timer", "<i8"),
        ("bell", "<i8"),
        # Copies of the record at work: as it came, and in the layout of this version.
        ("raw_record", "<i8"),
        ("spare_record", "<i8"),
        ("refusal_record", "<i8"),
        # The newest execution event that was taken, of any account, and whether the next ones must
        # come from the venue's history.
        # The venue's epoch, and the one in which it began to count its events.
        ("epoch", "<i8"),
        ("began", "<i8"),
        ("execution_sequence", "<i8"),
        ("needs_history", "<i8"),
        ("image_generation", "<i8"),
        # How many of the desk's commands are sent.
        ("sent_count", "<i8"),
        ("commands_sent", "<i8"),
        ("commands_refused", "<i8"),
        ("executions_taken", "<i8"),
        ("ticks_taken", "<i8"),
        ("timers_called", "<i8"),
        ("blocked_turns", "<i8"),
        ("malformed", "<i8"),
        ("lost_executions", "<i8"),
    ],
    align=True,
)
"""Header of a strategy's agent; what begins with an address is of this process."""

TAKEN: Final = 0
OLD: Final = 1
MISSING: Final = 2
BLOCKED: Final = 3
FULL: Final = 4
"""What became of an execution event: it was taken; it was known already; one is missing before it;
there was no room for what timers placed before it; there was none for what came of itself."""


@inline
def call_out(host: Any, function: int, event: int, stamp_ns: int) -> None:
    """Call a handler at a time, and keep as many of its commands as it returned."""
    desk = records_at(host[0]["desk"], 1, DESK)
    if stamp_ns > desk[0]["now_ns"]:
        desk[0]["now_ns"] = stamp_ns
    desk[0]["seen_execution_sequence"] = host[0]["execution_sequence"]
    desk[0]["command_count"] = 0
    host[0]["sent_count"] = 0
    wanted = call_handler(function, host[0]["state"], event, host[0]["desk"])
    desk[0]["command_count"] = max(0, min(wanted, desk[0]["command_count"]))


@inline
def write_refusal(host: Any, command: int) -> None:
    """The execution by which a command that nobody heard comes back."""
    event = host[0]["refusal_record"]
    action = order_command.get_action(command)
    kind = execution_event.EXECUTION_TYPE_REJECTED
    status = execution_event.ORDER_STATUS_REJECTED
    if action == order_command.COMMAND_ACTION_CANCEL_ORDER:
        kind = execution_event.EXECUTION_TYPE_CANCEL_REJECTED
        status = execution_event.ORDER_STATUS_UNSET
    elif action == order_command.COMMAND_ACTION_REPLACE_ORDER:
        kind = execution_event.EXECUTION_TYPE_REPLACE_REJECTED
        status = execution_event.ORDER_STATUS_UNSET
    execution_event.initialise(event)
    execution_event.set_execution_type(event, kind)
    execution_event.set_order_status(event, status)
    execution_event.set_reason(event, reason.REASON_UNAVAILABLE)
    execution_event.set_side(event, order_command.get_side(command))
    execution_event.set_account_id(event, order_command.get_account_id(command))
    execution_event.set_strategy_id(event, order_command.get_strategy_id(command))
    execution_event.set_instrument_id(event, order_command.get_instrument_id(command))
    execution_event.set_order_id(event, order_command.get_order_id(command))
    execution_event.set_client_order_id0(event, order_command.get_client_order_id0(command))
    execution_event.set_client_order_id1(event, order_command.get_client_order_id1(command))
    execution_event.set_price_units(event, order_command.get_price_units(command))
    execution_event.set_quantity_units(event, order_command.get_quantity_units(command))


@inline
def refuse_commands(host: Any) -> None:
    """Give back to the strategy what can't be sent because no venue listens; what it places on
    hearing that isn't sent either."""
    desk = records_at(host[0]["desk"], 1, DESK)
    first = desk[0]["commands_address"]
    count = desk[0]["command_count"]
    # Told one after the other, with the desk closed: the commands lie where new ones would.
    desk[0]["is_replaying"] += 1
    for index in range(host[0]["sent_count"], count):
        host[0]["commands_refused"] += 1
        write_refusal(host, first + index * order_command.RECORD_BYTES)
        call_handler(
            host[0]["on_execution"], host[0]["state"], host[0]["refusal_record"], host[0]["desk"]
        )
    desk[0]["is_replaying"] -= 1
    desk[0]["command_count"] = 0
    host[0]["sent_count"] = 0


@kernel(types.int64(types.int64, types.int64))
def send_commands(host_address: int, publication: int) -> int:
    """Publish what the desk holds: 1 once nothing waits, 0 while there is no room."""
    host = records_at(host_address, 1, HOST)
    commands = records_at(publication, 1, PUBLICATION)
    desk = records_at(host[0]["desk"], 1, DESK)
    count = desk[0]["command_count"]
    if count == 0:
        return 1
    batch_max = max(1, commands[0]["term_length"] // BATCH_FRACTION // _COMMAND_STRIDE)
    while host[0]["sent_count"] < count:
        batch = min(batch_max, count - host[0]["sent_count"])
        address = publication_claim(commands, batch, order_command.RECORD_BYTES)
        if address == BACK_PRESSURED:
            return 0
        if address < 0:
            refuse_commands(host)
            return 1
        source = desk[0]["commands_address"] + host[0]["sent_count"] * order_command.RECORD_BYTES
        for index in range(batch):
            copy_bytes(
                address + index * _COMMAND_STRIDE,
                source + index * order_command.RECORD_BYTES,
                order_command.RECORD_BYTES,
            )
        publication_commit(commands, batch)
        host[0]["sent_count"] += batch
        host[0]["commands_sent"] += batch
    desk[0]["command_count"] = 0
    host[0]["sent_count"] = 0
    doorbell_ring(host[0]["bell"])
    return 1


@kernel(types.int64(types.int64, types.int64, types.int64))
def run_timers(host_address: int, publication: int, until_ns: int) -> int:
    """Call the timer as often as it is due by a time, within bounds: 1, or 0 if room ran out."""
    host = records_at(host_address, 1, HOST)
    desk = records_at(host[0]["desk"], 1, DESK)
    for _ in range(_TIMERS_A_TURN):
        due_ns = desk[0]["timer_ns"]
        if due_ns > until_ns:
            return 1
        desk[0]["timer_ns"] = NO_TIMER
        host[0]["timers_called"] += 1
        call_out(host, host[0]["on_timer"], due_ns, due_ns)
        if send_commands(host_address, publication) == 0:
            return 0
    return 1


@inline
def place_of(host: Any, event: int) -> int:
    """What an execution event is by its epoch and number: ``TAKEN``, ``OLD`` or ``MISSING``."""
    epoch = execution_event.get_epoch(event)
    sequence = execution_event.get_sequence(event)
    if epoch > host[0]["epoch"]:
        return MISSING
    if epoch < host[0]["began"] or sequence <= host[0]["execution_sequence"]:
        return OLD
    if sequence != host[0]["execution_sequence"] + 1:
        return MISSING
    return TAKEN


@kernel(types.int64(types.int64, types.int64, types.int64))
def take_execution(host_address: int, publication: int, event: int) -> int:
    """Take an execution event if it is the next one, after the timers that were due before it;
    what became of it."""
    host = records_at(host_address, 1, HOST)
    desk = records_at(host[0]["desk"], 1, DESK)
    place = place_of(host, event)
    if place != TAKEN:
        return place
    is_own = (
        execution_event.get_account_id(event) == desk[0]["account_id"]
        and execution_event.get_strategy_id(event) == desk[0]["strategy_id"]
    )
    time_ns = execution_event.get_time_ns(event)
    if is_own and run_timers(host_address, publication, time_ns - 1) == 0:
        return BLOCKED
    host[0]["execution_sequence"] += 1
    if not is_own:
        return TAKEN
    host[0]["executions_taken"] += 1
    call_out(host, host[0]["on_execution"], event, time_ns)
    return TAKEN if send_commands(host_address, publication) != 0 else FULL


@inline
def copy_record(host: Any, images: Any, index: int, address: int) -> int:
    """Length of a record that was copied out of its log whole; 0 if it is malformed, -1 if its
    writer lapped this reader meanwhile."""
    length = image_length(images, index)
    is_malformed = length > _SCRATCH_BYTES
    if not is_malformed:
        copy_bytes(host[0]["raw_record"], address, length)
    if image_intact(images, index) == 0:
        # What the driver announces next goes on behind the gap.
        images[index]["is_open"] = 0
        return -1
    if is_malformed:
        host[0]["malformed"] += 1
        return 0
    return length


@inline
def take_executions(host: Any, frame: int, images: Any, index: int) -> int:
    """Take one writer's events; how many. Stops where one is missing, or room ran out."""
    count = 0
    while count < RECORDS_A_TURN:
        address = image_next(images, index)
        if address == 0:
            break
        length = copy_record(host, images, index, address)
        if length < 0:
            host[0]["needs_history"] = 1
            break
        count += 1
        if length == 0:
            continue
        event = execution_event.normalise(host[0]["raw_record"], length, host[0]["spare_record"])
        if event < 0:
            host[0]["malformed"] += 1
            continue
        became = take_execution(load_i64(frame), publication_of(frame), event)
        if became in (MISSING, BLOCKED):
            image_put_back(images, index)
            host[0]["needs_history"] = 1 if became == MISSING else 0
        if became >= MISSING:
            break
    image_release(images, index)
    return count


@inline
def publication_of(frame: int) -> int:
    """Address of the record through which commands are published."""
    return load_i64(frame + 3 * FRAME_ENTRY_BYTES)


@inline
def take_ticks(host: Any, frame: int, images: Any, index: int) -> int:
    """Take one writer's ticks; how many. Stops when room ran out."""
    desk = records_at(host[0]["desk"], 1, DESK)
    count = 0
    while count < RECORDS_A_TURN:
        address = image_next(images, index)
        if address == 0:
            break
        length = copy_record(host, images, index, address)
        if length < 0:
            break
        count += 1
        if length == 0:
            continue
        tick = market_tick.normalise(host[0]["raw_record"], length, host[0]["spare_record"])
        if tick < 0:
            host[0]["malformed"] += 1
            continue
        time_ns = market_tick.get_time_ns(tick)
        if run_timers(load_i64(frame), publication_of(frame), time_ns - 1) == 0:
            image_put_back(images, index)
            break
        host[0]["ticks_taken"] += 1
        desk[0]["seen_price_sequence"] = market_tick.get_sequence(tick)
        call_out(host, host[0]["on_market_data"], tick, time_ns)
        if send_commands(load_i64(frame), publication_of(frame)) == 0:
            break
    image_release(images, index)
    return count


@inline
def look_for_writers(host: Any, images: Any) -> None:
    """What a writer told before this reader was attached to it is in the history alone."""
    generation = 0
    for index in range(images.shape[0]):
        generation += images[index]["generation"]
    if generation != host[0]["image_generation"]:
        host[0]["image_generation"] = generation
        host[0]["needs_history"] = 1


@inline
def is_clear(host: Any) -> bool:
    """Whether nothing waits to be sent and no event is missing."""
    desk = records_at(host[0]["desk"], 1, DESK)
    return desk[0]["command_count"] == 0 and host[0]["needs_history"] == 0


@duty_cycle
def strategy_do_work(frame: int, now_ns: int) -> int:
    """One turn; its frame is host, images of executions, images of ticks, commands.

    Timers that are due come before a record that is stamped later, and last those that are due by
    the clock.
    """
    host = frame_records(frame, 0, HOST)
    executions = frame_array(frame, 1, IMAGE)
    ticks = frame_array(frame, 2, IMAGE)
    look_for_writers(host, executions)
    if send_commands(load_i64(frame), publication_of(frame)) == 0:
        host[0]["blocked_turns"] += 1
        return 0
    if host[0]["needs_history"] != 0:
        return 0
    work = 0
    for index in range(executions.shape[0]):
        if is_clear(host):
            work += take_executions(host, frame, executions, index)
    for index in range(ticks.shape[0]):
        if is_clear(host):
            work += take_ticks(host, frame, ticks, index)
    if is_clear(host):
        before = host[0]["timers_called"]
        run_timers(load_i64(frame), publication_of(frame), now_ns)
        work += host[0]["timers_called"] - before
    return work


@kernel(types.int64(types.int64, types.int64, types.int64))
def take_history(frame: int, events: int, count: int) -> int:
    """Take events of the venue's history that lie one after the other; how many were taken.

    Fewer than ``count`` when one is missing between them, or when room for commands ran out.
    """
    if send_commands(load_i64(frame), publication_of(frame)) == 0:
        return 0
    for index in range(count):
        event = events + index * execution_event.RECORD_BYTES
        became = take_execution(load_i64(frame), publication_of(frame), event)
        if became in (MISSING, BLOCKED):
            return index
        if became == FULL:
            return index + 1
    return count


class StrategyHost:
    """A strategy with its desk, its streams and its agent; a runner or a hand turns the agent.

    A strategy that starts is told every event of its orders in this epoch of the venue that the
    history still holds, with its desk closed; so its record is a function of what happened to it. A
    new epoch of the venue starts it over.
    """

    def __init__(
        self,
        mesh: Mesh,
        strategy: Strategy,
        owner: Owner,
        history_path: Path,
        clock: Clock,
        *,
        bell: int = NO_BELL,
        term_bytes: int = 0,
    ) -> None:
        """``bell`` is rung for the venue after commands were sent."""
        self.strategy = strategy
        self.state = aligned_zeros(1, strategy.state)
        # Lives differ as long as they begin a sixteenth of a millisecond apart.
        self.desk = Desk(owner, clock.now_ns() >> 16)
        self._history_path = history_path
        self._history: HistoryReader | None = None
        self._scratch = [aligned_zeros(_SCRATCH_BYTES, np.uint8) for _ in range(3)]
        self.header = aligned_zeros(1, HOST)
        row = self.header[0]
        row["desk"] = self.desk.address
        row["state"] = address_of(self.state)
        row["bell"] = bell
        for name in ("on_market_data", "on_execution", "on_timer"):
            row[name] = handler_address(getattr(strategy, name))
        scratch_names = ("raw_record", "spare_record", "refusal_record")
        for name, memory in zip(scratch_names, self._scratch, strict=True):
            row[name] = address_of(memory)
        self.executions = mesh.add_subscription(streams.EXECUTION_EVENTS, tether=False)
        self.ticks = mesh.add_subscription(streams.MARKET_TICKS, tether=False)
        self.commands = mesh.add_publication(
            streams.ORDER_COMMANDS,
            term_bytes=term_bytes or streams.STREAMS["order_commands"].term_bytes,
        )
        self.agent = Agent(
            f"strategy {strategy.name}",
            strategy_do_work,
            [self.header, self.executions.images, self.ticks.images, self.commands.state],
            resources=[self.executions, self.ticks, self.commands, _MissingEvents(self)],
            on_start=self.start,
        )

    def start(self) -> None:
        """Begin: a fresh record, and the past of its orders, as far as it is known."""
        self._start_over()
        self.catch_up()

    @property
    def needs_history(self) -> bool:
        """Whether events are missing that only the venue's history has."""
        return bool(self.header[0]["needs_history"])

    def counts(self) -> dict[str, int]:
        """What the agent has counted."""
        names = (HOST.names or ())[HOST.names.index("commands_sent") :]  # type: ignore[union-attr]
        return {name: int(self.header[0][name]) for name in names}

    def catch_up(self) -> None:
        """Take from the venue's history what is missing; called between two turns."""
        header = self.header[0]
        reader = self._newest_history()
        if reader is None:
            header["needs_history"] = 0
            return
        if reader.epoch > int(header["epoch"]):
            if int(header["epoch"]):
                _LOG.warning("new epoch of the venue", epoch=reader.epoch)
                self._start_over()
            header["epoch"], header["began"] = reader.epoch, reader.began
            header["execution_sequence"] = 0
            self.desk.record["is_replaying"] = 1
            self._take_all(reader)
            self.desk.record["is_replaying"] = 0
        elif not self._take_all(reader):
            return
        header["needs_history"] = 0

    def _take_all(self, reader: HistoryReader) -> bool:
        """Take events to the end of the history; False if there is no room for commands before it.

        All in one go: a venue that works adds some before one is back at the next look.
        """
        header = self.header[0]
        while True:
            before = int(header["execution_sequence"])
            if self._take_batch(reader):
                return True
            if int(header["execution_sequence"]) == before:
                return False

    def _take_batch(self, reader: HistoryReader) -> bool:
        """Take some events; True if there were no more of them."""
        header = self.header[0]
        following = int(header["execution_sequence"]) + 1
        try:
            count, data = reader.read(following, _HISTORY_BATCH)
        except HistoryLapped as lapped:
            lost = lapped.first_sequence - following
            # Before it began, it may have had no orders; only it knows.
            report = _LOG.warning if following == 1 else _LOG.error
            report("the history no longer holds execution events", first=following, count=lost)
            header["lost_executions"] += lost
            header["execution_sequence"] = lapped.first_sequence - 1
            return False
        if count == 0:
            return True
        records = np.frombuffer(data, execution_event.DTYPE)
        take_history(self.agent.frame_address, address_of(records), count)
        return False

    def _newest_history(self) -> HistoryReader | None:
        if self._history is not None and not self._history.is_current():
            self._history.close()
            self._history = None
        if self._history is None:
            try:
                self._history = HistoryReader.open(self._history_path)
            except OSError:
                return None
        return self._history

    def _start_over(self) -> None:
        self.state[:] = 0
        self.desk.record["timer_ns"] = NO_TIMER
        self.desk.record["command_count"] = 0
        self.header["sent_count"] = 0
        self.strategy.start(self.state[0])

    def close(self) -> None:
        """Leave the mesh; its runner must have been closed before."""
        for resource in (self.executions, self.ticks, self.commands):
            resource.close()
        if self._history is not None:
            self._history.close()
            self._history = None


class _MissingEvents:
    """Has the thread that runs the agent come back to Python when events are missing."""

    def __init__(self, host: StrategyHost) -> None:
        self._host = host

    def needs_refresh(self) -> bool:
        """Whether events are missing."""
        return self._host.needs_history

    def on_change(self, callback: Callable[[], None]) -> None:
        """Nobody is told; it is looked at now and then."""

    def refresh(self) -> bool:
        """Fetch them."""
        self._host.catch_up()
        return True

    def close(self) -> None:
        """Nothing is held."""
