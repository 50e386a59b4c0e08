"""Orders of equal terms within a window.

The terms of orders that passed are remembered in sets of four: a line of four marks with their
times, and the terms themselves beside them, which are looked at only where a mark fits. The oldest
of its set makes room for a new order; one that is forgotten before its window is over is counted.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_constant_i64, load_i64, prefetch_write, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    DUPLICATE_MARK_BYTES,
    DUPLICATE_MARK_TIME_NS,
    DUPLICATE_PRICE_UNITS,
    DUPLICATE_QUANTITY_UNITS,
    DUPLICATE_ROW_BYTES,
    DUPLICATE_TERMS,
    DUPLICATE_WAYS,
    HEADER_DUPLICATE_MARKS,
    HEADER_DUPLICATE_PLACE,
    HEADER_DUPLICATE_SETS,
    HEADER_DUPLICATES,
    HEADER_FORGOTTEN_DUPLICATE_COUNT,
    HEADER_NOW_NS,
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.levels import reject_limit, tightest
from tradecaptain.kernels.risk_gate.rates import MILLISECOND_NS, times_saturating
from tradecaptain.kernels.risk_gate.table import bucket_of, mix_words
from tradecaptain.wire import control, order_command, reason

_LINE_BYTES = 64
_KIND_DUPLICATE_WINDOW = control.LIMIT_KIND_DUPLICATE_WINDOW
_REASON_DUPLICATE_ORDER = reason.REASON_DUPLICATE_ORDER


@inline_always
def terms_of(command: int) -> int:
    """Side, order type and time in force as one number."""
    side = order_command.get_side(command)
    order_type = order_command.get_order_type(command)
    return (order_command.get_time_in_force(command) << 16) | (order_type << 8) | side


@inline_always
def mark_of(key: int, command: int) -> int:
    """A number, never zero, that orders of equal terms share and others hardly ever do."""
    mixed = mix_words(
        order_command.get_price_units(command), order_command.get_quantity_units(command)
    )
    return (key ^ mixed ^ (terms_of(command) << 33)) | 1


@inline_always
def first_place_of(gate: int, mark: int) -> int:
    """First place of a mark's set, counted over all sets."""
    return bucket_of(mark, load_constant_i64(gate + HEADER_DUPLICATE_SETS)) * DUPLICATE_WAYS


@inline_always
def prefetch_marks(gate: int, mark: int) -> None:
    """Ask for the line of marks in which a mark is looked for, and for all terms of its set.

    Which of the terms are written isn't known before the marks have come; a store that waits for
    its line would hold up all that come after it.
    """
    first = first_place_of(gate, mark)
    prefetch_write(load_constant_i64(gate + HEADER_DUPLICATE_MARKS) + first * DUPLICATE_MARK_BYTES)
    rows = load_i64(gate + HEADER_DUPLICATES) + first * DUPLICATE_ROW_BYTES
    for offset in range(0, DUPLICATE_WAYS * DUPLICATE_ROW_BYTES, _LINE_BYTES):
        prefetch_write(rows + offset)


@inline_always
def find_place(gate: int, mark: int) -> int:
    """Where in its set a mark stands, or else the oldest of the set; counted over all sets."""
    first = first_place_of(gate, mark)
    line = load_constant_i64(gate + HEADER_DUPLICATE_MARKS) + first * DUPLICATE_MARK_BYTES
    place, oldest_ns = 0, load_i64(line + DUPLICATE_MARK_TIME_NS)
    for way in range(1, DUPLICATE_WAYS):
        time_ns = load_i64(line + way * DUPLICATE_MARK_BYTES + DUPLICATE_MARK_TIME_NS)
        if time_ns < oldest_ns:
            place, oldest_ns = way, time_ns
    for way in range(DUPLICATE_WAYS):
        if load_i64(line + way * DUPLICATE_MARK_BYTES) == mark:
            place = way
    return first + place


@inline_always
def mark_at(gate: int, place: int) -> int:
    """Address of a mark."""
    return load_constant_i64(gate + HEADER_DUPLICATE_MARKS) + place * DUPLICATE_MARK_BYTES


@inline
def _holds_terms(gate: int, place: int, key: int, command: int) -> bool:
    row = load_i64(gate + HEADER_DUPLICATES) + place * DUPLICATE_ROW_BYTES
    return (
        load_i64(row) == key
        and load_i64(row + DUPLICATE_PRICE_UNITS) == order_command.get_price_units(command)
        and load_i64(row + DUPLICATE_QUANTITY_UNITS) == order_command.get_quantity_units(command)
        and load_i64(row + DUPLICATE_TERMS) == terms_of(command)
    )


@inline
def check_duplicate(gate: int, key: int, command: int) -> int:
    """Refuse the terms that the account sent within the window; remember where they are kept."""
    store_i64(gate + HEADER_DUPLICATE_PLACE, -1)
    limit = tightest(gate, _KIND_DUPLICATE_WINDOW)
    if limit == UNLIMITED:
        return 0
    mark = mark_of(key, command)
    place = find_place(gate, mark)
    store_i64(gate + HEADER_DUPLICATE_PLACE, place)
    entry = mark_at(gate, place)
    elapsed_ns = load_i64(gate + HEADER_NOW_NS) - load_i64(entry + DUPLICATE_MARK_TIME_NS)
    is_over = elapsed_ns >= times_saturating(limit, MILLISECOND_NS)
    if load_i64(entry) == 0 or is_over:
        return 0
    if load_i64(entry) != mark or not _holds_terms(gate, place, key, command):
        forgotten = load_i64(gate + HEADER_FORGOTTEN_DUPLICATE_COUNT)
        store_i64(gate + HEADER_FORGOTTEN_DUPLICATE_COUNT, forgotten + 1)
        return 0
    elapsed_ms = elapsed_ns // MILLISECOND_NS
    return reject_limit(gate, _REASON_DUPLICATE_ORDER, _KIND_DUPLICATE_WINDOW, limit, elapsed_ms)


@inline
def remember_order(gate: int, key: int, command: int) -> None:
    """Keep the terms of an order that passed, where duplicates are looked for."""
    place = load_i64(gate + HEADER_DUPLICATE_PLACE)
    if place >= 0:
        remember_at(gate, place, mark_of(key, command), key, command)


@inline_always
def remember_at(gate: int, place: int, mark: int, key: int, command: int) -> None:
    """Keep the terms of an order at a place of their mark's set."""
    entry = mark_at(gate, place)
    store_i64(entry, mark)
    store_i64(entry + DUPLICATE_MARK_TIME_NS, load_i64(gate + HEADER_NOW_NS))
    row = load_i64(gate + HEADER_DUPLICATES) + place * DUPLICATE_ROW_BYTES
    store_i64(row, key)
    store_i64(row + DUPLICATE_PRICE_UNITS, order_command.get_price_units(command))
    store_i64(row + DUPLICATE_QUANTITY_UNITS, order_command.get_quantity_units(command))
    store_i64(row + DUPLICATE_TERMS, terms_of(command))
