"""Early-exercise boundaries to nine digits and more, one option at a time, in all sign regimes.

Time to expiry, from 0 to 1, is cut into panels whose ends grow by a factor, so that the boundary is
smooth on each: its singularity lies at expiry, and its fastest change near there. On a panel
``y = |log(B / X)|`` is a polynomial in the root of time through Chebyshev points (on the first one
``y ** 2`` is). All points of a panel are found together by Newton's method from the smooth fit of
delta, whose terms at the strike cancel:

    integral e^{-q t} n(d1) / v (r / B(u) - q) = e^{-q T} N(d1(B / K)) + integral q e^{-q t} N(d1)

With d1 and v = deviation * sqrt(t) for a spot of B(T) and a strike of B(u), t = T - u.

Where yield < rate < 0 a put is exercised between two boundaries. The value above the upper one
doesn't depend on the lower one and the other way round, so each solves an equation of its own; the
lower one starts at X = rate / yield and has

    integral e^{-q t} n(d1) / v (r / Y(u) - q) + integral q e^{-q t} N(-d1) = 0.

Where the two meet, early exercise ends for all longer times.

Sources: Kim, The Analytic Valuation of American Options (1990); Andersen and Lake, Fast American
Option Pricing: The Double-Boundary Case (2021). The panels and the Newton iteration are ours.
"""

from __future__ import annotations

import math
from typing import Any, Final

from tradecaptain.base.jit import inline
from tradecaptain.kernels.pricing.elementary import INVERSE_ROOT_TWO_PI, mills_ratio

DEGREE: Final = 10  # of the polynomial on a panel, whose points are one more
PANELS_MAX: Final = 48
PANEL_GROWTH: Final = 4.0
LEGENDRE: Final = 16
NEWTON_STEPS_MAX: Final = 30
NEWTON_TOLERANCE: Final = 1e-13
STRETCH_MAX: Final = 2.0

# Rows of a curve: ends of panels, then the DEGREE + 1 values of y of each panel.
ENDS: Final = 0
VALUES: Final = 1
CURVE_ROWS: Final = VALUES + DEGREE + 1

# Elements of the option's parameters.
RATE: Final = 0
YIELD: Final = 1
DEVIATION: Final = 2
LOG_LIMIT: Final = 3
SIDE: Final = 4  # 1: upper boundary; -1: lower one
STRETCH: Final = 5  # of the root of time on which the integrands change
PARAMETERS: Final = 6

# Rows of the tables: Chebyshev points on -1 … 1 and their barycentric weights, Gauss-Legendre.
GRID: Final = 0
GRID_WEIGHTS: Final = 1
ABSCISSAE: Final = 2
WEIGHTS: Final = 3


@inline
def normal_tail(deviate: float) -> float:
    """N(-deviate), exact to the last digits in the tail."""
    distance = min(abs(deviate), 37.5)
    tail = mills_ratio(distance) * math.exp(-0.5 * distance * distance)
    return tail if deviate > 0.0 else 1.0 - tail


@inline
def basis_at(tables: Any, place: float, basis: Any) -> None:
    """Values at a place of -1 … 1 of the polynomials that are 1 at one Chebyshev point."""
    total = 0.0
    for index in range(DEGREE + 1):
        distance = place - tables[GRID, index]
        if abs(distance) < 1e-14:
            for other in range(DEGREE + 1):
                basis[other] = 0.0
            basis[index] = 1.0
            return
        basis[index] = tables[GRID_WEIGHTS, index] / distance
        total += basis[index]
    for index in range(DEGREE + 1):
        basis[index] /= total


@inline
def curve_at(curve: Any, panel: int, time: float, tables: Any, basis: Any) -> float:
    """y at a time of a panel; leaves the polynomials' values in ``basis``."""
    start = math.sqrt(curve[ENDS, panel - 1]) if panel > 0 else 0.0
    end = math.sqrt(curve[ENDS, panel])
    place = (2.0 * math.sqrt(time) - start - end) / (end - start)
    basis_at(tables, min(max(place, -1.0), 1.0), basis)
    total = 0.0
    for index in range(DEGREE + 1):
        value = curve[VALUES + index, panel]
        total += basis[index] * (value * value if panel == 0 else value)
    return math.sqrt(max(total, 0.0)) if panel == 0 else total


@inline
def next_break(root: float, end: float, stretch: float) -> float:
    """End of the next piece of an integral over the root of time, from ``root`` towards ``end``."""
    piece = max(root + STRETCH_MAX * stretch, 2.0 * root)
    return end if piece >= end or end - piece < 0.25 * (end - root) else piece


