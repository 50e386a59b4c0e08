"""Orders of a mirror book by id: open addressing with linear probing, no tombstones.

A table starts small, so that it stays in the processor's nearest cache, and doubles when it must.
One of S slots lies S slots behind ``order_offset``: each size has a range of its own, and a book's
range is twice its largest table. At most three quarters are used. Before a table grows it is rid of
orders whose level was lost. A full table of the largest size doesn't track further orders, which
costs checks but never the book.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.kernels.market_data.levels import find_level, holds_level

ORDER_SLOTS_MIN = 1024


@inline_always
def home_slot(order_id: int, mask: int) -> int:
    """Where an order id belongs when nothing is in its way."""
    mixed = ((order_id ^ (order_id >> 31)) & 0x7FFFFFFF) * 0x1E3779B1
    return (mixed ^ (mixed >> 23)) & mask


@inline_always
def table_start(book: Any) -> int:
    """Index of the first slot of the table in use."""
    return book["order_offset"] + book["order_mask"] + 1


@inline_always
def probe_order(book: Any, orders: Any, order_id: int) -> int:
    """Index of the order's record, or of the free one where it belongs."""
    start = table_start(book)
    mask = book["order_mask"]
    slot = home_slot(order_id, mask)
    while True:
        found = orders[start + slot]["order_id"]
        if found == order_id or found == 0:
            return start + slot
        slot = (slot + 1) & mask


@inline_always
def find_order(book: Any, orders: Any, order_id: int) -> int:
    """Index of the record of an order, whose id isn't zero, or -1."""
    index = probe_order(book, orders, order_id)
    return index if orders[index]["order_id"] == order_id else -1


@inline
def is_standing(book: Any, levels: Any, orders: Any, index: int) -> bool:
    """Whether the level where an order was entered is still the one in the book."""
    side = orders[index]["side"]
    price = orders[index]["price_units"]
    level = find_level(book, levels, side, price)
    if not holds_level(book, levels, side, price, level):
        return False
    return levels[level]["serial"] == orders[index]["serial"]


@inline_always
def copy_order(orders: Any, target: int, source: int) -> None:
    """Copy one order record."""
    orders[target]["order_id"] = orders[source]["order_id"]
    orders[target]["price_units"] = orders[source]["price_units"]
    orders[target]["quantity_units"] = orders[source]["quantity_units"]
    orders[target]["serial"] = orders[source]["serial"]
    orders[target]["side"] = orders[source]["side"]


@inline_always
def remove_order(book: Any, orders: Any, index: int) -> None:
    """Free a record and move those back that had to make way for it."""
    start = table_start(book)
    mask = book["order_mask"]
    hole = index - start
    slot = hole
    while True:
        slot = (slot + 1) & mask
        order_id = orders[start + slot]["order_id"]
        if order_id == 0:
            break
        # The record may fill the hole unless its home lies after the hole, seen along the probe.
        if ((slot - home_slot(order_id, mask)) & mask) >= ((slot - hole) & mask):
            copy_order(orders, start + hole, start + slot)
            hole = slot
    orders[start + hole]["order_id"] = 0
    book["order_count"] -= 1


@inline
def remove_lost_orders(book: Any, levels: Any, orders: Any) -> None:
    """Forget orders whose level was lost: nothing more will be said about them."""
    book["orders_entered"] = 0
    index = table_start(book)
    end = index + book["order_mask"] + 1
    while index < end:
        if orders[index]["order_id"] != 0 and not is_standing(book, levels, orders, index):
            # Another record may have moved to this slot.
            remove_order(book, orders, index)
        else:
            index += 1


@inline
def double_table(book: Any, orders: Any) -> None:
    """Move all orders to a table of twice the size."""
    start = table_start(book)
    slots = book["order_mask"] + 1
    book["order_mask"] = 2 * slots - 1
    for index in range(start, start + slots):
        order_id = orders[index]["order_id"]
        if order_id != 0:
            copy_order(orders, probe_order(book, orders, order_id), index)


@inline_always
def has_order_room(book: Any, levels: Any, orders: Any) -> bool:
    """Whether another order may enter the table, which is tidied or grows if it must."""
    slots = book["order_mask"] + 1
    if book["order_count"] * 4 < slots * 3:
        return True
    # A table full of standing orders isn't searched for lost ones again and again.
    if book["orders_entered"] * 4 < slots:
        return False
    remove_lost_orders(book, levels, orders)
    if book["order_count"] * 2 > slots and slots < book["order_slots_max"]:
        double_table(book, orders)
        return True
    return book["order_count"] * 4 < slots * 3


@inline_always
def insert_order(book: Any, levels: Any, orders: Any, order_id: int) -> int:
    """Index of a new record for an order that isn't in the table, or -1 when the table is full."""
    if not has_order_room(book, levels, orders):
        book["forgotten_orders"] += 1
        return -1
    index = probe_order(book, orders, order_id)
    orders[index]["order_id"] = order_id
    book["order_count"] += 1
    book["orders_entered"] += 1
    return index


@inline
def clear_orders(book: Any, orders: Any) -> None:
    """Forget all orders; the table keeps its size."""
    if book["order_count"] == 0:
        return
    start = table_start(book)
    for index in range(start, start + book["order_mask"] + 1):
        orders[index]["order_id"] = 0
    book["order_count"] = 0
