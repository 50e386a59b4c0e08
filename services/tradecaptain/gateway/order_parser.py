"""Reads the plain form of new orders from protobuf bytes straight into staged commands.

Plain are limit and market orders as every common encoder writes them: each field once, in the order
of their numbers, with values that the contract's rules allow. Whatever isn't plain to the letter is
left to the protobuf runtime and the contract's rules, so that errors have one source. Field numbers
come from the contract's descriptors.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import copy_bytes, load_i64, load_u8, store_i64
from tradecaptain.base.records import records_at
from tradecaptain.gateway.decimal_text import read_decimal
from tradecaptain.gateway.instrument_texts import INSTRUMENT_TEXT, TEXT_TABLE, find_instrument
from tradecaptain.gateway.layout import BATCH_MAX
from tradecaptain.gateway.wire_format import (
    KEY_BYTES,
    LENGTH,
    VARINT,
    read_length,
    read_varint,
    tag_of,
)
from tradecaptain.wire import common, order_command

UNKNOWN_FORM: Final = -1
"""The bytes aren't the plain form: the protobuf runtime has to read them."""
_ROW: Final = order_command.RECORD_BYTES
_U32_MAX: Final = 0xFFFFFFFF
_ACCOUNT_BYTES_MAX: Final = 64
_DECIMAL_BYTES_MAX: Final = 40

_FIELDS: Final = (
    # Where things lie.
    "template_address",
    "staging_address",
    "slots_address",
    "own_groups_address",
    "request_ids_address",
    "texts_address",
    # What was found beside the rows.
    "account_address",
    "account_length",
    "session_id",
    # Where the reader is, and what it has seen of the order at hand.
    "position",
    "failed",
    "instrument_id",
    "has_quantity",
    "has_price",
)
PARSER: Final = np.dtype([(name, "<i8") for name in _FIELDS], align=True)
"""State of the parser of new orders."""

_ORDER = records_pb2.NewOrder
_ACCOUNT_TAG: Final = tag_of(_ORDER, "account", LENGTH)
_INSTRUMENT_TAG: Final = tag_of(_ORDER, "instrument", LENGTH)
_KEY_TAG: Final = tag_of(_ORDER, "client_order_id", LENGTH)
_SIDE_TAG: Final = tag_of(_ORDER, "side", VARINT)
_TYPE_TAG: Final = tag_of(_ORDER, "type", VARINT)
_TIME_IN_FORCE_TAG: Final = tag_of(_ORDER, "time_in_force", VARINT)
_QUANTITY_TAG: Final = tag_of(_ORDER, "quantity", LENGTH)
_PRICE_TAG: Final = tag_of(_ORDER, "price", LENGTH)
_EXPIRE_TAG: Final = tag_of(_ORDER, "expire_time_ns", VARINT)
_POST_ONLY_TAG: Final = tag_of(_ORDER, "post_only", VARINT)
_ALL_OR_NONE_TAG: Final = tag_of(_ORDER, "all_or_none", VARINT)
_TRADER_TAG: Final = tag_of(_ORDER, "trader_id", VARINT)
_STRATEGY_TAG: Final = tag_of(_ORDER, "strategy_id", VARINT)
_SELF_TRADE_TAG: Final = tag_of(_ORDER, "self_trade_group", VARINT)
_CAPACITY_TAG: Final = tag_of(_ORDER, "capacity", VARINT)
_POSITION_EFFECT_TAG: Final = tag_of(_ORDER, "position_effect", VARINT)
_SHORT_SALE_TAG: Final = tag_of(_ORDER, "short_sale", VARINT)
_SEEN_EXECUTION_TAG: Final = tag_of(_ORDER, "seen_execution_sequence", VARINT)
_SEEN_PRICE_TAG: Final = tag_of(_ORDER, "seen_price_sequence", VARINT)

