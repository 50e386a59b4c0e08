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
