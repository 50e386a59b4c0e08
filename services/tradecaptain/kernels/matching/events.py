"""Execution and book events, written as wire records where the caller claimed room for them.

The header tells address, stride and how many records were written since `engine_claim`. The caller
provides room for a whole bounded step (`layout.execution_room`, `book_room`), so nothing here asks.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    copy_bytes,
    load_constant_i64,
    load_i16,
    load_i32,
    load_i64,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.fees import fee_units
from tradecaptain.kernels.matching.layout import NANOSECONDS_A_DAY, PARTY_NAMES_BYTES
from tradecaptain.kernels.matching.reports import (
    count_book_event,
    count_market_event,
    report_mass_cancel,
    report_order,
    report_refusal,
    report_trade,
    reports_wire,
)
from tradecaptain.kernels.matching.tables import (
    account_known,
    book_at,
    level_at,
    order_at,
    party_at,
)
from tradecaptain.wire import book_event, execution_event, order_command

FLAG_LAST = 1

EXECUTION_WORD = execution_event.KIND | (execution_event.SCHEMA_VERSION << 16)
"""Kind and version of the record, before its epoch."""
BOOK_WORD = book_event.KIND | (book_event.SCHEMA_VERSION << 16)
AT_KIND = execution_event.OFFSET_KIND
AT_KINDS = execution_event.OFFSET_EXECUTION_TYPE
AT_REASONS = execution_event.OFFSET_REASON
AT_TRADE_DATE = execution_event.OFFSET_TRADE_DATE
TERMS_OF_WORD = 0x7FFFFFFF << 32
NOT_DURABLE = execution_event.DURABILITY_NONE << 32


@inline
def civil_date(day: int) -> int:
    """YYYYMMDD of a day counted from 1970-01-01 (proleptic Gregorian calendar).

    Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    shifted = day + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_index = (5 * day_of_year + 2) // 153
    day_of_month = day_of_year - (153 * month_index + 2) // 5 + 1
    month = month_index + 3 if month_index < 10 else month_index - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return year * 10_000 + month * 100 + day_of_month


@inline
def begin_command(engine: int, command_sequence: int, time_ns: int) -> None:
    """Note which command the following events belong to, and its trade date."""
    store_i64(engine + at.HEADER_COMMAND_SEQUENCE, command_sequence)
    store_i64(engine + at.HEADER_TIME_NS, time_ns)
    if time_ns >= load_i64(engine + at.HEADER_TRADE_DATE_END_NS) or time_ns < load_i64(
        engine + at.HEADER_TRADE_DATE_START_NS
    ):
        day = time_ns // NANOSECONDS_A_DAY
        store_i64(engine + at.HEADER_TRADE_DATE, civil_date(day))
        store_i64(engine + at.HEADER_TRADE_DATE_START_NS, day * NANOSECONDS_A_DAY)
        store_i64(engine + at.HEADER_TRADE_DATE_END_NS, (day + 1) * NANOSECONDS_A_DAY)


@inline
def claim_place(engine: int) -> int:
    """Address of the step's next execution event."""
    count = load_i64(engine + at.HEADER_EXECUTION_COUNT)
    event = load_i64(engine + at.HEADER_EXECUTION_ADDRESS) + count * load_i64(
        engine + at.HEADER_EXECUTION_STRIDE
    )
    store_i64(engine + at.HEADER_EXECUTION_COUNT, count + 1)
    return event


@inline
def claim_execution(engine: int) -> int:
    """Address of the next execution event, whose sequence is counted."""
    event = claim_place(engine)
    sequence = load_i64(engine + at.HEADER_EXECUTION_SEQUENCE) + 1
    store_i64(engine + at.HEADER_EXECUTION_SEQUENCE, sequence)
    return event


@inline
def next_account_sequence(engine: int, account_id: int) -> int:
    """Count an event of an account; 0 for one that the engine doesn't know."""
    if not account_known(engine, account_id):
        return 0
    return count_for_account(engine, account_id)


