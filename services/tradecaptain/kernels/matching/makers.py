"""Which order an order that isn't plain meets next, and whether it may begin to trade at all."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, subtract_saturating
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import (
    FLAG_OWN_RULES,
    FLAG_PRICELESS,
    INT64_MAXIMUM,
    INT64_MINIMUM,
)
from tradecaptain.kernels.matching.levels import (
    BUY,
    best_level,
    crosses,
    level_head,
    opposite,
    order_behind,
    worse_level,
)
from tradecaptain.kernels.matching.tables import level_at, order_at, side_at, terms_at
from tradecaptain.kernels.matching.terms import (
    has_flag,
    order_book,
    order_side,
    required_units,
    time_in_force_of,
)
from tradecaptain.wire import common

BEYOND_BAND = -1


@inline
def limit_of(order: int) -> int:
    """The worst price that an order (by its address) trades at."""
    if has_flag(order, FLAG_PRICELESS):
        return INT64_MAXIMUM if order_side(order) == BUY else INT64_MINIMUM
    return load_i64(order + at.ORDER_PRICE_UNITS)


@inline
def note_band(engine: int, book: int) -> None:
    """The last price before an order trades is what the dynamic band lies around."""
    store_i64(engine + at.HEADER_HAS_BAND_REFERENCE, load_i64(book + at.BOOK_HAS_LAST))
    store_i64(engine + at.HEADER_BAND_REFERENCE_UNITS, load_i64(book + at.BOOK_LAST_PRICE_UNITS))


@inline
def lowest_in_band(engine: int, book: int) -> int:
    """Lowest price of the dynamic band of a book (by its address)."""
    width_units = load_i64(book + at.BOOK_DYNAMIC_BAND_UNITS)
    if width_units == 0 or load_i64(engine + at.HEADER_HAS_BAND_REFERENCE) == 0:
        return INT64_MINIMUM
    return subtract_saturating(load_i64(engine + at.HEADER_BAND_REFERENCE_UNITS), width_units)


@inline
def highest_in_band(engine: int, book: int) -> int:
    """Highest price of the dynamic band of a book (by its address)."""
    width_units = load_i64(book + at.BOOK_DYNAMIC_BAND_UNITS)
    if width_units == 0 or load_i64(engine + at.HEADER_HAS_BAND_REFERENCE) == 0:
        return INT64_MAXIMUM
    return add_saturating(load_i64(engine + at.HEADER_BAND_REFERENCE_UNITS), width_units)


@inline
def prevention_of(engine: int, slot: int) -> int:
    """Self-trade prevention that an order asks for; zero if it asks for none."""
    if not has_flag(order_at(engine, slot), FLAG_OWN_RULES):
        return 0
    return load_i32(terms_at(engine, slot) + at.TERMS_SELF_TRADE_PREVENTION) + 0


@inline
def same_party(engine: int, taker: int, maker: int) -> bool:
    """Whether two orders must not trade with each other, by the taker's rules."""
    taker_order = order_at(engine, taker)
    maker_order = order_at(engine, maker)
    group = load_i32(taker_order + at.ORDER_SELF_TRADE_GROUP) + 0
    if group != 0:
        return group == load_i32(maker_order + at.ORDER_SELF_TRADE_GROUP)
    return prevention_of(engine, taker) != 0 and load_i32(
        taker_order + at.ORDER_ACCOUNT_ID
    ) == load_i32(maker_order + at.ORDER_ACCOUNT_ID)


@inline
def next_maker(engine: int, taker: int) -> int:
    """The order that a taker trades with next; 0 for none, BEYOND_BAND if the band is in the way.

    Orders that need more at once than the taker has left are passed over.
    """
    order = order_at(engine, taker)
    side = order_side(order)
    book = order_book(engine, taker)
    limit_units = limit_of(order)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    low = lowest_in_band(engine, book)
    high = highest_in_band(engine, book)
    answer = 0
    other = side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, opposite(side))
    level = best_level(other)
    while level != 0:
        price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
        if not crosses(side, limit_units, price_units):
            return answer
        if price_units < low or price_units > high:
            answer = BEYOND_BAND
        else:
            slot = level_head(engine, level)
            while slot != 0:
                if required_units(engine, slot) <= leaves_units:
                    return slot
                slot = order_behind(engine, slot)
        level = worse_level(engine, level)
    return answer


@inline
def needed_units(engine: int, slot: int) -> int:
    """What an order needs at once, or it doesn't trade."""
    if time_in_force_of(engine, slot) == common.TIME_IN_FORCE_FILL_OR_KILL:
        return load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
    return required_units(engine, slot)


@inline
def may_begin(engine: int, taker: int) -> bool:
    """Whether what an order needs at once is there."""
    needed = needed_units(engine, taker)
    if needed == 0:
        return True
    order = order_at(engine, taker)
    side = order_side(order)
    book = order_book(engine, taker)
    limit_units = limit_of(order)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    low = lowest_in_band(engine, book)
    high = highest_in_band(engine, book)
    # An order that trades from its place leaves its own party's orders alone.
    skips_own = (
        prevention_of(engine, taker) == common.SELF_TRADE_PREVENTION_CANCEL_OLDEST
        and load_i32(order + at.ORDER_LEVEL) == 0
    )
    found_units = 0
    other = side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, opposite(side))
    level = best_level(other)
    while level != 0:
        price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
        if not crosses(side, limit_units, price_units):
            return False
        slot = level_head(engine, level)
        if price_units < low or price_units > high:
            slot = 0
        while slot != 0:
            missing_units = leaves_units - found_units
            if required_units(engine, slot) <= missing_units:
                if not same_party(engine, taker, slot):
                    found_units += min(
                        missing_units, load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
                    )
                    if found_units >= needed:
                        return True
                elif not skips_own:
                    return False
            slot = order_behind(engine, slot)
        level = worse_level(engine, level)
    return False
