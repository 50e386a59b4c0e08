"""Options on two assets: minimum, maximum, spread, exchange."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.kernel import outputs, value
from tradecaptain.cli.verify_case import Case, Judge, WrongError
from tradecaptain.kernels.pricing import columns, two_asset

BASKETS: Final = {
    "min": two_asset.MINIMUM,
    "minimum": two_asset.MINIMUM,
    "min_basket": two_asset.MINIMUM,
    "max": two_asset.MAXIMUM,
    "maximum": two_asset.MAXIMUM,
    "max_basket": two_asset.MAXIMUM,
    "spread": two_asset.KIRK_SPREAD,
    "spread_basket": two_asset.KIRK_SPREAD,
}
EXCHANGE_ROWS: Final = {
    "value": columns.VALUE,
    "delta1": two_asset.DELTA_FIRST,
    "delta2": two_asset.DELTA_SECOND,
    "gamma1": two_asset.GAMMA_FIRST,
    "gamma2": two_asset.GAMMA_SECOND,
    "theta": two_asset.EXCHANGE_THETA,
}
UNUSED: Final = 1.0


def _basket(case: Case) -> None:
    """Kirk's spread is one of futures, which carry nothing: their yield is the rate."""
    kind = case.choice("basket_type", BASKETS, fold=True)
    spot, other_spot, rate = case.numbers("s1", "s2", "r")
    yields = case.numbers("q1", "q2")
    if kind == two_asset.KIRK_SPREAD and yields == (0.0, 0.0):
        yields = (rate, rate)
    inputs = (case.right(), spot, case.number("strike"), *case.numbers("t", "v1"), rate, yields[0])
    other = (other_spot, case.number("v2"), yields[1], case.number("rho"))
    case.expect(value("two_asset_basket", *inputs, *other, kind))


def _exchange(case: Case) -> None:
    """Value and greeks; the rate plays no part, so the greek by it is zero."""
    quantity, other_quantity = case.numbers("Q1", "Q2")
    time, rate = case.numbers("t", "r")
    yields = case.numbers("q1", "q2")
    spots = case.numbers("s1", "s2")
    inputs = (1.0, spots[0], UNUSED, time, case.number("v1"), rate, yields[0])
    other = (spots[1], case.number("v2"), yields[1], case.number("rho"))
    found = outputs("exchange", *inputs, *other, quantity, other_quantity, rows=columns.GREEK_ROWS)
    answers = {name: [found[row]] for name, row in EXCHANGE_ROWS.items()}
    # The published table counts quantities once too little in gammas and once too often in the
    # part of theta that comes from yields; with quantities of one there is no difference.
    answers["gamma1"].append(found[two_asset.GAMMA_FIRST] / quantity)
    answers["gamma2"].append(found[two_asset.GAMMA_SECOND] / other_quantity)
    carries = [
        dividend_yield * (count - 1.0) * spot * found[row]
        for dividend_yield, count, spot, row in zip(
            yields,
            (quantity, other_quantity),
            spots,
            (two_asset.DELTA_FIRST, two_asset.DELTA_SECOND),
            strict=True,
        )
    ]
    answers["theta"].append(found[two_asset.EXCHANGE_THETA] + sum(carries))
    answers["rho_greek"] = [0.0]
    tolerance = case.tolerance()
    for name, possible in answers.items():
        if name != "value" and name not in case:
            continue
        due = case.number(name)
        if all(abs(answer - due) > tolerance for answer in possible):
            raise WrongError(f"{name}: {possible[0]!r} is not within {tolerance:g} of {due!r}")


FAMILIES: Final[dict[str, Judge]] = {
    "two_asset_min_max_spread": _basket,
    "margrabe_european": _exchange,
}
