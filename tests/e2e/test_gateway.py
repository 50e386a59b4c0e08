"""Trading through Envoy against the simulated market: calls, sessions, streams, other accounts."""

import asyncio
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.running_mesh import RunningMesh
from support.wait import wait_until_async
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.client import Client, units_to_decimal
from tradecaptain.client.client import new_client_order_id
from tradecaptain.edge.tokens import token_of
from tradecaptain.wire import reason

INSTRUMENT = "ACME@TCAP"
WORKING, PARTLY, FILLED, CANCELLED, REJECTED, EXPIRED = range(1, 7)
BUF = shutil.which("buf", path=str(Path(sys.executable).parent))


def client_of(mesh: RunningMesh, principal: str) -> Client:
    return Client(mesh.address, token_of(mesh.run.tokens, principal))


@pytest.fixture
async def alpha(mesh: RunningMesh) -> AsyncIterator[Client]:
    async with client_of(mesh, "alpha") as client:
        yield client


@pytest.fixture
async def beta(mesh: RunningMesh) -> AsyncIterator[Client]:
    async with client_of(mesh, "beta") as client:
        yield client


async def best(client: Client) -> tuple[Decimal, Decimal]:
    """Best bid and ask of the venue, once the market is there."""

    async def both() -> Any:
        answer = await client.books.GetBook(orderbook_pb2.GetBookRequest(instrument=INSTRUMENT))
        return answer if answer.book.bids and answer.book.asks else None

    answer = await wait_until_async(both, timeout_s=30)
    unit = answer.units.price_unit
    sides = (answer.book.bids[0], answer.book.asks[0])
    bid, ask = (units_to_decimal(level.price_units, unit) for level in sides)
    return bid, ask


async def resting(client: Client, **changes: Any) -> records_pb2.Order:
    """An order that rests two percent below the market."""
    bid, _ = await best(client)
    price = (bid * Decimal("0.98")).quantize(Decimal("0.01"))
    return await client.submit(INSTRUMENT, "buy", **({"quantity": 5, "price": price} | changes))


async def test_an_aggressive_order_fills_against_the_market(alpha: Client) -> None:
    async def filled() -> Any:
        _, ask = await best(alpha)
        order = await alpha.submit(
            INSTRUMENT,
            "buy",
            quantity=1,
            price=ask + Decimal("0.10"),
            time_in_force="immediate_or_cancel",
        )
        return order if order.status == FILLED else None

    order = await wait_until_async(filled)
    assert (order.cumulative_quantity, order.leaves_quantity) == ("1", "0")
    assert Decimal(order.average_price) > 0


async def test_clients_meet_in_the_queue_and_the_others_never_see_it(
    alpha: Client, beta: Client
) -> None:
    bid, ask = await best(alpha)
    placed = await resting(alpha)
    assert placed.status == WORKING
    replaced = await alpha.orders.ReplaceOrder(
        orders_pb2.ReplaceOrderRequest(
            replace=records_pb2.OrderReplace(
                order_id=placed.order_id,
                client_order_id=new_client_order_id(),
                quantity="7",
            )
        )
    )
    assert replaced.order.order_id == placed.order_id
    assert (replaced.order.quantity, replaced.order.leaves_quantity) == ("7", "7")
    for call, request in (
        (beta.orders.GetOrder, orders_pb2.GetOrderRequest(order_id=placed.order_id)),
        (
            beta.orders.CancelOrder,
            orders_pb2.CancelOrderRequest(cancel=records_pb2.OrderCancel(order_id=placed.order_id)),
        ),
    ):
        with pytest.raises(TradeCaptainError) as unseen:
            await call(request)
        assert unseen.value.reason == reason.REASON_UNKNOWN_ORDER
    with pytest.raises(TradeCaptainError) as denied:
        await beta.orders.ListOrders(orders_pb2.ListOrdersRequest(account="alpha"))
    assert denied.value.reason == reason.REASON_PERMISSION_DENIED
    ended = await alpha.cancel(placed.order_id)
    assert (ended.status, ended.reason) == (CANCELLED, reason.REASON_CANCELLED_BY_OWNER)
    assert bid < ask


