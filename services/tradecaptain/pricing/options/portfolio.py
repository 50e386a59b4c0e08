"""Portfolios of options under every combination of spot, volatility and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import options_pb2
from tradecaptain.kernels.pricing import revaluation
from tradecaptain.pricing.batch import block_of_columns
from tradecaptain.pricing.options.blocks import (
    AMERICAN,
    FAMILY_OF_MODEL,
    inputs_of_block,
)
from tradecaptain.pricing.options.listed import Holdings
from tradecaptain.pricing.refusals import invalid
from tradecaptain.pricing.worker_pool import Steps

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SCENARIOS_MAX: Final = 100_000
VALUES_MAX: Final = 2_000_000_000
"""Positions times scenarios at most: some ten seconds of a core."""
AMERICAN_VALUES_MAX: Final = 5_000_000
# Values computed between two looks at who else waits.
_PIECE: Final = 1_000_000
_AMERICAN_PIECE: Final = 512


@dataclass(frozen=True)
class Portfolio:
    """All positions, and the scenarios to value them in."""

    parts: Sequence[Holdings]
    spot_factors: FloatArray
    volatility_shifts: FloatArray
    years: FloatArray


def part_of_request(request: options_pb2.RevaluePortfolioRequest) -> Holdings:
    """The positions that a request gives by columns or by a block."""
    family = FAMILY_OF_MODEL[request.model]
    if request.HasField("columns"):
        inputs = block_of_columns(request.columns, family)
    else:
        inputs = inputs_of_block(request.block, family)
    if len(request.quantities) != inputs.shape[1]:
        raise invalid(
            "quantities",
            "every position has one quantity",
            limit=inputs.shape[1],
            observed=len(request.quantities),
        )
    quantities = np.array(request.quantities)
    wrong = np.flatnonzero(~np.isfinite(quantities))
    if wrong.size:
        raise invalid(f"quantities[{int(wrong[0])}]", "quantities must be finite")
    return Holdings(family, inputs, quantities)


def revalue_request(
    request: options_pb2.RevaluePortfolioRequest,
) -> Steps[options_pb2.RevaluePortfolioResponse]:
    """Answer a request that gives its positions by columns or by a block."""
    return revalue(portfolio_of(request, [part_of_request(request)]))


def revalue_listed(
    request_and_holdings: tuple[options_pb2.RevaluePortfolioRequest, Sequence[Holdings]],
) -> Steps[options_pb2.RevaluePortfolioResponse]:
    """Answer a request whose listed positions were looked up."""
    return revalue(portfolio_of(*request_and_holdings))


def portfolio_of(
    request: options_pb2.RevaluePortfolioRequest, parts: Sequence[Holdings]
) -> Portfolio:
    """Positions with a request's scenarios; refuses more work than one call may ask for."""
    axes = [
        np.array(axis) if axis else np.array([default])
        for axis, default in (
            (request.spot_factors, 1.0),
            (request.volatility_shifts, 0.0),
            (request.years, 0.0),
        )
    ]
    count = axes[0].size * axes[1].size * axes[2].size
    if count > SCENARIOS_MAX:
        raise invalid(
            "spot_factors",
            "factors, shifts and years multiply to too many scenarios",
            limit=SCENARIOS_MAX,
            observed=count,
        )
    for part in parts:
        limit = AMERICAN_VALUES_MAX if part.family == AMERICAN else VALUES_MAX
        if part.inputs.shape[1] * count > limit:
            raise invalid(
                "spot_factors",
                f"positions ({part.family}) and scenarios multiply to too many values",
                limit=limit,
                observed=part.inputs.shape[1] * count,
            )
    return Portfolio(parts, *axes)


def revalue(portfolio: Portfolio) -> Steps[options_pb2.RevaluePortfolioResponse]:
    """Value a portfolio as things stand and in every scenario."""
    axes = (portfolio.spot_factors, portfolio.volatility_shifts, portfolio.years)
    grid = revaluation.scenario_grid(*axes)
    as_is = np.array([[1.0], [0.0], [0.0]])
    scenarios = np.ascontiguousarray(np.hstack([as_is, grid]))
    values = np.zeros(scenarios.shape[1])
    invalid_counts = np.zeros(scenarios.shape[1], dtype=np.int64)
    for part in portfolio.parts:
        yield from _add_values(part, scenarios, values, invalid_counts)
    counts = invalid_counts[1:]
    return options_pb2.RevaluePortfolioResponse(
        base_value=float(values[0]),
        values=values[1:].tolist(),
        invalid_counts=counts.tolist() if counts.any() else [],
        shape=[axis.size for axis in axes],
    )


def _add_values(
    part: Holdings, scenarios: FloatArray, values: FloatArray, invalid_counts: IntArray
) -> Steps[None]:
    """Add a part's value in every scenario, some positions and scenarios at a time."""
    piece = _AMERICAN_PIECE if part.family == AMERICAN else _PIECE
    for first in range(0, part.quantities.size, piece):
        own = slice(first, first + piece)
        inputs = np.ascontiguousarray(part.inputs[:, own])
        step = max(1, piece // inputs.shape[1])
        for start in range(0, scenarios.shape[1], step):
            some = slice(start, start + step)
            found = revaluation.revalue(
                part.family,
                inputs,
                part.quantities[own],
                np.ascontiguousarray(scenarios[:, some]),
            )
            values[some] += found.values
            invalid_counts[some] += found.invalid_counts
            yield
