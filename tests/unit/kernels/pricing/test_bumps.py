"""Greeks by differences against closed forms, and where steps can't be taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
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


def test_options_that_are_all_invalid_have_no_greeks() -> None:
    outcome = bumps.bumped_greeks(
        "floating_lookback", registry.stack(1.0, [-1.0, -2.0], 100.0, 1.0, 0.2, 0.01, 0.0, 100.0)
    )
    assert outcome.invalid_count == 2
    assert np.isnan(outcome.outputs).all()


# Distances of a level from the spot, by the spot: none, a rounding, and up to several steps.
DISTANCES = np.array([0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 3e-3, 1e-2, 2e-2, 0.1])
RATE, YIELD, VOLATILITY = mpmath.mpf("0.05"), mpmath.mpf("0.02"), mpmath.mpf("0.3")


def exact_call(spot: mpmath.mpf, strike: mpmath.mpf) -> mpmath.mpf:
    """Of a year."""
    d1 = (mpmath.log(spot / strike) + RATE - YIELD + VOLATILITY**2 / 2) / VOLATILITY
    asset = spot * mpmath.exp(-YIELD) * mpmath.ncdf(d1)
    return asset - strike * mpmath.exp(-RATE) * mpmath.ncdf(d1 - VOLATILITY)


def exact_down_out_call(spot: mpmath.mpf, level: mpmath.mpf) -> mpmath.mpf:
    """Struck at 100, the barrier below: by reflection (Merton 1973)."""
    power = 1 - 2 * (RATE - YIELD) / VOLATILITY**2
    image = (spot / level) ** power * exact_call(level * level / spot, mpmath.mpf(100))
    return exact_call(spot, mpmath.mpf(100)) - image


def exact_lookback_call(spot: mpmath.mpf, level: mpmath.mpf) -> mpmath.mpf:
    """Struck at the minimum of a year (Goldman, Sosin and Gatto 1979)."""
    carry = RATE - YIELD
    a1 = (mpmath.log(spot / level) + carry + VOLATILITY**2 / 2) / VOLATILITY
    image = (spot / level) ** (-2 * carry / VOLATILITY**2)
    image *= mpmath.ncdf(2 * carry / VOLATILITY - a1)
    gain = image - mpmath.exp(carry) * mpmath.ncdf(-a1)
    bonus = spot * mpmath.exp(-RATE) * VOLATILITY**2 / (2 * carry) * gain
    return exact_call(spot, level) + bonus


@pytest.mark.parametrize(
    ("family", "exact", "more"),
    [
        ("barrier_option", exact_down_out_call, (0.0, None, columns.DOWN_OUT)),
        ("floating_lookback", exact_lookback_call, (None,)),
    ],
)
def test_greeks_near_a_level_are_as_good_as_elsewhere(
    family: str, exact: Callable[..., Any], more: tuple[float | None, ...]
) -> None:
    levels = 100.0 * (1.0 - DISTANCES)
    if family == "barrier_option":
        levels = levels[levels < 100.0]  # on the barrier the option is void
    market = (1.0, 100.0, 100.0, 1.0, 0.3, 0.05, 0.02)
    block = registry.stack(*market, *(levels if item is None else item for item in more))
    outcome = bumps.bumped_greeks(family, block)
    assert not outcome.status.any()
    with mpmath.workdps(60):
        for index, level in enumerate(levels.tolist()):
            value = partial(exact, level=mpmath.mpf(level))
            delta, gamma = float(mpmath.diff(value, 100)), float(mpmath.diff(value, 100, 2))
            assert outcome.outputs[columns.DELTA, index] == pytest.approx(delta, abs=1e-6)
            assert outcome.outputs[columns.GAMMA, index] == pytest.approx(gamma, abs=1e-6 / 30)


def test_a_barrier_on_another_asset_does_not_bear_on_the_spots_steps() -> None:
    barriers = 100.0 * (1.0 + np.array([0.0, 1e-12, 1e-10, 1e-8]))
    more = (0.0, barriers, columns.UP_OUT, 60.0, 0.25, 0.01, 0.5)
    block = registry.stack(1.0, 100.0, 100.0, 1.0, 0.3, 0.05, 0.02, *more)
    outcome = bumps.bumped_greeks("two_asset_barrier", block)
    assert not outcome.status.any()
    gamma = outcome.outputs[columns.GAMMA]
    assert gamma[0] == pytest.approx(0.01228, abs=1e-5)
    np.testing.assert_allclose(gamma, gamma[0], atol=1e-8)


def test_a_fixed_lookback_bends_at_its_strike_until_its_extreme_is_beyond() -> None:
    market = (1.0, 0.3, 0.05, 0.02)
    by_strike, by_extreme = (
        bumps.bumped_greeks(
            "fixed_lookback", registry.stack(1.0, 100.0, strike, *market, extreme)
        ).outputs
        for strike, extreme in ((100.0 * (1.0 + DISTANCES), 90.0), (90.0, 100.0 * (1 + DISTANCES)))
    )
    np.testing.assert_allclose(by_strike[columns.DELTA], by_extreme[columns.DELTA], atol=1e-8)
    np.testing.assert_allclose(by_strike[columns.GAMMA], by_extreme[columns.GAMMA], atol=1e-8)
    assert by_strike[columns.GAMMA, 0] == pytest.approx(by_strike[columns.GAMMA, 4], abs=1e-8)


@pytest.mark.parametrize("kind", [columns.DOWN_IN, columns.DOWN_OUT, columns.UP_IN, columns.UP_OUT])
def test_on_a_barrier_greeks_are_of_what_is_left(kind: float) -> None:
    market = (1.0, 100.0, 95.0, 1.0, 0.3, 0.05, 0.02)
    block = registry.stack(*market, 0.0, 100.0, kind)
    found = bumps.bumped_greeks("barrier_option", block).outputs[:, 0]
    plain = registry.evaluate("black_scholes", registry.stack(*market)).outputs[:, 0]
    left = plain if kind in (columns.DOWN_IN, columns.UP_IN) else np.zeros(6)
    sizes = np.array([1.0, 1.0, 1.0 / 30.0, 100.0, 30.0, 100.0])
    assert (np.abs(found - left) / sizes).max() < 1e-6


def test_steps_cross_no_barrier_that_is_looked_at_now_and_then() -> None:
    shift = math.exp(bumps.CONTINUITY_SHIFT * 0.3 * math.sqrt(1.0 / 50.0))
    barriers = 100.0 * shift * (1.0 + np.array([-1e-2, -1e-4, -1e-9, 1e-9, 1e-4, 1e-2]))
    block = registry.stack(
        1.0, 100.0, 100.0, 1.0, 0.3, 0.05, 0.02, 0.0, barriers, columns.DOWN_OUT, 50.0
    )
    outcome = bumps.bumped_greeks("monitored_barrier", block)
    delta, gamma = outcome.outputs[columns.DELTA], outcome.outputs[columns.GAMMA]
    assert (np.abs(delta[:3] - delta[2]) < 0.05).all()
    assert (np.abs(gamma[:3] - gamma[2]) < 1e-3).all()
    assert not delta[3:].any()
    # A volatility a hundredth higher moves the nearest ones across the spot.
    lost = np.isnan(outcome.outputs[columns.VEGA])
    assert lost.tolist() == [False, True, True, True, True, False]
    assert (outcome.status[lost] == status.GREEKS_UNDEFINED).all()


def test_every_family_whose_value_bends_at_a_level_of_the_spot_has_its_levels() -> None:
    for name, family in registry.FAMILIES.items():
        bends = {"barrier", "high_barrier", "extreme"} & set(family.inputs)
        # There the watched asset is another one.
        bends -= {"two_asset_barrier": {"barrier"}}.get(name, set())
        levels = bumps._levels(name, np.ones((len(family.inputs), 1)))
        assert len(levels) == len(bends), name


def test_between_barriers_that_leave_no_room_there_is_no_delta() -> None:
    half_widths = np.array([20.0, 5.0, 1.0, 0.5, 1e-3, 1e-9])
    block = registry.stack(
        1.0, 100.0, 100.0, 0.02, 0.3, 0.05, 0.02, 0.0, 100 - half_widths, 100 + half_widths, 1, 0
    )
    outcome = bumps.bumped_greeks("double_barrier", block)
    assert np.isfinite(outcome.outputs[:, :4]).all()
    assert np.isnan(outcome.outputs[[columns.DELTA, columns.GAMMA], 4:]).all()
    assert outcome.status.tolist() == [0, 0, 0, 0, *[status.GREEKS_UNDEFINED] * 2]


def test_steps_stay_on_the_living_side_of_a_barrier() -> None:
    inputs = (1.0, 100.0, 100.0, 1.0, 0.3, 0.03, 0.0, 0.0, 99.99, columns.DOWN_OUT)
    outcome = bumps.bumped_greeks("barrier_option", registry.stack(*inputs))
    step = 0.001
    up, down = (
        registry.evaluate("barrier_option", registry.stack(1.0, spot, *inputs[2:]), 1).outputs[0, 0]
        for spot in (100.0 + step, 100.0 - step)
    )
    assert outcome.outputs[columns.DELTA, 0] == pytest.approx((up - down) / (2 * step), rel=1e-5)
