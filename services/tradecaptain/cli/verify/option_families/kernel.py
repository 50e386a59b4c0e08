"""How the judges of options ask the kernels."""

from __future__ import annotations

from tradecaptain.cli.verify_case import Case, WrongError
from tradecaptain.kernels.pricing import registry
from tradecaptain.kernels.pricing.family_rules import rule_of


def outputs(family: str, *inputs: float, rows: int = 1) -> list[float]:
    """Outputs of one option; raises ``WrongError`` with the rule if the kernels refuse it."""
    outcome = registry.evaluate(family, registry.stack(*inputs), rows)
    if outcome.invalid_count:
        name, rule = rule_of(family, int(outcome.status[0]))
        raise WrongError(f"refused: {name}: {rule}")
    return [float(value) for value in outcome.outputs[:, 0]]


def value(family: str, *inputs: float) -> float:
    """Value of one option."""
    return outputs(family, *inputs)[0]


def spot_inputs(case: Case) -> tuple[float, ...]:
    """Right, spot, strike, time, volatility, rate and yield of a case."""
    return (case.right(), *case.numbers("spot", "strike", "t", "vol", "r", "q"))
