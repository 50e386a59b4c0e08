"""Options between two barriers.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import double_barrier, status
from tradecaptain.kernels.pricing.domains import (
    IS_BELOW,
    IS_CHOICE,
    IS_COUNT,
    IS_PRICE,
    MARKET_RULES,
    OPTION_RULES,
    checker,
)
from tradecaptain.kernels.pricing.families.rules import AMOUNT_RULE, FIXINGS_MAX
from tradecaptain.kernels.pricing.family import Kernels

KERNELS: Final = {
    name: Kernels(
        check=checker(
            *rules,
            AMOUNT_RULE,
            (IS_PRICE, double_barrier.LOW, 0, status.INVALID_BARRIER),
            (IS_PRICE, double_barrier.HIGH, 0, status.INVALID_HIGH_BARRIER),
            (IS_BELOW, double_barrier.LOW, double_barrier.HIGH, status.INVALID_HIGH_BARRIER),
            (IS_CHOICE, double_barrier.KIND, kinds, status.INVALID_KIND),
            (IS_COUNT, double_barrier.MONITORING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
        ),
        values=values,
    )
    for name, rules, kinds, values in (
        ("double_barrier", OPTION_RULES, 2, double_barrier.double_barrier_values),
        ("double_binary", MARKET_RULES, 4, double_barrier.double_binary_values),
    )
}
