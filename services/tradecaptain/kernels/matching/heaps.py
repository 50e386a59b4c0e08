"""Pairing heaps over orders: which stop is elected next, which order expires next.

A heap's places lie in the orders' terms: three words from ``links`` on (child, next, previous). An
order is inserted at once, the first one is taken in logarithmic time over many, and any other can
leave. Equal keys go by order id, which may also be the key itself. Source: Fredman, Sedgewick,
Sleator and Tarjan, "The pairing heap: a new form of self-adjusting heap", Algorithmica 1 (1986).
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.tables import order_at, terms_at

CHILD = 0
NEXT = 4
PREVIOUS = 8

ASCENDING = 1
DESCENDING = -1

BY_ORDER_ID = -1
"""In place of a key's offset: the order id is the key."""


@inline
def goes_before(engine: int, one: int, other: int, key: int, direction: int) -> bool:
    """Whether an order's key (at ``key`` in its terms) comes first; at equal keys its id."""
    if key == BY_ORDER_ID:
        return load_i64(order_at(engine, one) + at.ORDER_ORDER_ID) < load_i64(
            order_at(engine, other) + at.ORDER_ORDER_ID
        )
    one_key = load_i64(terms_at(engine, one) + key)
    other_key = load_i64(terms_at(engine, other) + key)
    if one_key == other_key:
        return load_i64(order_at(engine, one) + at.ORDER_ORDER_ID) < load_i64(
            order_at(engine, other) + at.ORDER_ORDER_ID
        )
    if direction == ASCENDING:
        return one_key < other_key
    return one_key > other_key


@inline
def link(engine: int, slot: int, links: int, word: int) -> int:
    """A word of an order's place."""
    return load_i32(terms_at(engine, slot) + links + word) + 0


@inline
def set_link(engine: int, slot: int, links: int, word: int, value: int) -> None:
    """Write a word of an order's place; the null slot has none."""
    if slot != 0:
        store_i32(terms_at(engine, slot) + links + word, value)


@inline
def meld(engine: int, one: int, other: int, links: int, key: int, direction: int) -> int:
    """One heap of two, given by their first orders; returns its first order."""
    if one == 0:
        return other
    if other == 0:
        return one
    first = one
    second = other
    if goes_before(engine, other, one, key, direction):
        first = other
        second = one
    child = link(engine, first, links, CHILD)
    set_link(engine, second, links, NEXT, child)
    set_link(engine, child, links, PREVIOUS, second)
    set_link(engine, second, links, PREVIOUS, first)
    set_link(engine, first, links, CHILD, second)
    return first


@inline
def meld_children(engine: int, slot: int, links: int, key: int, direction: int) -> int:
    """One heap of an order's children: neighbours are melded in pairs, then all from the last."""
    child = link(engine, slot, links, CHILD)
    pairs = 0
    while child != 0:
        other = link(engine, child, links, NEXT)
        following = 0
        if other != 0:
            following = link(engine, other, links, NEXT)
            set_link(engine, other, links, NEXT, 0)
            set_link(engine, other, links, PREVIOUS, 0)
        set_link(engine, child, links, NEXT, 0)
        set_link(engine, child, links, PREVIOUS, 0)
        pair = meld(engine, child, other, links, key, direction)
        set_link(engine, pair, links, NEXT, pairs)
        pairs = pair
        child = following
    first = 0
    while pairs != 0:
        following = link(engine, pairs, links, NEXT)
        set_link(engine, pairs, links, NEXT, 0)
        first = meld(engine, first, pairs, links, key, direction)
        pairs = following
    return first


@inline
def heap_join(engine: int, first: int, slot: int, links: int, key: int, direction: int) -> int:
    """Put an order into the heap with this first order; returns the new first."""
    set_link(engine, slot, links, CHILD, 0)
    set_link(engine, slot, links, NEXT, 0)
    set_link(engine, slot, links, PREVIOUS, 0)
    return meld(engine, first, slot, links, key, direction)


@inline
def heap_leave(engine: int, first: int, slot: int, links: int, key: int, direction: int) -> int:
    """Take an order out of the heap with this first order; returns the new first."""
    rest = meld_children(engine, slot, links, key, direction)
    set_link(engine, slot, links, CHILD, 0)
    if slot == first:
        return rest
    previous = link(engine, slot, links, PREVIOUS)
    following = link(engine, slot, links, NEXT)
    if link(engine, previous, links, CHILD) == slot:
        set_link(engine, previous, links, CHILD, following)
    else:
        set_link(engine, previous, links, NEXT, following)
    set_link(engine, following, links, PREVIOUS, previous)
    return meld(engine, first, rest, links, key, direction)
