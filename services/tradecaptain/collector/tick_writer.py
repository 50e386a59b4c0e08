"""Market ticks, written where they lie in the log of the stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.records import records_at
from tradecaptain.kernels.market_data.layout import (
    FLAG_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MESSAGE_CROSS,
    MESSAGE_EXECUTE,
    MESSAGE_EXECUTE_HIDDEN,
    MESSAGE_HALT,
    MESSAGE_SNAPSHOT,
    MESSAGE_TRADE,
    SIDE_BUY,
    SIDE_SELL,
    SIDE_UNSET,
)
from tradecaptain.kernels.market_data.levels import best_price, best_quantity
from tradecaptain.mesh.publication import publication_claim, publication_stride
from tradecaptain.wire import market_tick

# A message of the vendor makes at most a trade, a level and a quote.
TICKS_PER_MESSAGE = 3

TICK_SNAPSHOT = 1
TICK_LAST = 2
TICK_GAP = 8
TICK_HIDDEN = 16

# So many messages at most share a claim of the log and become visible together.
CLAIM_MESSAGES = 64

TICK_STRIDE = publication_stride(market_tick.RECORD_BYTES)


@inline
def begin_tick(header: Any, published: Any, message: Any, address: int, now_ns: int) -> Any:
    """The tick at ``address``, filled with what all ticks of a message share, and numbered.

    Every field is written, here or by the caller, so that nothing need be cleared beforehand.
    """
    sequence = header["sequence"] + 1
    header["sequence"] = sequence
    instrument_sequence = published["instrument_sequence"] + 1
    published["instrument_sequence"] = instrument_sequence
    tick = records_at(address, 1, market_tick.DTYPE)[0]
    tick["segment_table"] = market_tick.SEGMENT_TABLE
    tick["root_pointer"] = market_tick.ROOT_POINTER
    tick["kind"] = market_tick.KIND
    tick["schema_version"] = market_tick.SCHEMA_VERSION
    tick["epoch"] = header["epoch"]
    tick["sequence"] = sequence
    tick["time_ns"] = now_ns
    flags = TICK_SNAPSHOT if (message["flags"] & FLAG_SNAPSHOT) != 0 else 0
    if published["has_gap"] != 0:
        flags |= TICK_GAP
        published["has_gap"] = 0
    tick["flags"] = flags
    tick["source"] = published["source"]
    tick["instrument_id"] = published["instrument_id"]
    tick["instrument_sequence"] = instrument_sequence
    tick["vendor_sequence"] = message["vendor_sequence"]
    tick["event_time_ns"] = message["event_time_ns"]
    tick["receive_time_ns"] = message["receive_time_ns"]
    return tick


@inline_always
def write_body(
    tick: Any, side: int, price_units: int, quantity_units: int, order_count: int, vendor_id: int
) -> None:
    """What a tick tells about one price; it has no quote."""
    tick["side"] = side
    tick["order_count"] = order_count
    tick["price_units"] = price_units
    tick["quantity_units"] = quantity_units
    tick["bid_price_units"] = 0
    tick["bid_quantity_units"] = 0
    tick["ask_price_units"] = 0
    tick["ask_quantity_units"] = 0
    tick["vendor_id"] = vendor_id


@inline
def is_print(kind: int) -> bool:
    """Whether a message is a trade."""
    return kind in (MESSAGE_EXECUTE, MESSAGE_EXECUTE_HIDDEN, MESSAGE_CROSS, MESSAGE_TRADE)


@inline
def write_trade(header: Any, published: Any, message: Any, address: int, now_ns: int) -> None:
    """A trade: the side told is the aggressor's."""
    tick = begin_tick(header, published, message, address, now_ns)
    tick["tick_type"] = market_tick.TICK_TYPE_TRADE
    kind = message["message_type"]
    side = np.int64(message["side"])
    opposite = SIDE_SELL if side == SIDE_BUY else SIDE_BUY
    names_resting_order = kind in (MESSAGE_EXECUTE, MESSAGE_EXECUTE_HIDDEN)
    if kind == MESSAGE_EXECUTE_HIDDEN:
        tick["flags"] |= TICK_HIDDEN
    price = message["price_units"]
    quantity = message["quantity_units"]
    aggressor = opposite if names_resting_order else side
    write_body(tick, aggressor, price, quantity, 0, message["reference_id"])
    published["last_price_units"] = price
    published["last_quantity_units"] = quantity
    published["trade_count"] += 1


@inline_always
def write_level(
    header: Any, published: Any, book: Any, message: Any, address: int, now_ns: int
) -> None:
    """A level that changed: its whole quantity now, zero if it went."""
    tick = begin_tick(header, published, message, address, now_ns)
    tick["tick_type"] = market_tick.TICK_TYPE_LEVEL
    write_body(
        tick,
        book["changed_side"],
        book["changed_price_units"],
        book["changed_quantity_units"],
        book["changed_order_count"],
        message["reference_id"],
    )


