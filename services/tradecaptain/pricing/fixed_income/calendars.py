"""Business days: calendars of financial centres, and what to do with dates that aren't one.

Holidays come from the ``holidays`` package, for the years 1900 to 2150. Where a market's own list
begins later than that, the years before have weekends and what is said beside the calendar.
Dates are day numbers (0 is 1970-01-01).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from datetime import date
from enum import IntEnum
from functools import cache
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing.civil_date import add_months, civil_date, day_number, is_month_end
from tradecaptain.wire import reason as reasons

YEARS: Final = range(1900, 2151)
DAY_MIN: Final = day_number(YEARS.start, 1, 1)
DAY_MAX: Final = day_number(YEARS.stop - 1, 12, 31)
_MARKET_YEARS: Final = range(1996, YEARS.stop)
_TARGET_YEARS: Final = range(1999, YEARS.stop)
_BEFORE_1996: Final = range(YEARS.start, _MARKET_YEARS.start)
_BEFORE_1999: Final = range(YEARS.start, _TARGET_YEARS.start)
_WEEKDAYS: Final = "1111100"

DayArray = npt.NDArray[np.int64]
_Direction = Literal["forward", "backward"]


class BusinessDayConvention(IntEnum):
    """Where a date goes that falls on a holiday; the numbers are those of the contract."""

    UNADJUSTED = 1
    FOLLOWING = 2
    MODIFIED_FOLLOWING = 3
    PRECEDING = 4
    MODIFIED_PRECEDING = 5
    HALF_MONTH_MODIFIED_FOLLOWING = 6
    NEAREST = 7


class Calendar:
    """Which days are business days."""

    def __init__(self, name: str, closed: Iterable[int], weekmask: str = _WEEKDAYS) -> None:
        self.name = name
        days = np.array(sorted(set(closed)), dtype="datetime64[D]")
        self._days = np.busdaycalendar(weekmask=weekmask, holidays=days)

    @property
    def holidays(self) -> DayArray:
        """Holidays that aren't weekends."""
        return self._days.holidays.astype(np.int64)

    def is_business_day(self, day: int) -> bool:
        """Whether a day is one on which the market settles."""
        return bool(np.is_busday(np.datetime64(day, "D"), busdaycal=self._days))

    def business_days(self, start: int, end: int) -> int:
        """Business days from ``start`` (counted) to ``end`` (not counted); negative if reversed."""
        first, last = np.datetime64(start, "D"), np.datetime64(end, "D")
        if end < start:
            return -int(np.busday_count(last, first, busdaycal=self._days))
        return int(np.busday_count(first, last, busdaycal=self._days))

    def add_business_days(self, day: int, count: int) -> int:
        """So many business days later; zero gives the day itself or the next business day."""
        return self._offset(day, count, "backward" if count > 0 else "forward")

    def adjust(self, day: int, convention: BusinessDayConvention) -> int:
        """The business day that stands for a day."""
        if convention == BusinessDayConvention.UNADJUSTED or self.is_business_day(day):
            return day
        if convention == BusinessDayConvention.NEAREST:
            later, earlier = self._roll(day, "forward"), self._roll(day, "backward")
            return later if later - day <= day - earlier else earlier
        is_following = convention in (
            BusinessDayConvention.FOLLOWING,
            BusinessDayConvention.MODIFIED_FOLLOWING,
            BusinessDayConvention.HALF_MONTH_MODIFIED_FOLLOWING,
        )
        moved = self._roll(day, "forward" if is_following else "backward")
        if convention in (BusinessDayConvention.FOLLOWING, BusinessDayConvention.PRECEDING):
            return moved
        _, month, day_of_month = civil_date(day)
        _, moved_month, moved_day_of_month = civil_date(moved)
        crosses_middle = (
            convention == BusinessDayConvention.HALF_MONTH_MODIFIED_FOLLOWING
            and day_of_month <= 15 < moved_day_of_month
        )
        if moved_month != month or crosses_middle:
            return self._roll(day, "backward" if is_following else "forward")
        return moved

    def add_months(
        self, day: int, months: int, convention: BusinessDayConvention, *, end_of_month: bool
    ) -> int:
        """So many months later, adjusted; with ``end_of_month`` a month's last business day stays.

        The last business day is what counts; with ``UNADJUSTED`` it is the last day.
        """
        moved = add_months(day, months)
        if end_of_month and self._is_month_end(day, convention):
            year, month, _ = civil_date(moved)
            last = add_months(day_number(year, month, 1), 1) - 1
            if convention == BusinessDayConvention.UNADJUSTED:
                return last
            return self.adjust(last, BusinessDayConvention.PRECEDING)
        return self.adjust(moved, convention)

    def _is_month_end(self, day: int, convention: BusinessDayConvention) -> bool:
        if convention == BusinessDayConvention.UNADJUSTED:
            return is_month_end(day)
        return civil_date(day)[1] != civil_date(self.add_business_days(day, 1))[1]

    def _roll(self, day: int, direction: _Direction) -> int:
        return self._offset(day, 0, direction)

    def _offset(self, day: int, count: int, direction: _Direction) -> int:
        """So many business days from the business day that lies in a direction."""
        start = np.datetime64(day, "D")
        moved = np.busday_offset(start, count, roll=direction, busdaycal=self._days)
        return int(moved.astype(np.int64))


