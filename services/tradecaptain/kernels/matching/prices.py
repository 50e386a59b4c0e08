"""The price index of one side of a book: pages of 64 prices, and a radix tree from one to another.

A page knows which of 64 prices next to each other have a level, as bits, and names them. The tree
leads to pages by the bits of a price above those 64, six bits (one of 64 children) a node, and has
nodes only where prices branch. A node stands at a ``shift``: all prices below it agree in the bits
above ``shift + 6``, and its children are told apart by the six bits at ``shift``. A child is a node
(positive), a page (negative) or nothing (zero). So a book is as deep as its prices are spread: one
page for prices within 64 increments, a node above it within 4,096, at most ten nodes whatever the
prices are, zero and negative ones included.

A page whose last level closes stays where it is, so that prices that come and go cost a bit of the
page. Nodes know which of their children lead to a noted page. Pages with levels are noted, but for
the foremost of a side, which may not be: nobody looks for it from a better price, and most levels
come and go ahead of all others. Only when all pages are in use is one without levels taken for
other prices. There are as many pages as levels, and fewer nodes than pages, so neither can run out
before levels do, and memory never follows the range of prices.
"""

from __future__ import annotations

from tradecaptain.base.bits import highest_set_to, lowest_set_from
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    load_constant_i64,
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
    NODE_BYTES,
    PAGE_BYTES,
    PAGE_IDLE,
    PAGE_NOTED,
    PAGE_PRICES,
)
from tradecaptain.kernels.matching.tables import level_at

TOP_SHIFT = 60
PAGE_BITS = 6
PAGE_MASK = PAGE_PRICES - 1


@inline
def page_at(engine: int, page: int) -> int:
    """Address of a page."""
    return engine + load_constant_i64(engine + at.HEADER_PAGES_OFFSET) + page * PAGE_BYTES


@inline
def side_key(side_book: int) -> int:
    """What tells a side (by its address) from all others; never 0."""
    return load_u32(side_book + at.SIDE_BOOK_KEY) + 0


@inline
def set_side_key(engine: int, side_book: int) -> None:
    """Note the key of a side (by its address): a part of its distance from the engine."""
    store_i32(side_book + at.SIDE_BOOK_KEY, (side_book - engine) >> 4)


@inline
def level_address(page: int, price_units: int) -> int:
    """Address of the word of a page (by its address) that names the level of a price, if any."""
    return page + at.PAGE_LEVELS + (price_units & PAGE_MASK) * 4


@inline
def node_at(engine: int, node: int) -> int:
    """Address of a branching node."""
    return engine + load_constant_i64(engine + at.HEADER_NODES_OFFSET) + node * NODE_BYTES


@inline
def price_digit(price_units: int, shift: int) -> int:
    """The six bits of a price at ``shift``; the topmost four are biased, as they carry the sign."""
    if shift == TOP_SHIFT:
        return (price_units >> TOP_SHIFT) + 8
    return (price_units >> shift) & PAGE_MASK


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
    """A free node, which has no children."""
    node = load_i64(engine + at.HEADER_FREE_NODE)
    if node != 0:
        store_i64(engine + at.HEADER_FREE_NODE, load_i64(node_at(engine, node) + at.NODE_BITMAP))
    else:
        node = load_i64(engine + at.HEADER_USED_NODES) + 1
        store_i64(engine + at.HEADER_USED_NODES, node)
    store_i64(node_at(engine, node) + at.NODE_BITMAP, 0)
    store_i64(node_at(engine, node) + at.NODE_KEPT, 0)
    return node


@inline
def give_node(engine: int, node: int) -> None:
    """Put a node back; all its child pointers are zero, and stay so."""
    store_i64(node_at(engine, node) + at.NODE_BITMAP, load_i64(engine + at.HEADER_FREE_NODE))
    store_i64(engine + at.HEADER_FREE_NODE, node)


