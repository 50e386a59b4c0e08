"""Execution reports for clients: found by position, and encoded from the mesh records.

The encoder writes the protobuf bytes of ``ExecutionReport`` straight from execution events. Which
field goes where is derived from the contract's descriptor and the record's layout, by name; only
the fields that need a rule are named here.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    copy_bytes,
    load_i64,
    load_u16,
    load_u32,
)
from tradecaptain.base.records import records_at
from tradecaptain.gateway.events import EVENT_BYTES, FLAG_LAST_OF_COMMAND, is_held
from tradecaptain.gateway.frame import (
    AT_ACCOUNTS,
    AT_EVENTS,
    AT_FILE,
    AT_PLAN,
    AT_REQUESTS,
    AT_WORK,
)
from tradecaptain.gateway.layout import (
    ACCOUNT,
    ACCOUNT_TYPE,
    EVENT,
    EVENT_TYPE,
    FILE_HEADER,
    FILE_HEADER_TYPE,
    OUTCOME_PENDING,
    REQUEST,
    WORK,
    WORK_TYPE,
)
from tradecaptain.gateway.wire_format import write_key, write_signed, write_varint, write_zigzag
from tradecaptain.mesh.agent import frame_array
from tradecaptain.wire import common, execution_event, order_command

REPORT_BYTES_MAX: Final = 640
"""More than the longest encoded report."""
COMMAND_REPORTS_MAX: Final = 400
"""Reports of one command that an answer carries; the stream has the rest."""
LAPPED: Final = -1
POSITION_UNKNOWN: Final = -(1 << 62)
_REFERENCE_FLAGS_SHIFT: Final = 2

PLAN: Final = np.dtype(
    [
        ("tag", "<i8"),
        ("source", "<i8"),
        ("offset", "<i8"),
        ("width", "<i8"),
        ("zigzag", "<i8"),
        ("presence", "<i8"),
    ],
    align=True,
)
"""One field of the report: where its value comes from and how it is written."""
CURSOR: Final = np.dtype(
    [
        ("account_id", "<i8"),
        ("place", "<i8"),
        ("previous_sequence", "<i8"),
        ("previous_epoch", "<i8"),
        ("instrument_id", "<i8"),
        ("tag", "<i8"),
        ("stop", "<i8"),
        ("out_address", "<i8"),
        ("out_capacity", "<i8"),
    ],
    align=True,
)
"""One reader of an account's reports. ``place`` is the link of the last event sent, 0 before the
account's first, or minus the link of the next one; ``stop`` is the link at which it ends, or 0."""

SOURCE_RECORD: Final = 0
SOURCE_PREVIOUS_SEQUENCE: Final = 1
SOURCE_CLIENT_ORDER_ID: Final = 2
SOURCE_ORIGINAL_CLIENT_ORDER_ID: Final = 3
SOURCE_COMMAND: Final = 4
SOURCE_REFERENCE: Final = 5
SOURCE_LAST_OF_COMMAND: Final = 6
SOURCE_GAP: Final = 7

PRESENT_NONZERO: Final = 0
PRESENT_PRICED: Final = 1
PRESENT_TRADE: Final = 2
PRESENT_LIMIT: Final = 3

_SPECIAL: Final = {
    "previous_sequence": SOURCE_PREVIOUS_SEQUENCE,
    "client_order_id": SOURCE_CLIENT_ORDER_ID,
    "original_client_order_id": SOURCE_ORIGINAL_CLIENT_ORDER_ID,
    "reference_source": SOURCE_REFERENCE,
    "last_of_command": SOURCE_LAST_OF_COMMAND,
    "gap": SOURCE_GAP,
}
_PRESENCE: Final = {
    "price_units": PRESENT_PRICED,
    "last_price_units": PRESENT_TRADE,
    "limit_value": PRESENT_LIMIT,
    "observed_value": PRESENT_LIMIT,
}
_RENAMED: Final = {"sequence": "account_sequence"}
_NOT_IN_RECORDS: Final = {"affected_count"}
"""Fields that no execution event of this version carries."""
_VARINT: Final = 0
_BYTES: Final = 2


