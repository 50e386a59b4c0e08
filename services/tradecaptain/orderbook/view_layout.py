"""Records of the book views: what the kernels in ``view_kernels`` work on.

One header, a book for each instrument (its index is the instrument id), a pool of price levels and
a pool of orders, both linked by index with 0 for "none", two tables of hash buckets, and a ring of
the last changes with the best prices after each. Prices and quantities are in instrument units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import aligned_zeros


def _record(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, "<i8") for name in names])


HEADER: Final = _record(
    # The batch at work: record k lies at batch_address + k * batch_stride.
    "batch_address",
    "batch_stride",
    "batch_count",
    # Rows ever written to the ring; row n lies at n & ring_mask.
    "row_count",
    "ring_mask",
    "order_mask",
    "level_mask",
    # Free lists, and the number of records ever used (index 0 never is).
    "free_order",
    "used_orders",
    "order_capacity",
    "free_level",
    "used_levels",
    "level_capacity",
    "instrument_limit",
    # What a snapshot that is being loaded belongs to.
    "load_instrument_id",
    "load_epoch",
    "load_sequence",
    "load_time_ns",
    # What went wrong, for counters.
    "malformed_count",
    "unknown_instrument_count",
    "gap_count",
    "inconsistent_count",
    "capacity_count",
)

BOOK: Final = _record(
    "is_known",
    # Zero while changes are missing: the book then waits for a snapshot.
    "is_valid",
    "epoch",
    "sequence",
    "time_ns",
    # Number of the change that last moved the best bid or ask.
    "top_sequence",
    # Changes up to this number can't be told again from the ring.
    "history_start",
    "best_bid",
    "best_ask",
    "order_count",
    # The best prices after the last change, as its row tells them.
    "bid_price_units",
    "bid_quantity_units",
    "bid_order_count",
    "ask_price_units",
    "ask_quantity_units",
    "ask_order_count",
)

LEVEL: Final = _record(
    "price_units",
    "quantity_units",
    "order_count",
    "first",
    "last",
    "better",
    "worse",
    "chain",
    "instrument_id",
    "side",
)

ORDER: Final = _record(
    "order_id", "quantity_units", "level", "next", "previous", "chain", "instrument_id"
)

ROW: Final = _record(
    "instrument_id",
    "epoch",
    "sequence",
    "time_ns",
    "action",
    "side",
    "flags",
    "order_id",
    "price_units",
    "quantity_units",
    "level_quantity_units",
    "level_order_count",
    "match_id",
    "command_sequence",
    # Best prices after this change; an empty side has quantity and order count zero.
    "bid_price_units",
    "bid_quantity_units",
    "bid_order_count",
    "ask_price_units",
    "ask_quantity_units",
    "ask_order_count",
    "top_changed",
)

SNAPSHOT_ORDER: Final = _record("order_id", "price_units", "quantity_units", "side")
"""One order of a book, as the venue hands it over: each side best first, in queue order."""

SNAPSHOT_LEVEL: Final = _record("price_units", "quantity_units", "order_count")

HEADER_TYPE: Final[Any] = numba.from_dtype(HEADER)[::1]
BOOK_TYPE: Final[Any] = numba.from_dtype(BOOK)[::1]
LEVEL_TYPE: Final[Any] = numba.from_dtype(LEVEL)[::1]
ORDER_TYPE: Final[Any] = numba.from_dtype(ORDER)[::1]
ROW_TYPE: Final[Any] = numba.from_dtype(ROW)[::1]
SNAPSHOT_ORDER_TYPE: Final[Any] = numba.from_dtype(SNAPSHOT_ORDER)[::1]
SNAPSHOT_LEVEL_TYPE: Final[Any] = numba.from_dtype(SNAPSHOT_LEVEL)[::1]
BUCKETS_TYPE: Final[Any] = numba.types.int64[::1]

# What applying a change answers.
APPLIED: Final = 1
SKIPPED: Final = 0
INCONSISTENT: Final = -1
CAPACITY: Final = -2


@dataclass(frozen=True, slots=True)
class ViewCapacity:
    """How much the views can hold."""

    orders: int = 1 << 18
    """Resting orders of all books together."""
    levels: int = 1 << 16
    """Price levels of all books together."""
    rows: int = 1 << 16
    """Changes that a stream can go back; a power of two."""
    instrument_limit: int = 4096
    """Instrument ids are below this."""


@dataclass(frozen=True, slots=True)
class ViewState:
    """The arrays of one set of views."""

    header: npt.NDArray[Any]
    books: npt.NDArray[Any]
    levels: npt.NDArray[Any]
    orders: npt.NDArray[Any]
    level_buckets: npt.NDArray[np.int64]
    order_buckets: npt.NDArray[np.int64]
    ring: npt.NDArray[Any]

    @classmethod
    def allocate(cls, capacity: ViewCapacity, instrument_ids: list[int]) -> ViewState:
        """Empty books of these instruments; ids out of range and odd ring sizes are ValueError."""
        if capacity.rows < 1 or capacity.rows & (capacity.rows - 1):
            raise ValueError(f"rows must be a power of two, not {capacity.rows}")
        if not all(0 < number < capacity.instrument_limit for number in instrument_ids):
            raise ValueError(f"instrument ids must lie in 1 … {capacity.instrument_limit - 1}")
        level_buckets = 1 << (capacity.levels - 1).bit_length()
        order_buckets = 1 << (capacity.orders - 1).bit_length()
        state = cls(
            header=aligned_zeros(1, HEADER),
            books=aligned_zeros(capacity.instrument_limit, BOOK),
            levels=aligned_zeros(capacity.levels + 1, LEVEL),
            orders=aligned_zeros(capacity.orders + 1, ORDER),
            level_buckets=aligned_zeros(level_buckets, np.int64),
            order_buckets=aligned_zeros(order_buckets, np.int64),
            ring=aligned_zeros(capacity.rows, ROW),
        )
        header = state.header[0]
        header["ring_mask"] = capacity.rows - 1
        header["level_mask"] = level_buckets - 1
        header["order_mask"] = order_buckets - 1
        header["level_capacity"] = capacity.levels
        header["order_capacity"] = capacity.orders
        header["instrument_limit"] = capacity.instrument_limit
        state.books["is_known"][instrument_ids] = 1
        state.books["is_valid"][instrument_ids] = 1
        return state

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All arrays but the ring, in the order in which kernels take them."""
        return (
            self.header,
            self.books,
            self.levels,
            self.orders,
            self.level_buckets,
            self.order_buckets,
        )
