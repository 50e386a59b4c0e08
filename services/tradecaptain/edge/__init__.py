"""The gRPC host that every service stands on: admission, errors, streams, health, reflection."""

from tradecaptain.edge.guard import checks_accounts, raw_request
from tradecaptain.edge.logs import configure_logging
from tradecaptain.edge.principals import Call, Principal, Role, current_call
from tradecaptain.edge.runtime import run
from tradecaptain.edge.server import EdgeServer, EdgeSettings
from tradecaptain.edge.serving import serve_while
from tradecaptain.edge.streams import ClientQueue, StreamHub

__all__ = [
    "Call",
    "ClientQueue",
    "EdgeServer",
    "EdgeSettings",
    "Principal",
    "Role",
    "StreamHub",
    "checks_accounts",
    "configure_logging",
    "current_call",
    "raw_request",
    "run",
    "serve_while",
]
