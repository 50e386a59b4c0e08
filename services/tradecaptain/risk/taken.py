"""Changes of the gate that somebody else asked for: the store takes them over."""

from __future__ import annotations

from tradecaptain.risk.ledger import Ledger
from tradecaptain.risk.levels import (
    LIMIT_KINDS,
    SCOPE_ACCOUNT,
    SCOPE_ACCOUNT_INSTRUMENT,
    SCOPE_INSTRUMENT,
    Level,
)
from tradecaptain.risk.store import RiskStore, Stamp
from tradecaptain.wire import control


def level_of(record: int) -> Level:
    """The level that a Control names, in the form in which the store keys it."""
    scope = control.get_scope(record)
    scope_id, instrument_id = control.get_scope_id(record), control.get_instrument_id(record)
    if scope == SCOPE_ACCOUNT and instrument_id:
        scope = SCOPE_ACCOUNT_INSTRUMENT
    if scope == SCOPE_INSTRUMENT:
        return Level(scope, 0, instrument_id)
    return Level(scope, scope_id, instrument_id if scope == SCOPE_ACCOUNT_INSTRUMENT else 0)


def take_foreign_control(store: RiskStore, ledger: Ledger, record: int, stamp: Stamp) -> None:
    """Record a limit, kill switch or position that came sequenced from another author."""
    if control.get_outcome(record) != 0:
        return
    action, kind, level = (
        control.get_action(record),
        control.get_limit_kind(record),
        level_of(record),
    )
    if action == control.CONTROL_ACTION_SET_LIMIT and kind in LIMIT_KINDS:
        value = control.get_value(record)
        if store.limit(level, kind) != value:
            store.set_limit(level, kind, value, stamp)
    elif action == control.CONTROL_ACTION_CLEAR_LIMIT:
        store.clear_limit(level, kind, stamp)
    elif action == control.CONTROL_ACTION_KILL:
        store.set_kill(level, stamp)
    elif action == control.CONTROL_ACTION_UNKILL:
        store.clear_kill(level, stamp)
    elif action == control.CONTROL_ACTION_SET_POSITION:
        ledger.set_position(level.scope_id, level.instrument_id, control.get_value(record))
