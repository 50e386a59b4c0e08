"""Slow and obvious twin of the barrier kernels: the density of the surviving spot, integrated.

The log of the spot is a Brownian motion with drift; the chance that it ends at y without touching
the barrier is the difference of two normal densities. Payoffs are integrated over it numerically,
and the time of the first touch over its own density.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import mpmath

Payoff = Callable[[mpmath.mpf], mpmath.mpf]


def _parts(spot, barrier, time, volatility, carry):
    drift = carry - volatility**2 / 2
    deviation = volatility * mpmath.sqrt(time)
    return drift, deviation, mpmath.log(barrier / spot)


def survival(
    payoff: Payoff, kinks: list[float], spot, barrier, time, volatility, rate, dividend_yield
) -> mpmath.mpf:
    """Value of a payoff that is paid at expiry if the barrier was never touched."""
    carry = rate - dividend_yield
    drift, deviation, level = _parts(spot, barrier, time, volatility, carry)
    is_down = barrier < spot

    def density(y: mpmath.mpf) -> mpmath.mpf:
        direct = mpmath.npdf((y - drift * time) / deviation)
        image = mpmath.npdf((y - 2 * level - drift * time) / deviation)
        return (direct - mpmath.exp(2 * drift * level / volatility**2) * image) / deviation

    centre, width = drift * time, 12 * deviation
    low = level if is_down else min(level, centre) - width
    high = max(level, centre) + width if is_down else level
    marks = sorted(mpmath.log(kink / spot) for kink in kinks if kink > 0)
    nodes = [low, *(mark for mark in marks if low < mark < high), high]
    middle = [(a + b) / 2 for a, b in pairwise(nodes)]
    total = mpmath.quad(
        lambda y: payoff(spot * mpmath.exp(y)) * density(y), sorted([*nodes, *middle])
    )
    return mpmath.exp(-rate * time) * total


def touch(spot, barrier, time, volatility, rate, dividend_yield) -> mpmath.mpf:
    """Value of one unit paid at the first touch."""
    drift, _, level = _parts(spot, barrier, time, volatility, rate - dividend_yield)
    distance = abs(level)

    def density(moment: mpmath.mpf) -> mpmath.mpf:
        spread = volatility * mpmath.sqrt(moment)
        return distance / (spread * moment) * mpmath.npdf((level - drift * moment) / spread)

    # In logarithms of time, because the density is nearly nothing at first.
    return mpmath.quad(
        lambda u: mpmath.exp(-rate * mpmath.exp(u)) * density(mpmath.exp(u)) * mpmath.exp(u),
        [mpmath.log(time) + step for step in (-14, -10, -7, -5, -3, -2, -1, 0)],
    )
