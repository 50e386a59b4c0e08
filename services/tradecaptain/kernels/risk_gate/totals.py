"""Limits on what a group (a desk) or a firm holds together: exposure, margin, loss, positions.

A row of totals is made when the first such limit of a group or firm is set, and then holds the sums
of all its accounts; a second row for each instrument in which its position is limited. An account
that joins or leaves takes its sums with it.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    load_i32,
    load_i64,
    store_i32,
    store_i64,
    store_u8,
    zero_bytes,
)
from tradecaptain.kernels.fixed_point import add_saturating
from tradecaptain.kernels.risk_gate.far_calls import (
    FAR_ADD_QUANTITY,
    FAR_JOIN_FIRM,
    FAR_MARK_GROUP,
    FAR_TOTAL_TRIPPED,
    far_entry,
)
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_FIRM_ID,
    ACCOUNT_FIRM_TOTAL,
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_GROUP_ID,
    ACCOUNT_GROUP_TOTAL,
    ACCOUNT_MARGIN,
    ACCOUNT_MARKS,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    ACCOUNT_ROW_BYTES,
    FIRST_POSITION_TOTAL_KIND,
    FIRST_TOTAL_KIND,
    HEADER_ACCOUNTS,
    HEADER_POSITION_TOTAL_COUNT,
    HEADER_REJECT_FLAGS,
    HEADER_REJECT_LEVEL,
    HEADER_REJECT_LIMIT_VALUE,
    HEADER_REJECT_OBSERVED_VALUE,
    HEADER_TOTALS,
    HEADER_VALUES_ARE_KEPT,
    INT64_MAX,
    MARK_HAS_TOTALS,
    PAIR_POSITION,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    SUM_OFFSETS,
    TABLE_BUCKET_COUNT,
    TABLE_ROWS,
    TOTAL_POSITION,
    TOTAL_QUANTITY_MAX,
    TOTAL_ROW_BYTES,
    UNLIMITED,
    VALUE_MAX,
)
from tradecaptain.kernels.risk_gate.level_rows import find_or_add_limits
from tradecaptain.kernels.risk_gate.pairs import pair_at, pair_count, pair_of
from tradecaptain.kernels.risk_gate.permissions import reduces
from tradecaptain.kernels.risk_gate.rows import find_instrument, is_valid_id, working_offset
from tradecaptain.kernels.risk_gate.sums import add_to_sum, equity, profit_of_day
from tradecaptain.kernels.risk_gate.table import find_bucket, pair_key
from tradecaptain.kernels.risk_gate.valuation import (
    refresh_unit_value,
    values_with,
    why_without_value,
)
from tradecaptain.wire import common, control, reason

_ACTION_CLEAR_LIMIT = control.CONTROL_ACTION_CLEAR_LIMIT
_KIND_CREDIT = control.LIMIT_KIND_CREDIT
_KIND_DAILY_LOSS = control.LIMIT_KIND_DAILY_LOSS
_KIND_GROSS_EXPOSURE = control.LIMIT_KIND_GROSS_EXPOSURE
_KIND_NET_EXPOSURE = control.LIMIT_KIND_NET_EXPOSURE
_KIND_POSITION_LONG = control.LIMIT_KIND_POSITION_LONG
_KIND_POSITION_SHORT = control.LIMIT_KIND_POSITION_SHORT
_KIND_TOTAL_GROSS_EXPOSURE = control.LIMIT_KIND_TOTAL_GROSS_EXPOSURE
_REASON_INVALID_REQUEST = reason.REASON_INVALID_REQUEST
_REASON_NUMBER_OUT_OF_RANGE = reason.REASON_NUMBER_OUT_OF_RANGE
_REASON_TOTAL_CREDIT_LIMIT = reason.REASON_TOTAL_CREDIT_LIMIT
_REASON_TOTAL_DAILY_LOSS_LIMIT = reason.REASON_TOTAL_DAILY_LOSS_LIMIT
_REASON_TOTAL_GROSS_EXPOSURE_LIMIT = reason.REASON_TOTAL_GROSS_EXPOSURE_LIMIT
_REASON_TOTAL_NET_EXPOSURE_LIMIT = reason.REASON_TOTAL_NET_EXPOSURE_LIMIT
_REASON_TOTAL_POSITION_LIMIT_LONG = reason.REASON_TOTAL_POSITION_LIMIT_LONG
_REASON_TOTAL_POSITION_LIMIT_SHORT = reason.REASON_TOTAL_POSITION_LIMIT_SHORT
_REASON_UNKNOWN_INSTRUMENT = reason.REASON_UNKNOWN_INSTRUMENT
_SCOPE_FIRM = control.CONTROL_SCOPE_FIRM
_SCOPE_GROUP = control.CONTROL_SCOPE_GROUP
_SIDE_BUY = common.SIDE_BUY

TOTAL_OF_FIRM = 0
TOTAL_OF_GROUP = 1


# Sums of totals


@inline
def add_account(total: int, account: int, sign: int) -> None:
    """Put all sums of an account into a row of totals, or take them out."""
    for offset in SUM_OFFSETS:
        add_to_sum(total, offset, sign * load_i64(account + offset))


@inline_always
def total_key(kind: int, identifier: int, instrument_id: int) -> int:
    """Key of a row of totals: of a firm or group, in all instruments (0) or in one."""
    return (kind << 62) | (identifier << 31) | instrument_id


@inline
def find_total(gate: int, kind: int, identifier: int, instrument_id: int) -> int:
    """Row of totals, or 0 if there is none; identifier 0 names no firm and no group."""
    if identifier <= 0:
        return 0
    key = total_key(kind, identifier, instrument_id)
    row = find_bucket(gate + HEADER_TOTALS, key, TOTAL_ROW_BYTES)
    return row if load_i64(row) != 0 else 0


@inline_always
def counted_quantity(quantity: int) -> int:
    """A quantity of one account as it counts in totals, so that no sum of them overflows."""
    return min(max(quantity, -TOTAL_QUANTITY_MAX), TOTAL_QUANTITY_MAX)


@inline
def add_quantity(
    gate: int, account: int, instrument_id: int, offset: int, before: int, after: int
) -> None:
    """Bring the totals of position or working orders with what changed in a pair."""
    if load_i64(gate + HEADER_POSITION_TOTAL_COUNT) == 0:
        return
    added = counted_quantity(after) - counted_quantity(before)
    group_id = load_i32(account + ACCOUNT_GROUP_ID) + 0
    group = find_total(gate, TOTAL_OF_GROUP, group_id, instrument_id)
    if group != 0:
        add_to_sum(group + TOTAL_POSITION - PAIR_POSITION, offset, added)
    firm_id = load_i32(account + ACCOUNT_FIRM_ID) + 0
    firm = find_total(gate, TOTAL_OF_FIRM, firm_id, instrument_id)
    if firm != 0:
        add_to_sum(firm + TOTAL_POSITION - PAIR_POSITION, offset, added)


@far_entry(FAR_ADD_QUANTITY)
def add_quantity_entry(
    gate: int, account: int, instrument_id: int, offset: int, before: int, after: int
) -> int:
    """As :func:`add_quantity`, for the order path."""
    add_quantity(gate, account, instrument_id, offset, before, after)
    return 0


# Who belongs to a total


@inline
def _link(account: int, offset: int, total: int) -> None:
    """Tell an account where one of its totals lies."""
    store_i64(account + offset, total)
    belongs = load_i64(account + ACCOUNT_GROUP_TOTAL) | load_i64(account + ACCOUNT_FIRM_TOTAL)
    marks = load_i32(account + ACCOUNT_MARKS) & ~MARK_HAS_TOTALS
    store_i32(account + ACCOUNT_MARKS, marks | (MARK_HAS_TOTALS if belongs != 0 else 0))


@inline
def _move_quantities(gate: int, account: int, kind: int, identifier: int, sign: int) -> None:
    """Put an account's positions and working orders into the totals of a group or firm, or out."""
    if load_i64(gate + HEADER_POSITION_TOTAL_COUNT) == 0:
        return
    account_id = load_i64(account)
    for number in range(1, pair_count(gate) + 1):
        pair = pair_at(gate, number)
        key = load_i64(pair)
        if key >> 32 == account_id:
            row = find_total(gate, kind, identifier, key & 0xFFFFFFFF)
            if row != 0:
                _add_quantities(row, pair, sign)


