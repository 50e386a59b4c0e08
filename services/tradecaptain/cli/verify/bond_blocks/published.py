"""Bonds as published: cached test values, Bloomberg's and ANBIMA's figures, a grid of analytics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tradecaptain.cli.verify.bond_blocks.fields import (
    conventions,
    day,
    day_count_of,
    expect_near,
    expect_relative,
    iso_day,
    items,
    numbers,
    period_months,
    row,
    said_day,
    said_rate,
)
from tradecaptain.cli.verify_case import (
    Case,
    Judge,
    MalformedError,
    NotApplicableError,
    WrongError,
)
from tradecaptain.kernels.pricing import day_count
from tradecaptain.kernels.pricing.bond import COMPOUNDED, CONTINUOUS
from tradecaptain.kernels.pricing.civil_date import add_months
from tradecaptain.pricing.fixed_income.accrual import DayCounter
from tradecaptain.pricing.fixed_income.bonds import (
    BASIS_POINT,
    Analytics,
    Bond,
    BondTerms,
    ExCoupon,
    YieldConvention,
    from_clean_price,
    from_yield,
)
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, Calendar, calendar
from tradecaptain.pricing.fixed_income.curve_analytics import value_on_curve
from tradecaptain.pricing.fixed_income.curves import Curve, flat_curve
from tradecaptain.pricing.fixed_income.floating import FloatingTerms, RateIndex, floating_bond
from tradecaptain.pricing.fixed_income.schedules import DateRule, ScheduleTerms

GRID_RELATIVE: Final = 1e-8
GRID_DV01_RELATIVE: Final = 1e-6
FIGURE_TOLERANCE: Final = 1e-6
COARSEST_TOLERANCE: Final = 1e-3
PERCENT_ABOVE: Final = 0.3
"""A coupon or yield above this is written in percent."""
MODIFIED_FOLLOWING: Final = BusinessDayConvention.MODIFIED_FOLLOWING


def _rate(value: float) -> float:
    """A rate that may be written in percent."""
    return value / 100.0 if abs(value) > PERCENT_ABOVE else value


def _flat(reference: int, rate: float) -> Curve:
    """A continuous rate for years of 360 days."""
    return flat_curve(reference, rate * 365.0 / 360.0)


def _plain_schedule(case: Case, start: int, **options: Any) -> ScheduleTerms:
    return ScheduleTerms(
        start=start,
        end=day(case, "maturity"),
        period_months=period_months(case),
        calendar=options.pop("calendar", calendar("NONE")),
        **options,
    )


def _cached_bond(case: Case) -> Bond:
    """A bond of the first block of cached values."""
    words = case.text("calendar")
    is_moved = "Modified Following" in words
    name = "US_GOVERNMENT_BOND" if "US government" in words else "NONE"
    if name == "NONE" and words != "none":
        raise NotApplicableError(f"calendar {words!r} isn't known")
    terms = BondTerms(
        schedule=_plain_schedule(
            case, day(case, "first_accrual"), end_of_month=case.raw("end_of_month") is True
        ),
        rates=(case.number("coupon"),),
        day_count=day_count_of(case.text("day_count")),
        payment_convention=MODIFIED_FOLLOWING if is_moved else BusinessDayConvention.UNADJUSTED,
        payment_calendar=calendar(name),
        issue=day(case, "issue"),
    )
    return Bond(terms)


def _cached_price_yield(case: Case) -> None:
    bond, settlement = _cached_bond(case), day(case, "settle")
    given, allowed = case.text("given"), case.tolerance(1e-6)
    frequency = 12 // bond.terms.schedule.period_months
    if given.startswith("yield"):
        found = from_yield(
            bond, settlement, case.number("ytm"), YieldConvention(COMPOUNDED, frequency)
        ).clean
        expect_near(found, case.number("clean"), allowed, "clean")
    elif given.startswith("flat zero curve"):
        curve = _flat(said_day(given, "from", "given"), said_rate(given, "given"))
        found = value_on_curve(bond, settlement, curve).clean
        expect_near(found, case.number("clean"), allowed, "clean")
    elif "yield" in given:
        is_continuous = "ytm_continuous" in case
        compounding = CONTINUOUS if is_continuous else COMPOUNDED
        convention = YieldConvention(compounding, frequency)
        found = from_clean_price(bond, settlement, case.number("clean"), convention).yield_
        due = case.number("ytm_continuous" if is_continuous else "ytm")
        expect_near(found, due, allowed, "yield")
    else:
        raise NotApplicableError(f"given {given!r} isn't known")


def _evaluation_curve(case: Case) -> Curve:
    """The flat curve that the block's conventions describe; a case may state another rate."""
    said = conventions(case)
    rate = case.number("discount_rate", said_rate(said, "conventions"))
    return _flat(said_day(said, "evaluation"), rate)


