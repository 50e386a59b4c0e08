"""Price and yield of any number of bonds, each a row of payments.

A bond is its payments that are still to come: ``times`` in years from settlement and ``amounts``.
Those of all bonds stand one after the other; bond ``k`` owns the elements ``offsets[k]`` to
``offsets[k + 1]``. Prices are dirty: what is paid at settlement.

Discounting by a yield ``y`` compounded ``f`` times a year is discounting by the continuous rate
``r = f log(1 + y / f)``, so one solver serves all compounded yields. It carries a group of bonds in
the lanes of vector registers, and looks for the root of ``log(sum c e^(-r t) / price)``, which is
convex and nearly straight in ``r``: Newton's step, corrected by the curvature, is exact to all
digits after two or three turns. Derivatives of the other conventions are by the yield itself.

Sources: Fabozzi, Bond Markets, Analysis and Strategies; SIFMA, Standard Securities Calculation
Methods; 31 CFR 356 appendix B (the Treasury's broken first period).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.elementary import exponential, log_ratio

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# How a yield discounts over a time t, with f periods a year and w the time to the first payment.
SIMPLE: Final = 1  # 1 / (1 + y t)
COMPOUNDED: Final = 2  # (1 + y / f) ^ (-f t)
CONTINUOUS: Final = 3  # e ^ (-y t)
SIMPLE_THEN_COMPOUNDED: Final = 4  # simple up to one period, compounded beyond
COMPOUNDED_THEN_SIMPLE: Final = 5  # compounded up to one period, simple beyond
TREASURY: Final = 6  # simple over w, compounded after it
STREET: Final = 7  # compounded; simple once a single payment is left

OK: Final = 0
INVALID_PRICE: Final = -1
INVALID_PAYMENTS: Final = -2
INVALID_YIELD: Final = -3
NO_YIELD: Final = -4

RULES: Final[dict[int, tuple[str, str]]] = {
    INVALID_PRICE: ("price", "the dirty price must be positive and finite"),
    INVALID_PAYMENTS: ("payments", "payments must be finite, none negative, one later than now"),
    INVALID_YIELD: ("yield", "the yield must leave every discount factor positive"),
    NO_YIELD: ("price", "no yield gives this price"),
}
"""Status: the input at fault and the rule that it breaks."""

PAYMENT_YEARS_MAX: Final = 1e4
PAYMENT_MAX: Final = 1e300
"""Payments come sooner, and are smaller."""

LANES: Final = 32
_TURNS_MAX: Final = 60
_LAST_STEP: Final = 1e-6
"""A step shorter than this leaves an error below the last digit, since the next is cubed."""
_STEP_MAX: Final = 50.0
_LAST_CHANGE: Final = 1e-13
"""A step that changes the price by less, by the price, is the last: the next is squared."""

_FLOATS = numba.float64[::1]
_INTS = numba.int64[::1]
_BLOCK = numba.float64[:, ::1]
_I64 = numba.int64
_F64 = numba.float64

# Rows of the group's scratch block; payments follow, times before amounts.
_RATE: Final = 0
_PRICE: Final = 1
_SUM: Final = 2
_FIRST: Final = 3
_SECOND: Final = 4
_STEP: Final = 5
_PAYMENTS: Final = 6


@inline
def _gather(bond: int, count: int, offsets: Any, times: Any, amounts: Any, scratch: Any) -> int:
    """Lay the payments of ``count`` bonds side by side; the greatest number of payments.

    Also fills the sums at a rate of zero. Lanes and places without a payment get an amount of 0.
    """
    longest = 0
    for lane in range(count):
        longest = max(longest, offsets[bond + lane + 1] - offsets[bond + lane])
    for lane in range(LANES):
        begin = offsets[bond + lane] if lane < count else 0
        length = offsets[bond + lane + 1] - begin if lane < count else 0
        total = first = second = 0.0
        for place in range(longest):
            time = amount = 0.0
            if place < length:
                time = times[begin + place]
                amount = amounts[begin + place]
            scratch[_PAYMENTS + 2 * place, lane] = time
            scratch[_PAYMENTS + 2 * place + 1, lane] = amount
            total += amount
            first += amount * time
            second += amount * time * time
        scratch[_SUM, lane] = total
        scratch[_FIRST, lane] = first
        scratch[_SECOND, lane] = second
    return longest


@inline
def _sum_lanes(longest: int, scratch: Any) -> None:
    """Discounted amounts at each lane's rate, summed plainly and by the time and its square."""
    for lane in range(LANES):
        scratch[_SUM, lane] = 0.0
        scratch[_FIRST, lane] = 0.0
        scratch[_SECOND, lane] = 0.0
    for place in range(longest):
        row = _PAYMENTS + 2 * place
        for lane in range(LANES):
            time = scratch[row, lane]
            value = scratch[row + 1, lane] * exponential(-scratch[_RATE, lane] * time)
            weighted = value * time
            scratch[_SUM, lane] += value
            scratch[_FIRST, lane] += weighted
            scratch[_SECOND, lane] += weighted * time


