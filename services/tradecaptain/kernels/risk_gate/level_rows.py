"""Rows of the levels that controls name, made where there is none yet."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_KEY,
    ACCOUNT_MARKS,
    ACCOUNT_ROW_BYTES,
    HEADER_ACCOUNTS,
    HEADER_FIRMS,
    HEADER_GROUPS,
    HEADER_OVERRIDES,
    HEADER_STRATEGIES,
    HEADER_VENUE,
    LIMIT_KIND_COUNT,
    LIMIT_ROW_BYTES,
    MARK_HAS_OVERRIDES,
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.rows import find_instrument, is_valid_id
from tradecaptain.kernels.risk_gate.table import find_row, is_full, occupy, pair_key
from tradecaptain.wire import control, reason

_REASON_CAPACITY_EXHAUSTED = reason.REASON_CAPACITY_EXHAUSTED
_REASON_INVALID_REQUEST = reason.REASON_INVALID_REQUEST
_REASON_UNKNOWN_ACCOUNT = reason.REASON_UNKNOWN_ACCOUNT
_REASON_UNKNOWN_INSTRUMENT = reason.REASON_UNKNOWN_INSTRUMENT
_SCOPE_ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
_SCOPE_ACCOUNT_INSTRUMENT = control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT
_SCOPE_FIRM = control.CONTROL_SCOPE_FIRM
_SCOPE_GROUP = control.CONTROL_SCOPE_GROUP
_SCOPE_INSTRUMENT = control.CONTROL_SCOPE_INSTRUMENT
_SCOPE_STRATEGY = control.CONTROL_SCOPE_STRATEGY


@inline
def find_or_add_limits(table: int, key: int, row_bytes: int, key_offset: int) -> int:
    """Row of limits for a key, made if there is none; a negative reason if there is no room.

    The key is looked for ``key_offset`` from the row, and is the first word of its limits too.
    """
    row = find_row(table, key, row_bytes, key_offset)
    if load_i64(row + key_offset) != 0:
        return row
    if is_full(table):
        return -_REASON_CAPACITY_EXHAUSTED
    for kind in range(1, LIMIT_KIND_COUNT + 1):
        store_i64(row + 8 * kind, UNLIMITED)
    store_i64(row + key_offset, key)
    occupy(table, row, key)
    return row


@inline
def account_row(gate: int, account_id: int) -> int:
    """Row of an account, made if there is none, or a negative reason."""
    return find_or_add_limits(gate + HEADER_ACCOUNTS, account_id, ACCOUNT_ROW_BYTES, ACCOUNT_KEY)


@inline
def instrument_row(gate: int, instrument_id: int) -> int:
    """Row of an instrument, or a negative reason: only the venue adds instruments."""
    row = find_instrument(gate, instrument_id)
    return row if row != 0 else -_REASON_UNKNOWN_INSTRUMENT


@inline
def _override_row(gate: int, account_id: int, instrument_id: int) -> int:
    """Row of an account's own limits in an instrument, made if there is none."""
    if not is_valid_id(account_id):
        return -_REASON_UNKNOWN_ACCOUNT
    if instrument_row(gate, instrument_id) < 0:
        return -_REASON_UNKNOWN_INSTRUMENT
    account = account_row(gate, account_id)
    if account < 0:
        return account
    key = pair_key(account_id, instrument_id)
    row = find_or_add_limits(gate + HEADER_OVERRIDES, key, LIMIT_ROW_BYTES, 0)
    if row > 0:
        store_i32(account + ACCOUNT_MARKS, load_i32(account + ACCOUNT_MARKS) | MARK_HAS_OVERRIDES)
    return row


@inline
def is_pair_scope(record: int) -> bool:
    """Whether a control means an account in one instrument, said in either of two ways."""
    scope = control.get_scope(record)
    if scope == _SCOPE_ACCOUNT:
        return control.get_instrument_id(record) != 0
    return scope == _SCOPE_ACCOUNT_INSTRUMENT


@inline
def _numbered_row(gate: int, scope: int, scope_id: int) -> int:
    """Row of a firm, group or strategy, made if there is none; firm 0 is the venue."""
    if scope == _SCOPE_FIRM and scope_id == 0:
        return gate + HEADER_VENUE
    if not is_valid_id(scope_id):
        return -_REASON_INVALID_REQUEST
    table = HEADER_FIRMS
    if scope == _SCOPE_GROUP:
        table = HEADER_GROUPS
    elif scope == _SCOPE_STRATEGY:
        table = HEADER_STRATEGIES
    return find_or_add_limits(gate + table, scope_id, LIMIT_ROW_BYTES, 0)


@inline
def scope_row(gate: int, record: int) -> int:
    """Row of limits that a control names, made if need be, or a negative reason."""
    scope = control.get_scope(record)
    scope_id = control.get_scope_id(record)
    instrument_id = control.get_instrument_id(record)
    if scope in (_SCOPE_FIRM, _SCOPE_GROUP, _SCOPE_STRATEGY):
        return _numbered_row(gate, scope, scope_id)
    if scope == _SCOPE_INSTRUMENT:
        return instrument_row(gate, instrument_id)
    if is_pair_scope(record):
        return _override_row(gate, scope_id, instrument_id)
    if scope == _SCOPE_ACCOUNT:
        if not is_valid_id(scope_id):
            return -_REASON_UNKNOWN_ACCOUNT
        return account_row(gate, scope_id)
    return -_REASON_INVALID_REQUEST
