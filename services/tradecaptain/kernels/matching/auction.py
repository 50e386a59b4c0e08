"""Call auctions: the price at which most can trade, what it would be now, and the uncrossing.

Price: the largest volume; then the smallest surplus; then, if all that is left over is on one side,
the price furthest in its favour; else the price nearest to the last one (without one, the middle).
These are the rules of Xetra and, but for the middle, of the London and Johannesburg exchanges.
Orders that set a condition take no part. Sums beyond int64 count as the largest.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.events import write_market
from tradecaptain.kernels.matching.indexes import index_behind, markets_first
from tradecaptain.kernels.matching.layout import FLAG_CONDITIONAL, FLAG_GROUPED, INT64_MAXIMUM
from tradecaptain.kernels.matching.levels import (
    BUY,
    SELL,
    best_level,
    better_level,
    crosses,
    is_better,
    level_head,
    order_behind,
    worse_level,
)
from tradecaptain.kernels.matching.orders import note_timer
from tradecaptain.kernels.matching.special import is_auction, steps_left, trade_orders
from tradecaptain.kernels.matching.tables import (
    book_at,
    level_at,
    order_at,
    side_at,
    terms_at,
)
from tradecaptain.kernels.matching.terms import (
    has_flag,
    order_book,
    slice_units,
    time_in_force_of,
)
from tradecaptain.wire import book_event, common

HALF_BITS = 31
FILTERED = 1
"""The share of an order that an uncrossing leaves out: see uncrossing.py."""
HALF_MASK = (1 << HALF_BITS) - 1


@inline
def low_half(units: int) -> int:
    """The low 31 bits of a quantity; sums of halves don't overflow."""
    return units & HALF_MASK


@inline
def whole_units(high: int, low: int) -> int:
    """A sum of quantities from the sums of its halves, at most the largest int64."""
    high += low >> HALF_BITS
    if high >= 1 << 32:
        return INT64_MAXIMUM
    return (high << HALF_BITS) | (low & HALF_MASK)


@inline
def fits_phase(engine: int, slot: int) -> bool:
    """Whether an order is for the auction of the instrument's phase, and sets no condition; outside
    of auctions, whether it may be uncrossed."""
    phase = load_i64(order_book(engine, slot) + at.BOOK_PHASE)
    time_in_force = time_in_force_of(engine, slot)
    if (
        time_in_force == common.TIME_IN_FORCE_AT_OPEN
        and phase != common.TRADING_PHASE_OPENING_AUCTION
    ) or (
        time_in_force == common.TIME_IN_FORCE_AT_CLOSE
        and phase != common.TRADING_PHASE_CLOSING_AUCTION
    ):
        return False
    order = order_at(engine, slot)
    if phase != common.TRADING_PHASE_CONTINUOUS:
        return not has_flag(order, FLAG_CONDITIONAL)
    return not has_flag(order, FLAG_GROUPED) and (
        not has_flag(order, FLAG_CONDITIONAL)
        or load_i64(terms_at(engine, slot) + at.TERMS_SHARE_UNITS) != FILTERED
    )


@inline
def next_market(engine: int, slot: int) -> int:
    """The first market order from one of their list on that is for this auction, or 0."""
    while slot != 0 and not fits_phase(engine, slot):
        slot = index_behind(engine, slot)
    return slot


@inline
def first_market(engine: int, book: int, side: int) -> int:
    """The first waiting order of a side that takes part at any price, or 0."""
    return next_market(engine, load_i32(markets_first(book_at(engine, book), side)) + 0)


@inline
def market_half(engine: int, book: int, side: int, is_high: bool) -> int:
    """Sum of one half of the quantities that take part at any price."""
    total = 0
    slot = first_market(engine, book, side)
    while slot != 0:
        units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
        total += units >> HALF_BITS if is_high else low_half(units)
        slot = next_market(engine, index_behind(engine, slot))
    return total


@inline
def has_misfits(book: int) -> bool:
    """Whether a book (by its address) holds orders that take no part beside those that set
    conditions: they are for another kind of auction, or of groups where these are left out."""
    phase = load_i64(book + at.BOOK_PHASE)
    if phase == common.TRADING_PHASE_CONTINUOUS:
        return load_i32(book + at.BOOK_GROUPED_COUNT) != 0
    return (
        load_i32(book + at.BOOK_AT_OPEN_COUNT) != 0
        and phase != common.TRADING_PHASE_OPENING_AUCTION
    ) or (
        load_i32(book + at.BOOK_AT_CLOSE_COUNT) != 0
        and phase != common.TRADING_PHASE_CLOSING_AUCTION
    )