_SUBMIT_ORDER_TAG: Final = tag_of(orders_pb2.SubmitOrderRequest, "order", LENGTH)
_SUBMIT_SESSION_TAG: Final = tag_of(orders_pb2.SubmitOrderRequest, "session_id", VARINT)
_COMMANDS_TAG: Final = tag_of(orders_pb2.OrderSessionRequest, "commands", LENGTH)
_REQUEST_ID_TAG: Final = tag_of(orders_pb2.SessionCommand, "request_id", VARINT)
_SUBMIT_TAG: Final = tag_of(orders_pb2.SessionCommand, "submit", LENGTH)

_TIMES_IN_FORCE: Final = len(records_pb2.TimeInForce.values())
_CAPACITIES: Final = len(records_pb2.Capacity.values())
_POSITION_EFFECTS: Final = len(records_pb2.PositionEffect.values())
_SHORT_SALES: Final = len(records_pb2.ShortSale.values())


@inline
def _is_printable(address: int, length: int) -> bool:
    for offset in range(length):
        character = load_u8(address + offset)
        if character < 0x20 or character > 0x7E:
            return False
    return True


@inline
def _read_account(parser: Any, is_first: int, address: int, length: int) -> bool:
    """Note the account of the first order; the others of a message must name the same."""
    if length > _ACCOUNT_BYTES_MAX or not _is_printable(address, length):
        return False
    if is_first != 0:
        parser[0]["account_address"] = address
        parser[0]["account_length"] = length
        return True
    if length != parser[0]["account_length"]:
        return False
    for offset in range(length):
        if load_u8(address + offset) != load_u8(parser[0]["account_address"] + offset):
            return False
    return True


@inline
def _read_amount(parser: Any, row: int, tag: int, address: int, length: int) -> bool:
    """Read price or quantity in the instrument's units."""
    if parser[0]["instrument_id"] == 0 or length > _DECIMAL_BYTES_MAX:
        return False
    table = records_at(parser[0]["texts_address"], 1, TEXT_TABLE)
    count = table[0]["instrument_count"]
    instruments = records_at(table[0]["instruments_address"], count, INSTRUMENT_TEXT)
    index = parser[0]["instrument_id"]
    if tag == _PRICE_TAG:
        units = read_decimal(
            address,
            length,
            instruments[index]["price_numerator"],
            instruments[index]["price_denominator"],
        )
        order_command.set_price_units(row, units)
        parser[0]["has_price"] = 1
    else:
        units = read_decimal(
            address,
            length,
            instruments[index]["quantity_numerator"],
            instruments[index]["quantity_denominator"],
        )
        order_command.set_quantity_units(row, units)
        parser[0]["has_quantity"] = 1
    return units >= 0


@inline
def _read_text(parser: Any, row: int, tag: int, is_first: int, end: int) -> bool:
    """Read a text field; False if it isn't plain."""
    length = read_length(parser, end)
    address = parser[0]["position"]
    if parser[0]["failed"] != 0:
        return False
    parser[0]["position"] = address + length
    if tag == _KEY_TAG:
        if length < 1 or length > KEY_BYTES or not _is_printable(address, length):
            return False
        copy_bytes(row + order_command.OFFSET_CLIENT_ORDER_ID0, address, length)
        return True
    if tag == _INSTRUMENT_TAG:
        table = records_at(parser[0]["texts_address"], 1, TEXT_TABLE)
        parser[0]["instrument_id"] = find_instrument(table, address, length)
        order_command.set_instrument_id(row, parser[0]["instrument_id"])
        return parser[0]["instrument_id"] != 0
    if tag == _ACCOUNT_TAG:
        return _read_account(parser, is_first, address, length)
    if tag != _PRICE_TAG and tag != _QUANTITY_TAG:
        return False
    return _read_amount(parser, row, tag, address, length)