@inline
def _add_quantities(row: int, pair: int, sign: int) -> None:
    base = row + TOTAL_POSITION - PAIR_POSITION
    for offset in (PAIR_POSITION, PAIR_WORKING_BUY, PAIR_WORKING_SELL):
        add_to_sum(base, offset, sign * counted_quantity(load_i64(pair + offset)))


@inline
def join_total(gate: int, account: int, kind: int, identifier: int) -> None:
    """Take an account out of its group's or firm's totals, and into those of another (0: none)."""
    is_group = kind == TOTAL_OF_GROUP
    offset = ACCOUNT_GROUP_TOTAL if is_group else ACCOUNT_FIRM_TOTAL
    id_offset = ACCOUNT_GROUP_ID if is_group else ACCOUNT_FIRM_ID
    before = load_i64(account + offset)
    if before != 0:
        add_account(before, account, -1)
        _move_quantities(gate, account, kind, load_i32(account + id_offset) + 0, -1)
    store_i32(account + id_offset, identifier)
    after = find_total(gate, kind, identifier, 0)
    _link(account, offset, after)
    if after != 0:
        add_account(after, account, 1)
        _move_quantities(gate, account, kind, identifier, 1)


@inline
def _gather_accounts(gate: int, row: int, kind: int, identifier: int) -> None:
    """Fill a new row of totals with the sums of its accounts."""
    is_group = kind == TOTAL_OF_GROUP
    offset = ACCOUNT_GROUP_TOTAL if is_group else ACCOUNT_FIRM_TOTAL
    id_offset = ACCOUNT_GROUP_ID if is_group else ACCOUNT_FIRM_ID
    account = load_i64(gate + HEADER_ACCOUNTS + TABLE_ROWS)
    for _ in range(load_i64(gate + HEADER_ACCOUNTS + TABLE_BUCKET_COUNT)):
        if load_i64(account) != 0 and load_i32(account + id_offset) == identifier:
            _link(account, offset, row)
            add_account(row, account, 1)
        account += ACCOUNT_ROW_BYTES