def _cached_zero_coupon(case: Case) -> None:
    start = day(case, "issue")
    terms = BondTerms(
        schedule=ScheduleTerms(start, day(case, "maturity"), 12, calendar("NONE")),
        rates=(),
        day_count=day_count.ACT_ACT_ICMA,
        payment_convention=MODIFIED_FOLLOWING,
        payment_calendar=calendar("US_GOVERNMENT_BOND"),
    )
    found = value_on_curve(Bond(terms), day(case, "settle"), _evaluation_curve(case)).clean
    expect_near(found, case.number("clean"), case.tolerance(1e-6), "clean")


def _cached_fixed(case: Case) -> None:
    last = day(case, "next_to_last_coupon") if "next_to_last_coupon" in case else None
    terms = BondTerms(
        schedule=_plain_schedule(case, day(case, "first_accrual"), last_coupon=last),
        rates=tuple(numbers(case, "coupons")),
        day_count=day_count.ACT_ACT_ICMA,
        payment_convention=MODIFIED_FOLLOWING,
        payment_calendar=calendar("US_GOVERNMENT_BOND"),
    )
    found = value_on_curve(Bond(terms), day(case, "settle"), _evaluation_curve(case)).clean
    expect_near(found, case.number("clean"), case.tolerance(1e-6), "clean")


def _floating_terms(case: Case, *, is_indexed: bool) -> FloatingTerms:
    words = case.text("index")
    found = re.search(r"(\d+)M .*?(\d+) fixing day", words)
    if found is None:
        raise MalformedError(f"field index must say tenor and fixing days, not {words!r}")
    fixings = case.raw("fixings") if "fixings" in case else {}
    fields = row(fixings, "fixings")
    return FloatingTerms(
        index=RateIndex(int(found[1]), calendar("UNITED_KINGDOM+US_SETTLEMENT")),
        spreads=tuple(numbers(case, "spreads")),
        fixing_days=int(found[2]),
        is_indexed=is_indexed,
        fixings={iso_day(date, "fixings"): fields.number(date) for date in fixings},
    )


def _lies_on_grid(start: int, end: int, months: int) -> bool:
    """Whether an end is whole coupon periods after a start."""
    count = round((end - start) / (365.25 / 12.0 * months))
    return add_months(start, count * months) == end


def _cached_floating(case: Case) -> None:
    dates = [iso_day(date, "schedule") for date in items(case, "schedule")]
    if len(dates) != 2:
        raise MalformedError("field schedule must hold the first and the last date")
    government = calendar("US_GOVERNMENT_BOND")
    months = period_months(case)
    # The last date is told as adjusted; the schedule wants it as it was before.
    unadjusted = next(
        (
            date
            for date in range(dates[1], dates[1] + 5)
            if _lies_on_grid(dates[0], date, months)
            and government.adjust(date, MODIFIED_FOLLOWING) == dates[1]
        ),
        dates[1],
    )
    ex_coupon = ExCoupon(case.integer("ex_coupon_days")) if "ex_coupon_days" in case else None
    terms = BondTerms(
        schedule=ScheduleTerms(
            dates[0],
            unadjusted,
            months,
            government,
            convention=MODIFIED_FOLLOWING,
            end_convention=MODIFIED_FOLLOWING,
            rule=DateRule.FORWARD,
        ),
        rates=(0.0,),
        day_count=day_count.ACT_ACT_ICMA,
        payment_convention=MODIFIED_FOLLOWING,
        ex_coupon=ex_coupon,
        issue=day(case, "issue") if "issue" in case else None,
    )
    curve = _evaluation_curve(case)
    forecast = _flat(curve.reference, said_rate(case.text("index"), "index"))
    settlement, allowed = day(case, "settle"), case.tolerance(2e-6)
    for name, is_indexed in (("clean_par_coupons", False), ("clean_indexed_coupons", True)):
        bond = floating_bond(terms, _floating_terms(case, is_indexed=is_indexed), forecast)
        found = value_on_curve(bond, settlement, curve).clean
        expect_near(found, case.number(name), allowed, name)


