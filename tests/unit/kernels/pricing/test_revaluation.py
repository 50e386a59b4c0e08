"""Portfolios under scenarios: each equals pricing the shifted options one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels.pricing import columns, registry
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


@pytest.mark.parametrize("family", ["black76", "bachelier"])
def test_other_models_and_more_options_than_a_chunk(family: str) -> None:
    random = np.random.default_rng(3)
    count = 40 if JIT_DISABLED else 700
    block = registry.stack(
        random.choice([-1.0, 1.0], count), 100.0, random.uniform(80, 120, count),
        random.uniform(0.1, 1.0, count), random.uniform(0.1, 0.4, count), 0.03,
    )  # fmt: skip
    quantities = random.uniform(-1, 1, count)
    grid = scenario_grid(np.array([0.9, 1.1]), np.array([0.05]), np.array([0.0, 0.5]))
    found = revalue(family, block, quantities, grid)
    for index, (factor, shift, years) in enumerate(grid.T.tolist()):
        moved = block.copy()
        moved[columns.SPOT] *= factor
        moved[columns.VOLATILITY] += shift
        moved[columns.TIME] = np.maximum(moved[columns.TIME] - years, 0.0)
        due = registry.evaluate(family, moved, 1).outputs[0] @ quantities
        assert found.values[index] == pytest.approx(due, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("row", "number"),
    [
        (columns.SPOT, math.nan), (columns.STRIKE, -1.0), (columns.TIME, math.nan),
        (columns.TIME, 2000.0), (columns.VOLATILITY, math.nan), (columns.RATE, math.inf),
        (columns.YIELD, 600.0), (columns.SPOT, 1e60), (columns.TIME, -1.0),
        (columns.VOLATILITY, -0.05),
    ],
)  # fmt: skip
def test_an_invalid_option_is_counted_in_every_scenario(row: int, number: float) -> None:
    block = np.tile(BLOCK, (1, 3))
    block[row, 4] = number
    scenarios = np.array([[1.0, 1.1, 1e30], [0.0, 0.1, 0.0], [0.0, 0.1, 0.0]])
    given = block.copy()
    found = revalue("black_scholes", block, np.ones(9), scenarios)
    assert found.invalid_counts.tolist() == [1, 1, 1]
    assert np.isnan(found.values).all()
    np.testing.assert_array_equal(block, given)


def test_far_options_and_scenarios_are_priced_as_any() -> None:
    block = BLOCK.copy()
    block[columns.SPOT : columns.STRIKE + 1] *= 1e20
    scenarios = np.array([[1.0, 1e20, 1.0], [0.0, 0.0, 99.0], [-1.0, 0.0, 600.0]])
    found = revalue("black_scholes", block, QUANTITIES, scenarios)
    assert not found.invalid_counts.any()
    for index, (factor, shift, years) in enumerate(scenarios.T.tolist()):
        moved = block.copy()
        moved[columns.SPOT] *= factor
        moved[columns.VOLATILITY] += shift
        moved[columns.TIME] = np.maximum(moved[columns.TIME] - years, 0.0)
        due = registry.evaluate("black_scholes", moved, 1).outputs[0] @ QUANTITIES
        assert found.values[index] == pytest.approx(due, rel=1e-13)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="no family"):
        revalue("nothing", BLOCK, QUANTITIES, np.ones((3, 1)))
    with pytest.raises(ValueError, match="one number for each option"):
        revalue("black_scholes", BLOCK, QUANTITIES[:2], np.ones((3, 1)))
    with pytest.raises(ValueError, match="takes 6 rows"):
        revalue("black76", BLOCK, QUANTITIES, np.ones((3, 1)))
    with pytest.raises(ValueError, match="three rows"):
        revalue("black_scholes", BLOCK, QUANTITIES, np.ones((2, 1)))
