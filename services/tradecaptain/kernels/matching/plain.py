"""The short way for what most commands are: plain orders, their cancels and their replaces.

Where an engine reports compactly, and a book has nothing but plain orders in continuous trading,
all the rules that could refuse or divert a command are looked at together, in one branch. What
passes does to the book just what the general way does (`entry`), which takes everything else. Both
are run against each other in the tests.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
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
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.identity import enter_order_id, link_of_order
from tradecaptain.kernels.matching.layout import (
    DONE,
    INT64_MAXIMUM,
    INT64_MINIMUM,
    MORE,
    ORDER_IDS_CLIENT,
    PARTY_NAMES_BYTES,
)
from tradecaptain.kernels.matching.levels import (
    add_level,
    append_order,
    best_level,
    close_if_empty,
    crosses,
    leave_level,
    level_head,
    level_of_price,
    level_reduce,
    opposite,
    queue_order,
)
from tradecaptain.kernels.matching.match import end_maker, leave_under_way, take_units
from tradecaptain.kernels.matching.reports import (
    count_book_events,
    report_order,
    report_word,
    write_report,
    write_trade_report,
)
from tradecaptain.kernels.matching.tables import (
    account_known,
    book_at,
    book_index,
    give_order,
    has_free_level,
    has_free_order,
    level_at,
    order_at,
    party_at,
    side_of_book,
    take_order,
)
from tradecaptain.kernels.matching.terms import working_status
from tradecaptain.wire import common, execution_event, order_command, reason

NOT_PLAIN = -1
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

FIRST_TERMS = order_command.OFFSET_STOP_PRICE_UNITS
LAST_TERMS = order_command.OFFSET_EXPIRE_TIME_NS
FURTHER_TERMS = order_command.OFFSET_SEND_TIME_NS + 8


@inline
def further_terms(command: int) -> int:
    """Zero if a command says nothing beyond what a plain order says."""
    said = order_command.get_instructions(command) | order_command.get_self_trade_group(command)
    for offset in range(FIRST_TERMS, LAST_TERMS + 8, 8):
        said |= load_i64(command + offset)
    for offset in range(FURTHER_TERMS, order_command.RECORD_BYTES, 8):
        said |= load_i64(command + offset)
    return said


@inline
def further_rules(engine: int, book: int) -> int:
    """Zero if a book (by its address) has only plain orders, in continuous trading, and neither
    lots nor price steps."""
    return (
        load_i64(book + at.BOOK_SPECIAL)
        | load_i64(book + at.BOOK_WATCH_COUNT)
        | load_i64(engine + at.HEADER_WATCH_COUNT)
        | (load_i64(book + at.BOOK_LOT_UNITS) ^ 1)
        | (load_i64(book + at.BOOK_TICK_UNITS) ^ 1)
    )


@inline
def breaks_price_rules(book: int, price_units: int) -> bool:
    """Whether a price lies outside of the range or the static band of a book (by its address)."""
    return (
        price_units < load_i64(book + at.BOOK_MINIMUM_PRICE_UNITS)
        or price_units > load_i64(book + at.BOOK_MAXIMUM_PRICE_UNITS)
        or price_units < load_i64(book + at.BOOK_LOW_BAND_UNITS)
        or price_units > load_i64(book + at.BOOK_HIGH_BAND_UNITS)
    )


@inline
def breaks_quantity_rules(book: int, quantity_units: int) -> bool:
    """Whether a book (by its address) takes no orders of a size."""
    return quantity_units <= 0 or quantity_units > load_i64(book + at.BOOK_MAXIMUM_QUANTITY_UNITS)


@inline
def has_own_ids(engine: int, account_id: int) -> bool:
    """Whether an account is the replayed flow's, whose orders are found by ids of its own."""
    return account_id == load_constant_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID)


@inline
def meets(engine: int, book: int, side: int, limit_units: int) -> bool:
    """Whether an order may trade at the best price of the other side of a book (by its address)."""
    best = best_level(side_of_book(book, opposite(side)))
    best_units = load_i64(level_at(engine, best) + at.LEVEL_PRICE_UNITS)
    return (best != 0) & crosses(side, limit_units, best_units)


@inline
def has_room(engine: int, level: int, quantity_units: int) -> bool:
    """Whether a level, or the null level, can take an order without its sum leaving int64."""
    sum_units = load_i64(level_at(engine, level) + at.LEVEL_QUANTITY_UNITS)
    return sum_units <= INT64_MAXIMUM - quantity_units


@inline
def note_command(engine: int, command: int) -> None:
    """Note the stamps of a command; compact reports need no trade date, tag or send time."""
    store_i64(engine + at.HEADER_COMMAND_SEQUENCE, order_command.get_sequence(command))
    store_i64(engine + at.HEADER_TIME_NS, order_command.get_time_ns(command))


