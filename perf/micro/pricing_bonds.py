"""Yields of bonds from their prices, a second, batched over arrays of payments.

Semiannual bonds of half a year to thirty years in the middle of a coupon period, coupons of 0 to
8 %, yields of -0.5 to 15 %: 30 payments on average. The kernel gets dirty prices and must give back
the yields that made them, which is checked. The peer is QuantLib called from Python, a bond at a
time, on bonds of the same kind; its schedules are made before the clock starts.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import QuantLib as ql  # noqa: N813
from tradecaptain.kernels.pricing import bond

from perf.support.kernel_timing import seconds_per_call
from perf.support.result import Result

FloatArray = npt.NDArray[np.float64]

RATE_GOAL = 1e6
BONDS = 20_000
SMOKE_BONDS = 500
PEER_BONDS = 200
SEED = 7
FREQUENCY = 2
PERIODS_MAX = 60
ERROR_MAX = 1e-13


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Bonds as columns of payments, their yields, and the dirty prices that these make."""

    offsets: npt.NDArray[np.int64]
    times: FloatArray
    amounts: FloatArray
    yields: FloatArray
    prices: FloatArray


def portfolio(count: int) -> Portfolio:
    """Seeded bonds of all maturities."""
    random = np.random.default_rng(SEED)
    periods = random.integers(1, PERIODS_MAX + 1, count)
    offsets = np.concatenate(([0], np.cumsum(periods)))
    first = np.repeat(random.uniform(0.005, 0.5, count), periods)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], periods)
    amounts = np.repeat(100.0 * random.uniform(0.0, 0.08, count) / FREQUENCY, periods)
    amounts[offsets[1:] - 1] += 100.0
    yields = random.uniform(-0.005, 0.15, count)
    times = first + place / FREQUENCY
    sums = np.empty((3, count))
    rates = bond.to_continuous(yields, bond.COMPOUNDED, np.full(count, float(FREQUENCY)))
    bond.continuous_sums(rates, offsets, times, amounts, bond.scratch_for(offsets), sums)
    return Portfolio(offsets, times, amounts, yields, sums[0].copy())


def _rate(bonds: Portfolio, *, smoke: bool) -> float:
    """Yields a second, with the way from continuous to compounded ones."""
    count = bonds.prices.size
    scratch, rates = bond.scratch_for(bonds.offsets), np.empty(count)
    statuses, frequency = np.empty(count, dtype=np.int64), np.full(count, float(FREQUENCY))
    found = rates

    def solve() -> None:
        nonlocal found
        bond.continuous_yields(
            bonds.prices, bonds.offsets, bonds.times, bonds.amounts, scratch, rates, statuses
        )
        found = bond.from_continuous(rates, bond.COMPOUNDED, frequency)

    seconds = seconds_per_call(solve, smoke=smoke)
    error = float(np.abs(found - bonds.yields).max())
    if statuses.any() or not error < ERROR_MAX:
        raise RuntimeError(f"the yields are off by up to {error:.1e}")
    print(
        f"bonds: {count:,} of {bonds.offsets[-1] / count:.1f} payments, error {error:.1e} at most",
        file=sys.stderr,
    )
    return count / seconds


def _peer_rate(*, smoke: bool) -> float:
    """QuantLib's yields a second, a bond at a time."""
    random = np.random.default_rng(SEED)
    today = ql.Date(3, 3, 2025)
    ql.Settings.instance().evaluationDate = today
    counter = ql.ActualActual(ql.ActualActual.ISMA)
    bonds = []
    for periods in random.integers(1, PERIODS_MAX + 1, PEER_BONDS).tolist():
        start = today - ql.Period(int(random.integers(1, 150)), ql.Days)
        end = start + ql.Period(6 * periods, ql.Months)
        plain = ql.Unadjusted
        schedule = ql.Schedule(
            start, end, ql.Period(6, ql.Months), ql.NullCalendar(), plain, plain, 0, False
        )
        bonds.append(ql.FixedRateBond(0, 100.0, schedule, [0.04], counter))
    price = ql.BondPrice(98.0, ql.BondPrice.Clean)

    def solve() -> None:
        for item in bonds:
            ql.BondFunctions.bondYield(item, price, counter, ql.Compounded, FREQUENCY, today)

    return PEER_BONDS / seconds_per_call(solve, smoke=smoke)


def measure(smoke: bool) -> list[Result]:
    """Yields a second on one core, and QuantLib's."""
    rate = _rate(portfolio(SMOKE_BONDS if smoke else BONDS), smoke=smoke)
    peer = _peer_rate(smoke=smoke)
    return [
        Result(
            "pricing.bond_yield_per_second",
            rate,
            "1/s",
            goal=None if smoke else RATE_GOAL,
            higher_is_better=True,
            peer="QuantLib",
            peer_value=peer,
            ratio=rate / peer,
        )
    ]
