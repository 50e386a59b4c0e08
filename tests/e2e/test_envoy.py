"""The real Envoy with the shipped configuration: gRPC, gRPC-Web, REST, reflection, failures."""

import asyncio
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import status_pb2
from support.front_door import FrontDoor, channel_to, front_door
from support.toy_services import submit_request
from support.wait import wait_until_async
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc
from tradecaptain.edge.errors import from_rpc_error, from_status
from tradecaptain.edge.service_map import PROCESS_OF_SERVICE
from tradecaptain.launch import envoy_config
from tradecaptain.wire import reason

ORDERS = "tradecaptain.api.orders.v1.OrderService"
SUBMIT = f"/{ORDERS}/SubmitOrder"
RISK = "tradecaptain.api.risk.v1.RiskService"
BUF = shutil.which("buf", path=str(Path(sys.executable).parent))


# One loop for all, since the door that most tests go through runs in it.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    """One door for all tests that leave it as it was."""
    async with front_door(tmp_path_factory.mktemp("door")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def own_door(tmp_path: Path) -> AsyncIterator[FrontDoor]:
    """A door of the test's own."""
    async with front_door(tmp_path) as opened:
        yield opened


def order_json(**changes: Any) -> bytes:
    order = {
        "instrument": "ACME@TCAP",
        "client_order_id": "c-1",
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "quantity": "1",
        "price": "1.00",
    }
    return json.dumps({"order": order | changes}).encode()


def detail_of(body: bytes) -> dict[str, Any]:
    status = json.loads(body)
    detail = status["details"][0]
    assert detail["@type"] == "type.googleapis.com/tradecaptain.api.errors.v1.ErrorDetail"
    assert isinstance(detail, dict)
    return detail


async def test_grpc_calls_streams_and_sessions_pass(door: FrontDoor) -> None:
    async with channel_to(door) as channel:
        stub: Any = orders_pb2_grpc.OrderServiceStub(channel)
        answer = await stub.SubmitOrder(submit_request(), metadata=door.headers())
        assert answer.order.account_id == 100
        position = {"epoch": 1, "sequence": 1}
        stream = stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(resume_from=position), metadata=door.headers()
        )
        assert [item.reports[0].sequence async for item in stream] == [1, 2]
        session = stub.OrderSession(metadata=door.headers())
        for number in (1, 2):
            command = orders_pb2.SessionCommand(request_id=number, cancel={"order_id": 1})
            await session.write(orders_pb2.OrderSessionRequest(commands=[command]))
            assert (await session.read()).results[0].request_id == number
        await session.done_writing()
        assert await session.read() is grpc.aio.EOF


async def test_errors_keep_their_detail_through_grpc(door: FrontDoor) -> None:
    async with channel_to(door) as channel:
        stub: Any = orders_pb2_grpc.OrderServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            await stub.SubmitOrder(
                submit_request(client_order_id="refuse"), metadata=door.headers()
            )
        error = from_rpc_error(refused.value)
        assert (error.reason, error.limit) == (reason.REASON_PRICE_COLLAR, "100")


async def test_a_silent_stream_lives_longer_than_a_unary_call_may(tmp_path: Path) -> None:
    async with (
        front_door(tmp_path, "[envoy]\nunary_timeout_seconds = 0.3\n") as door,
        channel_to(door) as channel,
    ):
        stub: Any = orders_pb2_grpc.OrderServiceStub(channel)
        stream = stub.StreamExecutions(
            orders_pb2.StreamExecutionsRequest(), metadata=door.headers()
        )
        await stream.read()
        with pytest.raises(grpc.RpcError) as late:
            await stub.SubmitOrder(submit_request(client_order_id="wait"), metadata=door.headers())
        # Not UNAVAILABLE, which clients would retry: the outcome is unknown.
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert door.servicer.submits == 1
        door.servicer.release_streams.set()
        assert (await stream.read()).reports[0].sequence == 2


