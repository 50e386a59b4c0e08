"""Writes the answers to orders as protobuf bytes, straight from the store.

The bytes are those that the protobuf runtime would write. What needs more than integers of the
usual size is left to it. Field numbers come from the contract's descriptors.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import copy_bytes, load_i64, store_u8
from tradecaptain.base.records import records_at
from tradecaptain.gateway.decimal_text import write_decimal
from tradecaptain.gateway.frame import AT_REQUESTS, AT_TEXTS, AT_WORK
from tradecaptain.gateway.instrument_texts import INSTRUMENT_TEXT, TEXT_TABLE
from tradecaptain.gateway.layout import OUTCOME_PENDING, OUTCOME_REFUSED, REQUEST, WORK
from tradecaptain.gateway.wire_format import (
    LENGTH,
    VARINT,
    tag_of,
    write_key,
    write_number,
    write_text,
    write_varint,
    write_zigzag_number,
)
from tradecaptain.mesh.agent import frame_array
from tradecaptain.wire import common, order_command

NOT_PLAIN: Final = -1
"""The answer has to be written by the protobuf runtime."""
NEEDS_AVERAGE: Final = -2
"""The order has fills: their average price must be given."""
REFUSED: Final = -3
"""The venue refused the order."""
ORDER_BYTES_MAX: Final = 1024
"""More than the longest encoded order."""
RESULT_BYTES_MAX: Final = 80
"""More than the longest result of a session's command with its tag and length."""

_ORDER = records_pb2.Order
_ORDER_ID_TAG: Final = tag_of(_ORDER, "order_id", VARINT)
_KEY_TAG: Final = tag_of(_ORDER, "client_order_id", LENGTH)
_ORIGINAL_KEY_TAG: Final = tag_of(_ORDER, "original_client_order_id", LENGTH)
_ACCOUNT_TAG: Final = tag_of(_ORDER, "account_id", VARINT)
_INSTRUMENT_ID_TAG: Final = tag_of(_ORDER, "instrument_id", VARINT)
_INSTRUMENT_TAG: Final = tag_of(_ORDER, "instrument", LENGTH)
_SIDE_TAG: Final = tag_of(_ORDER, "side", VARINT)
_TYPE_TAG: Final = tag_of(_ORDER, "type", VARINT)
_TIME_IN_FORCE_TAG: Final = tag_of(_ORDER, "time_in_force", VARINT)
_STATUS_TAG: Final = tag_of(_ORDER, "status", VARINT)
_QUANTITY_TAG: Final = tag_of(_ORDER, "quantity", LENGTH)
_PRICE_TAG: Final = tag_of(_ORDER, "price", LENGTH)
_LEAVES_TAG: Final = tag_of(_ORDER, "leaves_quantity", LENGTH)
_FILLED_TAG: Final = tag_of(_ORDER, "cumulative_quantity", LENGTH)
_AVERAGE_TAG: Final = tag_of(_ORDER, "average_price", LENGTH)
_REASON_TAG: Final = tag_of(_ORDER, "reason", VARINT)
_SESSION_TAG: Final = tag_of(_ORDER, "session_id", VARINT)
_STRATEGY_TAG: Final = tag_of(_ORDER, "strategy_id", VARINT)
_EPOCH_TAG: Final = tag_of(_ORDER, "epoch", VARINT)
_SEQUENCE_TAG: Final = tag_of(_ORDER, "sequence", VARINT)
_CREATED_TAG: Final = tag_of(_ORDER, "create_time_ns", VARINT)
_UPDATED_TAG: Final = tag_of(_ORDER, "update_time_ns", VARINT)
_PENDING_TAG: Final = tag_of(_ORDER, "pending", VARINT)

_SUBMITTED_ORDER_TAG: Final = tag_of(orders_pb2.SubmitOrderResponse, "order", LENGTH)
_DUPLICATE_TAG: Final = tag_of(orders_pb2.SubmitOrderResponse, "duplicate", VARINT)
_UNITS_TAG: Final = tag_of(orders_pb2.SubmitOrderResponse, "units", LENGTH)

