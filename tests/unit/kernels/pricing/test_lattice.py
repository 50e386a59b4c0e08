"""The binomial tree against a recursion, and its limit."""

from __future__ import annotations

import math
from functools import cache

import pytest
from tradecaptain.kernels.pricing import registry, status
from tradecaptain.kernels.pricing.lattice import binomial_value

pytestmark = pytest.mark.twin


def recursive_value(
    right: float, spot: float, strike: float, steps: int, up: float, down: float,
    chance: float, discount: float, is_american: bool,
) -> float:  # fmt: skip
    """Value by the definition: the discounted mean of what follows, or exercise."""

    @cache
    def node(step: int, ups: int) -> float:
        price = spot * up**ups * down ** (step - ups)
        exercise = max(right * (price - strike), 0.0)
        if step == steps:
            return exercise
        mean = chance * node(step + 1, ups + 1) + (1 - chance) * node(step + 1, ups)
        return max(discount * mean, exercise) if is_american else discount * mean

    return node(0, 0)


@pytest.mark.parametrize("right", [1.0, -1.0])
@pytest.mark.parametrize("is_american", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_tree_is_the_recursion(right: float, is_american: bool, steps: int) -> None:
    time, rate, dividend_yield = 0.75, 0.06, 0.02
    up = math.exp(0.3 * math.sqrt(time / steps))
    down = 1 / up
    chance = (math.exp((rate - dividend_yield) * time / steps) - down) / (up - down)
    discount = math.exp(-rate * time / steps)
    due = recursive_value(right, 50.0, 52.0, steps, up, down, chance, discount, is_american)
    found, result = binomial_value(
        right, 50.0, 52.0, time, rate, dividend_yield,
        steps=steps, up=up, down=down, is_american=is_american,
    )  # fmt: skip
    assert result == status.OK
    assert found == pytest.approx(due, rel=1e-13)


def test_tree_nears_the_model() -> None:
    steps = 200
    up = math.exp(0.2 * math.sqrt(1 / steps))
    found, _ = binomial_value(
        1.0, 100.0, 100.0, 1.0, 0.05, 0.0, steps=steps, up=up, down=1 / up, is_american=False
    )
    model = registry.evaluate("black_scholes", registry.stack(1.0, 100, 100, 1, 0.2, 0.05, 0), 1)
    assert found == pytest.approx(model.outputs[0, 0], abs=0.02)


@pytest.mark.parametrize(
    ("change", "due"),
    [
        ({"right": 0.0}, status.INVALID_RIGHT),
        ({"spot": -1.0}, status.INVALID_SPOT),
        ({"strike": math.nan}, status.INVALID_STRIKE),
        ({"steps": 0}, status.INVALID_LATTICE),
        ({"steps": 100_001}, status.INVALID_LATTICE),
        ({"up": 0.9}, status.INVALID_LATTICE),
        ({"up": 1.001}, status.INVALID_LATTICE),
        ({"time": 0.0}, status.INVALID_LATTICE),
    ],
)
def test_what_no_tree_can_be_made_of_is_named(change: dict[str, float], due: int) -> None:
    inputs = {
        "right": 1.0, "spot": 100.0, "strike": 100.0, "time": 1.0, "rate": 0.05,
        "dividend_yield": 0.0, "steps": 3, "up": 1.1, "down": 0.9, "is_american": False,
    }  # fmt: skip
    found, result = binomial_value(**{**inputs, **change})
    assert result == due
    assert math.isnan(found)
