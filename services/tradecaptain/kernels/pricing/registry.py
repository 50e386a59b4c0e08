"""Every family of options that the kernels price, under one calling convention.

    outcome = evaluate("black_scholes", inputs)          # first six outputs
    outcome.outputs[columns.DELTA], outcome.status

``inputs`` is a block as ``columns`` describes it; ``stack`` makes one from numbers and arrays.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import (
    accurate,
    american,
    bachelier,
    barrier,
    digital,
    implied_block,
    implied_normal_block,
    lognormal_block,
    validity,
)
from tradecaptain.kernels.pricing.columns import ALL_GREEK_ROWS, GREEK_ROWS, RIGHT, VALUE
from tradecaptain.kernels.pricing.exotic_families import EXOTIC_FAMILIES
from tradecaptain.kernels.pricing.family import (
    BARRIER_INPUTS,
    FORWARD_INPUTS,
    LOGNORMAL_INPUTS,
    Family,
    Outcome,
)
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, OK

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def _solve_american(inputs: FloatArray, rows: int) -> Outcome:
    outcome = american.price(inputs, rows=rows)
    return Outcome(outcome.values, outcome.status, int(np.count_nonzero(outcome.status)))


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="black_scholes",
            inputs=(*LOGNORMAL_INPUTS, "dividend_yield"),
            check=None,
            values=lognormal_block.lognormal_values,
            greeks=lognormal_block.lognormal_greeks,
            higher_greeks=lognormal_block.lognormal_higher_greeks,
            pairs=lognormal_block.lognormal_pairs,
            accurate_values=accurate.lognormal_accurate_values,
        ),
        Family(
            name="black76",
            inputs=FORWARD_INPUTS,
            check=None,
            values=lognormal_block.lognormal_values,
            greeks=lognormal_block.lognormal_greeks,
            higher_greeks=lognormal_block.lognormal_higher_greeks,
            pairs=lognormal_block.lognormal_pairs,
            accurate_values=accurate.lognormal_accurate_values,
        ),
        Family(
            name="bachelier",
            inputs=FORWARD_INPUTS,
            check=validity.check_normal,
            values=bachelier.bachelier_values,
            greeks=bachelier.bachelier_greek_columns,
            higher_greeks=bachelier.bachelier_higher_greek_columns,
            pairs=bachelier.bachelier_pairs,
            accurate_values=accurate.bachelier_accurate_values,
        ),
        Family(
            name="cash_or_nothing",
            inputs=(*LOGNORMAL_INPUTS, "dividend_yield", "amount"),
            check=validity.check_lognormal,
            greeks=digital.cash_or_nothing_columns,
        ),
        Family(
            name="asset_or_nothing",
            inputs=(*LOGNORMAL_INPUTS, "dividend_yield", "amount"),
            check=validity.check_lognormal,
            greeks=digital.asset_or_nothing_columns,
        ),
        Family(
            name="gap",
            inputs=(*LOGNORMAL_INPUTS, "dividend_yield", "amount"),
            check=validity.check_lognormal,
            greeks=digital.gap_columns,
        ),
        Family(
            name="barrier_option",
            inputs=BARRIER_INPUTS,
            check=validity.check_touch,
            values=barrier.barrier_option_values,
        ),
        Family(
            name="barrier_cash",
            inputs=BARRIER_INPUTS,
            check=validity.check_barrier,
            values=barrier.barrier_cash_values,
        ),
        Family(
            name="barrier_asset",
            inputs=BARRIER_INPUTS,
            check=validity.check_barrier,
            values=barrier.barrier_asset_values,
        ),
        Family(
            name="touch_cash",
            inputs=BARRIER_INPUTS,
            check=validity.check_touch,
            values=barrier.touch_cash_values,
        ),
        *EXOTIC_FAMILIES,
        Family(
            name="american",
            inputs=(*LOGNORMAL_INPUTS, "dividend_yield"),
            check=validity.check_lognormal,
            solve=_solve_american,
        ),
    )
}


def stack(*rows: float | FloatArray) -> FloatArray:
    """A block from one number or array for each row; numbers are repeated."""
    return np.ascontiguousarray(
        np.stack(np.broadcast_arrays(*map(np.atleast_1d, rows))), np.float64
    )


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
    if family.solve is not None:
        return family.solve(inputs, rows)
    count = inputs.shape[1]
    outputs = np.empty((rows if family.values is not None else max(rows, GREEK_ROWS), count))
    status = np.empty(count, dtype=np.int64)
    # Inputs outside the domain may overflow on their way to being erased.
    with np.errstate(all="ignore"):
        invalid_count = _price(family, inputs, outputs, status, rows)
    return Outcome(outputs[VALUE:rows], status, invalid_count)


def _price(
    family: Family, inputs: FloatArray, outputs: FloatArray, status: IntArray, rows: int
) -> int:
    """Run a family's kernels; returns how many options are invalid."""
    first = family.values if rows == 1 and family.values is not None else family.greeks
    assert first is not None
    if family.check is None:
        invalid_count = int(first(inputs, outputs, status))
    else:
        invalid_count = int(family.check(inputs, status))
        if invalid_count:
            _price_valid(family, inputs, outputs, status, rows)
            return invalid_count
        first(inputs, outputs)
    if rows == ALL_GREEK_ROWS and family.higher_greeks is not None:
        family.higher_greeks(inputs, outputs)
    if invalid_count:
        validity.erase_invalid(status, outputs)
    return invalid_count


