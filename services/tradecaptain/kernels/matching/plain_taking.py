"""The short way for orders that meet the other side of their book at once, or may not rest."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    load_constant_i64,
    load_i32,
    load_i64,
    load_u16,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.identity import leave_order_id, order_bucket
from tradecaptain.kernels.matching.layout import DONE, INT64_MAXIMUM, MORE
from tradecaptain.kernels.matching.levels import (
    best_level,
    enter_level_of,
    leave_head,
    level_head,
    level_reduce,
    meets_side,
    open_page,
    opposite,
    order_behind,
    page_of_price,
    set_order_ahead,
)
from tradecaptain.kernels.matching.match import end_maker, leave_under_way
from tradecaptain.kernels.matching.plain_records import (
    EXPIRED,
    accept_plain,
    close_level,
    fill_plain_order,
    newest_order_id,
    order_price,
    record_plain,
    write_party,
)
from tradecaptain.kernels.matching.plain_rules import (
    NOT_PLAIN,
    can_have_id,
    can_rest,
    is_plain_account,
    next_order_id,
)
from tradecaptain.kernels.matching.reports import (
    count_book_events,
    write_report,
    write_trade_report,
)
from tradecaptain.kernels.matching.tables import (
    book_at,
    book_index,
    give_order,
    has_free_level,
    level_at,
    order_at,
    side_of_book,
    take_order,
)
from tradecaptain.wire import common, order_command

UNDER_WAY = -1
"""In place of an open quantity: the order goes on to trade with the next step."""


@inline
def limit_of(command: int) -> int:
    """The price up to which a new order trades."""
    is_limit = 1 if order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT else 0
    is_sell = 1 if order_command.get_side(command) == common.SIDE_SELL else 0
    return order_price(command) | ((INT64_MAXIMUM ^ -is_sell) & (is_limit - 1))


@inline
def can_be_taker(command: int) -> bool:
    """Whether a new order may trade at once without further ado: all but fill or kill, and what
    isn't allowed for a market order."""
    order_type = order_command.get_order_type(command)
    time_in_force = order_command.get_time_in_force(command)
    return time_in_force != common.TIME_IN_FORCE_FILL_OR_KILL and (
        order_type == common.ORDER_TYPE_LIMIT
        or time_in_force != common.TIME_IN_FORCE_GOOD_TILL_CANCEL
    )


@apart
def end_other_maker(engine: int, side_book: int, level: int, maker: int) -> int:
    """Drop the first order of a level, which was filled, where more than its id names it."""
    leave_head(engine, level, maker)
    store_i64(order_at(engine, maker) + at.ORDER_LEAVES_UNITS, 0)
    end_maker(engine, side_book, level, maker)
    return 0


@inline
def end_plain_maker(engine: int, side_book: int, level: int, maker: int) -> None:
    """Drop the first order of a level, which was filled; the level too if it was alone."""
    order = order_at(engine, maker)
    account_id = load_i32(order + at.ORDER_ACCOUNT_ID) + 0
    if load_u16(order + at.ORDER_FLAGS) != 0 or not is_plain_account(engine, account_id):
        end_other_maker(engine, side_book, level, maker)
        return
    address = level_at(engine, level)
    following = order_behind(engine, maker)
    leave_order_id(engine, maker)
    if following == 0:
        close_level(engine, side_book, level, 0)
    else:
        order_count = load_i32(address + at.LEVEL_ORDER_COUNT) - 1
        store_i32(address + at.LEVEL_ORDER_COUNT, order_count)
        store_i32(address + at.LEVEL_FIRST, following)
        set_order_ahead(engine, following, 0)
        level_reduce(engine, level, load_i64(order + at.ORDER_LEAVES_UNITS))
    give_order(engine, maker)


@inline
def note_trades(engine: int, book: int, count: int) -> None:
    """Count trades of a book (by its address), the last of which has left its price there."""
    match_number = load_i64(engine + at.HEADER_LAST_MATCH_NUMBER) + count
    store_i64(engine + at.HEADER_LAST_MATCH_NUMBER, match_number)
    store_i64(book + at.BOOK_HAS_LAST, 1)
    store_i64(book + at.BOOK_TRADE_COUNT, load_i64(book + at.BOOK_TRADE_COUNT) + count)
    count_book_events(book, count)


