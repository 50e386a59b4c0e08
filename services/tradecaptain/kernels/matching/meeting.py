"""Where an order meets a resting one: as a rule at the resting order's price.

A book that filters and uncrosses treats hidden orders that the display has crossed otherwise. They
stand there since what they ask for at once isn't there. An order meets them only if it betters the
display of its own side, else it joins that queue first; the trade lies in the middle of what both
orders and the display of both sides allow. The display is what pegs follow.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import (
    FLAG_HIDDEN,
    FLAG_PRICELESS,
    INT64_MAXIMUM,
    INT64_MINIMUM,
)
from tradecaptain.kernels.matching.levels import BUY, crosses, is_better, opposite
from tradecaptain.kernels.matching.pegs import reference_level
from tradecaptain.kernels.matching.tables import level_at, order_at
from tradecaptain.kernels.matching.terms import has_flag, order_book, order_side
from tradecaptain.wire import common


@inline
def limit_of(order: int) -> int:
    """The worst price that an order (by its address) trades at."""
    if has_flag(order, FLAG_PRICELESS):
        return INT64_MAXIMUM if order_side(order) == BUY else INT64_MINIMUM
    return load_i64(order + at.ORDER_PRICE_UNITS)


@inline
def filters(book: int) -> bool:
    """Whether a book (by its address) filters conditions and uncrosses what is left."""
    return load_i64(book + at.BOOK_ALLOCATION) == common.ALLOCATION_FILTER_AND_UNCROSS


@inline
def display_level(engine: int, taker: int, side: int) -> int:
    """The best level of a side that is displayed, in the book of an order; 0 without one."""
    return reference_level(engine, load_i32(order_at(engine, taker) + at.ORDER_BOOK) + 0, side)


@inline
def price_of_level(engine: int, level: int) -> int:
    """Price of a level."""
    return load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)


@inline
def is_crossed(engine: int, taker: int, slot: int) -> bool:
    """Whether the display on the taker's side has crossed a hidden order of the other side."""
    order = order_at(engine, slot)
    if not filters(order_book(engine, taker)) or not has_flag(order, FLAG_HIDDEN):
        return False
    own = display_level(engine, taker, order_side(order_at(engine, taker)))
    if own == 0:
        return False
    price_units = load_i64(order + at.ORDER_PRICE_UNITS)
    return crosses(order_side(order), price_units, price_of_level(engine, own))


@inline
def joins_queue(engine: int, taker: int, slot: int) -> bool:
    """Whether a taker passes over an order because others of its own side go before it."""
    if not is_crossed(engine, taker, slot):
        return False
    order = order_at(engine, taker)
    side = order_side(order)
    own_units = price_of_level(engine, display_level(engine, taker, side))
    return not has_flag(order, FLAG_PRICELESS) and not is_better(side, limit_of(order), own_units)


@inline
def meeting_units(engine: int, taker: int, slot: int) -> int:
    """Price at which a taker trades with an order that it meets."""
    if not is_crossed(engine, taker, slot):
        return load_i64(order_at(engine, slot) + at.ORDER_PRICE_UNITS)
    order = order_at(engine, taker)
    side = order_side(order)
    own_units = price_of_level(engine, display_level(engine, taker, side))
    other = display_level(engine, taker, opposite(side))
    is_priceless = has_flag(order, FLAG_PRICELESS)
    furthest_units = own_units if is_priceless else limit_of(order)
    if other != 0:
        other_units = price_of_level(engine, other)
        if is_priceless or is_better(opposite(side), other_units, furthest_units):
            furthest_units = other_units
    if is_better(opposite(side), furthest_units, own_units):
        furthest_units = own_units
    # Halves are added first, so that two prices at the edge of int64 don't overflow.
    return (furthest_units >> 1) + (own_units >> 1) + (furthest_units & own_units & 1)
