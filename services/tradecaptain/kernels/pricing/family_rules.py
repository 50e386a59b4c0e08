"""What the refusal of an option says: the input at fault, and its family's rule that it broke.

    name, rule = rule_of("gap", INVALID_TIME)   # "time_years", "time must lie from 0 to 1000 years"

``status.RULES`` are those of plain lognormal options. Families whose formulas divide by time and
variance take less, the normal model takes more; their limits stand in ``validity`` and ``domains``.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing.families.table import FAMILIES
from tradecaptain.kernels.pricing.status import (
    INVALID_EARLIER_TIME,
    INVALID_FRACTION,
    INVALID_HIGH_BARRIER,
    INVALID_LATER_TIME,
    INVALID_SPOT,
    INVALID_STRIKE,
    INVALID_TIME,
    INVALID_VOLATILITY,
    RULES,
)

Rules = dict[int, tuple[str, str]]

_TIME: Final = ("time_years", "time must lie from 1e-9 to 1000 years")
_VOLATILITY: Final = "volatility must lie from 1e-4 to 100"
_ONE_BARRIER: Final[Rules] = {INVALID_TIME: _TIME, INVALID_VOLATILITY: ("volatility", _VOLATILITY)}
_EXOTIC: Final[Rules] = {
    INVALID_TIME: _TIME,
    INVALID_VOLATILITY: ("volatility", f"{_VOLATILITY}, times the root of time within 8"),
}
_ON_OPTIONS: Final[Rules] = {
    INVALID_VOLATILITY: ("volatility", f"{_VOLATILITY}, times the root of every time within 8"),
    INVALID_LATER_TIME: (
        "later_time_years",
        "the later time must lie above the earlier one, from 1e-9 to 1000 years",
    ),
}
_STRICTLY_EARLIER: Final[Rules] = {
    INVALID_EARLIER_TIME: (
        "earlier_time_years",
        "the earlier time must lie from 1e-9 years to less than the time of expiry",
    )
}
_TWO_BARRIERS: Final[Rules] = {
    INVALID_HIGH_BARRIER: (
        "high_barrier",
        "the high barrier must lie above the low one, within 1e50",
    )
}
_BY_MODULE: Final[dict[str, Rules]] = {
    "lognormal": {},
    "digital": {},
    "normal": {
        INVALID_SPOT: ("spot", "the forward must lie within 1e50"),
        INVALID_STRIKE: ("strike", "strike must lie within 1e50"),
        INVALID_VOLATILITY: ("volatility", "volatility must lie from 0 to 1e50"),
    },
    "american": {
        INVALID_SPOT: ("spot", "spot must be 0 or lie from 1e-50 to 1e50"),
        INVALID_STRIKE: ("strike", "strike must be 0 or lie from 1e-50 to 1e50"),
    },
    "barrier": _ONE_BARRIER,
    "two_barriers": _EXOTIC | _TWO_BARRIERS,
    "on_options": _EXOTIC,
}
_OWN: Final[dict[str, Rules]] = {
    "arithmetic_asian": {
        INVALID_VOLATILITY: ("volatility", f"{_VOLATILITY}, times the root of time within 3")
    },
    "turnbull_wakeman_asian": {
        INVALID_FRACTION: ("volatility_slope", "volatility's slope must lie from -1 to 1")
    },
    "levy_asian": {
        INVALID_EARLIER_TIME: ("elapsed_years", "elapsed time must lie from 0 to 1000 years")
    },
    "partial_floating_lookback": _STRICTLY_EARLIER,
    "partial_fixed_lookback": {
        INVALID_EARLIER_TIME: (
            "earlier_time_years",
            "the earlier time must lie from 0 to less than the time of expiry",
        )
    },
    "compound": _ON_OPTIONS,
    "chooser": _ON_OPTIONS | _STRICTLY_EARLIER,
    # Not in the table: it is priced alone, on a grid.
    "american_barrier": {
        INVALID_TIME: _TIME,
        INVALID_VOLATILITY: (
            "volatility",
            f"{_VOLATILITY}, times the root of time at least 1e-3",
        ),
    },
}


def rule_of(family_name: str, number: int) -> tuple[str, str]:
    """Name of the input at fault, empty if it is no single one, and the rule that it breaks.

    ``number`` is a status other than OK. ``KeyError`` for a number that is no status.
    """
    family = FAMILIES.get(family_name)
    shared = _BY_MODULE.get(family.module, _EXOTIC) if family is not None else {}
    own = _OWN.get(family_name, {})
    return own.get(number) or shared.get(number) or RULES[number]
