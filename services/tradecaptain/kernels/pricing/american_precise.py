"""Values of American puts from the panels' boundaries: the accurate form, and two boundaries.

All is in units of strike and expiry, as in ``american_panels``, whose boundaries must be valid.

Sources: Kim, The Analytic Valuation of American Options (1990), for the integral; Andersen and
Lake, Fast American Option Pricing: The Double-Boundary Case (2021).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.american_lanes import (
    PUT_DELTA,
    PUT_DEVIATION,
    PUT_GAMMA,
    PUT_RATE,
    PUT_SPOT,
    PUT_VALUE,
    PUT_YIELD,
)
from tradecaptain.kernels.pricing.american_panels import (
    ABSCISSAE,
    CURVE_ROWS,
    DEGREE,
    DEVIATION,
    ENDS,
    GRID,
    GRID_WEIGHTS,
    LEGENDRE,
    LOG_LIMIT,
    PANEL_GROWTH,
    PANELS_MAX,
    PARAMETERS,
    RATE,
    SIDE,
    STRETCH,
    VALUES,
    WEIGHTS,
    YIELD,
    curve_at,
    extend_curve,
    next_break,
    normal_tail,
    set_parameters,
)
from tradecaptain.kernels.pricing.columns import BLOCK_TYPE
from tradecaptain.kernels.pricing.elementary import INVERSE_ROOT_TWO_PI

FloatArray = npt.NDArray[np.float64]

FIRST_PANEL: Final = 4.0**-7
# Two curves that can't be followed for another share like this have met.
MEETING_WIDTH: Final = 1e-4
CUTS_MAX: Final = 60
PLACE_ROUNDING: Final = 1e-14
# Rows of the outputs behind value, delta and gamma: panels solved, and the time to expiry up to
# which there is early exercise.
PUT_PANELS: Final = 3
PUT_STOP: Final = 4
PRECISE_ROWS: Final = 5
# Rows of the boundary output: upper and lower boundary in units of the strike, NaN where none.
UPPER: Final = 0
LOWER: Final = 1


@inline
def _log_at(
    curve: Any, panel: int, moment: float, parameters: Any, tables: Any, work: Any
) -> float:
    y = curve_at(curve, panel, max(moment, 0.0), tables, work[1])
    return float(parameters[LOG_LIMIT] - parameters[SIDE] * y)


@inline
def _add_value(
    result: Any, parameters: Any, log_distance: float, elapsed: float, weight: float
) -> None:
    """Add what is earned at a moment below a boundary, with its derivatives by the spot."""
    rate, dividend_yield, spot = parameters[RATE], parameters[YIELD], result[3]
    spread = parameters[DEVIATION] * math.sqrt(elapsed)
    upper = (log_distance + (rate - dividend_yield) * elapsed) / spread + 0.5 * spread
    discount = weight * math.exp(-dividend_yield * elapsed)
    capped = min(max(upper, -37.0), 37.0)
    density = discount * INVERSE_ROOT_TWO_PI * math.exp(-0.5 * capped * capped) / spread
    tail = discount * normal_tail(upper)
    pull = dividend_yield - rate * math.exp(log_distance) / spot
    result[0] += (
        rate * weight * math.exp(-rate * elapsed) * normal_tail(upper - spread)
        - dividend_yield * spot * tail
    )
    result[1] += density * pull - dividend_yield * tail
    result[2] += density * (dividend_yield - pull * upper / spread) / spot


@inline
def integrate_value(
    curve: Any, panels: int, stop: float, parameters: Any, tables: Any, work: Any
) -> None:
    """Premium, delta and gamma of exercise below a curve until ``stop``, into row 2 of work.

    Element 3 of that row is the spot; the first three must be zero at the start.
    """
    result = work[2]
    log_spot = math.log(result[3])
    for panel in range(panels):
        start = curve[ENDS, panel - 1] if panel > 0 else 0.0
        end = min(curve[ENDS, panel], stop)
        if start >= end:
            break
        if panel == 0:
            middle = 0.5 * end
            root_end = math.sqrt(middle)
            for index in range(LEGENDRE):
                root = 0.5 * root_end * (1.0 + tables[ABSCISSAE, index])
                weight = root_end * tables[WEIGHTS, index] * root
                moment = root * root
                log_here = _log_at(curve, panel, moment, parameters, tables, work)
                _add_value(result, parameters, log_spot - log_here, 1.0 - moment, weight)
            start = middle
        root, root_end = math.sqrt(max(1.0 - end, 0.0)), math.sqrt(1.0 - start)
        distance = abs(log_spot - _log_at(curve, panel, end, parameters, tables, work))
        # Near the boundary the integrand changes as soon as the spot may have reached it.
        stretch = min(parameters[STRETCH], 0.25 * distance / parameters[DEVIATION] + 1e-5)
        while root < root_end:
            piece_end = next_break(root, root_end, stretch)
            half = 0.5 * (piece_end - root)
            for index in range(LEGENDRE):
                elapsed_root = root + half * (1.0 + tables[ABSCISSAE, index])
                weight = 2.0 * half * tables[WEIGHTS, index] * elapsed_root
                elapsed = elapsed_root * elapsed_root
                log_here = _log_at(curve, panel, 1.0 - elapsed, parameters, tables, work)
                _add_value(result, parameters, log_spot - log_here, elapsed, weight)
            root = piece_end


@inline
def _crossing(upper: Any, lower: Any, panel: int, tables: Any, work: Any) -> float:
    """Time within a panel at which the two boundaries meet; they do at its end."""
    start = upper[0][ENDS, panel - 1] if panel > 0 else 0.0
    end = upper[0][ENDS, panel]
    for _ in range(60):
        middle = 0.5 * (start + end)
        high = _log_at(upper[0], panel, middle, upper[1], tables, work)
        low = _log_at(lower[0], panel, middle, lower[1], tables, work)
        if high <= low:
            end = middle
        else:
            start = middle
    return 0.5 * (start + end)


@inline
def _first_end(parameters: Any) -> float:
    """End of the first panel: long before the boundary's own scales of time."""
    drift = max(abs(parameters[RATE]), abs(parameters[YIELD]))
    scale = parameters[DEVIATION] / max(drift, 1e-300)
    return min(FIRST_PANEL, scale * scale * FIRST_PANEL)


