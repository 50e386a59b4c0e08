"""Bonds: from their terms to payments, accrued interest, prices, yields and sensitivities.

Amounts and prices are per 100 of face value. A payment belongs to whoever holds the bond on its
ex-coupon date; from that date on the seller keeps it, and accrued interest is negative.
Dates are day numbers.

Sources: Fabozzi, Bond Markets, Analysis and Strategies; ICMA Rule 251; UK DMO, Formulae for
Calculating Gilt Prices from Yields (ex-dividend); ANBIMA, Metodologias para precificação (NTN-F).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import bond as bond_kernels
from tradecaptain.kernels.pricing.bond import COMPOUNDED, SIMPLE, STREET
from tradecaptain.pricing.fixed_income.accrual import MONTHS_A_YEAR, DayCounter
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, Calendar
from tradecaptain.pricing.fixed_income.dates import day_text, refuse
from tradecaptain.pricing.fixed_income.schedules import (
    DateRule,
    Period,
    ScheduleTerms,
    build,
)

FloatArray = npt.NDArray[np.float64]
BASIS_POINT: Final = 1e-4


@dataclass(frozen=True, slots=True)
class ExCoupon:
    """How long before a payment it stops belonging to a buyer."""

    days: int
    calendar: Calendar | None = None
    """Counts business days of this calendar; calendar days if there is none."""

    def date(self, payment: int) -> int:
        """First settlement day without the coupon."""
        if self.calendar is None:
            return payment - self.days
        return self.calendar.add_business_days(payment, -self.days)


@dataclass(frozen=True, slots=True)
class Coupon:
    """One interest payment: amount per 100 of face, when it is paid, and when it goes ex."""

    period: Period
    rate: float
    amount: float
    payment: int
    ex_date: int


@dataclass(frozen=True, slots=True)
class BondTerms:
    """A fixed or zero coupon bond.

    ``rates`` are annual, one for each period, the last of them repeated; none is a zero coupon
    bond. With ``coupon_compounding`` a coupon is ``(1 + rate) ^ years - 1`` instead of
    ``rate * years``.
    """

    schedule: ScheduleTerms
    rates: tuple[float, ...]
    day_count: int
    redemption: float = 100.0
    payment_convention: BusinessDayConvention = BusinessDayConvention.UNADJUSTED
    payment_calendar: Calendar | None = None
    ex_coupon: ExCoupon | None = None
    issue: int | None = None
    compound_coupons: bool = False


@dataclass(frozen=True, slots=True)
class YieldConvention:
    """How a yield is quoted: compounding (``kernels.pricing.bond``), periods a year, day count.

    Times are counted by the bond's own day count if none is given here.
    """

    compounding: int = COMPOUNDED
    frequency: int = 2
    day_counter: DayCounter | None = None


@dataclass(frozen=True, slots=True)
class Payments:
    """What is still to come for a buyer at settlement: years from then, amounts, payment days."""

    times: FloatArray
    amounts: FloatArray
    days: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Analytics:
    """Price, yield and sensitivities, per 100 of face.

    Durations are in years, convexity in years squared. ``dv01`` is the price change for a yield
    lower by a basis point, to first order.
    """

    clean: float
    accrued: float
    dirty: float
    yield_: float
    macaulay: float
    modified: float
    convexity: float

    @property
    def dv01(self) -> float:
        """Price value of a basis point."""
        return self.modified * self.dirty * BASIS_POINT


class Bond:
    """A bond with all its payments."""

    def __init__(self, terms: BondTerms, coupons: Sequence[Coupon] | None = None) -> None:
        self.terms = terms
        schedule = terms.schedule
        calendar = terms.payment_calendar or schedule.calendar
        is_zero = not terms.rates and coupons is None
        self.periods = build(replace(schedule, rule=DateRule.ZERO) if is_zero else schedule)
        self.maturity = calendar.adjust(self.periods[-1].end, terms.payment_convention)
        self.day_counter = DayCounter(
            terms.day_count, schedule.period_months, schedule.end, calendar
        )
        self.coupons = tuple(self._fixed_coupons(calendar) if coupons is None else coupons)

    def _fixed_coupons(self, calendar: Calendar) -> list[Coupon]:
        rates = self.terms.rates
        coupons = []
        for index, period in enumerate(self.periods if rates else ()):
            rate = rates[min(index, len(rates) - 1)]
            amount = self._interest(rate, period.start, period.end, period)
            payment = calendar.adjust(period.end, self.terms.payment_convention)
            ex_coupon = self.terms.ex_coupon
            ex_date = payment if ex_coupon is None else ex_coupon.date(payment)
            coupons.append(Coupon(period, rate, amount, payment, ex_date))
        return coupons

    def _interest(self, rate: float, start: int, end: int, period: Period) -> float:
        years = self.day_counter.years(start, end, period)
        if self.terms.compound_coupons:
            return 100.0 * float(np.expm1(years * np.log1p(rate)))
        return 100.0 * rate * years

    def check_settlement(self, settlement: int) -> None:
        """Refuse a settlement before the bond exists or when nothing is left to be paid."""
        first = self.terms.issue if self.terms.issue is not None else self.terms.schedule.start
        if settlement < first:
            message = f"settlement must not lie before the issue, {day_text(first)}"
            raise refuse("settlement", message, day_text(settlement))
        if settlement >= self.maturity:
            message = f"settlement must lie before the maturity, {day_text(self.maturity)}"
            raise refuse("settlement", message, day_text(settlement))

    def accrued(self, settlement: int) -> float:
        """Interest that a buyer owes the seller; negative once the next coupon is the seller's."""
        coupon = next((item for item in self.coupons if item.payment > settlement), None)
        if coupon is None or settlement <= coupon.period.start:
            return 0.0
        period = coupon.period
        if self.terms.ex_coupon is not None and settlement >= coupon.ex_date:
            until = max(settlement, period.end)
            return -self._interest(coupon.rate, settlement, until, period)
        return self._interest(coupon.rate, period.start, min(settlement, period.end), period)

    def payments(self, settlement: int, day_counter: DayCounter | None = None) -> Payments:
        """Payments after settlement that are the buyer's, timed by a day count.

        A time is the sum of the years of the coupon periods that lie between, each counted as its
        own day count says, so that a regular period is exactly one coupon period long.
        """
        counter = day_counter or self.day_counter
        times: list[float] = []
        amounts: list[float] = []
        days: list[int] = []
        elapsed, last = 0.0, settlement
        for coupon in self.coupons:
            is_gone = coupon.payment <= settlement or (
                self.terms.ex_coupon is not None and settlement >= coupon.ex_date
            )
            if is_gone:
                continue
            elapsed += self._years_between(counter, last, coupon.payment, coupon.period)
            last = coupon.payment
            times.append(elapsed)
            amounts.append(coupon.amount)
            days.append(coupon.payment)
        if not days or days[-1] != self.maturity:
            elapsed += self._years_between(counter, last, self.maturity, self.periods[-1])
            times.append(elapsed)
            amounts.append(self.terms.redemption)
            days.append(self.maturity)
        else:
            amounts[-1] += self.terms.redemption
        return Payments(np.array(times), np.array(amounts), np.array(days, dtype=np.int64))

    @staticmethod
    def _years_between(counter: DayCounter, last: int, payment: int, period: Period) -> float:
        if last == period.start:
            return counter.years(last, payment, period)
        whole = counter.years(period.start, payment, period)
        return whole - counter.years(period.start, last, period)


