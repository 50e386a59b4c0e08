"""The checks on the order path: a new order, a replace, a cancel.

The venue calls a check last, right before its book changes: a check that passes has reserved the
order's quantity and counted it as open; ``accounting`` then releases or fills it, as the book's
events say.
"""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.risk_gate.controls import (
    check_displayed_share,
    check_gross_position,
    check_market_notional,
    check_open_orders,
    check_order_quantity,
    check_position,
    check_price_collar,
    check_price_move,
    check_priced_notional,
)
from tradecaptain.kernels.risk_gate.duplicates import check_duplicate, remember_order
from tradecaptain.kernels.risk_gate.exposures import check_exposure
from tradecaptain.kernels.risk_gate.far_calls import (
    FAR_HAS_SCAN_ROOM,
    FAR_JOIN_FIRM,
    FAR_TOTAL_TRIPPED,
    call_far,
)
from tradecaptain.kernels.risk_gate.fast_path import count_plainly, pass_plainly
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_FIRM_ID,
    ACCOUNT_OPEN_ORDER_COUNT,
    HEADER_ABSENT,
    HEADER_PAIRS,
    HEADER_PASSED_COUNT,
    HEADER_RATES_ARE_WATCHED,
    INSTRUMENT_RISK_GROUP,
)
from tradecaptain.kernels.risk_gate.levels import (
    LEVEL_ACCOUNT,
    LEVEL_INSTRUMENT,
    check_limits_are_set,
    flags_of_levels,
    level_row,
    select_levels,
)
from tradecaptain.kernels.risk_gate.pairs import add_pair, find_pair, pair_of
from tradecaptain.kernels.risk_gate.permissions import (
    check_permissions,
    check_reduction,
    check_short_sale,
    check_switches,
)
from tradecaptain.kernels.risk_gate.rates import (
    reject_message_rate,
    take_message,
)
from tradecaptain.kernels.risk_gate.rejection import reject, reject_noted
from tradecaptain.kernels.risk_gate.rows import (
    find_instrument,
    is_valid_id,
    working_offset,
)
from tradecaptain.kernels.risk_gate.sums import has_totals
from tradecaptain.kernels.risk_gate.table import is_full, pair_key
from tradecaptain.kernels.risk_gate.temporary import begin_record
from tradecaptain.kernels.risk_gate.valuation import change_pair
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
def _count_message(gate: int, is_free: bool) -> int:
    """Count the message at hand against its account's rate; how many too many it is."""
    account = level_row(gate, LEVEL_ACCOUNT)
    if account == gate + HEADER_ABSENT:
        return 0
    return take_message(gate, account, is_free)


@inline
def _check_admission(gate: int, flags: int, command: int, key: int, excess: int) -> int:
    """Whether an order of this kind may come at all, now, from this account."""
    refusal = check_switches(gate, flags)
    if refusal == 0:
        refusal = check_permissions(gate, flags, command)
    if refusal == 0:
        refusal = check_limits_are_set(gate)
    if refusal == 0 and excess != 0:
        refusal = reject_message_rate(gate, excess)
    if refusal == 0:
        refusal = check_duplicate(gate, key, command)
    return refusal


@inline
def _check_price(gate: int, price: int, quantity: int, is_priced: bool) -> int:
    """Collars and notional."""
    refusal = check_price_collar(gate, price, is_priced)
    if refusal == 0:
        refusal = check_price_move(gate, price, is_priced)
    if refusal != 0:
        return refusal
    if is_priced:
        return check_priced_notional(gate, price, quantity)
    return check_market_notional(gate, quantity)


@inline
def _check_growth(
    gate: int, flags: int, command: int, pair: int, side: int, quantity: int, added: int
) -> int:
    """What may stop ``added`` from working, the order's total being ``quantity``; no price."""
    refusal = check_order_quantity(gate, quantity)
    if refusal == 0:
        refusal = check_displayed_share(gate, side, quantity)
    if refusal == 0:
        refusal = check_reduction(gate, flags, command, pair, side, added)
    if refusal == 0:
        refusal = check_short_sale(gate, flags, command, pair, side, added)
    return refusal


