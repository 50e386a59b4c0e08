"""What a family of options is: its rows of inputs, its check, and its kernels by depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing.columns import ALL_GREEK_ROWS, GREEK_ROWS, TIME

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BlockKernel = Callable[..., Any]

LOGNORMAL_INPUTS = ("right", "spot", "strike", "time_years", "volatility", "interest_rate")
FORWARD_INPUTS = ("right", "forward", "strike", "time_years", "volatility", "interest_rate")
SPOT_INPUTS = (*LOGNORMAL_INPUTS, "dividend_yield")
BARRIER_INPUTS = (*SPOT_INPUTS, "amount", "barrier", "barrier_kind")


@dataclass(frozen=True)
class Outcome:
    """Outputs by row and option, and the status of each option."""

    outputs: FloatArray
    status: IntArray
    invalid_count: int


@dataclass(frozen=True)
class Family:
    """One family: names of its input rows in order, its check, and its kernels by depth.

    ``time_rows`` are the rows that shrink as time passes. ``solve`` stands in place of the kernels
    where a family chooses its method option by option. A family without a check has kernels of
    values and greeks that check as they price: they take the status as a third argument and return
    how many options are invalid. ``pairs`` does so for the call and the put at once,
    ``accurate_values`` for values alone.
    """

    name: str
    inputs: tuple[str, ...]
    check: BlockKernel | None
    values: BlockKernel | None = None
    greeks: BlockKernel | None = None
    higher_greeks: BlockKernel | None = None
    time_rows: tuple[int, ...] = (TIME,)
    solve: Callable[[FloatArray, int], Outcome] | None = None
    pairs: BlockKernel | None = None
    accurate_values: BlockKernel | None = None

    @property
    def depth(self) -> int:
        """How many rows of outputs there are at most."""
        if self.greeks is None and self.solve is None:
            return 1
        return GREEK_ROWS if self.higher_greeks is None else ALL_GREEK_ROWS
