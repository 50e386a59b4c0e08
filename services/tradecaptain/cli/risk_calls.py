"""Calls of the risk services, and their answers on the terminal."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tradecaptain.api.risk.v1 import (
    administration_pb2_grpc,
    monitor_pb2_grpc,
    risk_pb2,
    risk_pb2_grpc,
)
from tradecaptain.cli.connection import CALL_SECONDS, Connection
from tradecaptain.cli.output import emit_json, show
from tradecaptain.cli.risk_targets import instrument_text

_STUBS = (
    risk_pb2_grpc.RiskServiceStub,
    administration_pb2_grpc.RiskAdministrationServiceStub,
    monitor_pb2_grpc.RiskMonitorServiceStub,
)


def _method(connection: Connection, name: str) -> Any:
    stubs: list[Any] = [stub(connection.channel) for stub in _STUBS]
    return next(getattr(stub, name) for stub in stubs if hasattr(stub, name))


def call(connection: Connection, name: str, request: Message) -> Any:
    """The answer of a method of one of the risk services."""
    method = _method(connection, name)
    return method(request, metadata=connection.metadata, timeout=CALL_SECONDS)


def stream(connection: Connection, name: str, request: Message) -> Any:
    """The messages of a stream of one of the risk services, until it is interrupted."""
    return _method(connection, name)(request, metadata=connection.metadata)


def plain(message: Message) -> dict[str, Any]:
    """A message as an object of JSON."""
    return MessageToDict(message, preserving_proto_field_name=True)


def answer_with(message: Message, text: str, *, json: bool) -> None:
    """Show an answer: one JSON object, or a text for a person."""
    if json:
        emit_json(plain(message))
    else:
        show(text)


def all_limits(connection: Connection, instrument: str) -> list[risk_pb2.Limit]:
    """Every limit that is set, of an instrument if one is named."""
    found: list[risk_pb2.Limit] = []
    token = ""
    while True:
        request = risk_pb2.ListLimitsRequest(
            instrument=instrument_text(instrument), page_size=1000, page_token=token
        )
        page = call(connection, "ListLimits", request)
        found += page.limits
        token = page.next_page_token
        if not token:
            return found
