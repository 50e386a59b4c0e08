"""The fast form of a batch, between protobuf bytes and the store without Python objects.

A parser for the bytes of a ``SubmitBatchRequest`` with columns as every common encoder writes them,
and an encoder of its answer. Whatever the parser doesn't know to the letter (rows, unknown fields,
unpacked numbers, wrong lengths) it leaves to the protobuf runtime and the contract's rules.
Field numbers come from the contract's descriptors.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numba import types
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import copy_bytes, load_i64, load_u8
from tradecaptain.gateway.layout import BATCH_MAX, CODE_DUPLICATE, REQUEST_TYPE
from tradecaptain.gateway.wire_format import (
    KEY_BYTES,
    LENGTH,
    VARINT,
    read_length,
    read_varint,
    tag_of,
    unzigzag,
    write_signed,
    write_varint,
    write_zigzag,
)
from tradecaptain.wire import common, order_command

UNKNOWN_FORM: Final = -1
"""The bytes aren't the plain form: the protobuf runtime has to read them."""
_U16_MAX: Final = 0xFFFF
_U32_MAX: Final = 0xFFFFFFFF
_ROW: Final = order_command.RECORD_BYTES

_FIELDS: Final = (
    "staging_address",
    "template_address",
    "account_offset",
    "account_length",
    "session_id",
    "strategy_id",
    "trader_id",
    "position",
    "failed",
)
BATCH: Final = np.dtype([(name, "<i8") for name in _FIELDS], align=True)
"""What the parser found beside the rows, and where it is."""
BATCH_TYPE: Final[Any] = numba.from_dtype(BATCH)[::1]


_COLUMNS_TAG: Final = tag_of(orders_pb2.SubmitBatchRequest, "columns", LENGTH)
_SESSION_TAG: Final = tag_of(orders_pb2.SubmitBatchRequest, "session_id", VARINT)
_ACCOUNT_TAG: Final = tag_of(records_pb2.NewOrderColumns, "account", LENGTH)
_KEYS_TAG: Final = tag_of(records_pb2.NewOrderColumns, "client_order_ids", LENGTH)
_INSTRUMENTS_TAG: Final = tag_of(records_pb2.NewOrderColumns, "instrument_ids", LENGTH)
_SIDES_TAG: Final = tag_of(records_pb2.NewOrderColumns, "sides", LENGTH)
_PRICES_TAG: Final = tag_of(records_pb2.NewOrderColumns, "prices_units", LENGTH)
_QUANTITIES_TAG: Final = tag_of(records_pb2.NewOrderColumns, "quantities_units", LENGTH)
_TYPES_TAG: Final = tag_of(records_pb2.NewOrderColumns, "types", LENGTH)
_TIMES_TAG: Final = tag_of(records_pb2.NewOrderColumns, "times_in_force", LENGTH)
_STRATEGY_TAG: Final = tag_of(records_pb2.NewOrderColumns, "strategy_id", VARINT)
_TRADER_TAG: Final = tag_of(records_pb2.NewOrderColumns, "trader_id", VARINT)

_ANSWER_TAG: Final = tag_of(orders_pb2.SubmitBatchResponse, "columns", LENGTH)
_ORDER_IDS_TAG: Final = tag_of(orders_pb2.SubmitResultColumns, "order_ids", LENGTH)
_STATUSES_TAG: Final = tag_of(orders_pb2.SubmitResultColumns, "statuses", LENGTH)
_LEAVES_TAG: Final = tag_of(orders_pb2.SubmitResultColumns, "leaves_quantities_units", LENGTH)
_FILLED_TAG: Final = tag_of(orders_pb2.SubmitResultColumns, "cumulative_quantities_units", LENGTH)
_REASONS_TAG: Final = tag_of(orders_pb2.SubmitResultColumns, "reasons", LENGTH)
COLUMN_BYTES_MAX: Final = BATCH_MAX * 10 + 16


@inline
def _store_cell(row: int, tag: int, value: int) -> bool:
    """Write a number of a column into its row; False if it doesn't fit its field."""
    if tag == _PRICES_TAG:
        order_command.set_price_units(row, unzigzag(value))
        return True
    if tag == _QUANTITIES_TAG:
        order_command.set_quantity_units(row, unzigzag(value))
        return True
    if tag == _INSTRUMENTS_TAG:
        order_command.set_instrument_id(row, value)
        return value <= _U32_MAX
    if value > _U16_MAX:
        return False
    if tag == _SIDES_TAG:
        order_command.set_side(row, value)
    elif tag == _TYPES_TAG:
        order_command.set_order_type(row, value)
    else:
        order_command.set_time_in_force(row, value)
    return True


