"""American options: exact values, the approximations by name, the paper's table, barriers.

Published approximations are held against the same approximation, true values against the accurate
form. Fields of the approximation are read first, so a wrong one names itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from tradecaptain.cli.verify.option_families.kernel import outputs
from tradecaptain.cli.verify_case import Case, Judge, NotApplicableError, WrongError, expect
from tradecaptain.kernels.pricing import (
    american,
    american_approximations,
    american_barrier,
    columns,
    registry,
    status,
)
from tradecaptain.kernels.pricing.american_scheme import (
    EQUATION_A,
    EQUATION_B,
    POINTS_PAPER,
    Scheme,
)
from tradecaptain.kernels.pricing.contract import Contract

DAYS_A_YEAR: Final = 365.0
BARRIER_KINDS: Final = {
    "down_in": columns.DOWN_IN,
    "down_out": columns.DOWN_OUT,
    "up_in": columns.UP_IN,
    "up_out": columns.UP_OUT,
}
# Options of the table of edges whose published values are those of the QD+ approximation, up to
# 0.03 from the true ones: right, spot, strike, years, volatility, rate and yield.
QUADRATIC_PLUS_TERMS: Final = frozenset(
    {
        (-1.0, 100.0, 120.0, 10.0, 0.25, 0.1, 0.03),
        (1.0, 120.0, 100.0, 10.0, 0.25, 0.03, 0.1),
        (1.0, 100.0, 100.0, 1.0, 0.25, 0.0, 0.025),
        (1.0, 100.0, 100.0, 1.0, 100.0, 0.01, 0.05),
        (1.0, 100.0, 100.0, 1.0, 0.25, 0.1, 10.0),
        (1.0, 100.0, 100.0, 170.0, 0.25, 0.01, 0.002),
    }
)
# Where a case is to be checked by shares: of the value, or of the strike's unit where it is small.
RELATIVE: Final = 0.005
SMALL_VALUE: Final = 0.1
SMALL_ABSOLUTE: Final = 5e-4
# The paper's table: one option, of which only the rate varies.
TABLE_OPTION: Final = (-1.0, 100.0, 100.0, 1.0, 0.25)
TABLE_YIELD: Final = 0.05
TABLE_VALUE_POINTS: Final = 128
TABLE_START_STEPS: Final = 12


def _exact(*inputs: float) -> float:
    """Value in the accurate form; raises ``WrongError`` with the rule if refused."""
    outcome = american.price(registry.stack(*inputs), american.Accuracy.ACCURATE)
    if outcome.status[0] not in (status.OK, status.GREEKS_UNDEFINED):
        name, rule = status.RULES[int(outcome.status[0])]
        raise WrongError(f"refused: {name}: {rule}")
    return float(outcome.values[0, 0])


def _inputs(case: Case, time: float) -> tuple[float, ...]:
    spot, strike, volatility, rate, dividend_yield = case.numbers("spot", "strike", "vol", "r", "q")
    return (case.right(), spot, strike, time, volatility, rate, dividend_yield)


def _contract(inputs: tuple[float, ...]) -> Contract:
    right, spot, strike, time, volatility, rate, dividend_yield = inputs
    return Contract(right, spot, strike, time, volatility, rate, dividend_yield, is_american=True)


def _stated(case: Case, name: str, published: float) -> float:
    """Tolerance of a field, from the family's if that gives one for each."""
    tolerances: Any = case.family.get("tolerance")
    stated = tolerances.get(name) if isinstance(tolerances, dict) else None
    return float(stated) if isinstance(stated, int | float) else published


def _approximation(method: Callable[[Contract], float], value_tolerance: float) -> Judge:
    """An approximation's own value, and the true one where the case has it."""

    def judge(case: Case) -> None:
        time = case.number("t")
        inputs = _inputs(case, time)
        tolerance = case.number("tol", _stated(case, "value", value_tolerance))
        expect(method(_contract(inputs)), case.number("value"), tolerance)
        effective = case.number("t_effective", time)
        if "true_value" in case:
            exact = _exact(*inputs[:3], effective, *inputs[4:])
            tolerance = case.number("true_tol", _stated(case, "true_value", 1e-4))
            expect(exact, case.number("true_value"), tolerance)

    return judge


def _grid(case: Case) -> None:
    case.ignore("days", "fd_cross_check")
    expect(_exact(*_inputs(case, case.number("t"))), case.number("value"), case.tolerance(1e-3))


def _edges(case: Case) -> None:
    """Extreme inputs. For those of ``QUADRATIC_PLUS_TERMS`` a QD+ engine's values were published.

    That is told by an option's terms alone, never by our own answer.
    """
    inputs = _inputs(case, case.number("maturity_days") / DAYS_A_YEAR)
    due, tolerance = case.number("value"), case.tolerance()
    if tolerance < 0.0:
        tolerance = RELATIVE * due if due > SMALL_VALUE else SMALL_ABSOLUTE
    right, spot, strike, time = inputs[:4]
    if time == 0.0 and due == 0.0 and right * (spot - strike) > 0.0:
        raise NotApplicableError("at its expiry the option is taken for gone, not for exercised")
    found = _exact(*inputs)
    if inputs not in QUADRATIC_PLUS_TERMS or abs(found - due) <= tolerance:
        expect(found, due, tolerance)
        return
    approximate = american_approximations.quadratic_plus(_contract(inputs))
    if not abs(approximate - due) <= tolerance:
        raise WrongError(f"{found!r} (QD+: {approximate!r}) is not within {tolerance:g} of {due!r}")


def _table(case: Case) -> None:
    """Premiums of the paper's two systems under the same numbers of points, steps and nodes."""
    points, steps, nodes = (case.integer(name) for name in ("l", "m", "n"))
    inputs = (*TABLE_OPTION, case.number("r"), TABLE_YIELD)
    european = outputs("black_scholes", *inputs)[0]
    for equation, name in ((EQUATION_A, "premium_fp_a"), (EQUATION_B, "premium_fp_b")):
        try:
            scheme = Scheme(
                points,
                steps,
                nodes,
                TABLE_VALUE_POINTS,
                equation,
                POINTS_PAPER,
                TABLE_START_STEPS,
            )
        except ValueError as error:
            raise WrongError(f"refused: {error}") from error
        value = float(american.price(registry.stack(*inputs), scheme=scheme).values[0, 0])
        expect(value - european, case.number(name), case.tolerance())


def _barrier(case: Case) -> None:
    """The true value; a lattice's own is published with it, and not what is computed here."""
    case.ignore("value", "tol")
    case.choice("exercise", {"american": True})
    kind = case.choice("barrier_type", BARRIER_KINDS)
    contract = _contract(_inputs(case, case.number("t")))
    found = american_barrier.price(
        contract, case.number("barrier"), kind, case.number("rebate", 0.0)
    )
    if found.status != status.OK or math.isnan(found.value):
        name, rule = status.RULES[found.status]
        raise WrongError(f"refused: {name}: {rule}")
    tolerance = case.number("true_tol", _stated(case, "true_value", 2e-3))
    expect(found.value, case.number("true_value"), tolerance)


FAMILIES: Final[dict[str, Judge]] = {
    "american_baw": _approximation(american_approximations.barone_adesi_whaley, 3e-3),
    "american_bjerksund_stensland": _approximation(
        american_approximations.bjerksund_stensland, 5e-5
    ),
    "american_ju_approx_and_true": _approximation(american_approximations.ju_zhong, 1e-3),
    "american_grid": _grid,
    "american_high_precision_edges": _edges,
    "american_andersen_lake": _table,
    "barrier_american": _barrier,
}
