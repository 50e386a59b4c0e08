"""Coupon dates: from a few terms of a contract to its accrual periods.

Dates are generated without regard to holidays, always counted from one end so that a 31st isn't
lost on the way, and adjusted afterwards. Each period also carries its notional coupon period, which
for a regular period is the period itself and for a stub the regular period that it is a part of
(or the last of several): that is what ICMA day counts and coupon frequencies refer to.

Sources: ICMA Rule 251; 2006 ISDA Definitions 4.10-4.13; ISDA, CDS Standard Model (coupon dates on
the 20th of March, June, September and December) and its 2015 change of maturities.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from tradecaptain.kernels.pricing.civil_date import (
    add_months,
    civil_date,
    day_number,
    is_month_end,
)
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, Calendar
from tradecaptain.pricing.fixed_income.dates import day_text, refuse

PERIODS_MAX: Final = 1_200
"""More periods than a hundred years of months are a mistake."""
QUARTER_MONTHS: Final = 3
TWENTIETH: Final = 20


class DateRule(IntEnum):
    """How coupon dates are found; the numbers are those of the contract."""

    BACKWARD = 1
    FORWARD = 2
    ZERO = 3
    THIRD_WEDNESDAY = 4
    TWENTIETH = 5
    CREDIT_DEFAULT_SWAP = 6


class Stub(IntEnum):
    """What becomes of an irregular rest: a period of its own, or part of its neighbour."""

    SHORT = 1
    LONG = 2


@dataclass(frozen=True, slots=True)
class ScheduleTerms:
    """What a contract says about its dates. ``period_months`` is the regular distance."""

    start: int
    end: int
    period_months: int
    calendar: Calendar
    convention: BusinessDayConvention = BusinessDayConvention.UNADJUSTED
    end_convention: BusinessDayConvention = BusinessDayConvention.UNADJUSTED
    rule: DateRule = DateRule.BACKWARD
    stub: Stub = Stub.SHORT
    end_of_month: bool = False
    first_coupon: int | None = None
    last_coupon: int | None = None
    """The next to last date: after it comes an irregular period."""


@dataclass(frozen=True, slots=True)
class Period:
    """One accrual period, and the notional coupon dates from the first before it to its end."""

    start: int
    end: int
    is_regular: bool
    notional_dates: tuple[int, ...]

    @property
    def reference(self) -> tuple[int, int]:
        """The last notional coupon period that it touches."""
        return self.notional_dates[-2], self.notional_dates[-1]


def _to_month_end(day: int) -> int:
    year, month, _ = civil_date(day)
    return add_months(day_number(year, month, 1), 1) - 1


def _step(seed: int, months: int, *, to_month_end: bool) -> int:
    moved = add_months(seed, months)
    return _to_month_end(moved) if to_month_end else moved


def _check(terms: ScheduleTerms) -> None:
    if terms.end <= terms.start:
        raise refuse("end", "the end must lie after the start", day_text(terms.end))
    if not 1 <= terms.period_months <= 60:
        raise refuse("period_months", "the period must be 1 to 60 months", terms.period_months)
    first = terms.start if terms.first_coupon is None else terms.first_coupon
    last = terms.end if terms.last_coupon is None else terms.last_coupon
    if not terms.start <= first <= terms.end:
        raise refuse("first_coupon", "the first coupon must lie in the contract", day_text(first))
    if not first <= last <= terms.end:
        observed = day_text(last)
        raise refuse("last_coupon", "the last coupon must lie after the first", observed)


def _keeps_month_end(terms: ScheduleTerms, seed: int) -> bool:
    """Whether all dates are month ends: asked for, and the first of them is one.

    Where dates are adjusted, the last business day of a month is its end.
    """
    if not terms.end_of_month:
        return False
    if terms.convention == BusinessDayConvention.UNADJUSTED:
        return is_month_end(seed)
    return civil_date(seed)[1] != civil_date(terms.calendar.add_business_days(seed, 1))[1]


def _regular(terms: ScheduleTerms, first: int, last: int) -> list[int]:
    """Regular dates between two given ones, with a stub at the far end."""
    months = terms.period_months
    backward = terms.rule == DateRule.BACKWARD
    seed, far = (last, first) if backward else (first, last)
    to_month_end = _keeps_month_end(terms, seed)
    dates = [seed]
    for count in range(1, PERIODS_MAX + 2):
        step = -count * months if backward else count * months
        moved = _step(seed, step, to_month_end=to_month_end)
        if (moved <= far) if backward else (moved >= far):
            break
        dates.append(moved)
    else:
        raise refuse("end", f"a schedule has at most {PERIODS_MAX} periods")
    is_stub = moved != far
    if is_stub and terms.stub == Stub.LONG and len(dates) > 1:
        dates.pop()
    dates.append(far)
    return dates[::-1] if backward else dates


def _twentieth(day: int, months: int) -> int:
    year, month, _ = civil_date(day)
    return add_months(day_number(year, month, TWENTIETH), months)


def previous_credit_date(day: int) -> int:
    """The last 20th of March, June, September or December that isn't after a day."""
    candidate = _twentieth(day, 0 if civil_date(day)[2] >= TWENTIETH else -1)
    return add_months(candidate, -(civil_date(candidate)[1] % QUARTER_MONTHS))


def next_credit_date(day: int) -> int:
    """The first such 20th after a day."""
    return add_months(previous_credit_date(day), QUARTER_MONTHS)


