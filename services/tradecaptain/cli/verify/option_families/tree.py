"""Prices of binomial trees with a stated number of steps."""

from __future__ import annotations

import math
from typing import Final

from tradecaptain.cli.verify_case import Case, Judge, WrongError
from tradecaptain.kernels.pricing import lattice, status


def _binomial(case: Case) -> None:
    time, steps = case.number("t"), case.integer("steps")
    if steps < 1:
        raise WrongError("refused: steps must be at least 1")
    case.ignore("vol")
    up = case.number("u") if "u" in case else math.exp(case.number("vol") * math.sqrt(time / steps))
    value, result = lattice.binomial_value(
        case.right(),
        case.number("spot"),
        case.number("strike"),
        time,
        case.number("r"),
        case.number("q"),
        steps=steps,
        up=up,
        down=case.number("d") if "d" in case else 1.0 / up,
        is_american=case.choice("exercise", {"american": True, "european": False}),
    )
    if result != status.OK:
        raise WrongError(f"refused: {status.RULES[result][1]}")
    case.expect(value)


FAMILIES: Final[dict[str, Judge]] = {"hull_binomial": _binomial}
