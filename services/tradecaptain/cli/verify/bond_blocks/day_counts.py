"""Year fractions: pairs of dates under a convention."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.bond_blocks.fields import (
    day,
    day_count_of,
    expect_near,
    period_months,
    row,
)
from tradecaptain.cli.verify_case import Case, Judge
from tradecaptain.kernels.pricing import day_count
from tradecaptain.kernels.pricing.civil_date import add_months
from tradecaptain.pricing.fixed_income.accrual import DayCounter
from tradecaptain.pricing.fixed_income.calendars import calendar
from tradecaptain.pricing.fixed_income.schedules import DateRule, Period, ScheduleTerms, build

THIRTY = range(day_count.THIRTY_360_US, day_count.THIRTY_365 + 1)


def _says(terms: Case, name: str) -> bool:
    return name in terms and terms.raw(name) is True


def _schedule_years(convention: int, case: Case, start: int, end: int) -> float:
    """Years counted period by period of a bond's schedule."""
    terms = row(case.raw("schedule"), "schedule")
    months = period_months(terms)
    schedule = ScheduleTerms(
        start=day(terms, "issue"),
        end=day(terms, "maturity"),
        period_months=months,
        calendar=calendar("NONE"),
        rule=DateRule.BACKWARD if _says(terms, "backwards") else DateRule.FORWARD,
        end_of_month=_says(terms, "end_of_month"),
        first_coupon=day(terms, "first_coupon") if "first_coupon" in terms else None,
        last_coupon=(day(terms, "next_to_last_coupon") if "next_to_last_coupon" in terms else None),
    )
    counter = DayCounter(convention, months, schedule.end)
    years = 0.0
    for period in build(schedule):
        first, last = max(start, period.start), min(end, period.end)
        if first < last:
            years += counter.years(first, last, period)
    return years


def _years(convention: int, case: Case) -> float:
    start, end = day(case, "start"), day(case, "end")
    if "schedule" in case:
        return _schedule_years(convention, case, start, end)
    if "ref_start" in case:
        first, last = day(case, "ref_start"), day(case, "ref_end")
    else:
        first, last = start, max(end, start + 1)
    months = round(12.0 * (last - first) / 365.0)
    if months < 1:
        # A reference shorter than half a month counts by the year.
        months, last = 12, add_months(first, 12)
    termination = day(case, "termination") if "termination" in case else 0
    counter = DayCounter(convention, months, termination, calendar("BRAZIL"))
    return counter.years(start, end, Period(first, last, True, (first, last)))


def _judge(case: Case) -> None:
    convention = day_count_of(case.text("convention"))
    years = _years(convention, case)
    expect_near(years, case.number("year_fraction"), case.tolerance(1e-10), "year_fraction")
    case.ignore("days", "termination")
    if "days" in case and convention in THIRTY:
        termination = day(case, "termination") if "termination" in case else 0
        start, end = day(case, "start"), day(case, "end")
        sign = 1 if start <= end else -1
        days = day_count.thirty_360_days(convention, min(start, end), max(start, end), termination)
        expect_near(float(sign * days), case.number("days"), 0.0, "days")


FAMILIES: Final[dict[str, Judge]] = {"day_counts": _judge}
