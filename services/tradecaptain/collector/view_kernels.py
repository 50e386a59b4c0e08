"""What the service shows of the market, kept up to date from ticks by one compiled pass.

For each instrument: the newest quote and trade, a book of levels, candles of one second in a ring,
and the last depth changes in a ring. Everything else is made from these when it is asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.market_data.layout import BOOKS, LEVELS
from tradecaptain.kernels.market_data.mirror import clear_levels, set_level
from tradecaptain.wire import market_tick

SECOND_NS = 1_000_000_000

VIEW_DTYPE = np.dtype(
    [
        ("instrument_id", "i8"),
        ("epoch", "i8"),
        ("sequence", "i8"),  # of the last tick
        ("missed", "i8"),  # ticks that were skipped over
        ("quote_sequence", "i8"),
        ("quote_event_ns", "i8"),
        ("quote_receive_ns", "i8"),
        ("quote_publish_ns", "i8"),
        ("quote_vendor_sequence", "i8"),
        ("quote_flags", "i8"),
        ("bid_price_units", "i8"),
        ("bid_quantity_units", "i8"),
        ("ask_price_units", "i8"),
        ("ask_quantity_units", "i8"),
        ("last_price_units", "i8"),
        ("last_quantity_units", "i8"),
        ("trade_sequence", "i8"),
        ("source", "i8"),
        ("candle_start", "i8"),  # oldest candle in the ring, counted from the first ever
        ("candle_count", "i8"),  # candles ever begun
        ("depth_count", "i8"),  # depth rows ever written
        ("depth_sequence", "i8"),  # of the last depth row
    ],
    align=True,
)

CANDLE_DTYPE = np.dtype(
    [
        ("open_time_ns", "i8"),
        ("open_price_units", "i8"),
        ("high_price_units", "i8"),
        ("low_price_units", "i8"),
        ("close_price_units", "i8"),
        ("volume_quantity_units", "i8"),
        ("trade_count", "i8"),
        ("sequence", "i8"),
    ],
    align=True,
)

DEPTH_ROW_DTYPE = np.dtype(
    [
        ("event_time_ns", "i8"),
        ("receive_time_ns", "i8"),
        ("publish_time_ns", "i8"),
        ("vendor_sequence", "i8"),
        ("sequence", "i8"),
        ("price_units", "i8"),
        ("quantity_units", "i8"),
        ("order_count", "i8"),
        ("side", "i8"),  # zero: the book was cleared
        ("flags", "i8"),
    ],
    align=True,
)

VIEWS: Any = numba.from_dtype(VIEW_DTYPE)[::1]
CANDLES: Any = numba.from_dtype(CANDLE_DTYPE)[::1]
DEPTH_ROWS: Any = numba.from_dtype(DEPTH_ROW_DTYPE)[::1]


class Batch(NamedTuple):
    """Where a batch of records lies: the first record, the distance to the next, how many."""

    address: int
    stride: int
    size: int


@inline
def view_of(views: Any, instrument_id: int) -> int:
    """Index of an instrument's view, or -1."""
    for index in range(len(views)):
        if views[index]["instrument_id"] == instrument_id:
            return index
    return -1


@inline
def take_trade(view: Any, candles: Any, offset: int, capacity: int, tick: int) -> None:
    """Note a trade and put it into its second's candle."""
    price = market_tick.get_price_units(tick)
    quantity = market_tick.get_quantity_units(tick)
    view["last_price_units"] = price
    view["last_quantity_units"] = quantity
    view["trade_sequence"] = market_tick.get_instrument_sequence(tick)
    second = market_tick.get_event_time_ns(tick) // SECOND_NS * SECOND_NS
    count = view["candle_count"]
    newest = offset + (count - 1) % capacity
    # A trade of a second that is over, out of order, counts into the newest candle.
    if count == view["candle_start"] or second > candles[newest]["open_time_ns"]:
        newest = offset + count % capacity
        view["candle_count"] = count + 1
        view["candle_start"] = max(view["candle_start"], count + 1 - capacity)
        candles[newest]["open_time_ns"] = second
        candles[newest]["open_price_units"] = price
        candles[newest]["high_price_units"] = price
        candles[newest]["low_price_units"] = price
        candles[newest]["volume_quantity_units"] = 0
        candles[newest]["trade_count"] = 0
    candle = candles[newest]
    candle["high_price_units"] = max(candle["high_price_units"], price)
    candle["low_price_units"] = min(candle["low_price_units"], price)
    candle["close_price_units"] = price
    candle["volume_quantity_units"] += quantity
    candle["trade_count"] += 1
    candle["sequence"] = market_tick.get_instrument_sequence(tick)