@inline
def _step_lanes(scratch: Any) -> float:
    """Move every lane's rate towards its price; the longest step taken."""
    for lane in range(LANES):
        total = scratch[_SUM, lane]
        duration = scratch[_FIRST, lane] / total
        spread = scratch[_SECOND, lane] / total - duration * duration
        excess = log_ratio(total, scratch[_PRICE, lane])
        correction = 0.5 * excess * spread / (duration * duration)
        # Far away the curvature misleads; the plain step can't pass the root.
        correction = correction if correction < 0.5 else 0.0
        step = excess / (duration * (1.0 - correction))
        step = min(max(step, -_STEP_MAX), _STEP_MAX)
        scratch[_RATE, lane] += step
        scratch[_STEP, lane] = abs(step)
    longest = 0.0
    for lane in range(LANES):
        longest = max(longest, scratch[_STEP, lane])
    return longest


@inline
def _check_payments(begin: int, end: int, times: Any, amounts: Any) -> int:
    """``OK`` if a bond has payments that discount as they should."""
    latest = 0.0
    for place in range(begin, end):
        time, amount = times[place], amounts[place]
        if not (0.0 <= time < PAYMENT_YEARS_MAX and 0.0 <= amount < PAYMENT_MAX):
            return INVALID_PAYMENTS
        if amount > 0.0:
            latest = max(latest, time)
    return OK if latest > 0.0 else INVALID_PAYMENTS


@kernel(numba.void(_FLOATS, _INTS, _FLOATS, _FLOATS, _BLOCK, _FLOATS, _INTS))
def continuous_yields(
    prices: Any, offsets: Any, times: Any, amounts: Any, scratch: Any, rates: Any, statuses: Any
) -> None:
    """Continuous yield of every bond at its price.

    ``scratch`` is of ``scratch_rows`` rows and ``LANES`` columns. Where the status isn't ``OK`` the
    rate is NaN.
    """
    bonds = prices.shape[0]
    for bond in range(0, bonds, LANES):
        count = min(LANES, bonds - bond)
        longest = _gather(bond, count, offsets, times, amounts, scratch)
        for lane in range(LANES):
            scratch[_RATE, lane] = 0.0
            scratch[_PRICE, lane] = 1.0
            status = INVALID_PAYMENTS
            if lane < count:
                index = bond + lane
                status = _check_payments(offsets[index], offsets[index + 1], times, amounts)
                if not 1e-300 < prices[index] < 1e300:
                    status = INVALID_PRICE
                statuses[index] = status
            if status == OK:
                scratch[_PRICE, lane] = prices[bond + lane]
            else:
                # An idle lane is a payment of one a year from now at a price of one.
                for row in range(_PAYMENTS, _PAYMENTS + 2 * longest):
                    scratch[row, lane] = 0.0
                scratch[_PAYMENTS, lane] = 1.0
                scratch[_PAYMENTS + 1, lane] = 1.0
                scratch[_SUM, lane] = 1.0
                scratch[_FIRST, lane] = 1.0
                scratch[_SECOND, lane] = 1.0
        longest = max(longest, 1)
        for _ in range(_TURNS_MAX):
            if _step_lanes(scratch) < _LAST_STEP:
                break
            _sum_lanes(longest, scratch)
        for lane in range(count):
            index = bond + lane
            if statuses[index] == OK and not scratch[_STEP, lane] < _LAST_STEP:
                statuses[index] = NO_YIELD
            rates[index] = scratch[_RATE, lane] if statuses[index] == OK else math.nan


