"""Price levels: queues of orders in time order, found by their price and by their rank.

A page of the price index (see `prices`) names the levels of 64 prices and says which of them exist,
so that a level opens and closes by a bit, and its neighbours are found by counting bits.
"""

from __future__ import annotations

from tradecaptain.base.bits import highest_set_to, lowest_set_from
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    load_i16,
    load_i32,
    load_i64,
    load_u32,
    store_i16,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.layout import (
    INT64_MAXIMUM,
    PAGE_NOTED,
    RECENT_PAGES,
    RECENT_PAGES_AT,
    UNKNOWN_LEVEL,
)
from tradecaptain.kernels.matching.prices import (
    PAGE_BITS,
    PAGE_MASK,
    find_page,
    insert_page,
    is_settled,
    lead_to,
    level_address,
    page_ahead,
    page_at,
    page_behind,
    settle_page,
    side_key,
    take_page,
)
from tradecaptain.kernels.matching.tables import (
    give_level,
    has_free_level,
    level_at,
    neighbours_at,
    order_at,
    side_at,
    take_level,
)

BUY = 1
SELL = 2
SIDE_STRIDE = 1_571
"""Places between the pages of two sides in the table of recent pages: those of equal prices, and of
prices not too far from each other, don't share one."""


@inline
def opposite(side: int) -> int:
    """The other side."""
    return 3 - side


@inline
def is_better(side: int, one_units: int, other_units: int) -> bool:
    """Whether a price of ``side`` goes before another: the higher bid, the lower ask."""
    higher_units = one_units if side == BUY else other_units
    lower_units = other_units if side == BUY else one_units
    return higher_units > lower_units


@inline
def crosses(side: int, limit_units: int, resting_units: int) -> bool:
    """Whether an order of ``side`` with this limit may trade at a resting price."""
    higher_units = limit_units if side == BUY else resting_units
    lower_units = resting_units if side == BUY else limit_units
    return higher_units >= lower_units


@inline
def best_level(side_book: int) -> int:
    """Level of the best price of a side (by its address), or 0."""
    return load_i32(side_book + at.SIDE_BOOK_BEST) + 0


@inline
def level_of_rank(engine: int, index: int, rank: int) -> int:
    """Level of a page whose bit is the one of number ``rank``."""
    page = page_at(engine, index)
    digit = rank ^ load_i16(page + at.PAGE_MIRROR)
    return load_i32(level_address(page, digit)) + 0


@inline
def rank_of_price(page: int, price_units: int) -> int:
    """Number of the bit of a page (by its address) that tells whether a price has a level."""
    return (price_units & PAGE_MASK) ^ load_i16(page + at.PAGE_MIRROR)


@inline
def worse_level(engine: int, level: int) -> int:
    """The next level behind another on its side, or 0."""
    address = level_at(engine, level)
    index = load_i32(address + at.LEVEL_PAGE) + 0
    page = page_at(engine, index)
    rank = rank_of_price(page, load_i64(address + at.LEVEL_PRICE_UNITS))
    worse = lowest_set_from(load_i64(page + at.PAGE_BITMAP) & ~(1 << rank), rank)
    if worse == 64:
        index = page_behind(engine, page)
        if index == 0:
            return 0
        worse = lowest_set_from(load_i64(page_at(engine, index) + at.PAGE_BITMAP), 0)
    return level_of_rank(engine, index, worse)


@inline
def better_level(engine: int, level: int) -> int:
    """The next level ahead of another on its side, or 0."""
    address = level_at(engine, level)
    index = load_i32(address + at.LEVEL_PAGE) + 0
    page = page_at(engine, index)
    rank = rank_of_price(page, load_i64(address + at.LEVEL_PRICE_UNITS))
    better = highest_set_to(load_i64(page + at.PAGE_BITMAP) & ~(1 << rank), rank)
    if better < 0:
        index = page_ahead(engine, page)
        if index == 0:
            return 0
        better = highest_set_to(load_i64(page_at(engine, index) + at.PAGE_BITMAP), 63)
    return level_of_rank(engine, index, better)