def make_plan() -> np.ndarray[Any, np.dtype[Any]]:
    """The encoder's plan; a ValueError if a field of the contract has no source."""
    rows = []
    for field in records_pb2.ExecutionReport.DESCRIPTOR.fields:
        if field.name in _NOT_IN_RECORDS:
            continue
        wire_type = _BYTES if field.type == field.TYPE_STRING else _VARINT
        source, offset, width = _source_of(field.name)
        zigzag = int(field.type in (field.TYPE_SINT64, field.TYPE_SINT32))
        presence = _PRESENCE.get(field.name, PRESENT_NONZERO)
        rows.append((field.number << 3 | wire_type, source, offset, width, zigzag, presence))
    return np.array(rows, dtype=PLAN)


def _source_of(name: str) -> tuple[int, int, int]:
    if name in _SPECIAL:
        return _SPECIAL[name], 0, 0
    for source, dtype in (
        (SOURCE_RECORD, execution_event.DTYPE),
        (SOURCE_COMMAND, order_command.DTYPE),
    ):
        member = _RENAMED.get(name, name)
        if dtype.fields is not None and member in dtype.fields:
            kind, offset = dtype.fields[member][:2]
            return source, int(offset), int(kind.itemsize)
    raise ValueError(f"no mesh record carries ExecutionReport.{name}")


@inline
def _load(address: int, width: int) -> int:
    if width == 8:
        return load_i64(address)
    if width == 4:
        return load_u32(address)
    return load_u16(address)


@inline
def _reference_source(record: int) -> int:
    """1 last trade, 2 mid, 3 outside market, 4 close; 0 none: the flags' bits 2 to 5."""
    bits = (execution_event.get_flags(record) >> _REFERENCE_FLAGS_SHIFT) & 15
    if bits == 8:
        return 4
    return 3 if bits == 4 else bits


@inline
def _is_last_of_command(requests: Any, events: Any, place: int, index: int, record: int) -> int:
    if (execution_event.get_flags(record) & FLAG_LAST_OF_COMMAND) != 0:
        return 1
    request = events[place]["request"]
    if request < 0 or requests[request]["outcome"] == OUTCOME_PENDING:
        return 0
    return 1 if requests[request]["last_event"] == index + 1 else 0


@inline
def _has_gap(file: Any, work: Any, events: Any, place: int, record: int) -> int:
    before = events[place]["previous_of_account"] - 1
    if not is_held(file, events, before):
        return 0
    earlier = work[0]["records_address"] + (before & work[0]["event_mask"]) * EVENT_BYTES
    expected = execution_event.get_account_sequence(earlier) + 1
    if execution_event.get_epoch(earlier) != execution_event.get_epoch(record) and (
        execution_event.get_account_sequence(record) != expected
    ):
        # It begins with nothing; one that goes on from the log goes on counting.
        expected = 1
    return 1 if execution_event.get_account_sequence(record) > expected else 0


@inline
def _is_present(record: int, presence: int, value: int) -> bool:
    if presence == PRESENT_PRICED:
        return execution_event.get_order_type(record) != common.ORDER_TYPE_MARKET
    if presence == PRESENT_TRADE:
        return execution_event.get_execution_type(record) == execution_event.EXECUTION_TYPE_TRADE
    if presence == PRESENT_LIMIT:
        return execution_event.get_limit_level(record) != 0
    return value != 0


@inline
def _value(
    file: Any, work: Any, requests: Any, events: Any, cursor: Any, field: Any, index: int
) -> int:
    """The number that a field of the report holds."""
    place = index & work[0]["event_mask"]
    record = work[0]["records_address"] + place * EVENT_BYTES
    source = field["source"]
    if source == SOURCE_RECORD:
        return _load(record + field["offset"], field["width"])
    if source == SOURCE_PREVIOUS_SEQUENCE:
        return cursor[0]["previous_sequence"]
    if source == SOURCE_COMMAND:
        slot = events[place]["slot"]
        if slot < 0:
            return 0
        command = work[0]["commands_address"] + slot * order_command.RECORD_BYTES
        return _load(command + field["offset"], field["width"])
    if source == SOURCE_REFERENCE:
        return _reference_source(record)
    if source == SOURCE_LAST_OF_COMMAND:
        return _is_last_of_command(requests, events, place, index, record)
    return _has_gap(file, work, events, place, record)