@kernel(numba.void(_FLOATS, _INTS, _FLOATS, _FLOATS, _BLOCK, _BLOCK))
def continuous_sums(
    rates: Any, offsets: Any, times: Any, amounts: Any, scratch: Any, sums: Any
) -> None:
    """Price of every bond at its continuous rate, with time and squared time as weights.

    Rows of ``sums``: ``sum c d``, ``sum t c d`` and ``sum t^2 c d`` with ``d = e^(-r t)``.
    """
    bonds = rates.shape[0]
    for bond in range(0, bonds, LANES):
        count = min(LANES, bonds - bond)
        longest = _gather(bond, count, offsets, times, amounts, scratch)
        for lane in range(LANES):
            scratch[_RATE, lane] = rates[bond + lane] if lane < count else 0.0
        _sum_lanes(longest, scratch)
        for lane in range(count):
            sums[0, bond + lane] = scratch[_SUM, lane]
            sums[1, bond + lane] = scratch[_FIRST, lane]
            sums[2, bond + lane] = scratch[_SECOND, lane]


@inline
def discount_by_yield(
    compounding: int, frequency: float, rate: float, time: float, first_time: float
) -> tuple[float, float, float]:
    """Discount factor over a time, and its first and second derivative by the yield.

    ``compounding`` is any of this module's but ``STREET``; NaN where the yield is too negative.
    """
    period = 1.0 / frequency
    growth = 1.0 + rate * period
    is_simple = (
        compounding == SIMPLE
        or (compounding == SIMPLE_THEN_COMPOUNDED and time <= period)
        or (compounding == COMPOUNDED_THEN_SIMPLE and time > period)
    )
    if is_simple:
        simple_growth = 1.0 + rate * time
        if simple_growth <= 0.0:
            return math.nan, math.nan, math.nan
        factor = 1.0 / simple_growth
        return factor, -time * factor * factor, 2.0 * time * time * factor * factor * factor
    if compounding == CONTINUOUS:
        factor = math.exp(-rate * time)
        return factor, -time * factor, time * time * factor
    if growth <= 0.0:
        return math.nan, math.nan, math.nan
    broken = first_time if compounding == TREASURY else 0.0
    broken_growth = 1.0 + rate * broken
    if broken_growth <= 0.0:
        return math.nan, math.nan, math.nan
    whole = time - broken
    factor = math.exp(-frequency * whole * math.log1p(rate * period)) / broken_growth
    slope = -broken / broken_growth - whole / growth
    bend = broken * broken / (broken_growth * broken_growth)
    bend += whole * period / (growth * growth)
    return factor, slope * factor, (slope * slope + bend) * factor


@inline
def _value_by_yield(
    compounding: int, frequency: float, rate: float, times: Any, amounts: Any
) -> tuple[float, float, float]:
    total = first = second = 0.0
    for place in range(times.shape[0]):
        factor, slope, bend = discount_by_yield(
            compounding, frequency, rate, times[place], times[0]
        )
        total += amounts[place] * factor
        first += amounts[place] * slope
        second += amounts[place] * bend
    return total, first, second