@inline
def level_head(engine: int, level: int) -> int:
    """Slot of the order that trades first at a level."""
    return load_i32(level_at(engine, level) + at.LEVEL_FIRST) + 0


@inline
def order_behind(engine: int, slot: int) -> int:
    """Slot of the order behind another at the same level, or 0."""
    return load_i32(neighbours_at(engine, slot) + at.NEIGHBOURS_NEXT) + 0


@inline
def order_ahead(engine: int, slot: int) -> int:
    """Slot of the order ahead of another at the same level, or 0."""
    return load_i32(neighbours_at(engine, slot) + at.NEIGHBOURS_PREVIOUS) + 0


@inline
def set_neighbours(engine: int, slot: int, ahead: int, behind: int) -> None:
    """Name the orders ahead of and behind one, 0 where there is none."""
    set_order_ahead(engine, slot, ahead)
    set_order_behind(engine, slot, behind)


@inline
def set_order_ahead(engine: int, slot: int, ahead: int) -> None:
    """Name the order ahead of one."""
    store_i32(neighbours_at(engine, slot) + at.NEIGHBOURS_PREVIOUS, ahead)


@inline
def set_order_behind(engine: int, slot: int, behind: int) -> None:
    """Name the order behind one."""
    store_i32(neighbours_at(engine, slot) + at.NEIGHBOURS_NEXT, behind)


@inline
def set_best(side_book: int, level: int, price_units: int) -> None:
    """Let a level of a price be the best one of a side (by its address)."""
    store_i32(side_book + at.SIDE_BOOK_BEST, level)
    store_i64(side_book + at.SIDE_BOOK_BEST_UNITS, price_units)


@inline
def worst_units(mirror: int) -> int:
    """The price behind all others of a side with a mirror of pages, which is that of an empty one:
    the lowest bid, the highest ask."""
    return INT64_MAXIMUM ^ -(mirror & 1)


@inline
def set_best_of_page(engine: int, side_book: int, index: int, mirror: int) -> None:
    """Let the best level of a page be that of its side (by its address); page 0 has none.

    ``mirror`` is that of the side's pages.
    """
    if index == 0:
        set_best(side_book, 0, worst_units(mirror))
        return
    page = page_at(engine, index)
    rank = lowest_set_from(load_i64(page + at.PAGE_BITMAP), 0)
    digit = rank ^ load_i16(page + at.PAGE_MIRROR)
    price_units = load_i64(page + at.PAGE_FIRST_UNITS) + digit
    set_best(side_book, load_i32(level_address(page, digit)) + 0, price_units)


@inline
def meets_side(side: int, limit_units: int, other_side: int) -> bool:
    """Whether an order of ``side`` may trade at the best price of the other one (its address)."""
    best_units = load_i64(other_side + at.SIDE_BOOK_BEST_UNITS)
    # Of complements the order is the other way round: `crosses`, where each side has one as well.
    mirror = side - SELL
    return (best_level(other_side) != 0) & ((limit_units ^ mirror) <= (best_units ^ mirror))


@inline
def reaches_side(side: int, limit_units: int, other_side: int) -> bool:
    """`meets_side` for a limit that isn't at the edge of int64, where an empty side's price is."""
    best_units = load_i64(other_side + at.SIDE_BOOK_BEST_UNITS)
    mirror = side - SELL
    return (limit_units ^ mirror) <= (best_units ^ mirror)


@inline
def recent_page(engine: int, side_book: int, price_units: int) -> int:
    """Address of the word that may name the page of a price of a side, if it was used of late.

    Pages next to each other lie next to each other.
    """
    place = (price_units >> PAGE_BITS) + side_key(side_book) * SIDE_STRIDE
    index = place & (RECENT_PAGES - 1)
    return engine + RECENT_PAGES_AT + index * 4


@apart
def search_page(engine: int, side_book: int, price_units: int, _fourth: int) -> int:
    """Look a page up that wasn't used of late, and remember it if there is one."""
    page = find_page(engine, side_book, price_units)
    if page != 0:
        store_i32(recent_page(engine, side_book, price_units), page)
    return page


