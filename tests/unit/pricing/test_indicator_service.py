"""IndicatorService over a real gRPC server: the list, columns, candles as they form, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from support import bars
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.pricing.v1 import indicators_pb2, indicators_pb2_grpc
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import default_reference
from tradecaptain.edge import EdgeServer, EdgeSettings, Role
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.principals import Principal
from tradecaptain.edge.tokens import TokenEntry, TokenTable
from tradecaptain.kernels.indicators.program import compute
from tradecaptain.kernels.indicators.registry import INDICATORS
from tradecaptain.pricing.indicators import Indicators
from tradecaptain.pricing.worker_pool import WorkerPool
from tradecaptain.wire import reason

READER = (("authorization", "Bearer tc_reader"),)
HEADER = common_pb2.StreamHeader(
    units=[
        common_pb2.InstrumentUnits(
            instrument_id=7,
            price_unit=common_pb2.Rational(numerator=1, denominator=100),
            quantity_unit=common_pb2.Rational(numerator=1, denominator=1),
        )
    ]
)
UNSERVED = "GLOBX@XSIM"
CLOSES = [100 + step for step in (0, 3, 1, 5, 2, 8, 4, 9, 6, 7)]


def candle(number: int, close: int, *, complete: bool = True) -> Any:
    return records_pb2.Candle(
        instrument_id=7,
        open_time_ns=number * 10**9,
        open_price_units=close * 100,
        high_price_units=close * 100 + 50,
        low_price_units=close * 100 - 50,
        close_price_units=close * 100,
        volume_quantity_units=10,
        complete=complete,
        sequence=number,
    )


class Source:
    """Candles that a test prepares."""

    def __init__(self) -> None:
        self.past: list[Any] = [candle(n, close) for n, close in enumerate(CLOSES, start=1)]
        self.changes: list[list[Any]] = []
        self.asked: list[Any] = []

    async def follow(
        self, instrument: str, interval_seconds: int, count: int, metadata: Any
    ) -> AsyncIterator[Any]:
        self.asked.append((instrument, interval_seconds, count, dict(metadata)["authorization"]))
        if instrument == UNSERVED:
            raise TradeCaptainError(reason.REASON_UNKNOWN_INSTRUMENT, "there is none")
        yield HEADER, self.past
        for change in self.changes:
            yield None, change


@asynccontextmanager
async def serving(tmp_path: Path, source: Source) -> AsyncIterator[Any]:
    pool = WorkerPool(1, 4)
    reader = Principal("reader", frozenset(), False, frozenset({Role.READ}))
    server = EdgeServer(
        EdgeSettings("pricing", 0, tmp_path / "none", drain_wait_seconds=0.0),
        source=TokenTable([TokenEntry("tc_reader", reader)]),
    )
    server.add(
        indicators_pb2_grpc.add_IndicatorServiceServicer_to_server,
        Indicators(default_reference(), pool, source),
        access={"*": Role.READ},
    )
    port = await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield indicators_pb2_grpc.IndicatorServiceStub(channel)
    finally:
        await server.stop()
        pool.close()


def specification(name: str, **parameters: float) -> Any:
    return indicators_pb2.IndicatorSpecification(name=name, parameters=parameters)


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def test_the_list_tells_inputs_parameters_outputs_and_warm_up(tmp_path: Path) -> None:
    async with serving(tmp_path, Source()) as stub:
        request = indicators_pb2.ListIndicatorsRequest()
        found = (await stub.ListIndicators(request, metadata=READER)).indicators
        assert [item.name for item in found] == sorted(INDICATORS)
        macd = next(item for item in found if item.name == "MACD")
        assert macd.parameters[0].name == "fastperiod"
        assert [output.name for output in macd.outputs] == ["macd", "macdsignal", "macdhist"]
        assert (macd.warm_up_bars, list(macd.inputs)) == (33, ["close"])
        request = indicators_pb2.ListIndicatorsRequest(group="Pattern Recognition")
        assert len((await stub.ListIndicators(request, metadata=READER)).indicators) == 61


@pytest.mark.parametrize("count", [120, 30_000])
async def test_columns_give_what_the_kernels_give(tmp_path: Path, count: int) -> None:
    columns = bars.walk(count)
    async with serving(tmp_path, Source()) as stub:
        request = indicators_pb2.ComputeIndicatorsRequest(
            indicators=[specification("MACD", fastperiod=5), specification("ATR")]
        )
        for name in ("high", "low", "close"):
            request.columns[name].values.extend(columns[name])
        answer = await stub.ComputeIndicators(request, metadata=READER)
    macd, atr = answer.indicators
    due = compute("MACD", [columns["close"]], {"fastperiod": 5})
    assert [output.name for output in macd.outputs] == ["macd", "macdsignal", "macdhist"]
    for output, values in zip(macd.outputs, due, strict=True):
        np.testing.assert_array_equal(list(output.values), values[macd.warm_up_bars :])
    assert len(atr.outputs[0].values) == count - atr.warm_up_bars


async def test_a_forming_candle_is_told_and_told_again_and_counts_once(tmp_path: Path) -> None:
    source = Source()
    source.past.append(candle(11, 120, complete=False))
    source.changes = [
        [candle(11, 140, complete=False)],
        [candle(11, 110), candle(12, 115, complete=False)],
        [candle(11, 110)],
        [candle(12, 105)],
    ]
    async with serving(tmp_path, source) as stub:
        request = indicators_pb2.StreamIndicatorsRequest(
            instrument="AMZN@XNAS",
            interval_seconds=60,
            indicators=[specification("SMA", timeperiod=3), specification("MOM", timeperiod=30)],
            history=4,
        )
        answers = [answer async for answer in stub.StreamIndicators(request, metadata=READER)]
    assert source.asked == [("AMZN@XNAS", 60, 30 + 4 + 1, "Bearer tc_reader")]
    first, *later = answers
    assert first.header == HEADER
    assert first.indicators[0].parameters == {"timeperiod": 3}
    shown = [(row.open_time_ns // 10**9, row.complete) for row in first.candles]
    assert shown == [(7, True), (8, True), (9, True), (10, True), (11, False)]
    due = {number: np.mean(CLOSES[number - 3 : number]) for number in range(7, 11)}
    for row in first.candles[:4]:
        assert row.indicators[0].values[0] == pytest.approx(due[row.open_time_ns // 10**9])
        assert not row.indicators[1].values
    rows = [
        (row.open_time_ns // 10**9, row.complete, round(row.indicators[0].values[0], 9))
        for answer in [first, *later]
        for row in answer.candles
        if row.open_time_ns > 10 * 10**9
    ]
    assert rows == [
        (11, False, round((106 + 107 + 120) / 3, 9)),
        (11, False, round((106 + 107 + 140) / 3, 9)),
        (11, True, round((106 + 107 + 110) / 3, 9)),
        (12, False, round((107 + 110 + 115) / 3, 9)),
        (12, True, round((107 + 110 + 105) / 3, 9)),
    ]


async def test_only_complete_candles_if_asked(tmp_path: Path) -> None:
    source = Source()
    source.changes = [[candle(11, 110, complete=False)], [candle(11, 111)]]
    async with serving(tmp_path, source) as stub:
        request = indicators_pb2.StreamIndicatorsRequest(
            instrument="AMZN@XNAS",
            interval_seconds=1,
            indicators=[specification("CDLDOJI")],
            complete_only=True,
        )
        answers = [answer async for answer in stub.StreamIndicators(request, metadata=READER)]
    assert [[row.close_price for row in answer.candles] for answer in answers] == [[], [111.0]]


@pytest.mark.parametrize(
    ("indicator", "field"),
    [
        (specification("NOSUCH"), "indicators[1].name"),
        (specification("SMA", timeperiod=0), "indicators[1].parameters.timeperiod"),
        (specification("SMA", timeperiod=2.5), "indicators[1].parameters.timeperiod"),
        (specification("SMA", period=5), "indicators[1].parameters.period"),
        (specification("MAVP"), "indicators[1].name"),
    ],
)
async def test_what_no_indicator_can_serve_is_refused_by_field(
    tmp_path: Path, indicator: Any, field: str
) -> None:
    async with serving(tmp_path, Source()) as stub:
        request = indicators_pb2.StreamIndicatorsRequest(
            instrument="AMZN@XNAS",
            interval_seconds=60,
            indicators=[specification("SMA"), indicator],
        )
        error = await refusal(stub.StreamIndicators(request, metadata=READER).read())
        assert (error.reason, error.field) == (reason.REASON_INVALID_REQUEST, field)


async def test_columns_that_dont_fit_are_refused_by_name(tmp_path: Path) -> None:
    async with serving(tmp_path, Source()) as stub:
        request = indicators_pb2.ComputeIndicatorsRequest(indicators=[specification("ATR")])
        request.columns["high"].values.extend([1.0, 2.0])
        request.columns["low"].values.extend([1.0, 2.0])
        error = await refusal(stub.ComputeIndicators(request, metadata=READER))
        assert error.field == "columns.close"
        request.columns["close"].values.extend([1.0])
        error = await refusal(stub.ComputeIndicators(request, metadata=READER))
        assert error.field == "columns.close"
        assert "equal length" in error.message


async def test_an_answer_that_no_message_holds_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, Source()) as stub:
        request = indicators_pb2.ComputeIndicatorsRequest(indicators=[specification("MACD")] * 12)
        request.columns["close"].values.extend([1.0] * 30_000)
        error = await refusal(stub.ComputeIndicators(request, metadata=READER))
        assert (error.field, error.limit) == ("indicators", "1000000")


async def test_refusals_of_the_candle_source_are_handed_on(tmp_path: Path) -> None:
    async with serving(tmp_path, Source()) as stub:
        request = indicators_pb2.StreamIndicatorsRequest(
            instrument=UNSERVED, interval_seconds=60, indicators=[specification("SMA")]
        )
        error = await refusal(stub.StreamIndicators(request, metadata=READER).read())
        assert (error.reason, error.message) == (reason.REASON_UNKNOWN_INSTRUMENT, "there is none")
        request.instrument = "NONE@XNAS"
        error = await refusal(stub.StreamIndicators(request, metadata=READER).read())
        assert (error.reason, error.field) == (reason.REASON_UNKNOWN_INSTRUMENT, "instrument")


@pytest.mark.parametrize("name", ["ACME", "ACME@TCAP", "ACME@XSIM", "number"])
async def test_an_instrument_of_our_venue_stands_for_the_market_that_it_takes_its_flow_from(
    tmp_path: Path, name: str
) -> None:
    source = Source()
    number = default_reference().by_symbol("ACME@XSIM").instrument_id
    async with serving(tmp_path, source) as stub:
        request = indicators_pb2.StreamIndicatorsRequest(
            instrument=str(number) if name == "number" else name,
            interval_seconds=60,
            indicators=[specification("SMA")],
        )
        await stub.StreamIndicators(request, metadata=READER).read()
    assert source.asked[0][0] == "ACME@XSIM"
