"""The single controls: quantity, collar, notional, position, open orders.

Each compares exactly and returns 0 or a reason, with its detail recorded for the refusal.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64
from tradecaptain.kernels.fixed_point import (
    add_saturating,
    distance_exceeds,
    product4_exceeds,
    product_exceeds,
    subtract_saturating,
)
from tradecaptain.kernels.risk_gate.limits import level_of, tightest
from tradecaptain.kernels.risk_gate.rejection import name_reference, reject
from tradecaptain.kernels.risk_gate.state import (
    INSTRUMENT_DENOMINATOR,
    INSTRUMENT_LAST_PRICE,
    INSTRUMENT_MID_PRICE,
    INSTRUMENT_NUMERATOR,
    INSTRUMENT_OUTSIDE_PRICE,
    INSTRUMENT_REFERENCE_FLAGS,
    INT64_MAX,
    LIMIT_OPEN_ORDER_COUNT,
    LIMIT_OPEN_ORDERS,
    LIMIT_ORDER_NOTIONAL,
    LIMIT_ORDER_QUANTITY,
    LIMIT_POSITION_LONG,
    LIMIT_POSITION_SHORT,
    LIMIT_PRICE_COLLAR,
    REFERENCE_LAST,
    REFERENCE_MID,
    REFERENCE_OUTSIDE,
    UNLIMITED,
)
from tradecaptain.wire import common, reason

_REASON_OPEN_ORDER_LIMIT = reason.REASON_OPEN_ORDER_LIMIT
_REASON_ORDER_NOTIONAL_LIMIT = reason.REASON_ORDER_NOTIONAL_LIMIT
_REASON_ORDER_QUANTITY_LIMIT = reason.REASON_ORDER_QUANTITY_LIMIT
_REASON_POSITION_LIMIT_LONG = reason.REASON_POSITION_LIMIT_LONG
_REASON_POSITION_LIMIT_SHORT = reason.REASON_POSITION_LIMIT_SHORT
_REASON_PRICE_COLLAR = reason.REASON_PRICE_COLLAR
_REASON_REFERENCE_PRICE_MISSING = reason.REASON_REFERENCE_PRICE_MISSING
_SIDE_BUY = common.SIDE_BUY

_BASIS_POINTS = 10_000


@inline
def check_order_quantity(
    gate: int, firm: int, instrument: int, account: int, override: int, quantity: int
) -> int:
    """Hold the order's total quantity against its limit."""
    limit = tightest(gate, firm, instrument, account, override, LIMIT_ORDER_QUANTITY)
    if quantity <= limit:
        return 0
    level = level_of(gate, firm, instrument, account, LIMIT_ORDER_QUANTITY, limit)
    return reject(gate, _REASON_ORDER_QUANTITY_LIMIT, level, limit, quantity)


@inline
def reference_source(instrument: int) -> int:
    """The best known reference: last own trade, else mid, else outside market, else 0."""
    known = load_i64(instrument + INSTRUMENT_REFERENCE_FLAGS)
    if known & REFERENCE_LAST:
        return REFERENCE_LAST
    if known & REFERENCE_MID:
        return REFERENCE_MID
    return known & REFERENCE_OUTSIDE


@inline
def reference_price(instrument: int, source: int) -> int:
    """The reference price of a source that :func:`reference_source` named."""
    if source == REFERENCE_LAST:
        return load_i64(instrument + INSTRUMENT_LAST_PRICE)
    if source == REFERENCE_MID:
        return load_i64(instrument + INSTRUMENT_MID_PRICE)
    return load_i64(instrument + INSTRUMENT_OUTSIDE_PRICE)


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
def check_price_collar(
    gate: int, firm: int, instrument: int, account: int, override: int, price: int, is_priced: bool
) -> int:
    """Hold the price against the reference; an order without a price only needs a reference."""
    limit = tightest(gate, firm, instrument, account, override, LIMIT_PRICE_COLLAR)
    if limit == UNLIMITED:
        return 0
    source = reference_source(instrument)
    if source == 0:
        level = level_of(gate, firm, instrument, account, LIMIT_PRICE_COLLAR, limit)
        return reject(gate, _REASON_REFERENCE_PRICE_MISSING, level, limit, 0)
    reference = reference_price(instrument, source)
    if not is_priced or not distance_exceeds(price, reference, _BASIS_POINTS, limit):
        return 0
    level = level_of(gate, firm, instrument, account, LIMIT_PRICE_COLLAR, limit)
    refusal = reject(gate, _REASON_PRICE_COLLAR, level, limit, _distance_bps(price, reference))
    name_reference(gate, source)
    return refusal


