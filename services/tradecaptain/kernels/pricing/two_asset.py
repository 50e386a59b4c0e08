"""European options on two assets: exchange, minimum, maximum and spread.

With s = sqrt(v1^2 - 2 rho v1 v2 + v2^2) the deviation of the assets' ratio,

    exchange   Q1 S1 e^(-q1 T) N(d1) - Q2 S2 e^(-q2 T) N(d2),
               d1 = (log(Q1 S1 / (Q2 S2)) + (q2 - q1 + s^2 / 2) T) / (s sqrt T), d2 = d1 - s sqrt T
    minimum    call: S1 e^(-q1 T) M(y1, -d; (rho v2 - v1) / s) + S2 e^(-q2 T) M(y2, d - s sqrt T;
               (rho v1 - v2) / s) - K e^(-r T) M(y1 - v1 sqrt T, y2 - v2 sqrt T; rho)
    maximum    call: both calls less the call on the minimum
    puts       by parity: call - K e^(-r T) less the value of the minimum or maximum itself
    spread     of F1 - F2 over K: Black's value in F1 given asset 2, integrated over asset 2; or
               Kirk's approximation, Black's value of F1 struck at F2 + K with the volatility
               sqrt(v1^2 - 2 rho v1 v2 a + (v2 a)^2), a = F2 / (F2 + K)

Errors: 1e-14 of the largest leg; the integrated spread 1e-12 of it up to correlations of 0.9999 in
absolute value and 1e-5 of it beyond; Kirk's is 1e-3 of it in usual markets and grows with K.

Sources: Margrabe (1978); Stulz, Options on the Minimum or the Maximum of Two Risky Assets (1982);
Kirk, Correlation in the Energy Markets (1995); Pearson, An Efficient Approach to Pricing Spread
Options (1995); Haug, The Complete Guide to Option Pricing Formulas (2007), 5.4, 5.7 and 5.8.
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
from tradecaptain.kernels.pricing.normal import (
    bivariate_normal,
    black_value,
    cumulative_normal,
    density_of,
)
from tradecaptain.kernels.pricing.quadrature import NODES, POINTS, WEIGHTS

OTHER_SPOT: Final = 7
OTHER_VOLATILITY: Final = 8
OTHER_YIELD: Final = 9
CORRELATION: Final = 10
# Minimum, maximum and spread.
BASKET_KIND: Final = 11
# Exchange: how many of the asset received, and of the one given.
QUANTITY: Final = 11
OTHER_QUANTITY: Final = 12

MINIMUM: Final = 0.0
MAXIMUM: Final = 1.0
SPREAD: Final = 2.0
KIRK_SPREAD: Final = 3.0

# Outputs of an exchange option; theta is for a year that passes. The rate doesn't matter to it.
DELTA_FIRST: Final = 1
DELTA_SECOND: Final = 2
GAMMA_FIRST: Final = 3
GAMMA_SECOND: Final = 4
EXCHANGE_THETA: Final = 5

DEVIATION_MIN: Final = 1e-12
DEVIATE_RANGE: Final = 9.0
PANELS: Final = 24

# Forward and standard deviation of the log at expiry, for both assets.
Pair = tuple[float, float, float, float]


@inline
def _ratio_deviation(pair: Pair, correlation: float) -> float:
    """Deviation of the log of the ratio, never zero."""
    _, first, _, second = pair
    # (v1 - v2)^2 + 2 v1 v2 (1 - rho) loses nothing where the assets move alike.
    square = (first - second) ** 2 + 2.0 * first * second * (1.0 - correlation)
    return max(math.sqrt(max(square, 0.0)), DEVIATION_MIN)


@inline
def exchange_greeks(
    first: tuple[float, float, float, float],
    second: tuple[float, float, float, float],
    correlation: float,
    time: float,
) -> tuple[float, float, float, float, float, float]:
    """Value, both deltas, both gammas and theta of receiving the first for the second.

    Each asset is quantity, spot, volatility and yield.
    """
    quantity1, spot1, volatility1, yield1 = first
    quantity2, spot2, volatility2, yield2 = second
    root = math.sqrt(time)
    deviation = _ratio_deviation((1.0, volatility1 * root, 1.0, volatility2 * root), correlation)
    worth1 = quantity1 * spot1 * math.exp(-yield1 * time)
    worth2 = quantity2 * spot2 * math.exp(-yield2 * time)
    d1 = math.log(worth1 / worth2) / deviation + 0.5 * deviation
    chance1, chance2 = cumulative_normal(d1), cumulative_normal(d1 - deviation)
    density = worth1 * density_of(d1)
    carry = yield1 * worth1 * chance1 - yield2 * worth2 * chance2
    return (
        max(worth1 * chance1 - worth2 * chance2, 0.0),
        worth1 / spot1 * chance1,
        -worth2 / spot2 * chance2,
        density / (spot1 * spot1 * deviation),
        density / (spot2 * spot2 * deviation),
        carry - 0.5 * density * deviation / time,
    )


@inline
def minimum_call(pair: Pair, strike: float, correlation: float) -> float:
    """Undiscounted call on the smaller of two assets; strikes of zero give its forward."""
    forward1, deviation1, forward2, deviation2 = pair
    ratio = _ratio_deviation(pair, correlation)
    d = math.log(forward1 / forward2) / ratio + 0.5 * ratio
    if strike <= 0.0:
        smaller = forward1 * cumulative_normal(-d) + forward2 * cumulative_normal(d - ratio)
        return smaller - strike
    y1 = math.log(forward1 / strike) / deviation1 + 0.5 * deviation1
    y2 = math.log(forward2 / strike) / deviation2 + 0.5 * deviation2
    tilt1 = min(max((correlation * deviation2 - deviation1) / ratio, -1.0), 1.0)
    tilt2 = min(max((correlation * deviation1 - deviation2) / ratio, -1.0), 1.0)
    value = forward1 * bivariate_normal(y1, -d, tilt1)
    value += forward2 * bivariate_normal(y2, d - ratio, tilt2)
    value -= strike * bivariate_normal(y1 - deviation1, y2 - deviation2, correlation)
    return max(value, 0.0)


@inline
def _extreme_value(
    right: float, strike: float, kind: float, pair: Pair, correlation: float
) -> float:
    forward1, deviation1, forward2, deviation2 = pair
    call = minimum_call(pair, strike, correlation)
    forward = minimum_call(pair, 0.0, correlation)
    if kind == MAXIMUM:
        call1 = black_value(1.0, forward1, strike, deviation1)
        call = call1 + black_value(1.0, forward2, strike, deviation2) - call
        forward = forward1 + forward2 - forward
    return max(call if right > 0.0 else call - forward + strike, 0.0)


@inline
def spread_value(right: float, strike: float, pair: Pair, correlation: float) -> float:
    """Undiscounted option on F1 - F2, integrated over the second asset."""
    forward1, deviation1, forward2, deviation2 = pair
    common = correlation * deviation1
    own = deviation1 * math.sqrt(max(1.0 - correlation * correlation, 0.0))
    shift = max(abs(common), deviation2)
    width = 2.0 * (DEVIATE_RANGE + shift) / PANELS
    total = 0.0
    for panel in range(PANELS):
        for index in range(POINTS):
            deviate = width * (panel + NODES[index]) - DEVIATE_RANGE - shift
            given1 = forward1 * math.exp(common * (deviate - 0.5 * common))
            given2 = forward2 * math.exp(deviation2 * (deviate - 0.5 * deviation2))
            value = black_value(right, given1, strike + given2, own)
            total += width * WEIGHTS[index] * density_of(deviate) * value
    return total


@inline
def kirk_spread_value(right: float, strike: float, pair: Pair, correlation: float) -> float:
    """Undiscounted option on F1 - F2 by Kirk's approximation."""
    forward1, deviation1, forward2, deviation2 = pair
    target = forward2 + strike
    scaled = deviation2 * forward2 / target
    square = (deviation1 - scaled) ** 2 + 2.0 * deviation1 * scaled * (1.0 - correlation)
    return black_value(right, forward1, target, math.sqrt(max(square, 0.0)))


