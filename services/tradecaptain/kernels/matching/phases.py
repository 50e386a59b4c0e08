"""Trading phases: uncrossings, halts, the end of the day, and what is due by the clock."""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.auction import (
    find_auction_price,
    indicate,
    note_indication,
    tell_indication,
    trade_at_auction,
)
from tradecaptain.kernels.matching.ending import end_order
from tradecaptain.kernels.matching.finish import (
    answer_as_own,
    book_of,
    finish_step,
    mark_last,
    note_book,
    work_then,
)
from tradecaptain.kernels.matching.layout import (
    FLAG_ASLEEP,
    FLAG_AUCTION_ONLY,
    FLAG_PARKED,
    FLAG_READY,
    INT64_MAXIMUM,
    MORE,
    PHASE_CLOSE_AUCTION,
    PHASE_END_OF_DAY,
    PHASE_FILTERED,
    PHASE_TIMER,
    PHASE_UNCROSS,
)
from tradecaptain.kernels.matching.levels import order_behind
from tradecaptain.kernels.matching.orders import note_timer
from tradecaptain.kernels.matching.parking import make_ready
from tradecaptain.kernels.matching.special import is_auction, set_phase, steps_left
from tradecaptain.kernels.matching.tables import book_at, order_at, terms_at
from tradecaptain.kernels.matching.terms import has_flag, order_type_of, time_in_force_of
from tradecaptain.kernels.matching.uncrossing import filtered_step
from tradecaptain.kernels.matching.walk import first_in_book, following_in_book
from tradecaptain.wire import common, execution_event, reason

VISITS_A_STEP = 16
"""Orders that a step of a walk may look at, for each trade or cancel that it may bring about."""


@inline
def expire_by_clock(engine: int, slot: int, why: int) -> None:
    """End an order that rests or waits because its time has come."""
    answer_as_own(engine, slot)
    end_order(engine, slot, execution_event.EXECUTION_TYPE_EXPIRED, why, False)
    mark_last(engine)


@inline
def begin_uncross(engine: int, book: int, phase: int, end_ns: int) -> int:
    """Start to uncross an auction; the phase that follows and its end are kept."""
    address = book_at(engine, book)
    store_i64(engine + at.HEADER_FOLLOWING_PHASE, phase)
    store_i64(engine + at.HEADER_FOLLOWING_END_NS, end_ns)
    store_i64(engine + at.HEADER_TAKER, 0)
    note_book(engine, book)
    find_auction_price(engine, book)
    note_indication(address, 0, 0, 0)
    store_i64(address + at.BOOK_INDICATED_NS, 0)
    store_i64(address + at.BOOK_INDICATION_DUE_NS, 0)
    if load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS) != 0:
        tell_indication(engine, address)
    return uncross_step(engine)


@kernel("int64(int64)")
def uncross_step(engine: int) -> int:
    """Trade at the auction's price for a bounded while; MORE until the auction is closed."""
    book = load_i64(engine + at.HEADER_WORK_BOOK)
    if trade_at_auction(engine, book):
        store_i64(engine + at.HEADER_PHASE, PHASE_UNCROSS)
        return MORE
    mark_last(engine)
    address = book_at(engine, book)
    waits = (
        load_i32(address + at.BOOK_AT_OPEN_COUNT)
        + load_i32(address + at.BOOK_AT_CLOSE_COUNT)
        + load_i32(address + at.BOOK_MARKET_COUNT)
    )
    first = first_in_book(engine, book) if waits != 0 else 0
    store_i64(engine + at.HEADER_CURSOR_ORDER, first)
    store_i64(engine + at.HEADER_PHASE, PHASE_CLOSE_AUCTION)
    return MORE


@inline
def was_for_auction(engine: int, slot: int, phase: int) -> bool:
    """Whether an order ends with an auction of this phase; in the ladder, with any auction."""
    if has_flag(order_at(engine, slot), FLAG_ASLEEP | FLAG_READY):
        return False
    if has_flag(order_at(engine, slot), FLAG_AUCTION_ONLY) and not has_flag(
        order_at(engine, slot), FLAG_PARKED
    ):
        return True
    time_in_force = time_in_force_of(engine, slot)
    if time_in_force == common.TIME_IN_FORCE_AT_OPEN:
        return phase == common.TRADING_PHASE_OPENING_AUCTION
    if time_in_force == common.TIME_IN_FORCE_AT_CLOSE:
        return phase == common.TRADING_PHASE_CLOSING_AUCTION
    return order_type_of(engine, slot) == common.ORDER_TYPE_MARKET


