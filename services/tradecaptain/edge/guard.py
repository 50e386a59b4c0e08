"""The one interceptor: what happens around every method of every service.

Instead of grpc's interceptor chain, which costs a coroutine a call, each method is wrapped once
when its service is added. The wrapper resolves the principal, checks role, accounts and contract
rules, bounds the calls in progress, and turns a TradeCaptainError into a status with its detail.

To grpc.aio every method takes a stream of requests: where a single request doesn't come, or comes
cut, it would end such a call without a status, and the caller would wait for its time-out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
from google.protobuf.message import Message
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import validation
from tradecaptain.edge.errors import abort
from tradecaptain.edge.principals import (
    CURRENT_CALL,
    NOBODY,
    AccountDirectory,
    Call,
    Principal,
    PrincipalSource,
    Role,
)
from tradecaptain.wire import reason as reasons

_LOG = structlog.get_logger("edge")


@dataclass(slots=True)
class Admission:
    """What all methods of one server share: who is let in, and how much is going on."""

    source: PrincipalSource
    accounts: AccountDirectory
    unary_calls_max: int
    streams_max: int
    unary_calls: int = 0
    streams: set[asyncio.Task[Any]] = field(default_factory=set)
    in_first_write: set[asyncio.Task[Any] | None] = field(default_factory=set)
    writing: dict[asyncio.Task[Any] | None, float] = field(default_factory=dict)
    """Streams whose client has to read on before they can, and since when."""
    stalled: set[asyncio.Task[Any]] = field(default_factory=set)
    ending: set[asyncio.Task[Any]] = field(default_factory=set)
    draining: bool = False

    def end_stalled(self, now_seconds: float, limit_seconds: float) -> None:
        """Cancel the streams whose write has waited for longer than the limit."""
        for task, since in self.writing.items():
            if task is None or now_seconds - since <= limit_seconds:
                continue
            if task not in self.stalled and task not in self.ending:
                self.stalled.add(task)
                task.cancel()

    def end_streams(self) -> None:
        """Cancel the streams in progress; each ends with REASON_DRAINING.

        One whose first write is under way ends right after it, or with the server's grace.
        """
        self.draining = True
        self.ending.update(self.streams - self.in_first_write)
        for task in self.ending:
            task.cancel()


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service, and how its requests are read."""

    path: str
    role: Role
    request_class: type[Message]
    raw: bool
    has_rules: bool
    account_texts: validation.AccountTexts | None


def raw_request[Function: Callable[..., Any]](function: Function) -> Function:
    """Mark a servicer's method as one that parses its request's bytes itself.

    Role and principal are still checked before it runs; accounts and contract rules are its own
    duty.
    """
    function.reads_raw_request = True  # type: ignore[attr-defined]
    return function


def checks_accounts[Function: Callable[..., Any]](function: Function) -> Function:
    """Mark a servicer's method as one that resolves the accounts of its requests by itself.

    One that looks at many things can then tell what is wrong with each of them.
    """
    function.checks_accounts = True  # type: ignore[attr-defined]
    return function


def make_method(path: str, role: Role, request_class: type[Message], behaviour: Any) -> Method:
    """Precompute what a call of the method needs."""
    descriptor: Any = request_class.DESCRIPTOR
    return Method(
        path=path,
        role=role,
        request_class=request_class,
        raw=getattr(behaviour, "reads_raw_request", False),
        has_rules=validation.has_rules(descriptor),
        # An administrator doesn't act for an account: one that is named is what gets changed.
        account_texts=None
        if role is Role.ADMINISTER or getattr(behaviour, "checks_accounts", False)
        else validation.account_texts(descriptor),
    )


def serialise(message: Any) -> bytes:
    """Response serialiser: a message, or the bytes of one that was serialised before."""
    return message if type(message) is bytes else message.SerializeToString()


