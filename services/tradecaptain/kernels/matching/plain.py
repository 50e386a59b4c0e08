"""The short way for what most commands are: plain orders, their cancels and their replaces.

Where a book has nothing but plain orders in continuous trading, all the rules that could refuse or
divert a command are looked at together. What passes does to the book just what the general way does
(`entry`), which takes everything else. Both are run against each other in the tests.

Who judges an order before it enters, and what is told of it, is up to the form (`plain_form`).

A command comes in two parts: what most commands say, and a record that says the rest of it for
itself or for all commands of a run (`engine.submit_compact`). Each function leaves the other
actions' registers alone (`apart`).
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    load_i16,
    load_i32,
    load_i64,
    load_u16,
    load_u32,
    store_i64,
    store_u32,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart, apart_of_nine
from tradecaptain.kernels.matching.identity import (
    find_order_id,
    linked_slot,
    order_bucket,
)
from tradecaptain.kernels.matching.layout import DONE
from tradecaptain.kernels.matching.levels import (
    enter_level_of,
    leave_level,
    leave_queue,
    level_in_page,
    level_reduce,
    open_page,
    opposite,
    page_of_price,
    queue_behind,
    reaches_side,
)
from tradecaptain.kernels.matching.plain_form import Form
from tradecaptain.kernels.matching.plain_records import accept_plain, close_level, record_plain
from tradecaptain.kernels.matching.plain_rules import (
    FIRST_NEW,
    IS_MARKET,
    NOT_PLAIN,
    OTHER_NEWS,
    OTHER_RESTING,
    breaks_price_rules,
    breaks_quantity_rules,
    diverts,
    further_rules,
    has_room,
    is_new_id,
    is_plain_account,
    names_own_orders,
    next_own_id,
)
from tradecaptain.kernels.matching.plain_taking import take_plain
from tradecaptain.kernels.matching.tables import (
    book_at,
    book_index,
    give_order,
    has_free_level,
    level_at,
    order_at,
    side_of_book,
)
from tradecaptain.kernels.matching.terms import total_of_replace
from tradecaptain.wire import common, order_command


@apart_of_nine
def open_plain(
    form: Form,
    engine: int,
    command: int,
    page: int,
    book: int,
    side_book: int,
    order_id: int,
    bucket: int,
    _eighth: int,
    _ninth: int,
) -> int:
    """Enter a new order that is the first one at its price, of which ``page`` is the page, or 0.

    ``book`` is the address of its book, ``bucket`` that of its id's.
    """
    if not has_free_level(engine):
        return NOT_PLAIN
    refusal = form.may_enter(engine, command)
    if refusal != 0:
        return NOT_PLAIN - refusal
    form.note_command(engine, command)
    side = order_command.get_side(command)
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    if page == 0:
        page = open_page(engine, side_book, side, price_units)
    slot = record_plain(form, engine, command, book, side, order_id, bucket, quantity_units, 0)
    accept_plain(form, engine, command, order_id, side, quantity_units, 1)
    enter_level_of(engine, side_book, page, price_units, slot, quantity_units)
    return DONE


@apart
def new_plain(form: Form, engine: int, command: int, kind: int, said: int) -> int:
    """Enter a limit order that may rest, as `submit_plain` does."""
    side = order_command.get_side(command)
    index = book_index(engine, order_command.get_instrument_id(command))
    book = book_at(engine, index)
    price_units = order_command.get_price_units(command)
    if index == 0 or diverts(engine, command, book, said) or breaks_price_rules(book, price_units):
        return NOT_PLAIN
    other_side = side_of_book(book, opposite(side))
    if reaches_side(side, price_units, other_side):
        return take_plain(form, engine, command, kind, book, side, price_units, other_side, 0, 0)
    side_book = side_of_book(book, side)
    # Asked once, so that each way makes and looks up its id by itself.
    if names_own_orders(engine):
        order_id = order_command.get_client_order_id0(command)
        bucket = order_bucket(engine, order_id)
        if not is_new_id(engine, bucket, order_id):
            return NOT_PLAIN
    else:
        order_id = next_own_id(engine)
        bucket = order_bucket(engine, order_id)
    page = page_of_price(engine, side_book, price_units)
    level = level_in_page(engine, page, price_units)
    if level == 0:
        return open_plain(form, engine, command, page, book, side_book, order_id, bucket, 0, 0)
    quantity_units = order_command.get_quantity_units(command)
    if not has_room(engine, level, quantity_units):
        return NOT_PLAIN
    refusal = form.may_enter(engine, command)
    if refusal != 0:
        return NOT_PLAIN - refusal
    form.note_command(engine, command)
    slot = record_plain(form, engine, command, book, side, order_id, bucket, quantity_units, level)
    accept_plain(form, engine, command, order_id, side, quantity_units, 1)
    queue_behind(engine, slot, level, quantity_units)
    return DONE


@apart
def new_immediate(form: Form, engine: int, command: int, kind: int, said: int) -> int:
    """Enter an order that may not rest, as `submit_plain` does."""
    side = order_command.get_side(command)
    index = book_index(engine, order_command.get_instrument_id(command))
    book = book_at(engine, index)
    price_units = order_command.get_price_units(command)
    if index == 0 or diverts(engine, command, book, said):
        return NOT_PLAIN
    if kind & IS_MARKET == 0 and breaks_price_rules(book, price_units):
        return NOT_PLAIN
    other_side = side_of_book(book, opposite(side))
    return take_plain(form, engine, command, kind, book, side, price_units, other_side, 0, 0)


@inline
def is_plain_target(engine: int, command: int, slot: int) -> bool:
    """Whether a cancel or replace names an order that works, is plain and is its sender's."""
    order = order_at(engine, slot)
    account_id = order_command.get_account_id(command)
    # The null order's account is 0, which isn't plain.
    return (
        load_u32(order + at.ORDER_ACCOUNT_ID) == account_id
        and load_u16(order + at.ORDER_FLAGS) == 0
        and is_plain_account(engine, account_id)
    )


