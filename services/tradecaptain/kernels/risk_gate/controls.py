"""The single controls on one order: quantity, collars, notional, position, open orders.

Each compares exactly and returns 0 or a reason, with its detail recorded for the refusal. The
levels that govern the order stand in the header (:func:`select_levels`).
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i32, load_i64
from tradecaptain.kernels.fixed_point import (
    add_saturating,
    distance_exceeds,
    product4_exceeds,
    product_exceeds,
    subtract_saturating,
)
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_OPEN_ORDER_COUNT,
    INSTRUMENT_DENOMINATOR,
    INSTRUMENT_DISPLAYED_ASK,
    INSTRUMENT_DISPLAYED_BID,
    INSTRUMENT_NUMERATOR,
    INT64_MAX,
    PAIR_POSITION,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.levels import (
    LEVEL_ACCOUNT,
    LEVEL_INSTRUMENT,
    level_row,
    reject_limit,
    tightest,
)
from tradecaptain.kernels.risk_gate.rates import MILLISECOND_NS
from tradecaptain.kernels.risk_gate.references import (
    price_at_window_start,
    reference_age_ns,
    reference_price,
    reference_source,
)
from tradecaptain.kernels.risk_gate.rejection import name_reference
from tradecaptain.kernels.risk_gate.rows import working_offset
from tradecaptain.wire import common, control, reason

_KIND_DISPLAYED_SHARE = control.LIMIT_KIND_DISPLAYED_SHARE
_KIND_GROSS_POSITION = control.LIMIT_KIND_GROSS_POSITION
_KIND_OPEN_ORDERS = control.LIMIT_KIND_OPEN_ORDERS
_KIND_ORDER_NOTIONAL = control.LIMIT_KIND_ORDER_NOTIONAL
_KIND_ORDER_QUANTITY = control.LIMIT_KIND_ORDER_QUANTITY
_KIND_POSITION_LONG = control.LIMIT_KIND_POSITION_LONG
_KIND_POSITION_SHORT = control.LIMIT_KIND_POSITION_SHORT
_KIND_PRICE_COLLAR = control.LIMIT_KIND_PRICE_COLLAR
_KIND_PRICE_MOVE = control.LIMIT_KIND_PRICE_MOVE
_KIND_REFERENCE_AGE = control.LIMIT_KIND_REFERENCE_AGE
_REASON_DISPLAYED_SHARE_LIMIT = reason.REASON_DISPLAYED_SHARE_LIMIT
_REASON_GROSS_POSITION_LIMIT = reason.REASON_GROSS_POSITION_LIMIT
_REASON_OPEN_ORDER_LIMIT = reason.REASON_OPEN_ORDER_LIMIT
_REASON_ORDER_NOTIONAL_LIMIT = reason.REASON_ORDER_NOTIONAL_LIMIT
_REASON_ORDER_QUANTITY_LIMIT = reason.REASON_ORDER_QUANTITY_LIMIT
_REASON_POSITION_LIMIT_LONG = reason.REASON_POSITION_LIMIT_LONG
_REASON_POSITION_LIMIT_SHORT = reason.REASON_POSITION_LIMIT_SHORT
_REASON_PRICE_COLLAR = reason.REASON_PRICE_COLLAR
_REASON_PRICE_MOVE_COLLAR = reason.REASON_PRICE_MOVE_COLLAR
_REASON_REFERENCE_PRICE_MISSING = reason.REASON_REFERENCE_PRICE_MISSING
_REASON_REFERENCE_PRICE_STALE = reason.REASON_REFERENCE_PRICE_STALE
_SIDE_BUY = common.SIDE_BUY

_BASIS_POINTS = 10_000


@inline
def check_order_quantity(gate: int, quantity: int) -> int:
    """Hold the order's total quantity against its limit."""
    limit = tightest(gate, _KIND_ORDER_QUANTITY)
    if quantity <= limit:
        return 0
    return reject_limit(gate, _REASON_ORDER_QUANTITY_LIMIT, _KIND_ORDER_QUANTITY, limit, quantity)


@inline
def _share_bps(quantity: int, displayed: int) -> int:
    """Quantity in basis points of what is displayed, rounded up and held at INT64_MAX."""
    low, high = 0, INT64_MAX
    while low < high:
        middle = low + ((high - low) >> 1)
        if product_exceeds(quantity, _BASIS_POINTS, 1, middle, displayed):
            low = middle + 1
        else:
            high = middle
    return low


