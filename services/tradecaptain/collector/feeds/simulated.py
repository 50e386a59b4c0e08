"""The simulated vendor as a feed: endless, and always the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.kernels.market_data.random_numbers import seeded_state
from tradecaptain.kernels.market_data.simulator import (
    SIMULATED_ORDER_DTYPE,
    SIMULATOR_DTYPE,
    simulator_generate,
)

FOREVER_NS = 1 << 62
LEVEL_CAPACITY = 1024
ORDER_CAPACITY = 4096
TARGET_ORDERS = 400
CYCLE_NS = 23_400e9
# Of each event's offspring; see the kernel. The rate of all events is the base rate over what is
# left after the branching ratio.
BRANCHING_RATIO = 0.7
# A tick's worth of wandering for every so many seconds of a lively stock.
VOLATILITY_TICKS = 1.0


class SimulatedFeed:
    """Makes the flow of several instruments, from ``start_ns`` on."""

    name = "simulator"

    def __init__(
        self,
        initial_prices: Sequence[int],
        increments: Sequence[int],
        lots: Sequence[int],
        *,
        seed: int,
        rate_per_second: float,
        start_ns: int,
        first_book: int = 0,
    ) -> None:
        count = len(initial_prices)
        self._first_book = first_book
        self.simulators = np.zeros(count, dtype=SIMULATOR_DTYPE)
        self._books = MirrorBooks([BookShape(LEVEL_CAPACITY)] * count)
        self._orders = np.zeros(count * ORDER_CAPACITY, dtype=SIMULATED_ORDER_DTYPE)
        for index, simulator in enumerate(self.simulators):
            simulator["random_state"] = seeded_state(seed, index)
            simulator["now_ns"] = start_ns
            simulator["next_event_ns"] = start_ns
            simulator["base_rate"] = rate_per_second / count * (1.0 - BRANCHING_RATIO)
            simulator["cycle_ns"] = CYCLE_NS
            simulator["anchor_units"] = initial_prices[index]
            simulator["reference_units"] = initial_prices[index]
            simulator["volatility"] = VOLATILITY_TICKS * increments[index]
            simulator["increment_units"] = increments[index]
            simulator["lot_units"] = lots[index]
            simulator["minimum_price_units"] = increments[index]
            simulator["target_orders"] = TARGET_ORDERS
            simulator["order_offset"] = index * ORDER_CAPACITY
            simulator["order_capacity"] = ORDER_CAPACITY
            simulator["next_order_id"] = 1

    def decode(self, messages: np.ndarray[Any, Any]) -> int:
        """Fill ``messages`` with what comes next; the flow never ends."""
        count = int(
            simulator_generate(
                self.simulators,
                self._books.books,
                self._books.levels,
                self._orders,
                messages,
                FOREVER_NS,
            )
        )
        messages["book_index"][:count] += self._first_book
        return count

    def close(self) -> None:
        """Nothing is held."""
