"""The gRPC edge of indicators: the list, values over posted columns, values on candles, live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final, override

from tradecaptain.api.pricing.v1 import indicators_pb2, indicators_pb2_grpc
from tradecaptain.base.reference import Reference
from tradecaptain.pricing.indicators_candles import CandleSource
from tradecaptain.pricing.later import Later
from tradecaptain.pricing.market_names import on_market
from tradecaptain.pricing.worker_pool import WorkerPool, at_once

INLINE_VALUES: Final = 20_000
"""More values than this, over all indicators, are computed beside the loop."""

_ANSWERS: Final = "tradecaptain.pricing.indicators_answers"
list_indicators: Final = Later(f"{_ANSWERS}:list_indicators")
compute: Final = Later(f"{_ANSWERS}:compute")
stream: Final = Later(f"{_ANSWERS}:stream")


class Indicators(indicators_pb2_grpc.IndicatorServiceServicer):
    """Small requests in the loop thread, large ones beside it; streams follow a candle source."""

    def __init__(self, reference: Reference, pool: WorkerPool, source: CandleSource) -> None:
        self._reference = reference
        self._pool = pool
        self._source = source

    @override
    async def ListIndicators(
        self, request: indicators_pb2.ListIndicatorsRequest, context: Any
    ) -> indicators_pb2.ListIndicatorsResponse:
        """Every indicator, by name."""
        return await self._pool.run(list_indicators, request)

    @override
    async def ComputeIndicators(
        self, request: indicators_pb2.ComputeIndicatorsRequest, context: Any
    ) -> indicators_pb2.ComputeIndicatorsResponse:
        """Indicators over columns."""
        bars = max(len(column.values) for column in request.columns.values())
        if compute.is_loaded and bars * len(request.indicators) <= INLINE_VALUES:
            return at_once(compute(request))
        return await self._pool.run(compute, request)

    @override
    async def StreamIndicators(
        self, request: indicators_pb2.StreamIndicatorsRequest, context: Any
    ) -> AsyncIterator[indicators_pb2.StreamIndicatorsResponse]:
        """History, then values whenever a candle changes or completes."""
        instrument = on_market(self._reference, request.instrument, "instrument").key
        follow = stream.load() if stream.is_loaded else await self._pool.run(stream.load, None)
        metadata = context.invocation_metadata()
        async with aclosing(follow(request, instrument, self._source, metadata)) as responses:
            async for response in responses:
                yield response
