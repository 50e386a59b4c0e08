"""A venue as one would explain it at a blackboard: lists of orders, searched from end to end.

It imports nothing from the kernels. Commands and events are plain dicts whose keys are the field
names of the mesh records. A command is carried out in one go; what the kernels split into bounded
steps is one list of events here.
"""

from __future__ import annotations

import datetime
from typing import Any

from twins.matching.naive_auction import Auction
from twins.matching.naive_checks import Checks
from twins.matching.naive_dormant import Dormant
from twins.matching.naive_matching import Matching
from twins.matching.naive_records import (
    ACCEPTED,
    BUY,
    CANCEL,
    CANCEL_REJECTED,
    CANCELLED,
    CLOSED,
    EXIT,
    EXPIRED,
    HALTED,
    IS_CANCELLED,
    IS_EXPIRED,
    IS_REJECTED,
    IS_WORKING,
    LIMIT,
    MASS_CANCEL,
    MASS_CANCEL_DONE,
    NEW,
    ORDER_STATUS,
    PARTY_FIELDS,
    PEGGED,
    POST_ONLY,
    REDUCE,
    REJECTED,
    REMOVE,
    REPLACE,
    REPLACE_REJECTED,
    REPLACED,
    SELL,
    SLIDE,
    STOP,
    STOP_LIMIT,
    TRAILING,
    TRIGGERED,
    Book,
    Command,
    Event,
    Order,
    crosses,
)

__all__ = ["Book", "NaiveVenue", "Order"]


