"""The validation rules of requests: what is let through, and which field and rule are named."""

from __future__ import annotations

from collections.abc import Iterator

import protovalidate
import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, records_pb2
from tradecaptain.api.orders.v1 import orders_pb2
from tradecaptain.api.orders.v1 import records_pb2 as order_records
from tradecaptain.api.pricing.v1 import (
    bonds_pb2,
    indicators_pb2,
    options_pb2,
    pricing_pb2,
    surface_pb2,
)
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


def option(**changes: float | None) -> pricing_pb2.PriceOptionRequest:
    fields = {"right": 1, "spot": 100.0, "strike": 90.0, "time_years": 0.5, "volatility": 0.2}
    fields |= {"interest_rate": 0.01, "dividend_yield": 0.0}
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
        *(
            (option(**{name: None}), f"option.{name}", "required")
            for name in (
                "spot",
                "strike",
                "time_years",
                "volatility",
                "interest_rate",
                "dividend_yield",
            )
        ),
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


# Settings whose zero says "as usual", by the comment of each.
SETTINGS = {
    "StreamOptionChainRequest.interval_ms",
    "PriceDividendOptionRequest.nodes",
    "SimulationPlan.points",
    "SimulationPlan.replicates",
    "SimulationPlan.seed",
    "SolveYieldsRequest.frequency",
    "CompareBondWithCurveRequest.frequency",
    "YieldConvention.frequency",
    "Bond.coupons_a_year",
    "SwapQuote.fixed_payments_a_year",
    "SwapQuote.floating_payments_a_year",
    "StreamIndicatorsRequest.history",
}
PRICING = (bonds_pb2, indicators_pb2, options_pb2, pricing_pb2, surface_pb2)
NUMBERS = (
    FieldDescriptor.CPPTYPE_DOUBLE,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT64,
)


def messages_of(root: Descriptor) -> Iterator[Descriptor]:
    """A request's type and every type in it."""
    pending, seen = [root], {root.full_name}
    while pending:
        current = pending.pop()
        yield current
        for field in current.fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                pending.append(field.message_type)


def pricing_requests() -> list[Descriptor]:
    services = [item for file in PRICING for item in file.DESCRIPTOR.services_by_name.values()]
    return [method.input_type for service in services for method in service.methods]


def refuses_zero(field: FieldDescriptor) -> bool:
    """Whether zero breaks the field's own rule, so that leaving it out does too."""
    own = field.GetOptions().Extensions[validate_pb2.field]
    rules = getattr(own, own.WhichOneof("type") or "double")
    listed = list(getattr(rules, "in"))
    is_listed = bool(listed) and 0 not in listed
    is_above = (rules.HasField("gt") and rules.gt >= 0) or (rules.HasField("gte") and rules.gte > 0)
    return is_listed or is_above


def test_no_number_of_a_pricing_request_is_zero_because_it_was_left_out() -> None:
    silent = set()
    for message in {
        item.full_name: item for root in pricing_requests() for item in messages_of(root)
    }.values():
        if message.GetOptions().map_entry:
            continue
        for field in message.fields:
            if field.cpp_type not in NUMBERS or field.is_repeated or field.has_presence:
                continue
            if not refuses_zero(field):
                silent.add(f"{message.name}.{field.name}")
    assert silent == SETTINGS
