"""Bachelier.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import bachelier, validity
from tradecaptain.kernels.pricing.family import Kernels

KERNELS: Final = {
    "bachelier": Kernels(
        check=validity.check_normal,
        values=bachelier.bachelier_values,
        greeks=bachelier.bachelier_greek_columns,
        higher_greeks=bachelier.bachelier_higher_greek_columns,
        pairs=bachelier.bachelier_pairs,
    )
}
