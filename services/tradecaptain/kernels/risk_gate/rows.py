"""Finding the rows of a gate: accounts, firms, instruments, pairs."""

from __future__ import annotations

from tradecaptain.base.jit import inline_always
from tradecaptain.base.memory import load_i32, load_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_KEY,
    ACCOUNT_MARKS,
    ACCOUNT_ROW_BYTES,
    HEADER_ABSENT,
    HEADER_ACCOUNTS,
    HEADER_FIRMS,
    HEADER_GROUPS,
    HEADER_INSTRUMENTS,
    HEADER_OVERRIDES,
    HEADER_STRATEGIES,
    INSTRUMENT_KEY,
    INSTRUMENT_ROW_BYTES,
    LIMIT_ROW_BYTES,
    MARK_HAS_OVERRIDES,
    MAXIMUM_ID,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
)
from tradecaptain.kernels.risk_gate.table import find_bucket, find_row, pair_key
from tradecaptain.wire import common

_SIDE_BUY = common.SIDE_BUY


@inline_always
def is_valid_id(identifier: int) -> bool:
    """Whether an account, instrument, firm, group or strategy id can be a key."""
    return 0 < identifier <= MAXIMUM_ID


@inline_always
def _row_or_absent(gate: int, table: int, key: int, row_bytes: int) -> int:
    row = find_bucket(gate + table, key, row_bytes)
    if load_i64(row) == 0:
        return gate + HEADER_ABSENT
    return row


@inline_always
def find_account(gate: int, account_id: int) -> int:
    """Row of an account, or the row that stands for an absent level."""
    if not is_valid_id(account_id):
        return gate + HEADER_ABSENT
    row = find_row(gate + HEADER_ACCOUNTS, account_id, ACCOUNT_ROW_BYTES, ACCOUNT_KEY)
    if load_i64(row + ACCOUNT_KEY) == 0:
        return gate + HEADER_ABSENT
    return row


@inline_always
def find_firm(gate: int, firm_id: int) -> int:
    """Row of a firm, or the row that stands for an absent level."""
    if not is_valid_id(firm_id):
        return gate + HEADER_ABSENT
    return _row_or_absent(gate, HEADER_FIRMS, firm_id, LIMIT_ROW_BYTES)


@inline_always
def find_group(gate: int, group_id: int) -> int:
    """Row of a group of accounts, or the row that stands for an absent level."""
    if not is_valid_id(group_id):
        return gate + HEADER_ABSENT
    return _row_or_absent(gate, HEADER_GROUPS, group_id, LIMIT_ROW_BYTES)


@inline_always
def find_strategy(gate: int, strategy_id: int) -> int:
    """Row of a strategy, or the row that stands for an absent level."""
    if not is_valid_id(strategy_id):
        return gate + HEADER_ABSENT
    return _row_or_absent(gate, HEADER_STRATEGIES, strategy_id, LIMIT_ROW_BYTES)


@inline_always
def find_override(gate: int, account: int, account_id: int, instrument_id: int) -> int:
    """Row of an account's own limits in an instrument, or the row of an absent level."""
    if load_i32(account + ACCOUNT_MARKS) & MARK_HAS_OVERRIDES == 0:
        return gate + HEADER_ABSENT
    key = pair_key(account_id, instrument_id)
    return _row_or_absent(gate, HEADER_OVERRIDES, key, LIMIT_ROW_BYTES)


@inline_always
def find_instrument(gate: int, instrument_id: int) -> int:
    """Row of an instrument, or 0 if the venue didn't add it."""
    if not is_valid_id(instrument_id):
        return 0
    table = gate + HEADER_INSTRUMENTS
    row = find_row(table, instrument_id, INSTRUMENT_ROW_BYTES, INSTRUMENT_KEY)
    if load_i64(row + INSTRUMENT_KEY) == 0:
        return 0
    return row


@inline_always
def working_offset(side: int) -> int:
    """Offset of a side's working quantity in a pair's row."""
    return PAIR_WORKING_BUY if side == _SIDE_BUY else PAIR_WORKING_SELL
