"""The short way for what most commands are: a plain limit order, or the cancel of one.

Where an engine reports compactly, and a book has nothing but plain orders in continuous trading,
all the rules that could refuse or divert a command are looked at together, in one branch. What
passes does to the book just what the general way does (`entry`), which takes everything else. Both
are run against each other in the tests.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    copy_bytes,
    load_i32,
    load_i64,
    load_u16,
    load_u32,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.identity import enter_order_id, order_bucket
from tradecaptain.kernels.matching.layout import (
    INT64_MAXIMUM,
    ORDER_IDS_CLIENT,
    PARTY_NAMES_BYTES,
)
from tradecaptain.kernels.matching.levels import (
    append_order,
    best_level,
    close_if_empty,
    crosses,
    leave_level,
    level_of_price,
    opposite,
)
from tradecaptain.kernels.matching.match import begin_match
from tradecaptain.kernels.matching.reports import count_book_event, report_order
from tradecaptain.kernels.matching.tables import (
    book_at,
    give_order,
    has_free_level,
    has_free_order,
    level_at,
    order_at,
    party_at,
    side_at,
    take_order,
)
from tradecaptain.wire import common, execution_event, order_command, reason

NOT_PLAIN = -1

# Action, side, order type and time in force lie in one word, 16 bits each.
NEW_LIMIT = order_command.COMMAND_ACTION_NEW_ORDER | (common.ORDER_TYPE_LIMIT << 32)
ACTION_AND_TYPE_MASK = 0x0000_FFFF_0000_FFFF
FIRST_TERMS = order_command.OFFSET_STOP_PRICE_UNITS
LAST_TERMS = order_command.OFFSET_EXPIRE_TIME_NS
FURTHER_TERMS = order_command.OFFSET_SEND_TIME_NS + 8


@inline
def says_more(command: int) -> bool:
    """Whether a command says anything beyond what a plain limit order says."""
    said = order_command.get_instructions(command) | order_command.get_self_trade_group(command)
    for offset in range(FIRST_TERMS, LAST_TERMS + 8, 8):
        said |= load_i64(command + offset)
    for offset in range(FURTHER_TERMS, order_command.RECORD_BYTES, 8):
        said |= load_i64(command + offset)
    return said != 0


@inline
def is_plain_book(engine: int, book: int) -> bool:
    """Whether a book (by its address) has only plain orders, in continuous trading."""
    special = load_i64(book + at.BOOK_SPECIAL) | load_i64(book + at.BOOK_WATCH_COUNT)
    return special | load_i64(engine + at.HEADER_WATCH_COUNT) == 0


@inline
def is_within_rules(book: int, price_units: int, quantity_units: int) -> bool:
    """Whether price and size keep the rules of a book (by its address) without steps or lots."""
    return (
        (price_units >= load_i64(book + at.BOOK_MINIMUM_PRICE_UNITS))
        & (price_units <= load_i64(book + at.BOOK_MAXIMUM_PRICE_UNITS))
        & (price_units >= load_i64(book + at.BOOK_LOW_BAND_UNITS))
        & (price_units <= load_i64(book + at.BOOK_HIGH_BAND_UNITS))
        & (quantity_units > 0)
        & (quantity_units <= load_i64(book + at.BOOK_MAXIMUM_QUANTITY_UNITS))
        & (load_i64(book + at.BOOK_LOT_UNITS) == 1)
        & (load_i64(book + at.BOOK_TICK_UNITS) == 1)
    )


@inline
def note_command(engine: int, command: int) -> None:
    """Note the stamps of a command; compact reports need no trade date, tag or send time."""
    store_i64(engine + at.HEADER_COMMAND_SEQUENCE, order_command.get_sequence(command))
    store_i64(engine + at.HEADER_TIME_NS, order_command.get_time_ns(command))


@inline
def write_plain_order(engine: int, slot: int, command: int, book: int) -> None:
    """Write a new plain order's records."""
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, number)
    given_id = load_i64(engine + at.HEADER_IDENTITY_BASE) + number
    own_id = order_command.get_client_order_id0(command)
    is_own = load_i64(engine + at.HEADER_ORDER_IDS) == ORDER_IDS_CLIENT
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    quantity_units = order_command.get_quantity_units(command)
    store_i64(order + at.ORDER_ORDER_ID, own_id if is_own else given_id)
    store_i64(order + at.ORDER_PRICE_UNITS, order_command.get_price_units(command))
    store_i64(order + at.ORDER_LEAVES_UNITS, quantity_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i32(order + at.ORDER_LEVEL, 0)
    store_i32(order + at.ORDER_ACCOUNT_ID, order_command.get_account_id(command))
    store_i32(order + at.ORDER_BOOK, book)
    # The flags lie in the upper half of the side's word.
    store_i32(order + at.ORDER_SIDE, order_command.get_side(command))
    store_i32(order + at.ORDER_SELF_TRADE_GROUP, 0)
    copy_bytes(party, command + order_command.OFFSET_CLIENT_ORDER_ID0, PARTY_NAMES_BYTES)
    store_i32(party + at.PARTY_TAG, order_command.get_tag(command))
    store_i32(party + at.PARTY_ORDER_TYPE, common.ORDER_TYPE_LIMIT)
    store_i32(party + at.PARTY_TIME_IN_FORCE, order_command.get_time_in_force(command))


@inline
def is_known_account(engine: int, account_id: int) -> bool:
    """Whether an account may trade and isn't the replayed flow's, which has ids of its own."""
    return (
        (account_id != 0)
        & (account_id < load_i64(engine + at.HEADER_ACCOUNT_ID_LIMIT))
        & (account_id != load_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID))
    )


