"""Allocation of an engine's block from configured capacities and instrument rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tradecaptain.kernels.matching.layout import (
    BOOK,
    FEE_TIER_BYTES,
    FEE_TIERS,
    FIRST_ORDER_BUCKETS,
    HEADER,
    IDENTITY_BITS,
    INT64_MAXIMUM,
    INT64_MINIMUM,
    LEVEL,
    NODE,
    ORDER,
    PARTY,
    RECENT_LEVELS,
    SPECIAL_BOOK,
    TERMS,
)
from tradecaptain.wire import common, execution_event

ALIGNMENT_BYTES = 64
GROUP_ROOM = 20
"""Events that one trade may write on top: two groups cancelled, two icebergs shown again."""


@dataclass(frozen=True, slots=True)
class MatchingCapacity:
    """How much an engine can hold. Everything is allocated when it starts.

    ``step_limit`` is the largest number of trades, cancels or status reports in one bounded step.
    """

    orders: int = 65_536
    levels: int = 65_536
    instruments: int = 1_024
    instrument_ids: int = 65_536
    account_ids: int = 65_536
    step_limit: int = 16

    def __post_init__(self) -> None:
        for name in ("orders", "levels", "instruments", "instrument_ids", "account_ids"):
            value = getattr(self, name)
            if not 1 <= value <= 1 << 27:
                raise ValueError(f"{name} must lie between 1 and 2^27, not {value}")
        if not 1 <= self.step_limit <= 1_024:
            raise ValueError(f"step_limit must lie between 1 and 1024, not {self.step_limit}")

    @property
    def execution_room(self) -> int:
        """Execution events that one step may write at most."""
        return 2 * self.step_limit + 2 + GROUP_ROOM

    @property
    def book_room(self) -> int:
        """Book events that one step may write at most."""
        return self.step_limit + 2 + GROUP_ROOM


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """What an instrument's orders are held against; prices and sizes in its own units."""

    instrument_id: int
    minimum_price_units: int = INT64_MINIMUM
    maximum_price_units: int = INT64_MAXIMUM
    maximum_quantity_units: int = INT64_MAXIMUM
    lot_units: int = 1
    tick_units: int = 1
    allocation: int = common.ALLOCATION_PRICE_TIME
    minimum_share_units: int = 0
    batch_interval_ns: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """A matching engine: its block, and the address that kernels take."""

    block: np.ndarray[Any, Any]
    address: int
    capacity: MatchingCapacity

    @property
    def header(self) -> np.ndarray[Any, Any]:
        """The header as a record array of length one."""
        return self.block[: HEADER.itemsize].view(HEADER)

    def table(self, name: str, dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
        """A table of the block, by the name of its offset in the header."""
        start = int(self.header[0][f"{name}_offset"])
        return self.block[start : start + count * dtype.itemsize].view(dtype)

    @property
    def books(self) -> np.ndarray[Any, Any]:
        """Book records; index 0 is not used."""
        return self.table("books", BOOK, self.capacity.instruments + 1)


def power_of_two(at_least: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << max(at_least - 1, 0).bit_length()


def _table_sizes(capacity: MatchingCapacity) -> dict[str, int]:
    """Bytes of each table, in the order in which they lie in the block."""
    order_buckets = power_of_two(capacity.orders)
    return {
        "spare_event": execution_event.RECORD_BYTES,
        "recent_levels": RECENT_LEVELS * 4,
        "order_buckets": order_buckets * 4,
        "vendor_buckets": order_buckets * 4,
        "instrument_index": capacity.instrument_ids * 4,
        "account_sequences": capacity.account_ids * 8,
        "books": (capacity.instruments + 1) * BOOK.itemsize,
        "orders": (capacity.orders + 1) * ORDER.itemsize,
        "parties": (capacity.orders + 1) * PARTY.itemsize,
        "terms": (capacity.orders + 1) * TERMS.itemsize,
        "group_buckets": order_buckets * 4,
        "account_tiers": capacity.account_ids * 4,
        "fee_tiers": FEE_TIERS * FEE_TIER_BYTES,
        "levels": (capacity.levels + 1) * LEVEL.itemsize,
        "nodes": (capacity.levels + 1) * NODE.itemsize,
    }


def allocate_engine(
    capacity: MatchingCapacity,
    instruments: Sequence[InstrumentRules],
    *,
    epoch: int = 1,
    replay_account_id: int = 1,
) -> Engine:
    """Allocate an empty engine for instruments whose ids are unique and fit the capacity."""
    if len(instruments) > capacity.instruments:
        raise ValueError(
            f"{len(instruments)} instruments exceed the capacity of {capacity.instruments}"
        )
    if not 0 < epoch < 1 << (63 - IDENTITY_BITS):
        raise ValueError(f"epoch must lie between 1 and {(1 << (63 - IDENTITY_BITS)) - 1}")
    offsets: dict[str, int] = {}
    end = _aligned(HEADER.itemsize)
    for name, size in _table_sizes(capacity).items():
        offsets[name] = end
        end = _aligned(end + size)
    raw = np.zeros(end + ALIGNMENT_BYTES, np.uint8)
    skipped = -raw.ctypes.data % ALIGNMENT_BYTES
    block = raw[skipped : skipped + end]
    engine = Engine(block, int(block.ctypes.data), capacity)
    header = engine.header
    for name, offset in offsets.items():
        header[0][f"{name}_offset"] = offset
    buckets = power_of_two(capacity.orders)
    header[0]["block_bytes"] = end
    header[0]["order_capacity"] = capacity.orders
    header[0]["level_capacity"] = capacity.levels
    header[0]["node_capacity"] = capacity.levels
    header[0]["instrument_capacity"] = capacity.instruments
    header[0]["instrument_id_limit"] = capacity.instrument_ids
    header[0]["account_id_limit"] = capacity.account_ids
    header[0]["order_bucket_capacity"] = buckets
    header[0]["order_bucket_mask"] = min(buckets, FIRST_ORDER_BUCKETS) - 1
    header[0]["vendor_bucket_mask"] = buckets - 1
    header[0]["group_bucket_mask"] = buckets - 1
    header[0]["next_timer_ns"] = INT64_MAXIMUM
    header[0]["step_limit"] = capacity.step_limit
    header[0]["replay_account_id"] = replay_account_id
    header[0]["epoch"] = epoch
    header[0]["identity_base"] = epoch << IDENTITY_BITS
    for rules in instruments:
        add_instrument(engine, rules)
    return engine


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def add_instrument(engine: Engine, rules: InstrumentRules) -> int:
    """Open an empty book for an instrument; returns its index."""
    header = engine.header
    index = int(header[0]["instrument_count"]) + 1
    if index > engine.capacity.instruments:
        raise ValueError(f"no room for instrument {rules.instrument_id}")
    if not 0 < rules.instrument_id < engine.capacity.instrument_ids:
        raise ValueError(
            f"instrument id {rules.instrument_id} must lie between 1 and "
            f"{engine.capacity.instrument_ids - 1}"
        )
    index_table = engine.table("instrument_index", np.dtype("<i4"), engine.capacity.instrument_ids)
    if index_table[rules.instrument_id]:
        raise ValueError(f"instrument {rules.instrument_id} exists already")
    book = engine.books[index]
    book["instrument_id"] = rules.instrument_id
    book["minimum_price_units"] = rules.minimum_price_units
    book["maximum_price_units"] = rules.maximum_price_units
    book["maximum_quantity_units"] = rules.maximum_quantity_units
    book["lot_units"] = rules.lot_units
    book["tick_units"] = rules.tick_units
    book["allocation"] = rules.allocation
    book["minimum_share_units"] = rules.minimum_share_units
    book["batch_interval_ns"] = rules.batch_interval_ns
    book["low_band_units"] = INT64_MINIMUM
    book["high_band_units"] = INT64_MAXIMUM
    book["phase"] = common.TRADING_PHASE_CONTINUOUS
    if rules.allocation != common.ALLOCATION_PRICE_TIME:
        book["special"] = SPECIAL_BOOK
    index_table[rules.instrument_id] = index
    header[0]["instrument_count"] = index
    return index
