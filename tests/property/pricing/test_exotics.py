"""What holds between exotic options, over wide domains: parities, bounds, order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tradecaptain.kernels.pricing import columns, double_barrier, registry, two_asset

pytestmark = pytest.mark.twin

moneyness = st.floats(-10.0, 10.0)
times = st.floats(1e-6, 50.0)
volatilities = st.floats(1e-4, 5.0)
rates = st.floats(-0.1, 0.5)
rights = st.sampled_from([1.0, -1.0])
shares = st.floats(0.05, 0.95)
correlations = st.floats(-1.0, 1.0)
Market = tuple[float, float, float, float]
ALWAYS = 0.0  # count of looks at the barriers
markets = st.tuples(times, volatilities, rates, rates).filter(
    lambda market: market[1] * math.sqrt(market[0]) <= 7.9
)


def value(family: str, *inputs: float) -> float:
    outcome = registry.evaluate(family, registry.stack(*inputs), 1)
    assert outcome.invalid_count == 0, outcome.status
    found = float(outcome.outputs[0, 0])
    assert math.isfinite(found)
    return found


def size(market: Market, *strikes: float) -> float:
    """Largest leg that rounding can touch: asset or strike, discounted or grown."""
    time, _, rate, dividend_yield = market
    carried = math.exp(-dividend_yield * time)
    grown = math.exp(-rate * time)
    return max(1.0, carried, *(strike * max(grown, 1.0) for strike in strikes))


@given(markets, rights, moneyness)
def test_floating_lookbacks_lie_between_an_option_on_the_extreme_and_the_asset(
    market: Market, right: float, distance: float
) -> None:
    extreme = math.exp(-right * abs(distance))
    found = value("floating_lookback", right, 1.0, 1.0, *market, extreme)
    plain = value("black_scholes", right, 1.0, extreme, *market)
    rounding = 1e-11 * size(market, extreme)
    assert found >= plain - rounding
    if right > 0:
        assert found <= math.exp(-market[3] * market[0]) + rounding


@given(markets, rights, moneyness, shares)
def test_fixed_lookbacks_grow_with_their_window_from_the_plain_option(
    market: Market, right: float, distance: float, share: float
) -> None:
    strike = math.exp(distance)
    inputs = (right, 1.0, strike, *market)
    plain = value("black_scholes", *inputs)
    partial = value("partial_fixed_lookback", *inputs, 1.0, share * market[0])
    whole = value("fixed_lookback", *inputs, 1.0)
    rounding = 1e-10 * size(market, strike) * math.exp(2.0 * market[1] * math.sqrt(market[0]))
    assert plain - rounding <= partial <= whole + rounding


@given(markets, rights, rights, moneyness, moneyness, shares)
def test_compound_calls_less_puts_are_the_option_less_its_price(
    market: Market, right: float, inner: float, distance: float, price: float, share: float
) -> None:
    del right
    time, *rest = market
    assume(share * time >= 1e-8)
    strike, cost = math.exp(distance), math.exp(price)
    early = share * time
    call, put = (
        value("compound", w, 1.0, cost, early, *rest, inner, strike, time) for w in (1.0, -1.0)
    )
    option = value("black_scholes", inner, 1.0, strike, *market)
    owed = cost * math.exp(-market[2] * early)
    assert call - put == pytest.approx(option - owed, abs=1e-12 * size(market, strike, cost))
    assert -1e-15 <= call <= option + 1e-12 * size(market, strike)


@given(markets, moneyness, shares)
def test_a_choice_is_worth_more_than_either_and_less_than_both(
    market: Market, distance: float, share: float
) -> None:
    time, *rest = market
    assume(share * time >= 1e-8)
    strike = math.exp(distance)
    found = value("chooser", 1.0, 1.0, strike, time, *rest, share * time, strike, time)
    call, put = (value("black_scholes", w, 1.0, strike, *market) for w in (1.0, -1.0))
    rounding = 1e-11 * size(market, strike)
    assert max(call, put) - rounding <= found <= call + put + rounding


@given(markets, moneyness, volatilities, rates, correlations)
def test_exchanging_both_ways_is_exchanging_the_assets(
    market: Market,
    distance: float,
    other_volatility: float,
    other_yield: float,
    correlation: float,
) -> None:
    time, volatility, rate, dividend_yield = market
    assume(other_volatility * math.sqrt(time) <= 7.9)
    other = math.exp(distance)
    there = value(
        "exchange",
        *(1.0, 1.0, 1.0, time, volatility, rate, dividend_yield),
        *(other, other_volatility, other_yield, correlation, 1.0, 1.0),
    )
    back = value(
        "exchange",
        *(1.0, other, 1.0, time, other_volatility, rate, other_yield),
        *(1.0, volatility, dividend_yield, correlation, 1.0, 1.0),
    )
    carried = math.exp(-dividend_yield * time)
    other_carried = other * math.exp(-other_yield * time)
    rounding = 1e-13 * max(carried, other_carried)
    assert there - back == pytest.approx(carried - other_carried, abs=rounding)


@given(markets, rights, moneyness, moneyness, volatilities, correlations)
def test_minimum_and_maximum_make_both_and_keep_their_order(
    market: Market,
    right: float,
    distance: float,
    other_distance: float,
    other_volatility: float,
    correlation: float,
) -> None:
    time, volatility, rate, dividend_yield = market
    assume(other_volatility * math.sqrt(time) <= 7.9)
    strike, other = math.exp(distance), math.exp(other_distance)
    first = (1.0, strike, time, volatility, rate, dividend_yield)
    second = (other, other_volatility, 0.02, correlation)
    smallest, largest = (
        value("two_asset_basket", right, *first, *second, kind)
        for kind in (two_asset.MINIMUM, two_asset.MAXIMUM)
    )
    one = value("black_scholes", right, *first)
    two = value("black_scholes", right, other, strike, time, other_volatility, rate, 0.02)
    rounding = 1e-11 * max(size(market, strike), other * math.exp(max(-0.02, rate) * time))
    assert smallest + largest == pytest.approx(one + two, abs=rounding)
    low, high = (smallest, largest) if right > 0 else (largest, smallest)
    assert low <= min(one, two) + rounding
    assert high >= max(one, two) - rounding


@given(markets, rights, moneyness, st.floats(0.01, 3.0), st.floats(0.01, 3.0))
def test_double_barriers_make_the_plain_option_and_narrower_ones_die_sooner(
    market: Market, right: float, distance: float, below: float, above: float
) -> None:
    strike = math.exp(distance)
    inputs = (right, 1.0, strike, *market)
    band = (math.exp(-below), math.exp(above))
    narrow = (math.exp(-0.7 * below), math.exp(0.8 * above))
    out, knocked_in = (
        value("double_barrier", *inputs, 0.0, *band, kind, ALWAYS)
        for kind in (double_barrier.KNOCK_OUT, double_barrier.KNOCK_IN)
    )
    narrow_out = value("double_barrier", *inputs, 0.0, *narrow, double_barrier.KNOCK_OUT, ALWAYS)
    plain = value("black_scholes", *inputs)
    rounding = 1e-11 * size(market, strike, band[1])
    assert out + knocked_in == pytest.approx(plain, abs=rounding)
    assert narrow_out <= out + rounding
    one_sided = (
        value("barrier_option", *inputs, 0.0, band[0], columns.DOWN_OUT)
        if (market[1] >= 1e-3)
        else plain
    )
    assert out <= one_sided + 1e-9 * size(market, strike, band[1])


@given(markets, rights, moneyness, st.floats(0.01, 1.0), st.floats(0.0, 1.0))
def test_soft_barriers_lie_between_the_hard_ones_of_their_band(
    market: Market, right: float, distance: float, below: float, width: float
) -> None:
    strike = math.exp(distance)
    inputs = (right, 1.0, strike, *market, 0.0)
    high = math.exp(-below)
    low = high * math.exp(-width)
    soft = value("soft_barrier", *inputs, low, columns.DOWN_OUT, high)
    at_low, at_high = (
        value("barrier_option", *inputs, level, columns.DOWN_OUT) for level in (low, high)
    )
    rounding = 1e-9 * size(market, strike)
    assert at_high - rounding <= soft <= at_low + rounding


@given(markets, rights, moneyness, st.integers(1, 400), st.floats(0.0, 0.9))
def test_an_average_of_many_fixings_nears_the_continuous_one(
    market: Market, right: float, distance: float, count: int, share: float
) -> None:
    strike = math.exp(distance)
    inputs = (right, 1.0, strike, *market)
    first = share * market[0]
    few, many, all_of_them = (
        value("geometric_asian", *inputs, first, fixings, 0.0)
        for fixings in (float(count), 10_000.0, 0.0)
    )
    assert min(few, many, all_of_them) >= 0.0
    assert many == pytest.approx(all_of_them, abs=2e-3 * size(market, strike))


@pytest.mark.parametrize("family", ["floating_lookback", "fixed_lookback"])
def test_lookbacks_are_smooth_where_the_asset_carries_nothing(family: str) -> None:
    carries = np.array([-1e-3, -1e-7, -1e-12, 0.0, 1e-12, 1e-7, 1e-3])
    inputs = registry.stack(1.0, 1.0, 1.1, 2.0, 0.3, 0.05, 0.05 - carries, 0.9)
    found = registry.evaluate(family, inputs, 1).outputs[0]
    slope = (found[-1] - found[0]) / 2e-3
    assert found == pytest.approx(found[3] + slope * carries, abs=4e-6)
    assert found[2:5] == pytest.approx(np.full(3, found[3]), abs=1e-11)
