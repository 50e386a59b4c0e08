"""Open addressing with linear probing over rows whose first word is a positive key; zero is free.

Rows are never removed, so an address that a lookup returned stays good for the gate's life.
"""

from __future__ import annotations

from tradecaptain.base.crc32c import crc32c_word
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_constant_i64, load_i64, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    TABLE_BUCKET_COUNT,
    TABLE_CAPACITY,
    TABLE_ROWS,
    TABLE_USED_COUNT,
)

_MASK32 = 0xFFFFFFFF
_MASK62 = 0x3FFFFFFFFFFFFFFF
# Odd multipliers below 2^31: a product with a 32-bit number stays below 2^63, so that the hash is
# the same where integers wrap (compiled) and where they do not (plain Python).
_MIX_LOW = 0x045D9F3B
_MIX_HIGH = 0x119DE1F3
_GOLDEN = 0x9E3779B1


@inline_always
def pair_key(account_id: int, instrument_id: int) -> int:
    """Key of an account-instrument pair; both ids are 1 to 2^31 - 1."""
    return (account_id << 32) | instrument_id


@inline_always
def bucket_of(key: int, bucket_count: int) -> int:
    """Bucket at which the search for a key starts.

    A CRC is one instruction. It is linear, so that keys of numbers given out one after the other
    meet less often than if they were drawn by lot.
    """
    return (crc32c_word(0, key) * bucket_count) >> 32


@inline_always
def mix_words(first: int, second: int) -> int:
    """A 62-bit number out of two of any size and sign, the same with the JIT on and off."""
    left = ((first & _MASK32) * _MIX_LOW) ^ (((first >> 32) & _MASK32) * _MIX_HIGH)
    right = ((second & _MASK32) * _MIX_HIGH) ^ (((second >> 32) & _MASK32) * _MIX_LOW)
    return (left ^ (right >> 7) ^ (right << 3)) & _MASK62


@inline_always
def first_place(table: int, key: int, row_bytes: int) -> int:
    """Address at which the search for a key's row starts, and nearly always ends."""
    bucket_count = load_constant_i64(table + TABLE_BUCKET_COUNT)
    return load_constant_i64(table + TABLE_ROWS) + bucket_of(key, bucket_count) * row_bytes


@inline_always
def place_of_id(table: int, identifier: int, row_bytes: int) -> int:
    """As :func:`first_place`, for keys of 31 bits that are mostly given out one after the other.

    Fibonacci hashing spreads such runs evenly (Knuth, The Art of Computer Programming 3, 6.4).
    """
    bucket_count = load_constant_i64(table + TABLE_BUCKET_COUNT)
    bucket = (((identifier * _GOLDEN) & _MASK32) * bucket_count) >> 32
    return load_constant_i64(table + TABLE_ROWS) + bucket * row_bytes


@inline
def _search_on(table: int, key: int, row: int, row_bytes: int, key_offset: int) -> int:
    """Where the search ends that begins at a row."""
    found = load_i64(row + key_offset)
    while found != key and found != 0:
        row += row_bytes
        rows = load_constant_i64(table + TABLE_ROWS)
        if row == rows + load_constant_i64(table + TABLE_BUCKET_COUNT) * row_bytes:
            row = rows
        found = load_i64(row + key_offset)
    return row


@inline_always
def find_row(table: int, key: int, row_bytes: int, key_offset: int) -> int:
    """Address of the key's row, or of the free row at which it would be inserted.

    The key lies ``key_offset`` from the row; where that isn't zero, keys are ids of accounts or
    instruments. A table always keeps free rows, so the search ends.
    """
    if key_offset == 0:
        row = first_place(table, key, row_bytes)
    else:
        row = place_of_id(table, key, row_bytes)
    if load_i64(row + key_offset) == key:
        return row
    return _search_on(table, key, row, row_bytes, key_offset)


@inline_always
def find_bucket(table: int, key: int, row_bytes: int) -> int:
    """As :func:`find_row`, of rows that begin with their key."""
    return find_row(table, key, row_bytes, 0)


@inline_always
def is_full(table: int) -> bool:
    """Whether the table takes no further key."""
    return load_i64(table + TABLE_USED_COUNT) >= load_i64(table + TABLE_CAPACITY)


@inline_always
def occupy(table: int, row: int, key: int) -> None:
    """Give the free row that :func:`find_bucket` returned to ``key``."""
    store_i64(row, key)
    store_i64(table + TABLE_USED_COUNT, load_i64(table + TABLE_USED_COUNT) + 1)
