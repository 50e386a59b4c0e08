"""The short way for what most commands are: plain orders, their cancels and their replaces.

Where an engine reports compactly, and a book has nothing but plain orders in continuous trading,
all the rules that could refuse or divert a command are looked at together. What passes does to the
book just what the general way does (`entry`), which takes everything else. Both are run against
each other in the tests.

A command comes in two parts: what most commands say, and a record that says the rest of it for
itself or for all commands of a run (`engine.submit_compact`). Each function leaves the other
actions' registers alone (`apart`).
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    copy_bytes,
    load_constant_i64,
    load_i16,
    load_i32,
    load_i64,
    load_u16,
    load_u32,
    store_i32,
    store_i64,
    store_u32,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart, apart_of_nine
from tradecaptain.kernels.matching.identity import (
    enter_at_bucket,
    find_order_id,
    link_of_order,
    linked_slot,
    order_bucket,
)
from tradecaptain.kernels.matching.layout import (
    DONE,
    INT64_MAXIMUM,
    INT64_MINIMUM,
    MORE,
    ORDER_IDS_CLIENT,
)
from tradecaptain.kernels.matching.levels import (
    best_level,
    enter_level_of,
    leave_level,
    level_head,
    level_in_page,
    level_reduce,
    meets_side,
    open_page,
    opposite,
    page_of_price,
    queue_order,
    remove_level,
)
from tradecaptain.kernels.matching.match import end_maker, leave_under_way, take_units
from tradecaptain.kernels.matching.plain_rules import (
    FIRST_NEW,
    NOT_PLAIN,
    OTHER_NEWS,
    breaks_price_rules,
    breaks_quantity_rules,
    can_have_id,
    can_rest,
    diverts,
    further_rules,
    has_room,
    is_free_id,
    is_plain_account,
    next_order_id,
)
from tradecaptain.kernels.matching.reports import (
    count_book_events,
    report_order,
    report_word,
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
    party_at,
    side_of_book,
    take_order,
)
from tradecaptain.kernels.matching.terms import working_status
from tradecaptain.wire import common, execution_event, order_command, reason

UNDER_WAY = -1
"""In place of an open quantity: the order goes on to trade with the next step."""

ACCEPTED = report_word(
    execution_event.EXECUTION_TYPE_ACCEPTED, 0, execution_event.ORDER_STATUS_WORKING, 0
)
EXPIRED = report_word(
    execution_event.EXECUTION_TYPE_EXPIRED,
    0,
    execution_event.ORDER_STATUS_EXPIRED,
    reason.REASON_NO_LIQUIDITY,
)
"""Small fields of a report, with the side still to come."""

FIRST_NAME = order_command.OFFSET_CLIENT_ORDER_ID0
OTHER_NAMES = order_command.OFFSET_CLIENT_ORDER_ID1


@inline
def note_command(engine: int, command: int) -> None:
    """Note the stamps of a command; compact reports need no trade date, tag or send time."""
    copy_bytes(engine + at.HEADER_COMMAND_SEQUENCE, command + order_command.OFFSET_SEQUENCE, 16)


@inline_always
def fill_plain_order(
    engine: int, slot: int, command: int, rest: int, book: int, order_id: int, leaves_units: int
) -> None:
    """Write the records of a new plain limit order, but for its place in a queue."""
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    store_i64(order + at.ORDER_ORDER_ID, order_id)
    # Price and quantity at once, as below what commands and records have beside each other.
    copy_bytes(order + at.ORDER_PRICE_UNITS, command + order_command.OFFSET_PRICE_UNITS, 16)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    store_i32(order + at.ORDER_ACCOUNT_ID, order_command.get_account_id(command))
    store_i32(order + at.ORDER_BOOK, book)
    # No flags and no group: they lie behind the side, in its word.
    store_i64(order + at.ORDER_SIDE, order_command.get_side(command))
    store_i64(party + at.PARTY_CLIENT_ORDER_ID0, order_command.get_client_order_id0(command))
    # In pieces that need no wide registers, which would have to be cleared again.
    copy_bytes(party + at.PARTY_CLIENT_ORDER_ID1, rest + OTHER_NAMES, 16)
    copy_bytes(party + at.PARTY_CLIENT_ORDER_ID3, rest + OTHER_NAMES + 16, 16)
    copy_bytes(party + at.PARTY_TRADER_ID, rest + OTHER_NAMES + 32, 8)
    store_i32(party + at.PARTY_TAG, order_command.get_tag(rest))
    store_i64(party + at.PARTY_WORD, load_i64(command + order_command.OFFSET_ACTION))


@inline
def order_price(command: int) -> int:
    """The price that an order of a command has: none if it is a market order."""
    is_limit = order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT
    return order_command.get_price_units(command) if is_limit else 0


@inline
def limit_of(command: int) -> int:
    """The price up to which a new order trades."""
    if order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT:
        return order_command.get_price_units(command)
    return INT64_MAXIMUM if order_command.get_side(command) == common.SIDE_BUY else INT64_MINIMUM


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


@inline
def newest_order_id(engine: int, command: int) -> int:
    """The id of the order that a command has just entered."""
    if load_constant_i64(engine + at.HEADER_ORDER_IDS) == ORDER_IDS_CLIENT:
        return order_command.get_client_order_id0(command)
    return load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + load_i64(
        engine + at.HEADER_LAST_ORDER_NUMBER
    )


@inline_always
def accept_plain(engine: int, command: int, order_id: int, side: int, price_units: int) -> None:
    """Number a new order that nothing refuses, and acknowledge it."""
    note_command(engine, command)
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, number)
    quantity_units = order_command.get_quantity_units(command)
    word = ACCEPTED | (side << 16)
    sequence = order_command.get_sequence(command)
    write_report(engine, sequence, word, order_id, price_units, quantity_units, quantity_units)


@inline_always
def record_plain(
    engine: int,
    command: int,
    rest: int,
    index: int,
    book: int,
    order_id: int,
    bucket: int,
    slot: int,
    leaves_units: int,
) -> None:
    """Record a new order that has got its place in the book, of which there are index and address;
    ``bucket`` is its id's (by its address)."""
    fill_plain_order(engine, slot, command, rest, index, order_id, leaves_units)
    enter_at_bucket(engine, slot, bucket, order_id)
    count_book_events(engine, book, 1)