@inline
def name_child(engine: int, link: int, owner: int, child: int) -> None:
    """Let a pointer of a node, or of a side (node 0), name a child, which knows who names it."""
    store_i32(link, child)
    if child < 0:
        store_i32(page_at(engine, -child) + at.PAGE_OWNER, owner)
    else:
        store_i32(node_at(engine, child) + at.NODE_OWNER, owner)


@inline
def add_child(engine: int, index: int, digit: int, child: int) -> None:
    """Give a node a child where it has none."""
    node = node_at(engine, index)
    store_i64(node + at.NODE_KEPT, load_i64(node + at.NODE_KEPT) | (1 << digit))
    name_child(engine, child_address(node, digit), index, child)


@inline
def leads_to_noted(engine: int, child: int) -> bool:
    """Whether a child is a noted page, or a node above one."""
    if child < 0:
        return load_i16(page_at(engine, -child) + at.PAGE_STATE) & PAGE_NOTED != 0
    return load_i64(node_at(engine, child) + at.NODE_BITMAP) != 0


@inline
def find_page(engine: int, side_book: int, price_units: int) -> int:
    """Page of a price on a side (by its address), or 0."""
    child = load_i32(side_book + at.SIDE_BOOK_ROOT) + 0
    while child > 0:
        node = node_at(engine, child)
        digit = price_digit(price_units, load_i32(node + at.NODE_SHIFT))
        child = load_i32(child_address(node, digit)) + 0
    first_units = load_i64(page_at(engine, -child) + at.PAGE_FIRST_UNITS)
    return 0 if (price_units ^ first_units) >> PAGE_BITS != 0 else -child


@inline
def split_child(
    engine: int, link: int, owner: int, child: int, sample_units: int, page: int
) -> None:
    """Put a new node between a pointer and its child, for a page that parts from it.

    ``link`` is the pointer's address, ``owner`` its node, and ``sample_units`` a price below.
    """
    address = page_at(engine, page)
    price_units = load_i64(address + at.PAGE_FIRST_UNITS)
    shift = branching_shift(price_units, sample_units)
    index = take_node(engine)
    node = node_at(engine, index)
    digit = price_digit(sample_units, shift)
    store_i64(node + at.NODE_PRICE_UNITS, sample_units)
    store_i32(node + at.NODE_SHIFT, shift)
    if leads_to_noted(engine, child):
        store_i64(node + at.NODE_BITMAP, 1 << (digit ^ load_i16(address + at.PAGE_MIRROR)))
    add_child(engine, index, digit, child)
    add_child(engine, index, price_digit(price_units, shift), -page)
    name_child(engine, link, owner, index)


@inline
def insert_page(engine: int, side_book: int, page: int) -> None:
    """Enter a page, without levels yet, into the index."""
    price_units = load_i64(page_at(engine, page) + at.PAGE_FIRST_UNITS)
    owner = 0
    link = side_book + at.SIDE_BOOK_ROOT
    child = load_i32(link) + 0
    while child > 0:
        node = node_at(engine, child)
        shift = load_i32(node + at.NODE_SHIFT) + 0
        sample_units = load_i64(node + at.NODE_PRICE_UNITS)
        if shift != TOP_SHIFT and ((price_units ^ sample_units) >> shift) >> 6 != 0:
            split_child(engine, link, owner, child, sample_units, page)
            return
        owner = child
        digit = price_digit(price_units, shift)
        link = child_address(node, digit)
        child = load_i32(link) + 0
        if child == 0:
            add_child(engine, owner, digit, -page)
            return
    if child == 0:
        name_child(engine, link, 0, -page)
        return
    sample_units = load_i64(page_at(engine, -child) + at.PAGE_FIRST_UNITS)
    split_child(engine, link, owner, child, sample_units, page)