@inline
def _gather_quantities(gate: int, row: int, kind: int, identifier: int, instrument_id: int) -> None:
    """Fill a new row of totals in an instrument with what its accounts hold there."""
    id_offset = ACCOUNT_GROUP_ID if kind == TOTAL_OF_GROUP else ACCOUNT_FIRM_ID
    account = load_i64(gate + HEADER_ACCOUNTS + TABLE_ROWS)
    for _ in range(load_i64(gate + HEADER_ACCOUNTS + TABLE_BUCKET_COUNT)):
        if load_i64(account) != 0 and load_i32(account + id_offset) == identifier:
            pair = pair_of(gate, pair_key(load_i64(account), instrument_id))
            if load_i64(pair) != 0:
                _add_quantities(row, pair, 1)
        account += ACCOUNT_ROW_BYTES


@inline
def _total_row(gate: int, kind: int, identifier: int, instrument_id: int) -> int:
    """Row of totals, made if there is none; a negative reason if there is no room."""
    row = find_total(gate, kind, identifier, instrument_id)
    if row != 0:
        return row
    key = total_key(kind, identifier, instrument_id)
    row = find_or_add_limits(gate + HEADER_TOTALS, key, TOTAL_ROW_BYTES, 0)
    if row < 0:
        return row
    if instrument_id == 0:
        _gather_accounts(gate, row, kind, identifier)
        return row
    count = load_i64(gate + HEADER_POSITION_TOTAL_COUNT)
    store_i64(gate + HEADER_POSITION_TOTAL_COUNT, count + 1)
    _gather_quantities(gate, row, kind, identifier, instrument_id)
    return row


@inline
def total_limit_row(gate: int, record: int) -> int:
    """Row that a control of a limit on totals names, or a negative reason.

    Positions are limited in an instrument, all else over all of them; the venue has no totals.
    """
    scope = control.get_scope(record)
    identifier = control.get_scope_id(record)
    instrument_id = control.get_instrument_id(record)
    is_position = control.get_limit_kind(record) >= FIRST_POSITION_TOTAL_KIND
    if (scope != _SCOPE_GROUP and scope != _SCOPE_FIRM) or not is_valid_id(identifier):
        return -_REASON_INVALID_REQUEST
    if is_position != (instrument_id != 0):
        return -_REASON_INVALID_REQUEST
    if is_position and find_instrument(gate, instrument_id) == 0:
        return -_REASON_UNKNOWN_INSTRUMENT
    if control.get_action(record) != _ACTION_CLEAR_LIMIT and control.get_value(record) < 0:
        return -_REASON_NUMBER_OUT_OF_RANGE
    kind = TOTAL_OF_GROUP if scope == _SCOPE_GROUP else TOTAL_OF_FIRM
    row = _total_row(gate, kind, identifier, 0)
    if row < 0 or not is_position:
        return row
    return _total_row(gate, kind, identifier, instrument_id)


