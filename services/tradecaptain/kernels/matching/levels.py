"""Price levels: queues of orders in time order, linked from the best price to the worst."""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    load_i16,
    load_i32,
    load_i64,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.layout import (
    RECENT_LEVEL_BYTES,
    RECENT_LEVELS,
    RECENT_LEVELS_AT,
    UNKNOWN_LEVEL,
)
from tradecaptain.kernels.matching.prices import (
    find_level,
    insert_beside,
    insert_price,
    remove_price,
)
from tradecaptain.kernels.matching.tables import (
    give_level,
    level_at,
    order_at,
    side_at,
    take_level,
)

BUY = 1
SELL = 2


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
def worse_level(engine: int, level: int) -> int:
    """The next level behind another on its side, or 0."""
    return load_i32(level_at(engine, level) + at.LEVEL_WORSE) + 0


@inline
def better_level(engine: int, level: int) -> int:
    """The next level ahead of another on its side, or 0."""
    return load_i32(level_at(engine, level) + at.LEVEL_BETTER) + 0


@inline
def level_head(engine: int, level: int) -> int:
    """Slot of the order that trades first at a level."""
    return load_i32(level_at(engine, level) + at.LEVEL_FIRST) + 0


@inline
def order_behind(engine: int, slot: int) -> int:
    """Slot of the order behind another at the same level, or 0."""
    return load_i32(order_at(engine, slot) + at.ORDER_NEXT) + 0


@inline
def set_best(engine: int, side_book: int, level: int) -> None:
    """Let a level be the best one of a side (by its address), or none if it is 0."""
    store_i32(side_book + at.SIDE_BOOK_BEST, level)
    best_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    store_i64(side_book + at.SIDE_BOOK_BEST_UNITS, best_units)


@inline
def meets_side(side: int, limit_units: int, other_side: int) -> bool:
    """Whether an order of ``side`` may trade at the best price of the other one (its address)."""
    best_units = load_i64(other_side + at.SIDE_BOOK_BEST_UNITS)
    return (best_level(other_side) != 0) & crosses(side, limit_units, best_units)


@inline
def side_key(engine: int, side_book: int) -> int:
    """What tells a side (by its address) from all others; never 0."""
    return (side_book - engine) >> 4


@inline
def recent_level(engine: int, side_book: int, price_units: int) -> int:
    """Address of the record in which a price's level is remembered, if it was used of late.

    Prices next to each other lie next to each other.
    """
    index = (price_units + side_book - engine) & (RECENT_LEVELS - 1)
    return engine + RECENT_LEVELS_AT + index * RECENT_LEVEL_BYTES


@inline
def is_recent(engine: int, side_book: int, price_units: int, recent: int) -> bool:
    """Whether a record remembers a price of a side: its level, or that it has none."""
    return (load_i64(recent + at.RECENT_LEVEL_PRICE_UNITS) == price_units) & (
        load_i32(recent + at.RECENT_LEVEL_SIDE_KEY) == side_key(engine, side_book)
    )


@inline
def remember_level(engine: int, side_book: int, price_units: int, level: int) -> None:
    """Remember a price's level, or that it has none."""
    recent = recent_level(engine, side_book, price_units)
    store_i64(recent + at.RECENT_LEVEL_PRICE_UNITS, price_units)
    store_i32(recent + at.RECENT_LEVEL_SIDE_KEY, side_key(engine, side_book))
    store_i32(recent + at.RECENT_LEVEL_LEVEL, level)


@apart
def search_level(engine: int, side_book: int, price_units: int, _fourth: int) -> int:
    """Look a price up that wasn't used of late, and remember what was found."""
    level = find_level(engine, side_book, price_units)
    remember_level(engine, side_book, price_units, level)
    return level


@inline_always
def level_of_price(engine: int, side_book: int, price_units: int) -> int:
    """Level of a price on a side (by its address), or 0; levels used of late are found at once."""
    recent = recent_level(engine, side_book, price_units)
    if is_recent(engine, side_book, price_units, recent):
        return load_i32(recent + at.RECENT_LEVEL_LEVEL) + 0
    return search_level(engine, side_book, price_units, 0)


@inline
def link_between(engine: int, side_book: int, better: int, level: int, worse: int) -> None:
    """Link a new level between two neighbours; 0 stands for the end of the side."""
    address = level_at(engine, level)
    store_i32(address + at.LEVEL_BETTER, better)
    store_i32(address + at.LEVEL_WORSE, worse)
    if better == 0:
        set_best(engine, side_book, level)
    else:
        store_i32(level_at(engine, better) + at.LEVEL_WORSE, level)
    if worse != 0:
        store_i32(level_at(engine, worse) + at.LEVEL_BETTER, level)


