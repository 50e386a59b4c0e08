"""The venue's processes as the supervisor starts them, and who sends them orders by the mesh."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.ports import free_port_base
from support.wait import wait_until
from tradecaptain.base.reference_file import default_reference, dump_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.tokens import default_entries, write_tokens
from tradecaptain.kernels.risk_gate import UNLIMITED
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver import driver_is_active
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.wire import control, order_command, streams

REFERENCE = default_reference()
INSTRUMENT = REFERENCE.own_venue()[0]
NUMBER = INSTRUMENT.instrument_id
ACCOUNT = REFERENCE.account_by_name("alpha")
MIDDLE = max(INSTRUMENT.minimum_price_units, 0) + 10_000
LIMITS = (
    control.LIMIT_KIND_ORDER_QUANTITY,
    control.LIMIT_KIND_ORDER_NOTIONAL,
    control.LIMIT_KIND_PRICE_COLLAR,
    control.LIMIT_KIND_POSITION_LONG,
    control.LIMIT_KIND_POSITION_SHORT,
    control.LIMIT_KIND_OPEN_ORDERS,
)


def prepare_run(run: RunPaths, configuration: str = "") -> None:
    """What a venue's process finds in its run folder."""
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n{configuration}")
    dump_reference(REFERENCE, run.reference)
    write_tokens(run.tokens, default_entries({"alpha": ACCOUNT.account_id}))


@contextmanager
def orderbook_process(
    run: RunPaths, name: str = "orderbook", role: str = "orderbook"
) -> Iterator[subprocess.Popen[bytes]]:
    """One of the venue's processes as the supervisor starts it, once it serves its role's port."""
    with run.log_of(name).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tradecaptain.orderbook", name], stderr=log
        )
    try:
        wait_until(lambda: serves(run, process, role), timeout_s=240, what=f"{name} to serve")
        yield process
    finally:
        process.kill()
        process.wait()


def serves(run: RunPaths, process: subprocess.Popen[bytes], role: str) -> bool:
    assert process.poll() is None, run.log_of("orderbook").read_text()
    with grpc.insecure_channel(address(run, role)) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=1
            )
        except grpc.RpcError:
            return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING


def address(run: RunPaths, role: str = "orderbook") -> str:
    return f"127.0.0.1:{run.ports.of(role)}"


@contextmanager
def driver_process(run: RunPaths) -> Iterator[subprocess.Popen[bytes]]:
    """A media driver that can be killed."""
    command = [sys.executable, "-m", "tradecaptain.mesh.driver", "--aeron-dir", str(run.aeron)]
    with run.log_of("driver").open("ab") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        wait_until(lambda: driver_is_active(run.aeron), timeout_s=60, what="the driver")
        yield process
    finally:
        process.terminate()
        process.wait(20)


class Author:
    """Sends controls and a random flow of orders, as gateway and risk service would."""

    def __init__(self, connection: AeronMesh, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.orders = RecordPublisher(
            connection.add_publication(streams.ORDER_COMMANDS), order_command.RECORD_BYTES
        )
        self.controls = RecordPublisher(
            connection.add_publication(streams.CONTROL_COMMANDS), control.RECORD_BYTES
        )

    async def open_gate(self) -> None:
        await self.controls.publish(
            fill(
                control,
                [
                    {
                        "action": control.CONTROL_ACTION_SET_LIMIT,
                        "scope": control.CONTROL_SCOPE_ACCOUNT,
                        "scope_id": ACCOUNT.account_id,
                        "limit_kind": kind,
                        "value": UNLIMITED,
                    }
                    for kind in LIMITS
                ],
            )
        )

    async def trade(self, count: int) -> None:
        """Limit orders on both sides, some of which cross."""
        await self.orders.publish(fill(order_command, [self._order() for _ in range(count)]))

    def _order(self) -> dict[str, int]:
        self.count += 1
        side = self.random.choice((1, 2))
        away = int(self.random.expovariate(0.3)) - 2
        tick = INSTRUMENT.increment_at(MIDDLE, 1_750_000_000_000_000_000)
        return {
            "action": order_command.COMMAND_ACTION_NEW_ORDER,
            "account_id": ACCOUNT.account_id,
            "firm_id": ACCOUNT.firm_id,
            "instrument_id": NUMBER,
            "side": side,
            "order_type": 1,
            "time_in_force": 1,
            "price_units": MIDDLE + (away * tick if side == 2 else -away * tick),
            "quantity_units": INSTRUMENT.lot_units * self.random.randint(1, 9),
            "client_order_id0": self.count,
        }


def fill(module: Any, rows: list[dict[str, int]]) -> npt.NDArray[Any]:
    """Mesh records with these fields."""
    array = np.zeros(len(rows), module.DTYPE)
    for record, fields in zip(array, rows, strict=True):
        module.initialise(record.__array_interface__["data"][0])
        for name, value in fields.items():
            record[name] = value
    return array
