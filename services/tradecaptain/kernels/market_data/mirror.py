"""A mirror book: the vendor's messages applied to levels, and to orders where the feed names them.

The quantity of a level is split in what stands in orders that we know by id and the rest, which
stands in orders older than the file or seen only as a level. A message about an unknown order may
draw on that rest alone, so a wrong id, price, side or size shows as a contradiction.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, inline_always, kernel
from tradecaptain.kernels.market_data.layout import (
    BAD_QUANTITY,
    BOOK_EMPTY,
    BOOK_GAP,
    BOOK_LIVE,
    BOOKS,
    DUPLICATE_ORDER,
    FEED_MESSAGES,
    FLAG_GAP,
    LEVEL_OVERDRAWN,
    LEVELS,
    MESSAGE_ADD,
    MESSAGE_DELETE,
    MESSAGE_EXECUTE,
    MESSAGE_LEVEL,
    MESSAGE_REDUCE,
    MESSAGE_REVEAL,
    MESSAGE_SNAPSHOT,
    MESSAGE_UPDATE,
    NOT_AT_BEST,
    ORDER_MISMATCH,
    ORDERS,
    REVEAL_NOT_DUE,
    SIDE_UNSET,
    TIME_WENT_BACK,
    UNKNOWN_LEVEL,
    UNKNOWN_ORDER,
)
from tradecaptain.kernels.market_data.levels import (
    best_price,
    better_key,
    drop_worst_level,
    find_level,
    holds_level,
    insert_level,
    remove_level,
    side_count,
    side_offset,
)
from tradecaptain.kernels.market_data.order_table import (
    clear_orders,
    find_order,
    insert_order,
    is_standing,
    remove_order,
)


@inline_always
def note_change(book: Any, side: int, price_units: int, quantity_units: int, orders: int) -> None:
    """Remember the level that the message changed, for those who publish it."""
    book["changed_side"] = side
    book["changed_price_units"] = price_units
    book["changed_quantity_units"] = quantity_units
    book["changed_order_count"] = orders


@inline_always
def trim_depth(book: Any, levels: Any, side: int) -> None:
    """Forget what has left the vendor's depth: the vendor tells nothing more about it."""
    limit = book["depth_limit"]
    if limit > 0 and side_count(book, side) > limit:
        book["dropped_side"] = side
        book["dropped_price_units"] = levels[side_offset(book, side)]["price_units"]
        drop_worst_level(book, levels, side)


@inline
def set_level(book: Any, levels: Any, side: int, price_units: int, quantity_units: int) -> None:
    """Give a level its whole quantity; zero removes it. Orders known there are forgotten."""
    note_change(book, side, price_units, quantity_units, 0)
    book["changed_index"] = -1
    index = find_level(book, levels, side, price_units)
    held = holds_level(book, levels, side, price_units, index)
    if quantity_units == 0:
        if held:
            remove_level(book, levels, side, index)
        return
    if not held:
        index = insert_level(book, levels, side, price_units, index)
        if index < 0:
            return
    else:
        book["next_serial"] += 1
        levels[index]["serial"] = book["next_serial"]
    levels[index]["quantity_units"] = quantity_units
    levels[index]["known_units"] = 0
    levels[index]["order_count"] = 0
    book["changed_index"] = index
    trim_depth(book, levels, side)


@inline
def clear_levels(book: Any) -> None:
    """Empty the levels of a book that names no orders."""
    book["bid_count"] = 0
    book["ask_count"] = 0
    book["vacant_side"] = SIDE_UNSET


@inline
def clear_book(book: Any, orders: Any) -> None:
    """Empty the book before a snapshot."""
    clear_levels(book)
    clear_orders(book, orders)


