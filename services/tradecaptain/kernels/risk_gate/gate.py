"""The checks on the order path: a new order, a replace.

The venue calls a check last, right before its book changes: a check that passes has reserved the
order's quantity and counted it as open; ``accounting`` then releases or fills it, as the book's
events say.
"""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.risk_gate.controls import (
    check_market_notional,
    check_open_orders,
    check_order_quantity,
    check_position,
    check_price_collar,
    check_priced_notional,
    exposure_after,
)
from tradecaptain.kernels.risk_gate.limits import check_kill_switches, check_limits_are_set
from tradecaptain.kernels.risk_gate.rejection import reject
from tradecaptain.kernels.risk_gate.rows import (
    find_account,
    find_firm,
    find_instrument,
    find_override,
    find_pair,
    is_valid_id,
    working_offset,
)
from tradecaptain.kernels.risk_gate.state import (
    HEADER_ABSENT,
    HEADER_PAIRS,
    HEADER_PASSED_COUNT,
    LIMIT_OPEN_ORDER_COUNT,
    PAIR_POSITION,
    PAIR_ROW_BYTES,
)
from tradecaptain.kernels.risk_gate.table import find_bucket, is_full, occupy, pair_key
from tradecaptain.wire import common, control, order_command, reason

_ORDER_TYPE_LIMIT = common.ORDER_TYPE_LIMIT
_ORDER_TYPE_STOP_LIMIT = common.ORDER_TYPE_STOP_LIMIT
_REASON_CAPACITY_EXHAUSTED = reason.REASON_CAPACITY_EXHAUSTED
_REASON_INVALID_QUANTITY = reason.REASON_INVALID_QUANTITY
_REASON_INVALID_SIDE = reason.REASON_INVALID_SIDE
_REASON_LIMIT_UNSET = reason.REASON_LIMIT_UNSET
_REASON_REPLACE_BELOW_FILLED = reason.REASON_REPLACE_BELOW_FILLED
_REASON_UNKNOWN_INSTRUMENT = reason.REASON_UNKNOWN_INSTRUMENT
_REASON_UNKNOWN_ORDER = reason.REASON_UNKNOWN_ORDER
_SCOPE_FIRM = control.CONTROL_SCOPE_FIRM
_SIDE_BUY = common.SIDE_BUY
_SIDE_SELL = common.SIDE_SELL


@inline
def _check_terms(gate: int, instrument: int, side: int, quantity: int, firm_id: int) -> int:
    """The order must name an instrument, a side, a quantity and a firm."""
    if instrument == 0:
        return reject(gate, _REASON_UNKNOWN_INSTRUMENT, 0, 0, 0)
    if side != _SIDE_BUY and side != _SIDE_SELL:
        return reject(gate, _REASON_INVALID_SIDE, 0, 0, side)
    if quantity <= 0:
        return reject(gate, _REASON_INVALID_QUANTITY, 0, 0, quantity)
    if not is_valid_id(firm_id):
        # Without a firm the order would slip past the firm's kill switch and limits.
        return reject(gate, _REASON_LIMIT_UNSET, _SCOPE_FIRM, 0, 0)
    return 0


@inline
def _check_value(
    gate: int, firm: int, instrument: int, account: int, override: int, command: int
) -> int:
    """Collar and notional of a command's price and quantity."""
    order_type = order_command.get_order_type(command)
    is_priced = order_type in (_ORDER_TYPE_LIMIT, _ORDER_TYPE_STOP_LIMIT)
    price = order_command.get_price_units(command)
    refusal = check_price_collar(gate, firm, instrument, account, override, price, is_priced)
    if refusal != 0:
        return refusal
    quantity = order_command.get_quantity_units(command)
    if is_priced:
        return check_priced_notional(gate, firm, instrument, account, override, price, quantity)
    return check_market_notional(gate, firm, instrument, account, override, quantity)


@inline
def _check_new_exposure(
    gate: int, firm: int, instrument: int, account: int, override: int, command: int, pair: int
) -> int:
    """Position and open orders, with room for the pair if this is its first order."""
    side = order_command.get_side(command)
    quantity = order_command.get_quantity_units(command)
    working = load_i64(pair + working_offset(side))
    exposure = exposure_after(side, load_i64(pair + PAIR_POSITION), working, quantity)
    refusal = check_position(gate, firm, instrument, account, override, side, exposure)
    if refusal != 0:
        return refusal
    refusal = check_open_orders(gate, firm, instrument, account, override)
    if refusal != 0:
        return refusal
    if load_i64(pair) == 0 and is_full(gate + HEADER_PAIRS):
        return reject(gate, _REASON_CAPACITY_EXHAUSTED, 0, 0, 0)
    return 0


@inline
def _reserve(gate: int, account: int, pair: int, key: int, side: int, quantity: int) -> None:
    if load_i64(pair) == 0:
        occupy(gate + HEADER_PAIRS, pair, key)
    offset = working_offset(side)
    store_i64(pair + offset, load_i64(pair + offset) + quantity)
    count = load_i32(account + LIMIT_OPEN_ORDER_COUNT)
    store_i32(account + LIMIT_OPEN_ORDER_COUNT, count + 1)
    store_i64(gate + HEADER_PASSED_COUNT, load_i64(gate + HEADER_PASSED_COUNT) + 1)


