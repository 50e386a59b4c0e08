"""The memory of a session's mirror books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tradecaptain.kernels.market_data.layout import BOOK_DTYPE, LEVEL_DTYPE, ORDER_DTYPE
from tradecaptain.kernels.market_data.order_table import ORDER_SLOTS_MIN


@dataclass(frozen=True, slots=True)
class BookShape:
    """How large one mirror book may become."""

    level_capacity: int
    depth_limit: int = 0
    order_slots: int = 0
    """Slots of the order table at its largest, a power of two; zero tracks no orders."""
    orders_time: bool = False

    def __post_init__(self) -> None:
        if self.order_slots & (self.order_slots - 1):
            raise ValueError("order_slots must be a power of two")


class MirrorBooks:
    """Headers, levels and orders of several books, in the three arrays that the kernels take."""

    def __init__(self, shapes: list[BookShape]) -> None:
        self.books = np.zeros(max(len(shapes), 1), dtype=BOOK_DTYPE)
        level_count = 0
        order_count = 0
        for book, shape in zip(self.books, shapes, strict=False):
            # One level more than the vendor shows: it is there between an insert and the trim.
            capacity = max(shape.level_capacity, shape.depth_limit + 1)
            slots = max(shape.order_slots, 1)
            book["depth_limit"] = shape.depth_limit
            book["tracks_orders"] = shape.order_slots > 0
            book["orders_time"] = shape.orders_time
            book["level_capacity"] = capacity
            book["bid_offset"] = level_count
            book["ask_offset"] = level_count + capacity
            book["order_offset"] = order_count
            book["order_mask"] = min(slots, ORDER_SLOTS_MIN) - 1
            book["order_slots_max"] = slots
            level_count += 2 * capacity
            # The order table grows by moving on; pages that it doesn't reach cost nothing.
            order_count += 2 * slots
        self.levels = np.zeros(max(level_count, 1), dtype=LEVEL_DTYPE)
        self.orders = np.zeros(max(order_count, 1), dtype=ORDER_DTYPE)

    def side(self, index: int, is_bid: bool) -> np.ndarray[Any, Any]:
        """Levels of one side, best first; a view."""
        book = self.books[index]
        offset = int(book["bid_offset"] if is_bid else book["ask_offset"])
        count = int(book["bid_count"] if is_bid else book["ask_count"])
        return self.levels[offset : offset + count][::-1]
