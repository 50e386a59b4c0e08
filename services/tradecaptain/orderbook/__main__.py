"""Runs the venue: ``python -m tradecaptain.orderbook``."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from typing import Final

import structlog
from tradecaptain.api.orderbook.v1.orderbook_pb2_grpc import (
    add_OrderBookServiceServicer_to_server,
)
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import ReferenceFile
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge import EdgeServer, EdgeSettings, Role, configure_logging, run, serve_while
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.stream_reader import StreamReader
from tradecaptain.mesh.timeouts import MILLISECOND_NS
from tradecaptain.mesh.transport import Mesh
from tradecaptain.orderbook.agent import Venue
from tradecaptain.orderbook.config import (
    JournalConfig,
    OrderBookConfig,
    power_of_two,
    venue_settings,
)
from tradecaptain.orderbook.follower import BookFollower
from tradecaptain.orderbook.service import OrderBook, StepHub
from tradecaptain.orderbook.views import BookViews
from tradecaptain.wire import book_event, streams

ACCESS: Final = {"GetBook": Role.READ, "StreamBook": Role.READ}
"""Which role each method asks for."""
_WATCH_SECONDS: Final = 0.1
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
    ) -> None:
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
            journal.settings(),
            journal.levels,
        )
        hub = StepHub(config.stream_queue)
        self.views = BookViews(
            self.venue.core.instrument_ids(), self.venue.epoch, config.view_capacity, hub
        )
        self._follower = BookFollower(self.views, self.venue.book_snapshot)
        instruments.on_added.append(self._follow)
        self.service = OrderBook(reference, self.views, hub, catch_up=self._reader.catch_up)
        self._is_closing = False

    def start(self) -> None:
        """Open for orders, then follow."""
        standing = self.venue.standing()
        self.venue.start()
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
        return f"the venue's thread died: {self.venue.error or self._runner.failure}"

    async def close(self) -> None:
        """Stop taking orders and following."""
        self._is_closing = True
        self._runner.close()
        self._reader.close()
        self.venue.stop()
        _LOG.info("venue closed", **self.venue.standing())


async def main() -> None:
    """Join the mesh, serve until SIGTERM, and leave."""
    configure_logging("orderbook")
    paths = RunPaths.from_environment()
    config = OrderBookConfig.load(paths)
    instruments = ReferenceFile(paths.reference)
    accounts = instruments.reference.accounts
    with AeronMesh(aeron_directory=paths.aeron, client_name="orderbook") as mesh:
        process = BookProcess(mesh, paths, instruments, config, JournalConfig.load(paths))
        process.start()
        server = EdgeServer(
            EdgeSettings(
                service="orderbook",
                port=paths.ports.orderbook,
                token_path=paths.tokens,
                accounts={account.name: account.account_id for account in accounts},
                unary_calls_max=config.unary_calls_max,
                streams_max=config.streams_max,
            )
        )
        server.add(add_OrderBookServiceServicer_to_server, process.service, access=ACCESS)
        server.on_drain(process.close)
        await server.start()
        await serve_while(server, process.watch())


if __name__ == "__main__":
    sys.exit(run(main))
