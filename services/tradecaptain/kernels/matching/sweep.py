"""Mass cancels and status reports: a walk over resting orders in a fixed order, in bounded steps.

Each order's events stand alone, so each is flagged as last; where an account asked, the flag of the
execution events is kept for the closing answer.

The walk goes by instrument, buys before sells, best price first, then by time, then the orders that
wait outside of the ladder; so what it does follows from the book alone. A second walk takes the
orders of groups, whose end changes others. Nothing else may happen to the engine until it is done.

Where the caller has given a table for it, a cancel first tells of all ends, thousands of orders at
a time, and takes them out of the book after that: no order can trade any more once the sweep has
begun, and who waits to hear so hears it several times sooner. In the steps that take orders out,
the event of each is written once more, the same in every byte, for who keeps events.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    load_i32,
    load_i64,
    load_u8,
    load_u32,
    prefetch_write,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.entry import end_resting, take_out_resting
from tradecaptain.kernels.matching.events import (
    mark_last_book,
    mark_last_execution,
    repeat_end,
    write_end,
    write_execution,
    write_mass_cancel_done,
)
from tradecaptain.kernels.matching.finish import finish_step, note_all_books
from tradecaptain.kernels.matching.identity import order_bucket
from tradecaptain.kernels.matching.layout import (
    FLAG_GROUPED,
    MORE,
    PHASE_MASS_CANCEL,
    TOLD_BYTES,
)
from tradecaptain.kernels.matching.records import LINE_BYTES
from tradecaptain.kernels.matching.tables import level_at, order_at, party_at
from tradecaptain.kernels.matching.terms import flags_of, has_flag, order_side
from tradecaptain.kernels.matching.waiting import end_special
from tradecaptain.kernels.matching.walk import PARKED, first_order, following_order
from tradecaptain.kernels.matching.walk_ahead import ask_for, begin_looking, look_ahead
from tradecaptain.wire import execution_event

VISITS_A_STEP = 16
ORDERS_AHEAD = 4
EVENTS_AHEAD = 12
"""How far before it is written memory is asked for an event's place: others have just read it."""

STAGE_FIRST = 0
STAGE_ENDING = 1
STAGE_GROUPED = 2
"""Stages of a mass cancel: the first walk; orders whose end was told leave; those of groups."""


@inline
def in_scope(engine: int, slot: int) -> bool:
    """Whether an order passes the filters of the walk; a filter of zero lets all pass."""
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    account_id = load_i64(engine + at.HEADER_FILTER_ACCOUNT_ID)
    firm_id = load_i64(engine + at.HEADER_FILTER_FIRM_ID)
    strategy_id = load_i64(engine + at.HEADER_FILTER_STRATEGY_ID)
    session_id = load_i64(engine + at.HEADER_FILTER_SESSION_ID)
    only_side = load_i64(engine + at.HEADER_FILTER_SIDE)
    accounts = load_i64(engine + at.HEADER_FILTER_ACCOUNTS)
    return (
        (only_side == 0 or only_side == order_side(order))
        and (account_id == 0 or account_id == load_i32(order + at.ORDER_ACCOUNT_ID))
        and (accounts == 0 or load_u8(accounts + load_i32(order + at.ORDER_ACCOUNT_ID)) != 0)
        and (firm_id == 0 or firm_id == load_u32(party + at.PARTY_FIRM_ID))
        and (strategy_id == 0 or strategy_id == load_u32(party + at.PARTY_STRATEGY_ID))
        and (session_id == 0 or session_id == load_u32(party + at.PARTY_SESSION_ID))
    )


@inline
def report_order(engine: int, slot: int) -> None:
    """Tell how a resting order stands."""
    order = order_at(engine, slot)
    is_untouched = load_i64(order + at.ORDER_LEAVES_UNITS) == load_i64(
        order + at.ORDER_QUANTITY_UNITS
    )
    status = (
        execution_event.ORDER_STATUS_WORKING
        if is_untouched
        else execution_event.ORDER_STATUS_PARTIALLY_FILLED
    )
    write_execution(engine, slot, execution_event.EXECUTION_TYPE_ORDER_STATUS, status, False)


