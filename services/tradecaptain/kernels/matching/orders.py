"""An order's beginning and end: its ids, its places in tables, its slot."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, load_u16, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.groups import enter_group, leave_group
from tradecaptain.kernels.matching.heaps import ASCENDING, heap_join, heap_leave
from tradecaptain.kernels.matching.identity import (
    enter_order_id,
    enter_vendor_id,
    is_vendor_order,
    leave_order_id,
    leave_vendor_id,
)
from tradecaptain.kernels.matching.indexes import (
    MOVED_PEGS,
    PEGS,
    index_join,
    index_leave,
    index_of,
)
from tradecaptain.kernels.matching.layout import (
    FLAG_ASLEEP,
    FLAG_GROUPED,
    FLAG_PEGGED,
    FLAG_READY,
    FLAG_TIMED,
)
from tradecaptain.kernels.matching.tables import give_order, order_at, terms_at
from tradecaptain.kernels.matching.terms import has_flag, order_book, watch


@inline
def enter_ids(engine: int, slot: int) -> None:
    """Make an order that begins to rest findable."""
    enter_order_id(engine, slot, load_i64(order_at(engine, slot) + at.ORDER_ORDER_ID))
    if is_vendor_order(engine, slot):
        enter_vendor_id(engine, slot)


@inline
def leave_ids(engine: int, slot: int) -> None:
    """Make an order that no longer rests unfindable."""
    leave_order_id(engine, slot)
    if is_vendor_order(engine, slot):
        leave_vendor_id(engine, slot)


@inline
def enter_place(engine: int, slot: int) -> None:
    """Make an order that rests or waits findable by its ids and its group."""
    enter_ids(engine, slot)
    if has_flag(order_at(engine, slot), FLAG_GROUPED):
        enter_group(engine, slot)


@inline
def leave_place(engine: int, slot: int) -> None:
    """The reverse of `enter_place`."""
    leave_ids(engine, slot)
    if has_flag(order_at(engine, slot), FLAG_GROUPED):
        leave_group(engine, slot)


@inline
def count_peg(engine: int, slot: int, change: int) -> None:
    """Count a pegged order that is awake."""
    book = order_book(engine, slot)
    store_i32(book + at.BOOK_PEG_COUNT, load_i32(book + at.BOOK_PEG_COUNT) + change)
    watch(engine, book, change)


@inline
def join_pegs(engine: int, slot: int) -> None:
    """Let a pegged order that is awake follow its price; it is looked at first thing."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_PEGGED) and not has_flag(order, FLAG_ASLEEP | FLAG_READY):
        index_join(engine, slot, MOVED_PEGS)
        count_peg(engine, slot, 1)


@inline
def note_timer(engine: int, time_ns: int) -> None:
    """Something is due at a time."""
    if time_ns < load_i64(engine + at.HEADER_NEXT_TIMER_NS):
        store_i64(engine + at.HEADER_NEXT_TIMER_NS, time_ns)


@inline
def join_expiries(engine: int, slot: int) -> None:
    """Let the clock end a good-till-date order."""
    first = heap_join(
        engine,
        load_i64(engine + at.HEADER_EXPIRIES),
        slot,
        at.TERMS_EXPIRY_CHILD,
        at.TERMS_EXPIRE_TIME_NS,
        ASCENDING,
    )
    store_i64(engine + at.HEADER_EXPIRIES, first)
    note_timer(engine, load_i64(terms_at(engine, slot) + at.TERMS_EXPIRE_TIME_NS))


@inline
def detach_order(engine: int, slot: int) -> None:
    """Take an order that ends out of the lists that its flags tell of."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_TIMED):
        first = heap_leave(
            engine,
            load_i64(engine + at.HEADER_EXPIRIES),
            slot,
            at.TERMS_EXPIRY_CHILD,
            at.TERMS_EXPIRE_TIME_NS,
            ASCENDING,
        )
        store_i64(engine + at.HEADER_EXPIRIES, first)
    kind = index_of(engine, slot)
    if kind in (PEGS, MOVED_PEGS):
        index_leave(engine, slot)
        count_peg(engine, slot, -1)


@inline
def retire_order(engine: int, slot: int) -> None:
    """Drop an order that stands nowhere."""
    if load_u16(order_at(engine, slot) + at.ORDER_FLAGS) != 0:
        detach_order(engine, slot)
    give_order(engine, slot)


@inline
def forget_order(engine: int, slot: int) -> None:
    """Drop an order that has left its level: its ids and its slot."""
    if load_u16(order_at(engine, slot) + at.ORDER_FLAGS) != 0:
        if has_flag(order_at(engine, slot), FLAG_GROUPED):
            leave_group(engine, slot)
        detach_order(engine, slot)
    leave_ids(engine, slot)
    give_order(engine, slot)
