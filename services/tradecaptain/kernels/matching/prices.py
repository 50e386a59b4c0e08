"""The price index of one side of a book: from a price to its level, and to its neighbours.

A radix tree over the 64 bits of a price, six bits (one of 64 children) a node, that keeps a node
only where prices branch. A node stands at a ``shift``: all prices below it agree in the bits above
``shift + 6``, and its children are told apart by the six bits at ``shift``. A child is a node
(positive), a price level (negative) or nothing (zero). So a book is as deep as its prices are
spread: one node for prices within 64 increments, two within 4,096, at most eleven whatever the
prices are, zero and negative ones included; memory grows with levels, never with the price range.
There is never more than one node a level, so nodes can't run out before levels do.

A table remembers which nodes over 64 prices were used of late, so that most new prices are entered
without a walk from the root.
"""

from __future__ import annotations

from tradecaptain.base.bits import highest_set_to, lowest_set_from
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_constant_i64, load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import NODE_BYTES, RECENT_NODES, RECENT_NODES_AT
from tradecaptain.kernels.matching.tables import level_at

TOP_SHIFT = 60


@inline
def node_at(engine: int, node: int) -> int:
    """Address of a branching node."""
    return engine + load_constant_i64(engine + at.HEADER_NODES_OFFSET) + node * NODE_BYTES


@inline
def owner_of_level(engine: int, level: int) -> int:
    """Address of the word that says which node names a level: 0 if its side does."""
    return engine + load_constant_i64(engine + at.HEADER_LEVEL_NODES_OFFSET) + level * 4


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
    store_i64(node_at(engine, node) + at.NODE_SIDE_OFFSET, 0)
    store_i64(node_at(engine, node) + at.NODE_BITMAP, load_i64(engine + at.HEADER_FREE_NODE))
    store_i64(engine + at.HEADER_FREE_NODE, node)


@inline
def recent_node(engine: int, side: int, price_units: int) -> int:
    """Address of the word that may name the node over the 64 prices around one of a side."""
    index = ((price_units >> 6) + side - engine) & (RECENT_NODES - 1)
    return engine + RECENT_NODES_AT + index * 4


@inline
def remember_node(engine: int, side: int, price_units: int, index: int) -> None:
    """Remember the node that a price of a side was entered into, if it is over 64 prices."""
    if load_i32(node_at(engine, index) + at.NODE_SHIFT) == 0:
        store_i32(recent_node(engine, side, price_units), index)


@inline
def name_child(engine: int, link: int, node: int, child: int) -> None:
    """Let a pointer of a node, or of a side (node 0), name a child; a level knows who names it."""
    store_i32(link, child)
    if child < 0:
        store_i32(owner_of_level(engine, -child), node)


@inline
def add_child(engine: int, node: int, digit: int, child: int) -> None:
    """Give a node a child where it has none."""
    address = node_at(engine, node)
    bitmap = load_i64(address + at.NODE_BITMAP) | (1 << digit)
    child_count = load_i32(address + at.NODE_CHILD_COUNT) + 1
    store_i64(address + at.NODE_BITMAP, bitmap)
    store_i32(address + at.NODE_CHILD_COUNT, child_count)
    name_child(engine, child_address(address, digit), node, child)


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
def split_child(
    engine: int, side: int, link: int, child: int, sample_units: int, level: int
) -> int:
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
    store_i64(node + at.NODE_SIDE_OFFSET, side - engine)
    add_child(engine, index, price_digit(sample_units, shift), child)
    add_child(engine, index, price_digit(price_units, shift), -level)
    store_i32(link, index)
    remember_node(engine, side, price_units, index)
    if price_units < sample_units:
        return lowest_level(engine, child)
    return highest_level(engine, child)


