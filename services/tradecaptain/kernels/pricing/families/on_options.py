"""Options whose terms are set later: compound, chooser, forward start; and quanto.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import compound, forward_start, status
from tradecaptain.kernels.pricing.columns import RATE, STRIKE, TIME, VOLATILITY
from tradecaptain.kernels.pricing.domains import (
    IS_BELOW,
    IS_CORRELATION,
    IS_MODERATE,
    IS_PRICE,
    IS_RATE,
    IS_RIGHT,
    IS_TIME_LEFT,
    IS_VOLATILITY,
    MARKET_RULES,
    OPTION_RULES,
    RIGHT_RULE,
    checker,
)
from tradecaptain.kernels.pricing.families.rules import earlier
from tradecaptain.kernels.pricing.family import Kernels

KERNELS: Final = {
    "compound": Kernels(
        check=checker(
            *OPTION_RULES,
            (IS_RIGHT, compound.DAUGHTER_RIGHT, 0, status.INVALID_RIGHT),
            (IS_PRICE, compound.DAUGHTER_STRIKE, 0, status.INVALID_OTHER_STRIKE),
            (IS_TIME_LEFT, compound.DAUGHTER_TIME, 0, status.INVALID_LATER_TIME),
            (IS_BELOW, TIME, compound.DAUGHTER_TIME, status.INVALID_LATER_TIME),
            (IS_RATE, RATE, compound.DAUGHTER_TIME, status.INVALID_RATE),
            (IS_MODERATE, VOLATILITY, compound.DAUGHTER_TIME, status.INVALID_VOLATILITY),
        ),
        greeks=compound.compound_columns,
    ),
    "chooser": Kernels(
        check=checker(
            (IS_PRICE, STRIKE, 0, status.INVALID_STRIKE),
            *MARKET_RULES,
            *earlier(compound.CHOICE_TIME, strictly=True),
            (IS_PRICE, compound.PUT_STRIKE, 0, status.INVALID_OTHER_STRIKE),
            (IS_TIME_LEFT, compound.PUT_TIME, 0, status.INVALID_LATER_TIME),
            (IS_BELOW, compound.CHOICE_TIME, compound.PUT_TIME, status.INVALID_LATER_TIME),
            (IS_RATE, RATE, compound.PUT_TIME, status.INVALID_RATE),
            (IS_MODERATE, VOLATILITY, compound.PUT_TIME, status.INVALID_VOLATILITY),
        ),
        values=compound.chooser_values,
    ),
    "forward_start": Kernels(
        check=checker(
            RIGHT_RULE,
            *MARKET_RULES,
            *earlier(forward_start.START_TIME),
            (IS_PRICE, forward_start.FRACTION, 0, status.INVALID_FRACTION),
        ),
        values=forward_start.forward_start_values,
    ),
    "quanto": Kernels(
        check=checker(
            *OPTION_RULES,
            (IS_PRICE, forward_start.EXCHANGE_RATE, 0, status.INVALID_QUANTITY),
            (IS_RATE, forward_start.FOREIGN_RATE, TIME, status.INVALID_OTHER_RATE),
            (IS_VOLATILITY, forward_start.EXCHANGE_VOLATILITY, 0, status.INVALID_OTHER_VOLATILITY),
            (
                IS_MODERATE,
                forward_start.EXCHANGE_VOLATILITY,
                TIME,
                status.INVALID_OTHER_VOLATILITY,
            ),
            (IS_CORRELATION, forward_start.CORRELATION, 0, status.INVALID_CORRELATION),
        ),
        values=forward_start.quanto_values,
    ),
}
