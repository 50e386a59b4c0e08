"""Exotic families against integrals of their definitions."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from tradecaptain.kernels.pricing import (
    columns,
    double_barrier,
    normal,
    registry,
    status,
    two_asset,
)
from twins.pricing import exotic as twin

pytestmark = pytest.mark.twin

DIGITS = 20
SEEDS = [1, 2, 3, 4]
ALWAYS = 0.0  # count of looks at the barriers
RIGHTS = [1.0, -1.0]


def value(family: str, *inputs: float) -> float:
    outcome = registry.evaluate(family, registry.stack(*inputs), 1)
    assert outcome.invalid_count == 0, outcome.status
    return float(outcome.outputs[0, 0])


def random_market(seed: int) -> tuple[float, float, float, float, float]:
    """Spot, time, volatility, rate and yield; one in four carries nothing."""
    random = np.random.default_rng(seed)
    time, volatility = float(random.uniform(0.1, 2)), float(random.uniform(0.1, 0.5))
    rate = float(random.uniform(-0.02, 0.1))
    dividend_yield = rate if seed % 4 == 0 else float(random.uniform(-0.02, 0.1))
    return 100.0, time, volatility, rate, dividend_yield


def exact(*numbers: float) -> list[mpmath.mpf]:
    return [mpmath.mpf(number) for number in numbers]


@pytest.mark.parametrize("correlation", [-0.99999, -0.95, -0.5, 0.1, 0.9249, 0.9251, 0.999])
def test_the_joint_normal_distribution_is_its_integral(correlation: float) -> None:
    random = np.random.default_rng(7)
    with mpmath.workdps(DIGITS):
        for _ in range(6):
            first, second = random.normal(0, 1.5, 2).tolist()
            due = twin.joint_chance(*exact(first, second, correlation))
            found = normal.bivariate_normal(first, second, correlation)
            assert found == pytest.approx(due, abs=1e-13 if abs(correlation) > 0.99 else 1e-15)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_joint_normal_distribution_at_full_correlation(sign: float) -> None:
    for first, second in ((0.3, -0.2), (-1.0, 2.0), (0.5, 0.5)):
        one, other = (0.5 * math.erfc(-x / math.sqrt(2)) for x in (first, second))
        due = min(one, other) if sign > 0 else max(one + other - 1.0, 0.0)
        assert normal.bivariate_normal(first, second, sign) == pytest.approx(due, abs=2e-16)


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_lookbacks_are_means_of_the_extreme(seed: int, right: float) -> None:
    market = random_market(seed)
    spot, *rest = market
    extreme = spot * math.exp(-0.07 * right)
    other_extreme, strike = spot * math.exp(0.05 * right), spot * math.exp(0.04 * seed - 0.1)
    floating = twin.floating_lookback(right, extreme, market)
    fixed = twin.fixed_lookback(right, strike, other_extreme, market)
    found = value("floating_lookback", right, spot, 1.0, *rest, extreme)
    assert found == pytest.approx(floating, abs=1e-10)
    found = value("fixed_lookback", right, spot, strike, *rest, other_extreme)
    assert found == pytest.approx(fixed, abs=1e-10)


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("fraction", [0.85, 1.0, 1.2])
@pytest.mark.parametrize("carry", [0.0, 1e-3, 0.05])
def test_partial_lookbacks_by_simulation(carry: float, fraction: float, right: float) -> None:
    spot, time, volatility, rate, window = 100.0, 1.0, 0.3, 0.05, 0.4
    extreme = spot * (0.95 if right > 0 else 1.05)
    random = np.random.default_rng(2)
    first, second = random.standard_normal((2, 100_000))
    drift = carry - volatility**2 / 2
    early = np.concatenate([first, -first]) * volatility * math.sqrt(window) + drift * window
    late = np.concatenate([second, -second]) * volatility * math.sqrt(time - window)
    last = early + late + drift * (time - window)
    # The lowest or highest point of a Brownian bridge, exactly.
    bridge = np.sqrt(early**2 - 2 * volatility**2 * window * np.log(random.random(len(early))))
    turn = spot * np.exp(0.5 * (early - right * bridge))
    reached = np.minimum(turn, extreme) if right > 0 else np.maximum(turn, extreme)
    gains = np.maximum(right * (spot * np.exp(last) - fraction * reached), 0) * math.exp(-rate)
    inputs = (right, spot, 1.0, time, volatility, rate, rate - carry, extreme, window, fraction)
    found = value("partial_floating_lookback", *inputs)
    assert abs(found - gains.mean()) < 4 * gains.std() / math.sqrt(len(gains))


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("inner", RIGHTS)
def test_compound_options_are_means_over_the_option(inner: float, right: float) -> None:
    spot, _, volatility, rate, dividend_yield = random_market(5)
    contract = (right, spot, 6.0, 0.4, volatility, rate, dividend_yield)
    daughter = (inner, 105.0, 1.1)
    due = twin.compound(
        right,
        6.0,
        0.4,
        daughter,
        (spot, volatility, rate, dividend_yield),
    )
    assert value("compound", *contract, *daughter) == pytest.approx(due, abs=1e-11)


@pytest.mark.parametrize("put", [(100.0, 0.9), (93.0, 1.2)])
def test_choosers_are_means_of_the_better_option(put: tuple[float, float]) -> None:
    spot, _, volatility, rate, dividend_yield = random_market(6)
    call = (100.0, 0.9)
    market = (spot, volatility, rate, dividend_yield)
    due = twin.chooser(0.3, call, put, market)
    market = (*call, volatility, rate, dividend_yield)
    found = value("chooser", 1.0, spot, *market, 0.3, *put)
    assert found == pytest.approx(due, abs=1e-11)


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize(
    ("seed", "band"),
    [(1, (80.0, 130.0)), (2, (95.0, 104.0)), (4, (60.0, 300.0)), (8, (70.0, 101.0))],
)
def test_double_barriers_are_integrals_over_surviving_paths(
    seed: int, band: tuple[float, float], right: float
) -> None:
    market = random_market(seed)
    spot, *rest = market
    strike = 99.0
    due = twin.between_barriers(lambda s: max(right * (s - strike), 0), [strike], band, market)
    cash = twin.between_barriers(lambda s: 1, [], band, market)
    inputs = (right, spot, strike, *rest, 3.0, *band)
    found = value("double_barrier", *inputs, double_barrier.KNOCK_OUT, ALWAYS)
    assert found == pytest.approx(due, abs=1e-11)
    found = value("double_binary", *inputs, double_barrier.KNOCK_OUT, ALWAYS)
    assert found == pytest.approx(3.0 * cash, abs=1e-11)


@pytest.mark.parametrize("seed", SEEDS)
def test_touching_either_barrier_first_adds_up_without_discount(seed: int) -> None:
    spot, time, volatility, _, _ = random_market(seed)
    carry = 0.03 * (seed - 2)
    for band in ((90.0, 115.0), (70.0, 160.0)):
        inputs = (1.0, spot, 1.0, time, volatility, 0.0, -carry, 1.0, *band)
        first_of_each = [
            value("double_binary", *inputs, kind, ALWAYS)
            for kind in (double_barrier.LOW_FIRST, double_barrier.HIGH_FIRST)
        ]
        either = value("double_binary", *inputs, double_barrier.KNOCK_IN, ALWAYS)
        assert sum(first_of_each) == pytest.approx(either, abs=1e-13)


@pytest.mark.parametrize("correlation", [-0.7, 0.0, 0.6])
def test_two_asset_options_are_means_given_the_second_asset(correlation: float) -> None:
    time, rate, strike = 0.8, 0.05, 98.0
    first, second = (100.0, 0.25, 0.01), (103.0, 0.35, 0.04)
    payoffs = {
        # min(S1, S2) over a strike is S1 capped at S2 less S1 capped at the strike too.
        (two_asset.MINIMUM, 1.0): lambda f, d, s: (
            twin.capped(f, s, d) - twin.capped(f, min(s, strike), d)
        ),
        (two_asset.MAXIMUM, 1.0): lambda f, d, s: (
            twin.black(1, f, max(s, strike), d) + max(s - strike, 0)
        ),
        (two_asset.SPREAD, 1.0): lambda f, d, s: twin.black(1, f, strike + s, d),
        (two_asset.SPREAD, -1.0): lambda f, d, s: twin.black(-1, f, strike + s, d),
    }
    for (kind, right), payoff in payoffs.items():
        due = twin.two_assets(payoff, correlation, time, rate, first, second, strike)
        inputs = (right, first[0], strike, time, first[1], rate, first[2])
        found = value("two_asset_basket", *inputs, *second, correlation, kind)
        assert found == pytest.approx(due, abs=1e-9), (kind, right)


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("side", ["down", "up"])
@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.5])
def test_barriers_on_another_asset_are_integrals_over_its_paths(
    correlation: float, side: str, right: float
) -> None:
    time, rate, strike = 0.7, 0.04, 103.0
    first, second = (100.0, 0.3, 0.01), (98.0, 0.25, 0.05)
    barrier = 88.0 if side == "down" else 110.0
    due = twin.knocked_by_another(right, strike, barrier, correlation, time, rate, first, second)
    option = (right, first[0], strike, time, first[1], rate, first[2])
    kinds = (
        (columns.DOWN_OUT, columns.DOWN_IN) if side == "down" else (columns.UP_OUT, columns.UP_IN)
    )
    out, knocked_in = (
        value("two_asset_barrier", *option, 0.0, barrier, kind, *second, correlation)
        for kind in kinds
    )
    assert out == pytest.approx(due, abs=1e-11)
    assert out + knocked_in == pytest.approx(value("black_scholes", *option), abs=1e-13)


def test_greeks_of_compound_options_are_slopes_of_the_value() -> None:
    inputs = np.array([-1.0, 500.0, 30.0, 0.25, 0.35, 0.08, 0.03, 1.0, 520.0, 0.5])

    def moved(**changes: float) -> float:
        there = inputs.copy()
        for row, change in changes.items():
            there[int(row[1:])] += change
        return value("compound", *there)

    outputs = registry.evaluate("compound", registry.stack(*inputs)).outputs[:, 0]
    step = 1e-3
    slopes = {
        columns.DELTA: (moved(r1=step) - moved(r1=-step)) / (2 * step),
        columns.GAMMA: (moved(r1=0.5) - 2 * moved() + moved(r1=-0.5)) / 0.25,
        columns.VEGA: (moved(r4=1e-4) - moved(r4=-1e-4)) / 2e-4,
        columns.THETA: -(moved(r3=1e-4, r9=1e-4) - moved(r3=-1e-4, r9=-1e-4)) / 2e-4,
        columns.RHO: (moved(r5=1e-4) - moved(r5=-1e-4)) / 2e-4,
    }
    for row, slope in slopes.items():
        assert outputs[row] == pytest.approx(slope, rel=1e-5)


def test_greeks_of_exchange_options_are_slopes_of_the_value() -> None:
    inputs = np.array([1.0, 22, 1, 0.5, 0.2, 0.1, 0.06, 10, 0.25, 0.04, 0.5, 1, 2], dtype=float)

    def moved(row: int, change: float) -> float:
        there = inputs.copy()
        there[row] += change
        return value("exchange", *there)

    outputs = registry.evaluate("exchange", registry.stack(*inputs)).outputs[:, 0]
    step = 1e-4
    for row, delta, gamma in (
        (1, two_asset.DELTA_FIRST, two_asset.GAMMA_FIRST),
        (7, two_asset.DELTA_SECOND, two_asset.GAMMA_SECOND),
    ):
        up, down = moved(row, step), moved(row, -step)
        assert outputs[delta] == pytest.approx((up - down) / (2 * step), rel=1e-6)
        second = (moved(row, 0.01) - 2 * outputs[0] + moved(row, -0.01)) / 1e-4
        assert outputs[gamma] == pytest.approx(second, rel=1e-4)
    theta = -(moved(3, step) - moved(3, -step)) / (2 * step)
    assert outputs[two_asset.EXCHANGE_THETA] == pytest.approx(theta, rel=1e-6)


# One option of each family that all rules allow, after the seven common rows.
GOOD = {
    "floating_lookback": (100.0,),
    "fixed_lookback": (100.0,),
    "partial_floating_lookback": (100.0, 0.5, 1.0),
    "partial_fixed_lookback": (100.0, 0.5),
    "geometric_asian": (0.1, 12.0, 0.0),
    "turnbull_wakeman_asian": (0.1, 12.0, 0.0),
    "levy_asian": (100.0, 0.2),
    "double_barrier": (0.0, 80.0, 120.0, 1.0, 0.0),
    "double_binary": (1.0, 80.0, 120.0, 1.0, 0.0),
    "soft_barrier": (0.0, 80.0, 1.0, 90.0),
    "monitored_barrier": (0.0, 80.0, 1.0, 12.0),
    "two_asset_barrier": (0.0, 80.0, 1.0, 100.0, 0.3, 0.01, 0.5),
    "exchange": (100.0, 0.3, 0.01, 0.5, 1.0, 1.0),
    "two_asset_basket": (100.0, 0.3, 0.01, 0.5, 0.0),
    "compound": (1.0, 100.0, 2.0),
    "chooser": (0.5, 100.0, 1.0),
    "forward_start": (0.5, 1.0),
    "quanto": (1.0, 0.02, 0.1, 0.3),
}


@pytest.mark.parametrize("family", sorted(GOOD))
def test_every_broken_input_is_named_and_leaves_the_others_alone(family: str) -> None:
    names = registry.FAMILIES[family].inputs
    good = np.array([1.0, 100.0, 95.0, 1.0, 0.3, 0.05, 0.02, *GOOD[family]])
    assert len(good) == len(names)
    due = value(family, *good)
    refused = set()
    for row in range(len(names)):
        for broken in (math.nan, math.inf, -1e60, 1e60):
            block = np.tile(good[:, None], (1, 2))
            block[row, 0] = broken
            outcome = registry.evaluate(family, block, 1)
            assert outcome.outputs[0, 1] == due
            if outcome.status[0] == status.OK:
                # Only inputs that the family doesn't use may be anything.
                assert outcome.outputs[0, 0] == due, names[row]
                continue
            assert math.isnan(outcome.outputs[0, 0])
            assert status.RULES[int(outcome.status[0])][0]
            refused.add(names[row])
    assert refused >= {"spot", "time_years", "volatility", "interest_rate", "dividend_yield"}
