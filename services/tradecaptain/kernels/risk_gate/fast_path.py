"""The short way through the gate, for an order that plainly passes.

It compares with limits that were resolved before, reads each row once, and knows only yes and "let
the long way decide": what it can't settle with a margin, anything unusual, and every refusal. It
changes nothing until it has said yes. perf/micro/risk_gate.py shows what it saves.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline_always
from tradecaptain.base.memory import load_f64, load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.fixed_point import add_saturating
from tradecaptain.kernels.risk_gate.controls import exposure_after
from tradecaptain.kernels.risk_gate.duplicates import (
    find_place,
    mark_at,
    mark_of,
    remember_order,
)
from tradecaptain.kernels.risk_gate.far_calls import (
    FAR_ADD_QUANTITY,
    FAR_JOIN_FIRM,
    FAR_TOTAL_TRIPPED,
    call_far,
)
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_DUPLICATE_WINDOW_NS,
    ACCOUNT_FIRM_ID,
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_MARGIN,
    ACCOUNT_MESSAGE_ALLOWED_NS,
    ACCOUNT_MESSAGE_INTERVAL_NS,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    ACCOUNT_NEXT_MESSAGE_NS,
    ACCOUNT_OPEN_ORDER_COUNT,
    ACCOUNT_REFERENCE_AGE_NS,
    ACCOUNT_RESOLVED_FIRM,
    ACCOUNT_RESOLVED_FLAGS,
    ACCOUNT_RESOLVED_VERSION,
    DUPLICATE_MARK_TIME_NS,
    HEADER_ABSENT,
    HEADER_DUPLICATE_PLACE,
    HEADER_LIMITS_VERSION,
    HEADER_NOW_NS,
    HEADER_PASSED_COUNT,
    HEADER_PASSED_FAST_COUNT,
    HEADER_PRICE_MOVE_WINDOW_NS,
    HEADER_VALUES_ARE_KEPT,
    INSTRUMENT_DISPLAYED_ASK,
    INSTRUMENT_DISPLAYED_BID,
    INSTRUMENT_NOTIONAL_RATIO,
    INSTRUMENT_RISK_GROUP,
    INSTRUMENT_UNIT_MARGIN,
    INSTRUMENT_UNIT_VALUE,
    INSTRUMENT_WINDOW_PRICE,
    INSTRUMENT_WINDOW_START_NS,
    INT64_MAX,
    LIMIT_FLAGS,
    LIMIT_SET_MASK,
    PAIR_POSITION,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    REQUIRED_MASK,
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
    VALUE_MAX,
)
from tradecaptain.kernels.risk_gate.permissions import INSTRUCTION_REDUCE_ONLY
from tradecaptain.kernels.risk_gate.references import (
    reference_age_ns,
    reference_price,
    reference_source,
)
from tradecaptain.kernels.risk_gate.resolved import resolve_limits, window_ns
from tradecaptain.kernels.risk_gate.rows import find_account, find_override, find_strategy
from tradecaptain.kernels.risk_gate.sums import (
    add_values,
    equity,
    has_totals,
    profit_of_day,
)
from tradecaptain.kernels.risk_gate.valuation import (
    refresh_unit_value,
    stand_at_unit_value,
    values_before,
    values_of_pair,
)
from tradecaptain.wire import common, control, order_command

_KIND_DISPLAYED_SHARE = control.LIMIT_KIND_DISPLAYED_SHARE
_KIND_DUPLICATE_WINDOW = control.LIMIT_KIND_DUPLICATE_WINDOW
_KIND_GROSS_POSITION = control.LIMIT_KIND_GROSS_POSITION
_KIND_OPEN_ORDERS = control.LIMIT_KIND_OPEN_ORDERS
_KIND_ORDER_NOTIONAL = control.LIMIT_KIND_ORDER_NOTIONAL
_KIND_ORDER_QUANTITY = control.LIMIT_KIND_ORDER_QUANTITY
_KIND_POSITION_LONG = control.LIMIT_KIND_POSITION_LONG
_KIND_POSITION_SHORT = control.LIMIT_KIND_POSITION_SHORT
_KIND_PRICE_COLLAR = control.LIMIT_KIND_PRICE_COLLAR
_KIND_PRICE_MOVE = control.LIMIT_KIND_PRICE_MOVE
_KIND_REFERENCE_AGE = control.LIMIT_KIND_REFERENCE_AGE
_ORDER_TYPE_LIMIT = common.ORDER_TYPE_LIMIT
_SIDE_BUY = common.SIDE_BUY

_BASIS_POINTS = 10_000.0
# Products of floats are right to fifteen digits; what lies closer to a limit is settled exactly.
_NEARLY = 1.0 - 1e-12


@inline_always
def _limit(account: int, own: int, override: int, kind: int, resolved: int) -> int:
    """The tightest limit of a kind: resolved for the account, of the instrument, of the pair.

    ``own`` is the instrument's row of limits, or the empty one where it sets none.
    """
    value = min(load_i64(account + resolved), load_i64(own + 8 * kind))
    return min(value, load_i64(override + 8 * kind))


@inline_always
def _is_near(price: int, reference: int, limit_bps: int) -> bool:
    """Whether a price plainly lies within a collar around a reference."""
    distance = abs(float(price) - float(reference)) * _BASIS_POINTS
    return distance <= float(limit_bps) * abs(float(reference)) * _NEARLY


@inline_always
def _is_admitted(gate: int, account: int, instrument: int, override: int, command: int) -> bool:
    """Whether nothing is switched off or restricted, and every required limit is set."""
    flags = load_i32(account + ACCOUNT_RESOLVED_FLAGS) | load_i32(instrument + LIMIT_FLAGS)
    flags |= load_i32(override + LIMIT_FLAGS)
    set_mask = load_i32(account + LIMIT_SET_MASK) | load_i32(override + LIMIT_SET_MASK)
    is_plain = order_command.get_order_type(command) == _ORDER_TYPE_LIMIT
    instructions = order_command.get_instructions(command)
    strategy = find_strategy(gate, order_command.get_strategy_id(command))
    return (
        flags == 0
        and set_mask & REQUIRED_MASK == REQUIRED_MASK
        and is_plain
        and instructions & INSTRUCTION_REDUCE_ONLY == 0
        and strategy == gate + HEADER_ABSENT
    )


@inline_always
def _is_small(
    account: int, instrument: int, own: int, override: int, side: int, price: int, quantity: int
) -> bool:
    """Quantity, share of the displayed volume and notional."""
    if quantity > _limit(account, own, override, _KIND_ORDER_QUANTITY, RESOLVED_ORDER_QUANTITY):
        return False
    kind, resolved = _KIND_DISPLAYED_SHARE, RESOLVED_DISPLAYED_SHARE_BPS
    share_bps = _limit(account, own, override, kind, resolved)
    if share_bps != UNLIMITED:
        offset = INSTRUMENT_DISPLAYED_ASK if side == _SIDE_BUY else INSTRUMENT_DISPLAYED_BID
        displayed = load_i64(instrument + offset)
        allowed = float(share_bps) * float(displayed) * _NEARLY
        if displayed > 0 and float(quantity) * _BASIS_POINTS > allowed:
            return False
    kind, resolved = _KIND_ORDER_NOTIONAL, RESOLVED_ORDER_NOTIONAL
    limit = float(_limit(account, own, override, kind, resolved)) * _NEARLY
    ratio = load_f64(instrument + INSTRUMENT_NOTIONAL_RATIO)
    return abs(float(price)) * float(quantity) * ratio <= limit


@inline_always
def _is_priced_well(
    gate: int, account: int, instrument: int, own: int, override: int, price: int
) -> bool:
    """Both collars, with a reference that is known and not too old."""
    kind, resolved = _KIND_PRICE_COLLAR, RESOLVED_PRICE_COLLAR_BPS
    collar_bps = _limit(account, own, override, kind, resolved)
    kind, resolved = _KIND_PRICE_MOVE, RESOLVED_PRICE_MOVE_BPS
    move_bps = _limit(account, own, override, kind, resolved)
    source = reference_source(instrument)
    if source == 0:
        return collar_bps == UNLIMITED and move_bps == UNLIMITED
    age_ns = load_i64(account + ACCOUNT_REFERENCE_AGE_NS)
    age_ns = min(age_ns, window_ns(load_i64(own + 8 * _KIND_REFERENCE_AGE)))
    age_ns = min(age_ns, window_ns(load_i64(override + 8 * _KIND_REFERENCE_AGE)))
    if age_ns != UNLIMITED and reference_age_ns(gate, instrument, source) > age_ns:
        return False
    if collar_bps != UNLIMITED and not _is_near(
        price, reference_price(instrument, source), collar_bps
    ):
        return False
    if move_bps == UNLIMITED:
        return True
    start_ns = load_i64(instrument + INSTRUMENT_WINDOW_START_NS)
    elapsed_ns = load_i64(gate + HEADER_NOW_NS) - start_ns
    is_open = start_ns != 0 and elapsed_ns < load_i64(gate + HEADER_PRICE_MOVE_WINDOW_NS)
    return is_open and _is_near(price, load_i64(instrument + INSTRUMENT_WINDOW_PRICE), move_bps)


@inline_always
def _fits_position(
    account: int, own: int, override: int, pair: int, side: int, quantity: int
) -> bool:
    """Position, gross position and open orders."""
    position = load_i64(pair + PAIR_POSITION)
    buys, sells = load_i64(pair + PAIR_WORKING_BUY), load_i64(pair + PAIR_WORKING_SELL)
    working = buys if side == _SIDE_BUY else sells
    exposure = exposure_after(side, position, working, quantity)
    if side == _SIDE_BUY:
        kind, resolved = _KIND_POSITION_LONG, RESOLVED_POSITION_LONG
        limit = _limit(account, own, override, kind, resolved)
    else:
        kind, resolved = _KIND_POSITION_SHORT, RESOLVED_POSITION_SHORT
        limit = _limit(account, own, override, kind, resolved)
    kind, resolved = _KIND_GROSS_POSITION, RESOLVED_GROSS_POSITION
    gross_limit = _limit(account, own, override, kind, resolved)
    held = abs(max(position, -INT64_MAX))
    gross = add_saturating(add_saturating(add_saturating(buys, sells), quantity), held)
    kind, resolved = _KIND_OPEN_ORDERS, RESOLVED_OPEN_ORDERS
    count = load_i32(account + ACCOUNT_OPEN_ORDER_COUNT) + 1
    return (
        exposure <= limit
        and exposure != INT64_MAX
        and gross <= gross_limit
        and count <= _limit(account, own, override, kind, resolved)
    )


@inline_always
def _is_new(gate: int, account: int, own: int, override: int, key: int, command: int) -> bool:
    """Whether the account didn't send these terms just now; notes where they are kept."""
    window = load_i64(account + ACCOUNT_DUPLICATE_WINDOW_NS)
    window = min(window, window_ns(load_i64(own + 8 * _KIND_DUPLICATE_WINDOW)))
    window = min(window, window_ns(load_i64(override + 8 * _KIND_DUPLICATE_WINDOW)))
    store_i64(gate + HEADER_DUPLICATE_PLACE, -1)
    if window == UNLIMITED:
        return True
    place = find_place(gate, mark_of(key, command))
    store_i64(gate + HEADER_DUPLICATE_PLACE, place)
    entry = mark_at(gate, place)
    elapsed_ns = load_i64(gate + HEADER_NOW_NS) - load_i64(entry + DUPLICATE_MARK_TIME_NS)
    return load_i64(entry) == 0 or elapsed_ns >= window