@inline
def add_terms(
    terms: Any, parameters: Any, log_boundary: float, y: float, elapsed: float, weight: float
) -> float:
    """Add one point to residual and slope of a node; returns the slope by the point's own log."""
    rate, dividend_yield = parameters[RATE], parameters[YIELD]
    log_here = parameters[LOG_LIMIT] - parameters[SIDE] * y
    spread = parameters[DEVIATION] * math.sqrt(elapsed)
    upper = (log_boundary - log_here + (rate - dividend_yield) * elapsed) / spread + 0.5 * spread
    capped = min(max(upper, -37.0), 37.0)
    discount = weight * math.exp(-dividend_yield * elapsed)
    density = discount * INVERSE_ROOT_TWO_PI * math.exp(-0.5 * capped * capped) / spread
    pull = rate * math.exp(-log_here) - dividend_yield
    side = parameters[SIDE]
    terms[0] += density * pull - side * dividend_yield * discount * normal_tail(-side * upper)
    terms[1] -= density * (upper / spread * pull + dividend_yield)
    return density * pull * (upper / spread - 1.0)


@inline
def _add_panel(
    curve: Any, source: int, panel: int, node: int, parameters: Any, tables: Any, work: Any
) -> None:
    """Integral over the times of panel ``source`` for a node of ``panel``."""
    terms = work[0]
    time = terms[2]
    start = curve[ENDS, source - 1] if source > 0 else 0.0
    end = min(curve[ENDS, source], time)
    if source == 0:
        # Its own time's root is the variable of the first half, where the boundary is singular.
        middle = 0.5 * end
        root_end = math.sqrt(middle)
        for index in range(LEGENDRE):
            root = 0.5 * root_end * (1.0 + tables[ABSCISSAE, index])
            weight = root_end * tables[WEIGHTS, index] * root
            _add_point(curve, source, panel, node, parameters, tables, work, root * root, weight)
        start = middle
    root, root_end = math.sqrt(max(time - end, 0.0)), math.sqrt(time - start)
    while root < root_end:
        piece_end = next_break(root, root_end, parameters[STRETCH])
        half = 0.5 * (piece_end - root)
        for index in range(LEGENDRE):
            elapsed_root = root + half * (1.0 + tables[ABSCISSAE, index])
            weight = 2.0 * half * tables[WEIGHTS, index] * elapsed_root
            moment = time - elapsed_root * elapsed_root
            _add_point(curve, source, panel, node, parameters, tables, work, moment, weight)
        root = piece_end


@inline
def _add_point(
    curve: Any,
    source: int,
    panel: int,
    node: int,
    parameters: Any,
    tables: Any,
    work: Any,
    moment: float,
    weight: float,
) -> None:
    """One point of the integral; a point of the node's own panel moves with the panel's nodes."""
    terms, basis = work[0], work[1]
    y = curve_at(curve, source, max(moment, 0.0), tables, basis)
    slope = add_terms(terms, parameters, terms[3], y, terms[2] - moment, weight)
    if source == panel:
        scale = slope / max(y, 1e-300) if panel == 0 else slope
        for index in range(1, DEGREE + 1):
            factor = curve[VALUES + index, panel] if panel == 0 else 1.0
            work[2 + node, index] += scale * factor * basis[index]


@inline
def _fill_system(curve: Any, panel: int, parameters: Any, tables: Any, work: Any) -> None:
    """Residuals (column 0) and slopes of all nodes of a panel, rows 3 … DEGREE + 2 of work."""
    start = curve[ENDS, panel - 1] if panel > 0 else 0.0
    root_start, root_end = math.sqrt(start), math.sqrt(curve[ENDS, panel])
    for node in range(1, DEGREE + 1):
        for index in range(DEGREE + 1):
            work[2 + node, index] = 0.0
        place = 0.5 * (1.0 + tables[GRID, node])
        root = root_start + (root_end - root_start) * place
        y = curve[VALUES + node, panel]
        terms = work[0]
        terms[0], terms[1], terms[2] = 0.0, 0.0, root * root
        terms[3] = parameters[LOG_LIMIT] - parameters[SIDE] * y
        for source in range(panel + 1):
            _add_panel(curve, source, panel, node, parameters, tables, work)
        if parameters[SIDE] > 0.0:
            time, spread = terms[2], parameters[DEVIATION] * root
            carry = parameters[RATE] - parameters[YIELD]
            upper = (terms[3] + carry * time) / spread + 0.5 * spread
            discount = math.exp(-parameters[YIELD] * time)
            terms[0] -= discount * normal_tail(-upper)
            if abs(upper) < 37.0:
                density = INVERSE_ROOT_TWO_PI * math.exp(-0.5 * upper * upper)
                terms[1] -= discount * density / spread
        work[2 + node, 0] = terms[0]
        work[2 + node, node] += terms[1]