@inline
def count_for_account(engine: int, account_id: int) -> int:
    """Count an event of an account that the engine knows."""
    counter = engine + load_constant_i64(engine + at.HEADER_ACCOUNT_SEQUENCES_OFFSET)
    account_sequence = load_i64(counter + account_id * 8) + 1
    store_i64(counter + account_id * 8, account_sequence)
    return account_sequence


@inline
def next_execution(engine: int, account_id: int) -> int:
    """Address of the next execution event, with its identity filled in and all else zero."""
    event = claim_execution(engine)
    sequence = load_i64(engine + at.HEADER_EXECUTION_SEQUENCE)
    execution_event.initialise(event)
    execution_event.set_epoch(event, load_constant_i64(engine + at.HEADER_EPOCH))
    execution_event.set_sequence(event, sequence)
    execution_event.set_time_ns(event, load_i64(engine + at.HEADER_TIME_NS))
    execution_event.set_account_id(event, account_id)
    execution_event.set_account_sequence(event, next_account_sequence(engine, account_id))
    identity = load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + sequence
    execution_event.set_execution_id(event, identity)
    execution_event.set_trade_date(event, load_i64(engine + at.HEADER_TRADE_DATE))
    execution_event.set_durability(event, execution_event.DURABILITY_NONE)
    execution_event.set_command_sequence(event, load_i64(engine + at.HEADER_COMMAND_SEQUENCE))
    return event


@inline
def spare_event(engine: int) -> int:
    """Where fields may be set that compact reports don't have."""
    return engine + load_i64(engine + at.HEADER_SPARE_EVENT_OFFSET)


@inline
def write_execution(engine: int, slot: int, execution_type: int, status: int, is_own: bool) -> int:
    """Write an event of an order and return its address.

    ``is_own`` tells whether the command at work came from the order's owner: its tag and send time
    are echoed then, else the order's own tag.
    """
    if not reports_wire(engine):
        sequence = load_i64(engine + at.HEADER_COMMAND_SEQUENCE)
        report_order(engine, sequence, slot, execution_type, status, 0)
        return spare_event(engine)
    account_id = load_i32(order_at(engine, slot) + at.ORDER_ACCOUNT_ID) + 0
    event = claim_execution(engine)
    sequence = load_i64(engine + at.HEADER_EXECUTION_SEQUENCE)
    account_sequence = next_account_sequence(engine, account_id)
    leaves_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
    describe_order(
        engine,
        event,
        slot,
        sequence,
        account_sequence,
        execution_type,
        status,
        leaves_units,
        is_own,
    )
    return event


@inline_always
def describe_order(
    engine: int,
    event: int,
    slot: int,
    sequence: int,
    account_sequence: int,
    execution_type: int,
    status: int,
    leaves_units: int,
    is_own: bool,
) -> None:
    """Say in an event of given numbers how an order stands, with so much left, and whose it is.

    Written word by word, the small fields of a word at once: an empty record that is then filled
    field by field is written twice.
    """
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    account_id = load_i32(order + at.ORDER_ACCOUNT_ID) + 0
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    quantity_units = load_i64(order + at.ORDER_QUANTITY_UNITS)
    side = load_i16(order + at.ORDER_SIDE) + 0
    store_i64(event, execution_event.SEGMENT_TABLE)
    store_i64(event + 8, execution_event.ROOT_POINTER)
    epoch = load_constant_i64(engine + at.HEADER_EPOCH)
    store_i64(event + AT_KIND, EXECUTION_WORD | (epoch << 32))
    execution_event.set_sequence(event, sequence)
    execution_event.set_time_ns(event, load_i64(engine + at.HEADER_TIME_NS))
    store_i64(event + AT_KINDS, execution_type | (status << 16) | (side << 32))
    execution_event.set_account_id(event, account_id)
    execution_event.set_instrument_id(event, load_i64(book + at.BOOK_INSTRUMENT_ID))
    execution_event.set_account_sequence(event, account_sequence)
    execution_event.set_order_id(event, load_i64(order + at.ORDER_ORDER_ID))
    identity = load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + sequence
    execution_event.set_execution_id(event, identity)
    execution_event.set_match_id(event, 0)
    client_order_id0 = load_i64(order + at.ORDER_CLIENT_ORDER_ID0)
    execution_event.set_client_order_id0(event, client_order_id0)
    copy_bytes(event + execution_event.OFFSET_CLIENT_ORDER_ID1, party, PARTY_NAMES_BYTES)
    execution_event.set_price_units(event, load_i64(order + at.ORDER_PRICE_UNITS))
    execution_event.set_quantity_units(event, quantity_units)
    execution_event.set_last_price_units(event, 0)
    execution_event.set_last_quantity_units(event, 0)
    execution_event.set_leaves_quantity_units(event, leaves_units)
    execution_event.set_cumulative_quantity_units(event, quantity_units - leaves_units)
    execution_event.set_fee_units(event, 0)
    # Reason and limit level are none; type and time in force lie as in a command's word.
    store_i64(event + AT_REASONS, load_i64(party + at.PARTY_WORD) & TERMS_OF_WORD)
    execution_event.set_limit_value(event, 0)
    execution_event.set_observed_value(event, 0)
    store_i64(event + AT_TRADE_DATE, load_i64(engine + at.HEADER_TRADE_DATE) | NOT_DURABLE)
    execution_event.set_command_sequence(event, load_i64(engine + at.HEADER_COMMAND_SEQUENCE))
    time_ns = load_i64(engine + at.HEADER_ANSWER_TIME_NS) if is_own else 0
    execution_event.set_send_time_ns(event, time_ns)
    execution_event.set_original_execution_id(event, 0)
    execution_event.set_self_trade_group(event, load_i32(order + at.ORDER_SELF_TRADE_GROUP))
    if is_own:
        execution_event.set_tag(event, load_i64(engine + at.HEADER_ANSWER_TAG))
    else:
        execution_event.set_tag(event, load_i32(party + at.PARTY_TAG))


