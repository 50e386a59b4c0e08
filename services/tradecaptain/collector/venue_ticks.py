"""Book events of our own venue as market ticks, in one compiled pass over an instrument's events.

What the views of mirrored markets are fed with comes from here for our own venue: a trade, the
level that changed, and the best bid and ask once the venue's command is over. Numbers and epoch are
those of this market data; ``vendor_sequence`` is the venue's own number of the change.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.records import records_at
from tradecaptain.collector.tick_writer import (
    TICK_HIDDEN,
    TICK_LAST,
    begin_tick,
    take_best,
    write_body,
    write_quote,
)
from tradecaptain.collector.view_kernels import Batch
from tradecaptain.kernels.market_data.layout import (
    BOOKS,
    FEED_MESSAGES,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    LEVELS,
    SIDE_BUY,
    SIDE_SELL,
    SIDE_UNSET,
)
from tradecaptain.kernels.market_data.mirror import clear_levels, set_level
from tradecaptain.wire import book_event, market_tick

TICKS_PER_EVENT = 3
"""A trade, its level, and the quote after the command."""
EVENT_LAST = 1
EVENT_SNAPSHOT = 2

VENUE_DTYPE = np.dtype(
    [
        ("instrument_id", "i8"),
        ("source", "i8"),
        ("epoch", "i8"),
        ("sequence", "i8"),  # of the last tick; both numbers are one, for there is one instrument
        ("instrument_sequence", "i8"),
        ("bid_price_units", "i8"),  # the quote that was told last
        ("bid_quantity_units", "i8"),
        ("ask_price_units", "i8"),
        ("ask_quantity_units", "i8"),
        ("has_gap", "i8"),  # one if changes before the next tick were lost
        ("is_uncrossing", "i8"),  # one if trades are those of the indication before them
        ("uncross_price_units", "i8"),
    ],
    align=True,
)
VENUES: Any = numba.from_dtype(VENUE_DTYPE)[::1]


@inline
def begin_message(message: Any, event: int) -> None:
    """What all ticks of a book event have in common."""
    message["event_time_ns"] = book_event.get_time_ns(event)
    message["receive_time_ns"] = book_event.get_time_ns(event)
    message["vendor_sequence"] = book_event.get_instrument_sequence(event)
    flags = book_event.get_flags(event)
    message["flags"] = FLAG_SNAPSHOT if (flags & EVENT_SNAPSHOT) != 0 else 0
    if (flags & EVENT_LAST) != 0:
        message["flags"] |= FLAG_LAST


@inline
def write_trade(venue: Any, message: Any, event: int, address: int, now_ns: int) -> int:
    """A trade with a resting order; always one tick.

    An uncrossing has one price, which its last indication told; its events name orders and levels.
    """
    tick = begin_tick(venue, venue, message, address, now_ns)
    tick["tick_type"] = market_tick.TICK_TYPE_TRADE
    if book_event.get_order_id(event) == 0:
        tick["flags"] |= TICK_HIDDEN
    resting = book_event.get_side(event)
    aggressor = SIDE_SELL if resting == SIDE_BUY else SIDE_BUY
    price, quantity = book_event.get_price_units(event), book_event.get_quantity_units(event)
    if venue["is_uncrossing"] != 0:
        price = venue["uncross_price_units"]
    write_body(tick, aggressor, price, quantity, 0, np.int64(book_event.get_match_id(event)))
    return 1


@inline
def write_level(
    venue: Any, message: Any, book: Any, levels: Any, event: int, address: int, now_ns: int
) -> int:
    """The level that an event changed, as it is now; always one tick."""
    side, price = np.int64(book_event.get_side(event)), book_event.get_price_units(event)
    quantity = book_event.get_level_quantity_units(event)
    set_level(book, levels, side, price, quantity)
    tick = begin_tick(venue, venue, message, address, now_ns)
    tick["tick_type"] = market_tick.TICK_TYPE_LEVEL
    order_id = np.int64(book_event.get_order_id(event))
    write_body(tick, side, price, quantity, book_event.get_level_order_count(event), order_id)
    return 1


@inline
def write_clear(venue: Any, message: Any, book: Any, address: int, now_ns: int) -> int:
    """The book is empty from here on; always one tick."""
    clear_levels(book)
    tick = begin_tick(venue, venue, message, address, now_ns)
    tick["tick_type"] = market_tick.TICK_TYPE_CLEAR
    write_body(tick, SIDE_UNSET, 0, 0, 0, 0)
    return 1


@inline
def write_event(
    venue: Any, message: Any, book: Any, levels: Any, event: int, address: int, now_ns: int
) -> int:
    """Write what an event means from ``address`` on; how many ticks.

    Phases and indications of auctions change neither a level nor the best prices.
    """
    begin_message(message, event)
    stride = market_tick.RECORD_BYTES
    action = book_event.get_action(event)
    count = 0
    if action == book_event.BOOK_ACTION_INDICATIVE:
        venue["is_uncrossing"] = 1
        venue["uncross_price_units"] = book_event.get_price_units(event)
    if action == book_event.BOOK_ACTION_TRADE:
        count += write_trade(venue, message, event, address, now_ns)
    if action == book_event.BOOK_ACTION_CLEAR:
        count += write_clear(venue, message, book, address, now_ns)
    elif book_event.get_order_id(event) != 0 and action <= book_event.BOOK_ACTION_TRADE:
        place = address + count * stride
        count += write_level(venue, message, book, levels, event, place, now_ns)
    if (message["flags"] & FLAG_LAST) == 0:
        return count
    # An indication that is a command's last event is followed by no trades.
    venue["is_uncrossing"] = 0
    if take_best(venue, book, levels):
        write_quote(venue, venue, message, address + count * stride, now_ns)
        count += 1
    if count > 0:
        last = records_at(address + (count - 1) * stride, 1, market_tick.DTYPE)[0]
        last["flags"] |= TICK_LAST
    return count


@kernel(
    numba.int64(
        numba.types.NamedUniTuple(numba.int64, 3, Batch),
        VENUES,
        FEED_MESSAGES,
        BOOKS,
        LEVELS,
        numba.int64,
        numba.int64,
    )
)
def venue_write_ticks(
    batch: Any, venue: Any, message: Any, books: Any, levels: Any, address: int, now_ns: int
) -> int:
    """Write the ticks of a batch of book events of one instrument to ``address``; how many.

    There must be room for ``TICKS_PER_EVENT`` records of ``market_tick`` for each event.
    ``message`` is one record of scratch.
    """
    count = 0
    for position in range(batch.size):
        event = batch.address + position * batch.stride
        place = address + count * market_tick.RECORD_BYTES
        count += write_event(venue[0], message[0], books[0], levels, event, place, now_ns)
    return count
