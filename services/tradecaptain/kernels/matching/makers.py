"""Which order an order that isn't plain meets next, and whether it may begin to trade at all."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, subtract_saturating
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.groups import ROLE_ENTRY, next_member, role_of
from tradecaptain.kernels.matching.layout import (
    FLAG_GROUPED,
    FLAG_OWN_RULES,
    INT64_MAXIMUM,
    INT64_MINIMUM,
)
from tradecaptain.kernels.matching.levels import (
    best_level,
    crosses,
    level_head,
    opposite,
    order_behind,
    worse_level,
)
from tradecaptain.kernels.matching.meeting import filters, joins_queue, limit_of, meeting_units
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
STOPPED_AT = -1
"""Of a look: nothing more is to be had from here on."""


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
def is_in_band(engine: int, book: int, price_units: int) -> bool:
    """Whether a trade at a price keeps within the dynamic band of a book (by its address)."""
    return lowest_in_band(engine, book) <= price_units <= highest_in_band(engine, book)


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
    level = best_level(side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, opposite(side)))
    while level != 0:
        price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
        if not crosses(side, limit_units, price_units):
            return 0
        slot = level_head(engine, level)
        while slot != 0:
            if required_units(engine, slot) <= leaves_units and not joins_queue(
                engine, taker, slot
            ):
                is_within = is_in_band(engine, book, meeting_units(engine, taker, slot))
                return slot if is_within else BEYOND_BAND
            slot = order_behind(engine, slot)
        level = worse_level(engine, level)
    return 0


@inline
def needed_units(engine: int, slot: int) -> int:
    """What an order needs at once, or it doesn't trade."""
    if time_in_force_of(engine, slot) == common.TIME_IN_FORCE_FILL_OR_KILL:
        return load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
    return required_units(engine, slot)


@inline
def is_simple(engine: int, taker: int, level: int) -> bool:
    """Whether a taker could have all of a level (by its address), whoever's orders they are."""
    book = order_book(engine, taker)
    return (
        load_i32(level + at.LEVEL_CONDITIONAL_COUNT) == 0
        and (load_i32(level + at.LEVEL_HIDDEN_COUNT) == 0 or not filters(book))
        and load_i32(book + at.BOOK_GROUPED_COUNT) == 0
        and load_i32(order_at(engine, taker) + at.ORDER_SELF_TRADE_GROUP) == 0
        and prevention_of(engine, taker) == 0
    )


@inline
def cancels_group(engine: int, slot: int) -> bool:
    """Whether a trade of an order cancels the others of its group."""
    return has_flag(order_at(engine, slot), FLAG_GROUPED) and role_of(engine, slot) != ROLE_ENTRY


@inline
def of_one_group(engine: int, slot: int, other: int) -> bool:
    """Whether two orders are of one group."""
    return (
        has_flag(order_at(engine, slot), FLAG_GROUPED)
        and has_flag(order_at(engine, other), FLAG_GROUPED)
        and load_i32(order_at(engine, slot) + at.ORDER_ACCOUNT_ID)
        == load_i32(order_at(engine, other) + at.ORDER_ACCOUNT_ID)
        and load_i64(terms_at(engine, slot) + at.TERMS_GROUP_ID)
        == load_i64(terms_at(engine, other) + at.TERMS_GROUP_ID)
    )


@inline
def would_be_gone(engine: int, taker: int, slot: int, look: int, found_units: int) -> bool:
    """Whether an earlier trade of the same taker would have cancelled an order with its group.

    Orders that were counted in this look carry its number; grouped orders have no shares.
    """
    if found_units != 0 and cancels_group(engine, taker) and of_one_group(engine, taker, slot):
        return True
    if not cancels_group(engine, slot):
        return False
    account_id = load_i32(order_at(engine, slot) + at.ORDER_ACCOUNT_ID) + 0
    group_id = load_i64(terms_at(engine, slot) + at.TERMS_GROUP_ID)
    member = next_member(engine, account_id, group_id, 0)
    while member != 0:
        if member != slot and load_i64(terms_at(engine, member) + at.TERMS_SHARE_UNITS) == look:
            return True
        order_id = load_i64(order_at(engine, member) + at.ORDER_ORDER_ID)
        member = next_member(engine, account_id, group_id, order_id)
    return False


@inline
def note_counted(engine: int, slot: int, look: int) -> None:
    """Let a grouped order carry the number of the look that has counted it."""
    if has_flag(order_at(engine, slot), FLAG_GROUPED):
        store_i64(terms_at(engine, slot) + at.TERMS_SHARE_UNITS, look)


@inline
def next_look(engine: int) -> int:
    """Number of a new look; negative, so that it is no share."""
    look = load_i64(engine + at.HEADER_LOOK_NUMBER) - 1
    store_i64(engine + at.HEADER_LOOK_NUMBER, look)
    return look


@inline
def look_through(engine: int, taker: int, level: int, look: int, found_units: int) -> int:
    """Add what a taker could have of a level, order by order; STOPPED_AT minus it if it ends there.

    ``found_units`` is what the levels before have; the sum never exceeds what the taker wants.
    """
    order = order_at(engine, taker)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    book = order_book(engine, taker)
    # An order that trades from its place leaves its own party's orders alone.
    skips_own = (
        prevention_of(engine, taker) == common.SELF_TRADE_PREVENTION_CANCEL_OLDEST
        and load_i32(order + at.ORDER_LEVEL) == 0
    )
    slot = level_head(engine, level)
    while slot != 0 and found_units < leaves_units:
        missing_units = leaves_units - found_units
        if (
            required_units(engine, slot) <= missing_units
            and not would_be_gone(engine, taker, slot, look, found_units)
            and not joins_queue(engine, taker, slot)
        ):
            if not is_in_band(engine, book, meeting_units(engine, taker, slot)):
                return STOPPED_AT - found_units
            if not same_party(engine, taker, slot):
                open_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
                found_units += min(missing_units, open_units)
                note_counted(engine, slot, look)
            elif not skips_own:
                return STOPPED_AT - found_units
        slot = order_behind(engine, slot)
    return found_units


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
    look = next_look(engine)
    found_units = 0
    level = best_level(side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, opposite(side)))
    while level != 0 and 0 <= found_units < needed:
        address = level_at(engine, level)
        price_units = load_i64(address + at.LEVEL_PRICE_UNITS)
        if not crosses(side, limit_units, price_units):
            return False
        if is_simple(engine, taker, address) and is_in_band(engine, book, price_units):
            open_units = load_i64(address + at.LEVEL_QUANTITY_UNITS)
            found_units += min(leaves_units - found_units, open_units)
        else:
            found_units = look_through(engine, taker, level, look, found_units)
        level = worse_level(engine, level)
    if found_units < 0:
        return STOPPED_AT - found_units >= needed
    return found_units >= needed