_RESULTS_TAG: Final = tag_of(orders_pb2.OrderSessionResponse, "results", LENGTH)
_RESULT = orders_pb2.SessionResult
_RESULT_REQUEST_TAG: Final = tag_of(_RESULT, "request_id", VARINT)
_RESULT_ORDER_TAG: Final = tag_of(_RESULT, "order_id", VARINT)
_RESULT_STATUS_TAG: Final = tag_of(_RESULT, "status", VARINT)
_RESULT_LEAVES_TAG: Final = tag_of(_RESULT, "leaves_quantity_units", VARINT)
_RESULT_FILLED_TAG: Final = tag_of(_RESULT, "cumulative_quantity_units", VARINT)

AVERAGE: Final = np.dtype([("is_given", "<i8"), ("address", "<i8"), ("length", "<i8")], align=True)
"""Text of an order's average price, made by exact arithmetic in Python."""
_REQUEST_BYTES: Final = REQUEST.itemsize
_KEY_OFFSET: Final = int(REQUEST.fields["key_0"][1]) if REQUEST.fields else 0
assert RESULT_BYTES_MAX < 128 > _RESULTS_TAG, "tag and length of a result are one byte each"


@inline
def _write_amount(address: int, tag: int, units: int, decimals: int, multiplier: int) -> int:
    """Write an amount as decimal text; NOT_PLAIN if it is too large, or if ``address`` is."""
    if address < 0:
        return address
    text = write_varint(address, tag) + 1
    end = write_decimal(text, units, decimals, multiplier)
    if end < 0:
        return NOT_PLAIN
    store_u8(text - 1, end - text)
    return end


@inline
def _write_amounts(address: int, row: Any, instrument: Any) -> int:
    """Write the quantities and the price of an order; NOT_PLAIN if one is too large."""
    decimals = instrument["quantity_decimals"]
    multiplier = instrument["quantity_multiplier"]
    end = _write_amount(address, _QUANTITY_TAG, row["quantity_units"], decimals, multiplier)
    if row["order_type"] != common.ORDER_TYPE_MARKET:
        end = _write_amount(
            end,
            _PRICE_TAG,
            row["price_units"],
            instrument["price_decimals"],
            instrument["price_multiplier"],
        )
    end = _write_amount(end, _LEAVES_TAG, row["leaves_quantity_units"], decimals, multiplier)
    return _write_amount(end, _FILLED_TAG, row["cumulative_quantity_units"], decimals, multiplier)


@inline
def _write_names(address: int, requests: int, slot: int, row: Any, instrument: Any) -> int:
    """Write what identifies an order and its terms, up to its status."""
    current = row["current_request"]
    own_key = requests + slot * _REQUEST_BYTES + _KEY_OFFSET
    end = write_number(address, _ORDER_ID_TAG, row["order_id"])
    if current == slot:
        end = write_key(end, _KEY_TAG, own_key)
    else:
        end = write_key(end, _KEY_TAG, requests + current * _REQUEST_BYTES + _KEY_OFFSET)
        end = write_key(end, _ORIGINAL_KEY_TAG, own_key)
    end = write_number(end, _ACCOUNT_TAG, row["account_id"])
    end = write_number(end, _INSTRUMENT_ID_TAG, row["instrument_id"])
    end = write_text(end, _INSTRUMENT_TAG, instrument["name_address"], instrument["name_length"])
    end = write_number(end, _SIDE_TAG, row["side"])
    end = write_number(end, _TYPE_TAG, row["order_type"])
    end = write_number(end, _TIME_IN_FORCE_TAG, row["time_in_force"])
    return write_number(end, _STATUS_TAG, row["status"])


@inline
def _write_state(address: int, row: Any, average: Any) -> int:
    """Write what became of an order, from its average price on."""
    end = write_text(address, _AVERAGE_TAG, average["address"], average["length"])
    end = write_number(end, _REASON_TAG, row["status_reason"])
    end = write_number(end, _SESSION_TAG, row["session_id"])
    end = write_number(end, _STRATEGY_TAG, row["strategy_id"])
    end = write_number(end, _EPOCH_TAG, row["epoch"])
    end = write_number(end, _SEQUENCE_TAG, row["sequence"])
    end = write_number(end, _CREATED_TAG, row["create_time_ns"])
    end = write_number(end, _UPDATED_TAG, row["update_time_ns"])
    return write_number(end, _PENDING_TAG, 1 if row["outcome"] == OUTCOME_PENDING else 0)