@inline
def apply_level_message(book: Any, levels: Any, message: Any) -> int:
    """Apply a message of a feed that tells whole levels; 1 if a level changed, else 0."""
    kind = message["message_type"]
    if kind == MESSAGE_SNAPSHOT:
        clear_levels(book)
        book["state"] = BOOK_LIVE
        book["sequence"] = message["vendor_sequence"]
        book["depth_limit"] = min(message["quantity_units"], book["level_capacity"] - 1)
        return 0
    if book["state"] == BOOK_EMPTY:
        return 0
    if kind == MESSAGE_UPDATE:
        book["sequence"] = message["vendor_sequence"]
        if (message["flags"] & FLAG_GAP) != 0:
            book["state"] = BOOK_GAP
        return 0
    if kind == MESSAGE_LEVEL:
        side = np.int64(message["side"])
        set_level(book, levels, side, message["price_units"], message["quantity_units"])
        return 1
    return 0


@inline_always
def standing_order(book: Any, levels: Any, orders: Any, order_id: int, level_index: int) -> int:
    """Index of an order that is known to stand in the book, or -1.

    ``level_index`` is the level where it should be, or -1. A record whose level was lost meanwhile
    says nothing any more and is removed.
    """
    if order_id == 0:
        return -1
    found = find_order(book, orders, order_id)
    if found < 0:
        return -1
    if level_index >= 0 and orders[found]["serial"] == levels[level_index]["serial"]:
        return found
    if is_standing(book, levels, orders, found):
        return found
    remove_order(book, orders, found)
    return -1


@inline_always
def track_order(book: Any, levels: Any, orders: Any, message: Any, index: int) -> None:
    """Enter a new order at its level into the order table, if there is room."""
    order_id = message["reference_id"]
    if book["tracks_orders"] == 0 or order_id == 0:
        return
    slot = insert_order(book, levels, orders, order_id)
    if slot < 0:
        return
    quantity = message["quantity_units"]
    orders[slot]["price_units"] = message["price_units"]
    orders[slot]["quantity_units"] = quantity
    orders[slot]["serial"] = levels[index]["serial"]
    orders[slot]["side"] = message["side"]
    levels[index]["known_units"] += quantity
    levels[index]["order_count"] += 1


@inline_always
def add_order(book: Any, levels: Any, orders: Any, message: Any) -> int:
    """Apply a new order."""
    side = np.int64(message["side"])
    price = message["price_units"]
    quantity = message["quantity_units"]
    if quantity <= 0:
        return BAD_QUANTITY
    index = find_level(book, levels, side, price)
    held = holds_level(book, levels, side, price, index)
    limit = book["depth_limit"]
    # Beyond the depth that the vendor shows, a level doesn't belong to our book either.
    beyond = limit > 0 and side_count(book, side) >= limit and index == side_offset(book, side)
    if beyond and not held:
        return 0
    if book["tracks_orders"] != 0:
        place = index if held else -1
        if standing_order(book, levels, orders, message["reference_id"], place) >= 0:
            return DUPLICATE_ORDER
    if not held:
        index = insert_level(book, levels, side, price, index)
        if index < 0:
            return 0
    track_order(book, levels, orders, message, index)
    levels[index]["quantity_units"] += quantity
    note_change(book, side, price, levels[index]["quantity_units"], levels[index]["order_count"])
    trim_depth(book, levels, side)
    return 1


@inline
def check_order(orders: Any, slot: int, message: Any) -> int:
    """Hold a reduction against the order that it names."""
    remaining = orders[slot]["quantity_units"]
    quantity = message["quantity_units"]
    kind = message["message_type"]
    if orders[slot]["price_units"] != message["price_units"]:
        return ORDER_MISMATCH
    if orders[slot]["side"] != message["side"] or quantity > remaining:
        return ORDER_MISMATCH
    if kind == MESSAGE_DELETE and quantity != remaining:
        return ORDER_MISMATCH
    if kind == MESSAGE_REDUCE and quantity == remaining:
        return ORDER_MISMATCH
    return 0


@inline_always
def draw_from_order(book: Any, levels: Any, orders: Any, message: Any, index: int) -> int:
    """Take a reduction from the order that it names, or from the unknown rest of its level."""
    quantity = message["quantity_units"]
    slot = standing_order(book, levels, orders, message["reference_id"], index)
    if slot < 0:
        if book["forgotten_orders"] > 0:
            return 0
        rest = levels[index]["quantity_units"] - levels[index]["known_units"]
        return UNKNOWN_ORDER if quantity > rest else 0
    problem = check_order(orders, slot, message)
    if problem < 0:
        return problem
    levels[index]["known_units"] -= quantity
    orders[slot]["quantity_units"] -= quantity
    if orders[slot]["quantity_units"] == 0:
        levels[index]["order_count"] -= 1
        remove_order(book, orders, slot)
    return 0


