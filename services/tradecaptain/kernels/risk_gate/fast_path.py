"""The short way through the gate, for an order or a replace that plainly passes.

It compares with limits that were resolved before, reads each row once, and knows only yes and "let
the long way decide": what it can't settle with a margin, anything unusual, and every refusal. It
changes nothing until it has said yes. perf/micro/risk_gate.py shows what it saves.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always, kernel
from tradecaptain.base.memory import load_f64, load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.fixed_point import add_saturating
from tradecaptain.kernels.risk_gate.duplicates import (
    find_place,
    mark_at,
    mark_of,
    remember_at,
)
from tradecaptain.kernels.risk_gate.far_calls import (
    FAR_ADD_QUANTITY,
    FAR_JOIN_FIRM,
    FAR_TOTAL_TRIPPED,
    call_far,
)
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_CREDIT_AND_CASH,
    ACCOUNT_FIRM_ID,
    ACCOUNT_FIRM_TOTAL,
    ACCOUNT_GROUP_TOTAL,
    ACCOUNT_MESSAGE_ALLOWED_NS,
    ACCOUNT_MESSAGE_INTERVAL_NS,
    ACCOUNT_NEXT_MESSAGE_NS,
    ACCOUNT_OPEN_ORDER_COUNT,
    ACCOUNT_POSITION_VALUE,
    ACCOUNT_PROFIT_FLOOR,
    ACCOUNT_RESOLVED_FIRM,
    ACCOUNT_RESOLVED_FLAGS,
    ACCOUNT_RESOLVED_VERSION,
    ACCOUNT_TRADE_CASH,
    DUPLICATE_MARK_TIME_NS,
    FLAG_LACKS_LIMITS,
    HEADER_ABSENT,
    HEADER_DUPLICATES_ARE_WATCHED,
    HEADER_NOW_NS,
    HEADER_PAIRS,
    HEADER_PASSED_COUNT,
    HEADER_PASSED_FAST_COUNT,
    HEADER_POSITION_TOTAL_COUNT,
    HEADER_PRICE_MOVE_WINDOW_NS,
    HEADER_VALUES_ARE_KEPT,
    INSTRUMENT_DISPLAYED_ASK,
    INSTRUMENT_DISPLAYED_BID,
    INSTRUMENT_FLAGS,
    INSTRUMENT_NOTIONAL_RATIO,
    INSTRUMENT_RISK_GROUP,
    INSTRUMENT_UNIT_MARGIN,
    INSTRUMENT_UNIT_VALUE,
    INSTRUMENT_VERSION,
    INSTRUMENT_WINDOW_PRICE,
    INSTRUMENT_WINDOW_START_NS,
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
    PAIR_POSITION,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    REQUIRED_MASK,
    RESOLVED_DISPLAYED_SHARE_BPS,
    RESOLVED_DUPLICATE_WINDOW_MS,
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
from tradecaptain.kernels.risk_gate.pairs import add_pair
from tradecaptain.kernels.risk_gate.permissions import INSTRUCTION_REDUCE_ONLY
from tradecaptain.kernels.risk_gate.plain_values import (
    add_plainly,
    are_moderate,
    changes_of,
    fit_exposures,
    have_moderate_sums,
    margin_with,
    plain_excess,
    plain_excess_before,
    plain_values,
    plain_values_before,
)
from tradecaptain.kernels.risk_gate.rates import MILLISECOND_NS
from tradecaptain.kernels.risk_gate.references import (
    reference_age_ns,
    reference_price,
    reference_source,
)
from tradecaptain.kernels.risk_gate.resolved import (
    copy_limits,
    is_current,
    narrowed,
    resolve_limits,
)
from tradecaptain.kernels.risk_gate.rows import find_account, find_override, find_strategy
from tradecaptain.kernels.risk_gate.sums import equity, has_totals, profit_of_day, quantities_of
from tradecaptain.kernels.risk_gate.table import is_full, pair_key
from tradecaptain.kernels.risk_gate.valuation import refresh_unit_value, stand_at_unit_value
from tradecaptain.wire import common, control, order_command

_KIND_CREDIT = control.LIMIT_KIND_CREDIT
_KIND_DAILY_LOSS = control.LIMIT_KIND_DAILY_LOSS
_KIND_DISPLAYED_SHARE = control.LIMIT_KIND_DISPLAYED_SHARE
_KIND_DUPLICATE_WINDOW = control.LIMIT_KIND_DUPLICATE_WINDOW
_KIND_GROSS_EXPOSURE = control.LIMIT_KIND_GROSS_EXPOSURE
_KIND_GROSS_POSITION = control.LIMIT_KIND_GROSS_POSITION
_KIND_NET_EXPOSURE = control.LIMIT_KIND_NET_EXPOSURE
_KIND_OPEN_ORDERS = control.LIMIT_KIND_OPEN_ORDERS
_KIND_ORDER_NOTIONAL = control.LIMIT_KIND_ORDER_NOTIONAL
_KIND_ORDER_QUANTITY = control.LIMIT_KIND_ORDER_QUANTITY
_KIND_POSITION_LONG = control.LIMIT_KIND_POSITION_LONG
_KIND_POSITION_SHORT = control.LIMIT_KIND_POSITION_SHORT
_KIND_PRICE_COLLAR = control.LIMIT_KIND_PRICE_COLLAR
_KIND_PRICE_MOVE = control.LIMIT_KIND_PRICE_MOVE
_KIND_REFERENCE_AGE = control.LIMIT_KIND_REFERENCE_AGE
_ORDER_TYPE_LIMIT = common.ORDER_TYPE_LIMIT
_ORDER_TYPE_MARKET = common.ORDER_TYPE_MARKET
_SIDE_BUY = common.SIDE_BUY

_BASIS_POINTS = 10_000.0
# Products of floats are right to fifteen digits; what lies closer to a limit is settled exactly.
_NEARLY = 1.0 - 1e-12
_NOT_NEW = -2


@inline_always
def _wide(account: int, instrument: int, override: int, kind: int, resolved: int, own: int) -> int:
    """The tightest limit of a kind; ``override`` is zero where the pair has no limits."""
    value = min(load_i64(account + resolved), load_i64(instrument + own))
    return value if override == 0 else min(value, load_i64(override + 8 * kind))


@inline_always
def _narrow(
    account: int, instrument: int, override: int, kind: int, resolved: int, own: int
) -> int:
    """As :func:`_wide`, of those that are kept in 32 bits."""
    value = min(load_i32(account + resolved), load_i32(instrument + own)) + 0
    return value if override == 0 else min(value, narrowed(load_i64(override + 8 * kind)))


@inline_always
def _is_near(price: int, reference: int, limit_bps: int) -> bool:
    """Whether a price plainly lies within a collar around a reference."""
    distance = abs(float(price) - float(reference)) * _BASIS_POINTS
    return distance <= float(limit_bps) * abs(float(reference)) * _NEARLY


@inline
def _lacks_limits(account: int, override: int) -> bool:
    """Whether neither the account nor its pair sets a required limit."""
    set_mask = load_i32(account + LIMIT_SET_MASK)
    if override != 0:
        set_mask |= load_i32(override + LIMIT_SET_MASK)
    return set_mask & REQUIRED_MASK != REQUIRED_MASK


@inline_always
def _is_admitted(gate: int, account: int, instrument: int, override: int, command: int) -> bool:
    """Whether nothing is switched off or restricted, and every required limit is set."""
    flags = load_i32(account + ACCOUNT_RESOLVED_FLAGS) | load_i32(instrument + INSTRUMENT_FLAGS)
    if override != 0:
        flags |= load_i32(override + LIMIT_FLAGS)
    if flags != 0 and (flags != FLAG_LACKS_LIMITS or _lacks_limits(account, override)):
        return False
    order_type = order_command.get_order_type(command)
    instructions = order_command.get_instructions(command)
    strategy_id = order_command.get_strategy_id(command)
    return (
        order_type in (_ORDER_TYPE_LIMIT, _ORDER_TYPE_MARKET)
        and instructions & INSTRUCTION_REDUCE_ONLY == 0
        and (strategy_id == 0 or find_strategy(gate, strategy_id) == gate + HEADER_ABSENT)
    )


@inline_always
def _is_small(account: int, instrument: int, override: int, side: int, quantity: int) -> bool:
    """Quantity and share of the displayed volume."""
    kind, resolved, own = _KIND_ORDER_QUANTITY, RESOLVED_ORDER_QUANTITY, OWN_ORDER_QUANTITY
    if quantity > _wide(account, instrument, override, kind, resolved, own):
        return False
    kind, resolved = _KIND_DISPLAYED_SHARE, RESOLVED_DISPLAYED_SHARE_BPS
    own = OWN_DISPLAYED_SHARE_BPS
    share_bps = _narrow(account, instrument, override, kind, resolved, own)
    offset = INSTRUMENT_DISPLAYED_ASK if side == _SIDE_BUY else INSTRUMENT_DISPLAYED_BID
    displayed = load_i64(instrument + offset)
    allowed = float(share_bps) * float(displayed) * _NEARLY
    return float(quantity) * _BASIS_POINTS <= allowed or share_bps == UNLIMITED32 or displayed <= 0


@inline_always
def _is_priced_well(
    gate: int, account: int, instrument: int, override: int, command: int, quantity: int
) -> bool:
    """Both collars, with a reference that is known and not too old, and the notional."""
    kind, resolved, own = _KIND_PRICE_COLLAR, RESOLVED_PRICE_COLLAR_BPS, OWN_PRICE_COLLAR_BPS
    collar_bps = _narrow(account, instrument, override, kind, resolved, own)
    kind, resolved, own = _KIND_PRICE_MOVE, RESOLVED_PRICE_MOVE_BPS, OWN_PRICE_MOVE_BPS
    move_bps = _narrow(account, instrument, override, kind, resolved, own)
    kind, resolved, own = _KIND_REFERENCE_AGE, RESOLVED_REFERENCE_AGE_MS, OWN_REFERENCE_AGE_MS
    age_ms = _narrow(account, instrument, override, kind, resolved, own)
    kind, resolved, own = _KIND_ORDER_NOTIONAL, RESOLVED_ORDER_NOTIONAL, OWN_ORDER_NOTIONAL
    notional = float(_wide(account, instrument, override, kind, resolved, own)) * _NEARLY
    price = order_command.get_price_units(command)
    is_priced = order_command.get_order_type(command) == _ORDER_TYPE_LIMIT
    scale = float(quantity) * load_f64(instrument + INSTRUMENT_NOTIONAL_RATIO)
    if reference_source(instrument) == 0:
        is_unbounded = collar_bps == UNLIMITED32 and move_bps == UNLIMITED32
        return is_unbounded and is_priced and abs(float(price)) * scale <= notional
    if age_ms != UNLIMITED32 and reference_age_ns(gate, instrument) > age_ms * MILLISECOND_NS:
        return False
    reference = reference_price(instrument)
    if not is_priced:
        # It is valued at the far end of the collar, and near to any reference.
        if collar_bps == LIMIT32_MAX:
            return False
        premium_bps = 0 if collar_bps == UNLIMITED32 else collar_bps
        scale *= 1.0 + float(premium_bps) / _BASIS_POINTS
        price = reference
    start_ns = load_i64(instrument + INSTRUMENT_WINDOW_START_NS)
    elapsed_ns = load_i64(gate + HEADER_NOW_NS) - start_ns
    is_open = start_ns != 0 and elapsed_ns < load_i64(gate + HEADER_PRICE_MOVE_WINDOW_NS)
    start = load_i64(instrument + INSTRUMENT_WINDOW_PRICE) if is_priced else price
    return (
        abs(float(price)) * scale <= notional
        and (collar_bps == UNLIMITED32 or _is_near(price, reference, collar_bps))
        and (move_bps == UNLIMITED32 or (is_open and _is_near(price, start, move_bps)))
    )


@inline_always
def _fits_position(
    account: int, instrument: int, override: int, pair: int, side: int, quantity: int, orders: int
) -> bool:
    """Position, gross position and open orders, with so much and so many orders more."""
    position = load_i64(pair + PAIR_POSITION)
    buys, sells = load_i64(pair + PAIR_WORKING_BUY), load_i64(pair + PAIR_WORKING_SELL)
    is_buy = side == _SIDE_BUY
    exposure = quantity + (position + buys if is_buy else sells - position)
    kind, resolved, own = _KIND_POSITION_LONG, RESOLVED_POSITION_LONG, OWN_POSITION_LONG
    long_limit = _wide(account, instrument, override, kind, resolved, own)
    kind, resolved, own = _KIND_POSITION_SHORT, RESOLVED_POSITION_SHORT, OWN_POSITION_SHORT
    short_limit = _wide(account, instrument, override, kind, resolved, own)
    kind, resolved, own = _KIND_GROSS_POSITION, RESOLVED_GROSS_POSITION, OWN_GROSS_POSITION
    gross_limit = _wide(account, instrument, override, kind, resolved, own)
    kind, resolved, own = _KIND_OPEN_ORDERS, RESOLVED_OPEN_ORDERS, OWN_OPEN_ORDERS
    open_limit = _narrow(account, instrument, override, kind, resolved, own)
    count = load_i32(account + ACCOUNT_OPEN_ORDER_COUNT) + orders
    return (
        are_moderate(position, buys, sells, quantity)
        and exposure <= (long_limit if is_buy else short_limit)
        and buys + sells + quantity + abs(position) <= gross_limit
        and (count <= open_limit or orders == 0)
    )


@inline_always
def _window_ms(account: int, instrument: int, override: int) -> int:
    """The window in which terms may not come again; UNLIMITED if there is none."""
    window_ms = (
        min(
            load_i32(account + RESOLVED_DUPLICATE_WINDOW_MS),
            load_i32(instrument + OWN_DUPLICATE_WINDOW_MS),
        )
        + 0
    )
    if window_ms == UNLIMITED32:
        window_ms = UNLIMITED
    if override != 0:
        window_ms = min(window_ms, load_i64(override + 8 * _KIND_DUPLICATE_WINDOW))
    return window_ms


@inline_always
def _place_if_new(gate: int, window_ms: int, mark: int) -> int:
    """Where terms are remembered that didn't come just now; -1 if they aren't, or _NOT_NEW."""
    if window_ms == UNLIMITED:
        return -1
    if window_ms > LIMIT32_MAX:
        return _NOT_NEW
    place = find_place(gate, mark)
    entry = mark_at(gate, place)
    elapsed_ns = load_i64(gate + HEADER_NOW_NS) - load_i64(entry + DUPLICATE_MARK_TIME_NS)
    is_new = load_i64(entry) == 0 or elapsed_ns >= window_ms * MILLISECOND_NS
    return place if is_new else _NOT_NEW


@inline_always
def _fits_account(account: int, changes: Any) -> bool:
    """Gross and net exposure, credit and the day's loss of the account."""
    gross_limit = load_i64(account + RESOLVED_GROSS_EXPOSURE)
    net_limit = load_i64(account + RESOLVED_NET_EXPOSURE)
    margin = margin_with(account, changes)
    gained = load_i64(account + ACCOUNT_TRADE_CASH) + load_i64(account + ACCOUNT_POSITION_VALUE)
    return (
        have_moderate_sums(account)
        and fit_exposures(account, changes, gross_limit, net_limit)
        and margin - gained <= load_i64(account + ACCOUNT_CREDIT_AND_CASH)
        and gained >= load_i64(account + ACCOUNT_PROFIT_FLOOR)
    )


