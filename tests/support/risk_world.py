"""The risk service over the simulated transport, with the real sequencer and gate behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from support.venue_driver import SETTINGS, VenueDriver
from support.wait import wait_until_async
from tradecaptain.api.risk.v1 import administration_pb2_grpc, monitor_pb2_grpc, risk_pb2_grpc
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_file import default_reference
from tradecaptain.edge import EdgeServer, EdgeSettings, Principal, Role
from tradecaptain.orderbook.duty_cycle import venue_agent
from tradecaptain.orderbook.venue_core import allocate_core, open_streams
from tradecaptain.risk.__main__ import ACCESS, ADMINISTRATION_ACCESS, MONITOR_ACCESS
from tradecaptain.risk.administration import RiskAdministrationService
from tradecaptain.risk.agent import RiskAgent
from tradecaptain.risk.config import RiskConfig
from tradecaptain.risk.monitor_service import RiskMonitorService
from tradecaptain.risk.service import RiskService
from tradecaptain.risk.store import RiskStore

VENUE_SETTINGS = replace(SETTINGS, gate_overrides=1024, gate_pairs=1024)
CONFIG = RiskConfig(
    control_timeout_seconds=2.0,
    save_interval_seconds=0.01,
    drain_seconds=0.05,
    retry_seconds=0.01,
    reader_capacity=4096,
    pairs_capacity=4096,
    orders_capacity=4096,
)
STORE_FILE = "risk.sqlite"
PRINCIPALS = {
    "Bearer alpha": Principal("alpha", frozenset({100}), False, frozenset({Role.TRADE})),
    "Bearer operator": Principal(
        "operator", frozenset(), True, frozenset({Role.OPERATE, Role.READ})
    ),
}


INSTRUMENT_IDS = (1, 2, 3, 4, 1001, 1002, 1004, 2001)


def small_reference() -> Reference:
    """Few instruments, so that a gate has its limits quickly: shares, a token and an option."""
    whole = default_reference()
    return replace(
        whole,
        instruments=tuple(i for i in whole.instruments if i.instrument_id in INSTRUMENT_IDS),
    )


class _Tokens:
    def resolve(self, authorization: str) -> Principal | None:
        return PRINCIPALS.get(authorization)


class RiskWorld:
    """A venue that can be restarted and a risk agent that can be restarted, on one loop."""

    def __init__(self, folder: Path, reference: Reference | None = None) -> None:
        self.folder = folder
        self.reference = reference or small_reference()
        self.venue = VenueDriver(folder, settings=VENUE_SETTINGS)
        self.epoch = self.venue.core.epoch
        self.is_venue_up = True
        self.store: RiskStore
        self.agent: RiskAgent
        self.administration: Any = None
        self.monitor: Any = None
        self.limits: Any = None
        self._cranking: asyncio.Task[None] | None = None

    def start_agent(self, config: RiskConfig = CONFIG) -> None:
        self.store = RiskStore(self.folder / STORE_FILE)
        self.agent = RiskAgent(
            self.venue.mesh,
            self.reference,
            self.store,
            self.folder / "history",
            config,
            SYSTEM_CLOCK,
        )
        self.agent.start()

    async def stop_agent(self) -> None:
        await self.agent.close()
        self.store.close()

    def stop_venue(self) -> None:
        """The venue's process is gone; its log stays until it is read."""
        self.is_venue_up = False
        for resource in self.venue.streams.resources:
            self.venue.resources.remove(resource)
            resource.close()
        self.venue.core.history.close()

    def start_venue(self) -> None:
        """A new venue process: empty book, closed gate, next epoch."""
        self.epoch += 1
        instruments = self.reference.own_venue()
        history = self.folder / "history"
        self.venue.core = allocate_core(VENUE_SETTINGS, instruments, self.epoch, history)
        self.venue.streams = open_streams(self.venue.mesh, VENUE_SETTINGS)
        self.venue.core.attach(self.venue.streams)
        self.venue.agent = venue_agent(self.venue.core.header)
        self.venue.resources += self.venue.streams.resources
        self.is_venue_up = True

    def turn(self) -> None:
        """Let driver, venue and readers each do some work."""
        self.venue.mesh.crank()
        for resource in self.venue.resources:
            if resource.needs_refresh():
                resource.refresh()
        if self.is_venue_up:
            self.venue.turn()
        self.venue.mesh.crank()
        for reader in (self.agent.executions, self.agent.controls):
            if reader.subscription.needs_refresh():
                reader.subscription.refresh()
            reader.agent.do_work(self.venue.now_ns)

    async def _crank(self) -> None:
        while True:
            self.turn()
            await asyncio.sleep(0.0005)

    def start_cranking(self) -> None:
        self._cranking = asyncio.get_running_loop().create_task(self._crank())

    async def stop_cranking(self) -> None:
        if self._cranking is not None:
            self._cranking.cancel()
            await asyncio.gather(self._cranking, return_exceptions=True)
            self._cranking = None

    async def synchronised(self) -> None:
        """Wait until the gate of the current epoch was given everything."""
        await wait_until_async(
            lambda: self.agent.synchroniser.synchronised_epoch == self.epoch,
            what="the gate to have its limits",
        )

    async def reached(self, sequence: int | None = None) -> None:
        """Wait until the ledger contains every event that the venue wrote."""
        last = self.venue.core.history
        wanted = sequence if sequence is not None else self.last_sequence()
        await wait_until_async(
            lambda: self.agent.ledger.last_sequence >= wanted, what=f"events of {last.path}"
        )

    def last_sequence(self) -> int:
        return int(self.venue.core.header[0]["execution_events"])

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Any]:
        """A stub of RiskService on a real server; the token goes into each call's metadata."""
        settings = EdgeSettings(
            service="risk",
            port=0,
            token_path=Path(),
            accounts={a.name: a.account_id for a in self.reference.accounts},
            drain_wait_seconds=0.0,
        )
        server = EdgeServer(settings, source=_Tokens())
        service = RiskService(
            self.agent.controller, self.agent.ledger, self.reference, control_timeout_s=2.0
        )
        administration = RiskAdministrationService(
            service, self.agent.controller, self.reference, self.agent.trading_day
        )
        server.add(risk_pb2_grpc.add_RiskServiceServicer_to_server, service, access=ACCESS)
        server.add(
            administration_pb2_grpc.add_RiskAdministrationServiceServicer_to_server,
            administration,
            access=ADMINISTRATION_ACCESS,
        )
        server.add(
            monitor_pb2_grpc.add_RiskMonitorServiceServicer_to_server,
            RiskMonitorService(self.agent.alerts, self.agent.history, self.reference),
            access=MONITOR_ACCESS,
        )
        port = await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                self.monitor = monitor_pb2_grpc.RiskMonitorServiceStub(channel)
                self.administration = administration_pb2_grpc.RiskAdministrationServiceStub(channel)
                yield risk_pb2_grpc.RiskServiceStub(channel)
        finally:
            await server.stop()


@asynccontextmanager
async def risk_world(folder: Path, reference: Reference | None = None) -> AsyncIterator[RiskWorld]:
    """A running world whose gate has been given the reference's limits."""
    world = RiskWorld(folder, reference)
    world.start_agent()
    world.start_cranking()
    try:
        await world.synchronised()
        yield world
    finally:
        await world.stop_cranking()
        await world.stop_agent()
        world.venue.close()
