"""Bonds, day counts, curves and credit the slow way: loops over days, bisection, fifty digits."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from fractions import Fraction

from mpmath import mp, mpf

ONE_DAY = timedelta(days=1)


def days_of(start: date, end: date) -> list[date]:
    """Every day from ``start`` to before ``end``."""
    return [start + number * ONE_DAY for number in range((end - start).days)]


def act_act_isda(start: date, end: date) -> Fraction:
    """Each day is a 365th or 366th of its own year."""
    return sum(
        (Fraction(1, 366 if calendar.isleap(day.year) else 365) for day in days_of(start, end)),
        Fraction(0),
    )


def no_leap_365(start: date, end: date) -> Fraction:
    """A day counts unless the one after it is 29 February."""
    ends = [day + ONE_DAY for day in days_of(start, end)]
    return Fraction(sum((day.month, day.day) != (2, 29) for day in ends), 365)


def same_day_of(year: int, day: date) -> date:
    """The same day of another year; the end of February stays the end of February."""
    if (day.month, day.day) == (2, 29):
        return date(year, 2, 29 if calendar.isleap(year) else 28)
    return date(year, day.month, day.day)


def act_act_afb(start: date, end: date) -> Fraction:
    """Whole years from the end back, the rest by whether it holds a 29 February."""
    years, rest_end = 0, end
    while True:
        earlier = same_day_of(rest_end.year - 1, rest_end)
        if (earlier.month, earlier.day) == (2, 28) and calendar.isleap(earlier.year):
            earlier = date(earlier.year, 2, 29)
        if earlier < start:
            break
        years, rest_end = years + 1, earlier
    held = any((day.month, day.day) == (2, 29) for day in days_of(start, rest_end))
    return years + Fraction((rest_end - start).days, 366 if held else 365)


def icma(start: date, end: date, first: date, last: date, frequency: int) -> Fraction:
    """Days over the length of the coupon period and the coupons a year."""
    return Fraction((end - start).days, frequency * (last - first).days)


def thirty_360(kind: str, start: date, end: date, termination: date | None = None) -> int:
    """Days by the words of each convention."""

    def last_of_february(day: date) -> bool:
        return day.month == 2 and (day + ONE_DAY).month == 3

    first, second = start.day, end.day
    end_month = end.month
    if kind == "US":
        if last_of_february(start) and last_of_february(end):
            second = 30
        if last_of_february(start):
            first = 30
        if second == 31 and first in (30, 31):
            second = 30
        if first == 31:
            first = 30
    elif kind == "bond basis":
        first = min(first, 30)
        second = 30 if second == 31 and first == 30 else second
    elif kind == "30E+":
        first = min(first, 30)
        if second == 31:
            second, end_month = 1, end_month + 1
    else:
        first, second = min(first, 30), min(second, 30)
        if kind in ("ISDA", "German"):
            first = 30 if last_of_february(start) else first
            if last_of_february(end) and not (kind == "ISDA" and end == termination):
                second = 30
    return 360 * (end.year - start.year) + 30 * (end_month - start.month) + second - first


def discount(kind: str, frequency: int, rate: mpf, time: mpf, first: mpf) -> mpf:
    """Discount factor of a yield by the words of each convention."""
    simple = 1 / (1 + rate * time)
    compounded = (1 + rate / frequency) ** (-frequency * time)
    if kind == "simple":
        return simple
    if kind == "continuous":
        return mp.exp(-rate * time)
    if kind == "simple then compounded":
        return simple if time <= mpf(1) / frequency else compounded
    if kind == "compounded then simple":
        return compounded if time <= mpf(1) / frequency else simple
    if kind == "treasury":
        return (1 + rate / frequency) ** (-frequency * (time - first)) / (1 + rate * first)
    return compounded


def bond_price(
    kind: str, frequency: int, rate: float, times: Sequence[float], amounts: Sequence[float]
) -> mpf:
    """Sum of discounted payments in fifty digits."""
    with mp.workdps(50):
        exact = mpf(rate)
        return mp.fsum(
            mpf(amount) * discount(kind, frequency, exact, mpf(time), mpf(times[0]))
            for time, amount in zip(times, amounts, strict=True)
        )


def bond_derivatives(
    kind: str, frequency: int, rate: float, times: Sequence[float], amounts: Sequence[float]
) -> tuple[mpf, mpf]:
    """First two derivatives of the price by the yield, by differences in fifty digits."""
    with mp.workdps(50):
        step = mpf(10) ** -12

        def price(shift: int) -> mpf:
            moved = mpf(rate) + shift * step
            return mp.fsum(
                mpf(amount) * discount(kind, frequency, moved, mpf(time), mpf(times[0]))
                for time, amount in zip(times, amounts, strict=True)
            )

        up, here, down = price(1), price(0), price(-1)
        return (up - down) / (2 * step), (up - 2 * here + down) / (step * step)


def bond_yield(
    price: float, times: Sequence[float], amounts: Sequence[float], low: float, high: float
) -> float:
    """The continuous yield by bisection."""
    with mp.workdps(40):
        below, above = mpf(low), mpf(high)
        for _ in range(120):
            middle = (below + above) / 2
            value = mp.fsum(
                mpf(amount) * mp.exp(-middle * mpf(time))
                for time, amount in zip(times, amounts, strict=True)
            )
            below, above = (middle, above) if value > price else (below, middle)
        return float(below)


def credit_legs(
    hazard: float,
    coupons: Sequence[tuple[int, int, int]],
    log_discount: Callable[[float], float],
) -> tuple[float, float]:
    """Protection and premium of one, the integrals by Simpson's rule within each day.

    ``coupons`` are first day of accrual, first day behind it, payment, after the trade date.
    """

    def density(time: float) -> float:
        """Discounted chance of a default at a time in days, per day."""
        survival = float(mp.exp(-hazard * time / 365))
        return hazard / 365 * survival * float(mp.exp(log_discount(time)))

    def integral(function: Callable[[float], float], start: int, end: int) -> float:
        total = 0.0
        for day in range(start, end):
            ends = function(day) + function(day + 1)
            total += (ends + 4 * function(day + 0.5)) / 6
        return total

    maturity = coupons[-1][1] - 1
    protection = integral(density, 0, maturity)
    premium = 0.0
    for start, end, payment in coupons:
        survival = float(mp.exp(-hazard * (end - 1) / 365))
        premium += (end - start) / 360 * survival * float(mp.exp(log_discount(payment)))
        premium += integral(
            lambda time, start=start: density(time) * (time - start + 1.5) / 360,
            max(start - 1, 0),
            end - 1,
        )
    return protection, premium
