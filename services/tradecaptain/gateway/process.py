"""Everything of the gateway's process between the mesh and the server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference_file import ReferenceFile
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.gateway.administration import VenueAdministrationService
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.commands import Directory
from tradecaptain.gateway.config import GatewayConfig
from tradecaptain.gateway.control_desk import ControlDesk
from tradecaptain.gateway.event_reader import EventReader
from tradecaptain.gateway.listing import Listing
from tradecaptain.gateway.log_recovery import LogRecovery
from tradecaptain.gateway.prefault import prefault_agent
from tradecaptain.gateway.service import OrderService
from tradecaptain.gateway.sessions import SessionTable
from tradecaptain.gateway.store import POPULATED_MAX, Capacity, Store
from tradecaptain.gateway.written_mark import WrittenMark
from tradecaptain.mesh.doorbell import Doorbells
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.stream_reader import StreamReader
from tradecaptain.mesh.transport import Mesh
from tradecaptain.wire import control, order_command, streams

_LOG = structlog.get_logger("gateway")
REPLAY_ACCOUNT_ID: Final = 1
HISTORY_FILE: Final = "execution_history"
"""Name of the venue's event history in the shared-memory folder."""
_TEND_SECONDS: Final = 0.05
_PREFAULT_PAUSE_NS: Final = 20_000_000
_WATCH_SECONDS: Final = 0.5
_UNANSWERED_SECONDS: Final = 0.05
"""How long controls of others may wait in the ring while no answer is expected."""


