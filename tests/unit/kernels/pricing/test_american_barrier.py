"""American options with a barrier, against closed forms, bounds and published values."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tradecaptain.kernels.pricing import american, american_barrier, columns, registry, status
from tradecaptain.kernels.pricing.american import Accuracy
from tradecaptain.kernels.pricing.contract import Contract, contract_block

CALL = Contract(1.0, 100.0, 90.0, 0.5, 0.25, 0.08, 0.04, is_american=True)
KINDS = (columns.DOWN_IN, columns.DOWN_OUT, columns.UP_IN, columns.UP_OUT)


def barrier_of(kind: float) -> float:
    return 85.0 if kind in (columns.DOWN_IN, columns.DOWN_OUT) else 120.0


def european(contract: Contract, barrier: float, kind: float, rebate: float) -> float:
    inputs = registry.stack(*contract_block(contract)[:, 0].tolist(), rebate, barrier, kind)
    return float(registry.evaluate("barrier_option", inputs, 1).outputs[0, 0])


def exact(contract: Contract) -> float:
    return float(american.price(contract_block(contract), Accuracy.ACCURATE).values[0, 0])


def test_where_exercise_at_the_barrier_is_best_it_is_a_rebate() -> None:
    """Haug's up-and-out calls, whose best policy is exercise at the knock-out itself."""
    for contract, barrier, kind, due in (
        (CALL, 105.0, columns.UP_OUT, 12.06031),
        (replace(CALL, strike=100.0), 105.0, columns.UP_OUT, 3.92159),
        (replace(CALL, right=-1.0, strike=100.0), 95.0, columns.DOWN_OUT, 3.81464),
        (CALL, 95.0, columns.DOWN_OUT, 10.54446),
    ):
        found = american_barrier.price(contract, barrier, kind, 0.0)
        assert found.value == pytest.approx(due, abs=5e-5)
        exercise = contract.right * (barrier - contract.strike)
        assert found.value >= european(contract, barrier, kind, exercise) - 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("right", [1.0, -1.0])
def test_value_lies_between_the_european_one_and_that_without_barrier(
    right: float, kind: float
) -> None:
    contract = replace(CALL, right=right, strike=102.0)
    found = american_barrier.price(contract, barrier_of(kind), kind, 0.0)
    assert found.status == status.OK
    assert european(contract, barrier_of(kind), kind, 0.0) - 1e-4 <= found.value
    assert found.value <= exact(contract) + 1e-4
    assert found.error < 1e-4


def test_a_knock_in_without_worth_in_early_exercise_is_european() -> None:
    contract = replace(CALL, dividend_yield=0.0)
    for rebate in (0.0, 3.0):
        found = american_barrier.price(contract, 95.0, columns.DOWN_IN, rebate)
        due = european(contract, 95.0, columns.DOWN_IN, rebate)
        assert found.value == pytest.approx(due, abs=2e-5)


def test_a_far_barrier_leaves_the_option_as_it_is() -> None:
    contract = replace(CALL, right=-1.0, strike=105.0)
    found = american_barrier.price(contract, 300.0, columns.UP_OUT, 0.0)
    assert found.value == pytest.approx(exact(contract), abs=1e-4)


def test_a_barrier_touched_already_counts_as_touched() -> None:
    assert american_barrier.price(CALL, 100.0, columns.DOWN_OUT, 3.0).value == 3.0
    found = american_barrier.price(CALL, 100.0, columns.UP_IN, 3.0)
    assert found.value == pytest.approx(exact(CALL), abs=1e-9)


def test_delta_and_gamma_are_derivatives() -> None:
    contract = replace(CALL, right=-1.0, strike=105.0)
    low, middle, high = (
        american_barrier.price(replace(contract, spot=spot), 120.0, columns.UP_OUT, 1.0)
        for spot in (99.5, 100.0, 100.5)
    )
    assert middle.delta == pytest.approx(high.value - low.value, abs=1e-3)
    bend = (high.value + low.value - 2 * middle.value) / 0.25
    assert middle.gamma == pytest.approx(bend, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "barrier", "kind", "rebate", "due"),
    [
        ({}, -1.0, columns.UP_IN, 0.0, status.INVALID_BARRIER),
        ({}, 105.0, 7.0, 0.0, status.INVALID_BARRIER_KIND),
        ({}, 105.0, columns.UP_IN, -1.0, status.INVALID_AMOUNT),
        ({"spot": math.nan}, 105.0, columns.UP_IN, 0.0, status.INVALID_SPOT),
        ({"volatility": 1e-5}, 105.0, columns.UP_IN, 0.0, status.INVALID_VOLATILITY),
    ],
)
def test_inputs_outside_the_domain_have_a_status(
    changes: dict[str, float], barrier: float, kind: float, rebate: float, due: int
) -> None:
    found = american_barrier.price(replace(CALL, **changes), barrier, kind, rebate)
    assert found.status == due
    assert math.isnan(found.value)