async def test_the_same_request_is_done_once(alpha: Client) -> None:
    key = new_client_order_id()
    first = await resting(alpha, client_order_id=key)
    request = orders_pb2.SubmitOrderRequest(
        order=records_pb2.NewOrder(
            instrument=INSTRUMENT,
            client_order_id=key,
            side=common_pb2.SIDE_BUY,
            type=records_pb2.ORDER_TYPE_LIMIT,
            quantity=first.quantity,
            price=first.price,
        )
    )
    again = await alpha.orders.SubmitOrder(request)
    assert again.duplicate and again.order.order_id == first.order_id
    request.order.quantity = "6"
    with pytest.raises(TradeCaptainError) as refused:
        await alpha.orders.SubmitOrder(request)
    assert refused.value.reason == reason.REASON_DUPLICATE_CLIENT_ORDER_ID
    await alpha.cancel(first.order_id)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"price": Decimal("1.00")}, reason.REASON_PRICE_COLLAR),
        ({"quantity": 1_000_000}, reason.REASON_ORDER_QUANTITY_LIMIT),
        ({"price": "1.001"}, reason.REASON_INVALID_PRICE),
        ({"quantity": "0"}, reason.REASON_INVALID_QUANTITY),
    ],
)
async def test_refusals_of_gateway_and_risk_gate_are_typed(
    alpha: Client, changes: dict[str, Any], why: int
) -> None:
    with pytest.raises(TradeCaptainError) as refused:
        await resting(alpha, **changes)
    assert refused.value.reason == why


async def test_reports_resume_without_a_gap(alpha: Client) -> None:
    reports = alpha.executions()
    waiting = asyncio.create_task(anext(reports))
    await asyncio.sleep(0.2)
    placed = await resting(alpha)
    await alpha.cancel(placed.order_id)
    accepted = await asyncio.wait_for(waiting, 10)
    cancelled = await asyncio.wait_for(anext(reports), 10)
    await reports.aclose()
    assert accepted.client_order_id == placed.client_order_id
    assert cancelled.previous_sequence == accepted.sequence
    resumed = alpha.executions(
        resume_from=common_pb2.StreamPosition(epoch=accepted.epoch, sequence=accepted.sequence)
    )
    assert await asyncio.wait_for(anext(resumed), 10) == cancelled
    await resumed.aclose()


async def test_a_session_that_ends_takes_its_orders_along(alpha: Client) -> None:
    bid, _ = await best(alpha)
    price = f"{bid * Decimal('0.98'):.2f}"
    keys = [new_client_order_id() for _ in range(3)]
    hold = asyncio.Event()

    async def commands() -> AsyncIterator[orders_pb2.OrderSessionRequest]:
        options = orders_pb2.SessionOptions(cancel_on_disconnect=True)
        yield orders_pb2.OrderSessionRequest(open=options)
        yield orders_pb2.OrderSessionRequest(
            commands=[
                orders_pb2.SessionCommand(
                    request_id=number,
                    submit=records_pb2.NewOrder(
                        instrument=INSTRUMENT,
                        client_order_id=key,
                        side=common_pb2.SIDE_BUY,
                        type=records_pb2.ORDER_TYPE_LIMIT,
                        quantity="1",
                        price=price,
                    ),
                )
                for number, key in enumerate(keys)
            ]
        )
        yield orders_pb2.OrderSessionRequest(
            commands=[
                orders_pb2.SessionCommand(
                    request_id=9, cancel=records_pb2.OrderCancel(target_client_order_id=keys[0])
                )
            ]
        )
        await hold.wait()

    results: list[Any] = []
    session = alpha.orders.OrderSession(commands())
    async for answer in session:
        results += answer.results
        if len(results) == 4:
            break
    assert [(item.request_id, item.status) for item in results] == [
        (0, WORKING),
        (1, WORKING),
        (2, WORKING),
        (9, CANCELLED),
    ]
    await session.aclose()
    await _ended_on_disconnect(alpha, keys[1:])


