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
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
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
    best_level,
    leave_level,
    level_head,
    level_of_price,
    level_reduce,
    meets_side,
    open_level,
    opposite,
    queue_order,
    remove_level,
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

# Action, side, type and time in force lie in one word: a new limit order to buy for the day, and
# what may differ in it by one: to sell, and good till cancel.
FIRST_LIMIT = (
    order_command.COMMAND_ACTION_NEW_ORDER
    | (common.SIDE_BUY << 16)
    | (common.ORDER_TYPE_LIMIT << 32)
    | (common.TIME_IN_FORCE_DAY << 48)
)
OTHER_LIMITS = (1 << 16) | (1 << 48)

FIRST_TERMS = order_command.OFFSET_STOP_PRICE_UNITS
LAST_TERMS = order_command.OFFSET_EXPIRE_TIME_NS
FURTHER_TERMS = order_command.OFFSET_SEND_TIME_NS + 8
FIRST_NAME = order_command.OFFSET_CLIENT_ORDER_ID0
OTHER_NAMES = order_command.OFFSET_CLIENT_ORDER_ID1


@inline
def further_terms(rest: int) -> int:
    """Zero if a command's record says nothing beyond what a plain order says."""
    said = order_command.get_instructions(rest) | order_command.get_self_trade_group(rest)
    for offset in range(FIRST_TERMS, LAST_TERMS + 8, 8):
        said |= load_i64(rest + offset)
    for offset in range(FURTHER_TERMS, order_command.RECORD_BYTES, 8):
        said |= load_i64(rest + offset)
    return said


@inline
def further_rules(engine: int, book: int) -> int:
    """Zero if a book (by its address) has only plain orders, in continuous trading."""
    return (
        load_i64(book + at.BOOK_SPECIAL)
        | load_i64(book + at.BOOK_WATCH_COUNT)
        | load_i64(engine + at.HEADER_WATCH_COUNT)
    )


@inline
def breaks_price_rules(book: int, price_units: int) -> bool:
    """Whether a price lies outside of what a book (by its address) takes."""
    return price_units < load_i64(book + at.BOOK_PLAIN_LOW_UNITS) or price_units > load_i64(
        book + at.BOOK_PLAIN_HIGH_UNITS
    )


@inline
def breaks_quantity_rules(book: int, quantity_units: int) -> bool:
    """Whether a book (by its address) takes no plain orders of a size."""
    return quantity_units <= 0 or quantity_units > load_i64(book + at.BOOK_PLAIN_QUANTITY_UNITS)


@inline
def has_own_ids(engine: int, account_id: int) -> bool:
    """Whether an account is the replayed flow's, whose orders are found by ids of its own."""
    return account_id == load_constant_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID)


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


@inline_always
def add_plain_order(
    engine: int,
    command: int,
    rest: int,
    book: int,
    order_id: int,
    price_units: int,
    leaves_units: int,
) -> int:
    """Take a slot for a new plain order and write its records; returns the slot."""
    slot = take_order(engine)
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    store_i64(order + at.ORDER_ORDER_ID, order_id)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, order_command.get_quantity_units(command))
    store_i32(order + at.ORDER_ACCOUNT_ID, order_command.get_account_id(command))
    store_i32(order + at.ORDER_BOOK, book)
    # No flags and no group: they lie behind the side, in its word.
    store_i64(order + at.ORDER_SIDE, order_command.get_side(command))
    store_i64(party + at.PARTY_CLIENT_ORDER_ID0, order_command.get_client_order_id0(command))
    copy_bytes(party + at.PARTY_CLIENT_ORDER_ID1, rest + OTHER_NAMES, PARTY_NAMES_BYTES - 8)
    store_i32(party + at.PARTY_TAG, order_command.get_tag(rest))
    store_i32(party + at.PARTY_ORDER_TYPE, order_command.get_order_type(command))
    store_i32(party + at.PARTY_TIME_IN_FORCE, order_command.get_time_in_force(command))
    return slot


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
def can_rest(command: int) -> bool:
    """Whether what a new plain order leaves open stays in the book."""
    return (order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT) & (
        order_command.get_time_in_force(command) <= common.TIME_IN_FORCE_GOOD_TILL_CANCEL
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
def can_have_id(engine: int, command: int) -> bool:
    """Whether a new order can have an id: one that it names itself must be new."""
    if load_constant_i64(engine + at.HEADER_ORDER_IDS) != ORDER_IDS_CLIENT:
        return True
    order_id = order_command.get_client_order_id0(command)
    return order_id != 0 and load_i32(link_of_order(engine, order_id)) == 0


@inline_always
def accept_plain(engine: int, command: int, side: int, price_units: int) -> int:
    """Number a new order that nothing refuses, and acknowledge it; returns its id."""
    note_command(engine, command)
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, number)
    order_id = newest_order_id(engine, command)
    quantity_units = order_command.get_quantity_units(command)
    word = ACCEPTED | (side << 16)
    write_report(engine, word, order_id, price_units, quantity_units, quantity_units)
    return order_id