@inline
def kind_in_row(kind: int) -> int:
    """The kind of limit in whose place a limit on totals lies in its row."""
    if kind >= FIRST_POSITION_TOTAL_KIND:
        return _KIND_POSITION_LONG + kind - FIRST_POSITION_TOTAL_KIND
    return _KIND_GROSS_EXPOSURE + kind - FIRST_TOTAL_KIND


@far_entry(FAR_JOIN_FIRM)
def join_firm(gate: int, account: int, firm_id: int, a: int, b: int, c: int) -> int:
    """An account belongs to the firm that its orders name; totals of the firm count it."""
    join_total(gate, account, TOTAL_OF_FIRM, firm_id)
    return 0


@far_entry(FAR_MARK_GROUP)
def mark_group(gate: int, group_id: int, accounts: int, count: int, a: int, b: int) -> int:
    """Mark the accounts of a group by bytes of 1 in a map of ``count`` account ids."""
    zero_bytes(accounts, count)
    account = load_i64(gate + HEADER_ACCOUNTS + TABLE_ROWS)
    for _ in range(load_i64(gate + HEADER_ACCOUNTS + TABLE_BUCKET_COUNT)):
        account_id = load_i64(account)
        if 0 < account_id < count and load_i32(account + ACCOUNT_GROUP_ID) == group_id:
            store_u8(accounts + account_id, 1)
        account += ACCOUNT_ROW_BYTES
    return 0


# Checks


@inline
def _trip(gate: int, why: int, scope: int, limit: int, observed: int) -> int:
    """Note which total an order would trip; it is the caller who counts a refusal."""
    store_i64(gate + HEADER_REJECT_LEVEL, scope)
    store_i64(gate + HEADER_REJECT_LIMIT_VALUE, limit)
    store_i64(gate + HEADER_REJECT_OBSERVED_VALUE, observed)
    store_i64(gate + HEADER_REJECT_FLAGS, 0)
    return why


@inline
def _position_trips(gate: int, row: int, scope: int, pair: int, side: int, added: int) -> int:
    """Hold the position of a group or firm in an instrument against its limit."""
    if row == 0:
        return 0
    kind = _KIND_POSITION_LONG if side == _SIDE_BUY else _KIND_POSITION_SHORT
    limit = load_i64(row + 8 * kind)
    if limit == UNLIMITED:
        return 0
    offset = working_offset(side)
    before = load_i64(pair + offset)
    after = add_saturating(before, added)
    base = row + TOTAL_POSITION - PAIR_POSITION
    working = load_i64(base + offset) + counted_quantity(after) - counted_quantity(before)
    position = load_i64(base + PAIR_POSITION)
    held = working + position if side == _SIDE_BUY else working - position
    if after >= TOTAL_QUANTITY_MAX:
        held = INT64_MAX
    if held <= limit:
        return 0
    is_buy = side == _SIDE_BUY
    why = _REASON_TOTAL_POSITION_LIMIT_LONG if is_buy else _REASON_TOTAL_POSITION_LIMIT_SHORT
    return _trip(gate, why, scope, limit, held)


@inline
def _binds(row: int) -> bool:
    """Whether a total limits exposure, margin or loss."""
    if row == 0:
        return False
    tightest = min(load_i64(row + 8 * _KIND_GROSS_EXPOSURE), load_i64(row + 8 * _KIND_NET_EXPOSURE))
    tightest = min(tightest, load_i64(row + 8 * _KIND_CREDIT))
    return min(tightest, load_i64(row + 8 * _KIND_DAILY_LOSS)) != UNLIMITED


@inline
def _sum_with(row: int, offset: int, before: int, after: int) -> int:
    """A total with one pair's part replaced; INT64_MAX for a part too large to know."""
    if abs(after) >= VALUE_MAX:
        return INT64_MAX
    return add_saturating(load_i64(row + offset), after - before)