@inline
def _eliminate(work: Any) -> None:
    """Solve rows 3 … DEGREE + 2 of work; the steps by log replace the residuals in column 0."""
    for column in range(1, DEGREE + 1):
        pivot = column
        for row in range(column + 1, DEGREE + 1):
            if abs(work[2 + row, column]) > abs(work[2 + pivot, column]):
                pivot = row
        if pivot != column:
            for index in range(DEGREE + 1):
                held = work[2 + column, index]
                work[2 + column, index] = work[2 + pivot, index]
                work[2 + pivot, index] = held
        for row in range(column + 1, DEGREE + 1):
            factor = work[2 + row, column] / work[2 + column, column]
            work[2 + row, 0] -= factor * work[2 + column, 0]
            for index in range(column, DEGREE + 1):
                work[2 + row, index] -= factor * work[2 + column, index]
    for row in range(DEGREE, 0, -1):
        total = work[2 + row, 0]
        for index in range(row + 1, DEGREE + 1):
            total -= work[2 + row, index] * work[2 + index, 0]
        work[2 + row, 0] = total / work[2 + row, row]


@inline
def solve_panel(curve: Any, panel: int, parameters: Any, tables: Any, work: Any) -> bool:
    """Newton's method for the nodes of a panel from a guess; whether it converged."""
    # The log of a boundary is known to 1e-16, and y is about as large as the deviation.
    tolerance = NEWTON_TOLERANCE + 1e-14 / parameters[DEVIATION]
    for _ in range(NEWTON_STEPS_MAX):
        _fill_system(curve, panel, parameters, tables, work)
        _eliminate(work)
        change = 0.0
        for node in range(1, DEGREE + 1):
            # y falls by what the log of an upper boundary grows.
            step = parameters[SIDE] * work[2 + node, 0]
            old = curve[VALUES + node, panel]
            new = old + step
            new = min(max(new, 0.25 * old), 4.0 * old)
            if not (math.isfinite(new) and new > 0.0):
                return False
            curve[VALUES + node, panel] = new
            change = max(change, abs(new - old) / (new + parameters[DEVIATION]))
        if change < tolerance:
            return True
    return change < 1e3 * tolerance


@inline
def _guess_first(curve: Any, parameters: Any, tables: Any) -> None:
    """Nodes of the first panel by the behaviour just before expiry."""
    rate, dividend_yield = parameters[RATE], parameters[YIELD]
    deviation = parameters[DEVIATION]
    pull = max(abs(rate - dividend_yield), abs(rate))
    for node in range(DEGREE + 1):
        root = 0.5 * (1.0 + tables[GRID, node]) * math.sqrt(curve[ENDS, 0])
        factor = 0.6388
        if parameters[LOG_LIMIT] == 0.0 and parameters[SIDE] > 0.0 and root > 0.0:
            spread = deviation / (pull * root)
            factor = math.sqrt(max(math.log(spread * spread / (8.0 * math.pi)), 0.4))
        curve[VALUES + node, 0] = factor * deviation * root


@inline
def _guess_next(curve: Any, panel: int, tables: Any) -> None:
    """Nodes of a later panel by the power law at the end of the one before."""
    time, start = curve[ENDS, panel], curve[ENDS, panel - 1]
    before = curve[ENDS, panel - 2] if panel > 1 else 0.0
    last = curve[VALUES + DEGREE, panel - 1]
    root_before, root_start, root_end = math.sqrt(before), math.sqrt(start), math.sqrt(time)
    inner = root_before + (root_start - root_before) * 0.5 * (1.0 + tables[GRID, DEGREE - 2])
    power = math.log(last / curve[VALUES + DEGREE - 2, panel - 1]) / math.log(root_start / inner)
    power = min(max(power, 0.0), 1.0)
    for node in range(DEGREE + 1):
        root = root_start + (root_end - root_start) * 0.5 * (1.0 + tables[GRID, node])
        curve[VALUES + node, panel] = last * (root / root_start) ** power


@inline
def extend_curve(
    curve: Any, panel: int, end: float, parameters: Any, tables: Any, work: Any
) -> bool:
    """Solve panel number ``panel`` up to a time; whether it converged."""
    curve[ENDS, panel] = end
    if panel == 0:
        _guess_first(curve, parameters, tables)
    else:
        _guess_next(curve, panel, tables)
    return solve_panel(curve, panel, parameters, tables, work)


@inline
def set_parameters(
    parameters: Any, rate: float, dividend_yield: float, deviation: float, side: float
) -> None:
    """Fill the parameters of the upper boundary (side 1) or the lower one (-1)."""
    parameters[RATE], parameters[YIELD], parameters[DEVIATION] = rate, dividend_yield, deviation
    is_below = side < 0.0 or (rate > 0.0 and dividend_yield > rate)
    parameters[LOG_LIMIT] = math.log(rate / dividend_yield) if is_below else 0.0
    parameters[SIDE] = side
    drift = max(abs(rate - dividend_yield), 0.5 * deviation * deviation)
    parameters[STRETCH] = deviation / drift
