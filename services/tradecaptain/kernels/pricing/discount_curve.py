"""Discount curves: interpolation between nodes, and the nodes that reproduce given quotes.

A curve is the logarithms of its discount factors at nodes ``t_1 < … < t_n`` (years, all positive);
at time 0 the factor is 1. Every interpolation here is linear in those logarithms, so that a
discount factor is ``exp(w x)`` with ``x`` the logarithms and ``w`` a row of weights that depends on
the times alone. A quote is one equation ``sum a exp(w x) + c = 0``; a forward rate is such a term
too, with the difference of two rows as its weights. The nodes are found by Newton's method on all
equations together, with exact derivatives, whatever the interpolation and the order of quotes.

Beyond the last node the last forward rate goes on. Sources: Hagan and West, Interpolation Methods
for Curve Construction (2006); Ametrano and Bianchetti, Everything You Always Wanted to Know About
Multiple Interest Rate Curve Bootstrapping (2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LOG_LINEAR_DISCOUNT: Final = 1  # flat forward rates between nodes
LINEAR_ZERO: Final = 2  # straight zero rates
CUBIC_LOG_DISCOUNT: Final = 3  # natural spline through the logarithms, from time 0
CUBIC_ZERO: Final = 4  # natural spline through the zero rates

_TURNS_MAX: Final = 60
_TOLERANCE: Final = 1e-15
_STEP_MAX: Final = 1.0


class CurveError(Exception):
    """No curve reproduces the quotes."""


@dataclass(frozen=True, slots=True)
class Equations:
    """One equation a quote: ``sum over its terms of a exp(w x) + c = 0``.

    ``weights`` has a row a term, ``amounts`` its factor ``a``, ``owners`` the equation it belongs
    to; ``constants`` has an element an equation.
    """

    weights: FloatArray
    amounts: FloatArray
    owners: npt.NDArray[np.int64]
    constants: FloatArray


def _linear_weights(knots: FloatArray, times: FloatArray) -> FloatArray:
    """Weights of straight interpolation on knots; beyond both ends the end piece goes on."""
    last = knots.size - 2
    left = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, max(last, 0))
    weights = np.zeros((times.size, knots.size))
    rows = np.arange(times.size)
    if knots.size == 1:
        weights[:, 0] = 1.0
        return weights
    share = (times - knots[left]) / (knots[left + 1] - knots[left])
    weights[rows, left] = 1.0 - share
    weights[rows, left + 1] += share
    return weights


def _spline_weights(knots: FloatArray, times: FloatArray) -> FloatArray:
    """Weights of the natural cubic spline on knots; beyond both ends it goes on straight."""
    count = knots.size
    if count < 3:
        return _linear_weights(knots, times)
    widths = np.diff(knots)
    # Second derivatives at the inner knots are linear in the values: solve for all unit vectors.
    system = np.zeros((count, count))
    right = np.zeros((count, count))
    system[0, 0] = system[-1, -1] = 1.0
    for row in range(1, count - 1):
        before, after = widths[row - 1], widths[row]
        system[row, row - 1 : row + 2] = before / 6.0, (before + after) / 3.0, after / 6.0
        right[row, row - 1 : row + 2] = 1.0 / before, -1.0 / before - 1.0 / after, 1.0 / after
    bends = np.linalg.solve(system, right)
    inside = np.clip(times, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, count - 2)
    width = widths[left]
    high = ((inside - knots[left]) / width)[:, None]
    low = 1.0 - high
    square = (width * width)[:, None] / 6.0
    unit = np.eye(count)
    weights = low * unit[left] + high * unit[left + 1]
    weights += square * ((low**3 - low) * bends[left] + (high**3 - high) * bends[left + 1])
    slope = (unit[left + 1] - unit[left]) / width[:, None]
    slope += (width / 6.0)[:, None] * (
        (3.0 * high**2 - 1.0) * bends[left + 1] - (3.0 * low**2 - 1.0) * bends[left]
    )
    result: FloatArray = weights + (times - inside)[:, None] * slope
    return result


def interpolation_weights(method: int, nodes: FloatArray, times: FloatArray) -> FloatArray:
    """Weights of the node logarithms at each time, of shape (times, nodes).

    ``method`` is one of this module's four; times may not be negative.
    """
    if method in (LOG_LINEAR_DISCOUNT, CUBIC_LOG_DISCOUNT):
        knots = np.concatenate(([0.0], nodes))
        make = _linear_weights if method == LOG_LINEAR_DISCOUNT else _spline_weights
        # The logarithm at time 0 is 0, whatever its weight.
        return make(knots, times)[:, 1:]
    # Zero rates are flat before the first node and after the last.
    inside = np.clip(times, nodes[0], nodes[-1])
    make = _linear_weights if method == LINEAR_ZERO else _spline_weights
    weights = make(nodes, inside) * times[:, None] / nodes
    beyond = np.flatnonzero(times > nodes[-1])
    if beyond.size:
        weights[beyond] = _beyond_last(method, nodes, times[beyond])
    return weights


def _beyond_last(method: int, nodes: FloatArray, times: FloatArray) -> FloatArray:
    """The forward rate at the last node goes on, taken over the last hundredth of a year."""
    near = np.array([nodes[-1] * (1.0 - 1e-6), nodes[-1]])
    before, last = interpolation_weights(method, nodes, near)
    slope = (last - before) / (near[1] - near[0])
    result: FloatArray = last + (times - nodes[-1])[:, None] * slope
    return result


def solve(equations: Equations, start: FloatArray) -> FloatArray:
    """The node logarithms that satisfy as many equations as there are nodes.

    Raises :class:`CurveError` if the equations contradict each other or leave a node open.
    """
    logs = start.copy()
    count = equations.constants.size
    scale = 1.0 + np.abs(equations.constants)
    for _ in range(_TURNS_MAX):
        values = equations.amounts * np.exp(equations.weights @ logs)
        residuals = np.bincount(equations.owners, values, minlength=count) + equations.constants
        slopes = np.zeros((count, logs.size))
        np.add.at(slopes, equations.owners, values[:, None] * equations.weights)
        try:
            step = np.linalg.solve(slopes, residuals)
        except np.linalg.LinAlgError:
            break
        longest = float(np.abs(step).max(initial=0.0))
        if not np.isfinite(longest):
            break
        if longest > _STEP_MAX:
            step *= _STEP_MAX / longest
        logs -= step
        if longest < 1e-13 or float(np.abs(residuals / scale).max(initial=0.0)) < _TOLERANCE:
            return logs
    raise CurveError("no curve reproduces the quotes: they contradict each other or leave gaps")
