"""Lookback options."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.kernel import value
from tradecaptain.cli.verify_case import Case, Judge, missing

# Stands for a strike or extreme that a family doesn't use, and must be valid all the same.
UNUSED: Final = 1.0


def _market(case: Case) -> tuple[float, ...]:
    return case.numbers("t", "vol", "r", "q")


def _floating(case: Case) -> None:
    """Strike, fraction and window stand in the schema and don't matter."""
    case.ignore("strike", "lambda", "t1")
    inputs = (case.right(), case.number("spot"), UNUSED, *_market(case), case.number("minmax"))
    case.expect(value("floating_lookback", *inputs))


def _fixed(case: Case) -> None:
    case.ignore("lambda", "t1")
    inputs = (case.right(), *case.numbers("spot", "strike"), *_market(case), case.number("minmax"))
    case.expect(value("fixed_lookback", *inputs))


def _partial_floating(case: Case) -> None:
    """The window ends at ``t1``."""
    case.ignore("strike")
    inputs = (case.right(), case.number("spot"), UNUSED, *_market(case))
    window = case.numbers("minmax", "t1", "lambda")
    case.expect(value("partial_floating_lookback", *inputs, *window))


def _partial_fixed(case: Case) -> None:
    """The window starts at ``t1``; nothing before counts, so the extreme so far doesn't."""
    case.ignore("minmax", "lambda")
    inputs = (case.right(), *case.numbers("spot", "strike"), *_market(case), UNUSED)
    case.expect(value("partial_fixed_lookback", *inputs, case.number("t1")))


def _hull_exotics(case: Case) -> None:
    """Floating lookbacks, and an average price by two moments."""
    kind = case.text("kind")
    market = case.numbers("t", "vol", "r", "q")
    right, spot = case.right(), case.number("spot")
    if kind == "lookback_floating":
        found = value("floating_lookback", right, spot, UNUSED, *market, case.number("extreme"))
    elif kind.startswith("asian"):
        # The average runs from now to expiry, and nothing of it is behind.
        found = value("levy_asian", right, spot, case.number("strike"), *market, 0.0, 0.0)
    else:
        raise missing(f"kind {kind!r}")
    case.expect(found)


FAMILIES: Final[dict[str, Judge]] = {
    "lookback_floating": _floating,
    "lookback_fixed": _fixed,
    "lookback_partial_floating": _partial_floating,
    "lookback_partial_fixed": _partial_fixed,
    "hull_exotics": _hull_exotics,
}
