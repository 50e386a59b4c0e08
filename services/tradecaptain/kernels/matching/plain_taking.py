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
from tradecaptain.kernels.matching.apart import apart, apart_of_nine
from tradecaptain.kernels.matching.identity import leave_order_id, order_bucket
from tradecaptain.kernels.matching.layout import DONE, INT64_MAXIMUM, MORE
from tradecaptain.kernels.matching.levels import (
    best_level,
    count_in_level,
    enter_level_of,
    leave_head,
    level_head,
    level_reduce,
    meets_side,
    open_page,
    order_behind,
    page_of_price,
    set_order_ahead,
)
from tradecaptain.kernels.matching.match import end_maker, leave_under_way
from tradecaptain.kernels.matching.plain_form import Form
from tradecaptain.kernels.matching.plain_records import (
    accept_plain,
    close_level,
    fill_plain_order,
    record_plain,
)
from tradecaptain.kernels.matching.plain_rules import (
    IS_LASTING,
    NOT_PLAIN,
    can_have_id,
    can_rest,
    is_plain_account,
    next_order_id,
)
from tradecaptain.kernels.matching.tables import (
    book_at,
    book_index,
    give_order,
    has_free_level,
    index_of_book,
    level_at,
    order_at,
    side_of_book,
    take_order,
)
from tradecaptain.wire import common, order_command

UNDER_WAY = -1
"""In place of an open quantity: the order goes on to trade with the next step."""


@inline
def can_be_taker(kind: int) -> bool:
    """Whether a new order of a kind may trade at once without further ado: all but fill or kill,
    and what isn't allowed for a market order."""
    return kind & IS_LASTING == 0 or ((kind >> 49) | (kind >> 32)) & 1 == 0


@apart
def end_other_maker(engine: int, side_book: int, level: int, maker: int) -> int:
    """Drop the first order of a level, which was filled, where more than its id names it."""
    leave_head(engine, level, maker)
    store_i64(order_at(engine, maker) + at.ORDER_LEAVES_UNITS, 0)
    end_maker(engine, side_book, level, maker)
    return 0


@apart
def end_plain_maker(engine: int, side_book: int, level: int, maker: int) -> int:
    """Drop the first order of a level, which was filled; the level too if it was alone."""
    order = order_at(engine, maker)
    account_id = load_i32(order + at.ORDER_ACCOUNT_ID) + 0
    if load_u16(order + at.ORDER_FLAGS) != 0 or not is_plain_account(engine, account_id):
        return end_other_maker(engine, side_book, level, maker)
    address = level_at(engine, level)
    following = order_behind(engine, maker)
    leave_order_id(engine, maker)
    give_order(engine, maker)
    if following == 0:
        return close_level(engine, side_book, level, 0)
    store_i32(address + at.LEVEL_FIRST, following)
    set_order_ahead(engine, following, 0)
    count_in_level(address, -1, -load_i64(order + at.ORDER_LEAVES_UNITS))
    return 0


@inline
def note_trades(form: Form, engine: int, book: int, count: int) -> None:
    """Count trades of a book (by its address), the last of which has left its price there."""
    match_number = load_i64(engine + at.HEADER_LAST_MATCH_NUMBER) + count
    store_i64(engine + at.HEADER_LAST_MATCH_NUMBER, match_number)
    store_i64(book + at.BOOK_HAS_LAST, 1)
    store_i64(book + at.BOOK_TRADE_COUNT, load_i64(book + at.BOOK_TRADE_COUNT) + count)
    form.count_trades(book, count)


@inline
def leave_taker(
    form: Form,
    engine: int,
    command: int,
    book: int,
    order_id: int,
    limit_units: int,
    leaves_units: int,
) -> int:
    """Give an order for a book (by its address) a slot that has more trades to come than one step
    may bring."""
    slot = take_order(engine)
    side = order_command.get_side(command)
    fill_plain_order(engine, slot, command, index_of_book(book), side, order_id, leaves_units)
    form.name_taker(engine, slot, command)
    if order_command.get_order_type(command) != common.ORDER_TYPE_LIMIT:
        store_i64(order_at(engine, slot) + at.ORDER_PRICE_UNITS, 0)
    store_i32(order_at(engine, slot) + at.ORDER_LEVEL, 0)
    # What has met its limit finds no order of its own side there.
    store_i64(engine + at.HEADER_FOUND_LEVEL, 0)
    leave_under_way(engine, slot, limit_units)
    return UNDER_WAY


