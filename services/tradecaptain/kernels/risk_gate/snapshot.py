"""Snapshots of a gate: what it knows as tables of numbers, and a gate made from them.

Nothing in the tables tells where anything lies in memory: rows are in the order of their keys,
pairs in the order of their first use. Columns go by name, so a gate whose rows have grown reads
older tables; what these don't have stays as in an empty gate. A restored gate answers every later
record as the first would, and its own tables are the same. Snapshots are taken between commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, copy_bytes, load_i64, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_KEY,
    DUPLICATE_MARK_DTYPE,
    DUPLICATE_ROW_DTYPE,
    DUPLICATE_WAYS,
    HEADER_DTYPE,
    HEADER_PAIRS,
    HEADER_VENUE,
    INSTRUMENT_KEY,
    MARK_HAS_OVERRIDES,
    MARK_HAS_TOTALS,
    PAIR_ROW_BYTES,
    RISK_GROUP_FIRST_INSTRUMENT,
    TABLE_DTYPE,
    TEMPORARY_ROW_DTYPE,
    lead_of,
    offset_of,
)
from tradecaptain.kernels.risk_gate.pairs import add_pair, pair_count
from tradecaptain.kernels.risk_gate.references import choose_reference
from tradecaptain.kernels.risk_gate.state import RiskGate, clear_limits
from tradecaptain.kernels.risk_gate.table import bucket_of, find_row, is_full, occupy
from tradecaptain.kernels.risk_gate.totals import TOTAL_OF_FIRM, TOTAL_OF_GROUP
from tradecaptain.wire import reason

type Table = npt.NDArray[Any]

KEYED_TABLES: Final = tuple(
    name
    for name in HEADER_DTYPE.names or ()
    if HEADER_DTYPE[name] == TABLE_DTYPE and name not in ("pairs", "temporary")
)
"""Tables whose rows, or the limits in them, begin with their key and lie where its hash says."""
KEY_OFFSETS: Final = {"accounts": ACCOUNT_KEY, "instruments": INSTRUMENT_KEY}
"""Where a row's key is looked for, if it isn't its first word."""
NOT_STATE: Final = frozenset(
    {
        "pair_order",
        "duplicates",
        "duplicate_marks",
        "duplicate_sets",
        "level_rows",
        "duplicate_place",
        "reject_limit_value",
        "reject_observed_value",
        "reject_level",
        "reject_flags",
        "scratch_command",
        "far_calls",
    }
)
"""Fields of the header that tell where memory lies, or of the order at hand alone."""


def _packed(names: list[str], source: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype([(name, source[name]) for name in names])


STATE_DTYPE: Final = _packed(
    [
        name
        for name in HEADER_DTYPE.names or ()
        if HEADER_DTYPE[name] != TABLE_DTYPE and name not in NOT_STATE
    ],
    HEADER_DTYPE,
)
_TERMS: Final = [name for name in TEMPORARY_ROW_DTYPE.names or () if name != "row"]
TEMPORARY_DTYPE: Final = np.dtype(
    [("table", "i8"), ("key", "i8"), *((name, TEMPORARY_ROW_DTYPE[name]) for name in _TERMS)]
)
"""A limit that holds until a time: number of its row's table (the venue's row has the number behind
the last) and its key."""
DUPLICATE_DTYPE: Final = np.dtype(
    [("sets", "i8"), ("place", "i8"), *DUPLICATE_MARK_DTYPE.descr, *DUPLICATE_ROW_DTYPE.descr]
)
"""The terms of an order that is remembered, and where among how many sets of places."""


@kernel(types.int64(*[types.int64] * 6))
def insert_rows(
    table: int, rows: int, count: int, row_bytes: int, lead: int, key_offset: int
) -> int:
    """Give ``count`` rows to a table that doesn't have their keys: 0, or minus a reason.

    A row goes by the address ``lead`` bytes into it; its key is looked for ``key_offset`` from
    there.
    """
    for index in range(count):
        source = rows + index * row_bytes
        key = load_i64(source + lead)
        if is_full(table):
            return -reason.REASON_CAPACITY_EXHAUSTED
        row = find_row(table, key, row_bytes, key_offset)
        if key <= 0 or load_i64(row + key_offset) != 0:
            return -reason.REASON_MALFORMED_RECORD
        copy_bytes(row - lead, source, row_bytes)
        store_i64(row + key_offset, key)
        occupy(table, row, key)
    return 0


@kernel(types.int64(types.int64, types.int64, types.int64))
def insert_pairs(gate: int, rows: int, count: int) -> int:
    """Give ``count`` rows of pairs to a gate that has none of them: 0, or minus a reason."""
    for index in range(count):
        source = rows + index * PAIR_ROW_BYTES
        key = load_i64(source)
        if is_full(gate + HEADER_PAIRS):
            return -reason.REASON_CAPACITY_EXHAUSTED
        if key <= 0:
            return -reason.REASON_MALFORMED_RECORD
        row = add_pair(gate, key)
        if pair_count(gate) != index + 1:
            return -reason.REASON_MALFORMED_RECORD
        copy_bytes(row, source, PAIR_ROW_BYTES)
    return 0


def _keys(rows: Table) -> npt.NDArray[np.int64]:
    """Key of each row, with which it or its limits begin."""
    if "limits" in (rows.dtype.names or ()):
        limits_key: npt.NDArray[np.int64] = rows["limits"]["key"]
        return limits_key
    return rows.view(np.int64).reshape(len(rows), rows.itemsize // 8)[:, 0]


def gate_tables(gate: RiskGate) -> dict[str, Table]:
    """Everything that a gate knows, by the name of the table."""
    header = gate.header[0]
    state = np.zeros(1, STATE_DTYPE)
    for name in STATE_DTYPE.names or ():
        state[name] = header[name]
    tables = {"state": state}
    for name in KEYED_TABLES:
        rows: Table = getattr(gate, name)
        rows = rows[_keys(rows) != 0]
        tables[name] = _without_addresses(name, rows[np.argsort(_keys(rows))])
    tables["pairs"] = gate.pairs_in_order()
    tables["temporary"] = _temporary_limits(gate)
    tables["duplicates"] = _remembered_orders(gate)
    return tables


def _without_addresses(name: str, rows: Table) -> Table:
    """Rows that don't tell where others lie; a risk group's key stands for its address."""
    if name == "accounts":
        rows["group_total"], rows["firm_total"] = 0, 0
    elif name == "risk_groups":
        rows["first_instrument"] = 0
    elif name == "instruments":
        rows["scenarios"], rows["next_in_group"] = 0, 0
        for index in np.flatnonzero(rows["risk_group"]):
            rows["risk_group"][index] = load_i64(int(rows["risk_group"][index]))
    return rows


def _address_of_row(rows: Table, key: int) -> int:
    """Where the row of a key lies, or 0."""
    found = np.flatnonzero(_keys(rows) == key)
    return _address_at(rows, int(found[0])) if len(found) else 0


def _address_at(rows: Table, index: int) -> int:
    """The address by which a row goes."""
    return address_of(rows) + index * rows.itemsize + lead_of(rows.dtype)


def _link_rows(gate: RiskGate) -> None:
    """Let accounts lead to their totals again, and risk groups to their instruments."""
    for name, id_field, kind in (
        ("group_total", "group_id", TOTAL_OF_GROUP),
        ("firm_total", "firm_id", TOTAL_OF_FIRM),
    ):
        for identifier in np.unique(gate.accounts[id_field]):
            row = _address_of_row(gate.totals, (kind << 62) | (int(identifier) << 31))
            if identifier and row:
                members = gate.accounts[id_field] == identifier
                gate.accounts[name][members] = row
                gate.accounts["marks"][members] |= MARK_HAS_TOTALS
    for account_id in np.unique(_keys(gate.overrides) >> 32):
        gate.accounts["marks"][_keys(gate.accounts) == account_id] |= MARK_HAS_OVERRIDES
    for index in np.flatnonzero(gate.instruments["risk_group"]):
        instrument = gate.instruments[index]
        group = _address_of_row(gate.risk_groups, int(instrument["risk_group"]))
        key = int(instrument["limits"]["key"])
        instrument["scenarios"] = _address_of_row(gate.scenario_rows, key)
        instrument["risk_group"] = group
        first = group + RISK_GROUP_FIRST_INSTRUMENT
        instrument["next_in_group"] = load_i64(first)
        store_i64(first, _address_at(gate.instruments, int(index)))


def _temporary_limits(gate: RiskGate) -> Table:
    held = gate.temporary[gate.temporary["row"] != 0]
    limits = np.zeros(len(held), TEMPORARY_DTYPE)
    for name in _TERMS:
        limits[name] = held[name]
    limits["table"] = len(KEYED_TABLES)
    for number, name in enumerate(KEYED_TABLES):
        rows: Table = getattr(gate, name)
        place = (held["row"] - address_of(rows)) // rows.itemsize
        inside = (place >= 0) & (place < len(rows))
        limits["table"][inside] = number
        limits["key"][inside] = _keys(rows)[place[inside]]
    return limits[np.argsort(limits, order=("table", "key", "kind"))]


def _remembered_orders(gate: RiskGate) -> Table:
    places = np.flatnonzero(gate.duplicate_marks["mark"])
    orders = np.zeros(len(places), DUPLICATE_DTYPE)
    orders["sets"] = gate.header[0]["duplicate_sets"]
    orders["place"] = places
    for rows in (gate.duplicate_marks, gate.duplicates):
        for name in rows.dtype.names or ():
            orders[name] = rows[name][places]
    return orders


def restore_gate(gate: RiskGate, tables: Mapping[str, Table]) -> None:
    """Make a new, empty gate what the tables of another say.

    Raises TradeCaptainError if it has no room for them or they contradict themselves; the gate is
    none any more then.
    """
    header = gate.header[0]
    _take_columns(header, tables["state"][0])
    for name in KEYED_TABLES:
        if name in tables:
            rows = _rows_of(getattr(gate, name).dtype, tables[name])
            table = gate.address + offset_of(HEADER_DTYPE, name)
            lead, key_offset = lead_of(rows.dtype), KEY_OFFSETS.get(name, 0)
            outcome = insert_rows(
                table, address_of(rows), len(rows), rows.itemsize, lead, key_offset
            )
            _check(name, outcome)
    rows = _rows_of(gate.pairs.dtype, tables["pairs"])
    _check("pairs", insert_pairs(gate.address, address_of(rows), len(rows)))
    _link_rows(gate)
    _restore_temporary(gate, tables["temporary"])
    _restore_duplicates(gate, tables["duplicates"])


def _check(name: str, outcome: int) -> None:
    if outcome < 0:
        raise TradeCaptainError(-outcome, f"the gate can't take its {name} from a snapshot")


def _take_columns(target: Any, source: Any) -> None:
    """Copy the columns that both have, by name."""
    for name in source.dtype.names:
        if name not in target.dtype.names:
            continue
        if target.dtype[name].names:
            _take_columns(target[name], source[name])
        else:
            target[name] = source[name]


def _rows_of(dtype: np.dtype[Any], source: Table) -> Table:
    """Rows of today's layout; limits of kinds that the source doesn't know are unset."""
    if source.dtype == dtype:
        return np.ascontiguousarray(source)
    rows = np.zeros(len(source), dtype)
    if "set_mask" in (dtype.names or ()):
        clear_limits(rows)
    elif "limits" in (dtype.names or ()):
        clear_limits(rows["limits"])
    _take_columns(rows, source)
    _renew(rows)
    return rows


def _renew(rows: Table) -> None:
    """Make anew what follows from other columns and may have had another form."""
    names = rows.dtype.names or ()
    if "resolved_version" in names:
        rows["resolved_version"] = 0
    if "instrument_version" in names:
        rows["instrument_version"] = 0
        for index in range(len(rows)):
            choose_reference(_address_at(rows, index))


def _restore_temporary(gate: RiskGate, limits: Table) -> None:
    if len(limits) > gate.capacities.temporary:
        _check("temporary limits", -reason.REASON_CAPACITY_EXHAUSTED)
    for place, limit in enumerate(limits):
        row = gate.temporary[place]
        _take_columns(row, limit)
        number = int(limit["table"])
        if number == len(KEYED_TABLES):
            row["row"] = gate.address + HEADER_VENUE
            continue
        rows: Table = getattr(gate, KEYED_TABLES[number])
        found = np.flatnonzero(_keys(rows) == limit["key"])
        if len(found) != 1:
            _check("temporary limits", -reason.REASON_MALFORMED_RECORD)
        row["row"] = _address_at(rows, int(found[0]))


def _restore_duplicates(gate: RiskGate, orders: Table) -> None:
    sets = int(gate.header[0]["duplicate_sets"])
    if len(orders) and int(orders["sets"][0]) != sets:
        orders = _placed_again(orders, sets)
    places = orders["place"]
    for rows in (gate.duplicate_marks, gate.duplicates):
        for name in rows.dtype.names or ():
            rows[name][places] = orders[name]


def _placed_again(orders: Table, sets: int) -> Table:
    """Orders with their places among another number of sets; the newest of each set are kept."""
    placed = orders[np.argsort(orders["time_ns"], kind="stable")[::-1]].copy()
    taken: dict[int, int] = {}
    kept = []
    for index, mark in enumerate(placed["mark"].tolist()):
        number = int(bucket_of(mark, sets))
        way = taken.get(number, 0)
        if way < DUPLICATE_WAYS:
            taken[number] = way + 1
            placed["place"][index] = number * DUPLICATE_WAYS + way
            kept.append(index)
    return placed[kept]
