"""Schedules: stubs, month ends, special dates; and QuantLib's over a grid of terms."""

from __future__ import annotations

import random

import pytest
import QuantLib
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing.civil_date import civil_date
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, calendar
from tradecaptain.pricing.fixed_income.dates import day_text, parse_day
from tradecaptain.pricing.fixed_income.schedules import (
    DateRule,
    ScheduleTerms,
    Stub,
    build,
    credit_maturity,
    next_credit_date,
    next_third_wednesday,
    unadjusted_dates,
)


def day(text: str) -> int:
    return parse_day(text, "date")


def terms(start: str, end: str, months: int, **options: object) -> ScheduleTerms:
    return ScheduleTerms(day(start), day(end), months, calendar("NONE"), **options)  # type: ignore[arg-type]


def dates(schedule: ScheduleTerms) -> list[str]:
    return [day_text(date) for date in unadjusted_dates(schedule)]


START, END = "2024-01-31", "2025-09-15"
SHORT_FRONT = ["2024-01-31", "2024-03-15", "2024-09-15", "2025-03-15", "2025-09-15"]
LONG_FRONT = ["2024-01-31", "2024-09-15", "2025-03-15", "2025-09-15"]
SHORT_BACK = ["2024-01-31", "2024-07-31", "2025-01-31", "2025-07-31", "2025-09-15"]
LONG_BACK = ["2024-01-31", "2024-07-31", "2025-01-31", "2025-09-15"]


@pytest.mark.parametrize(
    ("rule", "stub", "due"),
    [
        (DateRule.BACKWARD, Stub.SHORT, SHORT_FRONT),
        (DateRule.BACKWARD, Stub.LONG, LONG_FRONT),
        (DateRule.FORWARD, Stub.SHORT, SHORT_BACK),
        (DateRule.FORWARD, Stub.LONG, LONG_BACK),
        (DateRule.ZERO, Stub.SHORT, [START, END]),
    ],
)
def test_an_irregular_rest_stands_where_it_should(
    rule: DateRule, stub: Stub, due: list[str]
) -> None:
    schedule = terms(START, END, 6, rule=rule, stub=stub)
    assert dates(schedule) == due
    periods = build(schedule)
    assert [period.is_regular for period in periods].count(False) == 1


def test_a_31st_isnt_lost_on_the_way() -> None:
    schedule = terms("2024-01-31", "2024-07-31", 1)
    assert dates(schedule)[1:4] == ["2024-02-29", "2024-03-31", "2024-04-30"]


def test_month_ends_stay_month_ends_if_asked() -> None:
    loose = terms("2024-02-29", "2025-02-28", 6)
    tight = terms("2024-02-29", "2025-02-28", 6, end_of_month=True)
    assert dates(loose)[1] == "2024-08-28"
    assert dates(tight)[1] == "2024-08-31"


def test_given_first_and_last_coupons_bound_the_regular_part() -> None:
    schedule = terms(
        "2024-01-10",
        "2026-11-20",
        6,
        first_coupon=day("2024-09-30"),
        last_coupon=day("2026-03-30"),
        rule=DateRule.FORWARD,
    )
    assert dates(schedule) == [
        "2024-01-10",
        "2024-09-30",
        "2025-03-30",
        "2025-09-30",
        "2026-03-30",
        "2026-11-20",
    ]
    first, *_, last = build(schedule)
    assert [day_text(date) for date in first.notional_dates] == [
        "2023-09-30",
        "2024-03-30",
        "2024-09-30",
    ]
    assert [day_text(date) for date in last.notional_dates] == [
        "2026-03-30",
        "2026-09-30",
        "2027-03-30",
    ]


