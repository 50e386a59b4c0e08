"""What a command sets off: orders that enter, are elected or move, one at a time, in a fixed order.

First orders whose waiting is over, then conditions that the other side can now meet, then stops,
then pegs. Each is a run of its own with marks of its own.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.auction import indicate
from tradecaptain.kernels.matching.ending import end_order
from tradecaptain.kernels.matching.events import write_book, write_execution
from tradecaptain.kernels.matching.finish import after_work, answer_as_own, finish_step, mark_last
from tradecaptain.kernels.matching.indexes import index_behind
from tradecaptain.kernels.matching.ladder import leave_ladder
from tradecaptain.kernels.matching.layout import (
    DONE,
    FLAG_ASLEEP,
    FLAG_DOOMED,
    FLAG_HIDDEN,
    FLAG_PARKED,
    FLAG_PEGGED,
    FLAG_STOP,
    MORE,
    PHASE_IDLE,
    PHASE_WORK,
)
from tradecaptain.kernels.matching.levels import (
    best_level,
    close_if_empty,
    crosses,
    is_better,
)
from tradecaptain.kernels.matching.makers import may_begin, note_band
from tradecaptain.kernels.matching.meeting import filters
from tradecaptain.kernels.matching.orders import join_pegs, leave_place
from tradecaptain.kernels.matching.parking import unpark
from tradecaptain.kernels.matching.pegs import has_peg_price, next_moved_peg, peg_price
from tradecaptain.kernels.matching.special import (
    enter_waiting,
    is_auction,
    special_begin,
    special_step,
)
from tradecaptain.kernels.matching.tables import book_at, level_at, order_at, side_at
from tradecaptain.kernels.matching.terms import (
    has_flag,
    order_book,
    order_side,
    order_type_of,
    shown_units,
    time_in_force_of,
    working_status,
)
from tradecaptain.kernels.matching.triggers import is_elected, next_elected, trail_unarmed
from tradecaptain.kernels.matching.uncrossing import uncross_filtered
from tradecaptain.wire import book_event, common, execution_event, reason


@inline
def has_to_wait(engine: int, slot: int) -> bool:
    """Whether an order that is awake has to wait outside of the ladder."""
    order = order_at(engine, slot)
    book = order_book(engine, slot)
    phase = load_i64(book + at.BOOK_PHASE)
    if has_flag(order, FLAG_STOP):
        return is_auction(book) or not is_elected(engine, slot)
    time_in_force = time_in_force_of(engine, slot)
    if (
        time_in_force == common.TIME_IN_FORCE_AT_OPEN
        and phase != common.TRADING_PHASE_OPENING_AUCTION
    ):
        return True
    if (
        time_in_force == common.TIME_IN_FORCE_AT_CLOSE
        and phase != common.TRADING_PHASE_CLOSING_AUCTION
    ):
        return True
    if order_type_of(engine, slot) == common.ORDER_TYPE_MARKET and is_auction(book):
        return True
    return has_flag(order, FLAG_PEGGED) and not has_peg_price(engine, slot)


@inline
def enter_order(engine: int, slot: int) -> int:
    """Let an order that stands nowhere wait, rest in an auction, or match."""
    if has_flag(order_at(engine, slot), FLAG_ASLEEP) or has_to_wait(engine, slot):
        enter_waiting(engine, slot)
        return finish_step(engine)
    return special_begin(engine, slot)


@inline
def write_triggered(engine: int, slot: int, is_own: bool) -> None:
    """Tell that an order's waiting is over."""
    write_execution(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_TRIGGERED,
        working_status(order_at(engine, slot)),
        is_own,
    )


@inline
def set_peg_price(engine: int, slot: int) -> None:
    """Give a pegged order the price that it follows; zero without one."""
    price_units = peg_price(engine, slot) if has_peg_price(engine, slot) else 0
    store_i64(order_at(engine, slot) + at.ORDER_PRICE_UNITS, price_units)


@inline
def first_ready(engine: int, book: int) -> int:
    """The oldest waiting order of a book (by its address) whose waiting is over, or 0."""
    return load_i32(book + at.BOOK_READY_ORDERS) + 0


@inline
def enter_ready(engine: int, slot: int) -> int:
    """Let an order whose waiting is over enter its book, or end it with its group."""
    order = order_at(engine, slot)
    answer_as_own(engine, slot)
    if has_flag(order, FLAG_DOOMED):
        end_order(
            engine,
            slot,
            execution_event.EXECUTION_TYPE_CANCELLED,
            reason.REASON_CANCELLED_BY_GROUP,
            False,
        )
        return finish_step(engine)
    unpark(engine, slot)
    leave_place(engine, slot)
    if has_flag(order, FLAG_PEGGED):
        join_pegs(engine, slot)
        set_peg_price(engine, slot)
    trail_unarmed(engine, slot)
    if not has_to_wait(engine, slot):
        write_triggered(engine, slot, False)
    return enter_order(engine, slot)


@inline
def goes_ahead(engine: int, slot: int, other: int) -> bool:
    """Whether an order trades before another of its side that rests for longer."""
    order = order_at(engine, slot)
    other_order = order_at(engine, other)
    price_units = load_i64(order + at.ORDER_PRICE_UNITS)
    other_units = load_i64(other_order + at.ORDER_PRICE_UNITS)
    if price_units != other_units:
        return is_better(order_side(order), price_units, other_units)
    return has_flag(other_order, FLAG_HIDDEN) and not has_flag(order, FLAG_HIDDEN)


