"""Kernels of the book views: they follow book events and keep every book at L1, L2 and L3.

The views check what they are told: a change that doesn't continue its book's sequence, names an
order that isn't there, or leaves a level with other totals than the venue reports, makes the book
invalid until a snapshot is loaded. Changes of an invalid book are still noted in the ring, so that
a snapshot taken a little earlier can be brought up to date.
"""

from __future__ import annotations

from typing import Any

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.orderbook.view_layout import (
    APPLIED,
    BOOK_TYPE,
    BUCKETS_TYPE,
    CAPACITY,
    HEADER_TYPE,
    INCONSISTENT,
    LEVEL_TYPE,
    ORDER_TYPE,
    ROW_TYPE,
    SKIPPED,
    SNAPSHOT_LEVEL_TYPE,
    SNAPSHOT_ORDER_TYPE,
)
from tradecaptain.orderbook.view_structures import (
    book_clear,
    level_find,
    level_insert,
    level_remove,
    order_append,
    order_find,
    order_remove,
)
from tradecaptain.wire import book_event
from tradecaptain.wire.book_event import (
    BOOK_ACTION_ADD,
    BOOK_ACTION_CLEAR,
    BOOK_ACTION_INDICATIVE,
    BOOK_ACTION_PHASE,
    BOOK_ACTION_REDUCE,
    BOOK_ACTION_TRADE,
)
from tradecaptain.wire.common import SIDE_BUY, SIDE_SELL


@inline
def add_order(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    row: Any,
) -> int:
    """Add a new order to the tail of its level."""
    if row["quantity_units"] <= 0 or (row["side"] != SIDE_BUY and row["side"] != SIDE_SELL):
        return INCONSISTENT
    if order_find(header, orders, order_buckets, row["order_id"]) != 0:
        return INCONSISTENT
    instrument_id, side, price_units = row["instrument_id"], row["side"], row["price_units"]
    level = level_find(header, levels, level_buckets, instrument_id, side, price_units)
    if level == 0:
        level = level_insert(header, books, levels, level_buckets, instrument_id, side, price_units)
        if level == 0:
            return CAPACITY
    order = order_append(
        header,
        books,
        levels,
        orders,
        order_buckets,
        level,
        row["order_id"],
        row["quantity_units"],
    )
    return APPLIED if order != 0 else CAPACITY


@inline
def change_order(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    row: Any,
) -> int:
    """Reduce, trade or remove a resting order, and hold its level against what the venue says."""
    order = order_find(header, orders, order_buckets, row["order_id"])
    if order == 0 or orders[order]["instrument_id"] != row["instrument_id"]:
        return INCONSISTENT
    level = orders[order]["level"]
    if levels[level]["price_units"] != row["price_units"] or levels[level]["side"] != row["side"]:
        return INCONSISTENT
    open_units = orders[order]["quantity_units"]
    left_units = 0
    if row["action"] == BOOK_ACTION_REDUCE:
        left_units = row["quantity_units"]
    elif row["action"] == BOOK_ACTION_TRADE:
        left_units = open_units - row["quantity_units"]
    if left_units < 0 or left_units > open_units:
        return INCONSISTENT
    if left_units == 0:
        order_remove(header, books, levels, orders, order_buckets, order)
    else:
        orders[order]["quantity_units"] = left_units
        levels[level]["quantity_units"] -= open_units - left_units
    return APPLIED


@inline
def level_agrees(levels: Any, level: int, row: Any) -> bool:
    """Whether a level has the totals that the venue reports; index 0 is an empty level."""
    quantity_units = levels[level]["quantity_units"] if level != 0 else 0
    order_count = levels[level]["order_count"] if level != 0 else 0
    return quantity_units == row["level_quantity_units"] and order_count == row["level_order_count"]


