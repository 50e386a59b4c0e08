"""How the naive venue matches one order against the other side of its book."""

from __future__ import annotations

from typing import Any

from twins.matching.naive_records import (
    ADD,
    AUCTION,
    BOOK_TRADE,
    BOTH,
    CONTINUOUS,
    DECREMENT,
    ENTRY,
    EXIT,
    FILTER,
    FOK,
    HALTED,
    IOC,
    IS_FILLED,
    IS_PARTIAL,
    LARGEST,
    MAKER,
    NEWEST,
    OCO,
    OLDEST,
    PHASE,
    PRO_RATA_TOP,
    REDUCE,
    REMOVE,
    RESTATED,
    SELL,
    TAKER,
    TOP,
    TRADE,
    VOLATILITY,
    Book,
    Order,
    crosses,
)

MILLION = 1_000_000


class Matching:
    """Part of the naive venue."""

    books: dict[int, Book]
    command: dict[str, int]
    order_event: Any
    book_event: Any
    end: Any
    expire: Any
    members: Any
    why_no_room: Any
    is_uncrossing: bool
    hidden_limit: int

    def reachable(self, book: Book, order: Order) -> list[Order]:
        """Orders of the other side whose price an order may trade at, in priority."""
        limit = None if order.is_market else order.price
        return [o for o in book.side(3 - order.side) if crosses(order.side, limit, o.price)]

    def meeting_price(self, book: Book, taker: Order, maker: Order) -> int | None:
        """The price at which an order meets a resting one; None if it joins its own queue first.

        Under filter and uncross a hidden order that the display of the other side has crossed
        trades only with who betters that display, in the middle of what both and the display allow.
        """
        own = book.best_shown(taker.side)
        if book.allocation != FILTER or not maker.is_hidden or own is None:
            return maker.price
        if not crosses(maker.side, maker.price, own):
            return maker.price
        sign = 1 if taker.side == SELL else -1
        bounds = [] if taker.is_market else [taker.price]
        if bounds and sign * bounds[0] >= sign * own:
            return None
        other = book.best_shown(maker.side)
        if other is not None:
            bounds.append(other)
        furthest = sign * max((sign * bound for bound in bounds), default=sign * own)
        if sign * furthest > sign * own:
            furthest = own
        return (furthest + own) // 2

    def is_in_band(self, book: Book, price: int) -> bool:
        """Whether a trade keeps within the dynamic band."""
        if not book.dynamic_band or self.band_reference is None:
            return True
        return abs(price - self.band_reference) <= book.dynamic_band

    def same_party(self, taker: Order, maker: Order) -> bool:
        group = taker.party["self_trade_group"]
        if group:
            return group == maker.party["self_trade_group"]
        return bool(taker.self_trade) and taker.account_id == maker.account_id

    def may_begin(self, book: Book, taker: Order) -> bool:
        """Whether what the order needs at once is there."""
        need = taker.leaves if taker.force == FOK else taker.required
        got = 0
        counted: list[Order] = []
        for maker in self.reachable(book, taker):
            if got >= need:
                break
            if maker.required > taker.leaves - got:
                continue
            if self.would_be_gone(taker, maker, counted):
                continue
            price = self.meeting_price(book, taker, maker)
            if price is None:
                continue
            if not self.is_in_band(book, price):
                break
            if self.same_party(taker, maker):
                if taker.self_trade == OLDEST and taker not in book.orders:
                    continue
                break
            got += min(taker.leaves - got, maker.leaves)
            counted.append(maker)
        return got >= need

    @staticmethod
    def would_be_gone(taker: Order, maker: Order, counted: list[Order]) -> bool:
        """Whether a trade before would have cancelled a maker with its group."""

        def of_one_group(one: Order, other: Order) -> bool:
            return bool(one.role and other.role) and (
                (one.account_id, one.group) == (other.account_id, other.group)
            )

        if counted and taker.role in (OCO, EXIT) and of_one_group(taker, maker):
            return True
        return maker.role in (OCO, EXIT) and any(of_one_group(o, maker) for o in counted)

    def match(self, taker: Order) -> None:
        """Trade a taker as far as it goes; then it rests or ends."""
        book = self.books[taker.instrument_id]
        self.band_reference = book.last
        if not self.may_begin(book, taker):
            self.leftover(book, taker, 302 if taker.force == FOK else 313)
            return
        why = self.run(book, taker)
        if why >= 0:
            self.leftover(book, taker, why or 301)

    def run(self, book: Book, taker: Order) -> int:
        """The trades of a taker. Answers why it may not go on, 0 if nothing stops it, -1 if it was
        ended here."""
        while taker.leaves:
            makers = [o for o in self.reachable(book, taker) if o.required <= taker.leaves]
            prices = [(o, self.meeting_price(book, taker, o)) for o in makers]
            met = [(o, price) for o, price in prices if price is not None]
            if not met:
                return 0
            maker, price = met[0]
            if not self.is_in_band(book, price):
                return self.leave_band(book)
            if self.same_party(taker, maker):
                if taker in book.orders:
                    return 307
                if self.prevent(taker, maker):
                    return -1
            elif book.is_pro_rata:
                self.allocate(book, taker, maker.price)
            else:
                self.trade(book, taker, maker, min(taker.leaves, maker.slice), price)
        return 0

    def leave_band(self, book: Book) -> int:
        """Stop the market: the next trade would be outside of the dynamic band."""
        end_ns = self.command["time_ns"] + book.pause_ns if book.pause_ns else 0
        self.set_phase(book, VOLATILITY if book.pause_ns else HALTED, end_ns)
        return 315

    def set_phase(self, book: Book, phase: int, end_ns: int) -> None:
        book.phase, book.auction_end_ns = phase, end_ns
        book.indicated_ns = book.indication_due_ns = 0
        book.looked_at = None
        self.market_event(book, PHASE, quantity_units=phase, level_quantity_units=end_ns)

    def prevent(self, taker: Order, maker: Order) -> bool:
        """What self-trade prevention does; True if the taker has ended."""
        policy = taker.self_trade or NEWEST
        if policy == NEWEST:
            self.expire(taker, 307)
            return True
        if policy == OLDEST:
            self.end(maker, 307, False)
            return False
        if policy == BOTH:
            self.end(maker, 307, False)
            self.expire(taker, 307)
            return True
        assert policy == DECREMENT
        quantity = min(taker.leaves, maker.leaves)
        if maker.leaves == quantity:
            self.end(maker, 307, False)
        else:
            self.take_off(maker, quantity)
            self.order_event(
                maker,
                RESTATED,
                maker.working_status,
                False,
                last_quantity_units=quantity,
                reason=307,
            )
            if not maker.is_hidden:
                self.book_event(maker, REDUCE, maker.shown)
        if taker.leaves == quantity:
            self.expire(taker, 307)
            return True
        taker.total -= quantity
        taker.leaves -= quantity
        self.order_event(
            taker, RESTATED, taker.working_status, True, last_quantity_units=quantity, reason=307
        )
        return False

    @staticmethod
    def take_off(order: Order, quantity: int) -> None:
        """Make an order smaller; an iceberg loses what nobody sees first."""
        order.total -= quantity
        order.leaves -= quantity
        order.visible = min(order.visible, order.leaves)

    # ---- allocation

    def allocate(self, book: Book, taker: Order, price: int) -> None:
        """Share a taker out over a price level."""
        level = [o for o in book.side(3 - taker.side) if o.price == price]
        own = [i for i, o in enumerate(level) if self.same_party(taker, o)]
        if own:
            level = level[: own[0]]
        total = sum(o.leaves for o in level)
        if total <= taker.leaves:
            shares = {id(o): o.leaves for o in level}
        else:
            shares = self.shares(book, level, taker.leaves)
        for maker in level:
            if shares[id(maker)]:
                self.trade(book, taker, maker, shares[id(maker)], price)

    @staticmethod
    def shares(book: Book, level: list[Order], quantity: int) -> dict[int, int]:
        shares = {id(o): 0 for o in level}
        top = [o for o in level if o.instructions & TOP]
        if book.allocation == PRO_RATA_TOP and top:
            shares[id(top[0])] = min(top[0].leaves, quantity)
            quantity -= shares[id(top[0])]
        total = sum(o.leaves - shares[id(o)] for o in level)
        rest = quantity
        for order in level:
            share = quantity * (order.leaves - shares[id(order)]) // total
            share -= share % book.lot
            if share >= book.minimum_share:
                shares[id(order)] += share
                rest -= share
        for order in level:
            more = min(rest, order.leaves - shares[id(order)])
            shares[id(order)] += more
            rest -= more
        return shares

    # ---- trades

    def fee(self, order: Order, price: int, quantity: int, liquidity: int) -> int:
        rates = self.fees.get(self.fee_tiers.get(order.account_id, 0), (0, 0, 0))
        rate = rates[liquidity - 1]
        value = min(abs(price) * quantity, LARGEST)
        return -(-value * rate // MILLION) if rate >= 0 else -(value * -rate // MILLION)

    def trade(self, book: Book, taker: Order, maker: Order, quantity: int, price: int) -> None:
        """One trade. In an auction the buyer comes first in place of the taker."""
        self.match_number += 1
        match_id = self.base + self.match_number
        is_auction = book.phase != CONTINUOUS or self.is_uncrossing
        book.last = price
        for order, liquidity in ((taker, TAKER), (maker, MAKER)):
            order.leaves -= quantity
            if order.display and order in book.orders:
                order.visible -= quantity
            self.order_event(
                order,
                TRADE,
                IS_PARTIAL if order.leaves else IS_FILLED,
                order is taker and not is_auction,
                liquidity=AUCTION if is_auction else liquidity,
                match_id=match_id,
                last_price_units=price,
                last_quantity_units=quantity,
                fee_units=self.fee(order, price, quantity, AUCTION if is_auction else liquidity),
            )
            if not order.leaves and order in book.parked:
                book.parked.remove(order)
        was_resting = {id(o): o in book.orders for o in (taker, maker)}
        teller = maker if was_resting[id(maker)] else taker
        for order in (maker, taker):
            if not order.leaves and was_resting[id(order)]:
                book.orders.remove(order)
            if was_resting[id(order)]:
                self.tell_trade(book, order, quantity, price, match_id, order is teller)
        for order in (maker, taker):
            if was_resting[id(order)]:
                self.refill(book, order)
        for order in (taker, maker):
            self.group_traded(order)

    def tell_trade(
        self,
        book: Book,
        order: Order,
        quantity: int,
        price: int,
        match_id: int,
        is_teller: bool,
    ) -> None:
        if is_teller and order.is_hidden:
            # Neither who it is nor its limit is told: price and level are those of the trade.
            level = [o for o in book.level(order.side, price) if o.shown]
            self.book_event(
                order,
                BOOK_TRADE,
                quantity,
                match_id,
                order_id=0,
                price_units=price,
                level_order_count=len(level),
                level_quantity_units=sum(o.shown for o in level),
            )
        elif is_teller:
            self.book_event(order, BOOK_TRADE, quantity, match_id)
        elif not order.is_hidden:
            action = REDUCE if order.shown else REMOVE
            self.book_event(order, action, order.shown if order.shown else quantity)

    def refill(self, book: Book, order: Order) -> None:
        """Show an iceberg's display again; it goes to the end of the queue."""
        if not order.display or not order.leaves:
            return
        if order.visible >= max(order.minimum_visible, 1) or order.visible == order.leaves:
            return
        book.orders.remove(order)
        if order.visible:
            self.book_event(order, REMOVE, order.visible)
        order.visible = min(order.display, order.leaves)
        book.orders.append(order)
        self.book_event(order, ADD, order.visible)

    # ---- after the trades

    def leftover(self, book: Book, taker: Order, why: int) -> None:
        """What becomes of an order that has met all it can."""
        if taker in book.orders or not taker.leaves:
            return
        if taker.is_market or taker.force in (IOC, FOK):
            self.expire(taker, why)
            return
        others = book.level(taker.side, taker.price)
        no_room = self.why_no_room(book, taker.side, taker.price, others, taker.leaves)
        if taker.is_conditional and book.is_full_of_conditions:
            no_room = 300
        if taker.is_hidden and book.hidden_count >= self.hidden_limit:
            no_room = 300
        if no_room:
            self.expire(taker, no_room)
            return
        self.rest(book, taker)

    def rest(self, book: Book, order: Order) -> None:
        order.visible = min(order.display, order.leaves)
        book.orders.append(order)
        if not order.is_hidden:
            self.book_event(order, ADD, order.shown)

    # ---- groups

    def group_traded(self, order: Order) -> None:
        """A trade of one order of a group cancels the others; a filled entry wakes the exits."""
        if order.role == ENTRY and not order.leaves:
            for other in self.members(order.account_id, order.group):
                other.asleep, other.is_ready = False, True
        elif order.role in (OCO, EXIT):
            for other in self.members(order.account_id, order.group):
                if other is not order and other is not self.at_work:
                    self.end(other, 311, False)

    def group_ended(self, order: Order) -> None:
        """An entry that ends early leaves exits for what it filled."""
        if order.role != ENTRY:
            return
        for other in self.members(order.account_id, order.group):
            if other is order:
                continue
            other.is_ready = True
            if not order.filled:
                other.is_doomed = True
                continue
            if other.total > order.filled:
                cut = other.total - order.filled
                self.take_off(other, cut)
                self.order_event(
                    other,
                    RESTATED,
                    other.working_status,
                    False,
                    last_quantity_units=cut,
                    reason=311,
                )
            other.asleep = False
