"""Limits that hold until a time: overrides that a person granted, with what holds after them."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    HEADER_LIMITS_VERSION,
    HEADER_NEXT_OVERRIDE_END_NS,
    HEADER_NOW_NS,
    HEADER_TEMPORARY,
    INT64_MAX,
    LIMIT_SET_MASK,
    TABLE_CAPACITY,
    TABLE_ROWS,
    TEMPORARY_END_NS,
    TEMPORARY_KIND,
    TEMPORARY_ROW_BYTES,
    TEMPORARY_VALUE_BEFORE,
    TEMPORARY_WAS_SET,
)


@inline
def note_change(gate: int) -> None:
    """A limit or flag changed: what accounts' limits came to has to be made anew."""
    store_i64(gate + HEADER_LIMITS_VERSION, load_i64(gate + HEADER_LIMITS_VERSION) + 1)


@inline
def write_limit(gate: int, row: int, kind: int, value: int, is_set: bool) -> None:
    """Set a limit of a level's row, or mark it as unset (its value is then UNLIMITED)."""
    note_change(gate)
    store_i64(row + 8 * kind, value)
    mask = load_i32(row + LIMIT_SET_MASK) | (1 << kind)
    store_i32(row + LIMIT_SET_MASK, mask if is_set else mask & ~(1 << kind))


@inline
def is_limit_set(row: int, kind: int) -> bool:
    """Whether a level sets a limit."""
    return (load_i32(row + LIMIT_SET_MASK) >> kind) & 1 == 1


@inline
def find_temporary(gate: int, row: int, kind: int) -> int:
    """The place of a temporary limit, or a free one, or 0 if there is none."""
    table = gate + HEADER_TEMPORARY
    place = load_i64(table + TABLE_ROWS)
    free = 0
    for _ in range(load_i64(table + TABLE_CAPACITY)):
        if load_i64(place) == row and load_i64(place + TEMPORARY_KIND) == kind:
            return place
        if free == 0 and load_i64(place) == 0:
            free = place
        place += TEMPORARY_ROW_BYTES
    return free


@inline
def _note_next_end(gate: int) -> None:
    table = gate + HEADER_TEMPORARY
    place = load_i64(table + TABLE_ROWS)
    next_end_ns = INT64_MAX
    for _ in range(load_i64(table + TABLE_CAPACITY)):
        if load_i64(place) != 0:
            next_end_ns = min(next_end_ns, load_i64(place + TEMPORARY_END_NS))
        place += TEMPORARY_ROW_BYTES
    store_i64(gate + HEADER_NEXT_OVERRIDE_END_NS, next_end_ns)


@inline
def grant_temporary(gate: int, place: int, row: int, kind: int, value: int, end_ns: int) -> None:
    """Let a limit have another value until a time; granted again, the first value comes back."""
    if load_i64(place) == 0:
        store_i64(place, row)
        store_i64(place + TEMPORARY_KIND, kind)
        store_i64(place + TEMPORARY_VALUE_BEFORE, load_i64(row + 8 * kind))
        store_i64(place + TEMPORARY_WAS_SET, 1 if is_limit_set(row, kind) else 0)
    store_i64(place + TEMPORARY_END_NS, end_ns)
    write_limit(gate, row, kind, value, True)
    _note_next_end(gate)


@inline
def forget_temporary(gate: int, row: int, kind: int) -> None:
    """A limit was set or cleared for good: what was granted on it is over."""
    if load_i64(gate + HEADER_NEXT_OVERRIDE_END_NS) == INT64_MAX:
        return
    place = find_temporary(gate, row, kind)
    if place != 0 and load_i64(place) != 0:
        store_i64(place, 0)
        _note_next_end(gate)


@inline
def _end_temporary(gate: int, now_ns: int) -> None:
    table = gate + HEADER_TEMPORARY
    place = load_i64(table + TABLE_ROWS)
    for _ in range(load_i64(table + TABLE_CAPACITY)):
        row = load_i64(place)
        if row != 0 and load_i64(place + TEMPORARY_END_NS) <= now_ns:
            was_set = load_i64(place + TEMPORARY_WAS_SET) == 1
            kind = load_i64(place + TEMPORARY_KIND)
            write_limit(gate, row, kind, load_i64(place + TEMPORARY_VALUE_BEFORE), was_set)
            store_i64(place, 0)
        place += TEMPORARY_ROW_BYTES
    _note_next_end(gate)


@inline
def begin_record(gate: int, now_ns: int) -> None:
    """Take a record's time; limits that held until then are over."""
    store_i64(gate + HEADER_NOW_NS, now_ns)
    if now_ns >= load_i64(gate + HEADER_NEXT_OVERRIDE_END_NS):
        _end_temporary(gate, now_ns)
