"""The order table against a dictionary, while it fills, forgets what is lost, and grows."""

from __future__ import annotations

import random
from typing import Any

import numba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tradecaptain.base.jit import kernel
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.kernels.market_data.layout import BOOKS, LEVELS, ORDERS
from tradecaptain.kernels.market_data.mirror import set_level
from tradecaptain.kernels.market_data.order_table import (
    ORDER_SLOTS_MIN,
    clear_orders,
    find_order,
    insert_order,
    remove_order,
)

pytestmark = pytest.mark.twin

PRICES = (100, 101, 102)
BUY = 1


@kernel(numba.int64(BOOKS, LEVELS, ORDERS, numba.int64, numba.int64))
def enter(books: Any, levels: Any, orders: Any, order_id: int, level: int) -> int:
    """Enter an order at a level, by its index; its record's index or -1."""
    index = insert_order(books[0], levels, orders, order_id)
    if index >= 0:
        orders[index]["price_units"] = levels[level]["price_units"]
        orders[index]["side"] = BUY
        orders[index]["quantity_units"] = order_id * 3
        orders[index]["serial"] = levels[level]["serial"]
    return index


@kernel(numba.int64(BOOKS, ORDERS, numba.int64))
def quantity_of(books: Any, orders: Any, order_id: int) -> int:
    """Quantity of an order, or -1."""
    index = find_order(books[0], orders, order_id)
    return orders[index]["quantity_units"] if index >= 0 else -1


@kernel(numba.int64(BOOKS, ORDERS, numba.int64))
def leave(books: Any, orders: Any, order_id: int) -> int:
    """Remove an order; one if it was there."""
    index = find_order(books[0], orders, order_id)
    if index < 0:
        return 0
    remove_order(books[0], orders, index)
    return 1


@kernel(numba.int64(BOOKS, LEVELS, numba.int64, numba.int64))
def put_level(books: Any, levels: Any, price_units: int, quantity_units: int) -> int:
    """Set a level anew: what stood there before is lost."""
    set_level(books[0], levels, BUY, price_units, quantity_units)
    return 0


@kernel(numba.int64(BOOKS, ORDERS))
def clear(books: Any, orders: Any) -> int:
    """Forget all orders."""
    clear_orders(books[0], orders)
    return 0


class Table:
    """The table, and a dictionary of the orders whose level stands."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.mirror = MirrorBooks([BookShape(8, order_slots=slots)])
        self.standing: dict[int, int] = {}
        for price in PRICES:
            put_level(self.mirror.books, self.mirror.levels, price, 1)

    def enter(self, order_id: int, level: int) -> bool:
        mirror = self.mirror
        entered = int(enter(mirror.books, mirror.levels, mirror.orders, order_id, level)) >= 0
        if entered:
            self.standing[order_id] = level
        return entered

    def leave(self, order_id: int) -> None:
        assert leave(self.mirror.books, self.mirror.orders, order_id) == 1
        del self.standing[order_id]

    def lose(self, level: int) -> None:
        put_level(self.mirror.books, self.mirror.levels, PRICES[level], 1)
        self.standing = {key: at for key, at in self.standing.items() if at != level}

    def check(self) -> None:
        book = self.mirror.books[0]
        assert len(self.standing) <= book["order_count"] <= self.slots * 3 // 4 + 1
        for order_id in self.standing:
            held = int(quantity_of(self.mirror.books, self.mirror.orders, order_id))
            assert held == order_id * 3


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), slots=st.sampled_from([1024, 4096]), spread=st.booleans())
def test_standing_orders_are_found_through_growth(seed: int, slots: int, spread: bool) -> None:
    table = Table(slots)
    chance = random.Random(seed)
    last = 0
    for _ in range(3 * slots):
        last += chance.randrange(1, 1 << 40) if spread else 1
        what = chance.random()
        if what < 0.7:
            table.enter(last, chance.randrange(len(PRICES)))
        elif what < 0.999 and table.standing:
            table.leave(chance.choice(tuple(table.standing)[-50:]))
        elif what >= 0.999:
            table.lose(chance.randrange(len(PRICES)))
    table.check()


def test_lost_orders_make_room_before_the_table_grows() -> None:
    table = Table(1 << 14)
    for order_id in range(1, 20_000):
        assert table.enter(order_id, 0)
        if order_id % 500 == 0:
            table.lose(0)
    table.check()
    assert table.mirror.books[0]["order_mask"] == ORDER_SLOTS_MIN - 1
    assert table.mirror.books[0]["forgotten_orders"] == 0


def test_a_full_table_says_so_and_keeps_what_it_has() -> None:
    table = Table(2048)
    entered = sum(table.enter(order_id, 1) for order_id in range(1, 4001))
    assert entered == 2048 * 3 // 4
    assert table.mirror.books[0]["forgotten_orders"] == 4000 - entered
    table.check()
    clear(table.mirror.books, table.mirror.orders)
    table.standing.clear()
    assert table.mirror.books[0]["order_count"] == 0
    assert table.enter(7, 2)
    table.check()