async def test_the_callers_deadline_reaches_the_service(door: FrontDoor) -> None:
    async with channel_to(door) as channel:
        stub: Any = orders_pb2_grpc.OrderServiceStub(channel)
        with pytest.raises(grpc.RpcError) as late:
            await stub.SubmitOrder(
                submit_request(client_order_id="wait"), metadata=door.headers(), timeout=0.2
            )
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_rest_takes_and_gives_json(door: FrontDoor) -> None:
    status, headers, body = await door.http("POST", "/v1/orders", order_json())
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["order"]["clientOrderId"] == "c-1"
    status, _, body = await door.http("GET", "/v1/orders/17", principal="beta")
    assert (status, json.loads(body)["order"]["clientOrderId"]) == (200, "beta")


async def test_rest_streams_one_json_object_a_line(own_door: FrontDoor) -> None:
    own_door.servicer.release_streams.set()
    status, _, body = await own_door.http("GET", "/v1/executions:stream")
    assert status == 200
    lines = [json.loads(line) for line in body.decode().split("\n") if line]
    assert [line["reports"][0]["sequence"] for line in lines] == ["1", "2"]


@pytest.mark.parametrize(
    ("body", "http_status", "why", "field"),
    [
        (order_json(client_order_id="refuse"), 400, "REASON_PRICE_COLLAR", "order.price"),
        (order_json(side="SIDE_UNSPECIFIED"), 400, "REASON_INVALID_SIDE", "order.side"),
        (order_json(account="beta"), 403, "REASON_PERMISSION_DENIED", "order.account"),
        (b'{"order": {"acc', 400, "REASON_INVALID_REQUEST", ""),
        (b'{"order": {}}', 400, "REASON_INVALID_REQUEST", "order.instrument"),
        (order_json(post_onli=True), 400, "REASON_INVALID_REQUEST", "order.post_onli"),
        (b'{"session": 1, "order": {}}', 400, "REASON_INVALID_REQUEST", "session"),
        (b'{"order": {"pri\\u0063e": "1"}}', 400, "REASON_INVALID_REQUEST", "order.pri\\u0063e"),
        (b'{"order": {"a\nb": "1"}}', 400, "REASON_INVALID_REQUEST", "order.a?b"),
        (b'{"order": {"side": "SIDE_SIDEWAYS"}}', 400, "REASON_INVALID_REQUEST", "order.side"),
        (b'{"order": {"instrument": 5}}', 400, "REASON_INVALID_REQUEST", "order.instrument"),
        (b"[1, 2]", 400, "REASON_INVALID_REQUEST", ""),
    ],
)
async def test_bad_input_through_rest_is_a_typed_error(
    door: FrontDoor, body: bytes, http_status: int, why: str, field: str
) -> None:
    status, headers, answer = await door.http("POST", "/v1/orders", body)
    assert (status, headers["content-type"]) == (http_status, "application/json")
    detail = detail_of(answer)
    assert (detail["reason"], detail["field"]) == (why, field)


@pytest.mark.parametrize("query", ["page_size=abc", "pagesize=1"])
async def test_a_bad_query_parameter_is_named(door: FrontDoor, query: str) -> None:
    status, _, answer = await door.http("GET", f"/v1/orders?{query}")
    detail = detail_of(answer)
    named = (detail["reason"], detail["field"])
    assert (status, named) == (400, ("REASON_INVALID_REQUEST", query.split("=")[0]))


async def test_an_unknown_field_of_one_order_of_a_batch_is_named(own_door: FrontDoor) -> None:
    orders = [json.loads(order_json())["order"] for _ in range(3)]
    orders[2]["prise"] = "1.00"
    body = json.dumps({"orders": orders}).encode()
    status, _, answer = await own_door.http("POST", "/v1/orders:batchSubmit", body)
    assert (status, detail_of(answer)["field"]) == (400, "orders[2].prise")
    assert own_door.servicer.submits == 0


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/orders", b'{"order": {"price": "1", "price": "2"}}', "order.price"),
        ("/v1/orders", b'{"order": {"stopPrice": "1", "stop_price": "1"}}', "order.stop_price"),
        ("/v1/orders", b'{"order": {"price": "1"}, "order": {}}', "order"),
        ("/v1/orders:batchSubmit", b'{"orders": [{}, {"side": 1, "side": 2}]}', "orders[1].side"),
        ("/v1/orders?order.price=2", order_json(), "order.price"),
        ("/v1/orders?session_id", order_json(), "session_id"),
        # Else the cash of beta would be set.
        ("/v1/risk/accounts/alpha:setCash", b'{"account": "beta", "cash": "5"}', "account"),
    ],
)
async def test_a_field_that_is_given_twice_is_refused(
    own_door: FrontDoor, path: str, body: bytes, field: str
) -> None:
    status, _, answer = await own_door.http("POST", path, body)
    detail = detail_of(answer)
    assert (status, detail["reason"], detail["field"]) == (400, "REASON_INVALID_REQUEST", field)
    assert own_door.servicer.submits == 0


