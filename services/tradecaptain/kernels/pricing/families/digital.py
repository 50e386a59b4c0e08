"""Digital and gap options.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import digital, validity
from tradecaptain.kernels.pricing.family import Kernels

KERNELS: Final = {
    name: Kernels(check=validity.check_lognormal, greeks=greeks)
    for name, greeks in (
        ("cash_or_nothing", digital.cash_or_nothing_columns),
        ("asset_or_nothing", digital.asset_or_nothing_columns),
        ("gap", digital.gap_columns),
    )
}
