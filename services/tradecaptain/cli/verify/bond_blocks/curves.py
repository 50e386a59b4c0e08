"""Curves of deposits and swaps, and credit default swaps on them."""

from __future__ import annotations

import re
from calendar import month_abbr
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, Final

import orjson
from tradecaptain.cli.verify.bond_blocks.fields import (
    conventions,
    day,
    expect_near,
    expect_relative,
    iso_day,
    number_pairs,
    pairs,
    said_day,
)
from tradecaptain.cli.verify_case import Case, Judge, MalformedError
from tradecaptain.kernels.pricing import day_count, discount_curve
from tradecaptain.kernels.pricing.civil_date import add_months
from tradecaptain.pricing.fixed_income.calendars import (
    BusinessDayConvention,
    Calendar,
    calendar,
)
from tradecaptain.pricing.fixed_income.credit import CreditContract, from_spread, weekends
from tradecaptain.pricing.fixed_income.curves import (
    DAYS_A_YEAR,
    Curve,
    Deposit,
    FixedLeg,
    FloatingLeg,
    Quote,
    Swap,
    bootstrap,
)

MODIFIED_FOLLOWING: Final = BusinessDayConvention.MODIFIED_FOLLOWING
SPOT_DAYS: Final = 2
_NODE_TOLERANCE: Final = 1e-9
_UPFRONT_RELATIVE: Final = 1e-6
_MONTH_NAMES: Final = tuple(name.lower() for name in month_abbr[1:])
_INTERPOLATIONS: Final = (
    (r"log.?cubic|cubic.*discount", discount_curve.CUBIC_LOG_DISCOUNT),
    (r"cubic.*zero", discount_curve.CUBIC_ZERO),
    (r"linear.{0,12}zero|zero.{0,12}linear", discount_curve.LINEAR_ZERO),
)
# The published table's own axes, for a block that names them without repeating the values.
_MARKIT_MATURITIES: Final = ("2010-06-20", "2011-06-20", "2012-06-20", "2016-06-20", "2019-06-20")
_MARKIT_SPREADS: Final = (0.001, 0.1)
_MARKIT_RECOVERIES: Final = (0.2, 0.4)


def _tenor(value: object, name: str, unit: str) -> tuple[int, str]:
    """Count and unit of a tenor such as ``3M`` or ``2 years``; a number alone gets ``unit``."""
    found = re.fullmatch(r"\s*(\d+)\s*([DWMY]?)[A-Z]*\s*", str(value).upper())
    if found is None:
        raise MalformedError(f"field {name} must hold tenors, not {value!r}")
    return int(found[1]), found[2] or unit


def _end(start: int, tenor: tuple[int, str], centre: Calendar, *, end_of_month: bool) -> int:
    count, unit = tenor
    if unit in "DW":
        days = count if unit == "D" else 7 * count
        return centre.adjust(start + days, MODIFIED_FOLLOWING)
    months = count if unit == "M" else 12 * count
    return centre.add_months(start, months, MODIFIED_FOLLOWING, end_of_month=end_of_month)


def _interpolation(case: Case) -> int:
    said = f"{conventions(case)} {case.family.get('interpolation', '')}".lower()
    return next(
        (method for pattern, method in _INTERPOLATIONS if re.search(pattern, said)),
        discount_curve.LOG_LINEAR_DISCOUNT,
    )


@cache
def _euribor_curve(deposits: bytes, swaps: bytes, evaluation: int, method: int) -> Curve:
    """One curve for all nodes of a block; quotes come as JSON, which can be a key."""
    centre = calendar("TARGET")
    spot = centre.add_business_days(evaluation, SPOT_DAYS)
    quotes: list[Quote] = []
    for tenor, rate in pairs(Case({"deposits": orjson.loads(deposits)}, {}), "deposits"):
        end = _end(spot, _tenor(tenor, "deposits", "M"), centre, end_of_month=True)
        quotes.append(Deposit(spot, end, rate, day_count.ACT_360))
    fixed = FixedLeg(12, day_count.THIRTY_360_BOND_BASIS, BusinessDayConvention.UNADJUSTED)
    floating = FloatingLeg(6, day_count.ACT_360, MODIFIED_FOLLOWING)
    for tenor, rate in pairs(Case({"swaps": orjson.loads(swaps)}, {}), "swaps"):
        count, unit = _tenor(tenor, "swaps", "Y")
        end = add_months(spot, count if unit == "M" else 12 * count)
        quotes.append(Swap(spot, end, rate, centre, fixed, floating))
    return bootstrap(evaluation, quotes, method)


