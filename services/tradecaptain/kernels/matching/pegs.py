"""Pegged orders: the price that they follow, and which of them has to move."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.fixed_point import add_saturating
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.indexes import MOVED_PEGS, PEGS, index_join, index_leave
from tradecaptain.kernels.matching.layout import FLAG_PARKED
from tradecaptain.kernels.matching.levels import BUY, SELL, best_level, worse_level
from tradecaptain.kernels.matching.tables import book_at, level_at, order_at, side_at, terms_at
from tradecaptain.kernels.matching.terms import (
    INSTRUCTION_BOUNDED,
    has_flag,
    order_book,
    order_side,
)
from tradecaptain.wire import common

KNOWN = 1
ABSENT = 2
"""States of a reference; a new book has neither, so that its pegs are looked at."""


@inline
def reference_level(engine: int, book: int, side: int) -> int:
    """Best level of a side that may be a reference, or 0; ``book`` is the book's index.

    It has a displayed order that neither follows a price nor sets a condition.
    """
    level = best_level(side_at(engine, book, side))
    while level != 0:
        address = level_at(engine, level)
        if load_i32(address + at.LEVEL_ORDER_COUNT) != load_i32(address + at.LEVEL_PASSIVE_COUNT):
            return level
        level = worse_level(engine, level)
    return 0


@inline
def has_peg_price(engine: int, slot: int) -> bool:
    """Whether the prices that an order follows are there."""
    book = load_i32(order_at(engine, slot) + at.ORDER_BOOK) + 0
    reference = load_i32(terms_at(engine, slot) + at.TERMS_PEG_REFERENCE) + 0
    side = order_side(order_at(engine, slot))
    if reference == common.PEG_REFERENCE_MIDPOINT:
        return reference_level(engine, book, BUY) != 0 and reference_level(engine, book, SELL) != 0
    if reference == common.PEG_REFERENCE_OTHER_SIDE:
        side = 3 - side
    return reference_level(engine, book, side) != 0


@inline
def peg_price(engine: int, slot: int) -> int:
    """Price of a pegged order whose reference is there: offset, then its bound, then the range."""
    order = order_at(engine, slot)
    terms = terms_at(engine, slot)
    book = load_i32(order + at.ORDER_BOOK) + 0
    reference = load_i32(terms + at.TERMS_PEG_REFERENCE) + 0
    side = order_side(order)
    if reference == common.PEG_REFERENCE_MIDPOINT:
        bid = load_i64(level_at(engine, reference_level(engine, book, BUY)) + at.LEVEL_PRICE_UNITS)
        ask = load_i64(level_at(engine, reference_level(engine, book, SELL)) + at.LEVEL_PRICE_UNITS)
        # Halves are added first, so that two prices at the edge of int64 don't overflow.
        price_units = (bid >> 1) + (ask >> 1) + (bid & ask & 1)
    else:
        from_side = 3 - side if reference == common.PEG_REFERENCE_OTHER_SIDE else side
        level = reference_level(engine, book, from_side)
        price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    price_units = add_saturating(price_units, load_i64(terms + at.TERMS_OFFSET_UNITS))
    if load_i32(terms + at.TERMS_INSTRUCTIONS) & INSTRUCTION_BOUNDED != 0:
        limit_units = load_i64(terms + at.TERMS_LIMIT_UNITS)
        price_units = (
            min(price_units, limit_units) if side == BUY else max(price_units, limit_units)
        )
    rules = order_book(engine, slot)
    price_units = min(price_units, load_i64(rules + at.BOOK_MAXIMUM_PRICE_UNITS))
    return max(price_units, load_i64(rules + at.BOOK_MINIMUM_PRICE_UNITS))


@inline
def look_at_pegs(engine: int, first: int) -> None:
    """Let all pegs of a list (by the address of its first one) be looked at again."""
    slot = load_i32(first) + 0
    while slot != 0:
        index_leave(engine, slot)
        index_join(engine, slot, MOVED_PEGS)
        slot = load_i32(first) + 0


@inline
def has_reference_moved(engine: int, book: int, side: int) -> bool:
    """Whether a side's best price isn't the one that pegs were last held against; notes it."""
    address = book_at(engine, book)
    state = address + (at.BOOK_PEG_BID_STATE if side == BUY else at.BOOK_PEG_ASK_STATE)
    noted = address + (at.BOOK_PEG_BID_UNITS if side == BUY else at.BOOK_PEG_ASK_UNITS)
    level = reference_level(engine, book, side)
    price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS) if level != 0 else 0
    now = KNOWN if level != 0 else ABSENT
    has_moved = now != load_i32(state) or price_units != load_i64(noted)
    store_i32(state, now)
    store_i64(noted, price_units)
    return has_moved


@inline
def is_misplaced(engine: int, slot: int) -> bool:
    """Whether a pegged order stands elsewhere than at its price, or waits though it has one."""
    order = order_at(engine, slot)
    is_known = has_peg_price(engine, slot)
    if has_flag(order, FLAG_PARKED):
        return is_known
    return not is_known or peg_price(engine, slot) != load_i64(order + at.ORDER_PRICE_UNITS)


@inline
def next_moved_peg(engine: int, book: int) -> int:
    """The oldest pegged order of a book (by its index) whose price isn't right, or 0.

    Only pegs whose reference has moved are looked at, and those that are new.
    """
    address = book_at(engine, book)
    has_bid_moved = has_reference_moved(engine, book, BUY)
    has_ask_moved = has_reference_moved(engine, book, SELL)
    if has_bid_moved:
        look_at_pegs(engine, address + at.BOOK_BID_PEGS)
    if has_ask_moved:
        look_at_pegs(engine, address + at.BOOK_ASK_PEGS)
    if has_bid_moved or has_ask_moved:
        look_at_pegs(engine, address + at.BOOK_MIDDLE_PEGS)
    slot = load_i32(address + at.BOOK_MOVED_PEGS) + 0
    while slot != 0:
        # It will stand right afterwards, or it ends.
        index_leave(engine, slot)
        index_join(engine, slot, PEGS)
        if is_misplaced(engine, slot):
            return slot
        slot = load_i32(address + at.BOOK_MOVED_PEGS) + 0
    return 0
