"""Slow and obvious twins of American options.

``tree_value`` is the textbook binomial tree. ``exercise_value`` is Kim's integral for a given
boundary, by composite quadrature. A boundary on which the value always equals that of exercise is
the boundary (Peskir, On the American Option Problem, 2005), so holding one against the integral
needs no other way of finding it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

Boundary = Callable[[np.ndarray], np.ndarray]


def tree_value(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
    steps: int = 2000,
) -> float:
    """Cox, Ross and Rubinstein, the mean of two neighbouring step counts."""
    values = []
    for count in (steps, steps + 1):
        step = time / count
        up = math.exp(volatility * math.sqrt(step))
        chance = (math.exp((rate - dividend_yield) * step) - 1 / up) / (up - 1 / up)
        discount = math.exp(-rate * step)
        prices = spot * up ** np.arange(-count, count + 1, 2.0)
        worth = np.maximum(right * (prices - strike), 0.0)
        for level in range(count - 1, -1, -1):
            prices = spot * up ** np.arange(-level, level + 1, 2.0)
            waiting = discount * (chance * worth[1:] + (1 - chance) * worth[:-1])
            worth = np.maximum(waiting, right * (prices - strike))
        values.append(float(worth[0]))
    return sum(values) / 2


def european_put(
    spot: float, strike: float, time: float, volatility: float, rate: float, dividend_yield: float
) -> float:
    spread = volatility * math.sqrt(time)
    d1 = (math.log(spot / strike) + (rate - dividend_yield) * time) / spread + spread / 2
    discounted = strike * math.exp(-rate * time) * ndtr(spread - d1)
    return float(discounted - spot * math.exp(-dividend_yield * time) * ndtr(-d1))


def exercise_value(
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
    boundary: Boundary,
) -> float:
    """What interest earned below a boundary adds to a put.

    The angle whose squared sine is the share of time back from now is cut finer and finer towards
    both ends, where the integrand may be steep.
    """
    halves = 0.5 ** np.arange(1, 16)
    breaks = math.pi / 2 * np.concatenate([[0.0], halves[::-1], 1 - halves[1:], [1.0]])
    abscissae, weights = np.polynomial.legendre.leggauss(24)
    middles, widths = (breaks[1:] + breaks[:-1]) / 2, np.diff(breaks) / 2
    angles = (middles[:, np.newaxis] + widths[:, np.newaxis] * abscissae).ravel()
    factors = (widths[:, np.newaxis] * weights).ravel()
    elapsed = time * np.sin(angles) ** 2
    edges = boundary(time * np.cos(angles) ** 2)
    spread = volatility * np.sqrt(elapsed)
    d1 = (np.log(spot / edges) + (rate - dividend_yield) * elapsed) / spread + spread / 2
    interest = rate * strike * np.exp(-rate * elapsed) * ndtr(spread - d1)
    earned = interest - dividend_yield * spot * np.exp(-dividend_yield * elapsed) * ndtr(-d1)
    return float(np.sum(factors * earned * 2 * time * np.sin(angles) * np.cos(angles)))