@inline_always
def _fits_total(total: int, changes: Any) -> bool:
    """The same of what a group or firm holds together."""
    gross_limit = load_i64(total + 8 * _KIND_GROSS_EXPOSURE)
    net_limit = load_i64(total + 8 * _KIND_NET_EXPOSURE)
    credit = load_i64(total + 8 * _KIND_CREDIT)
    daily_loss = load_i64(total + 8 * _KIND_DAILY_LOSS)
    margin = margin_with(total, changes)
    return (
        have_moderate_sums(total)
        and fit_exposures(total, changes, gross_limit, net_limit)
        and (credit == UNLIMITED or margin <= add_saturating(credit, equity(total)))
        and (daily_loss == UNLIMITED or profit_of_day(total) >= -daily_loss)
    )


@inline_always
def _take_totals(account: int, changes: Any) -> bool:
    """Hold the totals of the account's group and firm against their limits and change them."""
    group, firm = load_i64(account + ACCOUNT_GROUP_TOTAL), load_i64(account + ACCOUNT_FIRM_TOTAL)
    if (group != 0 and not _fits_total(group, changes)) or (
        firm != 0 and not _fits_total(firm, changes)
    ):
        return False
    if group != 0:
        add_plainly(group, changes)
    if firm != 0:
        add_plainly(firm, changes)
    return True


