"""The volatility surface of European options: forward and discount, SVI per expiry, SSVI, checks.

Total variance ``w = volatility^2 * time`` is a function of log-moneyness ``k = log(K / F)``. A raw
SVI slice is

    w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))

with b >= 0, |rho| <= 1 and sigma > 0. A slice allows no butterfly arbitrage where Durrleman's ``g``
is nowhere negative, and slices allow none by calendar where w never falls as time grows. Between
two expiries w is linear in time at equal k, so that it never falls there either. SSVI ties all
slices together: with theta the total variance at the money and phi = eta / (theta^gamma
(1 + theta)^(1 - gamma)),

    w(k) = theta / 2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2))

which allows no butterfly arbitrage if eta (1 + |rho|) <= 2 and gamma lies from 0 to 1/2.

Sources: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces (2014); De Marco and Martini,
Quasi-explicit calibration of Gatheral's SVI model (2009), for the fit; Huber (1964) for the weights
that keep a wrong quote from moving it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import surface_fit

FloatArray = npt.NDArray[np.float64]

HUBER_LIMIT: Final = 1.345
# Turns the median of absolute residuals into a standard deviation of normal ones.
MEDIAN_TO_DEVIATION: Final = 1.4826
ROBUST_ROUNDS: Final = 30
FIT_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Parity:
    """What put-call parity says of one expiry: ``C - P = discount * (forward - K)``."""

    forward: float
    discount: float


@dataclass(frozen=True, slots=True)
class SviSlice:
    """Raw SVI of one expiry, ``time`` in years."""

    time: float
    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def total_variance(self, moneyness: FloatArray) -> FloatArray:
        """``w`` at log-moneyness."""
        shifted = moneyness - self.m
        variance: FloatArray = self.a + self.b * self._rise(shifted)
        return variance

    def _rise(self, shifted: FloatArray) -> FloatArray:
        """``rho x + sqrt(x^2 + sigma^2)``, also where the two cancel."""
        root = np.sqrt(shifted * shifted + self.sigma**2)
        lean = self.rho * shifted
        rest = (1.0 - self.rho) * (1.0 + self.rho) * shifted * shifted + self.sigma**2
        return np.where(lean < 0.0, rest / (root - lean), root + lean)

    def volatility(self, moneyness: FloatArray) -> FloatArray:
        """Volatility at log-moneyness."""
        return np.sqrt(self.total_variance(moneyness) / self.time)

    def butterfly(self, moneyness: FloatArray) -> FloatArray:
        """Durrleman's ``g``, the density of the forward up to a positive factor."""
        shifted = moneyness - self.m
        root = np.sqrt(shifted * shifted + self.sigma**2)
        variance = self.total_variance(moneyness)
        # rho + x / sqrt(x^2 + sigma^2), also where the two cancel.
        lean, wide = self.rho * root, (1.0 - self.rho) * (1.0 + self.rho) * shifted * shifted
        rest = wide - (self.rho * self.sigma) ** 2
        apart = shifted - lean
        cancels = lean * shifted < 0.0
        turn = np.where(cancels, rest / np.where(cancels, apart, 1.0), shifted + lean)
        slope = self.b * turn / root
        curvature = self.b * self.sigma**2 / root**3
        first = 1.0 - 0.5 * moneyness * slope / variance
        density: FloatArray = (
            first * first - 0.25 * slope * slope * (1.0 / variance + 0.25) + 0.5 * curvature
        )
        return density


def _huber(residuals: FloatArray) -> FloatArray:
    """Weights that leave small residuals alone and bound the pull of large ones."""
    scale = MEDIAN_TO_DEVIATION * float(np.median(np.abs(residuals)))
    if scale == 0.0:
        return np.where(residuals == 0.0, 1.0, 0.0)
    weights: FloatArray = np.minimum(
        1.0, HUBER_LIMIT * scale / np.maximum(np.abs(residuals), 1e-300)
    )
    return weights


def implied_parity(strikes: FloatArray, calls: FloatArray, puts: FloatArray) -> Parity:
    """Forward and discount factor from calls and puts of equal strikes, robust to wrong quotes.

    Raises ``ValueError`` with fewer than two different strikes, or where the quotes give a discount
    factor that isn't above zero.
    """
    if len(np.unique(strikes)) < 2:
        raise ValueError("put-call parity takes at least two strikes")
    differences = calls - puts
    design = np.column_stack([np.ones_like(strikes), -strikes])
    weights = np.ones_like(strikes)
    # Half of the pairs may be wrong: begin with the median of the slopes between them (Theil, Sen).
    first, second = np.triu_indices(len(strikes), 1)
    apart = strikes[first] != strikes[second]
    slopes = (differences[second] - differences[first])[apart] / (strikes[second] - strikes[first])[
        apart
    ]
    discount = -float(np.median(slopes))
    level = float(np.median(differences + discount * strikes))
    for _ in range(ROBUST_ROUNDS):
        weights = _huber(differences - design @ np.array([level, discount]))
        if np.count_nonzero(weights) < 2:
            break
        root = np.sqrt(weights)
        solution, *_ = np.linalg.lstsq(design * root[:, None], differences * root, rcond=None)
        level, discount = float(solution[0]), float(solution[1])
    if not discount > 0.0:
        raise ValueError("the quotes give a discount factor that isn't above zero")
    return Parity(level / discount, discount)