def _ex_coupon(case: Case) -> ExCoupon | None:
    """A number of days, alone or in words; business days where a calendar or the word is given."""
    if "ex_coupon" not in case:
        return None
    value = case.raw("ex_coupon")
    if isinstance(value, Mapping):
        value = " ".join(f"{key} {item}" for key, item in value.items())
    words = str(value).lower()
    found = re.search(r"\d+", words)
    if found is None:
        if words in ("none", "no", "false"):
            return None
        raise MalformedError(f"field ex_coupon must say a number of days, not {value!r}")
    is_business = re.search(r"business|working|uk|kingdom|london", words) is not None
    return ExCoupon(int(found[0]), calendar("UNITED_KINGDOM") if is_business else None)


_COLUMNS: Final = ("settle", "price", "accrued", "npv", "yield", "duration", "convexity")
_ALIASES: Final[Mapping[str, str]] = {
    "settlement": "settle",
    "settlement_date": "settle",
    "date": "settle",
    "clean": "price",
    "clean_price": "price",
    "test_price": "price",
    "dirty": "npv",
    "NPV": "npv",
    "ytm": "yield",
    "modified": "modified_duration",
    "mod_duration": "modified_duration",
    "pv01": "dv01",
    "pv_01": "dv01",
    "bpv": "dv01",
    "macaulay_duration": "macaulay",
}


def _market_rows(case: Case) -> list[Case]:
    """Rows of a bond as objects of fields under one name each, or as lists in the usual order."""
    found = []
    for value in items(case, "rows"):
        fields = value
        if isinstance(value, list):
            fields = dict(zip(_COLUMNS, value, strict=False))
        if not isinstance(fields, Mapping):
            raise MalformedError(f"field rows must hold objects, not {value!r}")
        found.append(Case({_ALIASES.get(key, key): item for key, item in fields.items()}, {}))
    return found


def _printed_unit(due: float) -> float:
    """One unit in the last decimal that a figure is printed with, from 1e-6 to 1e-3."""
    decimals = len(f"{due!r}".partition(".")[2])
    return min(max(10.0**-decimals, FIGURE_TOLERANCE), COARSEST_TOLERANCE)


def _stated_tolerances(case: Case) -> dict[str, float]:
    """Tolerances of a case by figure, or one for all under an empty name."""
    if "tol" not in case:
        return {}
    stated = case.raw("tol")
    if not isinstance(stated, Mapping):
        return {"": case.number("tol")}
    fields = row(stated, "tol")
    return {_ALIASES.get(key, key): fields.number(key) for key in stated}


def _readings(found: Analytics, face: float) -> dict[str, tuple[tuple[float, float], ...]]:
    """Each figure in the ways in which it is printed: its value, and the unit it is printed in.

    Accrued interest is per 100 or in money for the face, a yield may be in percent, and Bloomberg
    prints a hundredth of the convexity in years squared.
    """
    per_face, percent, hundredth = face / 100.0, 100.0, 0.01
    return {
        "accrued": ((found.accrued, 1.0), (found.accrued * per_face, per_face)),
        "npv": ((found.dirty, 1.0),),
        "yield": ((found.yield_, 1.0), (percent * found.yield_, percent)),
        "duration": ((found.modified, 1.0), (found.macaulay, 1.0)),
        "modified_duration": ((found.modified, 1.0),),
        "macaulay": ((found.macaulay, 1.0),),
        "convexity": ((found.convexity, 1.0), (hundredth * found.convexity, 1.0)),
        "dv01": ((found.dv01, 1.0),),
    }


def _expect_any(
    found: tuple[tuple[float, float], ...], due: float, allowed: float, name: str
) -> None:
    """One of several readings of a figure must be the published one."""
    if not any(abs(value - due) <= allowed * max(unit, 1.0) for value, unit in found):
        values = ", ".join(repr(value) for value, _ in found)
        raise WrongError(f"{name}: none of {values} is within {allowed:g} of {due!r}")