@inline
def match_new(engine: int, command: int, rest: int, book: int) -> int:
    """Trade the newest order as `match_step` does, but without a slot; returns what is left of it.

    Only if more trades are to come than one step may bring does it get a slot, and UNDER_WAY is
    returned.
    """
    side = order_command.get_side(command)
    limit_units = limit_of(command)
    order_id = newest_order_id(engine, command)
    leaves_units = order_command.get_quantity_units(command)
    sequence = order_command.get_sequence(command)
    address = book_at(engine, book)
    other_side = side_of_book(address, opposite(side))
    remaining_steps = load_constant_i64(engine + at.HEADER_STEP_LIMIT)
    while leaves_units > 0 and meets_side(side, limit_units, other_side):
        if remaining_steps == 0:
            slot = take_order(engine)
            fill_plain_order(engine, slot, command, rest, book, order_id, leaves_units)
            store_i64(order_at(engine, slot) + at.ORDER_PRICE_UNITS, order_price(command))
            store_i32(order_at(engine, slot) + at.ORDER_LEVEL, 0)
            # What has met its limit finds no order of its own side there.
            store_i64(engine + at.HEADER_FOUND_LEVEL, 0)
            leave_under_way(engine, slot, limit_units)
            return UNDER_WAY
        level = best_level(other_side)
        level_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
        maker = level_head(engine, level)
        maker_id = load_i64(order_at(engine, maker) + at.ORDER_ORDER_ID)
        maker_units = load_i64(order_at(engine, maker) + at.ORDER_LEAVES_UNITS)
        quantity_units = min(leaves_units, maker_units)
        leaves_units -= quantity_units
        take_units(engine, level, maker, quantity_units)
        write_trade_report(
            engine, sequence, side, order_id, maker_id, level_units, quantity_units, leaves_units
        )
        count_book_events(engine, address, 1)
        if quantity_units == maker_units:
            end_maker(engine, other_side, level, maker)
        remaining_steps -= 1
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


