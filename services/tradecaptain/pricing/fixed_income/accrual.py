"""Years between dates under a day count, with the coupon period that they belong to at hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tradecaptain.kernels.pricing import day_count
from tradecaptain.kernels.pricing.civil_date import add_months
from tradecaptain.pricing.fixed_income.calendars import Calendar
from tradecaptain.pricing.fixed_income.schedules import Period

MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class DayCounter:
    """A day count with what it needs from its contract.

    ``period_months`` is the coupon period (for ICMA and 365L), ``termination`` the contract's last
    date (30E/360 ISDA), ``calendar`` the one whose business days count (Business/252).
    """

    convention: int
    period_months: int = 12
    termination: int = 0
    calendar: Calendar | None = None

    def years(self, start: int, end: int, period: Period) -> float:
        """Years from one date to another; both usually lie in ``period``, but needn't."""
        if end < start:
            return -self.years(end, start, period)
        if self.convention == day_count.BUSINESS_252:
            if self.calendar is None:
                raise ValueError("Business/252 needs a calendar")
            return self.calendar.business_days(start, end) / 252.0
        if self.convention == day_count.ACT_ACT_ICMA:
            return self._icma_years(start, end, period)
        first, last = period.reference
        return day_count.year_fraction(
            self.convention, start, end, first, last, self.frequency, self.termination
        )

    @property
    def frequency(self) -> int:
        """Coupons a year, as far as it is a whole number; at least one."""
        return max(MONTHS_A_YEAR // self.period_months, 1)

    def _icma_years(self, start: int, end: int, period: Period) -> float:
        """Each notional coupon period is the same part of a year, and its days equal parts of it.

        ICMA Rule 251.2. Beyond the period's own dates the notional ones go on at both ends.
        """
        dates = list(period.notional_dates)
        months = self.period_months
        count = 1
        while dates[0] > start:
            dates.insert(0, add_months(period.notional_dates[0], -months * count))
            count += 1
        count = 1
        while dates[-1] < end:
            dates.append(add_months(period.notional_dates[-1], months * count))
            count += 1
        share = months / MONTHS_A_YEAR
        years = 0.0
        for first, last in pairwise(dates):
            days = min(end, last) - max(start, first)
            if days > 0:
                years += share * (days / (last - first))
        return years
