"""Runs the collector: ``python -m tradecaptain.collector``."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Future
from copy import deepcopy
from typing import Final

import structlog
from tradecaptain.api.instruments.v1.instruments_pb2_grpc import (
    add_InstrumentServiceServicer_to_server,
)
from tradecaptain.api.marketdata.v1.marketdata_pb2_grpc import (
    add_MarketDataServiceServicer_to_server,
)
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_file import ReferenceFile
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.collector.broadcast import Broadcaster
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.instrument_service import Instruments
from tradecaptain.collector.market import Market
from tradecaptain.collector.service import MarketData
from tradecaptain.collector.sources import MirroredMarkets
from tradecaptain.collector.venue_book import VenueBook
from tradecaptain.collector.venue_market import VenueMarkets
from tradecaptain.collector.views import MarketFollower, MarketState, MarketViews
from tradecaptain.edge import (
    EdgeServer,
    EdgeSettings,
    Role,
    StreamHub,
    configure_logging,
    run,
    serve_while,
)
from tradecaptain.edge.tokens import COLLECTOR, token_of
from tradecaptain.edge.venue_door import VenueDoor
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.counters import CounterTable
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.stream_reader import StreamReader
from tradecaptain.mesh.transport import Mesh
from tradecaptain.wire import book_event, market_tick, streams

ACCESS: Final = {"*": Role.READ}
"""Whoever has a token may read market data."""
_TEND_SECONDS: Final = 0.1
_READ_INTERVAL_NS: Final = 5_000_000
_UNWATCHED_SECONDS: Final = 0.05
"""How long ticks may wait for the views while nobody follows a stream."""

_LOG = structlog.get_logger("collector")


class CollectorProcess:
    """The market side, the views that follow it, and the services over the views."""

    def __init__(
        self, mesh: Mesh, paths: RunPaths, reference: Reference, config: CollectorConfig
    ) -> None:
        self._closing = False
        self._door = VenueDoor(paths.ports.envoy, token_of(paths.tokens, COLLECTOR))
        capacity = 1 << (config.reader_capacity - 1).bit_length()
        # Before the market opens its stream, so that the first tick finds a reader.
        self._reader = StreamReader(
            mesh, streams.MARKET_TICKS, market_tick.DTYPE, capacity=capacity
        )
        self._venue_reader = StreamReader(
            mesh, streams.BOOK_EVENTS, book_event.DTYPE, capacity=capacity
        )
        self._market = Market(
            mesh, reference, config, paths.caches, SYSTEM_CLOCK, log_ring=paths.journal_ring
        )
        placement = Placement(core=config.core, idle=config.idle_strategy)
        self._market_runner = AgentRunner([self._market.agent], placement)
        reader_placement = Placement(idle="sleep", park_ns_max=_READ_INTERVAL_NS)
        self._reader_runner = AgentRunner(
            [self._reader.agent, self._venue_reader.agent], reader_placement
        )
        self._hub: StreamHub[bytes] = StreamHub(config.stream_queue)
        self._views = MarketViews(
            [instrument.instrument_id for instrument in self._market.plan.instruments],
            level_capacity=config.level_capacity,
            candle_capacity=config.candle_seconds_kept,
            depth_capacity=config.depth_rows_kept,
        )
        broadcaster = Broadcaster(self._views, self._hub)
        self._follower = MarketFollower(self._views, self._copy_market, broadcaster.on_changes)
        epoch = self._market.epoch
        self._venue = VenueMarkets(
            self._door.read_book,
            lambda number: VenueBook(number, config, self._hub, epoch),
            SYSTEM_CLOCK,
            self._venue_reader.catch_up,
        )
        mirrors = MirroredMarkets(self._views, broadcaster, self._reader.catch_up)
        self.market_data = MarketData(reference, [mirrors, self._venue], self._hub)
        paths.counters.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._counters = CounterTable.create(
            paths.counters / "collector.counters", list(self._statistics())
        )

    def start(self) -> None:
        """Follow, then play.

        Nobody who watches needs each tick at once, so they are read a few hundred times a second,
        many together, and applied less often still while nobody watches at all.
        """
        for reader, on_batch in (
            (self._reader, self._follower.on_batch),
            (self._venue_reader, self._venue.on_batch),
        ):
            reader.attach(
                asyncio.get_running_loop(),
                on_batch,
                pause_seconds=_UNWATCHED_SECONDS,
                is_urgent=lambda: self._hub.is_followed,
            )
        self._reader_runner.start()
        self._market_runner.start()
        self._market.start_feeds()
        _LOG.info(
            "market open",
            epoch=self._market.epoch,
            instruments=[item.key for item in self._market.plan.instruments],
        )

    def _copy_market(self) -> Future[MarketState]:
        """A copy of the agent's books, made between two of its turns."""
        memory = self._market.memory

        def copy() -> MarketState:
            return MarketState(
                self._market.epoch,
                memory.published["instrument_sequence"].copy(),
                memory.published.copy(),
                deepcopy(memory.books),
            )

        return self._market_runner.run_in_thread_control(copy)

    def _statistics(self) -> dict[str, int]:
        return {
            **self._market.statistics(),
            "venue_lapped_count": self._venue.lapped_count,
            "venue_snapshot_count": self._venue.snapshot_count,
        }

    async def tend(self) -> str:
        """Show the counters; return only if a thread has died: then the process starts anew."""
        runners = (self._market_runner, self._reader_runner)
        while self._closing or all(runner.is_running for runner in runners):
            if not self._closing:
                self._follower.poll()
                self._market.look_for_log()
                for name, value in self._statistics().items():
                    self._counters.set(name, value)
            await asyncio.sleep(_TEND_SECONDS)
        failures = [str(runner.failure) for runner in runners if runner.failure is not None]
        return f"a thread of the collector died: {', '.join(failures)}"

    async def close(self) -> None:
        """Stop playing and following."""
        self._closing = True
        self._market_runner.close()
        self._reader_runner.close()
        self._reader.close()
        self._venue_reader.close()
        self._market.close()
        await self._venue.close()
        await self._door.close()


async def main() -> None:
    """Join the mesh, serve until SIGTERM, and leave."""
    configure_logging("collector")
    paths = RunPaths.from_environment()
    config = CollectorConfig.load(paths)
    reference = ReferenceFile(paths.reference).reference
    with AeronMesh(aeron_directory=paths.aeron, client_name="collector") as mesh:
        process = CollectorProcess(mesh, paths, reference, config)
        server = EdgeServer(
            EdgeSettings(
                service="collector",
                port=paths.ports.collector,
                token_path=paths.tokens,
                accounts={account.name: account.account_id for account in reference.accounts},
                unary_calls_max=config.unary_calls_max,
                streams_max=config.streams_max,
            )
        )
        server.add(add_MarketDataServiceServicer_to_server, process.market_data, access=ACCESS)
        server.add(add_InstrumentServiceServicer_to_server, Instruments(reference), access=ACCESS)
        server.on_drain(process.close)
        process.start()
        await server.start()
        await serve_while(server, process.tend())


if __name__ == "__main__":
    sys.exit(run(main))