def _node_cases(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each node with the quotes that it comes from."""
    nodes = block.get("nodes")
    entries: Sequence[Any] = nodes if isinstance(nodes, list) else []
    if isinstance(nodes, Mapping):
        entries = list(nodes.items())
    shared = {"deposits": block.get("deposits"), "swaps": block.get("swaps")}
    return [{**shared, "node": entry} for entry in entries] or [shared]


def _node_fields(node: object) -> dict[str, Any]:
    """Date, discount factor and zero rate of a node, given as a list or by name."""
    if isinstance(node, list | tuple):
        return dict(zip(("date", "discount", "zero"), node, strict=False))
    fields: dict[str, Any] = {}
    for key, value in node.items() if isinstance(node, Mapping) else ():
        name = key.lower()
        if re.search(r"disc|df", name):
            fields["discount"] = value
        elif re.search(r"zero|rate", name):
            fields["zero"] = value
        elif "date" in name or "date" not in fields:
            fields["date"] = value
    return fields


def _node_day(value: object, evaluation: int) -> int:
    if isinstance(value, int | float):
        return evaluation + round(float(value) * DAYS_A_YEAR)
    return iso_day(value, "node")


def _judge_node(case: Case) -> None:
    """A discount factor, and a continuous zero rate of 365 days a year if there is one."""
    evaluation = said_day(conventions(case), "evaluation")
    deposits, swaps = orjson.dumps(case.raw("deposits")), orjson.dumps(case.raw("swaps"))
    curve = _euribor_curve(deposits, swaps, evaluation, _interpolation(case))
    fields = Case(_node_fields(case.raw("node")), {})
    date = _node_day(fields.raw("date"), evaluation)
    allowed = case.tolerance(_NODE_TOLERANCE)
    expect_near(curve.discount(date), fields.number("discount"), allowed, "discount")
    if "zero" in fields and date > evaluation:
        expect_near(curve.zero_rate(date), fields.number("zero"), allowed, "zero rate")


def _said_dates(words: str) -> list[str]:
    """Dates in a text, as ISO or as ``20 June 2010``, of which later ones may be years alone."""
    found = re.findall(r"\d{4}-\d{2}-\d{2}", words)
    if found:
        return found
    pattern = r"(\d{1,2})(?:st|nd|rd|th)? ?([a-z]{3})[a-z]*,? ((?:\d{4}(?:, ?| and |/)?)+)"
    for date, month, years in re.findall(pattern, words.lower()):
        if month in _MONTH_NAMES:
            number = _MONTH_NAMES.index(month) + 1
            found += [
                f"{year}-{number:02d}-{int(date):02d}" for year in re.findall(r"\d{4}", years)
            ]
    return found


def _said_fractions(words: str, key: str) -> list[float]:
    """The numbers between zero and one in a list that follows a word."""
    number = r"\d*\.?\d+(?:e-?\d+)?"
    found = re.search(rf"{key}[a-z]*[^\d.]*((?:{number}(?:, ?| and |; ?|/ ?)?)+)", words.lower())
    values = [float(item) for item in re.findall(number, found[1])] if found else []
    return values if all(0.0 < value < 1.0 for value in values) else []


def _axes(order: object) -> list[tuple[str, list[Any]]]:
    """Axes of the table of upfronts, the outer first: maturities, spreads and recoveries.

    ``order`` names them in words or as an object; values that it doesn't state are the published
    table's.
    """
    known: dict[str, list[Any]] = {
        "maturity": list(_MARKIT_MATURITIES),
        "spread": list(_MARKIT_SPREADS),
        "recovery": list(_MARKIT_RECOVERIES),
    }
    words = order if isinstance(order, str) else orjson.dumps(order).decode()
    undated = re.sub(r"\d{4}-\d{2}-\d{2}", "", words)
    known["maturity"] = _said_dates(words) or known["maturity"]
    known["spread"] = _said_fractions(undated, "spread") or known["spread"]
    known["recovery"] = _said_fractions(undated, "recover") or known["recovery"]
    places = {
        "maturity": re.search(r"matur|term|date|tenor", words.lower()),
        "spread": re.search(r"spread", words.lower()),
        "recovery": re.search(r"recover", words.lower()),
    }
    order_of = {name: found.start() if found else -1 for name, found in places.items()}
    return [(name, known[name]) for name in sorted(known, key=lambda name: order_of[name])]


def _named_upfront(entry: object) -> dict[str, Any] | None:
    """Place and value of an upfront that tells both, by name or in the usual order."""
    names = ("maturity", "spread", "recovery", "upfront")
    if isinstance(entry, list) and len(entry) == len(names) and isinstance(entry[0], str):
        return dict(zip(names, entry, strict=True))
    if not isinstance(entry, Mapping):
        return None
    patterns = {"maturity": "matur|term|date", "spread": "spread", "recovery": "recover"}
    fields: dict[str, Any] = {}
    for key, value in entry.items():
        matching = (name for name, words in patterns.items() if re.search(words, key.lower()))
        fields[next(matching, "upfront")] = value
    return fields


def _credit_places(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each upfront with its place in the table; one malformed place if they don't fit."""
    upfronts = block.get("upfront")
    flat: list[Any] = list(upfronts) if isinstance(upfronts, list) else []
    named = [_named_upfront(entry) for entry in flat]
    if flat and all(named):
        return [place for place in named if place is not None]
    while flat and isinstance(flat[0], list):
        flat = [item for part in flat for item in part]
    axes = _axes(block.get("order", ""))
    names = [name for name, _ in axes]
    places = list(product(*(values for _, values in axes)))
    if len(flat) != len(places):
        return [{"upfront": None}]
    return [
        {**dict(zip(names, place, strict=True)), "upfront": value}
        for place, value in zip(places, flat, strict=True)
    ]


def _credit_cases(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each upfront with the quotes behind it."""
    names = ("trade_date", "deposits_months", "swaps_years", "notional", "running_coupon")
    shared = {name: block.get(name) for name in names}
    return [{**shared, **place} for place in _credit_places(block)]


@cache
def _markit_curve(deposits: bytes, swaps: bytes, trade: int) -> Curve:
    """Money market deposits and semiannual swaps against three months, weekends alone."""
    centre = weekends()
    spot = centre.add_business_days(trade, SPOT_DAYS)
    quotes: list[Quote] = []
    rows = number_pairs(Case({"deposits_months": orjson.loads(deposits)}, {}), "deposits_months")
    for months, rate in rows:
        end = centre.add_months(spot, int(months), MODIFIED_FOLLOWING, end_of_month=False)
        quotes.append(Deposit(spot, end, rate, day_count.ACT_360))
    rows = number_pairs(Case({"swaps_years": orjson.loads(swaps)}, {}), "swaps_years")
    for years, rate in rows:
        end = add_months(spot, 12 * int(years))
        quotes.append(Swap(spot, end, rate, centre, FixedLeg(6), FloatingLeg(3)))
    return bootstrap(trade, quotes)


def _judge_upfront(case: Case) -> None:
    """Clean upfront that the buyer pays, in money."""
    due, trade = case.number("upfront"), day(case, "trade_date")
    deposits = orjson.dumps(case.raw("deposits_months"))
    curve = _markit_curve(deposits, orjson.dumps(case.raw("swaps_years")), trade)
    contract = CreditContract(
        trade,
        day(case, "maturity"),
        case.number("running_coupon"),
        case.number("recovery"),
        weekends(),
    )
    value = from_spread(contract, case.number("spread"), curve)
    found = case.number("notional") * value.upfront
    expect_relative(found, due, case.tolerance(_UPFRONT_RELATIVE), "upfront")


FAMILIES: Final[dict[str, Judge]] = {
    "deposit_swap_curve": _judge_node,
    "cds_isda_markit": _judge_upfront,
}
CASES_OF_BLOCK: Final[dict[str, Callable[[Mapping[str, Any]], list[dict[str, Any]]]]] = {
    "deposit_swap_curve": _node_cases,
    "cds_isda_markit": _credit_cases,
}