@inline_always
def rest_plain(
    engine: int,
    command: int,
    rest: int,
    book: int,
    order_id: int,
    side: int,
    level: int,
    leaves_units: int,
) -> None:
    """Let what is left of a new order rest; ``level`` is its price's, or 0 if it has none."""
    price_units = order_command.get_price_units(command)
    slot = add_plain_order(engine, command, rest, book, order_id, price_units, leaves_units)
    enter_order_id(engine, slot, order_id)
    address = book_at(engine, book)
    if level == 0:
        level = open_level(engine, side_of_book(address, side), side, price_units)
    queue_order(engine, slot, level)
    count_book_events(engine, address, 1)


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
    address = book_at(engine, book)
    other_side = side_of_book(address, opposite(side))
    remaining_steps = load_constant_i64(engine + at.HEADER_STEP_LIMIT)
    while leaves_units > 0 and meets_side(side, limit_units, other_side):
        if remaining_steps == 0:
            price_units = order_price(command)
            slot = add_plain_order(engine, command, rest, book, order_id, price_units, leaves_units)
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
            engine, side, order_id, maker_id, level_units, quantity_units, leaves_units
        )
        count_book_events(engine, address, 1)
        if quantity_units == maker_units:
            end_maker(engine, other_side, level, maker)
        remaining_steps -= 1
    return leaves_units


@apart
def rest_taker(engine: int, command: int, rest: int, leaves_units: int) -> int:
    """Let a new order rest that has met its limit, and so finds no order of its own side there."""
    book = book_index(engine, order_command.get_instrument_id(command))
    order_id = newest_order_id(engine, command)
    side = order_command.get_side(command)
    rest_plain(engine, command, rest, book, order_id, side, 0, leaves_units)
    return DONE


@apart
def take_plain(engine: int, command: int, rest: int, book: int) -> int:
    """Enter a new order that meets the other side of a book (by its index) or may not rest."""
    if not can_have_id(engine, command):
        return NOT_PLAIN
    side = order_command.get_side(command)
    price_units = order_price(command)
    order_id = accept_plain(engine, command, side, price_units)
    leaves_units = match_new(engine, command, rest, book)
    if leaves_units == UNDER_WAY:
        return MORE
    if leaves_units != 0:
        if can_rest(command):
            return rest_taker(engine, command, rest, leaves_units)
        quantity_units = order_command.get_quantity_units(command)
        word = EXPIRED | (side << 16)
        write_report(engine, word, order_id, price_units, quantity_units, leaves_units)
    return DONE


@inline_always
def diverts(engine: int, command: int, book: int, said: int) -> bool:
    """Whether anything but type and price of a new order for a book (by its address), or about that
    book, refuses or diverts it."""
    account_id = order_command.get_account_id(command)
    return (
        further_rules(engine, book) | said != 0
        or not account_known(engine, account_id)
        or has_own_ids(engine, account_id)
        or not has_free_order(engine)
        or not has_free_level(engine)
        or breaks_quantity_rules(book, order_command.get_quantity_units(command))
    )