@inline
def leave_plain(engine: int, slot: int, side_book: int) -> None:
    """Take a plain order out of its queue, or close its level if it is alone there."""
    level = load_i32(order_at(engine, slot) + at.ORDER_LEVEL) + 0
    if load_i32(level_at(engine, level) + at.LEVEL_ORDER_COUNT) == 1:
        close_level(engine, side_book, level, 0)
    else:
        leave_level(engine, slot)


@apart
def cancel_plain(form: Form, engine: int, command: int, said: int, _fourth: int) -> int:
    """Cancel a plain resting order as a whole: DONE, or NOT_PLAIN with nothing changed."""
    order_id = order_command.get_order_id(command)
    link = order_bucket(engine, order_id)
    slot = linked_slot(link)
    order = order_at(engine, slot)
    while load_i64(order + at.ORDER_ORDER_ID) != order_id:
        if slot == 0:
            return NOT_PLAIN
        link = order + at.ORDER_CHAIN
        slot = linked_slot(link)
        order = order_at(engine, slot)
    following = load_u32(order + at.ORDER_CHAIN) + 0
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    said |= order_command.get_quantity_units(command)
    if not is_plain_target(engine, command, slot) or said | further_rules(engine, book) != 0:
        return NOT_PLAIN
    form.note_cancel(engine, command)
    form.note_command(engine, command)
    form.cancelled(engine, command, slot)
    form.removed(engine, book, slot, 1)
    store_u32(link, following)
    level = load_i32(order + at.ORDER_LEVEL) + 0
    if load_i32(level_at(engine, level) + at.LEVEL_ORDER_COUNT) == 1:
        give_order(engine, slot)
        side_book = side_of_book(book, load_i16(order + at.ORDER_SIDE) + 0)
        return close_level(engine, side_book, level, 0)
    leave_queue(engine, slot, level)
    give_order(engine, slot)
    return DONE


