"""Health of services that other processes host, for the one process that is asked for all.

Behind Envoy a health request goes to one process, as reflection does. It keeps one ``Watch`` open
at each of the others and repeats by service name what they say, so that
``grpc_health_probe -service=NAME`` through the front door means the service it names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

_HOST: Final = "127.0.0.1"
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
# A process that just came back is heard at once; gRPC's own back-off would wait up to two minutes.
_CHANNEL_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
)
_PAUSE_SECONDS: Final = 0.1


class PeerHealth:
    """Follows the health of other processes and repeats it under their services' names."""

    def __init__(
        self, servicer: health.aio.HealthServicer, services_by_port: Mapping[int, tuple[str, ...]]
    ) -> None:
        self._servicer = servicer
        self._services_by_port = services_by_port
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to follow; until a process has answered, its services are NOT_SERVING."""
        for port, services in self._services_by_port.items():
            await self._repeat(services, _NOT_SERVING)
            self._tasks.append(asyncio.create_task(self._follow(port, services)))

    async def stop(self) -> None:
        """End the watches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, port: int, services: tuple[str, ...]) -> None:
        """Hold a watch at one process; when it ends, say NOT_SERVING and open it again."""
        request = health_pb2.HealthCheckRequest(service="")
        target = f"{_HOST}:{port}"
        async with grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while True:
                try:
                    async for answer in stub.Watch(request, wait_for_ready=True):
                        await self._repeat(services, answer.status)
                except grpc.aio.AioRpcError:
                    pass  # The process is gone: said below, and the next watch waits for it.
                await self._repeat(services, _NOT_SERVING)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _repeat(self, services: tuple[str, ...], status: int) -> None:
        for service in services:
            await self._servicer.set(service, status)
