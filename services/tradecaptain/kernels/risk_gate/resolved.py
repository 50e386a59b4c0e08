"""What the limits of venue, firm, group and account come to for an account, made once a change.

A check then compares with one row instead of four. Only the firm that the last order named is kept:
an account belongs to one.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_DUPLICATE_WINDOW_NS,
    ACCOUNT_GROUP_ID,
    ACCOUNT_MESSAGE_ALLOWED_NS,
    ACCOUNT_MESSAGE_INTERVAL_NS,
    ACCOUNT_REFERENCE_AGE_NS,
    ACCOUNT_RESOLVED_FIRM,
    ACCOUNT_RESOLVED_FLAGS,
    ACCOUNT_RESOLVED_VERSION,
    FLAG_HAS_OVERRIDES,
    FLAG_HAS_TOTALS,
    HEADER_LIMITS_VERSION,
    HEADER_VENUE,
    LIMIT_FLAGS,
    RESOLVED_CREDIT,
    RESOLVED_DAILY_LOSS,
    RESOLVED_DISPLAYED_SHARE_BPS,
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
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.rates import (
    MILLISECOND_NS,
    message_allowance_ns,
    message_interval_ns,
    times_saturating,
)
from tradecaptain.kernels.risk_gate.rows import find_firm, find_group
from tradecaptain.wire import control

# Flags that only tell where else to look.
_OWN_FLAGS = FLAG_HAS_OVERRIDES | FLAG_HAS_TOTALS
_KIND_DUPLICATE_WINDOW = control.LIMIT_KIND_DUPLICATE_WINDOW
_KIND_MESSAGE_BURST = control.LIMIT_KIND_MESSAGE_BURST
_KIND_MESSAGE_RATE = control.LIMIT_KIND_MESSAGE_RATE
_KIND_REFERENCE_AGE = control.LIMIT_KIND_REFERENCE_AGE

# Kind of a limit and where an account keeps what it comes to.
_RESOLVED = (
    (control.LIMIT_KIND_ORDER_QUANTITY, RESOLVED_ORDER_QUANTITY),
    (control.LIMIT_KIND_ORDER_NOTIONAL, RESOLVED_ORDER_NOTIONAL),
    (control.LIMIT_KIND_PRICE_COLLAR, RESOLVED_PRICE_COLLAR_BPS),
    (control.LIMIT_KIND_POSITION_LONG, RESOLVED_POSITION_LONG),
    (control.LIMIT_KIND_POSITION_SHORT, RESOLVED_POSITION_SHORT),
    (control.LIMIT_KIND_OPEN_ORDERS, RESOLVED_OPEN_ORDERS),
    (control.LIMIT_KIND_GROSS_POSITION, RESOLVED_GROSS_POSITION),
    (control.LIMIT_KIND_DISPLAYED_SHARE, RESOLVED_DISPLAYED_SHARE_BPS),
    (control.LIMIT_KIND_PRICE_MOVE, RESOLVED_PRICE_MOVE_BPS),
    (control.LIMIT_KIND_GROSS_EXPOSURE, RESOLVED_GROSS_EXPOSURE),
    (control.LIMIT_KIND_NET_EXPOSURE, RESOLVED_NET_EXPOSURE),
    (control.LIMIT_KIND_CREDIT, RESOLVED_CREDIT),
    (control.LIMIT_KIND_DAILY_LOSS, RESOLVED_DAILY_LOSS),
)


@inline_always
def window_ns(limit_ms: int) -> int:
    """A limit in milliseconds as ns; UNLIMITED stays what it is."""
    return UNLIMITED if limit_ms == UNLIMITED else times_saturating(limit_ms, MILLISECOND_NS)


@inline
def _smallest(gate: int, firm: int, group: int, account: int, kind: int) -> int:
    value = min(load_i64(account + 8 * kind), load_i64(group + 8 * kind))
    return min(value, load_i64(firm + 8 * kind), load_i64(gate + HEADER_VENUE + 8 * kind))


@inline
def resolve_limits(gate: int, account: int, firm_id: int) -> None:
    """Make anew what the limits and flags of an account's levels come to."""
    firm = find_firm(gate, firm_id)
    group = find_group(gate, load_i32(account + ACCOUNT_GROUP_ID) + 0)
    for kind, offset in _RESOLVED:
        store_i64(account + offset, _smallest(gate, firm, group, account, kind))
    rate = _smallest(gate, firm, group, account, _KIND_MESSAGE_RATE)
    burst = _smallest(gate, firm, group, account, _KIND_MESSAGE_BURST)
    interval_ns = 0 if rate == UNLIMITED else message_interval_ns(rate)
    store_i64(account + ACCOUNT_MESSAGE_INTERVAL_NS, interval_ns)
    store_i64(account + ACCOUNT_MESSAGE_ALLOWED_NS, message_allowance_ns(rate, burst))
    duplicate_ms = _smallest(gate, firm, group, account, _KIND_DUPLICATE_WINDOW)
    store_i64(account + ACCOUNT_DUPLICATE_WINDOW_NS, window_ns(duplicate_ms))
    age_ms = _smallest(gate, firm, group, account, _KIND_REFERENCE_AGE)
    store_i64(account + ACCOUNT_REFERENCE_AGE_NS, window_ns(age_ms))
    flags = load_i32(account + LIMIT_FLAGS) | load_i32(group + LIMIT_FLAGS)
    flags |= load_i32(firm + LIMIT_FLAGS) | load_i32(gate + HEADER_VENUE + LIMIT_FLAGS)
    store_i32(account + ACCOUNT_RESOLVED_FLAGS, flags & ~_OWN_FLAGS)
    store_i32(account + ACCOUNT_RESOLVED_FIRM, firm_id)
    store_i64(account + ACCOUNT_RESOLVED_VERSION, load_i64(gate + HEADER_LIMITS_VERSION))
