"""Records and named numbers of the market data kernels.

A *feed message* is one normalised step of a vendor's feed, whatever the vendor. A *mirror book* is
one header record plus ranges of two shared record arrays: sorted price levels and orders by id.
Prices and quantities are integers in the instrument's units; times are ns UTC.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

SIDE_UNSET = 0
SIDE_BUY = 1
SIDE_SELL = 2

# What a feed message says. For order messages `side` is the order's side; for trades it is the
# aggressor's side; for levels and quotes it is the side of the book.
MESSAGE_ADD = 1  # a new order; quantity is its size
MESSAGE_REDUCE = 2  # an order loses quantity and keeps its place
MESSAGE_DELETE = 3  # an order goes; quantity is what was left of it
MESSAGE_EXECUTE = 4  # a visible order trades; quantity is the traded size
MESSAGE_EXECUTE_HIDDEN = 5  # a trade against an order that the book doesn't show
MESSAGE_CROSS = 6  # an auction's trade; changes no level
MESSAGE_HALT = 7  # trading status; price is the vendor's code
MESSAGE_SNAPSHOT = 8  # the book starts afresh, levels follow; quantity is the depth shown, or 0
MESSAGE_LEVEL = 9  # a level's whole quantity is now this; zero removes it
MESSAGE_REVEAL = 10  # a level that came newly into the vendor's depth
MESSAGE_TRADE = 11  # a trade print; levels follow by their own messages
MESSAGE_QUOTE = 12  # the vendor's own best price of one side
MESSAGE_UPDATE = 13  # levels follow that change together; vendor_sequence names the update

FLAG_LAST = 1  # last message of its source row
FLAG_SNAPSHOT = 2  # part of a snapshot
FLAG_PREVIOUS_SEQUENCE = 4  # reference_id of an update is the one before it (futures `pu`),
# else the first change that it contains (spot `U`)
FLAG_GAP = 8  # updates are missing before this one

FEED_MESSAGE_DTYPE = np.dtype(
    [
        ("event_time_ns", "i8"),
        ("receive_time_ns", "i8"),
        ("reference_id", "i8"),  # order id, trade id, or first update id of a level change
        ("price_units", "i8"),
        ("quantity_units", "i8"),
        ("vendor_sequence", "i8"),
        ("row", "i8"),  # line or record number in the source, from 1
        ("book_index", "i4"),  # which book of the session
        ("message_type", "i1"),
        ("side", "i1"),
        ("flags", "i2"),
    ],
    align=True,
)

# One mirror book. Levels of a side are sorted with the best last, so that changes near the touch
# move little memory.
BOOK_DTYPE = np.dtype(
    [
        ("depth_limit", "i8"),  # levels a side that the vendor shows; zero for all
        ("tracks_orders", "i8"),  # one if the feed names orders
        ("level_capacity", "i8"),  # levels a side
        ("bid_offset", "i8"),
        ("ask_offset", "i8"),
        ("bid_count", "i8"),
        ("ask_count", "i8"),
        ("order_offset", "i8"),
        ("order_mask", "i8"),  # slots of the order table less one
        ("order_slots_max", "i8"),
        ("order_count", "i8"),
        ("orders_entered", "i8"),  # since the order table was last rid of what is lost
        ("next_serial", "i8"),
        ("vacant_side", "i8"),  # side whose deepest level may be revealed now
        ("state", "i8"),  # BOOK_…
        ("sequence", "i8"),  # vendor sequence of the last applied update
        ("event_time_ns", "i8"),
        ("revealed_levels", "i8"),
        ("dropped_levels", "i8"),  # levels lost because the table was full
        ("forgotten_orders", "i8"),  # orders not tracked because the table was full
        ("changed_side", "i8"),  # the level that the last message changed
        ("changed_price_units", "i8"),
        ("changed_quantity_units", "i8"),
        ("changed_order_count", "i8"),
        ("orders_time", "i8"),  # one if the feed's event times never go back
        ("dropped_side", "i8"),  # the level that left the vendor's depth with the last message
        ("dropped_price_units", "i8"),
        ("changed_index", "i8"),  # where set_level put the level, or -1 if it is gone
    ],
    align=True,
)

BOOK_EMPTY = 0  # waits for its first snapshot
BOOK_LIVE = 1
BOOK_GAP = 2  # an update is missing; the book may be wrong until the next snapshot

LEVEL_DTYPE = np.dtype(
    [
        ("price_units", "i8"),
        ("quantity_units", "i8"),
        ("known_units", "i8"),  # the part of quantity_units that stands in orders we know by id
        ("order_count", "i8"),  # orders we know by id
        ("serial", "i8"),  # changes when the level is lost and comes back
    ],
    align=True,
)

ORDER_DTYPE = np.dtype(
    [
        ("order_id", "i8"),  # zero marks a free slot
        ("price_units", "i8"),
        ("quantity_units", "i8"),
        ("serial", "i8"),  # serial of the level where it stands
        ("side", "i8"),
    ],
    align=True,
)

# Why a message doesn't fit the book: negative results of the mirror kernels.
UNKNOWN_LEVEL = -1
LEVEL_OVERDRAWN = -2
ORDER_MISMATCH = -3
DUPLICATE_ORDER = -4
NOT_AT_BEST = -5
TIME_WENT_BACK = -6
REVEAL_NOT_DUE = -7
BOOK_CROSSED = -8
SEQUENCE_GAP = -9
UNKNOWN_ORDER = -10
PENDING_FULL = -11
LEVEL_MISMATCH = -12
QUOTE_MISMATCH = -13
BAD_QUANTITY = -14

MISFIT_TEXT: dict[int, str] = {
    UNKNOWN_LEVEL: "the message names a price level that the book doesn't hold",
    LEVEL_OVERDRAWN: "the message takes more than the level holds",
    ORDER_MISMATCH: "the message contradicts the order that it names",
    DUPLICATE_ORDER: "the message adds an order id that is already in the book",
    NOT_AT_BEST: "a visible execution isn't at the best price",
    TIME_WENT_BACK: "the message is older than the one before",
    REVEAL_NOT_DUE: "the vendor's file shows a level that no message explains",
    BOOK_CROSSED: "the best bid is not below the best ask",
    SEQUENCE_GAP: "an update is missing before this one",
    UNKNOWN_ORDER: "the message names an order that isn't in the book",
    PENDING_FULL: "too many updates came before the first snapshot",
    LEVEL_MISMATCH: "our book differs from the vendor's",
    QUOTE_MISMATCH: "our best bid or ask differs from the vendor's quote",
    BAD_QUANTITY: "the quantity isn't positive",
}

# Results of the decoders: why a row can't be parsed.
PARSE_MALFORMED = -1
PARSE_INEXACT = -2  # more decimals than the unit holds
PARSE_OVERFLOW = -3
PARSE_OUTPUT_FULL = -4
PARSE_TRUNCATED = -5

PARSE_TEXT: dict[int, str] = {
    PARSE_MALFORMED: "the row isn't of the expected form",
    PARSE_INEXACT: "a number has more decimals than its unit",
    PARSE_OVERFLOW: "a number doesn't fit 64 bits",
    PARSE_OUTPUT_FULL: "one row holds more messages than the buffer",
    PARSE_TRUNCATED: "the file ends in the middle of a row",
}

FEED_MESSAGES: Any = numba.from_dtype(FEED_MESSAGE_DTYPE)[::1]
BOOKS: Any = numba.from_dtype(BOOK_DTYPE)[::1]
LEVELS: Any = numba.from_dtype(LEVEL_DTYPE)[::1]
ORDERS: Any = numba.from_dtype(ORDER_DTYPE)[::1]
