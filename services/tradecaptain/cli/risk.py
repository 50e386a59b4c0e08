"""``tradecaptain risk …``: limits, positions, kill switches, overrides and the audit, by hand."""

from __future__ import annotations

from typing import Any

import typer
from tradecaptain.api.risk.v1 import administration_pb2, risk_pb2
from tradecaptain.cli import risk_restrictions, risk_values
from tradecaptain.cli.arguments import TAKES_NEGATIVES
from tradecaptain.cli.connection import connect
from tradecaptain.cli.output import emit_json, show
from tradecaptain.cli.risk_calls import all_limits, answer_with, call, plain
from tradecaptain.cli.risk_targets import (
    TARGETS,
    instrument_text,
    kind_name,
    kind_of,
    limit_text,
    target_of,
    target_text,
    time_text,
)

_PRINCIPAL = typer.Option("operator", "--as", help="Principal whose token is used.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")
_TARGET = typer.Argument(help=f"{TARGETS}.")
_KILL_TARGET = typer.Argument(help=f"{TARGETS}; order:7 ends one order.")
_COMMENT = typer.Option("", "--comment", help="Why, for the record.")
AUDIT_PAGE = 1000
"""Changes that are asked for at once."""


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(
        help="Limits, positions, kill switches, values, drop copy, alerts and the audit.",
        no_args_is_help=True,
    )
    group.command("limits")(limits)
    group.command("set", context_settings=TAKES_NEGATIVES)(set_limit)
    group.command("clear")(clear_limit)
    group.command("positions")(positions)
    group.command("kill")(kill)
    group.command("unkill")(unkill)
    group.command("override", context_settings=TAKES_NEGATIVES)(override)
    group.command("audit")(audit)
    risk_restrictions.register(group)
    risk_values.register(group)
    app.add_typer(group, name="risk")


def limits(
    account: str = typer.Argument("", help="The tightest that hold for it; all limits without."),
    instrument: str = typer.Option("", "--instrument", help="Within this instrument."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Show limits: all that are set, or those that hold for an account."""
    with connect(principal) as connection:
        if account:
            named = instrument_text(instrument)
            request = risk_pb2.GetLimitsRequest(account=account, instrument=named)
            held = call(connection, "GetLimits", request)
            found, missing = list(held.limits), list(held.missing)
        else:
            found, missing = all_limits(connection, instrument), []
    if json:
        emit_json(
            {
                "limits": [plain(item) for item in found],
                "missing": [risk_pb2.LimitKind.Name(kind) for kind in missing],
            }
        )
        return
    for item in found:
        show(limit_text(item))
    for kind in missing:
        show(f"not set: {kind_name(kind)}; every order is refused")


def set_limit(
    target: str = _TARGET,
    kind: str = typer.Argument(help="order-quantity, daily-loss …"),
    value: str = typer.Argument(help="Exact decimal in the unit of its kind, or unlimited."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Set one limit."""
    number: Any = kind_of(kind)
    request = risk_pb2.SetLimitRequest(
        target=target_of(target), kind=number, value=value, comment=comment
    )
    with connect(principal) as connection:
        answer = call(connection, "SetLimit", request)
    answer_with(answer, f"{kind} of {target} is {answer.limit.value}", json=json)


def clear_limit(
    target: str = _TARGET,
    kind: str = typer.Argument(help="order-quantity, daily-loss …"),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Take one limit away; where it is required, every order is refused from then on."""
    number: Any = kind_of(kind)
    request = risk_pb2.ClearLimitRequest(target=target_of(target), kind=number, comment=comment)
    with connect(principal) as connection:
        answer = call(connection, "ClearLimit", request)
    answer_with(answer, "cleared" if answer.was_set else "it wasn't set", json=json)


def positions(
    account: str = typer.Argument(help="Name or number of the account."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Show what an account holds."""
    with connect(principal) as connection:
        request = risk_pb2.GetPositionsRequest(account=account)
        answer = call(connection, "GetPositions", request)
    lines = [
        f"{item.instrument:20} {item.quantity:>16} at {item.average_price or '-':>14},"
        f" realised {item.realised_profit}"
        for item in answer.positions
    ]
    answer_with(answer, "\n".join(lines) or "flat", json=json)


def kill(
    target: str = _KILL_TARGET,
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
        answer = call(connection, "Kill", request)
    orders = f"{answer.cancelled_count} orders cancelled" if cancel else "working orders stay"
    answer_with(answer, f"{target} is stopped; {orders}", json=json)


def unkill(
    target: str = _TARGET,
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Turn a kill switch off."""
    request = risk_pb2.UnkillRequest(target=target_of(target), comment=comment)
    with connect(principal) as connection:
        answer = call(connection, "Unkill", request)
    answer_with(answer, f"{target} may trade" if answer.was_on else "it wasn't on", json=json)


def override(
    target: str = _TARGET,
    kind: str = typer.Argument(help="order-quantity, daily-loss …"),
    value: str = typer.Argument(help="Exact decimal in the unit of its kind, or unlimited."),
    seconds: int = typer.Option(
        3600, "--seconds", min=1, max=86400, help="For how long; at most a day."
    ),
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
        answer = call(connection, "GrantOverride", request)
    answer_with(answer, f"{kind} of {target} is {value} for {seconds} s", json=json)


def audit(
    count: int = typer.Option(20, "--count", min=1, help="How many changes."),
    account: str = typer.Option("", "--account", help="Only of this account."),
    author: str = typer.Option("", "--author", help="Only by this principal."),
    action: str = typer.Option("", "--action", help="Only this action, as set_limit."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Show who changed what, when, and where in the venue's log it took effect; newest first."""
    found = administration_pb2.ListAuditResponse()
    request = administration_pb2.ListAuditRequest(account=account, author=author, action=action)
    with connect(principal) as connection:
        while len(found.entries) < count:
            request.page_size = min(count - len(found.entries), AUDIT_PAGE)
            page = call(connection, "ListAudit", request)
            found.entries.extend(page.entries)
            found.next_page_token = request.page_token = page.next_page_token
            if not page.next_page_token:
                break
    lines = [
        f"{time_text(entry.time_ns)} {entry.sequence:>12} {entry.author:12} {entry.action:16}"
        f" {target_text(entry.target):24} {_change_text(entry)} {entry.comment}".rstrip()
        for entry in found.entries
    ]
    answer_with(found, "\n".join(lines) or "nothing was changed", json=json)


def _change_text(entry: administration_pb2.AuditEntry) -> str:
    kind = f"{kind_name(entry.kind)} " if entry.kind else ""
    until = f" until {time_text(entry.expire_time_ns)}" if entry.expire_time_ns else ""
    return f"{kind}{entry.before_text or '-'} → {entry.after_text or '-'}{until}"
