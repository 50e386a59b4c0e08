"""How a server finds the method that a call names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc


class MethodTable(grpc.GenericRpcHandler):
    """Every method of a server by its path.

    grpc.aio waits for the next call of each *registered* method by a task of its own, and goes
    through all of these tasks twice for every call, which the gateway's twenty-odd methods make
    dear. For methods that are looked up like this it has one such task.
    """

    def __init__(
        self, services: Mapping[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]]
    ) -> None:
        self._handlers = {
            f"/{service}/{name}": handler
            for service, handlers in services.items()
            for name, handler in handlers.items()
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a call; without one grpc answers UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)
