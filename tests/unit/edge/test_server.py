"""One real server on a free port: who is let in, what is refused, how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.toy_services import ACCESS, ACCOUNTS, ToyOrders, new_order, submit_request
from support.wait import wait_until_async
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2
from tradecaptain.api.orders.v1.orders_pb2_grpc import (
    OrderServiceStub,
    add_OrderServiceServicer_to_server,
)
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.edge import EdgeServer, EdgeSettings, Role
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.tokens import default_entries, token_of, write_tokens
from tradecaptain.wire import reason


class Served:
    """A server, its servicer, and stubs to it."""

    def __init__(self, server: EdgeServer, servicer: ToyOrders, tokens: Path, channel: Any) -> None:
        self.server = server
        self.servicer = servicer
        self.tokens = tokens
        self.channel = channel
        self.stub: Any = OrderServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)

    def headers(self, principal: str = "alpha") -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {token_of(self.tokens, principal)}"),)


@asynccontextmanager
async def served(tmp_path: Path, **settings: Any) -> AsyncIterator[Served]:
    tokens = tmp_path / "tokens.toml"
    write_tokens(tokens, default_entries(ACCOUNTS))
    server = EdgeServer(
        EdgeSettings(
            service="toy",
            port=0,
            token_path=tokens,
            accounts=ACCOUNTS,
            drain_wait_seconds=0.05,
            drain_grace_seconds=1.0,
            **settings,
        )
    )
    servicer = ToyOrders()
    server.add(add_OrderServiceServicer_to_server, servicer, access=ACCESS)
    port = await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(server, servicer, tokens, channel)
    finally:
        await server.stop()


async def refusal(call: Any) -> TradeCaptainError:
    with pytest.raises(grpc.RpcError) as failed:
        await call
    return from_rpc_error(failed.value)


async def test_a_call_with_a_token_is_served(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        answer = await edge.stub.SubmitOrder(submit_request(), metadata=edge.headers())
        assert answer.order.account_id == 100
        named = await edge.stub.GetOrder(
            orders_pb2.GetOrderRequest(order_id=1), metadata=edge.headers("beta")
        )
        assert named.order.client_order_id == "beta"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ((), reason.REASON_UNAUTHENTICATED),
        ((("authorization", "Bearer wrong"),), reason.REASON_UNAUTHENTICATED),
    ],
)
async def test_nobody_is_refused_before_anything_else(
    tmp_path: Path, headers: Any, why: int
) -> None:
    async with served(tmp_path) as edge:
        error = await refusal(edge.stub.SubmitOrder(submit_request(side=0), metadata=headers))
        assert error.reason == why
        assert edge.servicer.submits == 0


async def test_roles_and_accounts_are_checked(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        foreign = await refusal(
            edge.stub.SubmitOrder(submit_request(account="beta"), metadata=edge.headers())
        )
        assert foreign.reason == reason.REASON_PERMISSION_DENIED
        operator = await refusal(
            edge.stub.SubmitOrder(
                submit_request(account="alpha"), metadata=edge.headers("operator")
            )
        )
        assert operator.reason == reason.REASON_PERMISSION_DENIED
        request = orders_pb2.MassCancelRequest(mass_cancel={"account": "alpha"})
        trader = await refusal(edge.stub.MassCancel(request, metadata=edge.headers()))
        assert trader.reason == reason.REASON_PERMISSION_DENIED
        done = await edge.stub.MassCancel(request, metadata=edge.headers("operator"))
        assert done.affected_count == 1
        assert edge.servicer.submits == 0


async def test_errors_of_a_service_carry_their_detail(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        call = edge.stub.SubmitOrder(
            submit_request(client_order_id="refuse"), metadata=edge.headers()
        )
        error = await refusal(call)
        assert await call.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert error.reason == reason.REASON_PRICE_COLLAR
        assert (error.limit, error.observed, error.level) == ("100", "250", "account")


async def test_bad_bytes_and_broken_rules_never_reach_the_service(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        raw = edge.channel.unary_unary("/tradecaptain.api.orders.v1.OrderService/SubmitOrder")
        garbage = await refusal(raw(b"\xff\xff", metadata=edge.headers()))
        assert garbage.reason == reason.REASON_INVALID_REQUEST
        broken = await refusal(
            edge.stub.SubmitOrder(submit_request(side=0), metadata=edge.headers())
        )
        assert (broken.reason, broken.field) == (reason.REASON_INVALID_SIDE, "order.side")
        assert edge.servicer.submits == 0


@pytest.mark.parametrize(
    ("method", "answers_once"),
    [
        ("tradecaptain.api.orders.v1.OrderService/SubmitOrder", True),
        ("tradecaptain.api.orders.v1.OrderService/StreamExecutions", False),
        ("grpc.health.v1.Health/Check", True),
        ("grpc.health.v1.Health/List", True),
        ("grpc.health.v1.Health/Watch", False),
    ],
)
async def test_a_call_without_a_message_is_refused_at_once(
    tmp_path: Path, method: str, answers_once: bool
) -> None:
    async with served(tmp_path) as edge:
        open_call = edge.channel.stream_unary if answers_once else edge.channel.stream_stream
        call = open_call(f"/{method}")((), metadata=edge.headers())
        error = await refusal(call if answers_once else call.read())
        assert (error.reason, error.field) == (reason.REASON_INVALID_REQUEST, "")
        assert error.message == "the call ended without a whole message"
        assert edge.servicer.submits == 0


async def test_messages_of_a_stream_are_checked_one_by_one(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        session = edge.stub.OrderSession(metadata=edge.headers())
        command = orders_pb2.SessionCommand(request_id=5, submit=new_order())
        await session.write(orders_pb2.OrderSessionRequest(commands=[command]))
        assert (await session.read()).results[0].request_id == 5
        command.submit.account = "beta"
        await session.write(orders_pb2.OrderSessionRequest(commands=[command]))
        error = await refusal(session.read())
        assert error.reason == reason.REASON_PERMISSION_DENIED


async def test_a_bug_is_an_internal_error_and_its_text_stays_here(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        with structlog.testing.capture_logs() as logs:
            unary = await refusal(
                edge.stub.SubmitOrder(
                    submit_request(client_order_id="bug"), metadata=edge.headers()
                )
            )
            stream = edge.stub.StreamExecutions(
                orders_pb2.StreamExecutionsRequest(instrument="bug"), metadata=edge.headers()
            )
            await stream.read()
            streamed = await refusal(stream.read())
        for error in (unary, streamed):
            assert error.reason == reason.REASON_INTERNAL
            assert error.grpc_code == grpc.StatusCode.INTERNAL.value[0]
            assert "a bug" not in error.message
        assert [repr(log["exc_info"]) for log in logs] == [repr(KeyError("a bug"))] * 2


async def test_a_stream_that_nobody_reads_loses_its_place(tmp_path: Path) -> None:
    async with served(tmp_path, streams_max=1, write_seconds_max=0.2) as edge:
        stalled = edge.stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(instrument="flood"), metadata=edge.headers()
        )
        await stalled.read()
        await asyncio.wait_for(edge.servicer.ended.wait(), 10)
        resume = common_pb2.StreamPosition(epoch=1, sequence=1)
        other = edge.stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(resume_from=resume), metadata=edge.headers()
        )
        assert [response.reports[0].sequence async for response in other] == [1, 2]
        with pytest.raises(grpc.RpcError) as ended:
            while await stalled.read() != grpc.aio.EOF:
                pass
            raise AssertionError("the stream ended by itself")
        assert from_rpc_error(ended.value).reason == reason.REASON_SLOW_CONSUMER


async def test_calls_and_streams_are_bounded(tmp_path: Path) -> None:
    async with served(tmp_path, unary_calls_max=1, streams_max=1) as edge:
        first = edge.stub.SubmitOrder(
            submit_request(client_order_id="wait"), metadata=edge.headers()
        )
        stream = edge.stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(), metadata=edge.headers()
        )
        assert (await stream.read()).reports[0].sequence == 1
        second = await refusal(edge.stub.SubmitOrder(submit_request(), metadata=edge.headers()))
        assert second.reason == reason.REASON_OVERLOADED and second.retryable
        other = edge.stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(), metadata=edge.headers()
        )
        assert (await refusal(other.read())).reason == reason.REASON_OVERLOADED
        edge.servicer.release.set()
        edge.servicer.release_streams.set()
        assert (await first).order.client_order_id == "wait"
        assert (await stream.read()).reports[0].sequence == 2


async def test_a_client_that_leaves_ends_its_stream(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        stream = edge.stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(), metadata=edge.headers()
        )
        await stream.read()
        stream.cancel()
        await asyncio.wait_for(edge.servicer.ended.wait(), 5)


async def test_drain_says_so_lets_calls_finish_and_ends_streams(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        drained: list[str] = []

        async def on_drain() -> None:
            drained.append("done")

        edge.server.on_drain(on_drain)
        watch = edge.health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stream = edge.stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(), metadata=edge.headers()
        )
        await stream.read()
        call = edge.stub.SubmitOrder(
            submit_request(client_order_id="wait"), metadata=edge.headers()
        )
        ending = asyncio.create_task(edge.server.drain())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        edge.servicer.release.set()
        assert (await call).order.client_order_id == "wait"
        with pytest.raises(grpc.RpcError) as ended:
            while await stream.read() != grpc.aio.EOF:
                pass
            raise AssertionError("the stream ended by itself")
        assert from_rpc_error(ended.value).reason == reason.REASON_DRAINING
        watch.cancel()
        await asyncio.wait_for(ending, 10)
        assert drained == ["done"]


async def test_health_is_told_by_service_and_needs_no_token(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        name = "tradecaptain.api.orders.v1.OrderService"
        for service in ("", name):
            answer = await edge.health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        await edge.server.set_serving(False)
        answer = await edge.health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_of_every_service_is_listed(tmp_path: Path) -> None:
    elsewhere = "tradecaptain.api.risk.v1.RiskService"
    (tmp_path / "peer").mkdir()
    async with (
        served(tmp_path / "peer") as peer,
        served(tmp_path, peers={peer.server.port: (elsewhere,)}) as front,
    ):
        request = health_pb2.HealthCheckRequest(service=elsewhere)
        watch = front.health.Watch(request)
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        watch.cancel()
        await front.server.set_serving(False)
        answer = await front.health.List(health_pb2.HealthListRequest())
    assert {service: status.status for service, status in answer.statuses.items()} == {
        "": health_pb2.HealthCheckResponse.NOT_SERVING,
        "tradecaptain.api.orders.v1.OrderService": health_pb2.HealthCheckResponse.NOT_SERVING,
        elsewhere: health_pb2.HealthCheckResponse.SERVING,
    }


async def test_health_of_other_processes_is_repeated_by_service(tmp_path: Path) -> None:
    elsewhere = "tradecaptain.api.risk.v1.RiskService"
    answers = health_pb2.HealthCheckResponse
    (tmp_path / "peer").mkdir()
    async with served(tmp_path / "peer") as peer:
        port = peer.server.port
        async with served(tmp_path, peers={port: (elsewhere,)}) as front:
            request = health_pb2.HealthCheckRequest(service=elsewhere)

            async def status() -> int:
                return int((await front.health.Check(request)).status)

            async def is_serving() -> bool:
                return await status() == answers.SERVING

            async def is_not_serving() -> bool:
                return await status() == answers.NOT_SERVING

            await wait_until_async(is_serving)
            await peer.server.set_serving(False)
            await wait_until_async(is_not_serving)
            await peer.server.set_serving(True)
            await wait_until_async(is_serving)
            await peer.server.stop()
            await wait_until_async(is_not_serving)


async def test_a_busy_port_is_named(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        settings = EdgeSettings(service="toy", port=edge.server.port, token_path=edge.tokens)
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{edge.server.port} is in use"):
            await EdgeServer(settings).start()


async def test_every_method_must_have_a_role(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    write_tokens(tokens, default_entries(ACCOUNTS))
    server = EdgeServer(EdgeSettings(service="toy", port=0, token_path=tokens))
    with pytest.raises(ConfigurationError, match="has no role"):
        server.add(
            add_OrderServiceServicer_to_server, ToyOrders(), access={"SubmitOrder": Role.TRADE}
        )
    with pytest.raises(ConfigurationError, match="has no method Submit"):
        server.add(
            add_OrderServiceServicer_to_server,
            ToyOrders(),
            access={"*": Role.READ, "Submit": Role.TRADE},
        )


async def test_a_deadline_ends_the_call_in_the_server(tmp_path: Path) -> None:
    async with served(tmp_path, unary_calls_max=1) as edge:
        call = edge.stub.SubmitOrder(
            submit_request(client_order_id="wait"), metadata=edge.headers(), timeout=0.1
        )
        error = await refusal(call)
        assert error.reason == reason.REASON_OUTCOME_UNKNOWN

        async def has_room() -> bool:
            try:
                await edge.stub.SubmitOrder(submit_request(), metadata=edge.headers())
            except grpc.RpcError as failed:
                assert from_rpc_error(failed).reason == reason.REASON_OVERLOADED
                return False
            return True

        assert await wait_until_async(has_room)


async def test_positions_of_requests_pass_unchanged(tmp_path: Path) -> None:
    async with served(tmp_path) as edge:
        position = common_pb2.StreamPosition(epoch=1, sequence=1)
        stream = edge.stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(resume_from=position), metadata=edge.headers()
        )
        reports = [response.reports[0].sequence async for response in stream]
        assert reports == [1, 2]