@pytest.mark.parametrize("name", ["instrument", "i%6Estrument"])
async def test_a_query_may_not_name_what_the_path_names(door: FrontDoor, name: str) -> None:
    path = f"/v1/instruments/ACME@XSIM/quote?{name}=ACME@TCAP"
    status, _, answer = await door.http("GET", path)
    assert (status, detail_of(answer)["field"]) == (400, "instrument")


async def test_equal_names_in_different_messages_pass(door: FrontDoor) -> None:
    body = b'{"options": [{"spot": 1, "strike": 2}, {"spot": 1, "strike": 2}]}'
    status, _, _ = await door.http("POST", "/v1/options:batchPrice", body)
    # Pricing isn't running here, so it has come that far.
    assert status == 503


async def test_both_spellings_of_a_field_and_any_text_in_it_pass(door: FrontDoor) -> None:
    for name in ("clientOrderId", "client_order_id"):
        order = json.loads(order_json())["order"]
        del order["client_order_id"]
        order[name] = '}],"x":[{ \\" %'
        body = json.dumps({"order": order, "sessionId": 0}, indent=1).encode()
        status, _, answer = await door.http("POST", "/v1/orders", body)
        assert (status, json.loads(answer)["order"]["clientOrderId"]) == (200, order[name])


async def test_a_body_nested_without_end_is_refused(door: FrontDoor) -> None:
    body = b'{"order": ' + b"[" * 100_000
    status, _, answer = await door.http("POST", "/v1/orders", body)
    assert (status, detail_of(answer)["reason"]) == (400, "REASON_INVALID_REQUEST")


async def test_nobody_is_refused_through_rest(door: FrontDoor) -> None:
    status, _, body = await door.http("POST", "/v1/orders", order_json(), principal=None)
    assert status == 401
    assert detail_of(body)["reason"] == "REASON_UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/nowhere", 404, "REASON_INVALID_REQUEST"),
        ("/v1/orders/17?nonsense=1", 400, "REASON_INVALID_REQUEST"),
        ("/v1/orders/not-a-number", 400, "REASON_INVALID_REQUEST"),
        # The collector isn't running here.
        ("/v1/instruments", 503, "REASON_UNAVAILABLE"),
    ],
)
async def test_what_envoy_answers_itself_looks_like_our_errors(
    door: FrontDoor, path: str, status: int, why: str
) -> None:
    found, headers, body = await door.http("GET", path)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert detail_of(body)["reason"] == why


@pytest.mark.parametrize("path", ["/v1/orders/a%2fb", "/v1/orders/a%00b", "/v1/orders#a"])
async def test_a_path_that_cant_be_normalised_is_said_to_be_one(door: FrontDoor, path: str) -> None:
    status, _, body = await door.http("GET", path)
    detail = detail_of(body)
    assert (status, detail["reason"]) == (400, "REASON_INVALID_REQUEST")
    assert "path" in detail["message"]


@pytest.mark.parametrize("headers", [{"x-large": "x" * 40_000}, {"a_name": "x"}])
async def test_headers_of_no_concern_to_us_pass(door: FrontDoor, headers: dict[str, str]) -> None:
    status, _, _ = await door.http("GET", "/v1/orders/17", headers=headers)
    assert status == 200


async def test_headers_that_are_too_large_are_refused_typed(door: FrontDoor) -> None:
    status, headers, body = await door.http(
        "GET", "/v1/orders", headers={"authorization": "Bearer " + "x" * 70_000}, principal=None
    )
    assert (status, headers["content-type"]) == (431, "application/json")
    assert detail_of(body)["reason"] == "REASON_INVALID_REQUEST"


