"""Values of the audit trail as a person reads them, in the units of what they are."""

from __future__ import annotations

from collections.abc import Iterable

from tradecaptain.api.risk.v1 import administration_pb2
from tradecaptain.base.accounts import NOTIONAL_UNIT
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference import Reference
from tradecaptain.risk.levels import MONEY, format_value
from tradecaptain.risk.settings import RISK_GROUP_KIND, exact_change, format_rate
from tradecaptain.risk.store import AuditRecord

SET_SCENARIOS = "set_scenarios"
"""Changes of an instrument's scenarios; their kind isn't one of limits."""
_SWITCHES = frozenset({"kill", "unkill", "request_kill"})
_RESTRICTIONS = frozenset({"restrict", "permit"})
_RESTRICTION_PREFIX = "RESTRICTION_"


def bits_of(restrictions: Iterable[int]) -> int:
    """The gate's bits for restrictions of the contract: the first is bit 0."""
    bits = 0
    for restriction in restrictions:
        bits |= 1 << (int(restriction) - 1)
    return bits


def restrictions_of(bits: int) -> list[administration_pb2.Restriction.ValueType]:
    """Restrictions of the contract whose bits are on."""
    numbers = [number for number in administration_pb2.Restriction.values() if number]
    return [number for number in numbers if bits >> (number - 1) & 1]


def restriction_text(restriction: administration_pb2.Restriction.ValueType) -> str:
    """A restriction as the command line names it, as ``short-sales``."""
    name = administration_pb2.Restriction.Name(restriction)
    return name.removeprefix(_RESTRICTION_PREFIX).lower().replace("_", "-")


def scenario_text(record: AuditRecord, value: int, reference: Reference) -> str:
    """The risk group of an instrument, or what a unit of quantity gains in one of its scenarios."""
    if record.kind == RISK_GROUP_KIND:
        return f"risk group {value}" if value else "no risk group"
    exact = exact_change(value, reference.instrument(record.level.instrument_id))
    return f"scenario {record.kind + 1} gains {MONEY.format(exact // NOTIONAL_UNIT)}"


def value_text(record: AuditRecord, value: int | None, reference: Reference) -> str:
    """What held before or since a change; empty for nothing."""
    if value is None:
        return ""
    if record.action in _SWITCHES:
        return "on" if value else "off"
    if record.action in _RESTRICTIONS:
        return ", ".join(restriction_text(item) for item in restrictions_of(value)) or "none"
    if record.action == "set_cash":
        return MONEY.format(value)
    if record.action == "set_conversion":
        return format_rate(value)
    try:
        if record.action == "set_reference_price":
            return reference.instrument(record.level.instrument_id).price.format(value)
        if record.action == SET_SCENARIOS:
            return scenario_text(record, value, reference)
        if record.kind:
            return format_value(value, record.level, record.kind, reference)
    except TradeCaptainError:
        # An instrument that is gone has no units any more.
        return f"{value} units"
    return str(value)