@inline
def _read_column(batch: Any, tag: int, end: int) -> int:
    """Read a packed column into the rows; returns its length."""
    length = read_length(batch, end)
    stop = batch[0]["position"] + length
    count = 0
    while batch[0]["failed"] == 0 and batch[0]["position"] < stop:
        value = read_varint(batch, stop)
        if count >= BATCH_MAX or not _store_cell(
            batch[0]["staging_address"] + count * _ROW, tag, value
        ):
            batch[0]["failed"] = 1
            return 0
        count += 1
    return count


@inline
def _read_key(batch: Any, count: int, end: int) -> None:
    """Read a client order id and begin its row."""
    length = read_length(batch, end)
    last = batch[0]["position"] + length - 1
    # A zero byte at the end would be taken for padding.
    if length < 1 or length > KEY_BYTES or count >= BATCH_MAX or load_u8(last) == 0:
        batch[0]["failed"] = 1
        return
    row = batch[0]["staging_address"] + count * _ROW
    copy_bytes(row, batch[0]["template_address"], _ROW)
    copy_bytes(row + order_command.OFFSET_CLIENT_ORDER_ID0, batch[0]["position"], length)
    batch[0]["position"] += length


@inline
def _finish_rows(batch: Any, count: int) -> None:
    """Put defaults where a column was left out or says "not given"."""
    for index in range(count):
        row = batch[0]["staging_address"] + index * _ROW
        order_type = order_command.get_order_type(row)
        if order_type == 0:
            order_type = common.ORDER_TYPE_LIMIT
            order_command.set_order_type(row, order_type)
        time_in_force = order_command.get_time_in_force(row)
        if time_in_force == 0:
            time_in_force = common.TIME_IN_FORCE_DAY
        if order_type != common.ORDER_TYPE_LIMIT and order_type != common.ORDER_TYPE_STOP_LIMIT:
            # A price of an order that has none means nothing; a peg's bound has its own column.
            order_command.set_price_units(row, 0)
        order_command.set_time_in_force(row, time_in_force)


@inline
def _read_columns(batch: Any, end: int) -> int:
    """Read the columns message that ends at ``end``; returns the number of orders."""
    count = 0
    required = 0
    last_tag = 0
    while batch[0]["failed"] == 0 and batch[0]["position"] < end:
        tag = read_varint(batch, end)
        # Ascending tags: each column once, and the keys, which begin the rows, before the others.
        if tag < last_tag or (tag == last_tag and tag != _KEYS_TAG):
            return UNKNOWN_FORM
        last_tag = tag
        if tag == _KEYS_TAG:
            _read_key(batch, count, end)
            count += 1
        elif tag == _ACCOUNT_TAG:
            length = read_length(batch, end)
            batch[0]["account_offset"] = batch[0]["position"]
            batch[0]["account_length"] = length
            batch[0]["position"] += length
        elif tag == _STRATEGY_TAG:
            batch[0]["strategy_id"] = read_varint(batch, end)
        elif tag == _TRADER_TAG:
            batch[0]["trader_id"] = read_varint(batch, end)
        elif tag >= _INSTRUMENTS_TAG and tag <= _TIMES_TAG and (tag & 7) == LENGTH:
            if count == 0 or _read_column(batch, tag, end) != count:
                return UNKNOWN_FORM
            required += tag <= _QUANTITIES_TAG
        else:
            return UNKNOWN_FORM
    return count if required == 4 else UNKNOWN_FORM