@pytest.mark.parametrize("apart", [False, True], ids=["together", "a message each"])
async def test_a_session_names_a_bad_field_by_its_path_in_the_command(
    alpha: Client, apart: bool
) -> None:
    def order(number: int, **changes: Any) -> orders_pb2.SessionCommand:
        new = records_pb2.NewOrder(
            instrument=INSTRUMENT,
            client_order_id=new_client_order_id(),
            side=common_pb2.SIDE_BUY,
            type=records_pb2.ORDER_TYPE_LIMIT,
            quantity="1",
            price="1.00",
        )
        new.MergeFrom(records_pb2.NewOrder(**changes))
        return orders_pb2.SessionCommand(request_id=number, submit=new)

    replace = records_pb2.OrderReplace(order_id=1, quantity="1", price="1.00")
    sent = [
        order(0, time_in_force=99),  # a rule of the contract
        order(1, quantity="0.5"),  # the gateway, which reads numbers
        order(2),  # the risk gate: far from the market
        order(3, instrument="NOWHERE@TCAP"),
        order(4, account="beta"),
        orders_pb2.SessionCommand(request_id=5, replace=replace),
    ]

    async def commands() -> AsyncIterator[orders_pb2.OrderSessionRequest]:
        yield orders_pb2.OrderSessionRequest(open=orders_pb2.SessionOptions())
        for part in [[command] for command in sent] if apart else [sent]:
            yield orders_pb2.OrderSessionRequest(commands=part)

    results: list[Any] = []
    async for answer in alpha.orders.OrderSession(commands()):
        results += answer.results
    assert [item.request_id for item in results] == [*range(len(sent))]
    assert [item.error.field for item in results] == [
        "submit.time_in_force",
        "submit.quantity",
        "submit.price",
        "submit.instrument",
        "submit.account",
        "replace.client_order_id",
    ]


async def test_a_browsers_session_ends_with_its_stream(alpha: Client) -> None:
    options = orders_pb2.SessionOptions(cancel_on_disconnect=True)
    stream = alpha.orders.OpenSession(orders_pb2.OpenSessionRequest(options=options))
    opened = (await asyncio.wait_for(anext(stream), 10)).opened
    bid, _ = await best(alpha)
    key = new_client_order_id()
    request = orders_pb2.SubmitOrderRequest(
        session_id=opened.session_id,
        order=records_pb2.NewOrder(
            instrument=INSTRUMENT,
            client_order_id=key,
            side=common_pb2.SIDE_BUY,
            type=records_pb2.ORDER_TYPE_LIMIT,
            quantity="1",
            price=f"{bid * Decimal('0.98'):.2f}",
        ),
    )
    placed = await alpha.orders.SubmitOrder(request)
    assert (placed.order.status, placed.order.session_id) == (WORKING, opened.session_id)
    await stream.aclose()
    await _ended_on_disconnect(alpha, [key])
    request.order.client_order_id = new_client_order_id()
    with pytest.raises(TradeCaptainError) as refused:
        await alpha.orders.SubmitOrder(request)
    assert refused.value.reason == reason.REASON_PERMISSION_DENIED


async def _ended_on_disconnect(client: Client, keys: list[str]) -> None:
    for key in keys:

        async def is_over(key: str = key) -> Any:
            request = orders_pb2.GetOrderRequest(client_order_id=key)
            answer = await client.orders.GetOrder(request)
            return answer.order if answer.order.status == CANCELLED else None

        order = await wait_until_async(is_over)
        assert order.reason == reason.REASON_CANCELLED_ON_DISCONNECT


