"""Asian options in closed form: geometric averages exactly, arithmetic ones by two moments.

Fixings: ``fixing_count`` of them at equal distances, the first after ``first_fixing`` years, the
last at expiry; a count of zero is the continuous average from the first fixing's time to expiry.

Geometric: the average G is lognormal. With t_i the times of n fixings and v the volatility,

    mean of log G = log S + (b - v^2 / 2) mean(t_i),  variance = v^2 / n^2 sum_ij min(t_i, t_j)

so an average-price option is Black's formula in G, and an average-strike option (on S_T struck at
G) is an exchange of two lognormals whose covariance is v^2 mean(t_i).

Arithmetic: the average A is taken for lognormal with its true first two moments (Turnbull and
Wakeman for fixings, Levy for the continuous average with a part behind it). That is an
approximation, good to a few 1e-4 of the spot at usual volatilities; ``asian_grid`` is exact. The
volatility of fixing i may fall by ``volatility_slope`` for each fixing before the last, counted as
the average volatility up to that fixing.

Error of the formulas themselves: 1e-14 * S.

Sources: Kemna and Vorst (1990); Turnbull and Wakeman (1991); Levy (1992); Haug, The Complete Guide
to Option Pricing Formulas (2007), 4.20.1 to 4.20.4; Clewlow and Strickland, Implementing
Derivatives Models (1998), chapter 4.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    RATE,
    RIGHT,
    SPOT,
    STRIKE,
    TIME,
    VALUE,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.normal import black_value
from tradecaptain.kernels.pricing.quadrature import NODES, POINTS, WEIGHTS

FIRST_FIXING: Final = 7
FIXING_COUNT: Final = 8
IS_AVERAGE_STRIKE: Final = 9  # geometric: 1 for an average strike, 0 for an average price
VOLATILITY_SLOPE: Final = 9  # arithmetic fixings
AVERAGE: Final = 7  # Levy: the average so far
ELAPSED: Final = 8  # Levy: years over which it was taken

PANELS: Final = 4


@inline
def _fixing_times(first: float, last: float, count: int) -> tuple[float, float]:
    """Mean of the fixings' times, and mean of the smaller of any two."""
    if count == 0:
        return 0.5 * (first + last), first + (last - first) / 3.0
    step = (last - first) / (count - 1) if count > 1 else 0.0
    start = first if count > 1 else last
    # sum over i of t_i (2 (n - i) + 1), for t_i = start + (i - 1) step.
    smaller = start + step * (count - 1) * (2 * count - 1) / (6.0 * count)
    return start + 0.5 * step * (count - 1), smaller


@inline
def geometric_value(
    right: float,
    spot: float,
    strike: float,
    fixings: tuple[float, int, bool],
    market: tuple[float, float, float, float],
) -> float:
    """Geometric average; ``fixings`` is the first's time, the count, and whether it's the strike.

    ``market`` is time, volatility, rate and carry.
    """
    time, volatility, rate, carry = market
    first, count, is_strike = fixings
    mean_time, smaller_time = _fixing_times(first, time, count)
    variance = volatility * volatility
    drift = carry - 0.5 * variance
    average = spot * math.exp(drift * mean_time + 0.5 * variance * smaller_time)
    discount = math.exp(-rate * time)
    if not is_strike:
        deviation = volatility * math.sqrt(smaller_time)
        return discount * black_value(right, average, strike, deviation)
    deviation = volatility * math.sqrt(max(time + smaller_time - 2.0 * mean_time, 0.0))
    return discount * black_value(right, spot * math.exp(carry * time), average, deviation)


@inline
def fixings_moments(
    spot: float,
    fixings: tuple[float, int, float],
    market: tuple[float, float, float, float],
) -> tuple[float, float]:
    """First two moments of an arithmetic average; ``fixings`` is first time, count, slope."""
    time, volatility, _, carry = market
    first, count, slope = fixings
    step = (time - first) / (count - 1) if count > 1 else 0.0
    later_sum, second = 0.0, 0.0
    for index in range(count - 1, -1, -1):
        moment = time - step * (count - 1 - index)
        deviation = volatility - slope * (count - 1 - index)
        forward = spot * math.exp(carry * moment)
        # Of two fixings the earlier one's variance is what they share.
        growth = math.exp(deviation * deviation * moment)
        second += growth * forward * (forward + 2.0 * later_sum)
        later_sum += forward
    return later_sum / count, second / (count * count)


@inline
def _mean_growth(power: float) -> float:
    """``(e^power - 1) / power``."""
    return math.expm1(power) / power if abs(power) > 1e-300 else 1.0


@inline
def continuous_moments(
    spot: float, market: tuple[float, float, float, float]
) -> tuple[float, float]:
    """First two moments of the integral of the spot over the time left."""
    time, volatility, _, carry = market
    variance = volatility * volatility
    second = 0.0
    step = time / PANELS
    for panel in range(PANELS):
        for index in range(POINTS):
            moment = step * (panel + NODES[index])
            rest = time - moment
            growth = math.exp((2.0 * carry + variance) * moment)
            second += step * WEIGHTS[index] * growth * rest * _mean_growth(carry * rest)
    return spot * time * _mean_growth(carry * time), 2.0 * spot * spot * second


@inline
def matched_value(right: float, strike: float, first: float, second: float) -> float:
    """Undiscounted option on a variable taken for lognormal by its two moments."""
    excess = (second - first * first) / (first * first)
    return black_value(right, first, strike, math.sqrt(math.log1p(max(excess, 0.0))))


@inline
def _market(inputs: Any, index: int) -> tuple[float, float, float, float]:
    rate = inputs[RATE, index]
    return inputs[TIME, index], inputs[VOLATILITY, index], rate, rate - inputs[YIELD, index]


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def geometric_asian_values(inputs: Any, outputs: Any) -> None:
    """Geometric averages (10 rows of inputs: first fixing, count, whether it's the strike)."""
    for index in range(inputs.shape[1]):
        fixings = (
            inputs[FIRST_FIXING, index],
            int(inputs[FIXING_COUNT, index]),
            inputs[IS_AVERAGE_STRIKE, index] != 0.0,
        )
        outputs[VALUE, index] = geometric_value(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            fixings,
            _market(inputs, index),
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def turnbull_wakeman_values(inputs: Any, outputs: Any) -> None:
    """Arithmetic fixings by two moments (10 rows of inputs: first fixing, count, slope)."""
    for index in range(inputs.shape[1]):
        market = _market(inputs, index)
        fixings = (
            inputs[FIRST_FIXING, index],
            max(int(inputs[FIXING_COUNT, index]), 1),
            inputs[VOLATILITY_SLOPE, index],
        )
        first, second = fixings_moments(inputs[SPOT, index], fixings, market)
        value = matched_value(inputs[RIGHT, index], inputs[STRIKE, index], first, second)
        outputs[VALUE, index] = math.exp(-market[2] * market[0]) * value


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def levy_values(inputs: Any, outputs: Any) -> None:
    """Continuous arithmetic average by two moments (9 rows of inputs: average, elapsed).

    The average runs over the years elapsed and those left.
    """
    for index in range(inputs.shape[1]):
        market = _market(inputs, index)
        time = market[0]
        elapsed = inputs[ELAPSED, index]
        length = time + elapsed
        first, second = continuous_moments(inputs[SPOT, index], market)
        # What the average so far has settled of the strike.
        strike = inputs[STRIKE, index] - inputs[AVERAGE, index] * elapsed / length
        value = matched_value(
            inputs[RIGHT, index], strike, first / length, second / (length * length)
        )
        outputs[VALUE, index] = math.exp(-market[2] * time) * value
