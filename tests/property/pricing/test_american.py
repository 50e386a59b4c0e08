"""What holds for every American option."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tradecaptain.kernels.pricing import american, registry, status
from tradecaptain.kernels.pricing.american import Accuracy

moneyness = st.floats(-2.0, 2.0)
times = st.floats(1e-3, 20.0)
volatilities = st.floats(0.01, 2.0)
rates = st.floats(-0.1, 0.3)
STRIKE = 100.0
# Twice the error of the standard form.
ROUNDING = 2e-6 * STRIKE


def values(right: float, spots: np.ndarray, *model: float) -> np.ndarray:
    outcome = american.price(registry.stack(right, spots, STRIKE, *model), Accuracy.STANDARD)
    assert (outcome.status == status.OK).all()
    return outcome.values[0]


@settings(max_examples=60, deadline=None)
@given(moneyness, times, volatilities, rates, rates, st.sampled_from([1.0, -1.0]))
def test_value_lies_between_its_bounds(
    distance: float, time: float, volatility: float, rate: float, carry: float, right: float
) -> None:
    spot = STRIKE * math.exp(distance)
    inputs = registry.stack(right, spot, STRIKE, time, volatility, rate, carry)
    value = float(american.price(inputs).values[0, 0])
    european = float(registry.evaluate("black_scholes", inputs, 1).outputs[0, 0])
    rounding = ROUNDING * max(spot / STRIKE, 1.0)
    assert value >= max(european, right * (spot - STRIKE), 0.0) - rounding
    ceiling = (
        spot * max(1.0, math.exp(-carry * time))
        if right > 0
        else STRIKE * max(1.0, math.exp(-rate * time))
    )
    assert value <= ceiling + rounding


@settings(max_examples=40, deadline=None)
@given(moneyness, times, volatilities, rates, rates, st.floats(1e-3, 0.3))
def test_value_is_monotone_and_convex_in_spot_and_grows_with_time_and_volatility(
    distance: float, time: float, volatility: float, rate: float, carry: float, step: float
) -> None:
    spots = STRIKE * math.exp(distance) * np.array([1 - step, 1.0, 1 + step])
    scale = ROUNDING * max(math.exp(distance), 1.0)
    for right in (1.0, -1.0):
        low, middle, high = values(right, spots, time, volatility, rate, carry)
        assert right * (high - low) >= -scale
        assert low + high - 2 * middle >= -2 * scale
        longer = values(right, spots[1:2], 1.1 * time, volatility, rate, carry)[0]
        wilder = values(right, spots[1:2], time, 1.1 * volatility, rate, carry)[0]
        assert min(longer, wilder) >= middle - scale


@settings(max_examples=40, deadline=None)
@given(moneyness, times, volatilities, rates, rates)
def test_a_call_is_a_put_with_spot_and_strike_rate_and_yield_exchanged(
    distance: float, time: float, volatility: float, rate: float, carry: float
) -> None:
    spot = STRIKE * math.exp(distance)
    call = registry.stack(1.0, spot, STRIKE, time, volatility, rate, carry)
    put = registry.stack(-1.0, STRIKE, spot, time, volatility, carry, rate)
    pair = american.price(np.hstack([call, put])).values[0]
    assert abs(pair[0] - pair[1]) <= 1e-9 * max(spot, STRIKE)
