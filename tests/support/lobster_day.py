"""Makes small LOBSTER sessions whose order book file is right by construction."""

from __future__ import annotations

import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

ABSENT = {1: -9999999999, -1: 9999999999}


@dataclass
class Resting:
    number: int
    direction: int
    price: int
    left: int


class LobsterDay:
    """A full book of orders, written down as a vendor would with a given depth."""

    def __init__(self, seed: int, depth: int, rows: int) -> None:
        self._random = random.Random(seed)
        self._depth = depth
        self._orders: list[Resting] = []
        self._next = 1000
        self._now = 34_200_000_000_000
        self.messages: list[str] = []
        self.lines: list[str] = []
        for place in range(1, depth + 4):
            for direction in (1, -1):
                self._enter(direction, 1_000_000 - direction * 100 * place)
        self._write(5, Resting(0, 1, 1_000_050, 1), 1)
        while len(self.messages) < rows:
            self._step()

    def _enter(self, direction: int, price: int) -> Resting:
        self._next += self._random.randrange(1, 9)
        order = Resting(self._next, direction, price, self._random.randrange(1, 6) * 50)
        self._orders.append(order)
        return order

    def _side(self, direction: int) -> list[tuple[int, int]]:
        levels: dict[int, int] = {}
        for order in self._orders:
            if order.direction == direction:
                levels[order.price] = levels.get(order.price, 0) + order.left
        return sorted(levels.items(), reverse=direction == 1)[: self._depth]

    def _line(self) -> str:
        sides = {direction: self._side(direction) for direction in (-1, 1)}
        fields: list[int] = []
        for place in range(self._depth):
            for direction in (-1, 1):
                levels = sides[direction]
                price, quantity = levels[place] if place < len(levels) else (ABSENT[direction], 0)
                fields += [price, quantity]
        return ",".join(map(str, fields))

    def _write(self, kind: int, order: Resting, size: int) -> None:
        """Write a row, unless nothing that the vendor shows has changed."""
        line = self._line()
        if kind < 5 and self.lines and line == self.lines[-1]:
            return
        self._now += self._random.randrange(0, 3_000_000)
        seconds = f"{self._now // 10**9}.{self._now % 10**9:09d}".rstrip("0")
        self.messages.append(
            f"{seconds},{kind},{order.number},{size},{order.price},{order.direction}"
        )
        self.lines.append(line)

    def _step(self) -> None:
        draw = self._random.random()
        best = {d: self._side(d)[0][0] for d in (1, -1)}
        if draw < 0.5 or len(self._orders) < 4 * self._depth:
            direction = self._random.choice((1, -1))
            offset = self._random.randrange(-1, self._depth + 2) * 100
            price = best[direction] - direction * offset
            if direction * (best[-direction] - price) <= 0:
                return
            order = self._enter(direction, price)
            self._write(1, order, order.left)
        elif draw < 0.6:
            self._write(5, Resting(0, self._random.choice((1, -1)), best[1] + 50, 1), 10)
        elif draw < 0.75:
            direction = self._random.choice((1, -1))
            order = next(
                o for o in self._orders if o.direction == direction and o.price == best[direction]
            )
            self._take(4, order, self._random.choice((order.left, max(order.left // 2, 1))))
        else:
            order = self._random.choice(self._orders)
            partial = order.left > 1 and self._random.random() < 0.3
            self._take(2 if partial else 3, order, order.left // 2 if partial else order.left)

    def _take(self, kind: int, order: Resting, size: int) -> None:
        if len(self._side(order.direction)) < 2 and size == order.left:
            return
        order.left -= size
        if order.left == 0:
            self._orders.remove(order)
        self._write(kind, order, size)

    def write_zip(
        self, path: Path, messages: list[str] | None = None, symbol: str = "TEST"
    ) -> Path:
        """The session as the vendor packs it."""
        stem = f"{symbol}_2012-06-21_34200000_57600000"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(
                f"{stem}_message_{self._depth}.csv",
                "\n".join(messages if messages is not None else self.messages) + "\n",
            )
            archive.writestr(f"{stem}_orderbook_{self._depth}.csv", "\n".join(self.lines) + "\n")
            archive.writestr("ReadMe.txt", "These files are samples of the vendor, for testing.\n")
        return path