@inline_always
def page_of_price(engine: int, side_book: int, price_units: int) -> int:
    """Page of a price on a side (by its address), or 0; pages used of late are found at once."""
    index = load_i32(recent_page(engine, side_book, price_units)) + 0
    page = page_at(engine, index)
    # What is remembered may be another page by now, of another side or of none.
    differs = (load_u32(page + at.PAGE_SIDE_KEY) ^ side_key(side_book)) | (
        (load_i64(page + at.PAGE_FIRST_UNITS) ^ price_units) >> PAGE_BITS
    )
    return index if differs == 0 else search_page(engine, side_book, price_units, 0)


@inline_always
def level_in_page(engine: int, index: int, price_units: int) -> int:
    """Level of a price in its page, or 0; in page 0 no price has one."""
    return load_i32(level_address(page_at(engine, index), price_units)) + 0


@inline_always
def level_of_price(engine: int, side_book: int, price_units: int) -> int:
    """Level of a price on a side (by its address), or 0."""
    index = page_of_price(engine, side_book, price_units)
    return level_in_page(engine, index, price_units)


@apart
def open_page(engine: int, side_book: int, side: int, price_units: int) -> int:
    """Open the page of a price that has none; it gets its first level at once."""
    index = take_page(engine)
    page = page_at(engine, index)
    store_i64(page + at.PAGE_FIRST_UNITS, price_units & ~PAGE_MASK)
    store_i32(page + at.PAGE_SIDE_KEY, side_key(side_book))
    store_i16(page + at.PAGE_MIRROR, PAGE_MASK if side == BUY else 0)
    insert_page(engine, side_book, index)
    store_i32(recent_page(engine, side_book, price_units), index)
    return index


@inline
def note_new_level(
    engine: int, side_book: int, level: int, index: int, price_units: int, mirror: int
) -> None:
    """Take a new level of a page into account for what a side (by its address) knows of its best
    ones; of the pages of both, the one behind is noted."""
    best = best_level(side_book)
    best_units = load_i64(side_book + at.SIDE_BOOK_BEST_UNITS)
    is_ahead = (best == 0) | ((price_units > best_units) == (mirror != 0))
    foremost = load_i32(level_at(engine, best) + at.LEVEL_PAGE) + 0
    behind = page_at(engine, foremost if is_ahead else index)
    # Without branches: nobody foresees which new levels go ahead of all others.
    store_i32(side_book + at.SIDE_BOOK_SECOND, best if is_ahead else 0)
    store_i64(side_book + at.SIDE_BOOK_SECOND_UNITS, best_units)
    set_best(side_book, level if is_ahead else best, price_units if is_ahead else best_units)
    if (load_i16(behind + at.PAGE_STATE) & PAGE_NOTED) | (foremost == index) == 0:
        lead_to(engine, behind, 0, 0)


@inline_always
def name_level(engine: int, side_book: int, index: int, price_units: int, level: int) -> None:
    """Give a price of a page a level that was taken, whose queue the caller writes."""
    page = page_at(engine, index)
    address = level_at(engine, level)
    store_i64(address + at.LEVEL_PRICE_UNITS, price_units)
    store_i32(address + at.LEVEL_PAGE, index)
    store_i32(level_address(page, price_units), level)
    bitmap = load_i64(page + at.PAGE_BITMAP)
    store_i64(page + at.PAGE_BITMAP, bitmap | (1 << rank_of_price(page, price_units)))
    mirror = load_i16(page + at.PAGE_MIRROR) + 0
    note_new_level(engine, side_book, level, index, price_units, mirror)


@inline_always
def enter_level_of(
    engine: int, side_book: int, index: int, price_units: int, slot: int, leaves_units: int
) -> None:
    """Give a price of a page a level with one order, with what is left of it; a free level must
    exist."""
    level = take_level(engine)
    # What is needed of the order first: nothing of it is kept for the rest.
    address = level_at(engine, level)
    store_i64(address + at.LEVEL_QUANTITY_UNITS, leaves_units)
    store_i32(address + at.LEVEL_ORDER_COUNT, 1)
    store_i32(address + at.LEVEL_FIRST, slot)
    store_i32(address + at.LEVEL_LAST, slot)
    store_i32(order_at(engine, slot) + at.ORDER_LEVEL, level)
    set_neighbours(engine, slot, 0, 0)
    name_level(engine, side_book, index, price_units, level)


