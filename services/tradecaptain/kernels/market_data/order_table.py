"""Orders of a mirror book by id: open addressing with linear probing, no tombstones.

Each book owns ``order_mask + 1`` slots, a power of two, from ``order_offset`` on. At most three
quarters are used; beyond that new orders aren't tracked, which costs checks but never the book.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline


@inline
def home_slot(order_id: int, mask: int) -> int:
    """Where an order id belongs when nothing is in its way."""
    mixed = ((order_id ^ (order_id >> 31)) & 0x7FFFFFFF) * 0x1E3779B1
    return (mixed ^ (mixed >> 23)) & mask


@inline
def find_order(book: Any, orders: Any, order_id: int) -> int:
    """Index of the order's record, or -1."""
    offset = book["order_offset"]
    mask = book["order_mask"]
    slot = home_slot(order_id, mask)
    while True:
        found = orders[offset + slot]["order_id"]
        if found == order_id:
            return offset + slot
        if found == 0:
            return -1
        slot = (slot + 1) & mask


@inline
def insert_order(book: Any, orders: Any, order_id: int) -> int:
    """Index of a new record for an order that isn't in the table, or -1 when the table is full."""
    offset = book["order_offset"]
    mask = book["order_mask"]
    if book["order_count"] * 4 >= (mask + 1) * 3:
        book["forgotten_orders"] += 1
        return -1
    slot = home_slot(order_id, mask)
    while orders[offset + slot]["order_id"] != 0:
        slot = (slot + 1) & mask
    orders[offset + slot]["order_id"] = order_id
    book["order_count"] += 1
    return offset + slot


@inline
def copy_order(orders: Any, target: int, source: int) -> None:
    """Copy one order record."""
    orders[target]["order_id"] = orders[source]["order_id"]
    orders[target]["price_units"] = orders[source]["price_units"]
    orders[target]["quantity_units"] = orders[source]["quantity_units"]
    orders[target]["serial"] = orders[source]["serial"]
    orders[target]["side"] = orders[source]["side"]


@inline
def remove_order(book: Any, orders: Any, index: int) -> None:
    """Free a record and move those back that had to make way for it."""
    offset = book["order_offset"]
    mask = book["order_mask"]
    hole = index - offset
    slot = hole
    while True:
        slot = (slot + 1) & mask
        order_id = orders[offset + slot]["order_id"]
        if order_id == 0:
            break
        # The record may fill the hole unless its home lies after the hole, seen along the probe.
        if ((slot - home_slot(order_id, mask)) & mask) >= ((slot - hole) & mask):
            copy_order(orders, offset + hole, offset + slot)
            hole = slot
    orders[offset + hole]["order_id"] = 0
    book["order_count"] -= 1
