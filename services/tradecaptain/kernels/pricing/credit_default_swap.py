"""Credit default swap by the ISDA standard model: legs on a flat hazard rate.

Discount factors are log-linear between the nodes of a curve, survival is ``e^(-h t)`` with time in
actual days over 365 from the trade date. Between neighbouring nodes both the forward rate and the
hazard rate are constant, so each leg's integral is exact there. Dates are ends of days: a period
that accrues from ``a`` to ``b`` (not counted) is survived at the end of day ``b - 1``, and the last
period counts its last day. On average a default comes half a day before the end of its day, so that
interest accrues half a day longer.

Source: ISDA, CDS Standard Model (Markit, version 1.8.2); White, The Pricing and Risk Management of
Credit Default Swaps, with a Focus on the ISDA Model (2013), whose half-day bias this is.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from tradecaptain.base.jit import inline, kernel

OK: Final = 0
NO_HAZARD: Final = -1

_DAYS_A_YEAR: Final = 365.0
_MONEY_DAYS_A_YEAR: Final = 360.0
_HALF_DAY: Final = 0.5 / 365.0
_TURNS_MAX: Final = 100
_HAZARD_MAX: Final = 1e3
_SMALL: Final = 1e-4
_LAST_STEP: Final = 1e-13
_EXCESS_MIN: Final = 1e-16
_EXCESS_MAX: Final = 1e-9
"""Of the notional: what rounding leaves, and what is no solution."""

_INTS = numba.int64[::1]
_FLOATS = numba.float64[::1]
_I64 = numba.int64
_F64 = numba.float64

# Rows of the coupon blocks, all days after the trade date: first day of accrual, first day behind
# it (for the last coupon the day after maturity), and payment.
START: Final = 0
END: Final = 1
PAYMENT: Final = 2
_DAY_BLOCK = numba.int64[:, ::1]


@inline
def _log_discount(day: float, node_days: Any, node_logs: Any) -> float:
    """Log discount factor of a day, straight between nodes and beyond the last two."""
    last = node_days.shape[0] - 1
    if day <= node_days[0] or last == 0:
        return node_logs[0] * day / node_days[0]
    right = 1
    while right < last and node_days[right] < day:
        right += 1
    left = right - 1
    slope = (node_logs[right] - node_logs[left]) / (node_days[right] - node_days[left])
    return node_logs[left] + slope * (day - node_days[left])


@inline
def _mean_decay(power: float) -> float:
    """``(1 - e^-x) / x``, also where x is small."""
    if abs(power) < _SMALL:
        return 1.0 - power / 2.0 + power * power / 6.0 - power * power * power / 24.0
    return -math.expm1(-power) / power


@inline
def _mean_time_decay(power: float) -> float:
    """``(1 - (1 + x) e^-x) / x^2``: the same weighted by the part of the interval gone by."""
    if abs(power) < _SMALL:
        return 0.5 - power / 3.0 + power * power / 8.0 - power * power * power / 30.0
    return (-math.expm1(-power) / power - math.exp(-power)) / power


@inline
def _next_node(day: int, until: int, node_days: Any) -> int:
    """The first node after a day, at most ``until``."""
    for index in range(node_days.shape[0]):
        if node_days[index] > day:
            return min(node_days[index], until)
    return until


@inline
def _between(
    begin: int, end: int, hazard: float, node_days: Any, node_logs: Any
) -> tuple[float, float]:
    """Values of one, and of the years since ``begin``, paid at a default between two nodes."""
    first = _log_discount(begin, node_days, node_logs)
    years = (end - begin) / _DAYS_A_YEAR
    mortality = hazard * years
    power = first - _log_discount(end, node_days, node_logs) + mortality
    mass = math.exp(first - hazard * begin / _DAYS_A_YEAR) * mortality
    return mass * _mean_decay(power), mass * years * _mean_time_decay(power)


@inline
def protection_value(maturity: int, hazard: float, node_days: Any, node_logs: Any) -> float:
    """Value of one paid at default from the trade date to maturity (days from trade)."""
    total = 0.0
    begin = 0
    while begin < maturity:
        end = _next_node(begin, maturity, node_days)
        total += _between(begin, end, hazard, node_days, node_logs)[0]
        begin = end
    return total


@inline
def _default_accrual(start: int, end: int, hazard: float, node_days: Any, node_logs: Any) -> float:
    """Value of the years accrued in a period when the default comes in it."""
    total = 0.0
    begin = max(start - 1, 0)
    while begin < end - 1:
        until = _next_node(begin, end - 1, node_days)
        value, timed = _between(begin, until, hazard, node_days, node_logs)
        total += timed + value * ((begin - start + 1) / _DAYS_A_YEAR + _HALF_DAY)
        begin = until
    return total


@inline
def annuity_value(hazard: float, coupon_days: Any, node_days: Any, node_logs: Any) -> float:
    """Value of a premium of one a year (of 360 days), with what has accrued at a default."""
    total = 0.0
    for index in range(coupon_days.shape[1]):
        start, end = coupon_days[START, index], coupon_days[END, index]
        payment = coupon_days[PAYMENT, index]
        if payment <= 0:
            continue
        log_survival = -hazard * (end - 1) / _DAYS_A_YEAR
        paid = math.exp(_log_discount(payment, node_days, node_logs) + log_survival)
        total += paid * (end - start) / _MONEY_DAYS_A_YEAR
        accrued = _default_accrual(start, end, hazard, node_days, node_logs)
        total += accrued * _DAYS_A_YEAR / _MONEY_DAYS_A_YEAR
    return total


@kernel(numba.void(_F64, _DAY_BLOCK, _INTS, _FLOATS, _FLOATS))
def credit_legs(hazard: float, coupon_days: Any, node_days: Any, node_logs: Any, legs: Any) -> None:
    """Value of one unit of protection and of a premium of one a year, at the trade date.

    ``coupon_days`` has rows ``START``, ``END`` and ``PAYMENT``; ``node_days`` are the days of the
    curve's nodes after the trade date.
    """
    maturity = coupon_days[END, coupon_days.shape[1] - 1] - 1
    legs[0] = protection_value(maturity, hazard, node_days, node_logs)
    legs[1] = annuity_value(hazard, coupon_days, node_days, node_logs)


@kernel(_I64(_FLOATS, _DAY_BLOCK, _INTS, _FLOATS, _FLOATS))
def hazard_of(
    contract: Any,
    coupon_days: Any,
    node_days: Any,
    node_logs: Any,
    outputs: Any,
) -> int:
    """The flat hazard rate at which a contract is worth a given upfront.

    ``contract`` is the loss given default, the premium a year, the accrued premium that the buyer
    gets back, and the upfront value, all at the trade date and per one of notional. ``outputs``
    gets the rate and both legs. ``NO_HAZARD`` if there is none from 0 to 1,000.
    """
    loss, premium, rebate, upfront = contract[0], contract[1], contract[2], contract[3]
    maturity = coupon_days[END, coupon_days.shape[1] - 1] - 1
    low, high = 0.0, _HAZARD_MAX
    hazard = max(premium / loss, 1e-4)
    for _ in range(_TURNS_MAX):
        protection = protection_value(maturity, hazard, node_days, node_logs)
        annuity = annuity_value(hazard, coupon_days, node_days, node_logs)
        excess = loss * protection - premium * annuity + rebate - upfront
        outputs[0], outputs[1], outputs[2] = hazard, protection, annuity
        if excess > 0.0:
            high = hazard
        else:
            low = hazard
        step = max(hazard, 1e-6) * 1e-6
        above = hazard + step
        slope = loss * protection_value(maturity, above, node_days, node_logs)
        slope -= premium * annuity_value(above, coupon_days, node_days, node_logs)
        slope = (slope + rebate - upfront - excess) / step
        moved = hazard - excess / slope if slope > 0.0 else -1.0
        if not low <= moved <= high:
            moved = 0.5 * (low + high)
        # The slope is good to six digits, so a step of the last three leaves nothing behind.
        if abs(excess) < _EXCESS_MIN or abs(moved - hazard) <= _LAST_STEP * max(hazard, 0.01):
            return OK if abs(excess) < _EXCESS_MAX else NO_HAZARD
        hazard = moved
    return NO_HAZARD
