"""Textbook examples: whole coupon periods, no calendars, zero rates at given times."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.cli.verify.bond_blocks.fields import (
    day,
    expect_near,
    expect_relative,
    number_pairs,
    rows,
)
from tradecaptain.cli.verify_case import Case, Judge, MalformedError, NotApplicableError
from tradecaptain.kernels.pricing import bond, day_count, discount_curve
from tradecaptain.kernels.pricing.civil_date import day_number
from tradecaptain.pricing.fixed_income.curves import futures_convexity

FloatArray = npt.NDArray[np.float64]
GRID_RELATIVE: Final = 1e-10
UNROUNDED: Final = 1e-9
# Months and days without a year: any year without a leap day between them does.
_YEARLESS: Final = 2015


def _payments(coupon: float, frequency: int, years: float) -> tuple[FloatArray, FloatArray]:
    """Times and amounts of a bond of face 100 with whole coupon periods to come."""
    count = round(years * frequency)
    if count < 1 or abs(count - years * frequency) > 1e-9:
        raise NotApplicableError("broken coupon periods aren't part of this block")
    times = np.arange(1, count + 1) / frequency
    amounts = np.full(count, coupon / frequency)
    amounts[-1] += 100.0
    return times, amounts


def _compounding(case: Case) -> int:
    words = case.text("compounding")
    if words.startswith("cont"):
        return bond.CONTINUOUS
    if words in ("periodic", "semiannual", "annual", "quarterly"):
        return bond.COMPOUNDED
    raise NotApplicableError(f"compounding {words!r} isn't known")


class _Priced:
    """Price and sensitivities at a yield."""

    def __init__(self, case: Case) -> None:
        frequency = case.integer("freq")
        times, amounts = _payments(case.number("coupon"), frequency, case.number("years"))
        compounding, rate = _compounding(case), case.number("y")
        outputs = np.empty(3)
        bond.value_by_yield(compounding, float(frequency), rate, times, amounts, outputs)
        self.price, slope, bend = outputs.tolist()
        self.modified = -slope / self.price
        self.convexity = bend / self.price
        period = rate / frequency if compounding == bond.COMPOUNDED else 0.0
        self.macaulay = self.modified * (1.0 + period)


def _zero_discounts(case: Case, times: FloatArray, field: str = "zero_rates") -> FloatArray:
    """Discount factors at times, all of which must have a continuous zero rate."""
    rates = dict(number_pairs(case, field))
    try:
        return np.array([math.exp(-rates[time] * time) for time in times.tolist()])
    except KeyError as error:
        raise MalformedError(f"field {field} must hold a rate for {error} years") from error


def _price_of_zero_rates(case: Case) -> float:
    times, amounts = _payments(case.number("coupon"), case.integer("freq"), case.number("years"))
    return float(amounts @ _zero_discounts(case, times))


def _yield_of_price(case: Case) -> float:
    frequency = case.integer("freq")
    times, amounts = _payments(case.number("coupon"), frequency, case.number("years"))
    outputs = np.empty(3)
    bond.yield_of_price(
        _compounding(case), float(frequency), case.number("price"), times, amounts, outputs
    )
    return float(outputs[0])


def _par_yield(case: Case) -> float:
    frequency = case.integer("freq")
    times, _ = _payments(0.0, frequency, case.number("years"))
    discounts = _zero_discounts(case, times)
    return float(frequency * (1.0 - discounts[-1]) / discounts.sum())


def _equivalent_yield(case: Case) -> float:
    rate = np.array([case.number("y")])
    return float(bond.from_continuous(rate, bond.COMPOUNDED, np.array([2.0]))[0])


DURATION_CASES: Final[dict[str, Callable[[Case], float]]] = {
    "price": lambda case: _Priced(case).price,
    "duration": lambda case: _Priced(case).macaulay,
    "modified duration": lambda case: _Priced(case).modified,
    "price change for +10bp by duration": lambda case: _by_duration(case),
    "price change for +10bp by modified duration": lambda case: _by_duration(case),
    "price at y + 10bp": lambda case: _Priced(case).price,
    "equivalent semiannual yield": _equivalent_yield,
    "price from zero rates": _price_of_zero_rates,
    "bond yield": _yield_of_price,
    "par yield": _par_yield,
}


def _by_duration(case: Case) -> float:
    priced = _Priced(case)
    return -priced.price * priced.modified * case.number("dy")


def _named(cases: dict[str, Callable[[Case], float]]) -> Judge:
    """Judges examples that are known by their name."""

    def judge(case: Case) -> None:
        name = case.text("name")
        if name not in cases:
            raise NotApplicableError(f"example {name!r} isn't known")
        case.expect(cases[name](case))
        # What a name stands for doesn't need every field that the book gives.
        case.ignore("clean", "compounding")

    return judge


def _judge_grid(case: Case) -> None:
    priced = _Priced(case)
    expect_relative(priced.price, case.number("price"), GRID_RELATIVE, "price")
    for name in ("macaulay", "modified", "convexity"):
        expect_relative(getattr(priced, name), case.number(name), GRID_RELATIVE, name)


def _bootstrap(rows: list[tuple[FloatArray, FloatArray, float]], nodes: FloatArray) -> FloatArray:
    """Continuous zero rates at the nodes from payments (times, amounts) and their prices."""
    weights, amounts, owners, constants = [], [], [], []
    for owner, (times, paid, price) in enumerate(rows):
        weights.append(
            discount_curve.interpolation_weights(discount_curve.LOG_LINEAR_DISCOUNT, nodes, times)
        )
        amounts.append(paid)
        owners.append(np.full(times.size, owner, dtype=np.int64))
        constants.append(-price)
    equations = discount_curve.Equations(
        np.concatenate(weights),
        np.concatenate(amounts),
        np.concatenate(owners),
        np.array(constants),
    )
    return -discount_curve.solve(equations, -0.03 * nodes) / nodes


def _judge_zero_bootstrap(case: Case) -> None:
    allowed = case.tolerance(6e-6)
    zero_rows = {item.number("t"): item for item in rows(case, "zero_rates")}
    if "forward_rates" in case:
        zero = {time: item.number("value") for time, item in zero_rows.items()}
        for item in rows(case, "forward_rates"):
            start, end = item.number("start"), item.number("end")
            forward = (zero[end] * end - zero[start] * start) / (end - start)
            expect_near(forward, item.number("value"), allowed, f"forward {start:g}-{end:g}")
        return
    quotes = []
    for item in rows(case, "instruments"):
        years, coupon = item.number("maturity"), item.number("annual_coupon")
        times, amounts = np.array([years]), np.array([100.0])
        if coupon:
            times, amounts = _payments(coupon, 2, years)
        quotes.append((times, amounts, item.number("price")))
    nodes = np.array([float(times[-1]) for times, _, _ in quotes])
    for time, rate in zip(nodes.tolist(), _bootstrap(quotes, nodes).tolist(), strict=True):
        if time not in zero_rows:
            raise MalformedError(f"field zero_rates must hold a rate for {time:g} years")
        item = zero_rows[time]
        expect_near(rate, item.number("value"), allowed, f"{time:g} years")
        if "computed" in item:
            expect_near(rate, item.number("computed"), UNROUNDED, f"{time:g} years, unrounded")


def _accrued(case: Case) -> float:
    last, settle = day(case, "last_coupon"), day(case, "settle")
    period = (last, day(case, "next_coupon"))
    share = day_count.year_fraction(day_count.ACT_ACT_ICMA, last, settle, *period, 2, 0)
    return case.number("coupon") * share


def _yearless(case: Case, field: str) -> int:
    words = case.text(field)
    try:
        month, day_of_month = (int(part) for part in words.split("-"))
    except ValueError as error:
        raise MalformedError(f"field {field} must be a date MM-DD, not {words!r}") from error
    return day_number(_YEARLESS, month, day_of_month)


def _interest(convention: int, case: Case) -> float:
    start, end = _yearless(case, "start"), _yearless(case, "end")
    period = (start, _yearless(case, "period_end"))
    return case.number("coupon") * day_count.year_fraction(convention, start, end, *period, 2, 0)


def _bill_interest(case: Case) -> float:
    return case.number("quote") * case.number("days") / 360.0


def _swap_bonds(case: Case) -> tuple[float, float]:
    """Fixed and floating side of a swap as bonds, with the payments that are left."""
    rates = number_pairs(case, "zero_rates")
    times = np.array([time for time, _ in rates])
    discounts = _zero_discounts(case, times)
    notional, frequency = case.number("notional"), case.number("freq")
    fixed = case.number("receive_fixed") * notional / frequency
    floating = case.number("current_floating") * notional / frequency
    fixed_value = fixed * float(discounts.sum()) + notional * float(discounts[-1])
    return fixed_value, (notional + floating) * float(discounts[0])


def _futures_rate(case: Case) -> float:
    """A quarter's simple rate by 360 as a continuous one by 365."""
    rate = (100.0 - case.number("quote")) / 100.0 / 4.0
    return 4.0 * 365.0 / 360.0 * math.log1p(rate)


