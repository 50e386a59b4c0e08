"""Lookback options.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import lookback, status
from tradecaptain.kernels.pricing.columns import TIME
from tradecaptain.kernels.pricing.domains import (
    IS_BELOW,
    IS_PRICE,
    IS_TIME,
    MARKET_RULES,
    OPTION_RULES,
    RIGHT_RULE,
    Rule,
    checker,
)
from tradecaptain.kernels.pricing.families.rules import earlier
from tradecaptain.kernels.pricing.family import Kernels


def _extreme(row: int) -> Rule:
    return (IS_PRICE, row, 0, status.INVALID_EXTREME)


KERNELS: Final = {
    "floating_lookback": Kernels(
        check=checker(RIGHT_RULE, *MARKET_RULES, _extreme(lookback.EXTREME)),
        values=lookback.floating_lookback_values,
    ),
    "fixed_lookback": Kernels(
        check=checker(*OPTION_RULES, _extreme(lookback.EXTREME)),
        values=lookback.fixed_lookback_values,
    ),
    "partial_floating_lookback": Kernels(
        check=checker(
            RIGHT_RULE,
            *MARKET_RULES,
            _extreme(lookback.EXTREME),
            *earlier(lookback.WINDOW, strictly=True),
            (IS_PRICE, lookback.FRACTION, 0, status.INVALID_FRACTION),
        ),
        values=lookback.partial_floating_lookback_values,
    ),
    "partial_fixed_lookback": Kernels(
        check=checker(
            *OPTION_RULES,
            (IS_TIME, lookback.WINDOW, 0, status.INVALID_EARLIER_TIME),
            (IS_BELOW, lookback.WINDOW, TIME, status.INVALID_EARLIER_TIME),
        ),
        values=lookback.partial_fixed_lookback_values,
    ),
}
