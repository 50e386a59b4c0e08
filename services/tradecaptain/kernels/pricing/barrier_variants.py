"""Single barriers of other kinds: soft, watched at intervals, or on another asset.

Soft: the option is knocked by degrees between L and U, in the share of the band that was reached,
so it is worth the mean over hard barriers in the band:

    value = 1 / (U - L) * integral from L to U of the value with barrier H dH

taken numerically over pieces that are smooth. Watched m times at equal intervals: the value with a
barrier moved away from the spot by e^(0.5826 v sqrt(T / m)), where 0.5826 is -zeta(1/2) / sqrt(2
pi). That is right to o(1 / sqrt m), in practice to a few 1e-4 of the value unless the barrier is
closer to the spot than one interval's deviation. On another asset: a call or put on asset 1 that is
knocked when asset 2, with correlation rho, touches H:

    out = w S1 e^(-q1 T) (M(w d1, g e1) - e^(2 (u2 + rho v1 v2) h / v2^2) M(w d3, g e3))
        - w K e^(-r T) (M(w d2, g e2) - e^(2 u2 h / v2^2) M(w d4, g e4))

with h = log(H / S2), u = b - v^2 / 2, g = 1 for a barrier above and -1 below, correlation -w g rho.
Errors: soft 1e-12 * max(S, K), on another asset 1e-14 of the largest term. A barrier touched at the
start counts as touched.

Sources: Hart and Ross, Striking Continuity (1994); Broadie, Glasserman and Kou, A Continuity
Correction for Discrete Barrier Options (1997); Heynen and Kat, Crossing Barriers (1994); Haug, The
Complete Guide to Option Pricing Formulas (2007), 4.17.5 to 4.17.7.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.barrier import rebate_value
from tradecaptain.kernels.pricing.columns import (
    AMOUNT,
    BARRIER,
    BARRIER_KIND,
    BLOCK_TYPE,
    DOWN_IN,
    DOWN_OUT,
    RATE,
    RIGHT,
    SPOT,
    STRIKE,
    TIME,
    UP_IN,
    UP_OUT,
    VALUE,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.normal import (
    Market,
    bivariate_normal,
    black_value,
    continuity_shift,
    log_segment_value,
    weighted,
)
from tradecaptain.kernels.pricing.quadrature import NODES, POINTS, WEIGHTS

# Soft: the band's low end stands in the row of barriers.
HIGH_BARRIER: Final = 10
# Watched at intervals.
MONITORING_COUNT: Final = 10
# On another asset, whose barrier stands in the row of barriers.
OTHER_SPOT: Final = 10
OTHER_VOLATILITY: Final = 11
OTHER_YIELD: Final = 12
CORRELATION: Final = 13

PANELS: Final = 6


@inline
def _market(inputs: Any, index: int) -> Market:
    rate = inputs[RATE, index]
    return inputs[TIME, index], inputs[VOLATILITY, index], rate, rate - inputs[YIELD, index]


@inline
def hard_value(
    right: float, spot: float, strike: float, barrier: float, kind: float, market: Market
) -> float:
    """Call or put with one barrier and no rebate, by reflection as in ``barrier``."""
    time, volatility, rate, carry = market
    side = -1.0 if kind in (DOWN_IN, DOWN_OUT) else 1.0
    forward, deviation = spot * math.exp(carry * time), volatility * math.sqrt(time)
    plain = math.exp(-rate * time) * black_value(right, forward, strike, deviation)
    alive = 0.0
    if side * (spot - barrier) < 0.0:
        # Logs are taken from the barrier; alive is what lies on the spot's side of it.
        place, mark = math.log(spot / barrier), math.log(strike / barrier)
        low, high = (mark, math.inf) if right > 0.0 else (-math.inf, mark)
        low, high = (max(low, 0.0), high) if side < 0.0 else (low, min(high, 0.0))
        if low < high:
            payoff = (-right * strike, right * barrier)
            image = log_segment_value(-place, market, low, high, payoff)
            power = (1.0 - 2.0 * carry / (volatility * volatility)) * place
            alive = log_segment_value(place, market, low, high, payoff) - weighted(power, image)
            alive = max(alive, 0.0)
    return alive if kind in (DOWN_OUT, UP_OUT) else max(plain - alive, 0.0)


@inline
def soft_value(
    right: float,
    spot: float,
    strike: float,
    band: tuple[float, float],
    kind: float,
    market: Market,
) -> float:
    """Mean of ``hard_value`` over the barriers of a band."""
    low, high = band
    if high == low:
        return hard_value(right, spot, strike, low, kind, market)
    # Between these the value is smooth in the barrier.
    first = min(max(min(spot, strike), low), high)
    second = min(max(max(spot, strike), low), high)
    total = 0.0
    for piece in range(3):
        start = low if piece == 0 else (first if piece == 1 else second)
        end = first if piece == 0 else (second if piece == 1 else high)
        width = (end - start) / PANELS
        if width <= 0.0:
            continue
        for panel in range(PANELS):
            for index in range(POINTS):
                barrier = start + width * (panel + NODES[index])
                value = hard_value(right, spot, strike, barrier, kind, market)
                total += width * WEIGHTS[index] * value
    return total / (high - low)


@inline
def monitored_barrier(barrier: float, kind: float, market: Market, count: float) -> float:
    """Barrier under continuous watch that is worth as much as one watched ``count`` times."""
    shift = continuity_shift(market, count)
    return barrier / shift if kind in (DOWN_IN, DOWN_OUT) else barrier * shift


@inline
def _joint_term(
    right: float, side: float, first: float, second: float, correlation: float, power: float
) -> float:
    """``e^power M``, nothing where the distribution is nothing."""
    chance = bivariate_normal(right * first, side * second, -right * side * correlation)
    return weighted(power, chance)


@inline
def two_asset_barrier_value(
    right: float,
    spot: float,
    strike: float,
    other: tuple[float, float, float, float, float],
    kind: float,
    market: Market,
) -> float:
    """``other`` is spot, volatility and carry of the watched asset, correlation, barrier."""
    time, volatility, rate, carry = market
    other_spot, other_volatility, other_carry, correlation, barrier = other
    side = -1.0 if kind in (DOWN_IN, DOWN_OUT) else 1.0
    is_in = kind in (DOWN_IN, UP_IN)
    plain = math.exp(-rate * time) * black_value(
        right, spot * math.exp(carry * time), strike, volatility * math.sqrt(time)
    )
    if side * (other_spot - barrier) >= 0.0:
        return plain if is_in else 0.0
    deviation, other_deviation = volatility * math.sqrt(time), other_volatility * math.sqrt(time)
    drift = carry - 0.5 * volatility * volatility
    other_drift = other_carry - 0.5 * other_volatility * other_volatility
    covariance = correlation * volatility * other_volatility
    height = math.log(barrier / other_spot)
    d2 = (math.log(spot / strike) + drift * time) / deviation
    e2 = (height - other_drift * time) / other_deviation
    e1 = e2 - correlation * deviation
    mirror = 2.0 * height / other_deviation
    power = 2.0 * height / (other_volatility * other_volatility)
    d4, d1 = d2 + correlation * mirror, d2 + deviation
    asset = _joint_term(right, side, d1, e1, correlation, 0.0)
    asset -= _joint_term(
        right,
        side,
        d4 + deviation,
        e1 - mirror,
        correlation,
        power * (other_drift + covariance),
    )
    cash = _joint_term(right, side, d2, e2, correlation, 0.0)
    cash -= _joint_term(right, side, d4, e2 - mirror, correlation, power * other_drift)
    alive = right * (
        spot * math.exp((carry - rate) * time) * asset - strike * math.exp(-rate * time) * cash
    )
    return max(plain - alive if is_in else alive, 0.0)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def soft_barrier_values(inputs: Any, outputs: Any) -> None:
    """Soft barriers (11 rows of inputs: the band in the rows of barrier and high barrier)."""
    for index in range(inputs.shape[1]):
        outputs[VALUE, index] = soft_value(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            (inputs[BARRIER, index], inputs[HIGH_BARRIER, index]),
            inputs[BARRIER_KIND, index],
            _market(inputs, index),
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def monitored_barrier_values(inputs: Any, outputs: Any) -> None:
    """Calls and puts watched at equal intervals, the last at expiry (11 rows of inputs).

    The amount is the rebate. A count of zero is continuous watch.
    """
    for index in range(inputs.shape[1]):
        kind, market = inputs[BARRIER_KIND, index], _market(inputs, index)
        barrier, count = inputs[BARRIER, index], inputs[MONITORING_COUNT, index]
        if count > 0.0:
            barrier = monitored_barrier(barrier, kind, market, count)
        spot = inputs[SPOT, index]
        value = hard_value(inputs[RIGHT, index], spot, inputs[STRIKE, index], barrier, kind, market)
        rebate = inputs[AMOUNT, index]
        if rebate != 0.0:
            value += rebate * rebate_value(spot, barrier, kind, market)
        outputs[VALUE, index] = value


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def two_asset_barrier_values(inputs: Any, outputs: Any) -> None:
    """Options on one asset knocked by another (14 rows of inputs; the amount is unused)."""
    for index in range(inputs.shape[1]):
        rate = inputs[RATE, index]
        outputs[VALUE, index] = two_asset_barrier_value(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            (
                inputs[OTHER_SPOT, index],
                inputs[OTHER_VOLATILITY, index],
                rate - inputs[OTHER_YIELD, index],
                inputs[CORRELATION, index],
                inputs[BARRIER, index],
            ),
            inputs[BARRIER_KIND, index],
            _market(inputs, index),
        )