@inline
def check_displayed_share(gate: int, side: int, quantity: int) -> int:
    """Hold the quantity against what the other side displays at its best price, if anything."""
    limit = tightest(gate, _KIND_DISPLAYED_SHARE)
    if limit == UNLIMITED:
        return 0
    offset = INSTRUMENT_DISPLAYED_ASK if side == _SIDE_BUY else INSTRUMENT_DISPLAYED_BID
    displayed = load_i64(level_row(gate, LEVEL_INSTRUMENT) + offset)
    if displayed <= 0 or not product_exceeds(quantity, _BASIS_POINTS, 1, limit, displayed):
        return 0
    observed = _share_bps(quantity, displayed)
    return reject_limit(gate, _REASON_DISPLAYED_SHARE_LIMIT, _KIND_DISPLAYED_SHARE, limit, observed)


@inline
def _distance_bps(price: int, reference: int) -> int:
    """Distance in basis points, rounded up and held at INT64_MAX (as for a reference of zero)."""
    low, high = 0, INT64_MAX
    while low < high:
        middle = low + ((high - low) >> 1)
        if distance_exceeds(price, reference, _BASIS_POINTS, middle):
            low = middle + 1
        else:
            high = middle
    return low


@inline
def _order_notional(price: int, quantity: int, instrument: int, premium_bps: int) -> int:
    """Notional with a premium on the price, rounded up to notional units, held at INT64_MAX."""
    numerator = load_i64(instrument + INSTRUMENT_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_DENOMINATOR)
    low, high = 0, INT64_MAX
    while low < high:
        middle = low + ((high - low) >> 1)
        if product4_exceeds(
            price, quantity, numerator, premium_bps, middle, denominator, _BASIS_POINTS
        ):
            low = middle + 1
        else:
            high = middle
    return low


