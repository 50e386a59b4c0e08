"""Orders of the naive venue that wait: stops, pegs, brackets, expiries; and what sets them off."""

from __future__ import annotations

from typing import Any

from twins.matching.naive_records import (
    AT_CLOSE,
    AT_OPEN,
    BATCH,
    BOUNDED,
    BUY,
    CLOSED,
    CLOSING,
    CONTINUOUS,
    DAY,
    FILTER,
    GTD,
    HALTED,
    INTRADAY,
    MIDPOINT,
    OPENING,
    PEGGED,
    REMOVE,
    RESTATED,
    SAME_SIDE,
    SELL,
    TRAILING,
    TRIGGERED,
    Book,
    Order,
    clamp,
)


class Dormant:
    """Part of the naive venue."""

    books: dict[int, Book]
    command: dict[str, int]
    order_event: Any
    book_event: Any
    expire: Any
    match: Any
    run: Any
    may_begin: Any
    rest: Any
    leftover: Any
    indicate: Any
    filter_and_uncross: Any
    end: Any
    mark_last: Any
    begin: Any
    executions: list[Any]
    book_events: list[Any]

    def enter(self, order: Order) -> None:
        """Let an order that stands nowhere wait, rest in an auction, or match."""
        book = self.books[order.instrument_id]
        if order.asleep or self.waits(book, order):
            book.parked.append(order)
        elif book.is_auction:
            self.leftover(book, order, 0)
        else:
            self.match(order)

    def waits(self, book: Book, order: Order) -> bool:
        """Whether an order that is awake has to wait outside of the ladder."""
        if order.is_stop:
            return book.is_auction or not self.is_elected(book, order)
        if order.force == AT_OPEN and book.phase != OPENING:
            return True
        if order.force == AT_CLOSE and book.phase != CLOSING:
            return True
        if order.is_market and book.is_auction:
            return True
        return order.kind == PEGGED and self.peg_price(book, order) is None

    # ---- stops

    @staticmethod
    def is_elected(book: Book, order: Order) -> bool:
        if book.last is None or order.stop is None:
            return False
        return book.last >= order.stop if order.side == BUY else book.last <= order.stop

    @staticmethod
    def trail(book: Book, order: Order) -> None:
        """Pull a trailing stop along behind the last price."""
        if order.kind != TRAILING or book.last is None:
            return
        distance = order.offset or max(abs(book.last) * order.basis_points // 10_000, 1)
        if order.side == BUY:
            stop = clamp(book.last + distance)
            order.stop = stop if order.stop is None else min(order.stop, stop)
        else:
            stop = clamp(book.last - distance)
            order.stop = stop if order.stop is None else max(order.stop, stop)

    def elected(self, book: Book) -> Order | None:
        """The stop that goes first: buys before sells, nearest stop price, then time."""
        for order in book.parked:
            if not order.asleep and not order.is_ready:
                self.trail(book, order)
        stops = [o for o in book.parked if o.is_stop and not o.asleep and self.is_elected(book, o)]
        stops = [o for o in stops if not o.is_ready]
        for side, sign in ((BUY, 1), (SELL, -1)):
            found = sorted(
                (o for o in stops if o.side == side),
                key=lambda o: (sign * (o.stop or 0), o.order_id),
            )
            if found:
                return found[0]
        return None

    # ---- pegs

    def peg_price(self, book: Book, order: Order) -> int | None:
        bid, ask = book.best_shown(BUY), book.best_shown(SELL)
        if order.peg == MIDPOINT:
            price = None if bid is None or ask is None else (bid + ask) // 2
        elif (order.peg == SAME_SIDE) == (order.side == BUY):
            price = bid
        else:
            price = ask
        if price is None:
            return None
        price = clamp(price + order.offset)
        if order.instructions & BOUNDED:
            price = min(price, order.limit) if order.side == BUY else max(price, order.limit)
        return max(book.lowest_price, min(book.highest_price, price))

    def moved_peg(self, book: Book) -> Order | None:
        pegs = [o for o in [*book.orders, *book.parked] if o.kind == PEGGED and not o.asleep]
        for order in sorted(pegs, key=lambda o: o.order_id):
            price = self.peg_price(book, order)
            if order in book.parked and price is not None:
                return order
            if order in book.orders and price != order.price:
                return order
        return None

    def move_peg(self, book: Book, order: Order) -> None:
        price = self.peg_price(book, order)
        if order in book.parked:
            book.parked.remove(order)
            order.price = price or 0
            self.order_event(order, TRIGGERED, order.working_status, False)
            self.match(order)
            return
        shown = order.shown
        book.orders.remove(order)
        if not order.is_hidden:
            self.book_event(order, REMOVE, shown)
        order.price = price or 0
        self.order_event(order, RESTATED, order.working_status, False)
        if price is None:
            book.parked.append(order)
        else:
            self.match(order)

    # ---- what a command sets off

    def settle(self, book: Book) -> None:
        """Carry on until nothing that waits is due: one order at a time, each on its own."""
        self.is_set_off = True
        while book.phase not in (CLOSED, HALTED):
            if not self.settle_one(book):
                return
            self.mark_last()

    def settle_one(self, book: Book) -> bool:
        ready = [o for o in book.parked if o.is_ready]
        if ready:
            order = min(ready, key=lambda o: o.order_id)
            order.is_ready = False
            if order.is_doomed:
                self.end(order, 311, False)
                return True
            book.parked.remove(order)
            if order.kind == PEGGED:
                order.price = self.peg_price(book, order) or 0
            self.trail(book, order)
            if not self.waits(book, order):
                self.order_event(order, TRIGGERED, order.working_status, False)
            self.enter(order)
            return True
        if book.phase != CONTINUOUS:
            return False
        if book.allocation == FILTER:
            if self.filter_and_uncross(book):
                return True
        elif self.meet_condition(book):
            return True
        stop = self.elected(book)
        if stop is not None:
            book.parked.remove(stop)
            self.order_event(stop, TRIGGERED, stop.working_status, False)
            self.match(stop)
            return True
        peg = self.moved_peg(book)
        if peg is not None:
            self.move_peg(book, peg)
            return True
        return False

    def meet_condition(self, book: Book) -> bool:
        """Let the first order whose condition the other side can meet trade; whether one did."""
        for order in book.side(BUY) + book.side(SELL):
            if order.is_conditional and self.may_begin_again(book, order):
                self.at_work = order
                self.run(book, order)
                self.at_work = None
                return True
        return False

    def may_begin_again(self, book: Book, order: Order) -> bool:
        self.band_reference = book.last
        return self.may_begin(book, order)

    # ---- time

    def advance_time(self, stamps: dict[str, int]) -> Any:
        """Carry out what is due by the clock."""
        self.begin(stamps)
        now = stamps["time_ns"]
        while True:
            due = [
                o
                for b in self.books.values()
                for o in [*b.orders, *b.parked]
                if o.force == GTD and o.expire_time <= now
            ]
            if not due:
                break
            order = min(due, key=lambda o: (o.expire_time, o.order_id))
            self.end_by_clock(order, 312)
            self.settle(self.books[order.instrument_id])
            self.indicate(self.books[order.instrument_id])
        for book in self.books.values():
            if book.auction_end_ns and book.auction_end_ns <= now:
                self.finish_auction(book, CONTINUOUS)
        for book in self.books.values():
            if book.indication_due_ns and book.indication_due_ns <= now:
                self.indicate(book)
        return self.executions, self.book_events

    def end_by_clock(self, order: Order, why: int) -> None:
        self.end_with(order, why, expired=True)
        self.mark_last()

    def change_phase(self, book: Book, phase: int, end_ns: int) -> None:
        """An instrument's phase changes on command; an auction that ends is uncrossed."""
        if book.phase != CONTINUOUS and phase == CONTINUOUS:
            self.finish_auction(book, CONTINUOUS)
            return
        if book.is_auction and phase == CLOSED:
            self.uncross(book)
        self.set_phase(book, phase, end_ns)
        self.mark_last()
        if phase == CLOSED:
            for order in [*book.side(BUY), *book.side(SELL), *book.parked]:
                if order.force in (DAY, AT_OPEN, AT_CLOSE):
                    self.end_by_clock(order, 312)
            return
        if phase in (OPENING, CLOSING):
            wanted = AT_OPEN if phase == OPENING else AT_CLOSE
            for order in book.parked:
                if order.force == wanted and not order.asleep and not order.is_market:
                    order.is_ready = True
        self.settle(book)
        self.indicate(book)

    def finish_auction(self, book: Book, phase: int) -> None:
        self.uncross(book)
        if book.allocation == BATCH and not book.is_auction:
            self.set_phase(book, INTRADAY, self.command["time_ns"] + book.batch_interval_ns)
            self.mark_last()
            self.settle(book)
            self.indicate(book)
            return
        if book.allocation == BATCH:
            book.auction_end_ns += book.batch_interval_ns
            late = self.command["time_ns"] - book.auction_end_ns
            if late >= 0:
                book.auction_end_ns += (late // book.batch_interval_ns + 1) * book.batch_interval_ns
            self.settle(book)
            self.indicate(book)
            return
        self.set_phase(book, phase, 0)
        self.mark_last()
        self.settle(book)
        self.indicate(book)
