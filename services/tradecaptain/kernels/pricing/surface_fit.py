"""The searches behind the fits of the volatility surface, compiled, so that they hold no lock.

Both narrow a grid around its best point. A slice is linear in three of its five parameters, which
leaves a grid over the other two: in y = (k - m) / sigma it is ``a + d y + c sqrt(y^2 + 1)`` with
``|d| <= c`` and ``c >= 0``. What lies outside that cone is fitted on its faces.

Source: De Marco and Martini, Quasi-explicit calibration of Gatheral's SVI model (2009). Least
squares by the modified Gram-Schmidt process, which is as good as an orthogonal factorisation where
the target is carried along (Björck, Solving linear least squares problems, 1967).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from tradecaptain.base.jit import inline, kernel

ROWS_TYPE: Final = numba.float64[:, ::1]
NUMBERS_TYPE: Final = numba.float64[::1]
OFFSETS_TYPE: Final = numba.int64[::1]

# Rows of the points.
MONEYNESS: Final = 0
VARIANCE: Final = 1
ROOT_WEIGHT: Final = 2
POINT_ROWS: Final = 3
# Rows of scratch: three columns of the basis and the target.
WORK_ROWS: Final = 4
TARGET: Final = 3
# What a search of a slice finds.
BEST_A: Final = 0
BEST_B: Final = 1
BEST_RHO: Final = 2
BEST_M: Final = 3
BEST_SIGMA: Final = 4
BEST_ERROR: Final = 5
BEST_NUMBERS: Final = 6

RHO_LIMIT: Final = 0.999
SEARCH_ROUNDS: Final = 60
SEARCH_POINTS: Final = 7
SLICE_NARROWING: Final = 0.5
SLICE_WIDTH_END: Final = 1e-9
SSVI_NARROWING: Final = 0.6
SSVI_WIDTH_END: Final = 1e-7
# A column whose square is this much smaller than before lies in those before it.
DEPENDENT: Final = 1e-28


@inline
def _dot(work: Any, first: int, second: int) -> float:
    total = 0.0
    for index in range(work.shape[1]):
        total += work[first, index] * work[second, index]
    return total


@inline
def _take_out(work: Any, row: int, other: int, square: float) -> float:
    """Subtract from one row what it has of another; returns how much that was."""
    share = _dot(work, row, other) / square
    for index in range(work.shape[1]):
        work[row, index] -= share * work[other, index]
    return share


@inline
def _least_squares(work: Any, columns: int) -> tuple[float, float, float, float]:
    """Coefficients of up to three columns for the target, and the sum of squares that is left.

    Destroys ``work``. A column that depends on those before it gets a coefficient of zero.
    """
    first = second = third = 0.0
    mixed01 = mixed02 = mixed12 = 0.0
    square = _dot(work, 0, 0)
    if columns > 1:
        before = _dot(work, 1, 1)
        mixed01 = _take_out(work, 1, 0, square)
    if columns > 2:
        last_before = _dot(work, 2, 2)
        mixed02 = _take_out(work, 2, 0, square)
    first = _take_out(work, TARGET, 0, square)
    if columns > 1:
        square = _dot(work, 1, 1)
        if square > DEPENDENT * before:
            if columns > 2:
                mixed12 = _take_out(work, 2, 1, square)
            second = _take_out(work, TARGET, 1, square)
    if columns > 2:
        square = _dot(work, 2, 2)
        if square > DEPENDENT * last_before:
            third = _take_out(work, TARGET, 2, square)
    error = _dot(work, TARGET, TARGET)
    second -= mixed12 * third
    return first - mixed01 * second - mixed02 * third, second, third, error


@inline
def _fill(points: Any, m: float, sigma: float, side: float, columns: int, work: Any) -> None:
    """The weighted basis and target: one, y and z; on a face one and ``side * y + z``."""
    for index in range(points.shape[1]):
        root = points[ROOT_WEIGHT, index]
        y = (points[MONEYNESS, index] - m) / sigma
        z = math.sqrt(y * y + 1.0)
        work[0, index] = root
        work[1, index] = root * (y if columns == 3 else side * y + z)
        work[2, index] = root * z
        work[TARGET, index] = root * points[VARIANCE, index]


@kernel(numba.float64(ROWS_TYPE, numba.float64, numba.float64, ROWS_TYPE, NUMBERS_TYPE))
def svi_fit_linear(points: Any, m: float, sigma: float, work: Any, found: Any) -> float:
    """Best a, b, rho for given m and sigma into ``found``; returns the weighted sum of squares.

    ``points`` (3, n) are log-moneyness, total variance and the roots of weights, ``work`` (4, n)
    scratch, ``found`` takes ``BEST_NUMBERS`` numbers.
    """
    _fill(points, m, sigma, 0.0, 3, work)
    level, d, c, error = _least_squares(work, 3)
    if not (c >= 0.0 and abs(d) <= RHO_LIMIT * c):
        _fill(points, m, sigma, 0.0, 1, work)
        level, _, _, error = _least_squares(work, 1)
        d = c = 0.0
        for side in (-RHO_LIMIT, RHO_LIMIT):
            _fill(points, m, sigma, side, 2, work)
            face_level, slope, _, face_error = _least_squares(work, 2)
            if slope >= 0.0 and face_error < error:
                level, d, c, error = face_level, side * slope, slope, face_error
    found[BEST_A] = level
    found[BEST_B] = c / sigma
    found[BEST_RHO] = d / c if c > 0.0 else 0.0
    found[BEST_M] = m
    found[BEST_SIGMA] = sigma
    found[BEST_ERROR] = error
    return error


@kernel(numba.void(ROWS_TYPE, numba.float64, numba.float64, ROWS_TYPE, NUMBERS_TYPE, NUMBERS_TYPE))
def svi_search(points: Any, centre: float, span: float, work: Any, found: Any, best: Any) -> None:
    """Fill ``best`` with the slice of the least weighted squares.

    ``centre`` is where m is searched first, ``span`` the width of the quotes in log-moneyness;
    ``found`` is scratch of ``BEST_NUMBERS``.
    """
    middle_m, middle_log = centre, math.log(0.25 * span)
    width_m, width_log = 0.6 * span, 3.0
    best[BEST_ERROR] = math.inf
    steps = SEARCH_POINTS // 2
    for _ in range(SEARCH_ROUNDS):
        start_m, start_log = middle_m, middle_log
        for row in range(-steps, steps + 1):
            m = start_m + width_m * row / steps
            for column in range(-steps, steps + 1):
                log_sigma = start_log + width_log * column / steps
                sigma = math.exp(log_sigma)
                if svi_fit_linear(points, m, sigma, work, found) < best[BEST_ERROR]:
                    best[:] = found
                    middle_m, middle_log = m, log_sigma
        width_m *= SLICE_NARROWING
        width_log *= SLICE_NARROWING
        if width_log < SLICE_WIDTH_END:
            return


@inline
def _ssvi_error(
    points: Any, offsets: Any, thetas: Any, rho: float, share: float, gamma: float
) -> float:
    """Weighted sum of squares of SSVI with eta = 2 share / (1 + |rho|)."""
    eta = 2.0 * share / (1.0 + abs(rho))
    rest = 1.0 - rho * rho
    total = 0.0
    for expiry in range(thetas.shape[0]):
        theta = thetas[expiry]
        power = gamma * math.log(theta) + (1.0 - gamma) * math.log1p(theta)
        phi = eta * math.exp(-power)
        for index in range(offsets[expiry], offsets[expiry + 1]):
            scaled = phi * points[MONEYNESS, index]
            root = math.sqrt((scaled + rho) * (scaled + rho) + rest)
            gap = points[VARIANCE, index] - 0.5 * theta * (1.0 + rho * scaled + root)
            weighted = points[ROOT_WEIGHT, index] * gap
            total += weighted * weighted
    return total


@kernel(numba.float64(ROWS_TYPE, OFFSETS_TYPE, NUMBERS_TYPE, ROWS_TYPE, NUMBERS_TYPE))
def ssvi_search(points: Any, offsets: Any, thetas: Any, limits: Any, centre: Any) -> float:
    """Move ``centre`` (rho, share, gamma) to the least weighted squares; returns them.

    ``points`` (3, n) are log-moneyness, total variance and the roots of weights of all expiries,
    those of expiry i from ``offsets[i]`` to before ``offsets[i + 1]``; ``limits`` (3, 2) bound the
    three numbers.
    """
    lowest = math.inf
    share = 0.5
    steps = SEARCH_POINTS // 2
    for _ in range(SEARCH_ROUNDS):
        start0, start1, start2 = centre[0], centre[1], centre[2]
        for cell in range(SEARCH_POINTS**3):
            rho = (
                start0
                + share * (limits[0, 1] - limits[0, 0]) * (cell // SEARCH_POINTS**2 - steps) / steps
            )
            scale = (
                start1
                + share
                * (limits[1, 1] - limits[1, 0])
                * (cell // SEARCH_POINTS % SEARCH_POINTS - steps)
                / steps
            )
            gamma = (
                start2
                + share * (limits[2, 1] - limits[2, 0]) * (cell % SEARCH_POINTS - steps) / steps
            )
            rho = min(max(rho, limits[0, 0]), limits[0, 1])
            scale = min(max(scale, limits[1, 0]), limits[1, 1])
            gamma = min(max(gamma, limits[2, 0]), limits[2, 1])
            error = _ssvi_error(points, offsets, thetas, rho, scale, gamma)
            if error < lowest:
                lowest = error
                centre[0], centre[1], centre[2] = rho, scale, gamma
        share *= SSVI_NARROWING
        if share < SSVI_WIDTH_END:
            break
    return lowest
