"""Which instruments form a risk group, and what they gain in its scenarios."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    HEADER_RISK_GROUPS,
    HEADER_SCANS,
    HEADER_SCENARIO_ROWS,
    INSTRUMENT_NEXT_IN_GROUP,
    INSTRUMENT_RISK_GROUP,
    INSTRUMENT_SCENARIOS,
    INSTRUMENT_VALUED_PRICE,
    NO_PRICE,
    RISK_GROUP_FIRST_INSTRUMENT,
    RISK_GROUP_ROW_BYTES,
    RISK_GROUP_VERSION,
    SCAN_ROW_BYTES,
    SCENARIO_CHANGES,
    SCENARIO_COUNT,
    SCENARIO_ROW_BYTES,
    SCENARIO_STAGED,
    STAGED_COUNT,
    TABLE_BUCKET_COUNT,
    TABLE_ROWS,
)
from tradecaptain.kernels.risk_gate.level_rows import instrument_row
from tradecaptain.kernels.risk_gate.rows import find_account, is_valid_id
from tradecaptain.kernels.risk_gate.scenarios import make_losses
from tradecaptain.kernels.risk_gate.table import find_bucket, is_full, occupy
from tradecaptain.wire import control, reason

_FIRST_SCENARIO_OFFSET = control.OFFSET_SCENARIO0
_FIRST_VERSION_IN_UNIT = 6
_OLD_UNIT_SHIFT = 12
"""Records of before say what a scenario gains in a unit 4,096 times as small."""
_REASON_CAPACITY_EXHAUSTED = reason.REASON_CAPACITY_EXHAUSTED
_REASON_INVALID_REQUEST = reason.REASON_INVALID_REQUEST
assert control.OFFSET_SCENARIO7 == control.OFFSET_SCENARIO0 + 8 * (STAGED_COUNT - 1)


@inline
def _find_or_add(table: int, key: int, row_bytes: int) -> int:
    """Row of a key, made if there is none; 0 if there is no room."""
    row = find_bucket(table, key, row_bytes)
    if load_i64(row) == 0:
        if is_full(table):
            return 0
        occupy(table, row, key)
    return row


@inline
def _note_change(group: int) -> None:
    """Losses made with the group as it was don't count any more."""
    store_i64(group + RISK_GROUP_VERSION, load_i64(group + RISK_GROUP_VERSION) + 1)


@inline
def _unlink(group: int, instrument: int) -> None:
    """Take an instrument out of its group's list."""
    place = group + RISK_GROUP_FIRST_INSTRUMENT
    while load_i64(place) != instrument:
        place = load_i64(place) + INSTRUMENT_NEXT_IN_GROUP
    store_i64(place, load_i64(instrument + INSTRUMENT_NEXT_IN_GROUP))
    store_i64(instrument + INSTRUMENT_NEXT_IN_GROUP, 0)


@inline
def _leave_group(gate: int, instrument: int) -> None:
    """An instrument goes back to a margin of its own; who held it is no longer held for it here."""
    group = load_i64(instrument + INSTRUMENT_RISK_GROUP)
    if group == 0:
        return
    _unlink(group, instrument)
    store_i64(instrument + INSTRUMENT_RISK_GROUP, 0)
    store_i64(instrument + INSTRUMENT_VALUED_PRICE, NO_PRICE)
    _note_change(group)
    scan = load_i64(gate + HEADER_SCANS + TABLE_ROWS)
    for _ in range(load_i64(gate + HEADER_SCANS + TABLE_BUCKET_COUNT)):
        key = load_i64(scan)
        if key != 0 and key & 0xFFFFFFFF == load_i64(group):
            make_losses(gate, find_account(gate, key >> 32), group, scan)
        scan += SCAN_ROW_BYTES


@inline
def _enter_group(gate: int, instrument: int, group: int) -> None:
    if load_i64(instrument + INSTRUMENT_RISK_GROUP) != group:
        _leave_group(gate, instrument)
        first = load_i64(group + RISK_GROUP_FIRST_INSTRUMENT)
        store_i64(instrument + INSTRUMENT_NEXT_IN_GROUP, first)
        store_i64(group + RISK_GROUP_FIRST_INSTRUMENT, instrument)
        store_i64(instrument + INSTRUMENT_RISK_GROUP, group)
        store_i64(instrument + INSTRUMENT_VALUED_PRICE, NO_PRICE)
    _note_change(group)


@inline
def change_in(record: int, index: int) -> int:
    """A scenario of a record in today's unit; one in the old unit is rounded towards a loss."""
    change = load_i64(record + _FIRST_SCENARIO_OFFSET + 8 * index)
    if control.get_schema_version(record) < _FIRST_VERSION_IN_UNIT:
        return change >> _OLD_UNIT_SHIFT
    return change


@inline
def set_scenarios(gate: int, record: int) -> int:
    """Take half of an instrument's scenarios; the second half puts all of them into effect.

    The scope id names the risk group; with zero the instrument leaves its group at once. What is
    held by then stands at its old margin until it changes or is revalued.
    """
    instrument = instrument_row(gate, control.get_instrument_id(record))
    if instrument < 0:
        return -instrument
    group_id = control.get_scope_id(record)
    first = control.get_first_scenario(record)
    if group_id == 0:
        _leave_group(gate, instrument)
        return 0
    if not is_valid_id(group_id) or (first != 0 and first != SCENARIO_COUNT - STAGED_COUNT):
        return _REASON_INVALID_REQUEST
    group = _find_or_add(gate + HEADER_RISK_GROUPS, group_id, RISK_GROUP_ROW_BYTES)
    row = _find_or_add(gate + HEADER_SCENARIO_ROWS, load_i64(instrument), SCENARIO_ROW_BYTES)
    if group == 0 or row == 0:
        return _REASON_CAPACITY_EXHAUSTED
    store_i64(instrument + INSTRUMENT_SCENARIOS, row)
    for index in range(STAGED_COUNT):
        change = change_in(record, index)
        if first == 0:
            store_i64(row + SCENARIO_STAGED + 8 * index, change)
        else:
            staged = load_i64(row + SCENARIO_STAGED + 8 * index)
            store_i64(row + SCENARIO_CHANGES + 8 * index, staged)
            store_i64(row + SCENARIO_CHANGES + 8 * (first + index), change)
    if first != 0:
        _enter_group(gate, instrument, group)
    return 0
