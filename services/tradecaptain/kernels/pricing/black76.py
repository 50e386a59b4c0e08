"""Black-76: European options on a forward or future ``F``, discounted at a continuous rate.

    value = w e^(-r T) (F N(w d1) - K N(w d2))

It is Black-Scholes-Merton with a yield equal to the rate, but for rho: the forward doesn't move
with the rate. Delta is by the forward. Domain, errors and accuracy: see
``black_scholes``. These are the scalar forms; ``lognormal_block`` has the array forms.

Source: Black, The Pricing of Commodity Contracts (1976).
"""

from __future__ import annotations

from tradecaptain.base.jit import inline_always
from tradecaptain.kernels.pricing.black_scholes import (
    black_scholes_greeks,
    black_scholes_higher_greeks,
    black_scholes_value,
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