@inline
def repeat_end(
    engine: int, slot: int, sequence: int, account_sequence: int, reason: int, is_own: bool
) -> None:
    """Write the event of an order's cancel once more, by the numbers under which it was told."""
    event = claim_place(engine)
    kind, status = execution_event.EXECUTION_TYPE_CANCELLED, execution_event.ORDER_STATUS_CANCELLED
    leaves_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
    describe_order(
        engine, event, slot, sequence, account_sequence, kind, status, leaves_units, is_own
    )
    execution_event.set_leaves_quantity_units(event, 0)
    execution_event.set_reason(event, reason)


@inline
def write_end(
    engine: int, slot: int, execution_type: int, status: int, reason: int, is_own: bool
) -> int:
    """Write the last event of an order that ends unfilled: nothing is left open."""
    if not reports_wire(engine):
        sequence = load_i64(engine + at.HEADER_COMMAND_SEQUENCE)
        report_order(engine, sequence, slot, execution_type, status, reason)
        return spare_event(engine)
    event = write_execution(engine, slot, execution_type, status, is_own)
    execution_event.set_leaves_quantity_units(event, 0)
    execution_event.set_reason(event, reason)
    return event


@inline
def write_fill(
    engine: int, slot: int, price_units: int, quantity_units: int, match_id: int, liquidity: int
) -> None:
    """Report one side of a trade; the order's leaves are already those after it."""
    leaves_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
    status = (
        execution_event.ORDER_STATUS_FILLED
        if leaves_units == 0
        else execution_event.ORDER_STATUS_PARTIALLY_FILLED
    )
    event = write_execution(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_TRADE,
        status,
        liquidity == execution_event.LIQUIDITY_TAKER,
    )
    execution_event.set_liquidity(event, liquidity)
    execution_event.set_match_id(event, match_id)
    execution_event.set_last_price_units(event, price_units)
    execution_event.set_last_quantity_units(event, quantity_units)
    if load_i64(engine + at.HEADER_HAS_FEES) != 0:
        account_id = load_i32(order_at(engine, slot) + at.ORDER_ACCOUNT_ID) + 0
        fee = fee_units(engine, account_id, price_units, quantity_units, liquidity)
        execution_event.set_fee_units(event, fee)