class NaiveVenue(Checks, Matching, Dormant, Auction):
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
        peg_limit: int = 65_536,
        hidden_limit: int = 65_536,
    ) -> None:
        self.books = {book.instrument_id: book for book in books}
        self.base = epoch << 40
        self.epoch = epoch
        self.order_capacity = order_capacity
        self.level_capacity = level_capacity
        self.account_ids = account_ids
        self.replay_account_id = replay_account_id
        self.peg_limit = peg_limit
        self.hidden_limit = hidden_limit
        self.order_number = 0
        self.match_number = 0
        self.execution_sequence = 0
        self.book_sequence = 0
        self.account_sequences: dict[int, int] = {}
        self.executions: list[Event] = []
        self.book_events: list[Event] = []
        self.command: Command = {}
        self.marked_executions = 0
        self.marked_books = 0
        self.band_reference: int | None = None
        self.at_work: Order | None = None
        self.is_set_off = False
        self.is_uncrossing = False
        self.fees: dict[int, tuple[int, int, int]] = {}
        self.fee_tiers: dict[int, int] = {}

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
        if own and not self.is_set_off:
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

    def book_event(
        self, order: Order, action: int, quantity: int, match_id: int = 0, **fields: int
    ) -> None:
        """Called when the book is already as it is after the event."""
        book = self.books[order.instrument_id]
        level = [o for o in book.level(order.side, order.price) if o.shown]
        self.market_event(
            book,
            action,
            **(
                {
                    "side": order.side,
                    "level_order_count": len(level),
                    "order_id": order.order_id,
                    "price_units": order.price,
                    "quantity_units": quantity,
                    "level_quantity_units": sum(o.shown for o in level),
                    "match_id": match_id,
                }
                | fields
            ),
        )

    def market_event(self, book: Book, action: int, **fields: int) -> None:
        book.sequence += 1
        self.book_sequence += 1
        self.book_events.append(
            {
                "epoch": self.epoch,
                "sequence": self.book_sequence,
                "time_ns": self.command["time_ns"],
                "action": action,
                "instrument_id": book.instrument_id,
                "instrument_sequence": book.sequence,
                "command_sequence": self.command["sequence"],
            }
            | fields
        )

    def mark_last(self) -> None:
        """Flag the last events since the last mark: those of one order's run."""
        if len(self.executions) > self.marked_executions:
            self.executions[-1]["flags"] = 1
        if len(self.book_events) > self.marked_books:
            self.book_events[-1]["flags"] = 1
        self.marked_executions = len(self.executions)
        self.marked_books = len(self.book_events)

    def begin(self, command: Command) -> None:
        self.is_set_off = False
        self.command = command
        self.executions, self.book_events = [], []
        self.marked_executions = self.marked_books = 0

    # ---- commands

    def submit(self, command: Command) -> tuple[list[Event], list[Event]]:
        """Carry a command out; returns its execution events and book events."""
        self.begin(command)
        action = command.get("action", 0)
        touched: Book | None = None
        if action == NEW:
            touched = self.new()
        elif action in (CANCEL, REPLACE):
            touched = self.change()
        elif action == MASS_CANCEL:
            self.mass_cancel()
        else:
            self.refuse(112)
        self.mark_last()
        if touched is not None:
            self.settle(touched)
            self.indicate(touched)
        return self.executions, self.book_events

    def get(self, name: str) -> int:
        return self.command.get(name, 0)

    def new(self) -> Book | None:
        """Returns the book that it may have changed."""
        reason = self.why_not_new()
        if reason:
            self.refuse(reason)
            return None
        self.order_number += 1
        book = self.books[self.get("instrument_id")]
        order = self.make_order(book)
        self.order_event(order, ACCEPTED, IS_WORKING, True)
        if order.is_stop and not order.asleep:
            self.trail(book, order)
            if not self.waits(book, order):
                self.order_event(order, TRIGGERED, IS_WORKING, True)
        self.enter(order)
        return book

    def make_order(self, book: Book) -> Order:
        kind, side = self.get("order_type"), self.get("side")
        order = Order(
            self.base + self.order_number,
            self.get("account_id"),
            book.instrument_id,
            side,
            self.get("price_units") if kind in (LIMIT, STOP_LIMIT) else 0,
            self.get("quantity_units"),
            self.get("quantity_units"),
            {name: self.get(name) for name in PARTY_FIELDS},
            self.get("tag"),
            kind,
            self.get("time_in_force"),
            self.get("instructions"),
            self.get("display_quantity_units"),
            self.get("minimum_visible_units"),
            self.get("display_quantity_units"),
            self.get("minimum_quantity_units"),
            self.get("stop_price_units") if kind in (STOP, STOP_LIMIT) else None,
            self.get("offset_units"),
            self.get("offset_basis_points"),
            self.get("peg_reference"),
            self.get("price_units"),
            self.get("expire_time_ns"),
            self.get("self_trade_prevention"),
            self.get("group_id"),
            self.get("group_role"),
            self.get("group_role") == EXIT,
        )
        best = book.side(3 - side)
        slides = order.instructions & SLIDE and not book.is_auction and not order.asleep
        if slides and best and crosses(side, order.price, best[0].price):
            order.price = self.slid(book, side, best[0].price)
        if kind == PEGGED and not order.asleep:
            order.price = self.peg_price(book, order) or 0
        return order

    def expire(self, order: Order, reason: int) -> None:
        """End an order that stands nowhere."""
        self.order_event(order, EXPIRED, IS_EXPIRED, True, reason=reason, leaves_quantity_units=0)
        self.group_ended(order)

    def target(self) -> Order | None:
        account_id, order_id = self.get("account_id"), self.get("order_id")
        if order_id:
            everything = [o for b in self.books.values() for o in [*b.orders, *b.parked]]
            found = [o for o in everything if o.order_id == order_id]
        elif account_id == self.replay_account_id and self.get("client_order_id0"):
            book = self.books.get(self.get("instrument_id"))
            mine = [*book.orders, *book.parked] if book else []
            orders = sorted(mine, key=lambda o: o.order_id, reverse=True)
            vendor_id = self.get("client_order_id0")
            found = [o for o in orders if o.party["client_order_id0"] == vendor_id]
            found = [o for o in found if o.account_id == account_id]
        else:
            found = []
        return found[0] if found and found[0].account_id == account_id else None

    def change(self) -> Book | None:
        order = self.target()
        if order is None:
            book = self.books.get(self.get("instrument_id"))
            if book and self.get("account_id") == self.replay_account_id:
                book.divergence += 1
            self.refuse(102)
            return None
        before = len(self.executions)
        if self.get("action") == CANCEL:
            self.cancel(order)
        else:
            self.replace(order)
        refused = self.executions[before]["execution_type"] in (CANCEL_REJECTED, REPLACE_REJECTED)
        return None if refused else self.books[order.instrument_id]

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
        self.end_with(order, reason, own=own)

    def end_with(
        self, order: Order, reason: int, *, own: bool = False, expired: bool = False
    ) -> None:
        """End an order that rests or waits."""
        kind, status = (EXPIRED, IS_EXPIRED) if expired else (CANCELLED, IS_CANCELLED)
        self.order_event(order, kind, status, own, reason=reason, leaves_quantity_units=0)
        book = self.books[order.instrument_id]
        if order in book.parked:
            book.parked.remove(order)
        else:
            book.orders.remove(order)
            if not order.is_hidden:
                self.book_event(order, REMOVE, order.shown)
        self.group_ended(order)

    def reduce(self, order: Order, quantity: int) -> None:
        self.take_off(order, quantity)
        self.replaced(order)
        if order in self.books[order.instrument_id].orders and not order.is_hidden:
            self.book_event(order, REDUCE, order.shown)

    def replaced(self, order: Order) -> None:
        self.order_event(order, REPLACED, order.working_status, True)

    def replace(self, order: Order) -> None:
        reason = self.why_not_replace(order)
        if reason:
            self.refuse(reason)
            return
        book = self.books[order.instrument_id]
        price, total = self.get("price_units"), self.get("quantity_units")
        for name in PARTY_FIELDS[:4]:
            order.party[name] = self.get(name)
        order.tag = self.get("tag")
        if order in book.parked:
            if order.kind in (LIMIT, STOP_LIMIT):
                order.price = price
            if order.kind in (STOP, STOP_LIMIT) and self.get("stop_price_units"):
                order.stop = self.get("stop_price_units")
            order.leaves += total - order.total
            order.total = total
            order.visible = min(order.display, order.leaves)
            self.replaced(order)
        elif price == order.price and total < order.total:
            self.reduce(order, order.total - total)
        elif price == order.price and total == order.total:
            self.replaced(order)
        else:
            book.orders.remove(order)
            if not order.is_hidden:
                self.book_event(order, REMOVE, order.shown)
            order.leaves += total - order.total
            order.price, order.total = price, total
            self.replaced(order)
            self.enter(order)

    def why_not_replace(self, order: Order) -> int:
        book = self.books[order.instrument_id]
        if self.get("instrument_id") != order.instrument_id:
            return 116
        if self.get("side") not in (0, order.side):
            return 116
        if order.kind in (PEGGED, TRAILING):
            return 116
        numbers = self.why_not_numbers(book, order.kind in (LIMIT, STOP_LIMIT))
        if numbers:
            return numbers
        price, total, stop = (
            self.get("price_units"),
            self.get("quantity_units"),
            self.get("stop_price_units"),
        )
        if total <= order.filled:
            return 115
        if order.display and total // order.display > 10_000:
            return 118
        waits = order in book.parked
        if stop and not (waits and order.kind in (STOP, STOP_LIMIT)):
            return 117
        if stop and not book.lowest_price <= stop <= book.highest_price:
            return 117
        if book.phase in (CLOSED, HALTED):
            return 310
        if waits or (price == order.price and total <= order.total):
            return 0
        best = book.side(3 - order.side)
        waits_for_makers = order.instructions & POST_ONLY and not book.is_auction
        if waits_for_makers and best and crosses(order.side, price, best[0].price):
            return 308
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
            self.settle_all()

    def sweep(
        self, scope: dict[str, int], instrument_id: int, side: int, reason: int, *, own: bool
    ) -> int:
        """Cancel all orders in a scope (or report them, with reason 0); those of groups last."""
        if reason:
            rounds = (False, True)
            return sum(
                self.sweep_round(scope, instrument_id, side, reason, own, grouped)
                for grouped in rounds
            )
        return self.sweep_round(scope, instrument_id, side, reason, own, None)

    def sweep_round(
        self,
        scope: dict[str, int],
        instrument_id: int,
        side: int,
        reason: int,
        own: bool,
        grouped: bool | None,
    ) -> int:
        count = 0
        for book in self.books.values():
            if instrument_id and book.instrument_id != instrument_id:
                continue
            for order in book.side(BUY) + book.side(SELL) + list(book.parked):
                known = order.party | {"account_id": order.account_id}
                if side not in (0, order.side):
                    continue
                if any(value and known[name] != value for name, value in scope.items()):
                    continue
                if grouped is not None and grouped != bool(order.group):
                    continue
                count += 1
                if reason:
                    self.end(order, reason, own)
                    if len(self.book_events) > self.marked_books:
                        self.book_events[-1]["flags"] = 1
                    self.marked_books = len(self.book_events)
                else:
                    status = order.working_status
                    self.order_event(order, ORDER_STATUS, status, False)
                if not own:
                    self.executions[-1]["flags"] = 1
        return count

    def control(self, scope: dict[str, int], **where: Any) -> tuple[list[Event], list[Event], int]:
        """A mass cancel or status request by the venue."""
        self.begin(where.pop("stamps"))
        count = self.sweep(scope, own=False, **where)
        self.settle_all()
        return self.executions, self.book_events, count

    def settle_all(self) -> None:
        self.mark_last()
        for book in self.books.values():
            self.settle(book)
            self.indicate(book)

    def set_instrument_phase(
        self,
        stamps: Command,
        instrument_id: int,
        phase: int,
        end_ns: int = 0,
        reference: int | None = None,
    ) -> tuple[list[Event], list[Event]]:
        """The venue changes the phase of an instrument, and says what the last price was."""
        self.begin(stamps)
        book = self.books[instrument_id]
        if reference is not None:
            book.last = reference
        self.change_phase(book, phase, end_ns)
        return self.executions, self.book_events

    def set_bands(
        self, instrument_id: int, low: int, high: int, dynamic: int, pause_ns: int
    ) -> None:
        book = self.books[instrument_id]
        book.low_band, book.high_band = low, high
        book.dynamic_band, book.pause_ns = dynamic, pause_ns

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
            values += [book.phase, book.auction_end_ns, book.last or 0]
            for order in book.side(BUY) + book.side(SELL) + book.parked:
                values += [order.order_id, order.account_id, order.price]
                values += [order.total, order.leaves, order.shown, order.stop or 0]
        low, high, modulus = 1, 0, 2**31 - 1
        for value in values:
            for half in (value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF):
                low = (low * 1_103_515_245 + half) % modulus
                high = (high * 1_299_709_121 + half) % modulus
        return high << 31 | low
