"""Hosts the gRPC services of one process: asyncio, bounded, on the loopback interface only."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.edge.guard import Admission, Guard, make_method
from tradecaptain.edge.health import SERVICE_NAME as HEALTH
from tradecaptain.edge.health import Health
from tradecaptain.edge.method_table import MethodTable
from tradecaptain.edge.peer_health import PeerHealth
from tradecaptain.edge.principals import AccountDirectory, PrincipalSource, Role
from tradecaptain.edge.reflection import DescriptorIndex, Reflection, packaged_index
from tradecaptain.edge.tokens import load_tokens

HOST: Final = "127.0.0.1"
ANY_METHOD: Final = "*"
_WAITING_CALLS_MAX: Final = 1 << 17
_METADATA_BYTES_MAX: Final = 256 * 1024
_LOG = structlog.get_logger("edge")
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How one server listens, whom it lets in, and what bounds it."""

    service: str
    port: int
    token_path: Path
    accounts: Mapping[str, int] = field(default_factory=dict)
    """Account ids by name, so that requests can name accounts."""
    unary_calls_max: int = 1024
    streams_max: int = 256
    message_bytes_max: int = 16 * 1024 * 1024
    drain_wait_seconds: float = 1.5
    """From NOT_SERVING until no new calls are taken: Envoy's health-check interval and a margin."""
    drain_grace_seconds: float = 2.0
    """How long calls in progress may still run after that."""
    write_seconds_max: float = 10.0
    """How long a message of a stream may wait until its client has room for it."""
    reflect_all: bool = False
    """List every service of the contract by reflection, not only those hosted here."""
    peers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Services of other processes by their port, whose health is answered here too."""


class _Recorder:
    """Stands in for a server while generated code adds a servicer, and keeps its methods."""

    def __init__(self) -> None:
        self.services: dict[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]] = {}

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Generated code adds each method twice; the registered form below is enough."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Keep the methods of a service."""
        self.services[service] = handlers


class EdgeServer:
    """One gRPC server with health, reflection, admission and graceful drain."""

    def __init__(
        self,
        settings: EdgeSettings,
        source: PrincipalSource | None = None,
        index: DescriptorIndex | None = None,
    ) -> None:
        self._settings = settings
        self._reloads_tokens = source is None
        self._index = packaged_index() if index is None else index
        self._admission = Admission(
            source=load_tokens(settings.token_path) if source is None else source,
            accounts=AccountDirectory(settings.accounts),
            unary_calls_max=settings.unary_calls_max,
            streams_max=settings.streams_max,
        )
        self._guard = Guard(self._admission)
        self._health = Health()
        self._peer_health = PeerHealth(self._health, settings.peers)
        self._services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        self._on_drain: list[Callable[[], Awaitable[None]]] = []
        self._server: grpc.aio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self.port = settings.port

    def add(
        self,
        add_to_server: Callable[[Any, Any], None],
        servicer: Any,
        access: Mapping[str, Role],
    ) -> None:
        """Host a servicer; ``access`` names the role that each method asks for.

        Raises ConfigurationError if a method has no role, or a role has no method.
        """
        recorder = _Recorder()
        add_to_server(servicer, recorder)
        for service, handlers in recorder.services.items():
            unknown = set(access) - set(handlers) - {ANY_METHOD}
            if unknown:
                raise ConfigurationError(f"{service} has no method {', '.join(sorted(unknown))}")
            guarded = self._services.setdefault(service, {})
            for name, handler in handlers.items():
                role = access.get(name, access.get(ANY_METHOD))
                if role is None:
                    raise ConfigurationError(f"{service}.{name} has no role: say who may call it")
                method = make_method(
                    f"/{service}/{name}",
                    role,
                    _request_class(service, name),
                    getattr(servicer, name),
                )
                guarded[name] = self._guard.wrap(method, handler)

    def on_drain(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run ``callback`` while stopping, after the last call has ended."""
        self._on_drain.append(callback)

    async def start(self, *, serving: bool = True) -> int:
        """Listen, and return the port; a busy port is a ConfigurationError that names it."""
        server = grpc.aio.server(options=self._options())
        hosted = dict(self._services)
        listed = set(self._index.services) if self._settings.reflect_all else set(hosted)
        hosted |= Reflection(
            self._index, listed | {HEALTH, "grpc.reflection.v1.ServerReflection"}
        ).handlers()
        server.add_generic_rpc_handlers((MethodTable(hosted | self._health.handlers()),))
        address = f"{HOST}:{self._settings.port}"
        try:
            self.port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigurationError(
                f"{address} is in use or can't be bound: free it or configure another port",
                field=f"ports.{self._settings.service}",
            ) from error
        self._server = server
        await self.set_serving(serving)
        await self._peer_health.start()
        await server.start()
        self._watch = asyncio.create_task(self._end_stalled())
        _LOG.info("listening", address=f"{HOST}:{self.port}", services=sorted(self._services))
        return self.port

    async def set_serving(self, serving: bool) -> None:
        """Say by health whether this server can do its work."""
        for service in ("", *self._services):
            await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    async def run_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; SIGHUP reads the token file again."""
        loop = asyncio.get_running_loop()
        signalled = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signalled.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            await signalled.wait()
            await self.drain()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def drain(self) -> None:
        """Stop without losing a call: say NOT_SERVING, wait, end the streams, finish, close."""
        settings = self._settings
        _LOG.info("draining", streams=len(self._admission.streams))
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(settings.drain_wait_seconds)
        await self.stop(settings.drain_grace_seconds)
        _LOG.info("stopped")

    async def stop(self, grace: float | None = None) -> None:
        """End the streams, let calls in progress run for ``grace`` seconds, and close."""
        if self._watch is not None:
            self._watch.cancel()
        await self._peer_health.stop()
        self._admission.end_streams()
        if self._server is not None:
            await self._server.stop(grace)
        for callback in self._on_drain:
            await callback()

    async def _end_stalled(self) -> None:
        """End streams whose clients don't read, so that their places become free."""
        limit_seconds = self._settings.write_seconds_max
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(limit_seconds / 4)
            self._admission.end_stalled(loop.time(), limit_seconds)

    def _reload(self) -> None:
        if not self._reloads_tokens:
            return
        try:
            self._admission.source = load_tokens(self._settings.token_path)
        except ConfigurationError as error:
            _LOG.error("tokens kept as they were", message=error.message)
        else:
            _LOG.info("tokens read again")

    def _options(self) -> list[tuple[str, int]]:
        settings = self._settings
        return [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", settings.message_bytes_max),
            ("grpc.max_send_message_length", settings.message_bytes_max),
            # Above what Envoy lets pass: the library's own refusal has no detail.
            ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
            ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
            # Above our own limits, so that what exceeds them is refused and not left waiting.
            ("grpc.max_concurrent_streams", 2 * (settings.unary_calls_max + settings.streams_max)),
            # By default the library drops at random, as CANCELLED, what comes while a thousand
            # calls wait to be picked up; the guard refuses what is too much, and says so.
            ("grpc.server.max_pending_requests", _WAITING_CALLS_MAX),
            ("grpc.server.max_pending_requests_hard_limit", _WAITING_CALLS_MAX),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ]


def _request_class(service: str, method: str) -> Any:
    found = descriptor_pool.Default().FindServiceByName(service)
    return message_factory.GetMessageClass(found.methods_by_name[method].input_type)
