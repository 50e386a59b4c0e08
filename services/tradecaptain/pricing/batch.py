"""Between the contract's rows or columns of options and the blocks that kernels price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import pricing_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing import columns, registry, status
from tradecaptain.kernels.pricing.family_rules import rule_of
from tradecaptain.pricing.refusals import invalid, unequal
from tradecaptain.pricing.worker_pool import Steps
from tradecaptain.wire import reason as reasons

FloatArray = npt.NDArray[np.float64]

_FAMILY_OF_STYLE: Final[dict[int, str]] = {
    instruments_pb2.EXERCISE_STYLE_UNSPECIFIED: "black_scholes",
    instruments_pb2.EXERCISE_STYLE_EUROPEAN: "black_scholes",
    instruments_pb2.EXERCISE_STYLE_AMERICAN: "american",
}
# Options that are priced between two looks at who else waits.
_PIECES: Final = {"black_scholes": 2_048, "american": 128}
NUMERIC_COLUMNS: Final = (
    "spot",
    "strike",
    "time_years",
    "volatility",
    "interest_rate",
    "dividend_yield",
)


def rights_of(numbers: Iterable[int]) -> FloatArray:
    """+1 for calls, -1 for puts; anything else stays what the kernels refuse."""
    codes = np.fromiter(numbers, dtype=np.int64)
    call, put = instruments_pb2.OPTION_RIGHT_CALL, instruments_pb2.OPTION_RIGHT_PUT
    return np.where(codes == call, 1.0, np.where(codes == put, -1.0, 0.0))


def is_quick(options: Iterable[pricing_pb2.OptionInputs]) -> bool:
    """Whether all options have closed forms."""
    american = instruments_pb2.EXERCISE_STYLE_AMERICAN
    return all(option.exercise_style != american for option in options)


def price_rows(options: Iterable[pricing_pb2.OptionInputs], place: str) -> Steps[FloatArray]:
    """Value and five greeks of options as rows, European and American ones, some at a time.

    ``place`` is the field's name with ``{}`` for the index; an option that can't be priced is named
    with it.
    """
    rows = list(options)
    indices: dict[str, list[int]] = {}
    for index, option in enumerate(rows):
        family = _FAMILY_OF_STYLE.get(option.exercise_style)
        if family is None:
            style = instruments_pb2.ExerciseStyle.Name(option.exercise_style)
            raise TradeCaptainError(
                reasons.REASON_MODEL_DOMAIN,
                f"{style} can't be priced: European and American exercise can",
                field=f"{place.format(index)}.exercise_style",
                observed=style,
            )
        indices.setdefault(family, []).append(index)
    outputs = np.empty((columns.GREEK_ROWS, len(rows)))
    for family, own in indices.items():
        piece = _PIECES[family]
        for start in range(0, len(own), piece):
            part = own[start : start + piece]
            block = _block_of_rows([rows[index] for index in part])
            places = [f"{place.format(index)}.{{}}" for index in part]
            outputs[:, part] = _price(family, block, places.__getitem__)
            yield
    return outputs


def _block_of_rows(rows: Sequence[pricing_pb2.OptionInputs]) -> FloatArray:
    block = np.empty((columns.YIELD + 1, len(rows)))
    block[columns.RIGHT] = rights_of(option.right for option in rows)
    for row, name in enumerate(NUMERIC_COLUMNS, start=columns.SPOT):
        block[row] = [getattr(option, name) for option in rows]
    return block


def block_of_columns(
    inputs: pricing_pb2.OptionInputColumns, family: str = "black_scholes"
) -> FloatArray:
    """A block of a family from columns, which must be there and have one length."""
    count = len(inputs.right)
    block = np.empty((len(registry.FAMILIES[family].inputs), count))
    for row, name in enumerate(NUMERIC_COLUMNS, start=columns.SPOT):
        column = getattr(inputs, name)
        if row >= block.shape[0]:
            if column:
                raise invalid(f"columns.{name}", f"{family} takes no {name}: leave the column out")
            continue
        if len(column) != count:
            raise unequal(f"columns.{name}", len(column), count, "right")
        block[row] = column
    if not count:
        raise invalid("columns.right", "columns have one option or more")
    block[columns.RIGHT] = rights_of(inputs.right)
    return block


def price_columns(inputs: pricing_pb2.OptionInputColumns) -> FloatArray:
    """Value and five greeks of European options as columns; names what can't be priced."""
    block = block_of_columns(inputs)
    return _price("black_scholes", block, lambda index: f"columns.{{}}[{index}]")


def _price(family: str, block: FloatArray, path_of: Callable[[int], str]) -> FloatArray:
    """Value and five greeks; an input outside the model's domain is named by its path.

    ``path_of`` gives the path in the request of an option's inputs, with ``{}`` for the input.
    """
    outcome = registry.evaluate(family, block)
    if outcome.invalid_count:
        wrong = (outcome.status != status.OK) & (outcome.status != status.GREEKS_UNDEFINED)
        index = int(np.flatnonzero(wrong)[0])
        name, rule = rule_of(family, int(outcome.status[index]))
        row = registry.FAMILIES[family].inputs.index(name) if name else columns.VALUE
        path = path_of(index)
        raise TradeCaptainError(
            reasons.REASON_MODEL_DOMAIN,
            f"{rule}; {outcome.invalid_count} of {block.shape[1]} options can't be priced",
            # What is wrong with no single input is told of the option as a whole.
            field=path.format(name) if name else path.replace(".{}", ""),
            observed=repr(float(block[row, index])) if name else None,
        )
    erase_undefined(outcome.outputs, outcome.status)
    return outcome.outputs


def erase_undefined(outputs: FloatArray, statuses: npt.NDArray[np.int64]) -> None:
    """Set the greeks of options that have none, as at the strike at expiry, to NaN in place."""
    outputs[columns.VALUE + 1 :, statuses == status.GREEKS_UNDEFINED] = np.nan


def value_of(outputs: FloatArray, index: int) -> pricing_pb2.OptionValue:
    """One option's outputs as a message, as many as there are; NaN, which is none, is left out."""
    named = zip(columns.OUTPUT_NAMES, outputs[:, index].tolist(), strict=False)
    return pricing_pb2.OptionValue(**{name: number for name, number in named if number == number})


def value_columns(outputs: FloatArray) -> pricing_pb2.OptionValueColumns:
    """All outputs as columns."""
    value, delta, gamma, vega, theta, rho = (row.tolist() for row in outputs)
    return pricing_pb2.OptionValueColumns(
        value=value, delta=delta, gamma=gamma, vega=vega, theta=theta, rho=rho
    )