async def test_batches_and_mass_cancel(alpha: Client) -> None:
    bid, _ = await best(alpha)
    units = int(bid * 100 * Decimal("0.98"))
    keys = [new_client_order_id() for _ in range(100)]
    columns = records_pb2.NewOrderColumns(
        client_order_ids=keys,
        instrument_ids=[1001] * 100,
        sides=[common_pb2.SIDE_BUY] * 100,
        prices_units=[units] * 99 + [0],
        quantities_units=[1] * 100,
    )
    answer = await alpha.orders.SubmitBatch(orders_pb2.SubmitBatchRequest(columns=columns))
    assert list(answer.columns.statuses) == [WORKING] * 99 + [0]
    assert answer.columns.reasons[99] == reason.REASON_PRICE_OUT_OF_RANGE
    assert len(set(answer.columns.order_ids[:99])) == 99
    again = await alpha.orders.SubmitBatch(orders_pb2.SubmitBatchRequest(columns=columns))
    assert again.columns.order_ids == answer.columns.order_ids
    listed = await alpha.orders.ListOrders(
        orders_pb2.ListOrdersRequest(working_only=True, page_size=50)
    )
    assert len(listed.orders) == 50 and listed.next_page_token
    done = await alpha.orders.MassCancel(
        orders_pb2.MassCancelRequest(mass_cancel=records_pb2.MassCancel(instrument=INSTRUMENT))
    )
    assert done.affected_count >= 99

    async def none_works() -> bool:
        answer = await alpha.orders.ListOrders(orders_pb2.ListOrdersRequest(working_only=True))
        return not answer.orders

    assert await wait_until_async(none_works)


def rest(mesh: RunningMesh, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """One REST call as alpha."""
    request = urllib.request.Request(
        f"http://{mesh.address}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "authorization": f"Bearer {token_of(mesh.run.tokens, 'alpha')}",
            "content-type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


async def test_the_same_by_rest(mesh: RunningMesh, alpha: Client) -> None:
    bid, _ = await best(alpha)
    order = {
        "instrument": INSTRUMENT,
        "clientOrderId": new_client_order_id(),
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "quantity": "3",
        "price": f"{bid * Decimal('0.98'):.2f}",
    }
    status, placed = await asyncio.to_thread(rest, mesh, "/v1/orders", {"order": order})
    assert (status, placed["order"]["status"]) == (200, "ORDER_STATUS_WORKING")
    assert placed["reports"][0]["executionType"] == "EXECUTION_TYPE_ACCEPTED"
    number = placed["order"]["orderId"]
    status, found = await asyncio.to_thread(rest, mesh, f"/v1/orders/{number}")
    assert (status, found["order"]["clientOrderId"]) == (200, order["clientOrderId"])
    status, ended = await asyncio.to_thread(
        rest, mesh, "/v1/orders:cancel", {"cancel": {"orderId": number}}
    )
    assert (status, ended["order"]["status"]) == (200, "ORDER_STATUS_CANCELLED")
    order |= {"price": "1.00", "clientOrderId": new_client_order_id()}
    status, refused = await asyncio.to_thread(rest, mesh, "/v1/orders", {"order": order})
    assert status == 400
    assert refused["details"][0]["reason"] == "REASON_PRICE_COLLAR"
    assert refused["details"][0]["limit"]


@pytest.mark.skipif(BUF is None, reason="buf isn't installed")
@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("instruments.v1.InstrumentService/ListInstruments", {}),
        ("marketdata.v1.MarketDataService/GetQuote", {"instrument": "ACME@XSIM"}),
        ("orderbook.v1.OrderBookService/GetBook", {"instrument": INSTRUMENT}),
        ("orders.v1.OrderService/ListOrders", {}),
        ("risk.v1.RiskService/GetExposure", {"account": "alpha"}),
        ("pricing.v1.PricingService/GetVolatility", {"instrument": "2001"}),
    ],
)
async def test_buf_curl_calls_every_service(
    mesh: RunningMesh, method: str, data: dict[str, Any]
) -> None:
    assert BUF is not None
    url = f"http://{mesh.address}/tradecaptain.api.{method}"
    token = token_of(mesh.run.tokens, "alpha")
    options = ["--protocol", "grpc", "--http2-prior-knowledge", "--data", json.dumps(data)]
    done = await asyncio.to_thread(
        subprocess.run,
        [BUF, "curl", *options, "--header", f"authorization: Bearer {token}", url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
