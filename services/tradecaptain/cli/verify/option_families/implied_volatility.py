"""Volatilities behind prices, and prices that no volatility gives."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify_case import Case, Judge, WrongError, expect
from tradecaptain.kernels.pricing import registry, status

IMPLIED_RELATIVE: Final = 1e-8


def _implied(family: str, case: Case) -> tuple[float, int]:
    """Volatility and status of one option, given as a block with the price as its volatility."""
    if family == "black_scholes":
        inputs = case.numbers("spot", "strike", "t", "price", "r", "q")
    else:
        inputs = (*case.numbers("forward", "strike", "t", "undiscounted_price"), 0.0)
    return _solved(family, case.right(), *inputs)


def _solved(family: str, *inputs: float) -> tuple[float, int]:
    outcome = registry.implied_volatilities(family, registry.stack(*inputs))
    return float(outcome.outputs[0, 0]), int(outcome.status[0])


def _volatility(family: str) -> Judge:
    """Relative 1e-8, or ten times what one unit in the last place of the price means."""

    def judge(case: Case) -> None:
        case.ignore("lets_be_rational", "moneyness")
        found, result = _implied(family, case)
        if result != status.OK:
            raise WrongError(f"refused: {status.RULES[result][1]}")
        if "sigma" in case:
            due = case.number("sigma")
            relative = max(IMPLIED_RELATIVE, 10.0 * case.number("rel_condition"))
            expect(found, due, relative * due)
        else:
            case.expect(found)

    return judge


def _no_volatility(case: Case) -> None:
    """Inputs may be anything at all, NaN and infinite ones included."""
    case.ignore("why")
    names = ("forward", "strike", "t", "undiscounted_price")
    inputs = (case.any_number(name) for name in names)
    found, result = _solved("black76", case.right(), *inputs, 0.0)
    if result == status.OK:
        raise WrongError(f"{found!r} was found where there is no volatility")


FAMILIES: Final[dict[str, Judge]] = {
    "hull_implied_volatility": _volatility("black_scholes"),
    "implied_vol_black76": _volatility("black76"),
    "implied_vol_bs": _volatility("black_scholes"),
    "implied_vol_bachelier": _volatility("bachelier"),
    "implied_vol_no_solution": _no_volatility,
}
