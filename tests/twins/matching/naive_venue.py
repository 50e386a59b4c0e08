"""A venue as one would explain it at a blackboard: lists of orders, searched from end to end.

It imports nothing from the kernels. Commands and events are plain dicts whose keys are the field
names of the mesh records. A command is carried out in one go; what the kernels split into bounded
steps is one list of events here.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

BUY, SELL = 1, 2
LIMIT, MARKET = 1, 2
DAY, GTC, IOC, FOK = 1, 2, 3, 4
NEW, CANCEL, REPLACE, MASS_CANCEL = 1, 2, 3, 4
ACCEPTED, REJECTED, TRADE, CANCELLED, REPLACED, EXPIRED = 1, 2, 3, 4, 5, 6
CANCEL_REJECTED, REPLACE_REJECTED, ORDER_STATUS, MASS_CANCEL_DONE = 7, 8, 11, 12
IS_WORKING, IS_PARTIAL, IS_FILLED, IS_CANCELLED, IS_REJECTED, IS_EXPIRED = 1, 2, 3, 4, 5, 6
MAKER, TAKER = 1, 2
ADD, REDUCE, REMOVE, BOOK_TRADE = 1, 2, 3, 4
LARGEST = 2**63 - 1

Command = dict[str, int]
Event = dict[str, int]

PARTY_FIELDS = (
    "client_order_id0",
    "client_order_id1",
    "client_order_id2",
    "client_order_id3",
    "firm_id",
    "session_id",
    "trader_id",
    "strategy_id",
    "order_type",
    "time_in_force",
    "self_trade_group",
)


@dataclass
class Order:
    order_id: int
    account_id: int
    instrument_id: int
    side: int
    price: int
    total: int
    leaves: int
    party: dict[str, int]
    tag: int


@dataclass
class Book:
    instrument_id: int
    lowest_price: int = -(2**63)
    highest_price: int = LARGEST
    largest_quantity: int = LARGEST
    lot: int = 1
    sequence: int = 0
    divergence: int = 0
    orders: list[Order] = field(default_factory=list)  # in time order

    def side(self, side: int) -> list[Order]:
        """Orders of a side in priority: best price first, then time."""
        sign = -1 if side == BUY else 1
        return sorted((o for o in self.orders if o.side == side), key=lambda o: sign * o.price)

    def level(self, side: int, price: int) -> list[Order]:
        return [o for o in self.orders if o.side == side and o.price == price]

    def levels(self) -> int:
        return len({(o.side, o.price) for o in self.orders})


class NaiveVenue:
    """Many instruments, one stream of commands."""

    def __init__(
        self,
        books: list[Book],
        *,
        epoch: int = 1,
        order_capacity: int = 65_536,
        level_capacity: int = 65_536,
        account_ids: int = 65_536,
        replay_account_id: int = 1,
    ) -> None:
        self.books = {book.instrument_id: book for book in books}
        self.base = epoch << 40
        self.epoch = epoch
        self.order_capacity = order_capacity
        self.level_capacity = level_capacity
        self.account_ids = account_ids
        self.replay_account_id = replay_account_id
        self.order_number = 0
        self.match_number = 0
        self.execution_sequence = 0
        self.book_sequence = 0
        self.account_sequences: dict[int, int] = {}
        self.executions: list[Event] = []
        self.book_events: list[Event] = []
        self.command: Command = {}

    # ---- events

    def execution(self, account_id: int, **fields: int) -> Event:
        self.execution_sequence += 1
        account_sequence = 0
        if 0 < account_id < self.account_ids:
            account_sequence = self.account_sequences.get(account_id, 0) + 1
            self.account_sequences[account_id] = account_sequence
        day = datetime.datetime.fromtimestamp(self.command["time_ns"] // 10**9, datetime.UTC)
        event = {
            "epoch": self.epoch,
            "sequence": self.execution_sequence,
            "time_ns": self.command["time_ns"],
            "account_id": account_id,
            "account_sequence": account_sequence,
            "execution_id": self.base + self.execution_sequence,
            "trade_date": int(day.strftime("%Y%m%d")),
            "durability": 1,
            "command_sequence": self.command["sequence"],
        } | fields
        self.executions.append(event)
        return event

    def order_event(self, order: Order, kind: int, status: int, own: bool, **fields: int) -> Event:
        echo = {"tag": order.tag}
        if own:
            echo = {
                "tag": self.command.get("tag", 0),
                "send_time_ns": self.command.get("send_time_ns", 0),
            }
        known = {
            "execution_type": kind,
            "order_status": status,
            "side": order.side,
            "instrument_id": order.instrument_id,
            "order_id": order.order_id,
            "price_units": order.price,
            "quantity_units": order.total,
            "leaves_quantity_units": order.leaves,
            "cumulative_quantity_units": order.total - order.leaves,
        }
        return self.execution(order.account_id, **(known | order.party | echo | fields))

    def refuse(self, reason: int) -> None:
        kind = {NEW: REJECTED, CANCEL: CANCEL_REJECTED, REPLACE: REPLACE_REJECTED}.get(
            self.command.get("action", 0), REJECTED
        )
        if self.command.get("action") == MASS_CANCEL:
            kind = CANCEL_REJECTED
        names = (
            "side",
            "instrument_id",
            "order_id",
            "price_units",
            "quantity_units",
            "tag",
            "send_time_ns",
            *PARTY_FIELDS,
        )
        fields = {name: self.command.get(name, 0) for name in names}
        self.execution(
            self.command.get("account_id", 0),
            execution_type=kind,
            order_status=IS_REJECTED,
            reason=reason,
            **fields,
        )

    def book_event(self, order: Order, action: int, quantity: int, match_id: int = 0) -> None:
        """Called when the book is already as it is after the event."""
        book = self.books[order.instrument_id]
        level = book.level(order.side, order.price)
        book.sequence += 1
        self.book_sequence += 1
        self.book_events.append(
            {
                "epoch": self.epoch,
                "sequence": self.book_sequence,
                "time_ns": self.command["time_ns"],
                "action": action,
                "side": order.side,
                "instrument_id": order.instrument_id,
                "level_order_count": len(level),
                "instrument_sequence": book.sequence,
                "order_id": order.order_id,
                "price_units": order.price,
                "quantity_units": quantity,
                "level_quantity_units": sum(o.leaves for o in level),
                "match_id": match_id,
                "command_sequence": self.command["sequence"],
            }
        )

    # ---- commands

    def submit(self, command: Command) -> tuple[list[Event], list[Event]]:
        """Carry a command out; returns its execution events and book events."""
        self.command = command
        self.executions, self.book_events = [], []
        action = command.get("action", 0)
        if action == NEW:
            self.new()
        elif action in (CANCEL, REPLACE):
            self.change()
        elif action == MASS_CANCEL:
            self.mass_cancel()
        else:
            self.refuse(112)
        for events in (self.executions, self.book_events):
            if events:
                events[-1]["flags"] = 1
        return self.executions, self.book_events

    def get(self, name: str) -> int:
        return self.command.get(name, 0)

    def new(self) -> None:
        reason = self.why_not_new()
        if reason:
            self.refuse(reason)
            return
        self.order_number += 1
        is_limit = self.get("order_type") == LIMIT
        order = Order(
            self.base + self.order_number,
            self.get("account_id"),
            self.get("instrument_id"),
            self.get("side"),
            self.get("price_units") if is_limit else 0,
            self.get("quantity_units"),
            self.get("quantity_units"),
            {name: self.get(name) for name in PARTY_FIELDS},
            self.get("tag"),
        )
        self.order_event(order, ACCEPTED, IS_WORKING, True)
        self.match(order)

    def why_not_new(self) -> int:
        book = self.books.get(self.get("instrument_id"))
        if not 0 < self.get("account_id") < self.account_ids:
            return 101
        if book is None:
            return 100
        terms = self.why_not_terms()
        if terms:
            return terms
        is_limit = self.get("order_type") == LIMIT
        numbers = self.why_not_numbers(book, is_limit)
        if numbers:
            return numbers
        if self.order_count() >= self.order_capacity:
            return 300
        if is_limit and self.get("time_in_force") in (DAY, GTC):
            side, price = self.get("side"), self.get("price_units")
            room = self.why_no_room(book, side, price, book.level(side, price))
            if room:
                return room
            if self.get("instructions") == 1 and self.reachable(book, side, price):
                return 308
        return 0

    def why_not_terms(self) -> int:
        kind, force = self.get("order_type"), self.get("time_in_force")
        if self.get("side") not in (BUY, SELL):
            return 107
        if kind not in (LIMIT, MARKET):
            return 108
        if force not in (DAY, GTC, IOC, FOK) or (kind == MARKET and force == GTC):
            return 109
        if self.get("expire_time_ns"):
            return 109
        if self.get("instructions") not in (0, 1):
            return 114
        if self.get("instructions") == 1 and (kind != LIMIT or force not in (DAY, GTC)):
            return 114
        extras = ("stop_price_units", "display_quantity_units", "minimum_quantity_units")
        return 114 if any(self.get(name) for name in extras) else 0

    def why_not_numbers(self, book: Book, is_limit: bool) -> int:
        quantity, price = self.get("quantity_units"), self.get("price_units")
        if not 0 < quantity <= book.largest_quantity or quantity % book.lot:
            return 106
        if is_limit and not book.lowest_price <= price <= book.highest_price:
            return 110
        return 0

    def why_no_room(self, book: Book, side: int, price: int, others: list[Order]) -> int:
        if not book.level(side, price):
            taken = sum(b.levels() for b in self.books.values())
            return 300 if taken >= self.level_capacity else 0
        return 111 if sum(o.leaves for o in others) + self.get("quantity_units") > LARGEST else 0

    def order_count(self) -> int:
        return sum(len(book.orders) for book in self.books.values())

    @staticmethod
    def reachable(book: Book, side: int, limit: int | None) -> list[Order]:
        """Orders of the other side that an order with this limit (None: any price) may meet."""
        others = book.side(3 - side)
        if limit is None:
            return others
        return [o for o in others if (o.price <= limit if side == BUY else o.price >= limit)]

    def match(self, taker: Order) -> None:
        book = self.books[taker.instrument_id]
        is_limit = taker.party["order_type"] == LIMIT
        force = taker.party["time_in_force"]
        makers = self.reachable(book, taker.side, taker.price if is_limit else None)
        group = taker.party["self_trade_group"]
        own = [i for i, o in enumerate(makers) if group and o.party["self_trade_group"] == group]
        allowed = makers[: own[0]] if own else makers
        if force == FOK and sum(o.leaves for o in allowed) < taker.leaves:
            self.expire(taker, 302)
            return
        for maker in allowed:
            if taker.leaves:
                self.trade(book, taker, maker)
        if not taker.leaves:
            return
        if own:
            self.expire(taker, 307)
        elif is_limit and force in (DAY, GTC):
            book.orders.append(taker)
            self.book_event(taker, ADD, taker.leaves)
        else:
            self.expire(taker, 301)

    def trade(self, book: Book, taker: Order, maker: Order) -> None:
        quantity = min(taker.leaves, maker.leaves)
        self.match_number += 1
        match_id = self.base + self.match_number
        for order, liquidity in ((taker, TAKER), (maker, MAKER)):
            order.leaves -= quantity
            self.order_event(
                order,
                TRADE,
                IS_PARTIAL if order.leaves else IS_FILLED,
                order is taker,
                liquidity=liquidity,
                match_id=match_id,
                last_price_units=maker.price,
                last_quantity_units=quantity,
            )
        if not maker.leaves:
            book.orders.remove(maker)
        self.book_event(maker, BOOK_TRADE, quantity, match_id)

    def expire(self, order: Order, reason: int) -> None:
        self.order_event(order, EXPIRED, IS_EXPIRED, True, reason=reason, leaves_quantity_units=0)

    def target(self) -> Order | None:
        account_id, order_id = self.get("account_id"), self.get("order_id")
        if order_id:
            found = [o for b in self.books.values() for o in b.orders if o.order_id == order_id]
        elif account_id == self.replay_account_id and self.get("client_order_id0"):
            book = self.books.get(self.get("instrument_id"))
            orders = sorted(book.orders if book else [], key=lambda o: o.order_id, reverse=True)
            vendor_id = self.get("client_order_id0")
            found = [o for o in orders if o.party["client_order_id0"] == vendor_id]
            found = [o for o in found if o.account_id == account_id]
        else:
            found = []
        return found[0] if found and found[0].account_id == account_id else None

    def change(self) -> None:
        order = self.target()
        if order is None:
            book = self.books.get(self.get("instrument_id"))
            if book and self.get("account_id") == self.replay_account_id:
                book.divergence += 1
            self.refuse(102)
        elif self.get("action") == CANCEL:
            self.cancel(order)
        else:
            self.replace(order)

    def cancel(self, order: Order) -> None:
        quantity = self.get("quantity_units")
        if quantity < 0 or (quantity == 0 and self.get("instructions") & 16):
            self.refuse(106)
            return
        if quantity > order.leaves and order.account_id == self.replay_account_id:
            self.books[order.instrument_id].divergence += 1
        if quantity == 0 or quantity >= order.leaves:
            self.end(order, 303, True)
        else:
            self.reduce(order, quantity)

    def end(self, order: Order, reason: int, own: bool) -> None:
        self.order_event(
            order, CANCELLED, IS_CANCELLED, own, reason=reason, leaves_quantity_units=0
        )
        self.books[order.instrument_id].orders.remove(order)
        self.book_event(order, REMOVE, order.leaves)

    def reduce(self, order: Order, quantity: int) -> None:
        order.total -= quantity
        order.leaves -= quantity
        self.replaced(order)
        self.book_event(order, REDUCE, order.leaves)

    def replaced(self, order: Order) -> None:
        self.order_event(
            order, REPLACED, IS_WORKING if order.leaves == order.total else IS_PARTIAL, True
        )

    def replace(self, order: Order) -> None:
        reason = self.why_not_replace(order)
        if reason:
            self.refuse(reason)
            return
        price, total = self.get("price_units"), self.get("quantity_units")
        for name in PARTY_FIELDS[:4]:
            order.party[name] = self.get(name)
        order.tag = self.get("tag")
        if price == order.price and total < order.total:
            self.reduce(order, order.total - total)
        elif price == order.price and total == order.total:
            self.replaced(order)
        else:
            book = self.books[order.instrument_id]
            book.orders.remove(order)
            self.book_event(order, REMOVE, order.leaves)
            order.leaves += total - order.total
            order.price, order.total = price, total
            self.replaced(order)
            self.match(order)

    def why_not_replace(self, order: Order) -> int:
        book = self.books[order.instrument_id]
        if self.get("instrument_id") != order.instrument_id:
            return 116
        if self.get("side") not in (0, order.side):
            return 116
        numbers = self.why_not_numbers(book, True)
        if numbers:
            return numbers
        price, total = self.get("price_units"), self.get("quantity_units")
        if total <= order.total - order.leaves:
            return 115
        if price == order.price and total <= order.total:
            return 0
        others = [o for o in book.level(order.side, price) if o is not order]
        return self.why_no_room(book, order.side, price, others)

    def mass_cancel(self) -> None:
        instrument_id = self.get("instrument_id")
        if not 0 < self.get("account_id") < self.account_ids:
            self.refuse(101)
        elif instrument_id and instrument_id not in self.books:
            self.refuse(100)
        elif self.get("side") not in (0, BUY, SELL):
            self.refuse(107)
        else:
            scope = {
                "account_id": self.get("account_id"),
                "session_id": self.get("session_id"),
                "strategy_id": self.get("strategy_id"),
            }
            count = self.sweep(scope, instrument_id, self.get("side"), 304, own=True)
            self.execution(
                self.get("account_id"),
                execution_type=MASS_CANCEL_DONE,
                observed_value=count,
                tag=self.get("tag"),
                send_time_ns=self.get("send_time_ns"),
            )

    def sweep(
        self, scope: dict[str, int], instrument_id: int, side: int, reason: int, *, own: bool
    ) -> int:
        """Cancel all orders in a scope (or report them, with reason 0)."""
        count = 0
        for book in self.books.values():
            if instrument_id and book.instrument_id != instrument_id:
                continue
            for order in book.side(BUY) + book.side(SELL):
                known = order.party | {"account_id": order.account_id}
                if side not in (0, order.side):
                    continue
                if any(value and known[name] != value for name, value in scope.items()):
                    continue
                count += 1
                if reason:
                    self.end(order, reason, own)
                    self.book_events[-1]["flags"] = 1
                else:
                    status = IS_WORKING if order.leaves == order.total else IS_PARTIAL
                    self.order_event(order, ORDER_STATUS, status, False)
                if not own:
                    self.executions[-1]["flags"] = 1
        return count

    def control(self, scope: dict[str, int], **where: Any) -> tuple[list[Event], list[Event], int]:
        """A mass cancel or status request by the venue."""
        self.command = where.pop("stamps")
        self.executions, self.book_events = [], []
        count = self.sweep(scope, own=False, **where)
        return self.executions, self.book_events, count

    # ---- state

    def state_hash(self) -> int:
        values = [
            self.order_number,
            self.match_number,
            self.execution_sequence,
            self.book_sequence,
        ]
        for book in self.books.values():
            values += [book.instrument_id, book.sequence, book.divergence]
            for order in book.side(BUY) + book.side(SELL):
                values += [order.order_id, order.account_id, order.price]
                values += [order.total, order.leaves]
        low, high, modulus = 1, 0, 2**31 - 1
        for value in values:
            for half in (value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF):
                low = (low * 1_103_515_245 + half) % modulus
                high = (high * 1_299_709_121 + half) % modulus
        return high << 31 | low
