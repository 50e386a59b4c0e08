"""American options, at the standard accuracy.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from tradecaptain.kernels.pricing import american
from tradecaptain.kernels.pricing.family import FloatArray, Kernels, Outcome
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, OK


def _solve(inputs: FloatArray, rows: int) -> Outcome:
    outcome = american.price(inputs, rows=rows)
    invalid = (outcome.status != OK) & (outcome.status != GREEKS_UNDEFINED)
    return Outcome(outcome.values, outcome.status, int(np.count_nonzero(invalid)))


KERNELS: Final = {"american": Kernels(solve=_solve)}