@inline_always
def _take_exposure(
    gate: int, account: int, instrument: int, pair: int, side: int, quantity: int
) -> bool:
    """Hold all sums against their limits and change them; False if they don't fit.

    The pair's own row is left to the caller: there may be none yet.
    """
    if has_totals(account) and load_i64(gate + HEADER_POSITION_TOTAL_COUNT) != 0:
        number = FAR_TOTAL_TRIPPED
        if call_far(gate, number, gate, account, instrument, pair, side, quantity) != 0:
            return False
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        return True
    has_scenarios = load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0
    if has_scenarios or not refresh_unit_value(instrument):
        return False
    position, buys, sells = quantities_of(pair)
    if side == _SIDE_BUY:
        buys += quantity
    else:
        sells += quantity
    unit_value = load_i64(instrument + INSTRUMENT_UNIT_VALUE)
    unit_margin = load_i64(instrument + INSTRUMENT_UNIT_MARGIN)
    excess = plain_excess_before(pair)
    excess |= plain_excess(position, buys, sells, unit_value, unit_margin)
    new = plain_values(position, buys, sells, unit_value, unit_margin)
    changes = changes_of(plain_values_before(pair), new, 0)
    if excess != 0 or not _fits_account(account, changes):
        return False
    if has_totals(account) and not _take_totals(account, changes):
        return False
    add_plainly(account, changes)
    return True


