"""What ``tradecaptain order`` prints of an answer."""

import pytest
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.cli.order import _answer

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
