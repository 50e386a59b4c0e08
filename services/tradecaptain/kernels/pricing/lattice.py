"""Binomial lattice: European and American exercise on a tree of given step factors.

Each of ``steps`` equal steps moves the spot by ``up`` or ``down``; the chance of up is
``(e^((r - q) dt) - down) / (up - down)``, which must lie from 0 to 1. This is the tree price
itself, as textbooks print it; it nears the model's value like 1 / steps.

Source: Cox, Ross and Rubinstein, Option Pricing: A Simplified Approach (1979).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import kernel
from tradecaptain.kernels.pricing.status import (
    INVALID_LATTICE,
    INVALID_RIGHT,
    INVALID_SPOT,
    INVALID_STRIKE,
)

STEPS_MAX: Final = 100_000
WORK_TYPE = numba.float64[::1]


@kernel(
    numba.void(
        WORK_TYPE,
        numba.float64,
        numba.float64,
        numba.float64,
        numba.float64,
        numba.int64,
    )
)
def _fill_payoffs(
    work: Any, right: float, spot: float, strike: float, up_over_down: float, steps: int
) -> None:
    """Intrinsic values at expiry; ``spot`` is that of the lowest node."""
    price = spot
    for node in range(steps + 1):
        work[node] = max(right * (price - strike), 0.0)
        price *= up_over_down


@kernel(
    numba.float64(
        WORK_TYPE,
        numba.float64[::1],
        numba.int64,
        numba.int64,
    )
)
def _roll_back(work: Any, tree: Any, steps: int, is_american: int) -> float:
    """Value at the root; ``tree`` is right, spot, strike, up, down, chance of up, discount."""
    right, spot, strike, up, down, chance, discount = (
        tree[0],
        tree[1],
        tree[2],
        tree[3],
        tree[4],
        tree[5],
        tree[6],
    )
    up_weight, down_weight = discount * chance, discount * (1.0 - chance)
    for step in range(steps - 1, -1, -1):
        price = spot * down**step
        for node in range(step + 1):
            value = up_weight * work[node + 1] + down_weight * work[node]
            if is_american != 0:
                value = max(value, right * (price - strike))
                price *= up / down
            work[node] = value
    return float(work[0])


def binomial_value(
    right: float,
    spot: float,
    strike: float,
    time: float,
    rate: float,
    dividend_yield: float,
    *,
    steps: int,
    up: float,
    down: float,
    is_american: bool,
) -> tuple[float, int]:
    """Tree price of one option, and its status (NaN where that isn't ``OK``)."""
    status = 0
    if right not in (1.0, -1.0):
        status = INVALID_RIGHT
    elif not 0.0 < spot < math.inf:
        status = INVALID_SPOT
    elif not 0.0 < strike < math.inf:
        status = INVALID_STRIKE
    elif not (0 < steps <= STEPS_MAX and 0.0 < down < up < math.inf and 0.0 < time < math.inf):
        status = INVALID_LATTICE
    if status:
        return math.nan, status
    step_years = time / steps
    chance = (math.exp((rate - dividend_yield) * step_years) - down) / (up - down)
    if not 0.0 <= chance <= 1.0:
        return math.nan, INVALID_LATTICE
    work: npt.NDArray[np.float64] = np.empty(steps + 1)
    discount = math.exp(-rate * step_years)
    tree = np.array([right, spot, strike, up, down, chance, discount])
    _fill_payoffs(work, right, spot * down**steps, strike, up / down, steps)
    return float(_roll_back(work, tree, steps, int(is_american))), 0
