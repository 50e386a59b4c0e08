"""What limits come to where checks of the short way read them, made once a change.

For an account those of venue, firm, group and account are put together: a check then compares with
one row instead of four. Only the firm that the last order named is kept: an account belongs to one.
An instrument's own are copied. Some are kept in 32 bits; one that doesn't fit is kept as a tighter
one, or marks its row as extreme, so that the long way decides.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, subtract_saturating
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_CASH,
    ACCOUNT_CREDIT_AND_CASH,
    ACCOUNT_DAY_START_VALUE,
    ACCOUNT_GROUP_ID,
    ACCOUNT_MESSAGE_ALLOWED_NS,
    ACCOUNT_MESSAGE_INTERVAL_NS,
    ACCOUNT_PROFIT_FLOOR,
    ACCOUNT_RESOLVED_FIRM,
    ACCOUNT_RESOLVED_FLAGS,
    ACCOUNT_RESOLVED_VERSION,
    FLAG_EXTREME,
    FLAG_LACKS_LIMITS,
    HEADER_LIMITS_VERSION,
    HEADER_VENUE,
    INSTRUMENT_FLAGS,
    INSTRUMENT_VERSION,
    INT64_MAX,
    LIMIT32_MAX,
    LIMIT_FLAGS,
    LIMIT_SET_MASK,
    OWN_DISPLAYED_SHARE_BPS,
    OWN_DUPLICATE_WINDOW_MS,
    OWN_GROSS_POSITION,
    OWN_OPEN_ORDERS,
    OWN_ORDER_NOTIONAL,
    OWN_ORDER_QUANTITY,
    OWN_POSITION_LONG,
    OWN_POSITION_SHORT,
    OWN_PRICE_COLLAR_BPS,
    OWN_PRICE_MOVE_BPS,
    OWN_REFERENCE_AGE_MS,
    REQUIRED_MASK,
    RESOLVED_DISPLAYED_SHARE_BPS,
    RESOLVED_DUPLICATE_WINDOW_MS,
    RESOLVED_EXECUTION_COUNT,
    RESOLVED_EXECUTION_WINDOW_NS,
    RESOLVED_GROSS_EXPOSURE,
    RESOLVED_GROSS_POSITION,
    RESOLVED_NET_EXPOSURE,
    RESOLVED_OPEN_ORDERS,
    RESOLVED_ORDER_NOTIONAL,
    RESOLVED_ORDER_QUANTITY,
    RESOLVED_POSITION_LONG,
    RESOLVED_POSITION_SHORT,
    RESOLVED_PRICE_COLLAR_BPS,
    RESOLVED_PRICE_MOVE_BPS,
    RESOLVED_REFERENCE_AGE_MS,
    UNLIMITED,
    UNLIMITED32,
)
from tradecaptain.kernels.risk_gate.rates import (
    execution_limits,
    message_allowance_ns,
    message_interval_ns,
)
from tradecaptain.kernels.risk_gate.rows import find_firm, find_group
from tradecaptain.wire import control

_KIND_CREDIT = control.LIMIT_KIND_CREDIT
_KIND_DAILY_LOSS = control.LIMIT_KIND_DAILY_LOSS
_KIND_DUPLICATE_WINDOW = control.LIMIT_KIND_DUPLICATE_WINDOW
_KIND_MESSAGE_BURST = control.LIMIT_KIND_MESSAGE_BURST
_KIND_MESSAGE_RATE = control.LIMIT_KIND_MESSAGE_RATE

# Kind of a limit, where an account keeps what it comes to, and an instrument its own.
_WIDE = (
    (control.LIMIT_KIND_ORDER_QUANTITY, RESOLVED_ORDER_QUANTITY, OWN_ORDER_QUANTITY),
    (control.LIMIT_KIND_ORDER_NOTIONAL, RESOLVED_ORDER_NOTIONAL, OWN_ORDER_NOTIONAL),
    (control.LIMIT_KIND_POSITION_LONG, RESOLVED_POSITION_LONG, OWN_POSITION_LONG),
    (control.LIMIT_KIND_POSITION_SHORT, RESOLVED_POSITION_SHORT, OWN_POSITION_SHORT),
    (control.LIMIT_KIND_GROSS_POSITION, RESOLVED_GROSS_POSITION, OWN_GROSS_POSITION),
)
_NARROW = (
    (control.LIMIT_KIND_PRICE_COLLAR, RESOLVED_PRICE_COLLAR_BPS, OWN_PRICE_COLLAR_BPS),
    (control.LIMIT_KIND_PRICE_MOVE, RESOLVED_PRICE_MOVE_BPS, OWN_PRICE_MOVE_BPS),
    (control.LIMIT_KIND_DISPLAYED_SHARE, RESOLVED_DISPLAYED_SHARE_BPS, OWN_DISPLAYED_SHARE_BPS),
    (control.LIMIT_KIND_OPEN_ORDERS, RESOLVED_OPEN_ORDERS, OWN_OPEN_ORDERS),
    (control.LIMIT_KIND_REFERENCE_AGE, RESOLVED_REFERENCE_AGE_MS, OWN_REFERENCE_AGE_MS),
)
_OF_ACCOUNTS = (
    (control.LIMIT_KIND_GROSS_EXPOSURE, RESOLVED_GROSS_EXPOSURE),
    (control.LIMIT_KIND_NET_EXPOSURE, RESOLVED_NET_EXPOSURE),
)


@inline_always
def narrowed(limit: int) -> int:
    """A limit in 32 bits, tighter than it is if it doesn't fit."""
    return UNLIMITED32 if limit == UNLIMITED else min(limit, LIMIT32_MAX)


