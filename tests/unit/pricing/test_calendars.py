"""Calendars against QuantLib's, day for day, and the conventions that move dates."""

from __future__ import annotations

import pytest
import QuantLib
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing.civil_date import civil_date, day_number
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, calendar
from tradecaptain.pricing.fixed_income.dates import day_text, parse_day

# Where they are known to differ: 2001-09-12 was closed, and nobody knows yet on which Good Fridays
# with a labour report the bond market will be open.
GOOD_FRIDAYS = {
    "1996-04-05",
    "2034-04-07",
    "2037-04-03",
    "2042-04-04",
    "2045-04-07",
    "2048-04-03",
    "2053-04-04",
}
# How New South Wales moved holidays that fell on a weekend: each differs from a fixed rule.
MOVED_IN_SYDNEY = {"1999-04-26", "2004-04-26", "2010-04-26", "2026-04-27", "2027-04-26"} | {
    "1998-12-28",
    "1999-12-28",
    "2000-01-03",
    "2002-01-28",
    "2004-12-28",
    "2005-01-03",
    "2008-01-28",
    "2009-12-28",
    "2010-12-28",
}

PEERS = {
    "TARGET": (QuantLib.TARGET(), 1999, set()),
    "UNITED_KINGDOM": (QuantLib.UnitedKingdom(), 1996, set()),
    "US_GOVERNMENT_BOND": (
        QuantLib.UnitedStates(QuantLib.UnitedStates.GovernmentBond),
        1996,
        GOOD_FRIDAYS | {"2001-09-12"},
    ),
    # The first Juneteenth was made law on the day before it.
    "US_SETTLEMENT": (
        QuantLib.UnitedStates(QuantLib.UnitedStates.Settlement),
        1996,
        {"2021-06-18"},
    ),
    "BRAZIL": (QuantLib.Brazil(), 1996, set()),
    "AUSTRALIA": (QuantLib.Australia(), 1996, MOVED_IN_SYDNEY),
}


@pytest.mark.parametrize("name", sorted(PEERS))
def test_business_days_are_quantlibs(name: str) -> None:
    peer, first_year, known = PEERS[name]
    ours = calendar(name)
    differing = set()
    for day in range(day_number(first_year, 1, 1), day_number(2061, 1, 1)):
        year, month, day_of_month = civil_date(day)
        theirs = peer.isBusinessDay(QuantLib.Date(day_of_month, month, year))
        if ours.is_business_day(day) != theirs:
            differing.add(day_text(day))
    assert differing == known


def day(text: str) -> int:
    return parse_day(text, "date")


@pytest.mark.parametrize(
    ("date", "convention", "moved"),
    [
        ("2024-06-30", "UNADJUSTED", "2024-06-30"),
        ("2024-06-30", "FOLLOWING", "2024-07-01"),
        ("2024-06-30", "MODIFIED_FOLLOWING", "2024-06-28"),
        ("2024-06-29", "PRECEDING", "2024-06-28"),
        ("2024-06-01", "MODIFIED_PRECEDING", "2024-06-03"),
        ("2024-06-15", "HALF_MONTH_MODIFIED_FOLLOWING", "2024-06-14"),
        ("2024-06-16", "HALF_MONTH_MODIFIED_FOLLOWING", "2024-06-17"),
        ("2024-06-15", "NEAREST", "2024-06-14"),
        ("2024-06-16", "NEAREST", "2024-06-17"),
        ("2024-06-12", "PRECEDING", "2024-06-12"),
    ],
)
def test_conventions_move_dates_off_holidays(date: str, convention: str, moved: str) -> None:
    ours = calendar("WEEKENDS").adjust(day(date), BusinessDayConvention[convention])
    assert day_text(ours) == moved


def test_joined_calendars_close_when_any_does() -> None:
    joined = calendar("TARGET+UNITED_KINGDOM")
    assert not joined.is_business_day(day("2024-05-01"))  # labour day
    assert not joined.is_business_day(day("2024-05-06"))  # early May bank holiday
    assert joined.is_business_day(day("2024-05-02"))


def test_business_days_add_and_count() -> None:
    target = calendar("TARGET")
    assert day_text(target.add_business_days(day("2025-04-17"), 1)) == "2025-04-22"
    assert day_text(target.add_business_days(day("2025-04-19"), -1)) == "2025-04-17"
    assert day_text(target.add_business_days(day("2025-04-19"), 0)) == "2025-04-22"
    assert target.business_days(day("2025-04-17"), day("2025-04-22")) == 1
    assert target.business_days(day("2025-04-22"), day("2025-04-17")) == -1


def test_an_end_of_month_stays_one() -> None:
    target = calendar("TARGET")
    last = target.add_months(
        day("2025-02-28"), 1, BusinessDayConvention.MODIFIED_FOLLOWING, end_of_month=True
    )
    assert day_text(last) == "2025-03-31"


def test_an_unknown_calendar_is_named() -> None:
    with pytest.raises(TradeCaptainError, match="'MARS'") as caught:
        calendar("TARGET+MARS")
    assert (caught.value.name, caught.value.field) == ("REASON_MODEL_DOMAIN", "calendar")


@pytest.mark.parametrize(
    "text", ["2024-02-30", "2024-2-3", "", "20240203", "1899-12-31", "9999-01-01"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(TradeCaptainError) as caught:
        parse_day(text, "bond.maturity_date")
    assert caught.value.field == "bond.maturity_date"
    assert caught.value.observed == text
