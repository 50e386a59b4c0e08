"""Lookback options: floating and fixed strike, and both with a window that covers part of the life.

With carry b, volatility v and time T, for the extreme m so far (a minimum, w = 1, or maximum,
w = -1), and a1 = (log(S / m) + (b + v^2 / 2) T) / (v sqrt T), a2 = a1 - v sqrt T, what an extreme
that can still move is worth beyond m is

    bonus = S e^(-r T) v^2 / (2 b) (e^(-2 b log(S / m) / v^2) N(w (2 b sqrt T / v - a1))
                                    - e^(b T) N(-w a1))
    floating strike (call on the minimum, put on the maximum):
        w (S e^(-q T) N(w a1) - m e^(-r T) N(w a2) + bonus)

A fixed strike X on the maximum is the same with the larger of X and m in place of m, plus what that
has gained. The bonus is a difference over b: near b = 0 it is the mean of its slope instead, so it
is exact there too.

Windows. Partial floating: the extreme counts up to the window's end t1, the strike is ``fraction``
times it. Its formula divides by b; near b = 0 its values at six carries around are interpolated.
Partial fixed: the extreme counts from t1 on; its value is that of a lookback with fixed strike that
begins at t1, integrated over the spot at t1.

Error of a value: 1e-13 * max(S, m, X), of partial ones 1e-11. A minimum above the spot counts as
the spot, as does a maximum below it.

Sources: Goldman, Sosin and Gatto (1979); Conze and Viswanathan (1991); Heynen and Kat, Selective
Memory (1994); Haug, The Complete Guide to Option Pricing Formulas (2007), 4.15.1 to 4.15.4.
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
from tradecaptain.kernels.pricing.normal import bivariate_normal, cumulative_normal, density_of
from tradecaptain.kernels.pricing.quadrature import NODES, POINTS, WEIGHTS

EXTREME: Final = 7  # minimum or maximum so far
WINDOW: Final = 8  # years from now to the window's end or start
FRACTION: Final = 9  # of the extreme, which is the strike of a partial floating lookback

# Below this product of carry with the largest of its factors, quotients by carry are averaged.
CARRY_SMALL: Final = 0.5
CARRY_STEP: Final = 0.01
# Integrals over a normal variable end here; panels of that range are this wide.
DEVIATE_RANGE: Final = 9.0
PANEL_WIDTH: Final = 1.5

# Spot, time, volatility, rate, carry.
Market = tuple[float, float, float, float, float]


@inline
def _bonus_slope(side: float, distance: float, time: float, volatility: float, b: float) -> float:
    """Derivative by carry of the difference in the bonus."""
    deviation = volatility * math.sqrt(time)
    variance = volatility * volatility
    a1 = (distance + (b + 0.5 * variance) * time) / deviation
    turn = 2.0 * b * math.sqrt(time) / volatility
    return (
        -2.0
        * distance
        / variance
        * math.exp(-2.0 * b * distance / variance)
        * cumulative_normal(side * (turn - a1))
        - time * math.exp(b * time) * cumulative_normal(-side * a1)
        + side * 2.0 * math.exp(b * time) * density_of(a1) * math.sqrt(time) / volatility
    )


@inline
def _bonus(side: float, distance: float, market: Market) -> float:
    """What the extreme is still expected to gain, discounted; ``distance`` is log(S / m)."""
    spot, time, volatility, rate, carry = market
    variance = volatility * volatility
    scale = max(time, abs(distance) / variance, math.sqrt(time) / volatility)
    if abs(carry) * scale < CARRY_SMALL:
        quotient = 0.0
        for index in range(POINTS):
            slope = _bonus_slope(side, distance, time, volatility, carry * NODES[index])
            quotient += WEIGHTS[index] * slope
    else:
        deviation = volatility * math.sqrt(time)
        a1 = (distance + (carry + 0.5 * variance) * time) / deviation
        turn = 2.0 * carry * math.sqrt(time) / volatility
        tail = cumulative_normal(side * (turn - a1))
        image = math.exp(-2.0 * carry * distance / variance) * tail if tail > 0.0 else 0.0
        quotient = (image - math.exp(carry * time) * cumulative_normal(-side * a1)) / carry
    return spot * math.exp(-rate * time) * 0.5 * variance * quotient


@inline
def _legs(side: float, level: float, market: Market) -> tuple[float, float]:
    """The asset and cash legs of a European option struck at the extreme."""
    spot, time, volatility, rate, carry = market
    deviation = volatility * math.sqrt(time)
    a1 = (math.log(spot / level) + (carry + 0.5 * volatility * volatility) * time) / deviation
    asset = spot * math.exp((carry - rate) * time) * cumulative_normal(side * a1)
    cash = level * math.exp(-rate * time) * cumulative_normal(side * (a1 - deviation))
    return asset, cash


@inline
def floating_lookback(right: float, extreme: float, market: Market) -> float:
    """Call on the spot struck at its minimum, put struck at its maximum."""
    spot = market[0]
    level = min(extreme, spot) if right > 0.0 else max(extreme, spot)
    asset, cash = _legs(right, level, market)
    return max(right * (asset - cash + _bonus(right, math.log(spot / level), market)), 0.0)


@inline
def fixed_lookback(right: float, strike: float, extreme: float, market: Market) -> float:
    """Call on the maximum, put on the minimum."""
    spot, time, _, rate, _ = market
    reached = max(extreme, spot) if right > 0.0 else min(extreme, spot)
    level = max(reached, strike) if right > 0.0 else min(reached, strike)
    gained = right * (level - strike) * math.exp(-rate * time)
    asset, cash = _legs(right, level, market)
    bonus = _bonus(-right, math.log(spot / level), market)
    return max(gained + right * (asset - cash - bonus), 0.0)


@inline
def _partial_floating_at(
    right: float, level: float, window: float, fraction: float, market: Market
) -> float:
    """Closed form of a partial floating lookback, for a carry that isn't zero."""
    spot, time, volatility, rate, carry = market
    variance = volatility * volatility
    drift = carry + 0.5 * variance
    rest = time - window
    deviation, early, late = (
        volatility * math.sqrt(time),
        volatility * math.sqrt(window),
        volatility * math.sqrt(rest),
    )
    distance = math.log(spot / level)
    d1 = (distance + drift * time) / deviation
    f1 = (distance + drift * window) / early
    e1 = drift * rest / late
    g1, g2 = math.log(fraction) / deviation, math.log(fraction) / late
    root, other_root = math.sqrt(window / time), math.sqrt(rest / time)
    asset = spot * math.exp((carry - rate) * time)
    strike = fraction * level * math.exp(-rate * time)
    turn, early_turn = 2.0 * carry * deviation / variance, 2.0 * carry * early / variance
    ratio = math.exp(-2.0 * carry * distance / variance)
    w = right
    image = ratio * bivariate_normal(w * (early_turn - f1), w * (turn - d1 - g1), root)
    gain = math.exp(carry * time) * fraction ** (2.0 * carry / variance)
    image -= gain * bivariate_normal(w * (-d1 - g1), w * (e1 + g2), -other_root)
    bonus = fraction * spot * math.exp(-rate * time) * 0.5 * variance / carry
    value = asset * cumulative_normal(w * (d1 - g1))
    value -= strike * cumulative_normal(w * (d1 - deviation - g1))
    value += bonus * image
    value += asset * bivariate_normal(w * (g1 - d1), w * (e1 - g2), -other_root)
    value += strike * bivariate_normal(w * (early - f1), w * (d1 - deviation - g1), -root)
    last = cumulative_normal(w * (e1 - late - g2)) * cumulative_normal(-w * f1)
    value -= math.exp(-carry * rest) * (1.0 + 0.5 * variance / carry) * fraction * asset * last
    return w * value