@kernel(types.int64(types.int64, types.int64))
def gate_check_new(gate: int, command: int) -> int:
    """Check a new order; 0 means that it passed and is reserved, else the reason.

    ``command`` is the address of a normalised OrderCommand. Nothing changes on a refusal but the
    detail of the last refusal.
    """
    account_id = order_command.get_account_id(command)
    instrument_id = order_command.get_instrument_id(command)
    side = order_command.get_side(command)
    quantity = order_command.get_quantity_units(command)
    firm_id = order_command.get_firm_id(command)
    instrument = find_instrument(gate, instrument_id)
    refusal = _check_terms(gate, instrument, side, quantity, firm_id)
    if refusal != 0:
        return refusal
    # Asked for first although it is needed last: the pair is the row that most often comes from
    # memory, and the checks below run meanwhile (perf/micro/risk_gate.py: 10 to 20 ns a check).
    key = pair_key(account_id, instrument_id)
    pair = find_bucket(gate + HEADER_PAIRS, key, PAIR_ROW_BYTES)
    firm = find_firm(gate, firm_id)
    account = find_account(gate, account_id)
    override = find_override(gate, account, account_id, instrument_id)
    strategy_id = order_command.get_strategy_id(command)
    refusal = check_kill_switches(gate, firm, instrument, account, override, strategy_id)
    if refusal != 0:
        return refusal
    refusal = check_limits_are_set(gate, account, override)
    if refusal != 0:
        return refusal
    refusal = check_order_quantity(gate, firm, instrument, account, override, quantity)
    if refusal != 0:
        return refusal
    refusal = _check_value(gate, firm, instrument, account, override, command)
    if refusal != 0:
        return refusal
    refusal = _check_new_exposure(gate, firm, instrument, account, override, command, pair)
    if refusal != 0:
        return refusal
    _reserve(gate, account, pair, key, side, quantity)
    return 0


@inline
def _check_replaced_price(
    gate: int, firm: int, instrument: int, account: int, override: int, command: int
) -> int:
    """Collar and notional of a replace; a resting order always has a price."""
    price = order_command.get_price_units(command)
    quantity = order_command.get_quantity_units(command)
    refusal = check_price_collar(gate, firm, instrument, account, override, price, True)
    if refusal != 0:
        return refusal
    return check_priced_notional(gate, firm, instrument, account, override, price, quantity)


@inline
def _check_growth(
    gate: int,
    instrument: int,
    account: int,
    override: int,
    command: int,
    pair: int,
    side: int,
    difference: int,
) -> int:
    """Quantity and position of a replace that asks for more."""
    firm = find_firm(gate, order_command.get_firm_id(command))
    quantity = order_command.get_quantity_units(command)
    refusal = check_order_quantity(gate, firm, instrument, account, override, quantity)
    if refusal != 0:
        return refusal
    working = load_i64(pair + working_offset(side))
    exposure = exposure_after(side, load_i64(pair + PAIR_POSITION), working, difference)
    return check_position(gate, firm, instrument, account, override, side, exposure)


@inline
def _check_change(
    gate: int,
    instrument: int,
    account: int,
    command: int,
    pair: int,
    side: int,
    difference: int,
    old_price: int,
) -> int:
    """What a replace adds in quantity or moves in price; a pure reduction is free to pass."""
    account_id = order_command.get_account_id(command)
    instrument_id = order_command.get_instrument_id(command)
    firm = find_firm(gate, order_command.get_firm_id(command))
    override = find_override(gate, account, account_id, instrument_id)
    strategy_id = order_command.get_strategy_id(command)
    refusal = check_kill_switches(gate, firm, instrument, account, override, strategy_id)
    if refusal != 0:
        return refusal
    if difference <= 0 and order_command.get_price_units(command) == old_price:
        return 0
    refusal = check_limits_are_set(gate, account, override)
    if refusal != 0:
        return refusal
    if difference > 0:
        refusal = _check_growth(
            gate, instrument, account, override, command, pair, side, difference
        )
        if refusal != 0:
            return refusal
    return _check_replaced_price(gate, firm, instrument, account, override, command)


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64, types.int64))
def gate_check_replace(
    gate: int, command: int, side: int, old_leaves: int, old_price: int, cumulative: int
) -> int:
    """Check a replace on its difference; 0 means that the difference is now reserved or released.

    The command holds the new total quantity and the new price; side, leaves, price and filled
    quantity are the resting order's. A refusal leaves the original order and its reservation as
    they were.
    """
    account_id = order_command.get_account_id(command)
    instrument_id = order_command.get_instrument_id(command)
    quantity = order_command.get_quantity_units(command)
    instrument = find_instrument(gate, instrument_id)
    firm_id = order_command.get_firm_id(command)
    refusal = _check_terms(gate, instrument, side, quantity, firm_id)
    if refusal != 0:
        return refusal
    if quantity <= cumulative:
        return reject(gate, _REASON_REPLACE_BELOW_FILLED, 0, cumulative, quantity)
    account = find_account(gate, account_id)
    pair = find_pair(gate, account_id, instrument_id)
    if pair == 0 or account == gate + HEADER_ABSENT:
        return reject(gate, _REASON_UNKNOWN_ORDER, 0, 0, 0)
    difference = quantity - cumulative - old_leaves
    refusal = _check_change(gate, instrument, account, command, pair, side, difference, old_price)
    if refusal != 0:
        return refusal
    offset = working_offset(side)
    store_i64(pair + offset, load_i64(pair + offset) + difference)
    store_i64(gate + HEADER_PASSED_COUNT, load_i64(gate + HEADER_PASSED_COUNT) + 1)
    return 0
