"""Slow twins of the searches of surface fits: least squares by numpy's own solver."""

from __future__ import annotations

import math

import numpy as np

LIMIT = 0.999


def svi_fit_linear(moneyness, variance, weights, m, sigma):
    """Best a, b, rho for given m and sigma, and the weighted sum of squares."""
    y = (moneyness - m) / sigma
    z = np.sqrt(y * y + 1.0)
    ones = np.ones_like(y)
    root = np.sqrt(weights)

    def solve(*columns):
        basis = np.column_stack(columns)
        solution, *_ = np.linalg.lstsq(basis * root[:, None], variance * root, rcond=None)
        residual = (variance - basis @ solution) * root
        return solution.tolist(), float(residual @ residual)

    (level, d, c), error = solve(ones, y, z)
    if c >= 0.0 and abs(d) <= LIMIT * c:
        return level, c / sigma, d / c if c > 0.0 else 0.0, error
    (level,), error = solve(ones)
    candidates = [(error, level, 0.0, 0.0)]
    for side in (-LIMIT, LIMIT):
        (level, slope), error = solve(ones, side * y + z)
        if slope >= 0.0:
            candidates.append((error, level, side * slope, slope))
    error, level, d, c = min(candidates)
    return level, c / sigma, d / c if c > 0.0 else 0.0, error


def ssvi_error(moneyness, variance, weights, thetas, rho, share, gamma):
    """Weighted sum of squares of SSVI over expiries, each with its points."""
    eta = 2.0 * share / (1.0 + abs(rho))
    total = 0.0
    for theta, ks, ws, parts in zip(thetas, moneyness, variance, weights, strict=True):
        phi = eta / (theta**gamma * (1.0 + theta) ** (1.0 - gamma))
        for k, w, weight in zip(ks, ws, parts, strict=True):
            root = math.sqrt((phi * k + rho) ** 2 + 1.0 - rho * rho)
            total += weight * (w - 0.5 * theta * (1.0 + rho * phi * k + root)) ** 2
    return total
