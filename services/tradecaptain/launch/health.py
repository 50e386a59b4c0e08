"""Asks the parts of a mesh whether they are ready."""

from __future__ import annotations

import asyncio
import urllib.request
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.parts import Part, Probe
from tradecaptain.mesh.driver import driver_is_active
from tradecaptain.orderbook.leadership import PROCESSES, Leadership

HOST = "127.0.0.1"
ANSWER_SECONDS = 2.0
_PAGE_BYTES_MAX = 65_536
_HEALTHY_STATISTIC = "membership_healthy"
# A part that just started is asked again soon; gRPC's own back-off would wait up to two minutes.
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)


class HealthProbe:
    """Asks one part, over one connection that is kept."""

    def __init__(self, part: Part, run: RunPaths) -> None:
        self._part = part
        self._run = run
        self._channel: grpc.aio.Channel | None = None
        self._channel_port = 0

    async def is_ready(self) -> bool:
        """Whether the part says that it serves; no answer in time is a no."""
        if self._part.probe is Probe.DRIVER:
            return driver_is_active(self._run.aeron)
        if self._part.probe is Probe.ENVOY:
            return await page_is_good(self._part.port, "/ready")
        return await self._serves()

    async def _serves(self) -> bool:
        port = self._port()
        if self._channel is not None and port != self._channel_port:
            await self._channel.close()
            self._channel = None
        if self._channel is None:
            self._channel_port = port
            target = f"{HOST}:{port}"
            self._channel = grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
        stub = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service="")
        try:
            answer = await stub.Check(request, timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _port(self) -> int:
        """Where the part listens: a venue's two processes change ports when one is promoted."""
        if self._part.name not in PROCESSES:
            return self._part.port
        leads = Leadership(self._run.epochs).leader.process == self._part.name
        return self._run.ports.orderbook if leads else self._run.ports.standby

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._channel is not None:
            await self._channel.close()


async def page_is_good(port: int, path: str) -> bool:
    """Whether an HTTP server on the loopback answers 200 for a page."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                head = await reader.read(_PAGE_BYTES_MAX)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))


async def processes_behind(envoy: Part) -> frozenset[str]:
    """Names of the processes that Envoy passes calls to; none while it doesn't answer.

    Envoy finds out by health checks of its own, a moment after a process says that it serves;
    until then it refuses that process's calls as UNAVAILABLE.
    """
    return await asyncio.to_thread(_read_processes_behind, envoy.port)


def _read_processes_behind(port: int) -> frozenset[str]:
    page = f"http://{HOST}:{port}/stats?filter={_HEALTHY_STATISTIC}"
    try:
        with urllib.request.urlopen(page, timeout=ANSWER_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return frozenset()
    # Such as `cluster.gateway.membership_healthy: 1`.
    healthy = (name for name, _, value in (line.partition(": ") for line in lines) if value == "1")
    return frozenset(name.split(".")[1] for name in healthy)
