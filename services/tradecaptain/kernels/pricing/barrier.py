"""Single barriers, watched continuously: knocked options, knocked digitals, and touch digitals.

Everything here comes from one identity. With cost of carry b, a payoff f that is paid at expiry if
the barrier H was never touched is worth

    V(S) - (H / S)^(2 b / volatility^2 - 1) V(H^2 / S)

where V values f cut to the living side of the barrier (reflection principle). Every f here is
``constant + slope * S`` between two prices, so V is a sum of European digitals. A knock-in is what
the option without barrier is worth beyond that. What is paid at the touch itself has a closed form
of its own (``touch_value``).

A barrier already touched at the start counts as touched. Domain: see ``status``; time must be at
least 1e-9 and volatility at least 1e-4. Error of a value: a few 1e-15 of the largest term.

Sources: Reiner and Rubinstein, Breaking Down the Barriers (1991); Rubinstein and Reiner,
Unscrambling the Binary Code (1991); Haug, The Complete Guide to Option Pricing Formulas (2007),
4.17 and 4.19.
"""

from __future__ import annotations

import math
from typing import Any

import numba
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.black_scholes import deviates
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
    VALUE,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.elementary import exponential, log_ratio, normal_distribution

# Powers of H / S beyond this only arise where the tail that they multiply is zero.
POWER_MAX = 700.0
NO_LIMIT = 1e300


@inline
def _above(
    spot: float, threshold: float, time: float, volatility: float, rate: float, carry: float
) -> tuple[float, float]:
    """Value of one asset, and of one unit of cash, paid if the spot ends above the threshold."""
    discount = exponential(-rate * time)
    carried = spot * exponential((carry - rate) * time)
    if threshold <= 0.0:
        return carried, discount
    if threshold >= NO_LIMIT:
        return 0.0, 0.0
    d1, d2, _ = deviates(spot, threshold, time, volatility, carry)
    return carried * normal_distribution(d1), discount * normal_distribution(d2)


@inline
def segment_value(
    spot: float,
    market: tuple[float, float, float, float],
    low: float,
    high: float,
    constant: float,
    slope: float,
) -> float:
    """Value of ``constant + slope * S`` paid at expiry if S ends between low and high.

    ``market`` is time, volatility, rate and cost of carry.
    """
    if low >= high:
        return 0.0
    time, volatility, rate, carry = market
    asset_low, cash_low = _above(spot, low, time, volatility, rate, carry)
    asset_high, cash_high = _above(spot, high, time, volatility, rate, carry)
    return constant * (cash_low - cash_high) + slope * (asset_low - asset_high)


@inline
def survival_value(
    spot: float,
    barrier: float,
    market: tuple[float, float, float, float],
    segment: tuple[float, float],
    payoff: tuple[float, float],
) -> float:
    """Value of a segment's payoff if the barrier is never touched; zero if it was already."""
    low, high = segment
    constant, slope = payoff
    if barrier < spot:
        low = max(low, barrier)
    elif barrier > spot:
        high = min(high, barrier)
    else:
        return 0.0
    _, volatility, _, carry = market
    direct = segment_value(spot, market, low, high, constant, slope)
    power = (2.0 * carry / (volatility * volatility) - 1.0) * log_ratio(barrier, spot)
    weight = exponential(min(power, POWER_MAX))
    image = segment_value(barrier * barrier / spot, market, low, high, constant, slope)
    # An image of nothing is nothing, however large its weight.
    return direct - weight * image if image != 0.0 else direct


@inline
def touch_value(spot: float, barrier: float, market: tuple[float, float, float, float]) -> float:
    """Value of one unit of cash paid at the first touch of the barrier before expiry."""
    time, volatility, rate, carry = market
    if spot == barrier:
        return 1.0
    variance = volatility * volatility
    deviation = volatility * math.sqrt(max(time, 0.0))
    drift = carry / variance - 0.5
    # Real for every rate above minus half the squared drift, which ``check_touch`` asks for.
    root = math.sqrt(max(drift * drift + 2.0 * rate / variance, 0.0))
    distance = log_ratio(barrier, spot)
    side = 1.0 if barrier < spot else -1.0
    deviate = distance / deviation + root * deviation
    first = _scaled_tail((drift + root) * distance, side * deviate)
    second = _scaled_tail((drift - root) * distance, side * (deviate - 2.0 * root * deviation))
    return first + second


@inline
def _scaled_tail(power: float, deviate: float) -> float:
    """``exp(power) * N(deviate)``, where a power may be large if its tail is small."""
    tail = normal_distribution(deviate)
    return exponential(min(power, POWER_MAX)) * tail if tail > 0.0 else 0.0