def third_wednesday(day: int) -> int:
    """Third Wednesday of a day's month: when quarterly futures expire."""
    year, month, _ = civil_date(day)
    first = day_number(year, month, 1)
    # 1970-01-01 was a Thursday: day numbers of Wednesdays are 6 modulo 7.
    return first + (6 - first) % 7 + 14


def next_third_wednesday(day: int) -> int:
    """The first third Wednesday of March, June, September or December after a day."""
    year, month, _ = civil_date(day)
    candidate = third_wednesday(day_number(year, month, 1))
    while candidate <= day or civil_date(candidate)[1] % QUARTER_MONTHS:
        candidate = third_wednesday(add_months(_twentieth(candidate, 0), 1))
    return candidate


def credit_maturity(trade: int, months: int) -> int:
    """Maturity of a standard credit default swap of a tenor, by the rule of December 2015.

    Contracts roll to a new maturity in March and September only.
    """
    anchor = previous_credit_date(trade)
    if civil_date(anchor)[1] in (6, 12):
        anchor = add_months(anchor, -QUARTER_MONTHS)
    return add_months(anchor, months + QUARTER_MONTHS)


def _special(terms: ScheduleTerms) -> list[int]:
    """Dates on the 20th or the third Wednesday, and those of credit default swaps."""
    dates: list[int] = []
    if terms.rule == DateRule.CREDIT_DEFAULT_SWAP:
        first = previous_credit_date(terms.start)
        if terms.calendar.adjust(first, terms.convention) > terms.start:
            first = add_months(first, -QUARTER_MONTHS)
        months = QUARTER_MONTHS
        dates.append(first)
    else:
        dates.append(terms.start)
        months = terms.period_months
        first = _twentieth(terms.start, 0)
        if terms.rule == DateRule.TWENTIETH and terms.start < first < terms.end:
            dates.append(first)
    for count in range(1, PERIODS_MAX + 2):
        moved = add_months(first, count * months)
        if terms.rule == DateRule.THIRD_WEDNESDAY:
            moved = third_wednesday(moved)
        if moved >= terms.end:
            break
        dates.append(moved)
    return [*dates, terms.end]


def unadjusted_dates(terms: ScheduleTerms) -> list[int]:
    """All dates of a schedule before holidays are looked at, in order."""
    _check(terms)
    if terms.rule == DateRule.ZERO:
        return [terms.start, terms.end]
    if terms.rule not in (DateRule.BACKWARD, DateRule.FORWARD):
        return _special(terms)
    first = terms.start if terms.first_coupon is None else terms.first_coupon
    last = terms.end if terms.last_coupon is None else terms.last_coupon
    dates = _regular(terms, first, last) if first < last else [first]
    if terms.start < dates[0]:
        dates.insert(0, terms.start)
    if dates[-1] < terms.end:
        dates.append(terms.end)
    return dates


def _is_regular(start: int, end: int, seed: int, months: int, *, to_month_end: bool) -> bool:
    """Whether two dates are neighbours on the grid that a seed spans."""
    (seed_year, seed_month, _), (year, month, _) = civil_date(seed), civil_date(start)
    count = ((year - seed_year) * 12 + month - seed_month) // months - 1
    while _step(seed, (count + 1) * months, to_month_end=to_month_end) <= start:
        count += 1
    first = _step(seed, count * months, to_month_end=to_month_end)
    return first == start and end == _step(seed, (count + 1) * months, to_month_end=to_month_end)


def _stub_dates(
    start: int, end: int, months: int, *, is_last: bool, to_month_end: bool
) -> list[int]:
    """Notional coupon dates of a stub, each one period from its neighbour.

    The last period's go on from its start, any other's go back from its end.
    """
    dates = [start] if is_last else [end]
    while (dates[-1] < end) if is_last else (dates[-1] > start):
        step = months if is_last else -months
        dates.append(_step(dates[-1], step, to_month_end=to_month_end))
    return dates if is_last else dates[::-1]


def _seed(terms: ScheduleTerms, dates: list[int]) -> int:
    """A date that lies on the regular grid."""
    if terms.rule == DateRule.BACKWARD:
        return terms.end if terms.last_coupon is None else terms.last_coupon
    if terms.rule == DateRule.ZERO:
        return terms.end
    if terms.rule == DateRule.FORWARD:
        return terms.start if terms.first_coupon is None else terms.first_coupon
    return dates[1]


def build(terms: ScheduleTerms) -> list[Period]:
    """The accrual periods of a schedule, in order."""
    dates = unadjusted_dates(terms)
    seed = _seed(terms, dates)
    to_month_end = _keeps_month_end(terms, seed)
    adjusted = [terms.calendar.adjust(day, terms.convention) for day in dates[:-1]]
    adjusted.append(terms.calendar.adjust(dates[-1], terms.end_convention))
    months, periods = terms.period_months, []
    for index, (start, end) in enumerate(pairwise(dates)):
        first, last = adjusted[index], adjusted[index + 1]
        # A regular period is its own reference, wherever holidays have moved its ends.
        notional = [first, last]
        is_regular = terms.rule == DateRule.THIRD_WEDNESDAY or _is_regular(
            start, end, seed, months, to_month_end=to_month_end
        )
        if not is_regular:
            is_last = index > 0 or (terms.rule == DateRule.FORWARD and terms.first_coupon is None)
            notional = _stub_dates(start, end, months, is_last=is_last, to_month_end=to_month_end)
        if first < last:
            periods.append(Period(first, last, is_regular, tuple(notional)))
    return periods
