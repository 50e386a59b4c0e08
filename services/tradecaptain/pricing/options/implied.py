"""Volatilities that columns of prices imply, each with a status."""

from __future__ import annotations

from typing import Final

import numpy as np
from tradecaptain.api.pricing.v1 import options_pb2
from tradecaptain.kernels.pricing import columns, registry
from tradecaptain.pricing.batch import rights_of
from tradecaptain.pricing.options.blocks import FAMILY_OF_MODEL, status_numbers
from tradecaptain.pricing.refusals import invalid, unequal
from tradecaptain.pricing.worker_pool import Steps

_PIECE: Final = 65_536
# Rows of a block, where the price stands in the volatility's.
_COLUMNS: Final = ("spot", "strike", "time_years", "price", "interest_rate", "dividend_yield")


def solve_implied(
    request: options_pb2.SolveImpliedVolatilitiesRequest,
) -> Steps[options_pb2.SolveImpliedVolatilitiesResponse]:
    """Answer a request for implied volatilities."""
    family = FAMILY_OF_MODEL[request.model]
    told = request.columns
    count = len(told.right)
    inputs = np.empty((len(registry.FAMILIES[family].inputs), count))
    inputs[columns.RIGHT] = rights_of(told.right)
    for row, name in enumerate(_COLUMNS, start=columns.SPOT):
        column = getattr(told, name)
        if row >= inputs.shape[0]:
            if column:
                raise invalid(f"columns.{name}", f"{family} takes no {name}: leave the column out")
            continue
        if len(column) != count:
            raise unequal(f"columns.{name}", len(column), count, "right")
        inputs[row] = column
    volatilities = np.empty(count)
    statuses = np.empty(count, dtype=np.int64)
    for start in range(0, count, _PIECE):
        part = slice(start, start + _PIECE)
        found = registry.implied_volatilities(family, np.ascontiguousarray(inputs[:, part]))
        volatilities[part], statuses[part] = found.outputs[0], found.status
        yield
    return options_pb2.SolveImpliedVolatilitiesResponse(
        volatility=volatilities.tolist(),
        status=status_numbers(statuses).tolist(),
        invalid_count=int(np.count_nonzero(statuses)),
    )
