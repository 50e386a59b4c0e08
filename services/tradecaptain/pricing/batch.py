"""Between the contract's rows or columns of options and the blocks that kernels price."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import pricing_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing import columns, registry, status
from tradecaptain.wire import reason as reasons

FloatArray = npt.NDArray[np.float64]

_EUROPEAN: Final = (
    instruments_pb2.EXERCISE_STYLE_UNSPECIFIED,
    instruments_pb2.EXERCISE_STYLE_EUROPEAN,
)
_NUMERIC_COLUMNS: Final = (
    "spot",
    "strike",
    "time_years",
    "volatility",
    "interest_rate",
    "dividend_yield",
)


def _rights(numbers: Iterable[int]) -> FloatArray:
    """+1 for calls, -1 for puts; anything else stays what the kernels refuse."""
    codes = np.fromiter(numbers, dtype=np.int64)
    call, put = instruments_pb2.OPTION_RIGHT_CALL, instruments_pb2.OPTION_RIGHT_PUT
    return np.where(codes == call, 1.0, np.where(codes == put, -1.0, 0.0))


def block_of_rows(options: Iterable[pricing_pb2.OptionInputs], place: str) -> FloatArray:
    """A block from options as rows; ``place`` is the field's name with ``{}`` for the index."""
    rows = list(options)
    for index, option in enumerate(rows):
        if option.exercise_style not in _EUROPEAN:
            style = instruments_pb2.ExerciseStyle.Name(option.exercise_style)
            raise TradeCaptainError(
                reasons.REASON_MODEL_DOMAIN,
                f"{style} can't be priced: only European exercise can",
                field=f"{place.format(index)}.exercise_style",
                observed=style,
            )
    block = np.empty((columns.YIELD + 1, len(rows)))
    block[columns.RIGHT] = _rights(option.right for option in rows)
    for row, name in enumerate(_NUMERIC_COLUMNS, start=columns.SPOT):
        block[row] = [getattr(option, name) for option in rows]
    return block


def block_of_columns(inputs: pricing_pb2.OptionInputColumns) -> FloatArray:
    """A block from columns, which must all have one length."""
    count = len(inputs.right)
    block = np.empty((columns.YIELD + 1, count))
    for row, name in enumerate(_NUMERIC_COLUMNS, start=columns.SPOT):
        column = getattr(inputs, name)
        if len(column) != count:
            raise TradeCaptainError(
                reasons.REASON_INVALID_REQUEST,
                f"columns must be of equal length: right has {count} options,"
                f" {name} has {len(column)}",
                field=f"columns.{name}",
                limit=count,
                observed=len(column),
            )
        block[row] = column
    block[columns.RIGHT] = _rights(inputs.right)
    return block


def price_block(block: FloatArray, place: str) -> FloatArray:
    """Value and five greeks; an input outside the model's domain is named with its place."""
    outcome = registry.evaluate("black_scholes", block)
    if outcome.invalid_count:
        wrong = (outcome.status != status.OK) & (outcome.status != status.GREEKS_UNDEFINED)
        index = int(np.flatnonzero(wrong)[0])
        name, rule = status.RULES[int(outcome.status[index])]
        row = registry.FAMILIES["black_scholes"].inputs.index(name)
        raise TradeCaptainError(
            reasons.REASON_MODEL_DOMAIN,
            f"{rule}; {outcome.invalid_count} of {block.shape[1]} options can't be priced",
            field=place.format(index) + f".{name}",
            observed=repr(float(block[row, index])),
        )
    return outcome.outputs


def value_of(outputs: FloatArray, index: int) -> pricing_pb2.OptionValue:
    """One option's outputs as a message."""
    value, delta, gamma, vega, theta, rho = outputs[:, index].tolist()
    return pricing_pb2.OptionValue(
        value=value, delta=delta, gamma=gamma, vega=vega, theta=theta, rho=rho
    )


def value_columns(outputs: FloatArray) -> pricing_pb2.OptionValueColumns:
    """All outputs as columns."""
    value, delta, gamma, vega, theta, rho = (row.tolist() for row in outputs)
    return pricing_pb2.OptionValueColumns(
        value=value, delta=delta, gamma=gamma, vega=vega, theta=theta, rho=rho
    )
