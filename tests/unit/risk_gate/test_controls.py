"""Every control at its edges, on the kernel and on its twin, from the tables of cases."""

from typing import Any

import pytest
from support.gate_cases import CASES, apply, order_of, prepare, verdict_of
from support.gate_driver import GateDriver
from twins.risk_gate.naive_gate import NaiveGate

pytestmark = pytest.mark.twin


@pytest.mark.parametrize("make_gate", [GateDriver, NaiveGate])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_control_decides_as_the_table_says(case: dict[str, Any], make_gate: Any) -> None:
    gate = make_gate()
    prepare(gate)
    for step in case["setup"]:
        apply(gate, step)
    assert gate.check_new(order_of(case["order"])) == verdict_of(case["expect"])
