"""Pro-rata allocation: how an order is shared out over the orders of a price level."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import FLAG_OWN_RULES
from tradecaptain.kernels.matching.levels import level_head, order_behind
from tradecaptain.kernels.matching.makers import same_party
from tradecaptain.kernels.matching.tables import order_at, terms_at
from tradecaptain.kernels.matching.terms import INSTRUCTION_TOP, has_flag, order_book
from tradecaptain.wire import common

SMALL = 1 << 31


@inline
def share_of(quantity: int, size: int, total: int) -> int:
    """quantity * size // total for 0 <= size <= total and 0 <= quantity, exactly.

    Numbers whose product may exceed int64 are divided bit by bit: the remainder is doubled and the
    size added for each bit of the quantity, and the total taken off where it fits.
    """
    if quantity < SMALL and size < SMALL:
        return quantity * size // total
    quotient = 0
    remainder = 0
    for step in range(63):
        quotient += quotient
        if remainder >= total - remainder:
            remainder -= total - remainder
            quotient += 1
        else:
            remainder += remainder
        if (quantity >> (62 - step)) & 1 != 0:
            if remainder >= total - size:
                remainder -= total - size
                quotient += 1
            else:
                remainder += size
    return quotient


@inline
def share_address(engine: int, slot: int) -> int:
    """Where an order's share of the taker at work is kept."""
    return terms_at(engine, slot) + at.TERMS_SHARE_UNITS


@inline
def clear_shares(engine: int, taker: int, level: int) -> int:
    """Set all shares of a level to zero; returns the open quantity ahead of the taker's own."""
    total_units = 0
    is_open = True
    slot = level_head(engine, level)
    while slot != 0:
        store_i64(share_address(engine, slot), 0)
        is_open = is_open and not same_party(engine, taker, slot)
        if is_open:
            total_units += load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
        slot = order_behind(engine, slot)
    return total_units


@inline
def is_top(engine: int, slot: int) -> bool:
    """Whether an order holds the TOP priority of its price."""
    return (
        has_flag(order_at(engine, slot), FLAG_OWN_RULES)
        and load_i32(terms_at(engine, slot) + at.TERMS_INSTRUCTIONS) & INSTRUCTION_TOP != 0
    )


@inline
def give_top(engine: int, taker: int, level: int, quantity: int) -> int:
    """Give the first order with TOP priority what it can take; returns how much that is."""
    slot = level_head(engine, level)
    while slot != 0 and not same_party(engine, taker, slot):
        if is_top(engine, slot):
            leaves_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
            given = min(leaves_units, quantity)
            store_i64(share_address(engine, slot), given)
            return given
        slot = order_behind(engine, slot)
    return 0


@inline
def give_shares(engine: int, taker: int, level: int, quantity: int, total: int) -> int:
    """Give each order its share, rounded down to lots, if it reaches the minimum.

    Returns what is left over.
    """
    book = order_book(engine, taker)
    lot_units = load_i64(book + at.BOOK_LOT_UNITS)
    minimum = load_i64(book + at.BOOK_MINIMUM_SHARE_UNITS)
    rest = quantity
    slot = level_head(engine, level)
    while slot != 0 and not same_party(engine, taker, slot):
        address = share_address(engine, slot)
        given = load_i64(address)
        open_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS) - given
        share = share_of(quantity, open_units, total)
        share -= share % lot_units
        if share >= minimum:
            store_i64(address, given + share)
            rest -= share
        slot = order_behind(engine, slot)
    return rest


@inline
def give_rest(engine: int, taker: int, level: int, rest: int) -> None:
    """Give what the shares have left over by time."""
    slot = level_head(engine, level)
    while slot != 0 and rest > 0 and not same_party(engine, taker, slot):
        address = share_address(engine, slot)
        given = load_i64(address)
        more = min(rest, load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS) - given)
        store_i64(address, given + more)
        rest -= more
        slot = order_behind(engine, slot)


@inline
def share_out(engine: int, taker: int, maker: int) -> None:
    """Set the shares of the orders at a maker's price, and the cursor on the first of them."""
    level = load_i32(order_at(engine, maker) + at.ORDER_LEVEL) + 0
    store_i64(engine + at.HEADER_CURSOR_ORDER, level_head(engine, level))
    quantity = load_i64(order_at(engine, taker) + at.ORDER_LEAVES_UNITS)
    total = clear_shares(engine, taker, level)
    if total <= quantity:
        give_rest(engine, taker, level, total)
        return
    if load_i64(order_book(engine, taker) + at.BOOK_ALLOCATION) == common.ALLOCATION_PRO_RATA_TOP:
        given = give_top(engine, taker, level, quantity)
        quantity -= given
        total -= given
    rest = give_shares(engine, taker, level, quantity, total)
    give_rest(engine, taker, level, rest)
