"""Numbers at the edges of their fields, in every field of every kind of order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.matching_driver import EngineDriver, without_zeros
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.wire import order_command
from twins.matching.naive_records import Book
from twins.matching.naive_venue import NaiveVenue

LARGEST, SMALLEST = 2**63 - 1, -(2**63)
TIME_NS = 1_750_000_000_000_000_000
WORDS = (0, 1, -1, 2, 1 << 31, 1 << 32, 1 << 61, 1 << 62, (1 << 62) + 1, LARGEST - 1, LARGEST)
SIGNED = (*WORDS, -(1 << 62), SMALLEST + 1, SMALLEST)
STAMPS = ("segment_table", "root_pointer", "kind", "schema_version", "epoch", "sequence", "time_ns")
RULES = {"action", "instrument_id", "account_id"}

TEMPLATES = (
    {"order_type": 1, "time_in_force": 2},
    {"order_type": 2, "time_in_force": 3},
    {"order_type": 1, "time_in_force": 4},
    {"order_type": 3, "time_in_force": 2, "stop_price_units": 101},
    {"order_type": 4, "time_in_force": 2, "stop_price_units": 101},
    {"order_type": 5, "time_in_force": 2, "offset_units": 3},
    {"order_type": 5, "time_in_force": 2, "offset_basis_points": 9_999},
    {"order_type": 6, "time_in_force": 2, "peg_reference": 1, "offset_units": 1},
    {"order_type": 6, "time_in_force": 2, "peg_reference": 3, "instructions": 128},
    {"order_type": 1, "time_in_force": 2, "instructions": 4},
    {"order_type": 1, "time_in_force": 2, "instructions": 8},
    {"order_type": 1, "time_in_force": 2, "instructions": 33},
    {"order_type": 1, "time_in_force": 2, "display_quantity_units": 2},
    {"order_type": 1, "time_in_force": 2, "minimum_quantity_units": 2},
    {"order_type": 1, "time_in_force": 2, "group_role": 1, "group_id": 3},
    {"order_type": 1, "time_in_force": 5, "expire_time_ns": TIME_NS + 10**18},
)


def field_values(name: str) -> st.SearchStrategy[int]:
    """Numbers at the edges of what a field of the record can hold."""
    fields = order_command.DTYPE.fields
    assert fields is not None
    kind: np.dtype[Any] = fields[name][0]
    if kind.itemsize == 8:
        return st.sampled_from(SIGNED if kind.kind == "i" else [n for n in WORDS if n >= 0])
    largest = (1 << 8 * kind.itemsize) - 1
    return st.sampled_from([0, 1, 2, 8, largest // 2, largest - 1, largest])


FIELDS = [name for name in order_command.DTYPE.names or () if name not in STAMPS]
EDGE = st.sampled_from([name for name in FIELDS if name not in RULES]).flatmap(
    lambda name: st.tuples(st.just(name), field_values(name))
)
COMMAND = st.fixed_dictionaries(
    {
        "template": st.sampled_from(TEMPLATES),
        "side": st.sampled_from([1, 2]),
        "price_units": st.sampled_from([99, 100, 101, LARGEST, SMALLEST, 0]),
        "quantity_units": st.sampled_from([4, 5, LARGEST, LARGEST - 3]),
        "account_id": st.sampled_from([5, 6]),
        "edges": st.lists(EDGE, max_size=2),
    }
)
CHANGE = st.fixed_dictionaries(
    {
        "action": st.sampled_from([2, 2, 3, 3, 3, 4, 0, 65_535]),
        "target": st.integers(1, 12),
        "price_units": field_values("price_units"),
        "quantity_units": field_values("quantity_units"),
        "stop_price_units": st.sampled_from([0, 0, 100, LARGEST, SMALLEST]),
        "account_id": st.sampled_from([5, 6]),
    }
)


def record(index: int, drawn: dict[str, Any]) -> dict[str, int]:
    """A command from what was drawn."""
    stamps = {"sequence": index + 1, "time_ns": TIME_NS + index, "instrument_id": 1}
    if "target" in drawn:
        order_id = (1 << 40) + drawn.pop("target")
        return drawn | stamps | {"order_id": order_id}
    template, edges = drawn.pop("template"), dict(drawn.pop("edges"))
    return {"action": 1} | drawn | template | edges | stamps


@pytest.mark.twin
@settings(
    max_examples=40 if JIT_DISABLED else 400,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    drawn=st.lists(st.one_of(COMMAND, COMMAND, CHANGE), min_size=1, max_size=14),
    is_narrow=st.booleans(),
)
def test_edges(drawn: list[dict[str, Any]], is_narrow: bool) -> None:
    capacity = MatchingCapacity(
        orders=32, levels=8, instruments=1, instrument_ids=2, account_ids=8, step_limit=2
    )
    lowest, highest = (-100, 200) if is_narrow else (SMALLEST, LARGEST)
    engine = EngineDriver([InstrumentRules(1, lowest, highest)], capacity)
    naive = NaiveVenue(
        [Book(1, lowest, highest)], order_capacity=32, level_capacity=8, account_ids=8
    )
    for index, one in enumerate(drawn):
        command = record(index, dict(one))
        executions, _ = engine.submit(command)
        expected, _ = naive.submit(command)
        assert executions == [without_zeros(event) for event in expected], command
        assert engine.state_hash() == naive.state_hash()