@inline_always
def _values_after(pair: int, instrument: int, side: int, quantity: int) -> Any:
    """Values with the order working, at the present prices."""
    bought = quantity if side == _SIDE_BUY else 0
    return values_of_pair(
        load_i64(pair + PAIR_POSITION),
        add_saturating(load_i64(pair + PAIR_WORKING_BUY), bought),
        add_saturating(load_i64(pair + PAIR_WORKING_SELL), quantity - bought),
        load_i64(instrument + INSTRUMENT_UNIT_VALUE),
        load_i64(instrument + INSTRUMENT_UNIT_MARGIN),
    )


@inline_always
def _fits_exposure(account: int, old: Any, new: Any) -> bool:
    """Gross and net exposure, credit and the day's loss, as if the order worked."""
    gross = load_i64(account + ACCOUNT_GROSS_EXPOSURE) + new[0] - old[0]
    if_bought = load_i64(account + ACCOUNT_NET_IF_BOUGHT) + new[1] - old[1]
    if_sold = load_i64(account + ACCOUNT_NET_IF_SOLD) + new[2] - old[2]
    margin = load_i64(account + ACCOUNT_MARGIN) + new[3] - old[3]
    credit = load_i64(account + RESOLVED_CREDIT)
    return (
        new[0] < VALUE_MAX
        and gross <= load_i64(account + RESOLVED_GROSS_EXPOSURE)
        and max(abs(if_bought), abs(if_sold)) <= load_i64(account + RESOLVED_NET_EXPOSURE)
        and (credit == UNLIMITED or margin <= add_saturating(credit, equity(account)))
        and -profit_of_day(account) <= load_i64(account + RESOLVED_DAILY_LOSS)
    )


