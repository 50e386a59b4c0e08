"""The check of a level feed: the vendor's own quotes against our best prices.

A quote and an update are sent on different channels and race. A quote is compared when its update
sequence equals that of an update, whichever comes first: quotes ahead of the book wait, and the
best prices of the last updates are remembered.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.market_data.layout import (
    BOOK_CROSSED,
    BOOK_EMPTY,
    BOOKS,
    FEED_MESSAGES,
    FLAG_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    LEVELS,
    MESSAGE_LEVEL,
    MESSAGE_QUOTE,
    MESSAGE_UPDATE,
    QUOTE_MISMATCH,
    SEQUENCE_GAP,
    SIDE_BUY,
    SIDE_SELL,
)
from tradecaptain.kernels.market_data.levels import (
    best_price,
    best_quantity,
    is_crossed,
    side_count,
)
from tradecaptain.kernels.market_data.lobster_check import (
    CHECK_HEADER,
    FAILURES,
    note_failure,
)
from tradecaptain.kernels.market_data.mirror import apply_level_message

WAITING_CAPACITY = 4096
RECENT_CAPACITY = 64
QUOTES_PER_BOOK = WAITING_CAPACITY + RECENT_CAPACITY + 1

# For each book: a ring of waiting quotes, a ring of the best prices after the last updates, and
# one record for the quote that is being read.
QUOTE_DTYPE = np.dtype(
    [
        ("sequence", "i8"),
        ("row", "i8"),
        ("bid_price_units", "i8"),
        ("bid_quantity_units", "i8"),
        ("ask_price_units", "i8"),
        ("ask_quantity_units", "i8"),
    ],
    align=True,
)
QUOTE_STATE_DTYPE = np.dtype(
    [
        ("waiting_start", "i8"),
        ("waiting_count", "i8"),
        ("recent_next", "i8"),
        ("lost_quotes", "i8"),  # waiting quotes that found no room
    ],
    align=True,
)
QUOTES: Any = numba.from_dtype(QUOTE_DTYPE)[::1]
QUOTE_STATES: Any = numba.from_dtype(QUOTE_STATE_DTYPE)[::1]


@inline
def copy_quote(target: Any, source: Any) -> None:
    """Copy one quote record."""
    target["sequence"] = source["sequence"]
    target["row"] = source["row"]
    target["bid_price_units"] = source["bid_price_units"]
    target["bid_quantity_units"] = source["bid_quantity_units"]
    target["ask_price_units"] = source["ask_price_units"]
    target["ask_quantity_units"] = source["ask_quantity_units"]


@inline
def compare_quotes(check: Any, failures: Any, ours: Any, vendors: Any) -> None:
    """Count the vendor's quote as a row and hold it against ours."""
    check[0]["checked_rows"] += 1
    equal = ours["bid_price_units"] == vendors["bid_price_units"]
    equal = equal and ours["bid_quantity_units"] == vendors["bid_quantity_units"]
    equal = equal and ours["ask_price_units"] == vendors["ask_price_units"]
    equal = equal and ours["ask_quantity_units"] == vendors["ask_quantity_units"]
    if not equal:
        note_failure(check, failures, vendors["row"], QUOTE_MISMATCH, vendors["sequence"])


@inline
def write_best(book: Any, levels: Any, quote: Any, sequence: int) -> None:
    """Write our best prices as a quote; an empty side has price and quantity zero."""
    quote["sequence"] = sequence
    quote["bid_quantity_units"] = best_quantity(book, levels, SIDE_BUY)
    quote["ask_quantity_units"] = best_quantity(book, levels, SIDE_SELL)
    quote["bid_price_units"] = 0
    quote["ask_price_units"] = 0
    if side_count(book, SIDE_BUY) > 0:
        quote["bid_price_units"] = best_price(book, levels, SIDE_BUY)
    if side_count(book, SIDE_SELL) > 0:
        quote["ask_price_units"] = best_price(book, levels, SIDE_SELL)