@inline
def solve_curves(
    upper: Any, lower: Any, is_double: bool, tables: Any, work: Any
) -> tuple[int, float]:
    """Panels solved (negative: not converged) and the time at which early exercise ends.

    ``upper`` and ``lower`` are pairs of curve and parameters.
    """
    panels, time, width = 0, 0.0, _first_end(upper[1])
    cuts = 0
    while time < 1.0 and panels < PANELS_MAX:
        end = 1.0 if time + 1.5 * width > 1.0 else time + width
        solved = extend_curve(upper[0], panels, end, upper[1], tables, work)
        if solved and is_double:
            solved = extend_curve(lower[0], panels, end, lower[1], tables, work)
        if not solved:
            cuts += 1
            if is_double and panels > 0 and width < MEETING_WIDTH * time:
                # Past the time at which they meet, the two curves soon cease to exist.
                return panels, time
            if cuts > CUTS_MAX:
                break
            width *= 0.5
            continue
        if is_double:
            high = upper[1][LOG_LIMIT] - upper[0][1 + DEGREE, panels]
            low = lower[1][LOG_LIMIT] + lower[0][1 + DEGREE, panels]
            if high <= low:
                return panels + 1, _crossing(upper, lower, panels, tables, work)
        time, panels = end, panels + 1
        width = (PANEL_GROWTH - 1.0) * (time if panels == 1 else min(time, width))
    return (panels, 2.0) if time >= 1.0 else (-panels - 1, time)


@inline
def _value_alive(
    upper: Any,
    lower: Any,
    is_double: bool,
    panels: int,
    stop: float,
    tables: Any,
    work: Any,
    output: Any,
    spot: float,
) -> None:
    """European part plus what early exercise earns below the upper less below the lower curve."""
    result, parameters = work[2], upper[1]
    rate, dividend_yield, deviation = parameters[RATE], parameters[YIELD], parameters[DEVIATION]
    d1 = (math.log(spot) + rate - dividend_yield) / deviation + 0.5 * deviation
    carried = math.exp(-dividend_yield)
    density = math.exp(-0.5 * d1 * d1) * INVERSE_ROOT_TWO_PI
    european = math.exp(-rate) * normal_tail(d1 - deviation) - spot * carried * normal_tail(d1)
    output[PUT_VALUE] = max(european, 0.0)
    output[PUT_DELTA] = -carried * normal_tail(d1)
    output[PUT_GAMMA] = carried * density / (deviation * spot)
    for row in range(2 if is_double else 1):
        result[0], result[1], result[2], result[3] = 0.0, 0.0, 0.0, spot
        curve = upper if row == 0 else lower
        integrate_value(curve[0], panels, stop, curve[1], tables, work)
        for order in range(3):
            output[PUT_VALUE + order] += result[order] if row == 0 else -result[order]
    output[PUT_VALUE] = max(output[PUT_VALUE], 1.0 - spot)


@inline
def _prepare(puts: Any, index: int, curves: Any, work: Any) -> Any:
    """Pairs of curve and parameters of a put: the upper one and, if there are two, the lower."""
    rate, dividend_yield = puts[PUT_RATE, index], puts[PUT_YIELD, index]
    upper = (curves[0], work[0, PARAMETERS : 2 * PARAMETERS])
    lower = (curves[1], work[0, 2 * PARAMETERS : 3 * PARAMETERS])
    set_parameters(upper[1], rate, dividend_yield, puts[PUT_DEVIATION, index], 1.0)
    if rate < 0.0:
        set_parameters(lower[1], rate, dividend_yield, puts[PUT_DEVIATION, index], -1.0)
    return upper, lower