@inline
def walked_units(engine: int, level: int) -> int:
    """What takes part of a level, order by order."""
    total = 0
    slot = level_head(engine, level)
    while slot != 0:
        if fits_phase(engine, slot):
            total += load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
        slot = order_behind(engine, slot)
    return total


@inline
def level_units(engine: int, book: int, level: int) -> int:
    """What takes part of a level: its total but for orders that set a condition.

    ``book`` is the book's address.
    """
    if has_misfits(book):
        return walked_units(engine, level)
    address = level_at(engine, level)
    total = load_i64(address + at.LEVEL_QUANTITY_UNITS)
    if load_i32(address + at.LEVEL_CONDITIONAL_COUNT) == 0:
        return total
    slot = load_i32(book + at.BOOK_FIRST_CONDITIONAL) + 0
    while slot != 0:
        order = order_at(engine, slot)
        if load_i32(order + at.ORDER_LEVEL) == level and not fits_phase(engine, slot):
            total -= load_i64(order + at.ORDER_LEAVES_UNITS)
        slot = index_behind(engine, slot)
    return total


@inline
def depth_at(engine: int, book: int, side: int, price_units: int) -> int:
    """Quantity of a side that may trade at a price."""
    high = market_half(engine, book, side, True)
    low = market_half(engine, book, side, False)
    address = book_at(engine, book)
    level = best_level(side_at(engine, book, side))
    while level != 0:
        level_price = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
        if not crosses(side, level_price, price_units):
            break
        units = level_units(engine, address, level)
        high += units >> HALF_BITS
        low += low_half(units)
        level = worse_level(engine, level)
    return whole_units(high, low)


@inline
def note_candidate(engine: int, price_units: int, bought: int, sold: int) -> None:
    """Hold a price against the best so far; prices come in ascending order.

    Kept are volume and surplus of the best, the first and last of equals, and their surpluses.
    """
    volume = min(bought, sold)
    surplus = bought - sold
    best = load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS)
    least = load_i64(engine + at.HEADER_CURSOR_UNITS)
    if volume == 0 or volume < best or (volume == best and abs(surplus) > least):
        return
    if volume > best or abs(surplus) < least:
        store_i64(engine + at.HEADER_AUCTION_LEFT_UNITS, volume)
        store_i64(engine + at.HEADER_CURSOR_UNITS, abs(surplus))
        store_i64(engine + at.HEADER_AUCTION_PRICE_UNITS, price_units)
        store_i64(engine + at.HEADER_AUCTION_SURPLUS_UNITS, surplus)
    store_i64(engine + at.HEADER_MISSING_UNITS, price_units)
    store_i64(engine + at.HEADER_CURSOR_LEVEL, surplus)


@inline
def lowest_bid(engine: int, book: int, is_open: bool) -> int:
    """The bid level to begin with: the lowest at all, or the lowest that the best ask reaches."""
    level = best_level(side_at(engine, book, BUY))
    ask = best_level(side_at(engine, book, SELL))
    if level == 0 or (not is_open and ask == 0):
        return 0
    bound = 0 if is_open else load_i64(level_at(engine, ask) + at.LEVEL_PRICE_UNITS)
    found = 0
    while level != 0:
        if not is_open and load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS) < bound:
            break
        found = level
        level = worse_level(engine, level)
    return found


