"""Orders that aren't plain at their price level: displayed before hidden ones, and what is unseen.

A level's totals hold every open order; beside them it counts what the public doesn't see, so that
depth and book events can leave it out.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.indexes import CONDITIONS, index_join, index_leave
from tradecaptain.kernels.matching.layout import (
    FLAG_AUCTION_ONLY,
    FLAG_CONDITIONAL,
    FLAG_GROUPED,
    FLAG_HIDDEN,
    FLAG_PEGGED,
    SPECIAL_FLAGS,
    UNKNOWN_LEVEL,
)
from tradecaptain.kernels.matching.levels import (
    join_level,
    leave_level,
    level_reduce,
    order_ahead,
    order_behind,
    set_neighbours,
    set_order_ahead,
    set_order_behind,
)
from tradecaptain.kernels.matching.tables import level_at, order_at
from tradecaptain.kernels.matching.terms import (
    has_flag,
    order_book,
    shown_units,
    time_in_force_of,
    watch,
)
from tradecaptain.wire import common

PASSIVE_FLAGS = FLAG_HIDDEN | FLAG_PEGGED | FLAG_CONDITIONAL
"""Orders with one of these are no reference for pegs."""


@inline
def unseen_units(engine: int, slot: int) -> int:
    """What the public doesn't see of an order."""
    return load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS) - shown_units(engine, slot)


@inline
def count_unseen(engine: int, level: int, order_change: int, units_change: int) -> None:
    """Count orders and quantity of a level that the public doesn't see."""
    address = level_at(engine, level)
    store_i32(
        address + at.LEVEL_HIDDEN_COUNT, load_i32(address + at.LEVEL_HIDDEN_COUNT) + order_change
    )
    store_i64(
        address + at.LEVEL_HIDDEN_UNITS, load_i64(address + at.LEVEL_HIDDEN_UNITS) + units_change
    )


@inline
def add(address: int, change: int) -> None:
    """Change a 32-bit counter."""
    store_i32(address, load_i32(address) + change)


@inline
def count_special(engine: int, slot: int, change: int) -> None:
    """Count an order of the ladder that plain matching can't treat."""
    order = order_at(engine, slot)
    if not has_flag(order, SPECIAL_FLAGS):
        return
    book = order_book(engine, slot)
    store_i64(book + at.BOOK_SPECIAL, load_i64(book + at.BOOK_SPECIAL) + change)
    if has_flag(order, FLAG_CONDITIONAL):
        add(book + at.BOOK_CONDITIONAL_COUNT, change)
        watch(engine, book, change)
    if has_flag(order, FLAG_HIDDEN):
        add(book + at.BOOK_HIDDEN_COUNT, change)
    if has_flag(order, FLAG_GROUPED):
        add(book + at.BOOK_GROUPED_COUNT, change)
    if has_flag(order, FLAG_AUCTION_ONLY):
        is_opening = time_in_force_of(engine, slot) == common.TIME_IN_FORCE_AT_OPEN
        add(book + (at.BOOK_AT_OPEN_COUNT if is_opening else at.BOOK_AT_CLOSE_COUNT), change)


@inline
def count_in_level(engine: int, slot: int, level: int, change: int) -> None:
    """Count an order of a level (by its address) that sets a condition, or that no peg follows."""
    order = order_at(engine, slot)
    if has_flag(order, PASSIVE_FLAGS):
        add(level + at.LEVEL_PASSIVE_COUNT, change)
    if has_flag(order, FLAG_CONDITIONAL):
        add(level + at.LEVEL_CONDITIONAL_COUNT, change)


@inline
def move_before_hidden(engine: int, slot: int, level: int) -> None:
    """Move a displayed order from the end of its queue ahead of the hidden ones.

    ``level`` is the level's address; it has hidden orders.
    """
    hidden = load_i32(level + at.LEVEL_FIRST_HIDDEN) + 0
    behind = order_ahead(engine, hidden)
    last = order_ahead(engine, slot)
    set_order_behind(engine, last, 0)
    store_i32(level + at.LEVEL_LAST, last)
    set_neighbours(engine, slot, behind, hidden)
    set_order_ahead(engine, hidden, slot)
    if behind == 0:
        store_i32(level + at.LEVEL_FIRST, slot)
    else:
        set_order_behind(engine, behind, slot)


@inline
def join_ladder(engine: int, slot: int) -> int:
    """Put an order at its place in the ladder; a level for it must be free. Returns the level."""
    store_i64(engine + at.HEADER_FOUND_LEVEL, UNKNOWN_LEVEL)
    level = join_level(engine, slot)
    address = level_at(engine, level)
    order = order_at(engine, slot)
    is_hidden = has_flag(order, FLAG_HIDDEN)
    if load_i32(address + at.LEVEL_HIDDEN_COUNT) == 0:
        if is_hidden:
            store_i32(address + at.LEVEL_FIRST_HIDDEN, slot)
    elif not is_hidden:
        move_before_hidden(engine, slot, address)
    count_unseen(engine, level, 1 if is_hidden else 0, unseen_units(engine, slot))
    count_in_level(engine, slot, address, 1)
    count_special(engine, slot, 1)
    if has_flag(order, FLAG_CONDITIONAL):
        index_join(engine, slot, CONDITIONS)
    return level


@inline
def leave_ladder(engine: int, slot: int) -> int:
    """Take an order out of the ladder; as `leave_level`, which the caller closes."""
    order = order_at(engine, slot)
    level = load_i32(order + at.ORDER_LEVEL) + 0
    address = level_at(engine, level)
    is_hidden = has_flag(order, FLAG_HIDDEN)
    if is_hidden and load_i32(address + at.LEVEL_FIRST_HIDDEN) == slot:
        store_i32(address + at.LEVEL_FIRST_HIDDEN, order_behind(engine, slot))
    count_unseen(engine, level, -1 if is_hidden else 0, -unseen_units(engine, slot))
    count_in_level(engine, slot, address, -1)
    count_special(engine, slot, -1)
    if has_flag(order, FLAG_CONDITIONAL):
        index_leave(engine, slot)
    return leave_level(engine, slot)


@inline
def recount_level(engine: int, slot: int, units_before: int, unseen_before: int) -> None:
    """Follow a change of a resting order's open quantity and of what it shows."""
    order = order_at(engine, slot)
    level = load_i32(order + at.ORDER_LEVEL) + 0
    level_reduce(engine, level, units_before - load_i64(order + at.ORDER_LEAVES_UNITS))
    count_unseen(engine, level, 0, unseen_units(engine, slot) - unseen_before)
