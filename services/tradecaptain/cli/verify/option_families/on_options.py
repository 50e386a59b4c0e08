"""Options whose terms are set later: compound, chooser, forward start; and quanto."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.kernel import outputs, spot_inputs, value
from tradecaptain.cli.verify_case import Case, Judge, WrongError, expect
from tradecaptain.kernels.pricing import columns

FORWARD_START_TOLERANCE: Final = 0.0001
QUANTO_TOLERANCE: Final = 0.0001
GREEK_ROWS: Final = {
    "value": columns.VALUE,
    "delta": columns.DELTA,
    "gamma": columns.GAMMA,
    "vega": columns.VEGA,
    "theta": columns.THETA,
}
UNUSED: Final = 1.0


def _compound(case: Case) -> None:
    """Value and the greeks that the case has, all to one tolerance."""
    spot, strike, time = case.numbers("spot", "strike_mother", "t_mother")
    inputs = (case.right("mother"), spot, strike, time, *case.numbers("vol", "r", "q"))
    daughter = (case.right("daughter"), *case.numbers("strike_daughter", "t_daughter"))
    found = outputs("compound", *inputs, *daughter, rows=columns.GREEK_ROWS)
    tolerance = case.tolerance()
    for name, row in GREEK_ROWS.items():
        if name == "value" or name in case:
            try:
                expect(found[row], case.number(name), tolerance)
            except WrongError as error:
                raise WrongError(f"{name}: {error}") from None


def _chooser(case: Case) -> None:
    """Simple: one strike and expiry. Complex: those of call and put, all times from now.

    QuantLib's engine takes what lies between choice and expiry for the time to expiry, so a case
    that comes from there may state its expiries later by the time of choice.
    """
    market = case.numbers("vol", "r", "q")
    spot, choice_time = case.numbers("spot", "choose_t")
    is_complex = case.choice("kind", {"simple": False, "complex": True})
    if is_complex:
        case.ignore("strike", "t")
        call_strike, put_strike, call_time, put_time = case.numbers(
            "call_strike", "put_strike", "call_t", "put_t"
        )
    else:
        case.ignore("call_strike", "put_strike", "call_t", "put_t")
        call_strike, call_time = case.numbers("strike", "t")
        put_strike, put_time = call_strike, call_time
    found = [
        value("chooser", UNUSED, spot, call_strike, call, *market, choice_time, put_strike, put)
        for call, put in ((call_time, put_time), (call_time - choice_time, put_time - choice_time))
        if (call, put) == (call_time, put_time) or (is_complex and min(call, put) > choice_time)
    ]
    case.expect_one(found)


def _forward_start(case: Case) -> None:
    market = case.numbers("t", "vol", "r", "q")
    inputs = (case.right(), case.number("spot"), UNUSED, *market)
    found = value("forward_start", *inputs, *case.numbers("start", "moneyness"))
    case.expect(found, FORWARD_START_TOLERANCE)


def _quanto(case: Case) -> None:
    """``r`` is the rate that discounts, ``fx_rate_r`` that of the asset's own currency."""
    exchange = (1.0, *case.numbers("fx_rate_r", "fx_vol", "corr"))
    case.expect(value("quanto", *spot_inputs(case), *exchange), QUANTO_TOLERANCE)


FAMILIES: Final[dict[str, Judge]] = {
    "compound": _compound,
    "chooser": _chooser,
    "forward_start": _forward_start,
    "quanto": _quanto,
}
