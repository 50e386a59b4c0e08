"""Levels and kinds of limits as texts of the command line and of files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, cast

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.cli.failure import CommandError

TARGETS: Final = (
    "venue, firm:10, group:30, account:alpha, instrument:AMZN, alpha/AMZN or strategy:5"
)
_KIND_PREFIX: Final = "LIMIT_KIND_"


def target_of(text: str) -> risk_pb2.RiskTarget:
    """The level that a text names; raises CommandError for what names none."""
    scope, _, name = text.partition(":")
    if text == "venue":
        return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_FIRM)
    if "/" in text and ":" not in text.partition("/")[0]:
        account, _, instrument = text.partition("/")
        return risk_pb2.RiskTarget(
            scope=common_pb2.SCOPE_ACCOUNT_INSTRUMENT,
            account=account,
            instrument=instrument_text(instrument),
        )
    if scope == "account" and name:
        return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account=name)
    if scope == "instrument" and name:
        instrument = instrument_text(name)
        return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_INSTRUMENT, instrument=instrument)
    digits, _, within = name.partition("/")
    if digits.isascii() and digits.isdigit() and (not within or scope in ("firm", "group")):
        number, instrument = int(digits), instrument_text(within)
        if scope == "firm":
            return risk_pb2.RiskTarget(
                scope=common_pb2.SCOPE_FIRM, firm_id=number, instrument=instrument
            )
        if scope == "group":
            return risk_pb2.RiskTarget(
                scope=common_pb2.SCOPE_GROUP, group_id=number, instrument=instrument
            )
        if scope == "strategy":
            return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_STRATEGY, strategy_id=number)
        if scope == "order":
            return risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ORDER, order_id=number)
    raise CommandError(
        f"{text!r} names no level",
        next_step=f"{TARGETS}; firm:10/AMZN or group:30/AMZN for positions, order:7 for a kill",
    )


def kind_of(text: str) -> int:
    """The kind of limit that a text names, as order-quantity; raises CommandError otherwise."""
    name = _KIND_PREFIX + text.upper().replace("-", "_")
    known = [number for number in risk_pb2.LimitKind.values() if number]
    if name not in {risk_pb2.LimitKind.Name(number) for number in known}:
        kinds = ", ".join(kind_name(number) for number in known)
        raise CommandError(f"there is no limit {text!r}", next_step=f"one of {kinds}")
    return int(risk_pb2.LimitKind.Value(name))


def target_text(target: risk_pb2.RiskTarget) -> str:
    """A level as :func:`target_of` reads it."""
    if target.order_id:
        return f"order:{target.order_id}"
    if target.account and target.instrument:
        return f"{target.account}/{target.instrument}"
    if target.account:
        return f"account:{target.account}"
    within = f"/{target.instrument}" if target.instrument else ""
    if target.group_id:
        return f"group:{target.group_id}{within}"
    if target.HasField("firm_id"):
        return f"firm:{target.firm_id}{within}"
    if target.instrument:
        return f"instrument:{target.instrument}"
    if target.strategy_id:
        return f"strategy:{target.strategy_id}"
    return "venue"


def time_text(time_ns: int) -> str:
    """A time in UTC, to the millisecond."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    clock = datetime.fromtimestamp(seconds, UTC)
    return f"{clock:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def limit_text(limit: risk_pb2.Limit) -> str:
    """A limit as one line: where, what, how much, by whom, and until when if it is an override."""
    until = f" until {time_text(limit.expire_time_ns)}" if limit.expire_time_ns else ""
    why = f" ({limit.comment})" if limit.comment else ""
    where = target_text(limit.target)
    return f"{where:28} {kind_name(limit.kind):20} {limit.value:>20}  {limit.author}{until}{why}"


def instrument_text(text: str) -> str:
    """An instrument of our own venue may be named without it."""
    return text if not text or "@" in text else f"{text}@TCAP"


def kind_name(kind: int) -> str:
    """The kind of a limit as :func:`kind_of` reads it."""
    name = risk_pb2.LimitKind.Name(cast("risk_pb2.LimitKind.ValueType", kind))
    return name.removeprefix(_KIND_PREFIX).lower().replace("_", "-")
