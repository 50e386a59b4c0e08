"""What Envoy answers by itself, in the same shape as a service's own refusals.

A caller whose body can't be parsed, whose path doesn't exist or whose process is down gets a
``google.rpc.Status`` with an ``ErrorDetail``: as JSON through REST, in ``grpc-status-details-bin``
through gRPC and gRPC-Web.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from tradecaptain.base.errors import ReasonInfo, TradeCaptainError, reason_info
from tradecaptain.edge.errors import DETAILS_KEY, to_status
from tradecaptain.wire import reason as reasons

_DETAIL_TYPE: Final = "type.googleapis.com/tradecaptain.api.errors.v1.ErrorDetail"
_REASON_OF_HTTP_STATUS: Final = {
    400: reasons.REASON_INVALID_REQUEST,
    404: reasons.REASON_INVALID_REQUEST,
    408: reasons.REASON_OUTCOME_UNKNOWN,
    413: reasons.REASON_INVALID_REQUEST,
    415: reasons.REASON_INVALID_REQUEST,
    429: reasons.REASON_OVERLOADED,
    431: reasons.REASON_INVALID_REQUEST,
    503: reasons.REASON_UNAVAILABLE,
    504: reasons.REASON_OUTCOME_UNKNOWN,
}
_INVALID_ARGUMENT: Final = 3
_UNIMPLEMENTED: Final = 12
_NO_METHOD: Final = (
    "no method of the contract has this path and verb; its own path takes gRPC and gRPC-Web alone"
)
_TOO_LATE: Final = "the deadline passed before the service answered"
_NO_SUCH_CALL: Final = "no method of the contract has this name"
_GRPC_MESSAGES: Final = {
    400: "the call's path can't be normalised, or its body isn't base64 as grpc-web-text must be",
    404: _NO_SUCH_CALL,
    408: _TOO_LATE,
    503: "the process that serves this can't be reached, or went away before it answered",
    504: _TOO_LATE,
}
"""What gRPC callers are told, by the HTTP status that Envoy makes its gRPC status from."""
_GRPC_ANSWERED_AS: Final = {400: 404, 504: 408}
"""The gRPC status is made from this one. That of 400 would be INTERNAL, and that of 504
UNAVAILABLE, which clients retry; of 408 it is UNKNOWN, as the outcome is.
"""
_LIBRARY_REFUSALS: Final = [
    ("^Method not found!", _UNIMPLEMENTED, _NO_SUCH_CALL),
    (
        "^Compression bit set",
        _INVALID_ARGUMENT,
        "a message is marked as compressed and the header grpc-encoding doesn't say how",
    ),
    (
        "^Decompression failed",
        _INVALID_ARGUMENT,
        "a message isn't compressed as the header grpc-encoding says",
    ),
    (
        "^Error parsing 'grpc%-encoding'",
        _UNIMPLEMENTED,
        "messages may be compressed by gzip or deflate alone",
    ),
    ("^Error parsing '", _INVALID_ARGUMENT, "a header of the call isn't well formed"),
    (" message larger than max", _INVALID_ARGUMENT, "a message is larger than the service takes"),
]
"""What gRPC's library refuses before a service sees it: a Lua pattern of its text, the status that
it gets from us, and the message."""


def local_reply_config() -> dict[str, Any]:
    """The ``local_reply_config`` of the connection manager; the first mapper that fits counts."""
    grpc = [_grpc_mapper(status, message) for status, message in _GRPC_MESSAGES.items()]
    rest = [_rest_mapper(status) for status in _REASON_OF_HTTP_STATUS]
    return {"mappers": [_refused_field_mapper(), *grpc, *rest]}


def library_refusals() -> list[tuple[str, str, str, str]]:
    """Pattern of the library's text, and the status, message and details to answer instead."""
    info = reason_info(reasons.REASON_INVALID_REQUEST)
    return [
        (pattern, str(code), message, _packed(info, code, message))
        for pattern, code, message in _LIBRARY_REFUSALS
    ]


def _refused_field_mapper() -> dict[str, Any]:
    """The refusal of a request in which ``request_bodies.lua`` found a field to be wrong."""
    info = reason_info(reasons.REASON_INVALID_REQUEST)
    body = _status_json(
        info, info.grpc_code, "%LOCAL_REPLY_BODY%", "%DYNAMIC_METADATA(tradecaptain:refused_field)%"
    )
    matcher = {
        "filter": "tradecaptain",
        "path": [{"key": "refused_field"}],
        "value": {"present_match": True},
    }
    found = {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": False}}
    return {"filter": found, "body_format_override": _json_format(body)}


def _status_json(info: ReasonInfo, code: int, message: str, field: str) -> dict[str, Any]:
    """A ``google.rpc.Status`` with an ``ErrorDetail``, as JSON."""
    return {
        "code": code,
        "message": message,
        "details": [
            {
                "@type": _DETAIL_TYPE,
                "reason": info.name,
                "rule": info.rule,
                "field": field,
                "retryable": info.retryable,
                "message": message,
            }
        ],
    }


def _json_format(body: dict[str, Any]) -> dict[str, Any]:
    return {"json_format": body, "content_type": "application/json"}


def _code(status: int, info: ReasonInfo) -> int:
    return _UNIMPLEMENTED if status == 404 else info.grpc_code


def _rest_mapper(status: int) -> dict[str, Any]:
    info = reason_info(_REASON_OF_HTTP_STATUS[status])
    message = _NO_METHOD if status == 404 else "%LOCAL_REPLY_BODY%"
    body = _status_json(info, _code(status, info), message, info.field)
    return {"filter": _has_status(status), "body_format_override": _json_format(body)}


def _grpc_mapper(status: int, message: str) -> dict[str, Any]:
    info = reason_info(_REASON_OF_HTTP_STATUS[status])
    answered_as = _GRPC_ANSWERED_AS.get(status, status)
    packed = _packed(info, _code(answered_as, info), message)
    is_grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    # A transcoded request is gRPC as well by now; its caller reads JSON.
    is_rest = {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}
    filters = [_has_status(status), {"header_filter": {"header": is_grpc}}]
    filters.append({"header_filter": {"header": is_rest}})
    return {
        "filter": {"and_filter": {"filters": filters}},
        "status_code": answered_as,
        "headers_to_add": [{"header": {"key": DETAILS_KEY, "value": packed}}],
        "body_format_override": {"text_format_source": {"inline_string": message}},
    }


def _packed(info: ReasonInfo, code: int, message: str) -> str:
    """A ``google.rpc.Status`` with an ``ErrorDetail``, as the header that carries it."""
    answer = to_status(TradeCaptainError(info.number, message))
    answer.code = code
    return base64.b64encode(answer.SerializeToString()).decode()


def _has_status(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
