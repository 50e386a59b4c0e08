"""The form of plain commands whose engine writes wire events, and which nobody else judges.

See `plain_form` for what each function does. The events are those of the general way (`events`), to
the byte: a new order's are written from its command, which says the same as its records.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    copy_bytes,
    load_constant_i64,
    load_i16,
    load_i32,
    load_i64,
    load_u32,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.entry import begin_order_command, set_client_order_id
from tradecaptain.kernels.matching.events import (
    AT_KIND,
    AT_KINDS,
    AT_REASONS,
    AT_TRADE_DATE,
    EXECUTION_WORD,
    FLAG_LAST,
    NOT_DURABLE,
    TERMS_OF_WORD,
    claim_execution,
    count_for_account,
    describe_order,
    tell_level,
    write_end,
    write_execution,
)
from tradecaptain.kernels.matching.fees import fee_units
from tradecaptain.kernels.matching.finish import mark_last
from tradecaptain.kernels.matching.plain_records import write_party
from tradecaptain.kernels.matching.plain_unjudged import may_enter, may_replace, note_cancel
from tradecaptain.kernels.matching.tables import book_at, level_at, order_at
from tradecaptain.kernels.matching.terms import working_status
from tradecaptain.wire import book_event, common, execution_event, order_command, reason

__all__ = ["may_enter", "may_replace", "note_cancel"]

AT_PRICE_UNITS = execution_event.OFFSET_PRICE_UNITS
LAST_OF_BOOK = FLAG_LAST << 32
FLAGS_BIT = 48
"""Where the flags lie in the word of trade date and durability."""

NAMED_BYTES = execution_event.OFFSET_PRICE_UNITS - execution_event.OFFSET_CLIENT_ORDER_ID0
"""What commands and events say alike of who entered an order."""

ACCEPTED = execution_event.EXECUTION_TYPE_ACCEPTED | (execution_event.ORDER_STATUS_WORKING << 16)
EXPIRED = execution_event.EXECUTION_TYPE_EXPIRED | (execution_event.ORDER_STATUS_EXPIRED << 16)
TRADED = execution_event.EXECUTION_TYPE_TRADE
TAKER = execution_event.LIQUIDITY_TAKER << 48
"""Type, status, side and liquidity lie in one word."""


@inline
def note_command(engine: int, command: int) -> None:
    """See `plain_form`."""
    begin_order_command(engine, command)


@inline
def name_taker(engine: int, slot: int, command: int) -> None:
    """See `plain_form`."""
    write_party(engine, slot, command)


@inline
def name_resting(engine: int, slot: int, command: int) -> None:
    """See `plain_form`."""
    write_party(engine, slot, command)


@inline
def rename(engine: int, slot: int, command: int) -> None:
    """See `plain_form`."""
    set_client_order_id(engine, slot, command)


@inline_always
def tell_sender(
    engine: int,
    command: int,
    order_id: int,
    kinds: int,
    match_id: int,
    price_units: int,
    last_price_units: int,
    last_quantity_units: int,
    leaves_units: int,
    cumulative_units: int,
    why: int,
    flags: int,
) -> int:
    """Write an event of the new order that a command says all of; returns its address.

    Written word by word, the small fields of a word at once, as `describe_order` does.
    """
    event = claim_execution(engine)
    sequence = load_i64(engine + at.HEADER_EXECUTION_SEQUENCE)
    account_sequence = count_for_account(engine, order_command.get_account_id(command))
    epoch = load_constant_i64(engine + at.HEADER_EPOCH)
    store_i64(event, execution_event.SEGMENT_TABLE)
    store_i64(event + 8, execution_event.ROOT_POINTER)
    store_i64(event + AT_KIND, EXECUTION_WORD | (epoch << 32))
    execution_event.set_sequence(event, sequence)
    execution_event.set_time_ns(event, order_command.get_time_ns(command))
    store_i64(event + AT_KINDS, kinds)
    # Account and instrument lie in one word.
    store_i64(
        event + execution_event.OFFSET_ACCOUNT_ID,
        load_i64(command + order_command.OFFSET_ACCOUNT_ID),
    )
    execution_event.set_account_sequence(event, account_sequence)
    execution_event.set_order_id(event, order_id)
    identity = load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + sequence
    execution_event.set_execution_id(event, identity)
    execution_event.set_match_id(event, match_id)
    copy_bytes(
        event + execution_event.OFFSET_CLIENT_ORDER_ID0,
        command + order_command.OFFSET_CLIENT_ORDER_ID0,
        NAMED_BYTES,
    )
    execution_event.set_price_units(event, price_units)
    execution_event.set_quantity_units(event, order_command.get_quantity_units(command))
    execution_event.set_last_price_units(event, last_price_units)
    execution_event.set_last_quantity_units(event, last_quantity_units)
    execution_event.set_leaves_quantity_units(event, leaves_units)
    execution_event.set_cumulative_quantity_units(event, cumulative_units)
    execution_event.set_fee_units(event, 0)
    terms = load_i64(command + order_command.OFFSET_ACTION) & TERMS_OF_WORD
    store_i64(event + AT_REASONS, terms | why)
    execution_event.set_limit_value(event, 0)
    execution_event.set_observed_value(event, 0)
    trade_date = load_i64(engine + at.HEADER_TRADE_DATE)
    store_i64(event + AT_TRADE_DATE, trade_date | NOT_DURABLE | (flags << FLAGS_BIT))
    execution_event.set_command_sequence(event, order_command.get_sequence(command))
    execution_event.set_send_time_ns(event, order_command.get_send_time_ns(command))
    execution_event.set_original_execution_id(event, 0)
    # The tag in the upper half; a plain order is of no self-trade group.
    tag = load_u32(command + order_command.OFFSET_TAG) + 0
    store_i64(event + execution_event.OFFSET_SELF_TRADE_GROUP, tag << 32)
    return event


@inline_always
def accepted(
    engine: int,
    command: int,
    order_id: int,
    side: int,
    quantity_units: int,
    is_last: int,
) -> int:
    """See `plain_form`."""
    kinds = ACCEPTED | (side << 32)
    price_units = order_command.get_price_units(command)
    flags = is_last * FLAG_LAST
    return tell_sender(
        engine, command, order_id, kinds, 0, price_units, 0, 0, quantity_units, 0, 0, flags
    )


@inline
def own_price(command: int) -> int:
    """The price of a new order; zero of one that takes any."""
    is_limit = order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT
    return order_command.get_price_units(command) if is_limit else 0


@inline
def trade_status(leaves_units: int) -> int:
    """Status, in its place, of an order that has traded."""
    if leaves_units == 0:
        return execution_event.ORDER_STATUS_FILLED
    return execution_event.ORDER_STATUS_PARTIALLY_FILLED


@inline
def tell_maker(
    engine: int, maker: int, price_units: int, quantity_units: int, match_id: int
) -> None:
    """Write the event of a maker (its slot) that trades; its records are those before that."""
    order = order_at(engine, maker)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS) - quantity_units
    account_id = load_i32(order + at.ORDER_ACCOUNT_ID) + 0
    event = claim_execution(engine)
    sequence = load_i64(engine + at.HEADER_EXECUTION_SEQUENCE)
    account_sequence = count_for_account(engine, account_id)
    status = trade_status(leaves_units)
    describe_order(
        engine, event, maker, sequence, account_sequence, TRADED, status, leaves_units, False
    )
    execution_event.set_liquidity(event, execution_event.LIQUIDITY_MAKER)
    execution_event.set_match_id(event, match_id)
    execution_event.set_last_price_units(event, price_units)
    execution_event.set_last_quantity_units(event, quantity_units)
    if load_i64(engine + at.HEADER_HAS_FEES) != 0:
        liquidity = execution_event.LIQUIDITY_MAKER
        fee = fee_units(engine, account_id, price_units, quantity_units, liquidity)
        execution_event.set_fee_units(event, fee)


@inline
def traded(
    engine: int,
    command: int,
    side: int,
    order_id: int,
    maker: int,
    price_units: int,
    quantity_units: int,
    leaves_units: int,
    trade_count: int,
) -> None:
    """See `plain_form`."""
    match_number = load_i64(engine + at.HEADER_LAST_MATCH_NUMBER) + trade_count
    match_id = load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + match_number
    kinds = TRADED | (trade_status(leaves_units) << 16) | (side << 32) | TAKER
    event = tell_sender(
        engine,
        command,
        order_id,
        kinds,
        match_id,
        own_price(command),
        price_units,
        quantity_units,
        leaves_units,
        order_command.get_quantity_units(command) - leaves_units,
        0,
        0,
    )
    if load_i64(engine + at.HEADER_HAS_FEES) != 0:
        account_id, liquidity = (
            order_command.get_account_id(command),
            execution_event.LIQUIDITY_TAKER,
        )
        fee = fee_units(engine, account_id, price_units, quantity_units, liquidity)
        execution_event.set_fee_units(event, fee)
    tell_maker(engine, maker, price_units, quantity_units, match_id)
    tell_trade_in_book(engine, maker, quantity_units, match_id)


@inline
def tell_trade_in_book(engine: int, maker: int, quantity_units: int, match_id: int) -> None:
    """Write the book event of a trade with a maker, whose records are those before it."""
    order = order_at(engine, maker)
    level = level_at(engine, load_i32(order + at.ORDER_LEVEL) + 0)
    ended = 1 if load_i64(order + at.ORDER_LEAVES_UNITS) == quantity_units else 0
    tell_level(
        engine,
        book_at(engine, load_i32(order + at.ORDER_BOOK) + 0),
        book_event.BOOK_ACTION_TRADE | (load_i16(order + at.ORDER_SIDE) << 16),
        load_i64(order + at.ORDER_ORDER_ID),
        load_i64(order + at.ORDER_PRICE_UNITS),
        quantity_units,
        load_i32(level + at.LEVEL_ORDER_COUNT) - ended,
        load_i64(level + at.LEVEL_QUANTITY_UNITS) - quantity_units,
        match_id,
    )


@inline
def count_trades(_book: int, _count: int) -> None:
    """See `plain_form`: each has been counted."""


@inline
def expired(
    engine: int,
    command: int,
    order_id: int,
    side: int,
    price_units: int,
    quantity_units: int,
    leaves_units: int,
) -> None:
    """See `plain_form`."""
    kinds = EXPIRED | (side << 32)
    cumulative_units = quantity_units - leaves_units
    why = reason.REASON_NO_LIQUIDITY
    tell_sender(engine, command, order_id, kinds, 0, price_units, 0, 0, 0, cumulative_units, why, 0)


@inline
def end_taking(engine: int) -> None:
    """See `plain_form`."""
    mark_last(engine)


@inline
def cancelled(engine: int, _command: int, slot: int) -> None:
    """See `plain_form`."""
    event = write_end(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_CANCELLED,
        execution_event.ORDER_STATUS_CANCELLED,
        reason.REASON_CANCELLED_BY_OWNER,
        True,
    )
    execution_event.set_flags(event, FLAG_LAST)


@inline
def replaced(
    engine: int,
    slot: int,
    _command: int,
    _price_units: int,
    _quantity_units: int,
    _leaves_units: int,
) -> None:
    """See `plain_form`."""
    status = working_status(order_at(engine, slot))
    event = write_execution(engine, slot, execution_event.EXECUTION_TYPE_REPLACED, status, True)
    execution_event.set_flags(event, FLAG_LAST)


@inline
def added(
    engine: int,
    book: int,
    side: int,
    order_id: int,
    price_units: int,
    quantity_units: int,
    level: int,
) -> None:
    """See `plain_form`."""
    address = level_at(engine, level)
    tell_level(
        engine,
        book,
        book_event.BOOK_ACTION_ADD | (side << 16) | LAST_OF_BOOK,
        order_id,
        price_units,
        quantity_units,
        load_i32(address + at.LEVEL_ORDER_COUNT) + 1,
        load_i64(address + at.LEVEL_QUANTITY_UNITS) + quantity_units,
        0,
    )


@inline
def removed(engine: int, book: int, slot: int, is_last: int) -> None:
    """See `plain_form`."""
    order = order_at(engine, slot)
    level = level_at(engine, load_i32(order + at.ORDER_LEVEL) + 0)
    side = load_i16(order + at.ORDER_SIDE) + 0
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    tell_level(
        engine,
        book,
        book_event.BOOK_ACTION_REMOVE | (side << 16) | (is_last * LAST_OF_BOOK),
        load_i64(order + at.ORDER_ORDER_ID),
        load_i64(order + at.ORDER_PRICE_UNITS),
        leaves_units,
        load_i32(level + at.LEVEL_ORDER_COUNT) - 1,
        load_i64(level + at.LEVEL_QUANTITY_UNITS) - leaves_units,
        0,
    )


@inline
def reduced(engine: int, book: int, slot: int) -> None:
    """See `plain_form`."""
    order = order_at(engine, slot)
    level = level_at(engine, load_i32(order + at.ORDER_LEVEL) + 0)
    side = load_i16(order + at.ORDER_SIDE) + 0
    tell_level(
        engine,
        book,
        book_event.BOOK_ACTION_REDUCE | (side << 16) | LAST_OF_BOOK,
        load_i64(order + at.ORDER_ORDER_ID),
        load_i64(order + at.ORDER_PRICE_UNITS),
        load_i64(order + at.ORDER_LEAVES_UNITS),
        load_i32(level + at.LEVEL_ORDER_COUNT) + 0,
        load_i64(level + at.LEVEL_QUANTITY_UNITS),
        0,
    )