@inline_always
def _reserve(
    gate: int, account: int, instrument: int, pair: int, side: int, quantity: int, orders: int
) -> None:
    offset = PAIR_WORKING_BUY if side == _SIDE_BUY else PAIR_WORKING_SELL
    working = load_i64(pair + offset)
    if has_totals(account) and load_i64(gate + HEADER_POSITION_TOTAL_COUNT) != 0:
        after = working + quantity
        number, instrument_id = FAR_ADD_QUANTITY, load_i64(instrument)
        call_far(gate, number, gate, account, instrument_id, offset, working, after)
    store_i64(pair + offset, working + quantity)
    count = load_i32(account + ACCOUNT_OPEN_ORDER_COUNT)
    store_i32(account + ACCOUNT_OPEN_ORDER_COUNT, count + orders)
    store_i64(gate + HEADER_PASSED_COUNT, load_i64(gate + HEADER_PASSED_COUNT) + 1)
    store_i64(gate + HEADER_PASSED_FAST_COUNT, load_i64(gate + HEADER_PASSED_FAST_COUNT) + 1)


@inline
def _bring_up(gate: int, account: int, instrument: int, firm_id: int) -> None:
    """Resolve the limits of account and instrument where they have changed."""
    if not is_current(gate, instrument, INSTRUMENT_VERSION):
        copy_limits(gate, instrument)
    if load_i32(account + ACCOUNT_FIRM_ID) != firm_id:
        call_far(gate, FAR_JOIN_FIRM, gate, account, firm_id, 0, 0, 0)
    resolve_limits(gate, account, firm_id)