@inline
def apply_change(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    row: Any,
) -> int:
    """Apply one change to its book: APPLIED, INCONSISTENT or CAPACITY.

    Phases and indications change no order, nor does a trade with a hidden one (order id 0).
    """
    if row["action"] == BOOK_ACTION_INDICATIVE or row["action"] == BOOK_ACTION_PHASE:
        return APPLIED
    if row["action"] == BOOK_ACTION_CLEAR:
        book_clear(
            header, books, levels, orders, level_buckets, order_buckets, row["instrument_id"]
        )
        return APPLIED
    if row["action"] == BOOK_ACTION_ADD:
        outcome = add_order(header, books, levels, orders, level_buckets, order_buckets, row)
    elif row["order_id"] != 0:
        outcome = change_order(header, books, levels, orders, level_buckets, order_buckets, row)
    else:
        outcome = APPLIED
    if outcome != APPLIED:
        return outcome
    level = level_find(
        header, levels, level_buckets, row["instrument_id"], row["side"], row["price_units"]
    )
    agrees = level_agrees(levels, level, row)
    if level != 0 and levels[level]["order_count"] == 0:
        level_remove(header, books, levels, level_buckets, level)
    return APPLIED if agrees else INCONSISTENT


@inline
def note_top(books: Any, levels: Any, book: int) -> None:
    """Write the best prices of a book, as its levels are now, into its record."""
    bid, ask = books[book]["best_bid"], books[book]["best_ask"]
    books[book]["bid_price_units"] = levels[bid]["price_units"] if bid != 0 else 0
    books[book]["bid_quantity_units"] = levels[bid]["quantity_units"] if bid != 0 else 0
    books[book]["bid_order_count"] = levels[bid]["order_count"] if bid != 0 else 0
    books[book]["ask_price_units"] = levels[ask]["price_units"] if ask != 0 else 0
    books[book]["ask_quantity_units"] = levels[ask]["quantity_units"] if ask != 0 else 0
    books[book]["ask_order_count"] = levels[ask]["order_count"] if ask != 0 else 0


@inline
def copy_top(target: Any, source: Any) -> bool:
    """Copy best prices from one record to another; whether any of them differed."""
    moved = (
        target["bid_price_units"] != source["bid_price_units"]
        or target["bid_quantity_units"] != source["bid_quantity_units"]
        or target["bid_order_count"] != source["bid_order_count"]
        or target["ask_price_units"] != source["ask_price_units"]
        or target["ask_quantity_units"] != source["ask_quantity_units"]
        or target["ask_order_count"] != source["ask_order_count"]
    )
    target["bid_price_units"] = source["bid_price_units"]
    target["bid_quantity_units"] = source["bid_quantity_units"]
    target["bid_order_count"] = source["bid_order_count"]
    target["ask_price_units"] = source["ask_price_units"]
    target["ask_quantity_units"] = source["ask_quantity_units"]
    target["ask_order_count"] = source["ask_order_count"]
    return moved


@inline
def continues(books: Any, row: Any) -> int:
    """Whether a change is its book's next one: APPLIED, SKIPPED if it is known, or INCONSISTENT."""
    book = row["instrument_id"]
    if row["epoch"] < books[book]["epoch"]:
        return SKIPPED
    if row["epoch"] > books[book]["epoch"]:
        # Only the first change of a new epoch, which clears the book, can be taken without more.
        return APPLIED if row["sequence"] == 1 else INCONSISTENT
    if row["sequence"] <= books[book]["sequence"]:
        return SKIPPED
    return APPLIED if row["sequence"] == books[book]["sequence"] + 1 else INCONSISTENT


