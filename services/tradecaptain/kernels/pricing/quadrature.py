"""Gauss-Legendre quadrature on the unit interval, for the closed forms that end in an integral.

Source: Golub and Welsch, Calculation of Gauss Quadrature Rules (1969), by numpy's ``leggauss``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

POINTS: Final = 16


def _unit_rule(points: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Nodes and weights for the integral from 0 to 1, exact for degree ``2 * points - 1``."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return 0.5 * (nodes + 1.0), 0.5 * weights


NODES, WEIGHTS = _unit_rule(POINTS)
