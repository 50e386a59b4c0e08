"""Values to 1e-12 of themselves, however little of the price is left: the accurate form.

The fast forms subtract two legs, so their error is relative to the larger leg. Here the value of
the out-of-the-money option comes from the one function that doesn't cancel (``scaled_black``), an
option in the money adds the intrinsic value, which doesn't cancel either, and the logarithm that
everything depends on is carried to twice the precision: at a deviation of 1e-5 its last digit
would be the eleventh of the value. Error: below 1e-13 of the value plus what one unit in the last
place of rate times time and yield times time means to the discount factors.

Source: Dekker, A floating-point technique for extending the available precision (1971); Jäckel,
Let's Be Rational (2013).
"""

from __future__ import annotations

import math
from typing import Any

import numba
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    RATE,
    RIGHT,
    SPOT,
    STATUS_TYPE,
    STRIKE,
    TIME,
    VALUE,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.elementary import (
    LN2_HIGH,
    LN2_LOW,
    exponential,
    multiply_add,
)
from tradecaptain.kernels.pricing.elementary import log_parts as scaled_parts
from tradecaptain.kernels.pricing.implied_volatility import scaled_bachelier, scaled_black
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, OK
from tradecaptain.kernels.pricing.validity import (
    DEVIATION_MIN,
    check_lognormal,
    check_normal,
    erase_invalid,
)


@inline
def _two_sum(first: float, second: float) -> tuple[float, float]:
    """Rounded sum and its error."""
    total = first + second
    part = total - first
    return total, (first - (total - part)) + (second - part)


@inline
def _two_product(first: float, second: float) -> tuple[float, float]:
    """Rounded product and its error."""
    product = first * second
    return product, multiply_add(first, second, -product)


@inline
def exact_moneyness(
    spot: float, strike: float, time: float, rate: float, dividend_yield: float
) -> float:
    """``log(S / K) + (r - q) T`` with an absolute error near 1e-18, however much cancels."""
    difference, _, exponent = scaled_parts(spot, strike)
    scaled = spot - difference
    total, total_rest = _two_sum(spot, scaled)
    ratio = difference / total
    ratio_rest = (multiply_add(-ratio, total, difference) - ratio * total_rest) / total
    whole, whole_rest = _two_product(exponent, LN2_HIGH)
    carry, carry_rest = _two_sum(rate, -dividend_yield)
    drift, drift_rest = _two_product(carry, time)
    first, first_rest = _two_sum(whole, drift)
    last, last_rest = _two_sum(first, 2.0 * ratio)
    small = whole_rest + exponent * LN2_LOW + drift_rest + carry_rest * time
    return last + (last_rest + first_rest + small + 2.0 * ratio_rest + _series_tail(ratio))


@inline
def _series_tail(ratio: float) -> float:
    """``2 atanh(ratio) - 2 ratio`` for ratios up to 1/5."""
    square = ratio * ratio
    total = 1.0 / 29.0
    for order in range(27, 1, -2):
        total = multiply_add(total, square, 1.0 / order)
    return 2.0 * ratio * square * total


@inline
def black_scholes_accurate_value(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> float:
    """Value of one option of Black-Scholes-Merton; with a yield equal to the rate, of Black-76."""
    moneyness = exact_moneyness(spot, strike, time, rate, dividend_yield)
    distance = abs(moneyness)
    lower = min(spot * exponential(-dividend_yield * time), strike * exponential(-rate * time))
    deviation = volatility * math.sqrt(time)
    value = 0.0
    if deviation > DEVIATION_MIN:
        value = lower * exponential(0.5 * distance) * scaled_black(-distance, deviation)
    return value + lower * math.expm1(distance) if right * moneyness > 0.0 else value


@inline
def bachelier_accurate_value(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> float:
    """Value of one option of the normal model."""
    gap = right * (forward - strike)
    deviation = volatility * math.sqrt(time)
    value = scaled_bachelier(abs(gap), deviation) if deviation > DEVIATION_MIN else 0.0
    return exponential(-rate * time) * (value + max(gap, 0.0))


@kernel(numba.int64(BLOCK_TYPE, BLOCK_TYPE, STATUS_TYPE))
def lognormal_accurate_values(inputs: Any, outputs: Any, status: Any) -> int:
    """Row ``VALUE`` and the status of a block of 6 or 7 rows; returns how many are invalid."""
    invalid_count = check_lognormal(inputs, status)
    yield_row = YIELD if inputs.shape[0] > YIELD else RATE
    for index in range(inputs.shape[1]):
        if status[index] == OK or status[index] == GREEKS_UNDEFINED:
            outputs[VALUE, index] = black_scholes_accurate_value(
                inputs[RIGHT, index],
                inputs[SPOT, index],
                inputs[STRIKE, index],
                inputs[TIME, index],
                inputs[VOLATILITY, index],
                inputs[RATE, index],
                inputs[yield_row, index],
            )
    if invalid_count > 0:
        erase_invalid(status, outputs)
    return invalid_count


@kernel(numba.int64(BLOCK_TYPE, BLOCK_TYPE, STATUS_TYPE))
def bachelier_accurate_values(inputs: Any, outputs: Any, status: Any) -> int:
    """As ``lognormal_accurate_values``, of the normal model (6 rows)."""
    invalid_count = check_normal(inputs, status)
    for index in range(inputs.shape[1]):
        if status[index] == OK or status[index] == GREEKS_UNDEFINED:
            outputs[VALUE, index] = bachelier_accurate_value(
                inputs[RIGHT, index],
                inputs[SPOT, index],
                inputs[STRIKE, index],
                inputs[TIME, index],
                inputs[VOLATILITY, index],
                inputs[RATE, index],
            )
    if invalid_count > 0:
        erase_invalid(status, outputs)
    return invalid_count
