"""What holds for every European option, over the whole domain."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tradecaptain.kernels.pricing import columns, registry, status

pytestmark = pytest.mark.twin

spots = st.floats(1e-3, 1e6)
moneyness = st.floats(-10.0, 10.0)
times = st.floats(1e-6, 50.0)
volatilities = st.floats(1e-4, 5.0)
rates = st.floats(-0.1, 0.5)


def value(right: float, *inputs: float) -> float:
    return float(
        registry.evaluate("black_scholes", registry.stack(right, *inputs), 1).outputs[0, 0]
    )


@given(spots, moneyness, times, volatilities, rates, rates)
def test_parity_and_bounds(
    spot: float, distance: float, time: float, volatility: float, rate: float, carry_yield: float
) -> None:
    strike = spot * math.exp(distance)
    inputs = (spot, strike, time, volatility, rate, carry_yield)
    call, put = value(1.0, *inputs), value(-1.0, *inputs)
    carried, owed = spot * math.exp(-carry_yield * time), strike * math.exp(-rate * time)
    rounding = 4e-15 * max(carried, owed)
    assert abs(call - put - (carried - owed)) <= rounding
    assert max(carried - owed, 0.0) - rounding <= call <= carried + rounding
    assert max(owed - carried, 0.0) - rounding <= put <= owed + rounding


@given(spots, moneyness, times, volatilities, rates, rates, st.floats(1e-6, 0.5))
def test_value_is_monotone_and_convex_in_spot(
    spot: float,
    distance: float,
    time: float,
    volatility: float,
    rate: float,
    carry_yield: float,
    step: float,
) -> None:
    strike = spot * math.exp(distance)
    prices = np.array([spot * (1 - step), spot, spot * (1 + step)])
    outcome = registry.evaluate(
        "black_scholes", registry.stack(1.0, prices, strike, time, volatility, rate, carry_yield), 1
    )
    low, middle, high = outcome.outputs[0]
    scale = max(spot * 1.5 * math.exp(-carry_yield * time), strike * math.exp(-rate * time))
    assert low <= middle + 4e-15 * scale
    assert middle <= high + 4e-15 * scale
    assert middle <= (low + high) / 2 + 8e-15 * scale


@given(spots, moneyness, times, volatilities, rates, rates, st.floats(1.0, 3.0))
def test_value_grows_with_volatility(
    spot: float,
    distance: float,
    time: float,
    volatility: float,
    rate: float,
    carry_yield: float,
    factor: float,
) -> None:
    strike = spot * math.exp(distance)
    pair = np.array([volatility, volatility * factor])
    block = registry.stack(-1.0, spot, strike, time, pair, rate, carry_yield)
    less, more = registry.evaluate("black_scholes", block, 1).outputs[0]
    scale = max(spot * math.exp(-carry_yield * time), strike * math.exp(-rate * time))
    assert less <= more + 4e-15 * scale


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=14, max_size=14),
    st.sampled_from([0.0, 1.0, 2.0, 3.0]),
)
def test_any_numbers_give_a_status_and_no_accidental_nan(numbers: list[float], kind: float) -> None:
    for family, description in registry.FAMILIES.items():
        block = registry.stack(*numbers[: len(description.inputs)])
        block[columns.RIGHT] = 1.0
        if len(block) > columns.BARRIER_KIND:
            block[columns.BARRIER_KIND] = kind
        outcome = registry.evaluate(family, block, description.depth)
        refused = outcome.status[0] not in (status.OK, status.GREEKS_UNDEFINED)
        assert np.isnan(outcome.outputs).all() if refused else np.isfinite(outcome.outputs).all()


@given(
    st.floats(1e-50, 1e50),
    st.floats(1e-50, 1e50),
    st.floats(0.0, 1000.0),
    st.floats(0.0, 100.0),
    st.floats(-100.0, 100.0),
    st.floats(-100.0, 100.0),
)
def test_whole_domain_is_finite(
    spot: float, strike: float, time: float, volatility: float, rate: float, carry_yield: float
) -> None:
    assume(abs(rate) * time <= 500 and abs(carry_yield) * time <= 500)
    block = registry.stack(np.array([1.0, -1.0]), spot, strike, time, volatility, rate, carry_yield)
    outcome = registry.evaluate("black_scholes", block)
    assert (outcome.status != status.INVALID_SPOT).all()
    assert np.isfinite(outcome.outputs).all()
    assert (outcome.outputs[columns.VALUE] >= 0.0).all()
