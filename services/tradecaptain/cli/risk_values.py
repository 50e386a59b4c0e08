"""``tradecaptain risk …``: values, margins, days, files of limits, and what can be watched."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import grpc
import typer
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import administration_pb2, monitor_pb2, risk_pb2
from tradecaptain.cli.arguments import TAKES_NEGATIVES
from tradecaptain.cli.connection import connect
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.order import Short, Side, Type, mark_short, order_type_of, side_of
from tradecaptain.cli.output import emit_json, say, show
from tradecaptain.cli.risk_calls import (
    all_limits,
    answer_with,
    call,
    plain,
    stream,
)
from tradecaptain.cli.risk_limits_file import FileLimit, FileProblem, limits_toml, read_limits
from tradecaptain.cli.risk_targets import instrument_text, kind_name, target_of, target_text
from tradecaptain.edge.errors import from_rpc_error

_PRINCIPAL = typer.Option("operator", "--as", help="Principal whose token is used.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")
_COMMENT = typer.Option("", "--comment", help="Why, for the record.")
_PROBLEMS_SHOWN = 20
_LIMIT_FIELD = re.compile(r"limits\[(\d+)\]")
LARGEST_ID = 2**31 - 1
_INSTRUMENT = typer.Argument(help="AMZN, or AMZN@TCAP.")


def register(group: typer.Typer) -> None:
    """Add the verbs to ``tradecaptain risk``."""
    group.command("check")(check)
    group.command("values")(values)
    group.command("export")(export_limits)
    group.command("import")(import_limits)
    group.command("cash", context_settings=TAKES_NEGATIVES)(cash)
    group.command("group")(set_group)
    group.command("conversion")(conversion)
    group.command("margin", context_settings=TAKES_NEGATIVES)(margin)
    group.command("scenarios")(scenarios)
    group.command("reference-price", context_settings=TAKES_NEGATIVES)(reference_price)
    group.command("start-day")(start_day)
    group.command("revalue")(revalue)
    group.command("alerts")(alerts)
    group.command("drop-copy")(drop_copy)


def check(
    account: str = typer.Argument(help="Name or number of the account."),
    instrument: str = _INSTRUMENT,
    side: Side = typer.Argument(help="buy or sell."),
    quantity: str = typer.Argument(help="Exact decimal quantity."),
    price: str = typer.Option("", "--price", help="Exact decimal limit price; else market."),
    short: Short = typer.Option(None, "--short", help="Mark it as a short sale."),
    reduce_only: bool = typer.Option(False, "--reduce-only", help="It may only close a position."),
    strategy: int = typer.Option(
        0, "--strategy", min=0, max=LARGEST_ID, help="Your number of its strategy."
    ),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Ask whether an order would pass the risk gate now; nothing is sent."""
    request = risk_pb2.CheckOrderRequest()
    order = request.order
    order.account, order.instrument = account, instrument_text(instrument)
    order.client_order_id, order.side, order.quantity = "check", side_of(side), quantity
    order.type = order_type_of(Type.LIMIT if price else Type.MARKET)
    order.reduce_only, order.strategy_id = reduce_only, strategy
    mark_short(order, short)
    if price:
        order.price = price
    with connect(principal) as connection:
        answer = call(connection, "CheckOrder", request)
    refusal = answer.refusal
    text = "it would pass"
    if not answer.passes:
        text = f"{refusal.message} [{refusal.clause}]" if refusal.clause else refusal.message
    answer_with(answer, text, json=json)
    if not answer.passes:
        raise typer.Exit(1)


