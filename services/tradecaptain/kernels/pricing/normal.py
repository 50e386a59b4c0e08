"""The normal distribution in one and two dimensions, as the closed forms of exotic options need it.

These are ordinary functions with branches: where a loop must be vectorised, use ``elementary``.
Errors: one dimension a unit in the last place of libm's ``erfc``; two dimensions below 5e-16
absolute over the whole plane and every correlation.
"""

from __future__ import annotations

import math
from typing import Final

from tradecaptain.base.jit import inline
from tradecaptain.kernels.pricing.quadrature import NODES, POINTS, WEIGHTS

ROOT_HALF: Final = 0.7071067811865476
ROOT_TWO_PI: Final = 2.5066282746310002
TWO_PI: Final = 6.283185307179586
# Beyond this many deviations a tail is zero in float64.
DEVIATE_END: Final = 40.0
# From here on the integrand over angles is too peaked, and the expansion at correlation 1 is used.
CORRELATION_HIGH: Final = 0.925
PANELS: Final = 2
# Products of deviates below this multiply a tail that is zero.
PRODUCT_MIN: Final = -100.0
DEVIATION_MIN: Final = 1e-30
POWER_MAX: Final = 700.0
# -zeta(1/2) / sqrt(2 pi)
CONTINUITY_SHIFT: Final = 0.5825971579390107

# Time, volatility, rate, carry.
Market = tuple[float, float, float, float]


@inline
def cumulative_normal(deviate: float) -> float:
    """Chance that a standard normal variable is at most ``deviate``."""
    return 0.5 * math.erfc(-deviate * ROOT_HALF)


@inline
def density_of(deviate: float) -> float:
    """Density of the standard normal distribution."""
    return math.exp(-0.5 * deviate * deviate) / ROOT_TWO_PI


@inline
def black_value(right: float, forward: float, strike: float, deviation: float) -> float:
    """Undiscounted value of a European option; strikes of zero and below are always exercised.

    ``deviation`` is the standard deviation of the log of the price at expiry.
    """
    if strike <= 0.0 or deviation <= DEVIATION_MIN:
        return max(right * (forward - strike), 0.0)
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    forward_leg = forward * cumulative_normal(right * d1)
    return max(right * (forward_leg - strike * cumulative_normal(right * (d1 - deviation))), 0.0)


@inline
def continuity_shift(market: Market, count: float) -> float:
    """Factor by which a barrier watched ``count`` times moves away: Broadie, Glasserman, Kou."""
    time, volatility, _, _ = market
    return math.exp(CONTINUITY_SHIFT * volatility * math.sqrt(time / count))


@inline
def weighted(power: float, tail: float) -> float:
    """``e^power * tail``, where a power may be large if its tail is zero."""
    return math.exp(min(power, POWER_MAX)) * tail if tail != 0.0 else 0.0


@inline
def log_segment_value(
    place: float, market: Market, low: float, high: float, payoff: tuple[float, float]
) -> float:
    """Value of ``constant + slope e^X`` if the log X ends between low and high; it is at place."""
    time, volatility, rate, carry = market
    constant, slope = payoff
    deviation = volatility * math.sqrt(time)
    drift = (carry - 0.5 * volatility * volatility) * time
    total = 0.0
    for leg in range(2):
        shift = deviation if leg == 0 else 0.0
        to_low = (place - low + drift) / deviation + shift
        to_high = (place - high + drift) / deviation + shift
        # The difference of the smaller tails keeps its digits.
        if to_high > 0.0:
            chance = cumulative_normal(-to_high) - cumulative_normal(-to_low)
        else:
            chance = cumulative_normal(to_low) - cumulative_normal(to_high)
        if leg == 0:
            total += slope * math.exp(place + (carry - rate) * time) * chance
        else:
            total += constant * math.exp(-rate * time) * chance
    return total


@inline
def _angle_integral(first: float, second: float, correlation: float) -> float:
    """Difference of the joint upper tail from the product of tails, integrated over the angle."""
    product = first * second
    squares = 0.5 * (first * first + second * second)
    width = math.asin(correlation) / PANELS
    total = 0.0
    for panel in range(PANELS):
        for index in range(POINTS):
            sine = math.sin(width * (panel + NODES[index]))
            total += WEIGHTS[index] * math.exp((sine * product - squares) / (1.0 - sine * sine))
    return total * width / TWO_PI


@inline
def _edge_integral(first: float, second: float, width: float) -> float:
    """What the joint upper tail lacks of its value at correlation 1, times 2 pi.

    ``width`` is the root of one less the squared correlation. Three terms of the series at width
    zero are integrated in closed form, the smooth rest numerically.
    """
    product = first * second
    gap = abs(first - second)
    square = gap * gap
    linear = (4.0 - product) / 8.0
    quadratic = linear * (12.0 - product) / 16.0
    total = 0.0
    if product > PRODUCT_MIN:
        scale = math.exp(-0.5 * product)
        edge = math.exp(-0.5 * square / (width * width))
        zeroth = width * edge - gap * ROOT_TWO_PI * cumulative_normal(-gap / width)
        second_moment = (width**3 * edge - square * zeroth) / 3.0
        fourth_moment = (width**5 * edge - square * second_moment) / 5.0
        total = scale * (zeroth + linear * second_moment + quadratic * fourth_moment)
    step = width / PANELS
    for panel in range(PANELS):
        for index in range(POINTS):
            place = step * (panel + NODES[index])
            square_place = place * place
            root = math.sqrt(1.0 - square_place)
            power = -0.5 * square / square_place
            exact = math.exp(power - product / (1.0 + root)) / root
            series = 1.0 + square_place * (linear + quadratic * square_place)
            total += step * WEIGHTS[index] * (exact - series * math.exp(power - 0.5 * product))
    return total


@inline
def bivariate_normal(first: float, second: float, correlation: float) -> float:
    """Chance that two standard normal variables are at most ``first`` and ``second``.

    Source: Drezner and Wesolowsky, On the Computation of the Bivariate Normal Integral (1990);
    Genz, Numerical Computation of Rectangular Bivariate and Trivariate Normal and t Probabilities
    (2004), section 2.
    """
    high1 = -min(max(first, -DEVIATE_END), DEVIATE_END)
    high2 = -min(max(second, -DEVIATE_END), DEVIATE_END)
    if abs(correlation) <= CORRELATION_HIGH:
        apart = cumulative_normal(-high1) * cumulative_normal(-high2)
        chance = apart + _angle_integral(high1, high2, correlation)
    else:
        width = math.sqrt(max((1.0 - correlation) * (1.0 + correlation), 0.0))
        if correlation > 0.0:
            chance = cumulative_normal(-max(high1, high2))
            if width > 0.0:
                chance -= _edge_integral(high1, high2, width) / TWO_PI
        else:
            chance = max(cumulative_normal(-high1) - cumulative_normal(high2), 0.0)
            if width > 0.0:
                chance += _edge_integral(high1, -high2, width) / TWO_PI
    return min(max(chance, 0.0), 1.0)