@inline
def partial_floating_lookback(
    right: float, extreme: float, window: float, fraction: float, market: Market
) -> float:
    """As ``floating_lookback``, struck at ``fraction`` times the extreme up to the window's end."""
    spot, time, volatility, rate, carry = market
    level = min(extreme, spot) if right > 0.0 else max(extreme, spot)
    variance = volatility * volatility
    distance = abs(math.log(spot / level)) + abs(math.log(fraction))
    step = CARRY_STEP / max(time, distance / variance, math.sqrt(time) / volatility)
    if abs(carry) >= step:
        return max(_partial_floating_at(right, level, window, fraction, market), 0.0)
    total = 0.0
    place = carry / step
    for node in (-3, -2, -1, 1, 2, 3):
        weight = 1.0
        for other in (-3, -2, -1, 1, 2, 3):
            if other != node:
                weight *= (place - other) / (node - other)
        nearby = (spot, time, volatility, rate, step * node)
        total += weight * _partial_floating_at(right, level, window, fraction, nearby)
    return max(total, 0.0)


@inline
def partial_fixed_lookback(right: float, strike: float, window: float, market: Market) -> float:
    """As ``fixed_lookback``, for an extreme that counts from the window's start on."""
    spot, time, volatility, rate, carry = market
    early = volatility * math.sqrt(window)
    if early == 0.0:
        return fixed_lookback(right, strike, spot, market)
    drift = (carry - 0.5 * volatility * volatility) * window
    # Above the deviate of the strike the option begins in the money: the integrand has a kink.
    kink = (math.log(strike / spot) - drift) / early
    low, high = -DEVIATE_RANGE, DEVIATE_RANGE + early
    kink = min(max(kink, low), high)
    total = 0.0
    for side in range(2):
        start, end = (low, kink) if side == 0 else (kink, high)
        panels = math.ceil((end - start) / PANEL_WIDTH)
        for panel in range(panels):
            width = (end - start) / panels
            for index in range(POINTS):
                deviate = start + width * (panel + NODES[index])
                there = spot * math.exp(drift + early * deviate)
                later = (there, time - window, volatility, rate, carry)
                value = fixed_lookback(right, strike, there, later)
                total += width * WEIGHTS[index] * density_of(deviate) * value
    return math.exp(-rate * window) * total