@inline
def try_prices(engine: int, book: int) -> bool:
    """Try every price at which something could trade, in ascending order; False without any."""
    buy_high = market_half(engine, book, BUY, True)
    buy_low = market_half(engine, book, BUY, False)
    sell_high = market_half(engine, book, SELL, True)
    sell_low = market_half(engine, book, SELL, False)
    is_open = buy_high | buy_low | sell_high | sell_low != 0
    address = book_at(engine, book)
    bid = lowest_bid(engine, book, is_open)
    level = bid
    while level != 0:
        units = level_units(engine, address, level)
        buy_high += units >> HALF_BITS
        buy_low += low_half(units)
        level = better_level(engine, level)
    best_bid = best_level(side_at(engine, book, BUY))
    ask = best_level(side_at(engine, book, SELL))
    was_tried = False
    has_asks = False
    while bid != 0 or ask != 0:
        takes_ask = bid == 0
        price_units = 0
        if bid != 0:
            price_units = load_i64(level_at(engine, bid) + at.LEVEL_PRICE_UNITS)
        if ask != 0:
            ask_units = load_i64(level_at(engine, ask) + at.LEVEL_PRICE_UNITS)
            if takes_ask or ask_units <= price_units:
                takes_ask = True
                price_units = ask_units
        if takes_ask:
            if not is_open and (
                best_bid == 0
                or is_better(
                    BUY, price_units, load_i64(level_at(engine, best_bid) + at.LEVEL_PRICE_UNITS)
                )
            ):
                break
            units = level_units(engine, address, ask)
            sell_high += units >> HALF_BITS
            sell_low += low_half(units)
            ask = worse_level(engine, ask)
            is_shared = bid != 0 and price_units == load_i64(
                level_at(engine, bid) + at.LEVEL_PRICE_UNITS
            )
            has_asks = units != 0
            if has_asks and not is_shared:
                was_tried = True
                note_candidate(
                    engine,
                    price_units,
                    whole_units(buy_high, buy_low),
                    whole_units(sell_high, sell_low),
                )
                has_asks = False
        else:
            units = level_units(engine, address, bid)
            # A price that bids and asks share is tried here, with its asks counted already.
            if units != 0 or has_asks:
                was_tried = True
                note_candidate(
                    engine,
                    price_units,
                    whole_units(buy_high, buy_low),
                    whole_units(sell_high, sell_low),
                )
            has_asks = False
            buy_high -= units >> HALF_BITS
            buy_low -= low_half(units)
            bid = better_level(engine, bid)
    return was_tried


@inline
def choose_price(engine: int, address: int) -> int:
    """The auction's price among the first and last of equals that `try_prices` has left."""
    low_price = load_i64(engine + at.HEADER_AUCTION_PRICE_UNITS)
    high_price = load_i64(engine + at.HEADER_MISSING_UNITS)
    low_surplus = load_i64(engine + at.HEADER_AUCTION_SURPLUS_UNITS)
    high_surplus = load_i64(engine + at.HEADER_CURSOR_LEVEL)
    if low_surplus > 0 and high_surplus > 0:
        return high_price
    if low_surplus < 0 and high_surplus < 0:
        return low_price
    if load_i64(address + at.BOOK_HAS_LAST) == 0:
        return (low_price >> 1) + (high_price >> 1) + (low_price & high_price & 1)
    last_units = load_i64(address + at.BOOK_LAST_PRICE_UNITS)
    return max(low_price, min(high_price, last_units))


@kernel("void(int64, int64)")
def find_auction_price(engine: int, book: int) -> None:
    """Write price, volume and surplus (positive: buys left over) of an auction into the header.

    All three are zero if nothing would trade. ``book`` is the book's index.
    """
    address = book_at(engine, book)
    store_i64(engine + at.HEADER_AUCTION_LEFT_UNITS, 0)
    store_i64(engine + at.HEADER_CURSOR_UNITS, INT64_MAXIMUM)
    was_tried = try_prices(engine, book)
    if not was_tried and load_i64(address + at.BOOK_HAS_LAST) != 0:
        last_units = load_i64(address + at.BOOK_LAST_PRICE_UNITS)
        bought = depth_at(engine, book, BUY, last_units)
        sold = depth_at(engine, book, SELL, last_units)
        note_candidate(engine, last_units, bought, sold)
    if load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS) == 0:
        store_i64(engine + at.HEADER_AUCTION_PRICE_UNITS, 0)
        store_i64(engine + at.HEADER_AUCTION_SURPLUS_UNITS, 0)
        return
    price_units = choose_price(engine, address)
    bought = depth_at(engine, book, BUY, price_units)
    sold = depth_at(engine, book, SELL, price_units)
    store_i64(engine + at.HEADER_AUCTION_PRICE_UNITS, price_units)
    store_i64(engine + at.HEADER_AUCTION_LEFT_UNITS, min(bought, sold))
    store_i64(engine + at.HEADER_AUCTION_SURPLUS_UNITS, bought - sold)