def _price_valid(
    family: Family, inputs: FloatArray, outputs: FloatArray, status: IntArray, rows: int
) -> None:
    """Price the valid options of a block alone: the others' inputs may be anything."""
    valid = np.flatnonzero((status == OK) | (status == GREEKS_UNDEFINED))
    outputs[:] = np.nan
    if valid.size:
        part = np.empty((outputs.shape[0], valid.size))
        kept = np.empty(valid.size, dtype=np.int64)
        _price(family, np.ascontiguousarray(inputs[:, valid]), part, kept, rows)
        outputs[:, valid] = part


def evaluate_pairs(
    family_name: str, inputs: FloatArray, rows: int = GREEK_ROWS
) -> tuple[Outcome, Outcome]:
    """The call and the put of every contract of a block in one pass, whatever its right.

    For ``black_scholes``, ``black76`` and ``bachelier``; ``rows`` is 6 or 12. Raises as
    ``evaluate`` does.
    """
    family = FAMILIES.get(family_name)
    if family is None or family.pairs is None:
        raise ValueError(f"there are no pairs of {family_name!r}")
    if inputs.ndim != 2 or inputs.shape[0] != len(family.inputs):
        raise ValueError(f"{family_name} takes {len(family.inputs)} rows of inputs")
    if rows not in (GREEK_ROWS, ALL_GREEK_ROWS):
        raise ValueError("rows must be 6 or 12")
    calls, puts = np.empty((2, rows, inputs.shape[1]))
    status = np.empty(inputs.shape[1], dtype=np.int64)
    with np.errstate(all="ignore"):
        invalid_count = int(family.pairs(inputs, calls, puts, status))
        if rows == ALL_GREEK_ROWS and family.higher_greeks is not None:
            for right, outputs in ((1.0, calls), (-1.0, puts)):
                one_sided = inputs.copy()
                one_sided[RIGHT] = right
                family.higher_greeks(one_sided, outputs)
    if invalid_count:
        validity.erase_invalid(status, calls)
        validity.erase_invalid(status, puts)
    return Outcome(calls, status, invalid_count), Outcome(puts, status, invalid_count)


def accurate_values(family_name: str, inputs: FloatArray) -> Outcome:
    """Values to 1e-12 of themselves instead of the larger leg, at a tenth of the speed.

    For ``black_scholes``, ``black76`` and ``bachelier``; one row of outputs. Raises as ``evaluate``
    does.
    """
    family = FAMILIES.get(family_name)
    if family is None or family.accurate_values is None:
        raise ValueError(f"there is no accurate form of {family_name!r}")
    if inputs.ndim != 2 or inputs.shape[0] != len(family.inputs):
        raise ValueError(f"{family_name} takes {len(family.inputs)} rows of inputs")
    outputs = np.empty((1, inputs.shape[1]))
    status = np.empty(inputs.shape[1], dtype=np.int64)
    return Outcome(outputs, status, int(family.accurate_values(inputs, outputs, status)))


def implied_volatilities(family_name: str, inputs: FloatArray) -> Outcome:
    """Volatilities of prices: a block of ``family_name`` with prices in the volatility's row.

    For ``black_scholes``, ``black76`` and ``bachelier``. The result is row 0 of the outputs;
    ``invalid_count`` counts every option without a volatility.
    """
    family = FAMILIES.get(family_name)
    if family is None or family_name not in ("black_scholes", "black76", "bachelier"):
        raise ValueError(f"there is no implied volatility for {family_name!r}")
    if inputs.ndim != 2 or inputs.shape[0] != len(family.inputs):
        raise ValueError(f"{family_name} takes {len(family.inputs)} rows of inputs")
    outputs = np.empty((1, inputs.shape[1]))
    status = np.empty(inputs.shape[1], dtype=np.int64)
    if family_name == "bachelier":
        implied_normal_block.bachelier_implied_volatilities(inputs, status, outputs)
    else:
        implied_block.black_implied_volatilities(inputs, status, outputs)
    return Outcome(outputs, status, int(np.count_nonzero(status)))
