"""A real Envoy with the shipped configuration, before toy services."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from support.ports import free_port_base
from support.toy_services import ACCESS, ACCOUNTS, ToyOrders
from support.wait import wait_until_async
from tradecaptain.api.orders.v1.orders_pb2_grpc import add_OrderServiceServicer_to_server
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge import EdgeServer, EdgeSettings
from tradecaptain.edge.tokens import default_entries, token_of, write_tokens
from tradecaptain.launch.envoy_config import envoy_command, write_envoy_config


class FrontDoor:
    """Where to call, and as whom."""

    def __init__(self, run: RunPaths, server: EdgeServer, servicer: ToyOrders) -> None:
        self.run = run
        self.server = server
        self.servicer = servicer
        self.port = run.ports.envoy
        self.address = f"127.0.0.1:{self.port}"

    def token(self, principal: str = "alpha") -> str:
        return token_of(self.run.tokens, principal)

    def headers(self, principal: str = "alpha") -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token(principal)}"),)

    async def http(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        principal: str | None = "alpha",
        port: int = 0,
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP/1.1 request on a connection of its own: status, headers, body."""
        fields = {"host": self.address, "connection": "close", "content-length": str(len(body))}
        if principal is not None:
            fields["authorization"] = f"Bearer {self.token(principal)}"
        fields |= headers or {}
        head = f"{method} {path} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        writer.write(head.encode() + b"\r\n" + body)
        async with asyncio.timeout(10):
            top = (await reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = top.rstrip("\r\n").split("\r\n")
            found = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
            # Envoy closes a second after its answer: the end is awaited only without a length.
            length = found.get("content-length")
            rest = await (reader.read() if length is None else reader.readexactly(int(length)))
        writer.close()
        if found.get("transfer-encoding") == "chunked":
            rest = _dechunked(rest)
        return int(status.split()[1]), found, rest

    async def is_ready(self) -> bool:
        """Whether Envoy sees the gateway as healthy."""
        try:
            status, _, body = await self.http(
                "GET", "/clusters", principal=None, port=self.run.ports.envoy_admin
            )
        except OSError:
            return False
        healthy = f"gateway::127.0.0.1:{self.run.ports.gateway}::health_flags::healthy"
        return status == 200 and healthy in body.decode()


def _dechunked(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return body
        body += rest[:length]
        data = rest[length + 2 :]
    return body


@asynccontextmanager
async def front_door(folder: Path, config: str = "") -> AsyncIterator[FrontDoor]:
    """Envoy before a server that hosts the toy order service; other processes aren't there."""
    run = RunPaths(folder, folder / "shm")
    run.create()
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n{config}")
    write_tokens(run.tokens, default_entries(ACCOUNTS))
    write_envoy_config(run)
    server = EdgeServer(
        EdgeSettings(
            service="gateway",
            port=run.ports.gateway,
            token_path=run.tokens,
            accounts=ACCOUNTS,
            reflect_all=True,
        )
    )
    servicer = ToyOrders()
    server.add(add_OrderServiceServicer_to_server, servicer, access=ACCESS)
    await server.start()
    log = (folder / "envoy.log").open("wb")
    with log, subprocess.Popen(envoy_command(run), stdout=log, stderr=log) as envoy:
        try:
            door = FrontDoor(run, server, servicer)
            await wait_until_async(door.is_ready, timeout_s=20, what="Envoy to be ready")
            yield door
        finally:
            envoy.terminate()
            await asyncio.to_thread(envoy.wait, 10)
            await server.stop()


def channel_to(door: FrontDoor) -> Any:
    """A channel through Envoy."""
    return grpc.aio.insecure_channel(door.address)