@apart_of_nine
def open_plain(
    engine: int,
    command: int,
    rest: int,
    page: int,
    index: int,
    book: int,
    side_book: int,
    order_id: int,
    bucket: int,
) -> int:
    """Enter a new order that is the first one at its price, of which ``page`` is the page, or 0.

    ``index`` and ``book`` are its book's index and address, ``bucket`` is the address of its id's.
    """
    if not has_free_level(engine):
        return NOT_PLAIN
    side = order_command.get_side(command)
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    if page == 0:
        page = open_page(engine, side_book, side, price_units)
    accept_plain(engine, command, order_id, side, price_units)
    slot = take_order(engine)
    enter_level_of(engine, side_book, page, price_units, slot, quantity_units)
    record_plain(engine, command, rest, index, book, order_id, bucket, slot, quantity_units)
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


@apart
def new_plain(engine: int, command: int, rest: int, said: int) -> int:
    """Enter a limit or market order: DONE, MORE, or NOT_PLAIN with nothing changed."""
    side = order_command.get_side(command)
    index = book_index(engine, order_command.get_instrument_id(command))
    book = book_at(engine, index)
    price_units = order_command.get_price_units(command)
    if index == 0 or diverts(engine, command, book, said):
        return NOT_PLAIN
    if breaks_price_rules(book, price_units) and (
        order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT
    ):
        return NOT_PLAIN
    # One branch, since neither can be foreseen.
    meets = meets_side(side, price_units, side_of_book(book, opposite(side)))
    if meets | (not can_rest(command)):
        return take_plain(engine, command, rest, index)
    side_book = side_of_book(book, side)
    order_id = next_order_id(engine, command)
    bucket = order_bucket(engine, order_id)
    if not is_free_id(engine, bucket, order_id):
        return NOT_PLAIN
    page = page_of_price(engine, side_book, price_units)
    level = level_in_page(engine, page, price_units)
    if level == 0:
        return open_plain(engine, command, rest, page, index, book, side_book, order_id, bucket)
    quantity_units = order_command.get_quantity_units(command)
    if not has_room(engine, level, quantity_units):
        return NOT_PLAIN
    accept_plain(engine, command, order_id, side, price_units)
    slot = take_order(engine)
    queue_order(engine, slot, level, quantity_units)
    record_plain(engine, command, rest, index, book, order_id, bucket, slot, quantity_units)
    return DONE


