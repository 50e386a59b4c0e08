"""A servicer of pricing behind a real gRPC server, without a mesh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import EdgeServer, EdgeSettings, Principal, Role
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.tokens import TokenEntry, TokenTable

READER = (("authorization", "Bearer tc_reader"),)
OPTIONS = [("grpc.max_receive_message_length", 32 << 20)]


class Caller:
    """A stub's methods as a reader, with refusals as typed errors."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stub, name)

        async def call(request: Any, **settings: Any) -> Any:
            try:
                return await method(request, metadata=READER, **settings)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error

        return call


@asynccontextmanager
async def served(folder: Path, *services: tuple[Any, Any, Any]) -> AsyncIterator[list[Caller]]:
    """Serve (adder, servicer, stub class) each; yields a caller of each."""
    reader = Principal("reader", frozenset(), False, frozenset({Role.READ}))
    server = EdgeServer(
        EdgeSettings("pricing", 0, folder / "none", drain_wait_seconds=0.0),
        source=TokenTable([TokenEntry("tc_reader", reader)]),
    )
    for add, servicer, _ in services:
        server.add(add, servicer, access={"*": Role.READ})
    port = await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
            yield [Caller(stub(channel)) for _, _, stub in services]
    finally:
        await server.stop()


async def refusal(call: Any) -> TradeCaptainError:
    """The typed error that a call ends with."""
    with pytest.raises(TradeCaptainError) as caught:
        await call
    return caught.value
