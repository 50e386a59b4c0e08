"""Greeks by differences against closed forms, and where steps can't be taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tradecaptain.kernels.pricing import bumps, columns, registry, status

RANDOM = np.random.default_rng(5)
COUNT = 400


def random_block(*more: float) -> np.ndarray:
    right = RANDOM.choice([1.0, -1.0], COUNT)
    time, volatility = RANDOM.uniform(0.02, 3, COUNT), RANDOM.uniform(0.05, 0.8, COUNT)
    strike = 100.0 * np.exp(RANDOM.normal(0, 1, COUNT) * volatility * np.sqrt(time))
    rates = RANDOM.uniform(-0.02, 0.1, (2, COUNT))
    return registry.stack(right, 100.0, strike, time, volatility, *rates, *more)


@pytest.mark.parametrize(
    ("family", "more"),
    [("black_scholes", ()), ("cash_or_nothing", (100.0,)), ("compound", (1.0, 100.0, 4.0))],
)
def test_differences_are_near_the_closed_form(family: str, more: tuple[float, ...]) -> None:
    inputs = random_block(*more)
    if family == "compound":
        inputs[columns.STRIKE] *= 0.05
    exact = registry.evaluate(family, inputs).outputs
    outcome = bumps.bumped_greeks(family, inputs)
    assert outcome.invalid_count == 0
    time, volatility = inputs[columns.TIME], inputs[columns.VOLATILITY]
    if family == "compound":
        time = np.full(COUNT, 4.0)
    root = np.sqrt(inputs[columns.TIME])
    digital = 1.0 / (volatility * root) if family == "cash_or_nothing" else 1.0
    sizes = {
        columns.DELTA: 1.0,
        columns.GAMMA: 1.0 / (100.0 * volatility * root),
        columns.VEGA: 100.0 * np.sqrt(time),
        columns.THETA: 100.0 * (volatility / root + 0.1),
        columns.RHO: 100.0 * time,
    }
    for row, size in sizes.items():
        error = np.abs(outcome.outputs[row] - exact[row]) / (size * digital)
        assert error.max() < 1e-6, columns.OUTPUT_NAMES[row]


def test_a_step_that_leaves_the_domain_leaves_the_value() -> None:
    block = registry.stack(1.0, 100.0, 100.0, 1.0, 99.9 / 12.5, 0.01, 0.0, 100.0)
    outcome = bumps.bumped_greeks("floating_lookback", block)
    assert outcome.status[0] == status.GREEKS_UNDEFINED
    assert math.isnan(outcome.outputs[columns.VEGA, 0])
    assert math.isfinite(outcome.outputs[columns.DELTA, 0])


def test_invalid_options_have_no_greeks() -> None:
    block = registry.stack(1.0, [100.0, -1.0], 100.0, 1.0, 0.2, 0.01, 0.0, 100.0)
    outcome = bumps.bumped_greeks("floating_lookback", block)
    assert outcome.invalid_count == 1
    assert list(outcome.status) == [status.OK, status.INVALID_SPOT]
    assert np.isnan(outcome.outputs[:, 1]).all()
    assert np.isfinite(outcome.outputs[:, 0]).all()


def test_steps_stay_on_the_living_side_of_a_barrier() -> None:
    inputs = (1.0, 100.0, 100.0, 1.0, 0.3, 0.03, 0.0, 0.0, 99.99, columns.DOWN_OUT)
    outcome = bumps.bumped_greeks("barrier_option", registry.stack(*inputs))
    step = 0.001
    up, down = (
        registry.evaluate("barrier_option", registry.stack(1.0, spot, *inputs[2:]), 1).outputs[0, 0]
        for spot in (100.0 + step, 100.0 - step)
    )
    assert outcome.outputs[columns.DELTA, 0] == pytest.approx((up - down) / (2 * step), rel=1e-5)
