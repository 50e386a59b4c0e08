"""What an order may be at all: kill switches, throttles and restrictions of any level."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_THROTTLED_COUNT,
    ACCOUNT_THROTTLED_LIMIT,
    FLAG_KILLED,
    FLAG_THROTTLED,
    INT64_MAX,
    PAIR_POSITION,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    RESTRICT_CLOSED,
    RESTRICT_LIMIT_ORDERS,
    RESTRICT_MARKET_ORDERS,
    RESTRICT_SHORT_SALES,
    RESTRICT_STOP_ORDERS,
    RESTRICT_TO_REDUCING,
    RESTRICT_TRADING,
    RESTRICT_UNLOCATED_SHORT_SALES,
    RESTRICT_WITHOUT_KEY,
    RESTRICTION_SHIFT,
)
from tradecaptain.kernels.risk_gate.levels import LEVEL_ACCOUNT, level_row, reject_flag
from tradecaptain.kernels.risk_gate.rejection import reject
from tradecaptain.wire import common, control, order_command, reason

INSTRUCTION_REDUCE_ONLY = 2
INSTRUCTION_LOCATED = 1 << 15
"""The author says that the shares of a short sale are located."""

_ORDER_TYPE_LIMIT = common.ORDER_TYPE_LIMIT
_ORDER_TYPE_MARKET = common.ORDER_TYPE_MARKET
_REASON_EXECUTION_THROTTLE = reason.REASON_EXECUTION_THROTTLE
_REASON_KILL_SWITCH = reason.REASON_KILL_SWITCH
_REASON_ORDER_TYPE_NOT_PERMITTED = reason.REASON_ORDER_TYPE_NOT_PERMITTED
_REASON_OUTSIDE_TRADING_HOURS = reason.REASON_OUTSIDE_TRADING_HOURS
_REASON_REDUCE_ONLY = reason.REASON_REDUCE_ONLY
_REASON_RESTRICTED = reason.REASON_RESTRICTED
_REASON_SELF_MATCH_KEY_MISSING = reason.REASON_SELF_MATCH_KEY_MISSING
_REASON_SHORT_SALE_LOCATE_MISSING = reason.REASON_SHORT_SALE_LOCATE_MISSING
_SCOPE_ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
_SHORT_SALE_SHORT = common.SHORT_SALE_SHORT
_SHORT_SALE_SHORT_EXEMPT = common.SHORT_SALE_SHORT_EXEMPT
_SIDE_BUY = common.SIDE_BUY
_SIDE_SELL = common.SIDE_SELL


@inline
def _reject_restriction(gate: int, why: int, restriction: int) -> int:
    return reject_flag(gate, why, restriction << RESTRICTION_SHIFT, restriction)


@inline
def check_switches(gate: int, flags: int) -> int:
    """Kill switches and execution throttles, of which ``flags`` says that none or some are on."""
    if flags & FLAG_KILLED:
        return reject_flag(gate, _REASON_KILL_SWITCH, FLAG_KILLED, 1)
    if flags & FLAG_THROTTLED:
        account = level_row(gate, LEVEL_ACCOUNT)
        limit = load_i64(account + ACCOUNT_THROTTLED_LIMIT)
        count = load_i64(account + ACCOUNT_THROTTLED_COUNT)
        return reject(gate, _REASON_EXECUTION_THROTTLE, _SCOPE_ACCOUNT, limit, count)
    return 0


@inline
def restriction_of_type(order_type: int) -> int:
    """The restriction that forbids an order type; whatever waits for a price counts as a stop."""
    if order_type == _ORDER_TYPE_LIMIT:
        return RESTRICT_LIMIT_ORDERS
    if order_type == _ORDER_TYPE_MARKET:
        return RESTRICT_MARKET_ORDERS
    return RESTRICT_STOP_ORDERS


@inline
def check_permissions(gate: int, flags: int, command: int) -> int:
    """Restricted list, order type, trading hours and self-match key."""
    restrictions = flags >> RESTRICTION_SHIFT
    if restrictions & RESTRICT_TRADING:
        return _reject_restriction(gate, _REASON_RESTRICTED, RESTRICT_TRADING)
    forbids_type = restriction_of_type(order_command.get_order_type(command))
    if restrictions & forbids_type:
        return _reject_restriction(gate, _REASON_ORDER_TYPE_NOT_PERMITTED, forbids_type)
    if restrictions & RESTRICT_CLOSED:
        return _reject_restriction(gate, _REASON_OUTSIDE_TRADING_HOURS, RESTRICT_CLOSED)
    if restrictions & RESTRICT_WITHOUT_KEY and order_command.get_self_trade_group(command) == 0:
        return _reject_restriction(gate, _REASON_SELF_MATCH_KEY_MISSING, RESTRICT_WITHOUT_KEY)
    return 0


@inline
def closable(pair: int, side: int) -> int:
    """How much more of a pair's position orders of a side may close, working ones aside."""
    position = load_i64(pair + PAIR_POSITION)
    if side == _SIDE_BUY:
        held, working = -max(position, -INT64_MAX), load_i64(pair + PAIR_WORKING_BUY)
    else:
        held, working = position, load_i64(pair + PAIR_WORKING_SELL)
    return max(held, 0) - min(working, max(held, 0))


@inline
def reduces(pair: int, side: int, quantity: int) -> bool:
    """Whether a quantity, added to what works on its side, still only closes a position."""
    return quantity <= closable(pair, side)


@inline
def check_reduction(gate: int, flags: int, command: int, pair: int, side: int, added: int) -> int:
    """Reduce-only, asked for by the order itself or laid on a level."""
    is_forced = (flags >> RESTRICTION_SHIFT) & RESTRICT_TO_REDUCING != 0
    is_asked = order_command.get_instructions(command) & INSTRUCTION_REDUCE_ONLY != 0
    if not (is_forced or is_asked) or reduces(pair, side, added):
        return 0
    room = closable(pair, side)
    if is_asked:
        return reject(gate, _REASON_REDUCE_ONLY, 0, room, added)
    return _reject_restriction(gate, _REASON_REDUCE_ONLY, RESTRICT_TO_REDUCING)


@inline
def check_short_sale(gate: int, flags: int, command: int, pair: int, side: int, added: int) -> int:
    """A sale beyond the long position, where short sales are forbidden or need a locate."""
    restrictions = flags >> RESTRICTION_SHIFT
    watched = RESTRICT_SHORT_SALES | RESTRICT_UNLOCATED_SHORT_SALES
    if side != _SIDE_SELL or restrictions & watched == 0 or reduces(pair, side, added):
        return 0
    if restrictions & RESTRICT_SHORT_SALES:
        return _reject_restriction(gate, _REASON_RESTRICTED, RESTRICT_SHORT_SALES)
    mark = order_command.get_short_sale(command)
    is_located = order_command.get_instructions(command) & INSTRUCTION_LOCATED != 0
    if mark == _SHORT_SALE_SHORT_EXEMPT or (mark == _SHORT_SALE_SHORT and is_located):
        return 0
    return _reject_restriction(
        gate, _REASON_SHORT_SALE_LOCATE_MISSING, RESTRICT_UNLOCATED_SHORT_SALES
    )
