"""One barrier under continuous watch.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import barrier, validity
from tradecaptain.kernels.pricing.family import Kernels

KERNELS: Final = {
    "barrier_option": Kernels(check=validity.check_touch, values=barrier.barrier_option_values),
    "barrier_cash": Kernels(check=validity.check_barrier, values=barrier.barrier_cash_values),
    "barrier_asset": Kernels(check=validity.check_barrier, values=barrier.barrier_asset_values),
    "touch_cash": Kernels(check=validity.check_touch, values=barrier.touch_cash_values),
}
