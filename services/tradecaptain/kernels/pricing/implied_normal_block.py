"""Implied volatility of the normal model on blocks: as ``implied_block``, of one kind only.

The model has one shape: the value over |F - K| depends on h = |F - K| / s alone, so that a rational
function of its logarithm guesses h within 3e-4, and two of Householder's steps do the rest.

Source: Jäckel, Implied Normal Volatility (2017), for the reduction to one variable.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from tradecaptain.base.floats import floats_at
from tradecaptain.base.jit import inline_always, kernel
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    RATE,
    RIGHT,
    SPOT,
    STATUS_TYPE,
    STRIKE,
    TIME,
    VALUE,
)
from tradecaptain.kernels.pricing.columns import VOLATILITY as PRICE
from tradecaptain.kernels.pricing.elementary import INVERSE_ROOT_TWO_PI, log_ratio
from tradecaptain.kernels.pricing.implied_block import CHUNK, ROW_BYTES, SHARE_MIN, TIME_MIN
from tradecaptain.kernels.pricing.implied_steps import (
    ROOT_TWO_PI,
    halley,
    householder,
    log_ratio_and_inverse,
    mills_slope,
    normal_distance_parts,
    short_mills_slope,
)
from tradecaptain.kernels.pricing.implied_volatility import (
    bachelier_implied_volatility,
    price_status,
)
from tradecaptain.kernels.pricing.lognormal_block import (
    input_rows,
    is_unusual,
    telling_bits,
)
from tradecaptain.kernels.pricing.status import OK
from tradecaptain.kernels.pricing.validity import PRICE_MAX, normal_status
from tradecaptain.kernels.pricing.vector import fast_expm1


@inline_always
def normal_step(deviation: float, value: float, gap: float, is_short: bool) -> float:
    """A step in ``s`` of the normal model, Householder's by short functions or Halley's by full."""
    inverse = 1.0 / deviation
    distance = gap * inverse
    level = deviation * (short_mills_slope(distance) if is_short else mills_slope(distance))
    logarithm, inverse_level = log_ratio_and_inverse(level, value, level, is_short)
    first = INVERSE_ROOT_TWO_PI * inverse_level
    ratio = distance * inverse
    second = ratio * distance
    newton = (0.5 * distance * distance - logarithm) * level * ROOT_TWO_PI
    if not is_short:
        return halley(newton, second - first)
    third = second * second - 3.0 * ratio * ratio
    return householder(newton, second - first, third - first * (3.0 * second - 2.0 * first))


@inline_always
def normal_deviation(value: float, gap: float) -> float:
    """``s`` of the out-of-the-money value of the normal model; gap is |F - K|."""
    floor = max(gap, 1e-8 * value)
    logarithm = log_ratio(floor + value, value)
    top, bottom = normal_distance_parts(logarithm)
    deviation = floor * bottom / top
    deviation += normal_step(deviation, value, gap, True)
    return deviation + normal_step(deviation, value, gap, False)


@inline_always
def normal_pass(rows: Any, volatilities: Any, count: int, anchor: int) -> int:
    """Volatilities of the normal model; returns how many options aren't ordinary."""
    right, forward, strike, time, price, rate, _ = rows
    other_count = windows = rates = rights = 0
    for index in range(count):
        # Prices here may be zero or negative: only what all models share is looked at.
        years = time[index]
        bits = telling_bits(right[index], years, years, years, years, rate[index], rate[index])
        windows, rates, rights = windows | bits[0], rates | bits[1], rights | bits[2]
        gap = right[index] * (forward[index] - strike[index])
        # The change of the price first: at no rate it is left as it is.
        growth = price[index] * fast_expm1(rate[index] * time[index], anchor)
        value = price[index] + growth - max(gap, 0.0)
        share = value / (abs(gap) + value)
        size = abs(forward[index]) + abs(strike[index]) + abs(price[index])
        is_ordinary = share > SHARE_MIN and value > SHARE_MIN and size < PRICE_MAX
        other_count += 0 if is_ordinary else 1
        solved = normal_deviation(value, abs(gap)) / np.sqrt(max(time[index], TIME_MIN))
        volatilities[index] = solved if is_ordinary else math.nan
    return other_count > 0 or is_unusual(windows, rates, rights)


@kernel(numba.void(BLOCK_TYPE, STATUS_TYPE, BLOCK_TYPE, numba.int64, numba.int64))
def settle_normal_chunk(inputs: Any, status: Any, outputs: Any, start: int, count: int) -> None:
    """As ``settle_black_chunk``, of the normal model."""
    for index in range(start, start + count):
        right, forward, strike = inputs[RIGHT, index], inputs[SPOT, index], inputs[STRIKE, index]
        time, price, rate = inputs[TIME, index], inputs[PRICE, index], inputs[RATE, index]
        result = normal_status(right, forward, strike, time, 0.0, rate)
        if result == OK:
            result = price_status(price, time)
        if result != OK:
            outputs[VALUE, index] = math.nan
        elif not outputs[VALUE, index] >= 0.0:
            volatility, result = bachelier_implied_volatility(
                right, forward, strike, time, price, rate
            )
            outputs[VALUE, index] = volatility
        status[index] = result


@kernel(numba.void(BLOCK_TYPE, STATUS_TYPE, BLOCK_TYPE))
def bachelier_implied_volatilities(inputs: Any, status: Any, outputs: Any) -> None:
    """As ``black_implied_volatilities``, of the normal model (6 rows of inputs)."""
    status[:] = 0
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        place = outputs.ctypes.data + ROW_BYTES * (VALUE * outputs.shape[1] + start)
        if normal_pass(rows, floats_at(place, count), count, start):
            settle_normal_chunk(inputs, status, outputs, start, count)
