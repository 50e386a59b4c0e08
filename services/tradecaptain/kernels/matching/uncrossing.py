"""Filter and uncross: orders whose conditions leave a book crossed meet at one price.

Tried whenever the best price of a side, or what is open at it, has changed, hidden orders and all.
The price is an auction's. An order that would trade less there than it asks for at once is
filtered, and the price found anew without it; an auction's price fills a part of one order of a
side at most, so that each look filters one. What is left trades as in an auction, at that price and
the auction's rate. Filtered orders stay where they are. Orders of groups take no part, since a
trade of one changes others, and nothing trades beyond the dynamic band.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.auction import (
    FILTERED,
    find_auction_price,
    fits_phase,
    tell_indication,
    trade_at_auction,
)
from tradecaptain.kernels.matching.finish import finish_step
from tradecaptain.kernels.matching.indexes import index_behind
from tradecaptain.kernels.matching.layout import MORE, PHASE_FILTERED
from tradecaptain.kernels.matching.levels import (
    BUY,
    SELL,
    best_level,
    crosses,
    level_head,
    order_behind,
    worse_level,
)
from tradecaptain.kernels.matching.makers import is_in_band, note_band
from tradecaptain.kernels.matching.sharing import share_address
from tradecaptain.kernels.matching.tables import book_at, level_at, order_at, side_at
from tradecaptain.kernels.matching.terms import required_units


@inline
def note_best(engine: int, book: int) -> bool:
    """Note the best prices of a book (by its index) and what is open at them; whether they are
    others than those noted before."""
    address = book_at(engine, book)
    has_changed = load_i64(address + at.BOOK_LOOKED_AT) == 0
    store_i64(address + at.BOOK_LOOKED_AT, 1)
    for side in range(BUY, SELL + 1):
        level = best_level(side_at(engine, book, side))
        noted = address + at.BOOK_LOOKED_AT + 8 + (side - 1) * 16
        price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS) if level != 0 else 0
        open_units = (
            load_i64(level_at(engine, level) + at.LEVEL_QUANTITY_UNITS) if level != 0 else 0
        )
        if price_units != load_i64(noted) or open_units != load_i64(noted + 8):
            has_changed = True
        store_i64(noted, price_units)
        store_i64(noted + 8, open_units)
    return has_changed


@inline
def failing_order(engine: int, book: int, side: int) -> int:
    """The order of a side that would trade less than it asks for at the price found, or 0."""
    price_units = load_i64(engine + at.HEADER_AUCTION_PRICE_UNITS)
    left_units = load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS)
    level = best_level(side_at(engine, book, side))
    while level != 0 and left_units > 0:
        if not crosses(side, load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS), price_units):
            return 0
        slot = level_head(engine, level)
        while slot != 0 and left_units > 0:
            if fits_phase(engine, slot):
                open_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
                if open_units > left_units and required_units(engine, slot) > left_units:
                    return slot
                left_units -= min(left_units, open_units)
            slot = order_behind(engine, slot)
        level = worse_level(engine, level)
    return 0


@inline
def filter_orders(engine: int, book: int) -> None:
    """Find the price at which orders can be uncrossed, and mark those that it filters."""
    slot = load_i32(book_at(engine, book) + at.BOOK_FIRST_CONDITIONAL) + 0
    while slot != 0:
        store_i64(share_address(engine, slot), 0)
        slot = index_behind(engine, slot)
    find_auction_price(engine, book)
    slot = next_failing(engine, book)
    while slot != 0:
        store_i64(share_address(engine, slot), FILTERED)
        find_auction_price(engine, book)
        slot = next_failing(engine, book)


@inline
def next_failing(engine: int, book: int) -> int:
    """The order to be filtered next: of the buys, else of the sells; or 0."""
    slot = failing_order(engine, book, BUY)
    return slot if slot != 0 else failing_order(engine, book, SELL)


@inline
def filtered_step(engine: int) -> int:
    """Trade at the price found for a bounded while."""
    store_i64(engine + at.HEADER_PHASE, PHASE_FILTERED)
    if trade_at_auction(engine, load_i64(engine + at.HEADER_WORK_BOOK)):
        return MORE
    return finish_step(engine)


@kernel("int64(int64, int64)")
def uncross_filtered(engine: int, book: int) -> int:
    """Uncross a book (by its index) if it has changed so that it can be: 1, else 0."""
    if not note_best(engine, book):
        return 0
    filter_orders(engine, book)
    if load_i64(engine + at.HEADER_AUCTION_LEFT_UNITS) == 0:
        return 0
    address = book_at(engine, book)
    note_band(engine, address)
    if not is_in_band(engine, address, load_i64(engine + at.HEADER_AUCTION_PRICE_UNITS)):
        return 0
    tell_indication(engine, address)
    filtered_step(engine)
    return 1