@inline
def match_new(engine: int, command: int, rest: int, index: int) -> int:
    """Trade the newest order as `match_step` does, but without a slot, in the book of an index;
    returns what is left of it.

    Only if more trades are to come than one step may bring does it get a slot, and UNDER_WAY is
    returned.
    """
    side = order_command.get_side(command)
    limit_units = limit_of(command)
    order_id = newest_order_id(engine, command)
    leaves_units = order_command.get_quantity_units(command)
    sequence = order_command.get_sequence(command)
    book = book_at(engine, index)
    other_side = side_of_book(book, opposite(side))
    step_limit = load_constant_i64(engine + at.HEADER_STEP_LIMIT)
    trade_count = 0
    while leaves_units > 0 and meets_side(side, limit_units, other_side):
        if trade_count == step_limit:
            note_trades(engine, book, trade_count)
            slot = take_order(engine)
            fill_plain_order(engine, slot, command, index, order_id, leaves_units)
            write_party(engine, slot, command, rest)
            store_i64(order_at(engine, slot) + at.ORDER_PRICE_UNITS, order_price(command))
            store_i32(order_at(engine, slot) + at.ORDER_LEVEL, 0)
            # What has met its limit finds no order of its own side there.
            store_i64(engine + at.HEADER_FOUND_LEVEL, 0)
            leave_under_way(engine, slot, limit_units)
            return UNDER_WAY
        level = best_level(other_side)
        price_units = load_i64(other_side + at.SIDE_BOOK_BEST_UNITS)
        maker = level_head(engine, level)
        order = order_at(engine, maker)
        maker_id = load_i64(order + at.ORDER_ORDER_ID)
        maker_units = load_i64(order + at.ORDER_LEAVES_UNITS)
        quantity_units = min(leaves_units, maker_units)
        leaves_units -= quantity_units
        trade_count += 1
        store_i64(book + at.BOOK_LAST_PRICE_UNITS, price_units)
        write_trade_report(
            engine, sequence, side, order_id, maker_id, price_units, quantity_units, leaves_units
        )
        if quantity_units == maker_units:
            end_plain_maker(engine, other_side, level, maker)
        else:
            level_reduce(engine, level, quantity_units)
            store_i64(order + at.ORDER_LEAVES_UNITS, maker_units - quantity_units)
    if trade_count != 0:
        note_trades(engine, book, trade_count)
    return leaves_units


@apart
def rest_taker(engine: int, command: int, rest: int, leaves_units: int) -> int:
    """Let a new order rest that has met its limit, and so finds no order of its own side there."""
    index = book_index(engine, order_command.get_instrument_id(command))
    book = book_at(engine, index)
    side = order_command.get_side(command)
    price_units = order_command.get_price_units(command)
    side_book = side_of_book(book, side)
    page = page_of_price(engine, side_book, price_units)
    if page == 0:
        page = open_page(engine, side_book, side, price_units)
    slot = take_order(engine)
    enter_level_of(engine, side_book, page, price_units, slot, leaves_units)
    order_id = newest_order_id(engine, command)
    bucket = order_bucket(engine, order_id)
    record_plain(engine, command, rest, index, book, order_id, bucket, slot, leaves_units)
    return DONE


@apart
def take_plain(engine: int, command: int, rest: int, book: int) -> int:
    """Enter a new order that meets the other side of a book (by its index) or may not rest."""
    if not can_be_taker(command) or not can_have_id(engine, command) or not has_free_level(engine):
        return NOT_PLAIN
    side = order_command.get_side(command)
    price_units = order_price(command)
    order_id = next_order_id(engine, command)
    accept_plain(engine, command, order_id, side, price_units)
    leaves_units = match_new(engine, command, rest, book)
    if leaves_units == UNDER_WAY:
        return MORE
    if leaves_units != 0:
        if can_rest(command):
            return rest_taker(engine, command, rest, leaves_units)
        quantity_units = order_command.get_quantity_units(command)
        word = EXPIRED | (side << 16)
        sequence = order_command.get_sequence(command)
        write_report(engine, sequence, word, order_id, price_units, quantity_units, leaves_units)
    return DONE
