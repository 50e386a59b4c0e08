"""Addresses of records in an engine's block, and the free lists of orders and levels."""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    load_constant_i64,
    load_i32,
    load_i64,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.layout import (
    BOOK_BYTES,
    LEVEL_BYTES,
    NEIGHBOURS_BYTES,
    ORDER_BYTES,
    PARTY_BYTES,
    SIDE_BOOK_BYTES,
    TERMS_BYTES,
)


@inline
def order_at(engine: int, slot: int) -> int:
    """Address of order ``slot``."""
    return engine + load_constant_i64(engine + at.HEADER_ORDERS_OFFSET) + slot * ORDER_BYTES


@inline
def neighbours_at(engine: int, slot: int) -> int:
    """Address of what names the neighbours of order ``slot`` in its queue."""
    table = engine + load_constant_i64(engine + at.HEADER_NEIGHBOURS_OFFSET)
    return table + slot * NEIGHBOURS_BYTES


@inline
def party_at(engine: int, slot: int) -> int:
    """Address of the party record of order ``slot``."""
    return engine + load_constant_i64(engine + at.HEADER_PARTIES_OFFSET) + slot * PARTY_BYTES


@inline
def terms_at(engine: int, slot: int) -> int:
    """Address of what order ``slot`` says beyond price and quantity; only if it has flags."""
    return engine + load_constant_i64(engine + at.HEADER_TERMS_OFFSET) + slot * TERMS_BYTES


@inline
def level_at(engine: int, level: int) -> int:
    """Address of price level ``level``."""
    return engine + load_constant_i64(engine + at.HEADER_LEVELS_OFFSET) + level * LEVEL_BYTES


@inline
def book_at(engine: int, book: int) -> int:
    """Address of the book of the instrument with index ``book``."""
    return engine + load_constant_i64(engine + at.HEADER_BOOKS_OFFSET) + book * BOOK_BYTES


@inline
def index_of_book(book: int) -> int:
    """Index of a book (by its address)."""
    return load_i64(book + at.BOOK_INDEX)


@inline
def side_of_book(book: int, side: int) -> int:
    """Address of one side (1 buy, 2 sell) of a book (by its address)."""
    return book + (at.BOOK_BIDS - SIDE_BOOK_BYTES) + side * SIDE_BOOK_BYTES


@inline
def side_at(engine: int, book: int, side: int) -> int:
    """Address of one side (1 buy, 2 sell) of a book."""
    return side_of_book(book_at(engine, book), side)


@inline
def book_index(engine: int, instrument_id: int) -> int:
    """Index of an instrument's book, or 0 when the engine doesn't know the instrument."""
    if instrument_id < 0 or instrument_id >= load_constant_i64(
        engine + at.HEADER_INSTRUMENT_ID_LIMIT
    ):
        return 0
    table = engine + load_constant_i64(engine + at.HEADER_INSTRUMENT_INDEX_OFFSET)
    return load_i32(table + instrument_id * 4) + 0


@inline
def account_known(engine: int, account_id: int) -> bool:
    """Whether the account id lies within the table of account sequences."""
    return 0 < account_id < load_constant_i64(engine + at.HEADER_ACCOUNT_ID_LIMIT)


@apart
def list_unused_order(engine: int, _second: int, _third: int, _fourth: int) -> int:
    """Put a slot that was never used on the free list, which is empty; returns it, or 0 if there
    is none."""
    slot = load_i64(engine + at.HEADER_USED_ORDERS) + 1
    if slot > load_constant_i64(engine + at.HEADER_ORDER_CAPACITY):
        return 0
    store_i64(engine + at.HEADER_USED_ORDERS, slot)
    store_i32(neighbours_at(engine, slot) + at.NEIGHBOURS_NEXT, 0)
    store_i64(engine + at.HEADER_FREE_ORDER, slot)
    return slot


@inline
def has_free_order(engine: int) -> bool:
    """Whether another order fits; then one lies on the free list."""
    return load_i64(engine + at.HEADER_FREE_ORDER) != 0 or list_unused_order(engine, 0, 0, 0) != 0


@apart
def list_unused_level(engine: int, _second: int, _third: int, _fourth: int) -> int:
    """`list_unused_order` for levels."""
    level = load_i64(engine + at.HEADER_USED_LEVELS) + 1
    if level > load_constant_i64(engine + at.HEADER_LEVEL_CAPACITY):
        return 0
    store_i64(engine + at.HEADER_USED_LEVELS, level)
    store_i32(level_at(engine, level) + at.LEVEL_FIRST, 0)
    store_i64(engine + at.HEADER_FREE_LEVEL, level)
    return level


@inline
def has_free_level(engine: int) -> bool:
    """Whether another price level fits; then one lies on the free list, and a page and a node of
    the price index are free too."""
    return load_i64(engine + at.HEADER_FREE_LEVEL) != 0 or list_unused_level(engine, 0, 0, 0) != 0


@inline_always
def take_order(engine: int) -> int:
    """A free order slot; the caller has asked `has_free_order` before."""
    slot = load_i64(engine + at.HEADER_FREE_ORDER)
    following = load_i32(neighbours_at(engine, slot) + at.NEIGHBOURS_NEXT) + 0
    store_i64(engine + at.HEADER_FREE_ORDER, following)
    store_i64(engine + at.HEADER_ORDER_COUNT, load_i64(engine + at.HEADER_ORDER_COUNT) + 1)
    return slot


@inline
def give_order(engine: int, slot: int) -> None:
    """Put an order slot back."""
    store_i64(order_at(engine, slot) + at.ORDER_ORDER_ID, 0)
    following = load_i64(engine + at.HEADER_FREE_ORDER)
    store_i32(neighbours_at(engine, slot) + at.NEIGHBOURS_NEXT, following)
    store_i64(engine + at.HEADER_FREE_ORDER, slot)
    store_i64(engine + at.HEADER_ORDER_COUNT, load_i64(engine + at.HEADER_ORDER_COUNT) - 1)


@inline
def take_level(engine: int) -> int:
    """A free level; the caller has asked `has_free_level` since it took another."""
    level = load_i64(engine + at.HEADER_FREE_LEVEL)
    store_i64(engine + at.HEADER_FREE_LEVEL, load_i32(level_at(engine, level) + at.LEVEL_FIRST))
    store_i64(engine + at.HEADER_LEVEL_COUNT, load_i64(engine + at.HEADER_LEVEL_COUNT) + 1)
    return level


@inline
def give_level(engine: int, level: int) -> None:
    """Put a level back."""
    store_i32(level_at(engine, level) + at.LEVEL_FIRST, load_i64(engine + at.HEADER_FREE_LEVEL))
    store_i64(engine + at.HEADER_FREE_LEVEL, level)
    store_i64(engine + at.HEADER_LEVEL_COUNT, load_i64(engine + at.HEADER_LEVEL_COUNT) - 1)