@inline
def write_dropped(
    header: Any, published: Any, book: Any, message: Any, address: int, now_ns: int
) -> None:
    """A level that left the vendor's depth: followers must not keep it."""
    tick = begin_tick(header, published, message, address, now_ns)
    tick["tick_type"] = market_tick.TICK_TYPE_LEVEL
    write_body(tick, book["dropped_side"], book["dropped_price_units"], 0, 0, 0)


@inline_always
def write_quote(header: Any, published: Any, message: Any, address: int, now_ns: int) -> None:
    """The best bid and ask; an empty side has quantity zero."""
    tick = begin_tick(header, published, message, address, now_ns)
    tick["tick_type"] = market_tick.TICK_TYPE_QUOTE
    tick["side"] = SIDE_UNSET
    tick["order_count"] = 0
    tick["price_units"] = 0
    tick["quantity_units"] = 0
    tick["bid_price_units"] = published["bid_price_units"]
    tick["bid_quantity_units"] = published["bid_quantity_units"]
    tick["ask_price_units"] = published["ask_price_units"]
    tick["ask_quantity_units"] = published["ask_quantity_units"]
    tick["vendor_id"] = 0


@inline
def write_bare(
    header: Any, published: Any, message: Any, address: int, tick_type: int, now_ns: int
) -> None:
    """A tick that says only that something happened, with the message's price."""
    tick = begin_tick(header, published, message, address, now_ns)
    tick["tick_type"] = tick_type
    price = message["price_units"] if tick_type == market_tick.TICK_TYPE_STATUS else 0
    write_body(tick, SIDE_UNSET, price, 0, 0, 0)


@inline_always
def take_best(published: Any, book: Any, levels: Any) -> bool:
    """Whether the best bid or ask isn't the one published last; it is noted as published."""
    bid_quantity = best_quantity(book, levels, SIDE_BUY)
    ask_quantity = best_quantity(book, levels, SIDE_SELL)
    bid_price = best_price(book, levels, SIDE_BUY) if bid_quantity > 0 else 0
    ask_price = best_price(book, levels, SIDE_SELL) if ask_quantity > 0 else 0
    changed = bid_price != published["bid_price_units"]
    changed = changed or bid_quantity != published["bid_quantity_units"]
    changed = changed or ask_price != published["ask_price_units"]
    changed = changed or ask_quantity != published["ask_quantity_units"]
    published["bid_price_units"] = bid_price
    published["bid_quantity_units"] = bid_quantity
    published["ask_price_units"] = ask_price
    published["ask_quantity_units"] = ask_quantity
    return changed


@inline_always
def write_ticks(
    market: Any, index: int, message: Any, address: int, now_ns: int, outcome: int
) -> int:
    """Write what a message that was applied means to readers, from ``address`` on; how many ticks.

    ``outcome`` is the mirror's.
    """
    header = market.header[0]
    published = market.published[index]
    book = market.books[index]
    kind = message["message_type"]
    if (message["flags"] & FLAG_GAP) != 0:
        published["has_gap"] = 1
    place = address
    if kind == MESSAGE_SNAPSHOT:
        write_bare(header, published, message, place, market_tick.TICK_TYPE_CLEAR, now_ns)
        place += TICK_STRIDE
    elif kind == MESSAGE_HALT:
        write_bare(header, published, message, place, market_tick.TICK_TYPE_STATUS, now_ns)
        place += TICK_STRIDE
    elif is_print(kind):
        write_trade(header, published, message, place, now_ns)
        place += TICK_STRIDE
    if outcome > 0:
        write_level(header, published, book, message, place, now_ns)
        place += TICK_STRIDE
    if book["dropped_side"] != SIDE_UNSET:
        write_dropped(header, published, book, message, place, now_ns)
        place += TICK_STRIDE
    if (message["flags"] & FLAG_LAST) == 0:
        return (place - address) // TICK_STRIDE
    if take_best(published, book, market.levels):
        write_quote(header, published, message, place, now_ns)
        place += TICK_STRIDE
    if place > address:
        last = records_at(place - TICK_STRIDE, 1, market_tick.DTYPE)[0]
        last["flags"] |= TICK_LAST
    return (place - address) // TICK_STRIDE


@inline
def claim_ticks(market: Any, message_count: int) -> int:
    """Room for the ticks of so many messages: an address, or negative while there is none."""
    count = message_count * TICKS_PER_MESSAGE
    return publication_claim(market.ticks, count, market_tick.RECORD_BYTES)