def fit_svi(time: float, moneyness: FloatArray, variance: FloatArray) -> SviSlice:
    """Raw SVI slice of total variances at log-moneyness, robust to wrong quotes.

    For each m and sigma the rest is a linear problem; those two are searched on a grid that
    narrows, by a kernel. Raises ``ValueError`` with fewer than five points, or where all lie at one
    log-moneyness.
    """
    count = len(moneyness)
    if count < 5:
        raise ValueError("an SVI slice takes at least five points")
    span = float(np.ptp(moneyness))
    if not span > 0.0:
        raise ValueError("an SVI slice takes points at different strikes")
    points = np.empty((surface_fit.POINT_ROWS, count))
    points[surface_fit.MONEYNESS], points[surface_fit.VARIANCE] = moneyness, variance
    work = np.empty((surface_fit.WORK_ROWS, count))
    found, best = np.empty((2, surface_fit.BEST_NUMBERS))
    weights = np.ones(count)
    for _ in range(FIT_ROUNDS):
        points[surface_fit.ROOT_WEIGHT] = np.sqrt(weights)
        surface_fit.svi_search(points, float(np.median(moneyness)), span, work, found, best)
        fitted = SviSlice(time, *best[: surface_fit.BEST_ERROR].tolist())
        weights = _huber(variance - fitted.total_variance(moneyness))
    return fitted


@dataclass(frozen=True, slots=True)
class Ssvi:
    """SSVI with a power law; ``slice_at`` gives the slice of one expiry in raw form."""

    rho: float
    eta: float
    gamma: float

    def slice_at(self, time: float, theta: float) -> SviSlice:
        """The slice with total variance ``theta`` at the money."""
        phi = self.eta / (theta**self.gamma * (1.0 + theta) ** (1.0 - self.gamma))
        rest = 1.0 - self.rho**2
        sigma = float(np.sqrt(rest)) / phi
        return SviSlice(
            time, 0.5 * theta * rest, 0.5 * theta * phi, self.rho, -self.rho / phi, sigma
        )

    @property
    def is_free_of_butterflies(self) -> bool:
        """Whether the sufficient condition holds, whatever theta is."""
        return 0.0 <= self.gamma <= 0.5 and self.eta * (1.0 + abs(self.rho)) <= 2.0


def fit_ssvi(
    thetas: Sequence[float], moneyness: Sequence[FloatArray], variance: Sequence[FloatArray]
) -> Ssvi:
    """SSVI of several expiries that is free of butterflies, robust to wrong quotes.

    ``thetas`` are the total variances at the money, above zero; calendar arbitrage is absent if
    they grow with time. Each expiry has its log-moneyness and total variances. Raises
    ``ValueError`` if the three don't have one length.
    """
    if not len(thetas) == len(moneyness) == len(variance) > 0:
        raise ValueError("every expiry has one theta, log-moneyness and variances")
    due = np.concatenate(variance)
    points = np.empty((surface_fit.POINT_ROWS, due.size))
    points[surface_fit.MONEYNESS] = np.concatenate(moneyness)
    points[surface_fit.VARIANCE] = due
    offsets = np.concatenate(([0], np.cumsum([len(part) for part in variance])))
    levels = np.array(thetas, dtype=np.float64)
    limits = np.array([[-surface_fit.RHO_LIMIT, surface_fit.RHO_LIMIT], [1e-4, 1.0], [0.0, 0.5]])
    centre = limits.mean(axis=1)
    weights = np.ones_like(due)
    for _ in range(FIT_ROUNDS):
        points[surface_fit.ROOT_WEIGHT] = np.sqrt(weights)
        surface_fit.ssvi_search(points, offsets, levels, limits, centre)
        fitted = _ssvi_of(centre)
        slices = (fitted.slice_at(1.0, theta) for theta in thetas)
        model = [item.total_variance(k) for item, k in zip(slices, moneyness, strict=True)]
        weights = _huber(due - np.concatenate(model))
    return fitted


def _ssvi_of(numbers: FloatArray) -> Ssvi:
    rho, share, gamma = numbers.tolist()
    return Ssvi(rho, 2.0 * share / (1.0 + abs(rho)), gamma)


@dataclass(frozen=True, slots=True)
class Surface:
    """Slices in order of time, and what lies between and beyond them."""

    slices: tuple[SviSlice, ...]

    def volatility(self, time: float, moneyness: FloatArray) -> FloatArray:
        """Volatility at a time above zero: w linear in time, beyond the ends w in ratio to time."""
        times = [item.time for item in self.slices]
        if time <= times[0]:
            return self.slices[0].volatility(moneyness)
        if time >= times[-1]:
            return self.slices[-1].volatility(moneyness)
        after = int(np.searchsorted(times, time))
        share = (time - times[after - 1]) / (times[after] - times[after - 1])
        before = self.slices[after - 1].total_variance(moneyness)
        variance = before + share * (self.slices[after].total_variance(moneyness) - before)
        return np.sqrt(variance / time)
