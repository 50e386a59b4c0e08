"""What an account's positions and working orders are worth, in the accounts' currency.

An instrument has a value for one quantity unit at its reference price, rounded up to 2^-20 notional
units. A pair stands in its account's sums at the unit value of its last change, so that what went
in comes out again exactly; ``gate_revalue`` brings pairs to the present price. Values of a quantity
are rounded up to a notional unit, whatever their sign.

The sums are kept only once a limit on them was set: the venue pays for what it uses.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.fixed_point import (
    add_saturating,
    product4_exceeds,
    subtract_saturating,
)
from tradecaptain.kernels.risk_gate.far_calls import (
    FAR_CHANGE_PAIR,
    FAR_SCAN_MARGIN,
    call_far,
)
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_FIRM_TOTAL,
    ACCOUNT_GROUP_TOTAL,
    ACCOUNT_TRADE_CASH,
    CONVERSION_ONE,
    HEADER_POSITION_TOTAL_COUNT,
    HEADER_VALUES_ARE_KEPT,
    INSTRUMENT_CONVERSION,
    INSTRUMENT_DENOMINATOR,
    INSTRUMENT_MARGIN_BPS,
    INSTRUMENT_NUMERATOR,
    INSTRUMENT_RISK_GROUP,
    INSTRUMENT_UNIT_MARGIN,
    INSTRUMENT_UNIT_VALUE,
    INSTRUMENT_VALUE_DENOMINATOR,
    INSTRUMENT_VALUE_NUMERATOR,
    INSTRUMENT_VALUE_PRICE_MAX,
    INSTRUMENT_VALUED_PRICE,
    INT64_MAX,
    NO_PRICE,
    PAIR_POSITION,
    PAIR_UNIT_MARGIN,
    PAIR_UNIT_VALUE,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    UNIT_VALUE_MAX,
    UNIT_VALUE_SHIFT,
)
from tradecaptain.kernels.risk_gate.plain_values import (
    add_plainly,
    are_moderate,
    changes_of,
    have_moderate_sums,
    plain_excess,
    plain_excess_before,
    plain_values,
    plain_values_before,
)
from tradecaptain.kernels.risk_gate.references import reference_price, reference_source
from tradecaptain.kernels.risk_gate.sums import (
    add_to_account,
    add_values,
    has_totals,
    quantities_of,
    value_of,
)
from tradecaptain.wire import common, reason

_REASON_CONVERSION_RATE_MISSING = reason.REASON_CONVERSION_RATE_MISSING
_REASON_REFERENCE_PRICE_MISSING = reason.REASON_REFERENCE_PRICE_MISSING

_BASIS_POINTS = 10_000
_ESTIMATE_SHIFT = 48  # a product of four rounded factors is right to 51 bits
_SIDE_BUY = common.SIDE_BUY


@kernel("int64(int64, int64)")
def search_unit_value(instrument: int, price: int) -> int:
    """Value of one quantity unit at a price in 2^-20 notional units, rounded up exactly."""
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
def _common_divisor(left: int, right: int) -> int:
    """Greatest common divisor of two positive numbers (Euclid)."""
    while right != 0:
        left, right = right, left % right
    return left


@inline
def note_value_scale(instrument: int) -> None:
    """Reduce what a price is multiplied by to one quotient, if that fits 63 bits.

    Prices up to a largest one are then valued by one multiplication and one division.
    """
    store_i64(instrument + INSTRUMENT_VALUED_PRICE, NO_PRICE)
    store_i64(instrument + INSTRUMENT_VALUE_PRICE_MAX, -1)
    conversion = load_i64(instrument + INSTRUMENT_CONVERSION)
    if conversion == 0:
        return
    numerator = load_i64(instrument + INSTRUMENT_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_DENOMINATOR)
    scale, one = 1 << UNIT_VALUE_SHIFT, CONVERSION_ONE
    for _ in range(2):
        # Each factor above is reduced with each below, one after the other.
        divisor = _common_divisor(numerator, denominator)
        numerator, denominator = numerator // divisor, denominator // divisor
        divisor = _common_divisor(conversion, denominator)
        conversion, denominator = conversion // divisor, denominator // divisor
        divisor = _common_divisor(scale, denominator)
        scale, denominator = scale // divisor, denominator // divisor
        denominator, one = one, denominator
    if (
        numerator > INT64_MAX // conversion
        or numerator * conversion > INT64_MAX // scale
        or denominator > INT64_MAX // one
    ):
        return
    numerator, denominator = numerator * conversion * scale, denominator * one
    store_i64(instrument + INSTRUMENT_VALUE_NUMERATOR, numerator)
    store_i64(instrument + INSTRUMENT_VALUE_DENOMINATOR, denominator)
    store_i64(instrument + INSTRUMENT_VALUE_PRICE_MAX, (INT64_MAX - denominator) // numerator)


@inline
def unit_value_at(instrument: int, price: int) -> int:
    """Value of one quantity unit at a price in 2^-20 notional units, rounded up exactly."""
    magnitude = abs(max(price, -INT64_MAX))
    if magnitude > load_i64(instrument + INSTRUMENT_VALUE_PRICE_MAX):
        return search_unit_value(instrument, price)
    product = magnitude * load_i64(instrument + INSTRUMENT_VALUE_NUMERATOR)
    denominator = load_i64(instrument + INSTRUMENT_VALUE_DENOMINATOR)
    if denominator != 1:
        product = (product + denominator - 1) // denominator
    return min(product, UNIT_VALUE_MAX)


@inline
def _unit_margin(unit_value: int, margin_bps: int) -> int:
    """Margin for one quantity unit, rounded up, in 2^-20 notional units."""
    if margin_bps == _BASIS_POINTS:
        return unit_value
    whole = unit_value // _BASIS_POINTS
    if margin_bps != 0 and whole > UNIT_VALUE_MAX // margin_bps:
        return UNIT_VALUE_MAX
    part = (unit_value % _BASIS_POINTS) * margin_bps
    return min(whole * margin_bps - (-part // _BASIS_POINTS), UNIT_VALUE_MAX)


@inline
def refresh_unit_value(instrument: int) -> bool:
    """Bring an instrument's unit value to its reference price; False if there is none to use.

    A price that was valued stays so until conversion, margin or scenarios change.
    """
    source = reference_source(instrument)
    if source != 0 and reference_price(instrument) == load_i64(
        instrument + INSTRUMENT_VALUED_PRICE
    ):
        return True
    return value_anew(instrument, source) != 0


@inline
def why_without_value(instrument: int) -> int:
    """Reason why an instrument has no unit value: no rate of its currency, else no price."""
    if load_i64(instrument + INSTRUMENT_CONVERSION) == 0:
        return _REASON_CONVERSION_RATE_MISSING
    return _REASON_REFERENCE_PRICE_MISSING


@kernel("int64(int64, int64)")
def value_anew(instrument: int, source: int) -> int:
    """Take the unit value at a reference that has changed: 1, or 0 if there is none to use."""
    if source == 0 or load_i64(instrument + INSTRUMENT_CONVERSION) == 0:
        store_i64(instrument + INSTRUMENT_VALUED_PRICE, NO_PRICE)
        store_i64(instrument + INSTRUMENT_UNIT_VALUE, 0)
        store_i64(instrument + INSTRUMENT_UNIT_MARGIN, 0)
        return 0
    price = reference_price(instrument)
    unit_value = unit_value_at(instrument, price)
    # Where scenarios give the margin, an instrument has none of its own.
    has_scenarios = load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0
    margin_bps = 0 if has_scenarios else load_i32(instrument + INSTRUMENT_MARGIN_BPS) + 0
    store_i64(instrument + INSTRUMENT_VALUED_PRICE, price)
    store_i64(instrument + INSTRUMENT_UNIT_VALUE, unit_value)
    store_i64(instrument + INSTRUMENT_UNIT_MARGIN, _unit_margin(unit_value, margin_bps))
    return 1


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


@inline
def values_with(gate: int, account: int, instrument: int, pair: int, side: int, added: int) -> Any:
    """Values of a pair as it stands in the sums, and at present prices with ``added`` working.

    Where scenarios give the margin, it is that of the account in the whole risk group.
    """
    old = values_before(pair)
    position, buys, sells = quantities_of(pair)
    if side == _SIDE_BUY:
        buys = add_saturating(buys, added)
    else:
        sells = add_saturating(sells, added)
    new = values_of_pair(
        position,
        buys,
        sells,
        load_i64(instrument + INSTRUMENT_UNIT_VALUE),
        load_i64(instrument + INSTRUMENT_UNIT_MARGIN),
    )
    if load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0:
        number = FAR_SCAN_MARGIN
        before = call_far(gate, number, gate, account, instrument, pair, side, 0)
        after = call_far(gate, number, gate, account, instrument, pair, side, added)
        old = (old[0], old[1], old[2], old[3] + before, old[4])
        new = (new[0], new[1], new[2], add_saturating(new[3], after), new[4])
    return old, new


@inline
def replace_values(account: int, old: Any, new: Any) -> None:
    """Put new values of a pair into its account's sums in the place of the old ones."""
    add_values(
        account,
        new[0] - old[0],
        new[1] - old[1],
        new[2] - old[2],
        new[3] - old[3],
        new[4] - old[4],
    )


