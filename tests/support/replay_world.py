"""A collector and a venue on one simulated transport, cranked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from support.venue_driver import SETTINGS, VenueDriver
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.memory import address_of
from tradecaptain.base.reference_file import default_reference
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.market import Market
from tradecaptain.kernels.matching.views import engine_depth, engine_orders
from tradecaptain.wire import streams

ROOMY = replace(SETTINGS, orders=8192, levels=4096, term_bytes=4 << 20)
LEVEL = np.dtype([("price_units", "i8"), ("quantity_units", "i8"), ("order_count", "i8")])
ORDER = np.dtype(
    [("order_id", "i8"), ("price_units", "i8"), ("quantity_units", "i8"), ("side", "i8")]
)


class ReplayWorld:
    """Vendor files played at full speed into the venue's own instrument."""

    def __init__(
        self, folder: Path, files: list[Path], *, speed: str = "max", roomy_levels: int = 0
    ) -> None:
        self.folder = folder
        settings = ROOMY
        if roomy_levels:
            settings = replace(ROOMY, orders=2 * roomy_levels, levels=roomy_levels)
        self.venue = VenueDriver(folder, settings=settings)
        self.venue.open_gate(1)
        self.clock = ManualClock(self.venue.now_ns)
        # Somebody has to listen before the agent plays.
        self.ticks = self.venue.mesh.add_subscription(streams.MARKET_TICKS, tether=False)
        self.market = Market(
            self.venue.mesh,
            default_reference(),
            CollectorConfig(replay=files, speed=speed, order_slots=1 << 12),
            folder / "caches",
            self.clock,
            log_ring=folder / "log_ring",
        )

    @property
    def flow(self) -> Any:
        """State of the first instrument's flow."""
        return self.market.memory.flows[0]

    def turn(self, count: int = 1, step_ns: int = 1_000_000) -> None:
        """Let the transport, the collector and the venue work in turn."""
        for _ in range(count):
            self.clock.advance(step_ns)
            self.market.feeder.fill_once()
            self.venue.mesh.crank()
            self.market.agent.refresh()
            if self.ticks.needs_refresh():
                self.ticks.refresh()
            self.market.agent.do_work(self.clock.now_ns())
            self.venue.now_ns = self.clock.now_ns()
            self.venue.crank(2)

    def play_messages(self, count: int, *, batch: int = 8) -> None:
        """Turn until so many messages in all have been played, a few a turn."""
        self.market.memory.header["batch_messages"] = batch
        track = self.market.memory.tracks[0]
        for _ in range(20_000):
            if int(track["message_count"]) >= count:
                return
            self.turn()
        raise AssertionError(f"only {int(track['message_count'])} of {count} messages were played")

    def settle(self) -> None:
        """Let everything that is under way come to rest."""
        self.turn(20)

    def venue_levels(self, side: int, instrument_id: int = 1011) -> list[tuple[int, int]]:
        """Price and quantity of the venue's levels, best first."""
        target = np.zeros(512, LEVEL)
        engine = self.venue.core.engine.address
        count = engine_depth(engine, instrument_id, side, address_of(target), len(target))
        return [(int(row["price_units"]), int(row["quantity_units"])) for row in target[:count]]

    def mirror_levels(self, side: int) -> list[tuple[int, int]]:
        """Price and quantity of the mirror's levels, best first."""
        levels = self.market.memory.books.side(0, side == 1)
        return [(int(row["price_units"]), int(row["quantity_units"])) for row in levels]

    def venue_orders(self, instrument_id: int = 1011) -> list[tuple[int, int, int]]:
        """Side, price and quantity of every order, each side best first in queue order."""
        target = np.zeros(8192, ORDER)
        engine = self.venue.core.engine.address
        count = engine_orders(engine, instrument_id, address_of(target), len(target))
        return [
            (int(row["side"]), int(row["price_units"]), int(row["quantity_units"]))
            for row in target[:count]
        ]

    def close(self) -> None:
        """Give everything back."""
        self.market.close()
        self.venue.close()
