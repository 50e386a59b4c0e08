"""Day counts: what fraction of a year lies between two dates.

Dates are day numbers (``civil_date``). A reversed pair counts negatively. ``ACT_ACT_ICMA`` and
``ACT_365L`` look at the coupon period that the dates lie in, its two ends and the coupons a year; a
stub is split at its notional coupon dates first and its parts are added
(``pricing.fixed_income.accrual``). ``THIRTY_E_360_ISDA`` looks at the last date of the contract.
``BUSINESS_252`` needs a calendar and is counted there.

Sources: 2006 ISDA Definitions 4.16; ICMA Rule 251; ISDA, EMU and Market Conventions (1998) for
ACT/ACT; Fédération Bancaire Française, Master Agreement (AFB); 31 CFR 356 and SIFMA Standard
Securities Calculation Methods for 30/360 US.
"""

from __future__ import annotations

from typing import Any, Final

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.civil_date import (
    FEBRUARY,
    add_months,
    civil_date,
    day_number,
    days_in_month,
    is_leap_year,
    leap_days_after,
)

ACT_360: Final = 1
ACT_360_INCLUSIVE: Final = 2  # counts the last day too: last period of a credit default swap
ACT_364: Final = 3
ACT_365_FIXED: Final = 4
ACT_365_25: Final = 5
ACT_366: Final = 6
NL_365: Final = 7  # 29 February doesn't count
ACT_365L: Final = 8
ACT_ACT_ISDA: Final = 9
ACT_ACT_ICMA: Final = 10
ACT_ACT_AFB: Final = 11
THIRTY_360_US: Final = 12
THIRTY_360_BOND_BASIS: Final = 13  # ISDA 4.16(f), also 30A/360
THIRTY_E_360: Final = 14  # ISDA 4.16(g), Eurobond basis, ISMA 30/360
THIRTY_E_360_ISDA: Final = 15  # ISDA 4.16(h)
THIRTY_360_GERMAN: Final = 16  # as 4.16(h), the last date of the contract being like any other
THIRTY_E_PLUS_360: Final = 17
THIRTY_365: Final = 18
ONE_ONE: Final = 19
BUSINESS_252: Final = 20

NAMES: Final[dict[int, str]] = {
    ACT_360: "ACT/360",
    ACT_360_INCLUSIVE: "ACT/360 including the last day",
    ACT_364: "ACT/364",
    ACT_365_FIXED: "ACT/365F",
    ACT_365_25: "ACT/365.25",
    ACT_366: "ACT/366",
    NL_365: "NL/365",
    ACT_365L: "ACT/365L",
    ACT_ACT_ISDA: "ACT/ACT ISDA",
    ACT_ACT_ICMA: "ACT/ACT ICMA",
    ACT_ACT_AFB: "ACT/ACT AFB",
    THIRTY_360_US: "30/360 US",
    THIRTY_360_BOND_BASIS: "30/360 bond basis",
    THIRTY_E_360: "30E/360",
    THIRTY_E_360_ISDA: "30E/360 ISDA",
    THIRTY_360_GERMAN: "30/360 German",
    THIRTY_E_PLUS_360: "30E+/360",
    THIRTY_365: "30/365",
    ONE_ONE: "1/1",
    BUSINESS_252: "BUS/252",
}

_DAYS = types.int64[::1]
_I64 = types.int64


@inline
def _is_last_of_february(year: int, month: int, day: int) -> bool:
    return month == FEBRUARY and day == days_in_month(year, month)


@inline
def thirty_360_days(convention: int, start: int, end: int, termination: int) -> int:
    """Days from ``start`` to ``end`` where every month has thirty."""
    start_year, start_month, start_day = civil_date(start)
    end_year, end_month, end_day = civil_date(end)
    if convention == THIRTY_360_US:
        if _is_last_of_february(start_year, start_month, start_day):
            if _is_last_of_february(end_year, end_month, end_day):
                end_day = 30
            start_day = 30
        if end_day == 31 and start_day >= 30:
            end_day = 30
        start_day = min(start_day, 30)
    elif convention == THIRTY_360_BOND_BASIS:
        start_day = min(start_day, 30)
        if end_day == 31 and start_day == 30:
            end_day = 30
    elif convention == THIRTY_E_PLUS_360:
        start_day = min(start_day, 30)
        if end_day == 31:
            end_day = 1
            end_month += 1
    else:
        start_day = min(start_day, 30)
        end_day = min(end_day, 30)
        if convention not in (THIRTY_E_360, THIRTY_365):
            if start_month == FEBRUARY and start_day == days_in_month(start_year, start_month):
                start_day = 30
            is_exempt = convention == THIRTY_E_360_ISDA and end == termination
            if not is_exempt and _is_last_of_february(end_year, end_month, end_day):
                end_day = 30
    return (end_year - start_year) * 360 + (end_month - start_month) * 30 + end_day - start_day