@inline
def _lowest_yield(compounding: int, frequency: float, times: Any) -> float:
    """Below this yield some discount factor isn't positive."""
    lowest = -1e3
    if compounding in (COMPOUNDED, SIMPLE_THEN_COMPOUNDED, COMPOUNDED_THEN_SIMPLE, TREASURY):
        lowest = -frequency
    for place in range(times.shape[0]):
        time = times[place]
        is_simple = compounding == SIMPLE
        is_simple |= compounding == SIMPLE_THEN_COMPOUNDED and time <= 1.0 / frequency
        is_simple |= compounding == COMPOUNDED_THEN_SIMPLE and time > 1.0 / frequency
        is_simple |= compounding == TREASURY and place == 0
        if is_simple and time > 0.0:
            lowest = max(lowest, -1.0 / time)
    return lowest


@kernel(_I64(_I64, _F64, _F64, _FLOATS, _FLOATS, _FLOATS))
def value_by_yield(
    compounding: int, frequency: float, rate: float, times: Any, amounts: Any, outputs: Any
) -> int:
    """Price of one bond and its first two derivatives by the yield, in any convention.

    ``STREET`` is ``COMPOUNDED`` or, for one payment, ``SIMPLE``; callers choose.
    """
    status = _check_payments(0, times.shape[0], times, amounts)
    outputs[0], outputs[1], outputs[2] = math.nan, math.nan, math.nan
    if status != OK:
        return status
    if not rate > _lowest_yield(compounding, frequency, times):
        return INVALID_YIELD
    outputs[0], outputs[1], outputs[2] = _value_by_yield(
        compounding, frequency, rate, times, amounts
    )
    return OK


@kernel(_I64(_I64, _F64, _F64, _FLOATS, _FLOATS, _FLOATS))
def yield_of_price(
    compounding: int, frequency: float, price: float, times: Any, amounts: Any, outputs: Any
) -> int:
    """Yield of one bond in any convention, by Newton's method kept in a bracket.

    ``outputs`` gets the yield, and the price's first two derivatives by it.
    """
    outputs[0], outputs[1], outputs[2] = math.nan, math.nan, math.nan
    status = _check_payments(0, times.shape[0], times, amounts)
    if status != OK:
        return status
    if not 1e-300 < price < 1e300:
        return INVALID_PRICE
    low = _lowest_yield(compounding, frequency, times)
    high = 1e6
    rate = 0.05 if low < 0.05 else 0.5 * (low + 1.0)
    for _ in range(4 * _TURNS_MAX):
        total, first, second = _value_by_yield(compounding, frequency, rate, times, amounts)
        # Far below the yield a price overflows, and is no number where an amount is zero.
        if total <= price:
            high = rate
        else:
            low = rate
        # Newton on the logarithm of the price, as far as it stays between the bounds.
        step = total * math.log(total / price) / -first if total > 0.0 else math.nan
        moved = rate + step
        # A price has so many digits, however many a yield near zero has.
        if abs(step) * -first <= _LAST_CHANGE * total:
            outputs[0], outputs[1], outputs[2] = moved, first, second
            return OK
        rate = moved if low < moved < high else 0.5 * (low + high)
    return NO_YIELD


def scratch_for(offsets: IntArray) -> FloatArray:
    """Working memory for the kernels on bonds: enough rows for the longest of them."""
    longest = int(np.diff(offsets).max(initial=1))
    return np.empty((_PAYMENTS + 2 * max(longest, 1), LANES))


def to_continuous(yields: FloatArray, compounding: int, frequency: FloatArray) -> FloatArray:
    """Continuous rates of yields; NaN where a compounded one loses everything in a period."""
    if compounding == CONTINUOUS:
        return yields
    with np.errstate(invalid="ignore", divide="ignore"):
        return frequency * np.log1p(yields / frequency)


def from_continuous(rates: FloatArray, compounding: int, frequency: FloatArray) -> FloatArray:
    """Yields of continuous rates."""
    return rates if compounding == CONTINUOUS else frequency * np.expm1(rates / frequency)
