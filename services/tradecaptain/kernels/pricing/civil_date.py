"""Days of the proleptic Gregorian calendar as numbers: 0 is 1970-01-01, as numpy counts them.

Everything here works on int64 alone, inside kernels as outside.

Source: Hinnant, chrono-Compatible Low-Level Date Algorithms (2013).
"""

from __future__ import annotations

from tradecaptain.base.jit import inline

_ERA_DAYS = 146_097
_EPOCH_SHIFT = 719_468
FEBRUARY = 2


@inline
def day_number(year: int, month: int, day: int) -> int:
    """Number of a day; month 1 to 12, day 1 to the month's last."""
    shifted = year - 1 if month <= FEBRUARY else year
    era = shifted // 400
    year_of_era = shifted - era * 400
    month_from_march = (month + 9) % 12
    day_of_year = (153 * month_from_march + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _ERA_DAYS + day_of_era - _EPOCH_SHIFT


@inline
def civil_date(number: int) -> tuple[int, int, int]:
    """Year, month and day of a day number."""
    shifted = number + _EPOCH_SHIFT
    era = shifted // _ERA_DAYS
    day_of_era = shifted - era * _ERA_DAYS
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400
    return (year + 1 if month <= FEBRUARY else year), month, day


@inline
def is_leap_year(year: int) -> bool:
    """Whether a year has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@inline
def days_in_month(year: int, month: int) -> int:
    """Length of a month."""
    if month == FEBRUARY:
        return 29 if is_leap_year(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@inline
def is_month_end(number: int) -> bool:
    """Whether a day is the last of its month."""
    year, month, day = civil_date(number)
    return day == days_in_month(year, month)


@inline
def add_months(number: int, months: int) -> int:
    """The same day so many months later (or earlier), or the last day of a shorter month."""
    year, month, day = civil_date(number)
    total = year * 12 + month - 1 + months
    target_year = total // 12
    target_month = total - target_year * 12 + 1
    last = days_in_month(target_year, target_month)
    return day_number(target_year, target_month, min(day, last))


@inline
def leap_days_after(start: int, end: int) -> int:
    """How many 29 Februaries lie after ``start`` and not after ``end``."""
    return leap_days_until(end) - leap_days_until(start)


@inline
def leap_days_until(number: int) -> int:
    """How many 29 Februaries lie in the years from 1 on, up to and including a day."""
    year, month, day = civil_date(number)
    whole = year if month > FEBRUARY or (month == FEBRUARY and day == 29) else year - 1
    return whole // 4 - whole // 100 + whole // 400