@inline_always
def is_current(gate: int, row: int, version_offset: int) -> bool:
    """Whether what a row's limits came to still holds."""
    return load_i32(row + version_offset) == load_i32(gate + HEADER_LIMITS_VERSION)


@inline
def _smallest(gate: int, firm: int, group: int, account: int, kind: int) -> int:
    value = min(load_i64(account + 8 * kind), load_i64(group + 8 * kind))
    return min(value, load_i64(firm + 8 * kind), load_i64(gate + HEADER_VENUE + 8 * kind))


@inline
def _resolve_money(account: int, credit: int, daily_loss: int) -> None:
    """Credit with the cash, and the profit below which the day's loss is too large."""
    allowed = add_saturating(credit, load_i64(account + ACCOUNT_CASH))
    if credit != UNLIMITED and allowed == INT64_MAX:
        # What profit may add to that is for the long way to say.
        allowed = -INT64_MAX
    store_i64(account + ACCOUNT_CREDIT_AND_CASH, INT64_MAX if credit == UNLIMITED else allowed)
    floor = subtract_saturating(load_i64(account + ACCOUNT_DAY_START_VALUE), daily_loss)
    store_i64(account + ACCOUNT_PROFIT_FLOOR, -INT64_MAX if daily_loss == UNLIMITED else floor)


@inline
def _resolve_rates(gate: int, firm: int, group: int, account: int) -> int:
    """Message rate, duplicates, executions; FLAG_EXTREME if a window doesn't fit, else 0."""
    rate = _smallest(gate, firm, group, account, _KIND_MESSAGE_RATE)
    burst = _smallest(gate, firm, group, account, _KIND_MESSAGE_BURST)
    interval_ns = 0 if rate == UNLIMITED else message_interval_ns(rate)
    store_i32(account + ACCOUNT_MESSAGE_INTERVAL_NS, interval_ns)
    store_i64(account + ACCOUNT_MESSAGE_ALLOWED_NS, message_allowance_ns(rate, burst))
    window_ms = _smallest(gate, firm, group, account, _KIND_DUPLICATE_WINDOW)
    store_i32(account + RESOLVED_DUPLICATE_WINDOW_MS, narrowed(window_ms))
    execution_count, execution_window_ns = execution_limits(gate, account)
    store_i64(account + RESOLVED_EXECUTION_COUNT, execution_count)
    store_i64(account + RESOLVED_EXECUTION_WINDOW_NS, execution_window_ns)
    return FLAG_EXTREME if LIMIT32_MAX < window_ms < UNLIMITED else 0


@inline
def resolve_limits(gate: int, account: int, firm_id: int) -> None:
    """Make anew what the limits and flags of an account's levels come to."""
    firm = find_firm(gate, firm_id)
    group = find_group(gate, load_i32(account + ACCOUNT_GROUP_ID) + 0)
    for kind, offset, _ in _WIDE:
        store_i64(account + offset, _smallest(gate, firm, group, account, kind))
    for kind, offset, _ in _NARROW:
        store_i32(account + offset, narrowed(_smallest(gate, firm, group, account, kind)))
    for kind, offset in _OF_ACCOUNTS:
        store_i64(account + offset, _smallest(gate, firm, group, account, kind))
    _resolve_money(
        account,
        _smallest(gate, firm, group, account, _KIND_CREDIT),
        _smallest(gate, firm, group, account, _KIND_DAILY_LOSS),
    )
    flags = _resolve_rates(gate, firm, group, account)
    flags |= load_i32(account + LIMIT_FLAGS) | load_i32(group + LIMIT_FLAGS)
    flags |= load_i32(firm + LIMIT_FLAGS) | load_i32(gate + HEADER_VENUE + LIMIT_FLAGS)
    if load_i32(account + LIMIT_SET_MASK) & REQUIRED_MASK != REQUIRED_MASK:
        flags |= FLAG_LACKS_LIMITS
    store_i32(account + ACCOUNT_RESOLVED_FLAGS, flags)
    store_i32(account + ACCOUNT_RESOLVED_FIRM, firm_id)
    store_i32(account + ACCOUNT_RESOLVED_VERSION, load_i32(gate + HEADER_LIMITS_VERSION))


@inline
def copy_limits(gate: int, instrument: int) -> None:
    """Make anew what an instrument's own limits and flags come to."""
    for kind, _, offset in _WIDE:
        store_i64(instrument + offset, load_i64(instrument + 8 * kind))
    for kind, _, offset in _NARROW:
        store_i32(instrument + offset, narrowed(load_i64(instrument + 8 * kind)))
    window_ms = load_i64(instrument + 8 * _KIND_DUPLICATE_WINDOW)
    store_i32(instrument + OWN_DUPLICATE_WINDOW_MS, narrowed(window_ms))
    extreme = FLAG_EXTREME if LIMIT32_MAX < window_ms < UNLIMITED else 0
    store_i32(instrument + INSTRUMENT_FLAGS, load_i32(instrument + LIMIT_FLAGS) | extreme)
    store_i32(instrument + INSTRUMENT_VERSION, load_i32(gate + HEADER_LIMITS_VERSION))
