"""A generated stub that carries a token and raises typed errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from tradecaptain.edge.errors import from_rpc_error


class Service:
    """The methods of one service of the contract, by their names there.

    A unary method is awaited; a streaming one is iterated. Either raises TradeCaptainError with the
    reason, field and limits that the far side gave. When the client is closed streams end.
    """

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...], timeout: float) -> None:
        self._stub = stub
        self._metadata = metadata
        self._timeout = timeout

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)
        if isinstance(method, grpc.aio.UnaryUnaryMultiCallable):
            call: Callable[..., Any] = self._unary(method)
        elif isinstance(method, grpc.aio.UnaryStreamMultiCallable):
            call = self._server_stream(method)
        else:
            call = self._session(method)
        setattr(self, name, call)
        return call

    def _unary(self, method: Any) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any, *, timeout: float | None = None) -> Any:
            try:
                return await method(
                    request, metadata=self._metadata, timeout=timeout or self._timeout
                )
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error

        return call

    def _server_stream(self, method: Any) -> Callable[..., AsyncIterator[Any]]:
        async def call(request: Any) -> AsyncIterator[Any]:
            stream = method(request, metadata=self._metadata)
            try:
                async for response in stream:
                    yield response
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
            finally:
                stream.cancel()

        return call

    def _session(self, method: Any) -> Callable[..., AsyncIterator[Any]]:
        async def call(requests: AsyncIterable[Any]) -> AsyncIterator[Any]:
            stream = method(requests, metadata=self._metadata)
            try:
                async for response in stream:
                    yield response
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
            finally:
                stream.cancel()

        return call


def _is_cancelled() -> bool:
    """Whether the present task is being cancelled; else gRPC means that the channel was closed."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