@inline
def next_condition(engine: int, book: int, side: int) -> int:
    """The first resting order of a side whose condition the other side can meet, or 0.

    ``book`` is the book's index. Only orders that set a condition are looked at, in the order in
    which they came to rest.
    """
    facing = best_level(side_at(engine, book, 3 - side))
    if facing == 0:
        return 0
    facing_units = load_i64(level_at(engine, facing) + at.LEVEL_PRICE_UNITS)
    found = 0
    slot = load_i32(book_at(engine, book) + at.BOOK_FIRST_CONDITIONAL) + 0
    while slot != 0:
        order = order_at(engine, slot)
        if (
            order_side(order) == side
            and crosses(side, load_i64(order + at.ORDER_PRICE_UNITS), facing_units)
            and (found == 0 or goes_ahead(engine, slot, found))
            and may_begin(engine, slot)
        ):
            found = slot
        slot = index_behind(engine, slot)
    return found


@inline
def meet_condition(engine: int, slot: int) -> int:
    """Let a resting order trade from its place, now that its condition can be met."""
    answer_as_own(engine, slot)
    store_i64(engine + at.HEADER_TAKER, slot)
    store_i64(engine + at.HEADER_CURSOR_ORDER, 0)
    return special_step(engine)


@inline
def elect_stop(engine: int, slot: int) -> int:
    """Let an elected stop enter the book."""
    answer_as_own(engine, slot)
    unpark(engine, slot)
    leave_place(engine, slot)
    write_triggered(engine, slot, False)
    return special_begin(engine, slot)


@inline
def move_peg(engine: int, slot: int) -> int:
    """Take a pegged order to the price that it follows, or let it wait for one."""
    order = order_at(engine, slot)
    answer_as_own(engine, slot)
    if has_flag(order, FLAG_PARKED):
        unpark(engine, slot)
        leave_place(engine, slot)
        set_peg_price(engine, slot)
        write_triggered(engine, slot, False)
        return special_begin(engine, slot)
    is_known = has_peg_price(engine, slot)
    price_units = peg_price(engine, slot) if is_known else 0
    shown = shown_units(engine, slot)
    level = leave_ladder(engine, slot)
    if not has_flag(order, FLAG_HIDDEN):
        write_book(engine, slot, book_event.BOOK_ACTION_REMOVE, shown, level, 0)
    close_if_empty(engine, slot, level)
    leave_place(engine, slot)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    write_execution(
        engine, slot, execution_event.EXECUTION_TYPE_RESTATED, working_status(order), False
    )
    if is_known:
        return special_begin(engine, slot)
    enter_waiting(engine, slot)
    return finish_step(engine)


@inline
def work_in_book(engine: int, book: int) -> int:
    """Set off the next order of a book (by its index): MORE, or DONE if none is due."""
    address = book_at(engine, book)
    phase = load_i64(address + at.BOOK_PHASE)
    if phase == common.TRADING_PHASE_CLOSED or phase == common.TRADING_PHASE_HALTED:
        return DONE
    slot = first_ready(engine, address)
    if slot != 0:
        enter_ready(engine, slot)
        return MORE
    if phase != common.TRADING_PHASE_CONTINUOUS:
        return DONE
    if filters(address):
        if uncross_filtered(engine, book) != 0:
            return MORE
    elif load_i32(address + at.BOOK_CONDITIONAL_COUNT) != 0:
        note_band(engine, address)
        for side in range(1, 3):
            slot = next_condition(engine, book, side)
            if slot != 0:
                meet_condition(engine, slot)
                return MORE
    slot = next_elected(engine, address)
    if slot != 0:
        elect_stop(engine, slot)
        return MORE
    slot = next_moved_peg(engine, book)
    if slot != 0:
        move_peg(engine, slot)
        return MORE
    return DONE


@kernel("int64(int64)")
def work_step(engine: int) -> int:
    """Set off the next order that is due; DONE once there is none in the books that changed."""
    store_i64(engine + at.HEADER_PHASE, PHASE_WORK)
    store_i64(engine + at.HEADER_TAKER, 0)
    last = load_i64(engine + at.HEADER_WORK_LAST)
    book = load_i64(engine + at.HEADER_WORK_BOOK)
    while book <= last:
        address = book_at(engine, book)
        if load_i64(address + at.BOOK_WATCH_COUNT) != 0:
            # A run notes its own book; a walk over all books goes on from here.
            store_i64(engine + at.HEADER_WORK_BOOK, book)
            if work_in_book(engine, book) == MORE:
                store_i64(engine + at.HEADER_WORK_BOOK, book)
                store_i64(engine + at.HEADER_WORK_LAST, last)
                if load_i64(engine + at.HEADER_PHASE) == PHASE_IDLE:
                    store_i64(engine + at.HEADER_PHASE, PHASE_WORK)
                return MORE
            if indicate(engine, book):
                mark_last(engine)
                store_i64(engine + at.HEADER_WORK_BOOK, book + 1)
                return MORE
        book += 1
    following = after_work(engine)
    store_i64(engine + at.HEADER_PHASE, following)
    return DONE if following == PHASE_IDLE else MORE