@inline
def is_own(engine: int) -> bool:
    """Whether the orders' own account asked for the sweep."""
    return load_i64(engine + at.HEADER_ANSWERS_ACCOUNT_ID) != 0


@inline
def close_events(engine: int) -> None:
    """Flag an order's events as the last ones, as far as no answer comes after them."""
    mark_last_book(engine)
    if not is_own(engine):
        mark_last_execution(engine)


@inline
def end_now(engine: int, slot: int) -> None:
    """Cancel an order: its event, its place in the book."""
    why = load_i64(engine + at.HEADER_FILTER_REASON)
    if flags_of(order_at(engine, slot)) != 0:
        end_special(engine, slot, why, 1 if is_own(engine) else 0, 0)
    else:
        end_resting(engine, slot, why, is_own(engine))
    close_events(engine)


@inline
def told_at(engine: int, index: int) -> int:
    """Record of an order whose end was told."""
    return load_i64(engine + at.HEADER_TOLD_TABLE) + index * TOLD_BYTES


@inline
def told_slot(engine: int, index: int) -> int:
    """Slot of an order whose end was told."""
    return load_i64(told_at(engine, index) + at.TOLD_SLOT)


@inline
def ask_for_event(engine: int) -> None:
    """Ask memory for where an event some way ahead will be written."""
    stride = load_i64(engine + at.HEADER_EXECUTION_STRIDE)
    count = load_i64(engine + at.HEADER_EXECUTION_COUNT) + EVENTS_AHEAD
    event = load_i64(engine + at.HEADER_EXECUTION_ADDRESS) + count * stride
    for offset in range(0, stride, LINE_BYTES):
        prefetch_write(event + offset)


@inline
def tell_end(engine: int, slot: int) -> None:
    """Tell that an order is cancelled, and note it; it leaves the book later."""
    ask_for_event(engine)
    event = write_end(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_CANCELLED,
        execution_event.ORDER_STATUS_CANCELLED,
        load_i64(engine + at.HEADER_FILTER_REASON),
        is_own(engine),
    )
    if not is_own(engine):
        mark_last_execution(engine)
    count = load_i64(engine + at.HEADER_TOLD_COUNT)
    if count == 0:
        store_i64(engine + at.HEADER_TOLD_SEQUENCE, execution_event.get_sequence(event))
    told = told_at(engine, count)
    store_i64(told + at.TOLD_SLOT, slot)
    store_i64(told + at.TOLD_ACCOUNT_SEQUENCE, execution_event.get_account_sequence(event))
    store_i64(engine + at.HEADER_TOLD_COUNT, count + 1)


@inline
def take_out_told(engine: int, index: int) -> None:
    """Take an order whose end was told out of the book, and write its event once more."""
    slot = told_slot(engine, index)
    why = load_i64(engine + at.HEADER_FILTER_REASON)
    sequence = load_i64(engine + at.HEADER_TOLD_SEQUENCE) + index
    account_sequence = load_i64(told_at(engine, index) + at.TOLD_ACCOUNT_SEQUENCE)
    repeat_end(engine, slot, sequence, account_sequence, why, is_own(engine))
    if flags_of(order_at(engine, slot)) != 0:
        end_special(engine, slot, why, 0, 1)
    else:
        take_out_resting(engine, slot)
    close_events(engine)


