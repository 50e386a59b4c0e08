"""Collocation schemes of the American boundary: how many nodes, and the tables that follow.

A boundary is kept as ``h = log(B / X) ** 2``, a polynomial in ``x = sqrt(time / expiry)`` through
``n`` Chebyshev points of the second kind and the known value 0 at ``x = 0``. An integral over the
time of the boundary is a sum over points with fixed fractions of the time, so that its values of
``h`` are fixed linear combinations of the nodes' values: one table for all options.

Source: Andersen, Lake and Offengenden, High Performance American Option Pricing (2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# The two fixed-point systems of the paper.
EQUATION_A: Final = 0
EQUATION_B: Final = 1

# Where the points of the fixed-point integrals lie. The paper's are Gauss-Legendre points in the
# root of time (system A) or in time (system B); those in the angle converge much faster.
POINTS_ANGLE: Final = 0
POINTS_PAPER: Final = 1

# How the value's points crowd towards now: what lies near the boundary earns its keep at once.
VALUE_POWER: Final = 2
POINTS_MAX: Final = 512
STEPS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Scheme:
    """How finely a boundary is solved: the ``(l, m, n), p`` of the paper.

    ``integral_points`` of the fixed-point integrals (l), ``steps`` of the iteration of which the
    first is a Jacobi-Newton step (m; without any the QD+ boundary stands), ``nodes`` of the
    boundary beyond the one at expiry (n), ``value_points`` of the integral for the value (p), the
    system, where the integrals' points lie, and ``start_steps`` of Halley's method for the start
    of each node. Raises ``ValueError`` for numbers out of range.
    """

    integral_points: int
    steps: int
    nodes: int
    value_points: int
    equation: int = EQUATION_A
    points: int = POINTS_ANGLE
    start_steps: int = 4

    def __post_init__(self) -> None:
        for name, low, high in (
            ("integral_points", 1, POINTS_MAX),
            ("nodes", 1, POINTS_MAX),
            ("value_points", 1, POINTS_MAX),
            ("steps", 0, STEPS_MAX),
            ("start_steps", 1, STEPS_MAX),
            ("equation", EQUATION_A, EQUATION_B),
            ("points", POINTS_ANGLE, POINTS_PAPER),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie from {low} to {high}")


@dataclass(frozen=True, slots=True)
class Tables:
    """What a scheme's kernels read; n nodes, l integral points and p value points.

    ``nodes`` (n): square roots of the nodes' fractions of the expiry, the last is 1.
    ``integral`` (4, l): fractions of the time back from a node, their roots, weights by time, and
    weights divided by the root.
    ``integral_rows`` (n, l, n): values of h at a node's integral points from those at the nodes.
    ``value`` (4, p) and ``value_rows`` (1, p, n): the same for the value's integral.
    """

    nodes: FloatArray
    integral: FloatArray
    integral_rows: FloatArray
    value: FloatArray
    value_rows: FloatArray


def chebyshev_roots(nodes: int) -> FloatArray:
    """Chebyshev points of the second kind on 0 … 1, ascending, with both ends."""
    return np.asarray(0.5 * (1.0 - np.cos(math.pi * np.arange(nodes + 1) / nodes)))


def interpolation_rows(nodes: int, points: FloatArray) -> FloatArray:
    """Weights of the nodes but the first, whose value is 0, for values at points of 0 … 1."""
    grid = chebyshev_roots(nodes)
    weights = np.where(np.arange(nodes + 1) % 2 == 0, 1.0, -1.0)
    weights[[0, -1]] *= 0.5
    differences = points[..., np.newaxis] - grid
    exact = np.abs(differences) < 1e-15
    quotients = weights / np.where(exact, 1.0, differences)
    rows = quotients / quotients.sum(axis=-1, keepdims=True)
    rows = np.where(exact.any(axis=-1, keepdims=True), exact.astype(np.float64), rows)
    return np.ascontiguousarray(rows[..., 1:])


def root_quadrature(points: int) -> FloatArray:
    """Gauss-Legendre in the square root of time: the integrands are smooth there."""
    abscissae, weights = np.polynomial.legendre.leggauss(points)
    roots = 0.5 * (1.0 + abscissae)
    return np.ascontiguousarray(np.stack([roots * roots, roots, roots * weights, weights]))


def angle_quadrature(points: int, power: int = 1) -> FloatArray:
    """Gauss-Legendre in the angle whose squared sine is the fraction of time.

    It is smooth at the far end as well, where the boundary goes like the root of its own time. A
    ``power`` above one crowds the points towards the near end, where the integrand of a spot close
    to the boundary is steep.
    """
    abscissae, weights = np.polynomial.legendre.leggauss(points)
    shares = 0.5 * (1.0 + abscissae)
    angles = 0.5 * math.pi * shares**power
    sines, cosines = np.sin(angles), np.cos(angles)
    by_root = 0.5 * math.pi * power * shares ** (power - 1) * weights * cosines
    return np.ascontiguousarray(np.stack([sines * sines, sines, sines * by_root, by_root]))


def linear_quadrature(points: int) -> FloatArray:
    """Gauss-Legendre in time itself, as system B of the paper has it."""
    abscissae, weights = np.polynomial.legendre.leggauss(points)
    fractions = 0.5 * (1.0 + abscissae)
    roots = np.sqrt(fractions)
    return np.ascontiguousarray(np.stack([fractions, roots, 0.5 * weights, 0.5 * weights / roots]))


@lru_cache(maxsize=64)
def tables(scheme: Scheme) -> Tables:
    """The tables of a scheme."""
    nodes = chebyshev_roots(scheme.nodes)[1:]
    if scheme.points == POINTS_ANGLE:
        integral = angle_quadrature(scheme.integral_points)
    elif scheme.equation == EQUATION_A:
        integral = root_quadrature(scheme.integral_points)
    else:
        integral = linear_quadrature(scheme.integral_points)
    value = angle_quadrature(scheme.value_points, VALUE_POWER)
    places = nodes[:, np.newaxis] * np.sqrt(1.0 - integral[0])
    value_places = np.sqrt(1.0 - value[0])[np.newaxis]
    return Tables(
        nodes=np.ascontiguousarray(nodes),
        integral=integral,
        integral_rows=interpolation_rows(scheme.nodes, places),
        value=value,
        value_rows=interpolation_rows(scheme.nodes, value_places),
    )
