"""The orders of a book one after another: buys, sells, each in priority, then those that wait."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import FLAG_PARKED
from tradecaptain.kernels.matching.levels import (
    BUY,
    SELL,
    best_level,
    level_head,
    order_behind,
    worse_level,
)
from tradecaptain.kernels.matching.tables import book_at, order_at, side_at
from tradecaptain.kernels.matching.terms import has_flag, order_side

PARKED = 3
"""Number of the part of a book that waits, after its sides."""


@inline
def first_order(engine: int, book: int, part: int) -> int:
    """First order of a side in priority, or of those that wait; 0 if there is none."""
    if part == PARKED:
        return load_i32(book_at(engine, book) + at.BOOK_PARKED_FIRST) + 0
    level = best_level(side_at(engine, book, part))
    if level == 0:
        return 0
    return level_head(engine, level)


@inline
def following_order(engine: int, slot: int) -> int:
    """The order behind another in the same part of its book, or 0."""
    behind = order_behind(engine, slot)
    level = load_i32(order_at(engine, slot) + at.ORDER_LEVEL) + 0
    if behind != 0 or level == 0:
        return behind
    worse = worse_level(engine, level)
    if worse == 0:
        return 0
    return level_head(engine, worse)


@inline
def first_from(engine: int, book: int, part: int) -> int:
    """First order of a part of a book or of one after it, or 0."""
    while part <= PARKED:
        slot = first_order(engine, book, part)
        if slot != 0:
            return slot
        part += 1
    return 0


@inline
def first_in_book(engine: int, book: int) -> int:
    """First order of a book, or 0."""
    return first_from(engine, book, BUY)


@inline
def following_in_book(engine: int, slot: int) -> int:
    """The order after another in its book, or 0."""
    following = following_order(engine, slot)
    order = order_at(engine, slot)
    if following != 0 or has_flag(order, FLAG_PARKED):
        return following
    book = load_i32(order + at.ORDER_BOOK) + 0
    return first_from(engine, book, SELL if order_side(order) == BUY else PARKED)