@inline
def enter_phase(engine: int, book: int, phase: int, end_ns: int) -> int:
    """Give a book a phase, and begin what belongs to it."""
    address = book_at(engine, book)
    set_phase(engine, address, phase, end_ns)
    mark_last(engine)
    note_book(engine, book)
    if phase == common.TRADING_PHASE_CLOSED:
        store_i64(engine + at.HEADER_CURSOR_ORDER, first_in_book(engine, book))
        store_i64(engine + at.HEADER_PHASE, PHASE_END_OF_DAY)
        return MORE
    wanted = 0
    if phase == common.TRADING_PHASE_OPENING_AUCTION:
        wanted = common.TIME_IN_FORCE_AT_OPEN
    elif phase == common.TRADING_PHASE_CLOSING_AUCTION:
        wanted = common.TIME_IN_FORCE_AT_CLOSE
    slot = load_i32(address + at.BOOK_PARKED_FIRST) + 0
    while wanted != 0 and slot != 0:
        if (
            time_in_force_of(engine, slot) == wanted
            and order_type_of(engine, slot) != common.ORDER_TYPE_MARKET
            and not has_flag(order_at(engine, slot), FLAG_ASLEEP)
        ):
            make_ready(engine, slot)
        slot = order_behind(engine, slot)
    return finish_step(engine)


