"""Mass cancels and status reports: a walk over resting orders in a fixed order, in bounded steps.

Each order's events stand alone, so each is flagged as last; where an account asked, the flag of the
execution events is kept for the closing answer.

The walk goes by instrument, buys before sells, best price first, then by time, then the orders that
wait outside of the ladder; so what it does follows from the book alone. Nothing else may happen to
the engine until it is done.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    load_i32,
    load_i64,
    load_u8,
    load_u32,
    prefetch_read,
    prefetch_write,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.entry import end_resting
from tradecaptain.kernels.matching.events import (
    mark_last_book,
    mark_last_execution,
    write_execution,
    write_mass_cancel_done,
)
from tradecaptain.kernels.matching.finish import finish_step, note_all_books
from tradecaptain.kernels.matching.identity import order_bucket
from tradecaptain.kernels.matching.layout import MORE, PARTY_BYTES, PHASE_MASS_CANCEL
from tradecaptain.kernels.matching.tables import order_at, party_at
from tradecaptain.kernels.matching.terms import flags_of, order_side
from tradecaptain.kernels.matching.waiting import end_special
from tradecaptain.kernels.matching.walk import PARKED, first_order, following_order
from tradecaptain.wire import execution_event

VISITS_A_STEP = 16
ORDERS_AHEAD = 4


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
def visit_order(engine: int, slot: int) -> int:
    """Cancel an order, or report it; returns how many events of each kind it took at most."""
    if not in_scope(engine, slot):
        return 0
    store_i64(engine + at.HEADER_AFFECTED_COUNT, load_i64(engine + at.HEADER_AFFECTED_COUNT) + 1)
    is_own = load_i64(engine + at.HEADER_ANSWERS_ACCOUNT_ID) != 0
    if load_i64(engine + at.HEADER_PHASE) == PHASE_MASS_CANCEL:
        why = load_i64(engine + at.HEADER_FILTER_REASON)
        if flags_of(order_at(engine, slot)) != 0:
            end_special(engine, slot, why, 1 if is_own else 0)
        else:
            end_resting(engine, slot, why, is_own)
        mark_last_book(engine)
    else:
        report_order(engine, slot)
    if not is_own:
        mark_last_execution(engine)
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
def ask_for(engine: int, slot: int) -> None:
    """Ask memory for what a visit of an order reads first; slot 0 is nobody's."""
    party = party_at(engine, slot)
    prefetch_write(order_at(engine, slot))
    prefetch_read(party)
    prefetch_read(party + PARTY_BYTES - 1)


@inline
def walk_ahead(engine: int, slot: int, count: int) -> int:
    """The order ``count`` behind one in the same part of its book, or 0; all are asked for."""
    for _ in range(count):
        if slot == 0:
            return 0
        slot = following_order(engine, slot)
        ask_for(engine, slot)
    return slot


@inline
def ask_for_id(engine: int, slot: int) -> None:
    """Ask for where an order is found by its id, which its end changes."""
    prefetch_write(order_bucket(engine, load_i64(order_at(engine, slot) + at.ORDER_ORDER_ID)))


@inline
def sweep_step(engine: int) -> int:
    """Walk on, at most ``step_limit`` events and a bounded number of visits.

    A large book lies all over memory: orders are asked for some visits before they are made.
    """
    remaining_events = load_i64(engine + at.HEADER_STEP_LIMIT)
    remaining_visits = remaining_events * VISITS_A_STEP
    ahead = walk_ahead(engine, load_i64(engine + at.HEADER_CURSOR_ORDER), ORDERS_AHEAD)
    while remaining_events > 0 and remaining_visits > 0:
        slot = load_i64(engine + at.HEADER_CURSOR_ORDER)
        if slot == 0:
            if not enter_next_part(engine):
                return finish_sweep(engine)
            ahead = walk_ahead(engine, load_i64(engine + at.HEADER_CURSOR_ORDER), ORDERS_AHEAD)
        else:
            following = following_order(engine, slot)
            store_i64(engine + at.HEADER_CURSOR_ORDER, following)
            ask_for_id(engine, following)
            ahead = walk_ahead(engine, ahead, 1)
            remaining_events -= visit_order(engine, slot)
        remaining_visits -= 1
    return MORE


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
    only_book = load_i64(engine + at.HEADER_FILTER_BOOK)
    store_i64(engine + at.HEADER_CURSOR_BOOK, only_book if only_book != 0 else 1)
    store_i64(engine + at.HEADER_CURSOR_SIDE, 0)
    store_i64(engine + at.HEADER_CURSOR_ORDER, 0)
    return sweep_step(engine)


@inline
def sweep_one(engine: int, slot: int, why: int) -> int:
    """Cancel one order as a sweep would, however large the book is; the filters are clear."""
    store_i64(engine + at.HEADER_PHASE, PHASE_MASS_CANCEL)
    store_i64(engine + at.HEADER_FILTER_REASON, why)
    store_i64(engine + at.HEADER_AFFECTED_COUNT, 0)
    visit_order(engine, slot)
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
