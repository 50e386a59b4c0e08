"""A bare grpc.aio server for the gateway's methods: the peer of the gateway.

The same library, event loop and options as our services, under the same method names, so that the
same client and the same Envoy configuration reach it. It does what any server of this contract must
do, and nothing else: it parses the request with the generated classes, makes an answer of the same
types and size, and serialises it. The answers are ones that the gateway gave, with the ids of the
request at hand put in. No tokens, no checks, no orders.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop
from tradecaptain.api.orders.v1 import orders_pb2
from tradecaptain.edge.method_table import MethodTable

SERVICE: Final = "tradecaptain.api.orders.v1.OrderService"
ORDER_FILE: Final = "order.binpb"
BATCH_FILE: Final = "batch.binpb"
SESSION_FILE: Final = "session.binpb"


class Echo:
    """Answers each request with a copy of a prepared answer."""

    def __init__(self, folder: Path) -> None:
        self._order = orders_pb2.SubmitOrderResponse.FromString((folder / ORDER_FILE).read_bytes())
        self._batch = orders_pb2.SubmitBatchResponse.FromString((folder / BATCH_FILE).read_bytes())
        session = orders_pb2.OrderSessionResponse.FromString((folder / SESSION_FILE).read_bytes())
        self._result = session.results[0]

    async def submit_order(
        self, request: orders_pb2.SubmitOrderRequest, _context: Any
    ) -> orders_pb2.SubmitOrderResponse:
        """One order."""
        answer = orders_pb2.SubmitOrderResponse()
        answer.CopyFrom(self._order)
        answer.order.client_order_id = request.order.client_order_id
        return answer

    async def submit_batch(
        self, _request: orders_pb2.SubmitBatchRequest, _context: Any
    ) -> orders_pb2.SubmitBatchResponse:
        """A batch, answered for as many orders as the prepared one had."""
        answer = orders_pb2.SubmitBatchResponse()
        answer.CopyFrom(self._batch)
        return answer

    async def session(
        self, requests: AsyncIterator[orders_pb2.OrderSessionRequest], _context: Any
    ) -> AsyncIterator[orders_pb2.OrderSessionResponse]:
        """Each message answered by one with as many results."""
        async for request in requests:
            answer = orders_pb2.OrderSessionResponse()
            for command in request.commands:
                result = answer.results.add()
                result.CopyFrom(self._result)
                result.request_id = command.request_id
            yield answer


async def health(_data: bytes, _context: Any) -> bytes:
    """grpc.health.v1.HealthCheckResponse with status SERVING."""
    return b"\x08\x01"


async def serve(port: int, folder: Path) -> None:
    """Serve until the process is told to end."""
    echo = Echo(folder)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    methods = {
        "SubmitOrder": grpc.unary_unary_rpc_method_handler(
            echo.submit_order,
            orders_pb2.SubmitOrderRequest.FromString,
            orders_pb2.SubmitOrderResponse.SerializeToString,
        ),
        "SubmitBatch": grpc.unary_unary_rpc_method_handler(
            echo.submit_batch,
            orders_pb2.SubmitBatchRequest.FromString,
            orders_pb2.SubmitBatchResponse.SerializeToString,
        ),
        "OrderSession": grpc.stream_stream_rpc_method_handler(
            echo.session,
            orders_pb2.OrderSessionRequest.FromString,
            orders_pb2.OrderSessionResponse.SerializeToString,
        ),
    }
    health_methods = {"Check": grpc.unary_unary_rpc_method_handler(health)}
    table = MethodTable({SERVICE: methods, "grpc.health.v1.Health": health_methods})
    server.add_generic_rpc_handlers((table,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.port, arguments.answers))
