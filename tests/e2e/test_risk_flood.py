"""An account that floods the venue is stopped at once, and holds up nobody who watches or trades.

Gamma sends batches of orders from several sessions as fast as they are answered. The operator, who
hears alerts and has a drop copy open that nobody reads, turns the kill switch on in the middle.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from support.running_mesh import RunningMesh
from support.wait import wait_until
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.api.risk.v1 import monitor_pb2, monitor_pb2_grpc, risk_pb2, risk_pb2_grpc

ACCOUNT = "gamma"
INSTRUMENT = "GLOBX@TCAP"
SESSIONS = 3
BATCHES = 24
ORDERS_A_BATCH = 250
ORDERS_ALLOWED = 2_000
DEADLINE_S = 30.0
_PAIR = risk_pb2.RiskTarget(
    scope=common_pb2.SCOPE_ACCOUNT_INSTRUMENT, account=ACCOUNT, instrument=INSTRUMENT
)
_GAMMA = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account=ACCOUNT)


class Flood:
    """Sessions that send batch after batch, and what became of their orders."""

    def __init__(self, channel: grpc.Channel, mesh: RunningMesh, instrument_id: int) -> None:
        self._stub = orders_pb2_grpc.OrderServiceStub(channel)
        self._metadata = mesh.metadata(ACCOUNT)
        self._instrument_id = instrument_id
        self._lock = threading.Lock()
        self.accepted = 0
        self.refused = 0
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(SESSIONS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def _requests(
        self, number: int, answered: threading.Semaphore
    ) -> Iterator[orders_pb2.OrderSessionRequest]:
        options = orders_pb2.SessionOptions(account=ACCOUNT, without_reports=True)
        yield orders_pb2.OrderSessionRequest(open=options)
        for batch in range(BATCHES):
            answered.acquire()
            key = f"flood-{os.getpid()}-{number}-{batch}"
            columns = records_pb2.NewOrderColumns(
                account=ACCOUNT,
                client_order_ids=[f"{key}-{place}" for place in range(ORDERS_A_BATCH)],
                instrument_ids=[self._instrument_id] * ORDERS_A_BATCH,
                sides=[common_pb2.SIDE_BUY] * ORDERS_A_BATCH,
                prices_units=[1] * ORDERS_A_BATCH,
                quantities_units=[1] * ORDERS_A_BATCH,
            )
            command = orders_pb2.SessionCommand(request_id=batch + 1, batch=columns)
            yield orders_pb2.OrderSessionRequest(commands=[command])

    def _run(self, number: int) -> None:
        # So many batches of a session are on their way at once.
        answered = threading.Semaphore(4)
        count = 0
        for response in self._stub.OrderSession(
            self._requests(number, answered), metadata=self._metadata, timeout=DEADLINE_S
        ):
            for result in response.results:
                accepted = sum(1 for order_id in result.batch.order_ids if order_id)
                with self._lock:
                    self.accepted += accepted
                    self.refused += ORDERS_A_BATCH - accepted
                count += 1
                answered.release()
            if count == BATCHES:
                return


class Alerts:
    """What the operator hears, read on a thread."""

    def __init__(self, channel: grpc.Channel, mesh: RunningMesh) -> None:
        stub = monitor_pb2_grpc.RiskMonitorServiceStub(channel)
        request = monitor_pb2.StreamAlertsRequest(account=ACCOUNT)
        self._stream = stub.StreamAlerts(request, metadata=mesh.metadata("operator"))
        next(self._stream)
        self.heard: list[monitor_pb2.Alert] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            for response in self._stream:
                self.heard += response.alerts
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.CANCELLED

    def of(self, kind: int) -> list[monitor_pb2.Alert]:
        return [alert for alert in self.heard if alert.kind == kind]

    def refusal_count(self) -> int:
        return sum(alert.refusal_count for alert in self.of(monitor_pb2.ALERT_KIND_REFUSAL))

    def close(self) -> None:
        self._stream.cancel()


@contextmanager
def limits_of(
    risk: Any, operator: Any, wanted: dict[risk_pb2.LimitKind.ValueType, str]
) -> Iterator[None]:
    """Limits of gamma in the instrument, or of all it has, and back to what they were."""

    def target(kind: int) -> risk_pb2.RiskTarget:
        return _GAMMA if kind == risk_pb2.LIMIT_KIND_OPEN_ORDERS else _PAIR

    def set_limits(values: dict[risk_pb2.LimitKind.ValueType, str]) -> None:
        for kind, value in values.items():
            request = risk_pb2.SetLimitRequest(target=target(kind), kind=kind, value=value)
            risk.SetLimit(request, metadata=operator, timeout=DEADLINE_S)

    request = risk_pb2.ListLimitsRequest(account=ACCOUNT, page_size=1000)
    listed = risk.ListLimits(request, metadata=operator, timeout=DEADLINE_S).limits
    before = {
        item.kind: item.value
        for item in listed
        if item.kind in wanted and item.target == target(item.kind)
    }
    set_limits(wanted)
    try:
        yield
    finally:
        set_limits(before)


@pytest.fixture
def channel(mesh: RunningMesh) -> Iterator[grpc.Channel]:
    mesh.wait_until_ready()
    with mesh.channel() as channel:
        yield channel


def test_a_kill_works_at_once_while_the_account_floods(
    channel: grpc.Channel, mesh: RunningMesh
) -> None:
    operator: Any = mesh.metadata("operator")
    risk = risk_pb2_grpc.RiskServiceStub(channel)
    wanted = {
        risk_pb2.LIMIT_KIND_OPEN_ORDERS: str(ORDERS_ALLOWED),
        risk_pb2.LIMIT_KIND_POSITION_LONG: "1000000",
        risk_pb2.LIMIT_KIND_PRICE_COLLAR: "unlimited",
    }
    with limits_of(risk, operator, wanted):
        flood_and_kill(channel, mesh, risk, operator)


def flood_and_kill(channel: grpc.Channel, mesh: RunningMesh, risk: Any, operator: Any) -> None:
    copies = monitor_pb2_grpc.RiskMonitorServiceStub(channel)
    copy = copies.StreamDropCopy(monitor_pb2.StreamDropCopyRequest(), metadata=operator)
    begin = next(copy)
    alerts = Alerts(channel, mesh)
    (instrument_id,) = [
        units.instrument_id for units in begin.header.units if units.instrument == INSTRUMENT
    ]
    flood = Flood(channel, mesh, instrument_id)
    flood.start()
    wait_until(lambda: flood.accepted >= ORDERS_ALLOWED // 2, what="the flood to be under way")
    kill = risk_pb2.KillRequest(target=_GAMMA, cancel_working_orders=True, comment="it floods")
    try:
        answer = risk.Kill(kill, metadata=operator, timeout=DEADLINE_S)
        flood.join()
    finally:
        unkill = risk_pb2.UnkillRequest(target=_GAMMA)
        risk.Unkill(unkill, metadata=operator, timeout=DEADLINE_S)
    # Whatever was accepted was cancelled by the kill: nothing got in behind it.
    assert answer.cancelled_count == flood.accepted
    assert flood.accepted + flood.refused == SESSIONS * BATCHES * ORDERS_A_BATCH
    wait_until(lambda: alerts.refusal_count() == flood.refused, what="every refusal to be told")
    assert len(alerts.heard) < flood.refused // 20
    assert alerts.of(monitor_pb2.ALERT_KIND_KILL)
    alerts.close()
    # The reader that didn't read until now gets every event, or is told how many it missed.
    reached, told = begin.position.sequence, 0
    while told < flood.accepted + flood.refused:
        message = next(copy)
        assert message.position.sequence - reached == len(message.reports) + message.lost_count
        reached = message.position.sequence
        told += len(message.reports) + message.lost_count
    copy.cancel()
