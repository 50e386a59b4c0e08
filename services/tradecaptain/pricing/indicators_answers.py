"""Answers of the indicator service: the list, values over posted columns, values on candles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import indicators_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.indicators.program import (
    Program,
    complete_parameters,
    find,
    program_of,
    run,
)
from tradecaptain.kernels.indicators.registry import INDICATORS, Indicator, IndicatorError
from tradecaptain.pricing.indicators_candles import CandleSource
from tradecaptain.pricing.indicators_feed import CandleFeed
from tradecaptain.pricing.worker_pool import Steps
from tradecaptain.wire import reason as reasons

FloatArray = npt.NDArray[np.float64]

ANSWER_VALUES_MAX: Final = 1_000_000
"""Values of an answer at most: more would exceed what a message may hold."""
CANDLE_INPUTS: Final = ("open", "high", "low", "close", "volume")


def _refused(error: IndicatorError, place: str) -> TradeCaptainError:
    observed = None if error.observed is None else str(error.observed)
    field = f"{place}.{error.field}"
    return TradeCaptainError(
        reasons.REASON_INVALID_REQUEST, str(error), field=field, observed=observed
    )


def programs_of(
    specifications: Any, place: str = "indicators"
) -> tuple[list[Program], list[indicators_pb2.IndicatorSpecification]]:
    """Programs of a request, and what was asked for with every parameter filled in."""
    programs, complete = [], []
    for index, specification in enumerate(specifications):
        given = dict(specification.parameters)
        try:
            program = program_of(specification.name, given)
            values = complete_parameters(find(specification.name), given)
        except IndicatorError as error:
            raise _refused(error, f"{place}[{index}]") from error
        programs.append(program)
        complete.append(
            indicators_pb2.IndicatorSpecification(name=specification.name, parameters=values)
        )
    return programs, complete


def _description(indicator: Indicator) -> indicators_pb2.IndicatorDescription:
    return indicators_pb2.IndicatorDescription(
        name=indicator.name,
        group=indicator.group,
        summary=indicator.summary,
        inputs=indicator.inputs,
        parameters=[
            indicators_pb2.IndicatorParameter(
                name=parameter.name,
                default_value=parameter.default,
                lowest=parameter.lowest,
                highest=parameter.highest,
                whole=parameter.is_integer,
            )
            for parameter in indicator.parameters
        ],
        outputs=[
            indicators_pb2.IndicatorOutput(name=name, whole=name in indicator.whole_outputs)
            for name in indicator.outputs
        ],
        warm_up_bars=program_of(indicator.name).warm_up,
    )


def _columns(request: indicators_pb2.ComputeIndicatorsRequest) -> dict[str, FloatArray]:
    """The posted columns, which must be of one length."""
    columns = {
        name: np.array(column.values, np.float64) for name, column in request.columns.items()
    }
    lengths = {name: len(column) for name, column in columns.items()}
    expected = max(lengths.values())
    for name, length in sorted(lengths.items()):
        if length != expected:
            raise TradeCaptainError(
                reasons.REASON_INVALID_REQUEST,
                f"columns must be of equal length: {name} has {length} values, others {expected}",
                field=f"columns.{name}",
                limit=expected,
                observed=length,
            )
    return columns


def _inputs(program: Program, columns: Mapping[str, FloatArray], index: int) -> list[FloatArray]:
    for name in program.input_names:
        if name not in columns:
            needed = ", ".join(program.input_names)
            raise TradeCaptainError(
                reasons.REASON_INVALID_REQUEST,
                f"indicators[{index}], {program.indicator.name}, takes {needed}",
                field=f"columns.{name}",
            )
    return [columns[name] for name in program.input_names]


def list_indicators(
    request: indicators_pb2.ListIndicatorsRequest,
) -> indicators_pb2.ListIndicatorsResponse:
    """Answer a request for the indicators there are, by name."""
    wanted = [
        INDICATORS[name]
        for name in sorted(INDICATORS)
        if request.group in ("", INDICATORS[name].group)
    ]
    return indicators_pb2.ListIndicatorsResponse(
        indicators=[_description(indicator) for indicator in wanted]
    )


def compute(
    request: indicators_pb2.ComputeIndicatorsRequest,
) -> Steps[indicators_pb2.ComputeIndicatorsResponse]:
    """Answer a request for indicators over columns, one at a time."""
    columns = _columns(request)
    programs, _ = programs_of(request.indicators)
    value_count = sum(len(program.outputs) for program in programs) * len(
        next(iter(columns.values()))
    )
    if value_count > ANSWER_VALUES_MAX:
        raise TradeCaptainError(
            reasons.REASON_INVALID_REQUEST,
            f"the answer would have {value_count} values; ask for fewer indicators or bars at once",
            field="indicators",
            limit=ANSWER_VALUES_MAX,
            observed=value_count,
        )
    response = indicators_pb2.ComputeIndicatorsResponse()
    for index, program in enumerate(programs):
        outputs = run(program, _inputs(program, columns, index))
        answer = response.indicators.add(warm_up_bars=program.warm_up)
        for name, values in zip(program.indicator.outputs, outputs, strict=True):
            answer.outputs.add(name=name, values=values[program.warm_up :])
        yield
    return response


async def stream(
    request: indicators_pb2.StreamIndicatorsRequest,
    instrument: str,
    source: CandleSource,
    metadata: Any,
) -> AsyncIterator[indicators_pb2.StreamIndicatorsResponse]:
    """History of an instrument first, then values whenever a candle changes or completes."""
    programs, complete = programs_of(request.indicators)
    for index, program in enumerate(programs):
        foreign = [name for name in program.input_names if name not in CANDLE_INPUTS]
        if foreign:
            raise TradeCaptainError(
                reasons.REASON_INVALID_REQUEST,
                f"{program.indicator.name} takes {foreign[0]}, which candles don't have",
                field=f"indicators[{index}].name",
            )
    feed = CandleFeed(programs, complete_only=request.complete_only)
    async for header, candles in source.follow(
        instrument,
        request.interval_seconds,
        max(program.warm_up for program in programs) + request.history + 1,
        metadata,
    ):
        if header is not None:
            feed.set_units(header)
            rows = feed.take(candles)
            shown = [row for row in rows if row.complete][-request.history :]
            if request.history == 0:
                shown = []
            forming = [row for row in rows if not row.complete]
            yield indicators_pb2.StreamIndicatorsResponse(
                header=header, indicators=complete, candles=[*shown, *forming]
            )
        else:
            rows = feed.take(candles)
            if rows:
                yield indicators_pb2.StreamIndicatorsResponse(candles=rows)
