"""Implied volatility: round trips from 50-digit prices, and a defined answer for every input."""

from __future__ import annotations

import math

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels.pricing import (
    implied_block,
    implied_normal_block,
    implied_volatility,
    registry,
    status,
)
from twins.pricing import european as twin

pytestmark = pytest.mark.twin


def solve(model: str, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kernel = (
        implied_normal_block.bachelier_implied_volatilities
        if model == "bachelier"
        else implied_block.black_implied_volatilities
    )
    statuses = np.empty(block.shape[1], dtype=np.int64)
    outputs = np.empty((1, block.shape[1]))
    kernel(block, statuses, outputs)
    return outputs[0], statuses


def condition(family: str, inputs: tuple[float, ...], price: float) -> float:
    """Relative change of the volatility when the price changes by half a unit in its last place."""
    vega = float(twin.greek(family, "vega", inputs))
    return 0.5 * math.ulp(price) / (vega * inputs[4]) if vega else math.inf


@pytest.mark.parametrize("family", ["black_scholes", "black76", "bachelier"])
def test_volatility_comes_back_from_its_exact_price(family: str) -> None:
    random = np.random.default_rng(sum(map(ord, family)) + 1)
    worst = 0.0
    for _ in range(12 if JIT_DISABLED else 100):
        time = float(10.0 ** random.uniform(-3, 1.5))
        deviation = float(10.0 ** random.uniform(-3, 0.9))
        distance = float(random.uniform(-1, 1) * random.choice([0.0, 0.01, 1.0, 5.0, 20.0]))
        rate, dividend_yield = random.uniform(-0.02, 0.1, 2).tolist()
        if family == "bachelier":
            forward = float(random.uniform(-10, 10))
            strike, scale = forward + distance * deviation, 1.0
        else:
            forward = float(np.exp(random.uniform(-2, 8)))
            strike, scale = forward * math.exp(distance * min(deviation, 3.0)), forward
        # The forward of a spot differs from it; the right is out of the money against the forward.
        carry = (rate - dividend_yield) * time if family == "black_scholes" else 0.0
        right = 1.0 if strike > forward * math.exp(carry) else -1.0
        if family == "bachelier":
            right = 1.0 if strike > forward else -1.0
        volatility = deviation / math.sqrt(time)
        inputs = (right, forward, strike, time, volatility, rate)
        inputs += (dividend_yield,) if family == "black_scholes" else ()
        price = float(twin.value(family, inputs))
        if price < 1e-280 * scale:
            continue
        found, statuses = solve(family, registry.stack(*inputs[:4], price, *inputs[5:]))
        assert statuses[0] == status.OK, inputs
        # Rounding of rate, yield and moneyness counts like that of the price, and more for small s.
        sensitivity = 1.0
        if family != "bachelier":
            sensitivity += (abs(math.log(strike / forward)) + abs(rate) * time) / deviation
        allowed = 20 * condition(family, inputs, price) + 2e-15 * sensitivity
        worst = max(worst, abs(found[0] / volatility - 1.0) / allowed)
    assert worst < (5.0 if JIT_DISABLED else 1.0)


@pytest.mark.parametrize(
    ("price", "due"),
    [
        (-1e-9, status.PRICE_BELOW_INTRINSIC),
        (0.0, status.PRICE_CARRIES_NO_VOLATILITY),
        (100.0, status.PRICE_ABOVE_MAXIMUM),
        (101.0, status.PRICE_ABOVE_MAXIMUM),
        (math.nan, status.INVALID_PRICE),
        (math.inf, status.INVALID_PRICE),
        (99.999, status.OK),
        (1e-250, status.OK),
    ],
)
def test_every_price_has_an_answer(price: float, due: int) -> None:
    volatilities, statuses = solve("black76", registry.stack(1.0, 100.0, 120.0, 1.0, price, 0.0))
    assert statuses[0] == due
    if due == status.OK:
        assert volatilities[0] > 0.0
    elif due == status.PRICE_CARRIES_NO_VOLATILITY:
        assert volatilities[0] == 0.0
    else:
        assert math.isnan(volatilities[0])


def test_price_below_intrinsic_value_is_named_in_the_money() -> None:
    block = registry.stack(1.0, 120.0, 100.0, 1.0, np.array([19.9, 20.0, 20.5]), 0.0, 0.0)
    volatilities, statuses = solve("black_scholes", block)
    assert statuses.tolist() == [
        status.PRICE_BELOW_INTRINSIC,
        status.PRICE_CARRIES_NO_VOLATILITY,
        status.OK,
    ]
    assert volatilities[2] > 0.0


def test_no_time_is_an_invalid_time() -> None:
    for model, rows in (("black76", 6), ("bachelier", 6), ("black_scholes", 7)):
        block = registry.stack(*[1.0, 100.0, 100.0, 0.0, 5.0, 0.0, 0.0][:rows])
        assert solve(model, block)[1][0] == status.INVALID_TIME


def test_normal_model_at_the_money_is_exact() -> None:
    price = 3.25
    volatilities, _ = solve("bachelier", registry.stack(1.0, -2.0, -2.0, 4.0, price, 0.0))
    due = price * math.sqrt(2 * math.pi) / 2.0
    assert volatilities[0] == pytest.approx(due, rel=1e-15)


@numba.njit
def black_deviation(moneyness: float, target: float, complement: float) -> float:
    return implied_volatility.black_deviation(moneyness, target, complement)


@given(
    st.floats(-30.0, 0.0),
    st.floats(1e-280, 1.0, exclude_max=True),
)
def test_scaled_equation_is_solved_over_its_whole_domain(moneyness: float, share: float) -> None:
    maximum = math.exp(0.5 * moneyness)
    target = share * maximum
    if not 1e-280 < target < maximum * (1 - 1e-9):
        return
    deviation = black_deviation(moneyness, target, maximum - target)
    # The two terms of a value of 1e-280 differ after 280 digits.
    with mpmath.workdps(350):
        x, s = mpmath.mpf(moneyness), mpmath.mpf(deviation)
        value = mpmath.exp(x / 2) * mpmath.ncdf(x / s + s / 2)
        value -= mpmath.exp(-x / 2) * mpmath.ncdf(x / s - s / 2)
        slope = mpmath.npdf(x / s) * mpmath.exp(-s * s / 8)
        # The error in s, as the price sees it.
        error = abs(value - target) / (slope * s)
        allowed = 2e-14 + 20 * math.ulp(target) / (slope * s)
    assert error < allowed


def wide_case(random: np.random.Generator) -> tuple[float, float, float, float] | None:
    """Forward, volatility of one year, exact price of a call or put, and what one ulp of it means.

    Deviations 1e-4 … 30, from the money to 37 deviations out of it or deep in it.
    """
    deviation = float(10.0 ** random.uniform(-4, 1.48))
    reach = float(random.choice([0.0, 1e-6, 1.0, 10.0, 36.0]))
    distance = reach * random.uniform(-1, 1) * deviation
    if abs(distance) > 100.0:
        return None
    forward = math.exp(distance)
    with mpmath.workdps(80 + int(min((distance / deviation) ** 2, 1400) / 2)):
        s, x = mpmath.mpf(deviation), mpmath.log(mpmath.mpf(forward))
        price = forward * mpmath.ncdf(x / s + s / 2) - mpmath.ncdf(x / s - s / 2)
        rounded = float(price)
        vega = forward * mpmath.npdf(x / s + s / 2)
        if not 1e-280 < rounded < min(forward, 1e280) * (1 - 1e-13):
            return None
        return forward, deviation, rounded, float(math.ulp(rounded) / (vega * s))


def test_a_batch_is_right_to_the_last_digits_wherever_the_price_says_so() -> None:
    random = np.random.default_rng(7)
    found = (wide_case(random) for _ in range(100 if JIT_DISABLED else 1500))
    cases = np.array([case for case in found if case is not None and case[3] < 1e-3])
    forwards, deviations, prices, conditions = cases.T
    volatilities, statuses = solve("black76", registry.stack(1.0, forwards, 1.0, 1.0, prices, 0.0))
    assert (statuses == status.OK).all()
    errors = np.abs(volatilities / deviations - 1.0)
    # Four units in the last place beyond what the rounding of the price itself means.
    assert (errors <= 4 * 2.3e-16 + conditions).all(), errors.max()


@pytest.mark.parametrize("count", [1, 9, 255, 256, 300])
def test_an_option_is_solved_alike_wherever_it_stands(count: int) -> None:
    random = np.random.default_rng(count)
    volatility = random.uniform(0.05, 1.0, count)
    strike = 100 * np.exp(random.uniform(-2, 2, count) * volatility)
    block = registry.stack(1.0, 100.0, strike, 1.0, volatility, 0.02, 0.01)
    block[4] = registry.accurate_values("black_scholes", block).outputs[0]
    volatilities, _ = solve("black_scholes", block)
    np.testing.assert_allclose(volatilities, volatility, rtol=1e-12)
    for index in range(0, count, 50):
        alone, _ = solve("black_scholes", np.ascontiguousarray(block[:, [index]]))
        assert alone[0] == pytest.approx(volatilities[index], rel=1e-15)


def test_broken_options_among_good_ones_change_nothing() -> None:
    price = np.array([5.0, math.nan, 5.0, -1.0, 5.0, 1e9, 5.0, 0.0])
    volatilities, statuses = solve("black76", registry.stack(1.0, 100.0, 110.0, 1.0, price, 0.0))
    assert (statuses[::2] == status.OK).all()
    assert len(set(volatilities[::2].tolist())) == 1
    assert statuses[1::2].tolist() == [
        status.INVALID_PRICE,
        status.PRICE_BELOW_INTRINSIC,
        status.PRICE_ABOVE_MAXIMUM,
        status.PRICE_CARRIES_NO_VOLATILITY,
    ]


@pytest.mark.parametrize("family", ["black_scholes", "black76", "bachelier"])
def test_a_price_that_is_the_intrinsic_value_but_for_rounding_is_not_below_it(family: str) -> None:
    random = np.random.default_rng(41)
    count = 50 if JIT_DISABLED else 2_000
    right = random.choice([1.0, -1.0], count)
    strike = 10.0 ** random.uniform(-2, 4, count)
    spot = strike * np.exp(right * random.uniform(0.2, 3.0, count))
    rows = [right, spot, strike, random.uniform(0.001, 3.0, count), np.full(count, 1e-9)]
    rows += list(random.uniform(-0.03, 0.1, (2 if family == "black_scholes" else 1, count)))
    block = registry.stack(*rows)
    prices = (registry.accurate_values(family, block), registry.evaluate(family, block, 1))
    for priced in prices:
        block[4] = priced.outputs[0]
        statuses = solve(family, block)[1]
        assert set(statuses.tolist()) <= {status.OK, status.PRICE_CARRIES_NO_VOLATILITY}
        assert (statuses == status.PRICE_CARRIES_NO_VOLATILITY).any()
        # What lies below by more than rounding still does.
        block[4] *= 1.0 - 1e-9
        assert (solve(family, block)[1] == status.PRICE_BELOW_INTRINSIC).sum() > 0.9 * count
