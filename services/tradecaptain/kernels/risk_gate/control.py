"""Sequenced controls: limits, kill switches, reference prices, positions.

Every control is idempotent. A row is made where a level has none yet; a full table refuses.
"""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i64, load_u16, store_i64, store_u16
from tradecaptain.kernels.risk_gate.limits import is_killed
from tradecaptain.kernels.risk_gate.rows import find_instrument, is_valid_id
from tradecaptain.kernels.risk_gate.state import (
    FIRST_LIMIT_KIND,
    FLAG_HAS_OVERRIDES,
    FLAG_KILLED,
    HEADER_ACCOUNTS,
    HEADER_FIRMS,
    HEADER_INSTRUMENTS,
    HEADER_KILLED_STRATEGY_COUNT,
    HEADER_OVERRIDES,
    HEADER_PAIRS,
    HEADER_STRATEGIES,
    HEADER_VENUE,
    INSTRUMENT_DENOMINATOR,
    INSTRUMENT_LAST_PRICE,
    INSTRUMENT_MID_PRICE,
    INSTRUMENT_NUMERATOR,
    INSTRUMENT_OUTSIDE_PRICE,
    INSTRUMENT_REFERENCE_FLAGS,
    INSTRUMENT_ROW_BYTES,
    LAST_LIMIT_KIND,
    LIMIT_FLAGS,
    LIMIT_KIND_COUNT,
    LIMIT_ORDER_QUANTITY,
    LIMIT_ROW_BYTES,
    LIMIT_SET_MASK,
    NO_PRICE,
    PAIR_POSITION,
    PAIR_ROW_BYTES,
    REFERENCE_LAST,
    REFERENCE_MID,
    REFERENCE_OUTSIDE,
    STRATEGY_FLAGS,
    STRATEGY_ROW_BYTES,
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.table import find_bucket, is_full, occupy, pair_key
from tradecaptain.wire import control, reason

_ACTION_CLEAR_LIMIT = control.CONTROL_ACTION_CLEAR_LIMIT
_ACTION_KILL = control.CONTROL_ACTION_KILL
_ACTION_REFERENCE_PRICE = control.CONTROL_ACTION_REFERENCE_PRICE
_ACTION_SET_LIMIT = control.CONTROL_ACTION_SET_LIMIT
_ACTION_SET_POSITION = control.CONTROL_ACTION_SET_POSITION
_ACTION_UNKILL = control.CONTROL_ACTION_UNKILL
_KIND_OPEN_ORDERS = control.LIMIT_KIND_OPEN_ORDERS
_REASON_CAPACITY_EXHAUSTED = reason.REASON_CAPACITY_EXHAUSTED
_REASON_INVALID_REQUEST = reason.REASON_INVALID_REQUEST
_REASON_NUMBER_OUT_OF_RANGE = reason.REASON_NUMBER_OUT_OF_RANGE
_REASON_UNKNOWN_ACCOUNT = reason.REASON_UNKNOWN_ACCOUNT
_REASON_UNKNOWN_INSTRUMENT = reason.REASON_UNKNOWN_INSTRUMENT
_SCOPE_ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
_SCOPE_ACCOUNT_INSTRUMENT = control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT
_SCOPE_FIRM = control.CONTROL_SCOPE_FIRM
_SCOPE_INSTRUMENT = control.CONTROL_SCOPE_INSTRUMENT
_SCOPE_STRATEGY = control.CONTROL_SCOPE_STRATEGY

CONTROL_FLAG_REFERENCE_MID = 4
CONTROL_FLAG_REFERENCE_OUTSIDE = 8


@inline
def _clear_row_limits(row: int) -> None:
    for index in range(LIMIT_KIND_COUNT):
        store_i64(row + LIMIT_ORDER_QUANTITY + 8 * index, UNLIMITED)


@inline
def _find_or_add_limits(table: int, key: int, row_bytes: int) -> int:
    """Row of limits for a key, made if there is none; a negative reason if there is no room."""
    row = find_bucket(table, key, row_bytes)
    if load_i64(row) != 0:
        return row
    if is_full(table):
        return -_REASON_CAPACITY_EXHAUSTED
    _clear_row_limits(row)
    occupy(table, row, key)
    return row


@inline
def _instrument_row(gate: int, instrument_id: int) -> int:
    """Row of an instrument, or a negative reason: only the venue adds instruments."""
    row = find_instrument(gate, instrument_id)
    return row if row != 0 else -_REASON_UNKNOWN_INSTRUMENT


@inline
def _override_row(gate: int, account_id: int, instrument_id: int) -> int:
    """Row of an account's own limits in an instrument, made if there is none."""
    if not is_valid_id(account_id):
        return -_REASON_UNKNOWN_ACCOUNT
    if _instrument_row(gate, instrument_id) < 0:
        return -_REASON_UNKNOWN_INSTRUMENT
    account = _find_or_add_limits(gate + HEADER_ACCOUNTS, account_id, LIMIT_ROW_BYTES)
    if account < 0:
        return account
    key = pair_key(account_id, instrument_id)
    row = _find_or_add_limits(gate + HEADER_OVERRIDES, key, LIMIT_ROW_BYTES)
    if row > 0:
        store_u16(account + LIMIT_FLAGS, load_u16(account + LIMIT_FLAGS) | FLAG_HAS_OVERRIDES)
    return row


@inline
def _scope_row(gate: int, scope: int, scope_id: int, instrument_id: int) -> int:
    """Row of limits that a control names, made if need be, or a negative reason.

    An account scope that also names an instrument means the account in that instrument.
    """
    if scope == _SCOPE_FIRM:
        if scope_id == 0:
            return gate + HEADER_VENUE
        if not is_valid_id(scope_id):
            return -_REASON_INVALID_REQUEST
        return _find_or_add_limits(gate + HEADER_FIRMS, scope_id, LIMIT_ROW_BYTES)
    if scope == _SCOPE_INSTRUMENT:
        return _instrument_row(gate, instrument_id)
    if scope == _SCOPE_ACCOUNT_INSTRUMENT or (scope == _SCOPE_ACCOUNT and instrument_id != 0):
        return _override_row(gate, scope_id, instrument_id)
    if scope == _SCOPE_ACCOUNT:
        if not is_valid_id(scope_id):
            return -_REASON_UNKNOWN_ACCOUNT
        return _find_or_add_limits(gate + HEADER_ACCOUNTS, scope_id, LIMIT_ROW_BYTES)
    return -_REASON_INVALID_REQUEST


@inline
def _apply_limit(gate: int, record: int, is_set: bool) -> int:
    kind = control.get_limit_kind(record)
    value = control.get_value(record)
    scope = control.get_scope(record)
    instrument_id = control.get_instrument_id(record)
    if kind < FIRST_LIMIT_KIND or kind > LAST_LIMIT_KIND:
        return _REASON_INVALID_REQUEST
    is_override = scope == _SCOPE_ACCOUNT_INSTRUMENT or (
        scope == _SCOPE_ACCOUNT and instrument_id != 0
    )
    if is_override and kind == _KIND_OPEN_ORDERS:
        # Open orders are counted for each account, not for each of its instruments.
        return _REASON_INVALID_REQUEST
    if is_set and value < 0:
        return _REASON_NUMBER_OUT_OF_RANGE
    row = _scope_row(gate, scope, control.get_scope_id(record), instrument_id)
    if row < 0:
        return -row
    mask = load_u16(row + LIMIT_SET_MASK) | 0
    limit = row + LIMIT_ORDER_QUANTITY + 8 * (kind - FIRST_LIMIT_KIND)
    if is_set:
        store_i64(limit, value)
        store_u16(row + LIMIT_SET_MASK, mask | (1 << kind))
    else:
        store_i64(limit, UNLIMITED)
        store_u16(row + LIMIT_SET_MASK, mask & ~(1 << kind))
    return 0


@inline
def _switch_strategy(gate: int, strategy_id: int, is_on: bool) -> int:
    if not is_valid_id(strategy_id):
        return _REASON_INVALID_REQUEST
    table = gate + HEADER_STRATEGIES
    row = find_bucket(table, strategy_id, STRATEGY_ROW_BYTES)
    if load_i64(row) == 0:
        if not is_on:
            return 0
        if is_full(table):
            return _REASON_CAPACITY_EXHAUSTED
        occupy(table, row, strategy_id)
    flags = load_i64(row + STRATEGY_FLAGS)
    was_on = flags & FLAG_KILLED != 0
    if is_on != was_on:
        count = load_i64(gate + HEADER_KILLED_STRATEGY_COUNT)
        store_i64(gate + HEADER_KILLED_STRATEGY_COUNT, count + (1 if is_on else -1))
        store_i64(row + STRATEGY_FLAGS, flags ^ FLAG_KILLED)
    return 0


@inline
def _switch(gate: int, record: int, is_on: bool) -> int:
    """Latch or unlatch a kill switch; asking twice changes nothing."""
    scope = control.get_scope(record)
    scope_id = control.get_scope_id(record)
    if scope == _SCOPE_STRATEGY:
        return _switch_strategy(gate, scope_id, is_on)
    row = _scope_row(gate, scope, scope_id, control.get_instrument_id(record))
    if row < 0:
        return -row
    if is_killed(row) != is_on:
        store_u16(row + LIMIT_FLAGS, load_u16(row + LIMIT_FLAGS) ^ FLAG_KILLED)
    return 0


@inline
def _set_reference_price(gate: int, record: int) -> int:
    value = control.get_value(record)
    if value == NO_PRICE:
        return _REASON_NUMBER_OUT_OF_RANGE
    row = _instrument_row(gate, control.get_instrument_id(record))
    if row < 0:
        return -row
    flags = control.get_flags(record)
    offset = INSTRUMENT_LAST_PRICE
    source = REFERENCE_LAST
    if flags & CONTROL_FLAG_REFERENCE_MID:
        offset = INSTRUMENT_MID_PRICE
        source = REFERENCE_MID
    if flags & CONTROL_FLAG_REFERENCE_OUTSIDE:
        offset = INSTRUMENT_OUTSIDE_PRICE
        source = REFERENCE_OUTSIDE
    store_i64(row + offset, value)
    known = load_i64(row + INSTRUMENT_REFERENCE_FLAGS)
    store_i64(row + INSTRUMENT_REFERENCE_FLAGS, known | source)
    return 0


@inline
def _set_position(gate: int, record: int) -> int:
    """Replace the position of a pair; what is working stays."""
    scope = control.get_scope(record)
    account_id = control.get_scope_id(record)
    instrument_id = control.get_instrument_id(record)
    value = control.get_value(record)
    if scope != _SCOPE_ACCOUNT and scope != _SCOPE_ACCOUNT_INSTRUMENT:
        return _REASON_INVALID_REQUEST
    if not is_valid_id(account_id):
        return _REASON_UNKNOWN_ACCOUNT
    if _instrument_row(gate, instrument_id) < 0:
        return _REASON_UNKNOWN_INSTRUMENT
    key = pair_key(account_id, instrument_id)
    pair = find_bucket(gate + HEADER_PAIRS, key, PAIR_ROW_BYTES)
    if load_i64(pair) == 0:
        if is_full(gate + HEADER_PAIRS):
            return _REASON_CAPACITY_EXHAUSTED
        occupy(gate + HEADER_PAIRS, pair, key)
    store_i64(pair + PAIR_POSITION, value)
    return 0


@kernel(types.int64(types.int64))
def gate_handles(action: int) -> int:
    """1 if a ControlAction is the gate's business, else 0."""
    if action >= _ACTION_SET_LIMIT and action <= _ACTION_SET_POSITION:
        return 1
    return 1 if action == _ACTION_CLEAR_LIMIT else 0


@kernel(types.int64(types.int64, types.int64))
def gate_apply_control(gate: int, record: int) -> int:
    """Apply a normalised Control at address ``record``; 0, or the reason why nothing changed."""
    action = control.get_action(record)
    if action == _ACTION_SET_LIMIT:
        return _apply_limit(gate, record, True)
    if action == _ACTION_CLEAR_LIMIT:
        return _apply_limit(gate, record, False)
    if action == _ACTION_KILL:
        return _switch(gate, record, True)
    if action == _ACTION_UNKILL:
        return _switch(gate, record, False)
    if action == _ACTION_REFERENCE_PRICE:
        return _set_reference_price(gate, record)
    if action == _ACTION_SET_POSITION:
        return _set_position(gate, record)
    return _REASON_INVALID_REQUEST


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64))
def gate_add_instrument(gate: int, instrument_id: int, numerator: int, denominator: int) -> int:
    """Make an instrument tradable; the ratio is that of :func:`notional_ratio`.

    Returns 0 or a negative reason. Adding it again changes its ratio only.
    """
    if not is_valid_id(instrument_id):
        return -_REASON_UNKNOWN_INSTRUMENT
    if numerator <= 0 or denominator <= 0:
        return -_REASON_NUMBER_OUT_OF_RANGE
    table = gate + HEADER_INSTRUMENTS
    row = _find_or_add_limits(table, instrument_id, INSTRUMENT_ROW_BYTES)
    if row < 0:
        return row
    store_i64(row + INSTRUMENT_NUMERATOR, numerator)
    store_i64(row + INSTRUMENT_DENOMINATOR, denominator)
    return 0
