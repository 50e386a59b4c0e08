"""How often: messages of an account, its executions, and orders of equal terms.

The message rate is a token bucket kept as one time per account (the generic cell rate algorithm,
ITU-T I.371): the time at which the average rate will have caught up with what was sent.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_EXECUTION_COUNT,
    ACCOUNT_EXECUTION_WINDOW_START_NS,
    ACCOUNT_GROUP_ID,
    ACCOUNT_NEXT_MESSAGE_NS,
    ACCOUNT_RESOLVED_VERSION,
    ACCOUNT_THROTTLED_COUNT,
    ACCOUNT_THROTTLED_LIMIT,
    FLAG_THROTTLED,
    HEADER_EXECUTIONS_ARE_WATCHED,
    HEADER_LIMITS_VERSION,
    HEADER_NOW_NS,
    HEADER_VENUE,
    INT64_MAX,
    LIMIT_FLAGS,
    RESOLVED_EXECUTION_COUNT,
    RESOLVED_EXECUTION_WINDOW_NS,
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.levels import reject_limit, tightest
from tradecaptain.kernels.risk_gate.rows import find_group
from tradecaptain.wire import control, reason

_KIND_DUPLICATE_WINDOW = control.LIMIT_KIND_DUPLICATE_WINDOW
_KIND_EXECUTION_COUNT = control.LIMIT_KIND_EXECUTION_COUNT
_KIND_EXECUTION_WINDOW = control.LIMIT_KIND_EXECUTION_WINDOW
_KIND_MESSAGE_BURST = control.LIMIT_KIND_MESSAGE_BURST
_KIND_MESSAGE_RATE = control.LIMIT_KIND_MESSAGE_RATE
_REASON_DUPLICATE_ORDER = reason.REASON_DUPLICATE_ORDER
_REASON_MESSAGE_RATE_LIMIT = reason.REASON_MESSAGE_RATE_LIMIT

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000


@inline_always
def times_saturating(left: int, right: int) -> int:
    """Product of two numbers that aren't negative, held at INT64_MAX."""
    if right != 0 and left > INT64_MAX // right:
        return INT64_MAX
    return left * right


@inline
def message_interval_ns(rate: int) -> int:
    """Time that one message takes up at an average rate, rounded down."""
    return SECOND_NS // rate if rate > 0 else SECOND_NS


@inline
def message_allowance_ns(rate: int, burst: int) -> int:
    """How far ahead of its average rate an account may be, or -1 if no message may pass."""
    if rate == UNLIMITED:
        return INT64_MAX
    burst = rate if burst == UNLIMITED else burst
    if rate == 0 or burst == 0:
        return -1
    return times_saturating(burst - 1, message_interval_ns(rate))


@inline
def take_message(gate: int, account: int, is_free: bool) -> int:
    """Count a message of an account; how many too many it is at once, or 0 if it may pass.

    A free message (a cancel) always passes: it is counted up to a full bucket, so that a flood of
    cancels delays the orders after it by no more than that.
    """
    rate = tightest(gate, _KIND_MESSAGE_RATE)
    if rate == UNLIMITED:
        return 0
    interval_ns = message_interval_ns(rate)
    now_ns = load_i64(gate + HEADER_NOW_NS)
    next_ns = max(load_i64(account + ACCOUNT_NEXT_MESSAGE_NS), now_ns)
    ahead_ns = next_ns - now_ns
    exceeds = ahead_ns > message_allowance_ns(rate, tightest(gate, _KIND_MESSAGE_BURST))
    if not exceeds:
        store_i64(account + ACCOUNT_NEXT_MESSAGE_NS, next_ns + interval_ns)
    if exceeds and not is_free:
        return ahead_ns // max(interval_ns, 1) + 1
    return 0


@inline
def reject_message_rate(gate: int, observed: int) -> int:
    """Refuse a message; ``observed`` is how many came at once, this one included."""
    rate = tightest(gate, _KIND_MESSAGE_RATE)
    return reject_limit(gate, _REASON_MESSAGE_RATE_LIMIT, _KIND_MESSAGE_RATE, rate, observed)


@inline
def _account_limit(gate: int, account: int, kind: int) -> int:
    """The tightest limit of an account without regard to an order: venue, group and account."""
    group = find_group(gate, load_i32(account + ACCOUNT_GROUP_ID) + 0)
    value = min(load_i64(gate + HEADER_VENUE + 8 * kind), load_i64(group + 8 * kind))
    return min(value, load_i64(account + 8 * kind))


@inline
def execution_limits(gate: int, account: int) -> Any:
    """How many executions an account may have, and in which time, in ns."""
    window_ms = _account_limit(gate, account, _KIND_EXECUTION_WINDOW)
    return (
        _account_limit(gate, account, _KIND_EXECUTION_COUNT),
        times_saturating(window_ms, MILLISECOND_NS),
    )


@inline
def note_execution(gate: int, account: int) -> None:
    """Count an execution of an account; too many in a window latch its throttle."""
    if load_i64(gate + HEADER_EXECUTIONS_ARE_WATCHED) == 0:
        return
    if load_i32(account + ACCOUNT_RESOLVED_VERSION) == load_i32(gate + HEADER_LIMITS_VERSION):
        limit = load_i64(account + RESOLVED_EXECUTION_COUNT)
        window_ns = load_i64(account + RESOLVED_EXECUTION_WINDOW_NS)
    else:
        limit, window_ns = execution_limits(gate, account)
    if limit == UNLIMITED:
        return
    now_ns = load_i64(gate + HEADER_NOW_NS)
    count = load_i64(account + ACCOUNT_EXECUTION_COUNT)
    if count == 0 or now_ns - load_i64(account + ACCOUNT_EXECUTION_WINDOW_START_NS) >= window_ns:
        store_i64(account + ACCOUNT_EXECUTION_WINDOW_START_NS, now_ns)
        count = 0
    store_i64(account + ACCOUNT_EXECUTION_COUNT, count + 1)
    if count + 1 <= limit:
        return
    # Only now: the flags lie on a line that nobody has asked for.
    flags = load_i32(account + LIMIT_FLAGS) + 0
    if flags & FLAG_THROTTLED == 0:
        store_i64(account + ACCOUNT_THROTTLED_LIMIT, limit)
        store_i64(account + ACCOUNT_THROTTLED_COUNT, count + 1)
        store_i32(account + LIMIT_FLAGS, flags | FLAG_THROTTLED)
        store_i32(account + ACCOUNT_RESOLVED_VERSION, 0)
