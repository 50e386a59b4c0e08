"""Levels and orders of the book views: lists in price and time order, found by hash.

Plain data structures on record pools; which changes may reach them is decided in ``view_kernels``.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.wire.common import SIDE_BUY

_LOW_31_BITS = 0x7FFFFFFF
# 2^32 divided by the golden ratio; products of 31 and 32 bits stay within a signed word.
_GOLDEN = 0x9E3779B1
_HASH_SHIFT = 20


@inline
def hash_bucket(key: int, mask: int) -> int:
    """Bucket of a key; nearby keys fall far apart."""
    return (((key & _LOW_31_BITS) * _GOLDEN) >> _HASH_SHIFT) & mask


@inline
def level_bucket(instrument_id: int, side: int, price_units: int, mask: int) -> int:
    """Bucket of a price level."""
    return hash_bucket(price_units ^ (instrument_id << 16) ^ (side << 29), mask)


@inline
def level_find(
    header: Any, levels: Any, level_buckets: Any, instrument_id: int, side: int, price_units: int
) -> int:
    """Index of a level, 0 if there is none."""
    bucket = level_bucket(instrument_id, side, price_units, header[0]["level_mask"])
    index = level_buckets[bucket]
    while index != 0 and (
        levels[index]["price_units"] != price_units
        or levels[index]["side"] != side
        or levels[index]["instrument_id"] != instrument_id
    ):
        index = levels[index]["chain"]
    return index


@inline
def level_link(books: Any, levels: Any, index: int) -> None:
    """Put a level into its side's list, walking from the best price."""
    instrument_id = levels[index]["instrument_id"]
    price_units = levels[index]["price_units"]
    is_bid = levels[index]["side"] == SIDE_BUY
    better = 0
    worse = books[instrument_id]["best_bid"] if is_bid else books[instrument_id]["best_ask"]
    while worse != 0 and (levels[worse]["price_units"] > price_units) == is_bid:
        better = worse
        worse = levels[worse]["worse"]
    levels[index]["better"] = better
    levels[index]["worse"] = worse
    if worse != 0:
        levels[worse]["better"] = index
    if better != 0:
        levels[better]["worse"] = index
    elif is_bid:
        books[instrument_id]["best_bid"] = index
    else:
        books[instrument_id]["best_ask"] = index


@inline
def level_insert(
    header: Any,
    books: Any,
    levels: Any,
    level_buckets: Any,
    instrument_id: int,
    side: int,
    price_units: int,
) -> int:
    """Index of a new, empty level; 0 if the pool is used up."""
    index = header[0]["free_level"]
    if index != 0:
        header[0]["free_level"] = levels[index]["chain"]
    elif header[0]["used_levels"] < header[0]["level_capacity"]:
        header[0]["used_levels"] += 1
        index = header[0]["used_levels"]
    else:
        return 0
    levels[index]["price_units"] = price_units
    levels[index]["quantity_units"] = 0
    levels[index]["order_count"] = 0
    levels[index]["first"] = 0
    levels[index]["last"] = 0
    levels[index]["instrument_id"] = instrument_id
    levels[index]["side"] = side
    bucket = level_bucket(instrument_id, side, price_units, header[0]["level_mask"])
    levels[index]["chain"] = level_buckets[bucket]
    level_buckets[bucket] = index
    level_link(books, levels, index)
    return index


@inline
def level_remove(header: Any, books: Any, levels: Any, level_buckets: Any, index: int) -> None:
    """Take an empty level out of its side and give its record back."""
    instrument_id = levels[index]["instrument_id"]
    side = levels[index]["side"]
    better = levels[index]["better"]
    worse = levels[index]["worse"]
    if worse != 0:
        levels[worse]["better"] = better
    if better != 0:
        levels[better]["worse"] = worse
    elif side == SIDE_BUY:
        books[instrument_id]["best_bid"] = worse
    else:
        books[instrument_id]["best_ask"] = worse
    bucket = level_bucket(
        instrument_id, side, levels[index]["price_units"], header[0]["level_mask"]
    )
    chain = levels[index]["chain"]
    if level_buckets[bucket] == index:
        level_buckets[bucket] = chain
    else:
        before = level_buckets[bucket]
        while levels[before]["chain"] != index:
            before = levels[before]["chain"]
        levels[before]["chain"] = chain
    levels[index]["chain"] = header[0]["free_level"]
    header[0]["free_level"] = index