@inline_always
def stand_at_unit_value(instrument: int, pair: int) -> None:
    """Note at which value of a unit a pair stands in its account's sums."""
    store_i64(pair + PAIR_UNIT_VALUE, load_i64(instrument + INSTRUMENT_UNIT_VALUE))
    store_i64(pair + PAIR_UNIT_MARGIN, load_i64(instrument + INSTRUMENT_UNIT_MARGIN))


@inline
def enter_pair(account: int, instrument: int, pair: int, old: Any) -> None:
    """Let a pair whose values were ``old`` stand at the present unit value in the sums."""
    refresh_unit_value(instrument)
    stand_at_unit_value(instrument, pair)
    replace_values(account, old, values_before(pair))


@inline
def is_special(gate: int, account: int, instrument: int) -> bool:
    """Whether more follows from a pair's quantities than the sums of its account and totals."""
    return load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0 or (
        has_totals(account) and load_i64(gate + HEADER_POSITION_TOTAL_COUNT) != 0
    )


@inline
def _store_quantities(pair: int, position: int, buys: int, sells: int) -> None:
    store_i64(pair + PAIR_POSITION, position)
    store_i64(pair + PAIR_WORKING_BUY, buys)
    store_i64(pair + PAIR_WORKING_SELL, sells)


@inline_always
def _cost_of(instrument: int, quantity: int) -> int:
    """What a fill of a signed quantity at the last price costs, or brings if it is negative."""
    refresh_unit_value(instrument)
    return value_of(quantity, load_i64(instrument + INSTRUMENT_UNIT_VALUE))