@apart
def new_limit(engine: int, command: int, rest: int, said: int) -> int:
    """Enter a limit order that may rest: DONE, MORE, or NOT_PLAIN with nothing changed."""
    side = order_command.get_side(command)
    index = book_index(engine, order_command.get_instrument_id(command))
    book = book_at(engine, index)
    price_units = order_command.get_price_units(command)
    if index == 0 or diverts(engine, command, book, said) or breaks_price_rules(book, price_units):
        return NOT_PLAIN
    if meets_side(side, price_units, side_of_book(book, opposite(side))):
        return take_plain(engine, command, rest, index)
    level = level_of_price(engine, side_of_book(book, side), price_units)
    quantity_units = order_command.get_quantity_units(command)
    if not has_room(engine, level, quantity_units) or not can_have_id(engine, command):
        return NOT_PLAIN
    order_id = accept_plain(engine, command, side, price_units)
    rest_plain(engine, command, rest, index, order_id, side, level, quantity_units)
    return DONE


@apart
def new_taker(engine: int, command: int, rest: int, said: int) -> int:
    """Enter an order that may not rest, as `new_limit` does."""
    side = order_command.get_side(command)
    order_type = order_command.get_order_type(command)
    time_in_force = order_command.get_time_in_force(command)
    index = book_index(engine, order_command.get_instrument_id(command))
    book = book_at(engine, index)
    is_limit = order_type == common.ORDER_TYPE_LIMIT
    is_immediate = time_in_force == common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
    # A market order never rests, whatever its day.
    is_day = time_in_force == common.TIME_IN_FORCE_DAY
    is_market = order_type == common.ORDER_TYPE_MARKET and (is_immediate or is_day)
    if (
        index == 0
        or (side - 1) & ~1 != 0
        or not (is_market or (is_limit and is_immediate))
        or diverts(engine, command, book, said)
        or (is_limit and breaks_price_rules(book, order_command.get_price_units(command)))
    ):
        return NOT_PLAIN
    return take_plain(engine, command, rest, index)


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
def leave_plain(engine: int, slot: int, side_book: int) -> None:
    """Take a plain order out of its queue, and close its level if it was alone there."""
    level = leave_level(engine, slot)
    if load_i32(level_at(engine, level) + at.LEVEL_ORDER_COUNT) == 0:
        close_level(engine, side_book, level, 0)


@apart
def close_level(engine: int, side_book: int, level: int, _fourth: int) -> int:
    """`remove_level`, which is seldom needed."""
    remove_level(engine, side_book, level)
    return 0


@apart
def cancel_plain(engine: int, command: int, rest: int, said: int) -> int:
    """Cancel a plain resting order as a whole: DONE, or NOT_PLAIN with nothing changed."""
    link = link_of_order(engine, order_command.get_order_id(command))
    slot = load_i32(link) + 0
    order = order_at(engine, slot)
    following = load_i32(order + at.ORDER_CHAIN) + 0
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    said |= order_command.get_quantity_units(command)
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
    store_i32(link, following)
    leave_plain(engine, slot, side_of_book(book, load_i16(order + at.ORDER_SIDE) + 0))
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
    leave_plain(engine, slot, side_book)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    report_replaced(engine, slot)
    level = level_of_price(engine, side_book, price_units)
    if level == 0:
        side = load_i16(order + at.ORDER_SIDE) + 0
        level = open_level(engine, side_book, side, price_units)
    queue_order(engine, slot, level)
    count_book_events(engine, book, 2)


@apart
def replace_plain(engine: int, command: int, rest: int, said: int) -> int:
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
        report_replaced(engine, slot)
        count_book_events(engine, book, 0 if added_units == 0 else 1)
        return DONE
    level = level_of_price(engine, side_of_book(book, own_side), price_units)
    other_side = side_of_book(book, opposite(own_side))
    if meets_side(own_side, price_units, other_side) or not has_room(engine, level, quantity_units):
        return NOT_PLAIN
    note_command(engine, command)
    rename_order(engine, slot, command, rest)
    requeue_plain(engine, slot, price_units, quantity_units)
    return DONE


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
    if (head - FIRST_LIMIT) & ~OTHER_LIMITS == 0:
        return new_limit(engine, command, rest, said)
    if action == order_command.COMMAND_ACTION_NEW_ORDER:
        return new_taker(engine, command, rest, said)
    if action == order_command.COMMAND_ACTION_REPLACE_ORDER:
        return replace_plain(engine, command, rest, said)
    return NOT_PLAIN