@inline
def _market(inputs: Any, index: int) -> Market:
    rate = inputs[RATE, index]
    return (
        inputs[SPOT, index],
        inputs[TIME, index],
        inputs[VOLATILITY, index],
        rate,
        rate - inputs[YIELD, index],
    )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def floating_lookback_values(inputs: Any, outputs: Any) -> None:
    """Floating strike (8 rows of inputs, the last the extreme; the strike is unused)."""
    for index in range(inputs.shape[1]):
        outputs[VALUE, index] = floating_lookback(
            inputs[RIGHT, index], inputs[EXTREME, index], _market(inputs, index)
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def fixed_lookback_values(inputs: Any, outputs: Any) -> None:
    """Fixed strike (8 rows of inputs, the last the extreme)."""
    for index in range(inputs.shape[1]):
        outputs[VALUE, index] = fixed_lookback(
            inputs[RIGHT, index],
            inputs[STRIKE, index],
            inputs[EXTREME, index],
            _market(inputs, index),
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def partial_floating_lookback_values(inputs: Any, outputs: Any) -> None:
    """Floating strike over a window (10 rows of inputs: extreme, window's end, fraction)."""
    for index in range(inputs.shape[1]):
        market = _market(inputs, index)
        window, fraction = inputs[WINDOW, index], inputs[FRACTION, index]
        right, extreme = inputs[RIGHT, index], inputs[EXTREME, index]
        if window >= market[1] and fraction == 1.0:
            value = floating_lookback(right, extreme, market)
        else:
            value = partial_floating_lookback(right, extreme, window, fraction, market)
        outputs[VALUE, index] = value


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def partial_fixed_lookback_values(inputs: Any, outputs: Any) -> None:
    """Fixed strike over a window (9 rows of inputs: the extreme is unused, window's start)."""
    for index in range(inputs.shape[1]):
        outputs[VALUE, index] = partial_fixed_lookback(
            inputs[RIGHT, index],
            inputs[STRIKE, index],
            inputs[WINDOW, index],
            _market(inputs, index),
        )
