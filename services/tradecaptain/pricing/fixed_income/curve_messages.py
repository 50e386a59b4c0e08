"""Quotes of a curve from the contract's messages, and a curve as a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from tradecaptain.api.pricing.v1 import bonds_pb2, fixed_income_pb2
from tradecaptain.kernels.pricing import day_count
from tradecaptain.kernels.pricing.civil_date import add_months
from tradecaptain.pricing.fixed_income.accrual import MONTHS_A_YEAR
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, Calendar
from tradecaptain.pricing.fixed_income.curves import (
    DAYS_A_YEAR,
    BondQuote,
    Curve,
    Deposit,
    FixedLeg,
    FloatingLeg,
    Future,
    Quote,
    Swap,
)
from tradecaptain.pricing.fixed_income.dates import day_text, parse_day, refuse
from tradecaptain.pricing.fixed_income.messages import (
    bond_of,
    calendar_of,
    named,
    tenor_months,
)

_SPOT_DAYS: Final = 2
_FUTURE_MONTHS: Final = 3
_MODIFIED_FOLLOWING: Final = BusinessDayConvention.MODIFIED_FOLLOWING


@dataclass(frozen=True, slots=True)
class _Market:
    """What quotes with tenors are counted from."""

    spot: int
    calendar: Calendar
    end_of_month: bool


def _deposit(message: fixed_income_pb2.DepositQuote, field: str, market: _Market) -> Deposit:
    start = market.spot
    if message.start_date:
        start = parse_day(message.start_date, f"{field}.start_date")
    if bool(message.tenor) == bool(message.end_date):
        raise refuse(f"{field}.tenor", "give either a tenor or an end date", message.tenor)
    count, unit = int(message.tenor[:-1] or 0), message.tenor[-1:]
    if not unit:
        end = parse_day(message.end_date, f"{field}.end_date")
    elif unit in "DW":
        days = count if unit == "D" else 7 * count
        end = market.calendar.adjust(start + days, _MODIFIED_FOLLOWING)
    else:
        end = market.calendar.add_months(
            start,
            tenor_months(message.tenor),
            _MODIFIED_FOLLOWING,
            end_of_month=market.end_of_month,
        )
    if end <= start:
        raise refuse(f"{field}.end_date", "the end must lie after the start", day_text(end))
    return Deposit(start, end, message.rate, message.day_count or day_count.ACT_360)


def _future(message: fixed_income_pb2.FutureQuote, field: str) -> Future:
    start = parse_day(message.start_date, f"{field}.start_date")
    end = add_months(start, _FUTURE_MONTHS)
    if message.end_date:
        end = parse_day(message.end_date, f"{field}.end_date")
    if end <= start:
        raise refuse(f"{field}.end_date", "the end must lie after the start", day_text(end))
    counter = message.day_count or day_count.ACT_360
    return Future(start, end, message.price, message.convexity_adjustment, counter)


def _swap(message: fixed_income_pb2.SwapQuote, market: _Market) -> Swap:
    fixed = FixedLeg(
        MONTHS_A_YEAR // (message.fixed_payments_a_year or 1),
        message.fixed_day_count or day_count.THIRTY_360_BOND_BASIS,
        BusinessDayConvention(message.fixed_convention or _MODIFIED_FOLLOWING),
    )
    floating = FloatingLeg(MONTHS_A_YEAR // (message.floating_payments_a_year or 2))
    end = add_months(market.spot, tenor_months(message.tenor))
    return Swap(market.spot, end, message.rate, market.calendar, fixed, floating)


def _bond(message: fixed_income_pb2.BondQuote, field: str, market: _Market) -> BondQuote:
    bond = bond_of(message.bond, f"{field}.bond")
    settlement = market.spot
    if message.settlement_date:
        settlement = parse_day(message.settlement_date, f"{field}.settlement_date")
    with named(f"{field}.settlement_date"):
        bond.check_settlement(settlement)
    return BondQuote(bond, settlement, message.clean_price + bond.accrued(settlement))


def quotes_of(request: bonds_pb2.BuildCurveRequest, reference: int) -> list[Quote]:
    """All quotes of a request, in its order."""
    centre = calendar_of(request.calendar, "calendar", "WEEKENDS")
    spot_days = request.spot_days if request.HasField("spot_days") else _SPOT_DAYS
    market = _Market(centre.add_business_days(reference, spot_days), centre, request.end_of_month)
    quotes: list[Quote] = []
    for number, quote in enumerate(request.quotes):
        kind = quote.WhichOneof("instrument")
        field = f"quotes[{number}].{kind}"
        if kind == "deposit":
            quotes.append(_deposit(quote.deposit, field, market))
        elif kind == "future":
            quotes.append(_future(quote.future, field))
        elif kind == "swap":
            quotes.append(_swap(quote.swap, market))
        else:
            quotes.append(_bond(quote.bond, field, market))
    return quotes


def curve_message(curve: Curve) -> fixed_income_pb2.Curve:
    """A curve with all its nodes."""
    days = (np.rint(curve.times * DAYS_A_YEAR) + curve.reference).astype(np.int64)
    nodes = [
        fixed_income_pb2.CurveNode(date=day_text(day), discount_factor=factor)
        for day, factor in zip(days.tolist(), np.exp(curve.log_discounts).tolist(), strict=True)
    ]
    return fixed_income_pb2.Curve(
        reference_date=day_text(curve.reference),
        nodes=nodes,
        interpolation=fixed_income_pb2.CurveInterpolation.ValueType(curve.interpolation),
    )