@inline
def add_plain_order(
    engine: int, command: int, book: int, order_id: int, price_units: int, leaves_units: int
) -> int:
    """Take a slot for a new plain order and write its records; returns the slot."""
    slot = take_order(engine)
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    quantity_units = order_command.get_quantity_units(command)
    account_id = order_command.get_account_id(command)
    side = order_command.get_side(command)
    store_i64(order + at.ORDER_ORDER_ID, order_id)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i32(order + at.ORDER_LEVEL, 0)
    store_i32(order + at.ORDER_ACCOUNT_ID, account_id)
    store_i32(order + at.ORDER_BOOK, book)
    # No flags and no group: they lie behind the side, in its word.
    store_i64(order + at.ORDER_SIDE, side)
    copy_bytes(party, command + order_command.OFFSET_CLIENT_ORDER_ID0, PARTY_NAMES_BYTES)
    store_i32(party + at.PARTY_TAG, order_command.get_tag(command))
    store_i32(party + at.PARTY_ORDER_TYPE, order_command.get_order_type(command))
    store_i32(party + at.PARTY_TIME_IN_FORCE, order_command.get_time_in_force(command))
    return slot


@inline
def report_new(
    engine: int, command: int, order_id: int, price_units: int, leaves_units: int, word: int
) -> None:
    """Report what happened to a new order that may have no slot."""
    quantity_units = order_command.get_quantity_units(command)
    write_report(engine, word, order_id, price_units, quantity_units, leaves_units)


@inline
def can_rest(command: int) -> bool:
    """Whether what a new plain order leaves open stays in the book."""
    return (order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT) & (
        order_command.get_time_in_force(command) <= common.TIME_IN_FORCE_GOOD_TILL_CANCEL
    )


@inline
def match_new(
    engine: int, command: int, book: int, order_id: int, price_units: int, limit_units: int
) -> int:
    """Trade a new order as `match_step` does, but without a slot; returns what is left of it.

    Only if more trades are to come than one step may bring does it get a slot, and UNDER_WAY is
    returned.
    """
    side = order_command.get_side(command)
    leaves_units = order_command.get_quantity_units(command)
    address = book_at(engine, book)
    other_side = side_of_book(address, opposite(side))
    remaining_steps = load_constant_i64(engine + at.HEADER_STEP_LIMIT)
    while leaves_units > 0:
        level = best_level(other_side)
        level_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
        if level == 0 or not crosses(side, limit_units, level_units):
            break
        if remaining_steps == 0:
            slot = add_plain_order(engine, command, book, order_id, price_units, leaves_units)
            # What has met its limit finds no order of its own side there.
            store_i64(engine + at.HEADER_FOUND_LEVEL, 0)
            leave_under_way(engine, slot, limit_units)
            return UNDER_WAY
        maker = level_head(engine, level)
        maker_id = load_i64(order_at(engine, maker) + at.ORDER_ORDER_ID)
        maker_units = load_i64(order_at(engine, maker) + at.ORDER_LEAVES_UNITS)
        quantity_units = min(leaves_units, maker_units)
        leaves_units -= quantity_units
        take_units(engine, level, maker, quantity_units)
        write_trade_report(
            engine, side, order_id, maker_id, level_units, quantity_units, leaves_units
        )
        count_book_events(engine, address, 1)
        if quantity_units == maker_units:
            end_maker(engine, other_side, level, maker)
        remaining_steps -= 1
    return leaves_units


@inline
def next_order_id(engine: int, command: int) -> int:
    """The id that a new order will have; 0 if it can't have the one that it names itself."""
    if load_constant_i64(engine + at.HEADER_ORDER_IDS) != ORDER_IDS_CLIENT:
        number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
        return load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + number
    order_id = order_command.get_client_order_id0(command)
    if load_i32(link_of_order(engine, order_id)) != 0:
        return 0
    return order_id


@inline
def is_plain_new(engine: int, command: int, book: int) -> bool:
    """Whether nothing about a new order for a book (by its address), or about that book, refuses
    or diverts it."""
    account_id = order_command.get_account_id(command)
    order_type = order_command.get_order_type(command)
    time_in_force = order_command.get_time_in_force(command)
    if (
        further_rules(engine, book) | further_terms(command) != 0
        or time_in_force < common.TIME_IN_FORCE_DAY
        or time_in_force > common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
        or not account_known(engine, account_id)
        or has_own_ids(engine, account_id)
        or not has_free_order(engine)
        or not has_free_level(engine)
        or breaks_quantity_rules(book, order_command.get_quantity_units(command))
    ):
        return False
    if order_type == common.ORDER_TYPE_LIMIT:
        return not breaks_price_rules(book, order_command.get_price_units(command))
    return (
        order_type == common.ORDER_TYPE_MARKET
        and time_in_force != common.TIME_IN_FORCE_GOOD_TILL_CANCEL
    )


