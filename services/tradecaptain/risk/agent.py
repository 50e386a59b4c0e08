"""The risk service's part in the mesh: reads events and controls, writes controls, keeps the store.

The reading itself is compiled (the stream readers' agents, the ledger's update); what runs here on
the loop's thread is once a batch.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of
from tradecaptain.base.records import records_at
from tradecaptain.base.reference import Reference
from tradecaptain.mesh.counters import CounterTable
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.stream_reader import (
    EVENT_LAPPED,
    EVENT_RECORD,
    EVENT_WRITER_JOINED,
    EVENT_WRITER_LEFT,
    StreamReader,
)
from tradecaptain.mesh.timeouts import MILLISECOND_NS
from tradecaptain.mesh.transport import Mesh
from tradecaptain.risk.alerts import AlertDesk
from tradecaptain.risk.channel import ControlChannel, ControlRecords
from tradecaptain.risk.config import RiskConfig
from tradecaptain.risk.controller import RiskController
from tradecaptain.risk.follower import ExecutionHistory, Follower
from tradecaptain.risk.ledger import Ledger, LedgerCapacities
from tradecaptain.risk.seeds import seed_store
from tradecaptain.risk.store import RiskStore, Stamp
from tradecaptain.risk.synchroniser import Synchroniser
from tradecaptain.risk.taken import take_foreign_control
from tradecaptain.risk.trading_day import TradingDay, day_schedule
from tradecaptain.wire import control, execution_event, reason, streams

_LOG = structlog.get_logger("risk")
HISTORY_FILE: Final = "execution_history"
"""Name of the venue's event history in the shared-memory folder."""
_CONNECT_POLL_SECONDS: Final = 0.005
_CATCH_UP_SECONDS: Final = 1.0
_WATCH_SECONDS: Final = 0.1
_UNASKED_SECONDS: Final = 0.05
"""How long events may wait in the ring while nobody asks for positions."""
_UNANSWERED_SECONDS: Final = 0.02
"""How long controls may wait in the ring while no answer is expected."""

COUNTERS: Final = (
    "event_count",
    "lost_event_count",
    "overflow_count",
    "epoch",
    "limits_are_sent",
    "controls_pending",
)
"""Names of the numbers that any process may read."""

type Batch = np.ndarray[Any, Any]


