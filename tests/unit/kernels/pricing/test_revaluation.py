"""Portfolios under scenarios: each equals pricing the shifted options one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tradecaptain.kernels.pricing import registry
from tradecaptain.kernels.pricing.revaluation import revalue, scenario_grid

BLOCK = registry.stack(
    np.array([1.0, -1.0, 1.0]), 100.0, np.array([90.0, 100.0, 120.0]), 0.5, 0.2, 0.03, 0.01
)
QUANTITIES = np.array([10.0, -5.0, 2.5])


def test_each_scenario_is_the_sum_over_shifted_options() -> None:
    grid = scenario_grid(
        np.array([0.9, 1.0, 1.1]), np.array([-0.05, 0.0, 0.1]), np.array([0.0, 0.25, 0.5, 1.0])
    )
    assert grid.shape == (3, 36)
    found = revalue("black_scholes", BLOCK, QUANTITIES, grid)
    assert not found.invalid_counts.any()
    for index, (factor, shift, years) in enumerate(grid.T.tolist()):
        due = 0.0
        for option in range(3):
            right, spot, strike, time, volatility, rate, carry_yield = BLOCK[:, option].tolist()
            inputs = (right, spot * factor, strike, max(time - years, 0.0), volatility + shift)
            block = registry.stack(*inputs, rate, carry_yield)
            due += QUANTITIES[option] * registry.evaluate("black_scholes", block, 1).outputs[0, 0]
        assert found.values[index] == pytest.approx(due, rel=1e-13)


def test_expiry_leaves_the_intrinsic_value() -> None:
    found = revalue("black_scholes", BLOCK, QUANTITIES, scenario_grid(*np.array([[1.3], [0], [2]])))
    assert found.values[0] == pytest.approx(10 * 40.0 + 2.5 * 10.0)


def test_an_option_without_a_value_is_counted_and_makes_the_sum_nan() -> None:
    scenarios = np.array([[1.0, -1.0], [0.0, 0.0], [0.0, 0.0]])
    found = revalue("black_scholes", BLOCK, QUANTITIES, scenarios)
    assert found.invalid_counts.tolist() == [0, 3]
    assert math.isfinite(found.values[0])
    assert math.isnan(found.values[1])


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="no family"):
        revalue("nothing", BLOCK, QUANTITIES, np.ones((3, 1)))
    with pytest.raises(ValueError, match="one number for each option"):
        revalue("black_scholes", BLOCK, QUANTITIES[:2], np.ones((3, 1)))
    with pytest.raises(ValueError, match="three rows"):
        revalue("black_scholes", BLOCK, QUANTITIES, np.ones((2, 1)))
