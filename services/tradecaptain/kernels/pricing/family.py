"""What a family of options is: its rows of inputs, and what prices it, loaded when first needed.

Source of the convention: ``columns``. Sources of values: the modules of kernels that ``families``
names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BlockKernel = Callable[..., Any]

_TIME_ENDING = "time_years"


@dataclass(frozen=True)
class Outcome:
    """Outputs by row and option, and the status of each option."""

    outputs: FloatArray
    status: IntArray
    invalid_count: int


@dataclass(frozen=True)
class Kernels:
    """What prices a family: its check, and its kernels by depth.

    ``solve`` stands in place of the kernels where a family chooses its method option by option. A
    family without a check has kernels of values and greeks that check as they price: they take the
    status as a third argument and return how many options are invalid. ``pairs`` does so for the
    call and the put at once, ``revaluation`` for a portfolio under scenarios.
    """

    check: BlockKernel | None = None
    values: BlockKernel | None = None
    greeks: BlockKernel | None = None
    higher_greeks: BlockKernel | None = None
    solve: Callable[[FloatArray, int], Outcome] | None = None
    pairs: BlockKernel | None = None
    revaluation: BlockKernel | None = None


@dataclass(frozen=True)
class Family:
    """One family: names of its input rows in order, and how many rows of outputs it has at most.

    ``module`` is the module of ``families`` that has its kernels.
    """

    name: str
    inputs: tuple[str, ...]
    depth: int
    module: str

    @property
    def time_rows(self) -> tuple[int, ...]:
        """The rows that shrink as time passes."""
        return tuple(row for row, name in enumerate(self.inputs) if name.endswith(_TIME_ENDING))

    def kernels(self) -> Kernels:
        """What prices it. The first use takes up to a few tenths of a second, from any thread."""
        module = importlib.import_module(f"{__package__}.families.{self.module}")
        kernels: Kernels = module.KERNELS[self.name]
        return kernels
