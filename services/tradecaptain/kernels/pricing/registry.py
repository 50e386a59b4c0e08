"""Every family of options that the kernels price, under one calling convention.

    outcome = evaluate("black_scholes", inputs)          # first six outputs
    outcome.outputs[columns.DELTA], outcome.status

``FAMILIES`` says what there is without loading any kernel; a family's kernels are loaded when it is
first evaluated, from any thread (``load_all`` does it beforehand).

``inputs`` is a block as ``columns`` describes it; ``stack`` makes one from numbers and arrays.

Units and domains: as the package says. Sources and errors of the values: the module of each
family's kernels.
"""

from __future__ import annotations

import importlib
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import validity
from tradecaptain.kernels.pricing.columns import ALL_GREEK_ROWS, GREEK_ROWS, RIGHT, VALUE
from tradecaptain.kernels.pricing.families.table import FAMILIES as FAMILIES
from tradecaptain.kernels.pricing.family import Kernels, Outcome
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, OK

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MODELS: Final = ("black_scholes", "black76", "bachelier")
"""Families of which there is more than prices: pairs, an accurate form, implied volatility."""


def stack(*rows: float | FloatArray) -> FloatArray:
    """A block from one number or array for each row; numbers are repeated.

    The result is C-contiguous float64 of shape (rows, options). Raises ``ValueError`` if lengths
    don't agree.
    """
    return np.ascontiguousarray(
        np.stack(np.broadcast_arrays(*map(np.atleast_1d, rows))), np.float64
    )


def load_all() -> None:
    """Load every kernel that this module may call, for processes that answer without delay.

    Takes some tenths of a second from a full cache; raises what importing a module raises.
    """
    for module in ("accurate", "implied_block", "implied_normal_block"):
        importlib.import_module(f"{__package__}.{module}")
    for family in FAMILIES.values():
        family.kernels()


def evaluate(family_name: str, inputs: FloatArray, rows: int = GREEK_ROWS) -> Outcome:
    """Price a block: ``rows`` is 1 (values), 6 (with greeks) or 12 (with higher greeks).

    Raises ``ValueError`` if the family or its depth doesn't exist or the block has another shape.
    Inputs outside the model's domain raise nothing: they get a status and NaN.
    """
    family = FAMILIES.get(family_name)
    if family is None:
        raise ValueError(f"no family {family_name!r}; there are {', '.join(FAMILIES)}")
    if inputs.ndim != 2 or inputs.shape[0] != len(family.inputs):
        raise ValueError(f"{family_name} takes {len(family.inputs)} rows of inputs")
    if rows not in (1, GREEK_ROWS, ALL_GREEK_ROWS):
        raise ValueError("rows must be 1, 6 or 12")
    if rows > family.depth:
        raise ValueError(f"{family_name} has {family.depth} rows of outputs, not {rows}")
    kernels = family.kernels()
    if kernels.solve is not None:
        return kernels.solve(inputs, rows)
    count = inputs.shape[1]
    outputs = np.empty((rows if kernels.values is not None else max(rows, GREEK_ROWS), count))
    status = np.empty(count, dtype=np.int64)
    # Inputs outside the domain may overflow on their way to being erased.
    with np.errstate(all="ignore"):
        invalid_count = _price(kernels, inputs, outputs, status, rows)
    return Outcome(outputs[VALUE:rows], status, invalid_count)


def _price(
    kernels: Kernels, inputs: FloatArray, outputs: FloatArray, status: IntArray, rows: int
) -> int:
    """Run a family's kernels; returns how many options are invalid."""
    first = kernels.values if rows == 1 and kernels.values is not None else kernels.greeks
    assert first is not None
    if kernels.check is None:
        invalid_count = int(first(inputs, outputs, status))
    else:
        invalid_count = int(kernels.check(inputs, status))
        if invalid_count:
            _price_valid(kernels, inputs, outputs, status, rows)
            return invalid_count
        first(inputs, outputs)
    if rows == ALL_GREEK_ROWS and kernels.higher_greeks is not None:
        kernels.higher_greeks(inputs, outputs)
    if invalid_count:
        validity.erase_invalid(status, outputs)
    return invalid_count


