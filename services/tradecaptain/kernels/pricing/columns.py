"""Rows of the column blocks that the array kernels read and write.

An input block is a C-contiguous float64 array of shape (inputs, options), an output block one of
shape (outputs, options): one row for each quantity, one column for each option. Every family uses a
prefix of these rows.

Units: see the package. Outputs are value, delta, gamma, vega, theta and rho, then vanna, volga,
charm, speed, color and dual delta, in the units that the package says. Source of the names: Haug,
The Complete Guide to Option Pricing Formulas (2007), chapter 2.
"""

from __future__ import annotations

from typing import Final

import numba

# Inputs. Right is +1 for a call and -1 for a put; time in years; rates continuous, a year.
RIGHT: Final = 0
SPOT: Final = 1  # the forward, for the families that are quoted on one
STRIKE: Final = 2
TIME: Final = 3
VOLATILITY: Final = 4
RATE: Final = 5
YIELD: Final = 6
AMOUNT: Final = 7  # payoff of a digital, second strike of a gap option, rebate of a barrier
BARRIER: Final = 8
BARRIER_KIND: Final = 9  # one of the four below

DOWN_IN: Final = 0.0
DOWN_OUT: Final = 1.0
UP_IN: Final = 2.0
UP_OUT: Final = 3.0

# Outputs. Derivatives by time are for a year that passes, by volatility and rates for 1.00.
VALUE: Final = 0
DELTA: Final = 1
GAMMA: Final = 2
VEGA: Final = 3
THETA: Final = 4
RHO: Final = 5
GREEK_ROWS: Final = 6
VANNA: Final = 6  # delta by volatility
VOLGA: Final = 7  # vega by volatility
CHARM: Final = 8  # delta by time that passes
SPEED: Final = 9  # gamma by spot
COLOR: Final = 10  # gamma by time that passes
DUAL_DELTA: Final = 11  # value by strike
ALL_GREEK_ROWS: Final = 12

OUTPUT_NAMES: Final[tuple[str, ...]] = (
    "value",
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "vanna",
    "volga",
    "charm",
    "speed",
    "color",
    "dual_delta",
)

BLOCK_TYPE = numba.float64[:, ::1]
STATUS_TYPE = numba.int64[::1]