@inline
def match_new(
    form: Form,
    engine: int,
    command: int,
    book: int,
    side: int,
    other_side: int,
    order_id: int,
    limit_units: int,
    leaves_units: int,
) -> int:
    """Trade a new order up to a limit as `match_step` does, but without a slot, with the other side
    (by its address) of a book (by its address); returns what is left of it, or UNDER_WAY."""
    step_limit = load_constant_i64(engine + at.HEADER_STEP_LIMIT)
    trade_count = 0
    while leaves_units > 0 and meets_side(side, limit_units, other_side):
        if trade_count == step_limit:
            note_trades(form, engine, book, trade_count)
            return leave_taker(form, engine, command, book, order_id, limit_units, leaves_units)
        level = best_level(other_side)
        price_units = load_i64(other_side + at.SIDE_BOOK_BEST_UNITS)
        maker = level_head(engine, level)
        order = order_at(engine, maker)
        maker_units = load_i64(order + at.ORDER_LEAVES_UNITS)
        trade_count += 1
        store_i64(book + at.BOOK_LAST_PRICE_UNITS, price_units)
        if leaves_units < maker_units:
            form.traded(
                engine, command, side, order_id, maker, price_units, leaves_units, 0, trade_count
            )
            level_reduce(engine, level, leaves_units)
            store_i64(order + at.ORDER_LEAVES_UNITS, maker_units - leaves_units)
            leaves_units = 0
            break
        leaves_units -= maker_units
        form.traded(
            engine,
            command,
            side,
            order_id,
            maker,
            price_units,
            maker_units,
            leaves_units,
            trade_count,
        )
        end_plain_maker(engine, other_side, level, maker)
    if trade_count != 0:
        note_trades(form, engine, book, trade_count)
    return leaves_units


@apart
def rest_taker(form: Form, engine: int, command: int, order_id: int, leaves_units: int) -> int:
    """Let a new order rest that has met its limit, and so finds no order of its own side there."""
    book = book_at(engine, book_index(engine, order_command.get_instrument_id(command)))
    side = order_command.get_side(command)
    price_units = order_command.get_price_units(command)
    side_book = side_of_book(book, side)
    page = page_of_price(engine, side_book, price_units)
    if page == 0:
        page = open_page(engine, side_book, side, price_units)
    bucket = order_bucket(engine, order_id)
    slot = record_plain(form, engine, command, book, side, order_id, bucket, leaves_units, 0)
    enter_level_of(engine, side_book, page, price_units, slot, leaves_units)
    form.end_taking(engine)
    return DONE


@apart_of_nine
def take_plain(
    form: Form,
    engine: int,
    command: int,
    kind: int,
    book: int,
    side: int,
    price_units: int,
    other_side: int,
    _eighth: int,
    _ninth: int,
) -> int:
    """Enter a new order of a kind that meets the other side of a book, or may not rest; both by
    their addresses."""
    order_id = next_order_id(engine, command)
    if not can_be_taker(kind) or not can_have_id(engine, order_id) or not has_free_level(engine):
        return NOT_PLAIN
    refusal = form.may_enter(engine, command)
    if refusal != 0:
        return NOT_PLAIN - refusal
    form.note_command(engine, command)
    quantity_units = order_command.get_quantity_units(command)
    report = accept_plain(form, engine, command, order_id, side, quantity_units, 0)
    # Without branches: nobody foresees which takers are market orders.
    is_priced = (kind >> 32 & 1) - 1
    price_units &= is_priced
    store_i64(report + form.AT_PRICE_UNITS, price_units)
    limit_units = price_units | ((INT64_MAXIMUM ^ (1 - side)) & ~is_priced)
    leaves_units = match_new(
        form, engine, command, book, side, other_side, order_id, limit_units, quantity_units
    )
    if leaves_units == UNDER_WAY:
        return MORE
    if leaves_units != 0:
        if can_rest(kind):
            return rest_taker(form, engine, command, order_id, leaves_units)
        form.expired(engine, command, order_id, side, price_units, quantity_units, leaves_units)
    form.end_taking(engine)
    return DONE
