"""Which options of a block lie in the domain of their model.

The pricing kernels themselves have no branches and accept anything; these passes say beforehand
what may be priced and afterwards make the outputs of everything else NaN.

Bounds are our own: within them no intermediate result of a model overflows. Prices lie from 1e-50
to 1e50 (the normal model: within 1e50), times from 0 to 1,000 years, volatilities from 0 to 100
(with barriers from 1e-4; the normal model to 1e50), rates and yields within 100 and within 500 in
all over the time. NaN lies nowhere. Functions give a number of ``status``, or count options; none
raises.
"""

from __future__ import annotations

import math
from typing import Any

import numba
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.columns import (
    AMOUNT,
    BARRIER,
    BARRIER_KIND,
    BLOCK_TYPE,
    RATE,
    RIGHT,
    SPOT,
    STATUS_TYPE,
    STRIKE,
    TIME,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.elementary import log_ratio
from tradecaptain.kernels.pricing.status import (
    GREEKS_UNDEFINED,
    INVALID_AMOUNT,
    INVALID_BARRIER,
    INVALID_BARRIER_KIND,
    INVALID_RATE,
    INVALID_RIGHT,
    INVALID_SPOT,
    INVALID_STRIKE,
    INVALID_TIME,
    INVALID_VOLATILITY,
    INVALID_YIELD,
    OK,
    RATE_TOO_NEGATIVE,
)

PRICE_MIN = 1e-50
PRICE_MAX = 1e50
TIME_MAX = 1000.0
VOLATILITY_MAX = 100.0
RATE_MAX = 100.0
DISCOUNT_POWER_MAX = 500.0
DEVIATION_MIN = 1e-30
# A barrier's closed forms divide by time and variance.
BARRIER_TIME_MIN = 1e-9
BARRIER_VOLATILITY_MIN = 1e-4


@inline
def is_positive_price(price: float) -> bool:
    """Whether a price may enter a lognormal model; false for NaN."""
    return PRICE_MIN <= price <= PRICE_MAX


@inline
def is_rate(rate: float, time: float) -> bool:
    """Whether a rate, and its discount factor, may enter a model; false for NaN."""
    return abs(rate) <= RATE_MAX and abs(rate * time) <= DISCOUNT_POWER_MAX


@inline
def contract_status(right: float, time: float, rate: float) -> int:
    """Status of the inputs that all models share, but for volatility and prices."""
    if not (right == 1.0 or right == -1.0):
        return INVALID_RIGHT
    if not 0.0 <= time <= TIME_MAX:
        return INVALID_TIME
    if not is_rate(rate, time):
        return INVALID_RATE
    return OK


@inline
def lognormal_status(
    right: float, spot: float, strike: float, time: float, volatility: float, rate: float
) -> int:
    """Status of the inputs of a lognormal model without a yield."""
    if not is_positive_price(spot):
        return INVALID_SPOT
    if not is_positive_price(strike):
        return INVALID_STRIKE
    if not 0.0 <= volatility <= VOLATILITY_MAX:
        return INVALID_VOLATILITY
    return contract_status(right, time, rate)


@inline
def normal_status(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> int:
    """Status of the inputs of the normal model, where prices may be zero or negative."""
    if not abs(forward) <= PRICE_MAX:
        return INVALID_SPOT
    if not abs(strike) <= PRICE_MAX:
        return INVALID_STRIKE
    if not 0.0 <= volatility <= PRICE_MAX:
        return INVALID_VOLATILITY
    return contract_status(right, time, rate)


@inline
def lognormal_option_status(inputs: Any, index: int) -> int:
    """Status of one option of a block of 6 rows, 7 (with yields) or 8 (with amounts)."""
    rows = inputs.shape[0]
    spot = inputs[SPOT, index]
    strike = inputs[STRIKE, index]
    time = inputs[TIME, index]
    volatility = inputs[VOLATILITY, index]
    rate = inputs[RATE, index]
    result = lognormal_status(inputs[RIGHT, index], spot, strike, time, volatility, rate)
    # Without a row of yields the underlying is a future, whose cost of carry is zero.
    dividend_yield = inputs[YIELD, index] if rows > YIELD else rate
    if result == OK and not is_rate(dividend_yield, time):
        result = INVALID_YIELD
    if result == OK and rows > AMOUNT and not abs(inputs[AMOUNT, index]) <= PRICE_MAX:
        result = INVALID_AMOUNT
    if (
        result == OK
        and volatility * math.sqrt(time) <= DEVIATION_MIN
        and log_ratio(spot, strike) + (rate - dividend_yield) * time == 0.0
    ):
        result = GREEKS_UNDEFINED
    return result


@kernel(numba.int64(BLOCK_TYPE, STATUS_TYPE))
def check_lognormal(inputs: Any, status: Any) -> int:
    """Fill ``status`` for a block of 6 rows, 7 (with yields) or 8 (with amounts).

    Returns how many options must not be priced.
    """
    invalid_count = 0
    for index in range(inputs.shape[1]):
        result = lognormal_option_status(inputs, index)
        if result != OK and result != GREEKS_UNDEFINED:
            invalid_count += 1
        status[index] = result
    return invalid_count


@kernel(numba.int64(BLOCK_TYPE, BLOCK_TYPE, STATUS_TYPE, numba.int64, numba.int64))
def settle_chunk(inputs: Any, outputs: Any, status: Any, start: int, count: int) -> int:
    """Status of some options of a lognormal block; outputs of the invalid ones become NaN.

    Returns how many are invalid.
    """
    invalid_count = 0
    for index in range(start, start + count):
        result = lognormal_option_status(inputs, index)
        status[index] = result
        if result != OK and result != GREEKS_UNDEFINED:
            invalid_count += 1
            for row in range(outputs.shape[0]):
                outputs[row, index] = math.nan
    return invalid_count


@inline
def barrier_status(barrier: float, kind: float, time: float, volatility: float) -> int:
    """Status of what a barrier adds to the inputs of a lognormal model."""
    if not is_positive_price(barrier):
        return INVALID_BARRIER
    if not (kind == 0.0 or kind == 1.0 or kind == 2.0 or kind == 3.0):
        return INVALID_BARRIER_KIND
    if not time >= BARRIER_TIME_MIN:
        return INVALID_TIME
    return OK if volatility >= BARRIER_VOLATILITY_MIN else INVALID_VOLATILITY


@kernel(numba.int64(BLOCK_TYPE, STATUS_TYPE))
def check_barrier(inputs: Any, status: Any) -> int:
    """Fill ``status`` for a block of 10 rows with barriers; returns as above."""
    check_lognormal(inputs, status)
    invalid_count = 0
    for index in range(inputs.shape[1]):
        result = status[index]
        if result in (OK, GREEKS_UNDEFINED):
            result = barrier_status(
                inputs[BARRIER, index],
                inputs[BARRIER_KIND, index],
                inputs[TIME, index],
                inputs[VOLATILITY, index],
            )
        if result != OK:
            invalid_count += 1
        status[index] = result
    return invalid_count


@kernel(numba.int64(BLOCK_TYPE, STATUS_TYPE))
def check_touch(inputs: Any, status: Any) -> int:
    """As ``check_barrier``, where the amount is paid at the touch.

    The value of that has no closed form in real numbers if the rate is far below zero.
    """
    invalid_count = check_barrier(inputs, status)
    for index in range(inputs.shape[1]):
        if status[index] != OK or inputs[AMOUNT, index] == 0.0:
            continue
        rate = inputs[RATE, index]
        variance = inputs[VOLATILITY, index] ** 2
        drift = (rate - inputs[YIELD, index]) / variance - 0.5
        if drift * drift + 2.0 * rate / variance < 0.0:
            status[index] = RATE_TOO_NEGATIVE
            invalid_count += 1
    return invalid_count


@kernel(numba.int64(BLOCK_TYPE, STATUS_TYPE))
def check_normal(inputs: Any, status: Any) -> int:
    """Fill ``status`` for a block of 6 rows of the normal model; returns as above."""
    invalid_count = 0
    for index in range(inputs.shape[1]):
        forward = inputs[SPOT, index]
        strike = inputs[STRIKE, index]
        time = inputs[TIME, index]
        volatility = inputs[VOLATILITY, index]
        result = normal_status(
            inputs[RIGHT, index], forward, strike, time, volatility, inputs[RATE, index]
        )
        if result != OK:
            invalid_count += 1
        elif volatility * math.sqrt(time) <= DEVIATION_MIN and forward == strike:
            result = GREEKS_UNDEFINED
        status[index] = result
    return invalid_count


@kernel(numba.void(STATUS_TYPE, BLOCK_TYPE))
def erase_invalid(status: Any, outputs: Any) -> None:
    """Set every output of an option that must not be priced to NaN."""
    for row in range(outputs.shape[0]):
        for index in range(outputs.shape[1]):
            if status[index] != OK and status[index] != GREEKS_UNDEFINED:
                outputs[row, index] = math.nan