@inline
def order_find(header: Any, orders: Any, order_buckets: Any, order_id: int) -> int:
    """Index of an order, 0 if there is none."""
    index = order_buckets[hash_bucket(order_id, header[0]["order_mask"])]
    while index != 0 and orders[index]["order_id"] != order_id:
        index = orders[index]["chain"]
    return index


@inline
def order_append(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    order_buckets: Any,
    level: int,
    order_id: int,
    quantity_units: int,
) -> int:
    """Index of a new order at the tail of a level; 0 if the pool is used up."""
    index = header[0]["free_order"]
    if index != 0:
        header[0]["free_order"] = orders[index]["chain"]
    elif header[0]["used_orders"] < header[0]["order_capacity"]:
        header[0]["used_orders"] += 1
        index = header[0]["used_orders"]
    else:
        return 0
    bucket = hash_bucket(order_id, header[0]["order_mask"])
    last = levels[level]["last"]
    orders[index]["order_id"] = order_id
    orders[index]["quantity_units"] = quantity_units
    orders[index]["level"] = level
    orders[index]["instrument_id"] = levels[level]["instrument_id"]
    orders[index]["previous"] = last
    orders[index]["next"] = 0
    orders[index]["chain"] = order_buckets[bucket]
    order_buckets[bucket] = index
    if last != 0:
        orders[last]["next"] = index
    else:
        levels[level]["first"] = index
    levels[level]["last"] = index
    levels[level]["quantity_units"] += quantity_units
    levels[level]["order_count"] += 1
    books[levels[level]["instrument_id"]]["order_count"] += 1
    return index


@inline
def order_remove(
    header: Any, books: Any, levels: Any, orders: Any, order_buckets: Any, index: int
) -> None:
    """Take an order out of its level, with what is left of it, and give its record back."""
    level = orders[index]["level"]
    following = orders[index]["next"]
    previous = orders[index]["previous"]
    if following != 0:
        orders[following]["previous"] = previous
    else:
        levels[level]["last"] = previous
    if previous != 0:
        orders[previous]["next"] = following
    else:
        levels[level]["first"] = following
    levels[level]["quantity_units"] -= orders[index]["quantity_units"]
    levels[level]["order_count"] -= 1
    books[levels[level]["instrument_id"]]["order_count"] -= 1
    bucket = hash_bucket(orders[index]["order_id"], header[0]["order_mask"])
    chain = orders[index]["chain"]
    if order_buckets[bucket] == index:
        order_buckets[bucket] = chain
    else:
        before = order_buckets[bucket]
        while orders[before]["chain"] != index:
            before = orders[before]["chain"]
        orders[before]["chain"] = chain
    orders[index]["chain"] = header[0]["free_order"]
    header[0]["free_order"] = index


@inline
def side_clear(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    best: int,
) -> None:
    """Take every order out of one side of a book, whose best level is ``best``."""
    level = best
    while level != 0:
        while levels[level]["first"] != 0:
            order_remove(header, books, levels, orders, order_buckets, levels[level]["first"])
        worse = levels[level]["worse"]
        level_remove(header, books, levels, level_buckets, level)
        level = worse


@inline
def book_clear(
    header: Any,
    books: Any,
    levels: Any,
    orders: Any,
    level_buckets: Any,
    order_buckets: Any,
    instrument_id: int,
) -> None:
    """Take every order out of a book."""
    best = books[instrument_id]["best_bid"]
    side_clear(header, books, levels, orders, level_buckets, order_buckets, best)
    best = books[instrument_id]["best_ask"]
    side_clear(header, books, levels, orders, level_buckets, order_buckets, best)
