"""Rules that families of several modules share.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import status
from tradecaptain.kernels.pricing.columns import AMOUNT, BARRIER, BARRIER_KIND, TIME
from tradecaptain.kernels.pricing.domains import (
    IS_AMOUNT,
    IS_BELOW,
    IS_CHOICE,
    IS_CORRELATION,
    IS_MODERATE,
    IS_NOT_ABOVE,
    IS_PRICE,
    IS_RATE,
    IS_TIME,
    IS_TIME_LEFT,
    IS_VOLATILITY,
    Rule,
)

FIXINGS_MAX: Final = 10_000

AMOUNT_RULE: Final[Rule] = (IS_AMOUNT, AMOUNT, 0, status.INVALID_AMOUNT)
BARRIER_RULES: Final[tuple[Rule, ...]] = (
    (IS_PRICE, BARRIER, 0, status.INVALID_BARRIER),
    (IS_CHOICE, BARRIER_KIND, 4, status.INVALID_BARRIER_KIND),
)


def other_asset(spot: int, volatility: int, dividend_yield: int, correlation: int) -> list[Rule]:
    """Rules for a second asset's rows."""
    return [
        (IS_PRICE, spot, 0, status.INVALID_OTHER_SPOT),
        (IS_VOLATILITY, volatility, 0, status.INVALID_OTHER_VOLATILITY),
        (IS_MODERATE, volatility, TIME, status.INVALID_OTHER_VOLATILITY),
        (IS_RATE, dividend_yield, TIME, status.INVALID_OTHER_RATE),
        (IS_CORRELATION, correlation, 0, status.INVALID_CORRELATION),
    ]


def earlier(row: int, *, strictly: bool = False) -> list[Rule]:
    """Rules for a time from now to expiry; strictly: neither now nor expiry."""
    left, order = (IS_TIME_LEFT, IS_BELOW) if strictly else (IS_TIME, IS_NOT_ABOVE)
    return [
        (left, row, 0, status.INVALID_EARLIER_TIME),
        (order, row, TIME, status.INVALID_EARLIER_TIME),
    ]
