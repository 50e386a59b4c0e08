"""The naive venue's rules for what may enter: the first that is broken names the reason."""

from __future__ import annotations

from typing import Any

from twins.matching.naive_records import (
    ALL_OR_NONE,
    AT_CLOSE,
    AT_OPEN,
    BOUNDED,
    CLOSED,
    DAY,
    ENTRY,
    EXIT,
    FOK,
    GROUP_LIMIT,
    GTC,
    GTD,
    HALTED,
    HIDDEN,
    IOC,
    LARGEST,
    LIMIT,
    LOCATED,
    MARKET,
    OCO,
    PART,
    PEGGED,
    POST_ONLY,
    PRO_RATA_TOP,
    REDUCE_ONLY,
    SELL,
    SLIDE,
    STOP,
    STOP_LIMIT,
    TOP,
    TRAILING,
    Book,
    Order,
    crosses,
)

OFFSET_LIMIT = 2**62


class Checks:
    """Part of the naive venue."""

    books: dict[int, Book]
    command: dict[str, int]
    get: Any

    def why_not_new(self) -> int:
        book = self.books.get(self.get("instrument_id"))
        if not 0 < self.get("account_id") < self.account_ids:  # type: ignore[attr-defined]
            return 101
        if book is None:
            return 100
        return (
            self.why_not_terms()
            or self.why_not_extras(book)
            or self.why_not_numbers(book, self.is_priced())
            or self.why_not_quantities(book)
            or self.why_not_prices(book)
            or self.why_not_group()
            or self.why_not_phase(book)
            or self.why_no_place(book)
        )

    def is_priced(self) -> bool:
        kind = self.get("order_type")
        return kind in (LIMIT, STOP_LIMIT) or (
            kind == PEGGED and bool(self.get("instructions") & BOUNDED)
        )

    def why_not_terms(self) -> int:
        kind, force = self.get("order_type"), self.get("time_in_force")
        if self.get("side") not in (1, 2):
            return 107
        if not LIMIT <= kind <= PEGGED:
            return 108
        if not DAY <= force <= AT_CLOSE:
            return 109
        if kind == MARKET and force in (GTC, GTD):
            return 109
        if kind in (STOP, STOP_LIMIT, TRAILING) and force in (AT_OPEN, AT_CLOSE):
            return 109
        if kind == PEGGED and force not in (DAY, GTC, GTD):
            return 109
        if (force == GTD) != bool(self.get("expire_time_ns")):
            return 120
        if force == GTD and self.get("expire_time_ns") <= self.get("time_ns"):
            return 120
        if self.get("self_trade_prevention") > 4:
            return 124
        return 0

    def why_not_extras(self, book: Book) -> int:
        """Instructions against type, time in force and the instrument's allocation."""
        kind, force = self.get("order_type"), self.get("time_in_force")
        bits = self.get("instructions")
        rests = force not in (IOC, FOK)
        if bits & (REDUCE_ONLY | PART) or bits & ~LOCATED >= 256:
            return 114
        conditional = bits & ALL_OR_NONE or self.get("minimum_quantity_units")
        if bits & POST_ONLY and (kind != LIMIT or force not in (DAY, GTC, GTD) or conditional):
            return 114
        if bits & SLIDE and not bits & POST_ONLY:
            return 114
        if bits & HIDDEN and (kind not in (LIMIT, STOP_LIMIT, PEGGED) or not rests):
            return 114
        if bits & TOP and (kind != LIMIT or book.allocation != PRO_RATA_TOP):
            return 114
        if bits & BOUNDED and kind != PEGGED:
            return 114
        if conditional and kind == PEGGED:
            return 114
        special = bits & HIDDEN or conditional or self.get("display_quantity_units")
        if book.is_pro_rata and (special or kind == PEGGED or self.get("group_role")):
            return 114
        return 0

    def why_not_numbers(self, book: Book, has_price: bool) -> int:
        quantity, price = self.get("quantity_units"), self.get("price_units")
        if not 0 < quantity <= book.largest_quantity or quantity % book.lot:
            return 106
        if has_price and not book.lowest_price <= price <= book.highest_price:
            return 110
        if has_price and not book.low_band <= price <= book.high_band:
            return 309
        return 0

    def why_not_quantities(self, book: Book) -> int:
        """Display and minimum quantity."""
        kind, quantity = self.get("order_type"), self.get("quantity_units")
        bits, force = self.get("instructions"), self.get("time_in_force")
        display, least = self.get("display_quantity_units"), self.get("minimum_visible_units")
        minimum = self.get("minimum_quantity_units")
        if display:
            if not 0 < display < quantity or display % book.lot or quantity // display > 10_000:
                return 118
            if kind not in (LIMIT, STOP_LIMIT) or force in (IOC, FOK):
                return 118
            if bits & (HIDDEN | ALL_OR_NONE) or minimum:
                return 118
        if not 0 <= least <= display:
            return 118
        if minimum and (not 0 < minimum <= quantity or bits & ALL_OR_NONE):
            return 119
        return 0

    def why_not_prices(self, book: Book) -> int:
        """Stop price, trailing distance and peg."""
        kind, stop = self.get("order_type"), self.get("stop_price_units")
        if kind in (STOP, STOP_LIMIT):
            if not book.lowest_price <= stop <= book.highest_price:
                return 117
        elif stop:
            return 117
        offset, points = self.get("offset_units"), self.get("offset_basis_points")
        if kind == TRAILING:
            if (offset != 0) == (points != 0) or not 0 <= offset <= OFFSET_LIMIT or points > 9_999:
                return 122
        elif points or (offset and kind != PEGGED) or not -OFFSET_LIMIT <= offset <= OFFSET_LIMIT:
            return 122
        reference = self.get("peg_reference")
        if reference > 3 or (kind == PEGGED) != bool(reference):
            return 121
        return 0

    def members(self, account_id: int, group: int) -> list[Order]:
        """Working orders of a group, oldest first."""
        found = [
            o
            for b in self.books.values()
            for o in [*b.orders, *b.parked]
            if o.group == group and o.account_id == account_id
        ]
        return sorted(found, key=lambda o: o.order_id)

    def why_not_group(self) -> int:
        role, group = self.get("group_role"), self.get("group_id")
        if (role != 0) != (group != 0) or role > EXIT:
            return 123
        if not role:
            return 0
        if role in (OCO, EXIT) and self.get("time_in_force") in (IOC, FOK):
            return 123
        if role == OCO and self.get("order_type") == MARKET:
            return 123
        members = self.members(self.get("account_id"), group)
        if len(members) >= GROUP_LIMIT:
            return 123
        for other in members:
            if other.instrument_id != self.get("instrument_id"):
                return 123
            if (other.role == OCO) != (role == OCO):
                return 123
            if other.role == ENTRY and role == ENTRY:
                return 123
            if other.role == EXIT and not other.asleep:
                return 123
        return 0

    def why_not_phase(self, book: Book) -> int:
        if book.phase in (CLOSED, HALTED):
            return 310
        if book.is_auction and self.get("time_in_force") in (IOC, FOK):
            return 310
        return 0

    def why_no_place(self, book: Book) -> int:
        if self.order_count() >= self.order_capacity:  # type: ignore[attr-defined]
            return 300
        kind, role = self.get("order_type"), self.get("group_role")
        if kind == PEGGED and role != EXIT and book.peg_count >= self.peg_limit:  # type: ignore[attr-defined]
            return 300
        plain = self.get("order_type") == LIMIT and self.get("time_in_force") in (DAY, GTC, GTD)
        if not plain or self.get("group_role") == EXIT:
            return 0
        side, price = self.get("side"), self.get("price_units")
        conditional = self.get("instructions") & ALL_OR_NONE or self.get("minimum_quantity_units")
        if conditional and book.is_full_of_conditions:
            return 300
        if self.get("instructions") & HIDDEN and book.hidden_count >= self.hidden_limit:  # type: ignore[attr-defined]
            return 300
        if self.get("instructions") & POST_ONLY and not book.is_auction:
            best = book.side(3 - side)
            if best and crosses(side, price, best[0].price):
                if not self.get("instructions") & SLIDE:
                    return 308
                price = self.slid(book, side, best[0].price)
                if not max(book.lowest_price, book.low_band) <= price:
                    return 308
                if not price <= min(book.highest_price, book.high_band):
                    return 308
        return self.why_no_room(book, side, price, book.level(side, price))

    @staticmethod
    def slid(book: Book, side: int, best: int) -> int:
        """The nearest price at which an order doesn't trade with the best of the other side."""
        return best + book.tick if side == SELL else best - book.tick

    def why_no_room(
        self, book: Book, side: int, price: int, others: list[Order], quantity: int | None = None
    ) -> int:
        if not book.level(side, price):
            taken = sum(b.levels() for b in self.books.values())
            return 300 if taken >= self.level_capacity else 0  # type: ignore[attr-defined]
        size = self.get("quantity_units") if quantity is None else quantity
        return 111 if sum(o.leaves for o in others) + size > LARGEST else 0

    def order_count(self) -> int:
        return sum(len(book.orders) + len(book.parked) for book in self.books.values())