@inline_always
def reduce_order(book: Any, levels: Any, orders: Any, message: Any) -> int:
    """Apply a reduction, a deletion or a visible execution."""
    side = np.int64(message["side"])
    price = message["price_units"]
    quantity = message["quantity_units"]
    index = find_level(book, levels, side, price)
    if not holds_level(book, levels, side, price, index):
        return UNKNOWN_LEVEL
    if quantity <= 0:
        return BAD_QUANTITY
    if quantity > levels[index]["quantity_units"]:
        return LEVEL_OVERDRAWN
    if message["message_type"] == MESSAGE_EXECUTE and best_price(book, levels, side) != price:
        return NOT_AT_BEST
    if book["tracks_orders"] != 0:
        problem = draw_from_order(book, levels, orders, message, index)
        if problem < 0:
            return problem
    left = levels[index]["quantity_units"] - quantity
    levels[index]["quantity_units"] = left
    note_change(book, side, price, left, levels[index]["order_count"])
    if left == 0:
        limit = book["depth_limit"]
        if limit > 0 and side_count(book, side) == limit:
            book["vacant_side"] = side
        remove_level(book, levels, side, index)
    return 1


@inline
def reveal_level(book: Any, levels: Any, message: Any) -> int:
    """Take over a level that came newly into the vendor's depth because another one emptied."""
    side = np.int64(message["side"])
    price = message["price_units"]
    if book["vacant_side"] != side or message["quantity_units"] <= 0:
        return REVEAL_NOT_DUE
    start = side_offset(book, side)
    if side_count(book, side) > 0 and (
        better_key(levels[start]["price_units"], side) <= better_key(price, side)
    ):
        return REVEAL_NOT_DUE
    book["vacant_side"] = SIDE_UNSET
    book["revealed_levels"] += 1
    set_level(book, levels, side, price, message["quantity_units"])
    return 1


@inline_always
def mirror_apply_message(book: Any, levels: Any, orders: Any, message: Any) -> int:
    """Apply one feed message.

    Returns 1 if a level changed (which one is noted in the book), 0 if none did, or the negative
    reason for which the message doesn't fit; the book is then as before.
    """
    kind = message["message_type"]
    if kind == MESSAGE_REVEAL:
        return reveal_level(book, levels, message)
    went_back = message["event_time_ns"] < book["event_time_ns"]
    if went_back and book["orders_time"] != 0 and kind != MESSAGE_SNAPSHOT:
        return TIME_WENT_BACK
    book["event_time_ns"] = message["event_time_ns"]
    if kind == MESSAGE_SNAPSHOT and book["order_count"] > 0:
        clear_book(book, orders)
    if kind in (MESSAGE_SNAPSHOT, MESSAGE_UPDATE, MESSAGE_LEVEL) or book["state"] == BOOK_EMPTY:
        return apply_level_message(book, levels, message)
    book["vacant_side"] = SIDE_UNSET
    if kind == MESSAGE_ADD:
        return add_order(book, levels, orders, message)
    if kind in (MESSAGE_REDUCE, MESSAGE_DELETE, MESSAGE_EXECUTE):
        return reduce_order(book, levels, orders, message)
    return 0


@kernel(numba.int64(FEED_MESSAGES, numba.int64, numba.int64, BOOKS, LEVELS, ORDERS))
def mirror_apply_messages(
    messages: Any, start: int, end: int, books: Any, levels: Any, orders: Any
) -> int:
    """Apply messages ``start`` to ``end`` (exclusive), each to the book that it names.

    Returns the number of messages that didn't fit.
    """
    misfits = 0
    for index in range(start, end):
        book = books[messages[index]["book_index"]]
        if mirror_apply_message(book, levels, orders, messages[index]) < 0:
            misfits += 1
    return misfits