@inline
def visit_order(engine: int, slot: int) -> int:
    """Cancel an order, or report it; returns how many events of each kind it took at most."""
    if not in_scope(engine, slot):
        return 0
    counter = engine + at.HEADER_AFFECTED_COUNT
    if load_i64(engine + at.HEADER_PHASE) != PHASE_MASS_CANCEL:
        store_i64(counter, load_i64(counter) + 1)
        report_order(engine, slot)
        if not is_own(engine):
            mark_last_execution(engine)
        return 1
    is_first = load_i64(engine + at.HEADER_SWEEP_STAGE) == STAGE_FIRST
    if is_first and has_flag(order_at(engine, slot), FLAG_GROUPED):
        passed_over = load_i64(engine + at.HEADER_PASSED_OVER)
        store_i64(engine + at.HEADER_PASSED_OVER, passed_over + 1)
        return 0
    store_i64(counter, load_i64(counter) + 1)
    if is_first and load_i64(engine + at.HEADER_TOLD_TABLE) != 0:
        tell_end(engine, slot)
    else:
        end_now(engine, slot)
    return 1


@inline
def enter_next_part(engine: int) -> bool:
    """Move the cursor to the first order of the next part of a book: buys, sells, those that wait.

    False when there is no further part.
    """
    only_book = load_i64(engine + at.HEADER_FILTER_BOOK)
    book = load_i64(engine + at.HEADER_CURSOR_BOOK)
    part = load_i64(engine + at.HEADER_CURSOR_SIDE) + 1
    if part > PARKED:
        part = 1
        book += 1
    if book > load_i64(engine + at.HEADER_INSTRUMENT_COUNT) or (
        only_book != 0 and book != only_book
    ):
        return False
    store_i64(engine + at.HEADER_CURSOR_BOOK, book)
    store_i64(engine + at.HEADER_CURSOR_SIDE, part)
    store_i64(engine + at.HEADER_CURSOR_ORDER, first_order(engine, book, part))
    return True


@inline
def ask_for_place(engine: int, slot: int) -> None:
    """Ask for an order's level and for where it is found by its id, which its end changes."""
    order = order_at(engine, slot)
    prefetch_write(level_at(engine, load_i32(order + at.ORDER_LEVEL) + 0))
    prefetch_write(order_bucket(engine, load_i64(order + at.ORDER_ORDER_ID)))


@inline
def is_table_full(engine: int) -> bool:
    """Whether no further end can be told before orders leave."""
    count = load_i64(engine + at.HEADER_TOLD_COUNT)
    return count != 0 and count == load_i64(engine + at.HEADER_TOLD_CAPACITY)


@inline
def walk_step(engine: int) -> int:
    """Walk on, at most ``step_limit`` events and a bounded number of visits.

    A large book lies all over memory: with each order the walk looks ahead by one.
    """
    remaining_events = load_i64(engine + at.HEADER_STEP_LIMIT)
    remaining_visits = remaining_events * VISITS_A_STEP
    while remaining_events > 0 and remaining_visits > 0:
        slot = load_i64(engine + at.HEADER_CURSOR_ORDER)
        if is_table_full(engine):
            store_i64(engine + at.HEADER_SWEEP_STAGE, STAGE_ENDING)
            return MORE
        if slot == 0:
            if not enter_next_part(engine):
                return end_walk(engine)
        else:
            following = following_order(engine, slot)
            store_i64(engine + at.HEADER_CURSOR_ORDER, following)
            ask_for(engine, following)
            look_ahead(engine)
            remaining_events -= visit_order(engine, slot)
        remaining_visits -= 1
    return MORE


@inline
def ending_step(engine: int) -> int:
    """Take the next orders whose end was told out of the book, at most ``step_limit``."""
    first, count = load_i64(engine + at.HEADER_ENDED_COUNT), load_i64(engine + at.HEADER_TOLD_COUNT)
    behind = min(first + load_i64(engine + at.HEADER_STEP_LIMIT), count)
    for index in range(first, behind):
        ask_for(engine, told_slot(engine, min(index + 2 * ORDERS_AHEAD, count - 1)))
        ask_for_place(engine, told_slot(engine, min(index + ORDERS_AHEAD, count - 1)))
        take_out_told(engine, index)
    store_i64(engine + at.HEADER_ENDED_COUNT, behind)
    if behind == count:
        store_i64(engine + at.HEADER_TOLD_COUNT, 0)
        store_i64(engine + at.HEADER_ENDED_COUNT, 0)
        store_i64(engine + at.HEADER_SWEEP_STAGE, STAGE_FIRST)
    return MORE


