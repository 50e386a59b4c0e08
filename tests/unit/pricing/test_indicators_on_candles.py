"""Indicators on the candles of a replayed market, market data being a server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from support.lobster_day import LobsterDay
from support.market_world import MarketWorld
from tradecaptain.api.marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc
from tradecaptain.api.pricing.v1 import indicators_pb2, indicators_pb2_grpc
from tradecaptain.edge import EdgeServer, EdgeSettings, Role
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.principals import Principal
from tradecaptain.edge.tokens import TokenEntry, TokenTable
from tradecaptain.kernels.indicators.program import compute
from tradecaptain.pricing.indicators import Indicators
from tradecaptain.pricing.indicators_candles import MarketDataCandles
from tradecaptain.pricing.worker_pool import WorkerPool
from tradecaptain.wire import reason

NAME = "AMZN@XNAS"
READER = (("authorization", "Bearer tc_reader"),)
PERIOD = 3


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MarketWorld]:
    day = LobsterDay(11, 5, 4000)
    opened = MarketWorld(tmp_path, [day.write_zip(tmp_path / "day.zip", symbol="AMZN")])
    yield opened
    opened.close()


@asynccontextmanager
async def hosted(tmp_path: Path, process: str, add: Any, servicer: Any) -> AsyncIterator[str]:
    reader = Principal("reader", frozenset(), False, frozenset({Role.READ}))
    server = EdgeServer(
        EdgeSettings(process, 0, tmp_path / "none", drain_wait_seconds=0.0),
        source=TokenTable([TokenEntry("tc_reader", reader)]),
    )
    server.add(add, servicer, access={"*": Role.READ})
    port = await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop()


@asynccontextmanager
async def serving(tmp_path: Path, world: MarketWorld) -> AsyncIterator[Any]:
    pool = WorkerPool(1, 4)
    market_data = marketdata_pb2_grpc.add_MarketDataServiceServicer_to_server
    indicators = indicators_pb2_grpc.add_IndicatorServiceServicer_to_server
    try:
        async with (
            hosted(tmp_path, "collector", market_data, world.service) as collector,
            hosted(
                tmp_path,
                "pricing",
                indicators,
                Indicators(world.reference, pool, MarketDataCandles(collector)),
            ) as pricing,
            grpc.aio.insecure_channel(pricing) as channel,
        ):
            yield indicators_pb2_grpc.IndicatorServiceStub(channel)
    finally:
        pool.close()


def request(instrument: str = NAME, history: int = 1000) -> indicators_pb2.StreamIndicatorsRequest:
    return indicators_pb2.StreamIndicatorsRequest(
        instrument=instrument,
        interval_seconds=1,
        history=history,
        indicators=[
            indicators_pb2.IndicatorSpecification(name="SMA", parameters={"timeperiod": PERIOD})
        ],
    )


async def candles_of(world: MarketWorld) -> list[Any]:
    asked = marketdata_pb2.GetCandlesRequest(instrument=NAME, interval_seconds=1, limit=10_000)
    return list((await world.service.GetCandles(asked, None)).candles)


async def test_values_are_those_of_the_candles(tmp_path: Path, world: MarketWorld) -> None:
    world.play_all()
    async with serving(tmp_path, world) as stub:
        stream = stub.StreamIndicators(request(), metadata=READER)
        first = await stream.read()
        stream.cancel()
    candles = await candles_of(world)
    assert len(candles) > PERIOD
    unit = first.header.units[0].price_unit
    closes = np.array([item.close_price_units for item in candles])
    due = compute("SMA", [closes * unit.numerator / unit.denominator], {"timeperiod": PERIOD})[0]
    assert [row.open_time_ns for row in first.candles] == [item.open_time_ns for item in candles]
    for row, value in zip(first.candles, due, strict=True):
        found = list(row.indicators[0].values)
        assert found == ([] if np.isnan(value) else [value])


async def test_candles_that_form_later_come_too(tmp_path: Path, world: MarketWorld) -> None:
    world.turn(3, batch=10)
    before = len(await candles_of(world))
    async with serving(tmp_path, world) as stub:
        stream = stub.StreamIndicators(request(), metadata=READER)
        first = await stream.read()
        assert len(first.candles) == before
        world.play_all()
        candles = await candles_of(world)
        last = {row.open_time_ns: row for row in first.candles}
        while candles[-1].open_time_ns not in last:
            for row in (await stream.read()).candles:
                last[row.open_time_ns] = row
        stream.cancel()
    newest = [item.close_price_units for item in candles[-PERIOD:]]
    unit = first.header.units[0].price_unit
    value = np.mean(newest) * unit.numerator / unit.denominator
    assert last[candles[-1].open_time_ns].indicators[0].values[0] == pytest.approx(value)


async def test_what_market_data_refuses_is_refused(tmp_path: Path, world: MarketWorld) -> None:
    world.turn(1)
    async with serving(tmp_path, world) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            await stub.StreamIndicators(request("NONE@XNAS"), metadata=READER).read()
        assert from_rpc_error(caught.value).reason == reason.REASON_UNKNOWN_INSTRUMENT
