"""European options that start later or pay in another currency: forward start and quanto.

Forward start: at time t the strike becomes ``fraction`` times the spot then, so the option is worth
e^(-q t) of the one that starts now with the time that is left. Quanto: a foreign asset paid at a
fixed exchange rate in domestic money; under the domestic measure its yield is

    q + r - r_f + rho v v_fx

with r_f the rate of the asset's own currency and rho the correlation of the asset with the exchange
rate (domestic per foreign). The value is Black-Scholes-Merton's with that yield, times the rate.

Error: as ``black_scholes``.

Sources: Rubinstein, Pay Now, Choose Later (1990); Garman and Kohlhagen (1983) and Reiner, Quanto
Mechanics (1992); Haug, The Complete Guide to Option Pricing Formulas (2007), 4.7 and 5.16.
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
from tradecaptain.kernels.pricing.normal import black_value

# Forward start: the strike is unused.
START_TIME: Final = 7
FRACTION: Final = 8
# Quanto.
EXCHANGE_RATE: Final = 7
FOREIGN_RATE: Final = 8
EXCHANGE_VOLATILITY: Final = 9
CORRELATION: Final = 10


@inline
def spot_value(
    right: float,
    spot: float,
    strike: float,
    market: tuple[float, float, float, float],
) -> float:
    """European option; ``market`` is time, volatility, rate and yield."""
    time, volatility, rate, dividend_yield = market
    forward = spot * math.exp((rate - dividend_yield) * time)
    deviation = volatility * math.sqrt(time)
    return math.exp(-rate * time) * black_value(right, forward, strike, deviation)


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def forward_start_values(inputs: Any, outputs: Any) -> None:
    """Options that start later (9 rows of inputs: start, strike as a fraction of the spot then)."""
    for index in range(inputs.shape[1]):
        start, dividend_yield = inputs[START_TIME, index], inputs[YIELD, index]
        spot = inputs[SPOT, index]
        market = (
            inputs[TIME, index] - start,
            inputs[VOLATILITY, index],
            inputs[RATE, index],
            dividend_yield,
        )
        value = spot_value(inputs[RIGHT, index], spot, spot * inputs[FRACTION, index], market)
        outputs[VALUE, index] = math.exp(-dividend_yield * start) * value


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def quanto_values(inputs: Any, outputs: Any) -> None:
    """Options on a foreign asset at a fixed exchange rate (11 rows of inputs).

    Rate is the domestic one, spot, strike and yield are the foreign asset's.
    """
    for index in range(inputs.shape[1]):
        rate, volatility = inputs[RATE, index], inputs[VOLATILITY, index]
        covariance = inputs[CORRELATION, index] * volatility * inputs[EXCHANGE_VOLATILITY, index]
        moved = inputs[YIELD, index] + rate - inputs[FOREIGN_RATE, index] + covariance
        market = (inputs[TIME, index], volatility, rate, moved)
        value = spot_value(inputs[RIGHT, index], inputs[SPOT, index], inputs[STRIKE, index], market)
        outputs[VALUE, index] = inputs[EXCHANGE_RATE, index] * value
