"""Blocks of options: FlatBuffers in and out, with a status for each option."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import option_families_pb2, options_pb2
from tradecaptain.base.columns import (
    OPTION_INPUT_COLUMNS,
    OPTION_VALUE_COLUMNS,
    build_block,
    view_block,
)
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing import american, columns, registry, status
from tradecaptain.pricing.batch import NUMERIC_COLUMNS, erase_undefined, rights_of
from tradecaptain.pricing.refusals import invalid
from tradecaptain.pricing.worker_pool import Steps

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ROWS_MAX: Final = 200_000
"""Options of a block: their answer with all greeks is below what a message may hold."""

AMERICAN: Final = "american"
FAMILY_OF_MODEL: Final[dict[int, str]] = {
    options_pb2.OPTION_MODEL_UNSPECIFIED: "black_scholes",
    options_pb2.OPTION_MODEL_BLACK_SCHOLES: "black_scholes",
    options_pb2.OPTION_MODEL_BLACK76: "black76",
    options_pb2.OPTION_MODEL_BACHELIER: "bachelier",
    options_pb2.OPTION_MODEL_AMERICAN: AMERICAN,
}
OUTPUT_ROWS: Final[dict[int, int]] = {
    option_families_pb2.OPTION_DEPTH_UNSPECIFIED: columns.GREEK_ROWS,
    option_families_pb2.OPTION_DEPTH_VALUE: 1,
    option_families_pb2.OPTION_DEPTH_GREEKS: columns.GREEK_ROWS,
    option_families_pb2.OPTION_DEPTH_ALL_GREEKS: columns.ALL_GREEK_ROWS,
}
ACCURACY: Final[dict[int, american.Accuracy]] = {
    options_pb2.AMERICAN_ACCURACY_UNSPECIFIED: american.Accuracy.STANDARD,
    options_pb2.AMERICAN_ACCURACY_FAST: american.Accuracy.FAST,
    options_pb2.AMERICAN_ACCURACY_STANDARD: american.Accuracy.STANDARD,
    options_pb2.AMERICAN_ACCURACY_ACCURATE: american.Accuracy.ACCURATE,
}
# Options that are priced between two looks at who else waits: some milliseconds.
EUROPEAN_PIECE: Final = 65_536
AMERICAN_PIECE: Final = 128
ACCURATE_PIECE: Final = 8


def status_numbers(statuses: IntArray) -> npt.NDArray[np.uint8]:
    """Numbers of ``OptionStatus``, which are those of the kernels without their sign."""
    good = options_pb2.OPTION_STATUS_OK
    return np.where(statuses == status.OK, good, -statuses).astype(np.uint8)


def is_priced(statuses: IntArray) -> npt.NDArray[np.bool_]:
    """Which options have a value."""
    return np.asarray((statuses == status.OK) | (statuses == status.GREEKS_UNDEFINED))


def inputs_of_block(data: bytes, family: str) -> FloatArray:
    """A kernel's block of a family's inputs from the bytes of a request's ``block``.

    Refuses bytes that aren't such a block, naming its column as ``block.spot``.
    """
    try:
        block = view_block(OPTION_INPUT_COLUMNS, data)
    except TradeCaptainError as error:
        field = "block" if error.field == "block" else f"block.{error.field}"
        raise TradeCaptainError(error.reason, error.message, field=field) from error
    count = block.row_count
    if not 1 <= count <= ROWS_MAX:
        raise invalid("block", f"a block has 1 to {ROWS_MAX} rows", limit=ROWS_MAX, observed=count)
    inputs = np.empty((len(registry.FAMILIES[family].inputs), count))
    inputs[columns.RIGHT] = rights_of(block.columns["right"])
    for row, name in enumerate(NUMERIC_COLUMNS, start=columns.SPOT):
        column = block.columns.get(name)
        if row >= inputs.shape[0]:
            if column is not None:
                raise invalid(f"block.{name}", f"{family} takes no {name}: leave the column out")
        elif column is None:
            raise invalid(
                f"block.{name}", f"{family} takes a column {name}, of zeros where it is 0"
            )
        else:
            inputs[row] = column
    return inputs


Pricer = Callable[[FloatArray], tuple[FloatArray, IntArray]]


def pricer_of(family: str, rows: int, accuracy: american.Accuracy) -> tuple[Pricer, int]:
    """A function that prices a block, and how many options it shall be given at once."""
    if family == AMERICAN:

        def price_american(inputs: FloatArray) -> tuple[FloatArray, IntArray]:
            found = american.price(inputs, accuracy, rows)
            return found.values, found.status

        is_accurate = accuracy is american.Accuracy.ACCURATE
        return price_american, ACCURATE_PIECE if is_accurate else AMERICAN_PIECE

    def price(inputs: FloatArray) -> tuple[FloatArray, IntArray]:
        outcome = registry.evaluate(family, inputs, rows)
        return outcome.outputs, outcome.status

    return price, EUROPEAN_PIECE


def price_in_pieces(
    inputs: FloatArray, pricer: Pricer, piece: int, rows: int
) -> Steps[tuple[FloatArray, IntArray]]:
    """Outputs and statuses of a block, some options at a time."""
    count = inputs.shape[1]
    outputs, statuses = np.empty((rows, count)), np.empty(count, dtype=np.int64)
    for start in range(0, count, piece):
        part = slice(start, start + piece)
        outputs[:, part], statuses[part] = pricer(np.ascontiguousarray(inputs[:, part]))
        yield
    erase_undefined(outputs, statuses)
    return outputs, statuses


def price_block(
    request: options_pb2.PriceOptionBlockRequest,
) -> Steps[options_pb2.PriceOptionBlockResponse]:
    """Answer a request for a block of options."""
    if request.schema_id not in ("", OPTION_INPUT_COLUMNS.schema_id):
        raise invalid(
            "schema_id",
            f"blocks of options are {OPTION_INPUT_COLUMNS.schema_id}",
            observed=request.schema_id,
        )
    family, rows = FAMILY_OF_MODEL[request.model], OUTPUT_ROWS[request.depth]
    if rows > registry.FAMILIES[family].depth:
        depth = registry.FAMILIES[family].depth
        raise invalid("depth", f"{family} has {depth} outputs, not {rows}", limit=depth)
    if request.accuracy and family != AMERICAN:
        raise invalid("accuracy", "only American options have a choice of accuracy")
    inputs = inputs_of_block(request.block, family)
    pricer, piece = pricer_of(family, rows, ACCURACY[request.accuracy])
    outputs, statuses = yield from price_in_pieces(inputs, pricer, piece, rows)
    named: dict[str, Any] = dict(zip(columns.OUTPUT_NAMES[:rows], outputs, strict=True))
    block = build_block(OPTION_VALUE_COLUMNS, {}, {"status": status_numbers(statuses), **named})
    return options_pb2.PriceOptionBlockResponse(
        schema_id=OPTION_VALUE_COLUMNS.schema_id,
        block=block,
        row_count=inputs.shape[1],
        invalid_count=int(np.count_nonzero(~is_priced(statuses))),
    )
