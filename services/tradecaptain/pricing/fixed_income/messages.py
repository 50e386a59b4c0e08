"""From the contract's messages to bonds, conventions and curves.

What the library refuses by its own names is refused by the contract's: ``field`` of every function
is the path of its message in the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import numpy as np
from tradecaptain.api.pricing.v1 import fixed_income_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing import bond as bond_kernels
from tradecaptain.kernels.pricing import day_count, discount_curve
from tradecaptain.pricing.fixed_income.accrual import MONTHS_A_YEAR, DayCounter
from tradecaptain.pricing.fixed_income.bonds import (
    Bond,
    BondTerms,
    ExCoupon,
    YieldConvention,
    default_convention,
)
from tradecaptain.pricing.fixed_income.calendars import (
    BusinessDayConvention,
    Calendar,
    calendar,
)
from tradecaptain.pricing.fixed_income.curves import DAYS_A_YEAR, Curve, flat_curve
from tradecaptain.pricing.fixed_income.dates import parse_day, refuse
from tradecaptain.pricing.fixed_income.floating import FloatingTerms, RateIndex, floating_bond
from tradecaptain.pricing.fixed_income.schedules import DateRule, ScheduleTerms, Stub
from tradecaptain.pricing.refusals import invalid

_COUPONS_A_YEAR: Final = 2
_SCHEDULE_FIELDS: Final[Mapping[str, str]] = {
    "start": "start_date",
    "end": "maturity_date",
    "first_coupon": "first_coupon_date",
    "last_coupon": "last_coupon_date",
    "period_months": "coupons_a_year",
    "fixings": "floating.fixings",
}
TENOR_MONTHS: Final = re.compile(r"([1-9][0-9]{0,2})([MY])")


@contextmanager
def named(field: str, names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Give a refusal the field's path in the request: ``field``, and its name by ``names``.

    With ``names``, a refusal of a field that isn't one of them passes as it is.
    """
    try:
        yield
    except TradeCaptainError as error:
        if names is None:
            path = field
        elif error.field in names:
            path = f"{field}.{names[error.field]}" if field else names[error.field]
        else:
            raise
        raise TradeCaptainError(
            error.reason, error.message, field=path, limit=error.limit, observed=error.observed
        ) from error


def _optional_day(text: str, field: str) -> int | None:
    return parse_day(text, field) if text else None


def calendar_of(name: str, field: str, default: str = "NONE") -> Calendar:
    """The calendar of a name that may be empty."""
    with named(field):
        return calendar(name or default)


def _convention_of(number: int) -> BusinessDayConvention:
    return BusinessDayConvention(number or BusinessDayConvention.UNADJUSTED)


def _ex_coupon_of(message: fixed_income_pb2.Bond, field: str) -> ExCoupon | None:
    if not message.HasField("ex_coupon"):
        return None
    name = message.ex_coupon.calendar
    counted = calendar_of(name, f"{field}.ex_coupon.calendar") if name else None
    return ExCoupon(message.ex_coupon.days, counted)


def _terms_of(message: fixed_income_pb2.Bond, field: str) -> BondTerms:
    months = MONTHS_A_YEAR // (message.coupons_a_year or _COUPONS_A_YEAR)
    accrual = _convention_of(message.accrual_convention)
    schedule = ScheduleTerms(
        start=parse_day(message.start_date, f"{field}.start_date"),
        end=parse_day(message.maturity_date, f"{field}.maturity_date"),
        period_months=months,
        calendar=calendar_of(message.calendar, f"{field}.calendar"),
        convention=accrual,
        end_convention=accrual,
        rule=DateRule(message.date_rule or DateRule.BACKWARD),
        stub=Stub(message.stub or Stub.SHORT),
        end_of_month=message.end_of_month,
        first_coupon=_optional_day(message.first_coupon_date, f"{field}.first_coupon_date"),
        last_coupon=_optional_day(message.last_coupon_date, f"{field}.last_coupon_date"),
    )
    return BondTerms(
        schedule=schedule,
        rates=tuple(message.coupon_rates),
        day_count=message.day_count or day_count.ACT_ACT_ICMA,
        redemption=message.redemption if message.HasField("redemption") else 100.0,
        payment_convention=_convention_of(message.payment_convention),
        ex_coupon=_ex_coupon_of(message, field),
        issue=_optional_day(message.issue_date, f"{field}.issue_date"),
        compound_coupons=message.compound_coupons,
    )


