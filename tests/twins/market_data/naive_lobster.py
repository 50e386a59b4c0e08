"""The obvious way to check a LOBSTER session: lists of levels, decimal text, no cleverness."""

from __future__ import annotations

from dataclasses import dataclass, field

ABSENT = {"ask": 9999999999, "bid": -9999999999}


@dataclass
class Order:
    side: str
    price: int
    left: int
    level_birth: int


@dataclass
class NaiveLobster:
    """Applies message lines to a book of a known depth and compares it with the vendor's lines."""

    depth: int
    levels: dict[str, dict[int, list[int]]] = field(
        default_factory=lambda: {"bid": {}, "ask": {}}
    )  # price -> [quantity, known quantity, birth]
    orders: dict[int, Order] = field(default_factory=dict)
    births: int = 0
    revealed: int = 0
    last_nanoseconds: int = -1

    def prices(self, side: str) -> list[int]:
        """Prices of a side, best first."""
        return sorted(self.levels[side], reverse=side == "bid")

    def line(self) -> list[int]:
        """The book as the vendor writes it."""
        fields: list[int] = []
        for place in range(self.depth):
            for side in ("ask", "bid"):
                prices = self.prices(side)
                if place < len(prices):
                    fields += [prices[place], self.levels[side][prices[place]][0]]
                else:
                    fields += [ABSENT[side], 0]
        return fields

    def seed(self, line: list[int]) -> None:
        """Take a line over."""
        self.levels = {"bid": {}, "ask": {}}
        for place in range(self.depth):
            for offset, side in ((0, "ask"), (2, "bid")):
                price, quantity = line[4 * place + offset : 4 * place + offset + 2]
                if quantity:
                    self.put(side, price, quantity)

    def put(self, side: str, price: int, quantity: int) -> None:
        self.births += 1
        self.levels[side][price] = [quantity, 0, self.births]

    def step(self, message: list[str], line: list[int]) -> bool:
        """Apply one message; whether it fits and the book then equals the line.

        After a difference the line is taken over.
        """
        fits = self.apply(message, line)
        if fits and self.line() == line:
            return True
        self.seed(line)
        return False

    def known_order(self, number: int) -> Order | None:
        """An order that we saw entering a level which has been there ever since."""
        order = self.orders.get(number)
        if order is None:
            return None
        level = self.levels[order.side].get(order.price)
        if level is None or level[2] != order.level_birth:
            del self.orders[number]
            return None
        return order

    def apply(self, message: list[str], line: list[int]) -> bool:
        time_text, kind, number_text, size_text, price_text, direction = message
        seconds, _, fraction = time_text.partition(".")
        nanoseconds = int(seconds) * 10**9 + int((fraction + "000000000")[:9])
        if nanoseconds < self.last_nanoseconds:
            return False
        self.last_nanoseconds = nanoseconds
        number, size, price = int(number_text), int(size_text), int(price_text)
        side = "bid" if direction == "1" else "ask"
        if kind == "1":
            return self.add(side, price, size, number)
        if kind in ("2", "3", "4"):
            return self.reduce(side, price, size, number, kind, line)
        return True

    def add(self, side: str, price: int, size: int, number: int) -> bool:
        if size <= 0:
            return False
        level = self.levels[side].get(price)
        if level is None:
            prices = self.prices(side)
            worse = bool(prices) and (price < prices[-1] if side == "bid" else price > prices[-1])
            if len(prices) >= self.depth and worse:
                return True
            self.put(side, price, 0)
            level = self.levels[side][price]
        if number:
            if self.known_order(number) is not None:
                return False
            self.orders[number] = Order(side, price, size, level[2])
            level[1] += size
        level[0] += size
        while len(self.levels[side]) > self.depth:
            del self.levels[side][self.prices(side)[-1]]
        return True

    def reduce(
        self, side: str, price: int, size: int, number: int, kind: str, line: list[int]
    ) -> bool:
        level = self.levels[side].get(price)
        if level is None or size <= 0 or size > level[0]:
            return False
        if kind == "4" and self.prices(side)[0] != price:
            return False
        order = self.known_order(number) if number else None
        if order is None:
            if size > level[0] - level[1]:
                return False
        else:
            if (order.price, order.side) != (price, side) or size > order.left:
                return False
            if kind == "3" and size != order.left:
                return False
            if kind == "2" and size == order.left:
                return False
            order.left -= size
            level[1] -= size
            if order.left == 0:
                del self.orders[number]
        was_full = len(self.levels[side]) == self.depth
        deepest = self.prices(side)[-1]
        level[0] -= size
        if level[0] == 0:
            del self.levels[side][price]
            if was_full:
                self.reveal(side, deepest, line)
        return True

    def reveal(self, side: str, deepest: int, line: list[int]) -> None:
        """Another level emptied: the deepest level of the line may be new to us.

        It is new if it lies beyond what was the deepest level before.
        """
        offset = 4 * (self.depth - 1) + (0 if side == "ask" else 2)
        price, quantity = line[offset : offset + 2]
        if quantity and (price < deepest if side == "bid" else price > deepest):
            self.put(side, price, quantity)
            self.revealed += 1


def check_session(message_text: str, book_text: str) -> tuple[int, list[int], int]:
    """Rows compared, the rows (from 1) that were inconsistent, and the levels revealed."""
    messages = [line.split(",") for line in message_text.splitlines()]
    lines = [[int(text) for text in line.split(",")] for line in book_text.splitlines()]
    twin = NaiveLobster(depth=len(lines[0]) // 4)
    seconds, _, fraction = messages[0][0].partition(".")
    twin.last_nanoseconds = int(seconds) * 10**9 + int((fraction + "000000000")[:9])
    twin.seed(lines[0])
    failed = [
        row
        for row, (message, line) in enumerate(zip(messages[1:], lines[1:], strict=True), start=2)
        if not twin.step(message, line)
    ]
    return len(lines) - 1, failed, twin.revealed