def _adjustment(case: Case) -> float:
    return futures_convexity(case.number("sigma"), case.number("t1"), case.number("t2"))


EXAMPLES: Final[dict[str, Callable[[Case], float]]] = {
    "accrued interest, Act/Act": _accrued,
    "dirty price, Act/Act": lambda case: case.number("clean") + _accrued(case),
    "interest earned, Act/Act": partial(_interest, day_count.ACT_ACT_ICMA),
    "interest earned, 30/360": partial(_interest, day_count.THIRTY_360_BOND_BASIS),
    "treasury bill interest": _bill_interest,
    "treasury bill rate over its life": lambda case: (
        _bill_interest(case) / (100.0 - _bill_interest(case))
    ),
    "swap fixed bond": lambda case: _swap_bonds(case)[0],
    "swap floating bond": lambda case: _swap_bonds(case)[1],
    "swap value": lambda case: _swap_bonds(case)[0] - _swap_bonds(case)[1],
    "futures rate continuous": _futures_rate,
    "convexity adjustment": _adjustment,
    "forward rate": lambda case: _futures_rate(case) - _adjustment(case),
}


def _par_rows(
    frequency: int, rates: list[tuple[float, float]]
) -> list[tuple[FloatArray, FloatArray, float]]:
    rows = []
    for years, rate in rates:
        times, amounts = _payments(100.0 * rate, frequency, years)
        rows.append((times, amounts, 100.0))
    return rows


