"""Brownian paths from points of the unit cube, by inversion and a bridge.

The bridge takes the first coordinate for the path's end, the second for its middle and so on, so
that the first and best coordinates of a low-discrepancy point decide most of the path.

Sources: Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution (1988), to
1e-16; Caflisch, Morokoff and Owen, Valuation of Mortgage-Backed Securities Using Brownian Bridges
to Reduce Effective Dimension (1997).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline, kernel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Rows of a bridge's weights.
LEFT_WEIGHT: Final = 0
RIGHT_WEIGHT: Final = 1
DEVIATION: Final = 2

_CENTRE: Final = 0.425
_CENTRE_SQUARE: Final = 0.180625
_WORD_UNIT: Final = 2.0**-32


@inline
def _ratio_near(square: float) -> float:
    top = 2.5090809287301226727e3
    top = top * square + 3.3430575583588128105e4
    top = top * square + 6.7265770927008700853e4
    top = top * square + 4.5921953931549871457e4
    top = top * square + 1.3731693765509461125e4
    top = top * square + 1.9715909503065514427e3
    top = top * square + 1.3314166789178437745e2
    top = top * square + 3.3871328727963666080
    bottom = 5.2264952788528545610e3
    bottom = bottom * square + 2.8729085735721942674e4
    bottom = bottom * square + 3.9307895800092710610e4
    bottom = bottom * square + 2.1213794301586595867e4
    bottom = bottom * square + 5.3941960214247511077e3
    bottom = bottom * square + 6.8718700749205790830e2
    bottom = bottom * square + 4.2313330701600911252e1
    return top / (bottom * square + 1.0)


@inline
def _ratio_middle(root: float) -> float:
    rest = root - 1.6
    top = 7.74545014278341407640e-4
    top = top * rest + 2.27238449892691845833e-2
    top = top * rest + 2.41780725177450611770e-1
    top = top * rest + 1.27045825245236838258
    top = top * rest + 3.64784832476320460504
    top = top * rest + 5.76949722146069140550
    top = top * rest + 4.63033784615654529590
    top = top * rest + 1.42343711074968357734
    bottom = 1.05075007164441684324e-9
    bottom = bottom * rest + 5.47593808499534494600e-4
    bottom = bottom * rest + 1.51986665636164571966e-2
    bottom = bottom * rest + 1.48103976427480074590e-1
    bottom = bottom * rest + 6.89767334985100004550e-1
    bottom = bottom * rest + 1.67638483018380384940
    bottom = bottom * rest + 2.05319162663775882187
    return top / (bottom * rest + 1.0)


@inline
def _ratio_far(root: float) -> float:
    rest = root - 5.0
    top = 2.01033439929228813265e-7
    top = top * rest + 2.71155556874348757815e-5
    top = top * rest + 1.24266094738807843860e-3
    top = top * rest + 2.65321895265761230930e-2
    top = top * rest + 2.96560571828504891230e-1
    top = top * rest + 1.78482653991729133580
    top = top * rest + 5.46378491116411436990
    top = top * rest + 6.65790464350110377720
    bottom = 2.04426310338993978564e-15
    bottom = bottom * rest + 1.42151175831644588870e-7
    bottom = bottom * rest + 1.84631831751005468180e-5
    bottom = bottom * rest + 7.86869131145613259100e-4
    bottom = bottom * rest + 1.48753612908506148525e-2
    bottom = bottom * rest + 1.36929880922735805310e-1
    bottom = bottom * rest + 5.99832206555887937690e-1
    return top / (bottom * rest + 1.0)


@inline
def inverse_normal(chance: float) -> float:
    """The deviate below which the standard normal distribution has a chance of 0 … 1."""
    offset = chance - 0.5
    if abs(offset) <= _CENTRE:
        return offset * _ratio_near(_CENTRE_SQUARE - offset * offset)
    root = math.sqrt(-math.log(chance if offset < 0.0 else 1.0 - chance))
    deviate = _ratio_middle(root) if root <= 5.0 else _ratio_far(root)
    return -deviate if offset < 0.0 else deviate


@dataclass(frozen=True, slots=True)
class Bridge:
    """Order in which a path is filled, between which neighbours, and with which weights.

    ``places`` (3, steps): index of each value, and those of its neighbours (-1: the start, -2:
    none). ``weights`` (3, steps).
    """

    places: IntArray
    weights: FloatArray


def build_bridge(times: FloatArray) -> Bridge:
    """The bridge over ascending positive times: the end, then middles of gaps, widest first."""
    steps = times.size
    places = np.zeros((3, steps), dtype=np.int64)
    weights = np.zeros((3, steps))
    places[:, 0] = steps - 1, -1, -2
    weights[:, 0] = 0.0, 0.0, math.sqrt(times[-1])
    gaps = [(-1, steps - 1)]
    position = 1
    while gaps:
        left, right = gaps.pop(0)
        if right - left < 2:
            continue
        middle = (left + right) // 2
        before = float(times[left]) if left >= 0 else 0.0
        at, after = float(times[middle]), float(times[right])
        width = after - before
        places[:, position] = middle, left, right
        weights[:, position] = (
            (after - at) / width,
            (at - before) / width,
            math.sqrt((at - before) * (after - at) / width),
        )
        gaps += [(left, middle), (middle, right)]
        position += 1
    return Bridge(places, weights)


@kernel(
    numba.void(
        numba.uint32[:, ::1],
        numba.int64[:, ::1],
        numba.float64[:, ::1],
        numba.float64,
        numba.float64[:, ::1],
    )
)
def fill_paths(points: Any, places: Any, weights: Any, sign: float, paths: Any) -> None:
    """Brownian paths (points, steps) from points of the cube; sign -1 mirrors them."""
    for row in range(points.shape[0]):
        for step in range(places.shape[1]):
            at, left, right = places[0, step], places[1, step], places[2, step]
            value = 0.0
            if left >= 0:
                value += weights[LEFT_WEIGHT, step] * paths[row, left]
            if right >= 0:
                value += weights[RIGHT_WEIGHT, step] * paths[row, right]
            deviate = inverse_normal((points[row, step] + 0.5) * _WORD_UNIT)
            paths[row, at] = value + weights[DEVIATION, step] * sign * deviate
