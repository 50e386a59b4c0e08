"""Orders that wait outside of the ladder, in the order in which they began to."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.heaps import ASCENDING, DESCENDING, heap_join, heap_leave
from tradecaptain.kernels.matching.indexes import (
    MARKETS,
    READY,
    TRAILING,
    index_join,
    index_leave,
)
from tradecaptain.kernels.matching.layout import (
    FLAG_ASLEEP,
    FLAG_PARKED,
    FLAG_READY,
    FLAG_STOP,
    FLAG_TRAILING,
    INT64_MAXIMUM,
    INT64_MINIMUM,
)
from tradecaptain.kernels.matching.levels import (
    BUY,
    order_ahead,
    order_behind,
    set_neighbours,
    set_order_ahead,
    set_order_behind,
)
from tradecaptain.kernels.matching.tables import order_at, terms_at
from tradecaptain.kernels.matching.terms import (
    clear_flags,
    has_flag,
    order_book,
    order_side,
    order_type_of,
    set_flags,
    watch,
)
from tradecaptain.wire import common


@inline
def add(address: int, change: int) -> None:
    """Change a 32-bit counter."""
    store_i32(address, load_i32(address) + change)


@inline
def triggers_of(engine: int, slot: int) -> int:
    """Address of the first stop of an order's book and side."""
    book = order_book(engine, slot)
    if order_side(order_at(engine, slot)) == BUY:
        return book + at.BOOK_BUY_TRIGGERS
    return book + at.BOOK_SELL_TRIGGERS


@inline
def trigger_direction(engine: int, slot: int) -> int:
    """Rising prices elect the lowest buy stop first, falling ones the highest sell stop."""
    return ASCENDING if order_side(order_at(engine, slot)) == BUY else DESCENDING


@inline
def join_triggers(engine: int, slot: int) -> None:
    """Let prices elect a stop."""
    first = triggers_of(engine, slot)
    root = heap_join(
        engine,
        load_i32(first) + 0,
        slot,
        at.TERMS_TRIGGER_CHILD,
        at.TERMS_STOP_UNITS,
        trigger_direction(engine, slot),
    )
    store_i32(first, root)


@inline
def leave_triggers(engine: int, slot: int) -> None:
    """No longer let prices elect a stop."""
    first = triggers_of(engine, slot)
    root = heap_leave(
        engine,
        load_i32(first) + 0,
        slot,
        at.TERMS_TRIGGER_CHILD,
        at.TERMS_STOP_UNITS,
        trigger_direction(engine, slot),
    )
    store_i32(first, root)


@inline
def is_armed(order: int) -> bool:
    """Whether a waiting order is a stop that prices may elect."""
    return has_flag(order, FLAG_STOP) and not has_flag(order, FLAG_ASLEEP | FLAG_READY)


@inline
def arm(engine: int, slot: int) -> None:
    """Put a waiting stop where prices find it."""
    order = order_at(engine, slot)
    if not is_armed(order):
        return
    book = order_book(engine, slot)
    watch(engine, book, 1)
    if has_flag(order, FLAG_TRAILING):
        # Whatever the last price is, it is looked at once; then the order has followed it.
        followed_units = INT64_MAXIMUM if order_side(order) == BUY else INT64_MINIMUM
        store_i64(terms_at(engine, slot) + at.TERMS_FOLLOWED_UNITS, followed_units)
        index_join(engine, slot, TRAILING)
    if load_i32(terms_at(engine, slot) + at.TERMS_HAS_STOP) != 0:
        join_triggers(engine, slot)


@inline
def disarm(engine: int, slot: int) -> None:
    """The reverse of `arm`."""
    order = order_at(engine, slot)
    if not is_armed(order):
        return
    book = order_book(engine, slot)
    watch(engine, book, -1)
    if has_flag(order, FLAG_TRAILING):
        index_leave(engine, slot)
    if load_i32(terms_at(engine, slot) + at.TERMS_HAS_STOP) != 0:
        leave_triggers(engine, slot)


@inline
def park(engine: int, slot: int) -> None:
    """Let an order wait outside of the ladder, behind those that wait already."""
    order = order_at(engine, slot)
    book = order_book(engine, slot)
    before = load_i32(book + at.BOOK_PARKED_LAST) + 0
    set_neighbours(engine, slot, before, 0)
    store_i32(order + at.ORDER_LEVEL, 0)
    if before == 0:
        store_i32(book + at.BOOK_PARKED_FIRST, slot)
    else:
        set_order_behind(engine, before, slot)
    store_i32(book + at.BOOK_PARKED_LAST, slot)
    add(book + at.BOOK_PARKED_COUNT, 1)
    set_flags(order, FLAG_PARKED)
    if order_type_of(engine, slot) == common.ORDER_TYPE_MARKET:
        add(book + at.BOOK_MARKET_COUNT, 1)
        if not has_flag(order, FLAG_ASLEEP):
            index_join(engine, slot, MARKETS)
    arm(engine, slot)


@inline
def unpark(engine: int, slot: int) -> None:
    """Take an order out of those that wait."""
    disarm(engine, slot)
    order = order_at(engine, slot)
    book = order_book(engine, slot)
    before = order_ahead(engine, slot)
    behind = order_behind(engine, slot)
    if before == 0:
        store_i32(book + at.BOOK_PARKED_FIRST, behind)
    else:
        set_order_behind(engine, before, behind)
    if behind == 0:
        store_i32(book + at.BOOK_PARKED_LAST, before)
    else:
        set_order_ahead(engine, behind, before)
    add(book + at.BOOK_PARKED_COUNT, -1)
    clear_flags(order, FLAG_PARKED)
    if order_type_of(engine, slot) == common.ORDER_TYPE_MARKET:
        add(book + at.BOOK_MARKET_COUNT, -1)
        index_leave(engine, slot)
    if has_flag(order, FLAG_READY):
        index_leave(engine, slot)
        clear_flags(order, FLAG_READY)
        add(book + at.BOOK_READY_COUNT, -1)
        watch(engine, book, -1)


@inline
def make_ready(engine: int, slot: int) -> None:
    """Mark a waiting order as the next to enter its book."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_READY):
        return
    disarm(engine, slot)
    index_leave(engine, slot)
    index_join(engine, slot, READY)
    set_flags(order, FLAG_READY)
    book = order_book(engine, slot)
    add(book + at.BOOK_READY_COUNT, 1)
    watch(engine, book, 1)
