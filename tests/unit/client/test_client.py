"""The SDK before a real server: typed errors, safe retries, streams that resume."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.toy_services import ACCESS, ACCOUNTS, ToyOrders
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.api.orders.v1.orders_pb2_grpc import add_OrderServiceServicer_to_server
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.client import Client, Units, units_to_decimal
from tradecaptain.client.client import decimal_text
from tradecaptain.edge import EdgeServer, EdgeSettings
from tradecaptain.edge.tokens import default_entries, token_of, write_tokens
from tradecaptain.wire import reason


class Flaky(ToyOrders):
    """Fails once in the middle of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.resumed: list[int] = []

    async def SubmitOrder(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.keys.append(request.order.client_order_id)
        if len(self.keys) == 1:
            raise TradeCaptainError(reason.REASON_OUTCOME_UNKNOWN, "who knows")
        return await super().SubmitOrder(request, context)

    async def StreamExecutions(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        seen = request.resume_from.sequence
        self.resumed.append(seen)
        yield orders_pb2.StreamExecutionsResponse(
            header=common_pb2.StreamHeader(
                units=[
                    common_pb2.InstrumentUnits(
                        instrument_id=7,
                        instrument="X@TCAP",
                        price_unit=common_pb2.Rational(numerator=1, denominator=256),
                        quantity_unit=common_pb2.Rational(numerator=1, denominator=1),
                    )
                ]
            )
        )
        for sequence in range(seen + 1, seen + 3):
            yield orders_pb2.StreamExecutionsResponse(
                reports=[records_pb2.ExecutionReport(epoch=1, sequence=sequence)]
            )
        if seen < 4:
            raise TradeCaptainError(reason.REASON_SLOW_CONSUMER, "too slow")


@asynccontextmanager
async def connected(tmp_path: Path, servicer: Any) -> AsyncIterator[Client]:
    tokens = tmp_path / "tokens.toml"
    write_tokens(tokens, default_entries(ACCOUNTS))
    server = EdgeServer(EdgeSettings(service="toy", port=0, token_path=tokens, accounts=ACCOUNTS))
    server.add(add_OrderServiceServicer_to_server, servicer, access=ACCESS)
    port = await server.start()
    try:
        async with Client(f"127.0.0.1:{port}", token_of(tokens, "alpha")) as client:
            yield client
    finally:
        await server.stop()


async def test_refusals_are_typed(tmp_path: Path) -> None:
    async with connected(tmp_path, ToyOrders()) as client:
        with pytest.raises(TradeCaptainError) as refused:
            await client.submit(
                "ACME@TCAP", "buy", quantity=1, price="1.00", client_order_id="refuse"
            )
    error = refused.value
    assert (error.reason, error.limit, error.observed) == (reason.REASON_PRICE_COLLAR, "100", "250")


async def test_an_unknown_outcome_is_settled_under_the_same_key(tmp_path: Path) -> None:
    servicer = Flaky()
    async with connected(tmp_path, servicer) as client:
        order = await client.submit("ACME@TCAP", "sell", quantity=Decimal("1"), price="1.00")
    assert len(servicer.keys) == 2 and len(set(servicer.keys)) == 1
    assert order.client_order_id == servicer.keys[0]


async def test_a_stream_resumes_behind_the_last_report(tmp_path: Path) -> None:
    servicer = Flaky()
    async with connected(tmp_path, servicer) as client:
        start = common_pb2.StreamPosition(epoch=1, sequence=0)
        seen = [report.sequence async for report in client.executions(resume_from=start)]
        assert client.units.price(7, 3) == Decimal("0.01171875")
        assert client.units.name(7) == "X@TCAP"
    assert seen == [1, 2, 3, 4, 5, 6]
    assert servicer.resumed == [0, 2, 4]


async def test_streams_end_when_the_client_is_closed(tmp_path: Path) -> None:
    async with connected(tmp_path, ToyOrders()) as client:
        begun = asyncio.Event()

        async def follow() -> list[int]:
            seen = []
            async for report in client.executions():
                seen.append(report.sequence)
                begun.set()
            return seen

        following = asyncio.create_task(follow())
        await begun.wait()
        await client.close()
        assert await following == [1]


async def test_a_task_that_is_cancelled_is_cancelled(tmp_path: Path) -> None:
    async with connected(tmp_path, ToyOrders()) as client:
        call = client.submit("ACME@TCAP", "buy", quantity=1, client_order_id="wait")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call, 0.1)


async def test_calls_that_come_all_at_once_are_answered_or_refused_with_a_reason(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path, ToyOrders()) as client:
        request = orders_pb2.GetOrderRequest(order_id=1)
        calls = (client.orders.GetOrder(request, timeout=60.0) for _ in range(2_400))
        answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {getattr(error, "reason", error) for error in refused} <= {reason.REASON_OVERLOADED}


async def test_every_method_of_the_contract_is_there(tmp_path: Path) -> None:
    async with connected(tmp_path, ToyOrders()) as client:
        answer = await client.orders.GetOrder(orders_pb2.GetOrderRequest(order_id=1))
        assert answer.order.client_order_id == "alpha"

        async def commands() -> AsyncIterator[Any]:
            yield orders_pb2.OrderSessionRequest(
                commands=[orders_pb2.SessionCommand(request_id=3, cancel={"order_id": 1})]
            )

        answers = [item async for item in client.orders.OrderSession(commands())]
        assert [result.request_id for item in answers for result in item.results] == [3]


async def test_what_is_not_a_side_is_refused_here(tmp_path: Path) -> None:
    async with connected(tmp_path, ToyOrders()) as client:
        with pytest.raises(ValueError, match="buy, sell"):
            await client.submit("ACME@TCAP", "long", quantity=1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1E+2"), "100"), (Decimal("0.10"), "0.10"), (5, "5"), ("7.5", "7.5")],
)
def test_numbers_become_plain_decimal_text(value: Any, text: str) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize("value", [1.5, True, None])
def test_floats_are_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        decimal_text(value)


def test_units_become_exact_decimals() -> None:
    unit = common_pb2.Rational(numerator=1, denominator=256)
    assert units_to_decimal(-1, unit) == Decimal("-0.00390625")
    assert units_to_decimal(2**63 - 1, unit) == (Decimal(2) ** 63 - 1) / 256
    with pytest.raises(ValueError, match="no finite decimals"):
        units_to_decimal(1, common_pb2.Rational(numerator=1, denominator=3))
    with pytest.raises(KeyError):
        Units().price(1, 1)


@pytest.mark.parametrize(
    ("model", "given", "used"),
    [("american", None, 5.0 + 20.0), ("american", 2.0, 2.0), ("black_scholes", None, None)],
)
async def test_american_columns_have_the_time_that_they_take(
    monkeypatch: pytest.MonkeyPatch, model: str, given: float | None, used: float | None
) -> None:
    asked: list[float | None] = []

    async def price(request: object, *, timeout: float | None) -> object:
        asked.append(timeout)
        raise TradeCaptainError(reason.REASON_UNAVAILABLE, "nobody is there")

    async with Client("127.0.0.1:1", "token") as client:
        monkeypatch.setattr(client.options, "PriceOptionBlock", price, raising=False)
        columns = {"right": 1, "spot": np.full(200_000, 100.0), "strike": 100.0}
        columns |= {"time_years": 1.0, "volatility": 0.2, "interest_rate": 0.0}
        columns |= {"dividend_yield": 0.0}
        with pytest.raises(TradeCaptainError):
            await client.price_columns(columns, model=model, timeout=given)
    assert asked == [used]