@inline
def _key_address(work: Any, requests: Any, events: Any, source: int, place: int) -> int:
    """Where the client order id of a report lies: in its event, or for the original one of a
    replace in the command that had named the order before; 0 if there is none."""
    record = work[0]["records_address"] + place * EVENT_BYTES
    if source == SOURCE_CLIENT_ORDER_ID:
        return record + execution_event.OFFSET_CLIENT_ORDER_ID0
    earlier = events[place]["earlier_request"]
    request = events[place]["request"]
    if (
        execution_event.get_execution_type(record) != execution_event.EXECUTION_TYPE_REPLACED
        or earlier < 0
        or earlier == request
        or requests[request]["action"] != order_command.COMMAND_ACTION_REPLACE_ORDER
    ):
        return 0
    command = work[0]["commands_address"] + earlier * order_command.RECORD_BYTES
    return command + order_command.OFFSET_CLIENT_ORDER_ID0


@inline
def _write_report(
    file: Any,
    work: Any,
    requests: Any,
    events: Any,
    plan: Any,
    cursor: Any,
    index: int,
    address: int,
) -> int:
    """Write the fields of one report; returns the address behind them."""
    place = index & work[0]["event_mask"]
    record = work[0]["records_address"] + place * EVENT_BYTES
    for row in range(plan.shape[0]):
        source = plan[row]["source"]
        if source in (SOURCE_CLIENT_ORDER_ID, SOURCE_ORIGINAL_CLIENT_ORDER_ID):
            key = _key_address(work, requests, events, source, place)
            if key != 0:
                address = write_key(address, plan[row]["tag"], key)
            continue
        value = _value(file, work, requests, events, cursor, plan[row], index)
        if not _is_present(record, plan[row]["presence"], value):
            continue
        address = write_varint(address, plan[row]["tag"])
        if plan[row]["zigzag"] != 0:
            address = write_zigzag(address, value)
        else:
            address = write_signed(address, value)
    return address


@inline
def _next_link(file: Any, work: Any, events: Any, accounts: Any, cursor: Any) -> int:
    """Link of the reader's next event, 0 if there is none yet, LAPPED if it is held no more."""
    place = cursor[0]["place"]
    if place > 0:
        if not is_held(file, events, place - 1):
            # What came after it can't be told any more, unless nothing did.
            newest = accounts[cursor[0]["account_id"]]["last_event"]
            return 0 if newest == place else LAPPED
        link = events[(place - 1) & work[0]["event_mask"]]["next_of_account"]
    elif place < 0:
        link = -place
    else:
        link = accounts[cursor[0]["account_id"]]["first_event"]
    if link != 0 and not is_held(file, events, link - 1):
        return LAPPED
    return link


@inline
def _encode(
    file: Any,
    work: Any,
    requests: Any,
    events: Any,
    accounts: Any,
    plan: Any,
    cursor: Any,
    limit: int,
) -> int:
    """See :func:`encode_reports`."""
    scratch = work[0]["scratch_address"]
    start = cursor[0]["out_address"]
    out = start
    written = 0
    while written < limit:
        if cursor[0]["stop"] != 0 and cursor[0]["place"] == cursor[0]["stop"]:
            break
        if out - start + REPORT_BYTES_MAX > cursor[0]["out_capacity"]:
            break
        link = _next_link(file, work, events, accounts, cursor)
        if link == LAPPED and out == start:
            return LAPPED
        if link <= 0:
            break
        cursor[0]["place"] = link
        place = (link - 1) & work[0]["event_mask"]
        record = work[0]["records_address"] + place * EVENT_BYTES
        wanted = cursor[0]["instrument_id"]
        if wanted != 0 and wanted != execution_event.get_instrument_id(record):
            continue
        if execution_event.get_epoch(record) != cursor[0]["previous_epoch"]:
            cursor[0]["previous_epoch"] = execution_event.get_epoch(record)
            cursor[0]["previous_sequence"] = 0
        end = _write_report(file, work, requests, events, plan, cursor, link - 1, scratch)
        cursor[0]["previous_sequence"] = execution_event.get_account_sequence(record)
        out = write_varint(out, cursor[0]["tag"])
        out = write_varint(out, end - scratch)
        copy_bytes(out, scratch, end - scratch)
        out += end - scratch
        written += 1
    return out - start


