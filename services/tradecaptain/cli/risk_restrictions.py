"""``tradecaptain risk …``: restrictions and throttles, and what is on: switches and overrides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from tradecaptain.api.risk.v1 import administration_pb2, risk_pb2
from tradecaptain.cli.connection import connect
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.risk_calls import answer_with, call
from tradecaptain.cli.risk_targets import TARGETS, limit_text, target_of, target_text, time_text

_PRINCIPAL = typer.Option("operator", "--as", help="Principal whose token is used.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")
_COMMENT = typer.Option("", "--comment", help="Why, for the record.")
_TARGET = typer.Argument(help=f"{TARGETS}.")
_PREFIX = "RESTRICTION_"
_NAMES = {
    name.removeprefix(_PREFIX).lower().replace("_", "-"): number
    for name, number in administration_pb2.Restriction.items()
    if number
}
_WHAT = typer.Argument(help=f"One or several of {', '.join(_NAMES)}.")


def register(group: typer.Typer) -> None:
    """Add the verbs to ``tradecaptain risk``."""
    group.command("kill-switches")(kill_switches)
    group.command("overrides")(overrides)
    group.command("restrict")(restrict)
    group.command("permit")(permit)
    group.command("restrictions")(restrictions)
    group.command("reset-throttle")(reset_throttle)


def restrictions_of(texts: Sequence[str]) -> list[administration_pb2.Restriction.ValueType]:
    """The restrictions that texts name, as short-sales; raises CommandError for what names none."""
    for text in texts:
        if text not in _NAMES:
            raise CommandError(
                f"there is no restriction {text!r}", next_step=f"one of {', '.join(_NAMES)}"
            )
    return [_NAMES[text] for text in texts]


def restrictions_text(found: Sequence[int]) -> str:
    """Restrictions as :func:`restrictions_of` reads them."""
    numbers = set(found)
    return ", ".join(name for name, number in _NAMES.items() if number in numbers) or "none"


def restrict(
    target: str = _TARGET,
    what: list[str] = _WHAT,
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Forbid something at a level: trading, an order type, short sales and so on."""
    request = administration_pb2.RestrictRequest(
        target=target_of(target), restrictions=restrictions_of(what), comment=comment
    )
    with connect(principal) as connection:
        answer = call(connection, "Restrict", request)
    text = f"restrictions of {target}: {restrictions_text(answer.restrictions)}"
    answer_with(answer, text, json=json)


def permit(
    target: str = _TARGET,
    what: list[str] = _WHAT,
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Allow it again."""
    request = administration_pb2.PermitRequest(
        target=target_of(target), restrictions=restrictions_of(what), comment=comment
    )
    with connect(principal) as connection:
        answer = call(connection, "Permit", request)
    text = f"restrictions of {target}: {restrictions_text(answer.restrictions)}"
    answer_with(answer, text, json=json)


def restrictions(principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Show all restrictions that are on."""
    request = administration_pb2.ListRestrictionsRequest()
    with connect(principal) as connection:
        answer = call(connection, "ListRestrictions", request)
    lines = [
        f"{target_text(level.target):28} {restrictions_text(level.restrictions)}"
        for level in answer.levels
    ]
    answer_with(answer, "\n".join(lines) or "nothing is restricted", json=json)


def reset_throttle(
    account: str = typer.Argument(help="Name or number of the account."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Let an account go on that executed too often within its window."""
    request = administration_pb2.ResetThrottleRequest(account=account, comment=comment)
    with connect(principal) as connection:
        answer = call(connection, "ResetThrottle", request)
    answer_with(answer, f"{account} may go on", json=json)


def kill_switches(principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Show all kill switches that are on, and who turned them on."""
    with connect(principal) as connection:
        answer = call(connection, "ListKillSwitches", risk_pb2.ListKillSwitchesRequest())
    lines = [_switch_text(switch) for switch in answer.kill_switches]
    answer_with(answer, "\n".join(lines) or "none is on", json=json)


def _switch_text(switch: Any) -> str:
    since = f"since {time_text(switch.update_time_ns)} by {switch.author}"
    return f"{target_text(switch.target):28} {since} {switch.comment}".rstrip()


def overrides(principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Show all overrides that hold now, until when, by whom and why."""
    with connect(principal) as connection:
        request = administration_pb2.ListOverridesRequest()
        answer = call(connection, "ListOverrides", request)
    lines = [limit_text(limit) for limit in answer.overrides]
    answer_with(answer, "\n".join(lines) or "none holds", json=json)