@inline
def _reject_notional(gate: int, level: int, limit: int, observed: int, source: int) -> int:
    refusal = reject(gate, _REASON_ORDER_NOTIONAL_LIMIT, level, limit, observed)
    name_reference(gate, source)
    return refusal


@inline
def check_priced_notional(
    gate: int, firm: int, instrument: int, account: int, override: int, price: int, quantity: int
) -> int:
    """Hold |price| x quantity of an order with a price against the limit."""
    limit = tightest(gate, firm, instrument, account, override, LIMIT_ORDER_NOTIONAL)
    if limit == UNLIMITED:
        return 0
    numerator = load_i64(instrument + INSTRUMENT_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_DENOMINATOR)
    if not product_exceeds(price, quantity, numerator, limit, denominator):
        return 0
    level = level_of(gate, firm, instrument, account, LIMIT_ORDER_NOTIONAL, limit)
    observed = _order_notional(price, quantity, instrument, _BASIS_POINTS)
    return _reject_notional(gate, level, limit, observed, 0)


@inline
def check_market_notional(
    gate: int, firm: int, instrument: int, account: int, override: int, quantity: int
) -> int:
    """Hold an order without a price against the limit, valued at the far end of the collar.

    Without a collar (an explicit UNLIMITED) it is valued at the reference itself.
    """
    limit = tightest(gate, firm, instrument, account, override, LIMIT_ORDER_NOTIONAL)
    if limit == UNLIMITED:
        return 0
    level = level_of(gate, firm, instrument, account, LIMIT_ORDER_NOTIONAL, limit)
    source = reference_source(instrument)
    if source == 0:
        return reject(gate, _REASON_REFERENCE_PRICE_MISSING, level, limit, 0)
    collar = tightest(gate, firm, instrument, account, override, LIMIT_PRICE_COLLAR)
    premium = _BASIS_POINTS
    if collar != UNLIMITED:
        premium = add_saturating(collar, _BASIS_POINTS)
    price = reference_price(instrument, source)
    numerator = load_i64(instrument + INSTRUMENT_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_DENOMINATOR)
    if not product4_exceeds(price, quantity, numerator, premium, limit, denominator, _BASIS_POINTS):
        return 0
    observed = _order_notional(price, quantity, instrument, premium)
    return _reject_notional(gate, level, limit, observed, source)


@inline
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
def check_position(
    gate: int, firm: int, instrument: int, account: int, override: int, side: int, exposure: int
) -> int:
    """Hold a position that counts working orders against the long or the short limit."""
    offset = LIMIT_POSITION_LONG if side == _SIDE_BUY else LIMIT_POSITION_SHORT
    limit = tightest(gate, firm, instrument, account, override, offset)
    if exposure <= limit and exposure != INT64_MAX:
        return 0
    refusal = _REASON_POSITION_LIMIT_LONG if side == _SIDE_BUY else _REASON_POSITION_LIMIT_SHORT
    level = level_of(gate, firm, instrument, account, offset, limit)
    return reject(gate, refusal, level, limit, exposure)


@inline
def check_open_orders(gate: int, firm: int, instrument: int, account: int, override: int) -> int:
    """Hold the account's open orders, this one included, against the limit."""
    limit = tightest(gate, firm, instrument, account, override, LIMIT_OPEN_ORDERS)
    count = load_i32(account + LIMIT_OPEN_ORDER_COUNT) + 1
    if count <= limit:
        return 0
    level = level_of(gate, firm, instrument, account, LIMIT_OPEN_ORDERS, limit)
    return reject(gate, _REASON_OPEN_ORDER_LIMIT, level, limit, count)
