"""A bare grpc.aio server that sends back what it gets: the peer of the gateway.

The same library, event loop and options as our services, under the same method names, so that the
same client and the same Envoy configuration reach it; and nothing else: no tokens, no checks, not
even parsing.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import uvloop

SERVICE: Final = "tradecaptain.api.orders.v1.OrderService"


async def echo(data: bytes, _context: Any) -> bytes:
    """One message back."""
    return data


async def echo_stream(messages: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
    """Each message back."""
    async for data in messages:
        yield data


async def health(_data: bytes, _context: Any) -> bytes:
    """grpc.health.v1.HealthCheckResponse with status SERVING."""
    return b"\x08\x01"


async def serve(port: int) -> None:
    """Serve until the process is told to end."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_registered_method_handlers(
        SERVICE,
        {
            "SubmitOrder": grpc.unary_unary_rpc_method_handler(echo),
            "SubmitBatch": grpc.unary_unary_rpc_method_handler(echo),
            "OrderSession": grpc.stream_stream_rpc_method_handler(echo_stream),
        },
    )
    server.add_registered_method_handlers(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(health)}
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
