"""The orderbook process over the real driver: orders in by the mesh, books out by gRPC."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from support.book_client import L1, L3, BookClient
from support.orderbook_process import (
    INSTRUMENT,
    Author,
    address,
    driver_process,
    orderbook_process,
    prepare_run,
)
from support.wait import wait_until_async
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.tokens import token_of
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver import MediaDriver

L2 = records_pb2.DEPTH_LEVEL_L2
LEVELS = (L1, L2, L3)


@pytest.fixture
def mesh(run: RunPaths) -> Iterator[AeronMesh]:
    """A media driver, and a connection to it as the other parts have one."""
    prepare_run(run)
    with MediaDriver(run.aeron), AeronMesh(run.aeron, "test") as connection:
        yield connection


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


async def test_a_killed_driver_comes_back_and_streams_tell_the_gap(run: RunPaths) -> None:
    prepare_run(run)
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
    prepare_run(run)
    ended = subprocess.run(
        [sys.executable, "-m", "tradecaptain.orderbook"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "driver" in ended.stderr.strip().splitlines()[-1]