@pytest.mark.parametrize(
    ("method", "code", "why"),
    [
        (f"/{ORDERS}/Nothing", grpc.StatusCode.UNIMPLEMENTED, "REASON_INVALID_REQUEST"),
        (f"/{ORDERS}/Sub%2fmit", grpc.StatusCode.UNIMPLEMENTED, "REASON_INVALID_REQUEST"),
        ("/nowhere.v1.Nowhere/Nothing", grpc.StatusCode.UNIMPLEMENTED, "REASON_INVALID_REQUEST"),
        # The risk service isn't running here.
        (f"/{RISK}/GetLimits", grpc.StatusCode.UNAVAILABLE, "REASON_UNAVAILABLE"),
    ],
)
async def test_what_envoy_answers_grpc_callers_is_typed(
    door: FrontDoor, method: str, code: grpc.StatusCode, why: str
) -> None:
    async with channel_to(door) as channel:
        call: Any = channel.unary_unary(method)
        with pytest.raises(grpc.RpcError) as refused:
            await call(b"", metadata=door.headers())
    assert refused.value.code() == code
    assert "{" not in refused.value.details()
    error = from_rpc_error(refused.value)
    assert (error.name, error.message) == (why, refused.value.details())


async def test_too_large_a_body_is_refused(tmp_path: Path) -> None:
    async with front_door(tmp_path, "[envoy]\nrequest_bytes_max = 4096\n") as door:
        body = order_json(client_order_id="x" * 10_000)
        status, _, _ = await door.http("POST", "/v1/orders", body)
        assert status == 413
        assert (await door.http("POST", "/v1/orders", order_json()))[0] == 200