@kernel(types.int64(types.int64, types.int64, types.int64))
def encode_reports(frame: int, cursor_address: int, limit: int) -> int:
    """Encode up to ``limit`` next reports of a reader; returns bytes written, 0 or LAPPED.

    Each report is written as field ``cursor.tag`` of the message that will hold it. The cursor
    moves on; reports of other instruments are passed over if it names one.
    """
    return _encode(
        frame_array(frame, AT_FILE, FILE_HEADER),
        frame_array(frame, AT_WORK, WORK),
        frame_array(frame, AT_REQUESTS, REQUEST),
        frame_array(frame, AT_EVENTS, EVENT),
        frame_array(frame, AT_ACCOUNTS, ACCOUNT),
        frame_array(frame, AT_PLAN, PLAN),
        records_at(cursor_address, 1, CURSOR),
        limit,
    )


@kernel(types.int64(types.int64, types.int64, types.int64))
def encode_command_reports(frame: int, cursor_address: int, packed: int) -> int:
    """Encode the reports that a request's own command caused; returns bytes written or LAPPED.

    ``packed`` is request << 8 | tag; the cursor is overwritten.
    """
    file = frame_array(frame, AT_FILE, FILE_HEADER)
    work = frame_array(frame, AT_WORK, WORK)
    requests = frame_array(frame, AT_REQUESTS, REQUEST)
    events = frame_array(frame, AT_EVENTS, EVENT)
    accounts = frame_array(frame, AT_ACCOUNTS, ACCOUNT)
    plan = frame_array(frame, AT_PLAN, PLAN)
    cursor = records_at(cursor_address, 1, CURSOR)
    request = packed >> 8
    first = requests[request]["first_event"]
    if first == 0 or not is_held(file, events, first - 1):
        return 0
    place = (first - 1) & work[0]["event_mask"]
    record = work[0]["records_address"] + place * EVENT_BYTES
    cursor[0]["account_id"] = requests[request]["account_id"]
    cursor[0]["place"] = -first
    cursor[0]["previous_epoch"] = execution_event.get_epoch(record)
    cursor[0]["previous_sequence"] = execution_event.get_account_sequence(record) - 1
    cursor[0]["instrument_id"] = 0
    cursor[0]["tag"] = packed & 0xFF
    cursor[0]["stop"] = requests[request]["last_event"]
    return _encode(file, work, requests, events, accounts, plan, cursor, COMMAND_REPORTS_MAX)


@kernel(
    types.int64(
        FILE_HEADER_TYPE, WORK_TYPE, EVENT_TYPE, ACCOUNT_TYPE, types.int64, types.int64, types.int64
    )
)
def find_position(
    file: Any, work: Any, events: Any, accounts: Any, account_id: int, epoch: int, sequence: int
) -> int:
    """The cursor place that continues after (epoch, sequence) of an account.

    Sequence 0 means before the first event held of that epoch or a later one. POSITION_UNKNOWN if
    the position isn't held, or never was.
    """
    mask = work[0]["event_mask"]
    newest = accounts[account_id]["last_event"]
    link = newest
    later = 0
    while link > 0 and is_held(file, events, link - 1):
        record = work[0]["records_address"] + ((link - 1) & mask) * EVENT_BYTES
        found_epoch = execution_event.get_epoch(record)
        found = execution_event.get_account_sequence(record)
        if found_epoch == epoch and found == sequence:
            return link
        if found_epoch < epoch or (found_epoch == epoch and found < sequence):
            break
        later = link
        link = events[(link - 1) & mask]["previous_of_account"]
    if sequence != 0:
        return POSITION_UNKNOWN
    return -later if later != 0 else newest