def test_special_dates() -> None:
    imm = terms("2025-01-10", "2025-12-17", 3, rule=DateRule.THIRD_WEDNESDAY)
    assert dates(imm) == ["2025-01-10", "2025-04-16", "2025-07-16", "2025-10-15", "2025-12-17"]
    assert day_text(next_third_wednesday(day("2025-01-10"))) == "2025-03-19"
    assert day_text(next_third_wednesday(day("2025-03-19"))) == "2025-06-18"
    twentieth = terms("2025-01-10", "2025-12-20", 3, rule=DateRule.TWENTIETH)
    assert dates(twentieth)[:3] == ["2025-01-10", "2025-01-20", "2025-04-20"]
    credit = terms("2025-01-10", "2025-12-20", 3, rule=DateRule.CREDIT_DEFAULT_SWAP)
    assert dates(credit)[:2] == ["2024-12-20", "2025-03-20"]
    assert day_text(next_credit_date(day("2025-03-20"))) == "2025-06-20"


@pytest.mark.parametrize(
    ("trade", "months"),
    [
        (trade, months)
        for trade in (
            "2016-03-19",
            "2016-03-20",
            "2016-06-20",
            "2016-09-19",
            "2016-09-20",
            "2024-12-31",
        )
        for months in (6, 12, 60, 120)
    ],
)
def test_credit_maturities_roll_twice_a_year(trade: str, months: int) -> None:
    year, month, day_of_month = civil_date(day(trade))
    due = QuantLib.cdsMaturity(
        QuantLib.Date(day_of_month, month, year),
        QuantLib.Period(months, QuantLib.Months),
        QuantLib.DateGeneration.CDS2015,
    )
    assert day_text(credit_maturity(day(trade), months)) == due.ISO()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end": "2023-01-01"}, "end"),
        ({"months": 0}, "period_months"),
        ({"first_coupon": day("2030-01-01")}, "first_coupon"),
        ({"last_coupon": day("2023-01-01")}, "last_coupon"),
        ({"end": "2149-01-01", "months": 1}, "end"),
    ],
)
def test_terms_that_make_no_schedule_are_refused(changes: dict[str, object], field: str) -> None:
    fields: dict[str, object] = {"start": "2024-01-31", "end": "2025-09-15", "months": 6} | changes
    with pytest.raises(TradeCaptainError) as caught:
        build(terms(**fields))  # type: ignore[arg-type]
    assert (caught.value.name, caught.value.field) == ("REASON_MODEL_DOMAIN", field)


CONVENTIONS = {
    BusinessDayConvention.UNADJUSTED: QuantLib.Unadjusted,
    BusinessDayConvention.FOLLOWING: QuantLib.Following,
    BusinessDayConvention.MODIFIED_FOLLOWING: QuantLib.ModifiedFollowing,
    BusinessDayConvention.PRECEDING: QuantLib.Preceding,
}


def test_dates_are_quantlibs_over_a_grid_of_terms() -> None:
    seeded = random.Random(11)
    target = calendar("TARGET")
    for _ in range(400):
        start = QuantLib.Date(
            seeded.choice([1, 15, 28, 30, 31]),
            seeded.choice([1, 3, 5, 8, 12]),
            seeded.randint(2005, 2022),
        )
        months = seeded.choice([1, 3, 6, 12])
        rest = seeded.choice([0, 0, seeded.randint(1, 400)])
        end = start + QuantLib.Period(12 * seeded.randint(1, 20), QuantLib.Months) + rest
        convention = seeded.choice(list(CONVENTIONS))
        backward = seeded.random() < 0.5
        # Where dates aren't adjusted, QuantLib still takes a last business day for a month's end.
        is_adjusted = convention != BusinessDayConvention.UNADJUSTED
        end_of_month = is_adjusted and seeded.random() < 0.3
        theirs = QuantLib.Schedule(
            start,
            end,
            QuantLib.Period(months, QuantLib.Months),
            QuantLib.TARGET(),
            CONVENTIONS[convention],
            CONVENTIONS[convention],
            QuantLib.DateGeneration.Backward if backward else QuantLib.DateGeneration.Forward,
            end_of_month,
        )
        ours = build(
            ScheduleTerms(
                day(start.ISO()),
                day(end.ISO()),
                months,
                target,
                convention,
                convention,
                DateRule.BACKWARD if backward else DateRule.FORWARD,
                end_of_month=end_of_month,
            )
        )
        found = [day_text(period.start) for period in ours] + [day_text(ours[-1].end)]
        assert found == [date.ISO() for date in theirs]
