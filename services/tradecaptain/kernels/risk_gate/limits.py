"""The hierarchy: which limits and kill switches govern one order, and at which level one tripped.

Every limit is held against the order's account (and its position in the order's instrument). The
levels venue, firm, instrument, account and account-instrument each may set it; the tightest counts.
A limit that a level doesn't set is stored as INT64_MAX, so the tightest is a plain minimum; that it
is not set is told by the row's mask.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64, load_u16
from tradecaptain.kernels.risk_gate.rejection import reject
from tradecaptain.kernels.risk_gate.rows import is_valid_id
from tradecaptain.kernels.risk_gate.state import (
    FIRST_LIMIT_KIND,
    FLAG_KILLED,
    HEADER_KILLED_STRATEGY_COUNT,
    HEADER_STRATEGIES,
    HEADER_VENUE,
    LAST_LIMIT_KIND,
    LIMIT_FLAGS,
    LIMIT_SET_MASK,
    REQUIRED_MASK,
    STRATEGY_FLAGS,
    STRATEGY_ROW_BYTES,
)
from tradecaptain.kernels.risk_gate.table import find_bucket
from tradecaptain.wire import control, reason

_REASON_KILL_SWITCH = reason.REASON_KILL_SWITCH
_REASON_LIMIT_UNSET = reason.REASON_LIMIT_UNSET
_SCOPE_ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
_SCOPE_ACCOUNT_INSTRUMENT = control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT
_SCOPE_FIRM = control.CONTROL_SCOPE_FIRM
_SCOPE_INSTRUMENT = control.CONTROL_SCOPE_INSTRUMENT
_SCOPE_STRATEGY = control.CONTROL_SCOPE_STRATEGY


@inline
def tightest(
    gate: int, firm: int, instrument: int, account: int, override: int, limit_offset: int
) -> int:
    """The smallest of a limit over all levels; UNLIMITED if each is unset or unlimited."""
    value = min(load_i64(account + limit_offset), load_i64(override + limit_offset))
    value = min(value, load_i64(instrument + limit_offset))
    value = min(value, load_i64(firm + limit_offset))
    return min(value, load_i64(gate + HEADER_VENUE + limit_offset))


@inline
def _sets(row: int, limit_offset: int, value: int) -> bool:
    """Whether a level sets a limit to a value. The limits lie in the order of their kinds."""
    kind = limit_offset >> 3
    is_set = (load_u16(row + LIMIT_SET_MASK) >> kind) & 1 == 1
    return is_set and load_i64(row + limit_offset) == value


@inline
def level_of(
    gate: int, firm: int, instrument: int, account: int, limit_offset: int, value: int
) -> int:
    """The broadest level (a ControlScope) that sets the tightest value of a limit."""
    if _sets(gate + HEADER_VENUE, limit_offset, value):
        return _SCOPE_FIRM
    if _sets(firm, limit_offset, value):
        return _SCOPE_FIRM
    if _sets(instrument, limit_offset, value):
        return _SCOPE_INSTRUMENT
    if _sets(account, limit_offset, value):
        return _SCOPE_ACCOUNT
    return _SCOPE_ACCOUNT_INSTRUMENT


@inline
def is_killed(row: int) -> bool:
    """Whether the kill switch of a level is on."""
    return load_u16(row + LIMIT_FLAGS) & FLAG_KILLED != 0


@inline
def _is_strategy_killed(gate: int, strategy_id: int) -> bool:
    if load_i64(gate + HEADER_KILLED_STRATEGY_COUNT) == 0 or not is_valid_id(strategy_id):
        return False
    row = find_bucket(gate + HEADER_STRATEGIES, strategy_id, STRATEGY_ROW_BYTES)
    return load_i64(row) != 0 and load_i64(row + STRATEGY_FLAGS) & FLAG_KILLED != 0


@inline
def check_kill_switches(
    gate: int, firm: int, instrument: int, account: int, override: int, strategy_id: int
) -> int:
    """0, or REASON_KILL_SWITCH with the broadest level whose switch is on."""
    level = 0
    if _is_strategy_killed(gate, strategy_id):
        level = _SCOPE_STRATEGY
    if is_killed(override):
        level = _SCOPE_ACCOUNT_INSTRUMENT
    if is_killed(account):
        level = _SCOPE_ACCOUNT
    if is_killed(instrument):
        level = _SCOPE_INSTRUMENT
    if is_killed(firm) or is_killed(gate + HEADER_VENUE):
        level = _SCOPE_FIRM
    if level == 0:
        return 0
    return reject(gate, _REASON_KILL_SWITCH, level, 0, 1)


@inline
def check_limits_are_set(gate: int, account: int, override: int) -> int:
    """0, or REASON_LIMIT_UNSET with the first missing limit kind as the observed value."""
    set_mask = load_u16(account + LIMIT_SET_MASK) | load_u16(override + LIMIT_SET_MASK)
    if set_mask & REQUIRED_MASK == REQUIRED_MASK:
        return 0
    kind = FIRST_LIMIT_KIND
    while kind < LAST_LIMIT_KIND and (set_mask >> kind) & 1 == 1:
        kind += 1
    return reject(gate, _REASON_LIMIT_UNSET, _SCOPE_ACCOUNT, 0, kind)