@inline_always
def _change_sums(gate: int, account: int, instrument: int, pair: int, old: Any, new: Any) -> None:
    """Put a pair's new values into its account's sums in the place of the old ones."""
    add_values(
        gate,
        account,
        new[0] - old[0],
        new[1] - old[1],
        new[2] - old[2],
        new[3] - old[3],
        new[4] - old[4],
    )
    stand_at_unit_value(instrument, pair)


@inline_always
def _reserve(gate: int, account: int, instrument: int, pair: int, side: int, quantity: int) -> None:
    offset = PAIR_WORKING_BUY if side == _SIDE_BUY else PAIR_WORKING_SELL
    working = load_i64(pair + offset)
    if has_totals(account):
        after = working + quantity
        number, instrument_id = FAR_ADD_QUANTITY, load_i64(instrument)
        call_far(gate, number, gate, account, instrument_id, offset, working, after)
    store_i64(pair + offset, working + quantity)
    count = load_i32(account + ACCOUNT_OPEN_ORDER_COUNT)
    store_i32(account + ACCOUNT_OPEN_ORDER_COUNT, count + 1)
    store_i64(gate + HEADER_PASSED_COUNT, load_i64(gate + HEADER_PASSED_COUNT) + 1)
    store_i64(gate + HEADER_PASSED_FAST_COUNT, load_i64(gate + HEADER_PASSED_FAST_COUNT) + 1)


