"""Finding the rows of a gate: accounts, firms, instruments, pairs."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64, load_u16, prefetch_write
from tradecaptain.kernels.risk_gate.state import (
    FLAG_HAS_OVERRIDES,
    HEADER_ABSENT,
    HEADER_ACCOUNTS,
    HEADER_FIRMS,
    HEADER_INSTRUMENTS,
    HEADER_OVERRIDES,
    HEADER_PAIRS,
    INSTRUMENT_ROW_BYTES,
    LIMIT_FLAGS,
    LIMIT_ROW_BYTES,
    MAXIMUM_ID,
    PAIR_ROW_BYTES,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    TABLE_BUCKET_COUNT,
    TABLE_ROWS,
)
from tradecaptain.kernels.risk_gate.table import bucket_of, find_bucket, pair_key
from tradecaptain.wire import common

_SIDE_BUY = common.SIDE_BUY


@inline
def is_valid_id(identifier: int) -> bool:
    """Whether an account, instrument, firm or strategy id can be a key."""
    return 0 < identifier <= MAXIMUM_ID


@inline
def _row_or_absent(gate: int, table: int, key: int) -> int:
    row = find_bucket(gate + table, key, LIMIT_ROW_BYTES)
    if load_i64(row) == 0:
        return gate + HEADER_ABSENT
    return row


@inline
def find_account(gate: int, account_id: int) -> int:
    """Row of an account, or the row that stands for an absent level."""
    if not is_valid_id(account_id):
        return gate + HEADER_ABSENT
    return _row_or_absent(gate, HEADER_ACCOUNTS, account_id)


@inline
def find_firm(gate: int, firm_id: int) -> int:
    """Row of a firm, or the row that stands for an absent level."""
    if not is_valid_id(firm_id):
        return gate + HEADER_ABSENT
    return _row_or_absent(gate, HEADER_FIRMS, firm_id)


@inline
def find_override(gate: int, account: int, account_id: int, instrument_id: int) -> int:
    """Row of an account's own limits in an instrument, or the row of an absent level."""
    if load_u16(account + LIMIT_FLAGS) & FLAG_HAS_OVERRIDES == 0:
        return gate + HEADER_ABSENT
    return _row_or_absent(gate, HEADER_OVERRIDES, pair_key(account_id, instrument_id))


@inline
def find_instrument(gate: int, instrument_id: int) -> int:
    """Row of an instrument, or 0 if the venue didn't add it."""
    if not is_valid_id(instrument_id):
        return 0
    row = find_bucket(gate + HEADER_INSTRUMENTS, instrument_id, INSTRUMENT_ROW_BYTES)
    if load_i64(row) == 0:
        return 0
    return row


@inline
def find_pair(gate: int, account_id: int, instrument_id: int) -> int:
    """Row of a pair that has traded or has had a working order, else 0."""
    if not is_valid_id(account_id) or not is_valid_id(instrument_id):
        return 0
    key = pair_key(account_id, instrument_id)
    row = find_bucket(gate + HEADER_PAIRS, key, PAIR_ROW_BYTES)
    if load_i64(row) == 0:
        return 0
    return row


@inline
def gate_prefetch(gate: int, account_id: int, instrument_id: int) -> None:
    """Ask for the row of a pair from memory; any ids will do, and nothing waits for it."""
    table = gate + HEADER_PAIRS
    key = pair_key(account_id, instrument_id)
    bucket = bucket_of(key, load_i64(table + TABLE_BUCKET_COUNT))
    prefetch_write(load_i64(table + TABLE_ROWS) + bucket * PAIR_ROW_BYTES)


@inline
def working_offset(side: int) -> int:
    """Offset of a side's working quantity in a pair's row."""
    return PAIR_WORKING_BUY if side == _SIDE_BUY else PAIR_WORKING_SELL