@inline
def add_level(engine: int, side_book: int, side: int, price_units: int) -> int:
    """Open an empty level at a price that has none; a free level must exist."""
    level = take_level(engine)
    address = level_at(engine, level)
    store_i64(address + at.LEVEL_PRICE_UNITS, price_units)
    store_i64(address + at.LEVEL_QUANTITY_UNITS, 0)
    store_i32(address + at.LEVEL_ORDER_COUNT, 0)
    store_i32(address + at.LEVEL_FIRST, 0)
    store_i32(address + at.LEVEL_LAST, 0)
    remember_level(engine, side_book, price_units, level)
    neighbour = insert_beside(engine, side_book, level)
    if neighbour == 0:
        neighbour = insert_price(engine, side_book, level)
    near = level_at(engine, neighbour)
    if neighbour == 0:
        link_between(engine, side_book, 0, level, 0)
    else:
        # Chosen, not branched to: neither can be foreseen.
        is_ahead = is_better(side, price_units, load_i64(near + at.LEVEL_PRICE_UNITS))
        ahead = load_i32(near + at.LEVEL_BETTER) + 0
        behind = load_i32(near + at.LEVEL_WORSE) + 0
        better = ahead if is_ahead else neighbour
        worse = neighbour if is_ahead else behind
        link_between(engine, side_book, better, level, worse)
    return level


@apart
def open_level(engine: int, side_book: int, side: int, price_units: int) -> int:
    """`add_level`, for callers that seldom need it."""
    return add_level(engine, side_book, side, price_units)


@inline
def remove_level(engine: int, side_book: int, level: int) -> None:
    """Close an empty level."""
    address = level_at(engine, level)
    better = load_i32(address + at.LEVEL_BETTER) + 0
    worse = load_i32(address + at.LEVEL_WORSE) + 0
    if better == 0:
        set_best(engine, side_book, worse)
    else:
        store_i32(level_at(engine, better) + at.LEVEL_WORSE, worse)
    if worse != 0:
        store_i32(level_at(engine, worse) + at.LEVEL_BETTER, better)
    price_units = load_i64(address + at.LEVEL_PRICE_UNITS)
    remember_level(engine, side_book, price_units, 0)
    remove_price(engine, side_book, level)
    give_level(engine, level)


@inline
def queue_order(engine: int, slot: int, level: int, leaves_units: int) -> None:
    """Put an order, with what is left of it, at the end of the queue of a level."""
    order = order_at(engine, slot)
    address = level_at(engine, level)
    last = load_i32(address + at.LEVEL_LAST) + 0
    order_count = load_i32(address + at.LEVEL_ORDER_COUNT) + 1
    quantity_units = load_i64(address + at.LEVEL_QUANTITY_UNITS) + leaves_units
    link = address + at.LEVEL_FIRST if last == 0 else order_at(engine, last) + at.ORDER_NEXT
    store_i32(order + at.ORDER_LEVEL, level)
    store_i32(order + at.ORDER_PREVIOUS, last)
    store_i32(order + at.ORDER_NEXT, 0)
    store_i32(link, slot)
    store_i32(address + at.LEVEL_LAST, slot)
    store_i32(address + at.LEVEL_ORDER_COUNT, order_count)
    store_i64(address + at.LEVEL_QUANTITY_UNITS, quantity_units)


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
    address = level_at(engine, level)
    previous = load_i32(order + at.ORDER_PREVIOUS) + 0
    following = load_i32(order + at.ORDER_NEXT) + 0
    order_count = load_i32(address + at.LEVEL_ORDER_COUNT) - 1
    quantity_units = load_i64(address + at.LEVEL_QUANTITY_UNITS) - load_i64(
        order + at.ORDER_LEAVES_UNITS
    )
    ahead = order_at(engine, previous) + at.ORDER_NEXT
    behind = order_at(engine, following) + at.ORDER_PREVIOUS
    store_i32(address + at.LEVEL_FIRST if previous == 0 else ahead, following)
    store_i32(address + at.LEVEL_LAST if following == 0 else behind, previous)
    store_i32(address + at.LEVEL_ORDER_COUNT, order_count)
    store_i64(address + at.LEVEL_QUANTITY_UNITS, quantity_units)
    store_i32(order + at.ORDER_LEVEL, 0)
    return level


@inline
def leave_head(engine: int, level: int, slot: int) -> int:
    """Take the first order of a level out of its queue; returns the order behind it, or 0.

    With 0 the level is empty now: the caller reports it and then calls `close_if_empty`.
    """
    order = order_at(engine, slot)
    address = level_at(engine, level)
    following = load_i32(order + at.ORDER_NEXT) + 0
    order_count = load_i32(address + at.LEVEL_ORDER_COUNT) - 1
    quantity_units = load_i64(address + at.LEVEL_QUANTITY_UNITS) - load_i64(
        order + at.ORDER_LEAVES_UNITS
    )
    store_i32(address + at.LEVEL_FIRST, following)
    store_i32(address + at.LEVEL_ORDER_COUNT, order_count)
    store_i64(address + at.LEVEL_QUANTITY_UNITS, quantity_units)
    # Behind the last one lies the null order, in which nobody looks.
    store_i32(order_at(engine, following) + at.ORDER_PREVIOUS, 0)
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
