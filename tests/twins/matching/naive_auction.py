"""Call auctions of the naive venue: every limit price is tried, the published rules choose one."""

from __future__ import annotations

from typing import Any

from twins.matching.naive_records import (
    AT_CLOSE,
    AT_OPEN,
    BUY,
    CLOSING,
    CONTINUOUS,
    INDICATIVE,
    LARGEST,
    MARKET,
    OPENING,
    SELL,
    Book,
    Order,
    crosses,
)


class Auction:
    """Part of the naive venue."""

    trade: Any
    end_by_clock: Any
    market_event: Any
    mark_last: Any
    command: dict[str, int]
    is_in_band: Any
    band_reference: int | None
    is_uncrossing: bool

    def is_for_this(self, book: Book, order: Order) -> bool:
        """Whether an order takes part in the auction of the instrument's phase."""
        if order.force == AT_OPEN and book.phase != OPENING:
            return False
        if order.force == AT_CLOSE and book.phase != CLOSING:
            return False
        if book.phase == CONTINUOUS:
            return not order.role and order not in book.filtered
        return not order.is_conditional

    def participants(self, book: Book, side: int, price: int) -> list[Order]:
        """Orders that may trade at a price: market orders by time, then the ladder's priority."""
        market = [
            o
            for o in book.parked
            if o.side == side and o.kind == MARKET and not o.asleep and not o.is_ready
        ]
        priced = [o for o in book.side(side) if crosses(side, o.price, price)]
        return [o for o in market + priced if self.is_for_this(book, o)]

    def auction_result(self, book: Book) -> tuple[int, int, int]:
        """(price, volume, surplus; positive if buys are left over), or zeros if nothing trades."""
        prices = {o.price for o in book.orders if self.is_for_this(book, o)}
        if not prices and book.last is not None:
            prices = {book.last}
        results = []
        for price in prices:
            bought = self.depth_at(book, BUY, price)
            sold = self.depth_at(book, SELL, price)
            results.append((price, min(bought, sold), bought - sold))
        most = max((volume for _, volume, _ in results), default=0)
        if not most:
            return 0, 0, 0
        results = [r for r in results if r[1] == most]
        least = min(abs(surplus) for _, _, surplus in results)
        results = sorted(r for r in results if abs(r[2]) == least)
        low, high = results[0], results[-1]
        if low[2] > 0 and high[2] > 0:
            price = high[0]
        elif low[2] < 0 and high[2] < 0:
            price = low[0]
        elif book.last is None:
            price = (low[0] + high[0]) // 2
        else:
            price = max(low[0], min(high[0], book.last))
        bought = self.depth_at(book, BUY, price)
        sold = self.depth_at(book, SELL, price)
        return price, min(bought, sold), bought - sold

    def tell_indication(self, book: Book, result: tuple[int, int, int]) -> None:
        price, volume, surplus = result
        self.market_event(
            book,
            INDICATIVE,
            price_units=price,
            quantity_units=volume,
            level_quantity_units=abs(surplus),
            side=BUY if surplus > 0 else SELL if surplus < 0 else 0,
        )

    def indicate(self, book: Book) -> None:
        """Publish what the auction would do now, if that has changed and may be told yet."""
        if not book.is_auction:
            return
        now = self.command["time_ns"]
        earliest = book.indicated_ns + book.indication_interval_ns
        if book.indication_interval_ns and book.indicated_ns and now < earliest:
            book.indication_due_ns = earliest
            return
        book.indication_due_ns = 0
        result = self.auction_result(book)
        if result != book.indication:
            book.indication = result
            book.indicated_ns = now
            self.tell_indication(book, result)
            self.mark_last()

    def failing(self, book: Book, price: int, volume: int) -> list[Order]:
        """Orders that would trade less at a price than they ask for at once."""
        found = []
        for side in (BUY, SELL):
            left = volume
            for order in self.participants(book, side, price):
                given = min(left, order.leaves)
                left -= given
                if 0 < given < order.required:
                    found.append(order)
        return found

    def filter_and_uncross(self, book: Book) -> bool:
        """Once a best price or its quantity has changed: filter orders that would trade less than
        they ask for, one by one, and uncross what is left at one price. Whether it has."""
        if book.best_levels == book.looked_at:
            return False
        book.looked_at = book.best_levels
        book.filtered = []
        while True:
            price, left, surplus = self.auction_result(book)
            failing = self.failing(book, price, left)
            if not failing:
                break
            book.filtered.append(failing[0])
        if not left:
            return False
        self.band_reference = book.last
        if not self.is_in_band(book, price):
            return False
        self.tell_indication(book, (price, left, surplus))
        self.is_uncrossing = True
        self.trade_all(book, price, left)
        self.is_uncrossing = False
        return True

    def trade_all(self, book: Book, price: int, left: int) -> None:
        """Trade at one price, in priority."""
        while left:
            buys = self.participants(book, BUY, price)
            sells = self.participants(book, SELL, price)
            if not buys or not sells:
                return
            quantity = min(left, buys[0].slice, sells[0].slice)
            left -= quantity
            self.trade(book, buys[0], sells[0], quantity, price)

    def uncross(self, book: Book) -> None:
        """Trade at the auction's price; orders that were for it alone end."""
        result = self.auction_result(book)
        book.indication = (0, 0, 0)
        book.indicated_ns = book.indication_due_ns = 0
        price, left, _ = result
        if left:
            self.tell_indication(book, result)
        self.trade_all(book, price, left)
        self.mark_last()
        for order in [*book.side(BUY), *book.side(SELL), *book.parked]:
            for_auction = order.kind == MARKET or order.force in (AT_OPEN, AT_CLOSE)
            if for_auction and not order.asleep and not order.is_ready:
                waits = order in book.parked and order.force in (AT_OPEN, AT_CLOSE)
                if waits and not self.was_for_this(book, order):
                    continue
                self.end_by_clock(order, 314)

    def was_for_this(self, book: Book, order: Order) -> bool:
        return book.phase == (OPENING if order.force == AT_OPEN else CLOSING)

    def depth_at(self, book: Book, side: int, price: int) -> int:
        return min(LARGEST, sum(o.leaves for o in self.participants(book, side, price)))
