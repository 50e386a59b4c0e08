"""Digital options of European exercise: cash-or-nothing, asset-or-nothing and gap options.

With d1 and d2 of Black-Scholes-Merton and a right ``w``:

    cash-or-nothing    X e^(-r T) N(w d2)
    asset-or-nothing   S e^(-q T) N(w d1)
    gap                w (S e^(-q T) N(w d1) - X e^(-r T) N(w d2)), exercised beyond the strike K

``X``, the row ``AMOUNT``, is the cash, unused, and the payoff strike. A gap option is ``w`` assets
less ``w X`` in cash, so the greeks of all three are sums of two legs. Domain: see ``status``; the
amount may be negative. Error of the value: below 1e-15 * (S e^(-q T) + |X| e^(-r T)).

Source: Rubinstein and Reiner, Unscrambling the Binary Code (1991); Reiner (gap options).
"""

from __future__ import annotations

import math
from typing import Any

import numba
from tradecaptain.base.jit import inline_always, kernel
from tradecaptain.kernels.pricing.black_scholes import DEVIATION_MIN, TIME_MIN, deviates
from tradecaptain.kernels.pricing.columns import (
    AMOUNT,
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
from tradecaptain.kernels.pricing.elementary import (
    INVERSE_ROOT_TWO_PI,
    exponential,
    gaussian,
    normal_distribution_from,
)


@inline_always
def asset_leg(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta and rho of one asset-or-nothing option."""
    carry = rate - dividend_yield
    d1, d2, deviation = deviates(spot, strike, time, volatility, carry)
    discount = exponential(-dividend_yield * time)
    gauss = gaussian(d1)
    spread = right * discount * INVERSE_ROOT_TWO_PI * gauss / deviation
    density = spread if deviation > DEVIATION_MIN else 0.0
    chance = discount * normal_distribution_from(right * d1, gauss)
    some_time = max(time, TIME_MIN)
    value = spot * chance
    # Change of d1 by time to expiry, times the deviation.
    d1_slope = 0.5 * (2.0 * carry * time - d2 * deviation) / some_time
    return (
        value,
        chance + density,
        density / spot * (1.0 - d1 / deviation),
        -spot * density * d2 * math.sqrt(max(time, 0.0)),
        dividend_yield * value - spot * density * d1_slope,
        spot * density * time,
    )


@inline_always
def cash_leg(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta and rho of one option that pays one unit of cash."""
    carry = rate - dividend_yield
    d1, d2, deviation = deviates(spot, strike, time, volatility, carry)
    discount = exponential(-rate * time)
    gauss = gaussian(d2)
    spread = right * discount * INVERSE_ROOT_TWO_PI * gauss / deviation
    density = spread if deviation > DEVIATION_MIN else 0.0
    value = discount * normal_distribution_from(right * d2, gauss)
    some_time = max(time, TIME_MIN)
    # Change of d2 by time to expiry, times the deviation.
    d2_slope = 0.5 * (2.0 * carry * time - d1 * deviation) / some_time
    return (
        value,
        density / spot,
        -density / (spot * spot) * (1.0 + d2 / deviation),
        -density * d1 * math.sqrt(max(time, 0.0)),
        rate * value - density * d2_slope,
        density * time - time * value,
    )


@inline_always
def digital_greeks(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
    assets: float,
    cash: float,
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta and rho of ``assets`` asset and ``cash`` cash options."""
    asset = asset_leg(right, spot, strike, time, volatility, rate, dividend_yield)
    unit = cash_leg(right, spot, strike, time, volatility, rate, dividend_yield)
    return (
        assets * asset[0] + cash * unit[0],
        assets * asset[1] + cash * unit[1],
        assets * asset[2] + cash * unit[2],
        assets * asset[3] + cash * unit[3],
        assets * asset[4] + cash * unit[4],
        assets * asset[5] + cash * unit[5],
    )


@inline_always
def store_greeks(
    outputs: Any, index: int, greeks: tuple[float, float, float, float, float, float]
) -> None:
    """Write the six numbers of one option into its column."""
    outputs[VALUE, index] = greeks[0]
    outputs[DELTA, index] = greeks[1]
    outputs[GAMMA, index] = greeks[2]
    outputs[VEGA, index] = greeks[3]
    outputs[THETA, index] = greeks[4]
    outputs[RHO, index] = greeks[5]


@inline_always
def digital_option(
    inputs: Any, index: int, assets: float, cash: float
) -> tuple[float, float, float, float, float, float]:
    """``digital_greeks`` of one column of a block."""
    return digital_greeks(
        inputs[RIGHT, index],
        inputs[SPOT, index],
        inputs[STRIKE, index],
        inputs[TIME, index],
        inputs[VOLATILITY, index],
        inputs[RATE, index],
        inputs[YIELD, index],
        assets,
        cash,
    )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def cash_or_nothing_columns(inputs: Any, outputs: Any) -> None:
    """The first six rows of ``outputs`` for cash-or-nothing options (8 rows of inputs)."""
    for index in range(inputs.shape[1]):
        greeks = digital_option(inputs, index, 0.0, inputs[AMOUNT, index])
        store_greeks(outputs, index, greeks)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def asset_or_nothing_columns(inputs: Any, outputs: Any) -> None:
    """The first six rows of ``outputs`` for asset-or-nothing options (8 rows of inputs)."""
    for index in range(inputs.shape[1]):
        greeks = digital_option(inputs, index, 1.0, 0.0)
        store_greeks(outputs, index, greeks)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def gap_columns(inputs: Any, outputs: Any) -> None:
    """The first six rows of ``outputs`` for gap options (8 rows of inputs)."""
    for index in range(inputs.shape[1]):
        right = inputs[RIGHT, index]
        greeks = digital_option(inputs, index, right, -right * inputs[AMOUNT, index])
        store_greeks(outputs, index, greeks)