@inline
def lift_last_child(engine: int, side_book: int, index: int) -> None:
    """Put the only child that a node has left into the node's place."""
    node = node_at(engine, index)
    owner = load_i32(node + at.NODE_OWNER) + 0
    link = side_book + at.SIDE_BOOK_ROOT
    if owner != 0:
        above = node_at(engine, owner)
        price_units = load_i64(node + at.NODE_PRICE_UNITS)
        link = child_address(above, price_digit(price_units, load_i32(above + at.NODE_SHIFT)))
    last = child_address(node, lowest_set_from(load_i64(node + at.NODE_KEPT), 0))
    name_child(engine, link, owner, load_i32(last) + 0)
    store_i32(last, 0)
    give_node(engine, index)


@inline
def remove_page(engine: int, page: int) -> None:
    """Take a page without levels out of the index; a node left with one child goes as well."""
    address = page_at(engine, page)
    side_book = engine + (load_i32(address + at.PAGE_SIDE_KEY) << 4)
    index = load_i32(address + at.PAGE_OWNER) + 0
    if index == 0:
        store_i32(side_book + at.SIDE_BOOK_ROOT, 0)
        return
    node = node_at(engine, index)
    digit = price_digit(load_i64(address + at.PAGE_FIRST_UNITS), load_i32(node + at.NODE_SHIFT))
    store_i64(node + at.NODE_KEPT, load_i64(node + at.NODE_KEPT) & ~(1 << digit))
    kept = load_i64(node + at.NODE_KEPT)
    store_i32(child_address(node, digit), 0)
    if kept & (kept - 1) == 0:
        lift_last_child(engine, side_book, index)


@inline
def change_state(page: int, removed: int, added: int) -> None:
    """Take away and give bits of the state of a page (by its address)."""
    store_i16(page + at.PAGE_STATE, load_i16(page + at.PAGE_STATE) & ~removed | added)


@inline
def take_page(engine: int) -> int:
    """A page without levels that is in no index."""
    page = load_i64(engine + at.HEADER_USED_PAGES) + 1
    if page <= load_constant_i64(engine + at.HEADER_LEVEL_CAPACITY):
        store_i64(engine + at.HEADER_USED_PAGES, page)
        return page
    # One that is idle no more comes back when its last level closes again.
    while True:
        page = load_i64(engine + at.HEADER_IDLE_PAGE)
        address = page_at(engine, page)
        store_i64(engine + at.HEADER_IDLE_PAGE, load_i32(address + at.PAGE_NEXT_IDLE))
        change_state(address, PAGE_IDLE, 0)
        if load_i64(address + at.PAGE_BITMAP) == 0:
            remove_page(engine, page)
            return page


@inline
def note_idle(engine: int, page: int) -> None:
    """Note that a page, which has no levels, may be taken for other prices."""
    address = page_at(engine, page)
    if load_i16(address + at.PAGE_STATE) & PAGE_IDLE == 0:
        change_state(address, 0, PAGE_IDLE)
        store_i32(address + at.PAGE_NEXT_IDLE, load_i64(engine + at.HEADER_IDLE_PAGE))
        store_i64(engine + at.HEADER_IDLE_PAGE, page)


@apart
def lead_to(engine: int, page: int, _third: int, _fourth: int) -> int:
    """Note a page (by its address): let the nodes above lead to it."""
    change_state(page, 0, PAGE_NOTED)
    price_units = load_i64(page + at.PAGE_FIRST_UNITS)
    mirror = load_i16(page + at.PAGE_MIRROR) + 0
    owner = load_i32(page + at.PAGE_OWNER) + 0
    while owner != 0:
        node = node_at(engine, owner)
        rank = price_digit(price_units, load_i32(node + at.NODE_SHIFT)) ^ mirror
        bitmap = load_i64(node + at.NODE_BITMAP)
        store_i64(node + at.NODE_BITMAP, bitmap | (1 << rank))
        owner = 0 if bitmap != 0 else load_i32(node + at.NODE_OWNER) + 0
    return 0


