"""Soft and discretely watched barriers, and those on another asset.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import barrier_variants, status
from tradecaptain.kernels.pricing.columns import BARRIER
from tradecaptain.kernels.pricing.domains import (
    IS_COUNT,
    IS_NOT_ABOVE,
    IS_PRICE,
    OPTION_RULES,
    checker,
)
from tradecaptain.kernels.pricing.families.rules import (
    AMOUNT_RULE,
    BARRIER_RULES,
    FIXINGS_MAX,
    other_asset,
)
from tradecaptain.kernels.pricing.family import Kernels

KERNELS: Final = {
    "soft_barrier": Kernels(
        check=checker(
            *OPTION_RULES,
            *BARRIER_RULES,
            (IS_PRICE, barrier_variants.HIGH_BARRIER, 0, status.INVALID_HIGH_BARRIER),
            (IS_NOT_ABOVE, BARRIER, barrier_variants.HIGH_BARRIER, status.INVALID_HIGH_BARRIER),
        ),
        values=barrier_variants.soft_barrier_values,
    ),
    "monitored_barrier": Kernels(
        check=checker(
            *OPTION_RULES,
            AMOUNT_RULE,
            *BARRIER_RULES,
            (IS_COUNT, barrier_variants.MONITORING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
        ),
        values=barrier_variants.monitored_barrier_values,
    ),
    "two_asset_barrier": Kernels(
        check=checker(
            *OPTION_RULES,
            *BARRIER_RULES,
            *other_asset(
                barrier_variants.OTHER_SPOT,
                barrier_variants.OTHER_VOLATILITY,
                barrier_variants.OTHER_YIELD,
                barrier_variants.CORRELATION,
            ),
        ),
        values=barrier_variants.two_asset_barrier_values,
    ),
}