@inline
def sweep_step(engine: int) -> int:
    """Go on with a sweep, one bounded step."""
    if load_i64(engine + at.HEADER_SWEEP_STAGE) == STAGE_ENDING:
        return ending_step(engine)
    return walk_step(engine)


@inline
def is_ending(engine: int) -> bool:
    """Whether the next step takes orders out whose end was told: no execution of it is news."""
    return (
        load_i64(engine + at.HEADER_PHASE) == PHASE_MASS_CANCEL
        and load_i64(engine + at.HEADER_SWEEP_STAGE) == STAGE_ENDING
    )


@inline
def begin_walk(engine: int, stage: int) -> None:
    """Set the walk to its beginning."""
    only_book = load_i64(engine + at.HEADER_FILTER_BOOK)
    store_i64(engine + at.HEADER_SWEEP_STAGE, stage)
    store_i64(engine + at.HEADER_PASSED_OVER, 0)
    first_book = only_book if only_book != 0 else 1
    store_i64(engine + at.HEADER_CURSOR_BOOK, first_book)
    store_i64(engine + at.HEADER_CURSOR_SIDE, 0)
    store_i64(engine + at.HEADER_CURSOR_ORDER, 0)
    begin_looking(engine, first_book)


@inline
def end_walk(engine: int) -> int:
    """The walk has come to its end: what was told leaves, then orders of groups have their turn."""
    if load_i64(engine + at.HEADER_TOLD_COUNT) != 0:
        store_i64(engine + at.HEADER_SWEEP_STAGE, STAGE_ENDING)
        return MORE
    if load_i64(engine + at.HEADER_PASSED_OVER) != 0:
        begin_walk(engine, STAGE_GROUPED)
        return MORE
    return finish_sweep(engine)


@inline
def finish_sweep(engine: int) -> int:
    """Answer the account that asked for the mass cancel, if one did."""
    account_id = load_i64(engine + at.HEADER_ANSWERS_ACCOUNT_ID)
    if account_id != 0:
        write_mass_cancel_done(engine, account_id)
    note_all_books(engine)
    store_i64(engine + at.HEADER_CURSOR_ORDER, 0)
    return finish_step(engine)


@inline
def begin_sweep(engine: int, phase: int, why: int) -> int:
    """Start a walk whose filters are set."""
    store_i64(engine + at.HEADER_PHASE, phase)
    store_i64(engine + at.HEADER_FILTER_REASON, why)
    store_i64(engine + at.HEADER_AFFECTED_COUNT, 0)
    begin_walk(engine, STAGE_FIRST)
    return walk_step(engine)


@inline
def sweep_one(engine: int, slot: int, why: int) -> int:
    """Cancel one order as a sweep would, however large the book is; the filters are clear."""
    store_i64(engine + at.HEADER_PHASE, PHASE_MASS_CANCEL)
    store_i64(engine + at.HEADER_FILTER_REASON, why)
    store_i64(engine + at.HEADER_AFFECTED_COUNT, 1)
    end_now(engine, slot)
    return finish_sweep(engine)


@inline
def clear_filters(engine: int) -> None:
    """Let every order pass."""
    store_i64(engine + at.HEADER_FILTER_FIRM_ID, 0)
    store_i64(engine + at.HEADER_FILTER_ACCOUNT_ID, 0)
    store_i64(engine + at.HEADER_FILTER_STRATEGY_ID, 0)
    store_i64(engine + at.HEADER_FILTER_SESSION_ID, 0)
    store_i64(engine + at.HEADER_FILTER_BOOK, 0)
    store_i64(engine + at.HEADER_FILTER_SIDE, 0)
    store_i64(engine + at.HEADER_FILTER_ACCOUNTS, 0)
    store_i64(engine + at.HEADER_ANSWERS_ACCOUNT_ID, 0)
