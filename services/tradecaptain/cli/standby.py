"""``tradecaptain standby …``: how far the venue's standby has come, and its promotion."""

from __future__ import annotations

from typing import Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tradecaptain.api.orderbook.v1 import standby_pb2, standby_pb2_grpc
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.connection import CALL_SECONDS, connect
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, show
from tradecaptain.orderbook.standby_config import StandbyConfig

_PRINCIPAL = typer.Option("venue", "--as", help="Principal whose token is used.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")
_MILLISECOND_NS = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(
        help="The venue's warm standby: look at it, and have it take over.", no_args_is_help=True
    )
    group.command("status")(status)
    group.command("promote")(promote)
    app.add_typer(group, name="standby")


def status(principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """How far the standby has come, and the hash of its books."""
    _require_standby()
    with connect(principal) as connection:
        stub = standby_pb2_grpc.StandbyServiceStub(connection.channel)
        answer = stub.GetStandby(
            standby_pb2.GetStandbyRequest(), metadata=connection.metadata, timeout=CALL_SECONDS
        )
    if json:
        emit_json(_plain(answer))
        return
    show(f"{answer.process} stands by in term {answer.term}, epoch {answer.epoch}")
    show(
        f"it has carried out command {answer.sequence}, {answer.log_position - answer.position:,}"
        f" bytes behind the venue; state hash {answer.state_hash}"
    )


def promote(principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Make the standby the venue. The engine that was it is killed, and comes back as standby."""
    _require_standby()
    with connect(principal) as connection:
        stub = standby_pb2_grpc.StandbyServiceStub(connection.channel)
        answer = stub.Promote(
            standby_pb2.PromoteRequest(), metadata=connection.metadata, timeout=CALL_SECONDS
        )
    if json:
        emit_json(_plain(answer))
        return
    show(
        f"term {answer.term} begins behind command {answer.sequence} of epoch {answer.epoch};"
        f" it took {answer.duration_ns / _MILLISECOND_NS:.0f} ms"
    )


def _require_standby() -> None:
    run = RunPaths.from_environment()
    if not StandbyConfig.load(run).enabled:
        raise CommandError(
            "this venue has no standby",
            next_step=f"write `[standby]` and `enabled = true` into {run.config}; start anew",
        )


def _plain(message: Message) -> dict[str, Any]:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
