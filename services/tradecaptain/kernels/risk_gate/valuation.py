"""What an account's positions and working orders are worth, in the accounts' currency.

An instrument has a value for one quantity unit at its reference price, rounded up to 2^-32 notional
units. A pair stands in its account's sums at the unit value of its last change, so that what went
in comes out again exactly; ``gate_revalue`` brings pairs to the present price. Values of a quantity
are rounded up to a notional unit, whatever their sign.

The sums are kept only once a limit on them was set: the venue pays for what it uses.
"""

from __future__ import annotations

from typing import Any

from numba import types
from tradecaptain.base.jit import inline, inline_always, kernel
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.fixed_point import (
    add_saturating,
    product4_exceeds,
    scaled_up,
    subtract_saturating,
)
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_CASH,
    ACCOUNT_DAY_START_VALUE,
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_MARGIN,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    ACCOUNT_POSITION_VALUE,
    ACCOUNT_TRADE_CASH,
    CONVERSION_ONE,
    HEADER_PAIRS,
    HEADER_VALUES_ARE_KEPT,
    INSTRUMENT_CONVERSION,
    INSTRUMENT_DENOMINATOR,
    INSTRUMENT_MARGIN_BPS,
    INSTRUMENT_NUMERATOR,
    INSTRUMENT_UNIT_MARGIN,
    INSTRUMENT_UNIT_VALUE,
    INSTRUMENT_VALUED_PRICE,
    INT64_MAX,
    NO_PRICE,
    PAIR_POSITION,
    PAIR_ROW_BYTES,
    PAIR_UNIT_MARGIN,
    PAIR_UNIT_VALUE,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    TABLE_ROWS,
    TABLE_USED_COUNT,
    UNIT_VALUE_MAX,
    UNIT_VALUE_SHIFT,
    VALUE_MAX,
)
from tradecaptain.kernels.risk_gate.references import reference_price, reference_source
from tradecaptain.kernels.risk_gate.rows import find_account, find_instrument

_BASIS_POINTS = 10_000
_ESTIMATE_SHIFT = 48  # a product of four rounded factors is right to 51 bits


@inline_always
def value_of(quantity: int, unit_value: int) -> int:
    """Value of a signed quantity in notional units, its magnitude rounded up."""
    magnitude = scaled_up(abs(max(quantity, -INT64_MAX)), unit_value, VALUE_MAX)
    return magnitude if quantity >= 0 else -magnitude


@inline
def _unit_value(instrument: int, price: int) -> int:
    """Value of one quantity unit at a price in 2^-32 notional units, rounded up exactly."""
    numerator = load_i64(instrument + INSTRUMENT_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_DENOMINATOR)
    conversion = load_i64(instrument + INSTRUMENT_CONVERSION)
    scale = 1 << UNIT_VALUE_SHIFT
    if product4_exceeds(
        price, scale, numerator, conversion, UNIT_VALUE_MAX, denominator, CONVERSION_ONE
    ):
        return UNIT_VALUE_MAX
    ratio = float(numerator) * float(conversion) / (float(denominator) * float(CONVERSION_ONE))
    estimate = int(min(abs(float(price)) * float(scale) * ratio, float(UNIT_VALUE_MAX)))
    margin = (estimate >> _ESTIMATE_SHIFT) + 2
    low, high = max(estimate - margin, 0), min(estimate + margin, UNIT_VALUE_MAX)
    while low < high:
        middle = low + ((high - low) >> 1)
        if product4_exceeds(
            price, scale, numerator, conversion, middle, denominator, CONVERSION_ONE
        ):
            low = middle + 1
        else:
            high = middle
    return low