@inline
def insert_beside(engine: int, side: int, level: int) -> int:
    """Enter a new level into a node that was used of late.

    Most new prices find one. Returns a level whose price is next to it, as `insert_price` does, or
    0 if none is known; then nothing has changed.
    """
    price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    index = load_i32(recent_node(engine, side, price_units)) + 0
    node = node_at(engine, index)
    # What is remembered may be free again, of another side, or further up.
    differs = (
        (load_i64(node + at.NODE_SIDE_OFFSET) ^ (side - engine))
        | ((load_i64(node + at.NODE_PRICE_UNITS) ^ price_units) >> 6)
        | load_i32(node + at.NODE_SHIFT)
    )
    if differs != 0:
        return 0
    digit = price_units & 63
    bitmap = load_i64(node + at.NODE_BITMAP)
    add_child(engine, index, digit, -level)
    above = lowest_set_from(bitmap, digit)
    below = highest_set_to(bitmap, digit)
    return -load_i32(child_address(node, above if above < 64 else below))


@inline
def insert_price(engine: int, side: int, level: int) -> int:
    """Enter a new level into the index and return a level whose price is next to it, or 0.

    The neighbour may lie on either side of the new price; 0 means that the side was empty.
    """
    price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    link = side + at.SIDE_BOOK_ROOT
    child = load_i32(link) + 0
    if child == 0:
        name_child(engine, link, 0, -level)
        return 0
    while child > 0:
        index = child
        node = node_at(engine, index)
        shift = load_i32(node + at.NODE_SHIFT) + 0
        sample_units = load_i64(node + at.NODE_PRICE_UNITS)
        if shift != TOP_SHIFT and ((price_units ^ sample_units) >> shift) >> 6 != 0:
            return split_child(engine, side, link, child, sample_units, level)
        digit = price_digit(price_units, shift)
        link = child_address(node, digit)
        child = load_i32(link) + 0
        if child == 0:
            bitmap = load_i64(node + at.NODE_BITMAP)
            add_child(engine, index, digit, -level)
            remember_node(engine, side, price_units, index)
            above = lowest_set_from(bitmap, digit)
            if above < 64:
                return lowest_level(engine, load_i32(child_address(node, above)) + 0)
            below = highest_set_to(bitmap, digit)
            return highest_level(engine, load_i32(child_address(node, below)) + 0)
    sample_units = load_i64(level_at(engine, -child) + at.LEVEL_PRICE_UNITS)
    return split_child(engine, side, link, child, sample_units, level)


@inline
def lift_last_child(engine: int, side: int, index: int, price_units: int) -> None:
    """Put the only child that a node has left into the node's place; ``price_units`` was below."""
    owner = 0
    link = side + at.SIDE_BOOK_ROOT
    child = load_i32(link) + 0
    while child != index:
        owner = child
        node = node_at(engine, owner)
        link = child_address(node, price_digit(price_units, load_i32(node + at.NODE_SHIFT)))
        child = load_i32(link) + 0
    node = node_at(engine, index)
    last = child_address(node, lowest_set_from(load_i64(node + at.NODE_BITMAP), 0))
    name_child(engine, link, owner, load_i32(last) + 0)
    store_i32(last, 0)
    give_node(engine, index)


@inline
def remove_price(engine: int, side: int, level: int) -> None:
    """Take a level that exists out of the index; a node left with one child goes as well."""
    price_units = load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)
    index = load_i32(owner_of_level(engine, level)) + 0
    if index == 0:
        store_i32(side + at.SIDE_BOOK_ROOT, 0)
        return
    node = node_at(engine, index)
    digit = price_digit(price_units, load_i32(node + at.NODE_SHIFT))
    bitmap = load_i64(node + at.NODE_BITMAP) & ~(1 << digit)
    child_count = load_i32(node + at.NODE_CHILD_COUNT) - 1
    store_i32(child_address(node, digit), 0)
    store_i64(node + at.NODE_BITMAP, bitmap)
    store_i32(node + at.NODE_CHILD_COUNT, child_count)
    if child_count == 1:
        lift_last_child(engine, side, index, price_units)
