"""Makes small Binance captures, spot or futures, that are right by construction."""

from __future__ import annotations

import gzip
import json
import random
from decimal import Decimal
from pathlib import Path


class BinanceDay:
    """A book of levels told as a snapshot, updates, tickers and trades."""

    def __init__(
        self, seed: int, updates: int, *, futures: bool = False, symbol: str = "BTCUSDT"
    ) -> None:
        self._random = random.Random(seed)
        self._futures = futures
        self._symbol = symbol
        self._sequence = 5_000
        self._last_update = self._sequence
        self._now = 1_723_161_254_000_000_000
        self._levels: dict[str, dict[int, int]] = {"b": {}, "a": {}}
        for place in range(1, 8):
            self._levels["b"][6_000_000 - place] = self._size()
            self._levels["a"][6_000_000 + place] = self._size()
        self.lines: list[str] = []
        self.compared = 0
        self._early(2)
        self._snapshot()
        for _ in range(updates):
            self._update()

    def _size(self) -> int:
        return self._random.randrange(1, 500) * 1000

    def _text(self, units: int, decimals: int) -> str:
        return f"{Decimal(units).scaleb(-decimals):.8f}"

    def _emit(self, stream: str, data: dict) -> None:
        self._now += self._random.randrange(1, 50_000_000)
        body = {"stream": f"{self._symbol.lower()}@{stream}", "data": data} if stream else data
        self.lines.append(f"{self._now} {json.dumps(body, separators=(',', ':'))}")

    def _side(self, side: str) -> list[list[str]]:
        return [
            [self._text(price, 2), self._text(quantity, 8)]
            for price, quantity in self._levels[side].items()
        ]

    def _early(self, count: int) -> None:
        """Updates from before the snapshot, which it contains."""
        for _ in range(count):
            self._update(told=False)

    def _snapshot(self) -> None:
        data = {"lastUpdateId": self._last_update, "bids": self._side("b"), "asks": self._side("a")}
        if self._futures:
            data |= {"E": self._now // 10**6, "symbol": self._symbol}
        self._emit("", data)

    def _update(self, *, told: bool = True) -> None:
        first = self._sequence + 1
        self._sequence += self._random.randrange(1, 6)
        changed: dict[str, dict[int, int]] = {"b": {}, "a": {}}
        for _ in range(self._random.randrange(0, 5)):
            self._change(changed)
        data = {
            "e": "depthUpdate",
            "E": self._now // 10**6,
            "s": self._symbol,
            "U": first,
            "u": self._sequence,
        }
        if self._futures:
            data["pu"] = self._last_update
        for side in ("b", "a"):
            data[side] = [
                [self._text(price, 2), self._text(quantity, 8)]
                for price, quantity in changed[side].items()
            ]
        self._last_update = self._sequence
        early = told and self._random.random() < 0.3
        if early:
            self._ticker()
        self._emit("depth@100ms", data)
        if told and not early and self._random.random() < 0.4:
            self._ticker()
        if told and self._random.random() < 0.3:
            self._trade()

    def _change(self, changed: dict[str, dict[int, int]]) -> None:
        side = self._random.choice("ba")
        sign = 1 if side == "b" else -1
        best = {s: (max if s == "b" else min)(self._levels[s]) for s in "ba"}
        other = best["a" if side == "b" else "b"]
        price = best[side] - sign * self._random.randrange(-2, 12)
        if sign * (other - price) <= 0:
            return
        quantity = 0 if self._random.random() < 0.4 else self._size()
        if quantity == 0 and len(self._levels[side]) < 4:
            return
        if quantity:
            self._levels[side][price] = quantity
        elif price in self._levels[side]:
            del self._levels[side][price]
        else:
            return
        changed[side][price] = quantity

    def _ticker(self) -> None:
        bid, ask = max(self._levels["b"]), min(self._levels["a"])
        data = {
            "u": self._last_update,
            "s": self._symbol,
            "b": self._text(bid, 2),
            "B": self._text(self._levels["b"][bid], 8),
            "a": self._text(ask, 2),
            "A": self._text(self._levels["a"][ask], 8),
        }
        if self._futures:
            data = {"e": "bookTicker", **data, "T": self._now // 10**6}
        self.compared += 1
        self._emit("bookTicker", data)

    def _trade(self) -> None:
        price = max(self._levels["b"])
        data = {
            "e": "trade",
            "E": self._now // 10**6,
            "s": self._symbol,
            "t": self._sequence,
            "p": self._text(price, 2),
            "q": self._text(1000, 8),
            "T": self._now // 10**6,
            "m": True,
            "M": True,
        }
        self._emit("trade", data)

    def best(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Best bid and ask: price in hundredths, quantity in 1e-8."""
        bid, ask = max(self._levels["b"]), min(self._levels["a"])
        return (bid, self._levels["b"][bid]), (ask, self._levels["a"][ask])

    def write(self, path: Path, lines: list[str] | None = None) -> Path:
        """The capture as a gzip file."""
        text = "\n".join(self.lines if lines is None else lines) + "\n"
        path.write_bytes(gzip.compress(text.encode()))
        return path