def _expect_market_row(
    bond: Bond, market: Case, convention: YieldConvention, stated: dict[str, float], face: float
) -> None:
    settlement, price = day(market, "settle"), market.number("price")
    found = from_clean_price(bond, settlement, price, convention)
    for name, values in _readings(found, face).items():
        if name in market:
            due = market.number(name)
            allowed = stated.get(name, stated.get("", _printed_unit(due)))
            _expect_any(values, due, allowed, name)
    again = from_yield(bond, settlement, found.yield_, convention)
    expect_near(again.clean, price, FIGURE_TOLERANCE, "price from yield")
    unread = market.unread()
    if unread:
        raise NotApplicableError(f"fields of rows without a meaning here: {', '.join(unread)}")


def _bloomberg(case: Case) -> None:
    """Market figures of one bond on several days."""
    start_field = next(
        name for name in ("accrue_from", "dated", "issue") if name in case or name == "issue"
    )
    case.ignore("issue", "dated", "accrue_from")
    months = period_months(case)
    first = day(case, "first_coupon") if "first_coupon" in case else None
    terms = BondTerms(
        schedule=ScheduleTerms(
            day(case, start_field),
            day(case, "maturity"),
            months,
            calendar("NONE"),
            rule=DateRule.FORWARD,
            first_coupon=first,
        ),
        rates=(_rate(case.number("coupon")),),
        day_count=day_count_of(case.text("day_count")),
        ex_coupon=_ex_coupon(case),
    )
    bond, stated = Bond(terms), _stated_tolerances(case)
    face = case.number("face", 100.0)
    for market in _market_rows(case):
        convention = YieldConvention(COMPOUNDED, 12 // months)
        _expect_market_row(bond, market, convention, stated, face)


def _brazil_terms(maturity: int, settlement: int, brazil: Calendar) -> BondTerms:
    start = maturity
    while start > settlement:
        start = add_months(start, -6)
    return BondTerms(
        schedule=ScheduleTerms(start, maturity, 6, brazil),
        rates=(0.10,),
        day_count=day_count.THIRTY_360_BOND_BASIS,
        payment_convention=BusinessDayConvention.FOLLOWING,
        compound_coupons=True,
    )


def _brazil_ntnf(case: Case) -> None:
    """Dirty price of a face of 1,000, by business days over 252, compounded once a year."""
    brazil = calendar("BRAZIL")
    settlement, maturity = said_day(conventions(case), "settlement"), day(case, "maturity")
    bond = Bond(_brazil_terms(maturity, settlement, brazil))
    counter = DayCounter(day_count.BUSINESS_252, 6, maturity, brazil)
    convention = YieldConvention(COMPOUNDED, 1, counter)
    found = 10.0 * from_yield(bond, settlement, _rate(case.number("ytm")), convention).dirty
    expect_near(found, case.number("price"), case.tolerance(1e-4), "price")


def _bond_grid(case: Case) -> None:
    months = period_months(case)
    terms = BondTerms(
        schedule=_plain_schedule(case, day(case, "issue")),
        rates=(_rate(case.number("coupon")),),
        day_count=day_count_of(case.text("day_count")),
    )
    convention = YieldConvention(COMPOUNDED, 12 // months)
    rate = _rate(case.number("ytm"))
    found = from_yield(Bond(terms), day(case, "settle"), rate, convention)
    for name in ("clean", "accrued", "dirty", "macaulay", "modified", "convexity"):
        expect_relative(getattr(found, name), case.number(name), GRID_RELATIVE, name)
    # A basis point is told to first order, or with the convexity that a whole one has.
    bend = 0.5 * found.convexity * found.dirty * BASIS_POINT**2
    readings, due = ((found.dv01, 1.0), (found.dv01 - bend, 1.0)), case.number("dv01")
    _expect_any(readings, due, GRID_DV01_RELATIVE * abs(due), "dv01")
    again = from_clean_price(Bond(terms), day(case, "settle"), case.number("clean"), convention)
    expect_near(again.yield_, rate, GRID_RELATIVE, "yield")


FAMILIES: Final[dict[str, Judge]] = {
    "cached_price_yield": _cached_price_yield,
    "cached_zero_coupon": _cached_zero_coupon,
    "cached_fixed": _cached_fixed,
    "cached_floating": _cached_floating,
    "bloomberg_verified_bonds": _bloomberg,
    "brazil_ntnf_andima": _brazil_ntnf,
    "bond_grid": _bond_grid,
}
