"""Serving ends with a signal, or with what stands behind the service."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.toy_services import ACCESS, ACCOUNTS, ToyOrders
from support.wait import wait_until_async
from tradecaptain.api.orders.v1.orders_pb2_grpc import add_OrderServiceServicer_to_server
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import EdgeServer, EdgeSettings, serve_while
from tradecaptain.edge.tokens import default_entries, write_tokens


@pytest.fixture(autouse=True)
def thaws() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


async def started(tmp_path: Path) -> EdgeServer:
    write_tokens(tmp_path / "tokens.toml", default_entries(ACCOUNTS))
    server = EdgeServer(
        EdgeSettings("toy", 0, tmp_path / "tokens.toml", ACCOUNTS, drain_wait_seconds=0.0)
    )
    server.add(add_OrderServiceServicer_to_server, ToyOrders(), access=ACCESS)
    await server.start()
    return server


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


async def test_a_death_behind_the_service_ends_it_with_the_reason(tmp_path: Path) -> None:
    server = await started(tmp_path)
    dies = asyncio.Event()
    drained: list[str] = []

    async def drain() -> None:
        drained.append("yes")

    async def watch() -> str:
        await dies.wait()
        return "the reading thread died: no memory"

    server.on_drain(drain)
    serving = asyncio.create_task(serve_while(server, watch()))
    await asyncio.sleep(0)
    assert listens(server.port)
    assert not serving.done()
    dies.set()
    with pytest.raises(TradeCaptainError, match="the reading thread died: no memory"):
        await asyncio.wait_for(serving, 10)
    assert drained == ["yes"]
    assert not listens(server.port)


async def test_a_signal_ends_it_in_peace(tmp_path: Path) -> None:
    server = await started(tmp_path)
    ended: list[str] = []

    async def watch() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("watch")
        return "unreachable"

    before = signal.getsignal(signal.SIGTERM)
    serving = asyncio.create_task(serve_while(server, watch()))
    await wait_until_async(lambda: signal.getsignal(signal.SIGTERM) != before)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)
    await asyncio.sleep(0)
    assert ended == ["watch"]
    assert not listens(server.port)


async def test_what_stands_isnt_looked_through_for_garbage(tmp_path: Path) -> None:
    server = await started(tmp_path)
    stands = gc.get_count()[0] + len(gc.get_objects())

    async def watch() -> str:
        # A collection of all generations looks through what is left to it, and stops every thread.
        assert gc.get_freeze_count() > stands // 2
        assert len(gc.get_objects()) < stands // 10
        return "seen"

    with pytest.raises(TradeCaptainError, match="seen"):
        await asyncio.wait_for(serve_while(server, watch()), 10)
