"""Account-instrument pairs: rows in the order of first use, found through an index.

The busy pairs come first and so lie together, where caches reach them (perf/micro/risk_gate.py).
Row 0 is empty and stands for a pair that isn't there. An entry of the index holds the number of a
row and a few bits of its key's hash, so that a search hardly ever looks at a row in vain.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    load_constant_i64,
    load_i64,
    load_u32,
    prefetch_write,
    store_i64,
    store_u32,
)
from tradecaptain.kernels.risk_gate.layout import (
    HEADER_PAIR_INDEX,
    HEADER_PAIRS,
    PAIR_NUMBER_BITS,
    PAIR_ROW_BYTES,
    TABLE_BUCKET_COUNT,
    TABLE_ROWS,
    TABLE_USED_COUNT,
)
from tradecaptain.kernels.risk_gate.rows import is_valid_id
from tradecaptain.kernels.risk_gate.table import pair_key, scramble

_INDEX_BYTES = 4
_NUMBER_MASK = (1 << PAIR_NUMBER_BITS) - 1
_MARK_MASK = (1 << (32 - PAIR_NUMBER_BITS)) - 1


@inline_always
def _first_entry(gate: int, scrambled: int) -> int:
    """Address of the index entry at which a search starts."""
    bucket_count = load_constant_i64(gate + HEADER_PAIRS + TABLE_BUCKET_COUNT)
    bucket = (scrambled * bucket_count) >> 32
    return load_constant_i64(gate + HEADER_PAIR_INDEX) + bucket * _INDEX_BYTES


@inline_always
def _row_at(gate: int, entry: int) -> int:
    """Row of the pair that an index entry's content names."""
    return load_constant_i64(gate + HEADER_PAIRS + TABLE_ROWS) + (
        (entry & _NUMBER_MASK) * PAIR_ROW_BYTES
    )


@inline_always
def _may_be(entry: int, scrambled: int) -> bool:
    """Whether an entry is free or its bits are those of a key's hash."""
    return entry == 0 or entry >> PAIR_NUMBER_BITS == scrambled & _MARK_MASK


@inline_always
def _place_of(gate: int, key: int, scrambled: int) -> int:
    """Address of the index entry that leads to a pair, or of the free one for it."""
    place = _first_entry(gate, scrambled)
    entry = load_u32(place) + 0
    while not _may_be(entry, scrambled) or (entry != 0 and load_i64(_row_at(gate, entry)) != key):
        place += _INDEX_BYTES
        index = load_constant_i64(gate + HEADER_PAIR_INDEX)
        if place == index + (
            load_constant_i64(gate + HEADER_PAIRS + TABLE_BUCKET_COUNT) * _INDEX_BYTES
        ):
            place = index
        entry = load_u32(place) + 0
    return place


@inline_always
def pair_of(gate: int, key: int) -> int:
    """Row of a pair; the empty row, whose key is zero, if it has never had an order."""
    return _row_at(gate, load_u32(_place_of(gate, key, scramble(key))) + 0)


@inline
def add_pair(gate: int, key: int) -> int:
    """Row of a pair, made if there is none; the caller has seen to the room."""
    scrambled = scramble(key)
    place = _place_of(gate, key, scrambled)
    entry = load_u32(place) + 0
    if entry == 0:
        number = load_i64(gate + HEADER_PAIRS + TABLE_USED_COUNT) + 1
        store_i64(gate + HEADER_PAIRS + TABLE_USED_COUNT, number)
        entry = number | ((scrambled & _MARK_MASK) << PAIR_NUMBER_BITS)
        store_u32(place, entry)
        store_i64(_row_at(gate, entry), key)
    return _row_at(gate, entry)


@inline
def find_pair(gate: int, account_id: int, instrument_id: int) -> int:
    """Row of a pair that has traded or has had a working order, else 0."""
    if not is_valid_id(account_id) or not is_valid_id(instrument_id):
        return 0
    row = pair_of(gate, pair_key(account_id, instrument_id))
    return row if load_i64(row) != 0 else 0


@inline_always
def prefetch_entry(gate: int, key: int) -> None:
    """Ask for the index entry of a pair."""
    prefetch_write(_first_entry(gate, scramble(key)))


@inline_always
def prefetch_pair(gate: int, key: int) -> None:
    """Ask for the row of a pair, which may lie on two lines; its index entry was asked for."""
    scrambled = scramble(key)
    place = _first_entry(gate, scrambled)
    entry = load_u32(place) + 0
    if not _may_be(entry, scrambled):
        entry = load_u32(place + _INDEX_BYTES) + 0
    row = _row_at(gate, entry)
    prefetch_write(row)
    prefetch_write(row + PAIR_ROW_BYTES - 1)
