"""How orders that rest or wait end, and what that means for their groups."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.events import write_book, write_end, write_execution
from tradecaptain.kernels.matching.groups import (
    ROLE_ENTRY,
    ROLE_EXIT,
    next_member,
    role_of,
)
from tradecaptain.kernels.matching.ladder import leave_ladder, recount_level, unseen_units
from tradecaptain.kernels.matching.layout import (
    FLAG_ASLEEP,
    FLAG_DOOMED,
    FLAG_GROUPED,
    FLAG_HIDDEN,
    FLAG_PARKED,
)
from tradecaptain.kernels.matching.levels import close_if_empty
from tradecaptain.kernels.matching.orders import forget_order, retire_order
from tradecaptain.kernels.matching.parking import make_ready, unpark
from tradecaptain.kernels.matching.tables import order_at, terms_at
from tradecaptain.kernels.matching.terms import (
    clear_flags,
    has_flag,
    set_flags,
    shown_units,
    take_off,
    working_status,
)
from tradecaptain.wire import book_event, execution_event, reason


@inline
def wake(engine: int, slot: int) -> None:
    """Let a sleeping exit enter its book with the next work."""
    make_ready(engine, slot)
    clear_flags(order_at(engine, slot), FLAG_ASLEEP)


@inline
def cut_exit(engine: int, slot: int, filled_units: int) -> None:
    """Leave an exit no more than what its entry filled."""
    order = order_at(engine, slot)
    cut_units = load_i64(order + at.ORDER_QUANTITY_UNITS) - filled_units
    if cut_units <= 0:
        return
    take_off(engine, slot, cut_units)
    event = write_execution(
        engine, slot, execution_event.EXECUTION_TYPE_RESTATED, working_status(order), False
    )
    execution_event.set_last_quantity_units(event, cut_units)
    execution_event.set_reason(event, reason.REASON_CANCELLED_BY_GROUP)


@inline
def entry_ended(engine: int, account_id: int, group_id: int, filled_units: int) -> None:
    """An entry ended early: its exits wake for what it filled, or end with the next work."""
    slot = next_member(engine, account_id, group_id, 0)
    while slot != 0:
        order = order_at(engine, slot)
        order_id = load_i64(order + at.ORDER_ORDER_ID)
        if role_of(engine, slot) == ROLE_EXIT:
            if filled_units == 0:
                make_ready(engine, slot)
                set_flags(order, FLAG_DOOMED)
            else:
                cut_exit(engine, slot, filled_units)
                wake(engine, slot)
        slot = next_member(engine, account_id, group_id, order_id)


@inline
def end_order(engine: int, slot: int, execution_type: int, why: int, is_own: bool) -> None:
    """End an order that rests or waits: its last event, its place, its slot."""
    status = execution_event.ORDER_STATUS_CANCELLED
    if execution_type == execution_event.EXECUTION_TYPE_EXPIRED:
        status = execution_event.ORDER_STATUS_EXPIRED
    write_end(engine, slot, execution_type, status, why, is_own)
    take_out(engine, slot)


@inline
def take_out(engine: int, slot: int) -> None:
    """Take an order whose end was told out of where it stands."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_PARKED):
        unpark(engine, slot)
    else:
        shown = shown_units(engine, slot)
        level = leave_ladder(engine, slot)
        if not has_flag(order, FLAG_HIDDEN):
            write_book(engine, slot, book_event.BOOK_ACTION_REMOVE, shown, level, 0)
        close_if_empty(engine, slot, level)
    drop_order(engine, slot, True)


@inline
def drop_order(engine: int, slot: int, has_place: bool) -> None:
    """Forget an order that has ended; an entry that ends early tells its exits."""
    order = order_at(engine, slot)
    account_id = load_i32(order + at.ORDER_ACCOUNT_ID) + 0
    filled_units = load_i64(order + at.ORDER_QUANTITY_UNITS) - load_i64(
        order + at.ORDER_LEAVES_UNITS
    )
    role = 0
    group_id = 0
    if has_flag(order, FLAG_GROUPED):
        role = role_of(engine, slot)
        group_id = load_i64(terms_at(engine, slot) + at.TERMS_GROUP_ID)
    if has_place:
        forget_order(engine, slot)
    else:
        retire_order(engine, slot)
    if role == ROLE_ENTRY:
        entry_ended(engine, account_id, group_id, filled_units)


@inline
def group_traded(engine: int, role: int, account_id: int, group_id: int, slot: int) -> None:
    """A trade of one order cancels the others of its group; a filled entry wakes its exits.

    ``slot`` is the order that traded, or 0 if it is gone; the taker at work is never cancelled.
    """
    is_filled = slot == 0
    member = next_member(engine, account_id, group_id, 0)
    while member != 0:
        order_id = load_i64(order_at(engine, member) + at.ORDER_ORDER_ID)
        if role == ROLE_ENTRY:
            if is_filled and role_of(engine, member) == ROLE_EXIT:
                wake(engine, member)
        elif role != ROLE_ENTRY and (
            member != slot and member != load_i64(engine + at.HEADER_TAKER)
        ):
            end_order(
                engine,
                member,
                execution_event.EXECUTION_TYPE_CANCELLED,
                reason.REASON_CANCELLED_BY_GROUP,
                False,
            )
        member = next_member(engine, account_id, group_id, order_id)


@inline
def reduce_order(engine: int, slot: int, quantity_units: int) -> None:
    """Make a resting or waiting order smaller; its place stays."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_PARKED):
        take_off(engine, slot, quantity_units)
        return
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    unseen = unseen_units(engine, slot)
    take_off(engine, slot, quantity_units)
    recount_level(engine, slot, leaves_units, unseen)


@inline
def write_shown(engine: int, slot: int, action: int) -> None:
    """Write a book event of a displayed order with what it shows; nothing for another."""
    order = order_at(engine, slot)
    if not has_flag(order, FLAG_HIDDEN | FLAG_PARKED):
        level = load_i32(order + at.ORDER_LEVEL) + 0
        write_book(engine, slot, action, shown_units(engine, slot), level, 0)
