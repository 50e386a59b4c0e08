"""Black-Scholes-Merton: European options on a spot with a continuous yield.

With yield ``q`` and rate ``r`` the cost of carry is ``r - q``: zero yield is a stock without
dividends, the foreign rate makes it a currency option, ``q = r`` an option on a future.

Value of a right ``w`` (+1 call, -1 put), with s = volatility * sqrt(time):

    d1 = (log(S / K) + (r - q) T) / s + s / 2,  d2 = d1 - s
    value = w (S e^(-q T) N(w d1) - K e^(-r T) N(w d2))

Domain and errors: see ``status``. With no time or volatility left the value is the discounted
intrinsic value. Error of the value: below 1e-15 * max(S e^(-q T), K e^(-r T)); deep out of the
money a result below zero by rounding is lifted to zero.

These are the scalar forms, for kernels of any kind; ``lognormal_block`` has the array forms.

Source: Merton, Theory of Rational Option Pricing (1973); greeks as in Haug, The Complete Guide to
Option Pricing Formulas (2007), chapter 2, with derivatives by time taken for time that passes.
"""

from __future__ import annotations

import math

from tradecaptain.base.jit import inline_always
from tradecaptain.kernels.pricing.elementary import (
    INVERSE_ROOT_TWO_PI,
    NORMAL_TAIL_END,
    exponential,
    gaussian,
    log_of_parts,
    log_parts,
    log_ratio,
    mills_parts,
    multiply_add,
    normal_distribution_from,
)

# Below these, time or total volatility counts as none: the value changes by less than 1e-29 * S.
TIME_MIN = 1e-30
DEVIATION_MIN = 1e-30
# Far outside every tail; keeps products with a density of zero finite.
DEVIATE_MAX = 100.0


@inline_always
def clamp_deviate(deviate: float) -> float:
    """A deviate that stays finite in products; beyond 37.5 the tails are zero anyway."""
    return min(max(deviate, -DEVIATE_MAX), DEVIATE_MAX)


@inline_always
def deviates(
    spot: float, strike: float, time: float, volatility: float, carry: float
) -> tuple[float, float, float]:
    """``d1``, ``d2`` and the standard deviation of the log of the spot at expiry."""
    deviation = max(volatility * math.sqrt(max(time, 0.0)), DEVIATION_MIN)
    moneyness = log_ratio(spot, strike) + carry * time
    d1 = moneyness / deviation + 0.5 * deviation
    return clamp_deviate(d1), clamp_deviate(d1 - deviation), deviation


@inline_always
def legs(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> tuple[float, float, float, float, float]:
    """What value and greeks are made of, with two divisions and three exponentials.

    The two signed legs ``w S e^(-q T) N(w d1)`` and ``w K e^(-r T) N(w d2)``; the density
    ``e^(-q T) n(d1)``, zero where there is nothing left to diffuse; ``1 / s``; ``1 / (S s)``.
    One exponential serves both tails, since ``K e^(-r T) n(d2) = S e^(-q T) n(d1)``.
    """
    deviation = max(volatility * math.sqrt(max(time, 0.0)), DEVIATION_MIN)
    difference, total, exponent = log_parts(spot, strike)
    inverse = 1.0 / (total * deviation * spot)
    inverse_spot_deviation = inverse * total
    inverse_deviation = inverse_spot_deviation * spot
    ratio = difference * (inverse * (deviation * spot))
    moneyness = log_of_parts(ratio, exponent) + (rate - dividend_yield) * time
    d1 = multiply_add(moneyness, inverse_deviation, 0.5 * deviation)
    d2 = d1 - deviation
    gauss = gaussian(d1)
    discount = exponential(-dividend_yield * time)
    spot_leg = spot * discount
    strike_leg = strike * exponential(-rate * time)
    top1, bottom1 = mills_parts(min(abs(d1), NORMAL_TAIL_END))
    top2, bottom2 = mills_parts(min(abs(d2), NORMAL_TAIL_END))
    tail = spot_leg * gauss / (bottom1 * bottom2)
    spot_tail = tail * (top1 * bottom2)
    strike_tail = min(tail * (top2 * bottom1), strike_leg)
    density = discount * INVERSE_ROOT_TWO_PI * gauss
    return (
        right * (spot_tail if right * d1 < 0.0 else spot_leg - spot_tail),
        right * (strike_tail if right * d2 < 0.0 else strike_leg - strike_tail),
        density if deviation > DEVIATION_MIN else 0.0,
        inverse_deviation,
        inverse_spot_deviation,
    )


@inline_always
def black_scholes_value(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> float:
    """Value of one option, quote currency per unit of the underlying."""
    spot_leg, strike_leg, _, _, _ = legs(
        right, spot, strike, time, volatility, rate, dividend_yield
    )
    return max(spot_leg - strike_leg, 0.0)


@inline_always
def black_scholes_greeks(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta (a year that passes) and rho of one option."""
    spot_leg, strike_leg, density, inverse_deviation, inverse_spot_deviation = legs(
        right, spot, strike, time, volatility, rate, dividend_yield
    )
    root_time = math.sqrt(max(time, 0.0))
    spot_density = spot * density
    # volatility / sqrt(time) is volatility^2 / deviation, and 1 / spot shares a division as well.
    decay = 0.5 * spot_density * (volatility * volatility * inverse_deviation)
    deviation = max(volatility * root_time, DEVIATION_MIN)
    return (
        max(spot_leg - strike_leg, 0.0),
        spot_leg * (inverse_spot_deviation * deviation),
        density * inverse_spot_deviation,
        spot_density * root_time,
        dividend_yield * spot_leg - rate * strike_leg - decay,
        time * strike_leg,
    )


@inline_always
def black_scholes_higher_greeks(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> tuple[float, float, float, float, float, float]:
    """Vanna, volga, charm, speed, color and dual delta of one option."""
    carry = rate - dividend_yield
    d1, d2, deviation = deviates(spot, strike, time, volatility, carry)
    spot_discount = exponential(-dividend_yield * time)
    gauss1 = gaussian(d1)
    density = spot_discount * INVERSE_ROOT_TWO_PI * gauss1 if deviation > DEVIATION_MIN else 0.0
    some_time = max(time, TIME_MIN)
    inverse_volatility = math.sqrt(some_time) / deviation
    delta = right * spot_discount * normal_distribution_from(right * d1, gauss1)
    gamma = density / (spot * deviation)
    # Change of d1 by time to expiry.
    d1_slope = (2.0 * carry * time - d2 * deviation) / (2.0 * some_time * deviation)
    dual_delta = (
        -right * exponential(-rate * time) * normal_distribution_from(right * d2, gaussian(d2))
    )
    return (
        -density * d2 * inverse_volatility,
        spot * density * math.sqrt(max(time, 0.0)) * d1 * d2 * inverse_volatility,
        dividend_yield * delta - density * d1_slope,
        -gamma / spot * (d1 / deviation + 1.0),
        gamma * (dividend_yield + d1 * d1_slope + 0.5 / some_time),
        dual_delta,
    )