@kernel("int64(int64, int64, int64, int64, int64, int64, int64, int64)")
def pass_plainly(
    gate: int,
    command: int,
    instrument: int,
    pair: int,
    side: int,
    quantity: int,
    added: int,
    orders: int,
) -> int:
    """1 if an order plainly passes, and is then reserved; 0 says nothing.

    ``added`` is what it adds to its side: all its ``quantity``, or of a replace the difference,
    which isn't negative. ``orders`` is 1 for a new order and 0 for a replace.
    """
    account_id = order_command.get_account_id(command)
    account = find_account(gate, account_id)
    is_first = load_i64(pair) == 0
    if account == gate + HEADER_ABSENT or (is_first and is_full(gate + HEADER_PAIRS)):
        return 0
    firm_id = order_command.get_firm_id(command)
    if not (
        is_current(gate, account, ACCOUNT_RESOLVED_VERSION)
        and is_current(gate, instrument, INSTRUMENT_VERSION)
        and load_i32(account + ACCOUNT_RESOLVED_FIRM) == firm_id
    ):
        _bring_up(gate, account, instrument, firm_id)
    override = find_override(gate, account, account_id, order_command.get_instrument_id(command))
    if override == gate + HEADER_ABSENT:
        override = 0
    now_ns = load_i64(gate + HEADER_NOW_NS)
    next_ns = max(load_i64(account + ACCOUNT_NEXT_MESSAGE_NS), now_ns)
    if not (
        _is_admitted(gate, account, instrument, override, command)
        and next_ns - now_ns <= load_i64(account + ACCOUNT_MESSAGE_ALLOWED_NS)
        and _is_small(account, instrument, override, side, quantity)
        and _is_priced_well(gate, account, instrument, override, command, quantity)
        and _fits_position(account, instrument, override, pair, side, added, orders)
    ):
        return 0
    key = pair_key(account_id, order_command.get_instrument_id(command))
    mark, place = 0, -1
    if orders != 0 and load_i64(gate + HEADER_DUPLICATES_ARE_WATCHED) != 0:
        mark = mark_of(key, command)
        place = _place_if_new(gate, _window_ms(account, instrument, override), mark)
    if place == _NOT_NEW or not _take_exposure(gate, account, instrument, pair, side, added):
        return 0
    interval_ns = load_i32(account + ACCOUNT_MESSAGE_INTERVAL_NS) + 0
    if interval_ns != 0:
        store_i64(account + ACCOUNT_NEXT_MESSAGE_NS, next_ns + interval_ns)
    if place >= 0:
        remember_at(gate, place, mark, key, command)
    if is_first:
        pair = add_pair(gate, key)
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) != 0:
        stand_at_unit_value(instrument, pair)
    _reserve(gate, account, instrument, pair, side, added, orders)
    return 1


@inline
def count_plainly(gate: int, command: int) -> bool:
    """Count a cancel against its account's message rate; False if the long way has to."""
    account = find_account(gate, order_command.get_account_id(command))
    if (
        account == gate + HEADER_ABSENT
        or order_command.get_strategy_id(command) != 0
        or not is_current(gate, account, ACCOUNT_RESOLVED_VERSION)
        or load_i32(account + ACCOUNT_RESOLVED_FIRM) != order_command.get_firm_id(command)
    ):
        return False
    interval_ns = load_i32(account + ACCOUNT_MESSAGE_INTERVAL_NS) + 0
    now_ns = load_i64(gate + HEADER_NOW_NS)
    next_ns = max(load_i64(account + ACCOUNT_NEXT_MESSAGE_NS), now_ns)
    if interval_ns != 0 and next_ns - now_ns <= load_i64(account + ACCOUNT_MESSAGE_ALLOWED_NS):
        store_i64(account + ACCOUNT_NEXT_MESSAGE_NS, next_ns + interval_ns)
    return True