def _price_valid(
    kernels: Kernels, inputs: FloatArray, outputs: FloatArray, status: IntArray, rows: int
) -> None:
    """Price the valid options of a block alone: the others' inputs may be anything."""
    valid = np.flatnonzero((status == OK) | (status == GREEKS_UNDEFINED))
    outputs[:] = np.nan
    if valid.size:
        part = np.empty((outputs.shape[0], valid.size))
        kept = np.empty(valid.size, dtype=np.int64)
        _price(kernels, np.ascontiguousarray(inputs[:, valid]), part, kept, rows)
        outputs[:, valid] = part


def evaluate_pairs(
    family_name: str, inputs: FloatArray, rows: int = GREEK_ROWS
) -> tuple[Outcome, Outcome]:
    """The call and the put of every contract of a block in one pass, whatever its right.

    For ``black_scholes``, ``black76`` and ``bachelier``; ``rows`` is 6 or 12. Raises as
    ``evaluate`` does.
    """
    family = FAMILIES.get(family_name)
    pairs = family.kernels().pairs if family is not None else None
    if family is None or pairs is None:
        raise ValueError(f"there are no pairs of {family_name!r}")
    if inputs.ndim != 2 or inputs.shape[0] != len(family.inputs):
        raise ValueError(f"{family_name} takes {len(family.inputs)} rows of inputs")
    if rows not in (GREEK_ROWS, ALL_GREEK_ROWS):
        raise ValueError("rows must be 6 or 12")
    calls, puts = np.empty((2, rows, inputs.shape[1]))
    status = np.empty(inputs.shape[1], dtype=np.int64)
    with np.errstate(all="ignore"):
        invalid_count = int(pairs(inputs, calls, puts, status))
        higher_greeks = family.kernels().higher_greeks
        if rows == ALL_GREEK_ROWS and higher_greeks is not None:
            for right, outputs in ((1.0, calls), (-1.0, puts)):
                one_sided = inputs.copy()
                one_sided[RIGHT] = right
                higher_greeks(one_sided, outputs)
    if invalid_count:
        validity.erase_invalid(status, calls)
        validity.erase_invalid(status, puts)
    return Outcome(calls, status, invalid_count), Outcome(puts, status, invalid_count)


def _row_for(family_name: str, inputs: FloatArray, what: str) -> tuple[FloatArray, IntArray]:
    """One row of outputs and the status for a block of a model that has ``what``."""
    family = FAMILIES.get(family_name)
    if family is None or family_name not in MODELS:
        raise ValueError(f"there is no {what} {family_name!r}")
    if inputs.ndim != 2 or inputs.shape[0] != len(family.inputs):
        raise ValueError(f"{family_name} takes {len(family.inputs)} rows of inputs")
    return np.empty((1, inputs.shape[1])), np.empty(inputs.shape[1], dtype=np.int64)


def accurate_values(family_name: str, inputs: FloatArray) -> Outcome:
    """Values to 1e-12 of themselves instead of the larger leg, at a tenth of the speed.

    For ``black_scholes``, ``black76`` and ``bachelier``; one row of outputs. Raises as ``evaluate``
    does.

    Source: as ``accurate``.
    """
    from tradecaptain.kernels.pricing import accurate

    outputs, status = _row_for(family_name, inputs, "accurate form of")
    is_normal = family_name == "bachelier"
    kernel = accurate.bachelier_accurate_values if is_normal else accurate.lognormal_accurate_values
    return Outcome(outputs, status, int(kernel(inputs, outputs, status)))


def implied_volatilities(family_name: str, inputs: FloatArray) -> Outcome:
    """Volatilities of prices: a block of ``family_name`` with prices in the volatility's row.

    For ``black_scholes``, ``black76`` and ``bachelier``. The result is row 0 of the outputs;
    ``invalid_count`` counts every option without a volatility.

    Every option has a status: ``OK``; ``PRICE_CARRIES_NO_VOLATILITY`` with a volatility of zero, or
    ``PRICE_BELOW_INTRINSIC``, ``PRICE_ABOVE_MAXIMUM`` or an input's with NaN. Prices are present
    values, times must be above zero. Accuracy: a few units in the last place of what the price
    determines. Raises ``ValueError`` for a family without implied volatility or a block of another
    shape. Source: as ``implied_block``.
    """
    from tradecaptain.kernels.pricing import implied_block, implied_normal_block

    outputs, status = _row_for(family_name, inputs, "implied volatility for")
    if family_name == "bachelier":
        implied_normal_block.bachelier_implied_volatilities(inputs, status, outputs)
    else:
        implied_block.black_implied_volatilities(inputs, status, outputs)
    return Outcome(outputs, status, int(np.count_nonzero(status)))
