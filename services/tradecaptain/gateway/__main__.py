"""Runs the gateway: ``python -m tradecaptain.gateway``."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import structlog
from tradecaptain.api.orderbook.v1.administration_pb2_grpc import (
    add_VenueAdministrationServiceServicer_to_server,
)
from tradecaptain.api.orders.v1.orders_pb2_grpc import add_OrderServiceServicer_to_server
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import ReferenceFile
from tradecaptain.base.run_paths import Ports, RunPaths
from tradecaptain.edge import EdgeServer, EdgeSettings, Role, configure_logging, run, serve_while
from tradecaptain.edge.service_map import PROCESS_OF_SERVICE, services_of
from tradecaptain.gateway.administration import VenueAdministrationService
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.commands import Directory
from tradecaptain.gateway.config import GatewayConfig
from tradecaptain.gateway.control_desk import ControlDesk
from tradecaptain.gateway.durable import DurablePlace
from tradecaptain.gateway.event_reader import EventReader
from tradecaptain.gateway.listing import Listing
from tradecaptain.gateway.log_recovery import LogRecovery
from tradecaptain.gateway.prefault import prefault_agent
from tradecaptain.gateway.service import OrderService
from tradecaptain.gateway.sessions import SessionTable
from tradecaptain.gateway.store import POPULATED_MAX, Capacity, Store
from tradecaptain.gateway.written_mark import WrittenMark
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.doorbell import Doorbells
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.stream_reader import StreamReader
from tradecaptain.wire import control, order_command, streams

_LOG = structlog.get_logger("gateway")
REPLAY_ACCOUNT_ID: Final = 1
ACCESS: Final = {
    "GetOrder": Role.READ,
    "ListOrders": Role.READ,
    "StreamExecutions": Role.READ,
    "SubmitOrder": Role.TRADE,
    "SubmitBatch": Role.TRADE,
    "CancelOrder": Role.TRADE,
    "ReplaceOrder": Role.TRADE,
    "MassCancel": Role.TRADE,
    "OrderSession": Role.TRADE,
    "OpenSession": Role.TRADE,
}
"""Which role each method asks for."""
HISTORY_FILE: Final = "execution_history"
"""Name of the venue's event history in the shared-memory folder."""
_TEND_SECONDS: Final = 0.05
_PREFAULT_PAUSE_NS: Final = 20_000_000
_WATCH_SECONDS: Final = 0.5
_UNANSWERED_SECONDS: Final = 0.05
"""How long controls of others may wait in the ring while no answer is expected."""


class Gateway:
    """Everything of the process between the mesh and the server."""

    def __init__(self, mesh: AeronMesh, paths: RunPaths, config: GatewayConfig) -> None:
        self._config = config
        self._instruments = ReferenceFile(paths.reference)
        self._reference = self._instruments.reference
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
            RecordPublisher(commands, order_command.RECORD_BYTES, bell=venue),
            RecordPublisher(controls, control.RECORD_BYTES, bell=venue),
        ]
        self.controls = ControlDesk(
            self._publishers[1], SYSTEM_CLOCK, config.answer_timeout_seconds
        )
        self._durable = DurablePlace(paths.journal_ring)
        self.desk = OrderDesk(
            self._store,
            commands,
            paths.shared_memory / HISTORY_FILE,
            SYSTEM_CLOCK,
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
        now_ns = SYSTEM_CLOCK.now_ns()
        store = Store(
            path,
            Capacity(self._config.requests_max, self._config.events_max),
            self._clients,
            self._reference.instruments,
            now_ns,
        )
        if is_made_again:
            commands = log.rebuild(store)
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
        self._runner.start()
        self._prefaulter.start()
        self._run(self._tend())
        self._run(self._settle_past())

    def administration(self, orders: OrderService) -> VenueAdministrationService:
        """What the venue's administrators call; ``orders`` serves what they open."""

        def serve(instrument: Instrument) -> None:
            orders.add_instrument(instrument, SYSTEM_CLOCK.now_ns())
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
            if self._store.needs_room():
                await asyncio.to_thread(self._store.reserve, 2 * POPULATED_MAX)
            if tick % ticks_a_second == 0:
                self._store.set_day(SYSTEM_CLOCK.now_ns())
                self.desk.catch_up()

    async def _settle_past(self) -> None:
        """Close what an earlier process left open: its sessions, and commands it never sent."""
        closed = self.sessions.close_left_over()
        if closed:
            _LOG.warning("sessions of an earlier run are closed", count=closed)
        await self._settle_unmentioned()

    async def _settle_unmentioned(self) -> None:
        await asyncio.sleep(self._config.lost_after_seconds)
        self.desk.catch_up()
        self.desk.settle_unmentioned()

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


def _peers(ports: Ports) -> dict[int, tuple[str, ...]]:
    """Services of the other processes, by the port of each."""
    others = {process for process in PROCESS_OF_SERVICE.values() if process != "gateway"}
    return {ports.of(process): services_of(process) for process in sorted(others)}


async def main() -> None:
    """Join the mesh, serve until SIGTERM, and leave."""
    configure_logging("gateway")
    paths = RunPaths.from_environment()
    config = GatewayConfig.load(paths)
    with AeronMesh(aeron_directory=paths.aeron, client_name="gateway") as mesh:
        gateway = Gateway(mesh, paths, config)
        gateway.start()
        server = EdgeServer(
            EdgeSettings(
                service="gateway",
                port=paths.ports.gateway,
                token_path=paths.tokens,
                accounts=gateway.accounts,
                unary_calls_max=config.unary_calls_max,
                streams_max=config.streams_max,
                # Behind Envoy reflection and health go to this process, for all services.
                reflect_all=True,
                peers=_peers(paths.ports),
            )
        )
        orders = gateway.service()
        server.add(add_OrderServiceServicer_to_server, orders, access=ACCESS)
        server.add(
            add_VenueAdministrationServiceServicer_to_server,
            gateway.administration(orders),
            access={"*": Role.ADMINISTER},
        )
        server.on_drain(gateway.close)
        await server.start()
        await serve_while(server, gateway.watch())


if __name__ == "__main__":
    sys.exit(run(main))
