"""``grpc.health.v1.Health`` of one server: whether its services can do their work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import validation
from tradecaptain.edge.errors import abort
from tradecaptain.edge.guard import require_message, serialise

SERVICE_NAME: Final = "grpc.health.v1.Health"


class Health(health.aio.HealthServicer):  # type: ignore[misc]
    """The library's servicer, with the method that it lacks; it refuses what is no request."""

    async def List(  # noqa: N802 - the contract's name
        self, _request: health_pb2.HealthListRequest, _context: Any
    ) -> health_pb2.HealthListResponse:
        """The status of every service that is known here; the empty name is the whole server."""
        answer = health_pb2.HealthListResponse()
        for service, status in self._server_status.items():
            answer.statuses[service].status = status
        return answer

    def handlers(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        """Method handlers by service name; see ``edge.guard`` for why all take streams."""
        unary, stream = grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        check, every = health_pb2.HealthCheckRequest, health_pb2.HealthListRequest
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Check": unary(_reading(check, self.Check), response_serializer=serialise),
            "List": unary(_reading(every, self.List), response_serializer=serialise),
            "Watch": stream(_reading(check, self.Watch), response_serializer=serialise),
        }
        return {SERVICE_NAME: methods}


def _reading(
    request_class: type[Message], behaviour: Callable[[Any, Any], Awaitable[Any]]
) -> Callable[[Any, Any], Awaitable[Any]]:
    """A handler that reads its one request by itself."""

    async def handle(_requests: Any, context: Any) -> Any:
        data = await context.read()
        try:
            require_message(data)
            request = validation.parse(request_class, data)
        except TradeCaptainError as error:
            await abort(context, error)
        return await behaviour(request, context)

    return handle
