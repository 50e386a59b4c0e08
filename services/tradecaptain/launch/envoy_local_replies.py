"""What Envoy answers by itself, in the same shape as a service's own refusals.

A REST caller whose body can't be parsed, whose path doesn't exist or whose process is down gets a
``google.rpc.Status`` with an ``ErrorDetail``, as JSON. gRPC callers get Envoy's status code.
"""

from __future__ import annotations

from typing import Any, Final

from tradecaptain.base.errors import reason_info
from tradecaptain.wire import reason as reasons

_DETAIL_TYPE: Final = "type.googleapis.com/tradecaptain.api.errors.v1.ErrorDetail"
_REASON_OF_HTTP_STATUS: Final = {
    400: reasons.REASON_INVALID_REQUEST,
    404: reasons.REASON_INVALID_REQUEST,
    408: reasons.REASON_OUTCOME_UNKNOWN,
    413: reasons.REASON_INVALID_REQUEST,
    415: reasons.REASON_INVALID_REQUEST,
    429: reasons.REASON_OVERLOADED,
    503: reasons.REASON_UNAVAILABLE,
    504: reasons.REASON_OUTCOME_UNKNOWN,
}
_UNIMPLEMENTED: Final = 12
_MESSAGE_OF_HTTP_STATUS: Final = {404: "no method of the contract has this path and verb"}


def local_reply_config() -> dict[str, Any]:
    """The ``local_reply_config`` of the connection manager."""
    return {
        "mappers": [_mapper(status, reason) for status, reason in _REASON_OF_HTTP_STATUS.items()]
    }


def _mapper(status: int, reason: int) -> dict[str, Any]:
    info = reason_info(reason)
    message = _MESSAGE_OF_HTTP_STATUS.get(status, "%LOCAL_REPLY_BODY%")
    body = {
        "code": _UNIMPLEMENTED if status == 404 else info.grpc_code,
        "message": message,
        "details": [
            {
                "@type": _DETAIL_TYPE,
                "reason": info.name,
                "rule": info.rule,
                "field": info.field,
                "retryable": info.retryable,
                "message": message,
            }
        ],
    }
    return {
        "filter": {
            "status_code_filter": {
                "comparison": {
                    "op": "EQ",
                    "value": {"default_value": status, "runtime_key": "unused"},
                }
            }
        },
        "body_format_override": {"json_format": body, "content_type": "application/json"},
    }
