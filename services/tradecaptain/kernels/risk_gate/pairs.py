"""Account-instrument pairs: rows in the order of first use, found through an index.

The busy pairs come first and so lie together, where caches reach them (perf/micro/risk_gate.py).
Row 0 is empty and stands for a pair that isn't there.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i32, load_i64, prefetch_write, store_i32, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    HEADER_PAIR_INDEX,
    HEADER_PAIRS,
    PAIR_ROW_BYTES,
    TABLE_BUCKET_COUNT,
    TABLE_ROWS,
    TABLE_USED_COUNT,
)
from tradecaptain.kernels.risk_gate.rows import is_valid_id
from tradecaptain.kernels.risk_gate.table import bucket_of, pair_key

_INDEX_BYTES = 4


@inline_always
def _index_entry(gate: int, key: int) -> int:
    """Address of the index entry that holds a pair's number, or of the free one for it."""
    rows = load_i64(gate + HEADER_PAIRS + TABLE_ROWS)
    index = load_i64(gate + HEADER_PAIR_INDEX)
    bucket_count = load_i64(gate + HEADER_PAIRS + TABLE_BUCKET_COUNT)
    bucket = bucket_of(key, bucket_count)
    number = load_i32(index + bucket * _INDEX_BYTES) + 0
    while number != 0 and load_i64(rows + number * PAIR_ROW_BYTES) != key:
        bucket += 1
        if bucket == bucket_count:
            bucket = 0
        number = load_i32(index + bucket * _INDEX_BYTES) + 0
    return index + bucket * _INDEX_BYTES


@inline_always
def pair_of(gate: int, key: int) -> int:
    """Row of a pair; the empty row, whose key is zero, if it has never had an order."""
    number = load_i32(_index_entry(gate, key)) + 0
    return load_i64(gate + HEADER_PAIRS + TABLE_ROWS) + number * PAIR_ROW_BYTES


@inline
def add_pair(gate: int, key: int) -> int:
    """Row of a pair, made if there is none; the caller has seen to the room."""
    entry = _index_entry(gate, key)
    rows = load_i64(gate + HEADER_PAIRS + TABLE_ROWS)
    number = load_i32(entry) + 0
    if number == 0:
        number = load_i64(gate + HEADER_PAIRS + TABLE_USED_COUNT) + 1
        store_i64(gate + HEADER_PAIRS + TABLE_USED_COUNT, number)
        store_i32(entry, number)
        store_i64(rows + number * PAIR_ROW_BYTES, key)
    return rows + number * PAIR_ROW_BYTES


@inline
def find_pair(gate: int, account_id: int, instrument_id: int) -> int:
    """Row of a pair that has traded or has had a working order, else 0."""
    if not is_valid_id(account_id) or not is_valid_id(instrument_id):
        return 0
    row = pair_of(gate, pair_key(account_id, instrument_id))
    return row if load_i64(row) != 0 else 0


@inline
def gate_prefetch(gate: int, account_id: int, instrument_id: int) -> None:
    """Ask for the row of a pair from memory; any ids will do, and nothing waits for it."""
    key = pair_key(account_id, instrument_id)
    bucket = bucket_of(key, load_i64(gate + HEADER_PAIRS + TABLE_BUCKET_COUNT))
    number = load_i32(load_i64(gate + HEADER_PAIR_INDEX) + bucket * _INDEX_BYTES) + 0
    prefetch_write(load_i64(gate + HEADER_PAIRS + TABLE_ROWS) + number * PAIR_ROW_BYTES)
