"""``tradecaptain risk …``: limits, positions, kill switches, overrides and the audit, by hand."""

from __future__ import annotations

from typing import Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import (
    administration_pb2,
    administration_pb2_grpc,
    risk_pb2,
    risk_pb2_grpc,
)
from tradecaptain.cli.connection import CALL_SECONDS, Connection, connect
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, show

_PRINCIPAL = typer.Option("operator", "--as", help="Principal whose token is used.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")
_TARGET = typer.Argument(
    help="venue, firm:10, group:30, account:alpha, instrument:AMZN, alpha/AMZN or strategy:5."
)
_COMMENT = typer.Option("", "--comment", help="Why, for the record.")
_KIND_PREFIX = "LIMIT_KIND_"


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(
        help="Limits, positions, kill switches, overrides and the audit.", no_args_is_help=True
    )
    group.command("limits")(limits)
    group.command("set")(set_limit)
    group.command("clear")(clear_limit)
    group.command("positions")(positions)
    group.command("kill")(kill)
    group.command("unkill")(unkill)
    group.command("override")(override)
    group.command("audit")(audit)
    app.add_typer(group, name="risk")


def target_of(text: str) -> risk_pb2.RiskTarget:
    """The level that a text names; raises CommandError for what names none."""
    scope, _, name = text.partition(":")
    if text == "venue":
        return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_FIRM)
    if "/" in text:
        account, _, instrument = text.partition("/")
        return risk_pb2.RiskTarget(
            scope=common_pb2.SCOPE_ACCOUNT_INSTRUMENT,
            account=account,
            instrument=_instrument(instrument),
        )
    if scope == "account" and name:
        return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account=name)
    if scope == "instrument" and name:
        instrument = _instrument(name)
        return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_INSTRUMENT, instrument=instrument)
    if name.isascii() and name.isdigit():
        number = int(name)
        if scope == "firm":
            return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_FIRM, firm_id=number)
        if scope == "group":
            return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_GROUP, group_id=number)
        if scope == "strategy":
            return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_STRATEGY, strategy_id=number)
    raise CommandError(
        f"{text!r} names no level",
        next_step="venue, firm:10, group:30, account:alpha, instrument:AMZN, alpha/AMZN or"
        " strategy:5",
    )


def kind_of(text: str) -> int:
    """The kind of limit that a text names, as order-quantity; raises CommandError otherwise."""
    name = _KIND_PREFIX + text.upper().replace("-", "_")
    known = [key for key, number in risk_pb2.LimitKind.items() if number]
    if name not in known:
        kinds = ", ".join(_kind_name(key) for key in known)
        raise CommandError(f"there is no limit {text!r}", next_step=f"one of {kinds}")
    return int(risk_pb2.LimitKind.Value(name))


