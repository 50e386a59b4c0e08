"""Parts of the mesh are killed under load, and no acknowledged order may be lost or doubled.

An independent client keeps hundreds of orders in flight through Envoy and writes every
acknowledgement to a ledger of its own, synced to disk. After each kill it compares the venue's
orders, reports and positions with the ledger. ``--rounds N`` sets how many kills there are.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.running_mesh import RunningMesh, running_mesh
from support.wait import wait_until
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.client import Client
from tradecaptain.edge.tokens import token_of
from tradecaptain.launch.processes import start_ticks
from tradecaptain.wire import reason

INSTRUMENT = "ACME@TCAP"
TARGETS = ("orderbook", "gateway", "risk", "driver", "everything")
IN_FLIGHT = 600
IN_FLIGHT_LEAST = 500
BACK_SECONDS = 120
SEED = 20_251_125
TRADE = records_pb2.EXECUTION_TYPE_TRADE


class Ledger:
    """Acknowledgements as the client got them, on disk before they count."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self.orders: dict[str, tuple[int, Decimal]] = {}
        self.sent: set[str] = set()

    def acknowledge(self, answers: list[records_pb2.Order]) -> None:
        for order in answers:
            entry = {"id": order.client_order_id, "order_id": order.order_id}
            self._file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        os.fdatasync(self._file.fileno())
        for order in answers:
            done = Decimal(order.cumulative_quantity or "0")
            self.orders[order.client_order_id] = (order.order_id, done)


class Load:
    """Orders in flight, each sent once."""

    def __init__(self, client: Client, ledger: Ledger, seed: int, price: Decimal) -> None:
        self._client = client
        self._ledger = ledger
        self._random = random.Random(seed)
        self._price = price
        self._prefix = f"k{seed:x}"
        self.in_flight = 0
        self.is_stopping = False

    async def run(self) -> None:
        await asyncio.gather(*(self._send_one_by_one(lane) for lane in range(IN_FLIGHT)))

    async def _send_one_by_one(self, lane: int) -> None:
        number = 0
        while not self.is_stopping:
            number += 1
            name = f"{self._prefix}-{lane}-{number}"
            self._ledger.sent.add(name)
            cents = self._random.randint(-300, 300)
            order = records_pb2.NewOrder(
                instrument=INSTRUMENT,
                client_order_id=name,
                side=self._random.choice([common_pb2.SIDE_BUY, common_pb2.SIDE_SELL]),
                type=records_pb2.ORDER_TYPE_LIMIT,
                time_in_force=records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
                if self._random.random() < 0.7
                else records_pb2.TIME_IN_FORCE_DAY,
                price=f"{self._price + Decimal(cents) / 100:.2f}",
                quantity="1",
            )
            self.in_flight += 1
            try:
                request = orders_pb2.SubmitOrderRequest(order=order)
                answer = await self._client.orders.SubmitOrder(request)
            except TradeCaptainError as error:
                if error.reason in (reason.REASON_UNAVAILABLE, reason.REASON_OUTCOME_UNKNOWN):
                    await asyncio.sleep(0.5)
            else:
                self._ledger.acknowledge([answer.order])
            finally:
                self.in_flight -= 1


def kill_everything(mesh: RunningMesh) -> None:
    """The supervisor first, so that it can't bring anything back."""
    pids = mesh.pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    mesh.process.wait()
    wait_until(
        lambda: all(start_ticks(pid) is None for pid in pids[1:]), what="every process to be gone"
    )


async def reports_of(client: Client) -> list[Any]:
    """Every report of the account, from the first of the epoch on."""
    found: list[Any] = []
    position = common_pb2.StreamPosition(epoch=1, sequence=0)
    request = orders_pb2.StreamExecutionsRequest(resume_from=position)
    stream = client.orders.StreamExecutions(request)
    try:
        async with asyncio.timeout(3):
            async for response in stream:
                found += response.reports
    except TimeoutError:
        pass
    return found


async def compare(client: Client, ledger: Ledger) -> int:
    """Hold orders, reports and positions against the ledger; returns how many were compared."""
    reports = await reports_of(client)
    sequences = [report.sequence for report in reports]
    assert sequences == list(range(1, len(sequences) + 1)), "the stream of reports has a gap"
    executions = [report.execution_id for report in reports if report.execution_id]
    assert len(executions) == len(set(executions)), "an execution was reported twice"
    orders: dict[str, set[int]] = {}
    filled: dict[int, Decimal] = {}
    position = Decimal(0)
    for report in reports:
        orders.setdefault(report.client_order_id, set()).add(report.order_id)
        if report.execution_type == TRADE:
            units = Decimal(report.last_quantity)
            filled[report.order_id] = filled.get(report.order_id, Decimal(0)) + units
            position += units if report.side == common_pb2.SIDE_BUY else -units
    for name, (order_id, done) in ledger.orders.items():
        assert orders.get(name) == {order_id}, f"acknowledged order {name} is lost or doubled"
        assert filled.get(order_id, Decimal(0)) >= done, f"fills of {name} are lost"
    answer = await client.risk.GetPositions(risk_pb2.GetPositionsRequest(account="alpha"))
    held = {item.instrument: Decimal(item.quantity) for item in answer.positions}
    assert held.get(INSTRUMENT, Decimal(0)) == position, "the position isn't the sum of fills"
    return len(ledger.orders)


@pytest.fixture
def kill_rounds(request: pytest.FixtureRequest) -> int:
    asked = int(request.config.getoption("--rounds"))
    return asked or 50


@pytest.mark.full
async def test_no_acknowledged_order_is_lost_or_doubled(tmp_path: Path, kill_rounds: int) -> None:
    folder = tmp_path / "run"
    ledger = Ledger(tmp_path / "ledger")
    chosen = random.Random(SEED)
    with running_mesh(folder) as first:
        mesh = first
        bid = wait_until(mesh.best_bid, what="a bid")
        for number in range(kill_rounds):
            target = TARGETS[number % len(TARGETS)]
            async with Client(mesh.address, token_of(mesh.run.tokens, "alpha")) as client:
                load = Load(client, ledger, SEED + number, Decimal(str(float(bid))))
                task = asyncio.create_task(load.run())
                await asyncio.sleep(1 + chosen.random())
                while load.in_flight < IN_FLIGHT_LEAST:
                    await asyncio.sleep(0.01)
                in_flight = load.in_flight
                load.is_stopping = True
                if target == "everything":
                    await asyncio.to_thread(kill_everything, mesh)
                    mesh = RunningMesh(folder, (), {})
                    await asyncio.to_thread(mesh.wait_until_ready)
                    first.process = mesh.process
                else:
                    old = mesh.kill(target)
                    await asyncio.to_thread(mesh.wait_until_back, target, old, BACK_SECONDS)
                await task
                count = await compare(client, ledger)
            print(
                f"round {number + 1} (seed {SEED + number}): killed {target} with {in_flight} in"
                f" flight; {count} acknowledged, {len(ledger.sent)} sent, none lost or doubled"
            )
        checked = mesh.json("journal", "verify")
        assert checked["torn_bytes"] == 0
        replayed = mesh.json("journal", "replay")
        assert replayed["commands"] > len(ledger.orders)
