"""What can be asked of the gate: whether an order would pass, and the sums of an account or total.

A dry run makes the checks of the long way through the gate. What they count or begin (messages,
windows of price moves) is put back, so that asking changes nothing for whoever trades.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.risk_gate.asked_order import asked_order
from tradecaptain.kernels.risk_gate.gate import check_order
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_NEXT_MESSAGE_NS,
    HEADER_ABSENT,
    HEADER_FORGOTTEN_DUPLICATE_COUNT,
    HEADER_REFUSED_COUNT,
    HEADER_REJECT_FLAGS,
    HEADER_REJECT_LEVEL,
    HEADER_REJECT_LIMIT_VALUE,
    HEADER_REJECT_OBSERVED_VALUE,
    INSTRUMENT_WINDOW_PRICE,
    INSTRUMENT_WINDOW_START_NS,
    SUM_OFFSETS,
)
from tradecaptain.kernels.risk_gate.rows import find_account, find_instrument
from tradecaptain.kernels.risk_gate.totals import TOTAL_OF_FIRM, TOTAL_OF_GROUP, find_total
from tradecaptain.wire import control, order_command, reason

_FIRST_SUM_OFFSET = control.OFFSET_SCENARIO0
_REASON_INVALID_REQUEST = reason.REASON_INVALID_REQUEST
_REASON_UNKNOWN_ACCOUNT = reason.REASON_UNKNOWN_ACCOUNT
_SCOPE_ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
_SCOPE_FIRM = control.CONTROL_SCOPE_FIRM
_SCOPE_GROUP = control.CONTROL_SCOPE_GROUP


@inline
def _check(gate: int, command: int) -> int:
    """The verdict, with everything that a check counts put back."""
    account = find_account(gate, order_command.get_account_id(command))
    instrument = find_instrument(gate, order_command.get_instrument_id(command))
    next_message_ns = load_i64(account + ACCOUNT_NEXT_MESSAGE_NS)
    refused_count = load_i64(gate + HEADER_REFUSED_COUNT)
    forgotten_count = load_i64(gate + HEADER_FORGOTTEN_DUPLICATE_COUNT)
    start_ns, price = 0, 0
    if instrument != 0:
        start_ns = load_i64(instrument + INSTRUMENT_WINDOW_START_NS)
        price = load_i64(instrument + INSTRUMENT_WINDOW_PRICE)
    refusal = check_order(gate, command)
    store_i64(account + ACCOUNT_NEXT_MESSAGE_NS, next_message_ns)
    store_i64(gate + HEADER_REFUSED_COUNT, refused_count)
    store_i64(gate + HEADER_FORGOTTEN_DUPLICATE_COUNT, forgotten_count)
    if instrument != 0:
        store_i64(instrument + INSTRUMENT_WINDOW_START_NS, start_ns)
        store_i64(instrument + INSTRUMENT_WINDOW_PRICE, price)
    return refusal


@inline
def answer_dry_run(gate: int, record: int) -> int:
    """Check the order that a control asks about, write the detail into it; the reason or 0."""
    refusal = _check(gate, asked_order(gate, record))
    if refusal != 0:
        control.set_limit_level(record, load_i64(gate + HEADER_REJECT_LEVEL))
        control.set_limit_value(record, load_i64(gate + HEADER_REJECT_LIMIT_VALUE))
        control.set_observed_value(record, load_i64(gate + HEADER_REJECT_OBSERVED_VALUE))
        control.set_reference_flags(record, load_i64(gate + HEADER_REJECT_FLAGS))
    return refusal


@inline
def report_sums(gate: int, record: int) -> int:
    """Write the sums of an account, or of a group or firm with totals, into the control."""
    scope = control.get_scope(record)
    identifier = control.get_scope_id(record)
    if scope == _SCOPE_ACCOUNT:
        row = find_account(gate, identifier)
        if row == gate + HEADER_ABSENT:
            return _REASON_UNKNOWN_ACCOUNT
    elif scope in (_SCOPE_GROUP, _SCOPE_FIRM):
        kind = TOTAL_OF_GROUP if scope == _SCOPE_GROUP else TOTAL_OF_FIRM
        row = find_total(gate, kind, identifier, 0)
        if row == 0:
            return _REASON_INVALID_REQUEST
    else:
        return _REASON_INVALID_REQUEST
    place = record + _FIRST_SUM_OFFSET
    for offset in SUM_OFFSETS:
        store_i64(place, load_i64(row + offset))
        place += 8
    return 0