@inline
def _act_act_isda(start: int, end: int) -> float:
    start_year, _, _ = civil_date(start)
    end_year, _, _ = civil_date(end)
    start_basis = 366.0 if is_leap_year(start_year) else 365.0
    if start_year == end_year:
        return (end - start) / start_basis
    end_basis = 366.0 if is_leap_year(end_year) else 365.0
    first = (day_number(start_year + 1, 1, 1) - start) / start_basis
    last = (end - day_number(end_year, 1, 1)) / end_basis
    return first + last + (end_year - start_year - 1)


@inline
def _act_act_afb(start: int, end: int) -> float:
    """Whole years back from the end, then the rest over 366 if a 29 February lies in it."""
    years = 0
    rest_end = end
    while True:
        earlier = add_months(rest_end, -12)
        year, month, day = civil_date(earlier)
        # A year before 28 February is the 29th where there is one.
        if month == FEBRUARY and day == 28 and is_leap_year(year):
            earlier += 1
        if earlier < start:
            break
        years += 1
        rest_end = earlier
    holds_leap_day = leap_days_after(start - 1, rest_end - 1) > 0
    return years + (rest_end - start) / (366.0 if holds_leap_day else 365.0)


@inline
def _act_365l(
    start: int, end: int, reference_start: int, reference_end: int, frequency: int
) -> float:
    if frequency == 1:
        is_long = leap_days_after(reference_start, reference_end) > 0
    else:
        year, _, _ = civil_date(reference_end)
        is_long = is_leap_year(year)
    return (end - start) / (366.0 if is_long else 365.0)


@inline
def _actual(convention: int, days: int) -> float:
    if convention == ACT_360:
        return days / 360.0
    if convention == ACT_360_INCLUSIVE:
        return (days + 1) / 360.0
    if convention == ACT_364:
        return days / 364.0
    if convention == ACT_365_25:
        return days / 365.25
    if convention == ACT_366:
        return days / 366.0
    return days / 365.0


@inline
def year_fraction(
    convention: int,
    start: int,
    end: int,
    reference_start: int,
    reference_end: int,
    frequency: int,
    termination: int,
) -> float:
    """Years from ``start`` to ``end``.

    ``reference_start``, ``reference_end`` and ``frequency`` (coupons a year) are those of the
    coupon period and matter to ``ACT_ACT_ICMA`` and ``ACT_365L``, ``termination`` to
    ``THIRTY_E_360_ISDA``; pass zeros elsewhere. A convention that isn't one of this module's gives
    NaN, and so does ``BUSINESS_252``.
    """
    if end < start:
        return -year_fraction_forward(
            convention, end, start, reference_start, reference_end, frequency, termination
        )
    return year_fraction_forward(
        convention, start, end, reference_start, reference_end, frequency, termination
    )


@inline
def year_fraction_forward(
    convention: int,
    start: int,
    end: int,
    reference_start: int,
    reference_end: int,
    frequency: int,
    termination: int,
) -> float:
    """``year_fraction`` where ``end`` isn't before ``start``."""
    if ACT_360 <= convention <= ACT_366:
        return _actual(convention, end - start)
    if convention == NL_365:
        return (end - start - leap_days_after(start, end)) / 365.0
    if convention == ACT_365L:
        return _act_365l(start, end, reference_start, reference_end, frequency)
    if convention == ACT_ACT_ISDA:
        return _act_act_isda(start, end)
    if convention == ACT_ACT_ICMA:
        return (end - start) / (float(frequency) * (reference_end - reference_start))
    if convention == ACT_ACT_AFB:
        return _act_act_afb(start, end)
    if THIRTY_360_US <= convention <= THIRTY_365:
        basis = 365.0 if convention == THIRTY_365 else 360.0
        return thirty_360_days(convention, start, end, termination) / basis
    if convention == ONE_ONE:
        return 1.0
    return float("nan")


@kernel(types.void(_I64, _DAYS, _DAYS, _DAYS, _DAYS, _I64, _I64, types.float64[::1]))
def year_fractions(
    convention: int,
    starts: Any,
    ends: Any,
    reference_starts: Any,
    reference_ends: Any,
    frequency: int,
    termination: int,
    fractions: Any,
) -> None:
    """``year_fraction`` of every pair of ``starts`` and ``ends`` (int64 arrays of one length)."""
    for index in range(starts.shape[0]):
        fractions[index] = year_fraction(
            convention,
            starts[index],
            ends[index],
            reference_starts[index],
            reference_ends[index],
            frequency,
            termination,
        )
