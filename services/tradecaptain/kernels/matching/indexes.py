"""Which orders of an instrument a change may concern, so that all others needn't be looked at.

An order stands in at most one of these indexes, whose name is kept in its terms:

* trailing stops by the price that they have followed so far;
* pegs that stand right, by the price that they follow;
* pegs that may have to move, by age;
* market orders that wait for an auction, by the time since which they do;
* resting orders that set a condition, by the time since which they rest;
* orders whose waiting is over, by age.

Heaps are those of `heaps`; lists are doubly linked, with their ends in the book.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, store_i32
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.heaps import (
    ASCENDING,
    BY_ORDER_ID,
    DESCENDING,
    heap_join,
    heap_leave,
)
from tradecaptain.kernels.matching.levels import BUY
from tradecaptain.kernels.matching.tables import order_at, terms_at
from tradecaptain.kernels.matching.terms import order_book, order_side
from tradecaptain.wire import common

NOWHERE = 0
TRAILING = 1
PEGS = 2
MOVED_PEGS = 3
MARKETS = 4
CONDITIONS = 5
READY = 6


@inline
def index_of(engine: int, slot: int) -> int:
    """The index in which an order stands."""
    return load_i32(terms_at(engine, slot) + at.TERMS_INDEX_KIND) + 0


@inline
def trails_of(book: int, side: int) -> int:
    """Address of the first trailing stop of a side of a book (by its address)."""
    return book + (at.BOOK_BUY_TRAILS if side == BUY else at.BOOK_SELL_TRAILS)


@inline
def pegs_of(engine: int, slot: int, book: int) -> int:
    """Address of the first peg that follows the same price as an order does."""
    reference = load_i32(terms_at(engine, slot) + at.TERMS_PEG_REFERENCE) + 0
    if reference == common.PEG_REFERENCE_MIDPOINT:
        return book + at.BOOK_MIDDLE_PEGS
    is_buy = order_side(order_at(engine, slot)) == BUY
    if (reference == common.PEG_REFERENCE_SAME_SIDE) == is_buy:
        return book + at.BOOK_BID_PEGS
    return book + at.BOOK_ASK_PEGS


@inline
def push(engine: int, slot: int, first: int) -> None:
    """Put an order at the head of a list without a tail; ``first`` is an address."""
    head = load_i32(first) + 0
    terms = terms_at(engine, slot)
    store_i32(terms + at.TERMS_INDEX_PREVIOUS, 0)
    store_i32(terms + at.TERMS_INDEX_NEXT, head)
    if head != 0:
        store_i32(terms_at(engine, head) + at.TERMS_INDEX_PREVIOUS, slot)
    store_i32(first, slot)


@inline
def append(engine: int, slot: int, first: int, last: int) -> None:
    """Put an order at the end of a list; ``first`` and ``last`` are addresses."""
    tail = load_i32(last) + 0
    terms = terms_at(engine, slot)
    store_i32(terms + at.TERMS_INDEX_PREVIOUS, tail)
    store_i32(terms + at.TERMS_INDEX_NEXT, 0)
    if tail == 0:
        store_i32(first, slot)
    else:
        store_i32(terms_at(engine, tail) + at.TERMS_INDEX_NEXT, slot)
    store_i32(last, slot)


@inline
def unlink(engine: int, slot: int, first: int, last: int) -> None:
    """Take an order out of a list; ``last`` is 0 for a list without a tail."""
    terms = terms_at(engine, slot)
    before = load_i32(terms + at.TERMS_INDEX_PREVIOUS) + 0
    behind = load_i32(terms + at.TERMS_INDEX_NEXT) + 0
    if before == 0:
        store_i32(first, behind)
    else:
        store_i32(terms_at(engine, before) + at.TERMS_INDEX_NEXT, behind)
    if behind != 0:
        store_i32(terms_at(engine, behind) + at.TERMS_INDEX_PREVIOUS, before)
    elif last != 0:
        store_i32(last, before)


@inline
def markets_first(book: int, side: int) -> int:
    """Address of the first waiting market order of a side of a book (by its address)."""
    return book + (at.BOOK_FIRST_MARKET_BUY if side == BUY else at.BOOK_FIRST_MARKET_SELL)


@inline
def markets_last(book: int, side: int) -> int:
    """Address of the last waiting market order of a side of a book (by its address)."""
    return book + (at.BOOK_LAST_MARKET_BUY if side == BUY else at.BOOK_LAST_MARKET_SELL)


@inline
def heap_first(book: int, side: int, kind: int) -> int:
    """Address of the first order of an index that is a heap."""
    if kind == TRAILING:
        return trails_of(book, side)
    if kind == READY:
        return book + at.BOOK_READY_ORDERS
    return book + at.BOOK_MOVED_PEGS


@inline
def index_join(engine: int, slot: int, kind: int) -> None:
    """Put an order that stands in no index into one."""
    store_i32(terms_at(engine, slot) + at.TERMS_INDEX_KIND, kind)
    book = order_book(engine, slot)
    side = order_side(order_at(engine, slot))
    if kind == PEGS:
        push(engine, slot, pegs_of(engine, slot, book))
    elif kind == MARKETS:
        append(engine, slot, markets_first(book, side), markets_last(book, side))
    elif kind == CONDITIONS:
        append(engine, slot, book + at.BOOK_FIRST_CONDITIONAL, book + at.BOOK_LAST_CONDITIONAL)
    else:
        first = heap_first(book, side, kind)
        head = load_i32(first) + 0
        links = at.TERMS_INDEX_CHILD
        if kind == TRAILING:
            key = at.TERMS_FOLLOWED_UNITS
            direction = DESCENDING if side == BUY else ASCENDING
            store_i32(first, heap_join(engine, head, slot, links, key, direction))
        else:
            store_i32(first, heap_join(engine, head, slot, links, BY_ORDER_ID, ASCENDING))


@inline
def index_leave(engine: int, slot: int) -> None:
    """Take an order out of the index in which it stands, if it stands in one."""
    kind = index_of(engine, slot)
    if kind == NOWHERE:
        return
    store_i32(terms_at(engine, slot) + at.TERMS_INDEX_KIND, NOWHERE)
    book = order_book(engine, slot)
    side = order_side(order_at(engine, slot))
    if kind == PEGS:
        unlink(engine, slot, pegs_of(engine, slot, book), 0)
    elif kind == MARKETS:
        unlink(engine, slot, markets_first(book, side), markets_last(book, side))
    elif kind == CONDITIONS:
        unlink(engine, slot, book + at.BOOK_FIRST_CONDITIONAL, book + at.BOOK_LAST_CONDITIONAL)
    else:
        first = heap_first(book, side, kind)
        head = load_i32(first) + 0
        links = at.TERMS_INDEX_CHILD
        if kind == TRAILING:
            key = at.TERMS_FOLLOWED_UNITS
            direction = DESCENDING if side == BUY else ASCENDING
            store_i32(first, heap_leave(engine, head, slot, links, key, direction))
        else:
            store_i32(first, heap_leave(engine, head, slot, links, BY_ORDER_ID, ASCENDING))


@inline
def index_behind(engine: int, slot: int) -> int:
    """The order behind another in a list, or 0."""
    return load_i32(terms_at(engine, slot) + at.TERMS_INDEX_NEXT) + 0
