"""What can be read from an engine without changing it: depth and the state hash."""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import FLAG_STOP
from tradecaptain.kernels.matching.levels import best_level, worse_level
from tradecaptain.kernels.matching.reports import last_book_sequence
from tradecaptain.kernels.matching.tables import (
    book_at,
    book_index,
    level_at,
    order_at,
    side_at,
    terms_at,
)
from tradecaptain.kernels.matching.terms import has_flag, shown_units
from tradecaptain.kernels.matching.walk import PARKED, first_order, following_order

DEPTH_ENTRY_BYTES = 24
ORDER_ENTRY_BYTES = 32
HASH_MODULUS = (1 << 31) - 1
HASH_FACTOR_LOW = 1_103_515_245
HASH_FACTOR_HIGH = 1_299_709_121


@inline
def visible_quantity(level: int) -> int:
    """Open quantity that a level (by its address) shows."""
    return load_i64(level + at.LEVEL_QUANTITY_UNITS) - load_i64(level + at.LEVEL_HIDDEN_UNITS)


@inline
def visible_order_count(level: int) -> int:
    """How many orders a level (by its address) shows."""
    return load_i32(level + at.LEVEL_ORDER_COUNT) - load_i32(level + at.LEVEL_HIDDEN_COUNT)


@inline
def write_depth(engine: int, book: int, side: int, target: int, limit: int) -> int:
    """Write a side's levels as `engine_depth` does; returns how many."""
    level = best_level(side_at(engine, book, side))
    count = 0
    while level != 0 and count < limit:
        address = level_at(engine, level)
        # A level of hidden orders alone doesn't exist for the public.
        if visible_order_count(address) != 0:
            entry = target + count * DEPTH_ENTRY_BYTES
            store_i64(entry, load_i64(address + at.LEVEL_PRICE_UNITS))
            store_i64(entry + 8, visible_quantity(address))
            store_i64(entry + 16, visible_order_count(address))
            count += 1
        level = worse_level(engine, level)
    return count


@kernel("int64(int64, int64, int64, int64, int64)")
def engine_depth(engine: int, instrument_id: int, side: int, target: int, limit: int) -> int:
    """Write up to ``limit`` levels, best first, as (price, quantity, order count) of int64 each.

    Returns the number of levels written, or -1 for an unknown instrument or side.
    """
    book = book_index(engine, instrument_id)
    if book == 0 or side < 1 or side > 2:
        return -1
    return write_depth(engine, book, side, target, limit)


@inline
def hash_add(state: int, value: int) -> int:
    """Take a 64-bit value into a hash of two 31-bit lanes.

    Each lane is a polynomial modulo 2^31 - 1 over 32-bit halves; no product reaches 2^63, so the
    result is the same with and without wrapping integers.
    """
    low_lane = state & 0x7FFFFFFF
    high_lane = (state >> 31) & 0x7FFFFFFF
    low_half = value & 0xFFFFFFFF
    high_half = (value >> 32) & 0xFFFFFFFF
    low_lane = (low_lane * HASH_FACTOR_LOW + low_half) % HASH_MODULUS
    low_lane = (low_lane * HASH_FACTOR_LOW + high_half) % HASH_MODULUS
    high_lane = (high_lane * HASH_FACTOR_HIGH + low_half) % HASH_MODULUS
    high_lane = (high_lane * HASH_FACTOR_HIGH + high_half) % HASH_MODULUS
    return (high_lane << 31) | low_lane


@inline
def hash_side(engine: int, state: int, book: int, side: int) -> int:
    """Take the orders of a side in priority, or of those that wait, into a hash."""
    slot = first_order(engine, book, side)
    while slot != 0:
        order = order_at(engine, slot)
        state = hash_add(state, load_i64(order + at.ORDER_ORDER_ID))
        state = hash_add(state, load_i32(order + at.ORDER_ACCOUNT_ID) + 0)
        state = hash_add(state, load_i64(order + at.ORDER_PRICE_UNITS))
        state = hash_add(state, load_i64(order + at.ORDER_QUANTITY_UNITS))
        state = hash_add(state, load_i64(order + at.ORDER_LEAVES_UNITS))
        state = hash_add(state, shown_units(engine, slot))
        is_stop = has_flag(order, FLAG_STOP)
        stop_units = load_i64(terms_at(engine, slot) + at.TERMS_STOP_UNITS) if is_stop else 0
        state = hash_add(state, stop_units)
        slot = following_order(engine, slot)
    return state


@inline
def hash_state(engine: int) -> int:
    """Hash of the logical state: counters, and each book's orders in priority.

    It doesn't depend on where records lie, so a restored engine or another implementation gives
    the same: order number, match number, both event sequences; then for each instrument, in the
    order in which they were added, its id, its sequence, its divergence, its phase, the end of its
    auction and its last price; then for buys and sells, best first, and for the orders that wait:
    order id, account, price, total, open and shown quantity and stop price of each order.
    """
    state = 1
    state = hash_add(state, load_i64(engine + at.HEADER_LAST_ORDER_NUMBER))
    state = hash_add(state, load_i64(engine + at.HEADER_LAST_MATCH_NUMBER))
    state = hash_add(state, load_i64(engine + at.HEADER_EXECUTION_SEQUENCE))
    state = hash_add(state, last_book_sequence(engine))
    for book in range(1, load_i64(engine + at.HEADER_INSTRUMENT_COUNT) + 1):
        address = book_at(engine, book)
        state = hash_add(state, load_i64(address + at.BOOK_INSTRUMENT_ID))
        state = hash_add(state, load_i64(address + at.BOOK_INSTRUMENT_SEQUENCE))
        state = hash_add(state, load_i64(address + at.BOOK_DIVERGENCE_COUNT))
        state = hash_add(state, load_i64(address + at.BOOK_PHASE))
        state = hash_add(state, load_i64(address + at.BOOK_AUCTION_END_NS))
        state = hash_add(state, load_i64(address + at.BOOK_LAST_PRICE_UNITS))
        state = hash_side(engine, state, book, 1)
        state = hash_side(engine, state, book, 2)
        state = hash_side(engine, state, book, PARKED)
    return state


@kernel("int64(int64)")
def engine_state_hash(engine: int) -> int:
    """`hash_state` for callers outside of kernels."""
    return hash_state(engine)


@kernel("int64(int64, int64, int64, int64)")
def engine_orders(engine: int, instrument_id: int, target: int, limit: int) -> int:
    """Write an instrument's displayed orders as (order id, price, shown quantity, side) of int64.

    Bids come first, then asks, each best price first and in queue order. Returns how many there
    are, of which at most ``limit`` were written, or -1 for an unknown instrument.
    """
    book = book_index(engine, instrument_id)
    if book == 0:
        return -1
    count = 0
    for side in range(1, 3):
        slot = first_order(engine, book, side)
        while slot != 0:
            shown = shown_units(engine, slot)
            if shown != 0 and count < limit:
                order = order_at(engine, slot)
                entry = target + count * ORDER_ENTRY_BYTES
                store_i64(entry, load_i64(order + at.ORDER_ORDER_ID))
                store_i64(entry + 8, load_i64(order + at.ORDER_PRICE_UNITS))
                store_i64(entry + 16, shown)
                store_i64(entry + 24, side)
            if shown != 0:
                count += 1
            slot = following_order(engine, slot)
    return count
