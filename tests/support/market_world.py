"""The collector with its views and services on the simulated transport, cranked by hand."""

from __future__ import annotations

from concurrent.futures import Future
from copy import deepcopy
from pathlib import Path

from tradecaptain.base.clock import ManualClock
from tradecaptain.base.reference_file import default_reference
from tradecaptain.collector.broadcast import Broadcaster
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.market import Market
from tradecaptain.collector.service import MarketData
from tradecaptain.collector.sources import MirroredMarkets
from tradecaptain.collector.views import MarketFollower, MarketState, MarketViews
from tradecaptain.edge import StreamHub
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.mesh.stream_reader import StreamReader
from tradecaptain.wire import market_tick, streams


class MarketWorld:
    """Vendor files, or the simulator, with everything that a client may ask for."""

    def __init__(
        self, folder: Path, files: list[Path], *, speed: str = "max", depth_rows: int = 4096
    ) -> None:
        self.mesh = SimulatedMesh(1)
        self.clock = ManualClock()
        self.reference = default_reference()
        self.reader = StreamReader(
            self.mesh, streams.MARKET_TICKS, market_tick.DTYPE, capacity=1 << 14
        )
        config = CollectorConfig(
            replay=files, speed=speed, order_slots=1 << 12, level_capacity=512, rate_per_second=500
        )
        self.market = Market(
            self.mesh,
            self.reference,
            config,
            folder / "caches",
            self.clock,
            log_ring=folder / "ring",
        )
        self.hub: StreamHub[bytes] = StreamHub(1 << 14)
        self.views = MarketViews(
            [item.instrument_id for item in self.market.plan.instruments],
            level_capacity=512,
            candle_capacity=3600,
            depth_capacity=depth_rows,
        )
        self.broadcaster = Broadcaster(self.views, self.hub)
        self.follower = MarketFollower(self.views, self.copy, self.broadcaster.on_changes)
        mirrors = MirroredMarkets(self.views, self.broadcaster)
        self.service = MarketData(self.reference, [mirrors], self.hub)

    def copy(self) -> Future[MarketState]:
        """What the agent's thread answers in the process."""
        memory = self.market.memory
        future: Future[MarketState] = Future()
        future.set_result(
            MarketState(
                self.market.epoch,
                memory.published["instrument_sequence"].copy(),
                memory.published.copy(),
                deepcopy(memory.books),
            )
        )
        return future

    def turn(self, count: int = 1, *, batch: int = 64, step_ns: int = 1_000_000) -> None:
        """Let the feed, the agent and the views work in turn."""
        self.market.memory.header["batch_messages"] = batch
        for _ in range(count):
            self.clock.advance(step_ns)
            self.market.feeder.fill_once()
            self.mesh.crank()
            for agent in (self.market.agent, self.reader.agent):
                agent.refresh()
                agent.do_work(self.clock.now_ns())
                self.mesh.crank()
            taken = self.reader.handover.drain()
            if len(taken):
                self.follower.on_batch(taken)

    def play_all(self) -> None:
        """Turn until every file has been played and seen."""
        track = self.market.memory.tracks[0]
        for _ in range(10_000):
            self.turn()
            played = track["ring_head"] == track["ring_tail"]
            seen = (
                self.views.state["sequence"] == self.market.memory.published["instrument_sequence"]
            )
            if self.market.feeder.is_exhausted() and played and bool(seen.all()):
                return
        raise AssertionError("the files were not played to their end")

    def close(self) -> None:
        """Give everything back."""
        self.market.close()
        self.reader.close()
        self.mesh.close()