@apart_of_nine
def requeue_plain(
    form: Form,
    engine: int,
    command: int,
    slot: int,
    page: int,
    book: int,
    side_book: int,
    leaves_units: int,
    price_units: int,
    quantity_units: int,
) -> int:
    """Give a resting order another price or a larger total, at the end of the queue there.

    ``page`` is that of the price, or 0; ``book`` and ``side_book`` are addresses.
    """
    order = order_at(engine, slot)
    form.note_command(engine, command)
    form.rename(engine, slot, command)
    form.removed(engine, book, slot, 0)
    leave_plain(engine, slot, side_book)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    form.replaced(engine, slot, command, price_units, quantity_units, leaves_units)
    side = load_i16(order + at.ORDER_SIDE) + 0
    order_id = load_i64(order + at.ORDER_ORDER_ID)
    # A level that it was alone in, at this price, is there no more.
    level = level_in_page(engine, page, price_units)
    form.added(engine, book, side, order_id, price_units, leaves_units, level)
    if level != 0:
        queue_behind(engine, slot, level, leaves_units)
        return DONE
    if page == 0:
        page = open_page(engine, side_book, side, price_units)
    enter_level_of(engine, side_book, page, price_units, slot, leaves_units)
    return DONE


@apart
def replace_plain(form: Form, engine: int, command: int, said: int, _fourth: int) -> int:
    """Replace a plain resting order that won't trade at once, as `submit_plain` does."""
    slot = find_order_id(engine, order_command.get_order_id(command))
    order = order_at(engine, slot)
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    own_side = load_i16(order + at.ORDER_SIDE) + 0
    side = order_command.get_side(command)
    price_units = order_command.get_price_units(command)
    said_units = order_command.get_quantity_units(command)
    quantity_units = total_of_replace(engine, said_units, order)
    added_units = quantity_units - load_i64(order + at.ORDER_QUANTITY_UNITS)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS) + added_units
    keeps_place = price_units == load_i64(order + at.ORDER_PRICE_UNITS) and added_units <= 0
    if (
        not is_plain_target(engine, command, slot)
        or further_rules(engine, book) | said != 0
        or (side != own_side and side != common.SIDE_UNSET)
        or order_command.get_instrument_id(command) != load_i64(book + at.BOOK_INSTRUMENT_ID)
        or breaks_price_rules(book, price_units)
        or breaks_quantity_rules(book, quantity_units)
        or leaves_units <= 0
        or not has_free_level(engine)
    ):
        return NOT_PLAIN
    if keeps_place:
        refusal = form.may_replace(engine, command, order)
        if refusal != 0:
            return NOT_PLAIN - refusal
        form.note_command(engine, command)
        form.rename(engine, slot, command)
        level_reduce(engine, load_i32(order + at.ORDER_LEVEL) + 0, -added_units)
        store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
        store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
        form.replaced(engine, slot, command, price_units, quantity_units, leaves_units)
        if added_units != 0:
            form.reduced(engine, book, slot)
        return DONE
    side_book = side_of_book(book, own_side)
    page = page_of_price(engine, side_book, price_units)
    level = level_in_page(engine, page, price_units)
    other_side = side_of_book(book, opposite(own_side))
    if reaches_side(own_side, price_units, other_side) or not has_room(
        engine, level, quantity_units
    ):
        return NOT_PLAIN
    refusal = form.may_replace(engine, command, order)
    if refusal != 0:
        return NOT_PLAIN - refusal
    return requeue_plain(
        form,
        engine,
        command,
        slot,
        page,
        book,
        side_book,
        leaves_units,
        price_units,
        quantity_units,
    )


@inline_always
def submit_plain(form: Form, engine: int, command: int, said: int) -> int:
    """Carry out a command the short way: DONE, MORE, or NOT_PLAIN with nothing changed.

    One that the form's judge refuses changes nothing either: the answer is NOT_PLAIN less the
    reason. ``said`` is the `further_terms` of the command.

    A form that has names from elsewhere reads the command's words from the sequence to the first of
    the client order id alone.
    """
    head = load_i64(command + order_command.OFFSET_ACTION)
    action = head & 0xFFFF
    # The rarer of the two that are most: a wrong guess costs more than the command's own test.
    if action == order_command.COMMAND_ACTION_CANCEL_ORDER:
        return cancel_plain(form, engine, command, said, 0)
    kind = head - FIRST_NEW
    if kind & ~OTHER_RESTING == 0:
        return new_plain(form, engine, command, kind, said)
    if kind & ~OTHER_NEWS == 0:
        return new_immediate(form, engine, command, kind, said)
    if action == order_command.COMMAND_ACTION_REPLACE_ORDER:
        return replace_plain(form, engine, command, said, 0)
    return NOT_PLAIN