@inline
def basket_value(right: float, strike: float, kind: float, pair: Pair, correlation: float) -> float:
    """Undiscounted option on minimum, maximum or spread."""
    if kind == SPREAD:
        return spread_value(right, strike, pair, correlation)
    if kind == KIRK_SPREAD:
        return kirk_spread_value(right, strike, pair, correlation)
    return _extreme_value(right, strike, kind, pair, correlation)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def exchange_columns(inputs: Any, outputs: Any) -> None:
    """Six rows of ``outputs`` for exchange options (13 rows of inputs).

    Right, strike and rate are unused.
    """
    for index in range(inputs.shape[1]):
        value, delta1, delta2, gamma1, gamma2, theta = exchange_greeks(
            (
                inputs[QUANTITY, index],
                inputs[SPOT, index],
                inputs[VOLATILITY, index],
                inputs[YIELD, index],
            ),
            (
                inputs[OTHER_QUANTITY, index],
                inputs[OTHER_SPOT, index],
                inputs[OTHER_VOLATILITY, index],
                inputs[OTHER_YIELD, index],
            ),
            inputs[CORRELATION, index],
            inputs[TIME, index],
        )
        outputs[VALUE, index] = value
        outputs[DELTA_FIRST, index] = delta1
        outputs[DELTA_SECOND, index] = delta2
        outputs[GAMMA_FIRST, index] = gamma1
        outputs[GAMMA_SECOND, index] = gamma2
        outputs[EXCHANGE_THETA, index] = theta


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def basket_values(inputs: Any, outputs: Any) -> None:
    """Options on minimum, maximum or spread of two assets (12 rows of inputs)."""
    for index in range(inputs.shape[1]):
        rate, time = inputs[RATE, index], inputs[TIME, index]
        root = math.sqrt(time)
        pair = (
            inputs[SPOT, index] * math.exp((rate - inputs[YIELD, index]) * time),
            inputs[VOLATILITY, index] * root,
            inputs[OTHER_SPOT, index] * math.exp((rate - inputs[OTHER_YIELD, index]) * time),
            inputs[OTHER_VOLATILITY, index] * root,
        )
        value = basket_value(
            inputs[RIGHT, index],
            inputs[STRIKE, index],
            inputs[BASKET_KIND, index],
            pair,
            inputs[CORRELATION, index],
        )
        outputs[VALUE, index] = math.exp(-rate * time) * value