@kernel(
    numba.int64(
        BLOCK_TYPE, BLOCK_TYPE, numba.float64[:, :, ::1], BLOCK_TYPE, BLOCK_TYPE, BLOCK_TYPE
    )
)
def precise_put_values(
    puts: Any, tables: Any, curves: Any, work: Any, outputs: Any, boundaries: Any
) -> int:
    """The outputs of each put, and its boundaries now; returns how many failed.

    ``curves`` (2, CURVE_ROWS, PANELS_MAX) holds those of the last put afterwards. A put whose
    boundary wasn't found has NaN everywhere.
    """
    failures = 0
    for index in range(puts.shape[1]):
        spot, is_double = puts[PUT_SPOT, index], puts[PUT_RATE, index] < 0.0
        upper, lower = _prepare(puts, index, curves, work)
        panels, stop = solve_curves(upper, lower, is_double, tables, work)
        boundaries[UPPER, index], boundaries[LOWER, index] = math.nan, math.nan
        if panels < 0:
            failures += 1
            for row in range(outputs.shape[0]):
                outputs[row, index] = math.nan
            continue
        outputs[PUT_PANELS, index], outputs[PUT_STOP, index] = panels, stop
        if stop > 1.0:
            boundaries[UPPER, index] = math.exp(
                upper[1][LOG_LIMIT] - upper[0][1 + DEGREE, panels - 1]
            )
            boundaries[LOWER, index] = 0.0
            if is_double:
                high = lower[1][LOG_LIMIT] + lower[0][1 + DEGREE, panels - 1]
                boundaries[LOWER, index] = math.exp(high)
        if boundaries[LOWER, index] <= spot <= boundaries[UPPER, index]:
            outputs[PUT_VALUE, index] = 1.0 - spot
            outputs[PUT_DELTA, index] = -1.0
            outputs[PUT_GAMMA, index] = 0.0
            continue
        _value_alive(upper, lower, is_double, panels, stop, tables, work, outputs[:, index], spot)
    return failures


def curve_values(
    curves: FloatArray, solved: FloatArray, limits: FloatArray, times: FloatArray
) -> FloatArray:
    """Boundaries (2, times) of the last put of ``precise_put_values``, at times from 0 to 1.

    ``solved`` is that put's column of outputs, ``limits`` the boundaries just before expiry, the
    lower one zero where there is only one. NaN where early exercise has ended.
    """
    panels, stop = int(solved[PUT_PANELS]), solved[PUT_STOP]
    tables = panel_tables()
    grid, weights = tables[GRID, : DEGREE + 1], tables[GRID_WEIGHTS, : DEGREE + 1]
    ends = np.concatenate([[0.0], curves[0, ENDS, :panels]])
    panel = np.clip(np.searchsorted(ends, times) - 1, 0, panels - 1)
    start, end = np.sqrt(ends[panel]), np.sqrt(ends[panel + 1])
    place = (2.0 * np.sqrt(times) - start - end) / (end - start)
    distance = place[:, np.newaxis] - grid
    exact = np.abs(distance) < PLACE_ROUNDING
    factors = np.where(
        exact.any(axis=1)[:, np.newaxis], exact, weights / np.where(exact, 1, distance)
    )
    result = np.zeros((2, times.size))
    for row, sign in ((UPPER, -1.0), (LOWER, 1.0)):
        if limits[row] == 0.0:
            continue
        nodes = curves[row, VALUES : VALUES + DEGREE + 1, panel]
        nodes = np.where(panel[:, np.newaxis] == 0, nodes * nodes, nodes)
        y = (factors * nodes).sum(axis=1) / factors.sum(axis=1)
        y = np.where(panel == 0, np.sqrt(np.maximum(y, 0.0)), y)
        result[row] = limits[row] * np.exp(np.where(times <= stop, sign * y, 0.0))
    return np.where(times <= stop, result, math.nan)


def panel_tables() -> FloatArray:
    """Chebyshev points and weights, Gauss-Legendre abscissae and weights, one row each."""
    result = np.zeros((4, max(DEGREE + 1, LEGENDRE)))
    signs = np.where(np.arange(DEGREE + 1) % 2 == 0, 1.0, -1.0)
    signs[[0, -1]] *= 0.5
    result[GRID, : DEGREE + 1] = -np.cos(math.pi * np.arange(DEGREE + 1) / DEGREE)
    result[GRID_WEIGHTS, : DEGREE + 1] = signs
    abscissae, weights = np.polynomial.legendre.leggauss(LEGENDRE)
    result[ABSCISSAE, :LEGENDRE], result[WEIGHTS, :LEGENDRE] = abscissae, weights
    return result


def empty_curves() -> FloatArray:
    """Room for the curves of one put."""
    return np.zeros((2, CURVE_ROWS, PANELS_MAX))


def empty_work() -> FloatArray:
    """Room for a panel's equations; the parameters of both curves stand behind its terms."""
    return np.zeros((DEGREE + 3, max(DEGREE + 1, 3 * PARAMETERS)))