@inline
def _exposure_trips(gate: int, row: int, scope: int, old: Any, new: Any) -> int:
    """Hold gross and net exposure of a group or firm against their limits."""
    limit = load_i64(row + 8 * _KIND_GROSS_EXPOSURE)
    before = load_i64(row + ACCOUNT_GROSS_EXPOSURE)
    after = _sum_with(row, ACCOUNT_GROSS_EXPOSURE, old[0], new[0])
    if limit != UNLIMITED and after > limit and (after > before or after == INT64_MAX):
        return _trip(gate, _REASON_TOTAL_GROSS_EXPOSURE_LIMIT, scope, limit, after)
    limit = load_i64(row + 8 * _KIND_NET_EXPOSURE)
    if_bought = load_i64(row + ACCOUNT_NET_IF_BOUGHT)
    if_sold = load_i64(row + ACCOUNT_NET_IF_SOLD)
    before = max(abs(if_bought), abs(if_sold))
    bought = _sum_with(row, ACCOUNT_NET_IF_BOUGHT, old[1], new[1])
    sold = _sum_with(row, ACCOUNT_NET_IF_SOLD, old[2], new[2])
    after = max(abs(bought), abs(sold))
    if limit != UNLIMITED and after > limit and (after > before or after == INT64_MAX):
        return _trip(gate, _REASON_TOTAL_NET_EXPOSURE_LIMIT, scope, limit, after)
    return 0


@inline
def _money_trips(gate: int, row: int, scope: int, old: Any, new: Any, is_reduction: bool) -> int:
    """Hold margin and the day's loss of a group or firm against their limits."""
    credit = load_i64(row + 8 * _KIND_CREDIT)
    if credit != UNLIMITED:
        after = _sum_with(row, ACCOUNT_MARGIN, old[3], new[3])
        allowed = add_saturating(credit, equity(row))
        if after > allowed and after > load_i64(row + ACCOUNT_MARGIN):
            return _trip(gate, _REASON_TOTAL_CREDIT_LIMIT, scope, allowed, after)
    limit = load_i64(row + 8 * _KIND_DAILY_LOSS)
    loss = -max(profit_of_day(row), -INT64_MAX)
    if limit != UNLIMITED and loss > limit and not is_reduction:
        return _trip(gate, _REASON_TOTAL_DAILY_LOSS_LIMIT, scope, limit, loss)
    return 0


@inline
def _values_trip(gate: int, account: int, instrument: int, pair: int, side: int, added: int) -> int:
    """Hold exposure, margin and loss of an account's group and firm against their limits."""
    group, firm = load_i64(account + ACCOUNT_GROUP_TOTAL), load_i64(account + ACCOUNT_FIRM_TOTAL)
    of_group, of_firm = _binds(group), _binds(firm)
    if not of_group and not of_firm:
        return 0
    if not refresh_unit_value(instrument):
        scope = _SCOPE_GROUP if of_group else _SCOPE_FIRM
        why = why_without_value(instrument)
        return _trip(gate, why, scope, 0, _KIND_TOTAL_GROSS_EXPOSURE)
    old, new = values_with(gate, account, instrument, pair, side, added)
    is_reduction = reduces(pair, side, added)
    why = 0
    if of_group:
        why = _exposure_trips(gate, group, _SCOPE_GROUP, old, new)
        if why == 0:
            why = _money_trips(gate, group, _SCOPE_GROUP, old, new, is_reduction)
    if why == 0 and of_firm:
        why = _exposure_trips(gate, firm, _SCOPE_FIRM, old, new)
        if why == 0:
            why = _money_trips(gate, firm, _SCOPE_FIRM, old, new, is_reduction)
    return why


@far_entry(FAR_TOTAL_TRIPPED)
def total_tripped(
    gate: int, account: int, instrument: int, pair: int, side: int, added: int
) -> int:
    """The reason for which the totals of an account's group or firm refuse ``added``, or 0.

    Its detail is noted. The group's are looked at before the firm's, positions before values.
    """
    why = 0
    if load_i64(gate + HEADER_POSITION_TOTAL_COUNT) != 0:
        instrument_id = load_i64(instrument)
        group_id = load_i32(account + ACCOUNT_GROUP_ID) + 0
        row = find_total(gate, TOTAL_OF_GROUP, group_id, instrument_id)
        why = _position_trips(gate, row, _SCOPE_GROUP, pair, side, added)
        if why == 0:
            firm_id = load_i32(account + ACCOUNT_FIRM_ID) + 0
            row = find_total(gate, TOTAL_OF_FIRM, firm_id, instrument_id)
            why = _position_trips(gate, row, _SCOPE_FIRM, pair, side, added)
    if why == 0 and load_i64(gate + HEADER_VALUES_ARE_KEPT) != 0:
        why = _values_trip(gate, account, instrument, pair, side, added)
    return why