@inline
def advance(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    row: Any,
) -> int:
    """Apply a change to its valid book if it is the next one; else make the book invalid."""
    book = row["instrument_id"]
    outcome = continues(books, row)
    if outcome == SKIPPED:
        return SKIPPED
    if outcome == INCONSISTENT:
        header[0]["gap_count"] += 1
    else:
        if row["epoch"] != books[book]["epoch"]:
            book_clear(header, books, levels, orders, level_buckets, order_buckets, book)
            books[book]["epoch"] = row["epoch"]
            books[book]["history_start"] = 0
        outcome = apply_change(header, books, levels, orders, level_buckets, order_buckets, row)
        if outcome == INCONSISTENT:
            header[0]["inconsistent_count"] += 1
        elif outcome == CAPACITY:
            header[0]["capacity_count"] += 1
    if outcome != APPLIED:
        books[book]["is_valid"] = 0
        return outcome
    books[book]["sequence"] = row["sequence"]
    books[book]["time_ns"] = row["time_ns"]
    copy_top(row, books[book])
    note_top(books, levels, book)
    # Clearing is told at every level, even where nothing was there to clear.
    if copy_top(row, books[book]) or row["action"] == BOOK_ACTION_CLEAR:
        row["top_changed"] = 1
        books[book]["top_sequence"] = row["sequence"]
    return APPLIED


@inline
def read_row(row: Any, event: int) -> None:
    """Copy a book event's fields into a row."""
    row["instrument_id"] = book_event.get_instrument_id(event)
    row["epoch"] = book_event.get_epoch(event)
    row["sequence"] = book_event.get_instrument_sequence(event)
    row["time_ns"] = book_event.get_time_ns(event)
    row["action"] = book_event.get_action(event)
    row["side"] = book_event.get_side(event)
    row["flags"] = book_event.get_flags(event)
    row["order_id"] = book_event.get_order_id(event)
    row["price_units"] = book_event.get_price_units(event)
    row["quantity_units"] = book_event.get_quantity_units(event)
    row["level_quantity_units"] = book_event.get_level_quantity_units(event)
    row["level_order_count"] = book_event.get_level_order_count(event)
    row["match_id"] = book_event.get_match_id(event)
    row["command_sequence"] = book_event.get_command_sequence(event)
    row["top_changed"] = 0


@kernel(
    types.int64(
        HEADER_TYPE,
        BOOK_TYPE,
        LEVEL_TYPE,
        ORDER_TYPE,
        BUCKETS_TYPE,
        BUCKETS_TYPE,
        ROW_TYPE,
    )
)
def views_apply_batch(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    ring: Any,
) -> int:
    """Apply the header's batch of book events; returns how many rows it added to the ring.

    Records of another kind and of unknown instruments are counted and left out, as are changes that
    a snapshot already contains. A change that can't be applied makes its book invalid.
    """
    first_row = header[0]["row_count"]
    for number in range(header[0]["batch_count"]):
        event = header[0]["batch_address"] + number * header[0]["batch_stride"]
        if book_event.get_kind(event) != book_event.KIND:
            header[0]["malformed_count"] += 1
            continue
        instrument_id = book_event.get_instrument_id(event)
        if not 0 < instrument_id < header[0]["instrument_limit"]:
            header[0]["unknown_instrument_count"] += 1
            continue
        if books[instrument_id]["is_known"] == 0:
            header[0]["unknown_instrument_count"] += 1
            continue
        row = ring[header[0]["row_count"] & header[0]["ring_mask"]]
        read_row(row, event)
        if books[instrument_id]["is_valid"] == 1:
            outcome = advance(header, books, levels, orders, level_buckets, order_buckets, row)
            if outcome == SKIPPED:
                continue
        header[0]["row_count"] += 1
    return header[0]["row_count"] - first_row


@inline
def load_order(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    order: Any,
) -> int:
    """Add one order of a snapshot."""
    instrument_id = header[0]["load_instrument_id"]
    side, price_units = order["side"], order["price_units"]
    level = level_find(header, levels, level_buckets, instrument_id, side, price_units)
    if level == 0:
        level = level_insert(header, books, levels, level_buckets, instrument_id, side, price_units)
        if level == 0:
            return CAPACITY
    index = order_append(
        header,
        books,
        levels,
        orders,
        order_buckets,
        level,
        order["order_id"],
        order["quantity_units"],
    )
    return APPLIED if index != 0 else CAPACITY