@inline
def tell_indication(engine: int, address: int) -> None:
    """Publish the auction result in the header for a book (by its address)."""
    surplus = load_i64(engine + at.HEADER_AUCTION_SURPLUS_UNITS)
    event = write_market(engine, address, book_event.BOOK_ACTION_INDICATIVE)
    book_event.set_price_units(event, load_i64(engine + at.HEADER_AUCTION_PRICE_UNITS))
    book_event.set_quantity_units(event, load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS))
    book_event.set_level_quantity_units(event, abs(surplus))
    side = common.SIDE_UNSET
    if surplus > 0:
        side = common.SIDE_BUY
    elif surplus < 0:
        side = common.SIDE_SELL
    book_event.set_side(event, side)


@inline
def note_indication(address: int, price_units: int, volume: int, surplus: int) -> None:
    """Remember what was published."""
    store_i64(address + at.BOOK_INDICATED_PRICE_UNITS, price_units)
    store_i64(address + at.BOOK_INDICATED_VOLUME_UNITS, volume)
    store_i64(address + at.BOOK_INDICATED_SURPLUS_UNITS, surplus)


@inline
def holds_back(engine: int, address: int) -> bool:
    """Whether it is too early to indicate once more for a book (by its address); notes when."""
    interval_ns = load_i64(address + at.BOOK_INDICATION_INTERVAL_NS)
    indicated_ns = load_i64(address + at.BOOK_INDICATED_NS)
    if interval_ns == 0 or indicated_ns == 0:
        return False
    due_ns = indicated_ns + interval_ns
    if load_i64(engine + at.HEADER_TIME_NS) >= due_ns:
        return False
    store_i64(address + at.BOOK_INDICATION_DUE_NS, due_ns)
    note_timer(engine, due_ns)
    return True


@inline
def indicate(engine: int, book: int) -> bool:
    """Publish what the auction would do now, if that has changed and the last time is long enough
    ago; whether it has."""
    address = book_at(engine, book)
    if not is_auction(address) or holds_back(engine, address):
        return False
    store_i64(address + at.BOOK_INDICATION_DUE_NS, 0)
    find_auction_price(engine, book)
    price_units = load_i64(engine + at.HEADER_AUCTION_PRICE_UNITS)
    volume = load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS)
    surplus = load_i64(engine + at.HEADER_AUCTION_SURPLUS_UNITS)
    if (
        price_units == load_i64(address + at.BOOK_INDICATED_PRICE_UNITS)
        and volume == load_i64(address + at.BOOK_INDICATED_VOLUME_UNITS)
        and surplus == load_i64(address + at.BOOK_INDICATED_SURPLUS_UNITS)
    ):
        return False
    note_indication(address, price_units, volume, surplus)
    store_i64(address + at.BOOK_INDICATED_NS, load_i64(engine + at.HEADER_TIME_NS))
    tell_indication(engine, address)
    return True


@inline
def first_participant(engine: int, book: int, side: int) -> int:
    """The order of a side that trades next at the auction's price, or 0."""
    slot = first_market(engine, book, side)
    if slot != 0:
        return slot
    price_units = load_i64(engine + at.HEADER_AUCTION_PRICE_UNITS)
    level = best_level(side_at(engine, book, side))
    while level != 0:
        level_price = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
        if not crosses(side, level_price, price_units):
            return 0
        slot = level_head(engine, level)
        while slot != 0:
            if fits_phase(engine, slot):
                return slot
            slot = order_behind(engine, slot)
        level = worse_level(engine, level)
    return 0


@inline
def trade_at_auction(engine: int, book: int) -> bool:
    """Trade at the auction's price for a bounded while; False once nothing is left to trade."""
    units = 0
    price_units = load_i64(engine + at.HEADER_AUCTION_PRICE_UNITS)
    while True:
        left_units = load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS)
        buy = first_participant(engine, book, BUY)
        sell = first_participant(engine, book, SELL)
        if left_units == 0 or buy == 0 or sell == 0:
            return False
        if not steps_left(engine, units):
            return True
        quantity_units = min(left_units, slice_units(engine, buy), slice_units(engine, sell))
        store_i64(engine + at.HEADER_AUCTION_LEFT_UNITS, left_units - quantity_units)
        trade_orders(engine, buy, sell, quantity_units, price_units)
        units += 1