@inline
def new_plain(engine: int, command: int, word: int) -> int:
    """Enter a plain limit order: DONE, MORE, or NOT_PLAIN with nothing changed."""
    side = (word >> 16) & 0xFFFF
    time_in_force = (word >> 48) & 0xFFFF
    instrument_id = order_command.get_instrument_id(command)
    if instrument_id >= load_i64(engine + at.HEADER_INSTRUMENT_ID_LIMIT):
        return NOT_PLAIN
    index_table = engine + load_i64(engine + at.HEADER_INSTRUMENT_INDEX_OFFSET)
    index = load_i32(index_table + instrument_id * 4) + 0
    book = book_at(engine, index)
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    is_client_named = load_i64(engine + at.HEADER_ORDER_IDS) == ORDER_IDS_CLIENT
    if not (
        (word & ACTION_AND_TYPE_MASK == NEW_LIMIT)
        & ((side - 1) & ~1 == 0)
        & (time_in_force >= common.TIME_IN_FORCE_DAY)
        & (time_in_force <= common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL)
        & (index != 0)
        & is_known_account(engine, order_command.get_account_id(command))
        & (not says_more(command))
        & is_plain_book(engine, book)
        & is_within_rules(book, price_units, quantity_units)
        & has_free_order(engine)
        & has_free_level(engine)
    ):
        return NOT_PLAIN
    if is_client_named:
        own_id = order_command.get_client_order_id0(command)
        link = link_of_order(engine, own_id)
        if own_id == 0 or load_i32(link) != 0:
            return NOT_PLAIN
    side_book = side_at(engine, index, side)
    level = level_of_price(engine, side_book, price_units)
    if load_i64(level_at(engine, level) + at.LEVEL_QUANTITY_UNITS) > INT64_MAXIMUM - quantity_units:
        return NOT_PLAIN
    note_command(engine, command)
    slot = take_order(engine)
    write_plain_order(engine, slot, command, index)
    report_order(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_ACCEPTED,
        execution_event.ORDER_STATUS_WORKING,
        0,
    )
    best = best_level(side_at(engine, index, opposite(side)))
    meets = (best != 0) & crosses(
        side, price_units, load_i64(level_at(engine, best) + at.LEVEL_PRICE_UNITS)
    )
    if meets or time_in_force == common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL:
        store_i64(engine + at.HEADER_FOUND_LEVEL, level)
        return begin_match(engine, slot, price_units)
    enter_order_id(engine, slot)
    append_order(engine, side_book, slot, level)
    count_book_event(engine, slot)
    return 0


@inline
def link_of_order(engine: int, order_id: int) -> int:
    """Address of the word that names the order of an id; it is 0 where the chain ends."""
    link = order_bucket(engine, order_id)
    slot = load_i32(link) + 0
    while slot != 0:
        order = order_at(engine, slot)
        if load_i64(order + at.ORDER_ORDER_ID) == order_id:
            return link
        link = order + at.ORDER_CHAIN
        slot = load_i32(link) + 0
    return link


@inline
def cancel_plain(engine: int, command: int) -> int:
    """Cancel a plain resting order as a whole: DONE, or NOT_PLAIN with nothing changed."""
    account_id = order_command.get_account_id(command)
    link = link_of_order(engine, order_command.get_order_id(command))
    slot = load_i32(link) + 0
    order = order_at(engine, slot)
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    if not (
        (slot != 0)
        & (load_u32(order + at.ORDER_ACCOUNT_ID) == account_id)
        & (load_u16(order + at.ORDER_FLAGS) == 0)
        & (load_i32(order + at.ORDER_LEVEL) != 0)
        & (order_command.get_quantity_units(command) == 0)
        & (order_command.get_instructions(command) == 0)
        & (account_id != load_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID))
        & is_plain_book(engine, book)
    ):
        return NOT_PLAIN
    note_command(engine, command)
    report_order(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_CANCELLED,
        execution_event.ORDER_STATUS_CANCELLED,
        reason.REASON_CANCELLED_BY_OWNER,
    )
    count_book_event(engine, slot)
    close_if_empty(engine, slot, leave_level(engine, slot))
    store_i32(link, load_i32(order + at.ORDER_CHAIN))
    give_order(engine, slot)
    return 0


@inline
def submit_plain(engine: int, command: int) -> int:
    """Carry out a command the short way: DONE, MORE, or NOT_PLAIN with nothing changed."""
    word = load_i64(command + order_command.OFFSET_ACTION)
    action = word & 0xFFFF
    if action == order_command.COMMAND_ACTION_CANCEL_ORDER:
        return cancel_plain(engine, command)
    if action == order_command.COMMAND_ACTION_NEW_ORDER:
        return new_plain(engine, command, word)
    return NOT_PLAIN
