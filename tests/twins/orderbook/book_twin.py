"""A book in the plainest possible Python, and a random venue that tells what happens to it.

Nothing here knows how the views keep their books.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

ADD, REDUCE, REMOVE, TRADE, CLEAR = 1, 2, 3, 4, 5
BUY, SELL = 1, 2


@dataclass
class Event:
    """One book event; the level's totals are those after it."""

    instrument_id: int
    epoch: int
    sequence: int
    action: int
    side: int = 0
    order_id: int = 0
    price: int = 0
    quantity: int = 0
    level_quantity: int = 0
    level_orders: int = 0
    command: int = 0
    last: bool = True
    match_id: int = 0
    time_ns: int = 0


@dataclass
class Book:
    """Orders by id in the order in which they joined: id → [side, price, open quantity]."""

    instrument_id: int
    epoch: int = 1
    sequence: int = 0
    orders: dict[int, list[int]] = field(default_factory=dict)

    def side(self, side: int) -> list[tuple[int, int, int]]:
        """(order id, price, quantity), best price first, in queue order within a price."""
        found = [
            (number, price, quantity)
            for number, (own, price, quantity) in self.orders.items()
            if own == side
        ]
        return sorted(found, key=lambda order: -order[1] if side == BUY else order[1])

    def levels(self, side: int) -> list[tuple[int, int, int]]:
        """(price, quantity, orders), best first."""
        totals: dict[int, list[int]] = {}
        for _, price, quantity in self.side(side):
            total = totals.setdefault(price, [0, 0])
            total[0] += quantity
            total[1] += 1
        return [(price, quantity, count) for price, (quantity, count) in totals.items()]

    def top(self) -> tuple[int, ...]:
        """Price, quantity and orders of the best bid and of the best ask; zeros where empty."""
        bids, asks = self.levels(BUY), self.levels(SELL)
        return (*(bids[0] if bids else (0, 0, 0)), *(asks[0] if asks else (0, 0, 0)))

    def event(self, action: int, order_id: int, side: int, price: int, quantity: int) -> Event:
        """Number an event that has just been done to the book."""
        self.sequence += 1
        at_level = [o for o in self.orders.values() if o[0] == side and o[1] == price]
        return Event(
            self.instrument_id,
            self.epoch,
            self.sequence,
            action,
            side,
            order_id,
            price,
            quantity,
            level_quantity=sum(order[2] for order in at_level),
            level_orders=len(at_level),
            command=self.sequence,
            time_ns=1_000 * self.sequence,
        )


class RandomVenue:
    """Makes valid changes to a few books."""

    def __init__(self, seed: int, instrument_ids: list[int], epoch: int = 1) -> None:
        self.random = random.Random(seed)
        self.books = {number: Book(number, epoch) for number in instrument_ids}
        self.next_order_id = epoch << 40

    def step(self) -> Event:
        """One random change."""
        book = self.books[self.random.choice(list(self.books))]
        action = self.random.choices([ADD, REDUCE, REMOVE, TRADE, CLEAR], [50, 10, 15, 25, 0.1])[0]
        if action == CLEAR:
            book.orders.clear()
            return book.event(CLEAR, 0, 0, 0, 0)
        if action == ADD or not book.orders:
            return self.add(book)
        number = self.random.choice(list(book.orders))
        side, price, quantity = book.orders[number]
        if action == REMOVE or (action == REDUCE and quantity == 1):
            del book.orders[number]
            return book.event(REMOVE, number, side, price, 0)
        amount = self.random.randint(1, quantity - 1 if action == REDUCE else quantity)
        book.orders[number][2] -= amount
        if book.orders[number][2] == 0:
            del book.orders[number]
        left = quantity - amount
        return book.event(action, number, side, price, left if action == REDUCE else amount)

    def add(self, book: Book) -> Event:
        """A new order near the middle; negative prices occur."""
        self.next_order_id += self.random.randint(1, 3)
        side = self.random.choice([BUY, SELL])
        distance = int(self.random.expovariate(0.2)) + 1
        price = 10 - distance if side == BUY else 10 + distance
        quantity = self.random.choice([1, 5, 100, 1 << 40])
        book.orders[self.next_order_id] = [side, price, quantity]
        return book.event(ADD, self.next_order_id, side, price, quantity)
