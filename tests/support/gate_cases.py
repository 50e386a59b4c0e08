"""The cases of tests/vectors/risk, for any gate with the same methods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tradecaptain.wire import common, control, reason
from twins.risk_gate.terms import REFERENCE_BITS, UNLIMITED, Level, Order, Verdict

FOLDER = Path(__file__).parents[1] / "vectors" / "risk"
TABLE = json.loads((FOLDER / "gate_controls.json").read_text())
CASES = [*TABLE["cases"], *json.loads((FOLDER / "gate_rules.json").read_text())["cases"]]
KIND_NAMES = (
    *TABLE["base"],
    *("gross_position", "displayed_share", "price_move", "reference_age", "message_rate"),
    *("message_burst", "duplicate_window", "execution_count", "execution_window"),
    *("gross_exposure", "net_exposure", "credit", "daily_loss", "total_gross_exposure"),
    *("total_net_exposure", "total_credit", "total_daily_loss", "total_position_long"),
    "total_position_short",
)
KIND_NUMBERS = {name: number for number, name in enumerate(KIND_NAMES, start=1)}
SIDES = {"unset": common.SIDE_UNSET, "buy": common.SIDE_BUY, "sell": common.SIDE_SELL}
ORDER_TYPES = {"limit": common.ORDER_TYPE_LIMIT, "market": common.ORDER_TYPE_MARKET}
SCOPES = {
    "firm": control.CONTROL_SCOPE_FIRM,
    "account": control.CONTROL_SCOPE_ACCOUNT,
    "instrument": control.CONTROL_SCOPE_INSTRUMENT,
    "strategy": control.CONTROL_SCOPE_STRATEGY,
    "account_instrument": control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT,
    "group": control.CONTROL_SCOPE_GROUP,
}
METHODS = {
    "group": "set_group",
    "firm": "set_firm",
    "cash": "set_cash",
    "margin": "set_margin",
    "conversion": "set_conversion",
    "scenarios": "set_scenarios",
    "start_day": "start_day",
    "reset": "reset_throttle",
    "revalue": "revalue",
}
"""Steps that are methods of a gate with the step's own arguments."""
INSTRUMENT_RATIOS = {7: (10_000, 1), 8: (1, 10_000), 9: (10_000, 1)}


def level_of(text: str) -> Level:
    """`account:100` or `account_instrument:100:7` as a level."""
    scope, *numbers = text.split(":")
    identifier = int(numbers[0])
    if scope == "instrument":
        return SCOPES[scope], 0, identifier
    return SCOPES[scope], identifier, int(numbers[1]) if len(numbers) > 1 else 0


def order_of(values: dict[str, Any]) -> Order:
    fields = dict(values)
    if "side" in fields:
        fields["side"] = SIDES[fields["side"]]
    if "type" in fields:
        fields["order_type"] = ORDER_TYPES[fields.pop("type")]
    return Order(**fields)


def verdict_of(expect: dict[str, Any]) -> Verdict:
    if expect["reason"] == "PASSED":
        return Verdict()
    return Verdict(
        getattr(reason, f"REASON_{expect['reason']}"),
        SCOPES[expect["level"]] if "level" in expect else 0,
        expect.get("limit", 0),
        expect.get("observed", 0),
        REFERENCE_BITS[expect["reference"]] if "reference" in expect else 0,
    )


def prepare(gate: Any) -> None:
    """Put the table's base state into an empty gate."""
    for instrument, ratio in INSTRUMENT_RATIOS.items():
        assert gate.add_instrument(instrument, *ratio) == 0
    for kind, value in TABLE["base"].items():
        assert gate.set_limit(level_of("account:100"), KIND_NUMBERS[kind], value) == 0
    assert gate.set_reference(7, "last", 1000) == 0


def apply(gate: Any, step: list[Any]) -> None:
    """Do one step of a case's set-up; each must succeed."""
    verb, *rest = step
    if verb == "limit":
        level, kind, value = rest
        value = UNLIMITED if value == "unlimited" else value
        outcome = gate.set_limit(level_of(level), KIND_NUMBERS[kind], value)
    elif verb == "clear":
        outcome = gate.clear_limit(level_of(rest[0]), KIND_NUMBERS[rest[1]])
    elif verb in ("kill", "unkill"):
        outcome = gate.switch(level_of(rest[0]), verb == "kill")
    elif verb == "reference":
        outcome = gate.set_reference(*rest)
    elif verb == "quote":
        outcome = gate.apply_quote(*rest)
    elif verb == "position":
        outcome = gate.set_position(*rest)
    elif verb in ("restrict", "permit"):
        outcome = gate.restrict(level_of(rest[0]), rest[1], verb == "restrict")
    elif verb == "override":
        level, kind, value, end_ns = rest
        outcome = gate.grant_override(level_of(level), KIND_NUMBERS[kind], value, end_ns)
    elif verb == "cancel":
        outcome = gate.note_cancel(order_of(rest[0])) or 0
    elif verb in METHODS:
        outcome = getattr(gate, METHODS[verb])(*rest) or 0
    elif verb == "work":
        outcome = gate.check_new(order_of(rest[0])).reason
    elif verb == "refused":
        outcome = 0 if gate.check_new(order_of(rest[0])).reason else -1
    elif verb in ("fill", "release"):
        account, instrument, side, *numbers = rest
        method = gate.apply_fill if verb == "fill" else gate.release
        outcome = method(account, instrument, SIDES[side], *numbers)
    else:
        raise AssertionError(f"unknown step {verb}")
    assert outcome == 0, (step, outcome)