def values(
    target: str = typer.Argument(help="account:alpha, group:30 or firm:10."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Show what limits on exposure, credit and loss are held against."""
    with connect(principal) as connection:
        request = risk_pb2.GetValuesRequest(target=target_of(target))
        answer = call(connection, "GetValues", request)
    lines = [
        f"{name.replace('_', ' '):24} {getattr(answer, name):>24}"
        for name in (
            *("cash", "profit", "profit_of_day", "gross_exposure"),
            *("net_exposure_if_bought", "net_exposure_if_sold", "margin"),
        )
    ]
    answer_with(answer, "\n".join(lines), json=json)


def export_limits(
    path: Path = typer.Argument(None, help="File to write; standard output without."),
    principal: str = _PRINCIPAL,
) -> None:
    """Write all limits as TOML."""
    with connect(principal) as connection:
        limits = all_limits(connection, "")
    text = limits_toml(limits)
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
        say(f"{len(limits)} limits in {path}")


def import_limits(
    path: Path = typer.Argument(help="TOML file, as export writes it."),
    validate_only: bool = typer.Option(False, "--check", help="Only look at it."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Set the limits of a TOML file: all of them, or none if anything is wrong."""
    limits, problems = read_limits(path)
    for item in limits:
        item.request.comment = comment
    request = administration_pb2.ImportLimitsRequest(
        limits=[item.request for item in limits], validate_only=validate_only or bool(problems)
    )
    answer = administration_pb2.ImportLimitsResponse()
    if limits:
        with connect(principal) as connection:
            try:
                answer = call(connection, "ImportLimits", request)
            except grpc.RpcError as error:
                problems.append(_refused_limit(error, limits))
    for found in answer.problems:
        item = limits[found.index]
        message = f"{found.message} ({found.field})" if found.field else found.message
        problems.append(FileProblem(f"{item.table}.{item.key}", item.line, message))
    if problems:
        shown = sorted(problems, key=lambda item: item.line)[:_PROBLEMS_SHOWN]
        lines = [problem.text(path) for problem in shown]
        if len(problems) > len(shown):
            lines.append(f"and {len(problems) - len(shown)} more")
        raise CommandError("\n".join(lines), next_step="nothing was set")
    if not limits:
        raise CommandError(f"{path} has no limits")
    same = f"{answer.equal_count} had their value already"
    done = "would be set" if validate_only else "set"
    count = len(limits) - answer.equal_count
    answer_with(answer, f"{count} limits {done}; {same}", json=json)


def _refused_limit(error: grpc.RpcError, limits: list[FileLimit]) -> FileProblem:
    """Where in a file a limit stands that was refused by itself; raises for any other error."""
    failure = from_rpc_error(error)
    place = _LIMIT_FIELD.match(failure.field)
    if place is None:
        raise error
    item = limits[int(place[1])]
    return FileProblem(f"{item.table}.{item.key}", item.line, failure.message)


def cash(
    account: str = typer.Argument(help="Name or number of the account."),
    amount: str = typer.Argument(help="Exact decimal, accounts' currency; negative is a debt."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Tell the gate an account's cash."""
    request = administration_pb2.SetCashRequest(account=account, cash=amount, comment=comment)
    with connect(principal) as connection:
        answer = call(connection, "SetCash", request)
    answer_with(answer, f"{account} has {amount}", json=json)


def set_group(
    account: str = typer.Argument(help="Name or number of the account."),
    group_id: int = typer.Argument(
        min=0, max=LARGEST_ID, help="Number of the group; 0 takes it out."
    ),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Put an account into a group, a desk, whose limits then hold for it."""
    request = administration_pb2.SetAccountGroupRequest(
        account=account, group_id=group_id, comment=comment
    )
    with connect(principal) as connection:
        answer = call(connection, "SetAccountGroup", request)
    text = f"{account} is in group {group_id}" if group_id else f"{account} is in no group"
    answer_with(answer, text, json=json)


def conversion(
    currency: str = typer.Argument(help="EUR …"),
    rate: str = typer.Argument(help="Accounts' currency for one unit of it, exact decimal."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Tell the gate what a currency is worth."""
    request = administration_pb2.SetConversionRequest(currency=currency, rate=rate, comment=comment)
    with connect(principal) as connection:
        answer = call(connection, "SetConversion", request)
    answer_with(answer, f"{answer.instrument_count} instruments at {rate}", json=json)


def margin(
    instrument: str = _INSTRUMENT,
    basis_points: int = typer.Argument(
        min=0, max=1_000_000, help="Share of the value; 10000 pays in full."
    ),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Set the initial margin of an instrument."""
    request = administration_pb2.SetMarginRequest(
        instrument=instrument_text(instrument), margin_basis_points=basis_points, comment=comment
    )
    with connect(principal) as connection:
        answer = call(connection, "SetMargin", request)
    answer_with(answer, f"margin of {instrument} is {basis_points} bps", json=json)


def scenarios(
    instrument: str = _INSTRUMENT,
    risk_group_id: int = typer.Argument(
        min=0, max=LARGEST_ID, help="Number of the risk group; 0 takes it out."
    ),
    changes: str = typer.Option("", "--changes", help="Sixteen decimals, separated by commas."),
    delta: str = typer.Option("", "--delta", help="Instead of them: the delta."),
    price_range: str = typer.Option("", "--range", help="With a delta: the underlying's move."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Give an instrument the scenarios from which its margin is made."""
    request = administration_pb2.SetScenariosRequest(
        instrument=instrument_text(instrument), risk_group_id=risk_group_id, comment=comment
    )
    if changes:
        request.changes.extend(item.strip() for item in changes.split(","))
    if delta:
        request.delta, request.price_range = delta, price_range
    with connect(principal) as connection:
        answer = call(connection, "SetScenarios", request)
    text = f"{instrument} is in risk group {risk_group_id}"
    answer_with(answer, text if risk_group_id else f"{instrument} is in none", json=json)


def reference_price(
    instrument: str = _INSTRUMENT,
    price: str = typer.Argument(help="Exact decimal."),
    is_close: bool = typer.Option(False, "--close", help="A closing price; else an outside one."),
    comment: str = _COMMENT,
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Tell the gate a price from elsewhere."""
    outside = common_pb2.REFERENCE_PRICE_SOURCE_OUTSIDE_MARKET
    request = administration_pb2.SetReferencePriceRequest(
        instrument=instrument_text(instrument),
        price=price,
        source=common_pb2.REFERENCE_PRICE_SOURCE_CLOSE if is_close else outside,
        comment=comment,
    )
    with connect(principal) as connection:
        answer = call(connection, "SetReferencePrice", request)
    answer_with(answer, f"reference of {instrument} is {price}", json=json)


def start_day(comment: str = _COMMENT, principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Begin a trading day: profits of the day are zero, last prices are closing prices."""
    with connect(principal) as connection:
        request = administration_pb2.StartDayRequest(comment=comment)
        answer = call(connection, "StartDay", request)
    answer_with(answer, "the day has begun", json=json)


def revalue(principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Bring all positions to present prices now."""
    with connect(principal) as connection:
        answer = call(connection, "Revalue", administration_pb2.RevalueRequest())
    answer_with(answer, "positions stand at present prices", json=json)


def _follow(name: str, request: Any, principal: str, show_message: Any, count: int) -> None:
    """Show the messages of a stream until enough, or until interrupted."""
    shown = 0
    with connect(principal) as connection:
        messages = stream(connection, name, request)
        try:
            for message in messages:
                shown += show_message(message)
                if count and shown >= count:
                    break
        except KeyboardInterrupt:
            say("stopped")
        finally:
            messages.cancel()


def alerts(
    account: str = typer.Option("", "--account", help="Only of this account."),
    count: int = typer.Option(0, "--count", min=0, help="End after so many; never if 0."),
    principal: str = _PRINCIPAL,
    json: bool = typer.Option(False, "--json", help="One JSON object an alert."),
) -> None:
    """Show alerts as they come: refusals, limits nearly or fully used, kill switches."""

    def show_alerts(message: Any) -> int:
        for alert in message.alerts:
            if json:
                emit_json(plain(alert))
                continue
            kind = monitor_pb2.AlertKind.Name(alert.kind).removeprefix("ALERT_KIND_").lower()
            limit = f"{kind_name(alert.limit_kind)} " if alert.limit_kind else ""
            where = target_text(alert.target) if alert.target.scope else ""
            show(
                f"{kind:12} {alert.account:10} {alert.instrument:12} {limit}{where}"
                f" {alert.observed or '-'} of {alert.limit or '-'}: {alert.message}"
            )
        return len(message.alerts)

    request = monitor_pb2.StreamAlertsRequest(account=account)
    _follow("StreamAlerts", request, principal, show_alerts, count)


def drop_copy(
    account: str = typer.Option("", "--account", help="Only of this account."),
    firm_id: int = typer.Option(0, "--firm", min=0, max=LARGEST_ID, help="Only of this firm."),
    count: int = typer.Option(0, "--count", min=0, help="End after so many; never if 0."),
    position: str = typer.Option(
        "", "--from", help="Go on behind this place, EPOCH:SEQUENCE, as the last one told."
    ),
    principal: str = _PRINCIPAL,
) -> None:
    """Show every order and execution as it happens, one JSON object each.

    It ends with the place from which to go on.
    """
    reached = position_of(position) if position else None
    request = monitor_pb2.StreamDropCopyRequest(account=account, firm_id=firm_id)
    if reached is not None:
        request.resume_from.CopyFrom(reached)

    def show_reports(message: Any) -> int:
        nonlocal reached
        reached = message.position
        if message.lost_count:
            say(f"{message.lost_count} events can't be had any more")
        for report in message.reports:
            emit_json(plain(report))
        return len(message.reports)

    _follow("StreamDropCopy", request, principal, show_reports, count)
    if reached is not None:
        say(f"go on with --from {reached.epoch}:{reached.sequence}")


def position_of(text: str) -> common_pb2.StreamPosition:
    """The place in the venue's events that a text names."""
    epoch, _, sequence = text.partition(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (epoch, sequence)):
        raise CommandError(f"{text!r} is no place in the events", next_step="EPOCH:SEQUENCE")
    return common_pb2.StreamPosition(epoch=int(epoch), sequence=int(sequence))
