"""The hierarchy: which limits and switches govern one order, and at which level one tripped.

The levels venue, firm, group, instrument, account, account-instrument and strategy each may set a
limit; the tightest counts. A limit that a level doesn't set is stored as INT64_MAX, so the tightest
is a plain minimum; that it is not set is told by the row's mask. The header's row of nothing stands
for a level without a row of its own.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_GROUP_ID,
    HEADER_LEVEL_ROWS,
    HEADER_VENUE,
    LIMIT_FLAGS,
    LIMIT_SET_MASK,
    REQUIRED_MASK,
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.rejection import reject
from tradecaptain.kernels.risk_gate.rows import (
    find_account,
    find_firm,
    find_group,
    find_override,
    find_strategy,
)
from tradecaptain.wire import control, order_command, reason

_REASON_LIMIT_UNSET = reason.REASON_LIMIT_UNSET

LEVEL_COUNT = 7
LEVEL_INSTRUMENT = 3
LEVEL_ACCOUNT = 4
LEVEL_OVERRIDE = 5
SCOPE_OF_LEVEL = (
    control.CONTROL_SCOPE_FIRM,  # the venue is the firm of all firms
    control.CONTROL_SCOPE_FIRM,
    control.CONTROL_SCOPE_GROUP,
    control.CONTROL_SCOPE_INSTRUMENT,
    control.CONTROL_SCOPE_ACCOUNT,
    control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT,
    control.CONTROL_SCOPE_STRATEGY,
)
_SCOPE_ACCOUNT = control.CONTROL_SCOPE_ACCOUNT


@inline
def level_row(gate: int, level: int) -> int:
    """Row of a level of the order at hand."""
    return load_i64(gate + HEADER_LEVEL_ROWS + 8 * level)


@inline
def select_levels(gate: int, instrument: int, command: int) -> None:
    """Find the rows of every level that governs a command; the broadest first."""
    account_id = order_command.get_account_id(command)
    account = find_account(gate, account_id)
    override = find_override(gate, account, account_id, order_command.get_instrument_id(command))
    rows = gate + HEADER_LEVEL_ROWS
    store_i64(rows, gate + HEADER_VENUE)
    store_i64(rows + 8, find_firm(gate, order_command.get_firm_id(command)))
    store_i64(rows + 16, find_group(gate, load_i32(account + ACCOUNT_GROUP_ID) + 0))
    store_i64(rows + 24, instrument)
    store_i64(rows + 32, account)
    store_i64(rows + 40, override)
    store_i64(rows + 48, find_strategy(gate, order_command.get_strategy_id(command)))


@inline
def tightest(gate: int, kind: int) -> int:
    """The smallest limit of a kind over all levels; UNLIMITED if each is unset or unlimited."""
    value = UNLIMITED
    for level in range(LEVEL_COUNT):
        value = min(value, load_i64(level_row(gate, level) + 8 * kind))
    return value


@inline
def level_of(gate: int, kind: int, value: int) -> int:
    """The scope of the broadest level that sets the tightest value of a kind."""
    for level in range(LEVEL_COUNT):
        row = level_row(gate, level)
        is_set = (load_i32(row + LIMIT_SET_MASK) >> kind) & 1 == 1
        if is_set and load_i64(row + 8 * kind) == value:
            return SCOPE_OF_LEVEL[level]
    return 0


@inline
def reject_limit(gate: int, why: int, kind: int, limit: int, observed: int) -> int:
    """Refuse for a limit of a kind, naming the level that sets it."""
    return reject(gate, why, level_of(gate, kind, limit), limit, observed)


@inline
def flags_of_levels(gate: int) -> int:
    """Flags and restrictions that are on at any level."""
    flags = 0
    for level in range(LEVEL_COUNT):
        flags |= load_i32(level_row(gate, level) + LIMIT_FLAGS)
    return flags


@inline
def reject_flag(gate: int, why: int, flag: int, observed: int) -> int:
    """Refuse for a flag that is on, naming the broadest level where it is."""
    for level in range(LEVEL_COUNT):
        if load_i32(level_row(gate, level) + LIMIT_FLAGS) & flag != 0:
            return reject(gate, why, SCOPE_OF_LEVEL[level], 0, observed)
    return 0


@inline
def check_limits_are_set(gate: int) -> int:
    """0, or REASON_LIMIT_UNSET with the first missing limit kind as the observed value."""
    set_mask = load_i32(level_row(gate, LEVEL_ACCOUNT) + LIMIT_SET_MASK)
    set_mask |= load_i32(level_row(gate, LEVEL_OVERRIDE) + LIMIT_SET_MASK)
    if set_mask & REQUIRED_MASK == REQUIRED_MASK:
        return 0
    kind = 1
    while (set_mask >> kind) & 1 == 1:
        kind += 1
    return reject(gate, _REASON_LIMIT_UNSET, _SCOPE_ACCOUNT, 0, kind)
