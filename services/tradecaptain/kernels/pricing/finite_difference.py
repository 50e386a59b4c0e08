"""Backward steps of an option's value on a grid of spots, with exercise at any time.

Log spots are evenly spaced; time to expiry runs through given moments. The scheme is the mean of
the explicit and the implicit step (Crank and Nicolson), after a few implicit ones where the value
has a kink (Rannacher). With exercise each step solves its complementarity problem exactly: nodes
that are exercised are found by policy iteration (Howard), whatever the shape of their region.

At an end of the grid the value is linear in the spot, or given.

Sources: Rannacher, Finite Element Solution of Diffusion Problems with Irregular Data (1984);
Forsyth and Vetzal, Quadratic Convergence for Valuing American Options Using a Penalty Method
(2002), which also has the spacing of time; Bokanowski, Maroso and Zidani, Some Convergence Results
for Howard's Algorithm (2009).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.contract import Contract

FloatArray = npt.NDArray[np.float64]

IMPLICIT_STEPS: Final = 4
POLICIES_MAX: Final = 50

# Elements of the market that the steps read.
RIGHT: Final = 0
STRIKE: Final = 1
VARIANCE: Final = 2
RATE: Final = 3
CARRY: Final = 4
IS_AMERICAN: Final = 5
MARKET_SIZE: Final = 6

# Rows of what belongs to the moments: time to expiry, cash that comes on top of the grid's spot
# when exercising, and the value at either end of the grid (NaN: linear there).
TIME: Final = 0
CASH: Final = 1
LOW_VALUE: Final = 2
HIGH_VALUE: Final = 3
MOMENT_ROWS: Final = 4

# Rows of work.
_BELOW: Final = 0
_AT: Final = 1
_ABOVE: Final = 2
_DUE: Final = 3
_EXERCISE: Final = 4
_HELD: Final = 5
_FACTOR: Final = 6
_REDUCED: Final = 7
WORK_ROWS: Final = 8


@inline
def _fill_rows(
    values: Any, spots: Any, market: Any, edges: Any, step: float, implicit: float, work: Any
) -> None:
    """Coefficients of the implicit side and the right-hand side of every inner node."""
    last = values.shape[0] - 1
    width = math.log(spots[1] / spots[0])
    diffusion = 0.5 * market[VARIANCE] / (width * width)
    drift = 0.5 * (market[CARRY] - 0.5 * market[VARIANCE]) / width
    down, up = diffusion - drift, diffusion + drift
    middle = -2.0 * diffusion - market[RATE]
    explicit = 1.0 - implicit
    for node in range(1, last):
        change = down * values[node - 1] + middle * values[node] + up * values[node + 1]
        work[_DUE, node] = values[node] + explicit * step * change
        work[_BELOW, node] = -implicit * step * down
        work[_AT, node] = 1.0 - implicit * step * middle
        work[_ABOVE, node] = -implicit * step * up
    # The ends' values are taken out of the equations of their neighbours.
    if math.isnan(edges[0]):
        slope = (spots[1] - spots[0]) / (spots[2] - spots[1])
        work[_AT, 1] += work[_BELOW, 1] * (1.0 + slope)
        work[_ABOVE, 1] -= work[_BELOW, 1] * slope
    else:
        work[_DUE, 1] -= work[_BELOW, 1] * edges[0]
    if math.isnan(edges[1]):
        slope = (spots[last] - spots[last - 1]) / (spots[last - 1] - spots[last - 2])
        work[_AT, last - 1] += work[_ABOVE, last - 1] * (1.0 + slope)
        work[_BELOW, last - 1] -= work[_ABOVE, last - 1] * slope
    else:
        work[_DUE, last - 1] -= work[_ABOVE, last - 1] * edges[1]
    work[_BELOW, 1] = 0.0
    work[_ABOVE, last - 1] = 0.0


@inline
def _solve_rows(values: Any, work: Any) -> None:
    """Elimination of the tridiagonal system, where held nodes have their exercise value."""
    last = values.shape[0] - 1
    factor, reduced = 0.0, 0.0
    for node in range(1, last):
        if work[_HELD, node] != 0.0:
            factor, reduced = 0.0, work[_EXERCISE, node]
        else:
            pivot = 1.0 / (work[_AT, node] - work[_BELOW, node] * factor)
            reduced = (work[_DUE, node] - work[_BELOW, node] * reduced) * pivot
            factor = work[_ABOVE, node] * pivot
        work[_FACTOR, node], work[_REDUCED, node] = factor, reduced
    value = 0.0
    for node in range(last - 1, 0, -1):
        value = work[_REDUCED, node] - work[_FACTOR, node] * value
        values[node] = value


@inline
def _change_policy(values: Any, work: Any) -> int:
    """Hold what is worth exercising, release what waiting pays for; returns how many changed."""
    last = values.shape[0] - 1
    changed = 0
    for node in range(1, last):
        waiting = work[_AT, node] * values[node] - work[_DUE, node]
        if node > 1:
            waiting += work[_BELOW, node] * values[node - 1]
        if node < last - 1:
            waiting += work[_ABOVE, node] * values[node + 1]
        short = values[node] - work[_EXERCISE, node]
        rounding = 1e-14 * (abs(values[node]) + abs(work[_EXERCISE, node]))
        held = work[_HELD, node]
        if held != 0.0 and waiting < -rounding:
            work[_HELD, node] = 0.0
            changed += 1
        elif held == 0.0 and short < -rounding:
            work[_HELD, node] = 1.0
            changed += 1
    return changed


@inline
def _set_ends(values: Any, spots: Any, edges: Any) -> None:
    last = values.shape[0] - 1
    if math.isnan(edges[0]):
        slope = (spots[1] - spots[0]) / (spots[2] - spots[1])
        values[0] = values[1] - slope * (values[2] - values[1])
    else:
        values[0] = edges[0]
    if math.isnan(edges[1]):
        slope = (spots[last] - spots[last - 1]) / (spots[last - 1] - spots[last - 2])
        values[last] = values[last - 1] + slope * (values[last - 1] - values[last - 2])
    else:
        values[last] = edges[1]


@kernel(
    numba.int64(
        numba.float64[::1],
        numba.float64[::1],
        numba.float64[::1],
        numba.float64[:, ::1],
        numba.float64[:, ::1],
    )
)
def roll_back(values: Any, spots: Any, market: Any, moments: Any, work: Any) -> int:
    """Carry ``values`` from the first to the last moment of time to expiry.

    ``moments`` (4, moments), ``work`` (8, nodes). Returns the steps whose policies didn't settle,
    which is a fault of the inputs.
    """
    last = values.shape[0] - 1
    unsettled = 0
    for node in range(values.shape[0]):
        work[_HELD, node] = 0.0
    for index in range(1, moments.shape[1]):
        step = moments[TIME, index] - moments[TIME, index - 1]
        edges = (moments[LOW_VALUE, index], moments[HIGH_VALUE, index])
        implicit = 1.0 if index <= IMPLICIT_STEPS else 0.5
        _fill_rows(values, spots, market, edges, step, implicit, work)
        _solve_rows(values, work)
        if market[IS_AMERICAN] != 0.0:
            for node in range(1, last):
                payoff = market[RIGHT] * (spots[node] + moments[CASH, index] - market[STRIKE])
                work[_EXERCISE, node] = payoff
            # Policies start from the step before, whose values stand in what was just solved.
            policies = 0
            while _change_policy(values, work) > 0 and policies < POLICIES_MAX:
                _solve_rows(values, work)
                policies += 1
            unsettled += 1 if policies == POLICIES_MAX else 0
        _set_ends(values, spots, edges)
        if market[IS_AMERICAN] != 0.0:
            for node in (0, last):
                payoff = market[RIGHT] * (spots[node] + moments[CASH, index] - market[STRIKE])
                values[node] = max(values[node], payoff)
    return unsettled


def log_grid(low: float, high: float, nodes: int) -> FloatArray:
    """Spots from low to high whose logs are evenly spaced."""
    return np.asarray(np.exp(np.linspace(math.log(low), math.log(high), nodes)))


def spaced_moments(start: float, end: float, steps: int) -> FloatArray:
    """Moments of time to expiry, the closer the nearer to the start, where the value has a kink."""
    return np.asarray(start + (end - start) * np.linspace(0.0, 1.0, steps + 1) ** 2)


def average_payoff(spots: FloatArray, right: float, strike: float) -> FloatArray:
    """Payoff of a call or put, averaged over each node's share of the grid of log spots.

    So the error of a grid doesn't depend on where the strike lies between two nodes.
    """
    width = math.log(spots[1] / spots[0])
    low, high = np.log(spots) - 0.5 * width, np.log(spots) + 0.5 * width
    if right > 0.0:
        low = np.clip(math.log(strike), low, high)
    else:
        high = np.clip(math.log(strike), low, high)
    area = np.exp(high) - np.exp(low) - strike * (high - low)
    return np.asarray(right * area / width)


def market_of(contract: Contract, *, is_american: bool) -> FloatArray:
    """What the steps read of a contract."""
    return np.array(
        [
            contract.right,
            contract.strike,
            contract.volatility**2,
            contract.interest_rate,
            contract.interest_rate - contract.dividend_yield,
            1.0 if is_american else 0.0,
        ]
    )


def interpolate(values: FloatArray, spots: FloatArray, places: FloatArray) -> FloatArray:
    """Values at other spots: cubic in the log of the spot, continued beyond the ends."""
    width = math.log(spots[1] / spots[0])
    position = np.log(places / spots[0]) / width
    first = np.clip(np.floor(position).astype(np.int64) - 1, 0, spots.size - 4)
    rest = position - first
    result = np.zeros_like(places)
    for index in range(4):
        weight = np.ones_like(rest)
        for other in range(4):
            if other != index:
                weight *= (rest - other) / (index - other)
        result += weight * values[first + index]
    return result