@inline
def lead_away(engine: int, page: int) -> None:
    """Let the nodes above a page (by its address), if it is noted, lead to it no more."""
    if load_i16(page + at.PAGE_STATE) & PAGE_NOTED == 0:
        return
    change_state(page, PAGE_NOTED, 0)
    price_units = load_i64(page + at.PAGE_FIRST_UNITS)
    mirror = load_i16(page + at.PAGE_MIRROR) + 0
    owner = load_i32(page + at.PAGE_OWNER) + 0
    while owner != 0:
        node = node_at(engine, owner)
        rank = price_digit(price_units, load_i32(node + at.NODE_SHIFT)) ^ mirror
        store_i64(node + at.NODE_BITMAP, load_i64(node + at.NODE_BITMAP) & ~(1 << rank))
        # Read anew: without the JIT, what lacks bit 63 alone isn't zero before it is a word again.
        bitmap = load_i64(node + at.NODE_BITMAP)
        owner = 0 if bitmap != 0 else load_i32(node + at.NODE_OWNER) + 0


@inline
def is_settled(page: int) -> int:
    """Not zero if a page (by its address) is idle and isn't noted: then the end of its last level
    changes nothing else."""
    # Only of that state, 1 without the other bit, does the sum reach 4.
    return (load_i16(page + at.PAGE_STATE) ^ PAGE_NOTED) + PAGE_IDLE & 2 * PAGE_NOTED


@apart
def settle_page(engine: int, index: int, _third: int, _fourth: int) -> int:
    """What follows when a page that isn't settled has lost its last level."""
    note_idle(engine, index)
    lead_away(engine, page_at(engine, index))
    return 0


@inline
def page_behind(engine: int, page: int) -> int:
    """The next page with levels behind another (by its address) on its side, or 0."""
    price_units = load_i64(page + at.PAGE_FIRST_UNITS)
    mirror = load_i16(page + at.PAGE_MIRROR) + 0
    owner = load_i32(page + at.PAGE_OWNER) + 0
    child = 0
    while owner != 0 and child == 0:
        node = node_at(engine, owner)
        rank = price_digit(price_units, load_i32(node + at.NODE_SHIFT)) ^ mirror
        worse = lowest_set_from(load_i64(node + at.NODE_BITMAP) & ~(1 << rank), rank)
        if worse < 64:
            child = load_i32(child_address(node, worse ^ mirror)) + 0
        owner = load_i32(node + at.NODE_OWNER) + 0
    while child > 0:
        node = node_at(engine, child)
        digit = lowest_set_from(load_i64(node + at.NODE_BITMAP), 0) ^ mirror
        child = load_i32(child_address(node, digit)) + 0
    return -child


@inline
def page_ahead(engine: int, page: int) -> int:
    """The next page with levels ahead of another (by its address) on its side, or 0."""
    index = noted_ahead(engine, page)
    if index != 0:
        return index
    side_book = engine + (load_u32(page + at.PAGE_SIDE_KEY) << 4)
    best = level_at(engine, load_i32(side_book + at.SIDE_BOOK_BEST) + 0)
    foremost = load_i32(best + at.LEVEL_PAGE) + 0
    return 0 if page_at(engine, foremost) == page else foremost


@inline
def noted_ahead(engine: int, page: int) -> int:
    """The next noted page ahead of another (by its address) on its side, or 0."""
    price_units = load_i64(page + at.PAGE_FIRST_UNITS)
    mirror = load_i16(page + at.PAGE_MIRROR) + 0
    owner = load_i32(page + at.PAGE_OWNER) + 0
    child = 0
    while owner != 0 and child == 0:
        node = node_at(engine, owner)
        rank = price_digit(price_units, load_i32(node + at.NODE_SHIFT)) ^ mirror
        better = highest_set_to(load_i64(node + at.NODE_BITMAP) & ~(1 << rank), rank)
        if better >= 0:
            child = load_i32(child_address(node, better ^ mirror)) + 0
        owner = load_i32(node + at.NODE_OWNER) + 0
    while child > 0:
        node = node_at(engine, child)
        digit = highest_set_to(load_i64(node + at.NODE_BITMAP), 63) ^ mirror
        child = load_i32(child_address(node, digit)) + 0
    return -child
