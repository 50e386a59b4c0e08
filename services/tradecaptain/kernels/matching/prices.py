"""The price index of one side of a book: from a price to its level, and to its neighbours.

A radix tree over the 64 bits of a price, six bits (one of 64 children) a node, that keeps a node
only where prices branch. A node stands at a ``shift``: all prices below it agree in the bits above
``shift + 6``, and its children are told apart by the six bits at ``shift``. A child is a node
(positive), a price level (negative) or nothing (zero). So a book is as deep as its prices are
spread: one node for prices within 64 increments, two within 4,096, at most eleven whatever the
prices are, zero and negative ones included; memory grows with levels, never with the price range.
There is never more than one node a level, so nodes can't run out before levels do.
"""

from __future__ import annotations

from tradecaptain.base.bits import highest_set_to, lowest_set_from
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import NODE_BYTES
from tradecaptain.kernels.matching.tables import level_at

TOP_SHIFT = 60


@inline
def node_at(engine: int, node: int) -> int:
    """Address of a branching node."""
    return engine + load_i64(engine + at.HEADER_NODES_OFFSET) + node * NODE_BYTES


@inline
def price_digit(price_units: int, shift: int) -> int:
    """The six bits of a price at ``shift``; the topmost four are biased, as they carry the sign."""
    if shift == TOP_SHIFT:
        return (price_units >> TOP_SHIFT) + 8
    return (price_units >> shift) & 63


@inline
def branching_shift(one: int, other: int) -> int:
    """Shift of the node at which two different prices part."""
    highest = highest_set_to(one ^ other, 63)
    return highest - highest % 6


@inline
def child_address(node: int, digit: int) -> int:
    """Address of the child pointer of a node (by its address)."""
    return node + at.NODE_CHILDREN + digit * 4


@inline
def take_node(engine: int) -> int:
    """A free node."""
    node = load_i64(engine + at.HEADER_FREE_NODE)
    if node != 0:
        store_i64(engine + at.HEADER_FREE_NODE, load_i64(node_at(engine, node) + at.NODE_BITMAP))
    else:
        node = load_i64(engine + at.HEADER_USED_NODES) + 1
        store_i64(engine + at.HEADER_USED_NODES, node)
    return node


@inline
def give_node(engine: int, node: int) -> None:
    """Put a node back; all its child pointers but those in its bitmap are zero, and stay so."""
    store_i64(node_at(engine, node) + at.NODE_BITMAP, load_i64(engine + at.HEADER_FREE_NODE))
    store_i64(engine + at.HEADER_FREE_NODE, node)


@inline
def node_set_child(node: int, digit: int, child: int) -> None:
    """Add a child where there was none."""
    store_i32(child_address(node, digit), child)
    store_i64(node + at.NODE_BITMAP, load_i64(node + at.NODE_BITMAP) | (1 << digit))
    store_i32(node + at.NODE_CHILD_COUNT, load_i32(node + at.NODE_CHILD_COUNT) + 1)


@inline
def find_level(engine: int, side: int, price_units: int) -> int:
    """Level of a price on a side (by its address), or 0."""
    child = load_i32(side + at.SIDE_BOOK_ROOT) + 0
    while child > 0:
        node = node_at(engine, child)
        digit = price_digit(price_units, load_i32(node + at.NODE_SHIFT))
        child = load_i32(child_address(node, digit)) + 0
    if child != 0 and load_i64(level_at(engine, -child) + at.LEVEL_PRICE_UNITS) == price_units:
        return -child
    return 0


@inline
def lowest_level(engine: int, child: int) -> int:
    """Level of the lowest price under a child."""
    while child > 0:
        node = node_at(engine, child)
        digit = lowest_set_from(load_i64(node + at.NODE_BITMAP), 0)
        child = load_i32(child_address(node, digit)) + 0
    return -child


@inline
def highest_level(engine: int, child: int) -> int:
    """Level of the highest price under a child."""
    while child > 0:
        node = node_at(engine, child)
        digit = highest_set_to(load_i64(node + at.NODE_BITMAP), 63)
        child = load_i32(child_address(node, digit)) + 0
    return -child


@inline
def split_child(engine: int, link: int, child: int, sample_units: int, level: int) -> int:
    """Put a new node between a pointer and its child, for a level that parts from it.

    ``link`` is the pointer's address and ``sample_units`` any price under the child. Returns a
    neighbour of the new level, as `insert_price` does.
    """
    price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    shift = branching_shift(price_units, sample_units)
    index = take_node(engine)
    node = node_at(engine, index)
    store_i64(node + at.NODE_BITMAP, 0)
    store_i64(node + at.NODE_PRICE_UNITS, sample_units)
    store_i32(node + at.NODE_SHIFT, shift)
    store_i32(node + at.NODE_CHILD_COUNT, 0)
    node_set_child(node, price_digit(sample_units, shift), child)
    node_set_child(node, price_digit(price_units, shift), -level)
    store_i32(link, index)
    if price_units < sample_units:
        return lowest_level(engine, child)
    return highest_level(engine, child)


@inline
def insert_price(engine: int, side: int, level: int) -> int:
    """Enter a new level into the index and return a level whose price is next to it, or 0.

    The neighbour may lie on either side of the new price; 0 means that the side was empty.
    """
    price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    link = side + at.SIDE_BOOK_ROOT
    child = load_i32(link) + 0
    if child == 0:
        store_i32(link, -level)
        return 0
    while child > 0:
        node = node_at(engine, child)
        shift = load_i32(node + at.NODE_SHIFT) + 0
        sample_units = load_i64(node + at.NODE_PRICE_UNITS)
        if shift != TOP_SHIFT and ((price_units ^ sample_units) >> shift) >> 6 != 0:
            return split_child(engine, link, child, sample_units, level)
        digit = price_digit(price_units, shift)
        link = child_address(node, digit)
        child = load_i32(link) + 0
        if child == 0:
            bitmap = load_i64(node + at.NODE_BITMAP)
            node_set_child(node, digit, -level)
            above = lowest_set_from(bitmap, digit)
            if above < 64:
                return lowest_level(engine, load_i32(child_address(node, above)) + 0)
            below = highest_set_to(bitmap, digit)
            return highest_level(engine, load_i32(child_address(node, below)) + 0)
    sample_units = load_i64(level_at(engine, -child) + at.LEVEL_PRICE_UNITS)
    return split_child(engine, link, child, sample_units, level)


@inline
def remove_price(engine: int, side: int, price_units: int) -> None:
    """Take a level that exists out of the index; a node left with one child goes as well."""
    link = side + at.SIDE_BOOK_ROOT
    child = load_i32(link) + 0
    if child < 0:
        store_i32(link, 0)
        return
    node_link = link
    node = node_at(engine, child)
    index = child
    while child > 0:
        node_link = link
        index = child
        node = node_at(engine, child)
        digit = price_digit(price_units, load_i32(node + at.NODE_SHIFT))
        link = child_address(node, digit)
        child = load_i32(link) + 0
    store_i32(link, 0)
    digit = price_digit(price_units, load_i32(node + at.NODE_SHIFT))
    bitmap = load_i64(node + at.NODE_BITMAP) & ~(1 << digit)
    store_i64(node + at.NODE_BITMAP, bitmap)
    child_count = load_i32(node + at.NODE_CHILD_COUNT) - 1
    store_i32(node + at.NODE_CHILD_COUNT, child_count)
    if child_count == 1:
        last = child_address(node, lowest_set_from(bitmap, 0))
        store_i32(node_link, load_i32(last))
        store_i32(last, 0)
        give_node(engine, index)