@inline
def _store_terms(row: int, tag: int, value: int) -> bool:
    """Write side, type, times and instructions; False if the contract doesn't allow the value."""
    if tag == _SIDE_TAG:
        order_command.set_side(row, value)
        return value == common.SIDE_BUY or value == common.SIDE_SELL
    if tag == _TYPE_TAG:
        order_command.set_order_type(row, value)
        return value == common.ORDER_TYPE_LIMIT or value == common.ORDER_TYPE_MARKET
    if tag == _TIME_IN_FORCE_TAG:
        order_command.set_time_in_force(row, value)
        return value < _TIMES_IN_FORCE
    if tag == _EXPIRE_TAG:
        order_command.set_expire_time_ns(row, value)
        return value > 0
    # The four flags have neighbouring numbers, in the order of their bits.
    bit = value << ((tag - _POST_ONLY_TAG) >> 3)
    order_command.set_instructions(row, order_command.get_instructions(row) | bit)
    return value <= 1


@inline
def _store_marks(parser: Any, row: int, index: int, tag: int, value: int) -> bool:
    """Write the numbers that go through to the venue as they are; False for one not allowed."""
    if tag == _SEEN_EXECUTION_TAG:
        order_command.set_seen_execution_sequence(row, value)
        return True
    if tag == _SEEN_PRICE_TAG:
        order_command.set_seen_price_sequence(row, value)
        return True
    if value > _U32_MAX:
        return False
    if tag == _TRADER_TAG:
        order_command.set_trader_id(row, value)
    elif tag == _STRATEGY_TAG:
        order_command.set_strategy_id(row, value)
    elif tag == _SELF_TRADE_TAG:
        order_command.set_self_trade_group(row, value)
        store_i64(parser[0]["own_groups_address"] + index * 8, 1)
    elif tag == _CAPACITY_TAG:
        order_command.set_capacity(row, value if value != 0 else common.CAPACITY_AGENCY)
        return value < _CAPACITIES
    elif tag == _POSITION_EFFECT_TAG:
        order_command.set_position_effect(row, value)
        return value < _POSITION_EFFECTS
    elif tag == _SHORT_SALE_TAG:
        order_command.set_short_sale(row, value)
        return value < _SHORT_SALES
    else:
        return False
    return True


@inline
def _finish_order(parser: Any, row: int) -> bool:
    """Whether what an order needs was there; without a time in force it is a day order."""
    order_type = order_command.get_order_type(row)
    if (
        parser[0]["instrument_id"] == 0
        or parser[0]["has_quantity"] == 0
        or order_command.get_client_order_id0(row) == 0
        or order_command.get_side(row) == 0
        or order_type == 0
    ):
        return False
    is_limit = order_type == common.ORDER_TYPE_LIMIT
    if order_command.get_time_in_force(row) == 0:
        order_command.set_time_in_force(row, common.TIME_IN_FORCE_DAY)
    return is_limit == (parser[0]["has_price"] != 0)


@inline
def _is_term(tag: int) -> bool:
    return (tag >= _SIDE_TAG and tag <= _TIME_IN_FORCE_TAG) or (
        tag >= _EXPIRE_TAG and tag <= _ALL_OR_NONE_TAG
    )


@inline
def _begin_row(parser: Any, index: int) -> int:
    """Put the template into row ``index`` of the staging area; returns the row."""
    row = parser[0]["staging_address"] + index * _ROW
    copy_bytes(row, parser[0]["template_address"], _ROW)
    store_i64(parser[0]["slots_address"] + index * 8, -1)
    store_i64(parser[0]["own_groups_address"] + index * 8, 0)
    parser[0]["instrument_id"] = 0
    parser[0]["has_quantity"] = 0
    parser[0]["has_price"] = 0
    return row