@inline
def follow_auction(engine: int, book: int) -> int:
    """What comes after an uncrossing: the next batch, or the phase that was asked for."""
    address = book_at(engine, book)
    phase = load_i64(engine + at.HEADER_FOLLOWING_PHASE)
    interval_ns = load_i64(address + at.BOOK_BATCH_INTERVAL_NS)
    if (
        load_i64(address + at.BOOK_ALLOCATION) == common.ALLOCATION_BATCH_AUCTION
        and phase == common.TRADING_PHASE_CONTINUOUS
    ):
        if not is_auction(address):
            end_ns = load_i64(engine + at.HEADER_TIME_NS) + interval_ns
            return enter_phase(engine, book, common.TRADING_PHASE_INTRADAY_AUCTION, end_ns)
        end_ns = load_i64(address + at.BOOK_AUCTION_END_NS) + interval_ns
        late_ns = load_i64(engine + at.HEADER_TIME_NS) - end_ns
        if late_ns >= 0:
            end_ns += (late_ns // interval_ns + 1) * interval_ns
        store_i64(address + at.BOOK_AUCTION_END_NS, end_ns)
        note_timer(engine, end_ns)
        return finish_step(engine)
    return enter_phase(engine, book, phase, load_i64(engine + at.HEADER_FOLLOWING_END_NS))


@kernel("int64(int64)")
def close_auction_step(engine: int) -> int:
    """End what is left of orders that were for the auction alone; then comes the next phase."""
    book = load_i64(engine + at.HEADER_WORK_BOOK)
    phase = load_i64(book_at(engine, book) + at.BOOK_PHASE)
    units = 0
    visits = load_i64(engine + at.HEADER_STEP_LIMIT) * VISITS_A_STEP
    slot = load_i64(engine + at.HEADER_CURSOR_ORDER)
    while slot != 0:
        if visits == 0 or not steps_left(engine, units):
            store_i64(engine + at.HEADER_CURSOR_ORDER, slot)
            return MORE
        visits -= 1
        following = following_in_book(engine, slot)
        if was_for_auction(engine, slot, phase):
            expire_by_clock(engine, slot, reason.REASON_AUCTION_UNFILLED)
            units += 1
        slot = following
    return follow_auction(engine, book)


@kernel("int64(int64)")
def end_of_day_step(engine: int) -> int:
    """End the orders that were for this day, for a bounded while."""
    units = 0
    visits = load_i64(engine + at.HEADER_STEP_LIMIT) * VISITS_A_STEP
    slot = load_i64(engine + at.HEADER_CURSOR_ORDER)
    while slot != 0:
        if visits == 0 or not steps_left(engine, units):
            store_i64(engine + at.HEADER_CURSOR_ORDER, slot)
            return MORE
        visits -= 1
        following = following_in_book(engine, slot)
        time_in_force = time_in_force_of(engine, slot)
        if (
            time_in_force == common.TIME_IN_FORCE_DAY
            or time_in_force == common.TIME_IN_FORCE_AT_OPEN
            or time_in_force == common.TIME_IN_FORCE_AT_CLOSE
        ):
            expire_by_clock(engine, slot, reason.REASON_EXPIRE_TIME_REACHED)
            units += 1
        slot = following
    return finish_step(engine)


@inline
def change_phase(engine: int, book: int, phase: int, end_ns: int) -> int:
    """A phase on command; what ends an auction, or lets trading go on, uncrosses the book first."""
    address = book_at(engine, book)
    resumes = (
        phase == common.TRADING_PHASE_CONTINUOUS
        and load_i64(address + at.BOOK_PHASE) != common.TRADING_PHASE_CONTINUOUS
    )
    if resumes or (is_auction(address) and phase == common.TRADING_PHASE_CLOSED):
        return begin_uncross(engine, book, phase, end_ns)
    return enter_phase(engine, book, phase, end_ns)


@inline
def first_due_auction(engine: int, now_ns: int) -> int:
    """The next book whose auction ends by now, or 0; books before the cursor have had their turn.

    What begins meanwhile ends later.
    """
    count = load_i64(engine + at.HEADER_INSTRUMENT_COUNT)
    book = load_i64(engine + at.HEADER_CURSOR_BOOK)
    while book <= count:
        end_ns = load_i64(book_at(engine, book) + at.BOOK_AUCTION_END_NS)
        if end_ns != 0 and end_ns <= now_ns:
            store_i64(engine + at.HEADER_CURSOR_BOOK, book + 1)
            return book
        book += 1
    store_i64(engine + at.HEADER_CURSOR_BOOK, book)
    return 0


@inline
def first_due_indication(engine: int, now_ns: int) -> int:
    """The next book whose indication was held back until now, or 0.

    Books that have had their turn lie before the cursor, which counts on from the last auction.
    """
    count = load_i64(engine + at.HEADER_INSTRUMENT_COUNT)
    book = load_i64(engine + at.HEADER_CURSOR_BOOK) - count
    while book <= count:
        due_ns = load_i64(book_at(engine, book) + at.BOOK_INDICATION_DUE_NS)
        if due_ns != 0 and due_ns <= now_ns:
            store_i64(engine + at.HEADER_CURSOR_BOOK, count + book + 1)
            return book
        book += 1
    store_i64(engine + at.HEADER_CURSOR_BOOK, count + book)
    return 0


@inline
def find_next_timer(engine: int) -> None:
    """Note when the next thing is due."""
    store_i64(engine + at.HEADER_NEXT_TIMER_NS, INT64_MAXIMUM)
    first = load_i64(engine + at.HEADER_EXPIRIES)
    if first != 0:
        note_timer(engine, load_i64(terms_at(engine, first) + at.TERMS_EXPIRE_TIME_NS))
    for book in range(1, load_i64(engine + at.HEADER_INSTRUMENT_COUNT) + 1):
        end_ns = load_i64(book_at(engine, book) + at.BOOK_AUCTION_END_NS)
        if end_ns != 0:
            note_timer(engine, end_ns)
        due_ns = load_i64(book_at(engine, book) + at.BOOK_INDICATION_DUE_NS)
        if due_ns != 0:
            note_timer(engine, due_ns)


@kernel("int64(int64)")
def timer_step(engine: int) -> int:
    """Carry out the next thing due by the clock: expiries, then ends of auctions, indications."""
    now_ns = load_i64(engine + at.HEADER_TIME_NS)
    slot = load_i64(engine + at.HEADER_EXPIRIES)
    if slot != 0 and load_i64(terms_at(engine, slot) + at.TERMS_EXPIRE_TIME_NS) <= now_ns:
        work_then(engine, PHASE_TIMER)
        note_book(engine, book_of(engine, slot))
        expire_by_clock(engine, slot, reason.REASON_EXPIRE_TIME_REACHED)
        return finish_step(engine)
    book = first_due_auction(engine, now_ns)
    if book != 0:
        work_then(engine, PHASE_TIMER)
        return begin_uncross(engine, book, common.TRADING_PHASE_CONTINUOUS, 0)
    book = first_due_indication(engine, now_ns)
    if book != 0:
        indicate(engine, book)
        mark_last(engine)
        store_i64(engine + at.HEADER_PHASE, PHASE_TIMER)
        return MORE
    find_next_timer(engine)
    return finish_step(engine)


@inline
def begin_timer(engine: int) -> int:
    """Carry out what is due at the stamped time."""
    note_book(engine, 0)
    store_i64(engine + at.HEADER_WORK_LAST, -1)
    store_i64(engine + at.HEADER_CURSOR_BOOK, 1)
    return timer_step(engine)


@inline
def resume_phases(engine: int, phase: int) -> int:
    """Go on with an auction, the end of a day or what is due by the clock."""
    if phase == PHASE_UNCROSS:
        return uncross_step(engine)
    if phase == PHASE_CLOSE_AUCTION:
        return close_auction_step(engine)
    if phase == PHASE_END_OF_DAY:
        return end_of_day_step(engine)
    if phase == PHASE_FILTERED:
        return filtered_step(engine)
    return timer_step(engine)
