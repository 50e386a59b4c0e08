"""The validation rules of requests: what is let through, and which field and rule are named."""

from __future__ import annotations

import protovalidate
import pytest
from google.protobuf.message import Message
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, records_pb2
from tradecaptain.api.orders.v1 import orders_pb2
from tradecaptain.api.orders.v1 import records_pb2 as order_records
from tradecaptain.api.pricing.v1 import pricing_pb2
from tradecaptain.api.risk.v1 import risk_pb2

VALIDATOR = protovalidate.Validator()


def order(**changes: object) -> order_records.NewOrder:
    fields: dict[str, object] = {
        "account": "alpha",
        "instrument": "AMZN@TCAP",
        "client_order_id": "abc 123",
        "side": common_pb2.SIDE_BUY,
        "type": order_records.ORDER_TYPE_LIMIT,
        "quantity": "100",
        "price": "223.95",
    }
    return order_records.NewOrder(**(fields | changes))


def submit(**changes: object) -> orders_pb2.SubmitOrderRequest:
    return orders_pb2.SubmitOrderRequest(order=order(**changes))


def replace(**fields: object) -> orders_pb2.ReplaceOrderRequest:
    return orders_pb2.ReplaceOrderRequest(replace=order_records.OrderReplace(**fields))


def option(**changes: float) -> pricing_pb2.PriceOptionRequest:
    fields = {"right": 1, "spot": 100.0, "strike": 90.0, "time_years": 0.5, "volatility": 0.2}
    return pricing_pb2.PriceOptionRequest(option=pricing_pb2.OptionInputs(**(fields | changes)))


def violations(message: Message) -> list[tuple[str, str]]:
    """Field path and rule of each; a rule about a whole message has no path."""
    found = [violation.proto for violation in VALIDATOR.collect_violations(message)]
    return [
        (
            ".".join(element.field_name for element in broken.field.elements)
            if broken.field
            else "",
            broken.rule_id,
        )
        for broken in found
    ]


@pytest.mark.parametrize(
    "request_message",
    [
        submit(),
        submit(type=order_records.ORDER_TYPE_MARKET, price=None),
        submit(client_order_id=" " * 32),
        submit(price="-1.25"),
        replace(order_id=7, client_order_id="b"),
        replace(target_client_order_id="a", client_order_id="b", price="1"),
        orders_pb2.GetOrderRequest(client_order_id="a"),
        orders_pb2.SubmitBatchRequest(orders=[order(), order()]),
        marketdata_pb2.GetCandlesRequest(instrument="12", interval_seconds=60),
        marketdata_pb2.StreamDepthRequest(instruments=["1"], level=records_pb2.DEPTH_LEVEL_L3),
        instruments_pb2.ListTradingSessionsRequest(instrument="1", start_date="2026-11-25"),
        option(),
        option(time_years=0.0, volatility=0.0, interest_rate=-0.02),
        pricing_pb2.PriceOptionsRequest(columns=pricing_pb2.OptionInputColumns(spot=[1.0])),
        risk_pb2.KillRequest(target=risk_pb2.RiskTarget(scope=common_pb2.SCOPE_FIRM)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_sound_requests_pass(request_message: Message) -> None:
    assert violations(request_message) == []


@pytest.mark.parametrize(
    ("request_message", "field", "rule"),
    [
        (orders_pb2.SubmitOrderRequest(), "order", "required"),
        (submit(client_order_id=""), "order.client_order_id", "string.pattern"),
        (submit(client_order_id="x" * 33), "order.client_order_id", "string.pattern"),
        (submit(client_order_id="é"), "order.client_order_id", "string.pattern"),
        (submit(client_order_id="a\nb"), "order.client_order_id", "string.pattern"),
        (submit(client_order_id="a\n"), "order.client_order_id", "string.pattern"),
        (submit(instrument=""), "order.instrument", "string.min_len"),
        (submit(side=0), "order.side", "enum.not_in"),
        (submit(side=3), "order.side", "enum.defined_only"),
        (submit(type=0), "order.type", "enum.not_in"),
        (submit(time_in_force=8), "order.time_in_force", "enum.defined_only"),
        (submit(quantity=""), "order.quantity", "string.min_len"),
        (submit(quantity="1" * 41), "order.quantity", "string.max_len"),
        (submit(price=""), "order.price", "string.min_len"),
        (submit(expire_time_ns=0), "order.expire_time_ns", "int64.gt"),
        (replace(client_order_id="b"), "replace.target", "required"),
        (replace(order_id=0, client_order_id="b"), "replace.order_id", "uint64.gt"),
        (orders_pb2.GetOrderRequest(), "target", "required"),
        (
            orders_pb2.SubmitBatchRequest(orders=[order()] * 1001),
            "orders",
            "repeated.max_items",
        ),
        (
            marketdata_pb2.GetCandlesRequest(instrument="1", interval_seconds=7),
            "interval_seconds",
            "uint32.in",
        ),
        (marketdata_pb2.StreamQuotesRequest(), "instruments", "repeated.min_items"),
        (option(spot=0.0), "option.spot", "double.gt"),
        (option(strike=float("nan")), "option.strike", "double.finite"),
        (option(volatility=float("inf")), "option.volatility", "double.finite"),
        (pricing_pb2.PriceOptionsRequest(), "", "price_options.one_form"),
        (risk_pb2.KillRequest(), "target", "required"),
        (
            risk_pb2.KillRequest(target=risk_pb2.RiskTarget(scope=common_pb2.SCOPE_SESSION)),
            "target.scope",
            "enum.not_in",
        ),
    ],
)
def test_broken_requests_name_field_and_rule(
    request_message: Message, field: str, rule: str
) -> None:
    assert (field, rule) in violations(request_message)