class RiskAgent:
    """Everything of the process between the mesh and the server."""

    def __init__(
        self,
        mesh: Mesh,
        reference: Reference,
        store: RiskStore,
        history_path: Path,
        config: RiskConfig,
        clock: Clock,
        counters: CounterTable | None = None,
        *,
        ring_path: Path | None = None,
    ) -> None:
        """``ring_path`` is the ring of the venue's log: the store waits until that is on disk."""
        self._config = config
        self._counters = counters
        self._clock = clock
        self.reference = reference
        self.store = store
        self.ledger = Ledger(
            LedgerCapacities(pairs=config.pairs_capacity, orders=config.orders_capacity)
        )
        self.history = ExecutionHistory(history_path)
        self.follower = Follower(
            self.ledger,
            store,
            self.history,
            drain_s=config.drain_seconds,
            durable=None if ring_path is None else DurablePlace(ring_path),
        )
        self._publisher = RecordPublisher(
            mesh.add_publication(
                streams.CONTROL_COMMANDS,
                term_bytes=streams.STREAMS["control_commands"].term_bytes,
            ),
            control.RECORD_BYTES,
            clock=clock,
        )
        self.channel = ControlChannel(self._publish, clock)
        self.controller = RiskController(store, self.channel, clock)
        self.synchroniser = Synchroniser(
            self.controller,
            self.channel,
            self.ledger,
            reference,
            accounts_currency=config.accounts_currency,
            timeout_s=config.control_timeout_seconds,
            retry_s=config.retry_seconds,
        )
        self.alerts = AlertDesk(
            self.controller,
            self.ledger,
            reference,
            share_bps=100 * config.alert_share_percent,
            timeout_s=config.control_timeout_seconds,
        )
        self.trading_day = TradingDay(self.controller, day_schedule(config, reference), clock)
        self.executions = StreamReader(
            mesh,
            streams.EXECUTION_EVENTS,
            execution_event.DTYPE,
            capacity=config.reader_capacity,
        )
        self.controls = StreamReader(mesh, streams.CONTROL_EVENTS, control.DTYPE, capacity=4096)
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: AgentRunner | None = None
        self._is_closing = False

    def start(self) -> None:
        """Take up where the store left off and begin to follow the mesh, on a running loop."""
        loop = asyncio.get_running_loop()
        self._seed()
        self.follower.on_new_epoch = self._on_new_epoch
        self.follower.on_loss = self.synchroniser.wake
        self.synchroniser.on_epoch = self.follower.expect_epoch
        self.follower.resume()
        self._publisher.attach(loop)
        self.executions.attach_in_place(
            loop, self._on_execution_slots, pause_seconds=_UNASKED_SECONDS
        )
        self.controls.attach(
            loop,
            self.on_controls,
            pause_seconds=_UNANSWERED_SECONDS,
            is_urgent=lambda: self.channel.pending_count > 0,
        )
        self.synchroniser.wake()
        self._tasks = [
            loop.create_task(self.synchroniser.run()),
            loop.create_task(self._save_now_and_then()),
            loop.create_task(self.alerts.run(self._config.alert_interval_seconds)),
            loop.create_task(self._revalue_now_and_then()),
            loop.create_task(self.trading_day.run(self._config.control_timeout_seconds)),
        ]

    def _seed(self) -> None:
        seeded = seed_store(self.store, self.reference, self._clock)
        if seeded:
            _LOG.info("limits of new accounts and instruments are set", pairs=seeded)

    def on_instruments(self, added: tuple[Instrument, ...]) -> None:
        """Give every account its limits in instruments that the venue has opened meanwhile."""
        if any(instrument.is_tradable for instrument in added):
            self._seed()
            self.synchroniser.wake()

    def run_readers(self) -> None:
        """Read on a thread of its own; tests crank the readers' agents instead."""
        self._runner = AgentRunner(
            [self.executions.agent, self.controls.agent],
            Placement(
                core=self._config.core,
                idle="sleep",
                park_ns_max=self._config.read_interval_ms * MILLISECOND_NS,
            ),
            clock=self._clock,
        )
        self._runner.start()

    async def watch(self) -> str:
        """Return only if the reading thread has died: nothing would be heard any more."""
        while self._is_closing or self._runner is None or self._runner.is_running:
            await asyncio.sleep(_WATCH_SECONDS)
        return f"the reading thread died: {self._runner.failure}"

    async def close(self) -> None:
        """Stop following, write what changed, and give everything back but the mesh and store."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            self._runner.close()
        self.executions.close()
        self.controls.close()
        self._publisher.close()
        self.follower.save()
        self.history.close()

    async def _publish(self, records: ControlRecords, timeout_s: float) -> None:
        deadline_ns = self._clock.monotonic_ns() + int(timeout_s * 1e9)
        # A log without a reader may still take records, which nobody would ever see.
        while not self._publisher.publication.is_connected:
            if self._clock.monotonic_ns() >= deadline_ns:
                raise TradeCaptainError(reason.REASON_UNAVAILABLE, "the venue isn't there")
            await asyncio.sleep(_CONNECT_POLL_SECONDS)
        remaining_ns = max(0, deadline_ns - self._clock.monotonic_ns())
        await self._publisher.publish(records, timeout_ns=remaining_ns)
        self.controls.catch_up()

    async def _save_now_and_then(self) -> None:
        interval = self._config.save_interval_seconds
        for turn in itertools.count(1):
            await asyncio.sleep(interval)
            self.follower.save()
            if turn % max(1, round(_CATCH_UP_SECONDS / interval)) == 0:
                # An event that got lost is otherwise only noticed by the next one.
                self.follower.catch_up()
                self.reference.look_again()
                self._publish_counters()

    async def _revalue_now_and_then(self) -> None:
        """Bring positions to present prices while any limit depends on their values."""
        while True:
            await asyncio.sleep(self._config.revalue_interval_seconds)
            if not self.store.has_limits_on_values():
                continue
            try:
                await self.controller.revalue(self._config.control_timeout_seconds)
            except TradeCaptainError as error:
                _LOG.warning("positions not revalued", reason=error.name, message=error.message)

    def _publish_counters(self) -> None:
        if self._counters is None:
            return
        values = self.ledger.counters() | {
            "epoch": self.ledger.epoch,
            "limits_are_sent": int(self.synchroniser.synchronised_epoch == self.ledger.epoch),
            "controls_pending": self.channel.pending_count,
        }
        for name, value in values.items():
            self._counters.set(name, value)

    def _on_new_epoch(self) -> None:
        self.channel.abandon()
        self.synchroniser.wake()

    # Streams

    def _on_execution_slots(self, address: int, count: int) -> None:
        self.on_executions(records_at(address, count, self.executions.dtype))

    def on_executions(self, batch: Batch) -> None:
        """Take what the reader of execution events hands over; it keeps nothing of it."""
        for piece in _pieces(batch):
            event, session_id = int(piece["event"][0]), int(piece["session_id"][0])
            if event == EVENT_RECORD:
                self.follower.apply(piece["record"], session_id)
                self.alerts.on_events(piece["record"])
            elif event == EVENT_WRITER_LEFT:
                self.follower.writer_left(session_id)
            elif event in (EVENT_LAPPED, EVENT_WRITER_JOINED):
                self.follower.catch_up()

    def on_controls(self, batch: Batch) -> None:
        """Take what the reader of sequenced controls hands over."""
        for piece in _pieces(batch):
            event = int(piece["event"][0])
            if event == EVENT_RECORD:
                for record in np.ascontiguousarray(piece["record"]):
                    self._on_control(np.array([record]))
            elif event in (EVENT_LAPPED, EVENT_WRITER_JOINED):
                # An epoch may have begun, or answers may have been missed.
                self.synchroniser.wake()

    def _on_control(self, records: ControlRecords) -> None:
        record = address_of(records)
        self.alerts.on_control(records[0])
        is_answer = self.channel.on_control(record)
        self.follower.expect_epoch(control.get_epoch(record))
        if control.get_action(record) == control.CONTROL_ACTION_CREATE_INSTRUMENT:
            self.reference.look_again()
        elif not is_answer:
            author = f"control author {control.get_author_id(record)}"
            stamp = Stamp(
                author,
                control.get_time_ns(record),
                control.get_epoch(record),
                control.get_sequence(record),
            )
            take_foreign_control(self.store, self.ledger, record, stamp)


def _pieces(batch: Batch) -> list[Batch]:
    """Runs of records of one writer, and single other events, in order."""
    is_record = batch["event"] == EVENT_RECORD
    changes = batch["session_id"][1:] != batch["session_id"][:-1]
    if is_record.all() and not changes.any():
        return [batch]
    breaks = np.flatnonzero(~is_record[1:] | ~is_record[:-1] | changes) + 1
    return [piece for piece in np.split(batch, breaks) if len(piece)]