@inline
def _market(inputs: Any, index: int) -> tuple[float, float, float, float]:
    rate = inputs[RATE, index]
    return inputs[TIME, index], inputs[VOLATILITY, index], rate, rate - inputs[YIELD, index]


@inline
def _is_touched(spot: float, barrier: float, kind: float) -> bool:
    is_down = kind in (DOWN_IN, DOWN_OUT)
    return spot <= barrier if is_down else spot >= barrier


@inline
def _is_knock_in(kind: float) -> bool:
    return kind in (DOWN_IN, UP_IN)


@inline
def knocked_value(
    spot: float,
    barrier: float,
    kind: float,
    market: tuple[float, float, float, float],
    segment: tuple[float, float],
    payoff: tuple[float, float],
) -> float:
    """Value of a segment's payoff under a barrier of any of the four kinds."""
    plain = segment_value(spot, market, segment[0], segment[1], payoff[0], payoff[1])
    if _is_touched(spot, barrier, kind):
        return max(plain, 0.0) if _is_knock_in(kind) else 0.0
    alive = survival_value(spot, barrier, market, segment, payoff)
    return max(plain - alive if _is_knock_in(kind) else alive, 0.0)


@inline
def rebate_value(
    spot: float, barrier: float, kind: float, market: tuple[float, float, float, float]
) -> float:
    """Value of a rebate of one: at the touch of a knock-out, at the expiry of an idle knock-in."""
    if _is_touched(spot, barrier, kind):
        return 0.0 if _is_knock_in(kind) else 1.0
    if _is_knock_in(kind):
        return survival_value(spot, barrier, market, (0.0, NO_LIMIT), (1.0, 0.0))
    return touch_value(spot, barrier, market)


@inline
def _in_the_money(right: float, strike: float) -> tuple[float, float]:
    """Prices between which a right is worth exercising."""
    return (strike, NO_LIMIT) if right > 0.0 else (0.0, strike)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def barrier_option_values(inputs: Any, outputs: Any) -> None:
    """Calls and puts with a barrier; the amount is the rebate (10 rows of inputs)."""
    for index in range(inputs.shape[1]):
        right, strike = inputs[RIGHT, index], inputs[STRIKE, index]
        spot, barrier = inputs[SPOT, index], inputs[BARRIER, index]
        kind, market = inputs[BARRIER_KIND, index], _market(inputs, index)
        segment, payoff = _in_the_money(right, strike), (-right * strike, right)
        value = knocked_value(spot, barrier, kind, market, segment, payoff)
        rebate = inputs[AMOUNT, index]
        if rebate != 0.0:
            value += rebate * rebate_value(spot, barrier, kind, market)
        outputs[VALUE, index] = value


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def barrier_cash_values(inputs: Any, outputs: Any) -> None:
    """Cash-or-nothing options with a barrier; the amount is the cash (10 rows of inputs)."""
    for index in range(inputs.shape[1]):
        segment = _in_the_money(inputs[RIGHT, index], inputs[STRIKE, index])
        value = knocked_value(
            inputs[SPOT, index],
            inputs[BARRIER, index],
            inputs[BARRIER_KIND, index],
            _market(inputs, index),
            segment,
            (1.0, 0.0),
        )
        outputs[VALUE, index] = value * inputs[AMOUNT, index]


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def barrier_asset_values(inputs: Any, outputs: Any) -> None:
    """Asset-or-nothing options with a barrier (10 rows of inputs; the amount is unused)."""
    for index in range(inputs.shape[1]):
        segment = _in_the_money(inputs[RIGHT, index], inputs[STRIKE, index])
        outputs[VALUE, index] = knocked_value(
            inputs[SPOT, index],
            inputs[BARRIER, index],
            inputs[BARRIER_KIND, index],
            _market(inputs, index),
            segment,
            (0.0, 1.0),
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def touch_cash_values(inputs: Any, outputs: Any) -> None:
    """Cash paid when the barrier is first touched; one already touched pays at once.

    Ten rows of inputs; right and strike are unused, of the kind only its direction counts.
    """
    for index in range(inputs.shape[1]):
        spot, barrier = inputs[SPOT, index], inputs[BARRIER, index]
        value = 1.0
        if not _is_touched(spot, barrier, inputs[BARRIER_KIND, index]):
            value = touch_value(spot, barrier, _market(inputs, index))
        outputs[VALUE, index] = value * inputs[AMOUNT, index]