@inline
def write_trade(
    engine: int, taker: int, maker: int, price_units: int, quantity_units: int, match_id: int
) -> None:
    """Report a trade to both sides, the taker first; their leaves are already those after it."""
    if not reports_wire(engine):
        report_trade(engine, taker, maker, price_units, quantity_units)
        return
    write_fill(
        engine, taker, price_units, quantity_units, match_id, execution_event.LIQUIDITY_TAKER
    )
    write_fill(
        engine, maker, price_units, quantity_units, match_id, execution_event.LIQUIDITY_MAKER
    )


@inline
def write_auction_trade(
    engine: int, buy: int, sell: int, price_units: int, quantity_units: int, match_id: int
) -> None:
    """Report a trade of an auction to both sides, the buyer first."""
    if not reports_wire(engine):
        report_trade(engine, buy, sell, price_units, quantity_units)
        return
    write_fill(
        engine, buy, price_units, quantity_units, match_id, execution_event.LIQUIDITY_AUCTION
    )
    write_fill(
        engine, sell, price_units, quantity_units, match_id, execution_event.LIQUIDITY_AUCTION
    )


@inline
def write_mass_cancel_done(engine: int, account_id: int) -> None:
    """Answer the account that asked for a mass cancel, once it is done."""
    if not reports_wire(engine):
        report_mass_cancel(engine)
        return
    event = next_execution(engine, account_id)
    execution_event.set_execution_type(event, execution_event.EXECUTION_TYPE_MASS_CANCEL_DONE)
    execution_event.set_observed_value(event, load_i64(engine + at.HEADER_AFFECTED_COUNT))
    execution_event.set_tag(event, load_i64(engine + at.HEADER_ANSWER_TAG))
    execution_event.set_send_time_ns(event, load_i64(engine + at.HEADER_ANSWER_TIME_NS))


@inline
def write_refusal(engine: int, command: int, execution_type: int, reason: int) -> int:
    """Write the answer to a command that was refused, with what the command itself says."""
    if not reports_wire(engine):
        report_refusal(engine, command, execution_type, reason)
        return spare_event(engine)
    event = next_execution(engine, order_command.get_account_id(command))
    execution_event.set_execution_type(event, execution_type)
    execution_event.set_order_status(event, execution_event.ORDER_STATUS_REJECTED)
    execution_event.set_side(event, order_command.get_side(command))
    execution_event.set_instrument_id(event, order_command.get_instrument_id(command))
    execution_event.set_order_id(event, order_command.get_order_id(command))
    execution_event.set_client_order_id0(event, order_command.get_client_order_id0(command))
    execution_event.set_client_order_id1(event, order_command.get_client_order_id1(command))
    execution_event.set_client_order_id2(event, order_command.get_client_order_id2(command))
    execution_event.set_client_order_id3(event, order_command.get_client_order_id3(command))
    execution_event.set_firm_id(event, order_command.get_firm_id(command))
    execution_event.set_session_id(event, order_command.get_session_id(command))
    execution_event.set_trader_id(event, order_command.get_trader_id(command))
    execution_event.set_strategy_id(event, order_command.get_strategy_id(command))
    execution_event.set_price_units(event, order_command.get_price_units(command))
    execution_event.set_quantity_units(event, order_command.get_quantity_units(command))
    execution_event.set_order_type(event, order_command.get_order_type(command))
    execution_event.set_time_in_force(event, order_command.get_time_in_force(command))
    execution_event.set_self_trade_group(event, order_command.get_self_trade_group(command))
    execution_event.set_reason(event, reason)
    execution_event.set_tag(event, order_command.get_tag(command))
    execution_event.set_send_time_ns(event, order_command.get_send_time_ns(command))
    return event


