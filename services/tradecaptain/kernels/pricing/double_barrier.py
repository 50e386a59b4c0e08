"""Two barriers, watched continuously: calls and puts, and cash that depends on what is touched.

Between barriers L and U the log of the spot is a Brownian motion with killing at both ends. With
``p = 2 b / v^2 - 1``, a payoff f at expiry if neither barrier was touched is worth either of

    images   sum over n of (S_n / S)^(p / 2) V(S_n) - (S'_n / S)^(p / 2) V(S'_n),
             S_n = S (U / L)^(2 n), S'_n = (L^2 / S) (U / L)^(2 n), V the value without barriers
             of f cut to [L, U]
    waves    (L / S)^(p / 2) e^(-r T - p^2 v^2 T / 8) sum over k of
             c_k sin(k pi x / Z) e^(-(k pi / Z)^2 v^2 T / 2), x = log(S / L), Z = log(U / L)

The first converges fast if v sqrt T is small against Z, the second if it is large; both need a
handful of terms here. A knock-in is the option without barriers less the knock-out. Cash paid at
the first touch of one barrier, void if the other one is touched before, is the chance of the first
in the long run less the same kind of waves (or images).

Watched at intervals only, an option is worth about what it is with both barriers moved apart by
e^(0.5826 v sqrt(T / m)), as in ``barrier_variants``.

An option whose spot lies outside has touched its barrier: it is void or, without barrier, what it
would be; cash that is paid for touching is paid at once. Error: 1e-14 of the largest term.

Sources: Ikeda and Kunitomo, Pricing Options with Curved Boundaries (1992); Hui, One-Touch Double
Barrier Binary Option Values (1996); Pelsser, Pricing Double Barrier Options (2000); Haug, The
Complete Guide to Option Pricing Formulas (2007), 4.17.3 and 4.19.6.
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
    Market,
    black_value,
    continuity_shift,
    cumulative_normal,
    log_segment_value,
    weighted,
)

AMOUNT: Final = 7  # cash of a binary
LOW: Final = 8
HIGH: Final = 9
KIND: Final = 10
MONITORING_COUNT: Final = 11  # equal intervals at whose ends is looked; zero: always

KNOCK_IN: Final = 0.0
KNOCK_OUT: Final = 1.0
LOW_FIRST: Final = 2.0  # paid at the touch of the low barrier unless the high one came first
HIGH_FIRST: Final = 3.0

# Up to this ratio of deviation to the barriers' distance images converge faster than waves.
DEVIATION_RATIO: Final = 0.6
IMAGES: Final = 5
WAVES: Final = 8


@inline
def _image_sum(
    x: float, width: float, market: Market, segment: tuple[float, float], payoff: Any
) -> float:
    """Payoff in units of the low barrier, from place x between 0 and width, by images."""
    _, volatility, _, carry = market
    half_power = carry / (volatility * volatility) - 0.5
    low, high = segment
    total = 0.0
    for turn in range(-IMAGES, IMAGES + 1):
        direct, mirrored = x + 2.0 * width * turn, -x + 2.0 * width * turn
        value = log_segment_value(direct, market, low, high, payoff)
        total += weighted(half_power * (direct - x), value)
        value = log_segment_value(mirrored, market, low, high, payoff)
        total -= weighted(half_power * (mirrored - x), value)
    return total


@inline
def _wave_coefficient(exponent: float, wave: float, low: float, high: float) -> float:
    """Integral of ``e^(exponent y) sin(wave y)`` from low to high."""
    size = exponent * exponent + wave * wave
    at_high = exponent * math.sin(wave * high) - wave * math.cos(wave * high)
    at_low = exponent * math.sin(wave * low) - wave * math.cos(wave * low)
    return (math.exp(exponent * high) * at_high - math.exp(exponent * low) * at_low) / size


@inline
def _wave_sum(
    x: float, width: float, market: Market, segment: tuple[float, float], payoff: Any
) -> float:
    """As ``_image_sum``, by eigenfunctions."""
    time, volatility, rate, carry = market
    variance = volatility * volatility
    half_power = carry / variance - 0.5
    low, high = segment
    constant, slope = payoff
    total = 0.0
    for number in range(1, WAVES + 1):
        wave = number * math.pi / width
        decay = -0.5 * variance * time * (wave * wave + half_power * half_power)
        coefficient = constant * _wave_coefficient(half_power, wave, low, high)
        coefficient += slope * _wave_coefficient(half_power + 1.0, wave, low, high)
        total += math.exp(decay) * math.sin(wave * x) * coefficient
    return 2.0 / width * math.exp(-rate * time - half_power * x) * total


@inline
def surviving_value(
    spot: float,
    barriers: tuple[float, float],
    market: Market,
    segment: tuple[float, float],
    payoff: tuple[float, float],
) -> float:
    """Value of ``constant + slope S`` paid if no barrier was touched and S ends in the segment."""
    low_barrier, high_barrier = barriers
    if spot <= low_barrier or spot >= high_barrier:
        return 0.0
    low, high = max(segment[0], low_barrier), min(segment[1], high_barrier)
    if low >= high:
        return 0.0
    x, width = math.log(spot / low_barrier), math.log(high_barrier / low_barrier)
    logs = math.log(low / low_barrier), math.log(high / low_barrier)
    scaled = payoff[0], payoff[1] * low_barrier
    if market[1] * math.sqrt(market[0]) <= DEVIATION_RATIO * width:
        return max(_image_sum(x, width, market, logs, scaled), 0.0)
    return max(_wave_sum(x, width, market, logs, scaled), 0.0)


@inline
def double_barrier_value(
    right: float,
    spot: float,
    strike: float,
    barriers: tuple[float, float],
    kind: float,
    market: Market,
) -> float:
    """Call or put that is knocked in or out by touching either barrier."""
    time, volatility, rate, carry = market
    segment = (strike, barriers[1]) if right > 0.0 else (0.0, strike)
    alive = surviving_value(spot, barriers, market, segment, (-right * strike, right))
    if kind == KNOCK_OUT:
        return alive
    forward, deviation = spot * math.exp(carry * time), volatility * math.sqrt(time)
    plain = math.exp(-rate * time) * black_value(right, forward, strike, deviation)
    return max(plain - alive, 0.0)


@inline
def _one_touch(distance: float, drift: float, root: float, deviation: float) -> float:
    """Discounted chance of touching a level ``distance`` below; drift and root per variance."""
    late = root * deviation
    first = weighted(-(drift - root) * distance, cumulative_normal(-distance / deviation - late))
    second = weighted(-(drift + root) * distance, cumulative_normal(-distance / deviation + late))
    return first + second


@inline
def _low_first_value(x: float, width: float, market: Market) -> float:
    """One unit at the touch of the level x below, void if that width - x above comes first."""
    time, volatility, rate, carry = market
    variance = volatility * volatility
    deviation = volatility * math.sqrt(time)
    drift = carry / variance - 0.5
    root = math.sqrt(max(drift * drift + 2.0 * rate / variance, 0.0))
    total = 0.0
    if deviation <= DEVIATION_RATIO * width:
        for turn in range(-IMAGES, IMAGES + 1):
            place = x + 2.0 * width * turn
            distance = abs(place)
            # The image's own touch carries the drift over its own distance; only x counts.
            touch = _one_touch(distance, drift, root, deviation)
            signed = touch if place > 0.0 else -touch
            total += weighted(drift * (distance - x), signed)
        return max(total, 0.0)
    # sinh(root (width - x)) / sinh(root width), without overflow.
    if root * width > 1e-8:
        decay = math.exp(-root * x) * math.expm1(-2.0 * root * (width - x))
        total = decay / math.expm1(-2.0 * root * width)
    else:
        total = (width - x) / width
    for number in range(1, WAVES + 1):
        wave = number * math.pi / width
        size = wave * wave + root * root
        decay = math.exp(-0.5 * size * deviation * deviation)
        total -= 2.0 * wave / (width * size) * decay * math.sin(wave * x)
    return max(math.exp(-drift * x) * total, 0.0)


@inline
def double_binary_value(
    spot: float, barriers: tuple[float, float], kind: float, market: Market
) -> float:
    """One unit of cash: at expiry if (not) touched, or at the touch of one barrier first."""
    low, high = barriers
    time, volatility, rate, carry = market
    if spot <= low or spot >= high:
        if kind == KNOCK_OUT:
            return 0.0
        if kind == KNOCK_IN:
            return 1.0
        return 1.0 if (spot <= low) == (kind == LOW_FIRST) else 0.0
    if kind in (KNOCK_IN, KNOCK_OUT):
        alive = surviving_value(spot, barriers, market, barriers, (1.0, 0.0))
        return alive if kind == KNOCK_OUT else max(math.exp(-rate * time) - alive, 0.0)
    x, width = math.log(spot / low), math.log(high / low)
    if kind == LOW_FIRST:
        return _low_first_value(x, width, market)
    # Seen upside down: the log falls as fast as it rose, which is another carry.
    upside_down = volatility * volatility - carry
    return _low_first_value(width - x, width, (time, volatility, rate, upside_down))


@inline
def _barriers(inputs: Any, index: int, market: Market) -> tuple[float, float]:
    """Both barriers, moved apart if they are watched at intervals only."""
    low, high, count = inputs[LOW, index], inputs[HIGH, index], inputs[MONITORING_COUNT, index]
    if count == 0.0:
        return low, high
    shift = continuity_shift(market, count)
    return low / shift, high * shift


@inline
def _market(inputs: Any, index: int) -> Market:
    rate = inputs[RATE, index]
    return inputs[TIME, index], inputs[VOLATILITY, index], rate, rate - inputs[YIELD, index]


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def double_barrier_values(inputs: Any, outputs: Any) -> None:
    """Calls and puts with two barriers (12 rows of inputs; the amount is unused)."""
    for index in range(inputs.shape[1]):
        market = _market(inputs, index)
        outputs[VALUE, index] = double_barrier_value(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            _barriers(inputs, index, market),
            inputs[KIND, index],
            market,
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def double_binary_values(inputs: Any, outputs: Any) -> None:
    """Cash with two barriers (12 rows of inputs; right and strike are unused)."""
    for index in range(inputs.shape[1]):
        market = _market(inputs, index)
        value = double_binary_value(
            inputs[SPOT, index],
            _barriers(inputs, index, market),
            inputs[KIND, index],
            market,
        )
        outputs[VALUE, index] = value * inputs[AMOUNT, index]
