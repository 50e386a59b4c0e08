"""A client's copy of a book, kept by nothing but what a stream of depth updates says."""

from __future__ import annotations

from typing import Any

from tradecaptain.api.marketdata.v1 import records_pb2

L1 = records_pb2.DEPTH_LEVEL_L1
L3 = records_pb2.DEPTH_LEVEL_L3
BUY, SELL = 1, 2


class BookClient:
    """Applies updates, and fails if their numbers leave a gap that isn't told."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.position = (0, 0)
        self.gaps = 0
        self.updates = 0
        self.prices: dict[tuple[int, int], tuple[int, int]] = {}
        self.orders: dict[int, list[int]] = {}

    def take(self, update: Any) -> None:
        """Apply one update."""
        stamp = update.stamp
        assert stamp.source == records_pb2.DATA_SOURCE_VENUE
        if stamp.gap:
            assert update.HasField("snapshot")
            self.gaps += 1
        elif not stamp.snapshot or stamp.previous_sequence:
            assert (stamp.epoch, stamp.previous_sequence) == self.position
        self.updates += 1
        self.position = (stamp.epoch, stamp.sequence)
        if update.HasField("snapshot"):
            self._replace(update.snapshot)
        elif self.level == L1:
            assert [change.side for change in update.levels] == [BUY, SELL]
            self.prices.clear()
        for change in update.levels:
            key = (change.side, change.level.price_units)
            if change.level.quantity_units:
                self.prices[key] = (change.level.quantity_units, change.level.order_count)
            else:
                self.prices.pop(key, None)
        for change in update.orders:
            self._change(change)

    def _replace(self, snapshot: Any) -> None:
        assert snapshot.level == self.level
        self.prices = {
            (side, level.price_units): (level.quantity_units, level.order_count)
            for side, levels in ((BUY, snapshot.bids), (SELL, snapshot.asks))
            for level in levels
        }
        self.orders = {
            order.order_id: [side, order.price_units, order.quantity_units]
            for side, orders in ((BUY, snapshot.bid_orders), (SELL, snapshot.ask_orders))
            for order in orders
        }

    def _change(self, change: Any) -> None:
        number = change.order_id
        if change.action == records_pb2.BOOK_ACTION_ADD:
            assert number not in self.orders
            self.orders[number] = [change.side, change.price_units, change.quantity_units]
            return
        assert self.orders[number][:2] == [change.side, change.price_units]
        if change.action == records_pb2.BOOK_ACTION_REDUCE:
            self.orders[number][2] = change.quantity_units
        elif change.action == records_pb2.BOOK_ACTION_TRADE:
            self.orders[number][2] -= change.quantity_units
        else:
            assert change.action == records_pb2.BOOK_ACTION_REMOVE
            self.orders[number][2] = 0
        if self.orders[number][2] == 0:
            del self.orders[number]

    def levels(self, side: int) -> list[tuple[int, int, int]]:
        """(price, quantity, orders), best first."""
        found = [(key[1], *value) for key, value in self.prices.items() if key[0] == side]
        return sorted(found, reverse=side == BUY)

    def assert_equals(self, book: Any) -> None:
        """The copy equals a book of the twin."""
        for side in (BUY, SELL):
            if self.level == L3:
                own = [(n, p, q) for n, (s, p, q) in self.orders.items() if s == side]
                own.sort(key=lambda order: -order[1] if side == BUY else order[1])
                assert own == book.side(side)
            else:
                expected = book.levels(side)
                assert self.levels(side) == (expected[:1] if self.level == L1 else expected)
