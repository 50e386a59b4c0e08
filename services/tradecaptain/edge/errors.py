"""The one place where an error becomes a gRPC status with a typed detail, and back.

The status code, the rule and whether a retry helps come from the error catalogue
(``api/errors/v1``), so an error is described once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, status_pb2
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.base.errors import TradeCaptainError, reason_info
from tradecaptain.wire import reason as reasons

DETAILS_KEY: Final = "grpc-status-details-bin"
MESSAGE_CHARACTERS_MAX: Final = 512
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_LEVELS: Final[dict[str, int]] = {
    name.removeprefix("SCOPE_"): number for name, number in common_pb2.Scope.items()
}
_LEVEL_NAMES: Final[dict[int, str]] = {number: name.lower() for name, number in _LEVELS.items()}
_REASON_OF_CODE: Final = {
    grpc.StatusCode.DEADLINE_EXCEEDED: reasons.REASON_OUTCOME_UNKNOWN,
    grpc.StatusCode.UNAVAILABLE: reasons.REASON_UNAVAILABLE,
    # Our services add a detail to whatever they refuse. A stream whose process died behind a proxy
    # is reset instead, and gRPC calls that INTERNAL.
    grpc.StatusCode.INTERNAL: reasons.REASON_UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED: reasons.REASON_UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: reasons.REASON_PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: reasons.REASON_OVERLOADED,
    grpc.StatusCode.INVALID_ARGUMENT: reasons.REASON_INVALID_REQUEST,
}


class DetailedError(TradeCaptainError):
    """An error with parts of its typed detail that only the edge knows."""

    def __init__(self, detail: errors_pb2.ErrorDetail) -> None:
        super().__init__(
            detail.reason,
            detail.message,
            field=detail.field or None,
            limit=detail.limit if detail.HasField("limit") else None,
            observed=detail.observed if detail.HasField("observed") else None,
            level=_level_name(detail.level),
        )
        self.detail = detail


def to_detail(error: TradeCaptainError) -> errors_pb2.ErrorDetail:
    """The typed detail of an error."""
    detail = errors_pb2.ErrorDetail()
    if isinstance(error, DetailedError):
        detail.CopyFrom(error.detail)
    detail.reason = error.reason  # type: ignore[assignment]
    detail.rule = error.rule
    detail.field = error.field
    detail.message = error.message[:MESSAGE_CHARACTERS_MAX]
    detail.retryable = error.retryable
    detail.clause = reason_info(error.reason).clause
    if error.limit:
        detail.limit = error.limit
    if error.observed:
        detail.observed = error.observed
    detail.level = _LEVELS.get(error.level.upper(), 0)  # type: ignore[assignment]
    return detail


def to_status(error: TradeCaptainError, request: Descriptor | None = None) -> status_pb2.Status:
    """The google.rpc.Status of an error, with its ErrorDetail as the only detail.

    With the type of the ``request``, the detail names the field at fault by its path there.
    """
    detail = to_detail(error)
    if request is not None:
        detail.field = field_in_request(request, detail.field)
    status = status_pb2.Status(code=error.grpc_code, message=detail.message)
    status.details.add().Pack(detail)
    return status


async def abort(context: Any, error: TradeCaptainError, request: Descriptor | None = None) -> None:
    """End the call of ``context`` with the status of an error; never returns normally."""
    status = to_status(error, request)
    code = _CODES.get(status.code, grpc.StatusCode.INTERNAL)
    trailer = ((DETAILS_KEY, status.SerializeToString()),)
    await context.abort(code, status.message, trailing_metadata=trailer)


@lru_cache(maxsize=1024)
def field_in_request(request: Descriptor, field: str) -> str:
    """The path in a request of a field that an error calls by its own name alone.

    What is no field's name, or could be that of several, stays as it is.
    """
    if field in request.fields_by_name:
        return field
    holders = [
        holder
        for holder in request.fields
        if holder.message_type is not None and field in holder.message_type.fields_by_name
    ]
    is_clear = len(holders) == 1 and not holders[0].is_repeated
    return f"{holders[0].name}.{field}" if is_clear else field


def from_status(status: status_pb2.Status) -> TradeCaptainError:
    """The error that a google.rpc.Status carries."""
    for packed in status.details:
        if packed.Is(errors_pb2.ErrorDetail.DESCRIPTOR):
            detail = errors_pb2.ErrorDetail()
            packed.Unpack(detail)
            if detail.reason in errors_pb2.Reason.values():
                return DetailedError(detail)
    return _from_code(_CODES.get(status.code, grpc.StatusCode.UNKNOWN), status.message)


def from_rpc_error(error: grpc.RpcError) -> TradeCaptainError:
    """The error that a failed call carries; calls without a detail keep their code in the text."""
    trailers: Any = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
    for key, value in trailers or ():
        if key == DETAILS_KEY:
            try:
                return from_status(status_pb2.Status.FromString(value))
            except DecodeError:
                break
    return _from_code(error.code(), error.details() or "")


def _level_name(level: int) -> str | None:
    return _LEVEL_NAMES.get(level) if level else None


def _from_code(code: grpc.StatusCode, message: str) -> TradeCaptainError:
    reason = _REASON_OF_CODE.get(code, reasons.REASON_UNSPECIFIED)
    name = code_pb2.Code.Name(code.value[0])
    return TradeCaptainError(reason, f"{name}: {message}" if message else name)