class Gateway:
    """Store, order desk, control desk and readers; `start` follows, `run_threads` turns agents."""

    def __init__(
        self,
        mesh: Mesh,
        paths: RunPaths,
        instruments: ReferenceFile,
        config: GatewayConfig,
        clock: Clock = SYSTEM_CLOCK,
        author_id: int = 0,
    ) -> None:
        """``author_id`` is the author of its controls; 0 draws one that no other life had."""
        self._config = config
        self._clock = clock
        self._instruments = instruments
        self._reference = instruments.reference
        self._directory = Directory(self._reference)
        self._clients = [
            account
            for account in self._reference.accounts
            if account.account_id != REPLAY_ACCOUNT_ID
        ]
        self.accounts = {account.name: account.account_id for account in self._clients}
        log = LogRecovery(paths.journal, paths.journal_ring)
        self._mark = WrittenMark(paths.folder / "gateway" / "orders.state")
        self._store = self._open_store(paths.folder / "gateway" / "orders.state", log)
        commands = mesh.add_publication(streams.ORDER_COMMANDS)
        controls = mesh.add_publication(streams.CONTROL_COMMANDS)
        self._doorbells = Doorbells(paths.doorbells)
        venue = self._doorbells.bell("orderbook")
        self._publishers = [
            RecordPublisher(commands, order_command.RECORD_BYTES, bell=venue, clock=clock),
            RecordPublisher(controls, control.RECORD_BYTES, bell=venue, clock=clock),
        ]
        self.controls = ControlDesk(
            self._publishers[1], clock, config.answer_timeout_seconds, author_id
        )
        self._durable = DurablePlace(paths.journal_ring)
        self.desk = OrderDesk(
            self._store,
            commands,
            paths.shared_memory / HISTORY_FILE,
            clock,
            config.answer_timeout_seconds,
            bell=venue,
            durable=self._durable,
            log=log,
        )
        self.sessions = SessionTable(self._store, self.controls.send, config.sessions_max)
        self._readers = [
            EventReader(
                mesh,
                self._store.accounts,
                self._durable,
                capacity=_ring_size(config.reader_capacity),
            ),
            StreamReader(mesh, streams.CONTROL_EVENTS, control.DTYPE, capacity=1024),
        ]
        self._runner = AgentRunner(
            [reader.agent for reader in self._readers],
            Placement(core=config.core, idle=config.idle),
            bell=self._doorbells.bell("gateway"),
        )
        self._prefaulter = AgentRunner(
            [prefault_agent(self._store.growing_tables())],
            Placement(idle="sleep", park_ns_max=_PREFAULT_PAUSE_NS),
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def _open_store(self, path: Path, log: LogRecovery) -> Store:
        """The order file as it was left, or made again from the venue's log."""
        is_made_again = log.is_there and not self._mark.is_good
        if is_made_again:
            self._mark.put_aside()
        now_ns = self._clock.now_ns()
        store = Store(
            path,
            Capacity(
                self._config.requests_max,
                self._config.events_max,
                self._config.account_requests_max,
            ),
            self._clients,
            self._reference.instruments,
            now_ns,
        )
        if is_made_again:
            commands = log.rebuild(store)
            log.wait_for_disk(self._config.disk_patience_seconds)
            store.set_day(now_ns)
            _LOG.info("the order file is made again from the log", commands=commands)
        self._mark.begin()
        return store

    def start(self) -> None:
        """Take what happened while the process was away, and begin to follow the mesh."""
        loop = asyncio.get_running_loop()
        for publisher in self._publishers:
            publisher.attach(loop)
        self.desk.on_new_epoch.append(lambda epoch: self.sessions.open_again())
        self.desk.on_new_epoch.append(lambda epoch: self._run(self._settle_unmentioned()))
        self.desk.on_interrupted.append(lambda: self._run(self._settle_unmentioned()))
        self._publishers[0].on_new_log.append(
            lambda: self.desk.note_interruption("commands go to the log of a new driver")
        )
        self.desk.on_lost_events.append(lambda: self._run(self._ask_for_status()))
        self.controls.on_epoch.append(lambda epoch: self.desk.catch_up())
        self.desk.catch_up()
        self._readers[0].attach_in_place(loop, self.desk.on_slots)
        self._readers[1].attach(
            loop,
            self.controls.on_batch,
            pause_seconds=_UNANSWERED_SECONDS,
            is_urgent=lambda: self.controls.is_waiting,
        )
        self.controls.catch_up = self._readers[1].catch_up
        self._run(self._tend())
        self._run(self._settle_past())

    @property
    def readers(self) -> Sequence[StreamReader]:
        """What reads the mesh, for whoever turns their agents by hand."""
        return self._readers

    @property
    def store(self) -> Store:
        """Requests, orders and events."""
        return self._store

    def run_threads(self) -> None:
        """Turn the agents on threads of their own."""
        self._runner.start()
        self._prefaulter.start()

    def administration(self, orders: OrderService) -> VenueAdministrationService:
        """What the venue's administrators call; ``orders`` serves what they open."""

        def serve(instrument: Instrument) -> None:
            orders.add_instrument(instrument, self._clock.now_ns())
            _LOG.info(
                "instrument opened", instrument=instrument.key, number=instrument.instrument_id
            )

        listing = Listing(self._instruments, self.controls, serve)
        return VenueAdministrationService(self.controls, self._directory, self.accounts, listing)

    def service(self) -> OrderService:
        """The gRPC service over this gateway."""
        return OrderService(self.desk, self.controls, self.sessions, self._directory, self._config)

    async def watch(self) -> str:
        """Return when the thread that reads the mesh has died, with what it died of."""
        while self._is_closing or self._runner.is_running:
            await asyncio.sleep(_WATCH_SECONDS)
            if self.desk.is_departed:
                self._mark.forget()
                return "the venue lost events that are known here; the order file is made again"
        return f"the thread that reads the mesh died: {self._runner.failure}"

    async def close(self) -> None:
        """Close sessions, stop following the mesh, and have the order file written out."""
        self._is_closing = True
        await self.sessions.drain()
        for task in self._tasks:
            task.cancel()
        self._prefaulter.close()
        self._runner.close()
        for reader in self._readers:
            reader.close()
        self._doorbells.close()
        await asyncio.to_thread(self._store.write_out)
        self._mark.finish()

    async def _tend(self) -> None:
        """Every few milliseconds: time-outs; every second: the day, and events without sequel."""
        ticks_a_second = int(1 / _TEND_SECONDS)
        for tick in itertools.count():
            await asyncio.sleep(_TEND_SECONDS)
            self.desk.expire()
            if self._durable.is_awaited:
                self._durable.refresh()
            if self.desk.is_behind:
                self.desk.catch_up()
            if self._store.needs_room():
                await asyncio.to_thread(self._store.reserve, 2 * POPULATED_MAX)
            if tick % ticks_a_second == 0:
                self._store.set_day(self._clock.now_ns())
                self.desk.catch_up()

    async def _settle_past(self) -> None:
        """Close what an earlier process left open: its sessions, and commands it never sent."""
        closed = self.sessions.close_left_over()
        if closed:
            _LOG.warning("sessions of an earlier run are closed", count=closed)
        await self._settle_unmentioned()

    async def _settle_unmentioned(self) -> None:
        """Close what the venue never mentioned, once it has had the time and the means to.

        It must have been there for a while, for what it has logged it tells when it is back. It was
        if it answers now, and is still the one of before: the next one may yet read what waits in
        the log of commands. And of what it has told by then nothing may be held back any more.
        """
        began_ns = self._clock.monotonic_ns()
        pause = min(_TEND_SECONDS, self._config.lost_after_seconds)
        await self._wait_for_venue(pause)
        while self.desk.has_doubts and not await self.controls.hears_venue(
            self._clients[0].account_id
        ):
            await self._wait_for_venue(pause)
        # If it was replaced, this tells the desk, which doubts anew and is asked to settle anew.
        self.desk.catch_up()
        epoch, newest = self._store.epoch, self.desk.newest_sequence
        while self._store.epoch == epoch and self._store.last_sequence < newest:
            await asyncio.sleep(pause)
            self.desk.catch_up()
        self.desk.settle_unmentioned(began_ns)

    async def _wait_for_venue(self, pause: float) -> None:
        """Wait until somebody has listened to commands for ``lost_after_seconds`` on end."""
        commands = self._publishers[0].publication
        waited = 0.0
        while waited < self._config.lost_after_seconds:
            await asyncio.sleep(pause)
            waited = waited + pause if commands.is_connected else 0.0

    async def _ask_for_status(self) -> None:
        """After lost events: have the venue tell the state of every working order."""
        for account in self._clients:
            try:
                await self.controls.send(
                    action=control.CONTROL_ACTION_REQUEST_STATUS,
                    scope=control.CONTROL_SCOPE_ACCOUNT,
                    scope_id=account.account_id,
                )
            except TradeCaptainError as error:
                _LOG.error("status not asked for", account=account.name, message=error.message)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ring_size(capacity: int) -> int:
    return 1 << (capacity - 1).bit_length()
