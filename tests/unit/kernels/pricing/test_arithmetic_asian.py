"""Arithmetic averages by the grid, whose thousands of steps are slow with the JIT off."""

from __future__ import annotations

import numpy as np
import pytest
from tradecaptain.kernels.pricing import asian_grid, registry, status
from twins.pricing import exotic as twin

RIGHTS = [1.0, -1.0]


def value(family: str, *inputs: float) -> float:
    outcome = registry.evaluate(family, registry.stack(*inputs), 1)
    assert outcome.invalid_count == 0, outcome.status
    return float(outcome.outputs[0, 0])


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize(("seed", "share"), [(1, 0.2), (2, 0.5), (3, 0.8), (4, 0.4)])
def test_two_fixings_are_an_option_given_the_first(seed: int, share: float, right: float) -> None:
    spot, time, strike = 100.0, 0.4 * seed, 97.0
    rest = (0.1 * seed, 0.05, 0.02 * seed)
    market, first = (spot, time, *rest), share * time
    due = twin.two_fixings(right, strike, first, market)
    found = value("arithmetic_asian", right, spot, strike, time, *rest, first, 2.0, 0.0)
    assert found == pytest.approx(due, abs=1e-5)


# Linetsky, Spectral Expansions for Asian (Average Price) Options (2004), table 3.
LINETSKY = [
    (2.0, 0.02, 0.10, 1.0, 0.0559860415),
    (2.0, 0.18, 0.30, 1.0, 0.2183875466),
    (2.0, 0.0125, 0.25, 2.0, 0.1722687410),
    (1.9, 0.05, 0.50, 1.0, 0.1931737903),
    (2.0, 0.05, 0.50, 1.0, 0.2464156905),
    (2.1, 0.05, 0.50, 1.0, 0.3062203648),
    (2.0, 0.05, 0.50, 2.0, 0.3500952190),
]


@pytest.mark.parametrize(("spot", "rate", "volatility", "time", "due"), LINETSKY)
def test_continuous_averages_have_eight_digits(
    spot: float, rate: float, volatility: float, time: float, due: float
) -> None:
    found = value("arithmetic_asian", 1.0, spot, 2.0, time, volatility, rate, 0.0, 0.0, 0.0, 0.0)
    assert found == pytest.approx(due, abs=1e-8 * spot)


@pytest.mark.parametrize("count", [1.0, 2.0, 7.0, 100.0, 0.0])
@pytest.mark.parametrize("first", [0.0, 0.3])
def test_calls_less_puts_are_averages_less_strikes(count: float, first: float) -> None:
    spot, strike, time, volatility, rate, dividend_yield = 100.0, 95.0, 1.2, 0.3, 0.06, 0.02
    market = (time, volatility, rate, dividend_yield)
    start = time if count == 1.0 else first
    call, put = (
        value("arithmetic_asian", right, spot, strike, *market, first, count, 0.0)
        for right in RIGHTS
    )
    times = np.linspace(start, time, int(count) if count else 20_001)
    means = spot * np.exp((rate - dividend_yield) * times)
    mean = means.mean() if count else np.trapezoid(means, times) / (time - start)
    assert call - put == pytest.approx(np.exp(-rate * time) * (mean - strike), abs=1e-6)


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize(
    ("volatility", "error"), [(0.01, 2e-6), (0.3, 2e-6), (0.9, 2e-6), (1.9, 2e-5), (2.9, 2e-3)]
)
def test_one_fixing_is_a_european_option(volatility: float, error: float, right: float) -> None:
    inputs = (right, 100.0, 95.0, 1.0, volatility, 0.06, 0.02)
    found = value("arithmetic_asian", *inputs, 0.4, 1.0, 0.0)
    assert found == pytest.approx(value("black_scholes", *inputs), abs=error)


def test_options_outside_the_domain_are_refused_and_leave_the_others_alone() -> None:
    good = [1.0, 100.0, 95.0, 1.0, 0.3, 0.06, 0.02, 0.1, 10.0, 0.0]
    block = np.tile(np.array(good)[:, None], (1, 7))
    block[4, 1] = 3.1
    block[4, 2] = np.nan
    block[8, 3] = 2.5
    block[7, 4] = 1.1
    block[1, 5] = -1.0
    outcome = registry.evaluate("arithmetic_asian", block, 1)
    assert list(outcome.status) == [
        status.OK,
        status.INVALID_VOLATILITY,
        status.INVALID_VOLATILITY,
        status.INVALID_COUNT,
        status.INVALID_EARLIER_TIME,
        status.INVALID_SPOT,
        status.OK,
    ]
    assert outcome.outputs[0, 0] == outcome.outputs[0, 6] == value("arithmetic_asian", *good)
    assert np.isnan(outcome.outputs[0, 1:6]).all()


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("is_strike", [0.0, 1.0])
@pytest.mark.parametrize("count", [4.0, 52.0, 0.0])
def test_fixings_near_the_continuous_average_and_simulation(
    right: float, is_strike: float, count: float
) -> None:
    spot, strike, time, volatility, rate, dividend_yield = 100.0, 102.0, 0.9, 0.35, 0.05, 0.01
    steps = int(count) if count else 200
    random = np.random.default_rng(11)
    moves = random.standard_normal((20_000, steps))
    moves = np.concatenate([moves, -moves])
    first = time / steps if count else 0.0
    drift = (rate - dividend_yield - volatility**2 / 2) * time / steps
    paths = spot * np.exp(np.cumsum(drift + volatility * np.sqrt(time / steps) * moves, axis=1))
    if count:
        average = paths.mean(axis=1)
    else:
        average = (paths.sum(axis=1) - 0.5 * paths[:, -1] + 0.5 * spot) / steps
    level = average if is_strike else strike
    gains = np.maximum(right * ((paths[:, -1] if is_strike else average) - level), 0)
    gains *= np.exp(-rate * time)
    found = value(
        "arithmetic_asian",
        *(right, spot, strike, time, volatility, rate, dividend_yield),
        *(first, count, is_strike),
    )
    pairs = 0.5 * (gains[:20_000] + gains[20_000:])
    error = pairs.std() / np.sqrt(len(pairs))
    assert abs(found - pairs.mean()) < 4 * error + 1e-3


@pytest.mark.twin
def test_a_coarse_grid_is_near_without_the_jit_too() -> None:
    spot, rate, volatility, time, due = LINETSKY[4]
    holding = (1 - np.exp(-rate * time)) / (rate * time)
    start = holding - np.exp(-rate * time) * 2.0 / spot
    option = np.array([1.0, start, 0.0, time, volatility, rate, 0.0, 0.0, holding])
    work = np.empty((asian_grid.WORK_ROWS, 81))
    assert spot * asian_grid.solve_average(work, option, 0, 40) == pytest.approx(due, rel=5e-3)