@inline
def _is_plain(frame: int, slot: int, order_type: int) -> bool:
    """Whether an order has no terms beyond a price and a quantity."""
    commands = frame_array(frame, AT_WORK, WORK)[0]["commands_address"]
    command = commands + slot * order_command.RECORD_BYTES
    is_plain = order_type == common.ORDER_TYPE_LIMIT or order_type == common.ORDER_TYPE_MARKET
    return is_plain and order_command.get_display_quantity_units(command) == 0


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64))
def encode_submitted(frame: int, number: int, duplicate: int, average: int, out: int) -> int:
    """Encode a ``SubmitOrderResponse`` at ``out``, all but its reports; returns its length.

    ``number`` is the request of the order, ``average`` the address of an AVERAGE record, and there
    is room for twice ORDER_BYTES_MAX. Negative if there is no such answer, or not yet.
    """
    requests = frame_array(frame, AT_REQUESTS, REQUEST)
    table = frame_array(frame, AT_TEXTS, TEXT_TABLE)
    count = table[0]["instrument_count"]
    instruments = records_at(table[0]["instruments_address"], count, INSTRUMENT_TEXT)
    averages = records_at(average, 1, AVERAGE)
    if requests[number]["outcome"] == OUTCOME_REFUSED:
        return REFUSED
    slot = requests[number]["slot"]
    index = requests[slot]["instrument_id"]
    if index >= count or not _is_plain(frame, slot, requests[slot]["order_type"]):
        return NOT_PLAIN
    if requests[slot]["cumulative_quantity_units"] > 0 and averages[0]["is_given"] == 0:
        return NEEDS_AVERAGE
    # The order is written behind its place, and put there once its length is known.
    start = out + ORDER_BYTES_MAX
    first_request = load_i64(frame + 16 * AT_REQUESTS)
    end = _write_names(start, first_request, slot, requests[slot], instruments[index])
    end = _write_amounts(end, requests[slot], instruments[index])
    if end < 0:
        return NOT_PLAIN
    end = _write_state(end, requests[slot], averages[0])
    length = end - start
    body = write_varint(write_varint(out, _SUBMITTED_ORDER_TAG), length)
    copy_bytes(body, start, length)
    end = write_number(body + length, _DUPLICATE_TAG, duplicate)
    end = write_text(
        end, _UNITS_TAG, instruments[index]["units_address"], instruments[index]["units_length"]
    )
    return end - out


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64))
def encode_results(frame: int, first: int, count: int, request_ids: int, out: int) -> int:
    """Encode the results of ``count`` orders, requests from ``first`` on, as fields of an
    ``OrderSessionResponse`` at ``out``; returns their length, NOT_PLAIN if one was refused.

    ``request_ids`` is the address of the session's numbers of them.
    """
    requests = frame_array(frame, AT_REQUESTS, REQUEST)
    end = out
    for offset in range(count):
        number = first + offset
        if requests[number]["outcome"] == OUTCOME_REFUSED:
            return NOT_PLAIN
        start = end + 2
        place = write_number(start, _RESULT_REQUEST_TAG, load_i64(request_ids + offset * 8))
        place = write_number(place, _RESULT_ORDER_TAG, requests[number]["order_id"])
        place = write_number(place, _RESULT_STATUS_TAG, requests[number]["status"])
        place = write_zigzag_number(
            place, _RESULT_LEAVES_TAG, requests[number]["leaves_quantity_units"]
        )
        place = write_zigzag_number(
            place, _RESULT_FILLED_TAG, requests[number]["cumulative_quantity_units"]
        )
        store_u8(end, _RESULTS_TAG)
        store_u8(end + 1, place - start)
        end = place
    return end - out
