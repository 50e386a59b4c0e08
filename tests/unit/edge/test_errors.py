"""Errors become statuses with a typed detail and come back equal."""

import pytest
from google.protobuf.message import Message
from google.rpc import status_pb2
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.orders.v1 import orders_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.errors import (
    DetailedError,
    field_in_request,
    from_status,
    to_detail,
    to_status,
)
from tradecaptain.wire import reason


@pytest.mark.parametrize("number", sorted(reason.NAMES))
def test_every_reason_has_a_status(number: int) -> None:
    status = to_status(TradeCaptainError(number, "because"))
    error = from_status(status_pb2.Status.FromString(status.SerializeToString()))
    assert (error.reason, error.message) == (number, "because")
    rule = reason.RULES.get(number)
    if rule is not None:
        detail = to_detail(error)
        assert status.code == rule.grpc_code
        assert (detail.rule, detail.field, detail.retryable) == (
            rule.rule,
            rule.field,
            rule.retryable,
        )


def test_limit_and_level_survive_the_wire() -> None:
    error = TradeCaptainError(
        reason.REASON_PRICE_COLLAR, "far off", limit="100", observed="250", level="account"
    )
    back = from_status(to_status(error))
    assert (back.limit, back.observed, back.level) == ("100", "250", "account")
    assert to_detail(error).level == common_pb2.SCOPE_ACCOUNT


def test_details_of_the_edge_survive_the_wire() -> None:
    detail = errors_pb2.ErrorDetail(
        reason=errors_pb2.REASON_UNKNOWN_ORDER, message="gone", order_id=7, client_order_id="c"
    )
    back = from_status(to_status(DetailedError(detail)))
    assert isinstance(back, DetailedError)
    assert (back.detail.order_id, back.detail.client_order_id) == (7, "c")


def test_a_status_without_our_detail_keeps_its_code() -> None:
    error = from_status(status_pb2.Status(code=14, message="gone"))
    assert error.reason == reason.REASON_UNAVAILABLE
    assert error.message == "UNAVAILABLE: gone"


def test_a_stream_that_a_proxy_had_to_reset_may_be_opened_again() -> None:
    error = from_status(status_pb2.Status(code=13, message="Received RST_STREAM"))
    assert (error.reason, error.retryable) == (reason.REASON_UNAVAILABLE, True)


def test_a_reason_of_a_newer_version_is_no_crash() -> None:
    status = status_pb2.Status(code=9, message="new")
    newer = errors_pb2.ErrorDetail.FromString(b"\x08\xff\xff\x03")
    status.details.add().Pack(newer)
    assert from_status(status).message == "FAILED_PRECONDITION: new"


@pytest.mark.parametrize(
    ("request_class", "field", "path"),
    [
        (orders_pb2.SubmitOrderRequest, "quantity", "order.quantity"),
        (risk_pb2.CheckOrderRequest, "quantity", "order.quantity"),
        (orders_pb2.ReplaceOrderRequest, "quantity", "replace.quantity"),
        (risk_pb2.KillRequest, "account", "target.account"),
        (orders_pb2.GetOrderRequest, "account", "account"),
        # No field of the request, a path already, and one of many orders.
        (orders_pb2.CancelOrderRequest, "order", "order"),
        (orders_pb2.SubmitOrderRequest, "order.side", "order.side"),
        (orders_pb2.SubmitOrderRequest, "", ""),
        (orders_pb2.SubmitBatchRequest, "account", "account"),
    ],
)
def test_a_field_is_named_by_its_path_in_the_request(
    request_class: type[Message], field: str, path: str
) -> None:
    assert field_in_request(request_class.DESCRIPTOR, field) == path


def test_the_detail_of_a_refusal_has_the_path() -> None:
    error = TradeCaptainError(reason.REASON_ORDER_QUANTITY_LIMIT, "too much")
    told = from_status(to_status(error, orders_pb2.SubmitOrderRequest.DESCRIPTOR))
    assert told.field == "order.quantity"
