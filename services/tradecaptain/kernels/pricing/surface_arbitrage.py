"""Where SVI slices allow arbitrage: a negative density within one, a falling variance between two.

    butterfly_violations(item), calendar_violations(slices)    # empty where nothing was found

Far out a slice is a line, w = s |k| + c with s = b (1 ± rho) and c = a ∓ s m, and both kinds are
decided by that: Durrleman's g tends to (4 - s^2) / 16, so a slope above 2 has butterflies (the
limit of Lee), and of two slices the later must have the steeper line. Up to a log-moneyness of 100,
g is looked at on a grid, even over ten deviations and finer about the middle of the slice. Two
slices can only cross where a polynomial of the fourth degree is zero, so their difference is looked
at between its roots as well.

Sources: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces (2014); Lee, The Moment
Formula for Implied Volatility at Extreme Strikes (2004).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing.surface import SviSlice

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MONEYNESS_MAX: Final = 100.0
"""Log-moneyness up to which places are looked at one by one."""
SLOPE_MAX: Final = 2.0
_EVEN_POINTS: Final = 801
_OWN_POINTS: Final = 401
_DEVIATIONS: Final = 10.0
# Beyond the grid a violation is searched at places that grow by such a factor.
_GROWTH: Final = 4.0
_SEARCH_STEPS: Final = 30
# What sums of so many roundings may be off by, of their terms.
_ROUNDING: Final = 4e-15


def _grid(slices: Sequence[SviSlice]) -> FloatArray:
    """Log-moneyness, rising: even to ten deviations, and by each slice's own scale to the end."""
    reach = max(
        _DEVIATIONS * math.sqrt(max(item.a + item.b * item.sigma, 1e-8)) + abs(item.m)
        for item in slices
    )
    end = max(reach, MONEYNESS_MAX)
    parts = [np.linspace(-reach, reach, _EVEN_POINTS)]
    for item in slices:
        last = math.asinh((end + abs(item.m)) / item.sigma)
        parts.append(item.m + item.sigma * np.sinh(np.linspace(-last, last, _OWN_POINTS)))
    return np.unique(np.clip(np.concatenate(parts), -end, end))


def _wing(item: SviSlice, sign: float) -> tuple[float, float]:
    """Slope by |k| and level of the line that total variance tends to, right (+1) or left (-1)."""
    slope = item.b * (1.0 + sign * item.rho)
    return slope, item.a - sign * slope * item.m


def _beyond(start: float, is_wrong: Callable[[FloatArray], BoolArray]) -> float:
    """The first place from ``start`` outwards that is wrong; the last one, if none shows it."""
    places = np.asarray(start * _GROWTH ** np.arange(1, _SEARCH_STEPS), np.float64)
    found = np.flatnonzero(is_wrong(places))
    return float(places[found[0] if found.size else -1])


def butterfly_violations(item: SviSlice) -> FloatArray:
    """Log-moneyness, rising, at which a slice has a negative density or variance; empty if none."""

    def is_wrong(places: FloatArray) -> BoolArray:
        return np.asarray((item.total_variance(places) <= 0.0) | (item.butterfly(places) < 0.0))

    with np.errstate(all="ignore"):
        grid = _grid([item])
        wrong = is_wrong(grid)
        found = grid[wrong].tolist()
        for sign, at_end in ((-1.0, wrong[0]), (1.0, wrong[-1])):
            slope, level = _wing(item, sign)
            if (slope > SLOPE_MAX or (slope == 0.0 and level < 0.0)) and not at_end:
                found.append(_beyond(sign * float(grid[-1]), is_wrong))
    return np.array(sorted(found))


def _crossings(before: SviSlice, after: SviSlice) -> FloatArray:
    """Places between which the difference of two slices keeps its sign, and some others."""
    # With roots R of both slices and a line L: L + b R = b' R', squared twice.
    shift = after.m - before.m
    line = np.array(
        [
            before.b * before.rho - after.b * after.rho,
            before.a - after.a + after.b * after.rho * shift,
        ]
    )
    first = before.b**2 * np.array([1.0, 0.0, before.sigma**2])
    second = after.b**2 * np.array([1.0, -2.0 * shift, shift**2 + after.sigma**2])
    square = np.polymul(line, line)
    rest = np.polysub(np.polysub(second, square), first)
    quartic = np.polysub(np.polymul(rest, rest), 4.0 * np.polymul(square, first))
    return np.asarray(np.sort(np.roots(quartic).real) + before.m, np.float64)


def _falls(before: SviSlice, after: SviSlice, places: FloatArray) -> BoolArray:
    """Where total variance is lower in the later slice, by more than rounding."""
    earlier, later = before.total_variance(places), after.total_variance(places)
    size = np.abs(earlier) + np.abs(later) + abs(before.a) + abs(after.a)
    return np.asarray(later - earlier < -_ROUNDING * size)


def _first_fall(before: SviSlice, after: SviSlice) -> float | None:
    """The lowest place looked at where total variance falls from one slice to the next."""

    def is_wrong(places: FloatArray) -> BoolArray:
        return _falls(before, after, places)

    grid = _grid([before, after])
    end = float(grid[-1])
    roots = np.clip(_crossings(before, after), -end, end)
    places = np.sort(np.concatenate([grid, 0.5 * (roots[1:] + roots[:-1])]))
    wrong = is_wrong(places)
    found = places[wrong].tolist()
    for sign, at_end in ((-1.0, wrong[0]), (1.0, wrong[-1])):
        (slope, level), (later_slope, later_level) = _wing(before, sign), _wing(after, sign)
        gap = later_slope - slope
        is_parallel = abs(gap) <= _ROUNDING * (slope + later_slope)
        level_gap = later_level - level + _ROUNDING * (abs(level) + abs(later_level))
        if (level_gap < 0.0 if is_parallel else gap < 0.0) and not at_end:
            found.append(_beyond(sign * end, is_wrong))
    return min(found, default=None)


def calendar_violations(slices: Sequence[SviSlice]) -> list[tuple[int, float]]:
    """Slices, by index, whose total variance lies below that of the one before, and where first.

    ``slices`` are in order of time. Where a whole wing lies below, the place is one within it.
    """
    found = []
    for index in range(1, len(slices)):
        place = _first_fall(slices[index - 1], slices[index])
        if place is not None:
            found.append((index, place))
    return found