@inline
def _check_holdings(gate: int, pair: int, side: int, added: int) -> int:
    """Position of the pair and exposure of the account, ``added`` included."""
    refusal = check_position(gate, pair, side, added)
    if refusal == 0:
        refusal = check_gross_position(gate, pair, added)
    if refusal == 0:
        refusal = check_exposure(gate, pair, side, added)
    if refusal == 0:
        account, instrument = level_row(gate, LEVEL_ACCOUNT), level_row(gate, LEVEL_INSTRUMENT)
        if has_totals(account):
            number = FAR_TOTAL_TRIPPED
            why = call_far(gate, number, gate, account, instrument, pair, side, added)
            if why != 0:
                refusal = reject_noted(gate, why)
    return refusal


@inline
def _check_room(gate: int, pair: int) -> int:
    """Open orders of the account, and room for the pair if this is its first order."""
    refusal = check_open_orders(gate)
    if refusal == 0 and load_i64(pair) == 0:
        group = load_i64(level_row(gate, LEVEL_INSTRUMENT) + INSTRUMENT_RISK_GROUP)
        account = level_row(gate, LEVEL_ACCOUNT)
        number = FAR_HAS_SCAN_ROOM
        if is_full(gate + HEADER_PAIRS) or (
            group != 0 and call_far(gate, number, gate, account, group, 0, 0, 0) == 0
        ):
            refusal = reject(gate, _REASON_CAPACITY_EXHAUSTED, 0, 0, 0)
    return refusal


@inline
def _join_firm(gate: int, firm_id: int) -> None:
    """An account belongs to the firm that its orders name; totals of the firm count it."""
    account = level_row(gate, LEVEL_ACCOUNT)
    if account != gate + HEADER_ABSENT and load_i32(account + ACCOUNT_FIRM_ID) != firm_id:
        call_far(gate, FAR_JOIN_FIRM, gate, account, firm_id, 0, 0, 0)


@inline
def _add_working(gate: int, instrument: int, pair: int, side: int, added: int) -> None:
    """Reserve a quantity, or give some back if it is negative."""
    account = level_row(gate, LEVEL_ACCOUNT)
    offset = working_offset(side)
    change_pair(gate, account, instrument, pair, offset, load_i64(pair + offset) + added)
    store_i64(gate + HEADER_PASSED_COUNT, load_i64(gate + HEADER_PASSED_COUNT) + 1)


@inline
def _check_whole_order(
    gate: int, command: int, instrument: int, pair: int, key: int, side: int, quantity: int
) -> int:
    """The long way: every control of a new order, one after the other; 0 or the reason."""
    select_levels(gate, instrument, command)
    _join_firm(gate, order_command.get_firm_id(command))
    flags = flags_of_levels(gate)
    excess = _count_message(gate, False)
    refusal = _check_admission(gate, flags, command, key, excess)
    if refusal == 0:
        refusal = _check_growth(gate, flags, command, pair, side, quantity, quantity)
    if refusal == 0:
        order_type = order_command.get_order_type(command)
        is_priced = order_type in (_ORDER_TYPE_LIMIT, _ORDER_TYPE_STOP_LIMIT)
        price = order_command.get_price_units(command)
        refusal = _check_price(gate, price, quantity, is_priced)
    if refusal == 0:
        refusal = _check_holdings(gate, pair, side, quantity)
    if refusal == 0:
        refusal = _check_room(gate, pair)
    return refusal


@inline
def check_order(gate: int, command: int) -> int:
    """Why a new order would be refused, or 0; nothing is reserved. ``dry_run`` puts back counts."""
    begin_record(gate, order_command.get_time_ns(command))
    instrument_id = order_command.get_instrument_id(command)
    side = order_command.get_side(command)
    quantity = order_command.get_quantity_units(command)
    instrument = find_instrument(gate, instrument_id)
    refusal = _check_terms(gate, instrument, side, quantity, order_command.get_firm_id(command))
    if refusal != 0:
        return refusal
    key = pair_key(order_command.get_account_id(command), instrument_id)
    return _check_whole_order(gate, command, instrument, pair_of(gate, key), key, side, quantity)


