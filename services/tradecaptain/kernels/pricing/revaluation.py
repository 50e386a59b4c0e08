"""A portfolio of options under many scenarios of spot, volatility and time.

Quantities are numbers of options, short ones negative; values are in the options' currency. Each
option is valued anew in each scenario, by its family's kernels: no expansion in greeks. Source of
the values: each family's module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing.columns import SPOT, TIME, VALUE, VOLATILITY
from tradecaptain.kernels.pricing.families.table import FAMILIES
from tradecaptain.kernels.pricing.registry import evaluate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Revaluation:
    """Value of the portfolio in each scenario, and how many options had none there."""

    values: FloatArray
    invalid_counts: IntArray


def scenario_grid(
    spot_factors: FloatArray, volatility_shifts: FloatArray, years: FloatArray
) -> FloatArray:
    """Every combination as a column of ``revalue``; the last argument changes fastest.

    (3, scenarios) from 1-D arrays: factors above zero, shifts a year, years of zero or more.
    Nothing is checked or raised.
    """
    grid = np.meshgrid(spot_factors, volatility_shifts, years, indexing="ij")
    return np.stack([axis.ravel() for axis in grid])


def revalue(
    family_name: str, inputs: FloatArray, quantities: FloatArray, scenarios: FloatArray
) -> Revaluation:
    """Value quantities of the options of a block in every scenario.

    ``scenarios`` has a row of factors of the spot (or forward), one of shifts that are added to the
    volatility, which stays at zero or above, and one of years that pass, after which an expired
    option is worth its intrinsic value. An option without a value in a scenario (see ``status``)
    makes the portfolio's NaN there, one whose own volatility or time is below zero in all of them.
    Raises ``ValueError`` where shapes don't fit.
    """
    family = FAMILIES.get(family_name)
    if family is None:
        raise ValueError(f"no family {family_name!r}; there are {', '.join(FAMILIES)}")
    if inputs.ndim != 2 or quantities.shape != inputs.shape[1:]:
        raise ValueError("quantities must have one number for each option")
    if scenarios.ndim != 2 or scenarios.shape[0] != 3:
        raise ValueError("scenarios must have three rows: spot factor, volatility shift, years")
    if inputs.shape[0] != len(family.inputs):
        raise ValueError(f"{family_name} takes {len(family.inputs)} rows of inputs")
    inputs = _without_negatives(inputs)
    count = scenarios.shape[1]
    values, invalid_counts = np.empty(count), np.empty(count, dtype=np.int64)
    revaluation = family.kernels().revaluation
    if revaluation is not None:
        columns = [
            np.ascontiguousarray(part, np.float64) for part in (inputs, quantities, scenarios)
        ]
        with np.errstate(all="ignore"):
            revaluation(*columns, values, invalid_counts)
        return Revaluation(values, invalid_counts)
    shifted = inputs.copy()
    for index in range(count):
        factor, shift, years = scenarios[:, index].tolist()
        np.multiply(inputs[SPOT], factor, out=shifted[SPOT])
        np.maximum(inputs[VOLATILITY] + shift, 0.0, out=shifted[VOLATILITY])
        np.maximum(inputs[TIME] - years, 0.0, out=shifted[TIME])
        outcome = evaluate(family_name, shifted, 1)
        values[index] = outcome.outputs[VALUE] @ quantities
        invalid_counts[index] = outcome.invalid_count
    return Revaluation(values, invalid_counts)


def _without_negatives(inputs: FloatArray) -> FloatArray:
    """The inputs; options that only a shift to zero would make priceable have no volatility."""
    wrong = (inputs[VOLATILITY] < 0.0) | (inputs[TIME] < 0.0)
    if not wrong.any():
        return inputs
    inputs = inputs.copy()
    inputs[VOLATILITY, wrong] = np.nan
    return inputs