@inline
def _check_reference_age(gate: int, instrument: int, source: int) -> int:
    """Hold the age of the reference that a collar is about to use against its limit."""
    limit = tightest(gate, _KIND_REFERENCE_AGE)
    if limit == UNLIMITED:
        return 0
    age_ms = -(-reference_age_ns(gate, instrument) // MILLISECOND_NS)
    if age_ms <= limit:
        return 0
    why = _REASON_REFERENCE_PRICE_STALE
    refusal = reject_limit(gate, why, _KIND_REFERENCE_AGE, limit, age_ms)
    name_reference(gate, source)
    return refusal


@inline
def check_price_collar(gate: int, price: int, is_priced: bool) -> int:
    """Hold the price against the reference; an order without a price only needs a reference."""
    limit = tightest(gate, _KIND_PRICE_COLLAR)
    if limit == UNLIMITED:
        return 0
    instrument = level_row(gate, LEVEL_INSTRUMENT)
    source = reference_source(instrument)
    if source == 0:
        return reject_limit(gate, _REASON_REFERENCE_PRICE_MISSING, _KIND_PRICE_COLLAR, limit, 0)
    refusal = _check_reference_age(gate, instrument, source)
    if refusal != 0:
        return refusal
    reference = reference_price(instrument)
    if not is_priced or not distance_exceeds(price, reference, _BASIS_POINTS, limit):
        return 0
    observed = _distance_bps(price, reference)
    refusal = reject_limit(gate, _REASON_PRICE_COLLAR, _KIND_PRICE_COLLAR, limit, observed)
    name_reference(gate, source)
    return refusal


@inline
def check_price_move(gate: int, price: int, is_priced: bool) -> int:
    """Hold the price against where the market was when the current window began."""
    limit = tightest(gate, _KIND_PRICE_MOVE)
    if limit == UNLIMITED:
        return 0
    instrument = level_row(gate, LEVEL_INSTRUMENT)
    source = reference_source(instrument)
    if source == 0:
        return reject_limit(gate, _REASON_REFERENCE_PRICE_MISSING, _KIND_PRICE_MOVE, limit, 0)
    start = price_at_window_start(gate, instrument)
    if not is_priced or not distance_exceeds(price, start, _BASIS_POINTS, limit):
        return 0
    observed = _distance_bps(price, start)
    return reject_limit(gate, _REASON_PRICE_MOVE_COLLAR, _KIND_PRICE_MOVE, limit, observed)


@inline
def _reject_notional(gate: int, limit: int, observed: int, source: int) -> int:
    why = _REASON_ORDER_NOTIONAL_LIMIT
    refusal = reject_limit(gate, why, _KIND_ORDER_NOTIONAL, limit, observed)
    name_reference(gate, source)
    return refusal


@inline
def check_priced_notional(gate: int, price: int, quantity: int) -> int:
    """Hold |price| x quantity of an order with a price against the limit."""
    limit = tightest(gate, _KIND_ORDER_NOTIONAL)
    if limit == UNLIMITED:
        return 0
    instrument = level_row(gate, LEVEL_INSTRUMENT)
    numerator = load_i64(instrument + INSTRUMENT_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_DENOMINATOR)
    if not product_exceeds(price, quantity, numerator, limit, denominator):
        return 0
    observed = _order_notional(price, quantity, instrument, _BASIS_POINTS)
    return _reject_notional(gate, limit, observed, 0)


@inline
def check_market_notional(gate: int, quantity: int) -> int:
    """Hold an order without a price against the limit, valued at the far end of the collar.

    Without a collar (an explicit UNLIMITED) it is valued at the reference itself.
    """
    limit = tightest(gate, _KIND_ORDER_NOTIONAL)
    if limit == UNLIMITED:
        return 0
    instrument = level_row(gate, LEVEL_INSTRUMENT)
    source = reference_source(instrument)
    if source == 0:
        return reject_limit(gate, _REASON_REFERENCE_PRICE_MISSING, _KIND_ORDER_NOTIONAL, limit, 0)
    collar = tightest(gate, _KIND_PRICE_COLLAR)
    premium = _BASIS_POINTS
    if collar != UNLIMITED:
        premium = add_saturating(collar, _BASIS_POINTS)
    price = reference_price(instrument)
    numerator = load_i64(instrument + INSTRUMENT_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_DENOMINATOR)
    if not product4_exceeds(price, quantity, numerator, premium, limit, denominator, _BASIS_POINTS):
        return 0
    observed = _order_notional(price, quantity, instrument, premium)
    return _reject_notional(gate, limit, observed, source)


@inline_always
def exposure_after(side: int, position: int, working: int, quantity: int) -> int:
    """Position in the order's direction if every working order of its side and this one fill.

    INT64_MAX stands for whatever an int64 can't hold, and is refused under any limit.
    """
    reserved = add_saturating(working, quantity)
    if reserved == INT64_MAX:
        return INT64_MAX
    if side == _SIDE_BUY:
        return add_saturating(position, reserved)
    return subtract_saturating(reserved, position)


@inline
def check_position(gate: int, pair: int, side: int, added: int) -> int:
    """Hold a position that counts working orders against the long or the short limit."""
    working = load_i64(pair + working_offset(side))
    exposure = exposure_after(side, load_i64(pair + PAIR_POSITION), working, added)
    kind = _KIND_POSITION_LONG if side == _SIDE_BUY else _KIND_POSITION_SHORT
    limit = tightest(gate, kind)
    if exposure <= limit and exposure != INT64_MAX:
        return 0
    why = _REASON_POSITION_LIMIT_LONG if side == _SIDE_BUY else _REASON_POSITION_LIMIT_SHORT
    return reject_limit(gate, why, kind, limit, exposure)


@inline
def check_gross_position(gate: int, pair: int, added: int) -> int:
    """Hold |position| and the working orders of both sides together against the limit."""
    limit = tightest(gate, _KIND_GROSS_POSITION)
    if limit == UNLIMITED:
        return 0
    position = load_i64(pair + PAIR_POSITION)
    working = add_saturating(load_i64(pair + PAIR_WORKING_BUY), load_i64(pair + PAIR_WORKING_SELL))
    held = abs(max(position, -INT64_MAX))
    gross = add_saturating(add_saturating(working, added), held)
    if gross <= limit:
        return 0
    return reject_limit(gate, _REASON_GROSS_POSITION_LIMIT, _KIND_GROSS_POSITION, limit, gross)


@inline
def check_open_orders(gate: int) -> int:
    """Hold the account's open orders, this one included, against the limit."""
    limit = tightest(gate, _KIND_OPEN_ORDERS)
    account = level_row(gate, LEVEL_ACCOUNT)
    count = load_i32(account + ACCOUNT_OPEN_ORDER_COUNT) + 1
    if count <= limit:
        return 0
    return reject_limit(gate, _REASON_OPEN_ORDER_LIMIT, _KIND_OPEN_ORDERS, limit, count)
