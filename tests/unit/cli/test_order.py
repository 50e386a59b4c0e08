"""What ``tradecaptain order`` prints of an answer, and who sends."""

from contextlib import nullcontext

import pytest
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.cli import order, watch
from tradecaptain.cli.connection import Connection
from tradecaptain.cli.main import build
from tradecaptain.cli.order import _answer
from typer.testing import CliRunner

ORDER = records_pb2.Order(
    order_id=7,
    client_order_id="a",
    instrument="ACME@TCAP",
    side=common_pb2.SIDE_BUY,
    quantity="10",
    price="99.5",
    status=records_pb2.ORDER_STATUS_WORKING,
    type=records_pb2.ORDER_TYPE_LIMIT,
    cumulative_quantity="0",
    leaves_quantity="10",
)


def test_an_order_tells_its_durability(capsys: pytest.CaptureFixture[str]) -> None:
    report = records_pb2.ExecutionReport(durability=records_pb2.DURABILITY_GROUP)
    _answer(orders_pb2.SubmitOrderResponse(order=ORDER, reports=[report, report]), json=False)
    line = " ".join(capsys.readouterr().out.split())
    assert line.startswith("7 a ACME@TCAP buy 10 @ 99.5 · working, 0 filled, 10 open · durability")
    assert line.endswith("group")


def test_an_order_tells_what_it_traded_at_and_how_long_it_lives(
    capsys: pytest.CaptureFixture[str],
) -> None:
    order = records_pb2.Order()
    order.CopyFrom(ORDER)
    order.time_in_force = records_pb2.TIME_IN_FORCE_AT_OPEN
    order.cumulative_quantity, order.leaves_quantity, order.average_price = "4", "6", "99.25"
    _answer(orders_pb2.CancelOrderResponse(order=order), json=False)
    line = " ".join(capsys.readouterr().out.split())
    assert "buy 10 @ 99.5 at-open · working, 4 filled at 99.25, 6 open" in line


@pytest.mark.parametrize(
    ("kind", "lifetime", "shown"),
    [
        (records_pb2.ORDER_TYPE_LIMIT, records_pb2.TIME_IN_FORCE_DAY, "@ 99.5 · working"),
        (
            records_pb2.ORDER_TYPE_LIMIT,
            records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
            "@ 99.5 ioc · working",
        ),
        (
            records_pb2.ORDER_TYPE_MARKET,
            records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
            "market @ 99.5 · working",
        ),
    ],
)
def test_the_lifetime_that_goes_without_saying_is_not_told(
    capsys: pytest.CaptureFixture[str],
    kind: records_pb2.OrderType,
    lifetime: records_pb2.TimeInForce,
    shown: str,
) -> None:
    order = records_pb2.Order()
    order.CopyFrom(ORDER)
    order.type, order.time_in_force = kind, lifetime
    _answer(orders_pb2.CancelOrderResponse(order=order), json=False)
    assert shown in " ".join(capsys.readouterr().out.split())


def test_an_answer_without_reports_tells_none(capsys: pytest.CaptureFixture[str]) -> None:
    _answer(orders_pb2.CancelOrderResponse(order=ORDER), json=False)
    assert "durability" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("order", "submit", "ACME", "buy", "1", "--price", "1"),
        ("order", "cancel", "7"),
        ("order", "replace", "7", "--quantity", "2"),
        ("order", "mass-cancel"),
        ("order", "list"),
        ("watch", "executions"),
    ],
)
def test_another_principal_than_the_accounts_may_act(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    acting = []

    def pretend(principal: str) -> nullcontext[Connection]:
        acting.append(principal)
        raise RuntimeError("nothing is sent")

    for module in (order, watch):
        monkeypatch.setattr(module, "connect", pretend)
    for chosen in ((), ("--as", "operator")):
        CliRunner().invoke(build([arguments[0]]), [*arguments, "--account", "beta", *chosen])
    assert acting == ["beta", "operator"]