def _judge_known_zero_rates(case: Case, frequency: int) -> None:
    """The last zero rate, the earlier ones being known."""
    quotes = [
        (np.array([time]), np.array([100.0]), 100.0 * math.exp(-rate * time))
        for time, rate in number_pairs(case, "known_zero_rates")
    ]
    quotes += _par_rows(frequency, [(case.number("years"), case.number("par_rate"))])
    nodes = np.array([float(times[-1]) for times, _, _ in quotes])
    found = float(_bootstrap(quotes, nodes)[-1])
    case.expect(found)
    if "computed" in case:
        expect_near(found, case.number("computed"), UNROUNDED, "unrounded")


def _judge_par_swaps(case: Case) -> None:
    frequency = case.integer("freq")
    if "known_zero_rates" in case:
        _judge_known_zero_rates(case, frequency)
        return
    par_rates = number_pairs(case, "par_rates")
    nodes = np.array([time for time, _ in par_rates])
    rates = _bootstrap(_par_rows(frequency, par_rates), nodes)
    found = dict(zip(nodes.tolist(), rates.tolist(), strict=True))
    allowed = case.tolerance(1e-10)
    for field in ("discount_factors", "zero_rates_continuous"):
        for time, due in number_pairs(case, field):
            if time not in found:
                raise MalformedError(f"field {field} has a time without a quote: {time:g}")
            rate = found[time]
            value = rate if field == "zero_rates_continuous" else math.exp(-rate * time)
            expect_near(value, due, allowed, f"{field} at {time:g}")


FAMILIES: Final[dict[str, Judge]] = {
    "hull_duration_convexity": _named(DURATION_CASES),
    "hull_duration_convexity.grid": _judge_grid,
    "hull_zero_bootstrap": _judge_zero_bootstrap,
    "hull_examples": _named(EXAMPLES),
    "par_swap_bootstrap": _judge_par_swaps,
}