def limits(
    account: str = typer.Argument("", help="The tightest that hold for it; all limits without."),
    instrument: str = typer.Option("", "--instrument", help="Within this instrument."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Show limits: all that are set, or those that hold for an account."""
    with connect(principal) as connection:
        if account:
            named = _instrument(instrument)
            request = risk_pb2.GetLimitsRequest(account=account, instrument=named)
            held = _call(connection, "GetLimits", request)
            found, missing = list(held.limits), list(held.missing)
        else:
            found, missing = _all_limits(connection, instrument), []
    if json:
        emit_json(
            {
                "limits": [_plain(item) for item in found],
                "missing": [risk_pb2.LimitKind.Name(kind) for kind in missing],
            }
        )
        return
    for item in found:
        kind = _kind_name(risk_pb2.LimitKind.Name(item.kind))
        show(f"{target_text(item.target):28} {kind:20} {item.value:>20}  {item.author}")
    for kind in missing:
        show(f"not set: {_kind_name(risk_pb2.LimitKind.Name(kind))}; every order is refused")


def set_limit(
    target: str = _TARGET,
    kind: str = typer.Argument(help="order-quantity, daily-loss …"),
    value: str = typer.Argument(help="Exact decimal in the unit of its kind, or unlimited."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Set one limit."""
    number: Any = kind_of(kind)
    request = risk_pb2.SetLimitRequest(target=target_of(target), kind=number, value=value)
    with connect(principal) as connection:
        answer = _call(connection, "SetLimit", request)
    _answer(answer, f"{kind} of {target} is {answer.limit.value}", json=json)


def clear_limit(
    target: str = _TARGET,
    kind: str = typer.Argument(help="order-quantity, daily-loss …"),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Take one limit away; where it is required, every order is refused from then on."""
    number: Any = kind_of(kind)
    request = risk_pb2.ClearLimitRequest(target=target_of(target), kind=number)
    with connect(principal) as connection:
        answer = _call(connection, "ClearLimit", request)
    _answer(answer, "cleared" if answer.was_set else "it wasn't set", json=json)


def positions(
    account: str = typer.Argument(help="Name or number of the account."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Show what an account holds."""
    with connect(principal) as connection:
        request = risk_pb2.GetPositionsRequest(account=account)
        answer = _call(connection, "GetPositions", request)
    lines = [
        f"{item.instrument:20} {item.quantity:>16} at {item.average_price or '-':>14},"
        f" realised {item.realised_profit}"
        for item in answer.positions
    ]
    _answer(answer, "\n".join(lines) or "flat", json=json)


def kill(
    target: str = _TARGET,
    cancel: bool = typer.Option(False, "--cancel", help="Cancel working orders too."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Turn a kill switch on: no new order in its scope passes until it is turned off."""
    request = risk_pb2.KillRequest(
        target=target_of(target), cancel_working_orders=cancel, comment=comment
    )
    with connect(principal) as connection:
        answer = _call(connection, "Kill", request)
    _answer(answer, f"{target} is stopped; {answer.cancelled_count} orders cancelled", json=json)


def unkill(
    target: str = _TARGET,
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Turn a kill switch off."""
    request = risk_pb2.UnkillRequest(target=target_of(target), comment=comment)
    with connect(principal) as connection:
        answer = _call(connection, "Unkill", request)
    _answer(answer, f"{target} may trade" if answer.was_on else "it wasn't on", json=json)


def override(
    target: str = _TARGET,
    kind: str = typer.Argument(help="order-quantity, daily-loss …"),
    value: str = typer.Argument(help="Exact decimal in the unit of its kind, or unlimited."),
    seconds: int = typer.Option(3600, "--seconds", help="For how long; at most a day."),
    comment: str = typer.Option(..., "--comment", help="Why, for the record."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Give a limit another value for some time; then the value before holds again."""
    number: Any = kind_of(kind)
    request = administration_pb2.GrantOverrideRequest(
        target=target_of(target),
        kind=number,
        value=value,
        duration_seconds=seconds,
        comment=comment,
    )
    with connect(principal) as connection:
        answer = _call(connection, "GrantOverride", request)
    _answer(answer, f"{kind} of {target} is {value} for {seconds} s", json=json)


def audit(
    count: int = typer.Option(20, "--count", help="How many changes."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Show who changed what, newest first."""
    with connect(principal) as connection:
        answer = _call(
            connection, "ListAudit", administration_pb2.ListAuditRequest(page_size=count)
        )
    lines = [
        f"{entry.sequence:>12} {entry.author:12} {entry.action:16} {target_text(entry.target):24}"
        f" {_change_text(entry)} {entry.comment}".rstrip()
        for entry in answer.entries
    ]
    _answer(answer, "\n".join(lines) or "nothing was changed", json=json)


def target_text(target: risk_pb2.RiskTarget) -> str:
    """A level as :func:`target_of` reads it."""
    if target.account and target.instrument:
        return f"{target.account}/{target.instrument}"
    if target.account:
        return f"account:{target.account}"
    if target.instrument:
        return f"instrument:{target.instrument}"
    if target.strategy_id:
        return f"strategy:{target.strategy_id}"
    if target.group_id:
        return f"group:{target.group_id}"
    return f"firm:{target.firm_id}" if target.HasField("firm_id") else "venue"


def _change_text(entry: administration_pb2.AuditEntry) -> str:
    before = entry.before if entry.HasField("before") else "-"
    after = entry.after if entry.HasField("after") else "-"
    kind = f"{_kind_name(risk_pb2.LimitKind.Name(entry.kind))} " if entry.kind else ""
    return f"{kind}{before} → {after}"


def _all_limits(connection: Connection, instrument: str) -> list[risk_pb2.Limit]:
    found: list[risk_pb2.Limit] = []
    token = ""
    while True:
        request = risk_pb2.ListLimitsRequest(
            instrument=_instrument(instrument), page_size=1000, page_token=token
        )
        page = _call(connection, "ListLimits", request)
        found += page.limits
        token = page.next_page_token
        if not token:
            return found


def _instrument(text: str) -> str:
    return text if not text or "@" in text else f"{text}@TCAP"


def _kind_name(name: str) -> str:
    return name.removeprefix(_KIND_PREFIX).lower().replace("_", "-")


def _call(connection: Connection, method: str, request: Message) -> Any:
    stub: Any = risk_pb2_grpc.RiskServiceStub(connection.channel)
    if not hasattr(stub, method):
        stub = administration_pb2_grpc.RiskAdministrationServiceStub(connection.channel)
    return getattr(stub, method)(request, metadata=connection.metadata, timeout=CALL_SECONDS)


def _plain(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def _answer(message: Message, text: str, *, json: bool) -> None:
    if json:
        emit_json(_plain(message))
    else:
        show(text)