@kernel(
    types.int64(
        HEADER_TYPE,
        BOOK_TYPE,
        LEVEL_TYPE,
        ORDER_TYPE,
        BUCKETS_TYPE,
        BUCKETS_TYPE,
        SNAPSHOT_ORDER_TYPE,
    )
)
def views_load(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    snapshot: Any,
) -> int:
    """Replace the book that the header's load fields name by a snapshot; APPLIED or CAPACITY.

    Each side of the snapshot is best first and in queue order. The book is valid afterwards, and
    earlier changes can no longer be told from the ring.
    """
    book = header[0]["load_instrument_id"]
    book_clear(header, books, levels, orders, level_buckets, order_buckets, book)
    books[book]["is_valid"] = 0
    for number in range(snapshot.shape[0]):
        order = snapshot[number]
        outcome = load_order(header, books, levels, orders, level_buckets, order_buckets, order)
        if outcome != APPLIED:
            header[0]["capacity_count"] += 1
            return outcome
    books[book]["epoch"] = header[0]["load_epoch"]
    books[book]["sequence"] = header[0]["load_sequence"]
    books[book]["top_sequence"] = header[0]["load_sequence"]
    books[book]["history_start"] = header[0]["load_sequence"]
    books[book]["time_ns"] = header[0]["load_time_ns"]
    note_top(books, levels, book)
    books[book]["is_valid"] = 1
    return APPLIED


@kernel(
    types.int64(
        HEADER_TYPE,
        BOOK_TYPE,
        LEVEL_TYPE,
        ORDER_TYPE,
        BUCKETS_TYPE,
        BUCKETS_TYPE,
        ROW_TYPE,
    )
)
def views_catch_up(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    ring: Any,
) -> int:
    """Bring a book that was just loaded up to date from the ring; 1 if it is valid then.

    The header's `load_instrument_id` names it. Rows that the snapshot contains are skipped.
    """
    book = header[0]["load_instrument_id"]
    newest = header[0]["row_count"]
    oldest = max(0, newest - (header[0]["ring_mask"] + 1))
    for number in range(oldest, newest):
        row = ring[number & header[0]["ring_mask"]]
        if row["instrument_id"] == book and books[book]["is_valid"] == 1:
            advance(header, books, levels, orders, level_buckets, order_buckets, row)
    return books[book]["is_valid"]


@kernel(types.int64(LEVEL_TYPE, types.int64, SNAPSHOT_LEVEL_TYPE))
def levels_copy(levels: Any, best: int, out: Any) -> int:
    """Copy a side's levels, best first, as far as there is room; returns how many."""
    count = 0
    level = best
    while level != 0 and count < out.shape[0]:
        out[count]["price_units"] = levels[level]["price_units"]
        out[count]["quantity_units"] = levels[level]["quantity_units"]
        out[count]["order_count"] = levels[level]["order_count"]
        count += 1
        level = levels[level]["worse"]
    return count


@kernel(types.int64(LEVEL_TYPE, ORDER_TYPE, types.int64, types.int64, SNAPSHOT_ORDER_TYPE))
def orders_copy(levels: Any, orders: Any, best: int, level_limit: int, out: Any) -> int:
    """Copy the orders of a side's best levels in queue order, as far as there is room."""
    count = 0
    level = best
    for _ in range(level_limit):
        if level == 0:
            break
        order = levels[level]["first"]
        while order != 0 and count < out.shape[0]:
            out[count]["order_id"] = orders[order]["order_id"]
            out[count]["price_units"] = levels[level]["price_units"]
            out[count]["quantity_units"] = orders[order]["quantity_units"]
            out[count]["side"] = levels[level]["side"]
            count += 1
            order = orders[order]["next"]
        level = levels[level]["worse"]
    return count