class Guard:
    """Wraps the methods of one server."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def wrap(self, method: Method, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler that grpc calls instead of ``handler``."""
        if not handler.request_streaming and not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary), response_serializer=serialise
            )
        if not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._client_stream(method, handler.stream_unary), response_serializer=serialise
            )
        if not handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._server_stream(method, handler.unary_stream), response_serializer=serialise
            )
        return grpc.stream_stream_rpc_method_handler(
            self._bidirectional(method, handler.stream_stream), response_serializer=serialise
        )

    def _enter(self, method: Method, context: Any) -> Call:
        """Resolve the caller and check the role; makes the call current in its task."""
        principal = NOBODY
        if method.role is not Role.OPEN:
            resolved = self._principal(context)
            if resolved is None:
                raise TradeCaptainError(
                    reasons.REASON_UNAUTHENTICATED,
                    "send `authorization: Bearer <token>` with a token of this installation",
                    field="authorization",
                )
            principal = resolved
            if not principal.has_role(method.role):
                raise TradeCaptainError(
                    reasons.REASON_PERMISSION_DENIED,
                    f"{principal.name} lacks the role {method.role.value} of {method.path}",
                    field="",
                )
        call = Call(principal, method.path, context, self._admission.accounts)
        CURRENT_CALL.set(call)
        return call

    def _principal(self, context: Any) -> Principal | None:
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                return self._admission.source.resolve(value)
        return None

    def _request(self, method: Method, data: Any, principal: Principal) -> Any:
        require_message(data)
        if method.raw:
            return data
        request = validation.parse(method.request_class, data)
        if method.account_texts is not None:
            validation.check_accounts(
                method.account_texts, request, principal, self._admission.accounts
            )
        if method.has_rules:
            validation.check(request)
        return request

    def _unary(
        self, method: Method, behaviour: Callable[[Any, Any], Awaitable[Any]]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        admission = self._admission

        async def guarded(_requests: Any, context: Any) -> Any:
            data = await context.read()
            admission.unary_calls += 1
            try:
                if admission.unary_calls > admission.unary_calls_max:
                    raise _overloaded(f"{admission.unary_calls_max} calls are in progress")
                call = self._enter(method, context)
                if method.role in (Role.OPERATE, Role.ADMINISTER):
                    _LOG.info("operation", **call.audit())
                return await behaviour(self._request(method, data, call.principal), context)
            except TradeCaptainError as error:
                await _refuse(method, context, error)
            except Exception as error:  # noqa: BLE001 - a bug's text is for the log, not the client
                await _fail(method, context, error)
            finally:
                admission.unary_calls -= 1

        return guarded

    def _server_stream(
        self, method: Method, behaviour: Callable[[Any, Any], AsyncGenerator[Any]]
    ) -> Callable[[Any, Any], Awaitable[None]]:
        async def serve(data: Any, context: Any) -> None:
            call = self._enter(method, context)
            request = self._request(method, data, call.principal)
            await self._write_all(behaviour(request, context), context)

        admitted = self._stream(method, serve)

        async def guarded(_requests: Any, context: Any) -> None:
            await admitted(await context.read(), context)

        return guarded

    def _bidirectional(
        self, method: Method, behaviour: Callable[[Any, Any], AsyncGenerator[Any]]
    ) -> Callable[[Any, Any], Awaitable[None]]:
        async def serve(data: AsyncIterator[bytes], context: Any) -> None:
            call = self._enter(method, context)
            requests = data if method.raw else self._requests(method, data, call.principal)
            await self._write_all(behaviour(requests, context), context)

        return self._stream(method, serve)

    async def _write_all(self, behaviour: AsyncGenerator[Any], context: Any) -> None:
        """Write what a handler yields.

        Before the first response the initial metadata is sent, and until that is done grpc takes no
        status: draining doesn't cancel it but ends the stream right after it.
        """
        admission, task = self._admission, asyncio.current_task()
        time_seconds = asyncio.get_running_loop().time
        async with aclosing(behaviour) as responses:
            async for response in responses:
                admission.in_first_write.add(task)
                try:
                    await context.send_initial_metadata(())
                finally:
                    admission.in_first_write.discard(task)
                if admission.draining:
                    raise _draining()
                await self._write(task, context, response, time_seconds())
                break
            async for response in responses:
                await self._write(task, context, response, time_seconds())

    async def _write(
        self, task: asyncio.Task[Any] | None, context: Any, response: Any, now_seconds: float
    ) -> None:
        self._admission.writing[task] = now_seconds
        try:
            await context.write(response)
        finally:
            del self._admission.writing[task]

    def _client_stream(
        self, method: Method, behaviour: Callable[[Any, Any], Awaitable[Any]]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        async def serve(data: AsyncIterator[bytes], context: Any) -> Any:
            call = self._enter(method, context)
            return await behaviour(self._requests(method, data, call.principal), context)

        return self._stream(method, serve)

    async def _requests(
        self, method: Method, data: AsyncIterator[bytes], principal: Principal
    ) -> AsyncIterator[Any]:
        async for item in data:
            yield self._request(method, item, principal)

    def _stream(
        self, method: Method, serve: Callable[[Any, Any], Awaitable[Any]]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        admission = self._admission

        async def guarded(data: Any, context: Any) -> Any:
            task = asyncio.current_task()
            assert task is not None
            admission.streams.add(task)
            try:
                if admission.draining:
                    raise _draining()
                if len(admission.streams) > admission.streams_max:
                    raise _overloaded(f"{admission.streams_max} streams are open")
                return await serve(data, context)
            except TradeCaptainError as error:
                await _refuse(method, context, error)
            except asyncio.CancelledError:
                if task in admission.ending:
                    task.uncancel()
                    await _refuse(method, context, _draining())
                elif task in admission.stalled:
                    task.uncancel()
                    # The client may not read this either, so nothing waits for it.
                    admission.streams.discard(task)
                    await _refuse(method, context, _too_slow())
                else:
                    raise
            except Exception as error:  # noqa: BLE001 - a bug's text is for the log, not the client
                await _fail(method, context, error)
            finally:
                admission.streams.discard(task)
                admission.stalled.discard(task)
                admission.ending.discard(task)

        return guarded


def require_message(data: Any) -> None:
    """Refuse what ``context.read()`` gives where no message came, or only a part of one."""
    if data is grpc.aio.EOF:
        raise TradeCaptainError(
            reasons.REASON_INVALID_REQUEST, "the call ended without a whole message", field=""
        )


async def _refuse(method: Method, context: Any, error: TradeCaptainError) -> None:
    if error.reason in (reasons.REASON_UNAUTHENTICATED, reasons.REASON_PERMISSION_DENIED):
        _LOG.warning(
            "refused",
            method=method.path,
            reason=error.name,
            message=error.message,
            peer=str(context.peer()),
        )
    descriptor: Any = method.request_class.DESCRIPTOR
    await abort(context, error, descriptor)


async def _fail(method: Method, context: Any, error: Exception) -> None:
    """End a call that met a fault of ours: the log gets all of it, the client its reason."""
    if context.done() or context.cancelled():
        # The client has gone, and what failed is the talk with it.
        raise error
    _LOG.error("a call failed by a fault of this service", method=method.path, exc_info=error)
    await _refuse(
        method,
        context,
        TradeCaptainError(
            reasons.REASON_INTERNAL, "the service has a fault; its log says which", field=""
        ),
    )


def _too_slow() -> TradeCaptainError:
    return TradeCaptainError(
        reasons.REASON_SLOW_CONSUMER, "a message waited too long to be read; resume from the last"
    )


def _overloaded(message: str) -> TradeCaptainError:
    return TradeCaptainError(reasons.REASON_OVERLOADED, message, field="")


def _draining() -> TradeCaptainError:
    return TradeCaptainError(reasons.REASON_DRAINING, "the service is shutting down; reconnect")
