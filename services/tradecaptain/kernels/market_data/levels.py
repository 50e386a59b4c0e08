"""Sorted price levels of a mirror book.

A side's levels lie in one range of the shared array, worst first and best last. Positions are
absolute indices. Most changes happen near the touch, so the search counts among the best levels,
which takes no branch that could be mispredicted, and turns to bisection only for those behind.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.kernels.market_data.layout import SIDE_BUY

_NEAR_LEVELS = 8


# The side of a message can't be foreseen, so what depends on it is chosen without a branch: both
# sides' numbers are read first.


@inline_always
def side_offset(book: Any, side: int) -> int:
    """Index of the side's worst level."""
    bid = book["bid_offset"]
    ask = book["ask_offset"]
    return bid if side == SIDE_BUY else ask


@inline_always
def side_count(book: Any, side: int) -> int:
    """Levels of a side."""
    bid = book["bid_count"]
    ask = book["ask_count"]
    return bid if side == SIDE_BUY else ask


@inline_always
def set_side_count(book: Any, side: int, count: int) -> None:
    """Set the number of levels of a side."""
    bid = book["bid_count"]
    ask = book["ask_count"]
    book["bid_count"] = count if side == SIDE_BUY else bid
    book["ask_count"] = ask if side == SIDE_BUY else count


@inline_always
def better_key(price_units: int, side: int) -> int:
    """A number that grows with the attractiveness of a price on its side."""
    return price_units if side == SIDE_BUY else -price_units


@inline_always
def find_level(book: Any, levels: Any, side: int, price_units: int) -> int:
    """Index of the first level, from the worst, that is at least as good as ``price_units``.

    It is the level itself if there is one; else the place where it belongs.
    """
    low = side_offset(book, side)
    high = low + side_count(book, side)
    key = better_key(price_units, side)
    near = max(low, high - _NEAR_LEVELS)
    place = high
    for index in range(near, high):
        place -= 1 if better_key(levels[index]["price_units"], side) >= key else 0
    if place > near or near == low:
        return place
    high = near
    while low < high:
        middle = (low + high) >> 1
        if better_key(levels[middle]["price_units"], side) < key:
            low = middle + 1
        else:
            high = middle
    return high


@inline_always
def holds_level(book: Any, levels: Any, side: int, price_units: int, index: int) -> bool:
    """Whether ``index``, a result of :func:`find_level`, is the level of that price."""
    end = side_offset(book, side) + side_count(book, side)
    return index < end and levels[index]["price_units"] == price_units


@inline_always
def copy_level(levels: Any, target: int, source: int) -> None:
    """Copy one level record."""
    # All is read before anything is written: only so may the compiler join the moves.
    price_units = levels[source]["price_units"]
    quantity_units = levels[source]["quantity_units"]
    known_units = levels[source]["known_units"]
    order_count = levels[source]["order_count"]
    serial = levels[source]["serial"]
    levels[target]["price_units"] = price_units
    levels[target]["quantity_units"] = quantity_units
    levels[target]["known_units"] = known_units
    levels[target]["order_count"] = order_count
    levels[target]["serial"] = serial


@inline_always
def drop_worst_level(book: Any, levels: Any, side: int) -> None:
    """Remove the worst level of a side."""
    start = side_offset(book, side)
    count = side_count(book, side)
    for index in range(start, start + count - 1):
        copy_level(levels, index, index + 1)
    set_side_count(book, side, count - 1)


@inline_always
def insert_level(book: Any, levels: Any, side: int, price_units: int, index: int) -> int:
    """Make room for a new, empty level at ``index`` and return where it is.

    When the side is full its worst level goes. A level that is itself worse than all of a full
    side isn't entered, and the result is -1.
    """
    start = side_offset(book, side)
    count = side_count(book, side)
    place = index
    if count == book["level_capacity"]:
        book["dropped_levels"] += 1
        if place == start:
            return -1
        drop_worst_level(book, levels, side)
        place -= 1
        count -= 1
    position = start + count
    while position > place:
        copy_level(levels, position, position - 1)
        position -= 1
    book["next_serial"] += 1
    levels[place]["price_units"] = price_units
    levels[place]["quantity_units"] = 0
    levels[place]["known_units"] = 0
    levels[place]["order_count"] = 0
    levels[place]["serial"] = book["next_serial"]
    set_side_count(book, side, count + 1)
    return place


@inline_always
def remove_level(book: Any, levels: Any, side: int, index: int) -> None:
    """Remove the level at ``index``."""
    end = side_offset(book, side) + side_count(book, side) - 1
    for position in range(index, end):
        copy_level(levels, position, position + 1)
    set_side_count(book, side, side_count(book, side) - 1)


@inline_always
def best_price(book: Any, levels: Any, side: int) -> int:
    """Best price of a side; only meaningful when the side has levels."""
    return levels[side_offset(book, side) + side_count(book, side) - 1]["price_units"]


@inline_always
def best_quantity(book: Any, levels: Any, side: int) -> int:
    """Quantity at the best price of a side, zero when the side is empty."""
    count = side_count(book, side)
    if count == 0:
        return 0
    return levels[side_offset(book, side) + count - 1]["quantity_units"]


@inline
def is_crossed(book: Any, levels: Any) -> bool:
    """Whether the best bid is at or above the best ask."""
    if book["bid_count"] == 0 or book["ask_count"] == 0:
        return False
    bid = levels[book["bid_offset"] + book["bid_count"] - 1]["price_units"]
    ask = levels[book["ask_offset"] + book["ask_count"] - 1]["price_units"]
    return bid >= ask