def _numbers(dates: Iterable[date]) -> list[int]:
    return [day_number(day.year, day.month, day.day) for day in dates]


@cache
def _library() -> Any:
    """The ``holidays`` package, loaded whole when the first calendar is asked for.

    It costs a second and 40 MB, which a process that prices no bonds doesn't spend.
    """
    holidays = importlib.import_module("holidays")
    holidays.financial_holidays("XECB", years=_TARGET_YEARS.start)
    return holidays


def holidays_are_loaded() -> bool:
    """Whether a calendar can be had without waiting."""
    return _library.cache_info().currsize > 0


def _country(name: str, years: range = YEARS, **options: Any) -> list[int]:
    return _numbers(_library().country_holidays(name, years=years, **options))


def _market(name: str, years: range) -> list[int]:
    return _numbers(_library().financial_holidays(name, years=years))


def _brazil() -> list[int]:
    """National bank holidays as ANBIMA lists them: carnival and Corpus Christi are among them."""
    optional = _library().country_holidays(
        "BR", years=YEARS, categories=("optional",), language="pt_BR"
    )
    kept = [day for day, name in optional.items() if name in ("Carnaval", "Corpus Christi")]
    return _country("BR") + _numbers(kept)


_SOURCES: Final[dict[str, Callable[[], list[int]]]] = {
    "NONE": list,
    "WEEKENDS": list,
    # The settlement days of the euro since it began; weekends before 1999.
    "TARGET": lambda: _market("XECB", _TARGET_YEARS),
    # England and Wales bank holidays.
    "UNITED_KINGDOM": lambda: _country("GB", subdiv="ENG"),
    # SIFMA's recommended closings of the government bond market; federal holidays before 1996.
    "US_GOVERNMENT_BOND": lambda: _market("XSIF", _MARKET_YEARS) + _country("US", _BEFORE_1996),
    # Federal holidays, observed on Friday or Monday.
    "US_SETTLEMENT": lambda: _country("US"),
    # Holidays of the Federal Reserve banks; federal holidays before 1999.
    "US_FEDERAL_RESERVE": lambda: _market("XFED", _TARGET_YEARS) + _country("US", _BEFORE_1999),
    "BRAZIL": _brazil,
    # New South Wales, bank holidays included.
    "AUSTRALIA": lambda: _country("AU", subdiv="NSW", categories=("public", "bank")),
}

CALENDAR_NAMES: Final = tuple(_SOURCES)


@cache
def calendar(name: str) -> Calendar:
    """The calendar of a name; several joined by ``+`` close when any of them does.

    Raises ``REASON_MODEL_DOMAIN`` for a name that isn't in ``CALENDAR_NAMES``.
    """
    parts = name.split("+")
    for part in parts:
        if part not in _SOURCES:
            raise TradeCaptainError(
                reasons.REASON_MODEL_DOMAIN,
                f"there is no calendar {part!r}; there are {', '.join(CALENDAR_NAMES)}",
                field="calendar",
                observed=part,
            )
    closed = [day for part in parts for day in _SOURCES[part]()]
    weekmask = "1111111" if set(parts) == {"NONE"} else _WEEKDAYS
    return Calendar(name, closed, weekmask)
