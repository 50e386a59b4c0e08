"""Bachelier: European options on a forward that moves normally; prices may be zero or negative.

With volatility in price units per square root of a year, s = volatility * sqrt(time):

    d = (F - K) / s
    value = e^(-r T) (w (F - K) N(w d) + s n(d))

Domain and errors: see ``status``; forward and strike within 1e50 either way. Error of the value:
below 1e-15 * e^(-r T) max(|F|, |K|, s). Deep out of the money a result below zero by rounding is
lifted to zero.

Source: Bachelier, Théorie de la spéculation (1900), for options on forwards.
"""

from __future__ import annotations

import math
from typing import Any

import numba
from tradecaptain.base.jit import inline_always, kernel
from tradecaptain.kernels.pricing.black_scholes import DEVIATION_MIN, TIME_MIN, clamp_deviate
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    CHARM,
    COLOR,
    DELTA,
    DUAL_DELTA,
    GAMMA,
    RATE,
    RHO,
    RIGHT,
    SPEED,
    SPOT,
    STATUS_TYPE,
    STRIKE,
    THETA,
    TIME,
    VALUE,
    VANNA,
    VEGA,
    VOLATILITY,
    VOLGA,
)
from tradecaptain.kernels.pricing.elementary import (
    INVERSE_ROOT_TWO_PI,
    exponential,
    gaussian,
    normal_distribution_from,
)
from tradecaptain.kernels.pricing.validity import check_normal, erase_invalid


@inline_always
def bachelier_greeks(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta and rho of one option."""
    deviation = max(volatility * math.sqrt(max(time, 0.0)), DEVIATION_MIN)
    deviate = clamp_deviate((forward - strike) / deviation)
    discount = exponential(-rate * time)
    gauss = gaussian(deviate)
    density = discount * INVERSE_ROOT_TWO_PI * gauss if deviation > DEVIATION_MIN else 0.0
    delta = right * discount * normal_distribution_from(right * deviate, gauss)
    value = max((forward - strike) * delta + deviation * density, 0.0)
    decay = 0.5 * density * volatility / math.sqrt(max(time, TIME_MIN))
    return (
        value,
        delta,
        density / deviation,
        density * math.sqrt(max(time, 0.0)),
        rate * value - decay,
        -time * value,
    )


@inline_always
def bachelier_value(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> float:
    """Value of one option."""
    return bachelier_greeks(right, forward, strike, time, volatility, rate)[0]


@inline_always
def bachelier_higher_greeks(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> tuple[float, float, float, float, float, float]:
    """Vanna, volga, charm, speed, color and dual delta of one option."""
    deviation = max(volatility * math.sqrt(max(time, 0.0)), DEVIATION_MIN)
    deviate = clamp_deviate((forward - strike) / deviation)
    some_time = max(time, TIME_MIN)
    inverse_volatility = math.sqrt(some_time) / deviation
    discount = exponential(-rate * time)
    gauss = gaussian(deviate)
    density = discount * INVERSE_ROOT_TWO_PI * gauss if deviation > DEVIATION_MIN else 0.0
    delta = right * discount * normal_distribution_from(right * deviate, gauss)
    gamma = density / deviation
    return (
        -density * deviate * inverse_volatility,
        density * math.sqrt(max(time, 0.0)) * deviate * deviate * inverse_volatility,
        rate * delta + 0.5 * density * deviate / some_time,
        -gamma * deviate / deviation,
        gamma * (rate + 0.5 * (1.0 - deviate * deviate) / some_time),
        -delta,
    )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def bachelier_values(inputs: Any, outputs: Any) -> None:
    """Row ``VALUE`` of ``outputs`` for every option of ``inputs`` (6 rows)."""
    for index in range(inputs.shape[1]):
        outputs[VALUE, index] = bachelier_value(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            inputs[TIME, index],
            inputs[VOLATILITY, index],
            inputs[RATE, index],
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def bachelier_greek_columns(inputs: Any, outputs: Any) -> None:
    """The first six rows of ``outputs`` for every option of ``inputs`` (6 rows)."""
    for index in range(inputs.shape[1]):
        value, delta, gamma, vega, theta, rho = bachelier_greeks(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            inputs[TIME, index],
            inputs[VOLATILITY, index],
            inputs[RATE, index],
        )
        outputs[VALUE, index] = value
        outputs[DELTA, index] = delta
        outputs[GAMMA, index] = gamma
        outputs[VEGA, index] = vega
        outputs[THETA, index] = theta
        outputs[RHO, index] = rho


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def bachelier_higher_greek_columns(inputs: Any, outputs: Any) -> None:
    """Rows ``VANNA`` to ``DUAL_DELTA`` of ``outputs`` for every option of ``inputs`` (6 rows)."""
    for index in range(inputs.shape[1]):
        vanna, volga, charm, speed, color, dual_delta = bachelier_higher_greeks(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            inputs[TIME, index],
            inputs[VOLATILITY, index],
            inputs[RATE, index],
        )
        outputs[VANNA, index] = vanna
        outputs[VOLGA, index] = volga
        outputs[CHARM, index] = charm
        outputs[SPEED, index] = speed
        outputs[COLOR, index] = color
        outputs[DUAL_DELTA, index] = dual_delta


@kernel(numba.int64(BLOCK_TYPE, BLOCK_TYPE, BLOCK_TYPE, STATUS_TYPE))
def bachelier_pairs(inputs: Any, calls: Any, puts: Any, status: Any) -> int:
    """The first six rows for the call and for the put of every contract, whatever its right.

    Fills the status; returns how many contracts are invalid.
    """
    invalid_count = check_normal(inputs, status)
    for index in range(inputs.shape[1]):
        forward, strike = inputs[SPOT, index], inputs[STRIKE, index]
        time, volatility, rate = inputs[TIME, index], inputs[VOLATILITY, index], inputs[RATE, index]
        call = bachelier_greeks(1.0, forward, strike, time, volatility, rate)
        put = bachelier_greeks(-1.0, forward, strike, time, volatility, rate)
        calls[VALUE, index], puts[VALUE, index] = call[0], put[0]
        calls[DELTA, index], puts[DELTA, index] = call[1], put[1]
        calls[GAMMA, index], puts[GAMMA, index] = call[2], put[2]
        calls[VEGA, index], puts[VEGA, index] = call[3], put[3]
        calls[THETA, index], puts[THETA, index] = call[4], put[4]
        calls[RHO, index], puts[RHO, index] = call[5], put[5]
    if invalid_count > 0:
        erase_invalid(status, calls)
        erase_invalid(status, puts)
    return invalid_count