@kernel("int64(int64, int64, int64, int64, int64, int64, int64)")
def restate_plainly(
    account: int, instrument: int, pair: int, position: int, buys: int, sells: int, filled: int
) -> int:
    """Let a pair hold other quantities, and bring the sums with it: 1, or 0 with nothing changed
    where a number is too large for plain arithmetic. ``filled`` is the signed quantity of a fill.
    """
    old_position, old_buys, old_sells = quantities_of(pair)
    if not (
        are_moderate(position, buys, sells, 0)
        and are_moderate(old_position, old_buys, old_sells, 0)
    ):
        return 0
    cost = _cost_of(instrument, filled)
    unit_value = load_i64(instrument + INSTRUMENT_UNIT_VALUE)
    unit_margin = load_i64(instrument + INSTRUMENT_UNIT_MARGIN)
    excess = plain_excess_before(pair)
    excess |= plain_excess(position, buys, sells, unit_value, unit_margin)
    if excess != 0 or not have_moderate_sums(account):
        return 0
    new = plain_values(position, buys, sells, unit_value, unit_margin)
    changes = changes_of(plain_values_before(pair), new, -cost)
    if has_totals(account):
        group = load_i64(account + ACCOUNT_GROUP_TOTAL)
        firm = load_i64(account + ACCOUNT_FIRM_TOTAL)
        if (group != 0 and not have_moderate_sums(group)) or (
            firm != 0 and not have_moderate_sums(firm)
        ):
            return 0
        if group != 0:
            add_plainly(group, changes)
        if firm != 0:
            add_plainly(firm, changes)
    add_plainly(account, changes)
    _store_quantities(pair, position, buys, sells)
    stand_at_unit_value(instrument, pair)
    return 1


@inline
def restate_pair(
    gate: int,
    account: int,
    instrument: int,
    pair: int,
    position: int,
    buys: int,
    sells: int,
    filled: int,
) -> None:
    """Let a pair that isn't special hold other quantities, and bring the sums with it.

    ``filled`` is the signed quantity of a fill that changed them, else 0.
    """
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        _store_quantities(pair, position, buys, sells)
        return
    if restate_plainly(account, instrument, pair, position, buys, sells, filled) == 0:
        add_to_account(account, ACCOUNT_TRADE_CASH, -_cost_of(instrument, filled))
        old = values_before(pair)
        _store_quantities(pair, position, buys, sells)
        enter_pair(account, instrument, pair, old)


@inline
def change_pair(
    gate: int, account: int, instrument: int, pair: int, offset: int, amount: int
) -> None:
    """Set one quantity of a pair, and bring its account's sums with it."""
    if is_special(gate, account, instrument):
        call_far(gate, FAR_CHANGE_PAIR, gate, account, instrument, pair, offset, amount)
        return
    position, buys, sells = quantities_of(pair)
    if offset == PAIR_POSITION:
        position = amount
    elif offset == PAIR_WORKING_BUY:
        buys = amount
    else:
        sells = amount
    restate_pair(gate, account, instrument, pair, position, buys, sells, 0)


@inline
def fill_pair(
    gate: int, account: int, instrument: int, pair: int, offset: int, quantity: int, signed: int
) -> None:
    """Move a quantity from what works to the position, and take what that costs or brings."""
    position, buys, sells = quantities_of(pair)
    position = add_saturating(position, signed)
    if is_special(gate, account, instrument):
        if load_i64(gate + HEADER_VALUES_ARE_KEPT) != 0:
            add_to_account(account, ACCOUNT_TRADE_CASH, -_cost_of(instrument, signed))
        working = load_i64(pair + offset) - quantity
        change_pair(gate, account, instrument, pair, offset, working)
        change_pair(gate, account, instrument, pair, PAIR_POSITION, position)
        return
    if offset == PAIR_WORKING_BUY:
        buys -= quantity
    else:
        sells -= quantity
    restate_pair(gate, account, instrument, pair, position, buys, sells, signed)