@inline
def _read_order(parser: Any, index: int, end: int) -> bool:
    """Read the order that ends at ``end`` into row ``index``; False if it isn't plain."""
    row = _begin_row(parser, index)
    is_first = 1 if index == 0 else 0
    last_tag = 0
    has_account = is_first
    while parser[0]["position"] < end:
        tag = read_varint(parser, end)
        # Ascending tags: each field once.
        if parser[0]["failed"] != 0 or tag <= last_tag:
            return False
        last_tag = tag
        if (tag & 7) == LENGTH:
            if not _read_text(parser, row, tag, is_first, end):
                return False
            if tag == _ACCOUNT_TAG:
                has_account = 1
            continue
        value = read_varint(parser, end)
        if parser[0]["failed"] != 0:
            return False
        if tag <= _ALL_OR_NONE_TAG:
            if not _is_term(tag) or not _store_terms(row, tag, value):
                return False
        elif not _store_marks(parser, row, index, tag, value):
            return False
    if has_account == 0 and parser[0]["account_length"] != 0:
        return False
    return _finish_order(parser, row)


@inline
def _begin(parser: Any, data: int) -> None:
    parser[0]["position"] = data
    parser[0]["failed"] = 0
    parser[0]["account_length"] = 0
    parser[0]["session_id"] = 0


@kernel(types.int64(types.int64, types.int64, types.int64))
def parse_submit(parser_address: int, data: int, length: int) -> int:
    """Stage the order of a ``SubmitOrderRequest``; 1, or UNKNOWN_FORM."""
    parser = records_at(parser_address, 1, PARSER)
    _begin(parser, data)
    end = data + length
    if read_varint(parser, end) != _SUBMIT_ORDER_TAG:
        return UNKNOWN_FORM
    stop = read_length(parser, end) + parser[0]["position"]
    if parser[0]["failed"] != 0 or not _read_order(parser, 0, stop):
        return UNKNOWN_FORM
    if parser[0]["position"] < end:
        if read_varint(parser, end) != _SUBMIT_SESSION_TAG:
            return UNKNOWN_FORM
        parser[0]["session_id"] = read_varint(parser, end)
    if (
        parser[0]["failed"] != 0
        or parser[0]["position"] != end
        or parser[0]["session_id"] > _U32_MAX
    ):
        return UNKNOWN_FORM
    return 1


@inline
def _read_command(parser: Any, index: int, end: int) -> bool:
    """Read a session's command that ends at ``end``; False unless it is a plain new order."""
    request_id = 0
    tag = read_varint(parser, end)
    if tag == _REQUEST_ID_TAG:
        request_id = read_varint(parser, end)
        tag = read_varint(parser, end)
    if parser[0]["failed"] != 0 or tag != _SUBMIT_TAG:
        return False
    stop = read_length(parser, end) + parser[0]["position"]
    if parser[0]["failed"] != 0 or stop != end:
        return False
    store_i64(parser[0]["request_ids_address"] + index * 8, request_id)
    return _read_order(parser, index, stop)


@kernel(types.int64(types.int64, types.int64, types.int64))
def parse_commands(parser_address: int, data: int, length: int) -> int:
    """Stage the commands of an ``OrderSessionRequest``, all of them new orders of one account.

    Returns their number, or UNKNOWN_FORM.
    """
    parser = records_at(parser_address, 1, PARSER)
    _begin(parser, data)
    end = data + length
    count = 0
    while parser[0]["position"] < end:
        if count >= BATCH_MAX or read_varint(parser, end) != _COMMANDS_TAG:
            return UNKNOWN_FORM
        stop = read_length(parser, end) + parser[0]["position"]
        if parser[0]["failed"] != 0 or not _read_command(parser, count, stop):
            return UNKNOWN_FORM
        count += 1
    return count if count > 0 else UNKNOWN_FORM


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64))
def stamp_orders(
    parser_address: int, count: int, account_id: int, firm_id: int, self_trade_group: int
) -> int:
    """Write into the staged orders for whom they are; returns their number."""
    parser = records_at(parser_address, 1, PARSER)
    for index in range(count):
        row = parser[0]["staging_address"] + index * _ROW
        order_command.set_account_id(row, account_id)
        order_command.set_firm_id(row, firm_id)
        if load_i64(parser[0]["own_groups_address"] + index * 8) == 0:
            order_command.set_self_trade_group(row, self_trade_group)
    return count
