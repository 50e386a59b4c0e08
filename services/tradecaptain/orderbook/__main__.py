"""Runs the venue: ``python -m tradecaptain.orderbook``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final

import structlog
from tradecaptain.api.orderbook.v1.orderbook_pb2_grpc import (
    add_OrderBookServiceServicer_to_server,
)
from tradecaptain.api.orderbook.v1.standby_pb2_grpc import add_StandbyServiceServicer_to_server
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference_file import ReferenceFile
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge import EdgeServer, EdgeSettings, Role, configure_logging, run, serve_while
from tradecaptain.edge.server import ANY_METHOD
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.journal_stream import JournalSender
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.stream_reader import StreamReader
from tradecaptain.mesh.timeouts import MILLISECOND_NS
from tradecaptain.mesh.transport import Mesh
from tradecaptain.orderbook.agent import Venue
from tradecaptain.orderbook.config import JournalConfig, OrderBookConfig
from tradecaptain.orderbook.follower import BookFollower
from tradecaptain.orderbook.leadership import PROCESSES, Leadership
from tradecaptain.orderbook.log_reading import Found, LogPaths
from tradecaptain.orderbook.service import OrderBook, StepHub
from tradecaptain.orderbook.settings import (
    journal_settings,
    power_of_two,
    venue_settings,
    view_capacity,
)
from tradecaptain.orderbook.standby import Standby
from tradecaptain.orderbook.standby_config import StandbyConfig
from tradecaptain.orderbook.standby_service import StandbyService
from tradecaptain.orderbook.views import BookViews
from tradecaptain.wire import book_event, streams

ACCESS: Final = {"GetBook": Role.READ, "StreamBook": Role.READ}
"""Which role each method asks for."""
_WATCH_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 1.0
"""How long a promoted standby still serves whoever asked for its promotion."""
_UNWATCHED_SECONDS: Final = 0.02
"""How long changes may wait for the views while nobody watches a book."""

_LOG = structlog.get_logger("orderbook")


class BookProcess:
    """The venue, the views that follow it, and the service over the views."""

    def __init__(
        self,
        mesh: Mesh,
        paths: RunPaths,
        instruments: ReferenceFile,
        config: OrderBookConfig,
        journal: JournalConfig,
        standby: StandbyConfig,
        found: Found | None = None,
    ) -> None:
        """``found`` is the log as a standby hands it over; a start without one reads it."""
        reference = instruments.reference
        # Before the venue opens its streams, so that the first event finds a reader.
        self._reader = StreamReader(
            mesh,
            streams.BOOK_EVENTS,
            book_event.DTYPE,
            capacity=power_of_two(config.view_reader_capacity),
        )
        self._runner = AgentRunner(
            [self._reader.agent],
            Placement(
                core=config.view_core,
                idle="sleep",
                park_ns_max=config.view_interval_ms * MILLISECOND_NS,
            ),
        )
        self.venue = Venue(
            mesh,
            paths,
            reference.own_venue(),
            venue_settings(config),
            journal_settings(journal),
            journal.levels,
            found,
        )
        self._sender = (
            JournalSender(mesh, self.venue.log.ring, SYSTEM_CLOCK, channel=standby.channel)
            if standby.enabled and self.venue.log is not None
            else None
        )
        hub = StepHub(config.stream_queue)
        self.views = BookViews(
            self.venue.core.instrument_ids(), self.venue.epoch, view_capacity(config), hub
        )
        self._follower = BookFollower(self.views, self.venue.book_snapshot)
        instruments.on_added.append(self._follow)
        self.service = OrderBook(reference, self.views, hub, catch_up=self._reader.catch_up)
        self._is_closing = False

    def start(self) -> None:
        """Open for orders, then follow."""
        standing = self.venue.standing()
        self.venue.start()
        if self._sender is not None:
            self._sender.start()
        self._reader.attach(
            asyncio.get_running_loop(),
            self._follower.on_batch,
            pause_seconds=_UNWATCHED_SECONDS,
            is_urgent=lambda: self.views.is_watched,
        )
        self._runner.start()
        recovery = self.venue.recovery
        found = asdict(recovery) if recovery else {"epoch": self.venue.epoch}
        _LOG.info("venue open", **standing, **found)

    def _follow(self, added: tuple[Instrument, ...]) -> None:
        """Show the books of instruments that were opened meanwhile."""
        for instrument in added:
            if instrument.is_tradable:
                self.views.add(instrument.instrument_id)
        self._follower.mend()

    async def watch(self) -> str:
        """Return only if a thread has died: the process must then end and be started anew."""
        while self._is_closing or (self.venue.running and self._runner.is_running):
            await asyncio.sleep(_WATCH_SECONDS)
            if self.venue.running:
                self.venue.report_log()
                self._follower.compare(self.venue.book_sequences())
        return f"the venue's thread died: {self.venue.error or self._runner.failure}"

    async def close(self) -> None:
        """Stop taking orders and following."""
        self._is_closing = True
        self._runner.close()
        self._reader.close()
        if self._sender is not None:
            self._sender.close()
        self.venue.stop()
        _LOG.info("venue closed", **self.venue.standing())


class VenueMain:
    """One of the venue's two processes, from its start to its end."""

    def __init__(self, mesh: Mesh, paths: RunPaths, name: str) -> None:
        self._mesh = mesh
        self._paths = paths
        self._name = name
        self._config = OrderBookConfig.load(paths)
        self._standby_config = StandbyConfig.load(paths)
        self._instruments = ReferenceFile(paths.reference)
        self._leadership = Leadership(paths.epochs)

    async def run(self) -> None:
        """Be the venue, or stand by until promoted, and then be the venue."""
        if not self._standby_config.enabled:
            self._leadership.name_leader(self._name)
        if self._leadership.leader.process == self._name:
            self._leadership.take(self._name)
            await self._be_venue()
        else:
            await self._stand_by()

    async def _stand_by(self) -> None:
        standby = Standby(
            self._mesh,
            LogPaths.of(self._paths),
            venue_settings(self._config),
            channel=self._standby_config.channel,
        )
        service = StandbyService(standby, self._leadership, self._name, SYSTEM_CLOCK)
        server = self._server("standby", self._paths.ports.standby)
        server.add(
            add_StandbyServiceServicer_to_server, service, access={ANY_METHOD: Role.ADMINISTER}
        )
        standby.start()
        await server.start()
        serving = asyncio.create_task(server.run_until_signal())
        asked = asyncio.create_task(service.asked.wait())
        failed = asyncio.create_task(self._watch(standby))
        await asyncio.wait({serving, asked, failed}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
            failed.cancel()
            if serving.done():
                standby.close()
                return
            serving.cancel()
            await server.stop(0)
            raise failed.result()
        failed.cancel()
        serving.cancel()
        await self._promote(standby, service, server)

    async def _watch(self, standby: Standby) -> TradeCaptainError:
        """Return only if the standby can't follow any more: its process must be started anew."""
        while standby.failure is None:
            await asyncio.sleep(_WATCH_SECONDS)
        return standby.failure

    async def _promote(self, standby: Standby, service: StandbyService, server: EdgeServer) -> None:
        """Take the log from the venue, go on from it, and answer whoever asked."""
        began_ns = SYSTEM_CLOCK.monotonic_ns()
        try:
            leader = await asyncio.to_thread(self._leadership.seize, self._name)
            fenced_ns = SYSTEM_CLOCK.monotonic_ns()
            found = await asyncio.to_thread(standby.finish)
        except TradeCaptainError as error:
            service.tell_failed(error)
            await server.stop(1)
            raise
        _LOG.warning(
            "promoted",
            term=leader.term,
            position=found.end.position,
            fenced_after_ms=(fenced_ns - began_ns) // MILLISECOND_NS,
            caught_up_after_ms=(SYSTEM_CLOCK.monotonic_ns() - began_ns) // MILLISECOND_NS,
        )
        told = found.replica.sequence if found.replica is not None else 0

        async def tell(process: BookProcess) -> None:
            service.tell_promoted(leader.term, process.venue.epoch, told)
            # Its port is for the one who stands by from now on; whoever asked has his answer first.
            await server.stop(_ANSWER_SECONDS)

        await self._be_venue(found, tell)

    async def _be_venue(
        self,
        found: Found | None = None,
        on_open: Callable[[BookProcess], Awaitable[None]] | None = None,
    ) -> None:
        process = BookProcess(
            self._mesh,
            self._paths,
            self._instruments,
            self._config,
            JournalConfig.load(self._paths),
            self._standby_config,
            found,
        )
        process.start()
        server = self._server("orderbook", self._paths.ports.orderbook)
        server.add(add_OrderBookServiceServicer_to_server, process.service, access=ACCESS)
        server.on_drain(process.close)
        await server.start()
        if on_open is not None:
            await on_open(process)
        await serve_while(server, process.watch())

    def _server(self, service: str, port: int) -> EdgeServer:
        accounts = self._instruments.reference.accounts
        return EdgeServer(
            EdgeSettings(
                service=service,
                port=port,
                token_path=self._paths.tokens,
                accounts={account.name: account.account_id for account in accounts},
                unary_calls_max=self._config.unary_calls_max,
                streams_max=self._config.streams_max,
            )
        )


async def main() -> None:
    """Join the mesh, serve until SIGTERM, and leave."""
    name = sys.argv[1] if sys.argv[1:] else PROCESSES[0]
    if name not in PROCESSES:
        raise ConfigurationError(f"{name!r} must be one of {', '.join(PROCESSES)}")
    configure_logging(name)
    paths = RunPaths.from_environment()
    with AeronMesh(aeron_directory=paths.aeron, client_name=name) as mesh:
        await VenueMain(mesh, paths, name).run()


if __name__ == "__main__":
    sys.exit(run(main))
