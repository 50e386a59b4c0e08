"""The orderbook process over the real driver: orders in by the mesh, books out by gRPC."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.book_client import L1, L3, BookClient
from support.ports import free_port_base
from support.wait import wait_until, wait_until_async
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.base.reference import default_reference, dump_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.tokens import default_entries, token_of, write_tokens
from tradecaptain.kernels.risk_gate import UNLIMITED
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver import MediaDriver, driver_is_active
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.wire import control, order_command, streams

L2 = records_pb2.DEPTH_LEVEL_L2
LEVELS = (L1, L2, L3)
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


@contextmanager
def orderbook_process(run: RunPaths) -> Iterator[subprocess.Popen[bytes]]:
    """The process as the supervisor starts it, once it serves."""
    with run.log_of("orderbook").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "tradecaptain.orderbook"], stderr=log)
    try:
        wait_until(lambda: serves(run, process), timeout_s=240, what="the orderbook to serve")
        yield process
    finally:
        process.kill()
        process.wait()


def serves(run: RunPaths, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, run.log_of("orderbook").read_text()
    with grpc.insecure_channel(address(run)) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=1
            )
        except grpc.RpcError:
            return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING


def address(run: RunPaths) -> str:
    return f"127.0.0.1:{run.ports.orderbook}"


@pytest.fixture
def mesh(run: RunPaths) -> Iterator[AeronMesh]:
    """A media driver, and a connection to it as the other parts have one."""
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    dump_reference(REFERENCE, run.reference)
    write_tokens(run.tokens, default_entries({"alpha": ACCOUNT.account_id}))
    with MediaDriver(run.aeron), AeronMesh(run.aeron, "test") as connection:
        yield connection


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


class Reader:
    """Reads books over gRPC as the operator."""

    def __init__(self, run: RunPaths) -> None:
        self.channel = grpc.aio.insecure_channel(address(run))
        self.stub = orderbook_pb2_grpc.OrderBookServiceStub(self.channel)
        self.metadata = (("authorization", f"Bearer {token_of(run.tokens, 'alpha')}"),)

    async def book(self, level: int) -> Any:
        request = orderbook_pb2.GetBookRequest(instrument=INSTRUMENT.key, level=level)
        return (await self.stub.GetBook(request, metadata=self.metadata)).book

    def stream(self, level: int, **fields: Any) -> Any:
        request = orderbook_pb2.StreamBookRequest(instrument=INSTRUMENT.key, level=level, **fields)
        return self.stub.StreamBook(request, metadata=self.metadata)


def as_client(book: Any, level: int) -> BookClient:
    client = BookClient(level)
    client.take(records_pb2.DepthUpdate(stamp=book.stamp, snapshot=book))
    return client


async def follow(stream: Any, client: BookClient, reader: Reader) -> None:
    """Read a stream until it has told everything that the book says now."""
    book = await reader.book(client.level)
    while client.position < (book.stamp.epoch, book.stamp.sequence):
        for update in (await asyncio.wait_for(stream.read(), 20)).updates:
            client.take(update)
    # Nothing is sent meanwhile, so both are the same moment.
    expected = as_client(book, client.level)
    assert client.position == expected.position
    assert client.prices == expected.prices
    assert client.orders == expected.orders


async def test_books_follow_orders_and_streams_follow_books(run: RunPaths, mesh: AeronMesh) -> None:
    with orderbook_process(run) as process:
        author, reader = Author(mesh, 1), Reader(run)
        assert (await reader.book(L2)).stamp.epoch == 1
        clients = {level: BookClient(level) for level in LEVELS}
        calls = {level: reader.stream(level) for level in LEVELS}
        await author.open_gate()
        await author.trade(300)

        async def has_traded() -> bool:
            return (await reader.book(L2)).stamp.sequence >= 300

        await wait_until_async(has_traded)
        for level in LEVELS:
            await follow(calls[level], clients[level], reader)
            assert clients[level].gaps == 0
        orders, levels = clients[L3].orders.values(), clients[L2].prices
        for (side, price), (quantity, count) in levels.items():
            at_level = [order for order in orders if order[:2] == [side, price]]
            assert (sum(order[2] for order in at_level), len(at_level)) == (quantity, count)
        assert clients[L1].levels(1) == clients[L2].levels(1)[:1]
        assert clients[L1].levels(2) == clients[L2].levels(2)[:1]
        position = clients[L3].position
        calls[L3].cancel()
        await author.trade(200)

        async def went_on() -> bool:
            return (await reader.book(L3)).stamp.sequence >= position[1] + 200

        await wait_until_async(went_on)
        resumed = reader.stream(L3, resume_from={"epoch": position[0], "sequence": position[1]})
        await follow(resumed, clients[L3], reader)
        assert clients[L3].gaps == 0
        process.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError):
            while await asyncio.wait_for(calls[L2].read(), 20) is not grpc.aio.EOF:
                pass
        assert await asyncio.to_thread(process.wait, 20) == 0
        await reader.channel.close()


@pytest.mark.parametrize("has_log", [True, False])
async def test_a_killed_venue_comes_back_from_its_log_or_opens_a_new_epoch(
    run: RunPaths, mesh: AeronMesh, has_log: bool
) -> None:
    author = Author(mesh, 2)
    with orderbook_process(run):
        reader = Reader(run)
        await author.open_gate()
        await author.trade(50)

        async def has_orders() -> bool:
            return len((await reader.book(L3)).bid_orders) > 0

        await wait_until_async(has_orders)
        before = await reader.book(L3)
        old = before.stamp
        await reader.channel.close()
    if not has_log:
        run.journal_ring.unlink()
        shutil.rmtree(run.journal)
    with orderbook_process(run):
        reader = Reader(run)

        async def is_loaded() -> bool:
            return not has_log or len((await reader.book(L3)).bid_orders) > 0

        await wait_until_async(is_loaded)
        book = await reader.book(L3)
        assert book.stamp.epoch == old.epoch + (not has_log)
        assert list(book.bid_orders) == (list(before.bid_orders) if has_log else [])
        assert list(book.ask_orders) == (list(before.ask_orders) if has_log else [])
        stream = reader.stream(L3, resume_from={"epoch": old.epoch, "sequence": old.sequence})
        updates = list((await asyncio.wait_for(stream.read(), 20)).updates)
        # With its log the venue goes on where the stream was: nothing was missed.
        assert [update.stamp.gap for update in updates] == ([] if has_log else [True])
        assert all(update.stamp.epoch == book.stamp.epoch for update in updates)
        stream.cancel()
        await reader.channel.close()


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


async def test_a_killed_driver_comes_back_and_streams_tell_the_gap(run: RunPaths) -> None:
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    dump_reference(REFERENCE, run.reference)
    write_tokens(run.tokens, default_entries({"alpha": ACCOUNT.account_id}))
    with ExitStack() as stack:
        driver = stack.enter_context(driver_process(run))
        stack.enter_context(orderbook_process(run))
        reader, client = Reader(run), BookClient(L3)
        stream = reader.stream(L3)
        with AeronMesh(run.aeron, "before") as connection:
            author = Author(connection, 3)
            await author.open_gate()
            await author.trade(50)

            async def has_orders() -> bool:
                return (await reader.book(L3)).stamp.sequence >= 50

            await wait_until_async(has_orders)
        await follow(stream, client, reader)
        before = client.position
        driver.kill()
        driver.wait()
        stack.enter_context(driver_process(run))
        with AeronMesh(run.aeron, "after") as connection:
            await Author(connection, 4).trade(50)

            async def went_on() -> bool:
                try:
                    return (await reader.book(L3)).stamp.sequence >= before[1] + 50
                except grpc.RpcError as error:  # The book is being read again.
                    assert error.code() == grpc.StatusCode.UNAVAILABLE
                    return False

            await wait_until_async(went_on, timeout_s=30)
        await follow(stream, client, reader)
        assert client.position[0] == before[0], "the venue kept its state"
        assert client.gaps >= 1
        stream.cancel()
        await reader.channel.close()


def test_without_a_driver_the_process_says_so_and_ends(run: RunPaths) -> None:
    dump_reference(REFERENCE, run.reference)
    write_tokens(run.tokens, default_entries({"alpha": ACCOUNT.account_id}))
    ended = subprocess.run(
        [sys.executable, "-m", "tradecaptain.orderbook"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "driver" in ended.stderr.strip().splitlines()[-1]
