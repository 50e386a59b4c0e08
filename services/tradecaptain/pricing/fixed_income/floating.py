"""Floating rate notes: coupons projected from a forecast curve, or fixed already.

A par coupon projects the rate up to where the next coupon's begins; an indexed coupon projects the
index as it fixes, over the index's own period from its value date. They differ by a few days.
Source: Hull, Options, Futures, and Other Derivatives, chapter 7; 2006 ISDA Definitions 6.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tradecaptain.kernels.pricing import day_count
from tradecaptain.pricing.fixed_income.accrual import DayCounter
from tradecaptain.pricing.fixed_income.bonds import Bond, BondTerms, Coupon
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, Calendar
from tradecaptain.pricing.fixed_income.curves import Curve
from tradecaptain.pricing.fixed_income.dates import day_text, refuse
from tradecaptain.pricing.fixed_income.schedules import Period, build


@dataclass(frozen=True, slots=True)
class RateIndex:
    """A term rate: its tenor, how many business days it settles after fixing, and where."""

    period_months: int
    calendar: Calendar
    settlement_days: int = 2
    day_count: int = day_count.ACT_360
    convention: BusinessDayConvention = BusinessDayConvention.MODIFIED_FOLLOWING
    end_of_month: bool = True


@dataclass(frozen=True, slots=True)
class FloatingTerms:
    """What a floating note adds to a bond's terms: ``rate = gearing * index + spread``.

    ``spreads`` has one for each period, the last repeated. ``fixings`` are index rates by the day
    they were fixed.
    """

    index: RateIndex
    spreads: tuple[float, ...] = ()
    gearing: float = 1.0
    fixing_days: int = 2
    is_indexed: bool = False
    fixings: Mapping[int, float] = field(default_factory=dict)


def _projected(index: RateIndex, start: int, end: int, forecast: Curve, years: float) -> float:
    first, last = forecast.discounts([start, end])
    return float((first / last - 1.0) / years)


def _index_rate(terms: FloatingTerms, period: Period, forecast: Curve) -> float:
    index = terms.index
    fixing = index.calendar.add_business_days(period.start, -terms.fixing_days)
    if fixing in terms.fixings:
        return terms.fixings[fixing]
    if fixing < forecast.reference:
        raise refuse("fixings", f"the index's fixing of {day_text(fixing)} is needed")
    start = index.calendar.add_business_days(fixing, index.settlement_days)
    if terms.is_indexed:
        end = index.calendar.add_months(
            start, index.period_months, index.convention, end_of_month=index.end_of_month
        )
    else:
        # The next coupon's rate begins where this one's ends.
        next_fixing = index.calendar.add_business_days(period.end, -terms.fixing_days)
        end = index.calendar.add_business_days(next_fixing, index.settlement_days)
    years = DayCounter(index.day_count, index.period_months).years(start, end, period)
    return _projected(index, start, end, forecast, years)


def floating_bond(bond_terms: BondTerms, terms: FloatingTerms, forecast: Curve) -> Bond:
    """A floating note with every coupon as fixed or as the forecast curve says.

    ``bond_terms.rates`` is not looked at. Raises ``REASON_MODEL_DOMAIN`` naming ``fixings`` if a
    coupon that is still to be paid was fixed before the curve and isn't given.
    """
    schedule = bond_terms.schedule
    calendar = bond_terms.payment_calendar or schedule.calendar
    counter = DayCounter(bond_terms.day_count, schedule.period_months, schedule.end, calendar)
    coupons = []
    for number, period in enumerate(build(schedule)):
        payment = calendar.adjust(period.end, bond_terms.payment_convention)
        if payment <= forecast.reference:
            continue
        spread = terms.spreads[min(number, len(terms.spreads) - 1)] if terms.spreads else 0.0
        rate = terms.gearing * _index_rate(terms, period, forecast) + spread
        amount = 100.0 * rate * counter.years(period.start, period.end, period)
        ex_coupon = bond_terms.ex_coupon
        ex_date = payment if ex_coupon is None else ex_coupon.date(payment)
        coupons.append(Coupon(period, rate, amount, payment, ex_date))
    return Bond(bond_terms, coupons)