@inline_always
def tell_level(
    engine: int,
    book: int,
    kinds: int,
    order_id: int,
    price_units: int,
    quantity_units: int,
    level_orders: int,
    level_units: int,
    match_id: int,
) -> int:
    """Write a book event; returns its address. ``book`` is the address of the instrument's book.

    ``kinds`` has action, side and flags in their places. Written word by word, as an execution
    event is (`describe_order`).
    """
    count = load_i64(engine + at.HEADER_BOOK_COUNT)
    stride = load_i64(engine + at.HEADER_BOOK_STRIDE)
    event = load_i64(engine + at.HEADER_BOOK_ADDRESS) + count * stride
    store_i64(engine + at.HEADER_BOOK_COUNT, count + 1)
    sequence = load_i64(engine + at.HEADER_BOOK_SEQUENCE) + 1
    store_i64(engine + at.HEADER_BOOK_SEQUENCE, sequence)
    instrument_sequence = load_i64(book + at.BOOK_INSTRUMENT_SEQUENCE) + 1
    store_i64(book + at.BOOK_INSTRUMENT_SEQUENCE, instrument_sequence)
    epoch = load_constant_i64(engine + at.HEADER_EPOCH)
    store_i64(event, book_event.SEGMENT_TABLE)
    store_i64(event + 8, book_event.ROOT_POINTER)
    store_i64(event + book_event.OFFSET_KIND, BOOK_WORD | (epoch << 32))
    book_event.set_sequence(event, sequence)
    book_event.set_time_ns(event, load_i64(engine + at.HEADER_TIME_NS))
    store_i64(event + book_event.OFFSET_ACTION, kinds)
    level_word = load_i64(book + at.BOOK_INSTRUMENT_ID) | (level_orders << 32)
    store_i64(event + book_event.OFFSET_INSTRUMENT_ID, level_word)
    book_event.set_instrument_sequence(event, instrument_sequence)
    book_event.set_order_id(event, order_id)
    book_event.set_price_units(event, price_units)
    book_event.set_quantity_units(event, quantity_units)
    book_event.set_level_quantity_units(event, level_units)
    book_event.set_match_id(event, match_id)
    book_event.set_command_sequence(event, load_i64(engine + at.HEADER_COMMAND_SEQUENCE))
    return event


@inline
def write_book(
    engine: int, slot: int, action: int, quantity_units: int, level: int, match_id: int
) -> int:
    """Write a book event of an order at its level, whose aggregates are already those after it.

    Hidden orders and what icebergs don't show are left out of the aggregates. Returns its address.
    """
    if not reports_wire(engine):
        count_book_event(engine, slot)
        return spare_event(engine)
    order = order_at(engine, slot)
    side = load_i16(order + at.ORDER_SIDE) + 0
    order_id = load_i64(order + at.ORDER_ORDER_ID)
    address = level_at(engine, level)
    price_units = load_i64(address + at.LEVEL_PRICE_UNITS)
    shown_count = load_i32(address + at.LEVEL_ORDER_COUNT) - load_i32(
        address + at.LEVEL_HIDDEN_COUNT
    )
    shown_units = load_i64(address + at.LEVEL_QUANTITY_UNITS) - load_i64(
        address + at.LEVEL_HIDDEN_UNITS
    )
    return tell_level(
        engine,
        book_at(engine, load_i32(order + at.ORDER_BOOK) + 0),
        action | (side << 16),
        order_id,
        price_units,
        quantity_units,
        shown_count,
        shown_units,
        match_id,
    )


@inline
def write_market(engine: int, book: int, action: int) -> int:
    """Write a book event that is about no order: a phase or an indication. Returns its address."""
    if not reports_wire(engine):
        count_market_event(book)
        return spare_event(engine)
    return tell_level(engine, book, action, 0, 0, 0, 0, 0, 0)


@inline
def mark_last_execution(engine: int) -> None:
    """Flag the newest execution event of this step as the last of its command."""
    count = load_i64(engine + at.HEADER_EXECUTION_COUNT)
    if count > 0:
        event = load_i64(engine + at.HEADER_EXECUTION_ADDRESS) + (count - 1) * load_i64(
            engine + at.HEADER_EXECUTION_STRIDE
        )
        execution_event.set_flags(event, execution_event.get_flags(event) | FLAG_LAST)


@inline
def mark_last_book(engine: int) -> None:
    """Flag the newest book event of this step as the last of its command."""
    count = load_i64(engine + at.HEADER_BOOK_COUNT)
    if count > 0:
        event = load_i64(engine + at.HEADER_BOOK_ADDRESS) + (count - 1) * load_i64(
            engine + at.HEADER_BOOK_STRIDE
        )
        book_event.set_flags(event, book_event.get_flags(event) | FLAG_LAST)
