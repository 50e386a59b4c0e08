"""Account-instrument pairs: rows that a hash of both ids leads to, with nothing between.

An order touches a pair at random among very many, so what counts is how many lines of memory lie on
the way, one behind the other (perf/micro/risk_gate.py). A pair that isn't there is a free row, of
which all is zero. Pairs are numbered from one on in the order of their first use: a list leads from
the number to the row, so that what goes through all of them does so in an order that no capacity
and no restart changes.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i64, load_u32, prefetch_write, store_u32
from tradecaptain.kernels.risk_gate.layout import (
    HEADER_PAIR_ORDER,
    HEADER_PAIRS,
    PAIR_ROW_BYTES,
    TABLE_ROWS,
    TABLE_USED_COUNT,
)
from tradecaptain.kernels.risk_gate.rows import is_valid_id
from tradecaptain.kernels.risk_gate.table import find_bucket, first_place, occupy, pair_key

_PLACE_BYTES = 4


@inline
def _number_at(gate: int, number: int) -> int:
    """Where the list tells a pair's place."""
    return load_i64(gate + HEADER_PAIR_ORDER) + (number - 1) * _PLACE_BYTES


@inline_always
def pair_of(gate: int, key: int) -> int:
    """Row of a pair, or the free one for it if it has never had an order."""
    return find_bucket(gate + HEADER_PAIRS, key, PAIR_ROW_BYTES)


@inline
def add_pair(gate: int, key: int) -> int:
    """Row of a pair, made if there is none; the caller has seen to the room."""
    row = pair_of(gate, key)
    if load_i64(row) == 0:
        occupy(gate + HEADER_PAIRS, row, key)
        place = (row - load_i64(gate + HEADER_PAIRS + TABLE_ROWS)) // PAIR_ROW_BYTES
        store_u32(_number_at(gate, pair_count(gate)), place)
    return row


@inline
def pair_count(gate: int) -> int:
    """How many pairs have had an order: the number of the newest."""
    return load_i64(gate + HEADER_PAIRS + TABLE_USED_COUNT)


@inline
def pair_at(gate: int, number: int) -> int:
    """Row of the pair with a number."""
    rows = load_i64(gate + HEADER_PAIRS + TABLE_ROWS)
    return rows + load_u32(_number_at(gate, number)) * PAIR_ROW_BYTES


@inline
def find_pair(gate: int, account_id: int, instrument_id: int) -> int:
    """Row of a pair that has traded or has had a working order, else 0."""
    if not is_valid_id(account_id) or not is_valid_id(instrument_id):
        return 0
    row = pair_of(gate, pair_key(account_id, instrument_id))
    return row if load_i64(row) != 0 else 0


@inline_always
def prefetch_pair(gate: int, key: int) -> None:
    """Ask for the row at which a search for a pair starts, which may lie on two lines."""
    row = first_place(gate + HEADER_PAIRS, key, PAIR_ROW_BYTES)
    prefetch_write(row)
    prefetch_write(row + PAIR_ROW_BYTES - 1)