@kernel(types.int64(types.int64, types.int64))
def gate_check_new(gate: int, command: int) -> int:
    """Check a new order; 0 means that it passed and is reserved, else the reason.

    ``command`` is the address of a normalised OrderCommand, stamped with the sequencer's time. A
    refusal changes nothing but the detail of the last refusal and the count of messages.
    """
    begin_record(gate, order_command.get_time_ns(command))
    instrument_id = order_command.get_instrument_id(command)
    side = order_command.get_side(command)
    quantity = order_command.get_quantity_units(command)
    instrument = find_instrument(gate, instrument_id)
    refusal = _check_terms(gate, instrument, side, quantity, order_command.get_firm_id(command))
    if refusal != 0:
        return refusal
    key = pair_key(order_command.get_account_id(command), instrument_id)
    pair = pair_of(gate, key)
    if pass_plainly(gate, command, instrument, pair, side, quantity, quantity, 1) != 0:
        return 0
    refusal = _check_whole_order(gate, command, instrument, pair, key, side, quantity)
    if refusal != 0:
        return refusal
    pair = add_pair(gate, key)
    remember_order(gate, key, command)
    account = level_row(gate, LEVEL_ACCOUNT)
    count = load_i32(account + ACCOUNT_OPEN_ORDER_COUNT)
    store_i32(account + ACCOUNT_OPEN_ORDER_COUNT, count + 1)
    _add_working(gate, instrument, pair, side, quantity)
    return 0


@inline
def _check_change(
    gate: int, flags: int, command: int, pair: int, side: int, difference: int
) -> int:
    """What a replace adds in quantity or moves in price."""
    quantity = order_command.get_quantity_units(command)
    refusal = check_permissions(gate, flags, command)
    if refusal == 0:
        refusal = check_limits_are_set(gate)
    if refusal == 0 and difference > 0:
        refusal = _check_growth(gate, flags, command, pair, side, quantity, difference)
    if refusal == 0:
        refusal = _check_price(gate, order_command.get_price_units(command), quantity, True)
    if refusal == 0 and difference > 0:
        refusal = _check_holdings(gate, pair, side, difference)
    return refusal


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64, types.int64))
def gate_check_replace(
    gate: int, command: int, side: int, old_leaves: int, old_price: int, cumulative: int
) -> int:
    """Check a replace on its difference; 0 means that the difference is now reserved or released.

    The command holds the new total quantity and the new price; side, leaves, price and filled
    quantity are the resting order's. A refusal leaves the original order and its reservation as
    they were. A pure reduction passes unless a switch is on or messages come too fast.
    """
    begin_record(gate, order_command.get_time_ns(command))
    quantity = order_command.get_quantity_units(command)
    instrument_id = order_command.get_instrument_id(command)
    instrument = find_instrument(gate, instrument_id)
    refusal = _check_terms(gate, instrument, side, quantity, order_command.get_firm_id(command))
    if refusal != 0:
        return refusal
    pair = find_pair(gate, order_command.get_account_id(command), instrument_id)
    difference = quantity - cumulative - old_leaves
    if (
        pair != 0
        and quantity > cumulative
        and difference >= 0
        and order_command.get_order_type(command) == _ORDER_TYPE_LIMIT
        and pass_plainly(gate, command, instrument, pair, side, quantity, difference, 0) != 0
    ):
        return 0
    select_levels(gate, instrument, command)
    _join_firm(gate, order_command.get_firm_id(command))
    flags = flags_of_levels(gate)
    excess = _count_message(gate, False)
    if quantity <= cumulative:
        return reject(gate, _REASON_REPLACE_BELOW_FILLED, 0, cumulative, quantity)
    if pair == 0 or level_row(gate, LEVEL_ACCOUNT) == gate + HEADER_ABSENT:
        return reject(gate, _REASON_UNKNOWN_ORDER, 0, 0, 0)
    refusal = check_switches(gate, flags)
    if refusal == 0 and excess != 0:
        refusal = reject_message_rate(gate, excess)
    is_reduction = difference <= 0 and order_command.get_price_units(command) == old_price
    if refusal == 0 and not is_reduction:
        refusal = _check_change(gate, flags, command, pair, side, difference)
    if refusal != 0:
        return refusal
    _add_working(gate, instrument, pair, side, difference)
    return 0


@kernel(types.void(types.int64, types.int64))
def gate_note_cancel(gate: int, command: int) -> None:
    """Count a cancel against its account's message rate; a cancel always passes."""
    begin_record(gate, order_command.get_time_ns(command))
    if load_i64(gate + HEADER_RATES_ARE_WATCHED) == 0:
        return
    instrument = find_instrument(gate, order_command.get_instrument_id(command))
    if instrument == 0 or count_plainly(gate, command):
        return
    select_levels(gate, instrument, command)
    _count_message(gate, True)