@inline_always
def _take_exposure(
    gate: int, account: int, instrument: int, pair: int, side: int, quantity: int
) -> bool:
    """Hold the account's sums against their limits and change them; False if they don't fit."""
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        return True
    has_scenarios = load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0
    if has_scenarios or not refresh_unit_value(instrument):
        return False
    old = values_before(pair)
    new = _values_after(pair, instrument, side, quantity)
    if not _fits_exposure(account, old, new):
        return False
    _change_sums(gate, account, instrument, pair, old, new)
    return True


@inline_always
def pass_plainly(
    gate: int, command: int, instrument: int, pair: int, key: int, side: int, quantity: int
) -> bool:
    """Whether a new order plainly passes, and is then reserved; False says nothing."""
    account_id = order_command.get_account_id(command)
    account = find_account(gate, account_id)
    if account == gate + HEADER_ABSENT or load_i64(pair) == 0:
        return False
    firm_id = order_command.get_firm_id(command)
    version = load_i64(gate + HEADER_LIMITS_VERSION)
    if (
        load_i64(account + ACCOUNT_RESOLVED_VERSION) != version
        or load_i32(account + ACCOUNT_RESOLVED_FIRM) != firm_id
    ):
        if load_i32(account + ACCOUNT_FIRM_ID) != firm_id:
            call_far(gate, FAR_JOIN_FIRM, gate, account, firm_id, 0, 0, 0)
        resolve_limits(gate, account, firm_id)
    override = find_override(gate, account, account_id, order_command.get_instrument_id(command))
    sets_limits = load_i32(instrument + LIMIT_SET_MASK) != 0
    own = instrument if sets_limits else gate + HEADER_ABSENT
    price = order_command.get_price_units(command)
    now_ns = load_i64(gate + HEADER_NOW_NS)
    next_ns = max(load_i64(account + ACCOUNT_NEXT_MESSAGE_NS), now_ns)
    if not (
        _is_admitted(gate, account, instrument, override, command)
        and next_ns - now_ns <= load_i64(account + ACCOUNT_MESSAGE_ALLOWED_NS)
        and _is_small(account, instrument, own, override, side, price, quantity)
        and _is_priced_well(gate, account, instrument, own, override, price)
        and _fits_position(account, own, override, pair, side, quantity)
        and _is_new(gate, account, own, override, key, command)
        and (
            not has_totals(account)
            or call_far(gate, FAR_TOTAL_TRIPPED, gate, account, instrument, pair, side, quantity)
            == 0
        )
        and _take_exposure(gate, account, instrument, pair, side, quantity)
    ):
        return False
    interval_ns = load_i64(account + ACCOUNT_MESSAGE_INTERVAL_NS)
    if interval_ns != 0:
        store_i64(account + ACCOUNT_NEXT_MESSAGE_NS, next_ns + interval_ns)
    remember_order(gate, key, command)
    _reserve(gate, account, instrument, pair, side, quantity)
    return True