@inline
def settle_waiting(
    check: Any, failures: Any, state: Any, quotes: Any, offset: int, ours: Any
) -> None:
    """Compare the waiting quotes of this update and drop those that it has overtaken."""
    while state["waiting_count"] > 0:
        waiting = quotes[offset + state["waiting_start"]]
        if waiting["sequence"] > ours["sequence"]:
            break
        if waiting["sequence"] == ours["sequence"]:
            compare_quotes(check, failures, ours, waiting)
        state["waiting_start"] = (state["waiting_start"] + 1) % WAITING_CAPACITY
        state["waiting_count"] -= 1


@inline
def finish_update(
    check: Any, failures: Any, book: Any, levels: Any, state: Any, quotes: Any, message: Any
) -> None:
    """After an update: remember our best prices and settle the quotes that waited for it."""
    offset = message["book_index"] * QUOTES_PER_BOOK
    slot = offset + WAITING_CAPACITY + state["recent_next"]
    state["recent_next"] = (state["recent_next"] + 1) % RECENT_CAPACITY
    write_best(book, levels, quotes[slot], message["vendor_sequence"])
    if is_crossed(book, levels):
        check[0]["checked_rows"] += 1
        note_failure(check, failures, message["row"], BOOK_CROSSED, message["vendor_sequence"])
    settle_waiting(check, failures, state, quotes, offset, quotes[slot])


@inline
def take_quote(check: Any, failures: Any, book: Any, state: Any, quotes: Any, message: Any) -> None:
    """Read one side of a quote; when it is complete compare it, or let it wait."""
    offset = message["book_index"] * QUOTES_PER_BOOK
    reading = quotes[offset + WAITING_CAPACITY + RECENT_CAPACITY]
    if message["side"] == SIDE_BUY:
        reading["bid_price_units"] = message["price_units"]
        reading["bid_quantity_units"] = message["quantity_units"]
    else:
        reading["ask_price_units"] = message["price_units"]
        reading["ask_quantity_units"] = message["quantity_units"]
    if (message["flags"] & FLAG_LAST) == 0:
        return
    reading["sequence"] = message["vendor_sequence"]
    reading["row"] = message["row"]
    if book["state"] == BOOK_EMPTY or reading["sequence"] > book["sequence"]:
        if state["waiting_count"] == WAITING_CAPACITY:
            state["waiting_start"] = (state["waiting_start"] + 1) % WAITING_CAPACITY
            state["waiting_count"] -= 1
            state["lost_quotes"] += 1
        slot = (state["waiting_start"] + state["waiting_count"]) % WAITING_CAPACITY
        copy_quote(quotes[offset + slot], reading)
        state["waiting_count"] += 1
        return
    for index in range(RECENT_CAPACITY):
        recent = quotes[offset + WAITING_CAPACITY + index]
        if recent["sequence"] == reading["sequence"] and recent["sequence"] > 0:
            compare_quotes(check, failures, recent, reading)
            return


@kernel(
    numba.int64(
        CHECK_HEADER, FEED_MESSAGES, numba.int64, BOOKS, LEVELS, QUOTE_STATES, QUOTES, FAILURES
    )
)
def quote_check_messages(
    check: Any,
    messages: Any,
    count: int,
    books: Any,
    levels: Any,
    states: Any,
    quotes: Any,
    failures: Any,
) -> int:
    """Apply ordered messages and hold quotes against the book; the number of rows compared.

    A gap, and a book that is crossed after an update, are inconsistent rows of their own.
    """
    before = check[0]["checked_rows"]
    for index in range(count):
        message = messages[index]
        book = books[message["book_index"]]
        state = states[message["book_index"]]
        kind = message["message_type"]
        apply_level_message(book, levels, message)
        if kind == MESSAGE_QUOTE:
            take_quote(check, failures, book, state, quotes, message)
            continue
        if kind == MESSAGE_UPDATE and (message["flags"] & FLAG_GAP) != 0:
            check[0]["checked_rows"] += 1
            sequence = message["vendor_sequence"]
            note_failure(check, failures, message["row"], SEQUENCE_GAP, sequence)
        is_update = kind in (MESSAGE_UPDATE, MESSAGE_LEVEL)
        if is_update and (message["flags"] & (FLAG_LAST | FLAG_SNAPSHOT)) == FLAG_LAST:
            finish_update(check, failures, book, levels, state, quotes, message)
    return check[0]["checked_rows"] - before