@inline
def add_level(engine: int, side_book: int, side: int, price_units: int) -> int:
    """Open an empty level at a price that has none; a free level must exist."""
    index = page_of_price(engine, side_book, price_units)
    if index == 0:
        index = open_page(engine, side_book, side, price_units)
    # Whoever comes here knows that there is one; this lists it.
    has_free_level(engine)
    level = take_level(engine)
    name_level(engine, side_book, index, price_units, level)
    address = level_at(engine, level)
    store_i64(address + at.LEVEL_QUANTITY_UNITS, 0)
    store_i32(address + at.LEVEL_ORDER_COUNT, 0)
    store_i32(address + at.LEVEL_FIRST, 0)
    store_i32(address + at.LEVEL_LAST, 0)
    return level


@inline_always
def note_closed_level(engine: int, side_book: int, level: int, index: int) -> None:
    """Take a level that has left its page into account for what a side knows of its best ones."""
    second = load_i32(side_book + at.SIDE_BOOK_SECOND) + 0
    if best_level(side_book) == level:
        store_i32(side_book + at.SIDE_BOOK_SECOND, 0)
        if second != 0:
            set_best(side_book, second, load_i64(side_book + at.SIDE_BOOK_SECOND_UNITS))
            return
        page = page_at(engine, index)
        is_empty = load_i64(page + at.PAGE_BITMAP) == 0
        mirror = load_i16(page + at.PAGE_MIRROR) + 0
        behind = page_behind(engine, page) if is_empty else index
        set_best_of_page(engine, side_book, behind, mirror)
    elif second == level:
        store_i32(side_book + at.SIDE_BOOK_SECOND, 0)


@inline
def remove_level(engine: int, side_book: int, level: int) -> None:
    """Close an empty level."""
    address = level_at(engine, level)
    index = load_i32(address + at.LEVEL_PAGE) + 0
    page = page_at(engine, index)
    price_units = load_i64(address + at.LEVEL_PRICE_UNITS)
    store_i32(level_address(page, price_units), 0)
    bit = 1 << rank_of_price(page, price_units)
    store_i64(page + at.PAGE_BITMAP, load_i64(page + at.PAGE_BITMAP) & ~bit)
    note_closed_level(engine, side_book, level, index)
    give_level(engine, level)
    # In one test: which levels are the last of their page nobody foresees, but most such pages are
    # settled.
    if load_i64(page + at.PAGE_BITMAP) | is_settled(page) == 0:
        settle_page(engine, index, 0, 0)


@inline
def count_in_level(address: int, orders: int, quantity_units: int) -> None:
    """Add orders and what is open of them to the totals of a level (by its address)."""
    # Each total read right before it is written is one instruction, which adds in memory.
    store_i32(address + at.LEVEL_ORDER_COUNT, load_i32(address + at.LEVEL_ORDER_COUNT) + orders)
    level_units = load_i64(address + at.LEVEL_QUANTITY_UNITS) + quantity_units
    store_i64(address + at.LEVEL_QUANTITY_UNITS, level_units)


@inline_always
def queue_order(engine: int, slot: int, level: int, leaves_units: int) -> None:
    """Put an order, with what is left of it, at the end of the queue of a level."""
    address = level_at(engine, level)
    last = load_i32(address + at.LEVEL_LAST) + 0
    ahead = neighbours_at(engine, last) + at.NEIGHBOURS_NEXT
    link = address + at.LEVEL_FIRST if last == 0 else ahead
    queue_at(engine, slot, level, last, link, leaves_units)


@inline_always
def queue_behind(engine: int, slot: int, level: int, leaves_units: int) -> None:
    """`queue_order` where the level has orders."""
    last = load_i32(level_at(engine, level) + at.LEVEL_LAST) + 0
    link = neighbours_at(engine, last) + at.NEIGHBOURS_NEXT
    queue_at(engine, slot, level, last, link, leaves_units)


