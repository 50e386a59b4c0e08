"""Options on options: compound options, and choosers that become a call or a put.

A compound option of right w1 and strike K1 buys or sells, at time t, an option of right w2 and
strike K2 that expires at T. With I the spot at which that option is worth K1 then,

    y1 = (log(S / I) + (b + v^2 / 2) t) / (v sqrt t),   z1 the same with K2 and T,
    y2 = y1 - v sqrt t,  z2 = z1 - v sqrt T,  rho = sqrt(t / T),
    value = w1 w2 (S e^(-q T) M(w2 z1, w1 w2 y1; w1 rho) - K2 e^(-r T) M(w2 z2, w1 w2 y2; w1 rho))
            - w1 K1 e^(-r t) N(w1 w2 y2)

Greeks by the same terms: at I nothing is gained, so that delta and rho need no derivative of the
distribution, and theta follows from the Black-Scholes equation. Error of a value: 1e-14 * max(S,
K2); I is found to 1e-15 relative.

A put that can't become worth K1 (K1 at least K2 e^(-r (T - t))) is never bought and always sold.
The time of the choice or of the mother must lie before the later expiry.

Sources: Geske, The Valuation of Compound Options (1979); Rubinstein, Double Trouble and Options for
the Undecided (1991); Haug, The Complete Guide to Option Pricing Formulas (2007), 4.8 and 4.12.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    DELTA,
    GAMMA,
    RATE,
    RHO,
    RIGHT,
    SPOT,
    STRIKE,
    THETA,
    TIME,
    VALUE,
    VEGA,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.normal import (
    bivariate_normal,
    black_value,
    cumulative_normal,
    density_of,
)

# Compound: right, strike and time are the mother's.
DAUGHTER_RIGHT: Final = 7
DAUGHTER_STRIKE: Final = 8
DAUGHTER_TIME: Final = 9
# Choosers: strike and time are the call's; a complex one has another strike and time for the put.
CHOICE_TIME: Final = 7
PUT_STRIKE: Final = 8
PUT_TIME: Final = 9

SOLVER_STEPS_MAX: Final = 200
SOLVER_RELATIVE: Final = 1e-15
# How far from the strike, as a log, the spot of indifference is looked for.
LOG_RANGE: Final = 120.0


@inline
def _spot_value(
    right: float, spot: float, strike: float, time: float, market: tuple[float, float, float]
) -> float:
    """European option; ``market`` is volatility, rate and carry."""
    volatility, rate, carry = market
    forward = spot * math.exp(carry * time)
    deviation = volatility * math.sqrt(time)
    return math.exp(-rate * time) * black_value(right, forward, strike, deviation)


@inline
def _indifferent_log(
    right: float, strike: float, price: float, time: float, market: tuple[float, float, float]
) -> float:
    """Log of the spot, over the strike, at which an option is worth ``price``, by bisection.

    The ends of the range where the option can't be worth that much or that little.
    """
    low, high = -LOG_RANGE, LOG_RANGE
    for _ in range(SOLVER_STEPS_MAX):
        middle = 0.5 * (low + high)
        value = _spot_value(right, strike * math.exp(middle), strike, time, market)
        if right * (value - price) < 0.0:
            low = middle
        else:
            high = middle
        if high - low <= SOLVER_RELATIVE:
            break
    return 0.5 * (low + high)


@inline
def compound_greeks(
    right: float,
    spot: float,
    strike: float,
    time: float,
    daughter: tuple[float, float, float],
    market: tuple[float, float, float],
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta and rho; ``daughter`` is its right, strike and time."""
    volatility, rate, carry = market
    inner, inner_strike, inner_time = daughter
    variance = volatility * volatility
    rest = inner_time - time
    log_level = _indifferent_log(inner, inner_strike, strike, rest, market)
    early, late = volatility * math.sqrt(time), volatility * math.sqrt(inner_time)
    distance = math.log(spot / inner_strike)
    y1 = (distance - log_level + (carry + 0.5 * variance) * time) / early
    z1 = (distance + (carry + 0.5 * variance) * inner_time) / late
    root = math.sqrt(time / inner_time)
    both = right * inner
    asset_chance = bivariate_normal(inner * z1, both * y1, right * root)
    cash_chance = bivariate_normal(inner * (z1 - late), both * (y1 - early), right * root)
    exercise_chance = cumulative_normal(both * (y1 - early))
    asset_discount = math.exp((carry - rate) * inner_time)
    inner_cash = inner_strike * math.exp(-rate * inner_time) * cash_chance
    cash = strike * math.exp(-rate * time) * exercise_chance
    delta = both * asset_discount * asset_chance
    value = spot * delta - both * inner_cash - right * cash
    other_root = math.sqrt(rest / inner_time)
    late_density = density_of(z1) * cumulative_normal(both * (y1 - root * z1) / other_root) / late
    early_density = density_of(y1) * cumulative_normal(inner * (z1 - root * y1) / other_root)
    gamma = asset_discount / spot * (right * late_density + early_density / early)
    vega = spot * volatility * (spot * time * gamma + right * asset_discount * rest * late_density)
    theta = rate * value - carry * spot * delta - 0.5 * variance * spot * spot * gamma
    rho = both * inner_time * inner_cash + right * time * cash
    return max(value, 0.0), delta, gamma, vega, theta, rho