@inline
def new_plain(engine: int, command: int) -> int:
    """Enter a plain order: DONE, MORE, or NOT_PLAIN with nothing changed."""
    side = order_command.get_side(command)
    index = book_index(engine, order_command.get_instrument_id(command))
    book = book_at(engine, index)
    if index == 0 or (side - 1) & ~1 != 0 or not is_plain_new(engine, command, book):
        return NOT_PLAIN
    order_id = next_order_id(engine, command)
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    limit_units = price_units
    if order_command.get_order_type(command) == common.ORDER_TYPE_MARKET:
        price_units = 0
        limit_units = INT64_MAXIMUM if side == common.SIDE_BUY else INT64_MINIMUM
    rests = can_rest(command)
    waits = rests and not meets(engine, book, side, limit_units)
    level = level_of_price(engine, side_of_book(book, side), price_units) if waits else 0
    if order_id == 0 or not has_room(engine, level, quantity_units):
        return NOT_PLAIN
    note_command(engine, command)
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, number)
    report_new(engine, command, order_id, price_units, quantity_units, ACCEPTED | (side << 16))
    leaves_units = quantity_units
    if not waits:
        leaves_units = match_new(engine, command, index, order_id, price_units, limit_units)
        if leaves_units == 0:
            return DONE
        if leaves_units == UNDER_WAY:
            return MORE
        if not rests:
            report_new(engine, command, order_id, price_units, leaves_units, EXPIRED | (side << 16))
            return DONE
    slot = add_plain_order(engine, command, index, order_id, price_units, leaves_units)
    enter_order_id(engine, slot)
    if level == 0:
        level = add_level(engine, side_of_book(book, side), side, price_units)
    queue_order(engine, slot, level)
    count_book_events(engine, book, 1)
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
        and not has_own_ids(engine, account_id)
    )


@inline
def cancel_plain(engine: int, command: int) -> int:
    """Cancel a plain resting order as a whole: DONE, or NOT_PLAIN with nothing changed."""
    link = link_of_order(engine, order_command.get_order_id(command))
    slot = load_i32(link) + 0
    order = order_at(engine, slot)
    following = load_i32(order + at.ORDER_CHAIN) + 0
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    said = order_command.get_quantity_units(command) | order_command.get_instructions(command)
    if not is_plain_target(engine, command, slot) or said | further_rules(engine, book) != 0:
        return NOT_PLAIN
    note_command(engine, command)
    report_order(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_CANCELLED,
        execution_event.ORDER_STATUS_CANCELLED,
        reason.REASON_CANCELLED_BY_OWNER,
    )
    count_book_events(engine, book, 1)
    close_if_empty(engine, slot, leave_level(engine, slot))
    store_i32(link, following)
    give_order(engine, slot)
    return DONE


@inline
def rename_order(engine: int, slot: int, command: int) -> None:
    """Let a replace's client order id and tag name an order from now on."""
    party = party_at(engine, slot)
    tag = order_command.get_tag(command)
    copy_bytes(party, command + order_command.OFFSET_CLIENT_ORDER_ID0, at.PARTY_FIRM_ID)
    store_i32(party + at.PARTY_TAG, tag)


@inline
def report_replaced(engine: int, slot: int) -> None:
    """Report a replace, with the order as it stands now."""
    status = working_status(order_at(engine, slot))
    report_order(engine, slot, execution_event.EXECUTION_TYPE_REPLACED, status, 0)


@inline
def requeue_plain(engine: int, slot: int, price_units: int, quantity_units: int) -> None:
    """Give a resting order another price or a larger total, at the end of the queue there."""
    order = order_at(engine, slot)
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    side_book = side_of_book(book, load_i16(order + at.ORDER_SIDE) + 0)
    added_units = quantity_units - load_i64(order + at.ORDER_QUANTITY_UNITS)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS) + added_units
    close_if_empty(engine, slot, leave_level(engine, slot))
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    report_replaced(engine, slot)
    append_order(engine, side_book, slot, level_of_price(engine, side_book, price_units))
    count_book_events(engine, book, 2)


@inline
def replace_plain(engine: int, command: int) -> int:
    """Replace a plain resting order that won't trade at once: DONE, or NOT_PLAIN with nothing
    changed."""
    slot = load_i32(link_of_order(engine, order_command.get_order_id(command))) + 0
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
        or further_rules(engine, book) | further_terms(command) != 0
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
        rename_order(engine, slot, command)
        level_reduce(engine, load_i32(order + at.ORDER_LEVEL) + 0, -added_units)
        store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
        store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
        report_replaced(engine, slot)
        count_book_events(engine, book, 0 if added_units == 0 else 1)
        return DONE
    level = level_of_price(engine, side_of_book(book, own_side), price_units)
    if meets(engine, book, own_side, price_units) or not has_room(engine, level, quantity_units):
        return NOT_PLAIN
    note_command(engine, command)
    rename_order(engine, slot, command)
    requeue_plain(engine, slot, price_units, quantity_units)
    return DONE


@inline
def submit_plain(engine: int, command: int) -> int:
    """Carry out a command the short way: DONE, MORE, or NOT_PLAIN with nothing changed."""
    action = order_command.get_action(command)
    if action == order_command.COMMAND_ACTION_NEW_ORDER:
        return new_plain(engine, command)
    if action == order_command.COMMAND_ACTION_CANCEL_ORDER:
        return cancel_plain(engine, command)
    if action == order_command.COMMAND_ACTION_REPLACE_ORDER:
        return replace_plain(engine, command)
    return NOT_PLAIN
