"""Black-76: European options on a forward or future ``F``, discounted at a continuous rate.

    value = w e^(-r T) (F N(w d1) - K N(w d2))

It is Black-Scholes-Merton with a yield equal to the rate, but for rho: the forward doesn't move
with the rate. Delta is by the forward. Domain, errors and accuracy: see ``black_scholes``.

Source: Black, The Pricing of Commodity Contracts (1976).
"""

from __future__ import annotations

from typing import Any

import numba
from tradecaptain.base.jit import inline_always, kernel
from tradecaptain.kernels.pricing.black_scholes import (
    black_scholes_greeks,
    black_scholes_higher_greeks,
    black_scholes_value,
)
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
    STRIKE,
    THETA,
    TIME,
    VALUE,
    VANNA,
    VEGA,
    VOLATILITY,
    VOLGA,
)


@inline_always
def black76_value(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> float:
    """Value of one option."""
    return black_scholes_value(right, forward, strike, time, volatility, rate, rate)


@inline_always
def black76_greeks(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta and rho of one option."""
    value, delta, gamma, vega, theta, _ = black_scholes_greeks(
        right, forward, strike, time, volatility, rate, rate
    )
    return value, delta, gamma, vega, theta, -time * value


@inline_always
def black76_higher_greeks(
    right: float, forward: float, strike: float, time: float, volatility: float, rate: float
) -> tuple[float, float, float, float, float, float]:
    """Vanna, volga, charm, speed, color and dual delta of one option."""
    return black_scholes_higher_greeks(right, forward, strike, time, volatility, rate, rate)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def black76_values(inputs: Any, outputs: Any) -> None:
    """Row ``VALUE`` of ``outputs`` for every option of ``inputs`` (6 rows)."""
    for index in range(inputs.shape[1]):
        outputs[VALUE, index] = black76_value(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            inputs[TIME, index],
            inputs[VOLATILITY, index],
            inputs[RATE, index],
        )


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def black76_greek_columns(inputs: Any, outputs: Any) -> None:
    """The first six rows of ``outputs`` for every option of ``inputs`` (6 rows)."""
    for index in range(inputs.shape[1]):
        value, delta, gamma, vega, theta, rho = black76_greeks(
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
def black76_higher_greek_columns(inputs: Any, outputs: Any) -> None:
    """Rows ``VANNA`` to ``DUAL_DELTA`` of ``outputs`` for every option of ``inputs`` (6 rows)."""
    for index in range(inputs.shape[1]):
        vanna, volga, charm, speed, color, dual_delta = black76_higher_greeks(
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