@kernel(types.int64(BATCH_TYPE, types.int64, types.int64))
def parse_batch(batch: Any, address: int, length: int) -> int:
    """Parse a request's bytes into staged rows; returns their number, or UNKNOWN_FORM.

    The rows begin as copies of the template and get their account later.
    """
    end = address + length
    batch[0]["position"] = address
    batch[0]["failed"] = 0
    batch[0]["session_id"] = 0
    batch[0]["strategy_id"] = 0
    batch[0]["trader_id"] = 0
    batch[0]["account_length"] = 0
    count = UNKNOWN_FORM
    while batch[0]["failed"] == 0 and batch[0]["position"] < end:
        tag = read_varint(batch, end)
        if tag == _COLUMNS_TAG and count == UNKNOWN_FORM:
            stop = read_length(batch, end) + batch[0]["position"]
            count = _read_columns(batch, stop)
            if count < 1 or batch[0]["failed"] != 0:
                return UNKNOWN_FORM
        elif tag == _SESSION_TAG:
            batch[0]["session_id"] = read_varint(batch, end)
        else:
            return UNKNOWN_FORM
    if (
        batch[0]["failed"] != 0
        or count < 1
        or batch[0]["session_id"] > _U32_MAX
        or batch[0]["strategy_id"] > _U32_MAX
        or batch[0]["trader_id"] > _U32_MAX
    ):
        return UNKNOWN_FORM
    _finish_rows(batch, count)
    return count


@kernel(types.int64(BATCH_TYPE, types.int64, types.int64, types.int64, types.int64))
def stamp_rows(batch: Any, count: int, account_id: int, firm_id: int, self_trade_group: int) -> int:
    """Write into the staged rows for whom they are; returns their number."""
    for index in range(count):
        row = batch[0]["staging_address"] + index * _ROW
        order_command.set_account_id(row, account_id)
        order_command.set_firm_id(row, firm_id)
        order_command.set_self_trade_group(row, self_trade_group)
        order_command.set_strategy_id(row, batch[0]["strategy_id"])
        order_command.set_trader_id(row, batch[0]["trader_id"])
    return count


@inline
def _result(requests: Any, code: int, request: int, tag: int) -> int:
    """One number of the answer: of the order, or of the refusal here."""
    if tag == _REASONS_TAG:
        if code > CODE_DUPLICATE:
            return code
        reason = requests[request]["reason"]
        return reason if reason != 0 else requests[request]["status_reason"]
    if code > CODE_DUPLICATE:
        return 0
    if tag == _ORDER_IDS_TAG:
        return requests[request]["order_id"]
    if tag == _STATUSES_TAG:
        return requests[request]["status"]
    if tag == _LEAVES_TAG:
        return requests[request]["leaves_quantity_units"]
    return requests[request]["cumulative_quantity_units"]


@inline
def _write_column(
    requests: Any, codes: int, targets: int, count: int, tag: int, address: int, scratch: int
) -> int:
    """Write one packed column; returns the address behind it."""
    end = scratch
    for index in range(count):
        code = load_i64(codes + index * 8)
        value = _result(requests, code, load_i64(targets + index * 8), tag)
        if tag in (_LEAVES_TAG, _FILLED_TAG):
            end = write_zigzag(end, value)
        else:
            end = write_signed(end, value)
    address = write_varint(address, tag)
    address = write_varint(address, end - scratch)
    copy_bytes(address, scratch, end - scratch)
    return address + (end - scratch)


@kernel(
    types.int64(
        REQUEST_TYPE, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64
    )
)
def encode_answer(
    requests: Any, codes: int, targets: int, count: int, out: int, body: int, scratch: int
) -> int:
    """Encode a ``SubmitBatchResponse`` with columns at ``out``; returns its length.

    ``codes`` and ``targets`` are the lists that entry wrote; ``body`` and ``scratch`` are rooms of
    five and one times COLUMN_BYTES_MAX.
    """
    end = _write_column(requests, codes, targets, count, _ORDER_IDS_TAG, body, scratch)
    end = _write_column(requests, codes, targets, count, _STATUSES_TAG, end, scratch)
    end = _write_column(requests, codes, targets, count, _LEAVES_TAG, end, scratch)
    end = _write_column(requests, codes, targets, count, _FILLED_TAG, end, scratch)
    end = _write_column(requests, codes, targets, count, _REASONS_TAG, end, scratch)
    address = write_varint(out, _ANSWER_TAG)
    address = write_varint(address, end - body)
    copy_bytes(address, body, end - body)
    return address + (end - body) - out


def new_batch(staging_address: int, template_address: int) -> np.ndarray[Any, np.dtype[Any]]:
    """A parser's record over a store's staging area."""
    batch = np.zeros(1, dtype=BATCH)
    batch["staging_address"] = staging_address
    batch["template_address"] = template_address
    return batch
