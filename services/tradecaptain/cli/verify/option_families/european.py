"""European options: values, greeks, and the Black model of forwards."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from tradecaptain.cli.verify.option_families.kernel import outputs, spot_inputs, value
from tradecaptain.cli.verify_case import Case, Judge, MalformedError, WrongError, expect, missing
from tradecaptain.kernels.pricing import columns

GREEK_ROWS: Final = {
    "delta": columns.DELTA,
    "gamma": columns.GAMMA,
    "vega": columns.VEGA,
    "theta": columns.THETA,
    "rho": columns.RHO,
}
# Greeks per day are a year's theta over so many days.
DAYS_A_YEAR: Final = {
    "theta_per_day": 365.0,
    "theta_per_calendar_day": 365.0,
    "theta_per_trading_day": 252.0,
}
GRID_RELATIVE: Final = 1e-9
GRID_ABSOLUTE: Final = 1e-10


def _value(case: Case) -> None:
    case.ignore("t_effective")
    case.expect(value("black_scholes", *spot_inputs(case)))


def _greek_of(case: Case, name: str) -> float:
    """A greek by the name that files use."""
    found = outputs("black_scholes", *spot_inputs(case), rows=columns.GREEK_ROWS)
    if name in GREEK_ROWS:
        return found[GREEK_ROWS[name]]
    if name in DAYS_A_YEAR:
        return found[columns.THETA] / DAYS_A_YEAR[name]
    spot_delta = case.number("spot") * found[columns.DELTA]
    if name == "elasticity":
        return spot_delta / found[columns.VALUE]
    if name == "dividend_rho":
        return -case.number("t") * spot_delta
    raise missing(f"greek {name!r}")


def _greek(case: Case) -> None:
    case.expect(_greek_of(case, case.text("greek")))


def _greeks_grid(case: Case) -> None:
    """Price and all greeks of one option, to 1e-9 relative or 1e-10 absolute."""
    case.ignore("days", "tol")
    found = {"price": value("black_scholes", *spot_inputs(case))}
    names = (*GREEK_ROWS, "dividend_rho")
    found.update({name: _greek_of(case, name) for name in names})
    for name, answer in found.items():
        due = case.number(name)
        try:
            expect(answer, due, max(GRID_RELATIVE * abs(due), GRID_ABSOLUTE))
        except WrongError as error:
            raise WrongError(f"{name}: {error}") from None


def _black76(case: Case) -> None:
    """Undiscounted deviation and discount factor instead of volatility, time and rate."""
    forward, strike, deviation = case.numbers("forward", "strike", "std_dev")
    undiscounted = value("black76", case.right(), forward, strike, 1.0, deviation, 0.0)
    case.expect(undiscounted * case.number("discount"))


def _hull_black76(case: Case) -> None:
    """Options on futures and bonds, a caplet, a swaption: the model times what it is paid in."""
    time, rate = case.numbers("t", "r")
    forward, strike, volatility = case.numbers("forward", "strike", "vol")
    undiscounted = value("black76", case.right(), forward, strike, time, volatility, 0.0)
    kind = case.text("kind")
    if kind in ("futures", "bond_call", "bond_put"):
        numeraire = math.exp(-rate * time)
    elif kind == "caplet":
        accrual = case.number("accrual")
        numeraire = case.number("notional") * accrual * math.exp(-rate * (time + accrual))
    elif kind in ("payer_swaption", "receiver_swaption"):
        payments = range(1, 2 * case.integer("swap_years") + 1)
        annuity = sum(0.5 * math.exp(-rate * (time + 0.5 * number)) for number in payments)
        numeraire = case.number("notional") * annuity
    else:
        raise missing(f"kind {kind!r}")
    case.expect(undiscounted * numeraire)


def _dividend(entry: Any) -> tuple[float, float]:
    """Time and amount of a cash dividend, given as a pair or as an object."""
    if isinstance(entry, dict) and len(entry) == 2:
        # Time goes by its name; what isn't the time is the amount.
        moment = next((key for key in entry if re.match(r"t$|time|year", key)), None)
        amount = next((key for key in entry if key != moment), None)
        entry = (entry.get(moment), entry.get(amount))
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        raise MalformedError("field dividends must be pairs of time and amount")
    if any(isinstance(part, bool) or not isinstance(part, int | float) for part in entry):
        raise MalformedError("field dividends must be pairs of numbers")
    return float(entry[0]), float(entry[1])


def _discrete_dividends(case: Case) -> None:
    """Cash dividends as escrow: the spot less their present value is what is lognormal.

    With a yield besides, sources discount dividends at the rate or at the carry: either is right.
    """
    right, spot, strike, time, volatility, rate, dividend_yield = spot_inputs(case)
    entries = case.raw("dividends")
    if not isinstance(entries, list):
        raise MalformedError(f"field dividends must be a list, not {entries!r}")
    dividends = [item for item in map(_dividend, entries) if 0.0 < item[0] <= time]
    market = (time, volatility, rate, dividend_yield)
    found = []
    for growth in dict.fromkeys((rate, rate - dividend_yield)):
        paid = math.fsum(amount * math.exp(-growth * moment) for moment, amount in dividends)
        found.append(value("black_scholes", right, spot - paid, strike, *market))
    case.expect_one(found)


FAMILIES: Final[dict[str, Judge]] = {
    "european_haug": _value,
    "european_greeks_haug": _greek,
    "european_greeks_grid": _greeks_grid,
    "hull_european": _value,
    "hull_greeks": _greek,
    "hull_black76": _hull_black76,
    "black76_values": _black76,
    "european_discrete_dividends": _discrete_dividends,
}