def grpc_web_frame(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def grpc_web_frames(body: bytes) -> list[tuple[int, bytes]]:
    frames = []
    while body:
        length = int.from_bytes(body[1:5], "big")
        frames.append((body[0], body[5 : 5 + length]))
        body = body[5 + length :]
    return frames


@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text"])
async def test_grpc_web_carries_messages_and_trailers(door: FrontDoor, kind: str) -> None:
    frame = grpc_web_frame(submit_request().SerializeToString())
    as_text = kind.endswith("text")
    status, headers, body = await door.http(
        "POST",
        SUBMIT,
        base64.b64encode(frame) if as_text else frame,
        {"content-type": kind, "accept": kind, "origin": "http://localhost:3000"},
    )
    assert status == 200
    assert headers["access-control-allow-origin"] == "http://localhost:3000"
    if as_text:
        # Each frame is encoded and padded by itself.
        body = b"".join(base64.b64decode(body[at : at + 4]) for at in range(0, len(body), 4))
    (data_flag, message), (trailer_flag, trailer) = grpc_web_frames(body)
    assert (data_flag, trailer_flag) == (0, 0x80)
    assert orders_pb2.SubmitOrderResponse.FromString(message).order.account_id == 100
    assert b"grpc-status:0" in trailer.replace(b" ", b"")


async def test_grpc_web_errors_carry_their_detail(door: FrontDoor) -> None:
    frame = grpc_web_frame(submit_request(client_order_id="refuse").SerializeToString())
    _, headers, body = await door.http(
        "POST",
        SUBMIT,
        frame,
        {"content-type": "application/grpc-web+proto", "origin": "http://127.0.0.1:8080"},
    )
    exposed = headers["access-control-expose-headers"]
    assert "grpc-status-details-bin" in exposed
    trailer = body.decode("latin-1") + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    raw = trailer.split("grpc-status-details-bin:")[1].split("\r\n")[0].strip()
    if "grpc-status-details-bin" in headers:
        # The test's header parser lowers case, which base64 doesn't survive.
        assert "grpc-status: 9" in trailer
    else:
        status = status_pb2.Status.FromString(base64.b64decode(raw + "=="))
        assert from_status(status).reason == reason.REASON_PRICE_COLLAR


async def test_a_streams_deadline_is_told_by_the_service_and_never_cut_off(door: FrontDoor) -> None:
    frame = grpc_web_frame(orders_pb2.StreamExecutionsRequest().SerializeToString())
    kind = {"content-type": "application/grpc-web+proto", "grpc-timeout": "50m"}
    for _ in range(20):
        _, _, body = await door.http("POST", f"/{ORDERS}/StreamExecutions", frame, kind)
        flag, trailer = grpc_web_frames(body)[-1]
        assert flag == 0x80
        assert b"grpc-status:4" in trailer.replace(b" ", b"")


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc-web+proto"])
@pytest.mark.parametrize("method", ["SubmitOrder", "StreamExecutions"])
async def test_a_message_that_is_missing_or_cut_is_refused_at_once(
    door: FrontDoor, kind: str, method: str
) -> None:
    whole = grpc_web_frame(submit_request().SerializeToString())
    sent = {"content-type": kind, "te": "trailers"}
    for body in (b"", whole[:3], whole[:5], whole[:-1]):
        _, headers, _ = await door.http("POST", f"/{ORDERS}/{method}", body, sent)
        assert headers["grpc-status"] == str(grpc.StatusCode.INVALID_ARGUMENT.value[0])
        assert "grpc-status-details-bin" in headers


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc-web+proto"])
@pytest.mark.parametrize(
    ("body", "sent", "code"),
    [
        (b"\1\0\0\0\1x", {}, grpc.StatusCode.INVALID_ARGUMENT),
        (b"\1\0\0\0\1x", {"grpc-encoding": "gzip"}, grpc.StatusCode.INVALID_ARGUMENT),
        (b"\0\0\0\0\0", {"grpc-encoding": "snappy"}, grpc.StatusCode.UNIMPLEMENTED),
        (b"\0\0\0\0\0", {"x-some-bin": "***"}, grpc.StatusCode.INVALID_ARGUMENT),
        (b"\0\xff\xff\xff\xffx", {}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_the_library_of_a_service_refuses_is_typed(
    door: FrontDoor, kind: str, body: bytes, sent: dict[str, str], code: grpc.StatusCode
) -> None:
    _, headers, _ = await door.http("POST", SUBMIT, body, {"content-type": kind} | sent)
    assert headers["grpc-status"] == str(code.value[0])
    assert "grpc-status-details-bin" in headers


async def test_a_grpc_call_without_te_is_answered(door: FrontDoor) -> None:
    frame = grpc_web_frame(submit_request(client_order_id="refuse").SerializeToString())
    _, headers, _ = await door.http("POST", SUBMIT, frame, {"content-type": "application/grpc"})
    assert headers["grpc-status"] == str(grpc.StatusCode.FAILED_PRECONDITION.value[0])


@pytest.mark.parametrize("body", [b"!!!!", b"AAAA=", b"A"])
async def test_a_text_body_that_isnt_base64_is_said_to_be_one(door: FrontDoor, body: bytes) -> None:
    sent = {"content-type": "application/grpc-web-text"}
    _, headers, _ = await door.http("POST", SUBMIT, body, sent)
    assert headers["grpc-status"] == str(grpc.StatusCode.UNIMPLEMENTED.value[0])
    assert "base64" in headers["grpc-message"]
    assert "grpc-status-details-bin" in headers


async def test_a_late_answer_is_an_unknown_outcome_through_grpc_web(tmp_path: Path) -> None:
    async with front_door(tmp_path, "[envoy]\nunary_timeout_seconds = 0.3\n") as door:
        frame = grpc_web_frame(submit_request(client_order_id="wait").SerializeToString())
        _, headers, _ = await door.http(
            "POST", SUBMIT, frame, {"content-type": "application/grpc-web+proto"}
        )
        # Not UNAVAILABLE, which clients would retry.
        assert headers["grpc-status"] == str(grpc.StatusCode.UNKNOWN.value[0])
        assert door.servicer.submits == 1


@pytest.mark.parametrize(
    ("origin", "allowed"), [("http://localhost:5173", True), ("https://evil.example", False)]
)
async def test_browsers_of_allowed_origins_alone_may_call(
    door: FrontDoor, origin: str, allowed: bool
) -> None:
    status, headers, _ = await door.http(
        "OPTIONS",
        "/v1/orders",
        headers={"origin": origin, "access-control-request-method": "POST"},
        principal=None,
    )
    assert ("access-control-allow-origin" in headers) == allowed
    if allowed:
        assert status == 200
        assert "authorization" in headers["access-control-allow-headers"]
    _, headers, _ = await door.http("POST", "/v1/orders", order_json(), {"origin": origin})
    assert ("access-control-allow-origin" in headers) == allowed


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("GET", "application/grpc"),
        ("PUT", "application/grpc"),
        ("OPTIONS", "text/plain"),
        ("POST", "application/json"),
        ("POST", "application/octet-stream"),
    ],
)
async def test_a_methods_own_path_is_for_grpc_alone(door: FrontDoor, verb: str, kind: str) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    status, headers, body = await door.http(
        verb, SUBMIT, order_json(), asked | {"content-type": kind}
    )
    if kind == "application/grpc":
        assert (headers["grpc-status"], status) == ("12", 200)
        return
    assert (status, headers["content-type"]) == (404, "application/json")
    assert detail_of(body)["reason"] == "REASON_INVALID_REQUEST"


async def test_an_allowed_origin_may_ask_for_a_methods_own_path(door: FrontDoor) -> None:
    asked = {"origin": "http://localhost:5173", "access-control-request-method": "POST"}
    status, headers, _ = await door.http("OPTIONS", SUBMIT, headers=asked, principal=None)
    assert (status, headers["access-control-allow-origin"]) == (200, "http://localhost:5173")


async def buf_curl(door: FrontDoor, *arguments: str) -> tuple[int, str]:
    assert BUF is not None
    process = await asyncio.create_subprocess_exec(
        BUF,
        "curl",
        "--http2-prior-knowledge",
        "--header",
        f"authorization: Bearer {door.token()}",
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.skipif(BUF is None, reason="buf isn't installed")
async def test_buf_curl_lists_every_service_and_calls_by_reflection(door: FrontDoor) -> None:
    url = f"http://{door.address}"
    code, listed = await buf_curl(door, "--protocol", "grpc", "--list-methods", url)
    assert code == 0, listed
    services = {line.split("/")[0] for line in listed.split()}
    assert set(PROCESS_OF_SERVICE) <= services
    for protocol in ("grpc", "grpcweb"):
        code, answer = await buf_curl(
            door, "--protocol", protocol, "--data", order_json().decode(), url + SUBMIT
        )
        assert code == 0, answer
        assert json.loads(answer)["order"]["clientOrderId"] == "c-1"


async def test_orders_are_never_sent_twice_and_a_dead_process_is_told(own_door: FrontDoor) -> None:
    routes = json.loads((own_door.run.envoy / envoy_config.CONFIG_FILE).read_bytes())
    manager = routes["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    table = manager["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    for route in table:
        if route.get("route", {}).get("cluster") in ("gateway", "risk"):
            assert "retry_policy" not in route["route"]
    await own_door.server.stop()

    async with channel_to(own_door) as channel:
        stub: Any = orders_pb2_grpc.OrderServiceStub(channel)

        async def is_refused() -> bool:
            with pytest.raises(grpc.RpcError) as gone:
                await stub.SubmitOrder(submit_request(), metadata=own_door.headers())
            return from_rpc_error(gone.value).reason == reason.REASON_UNAVAILABLE

        await wait_until_async(is_refused)


async def test_the_access_log_is_json_a_line(own_door: FrontDoor) -> None:
    await own_door.http("POST", "/v1/orders", order_json())
    path = own_door.run.logs / "envoy-access.log"

    def logged() -> list[dict[str, Any]]:
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    await wait_until_async(logged, timeout_s=15)
    entry = logged()[-1]
    assert (entry["path"], entry["grpc_path"], entry["status"]) == ("/v1/orders", SUBMIT, 200)
    assert own_door.token() not in path.read_text()


async def test_only_the_loopback_interface_listens(door: FrontDoor) -> None:
    config = (door.run.envoy / envoy_config.CONFIG_FILE).read_text()
    document = json.loads(config)
    addresses = {
        document["admin"]["address"]["socket_address"]["address"],
        document["static_resources"]["listeners"][0]["address"]["socket_address"]["address"],
    }
    assert addresses == {"127.0.0.1"}
