"""Allocation of an engine's block from configured capacities and instrument rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tradecaptain.base.memory import aligned_zeros
from tradecaptain.kernels.matching.creation import (
    LARGEST_CAPACITY,
    LARGEST_EPOCH,
    LARGEST_STEP_LIMIT,
    add_book,
    create_engine,
    invalid_field,
    place_tables,
)
from tradecaptain.kernels.matching.layout import (
    BOOK,
    ENGINE_CONFIG,
    EXTRA_EVENTS,
    HEADER,
    INSTRUMENT_RULES,
    INT64_MAXIMUM,
    INT64_MINIMUM,
    ORDER_IDS_ENGINE,
    REPLACES_TOTAL,
    REPORT_FORM_WIRE,
)
from tradecaptain.wire import common, reason


@dataclass(frozen=True, slots=True)
class MatchingCapacity:
    """How much an engine can hold. Everything is allocated when it starts.

    ``step_limit`` is the largest number of trades, cancels or status reports in one bounded step.
    ``pegs`` and ``hidden`` limit the pegged and the hidden orders of an instrument, which some
    commands look at one by one; zero is no limit of its own.
    """

    orders: int = 65_536
    levels: int = 65_536
    instruments: int = 1_024
    instrument_ids: int = 65_536
    account_ids: int = 65_536
    step_limit: int = 16
    pegs: int = 0
    hidden: int = 0

    def __post_init__(self) -> None:
        for name in ("orders", "levels", "instruments", "instrument_ids", "account_ids"):
            value = getattr(self, name)
            if not 1 <= value <= LARGEST_CAPACITY:
                raise ValueError(f"{name} must lie between 1 and 2^27, not {value}")
        for name in ("pegs", "hidden"):
            if not 0 <= getattr(self, name) <= LARGEST_CAPACITY:
                raise ValueError(f"{name} must lie between 0 and 2^27, not {getattr(self, name)}")
        if not 1 <= self.step_limit <= LARGEST_STEP_LIMIT:
            raise ValueError(f"step_limit must lie between 1 and 1024, not {self.step_limit}")

    @property
    def execution_room(self) -> int:
        """Execution events that one step may write at most."""
        return 2 * self.step_limit + EXTRA_EVENTS

    @property
    def book_room(self) -> int:
        """Book events that one step may write at most."""
        return self.step_limit + EXTRA_EVENTS


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
    indication_interval_ns: int = 0


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


def _record(dtype: np.dtype[Any], values: Mapping[str, int]) -> np.ndarray[Any, Any]:
    record = np.zeros(1, dtype)
    for name, value in values.items():
        record[0][name] = value
    return record


def allocate_engine(
    capacity: MatchingCapacity,
    instruments: Sequence[InstrumentRules],
    *,
    epoch: int = 1,
    replay_account_id: int = 1,
    report_form: int = REPORT_FORM_WIRE,
    order_ids: int = ORDER_IDS_ENGINE,
    replaces: int = REPLACES_TOTAL,
) -> Engine:
    """Allocate an empty engine for instruments whose ids are unique and fit the capacity."""
    if len(instruments) > capacity.instruments:
        raise ValueError(
            f"{len(instruments)} instruments exceed the capacity of {capacity.instruments}"
        )
    if not 0 < epoch <= LARGEST_EPOCH:
        raise ValueError(f"epoch must lie between 1 and {LARGEST_EPOCH}")
    settings = {
        "epoch": epoch,
        "replay_account_id": replay_account_id,
        "report_form": report_form,
        "order_ids": order_ids,
        "replaces": replaces,
    }
    config = _record(ENGINE_CONFIG, asdict(capacity) | settings)
    config_address = int(config.ctypes.data)
    if invalid_field(config_address):
        raise ValueError(f"invalid {settings}")
    block = aligned_zeros(place_tables(0, config_address), np.uint8)
    engine = Engine(block, int(block.ctypes.data), capacity)
    create_engine(engine.address, config_address)
    for rules in instruments:
        add_instrument(engine, rules)
    return engine


def add_instrument(engine: Engine, rules: InstrumentRules) -> int:
    """Open an empty book for an instrument; returns its index."""
    record = _record(INSTRUMENT_RULES, asdict(rules))
    index = add_book(engine.address, int(record.ctypes.data))
    if index == -reason.REASON_CAPACITY_EXHAUSTED:
        raise ValueError(f"no room for instrument {rules.instrument_id}")
    if index == -reason.REASON_UNKNOWN_INSTRUMENT:
        raise ValueError(
            f"instrument id {rules.instrument_id} must lie between 1 and "
            f"{engine.capacity.instrument_ids - 1}"
        )
    if index < 0:
        raise ValueError(f"instrument {rules.instrument_id} exists already, or its lot is below 1")
    return index


def define_instrument(engine: Engine, rules: InstrumentRules) -> int:
    """As :func:`add_instrument`, or change the rules of one that exists, but for its allocation;
    returns its index."""
    index_table = engine.table("instrument_index", np.dtype("<i4"), engine.capacity.instrument_ids)
    known = 0 < rules.instrument_id < engine.capacity.instrument_ids
    index = int(index_table[rules.instrument_id]) if known else 0
    if index == 0:
        return add_instrument(engine, rules)
    book = engine.books[index]
    if int(book["allocation"]) != rules.allocation:
        raise ValueError(f"the allocation of instrument {rules.instrument_id} can't change")
    for name, value in asdict(rules).items():
        book[name] = value
    # The range of prices bounds pegs, so that they are looked at again.
    book["peg_bid_state"] = book["peg_ask_state"] = 0
    return index
