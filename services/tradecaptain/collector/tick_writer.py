"""Market ticks, written where they lie in the log of the stream."""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
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
)
from tradecaptain.kernels.market_data.levels import best_price, best_quantity
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_stride,
)
from tradecaptain.wire import market_tick

# A message of the vendor makes at most a trade, a level and a quote.
TICKS_PER_MESSAGE = 3

TICK_SNAPSHOT = 1
TICK_LAST = 2
TICK_GAP = 8
TICK_HIDDEN = 16

_STRIDE = publication_stride(market_tick.RECORD_BYTES)


@inline
def begin_tick(
    market: Any, published: Any, message: Any, address: int, tick_type: int, now_ns: int
) -> None:
    """Fill what all ticks of a message share, and give the tick its numbers."""
    header = market.header[0]
    header["sequence"] += 1
    published["instrument_sequence"] += 1
    market_tick.initialise(address)
    market_tick.set_epoch(address, header["epoch"])
    market_tick.set_sequence(address, header["sequence"])
    market_tick.set_time_ns(address, now_ns)
    market_tick.set_tick_type(address, tick_type)
    flags = TICK_SNAPSHOT if (message["flags"] & FLAG_SNAPSHOT) != 0 else 0
    if published["has_gap"] != 0:
        flags |= TICK_GAP
        published["has_gap"] = 0
    market_tick.set_flags(address, flags)
    market_tick.set_source(address, published["source"])
    market_tick.set_instrument_id(address, published["instrument_id"])
    market_tick.set_instrument_sequence(address, published["instrument_sequence"])
    market_tick.set_vendor_sequence(address, message["vendor_sequence"])
    market_tick.set_event_time_ns(address, message["event_time_ns"])
    market_tick.set_receive_time_ns(address, message["receive_time_ns"])


@inline
def is_print(kind: int) -> bool:
    """Whether a message is a trade."""
    return kind in (MESSAGE_EXECUTE, MESSAGE_EXECUTE_HIDDEN, MESSAGE_CROSS, MESSAGE_TRADE)


@inline
def write_trade(market: Any, published: Any, message: Any, address: int, now_ns: int) -> None:
    """A trade: the side told is the aggressor's."""
    begin_tick(market, published, message, address, market_tick.TICK_TYPE_TRADE, now_ns)
    kind = message["message_type"]
    side = message["side"]
    if kind in (MESSAGE_EXECUTE, MESSAGE_EXECUTE_HIDDEN):
        # These name the resting order's side.
        side = SIDE_SELL if side == SIDE_BUY else SIDE_BUY
    if kind == MESSAGE_EXECUTE_HIDDEN:
        market_tick.set_flags(address, market_tick.get_flags(address) | TICK_HIDDEN)
    market_tick.set_side(address, side)
    market_tick.set_price_units(address, message["price_units"])
    market_tick.set_quantity_units(address, message["quantity_units"])
    market_tick.set_vendor_id(address, message["reference_id"])
    published["last_price_units"] = message["price_units"]
    published["last_quantity_units"] = message["quantity_units"]
    published["trade_count"] += 1


@inline
def write_level(
    market: Any, published: Any, book: Any, message: Any, address: int, now_ns: int
) -> None:
    """A level that changed: its whole quantity now, zero if it went."""
    begin_tick(market, published, message, address, market_tick.TICK_TYPE_LEVEL, now_ns)
    market_tick.set_side(address, book["changed_side"])
    market_tick.set_price_units(address, book["changed_price_units"])
    market_tick.set_quantity_units(address, book["changed_quantity_units"])
    market_tick.set_order_count(address, book["changed_order_count"])
    market_tick.set_vendor_id(address, message["reference_id"])


@inline
def write_dropped(
    market: Any, published: Any, book: Any, message: Any, address: int, now_ns: int
) -> None:
    """A level that left the vendor's depth: followers must not keep it."""
    begin_tick(market, published, message, address, market_tick.TICK_TYPE_LEVEL, now_ns)
    market_tick.set_side(address, book["dropped_side"])
    market_tick.set_price_units(address, book["dropped_price_units"])


@inline
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


@inline
def write_quote(market: Any, published: Any, message: Any, address: int, now_ns: int) -> None:
    """The best bid and ask; an empty side has quantity zero."""
    begin_tick(market, published, message, address, market_tick.TICK_TYPE_QUOTE, now_ns)
    market_tick.set_bid_price_units(address, published["bid_price_units"])
    market_tick.set_bid_quantity_units(address, published["bid_quantity_units"])
    market_tick.set_ask_price_units(address, published["ask_price_units"])
    market_tick.set_ask_quantity_units(address, published["ask_quantity_units"])


@inline
def write_ticks(
    market: Any, published: Any, book: Any, message: Any, address: int, now_ns: int, outcome: int
) -> int:
    """Write what a message means to readers from ``address`` on; how many ticks."""
    kind = message["message_type"]
    count = 0
    if kind == MESSAGE_SNAPSHOT:
        begin_tick(market, published, message, address, market_tick.TICK_TYPE_CLEAR, now_ns)
        count = 1
    elif kind == MESSAGE_HALT:
        begin_tick(market, published, message, address, market_tick.TICK_TYPE_STATUS, now_ns)
        market_tick.set_price_units(address, message["price_units"])
        count = 1
    elif is_print(kind):
        write_trade(market, published, message, address, now_ns)
        count = 1
    if outcome > 0:
        write_level(market, published, book, message, address + count * _STRIDE, now_ns)
        count += 1
    if book["dropped_side"] != 0:
        write_dropped(market, published, book, message, address + count * _STRIDE, now_ns)
        count += 1
    is_last = (message["flags"] & FLAG_LAST) != 0
    if is_last and take_best(published, book, market.levels):
        write_quote(market, published, message, address + count * _STRIDE, now_ns)
        count += 1
    if is_last and count > 0:
        last = address + (count - 1) * _STRIDE
        market_tick.set_flags(last, market_tick.get_flags(last) | TICK_LAST)
    return count


@inline
def claim_ticks(market: Any) -> int:
    """Room for the ticks of one message: an address, or negative while there is none."""
    return publication_claim(market.ticks, TICKS_PER_MESSAGE, market_tick.RECORD_BYTES)


@inline
def publish_message(
    market: Any, published: Any, book: Any, message: Any, address: int, now_ns: int, outcome: int
) -> int:
    """Publish the ticks of a message that has been applied, at what was claimed; how many."""
    if (message["flags"] & FLAG_GAP) != 0:
        published["has_gap"] = 1
    count = write_ticks(market, published, book, message, address, now_ns, outcome)
    if count > 0:
        publication_commit(market.ticks, count)
    return count
