"""Price-time matching of one order against the other side of its book, in bounded steps.

This is the plain case: nothing in the book and nothing about the order needs more than price and
time. `begin_match` finds out with one test; all else is matched in `special`.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    load_constant_i64,
    load_i16,
    load_i32,
    load_i64,
    load_u16,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.events import (
    write_book,
    write_end,
    write_trade,
)
from tradecaptain.kernels.matching.finish import finish_step, note_book
from tradecaptain.kernels.matching.layout import (
    FLAG_POST_ONLY,
    MORE,
    PHASE_FILL_OR_KILL,
    PHASE_MATCH,
)
from tradecaptain.kernels.matching.levels import (
    best_level,
    crosses,
    join_level,
    leave_head,
    level_reduce,
    opposite,
    order_behind,
    remove_level,
    worse_level,
)
from tradecaptain.kernels.matching.orders import enter_ids, forget_order
from tradecaptain.kernels.matching.special import special_begin
from tradecaptain.kernels.matching.tables import (
    book_at,
    give_order,
    level_at,
    order_at,
    party_at,
    side_at,
)
from tradecaptain.kernels.matching.terms import time_in_force_of
from tradecaptain.wire import book_event, common, execution_event, reason

PLAIN_MASK = 0xFFFF ^ FLAG_POST_ONLY


@inline
def take_units(engine: int, level: int, maker: int, quantity_units: int) -> int:
    """Take a quantity off the order at the head of a level, and count the trade.

    Returns the trade's number. An order that is filled has left its queue; after the reports
    `end_maker` drops it.
    """
    order = order_at(engine, maker)
    address = level_at(engine, level)
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    price_units = load_i64(address + at.LEVEL_PRICE_UNITS)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS) - quantity_units
    match_number = load_i64(engine + at.HEADER_LAST_MATCH_NUMBER) + 1
    trade_count = load_i64(book + at.BOOK_TRADE_COUNT) + 1
    store_i64(engine + at.HEADER_LAST_MATCH_NUMBER, match_number)
    store_i64(book + at.BOOK_LAST_PRICE_UNITS, price_units)
    store_i64(book + at.BOOK_HAS_LAST, 1)
    store_i64(book + at.BOOK_TRADE_COUNT, trade_count)
    if leaves_units == 0:
        leave_head(engine, level, maker)
    else:
        level_reduce(engine, level, quantity_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    return match_number


@inline
def end_maker(engine: int, side_book: int, level: int, maker: int) -> None:
    """Drop an order that was filled, and the level of a side that it was the last one of."""
    if load_i32(level_at(engine, level) + at.LEVEL_ORDER_COUNT) == 0:
        remove_level(engine, side_book, level)
    forget_order(engine, maker)


@inline
def trade_with(engine: int, taker: int, side_book: int, level: int, maker: int) -> int:
    """Trade a taker with the head of a level of a side, at its price; returns the quantity."""
    taker_order = order_at(engine, taker)
    taker_units = load_i64(taker_order + at.ORDER_LEAVES_UNITS)
    maker_units = load_i64(order_at(engine, maker) + at.ORDER_LEAVES_UNITS)
    quantity_units = min(taker_units, maker_units)
    price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    match_number = take_units(engine, level, maker, quantity_units)
    match_id = load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + match_number
    store_i64(taker_order + at.ORDER_LEAVES_UNITS, taker_units - quantity_units)
    write_trade(engine, taker, maker, price_units, quantity_units, match_id)
    write_book(engine, maker, book_event.BOOK_ACTION_TRADE, quantity_units, level, match_id)
    if quantity_units == maker_units:
        end_maker(engine, side_book, level, maker)
    return quantity_units


@inline
def same_group(taker_order: int, maker_order: int) -> bool:
    """Whether two orders (by their addresses) must not trade with each other."""
    group = load_i32(taker_order + at.ORDER_SELF_TRADE_GROUP) + 0
    return group != 0 and group == load_i32(maker_order + at.ORDER_SELF_TRADE_GROUP)


@inline
def expire_taker(engine: int, taker: int, why: int) -> None:
    """End a taker that may not rest, or not go on."""
    write_end(
        engine,
        taker,
        execution_event.EXECUTION_TYPE_EXPIRED,
        execution_event.ORDER_STATUS_EXPIRED,
        why,
        True,
    )
    give_order(engine, taker)


@inline
def rest_or_expire(engine: int, taker: int) -> None:
    """What becomes of a taker that has met all it can."""
    order = order_at(engine, taker)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    party = party_at(engine, taker)
    if leaves_units == 0:
        give_order(engine, taker)
    elif (
        load_u16(party + at.PARTY_ORDER_TYPE) == common.ORDER_TYPE_LIMIT
        and load_u16(party + at.PARTY_TIME_IN_FORCE) <= common.TIME_IN_FORCE_GOOD_TILL_CANCEL
    ):
        enter_ids(engine, taker)
        level = join_level(engine, taker)
        write_book(engine, taker, book_event.BOOK_ACTION_ADD, leaves_units, level, 0)
    else:
        expire_taker(engine, taker, reason.REASON_NO_LIQUIDITY)


@inline
def match_step(engine: int) -> int:
    """Trade the taker at work with at most ``step_limit`` orders, then rest or expire it.

    MORE is answered only if another trade is certain to follow, so that the last event of a command
    is known when it is written.
    """
    taker = load_i64(engine + at.HEADER_TAKER)
    limit_units = load_i64(engine + at.HEADER_CURSOR_UNITS)
    order = order_at(engine, taker)
    side = load_i16(order + at.ORDER_SIDE) + 0
    group = load_i32(order + at.ORDER_SELF_TRADE_GROUP) + 0
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    other_side = side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, opposite(side))
    remaining_steps = load_constant_i64(engine + at.HEADER_STEP_LIMIT)
    while leaves_units > 0:
        level = best_level(other_side)
        address = level_at(engine, level)
        price_units = load_i64(address + at.LEVEL_PRICE_UNITS)
        if level == 0 or not crosses(side, limit_units, price_units):
            break
        maker = load_i32(address + at.LEVEL_FIRST) + 0
        if group != 0 and same_group(order, order_at(engine, maker)):
            expire_taker(engine, taker, reason.REASON_SELF_TRADE_PREVENTED)
            return finish_step(engine)
        if remaining_steps == 0:
            store_i64(engine + at.HEADER_PHASE, PHASE_MATCH)
            return MORE
        leaves_units -= trade_with(engine, taker, other_side, level, maker)
        remaining_steps -= 1
    rest_or_expire(engine, taker)
    return finish_step(engine)


@inline
def fill_or_kill_step(engine: int) -> int:
    """Look at the levels that a fill-or-kill order could take, a bounded number a call.

    ``cursor_level`` is the next level to look at and ``missing_units`` holds the quantity that is
    still missing; orders of the taker's own self-trade group end what it can reach.
    """
    taker = load_i64(engine + at.HEADER_TAKER)
    limit_units = load_i64(engine + at.HEADER_CURSOR_UNITS)
    taker_order = order_at(engine, taker)
    side = load_i16(taker_order + at.ORDER_SIDE) + 0
    is_grouped = load_i32(taker_order + at.ORDER_SELF_TRADE_GROUP) != 0
    missing_units = load_i64(engine + at.HEADER_MISSING_UNITS)
    slot = load_i64(engine + at.HEADER_CURSOR_ORDER)
    level = load_i64(engine + at.HEADER_CURSOR_LEVEL)
    remaining_steps = load_i64(engine + at.HEADER_STEP_LIMIT) * 4
    while missing_units > 0 and level != 0 and remaining_steps > 0:
        address = level_at(engine, level)
        if not crosses(side, limit_units, load_i64(address + at.LEVEL_PRICE_UNITS)):
            level = 0
        elif not is_grouped:
            missing_units -= min(missing_units, load_i64(address + at.LEVEL_QUANTITY_UNITS))
            level = worse_level(engine, level)
        else:
            if slot == 0:
                slot = load_i32(address + at.LEVEL_FIRST) + 0
            order = order_at(engine, slot)
            if same_group(taker_order, order):
                level = 0
            else:
                missing_units -= min(missing_units, load_i64(order + at.ORDER_LEAVES_UNITS))
                slot = order_behind(engine, slot)
                if slot == 0:
                    level = worse_level(engine, level)
        remaining_steps -= 1
    if missing_units == 0:
        return match_step(engine)
    if level == 0:
        expire_taker(engine, taker, reason.REASON_FILL_OR_KILL_UNFILLED)
        return finish_step(engine)
    store_i64(engine + at.HEADER_MISSING_UNITS, missing_units)
    store_i64(engine + at.HEADER_CURSOR_ORDER, slot)
    store_i64(engine + at.HEADER_CURSOR_LEVEL, level)
    store_i64(engine + at.HEADER_PHASE, PHASE_FILL_OR_KILL)
    return MORE


@inline
def leave_under_way(engine: int, taker: int, limit_units: int) -> int:
    """Let `resume_step` go on to match an order that needs no more than price and time."""
    note_book(engine, load_i32(order_at(engine, taker) + at.ORDER_BOOK) + 0)
    store_i64(engine + at.HEADER_TAKER, taker)
    store_i64(engine + at.HEADER_CURSOR_UNITS, limit_units)
    store_i64(engine + at.HEADER_PHASE, PHASE_MATCH)
    return MORE


@inline
def begin_match(engine: int, taker: int, limit_units: int) -> int:
    """Start to match an order that stands in no level, with the limit that it trades up to."""
    store_i64(engine + at.HEADER_TAKER, taker)
    store_i64(engine + at.HEADER_CURSOR_UNITS, limit_units)
    order = order_at(engine, taker)
    flags = load_u16(order + at.ORDER_FLAGS) & PLAIN_MASK
    book = load_i32(order + at.ORDER_BOOK) + 0
    if load_i64(book_at(engine, book) + at.BOOK_SPECIAL) | flags != 0:
        return special_begin(engine, taker)
    note_book(engine, book)
    if time_in_force_of(engine, taker) != common.TIME_IN_FORCE_FILL_OR_KILL:
        return match_step(engine)
    side = load_i16(order + at.ORDER_SIDE) + 0
    other_side = side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, opposite(side))
    store_i64(engine + at.HEADER_MISSING_UNITS, load_i64(order + at.ORDER_LEAVES_UNITS))
    store_i64(engine + at.HEADER_CURSOR_ORDER, 0)
    store_i64(engine + at.HEADER_CURSOR_LEVEL, best_level(other_side))
    return fill_or_kill_step(engine)
