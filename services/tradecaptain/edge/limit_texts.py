"""Limits in refusals as text: which unit a reason's numbers have, whence a reference came."""

from __future__ import annotations

from typing import Final

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.accounts import NOTIONAL_UNIT
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.units import UnitScale
from tradecaptain.wire import reason

QUANTITY_REASONS: Final = frozenset(
    {
        reason.REASON_ORDER_QUANTITY_LIMIT,
        reason.REASON_POSITION_LIMIT_LONG,
        reason.REASON_POSITION_LIMIT_SHORT,
        reason.REASON_GROSS_POSITION_LIMIT,
        reason.REASON_REDUCE_ONLY,
        reason.REASON_TOTAL_POSITION_LIMIT_LONG,
        reason.REASON_TOTAL_POSITION_LIMIT_SHORT,
    }
)
"""Refusals whose limit and observed value count the instrument's quantity."""
MONEY_REASONS: Final = frozenset(
    {
        reason.REASON_ORDER_NOTIONAL_LIMIT,
        reason.REASON_GROSS_EXPOSURE_LIMIT,
        reason.REASON_NET_EXPOSURE_LIMIT,
        reason.REASON_CREDIT_LIMIT,
        reason.REASON_DAILY_LOSS_LIMIT,
        reason.REASON_TOTAL_GROSS_EXPOSURE_LIMIT,
        reason.REASON_TOTAL_NET_EXPOSURE_LIMIT,
        reason.REASON_TOTAL_CREDIT_LIMIT,
        reason.REASON_TOTAL_DAILY_LOSS_LIMIT,
    }
)
"""Refusals whose limit and observed value are money."""
_UNITS: Final = {
    reason.REASON_PRICE_COLLAR: ("basis points", "basis points"),
    reason.REASON_PRICE_MOVE_COLLAR: ("basis points", "basis points"),
    reason.REASON_DISPLAYED_SHARE_LIMIT: ("basis points", "basis points"),
    reason.REASON_REFERENCE_PRICE_STALE: ("ms", "ms"),
    reason.REASON_DUPLICATE_ORDER: ("ms", "ms"),
    reason.REASON_MESSAGE_RATE_LIMIT: ("messages a second", "at once"),
    reason.REASON_OPEN_ORDER_LIMIT: ("orders", "orders"),
    reason.REASON_EXECUTION_THROTTLE: ("executions", "executions"),
}
"""Words behind the limit and behind what was observed, where the numbers are plain counts."""
_KIND_SAID: Final = {
    reason.REASON_LIMIT_UNSET: "unset is",
    reason.REASON_REFERENCE_PRICE_MISSING: "the limit is",
    reason.REASON_CONVERSION_RATE_MISSING: "the limit is",
}
"""Words before the kind of limit that what was observed stands for."""
VALUE_RULE: Final = "a limit on exposure, credit or loss needs a reference price"
"""The rule where what is missing is the instrument's value, and not a collar's reference."""
_MONEY: Final = UnitScale(NOTIONAL_UNIT, reason.REASON_NUMBER_OUT_OF_RANGE, "limit")
_REFERENCE_SOURCES: Final = {4: 1, 8: 2, 16: 3, 32: 4}


def limit_text(why: int, value: int, instrument: Instrument) -> str:
    """A limit or what was held against it, as exact decimal text in the limit's own unit.

    Empty for a reason that holds no number against another, such as a kill switch.
    """
    if why in QUANTITY_REASONS:
        return instrument.quantity.format(value)
    if why in MONEY_REASONS:
        return _MONEY.format(value)
    return str(value) if why in _UNITS else ""


def reference_source(flags: int) -> int:
    """The contract's ReferencePriceSource for the bits of an event that name a reference."""
    return _REFERENCE_SOURCES.get(flags & 0b111100, 0)


def fill_limit(
    detail: errors_pb2.ErrorDetail,
    level: int,
    limit_value: int,
    observed_value: int,
    source: int,
    instrument: Instrument,
) -> None:
    """Tell in a refusal which limit tripped, and where it is set, in fields and in words.

    ``level`` is the Scope at which it tripped; with none the refusal has no limit to tell.
    """
    if level == 0:
        return
    why = int(detail.reason)
    if why == reason.REASON_REFERENCE_PRICE_MISSING and observed_value != 0:
        detail.message = detail.message.replace(detail.rule, VALUE_RULE)
        detail.rule = VALUE_RULE
    detail.level = level  # type: ignore[assignment]
    if limit := limit_text(why, limit_value, instrument):
        detail.limit, detail.observed = limit, limit_text(why, observed_value, instrument)
    detail.reference_source = source  # type: ignore[assignment]
    said = []
    if detail.limit:
        unit, observed_unit = _UNITS.get(why, ("", ""))
        said.append(f"limit {detail.limit} {unit}".rstrip())
        said.append(f"observed {detail.observed} {observed_unit}".rstrip())
    if why in _KIND_SAID and observed_value != 0:
        kind = risk_pb2.LimitKind.Name(observed_value)  # type: ignore[arg-type]
        said.append(f"{_KIND_SAID[why]} {_plain(kind, 'LIMIT_KIND_')}")
    scope = _plain(common_pb2.Scope.Name(level), "SCOPE_")  # type: ignore[arg-type]
    scope = scope.replace("account instrument", "account in this instrument")
    said.append(f"at the level of the {scope}")
    if source:
        name = common_pb2.ReferencePriceSource.Name(source)  # type: ignore[arg-type]
        said.append(f"reference is the {_plain(name, 'REFERENCE_PRICE_SOURCE_')}")
    detail.message += f" ({', '.join(said)})"


def _plain(name: str, prefix: str) -> str:
    """The name of an enum's value as words."""
    return name.removeprefix(prefix).lower().replace("_", " ")