@inline_always
def queue_at(engine: int, slot: int, level: int, last: int, link: int, leaves_units: int) -> None:
    """Put an order behind the last one of a level, where a link (by its address) names it."""
    address = level_at(engine, level)
    store_i32(order_at(engine, slot) + at.ORDER_LEVEL, level)
    set_neighbours(engine, slot, last, 0)
    store_i32(link, slot)
    store_i32(address + at.LEVEL_LAST, slot)
    count_in_level(address, 1, leaves_units)


@inline
def append_order(engine: int, side_book: int, slot: int, level: int) -> int:
    """Put an order at the end of its price's queue; ``level`` is the price's, or 0 if it has none.

    Returns the level.
    """
    if level == 0:
        order = order_at(engine, slot)
        side = load_i16(order + at.ORDER_SIDE) + 0
        level = add_level(engine, side_book, side, load_i64(order + at.ORDER_PRICE_UNITS))
    queue_order(engine, slot, level, load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS))
    return level


@inline
def join_level(engine: int, slot: int) -> int:
    """Put an order that was checked at the end of the queue of its price; returns the level."""
    order = order_at(engine, slot)
    side = load_i16(order + at.ORDER_SIDE) + 0
    side_book = side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, side)
    level = load_i64(engine + at.HEADER_FOUND_LEVEL)
    if level == UNKNOWN_LEVEL:
        level = level_of_price(engine, side_book, load_i64(order + at.ORDER_PRICE_UNITS))
    return append_order(engine, side_book, slot, level)


@inline
def leave_level(engine: int, slot: int) -> int:
    """Take an order, with what is left of it, out of its queue.

    Returns the level, which may be empty now: the caller reports it and then calls
    `close_if_empty`.
    """
    order = order_at(engine, slot)
    level = load_i32(order + at.ORDER_LEVEL) + 0
    leave_queue(engine, slot, level)
    store_i32(order + at.ORDER_LEVEL, 0)
    return level


@inline
def leave_queue(engine: int, slot: int, level: int) -> None:
    """Take an order, with what is left of it, out of the queue of its level."""
    order = order_at(engine, slot)
    address = level_at(engine, level)
    previous = order_ahead(engine, slot)
    following = order_behind(engine, slot)
    ahead = neighbours_at(engine, previous) + at.NEIGHBOURS_NEXT
    behind = neighbours_at(engine, following) + at.NEIGHBOURS_PREVIOUS
    store_i32(address + at.LEVEL_FIRST if previous == 0 else ahead, following)
    store_i32(address + at.LEVEL_LAST if following == 0 else behind, previous)
    count_in_level(address, -1, -load_i64(order + at.ORDER_LEAVES_UNITS))


@inline
def leave_head(engine: int, level: int, slot: int) -> int:
    """Take the first order of a level out of its queue; returns the order behind it, or 0.

    With 0 the level is empty now: the caller reports it and then calls `close_if_empty`.
    """
    order = order_at(engine, slot)
    address = level_at(engine, level)
    following = order_behind(engine, slot)
    store_i32(address + at.LEVEL_FIRST, following)
    count_in_level(address, -1, -load_i64(order + at.ORDER_LEAVES_UNITS))
    # Behind the last one lies the null order, in which nobody looks.
    set_order_ahead(engine, following, 0)
    store_i32(order + at.ORDER_LEVEL, 0)
    return following


@inline
def close_if_empty(engine: int, slot: int, level: int) -> None:
    """Close a level that an order has left, if it was the last one there."""
    if load_i32(level_at(engine, level) + at.LEVEL_ORDER_COUNT) == 0:
        order = order_at(engine, slot)
        side = load_i16(order + at.ORDER_SIDE) + 0
        remove_level(engine, side_at(engine, load_i32(order + at.ORDER_BOOK) + 0, side), level)


@inline
def level_reduce(engine: int, level: int, quantity_units: int) -> None:
    """Take a quantity off a level's aggregate."""
    address = level_at(engine, level)
    store_i64(
        address + at.LEVEL_QUANTITY_UNITS,
        load_i64(address + at.LEVEL_QUANTITY_UNITS) - quantity_units,
    )