@inline
def chooser_value(
    spot: float,
    choice_time: float,
    call: tuple[float, float],
    put: tuple[float, float],
    market: tuple[float, float, float],
) -> float:
    """Right to a call or a put at the time of choice; each is its strike and time from now."""
    volatility, rate, carry = market
    call_strike, call_time = call
    put_strike, put_time = put
    low, high = -LOG_RANGE, LOG_RANGE
    for _ in range(SOLVER_STEPS_MAX):
        middle = 0.5 * (low + high)
        there = call_strike * math.exp(middle)
        gain = _spot_value(1.0, there, call_strike, call_time - choice_time, market)
        gain -= _spot_value(-1.0, there, put_strike, put_time - choice_time, market)
        if gain < 0.0:
            low = middle
        else:
            high = middle
        if high - low <= SOLVER_RELATIVE:
            break
    log_level = 0.5 * (low + high)
    drift = carry + 0.5 * volatility * volatility
    early = volatility * math.sqrt(choice_time)
    d1 = (math.log(spot / call_strike) - log_level + drift * choice_time) / early
    total = 0.0
    for side in range(2):
        sign = 1.0 - 2.0 * side
        strike = call_strike if side == 0 else put_strike
        time = call_time if side == 0 else put_time
        late = volatility * math.sqrt(time)
        y1 = (math.log(spot / strike) + drift * time) / late
        root = math.sqrt(choice_time / time)
        asset = spot * math.exp((carry - rate) * time)
        cash = strike * math.exp(-rate * time)
        total += sign * asset * bivariate_normal(sign * d1, sign * y1, root)
        total -= sign * cash * bivariate_normal(sign * (d1 - early), sign * (y1 - late), root)
    return max(total, 0.0)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def compound_columns(inputs: Any, outputs: Any) -> None:
    """The first six rows of ``outputs`` for compound options (10 rows of inputs)."""
    for index in range(inputs.shape[1]):
        rate = inputs[RATE, index]
        value, delta, gamma, vega, theta, rho = compound_greeks(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            inputs[TIME, index],
            (
                inputs[DAUGHTER_RIGHT, index],
                inputs[DAUGHTER_STRIKE, index],
                inputs[DAUGHTER_TIME, index],
            ),
            (inputs[VOLATILITY, index], rate, rate - inputs[YIELD, index]),
        )
        outputs[VALUE, index] = value
        outputs[DELTA, index] = delta
        outputs[GAMMA, index] = gamma
        outputs[VEGA, index] = vega
        outputs[THETA, index] = theta
        outputs[RHO, index] = rho


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def chooser_values(inputs: Any, outputs: Any) -> None:
    """Choosers (10 rows of inputs; the right is unused)."""
    for index in range(inputs.shape[1]):
        rate = inputs[RATE, index]
        outputs[VALUE, index] = chooser_value(
            inputs[SPOT, index],
            inputs[CHOICE_TIME, index],
            (inputs[STRIKE, index], inputs[TIME, index]),
            (inputs[PUT_STRIKE, index], inputs[PUT_TIME, index]),
            (inputs[VOLATILITY, index], rate, rate - inputs[YIELD, index]),
        )
