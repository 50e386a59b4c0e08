"""Asian options: closed forms, moments, and the exact arithmetic average.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import asian_closed, asian_grid, status
from tradecaptain.kernels.pricing.columns import TIME, VOLATILITY
from tradecaptain.kernels.pricing.domains import (
    IS_AMOUNT,
    IS_CALM,
    IS_CHOICE,
    IS_CORRELATION,
    IS_COUNT,
    IS_TIME,
    OPTION_RULES,
    checker,
)
from tradecaptain.kernels.pricing.families.rules import FIXINGS_MAX, earlier
from tradecaptain.kernels.pricing.family import Kernels

KERNELS: Final = {
    "geometric_asian": Kernels(
        check=checker(
            *OPTION_RULES,
            *earlier(asian_closed.FIRST_FIXING),
            (IS_COUNT, asian_closed.FIXING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
            (IS_CHOICE, asian_closed.IS_AVERAGE_STRIKE, 2, status.INVALID_KIND),
        ),
        values=asian_closed.geometric_asian_values,
    ),
    "turnbull_wakeman_asian": Kernels(
        check=checker(
            *OPTION_RULES,
            *earlier(asian_closed.FIRST_FIXING),
            (IS_COUNT, asian_closed.FIXING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
            (IS_CORRELATION, asian_closed.VOLATILITY_SLOPE, 0, status.INVALID_FRACTION),
        ),
        values=asian_closed.turnbull_wakeman_values,
    ),
    "levy_asian": Kernels(
        check=checker(
            *OPTION_RULES,
            (IS_AMOUNT, asian_closed.AVERAGE, 0, status.INVALID_AVERAGE),
            (IS_TIME, asian_closed.ELAPSED, 0, status.INVALID_EARLIER_TIME),
        ),
        values=asian_closed.levy_values,
    ),
    "arithmetic_asian": Kernels(
        check=checker(
            *OPTION_RULES,
            (IS_CALM, VOLATILITY, TIME, status.INVALID_VOLATILITY),
            *earlier(asian_grid.FIRST_FIXING),
            (IS_COUNT, asian_grid.FIXING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
            (IS_CHOICE, asian_grid.IS_AVERAGE_STRIKE, 2, status.INVALID_KIND),
        ),
        values=asian_grid.arithmetic_asian_values,
    ),
}
