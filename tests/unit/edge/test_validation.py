"""Contract rules and accounts in requests, found by the descriptors alone."""

import pytest
from tradecaptain.api.marketdata.v1 import marketdata_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.api.pricing.v1 import pricing_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import validation
from tradecaptain.edge.errors import DetailedError
from tradecaptain.wire import reason


def order(**changes: object) -> records_pb2.NewOrder:
    fields: dict[str, object] = {
        "instrument": "ACME@TCAP",
        "client_order_id": "c-1",
        "side": 1,
        "type": 1,
        "quantity": "1",
        "price": "1.00",
    }
    return records_pb2.NewOrder(**(fields | changes))  # type: ignore[arg-type]


def test_a_good_request_passes() -> None:
    validation.check(orders_pb2.SubmitOrderRequest(order=order()))


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        ({"client_order_id": ""}, "order.client_order_id", reason.REASON_INVALID_CLIENT_ORDER_ID),
        ({"client_order_id": "é"}, "order.client_order_id", reason.REASON_INVALID_CLIENT_ORDER_ID),
        ({"side": 0}, "order.side", reason.REASON_INVALID_SIDE),
        ({"side": 9}, "order.side", reason.REASON_INVALID_SIDE),
        ({"type": 0}, "order.type", reason.REASON_INVALID_ORDER_TYPE),
        ({"time_in_force": 77}, "order.time_in_force", reason.REASON_INVALID_TIME_IN_FORCE),
        ({"quantity": ""}, "order.quantity", reason.REASON_INVALID_QUANTITY),
        ({"price": "1" * 41}, "order.price", reason.REASON_INVALID_PRICE),
        ({"instrument": ""}, "order.instrument", reason.REASON_INVALID_REQUEST),
        ({"account": "x" * 65}, "order.account", reason.REASON_INVALID_REQUEST),
    ],
)
def test_a_broken_rule_is_named_with_its_field(
    changes: dict[str, object], field: str, why: int
) -> None:
    with pytest.raises(DetailedError) as refused:
        validation.check(orders_pb2.SubmitOrderRequest(order=order(**changes)))
    assert (refused.value.reason, refused.value.field) == (why, field)
    assert [item.field for item in refused.value.detail.violations] == [field]


def test_the_place_in_a_list_is_named() -> None:
    request = orders_pb2.SubmitBatchRequest(orders=[order(), order(side=0)])
    with pytest.raises(DetailedError) as refused:
        validation.check(request)
    assert refused.value.field == "orders[1].side"


def test_all_broken_rules_are_listed() -> None:
    request = orders_pb2.SubmitOrderRequest(order=order(side=0, type=0, quantity=""))
    with pytest.raises(DetailedError) as refused:
        validation.check(request)
    fields = {item.field for item in refused.value.detail.violations}
    assert fields == {"order.side", "order.type", "order.quantity"}


def test_a_rule_on_a_whole_request_names_the_first_field_that_it_speaks_of() -> None:
    with pytest.raises(DetailedError) as refused:
        validation.check(pricing_pb2.PriceOptionsRequest())
    assert (refused.value.reason, refused.value.field) == (reason.REASON_INVALID_REQUEST, "options")
    assert "give either options or columns" in refused.value.message


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x7f", b"\x0a\x03\x0a\x01\xff"])
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(TradeCaptainError) as refused:
        validation.parse(orders_pb2.SubmitOrderRequest, data)
    assert refused.value.reason == reason.REASON_INVALID_REQUEST


def test_accounts_are_found_wherever_they_are() -> None:
    texts = validation.account_texts(orders_pb2.OrderSessionRequest.DESCRIPTOR)
    assert texts is not None
    request = orders_pb2.OrderSessionRequest(
        open=orders_pb2.SessionOptions(account="a"),
        commands=[
            orders_pb2.SessionCommand(submit=order(account="b")),
            orders_pb2.SessionCommand(cancel=records_pb2.OrderCancel(order_id=1)),
            orders_pb2.SessionCommand(mass_cancel=records_pb2.MassCancel(account="c")),
        ],
    )
    assert list(texts(request)) == ["a", "b", "c"]


def test_requests_without_accounts_need_no_look() -> None:
    assert validation.account_texts(marketdata_pb2.GetQuoteRequest.DESCRIPTOR) is None


def test_types_with_rules_are_told_from_those_without() -> None:
    assert validation.has_rules(orders_pb2.SubmitOrderRequest.DESCRIPTOR)
    assert not validation.has_rules(orders_pb2.MassCancelResponse.DESCRIPTOR)