@inline
def _unit_margin(unit_value: int, margin_bps: int) -> int:
    """Margin for one quantity unit, rounded up, in 2^-32 notional units."""
    whole = unit_value // _BASIS_POINTS
    if margin_bps != 0 and whole > UNIT_VALUE_MAX // margin_bps:
        return UNIT_VALUE_MAX
    part = (unit_value % _BASIS_POINTS) * margin_bps
    return min(whole * margin_bps - (-part // _BASIS_POINTS), UNIT_VALUE_MAX)


@inline
def refresh_unit_value(instrument: int) -> bool:
    """Bring an instrument's unit value to its reference price; False if there is none to use."""
    source = reference_source(instrument)
    if source == 0 or load_i64(instrument + INSTRUMENT_CONVERSION) == 0:
        store_i64(instrument + INSTRUMENT_VALUED_PRICE, NO_PRICE)
        store_i64(instrument + INSTRUMENT_UNIT_VALUE, 0)
        store_i64(instrument + INSTRUMENT_UNIT_MARGIN, 0)
        return False
    price = reference_price(instrument, source)
    if price != load_i64(instrument + INSTRUMENT_VALUED_PRICE):
        unit_value = _unit_value(instrument, price)
        margin_bps = load_i64(instrument + INSTRUMENT_MARGIN_BPS)
        store_i64(instrument + INSTRUMENT_VALUED_PRICE, price)
        store_i64(instrument + INSTRUMENT_UNIT_VALUE, unit_value)
        store_i64(instrument + INSTRUMENT_UNIT_MARGIN, _unit_margin(unit_value, margin_bps))
    return True


@inline_always
def values_of_pair(position: int, buys: int, sells: int, unit_value: int, unit_margin: int) -> Any:
    """Gross, net if bought, net if sold, margin and value of a position with its working orders."""
    bought = add_saturating(position, buys)
    sold = subtract_saturating(position, sells)
    largest = max(abs(max(bought, -INT64_MAX)), abs(max(sold, -INT64_MAX)))
    return (
        value_of(largest, unit_value),
        value_of(bought, unit_value),
        value_of(sold, unit_value),
        value_of(largest, unit_margin),
        value_of(position, unit_value),
    )


@inline_always
def values_before(pair: int) -> Any:
    """Values with which a pair stands in its account's sums."""
    return values_of_pair(
        load_i64(pair + PAIR_POSITION),
        load_i64(pair + PAIR_WORKING_BUY),
        load_i64(pair + PAIR_WORKING_SELL),
        load_i64(pair + PAIR_UNIT_VALUE),
        load_i64(pair + PAIR_UNIT_MARGIN),
    )


@inline_always
def add_to_sum(account: int, offset: int, amount: int) -> None:
    """Change one of an account's sums, held at the ends of int64."""
    store_i64(account + offset, add_saturating(load_i64(account + offset), amount))


@inline
def _add_pair(account: int, pair: int, sign: int) -> None:
    """Put a pair as it stands into its account's sums, or take it out."""
    gross, if_bought, if_sold, margin, value = values_before(pair)
    add_to_sum(account, ACCOUNT_GROSS_EXPOSURE, sign * gross)
    add_to_sum(account, ACCOUNT_NET_IF_BOUGHT, sign * if_bought)
    add_to_sum(account, ACCOUNT_NET_IF_SOLD, sign * if_sold)
    add_to_sum(account, ACCOUNT_MARGIN, sign * margin)
    add_to_sum(account, ACCOUNT_POSITION_VALUE, sign * value)


@inline
def _enter_pair(account: int, instrument: int, pair: int) -> None:
    """Put a pair into its account's sums at the present unit value."""
    refresh_unit_value(instrument)
    store_i64(pair + PAIR_UNIT_VALUE, load_i64(instrument + INSTRUMENT_UNIT_VALUE))
    store_i64(pair + PAIR_UNIT_MARGIN, load_i64(instrument + INSTRUMENT_UNIT_MARGIN))
    _add_pair(account, pair, 1)


@inline
def change_pair(
    gate: int, account: int, instrument: int, pair: int, offset: int, amount: int
) -> None:
    """Set one quantity of a pair, and bring its account's sums with it."""
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        store_i64(pair + offset, amount)
        return
    _add_pair(account, pair, -1)
    store_i64(pair + offset, amount)
    _enter_pair(account, instrument, pair)


@inline
def note_trade_cash(gate: int, account: int, instrument: int, quantity: int) -> None:
    """Take what a fill of a signed quantity at the last price costs or brings."""
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        return
    refresh_unit_value(instrument)
    cost = value_of(quantity, load_i64(instrument + INSTRUMENT_UNIT_VALUE))
    add_to_sum(account, ACCOUNT_TRADE_CASH, -cost)


@inline_always
def profit(account: int) -> int:
    """What trades brought and positions are worth."""
    return add_saturating(
        load_i64(account + ACCOUNT_TRADE_CASH), load_i64(account + ACCOUNT_POSITION_VALUE)
    )


@inline_always
def profit_of_day(account: int) -> int:
    """Profit since the day began; negative is a loss."""
    return subtract_saturating(profit(account), load_i64(account + ACCOUNT_DAY_START_VALUE))


@inline_always
def equity(account: int) -> int:
    """Cash and profit."""
    return add_saturating(load_i64(account + ACCOUNT_CASH), profit(account))


@inline
def revalue_pair(gate: int, pair: int) -> None:
    """Bring one pair to the present unit value of its instrument."""
    key = load_i64(pair)
    account = find_account(gate, key >> 32)
    instrument = find_instrument(gate, key & 0xFFFFFFFF)
    if instrument != 0:
        _add_pair(account, pair, -1)
        _enter_pair(account, instrument, pair)


@kernel(types.int64(types.int64, types.int64, types.int64))
def gate_revalue(gate: int, first: int, count: int) -> int:
    """Bring pairs to the present prices, ``count`` of them from number ``first`` on (from 1).

    Returns where to go on, or 0 after the last.
    """
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        return 0
    end = load_i64(gate + HEADER_PAIRS + TABLE_USED_COUNT) + 1
    rows = load_i64(gate + HEADER_PAIRS + TABLE_ROWS)
    last = min(max(first, 1) + count, end)
    for number in range(max(first, 1), last):
        revalue_pair(gate, rows + number * PAIR_ROW_BYTES)
    return last if last < end else 0


@inline
def keep_values(gate: int) -> None:
    """Begin to keep the sums: every pair enters at the present prices, without profit so far."""
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) != 0:
        return
    store_i64(gate + HEADER_VALUES_ARE_KEPT, 1)
    rows = load_i64(gate + HEADER_PAIRS + TABLE_ROWS)
    for number in range(1, load_i64(gate + HEADER_PAIRS + TABLE_USED_COUNT) + 1):
        pair = rows + number * PAIR_ROW_BYTES
        key = load_i64(pair)
        account = find_account(gate, key >> 32)
        instrument = find_instrument(gate, key & 0xFFFFFFFF)
        if instrument != 0:
            before = load_i64(account + ACCOUNT_POSITION_VALUE)
            _enter_pair(account, instrument, pair)
            gained = subtract_saturating(load_i64(account + ACCOUNT_POSITION_VALUE), before)
            add_to_sum(account, ACCOUNT_TRADE_CASH, -gained)