def _floating_terms_of(message: fixed_income_pb2.Bond, field: str) -> FloatingTerms:
    floating = message.floating
    name = floating.index_calendar or message.calendar
    index = RateIndex(
        floating.index_months,
        calendar_of(name, f"{field}.floating.index_calendar", "WEEKENDS"),
        day_count=floating.index_day_count or day_count.ACT_360,
    )
    fixings = {
        parse_day(fixing.date, f"{field}.floating.fixings[{number}].date"): fixing.rate
        for number, fixing in enumerate(floating.fixings)
    }
    return FloatingTerms(
        index=index,
        spreads=tuple(floating.spreads),
        gearing=floating.gearing if floating.HasField("gearing") else 1.0,
        fixing_days=floating.fixing_days if floating.HasField("fixing_days") else 2,
        is_indexed=floating.indexed,
        fixings=fixings,
    )


def bond_of(message: fixed_income_pb2.Bond, field: str, forecast: Curve | None = None) -> Bond:
    """A bond; a floating one takes its rates from a forecast curve."""
    with named(field, _SCHEDULE_FIELDS):
        terms = _terms_of(message, field)
        if not message.HasField("floating"):
            return Bond(terms)
        if forecast is None:
            message_text = "a floating note needs a curve that forecasts its rates"
            raise refuse("forecast_curve", message_text)
        return floating_bond(terms, _floating_terms_of(message, field), forecast)


def convention_of(message: fixed_income_pb2.YieldConvention, bond: Bond) -> YieldConvention:
    """How a yield is quoted; what isn't said is the bond's own."""
    default = default_convention(bond)
    schedule = bond.terms.schedule
    counter = None
    if message.day_count:
        months = schedule.period_months
        counter = DayCounter(message.day_count, months, schedule.end, schedule.calendar)
    return YieldConvention(
        message.compounding or bond_kernels.COMPOUNDED,
        message.frequency or default.frequency,
        counter,
    )


def curve_of(message: fixed_income_pb2.Curve, field: str) -> Curve:
    """A curve of nodes, or a flat one where there are none."""
    reference = parse_day(message.reference_date, f"{field}.reference_date")
    if bool(message.nodes) == message.HasField("flat_rate"):
        raise invalid(f"{field}.nodes", "a curve has either nodes or a flat_rate")
    if not message.nodes:
        return flat_curve(reference, message.flat_rate)
    days = []
    last = reference
    for number, node in enumerate(message.nodes):
        place = f"{field}.nodes[{number}].date"
        day = parse_day(node.date, place)
        if day <= last:
            rule = "nodes must lie after the reference date, each after the one before"
            raise refuse(place, rule, node.date)
        days.append(day)
        last = day
    times = (np.array(days, dtype=np.float64) - reference) / DAYS_A_YEAR
    logs = np.log([node.discount_factor for node in message.nodes])
    method = message.interpolation or discount_curve.LOG_LINEAR_DISCOUNT
    return Curve(reference, times, logs, method)


def tenor_months(tenor: str) -> int:
    """Months of a tenor such as 18M or 10Y."""
    found = TENOR_MONTHS.fullmatch(tenor)
    if found is None:
        raise ValueError(f"{tenor!r} is no tenor of months or years")
    return int(found[1]) * (1 if found[2] == "M" else MONTHS_A_YEAR)
