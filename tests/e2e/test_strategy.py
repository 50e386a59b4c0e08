"""The program of docs/strategies.md beside a mesh that trades: it quotes both sides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc
from support.running_mesh import CALL_SECONDS, COMMAND_SECONDS, RunningMesh
from support.wait import wait_until
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2

DOCUMENT = Path(__file__).parents[2] / "docs" / "strategies.md"
ACCOUNT = "beta"
STRATEGY_ID = 7


def program() -> str:
    """The worked example as it stands in the document, for an account of this test's own."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    end = next(at for at, line in enumerate(lines) if line == "        host.close()")
    begin = end
    while lines[begin].startswith("    ") or not lines[begin]:
        begin -= 1
    text = "\n".join(line.removeprefix("    ") for line in lines[begin + 1 : end + 1])
    owner = "account_id=100, firm_id=10"
    assert text.count(owner) == 1
    return text.replace(owner, "account_id=101, firm_id=11")


def test_documented_program_quotes_both_sides_of_a_market_that_trades(mesh: RunningMesh) -> None:
    metadata = mesh.metadata(ACCOUNT)
    with (
        grpc.insecure_channel(mesh.address) as channel,
        subprocess.Popen(
            [sys.executable, "-c", program()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=mesh.environment,
        ) as process,
    ):
        orders = orders_pb2_grpc.OrderServiceStub(channel)

        def sides() -> set[int]:
            assert process.poll() is None
            request = orders_pb2.ListOrdersRequest()
            answer = orders.ListOrders(request, metadata=metadata, timeout=CALL_SECONDS)
            return {item.side for item in answer.orders if item.strategy_id == STRATEGY_ID}

        wait_until(
            lambda: sides() == {common_pb2.SIDE_BUY, common_pb2.SIDE_SELL},
            timeout_s=COMMAND_SECONDS,
            what="the strategy's quotes on both sides",
        )
        said, _ = process.communicate(b"\n", timeout=CALL_SECONDS)
        assert process.returncode == 0, said.decode()
        cancel = records_pb2.MassCancel(strategy_id=STRATEGY_ID)
        request = orders_pb2.MassCancelRequest(mass_cancel=cancel)
        orders.MassCancel(request, metadata=metadata, timeout=CALL_SECONDS)
