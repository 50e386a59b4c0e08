"""Barrier families against an integrated twin, and the identities that must hold between them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradecaptain.kernels.pricing import columns, registry, status
from twins.pricing import barrier as twin

pytestmark = pytest.mark.twin

KINDS = {
    "down_in": columns.DOWN_IN,
    "down_out": columns.DOWN_OUT,
    "up_in": columns.UP_IN,
    "up_out": columns.UP_OUT,
}


def value(family: str, *inputs: float) -> float:
    outcome = registry.evaluate(family, registry.stack(*inputs), 1)
    assert outcome.invalid_count == 0, outcome.status
    return float(outcome.outputs[0, 0])


def random_case(seed: int, kind: str) -> tuple[float, ...]:
    """Spot, strike, time, volatility, rate, yield and a barrier on the living side."""
    random = np.random.default_rng(seed)
    spot = 100.0
    strike = float(random.uniform(80, 120))
    time, volatility = float(random.uniform(0.1, 2)), float(random.uniform(0.1, 0.5))
    rate, dividend_yield = random.uniform(-0.02, 0.1, 2).tolist()
    side = -1 if kind.startswith("down") else 1
    barrier = spot * math.exp(side * random.uniform(0.02, 0.3))
    return spot, strike, time, volatility, rate, dividend_yield, barrier


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("right", [1.0, -1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_knocked_options_are_the_integral_over_surviving_paths(
    kind: str, right: float, seed: int
) -> None:
    spot, strike, time, volatility, rate, dividend_yield, barrier = random_case(seed, kind)
    model = (spot, barrier, time, volatility, rate, dividend_yield)
    payoffs = {
        "barrier_option": lambda s: max(right * (s - strike), 0),
        "barrier_cash": lambda s: 7 if right * (s - strike) > 0 else 0,
        "barrier_asset": lambda s: s if right * (s - strike) > 0 else 0,
    }
    plain_families = {
        "barrier_option": "black_scholes",
        "barrier_cash": "cash_or_nothing",
        "barrier_asset": "asset_or_nothing",
    }
    for family, payoff in payoffs.items():
        amount = 7.0 if family == "barrier_cash" else 0.0
        inputs = (right, spot, strike, time, volatility, rate, dividend_yield)
        found = value(family, *inputs, amount, barrier, KINDS[kind])
        with mpmath.workdps(20):
            alive = float(twin.survival(payoff, [strike], *map(mpmath.mpf, model)))
        if kind.endswith("out"):
            due = alive
        else:
            extra = (amount,) if family != "barrier_option" else ()
            due = value(plain_families[family], *inputs, *extra) - alive
        assert found == pytest.approx(due, abs=1e-9), family


@pytest.mark.parametrize("kind", ["down_out", "up_out"])
@pytest.mark.parametrize("seed", [4, 5, 6, 7])
def test_touch_pays_the_discounted_chance_of_the_first_passage(kind: str, seed: int) -> None:
    spot, _, time, volatility, rate, dividend_yield, barrier = random_case(seed, kind)
    inputs = (1.0, spot, spot, time, volatility, rate, dividend_yield, 3.0, barrier, KINDS[kind])
    with mpmath.workdps(20):
        model = (spot, barrier, time, volatility, rate, dividend_yield)
        due = 3 * float(twin.touch(*map(mpmath.mpf, model)))
    assert value("touch_cash", *inputs) == pytest.approx(due, abs=1e-9)


@given(
    st.sampled_from(["down", "up"]),
    st.sampled_from([1.0, -1.0]),
    st.floats(0.2, 5.0),
    st.floats(0.3, 3.0),
    st.floats(0.01, 5.0),
    st.floats(0.02, 1.0),
    st.floats(-0.02, 0.2),
    st.floats(-0.02, 0.2),
)
def test_knock_in_and_knock_out_make_the_plain_option(
    side: str,
    right: float,
    strike: float,
    barrier: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> None:
    inputs = (right, 1.0, strike, time, volatility, rate, dividend_yield)
    plain = value("black_scholes", *inputs)
    parts = [
        value("barrier_option", *inputs, 0.0, barrier, KINDS[f"{side}_{knock}"])
        for knock in ("in", "out")
    ]
    assert min(parts) >= 0.0
    assert sum(parts) == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("beyond", [0.0, 10.0])
def test_a_touched_barrier_counts_as_touched(kind: str, beyond: float) -> None:
    barrier = 100.0
    spot = barrier - beyond if kind.startswith("down") else barrier + beyond
    inputs = (1.0, spot, 95.0, 1.0, 0.3, 0.05, 0.0)
    found = value("barrier_option", *inputs, 2.0, barrier, KINDS[kind])
    # A knock-out pays its rebate at once, a knock-in has become the plain option.
    due = 2.0 if kind.endswith("out") else value("black_scholes", *inputs)
    assert found == pytest.approx(due, rel=1e-14)


@pytest.mark.parametrize(
    ("row", "wrong", "due"),
    [
        (columns.BARRIER, 0.0, status.INVALID_BARRIER),
        (columns.BARRIER, math.nan, status.INVALID_BARRIER),
        (columns.BARRIER_KIND, 4.0, status.INVALID_BARRIER_KIND),
        (columns.BARRIER_KIND, 0.5, status.INVALID_BARRIER_KIND),
        (columns.BARRIER_KIND, math.nan, status.INVALID_BARRIER_KIND),
        (columns.TIME, 0.0, status.INVALID_TIME),
        (columns.VOLATILITY, 0.0, status.INVALID_VOLATILITY),
        (columns.RATE, -20.0, status.RATE_TOO_NEGATIVE),
        (columns.SPOT, -1.0, status.INVALID_SPOT),
    ],
)
def test_what_a_barrier_cannot_have_is_named(row: int, wrong: float, due: int) -> None:
    block = registry.stack(1.0, 100.0, 100.0, 1.0, 0.2, 0.05, 0.0, 2.0, 90.0, 1.0)
    block[row, 0] = wrong
    if due == status.RATE_TOO_NEGATIVE:
        # A carry that leaves a drift of nearly zero, so that no rate below zero is enough.
        block[columns.YIELD, 0] = -20.0 - 0.02
    outcome = registry.evaluate("barrier_option", block, 1)
    assert outcome.status[0] == due
    assert math.isnan(outcome.outputs[0, 0])
