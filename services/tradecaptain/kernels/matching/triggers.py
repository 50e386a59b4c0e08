"""Stops: which one the last price elects, and how trailing stops follow it."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, subtract_saturating
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.indexes import TRAILING, index_join, index_leave, trails_of
from tradecaptain.kernels.matching.layout import FLAG_TRAILING, INT64_MAXIMUM, INT64_MINIMUM
from tradecaptain.kernels.matching.levels import BUY, SELL
from tradecaptain.kernels.matching.parking import join_triggers, leave_triggers
from tradecaptain.kernels.matching.tables import order_at, terms_at
from tradecaptain.kernels.matching.terms import has_flag, order_book, order_side

BASIS_POINTS = 10_000


@inline
def is_elected(engine: int, slot: int) -> bool:
    """Whether the last price has reached an order's stop price."""
    book = order_book(engine, slot)
    terms = terms_at(engine, slot)
    if load_i64(book + at.BOOK_HAS_LAST) == 0 or load_i32(terms + at.TERMS_HAS_STOP) == 0:
        return False
    last_units = load_i64(book + at.BOOK_LAST_PRICE_UNITS)
    stop_units = load_i64(terms + at.TERMS_STOP_UNITS)
    if order_side(order_at(engine, slot)) == BUY:
        return last_units >= stop_units
    return last_units <= stop_units


@inline
def trail_distance(terms: int, last_units: int) -> int:
    """Distance of a trailing stop from a price: its own, or a part of the price, at least one."""
    offset_units = load_i64(terms + at.TERMS_OFFSET_UNITS)
    if offset_units != 0:
        return offset_units
    points = load_i32(terms + at.TERMS_BASIS_POINTS) + 0
    if last_units == INT64_MINIMUM:
        return INT64_MAXIMUM // BASIS_POINTS * points + (
            (INT64_MAXIMUM % BASIS_POINTS + 1) * points // BASIS_POINTS
        )
    size = abs(last_units)
    distance = size // BASIS_POINTS * points + size % BASIS_POINTS * points // BASIS_POINTS
    return max(distance, 1)


@inline
def trailed_stop(engine: int, slot: int) -> int:
    """Where a trailing stop stands after the last price, which must be known."""
    terms = terms_at(engine, slot)
    last_units = load_i64(order_book(engine, slot) + at.BOOK_LAST_PRICE_UNITS)
    distance = trail_distance(terms, last_units)
    has_stop = load_i32(terms + at.TERMS_HAS_STOP) != 0
    stop_units = load_i64(terms + at.TERMS_STOP_UNITS)
    if order_side(order_at(engine, slot)) == BUY:
        following = add_saturating(last_units, distance)
        return min(stop_units, following) if has_stop else following
    following = subtract_saturating(last_units, distance)
    return max(stop_units, following) if has_stop else following


@inline
def trail_unarmed(engine: int, slot: int) -> None:
    """Pull a trailing stop along that prices can't elect yet."""
    is_known = load_i64(order_book(engine, slot) + at.BOOK_HAS_LAST) != 0
    if is_known and has_flag(order_at(engine, slot), FLAG_TRAILING):
        stop_units = trailed_stop(engine, slot)
        terms = terms_at(engine, slot)
        store_i64(terms + at.TERMS_STOP_UNITS, stop_units)
        store_i32(terms + at.TERMS_HAS_STOP, 1)


@inline
def has_fallen_behind(engine: int, slot: int, side: int, last_units: int) -> bool:
    """Whether a trailing stop has to follow the last price."""
    terms = terms_at(engine, slot)
    if load_i32(terms + at.TERMS_HAS_STOP) == 0:
        return True
    followed_units = load_i64(terms + at.TERMS_FOLLOWED_UNITS)
    return last_units < followed_units if side == BUY else last_units > followed_units


@inline
def trail_side(engine: int, book: int, side: int) -> None:
    """Pull the trailing stops of a side of a book (by its address) along behind the last price.

    They lie in the order of the prices that they have followed, so none is looked at in vain.
    """
    last_units = load_i64(book + at.BOOK_LAST_PRICE_UNITS)
    first = trails_of(book, side)
    slot = load_i32(first) + 0
    while slot != 0 and has_fallen_behind(engine, slot, side, last_units):
        terms = terms_at(engine, slot)
        index_leave(engine, slot)
        has_stop = load_i32(terms + at.TERMS_HAS_STOP) != 0
        stop_units = trailed_stop(engine, slot)
        if not has_stop or stop_units != load_i64(terms + at.TERMS_STOP_UNITS):
            if has_stop:
                leave_triggers(engine, slot)
            store_i64(terms + at.TERMS_STOP_UNITS, stop_units)
            store_i32(terms + at.TERMS_HAS_STOP, 1)
            join_triggers(engine, slot)
        store_i64(terms + at.TERMS_FOLLOWED_UNITS, last_units)
        index_join(engine, slot, TRAILING)
        slot = load_i32(first) + 0


@inline
def next_elected(engine: int, book: int) -> int:
    """The stop that goes first: buys before sells, nearest stop price, then time; or 0."""
    if load_i64(book + at.BOOK_HAS_LAST) != 0:
        trail_side(engine, book, BUY)
        trail_side(engine, book, SELL)
    buy = load_i32(book + at.BOOK_BUY_TRIGGERS) + 0
    if buy != 0 and is_elected(engine, buy):
        return buy
    sell = load_i32(book + at.BOOK_SELL_TRIGGERS) + 0
    if sell != 0 and is_elected(engine, sell):
        return sell
    return 0