def default_convention(bond: Bond) -> YieldConvention:
    """Compounded at the coupon frequency, once a year if there are no coupons."""
    if not bond.coupons:
        return YieldConvention(COMPOUNDED, 1)
    return YieldConvention(COMPOUNDED, max(MONTHS_A_YEAR // bond.terms.schedule.period_months, 1))


def _compounding(convention: YieldConvention, payments: Payments) -> int:
    """The kernels' convention: the street's is simple once a single payment is left."""
    if convention.compounding != STREET:
        return convention.compounding
    return SIMPLE if payments.times.size == 1 else COMPOUNDED


def _refuse_status(status: int, observed: float) -> None:
    if status != bond_kernels.OK:
        field, rule = bond_kernels.RULES[status]
        raise refuse(field, rule, repr(observed))


def _analytics(
    price: float, slope: float, bend: float, *, rate: float, accrued: float, macaulay: float
) -> Analytics:
    return Analytics(
        clean=price - accrued,
        accrued=accrued,
        dirty=price,
        yield_=rate,
        macaulay=macaulay,
        modified=-slope / price,
        convexity=bend / price,
    )


def _macaulay(compounding: int, frequency: float, rate: float, payments: Payments) -> float:
    """Mean time of the payments, weighted by what they are worth."""
    factors = np.array(
        [
            bond_kernels.discount_by_yield(
                compounding, frequency, rate, float(time), float(payments.times[0])
            )[0]
            for time in payments.times
        ]
    )
    values = payments.amounts * factors
    return float(values @ payments.times / values.sum())


def from_yield(
    bond: Bond, settlement: int, rate: float, convention: YieldConvention | None = None
) -> Analytics:
    """Prices and sensitivities of a bond at a yield (0.05 is five percent).

    Raises ``REASON_MODEL_DOMAIN`` naming ``settlement`` or ``yield``.
    """
    convention = convention or default_convention(bond)
    bond.check_settlement(settlement)
    payments = bond.payments(settlement, convention.day_counter)
    compounding, frequency = _compounding(convention, payments), float(convention.frequency)
    outputs = np.empty(3)
    status = bond_kernels.value_by_yield(
        compounding, frequency, rate, payments.times, payments.amounts, outputs
    )
    _refuse_status(status, rate)
    price, slope, bend = outputs.tolist()
    return _analytics(
        price,
        slope,
        bend,
        rate=rate,
        accrued=bond.accrued(settlement),
        macaulay=_macaulay(compounding, frequency, rate, payments),
    )


def from_clean_price(
    bond: Bond, settlement: int, clean: float, convention: YieldConvention | None = None
) -> Analytics:
    """Yield and sensitivities of a bond at a clean price.

    Raises ``REASON_MODEL_DOMAIN`` naming ``settlement`` or ``price``.
    """
    convention = convention or default_convention(bond)
    bond.check_settlement(settlement)
    payments = bond.payments(settlement, convention.day_counter)
    accrued = bond.accrued(settlement)
    dirty = clean + accrued
    compounding, frequency = _compounding(convention, payments), float(convention.frequency)
    outputs = np.empty(3)
    status = bond_kernels.yield_of_price(
        compounding, frequency, dirty, payments.times, payments.amounts, outputs
    )
    _refuse_status(status, clean)
    rate, slope, bend = outputs.tolist()
    return _analytics(
        dirty,
        slope,
        bend,
        rate=rate,
        accrued=accrued,
        macaulay=_macaulay(compounding, frequency, rate, payments),
    )