@inline
def take_quote(view: Any, tick: int) -> None:
    """Note the best bid and ask."""
    view["quote_sequence"] = market_tick.get_instrument_sequence(tick)
    view["quote_event_ns"] = market_tick.get_event_time_ns(tick)
    view["quote_receive_ns"] = market_tick.get_receive_time_ns(tick)
    view["quote_publish_ns"] = market_tick.get_time_ns(tick)
    view["quote_vendor_sequence"] = market_tick.get_vendor_sequence(tick)
    view["quote_flags"] = market_tick.get_flags(tick)
    view["bid_price_units"] = market_tick.get_bid_price_units(tick)
    view["bid_quantity_units"] = market_tick.get_bid_quantity_units(tick)
    view["ask_price_units"] = market_tick.get_ask_price_units(tick)
    view["ask_quantity_units"] = market_tick.get_ask_quantity_units(tick)


@inline
def take_depth(
    view: Any, book: Any, levels: Any, rows: Any, offset: int, capacity: int, tick: int
) -> None:
    """Apply a changed level, or the clearing of the book, and keep it as a row."""
    side = market_tick.get_side(tick)
    price = market_tick.get_price_units(tick)
    quantity = market_tick.get_quantity_units(tick)
    if market_tick.get_tick_type(tick) == market_tick.TICK_TYPE_CLEAR:
        side = 0
        clear_levels(book)
        if market_tick.get_event_time_ns(tick) < view["quote_event_ns"]:
            # Another recording begins, of an earlier time: its candles don't join those before.
            view["candle_start"] = view["candle_count"]
    else:
        set_level(book, levels, side, price, quantity)
        index = book["changed_index"]
        if index >= 0:
            levels[index]["order_count"] = market_tick.get_order_count(tick)
    row = rows[offset + view["depth_count"] % capacity]
    row["event_time_ns"] = market_tick.get_event_time_ns(tick)
    row["receive_time_ns"] = market_tick.get_receive_time_ns(tick)
    row["publish_time_ns"] = market_tick.get_time_ns(tick)
    row["vendor_sequence"] = market_tick.get_vendor_sequence(tick)
    row["sequence"] = market_tick.get_instrument_sequence(tick)
    row["price_units"] = price
    row["quantity_units"] = quantity
    row["order_count"] = market_tick.get_order_count(tick)
    row["side"] = side
    row["flags"] = market_tick.get_flags(tick)
    view["depth_count"] += 1
    view["depth_sequence"] = row["sequence"]


@kernel(
    numba.int64(
        numba.types.NamedUniTuple(numba.int64, 3, Batch),
        VIEWS,
        BOOKS,
        LEVELS,
        CANDLES,
        DEPTH_ROWS,
    )
)
def views_apply_ticks(
    batch: Any, views: Any, books: Any, levels: Any, candles: Any, rows: Any
) -> int:
    """Apply a batch of ticks; the number of those that were new.

    Ticks that a view has already, after it was restored from a later state, are skipped.
    """
    applied = 0
    candle_capacity = len(candles) // len(views)
    row_capacity = len(rows) // len(views)
    for position in range(batch.size):
        tick = batch.address + position * batch.stride
        index = view_of(views, market_tick.get_instrument_id(tick))
        if index < 0:
            continue
        view = views[index]
        epoch = market_tick.get_epoch(tick)
        sequence = market_tick.get_instrument_sequence(tick)
        if epoch < view["epoch"] or (epoch == view["epoch"] and sequence <= view["sequence"]):
            continue
        if epoch == view["epoch"]:
            view["missed"] += sequence - view["sequence"] - 1
        view["epoch"] = epoch
        view["sequence"] = sequence
        view["source"] = market_tick.get_source(tick)
        kind = market_tick.get_tick_type(tick)
        if kind == market_tick.TICK_TYPE_TRADE:
            take_trade(view, candles, index * candle_capacity, candle_capacity, tick)
        elif kind == market_tick.TICK_TYPE_QUOTE:
            take_quote(view, tick)
        elif kind == market_tick.TICK_TYPE_LEVEL or kind == market_tick.TICK_TYPE_CLEAR:
            offset = index * row_capacity
            take_depth(view, books[index], levels, rows, offset, row_capacity, tick)
        applied += 1
    return applied