@inline
def is_plain_target(engine: int, command: int, slot: int) -> bool:
    """Whether a cancel or replace names an order that works, is plain and is its sender's."""
    order = order_at(engine, slot)
    account_id = order_command.get_account_id(command)
    return (
        slot != 0
        and load_u32(order + at.ORDER_ACCOUNT_ID) == account_id
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
def close_level(engine: int, side_book: int, level: int, _fourth: int) -> int:
    """`remove_level`, of which nothing else is kept in registers."""
    remove_level(engine, side_book, level)
    return 0


@apart
def cancel_plain(engine: int, command: int, rest: int, said: int) -> int:
    """Cancel a plain resting order as a whole: DONE, or NOT_PLAIN with nothing changed."""
    link = link_of_order(engine, order_command.get_order_id(command))
    slot = linked_slot(link)
    order = order_at(engine, slot)
    following = load_u32(order + at.ORDER_CHAIN) + 0
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    said |= order_command.get_quantity_units(command)
    if not is_plain_target(engine, command, slot) or said | further_rules(engine, book) != 0:
        return NOT_PLAIN
    note_command(engine, command)
    report_order(
        engine,
        order_command.get_sequence(command),
        slot,
        execution_event.EXECUTION_TYPE_CANCELLED,
        execution_event.ORDER_STATUS_CANCELLED,
        reason.REASON_CANCELLED_BY_OWNER,
    )
    count_book_events(engine, book, 1)
    store_u32(link, following)
    level = load_i32(order + at.ORDER_LEVEL) + 0
    if load_i32(level_at(engine, level) + at.LEVEL_ORDER_COUNT) == 1:
        give_order(engine, slot)
        side_book = side_of_book(book, load_i16(order + at.ORDER_SIDE) + 0)
        return close_level(engine, side_book, level, 0)
    leave_level(engine, slot)
    give_order(engine, slot)
    return DONE


@inline
def rename_order(engine: int, slot: int, command: int, rest: int) -> None:
    """Let a replace's client order id and tag name an order from now on."""
    party = party_at(engine, slot)
    others_bytes = at.PARTY_FIRM_ID - at.PARTY_CLIENT_ORDER_ID1
    store_i64(party + at.PARTY_CLIENT_ORDER_ID0, order_command.get_client_order_id0(command))
    copy_bytes(party + at.PARTY_CLIENT_ORDER_ID1, rest + OTHER_NAMES, others_bytes)
    store_i32(party + at.PARTY_TAG, order_command.get_tag(rest))


@inline
def report_replaced(
    engine: int, slot: int, command: int, price_units: int, quantity_units: int, leaves_units: int
) -> None:
    """Report a replace, with the order as it stands now."""
    order = order_at(engine, slot)
    side = load_i16(order + at.ORDER_SIDE) + 0
    status = working_status(order)
    word = report_word(execution_event.EXECUTION_TYPE_REPLACED, side, status, 0)
    order_id = load_i64(order + at.ORDER_ORDER_ID)
    sequence = order_command.get_sequence(command)
    write_report(engine, sequence, word, order_id, price_units, quantity_units, leaves_units)


@apart_of_nine
def requeue_plain(
    engine: int,
    command: int,
    rest: int,
    slot: int,
    page: int,
    book: int,
    side_book: int,
    leaves_units: int,
    price_units: int,
) -> int:
    """Give a resting order another price or a larger total, at the end of the queue there.

    ``page`` is that of the price, or 0; ``book`` and ``side_book`` are addresses.
    """
    order = order_at(engine, slot)
    quantity_units = order_command.get_quantity_units(command)
    note_command(engine, command)
    rename_order(engine, slot, command, rest)
    leave_plain(engine, slot, side_book)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    report_replaced(engine, slot, command, price_units, quantity_units, leaves_units)
    count_book_events(engine, book, 2)
    # A level that it was alone in, at this price, is there no more.
    level = level_in_page(engine, page, price_units)
    if level != 0:
        queue_order(engine, slot, level, leaves_units)
        return DONE
    if page == 0:
        page = open_page(engine, side_book, load_i16(order + at.ORDER_SIDE) + 0, price_units)
    enter_level_of(engine, side_book, page, price_units, slot, leaves_units)
    return DONE


@apart
def replace_plain(engine: int, command: int, rest: int, said: int) -> int:
    """Replace a plain resting order that won't trade at once: DONE, or NOT_PLAIN with nothing
    changed."""
    slot = find_order_id(engine, order_command.get_order_id(command))
    order = order_at(engine, slot)
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    own_side = load_i16(order + at.ORDER_SIDE) + 0
    side = order_command.get_side(command)
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
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
        note_command(engine, command)
        rename_order(engine, slot, command, rest)
        level_reduce(engine, load_i32(order + at.ORDER_LEVEL) + 0, -added_units)
        store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
        store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
        report_replaced(engine, slot, command, price_units, quantity_units, leaves_units)
        count_book_events(engine, book, 0 if added_units == 0 else 1)
        return DONE
    side_book = side_of_book(book, own_side)
    page = page_of_price(engine, side_book, price_units)
    level = level_in_page(engine, page, price_units)
    other_side = side_of_book(book, opposite(own_side))
    if meets_side(own_side, price_units, other_side) or not has_room(engine, level, quantity_units):
        return NOT_PLAIN
    return requeue_plain(
        engine, command, rest, slot, page, book, side_book, leaves_units, price_units
    )


@inline
def submit_plain(engine: int, command: int, rest: int, said: int) -> int:
    """Carry out a command the short way: DONE, MORE, or NOT_PLAIN with nothing changed.

    Its words from the sequence to the first of the client order id are read from a record at
    ``command``, all others from the one at ``rest``, of which ``said`` is `further_terms`.
    """
    head = load_i64(command + order_command.OFFSET_ACTION)
    action = head & 0xFFFF
    # The rarer of the two that are most: a wrong guess costs more than the command's own test.
    if action == order_command.COMMAND_ACTION_CANCEL_ORDER:
        return cancel_plain(engine, command, rest, said)
    if (head - FIRST_NEW) & ~OTHER_NEWS == 0:
        return new_plain(engine, command, rest, said)
    if action == order_command.COMMAND_ACTION_REPLACE_ORDER:
        return replace_plain(engine, command, rest, said)
    return NOT_PLAIN
