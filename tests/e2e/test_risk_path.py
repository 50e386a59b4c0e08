"""Every pre-trade control through the whole path: Envoy, gateway, sequencer, gate, and back.

An operator changes one limit of account gamma in one instrument by the risk service, an order of
gamma is refused with the control's typed error, the limit is put back, and the order passes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from support.running_mesh import RunningMesh
from support.wait import wait_until
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.api.risk.v1 import risk_pb2, risk_pb2_grpc
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.wire import reason

ACCOUNT = "gamma"
FIRM_ID = 10
INSTRUMENT = "GLOBX@TCAP"
LOW_PRICE = "0.01"
DEADLINE_S = 20.0
_order_numbers = itertools.count(1)
_PAIR = risk_pb2.RiskTarget(
    scope=common_pb2.SCOPE_ACCOUNT_INSTRUMENT, account=ACCOUNT, instrument=INSTRUMENT
)
_WHOLE_ACCOUNT = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account=ACCOUNT)
_HERE = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_INSTRUMENT, instrument=INSTRUMENT)
_FIRM = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_FIRM, firm_id=FIRM_ID)


class Desk:
    """Gamma's orders and the operator's limits, over one channel through Envoy."""

    def __init__(self, channel: grpc.Channel, mesh: RunningMesh) -> None:
        self.orders = orders_pb2_grpc.OrderServiceStub(channel)
        self.risk = risk_pb2_grpc.RiskServiceStub(channel)
        self.trader = mesh.metadata(ACCOUNT)
        self.operator = mesh.metadata("operator")

    def submit(
        self,
        quantity: str = "1",
        price: str = LOW_PRICE,
        side: common_pb2.Side.ValueType = common_pb2.SIDE_BUY,
        instrument: str = INSTRUMENT,
    ) -> Any:
        order = records_pb2.NewOrder(
            account=ACCOUNT,
            instrument=instrument,
            client_order_id=f"risk-{os.getpid()}-{next(_order_numbers)}",
            side=side,
            type=records_pb2.ORDER_TYPE_LIMIT,
            time_in_force=records_pb2.TIME_IN_FORCE_DAY,
            quantity=quantity,
            price=price,
        )
        request = orders_pb2.SubmitOrderRequest(order=order)
        return self.orders.SubmitOrder(request, metadata=self.trader, timeout=DEADLINE_S)

    def refusal(self, **terms: Any) -> TradeCaptainError:
        with pytest.raises(grpc.RpcError) as caught:
            self.submit(**terms)
        return from_rpc_error(caught.value)

    def set_limit(self, target: risk_pb2.RiskTarget, kind: Any, value: str) -> risk_pb2.Limit:
        request = risk_pb2.SetLimitRequest(target=target, kind=kind, value=value)
        call = self.risk.SetLimit
        return call(request, metadata=self.operator, timeout=DEADLINE_S).limit

    def clear_limit(self, target: risk_pb2.RiskTarget, kind: Any) -> bool:
        request = risk_pb2.ClearLimitRequest(target=target, kind=kind)
        call = self.risk.ClearLimit
        return bool(call(request, metadata=self.operator, timeout=DEADLINE_S).was_set)

    def value_of(self, target: risk_pb2.RiskTarget, kind: Any) -> str | None:
        request = risk_pb2.ListLimitsRequest(scope=target.scope, page_size=1000)
        answer = self.risk.ListLimits(request, metadata=self.operator, timeout=DEADLINE_S)
        for limit in answer.limits:
            if limit.target == target and limit.kind == kind:
                return str(limit.value)
        return None

    @contextmanager
    def limited(self, target: risk_pb2.RiskTarget, kind: Any, value: str) -> Iterator[None]:
        """Set a limit, and put back what was there before."""
        before = self.value_of(target, kind)
        self.set_limit(target, kind, value)
        try:
            yield
        finally:
            if before is None:
                self.clear_limit(target, kind)
            else:
                self.set_limit(target, kind, before)

    def mass_cancel(self) -> None:
        request = orders_pb2.MassCancelRequest(mass_cancel=records_pb2.MassCancel(account=ACCOUNT))
        self.orders.MassCancel(request, metadata=self.trader, timeout=DEADLINE_S)

    def exposure(self) -> risk_pb2.GetExposureResponse:
        request = risk_pb2.GetExposureRequest(account=ACCOUNT)
        return self.risk.GetExposure(request, metadata=self.trader, timeout=DEADLINE_S)


@pytest.fixture
def desk(mesh: RunningMesh) -> Iterator[Desk]:
    """Gamma may trade at any price, has a reference price, and has nothing working."""
    with mesh.channel() as channel:
        desk = Desk(channel, mesh)
        with desk.limited(_PAIR, risk_pb2.LIMIT_KIND_PRICE_COLLAR, "unlimited"):
            desk.mass_cancel()
            wait_until(lambda: passes(desk), timeout_s=60, what="the gate to be open")
            desk.mass_cancel()
            yield desk
            desk.mass_cancel()


def passes(desk: Desk) -> bool:
    try:
        desk.submit()
    except grpc.RpcError as error:
        assert from_rpc_error(error).retryable or "LIMIT_UNSET" in from_rpc_error(error).name
        return False
    return True


@pytest.mark.parametrize(
    ("target", "kind", "value", "terms", "expected"),
    [
        (_PAIR, "ORDER_QUANTITY", "5", {"quantity": "6"}, reason.REASON_ORDER_QUANTITY_LIMIT),
        (_HERE, "ORDER_QUANTITY", "5", {"quantity": "6"}, reason.REASON_ORDER_QUANTITY_LIMIT),
        (_PAIR, "ORDER_NOTIONAL", "0.05", {"quantity": "6"}, reason.REASON_ORDER_NOTIONAL_LIMIT),
        (_FIRM, "ORDER_NOTIONAL", "0.05", {"quantity": "6"}, reason.REASON_ORDER_NOTIONAL_LIMIT),
        (_FIRM, "OPEN_ORDERS", "0", {}, reason.REASON_OPEN_ORDER_LIMIT),
        (_WHOLE_ACCOUNT, "OPEN_ORDERS", "0", {}, reason.REASON_OPEN_ORDER_LIMIT),
        (_PAIR, "PRICE_COLLAR", "5000", {}, reason.REASON_PRICE_COLLAR),
        (_PAIR, "POSITION_LONG", "5", {"quantity": "6"}, reason.REASON_POSITION_LIMIT_LONG),
        (
            _PAIR,
            "POSITION_SHORT",
            "5",
            {"quantity": "6", "side": common_pb2.SIDE_SELL, "price": "5000.00"},
            reason.REASON_POSITION_LIMIT_SHORT,
        ),
    ],
)
def test_control_refuses_with_its_typed_error_and_lets_pass_again(
    desk: Desk,
    target: risk_pb2.RiskTarget,
    kind: str,
    value: str,
    terms: dict[str, Any],
    expected: int,
) -> None:
    number = risk_pb2.LimitKind.Value(f"LIMIT_KIND_{kind}")
    with desk.limited(target, number, value):
        error = desk.refusal(**terms)
        assert error.reason == expected
        assert error.limit
        assert error.observed
        assert error.level
        assert not error.retryable
    desk.submit(**terms)


def test_unset_limit_fails_closed(desk: Desk) -> None:
    kind = risk_pb2.LIMIT_KIND_ORDER_NOTIONAL
    before = desk.value_of(_PAIR, kind)
    assert before is not None
    assert desk.clear_limit(_PAIR, kind)
    try:
        assert desk.refusal().reason == reason.REASON_LIMIT_UNSET
        request = risk_pb2.GetLimitsRequest(account=ACCOUNT, instrument=INSTRUMENT)
        limits = desk.risk.GetLimits(request, metadata=desk.trader, timeout=DEADLINE_S)
        assert list(limits.missing) == [kind]
    finally:
        desk.set_limit(_PAIR, kind, before)
    desk.submit()


@pytest.mark.parametrize("target", [_WHOLE_ACCOUNT, _PAIR, _FIRM])
def test_kill_cancels_and_refuses_until_unkill(desk: Desk, target: risk_pb2.RiskTarget) -> None:
    desk.submit()
    kill = risk_pb2.KillRequest(target=target, cancel_working_orders=True, comment="drill")
    answer = desk.risk.Kill(kill, metadata=desk.operator, timeout=DEADLINE_S)
    try:
        assert answer.cancelled_count >= 1
        assert desk.refusal().reason == reason.REASON_KILL_SWITCH
        listed = desk.risk.ListKillSwitches(
            risk_pb2.ListKillSwitchesRequest(), metadata=desk.operator, timeout=DEADLINE_S
        )
        assert answer.kill_switch in listed.kill_switches
        wait_until(lambda: desk.exposure().open_order_count == 0, what="the orders to be gone")
    finally:
        unkill = risk_pb2.UnkillRequest(target=target)
        assert desk.risk.Unkill(unkill, metadata=desk.operator, timeout=DEADLINE_S).was_on
    desk.submit()


def test_working_orders_show_in_the_exposure(desk: Desk) -> None:
    desk.submit(quantity="7")

    def shown() -> list[tuple[str, str]]:
        return [(line.instrument, line.working_buy_quantity) for line in desk.exposure().exposures]

    # The order of an earlier test may still be shown for a moment; it is cancelled by now.
    wait_until(lambda: shown() == [(INSTRUMENT, "7")], what="the order to be followed")
    assert desk.exposure().open_order_count == 1


def test_traders_can_neither_set_limits_nor_kill(desk: Desk) -> None:
    request = risk_pb2.SetLimitRequest(
        target=_PAIR, kind=risk_pb2.LIMIT_KIND_OPEN_ORDERS, value="5"
    )
    for call, message in (
        (desk.risk.SetLimit, request),
        (desk.risk.Kill, risk_pb2.KillRequest(target=_PAIR)),
        (desk.risk.GetExposure, risk_pb2.GetExposureRequest(account="alpha")),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(message, metadata=desk.trader, timeout=DEADLINE_S)
        assert from_rpc_error(caught.value).reason == reason.REASON_PERMISSION_DENIED
