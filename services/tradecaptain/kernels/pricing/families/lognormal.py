"""Black-Scholes-Merton and Black-76.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import lognormal_block, lognormal_revaluation
from tradecaptain.kernels.pricing.family import Kernels

_LOGNORMAL: Final = Kernels(
    values=lognormal_block.lognormal_values,
    greeks=lognormal_block.lognormal_greeks,
    higher_greeks=lognormal_block.lognormal_higher_greeks,
    pairs=lognormal_block.lognormal_pairs,
    revaluation=lognormal_revaluation.lognormal_revaluation,
)
KERNELS: Final = {"black_scholes": _LOGNORMAL, "black76": _LOGNORMAL}
