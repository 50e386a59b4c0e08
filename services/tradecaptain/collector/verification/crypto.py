"""Captures of OKX, Kraken and Coinbase: the books that their updates make, held against the feed.

OKX and Kraken send a CRC32 of their book with each update, Coinbase its best prices with each
ticker. Books are kept by decimal price with the text of the vendor, which the checksums are made
of. Sources: OKX API v5 "checksum", Kraken WebSocket v1 "book checksum", Coinbase "level2".
"""

from __future__ import annotations

import datetime
import zlib
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.collector.feeds.capture import Received, received_messages
from tradecaptain.collector.feeds.sources import HEAD_BYTES, Source, file_error
from tradecaptain.collector.verification.outcome import Outcome
from tradecaptain.wire import reason

OKX_LEVELS = 25
KRAKEN_LEVELS = 10
RACE_STATES = 64

CHECKSUM_DIFFERS = "our book's checksum differs from the vendor's"
BEST_DIFFERS = "our best bid or ask differs from the vendor's ticker"
RACE = "the ticker and level channels race: our book had these best prices just before or after"
NO_BOOK = "no snapshot came before it"
OLD_TICKER = "the ticker tells of a moment before the snapshot"


@dataclass(slots=True)
class TextBook:
    """Levels by exact price; each keeps the vendor's text of price and size."""

    bids: dict[Decimal, tuple[str, str]] = field(default_factory=dict)
    asks: dict[Decimal, tuple[str, str]] = field(default_factory=dict)

    def side(self, is_bid: bool) -> dict[Decimal, tuple[str, str]]:
        """Levels of one side."""
        return self.bids if is_bid else self.asks

    def set(self, is_bid: bool, price: str, size: str) -> None:
        """Set a level's size; zero removes it."""
        key = Decimal(price)
        if Decimal(size) == 0:
            self.side(is_bid).pop(key, None)
        else:
            self.side(is_bid)[key] = (price, size)

    def best(self, is_bid: bool, count: int) -> list[tuple[str, str]]:
        """The best levels of a side, best first."""
        levels = self.side(is_bid)
        return [levels[price] for price in sorted(levels, reverse=is_bid)[:count]]

    def trim(self, depth: int) -> None:
        """Keep only so many levels a side."""
        for is_bid in (True, False):
            levels = self.side(is_bid)
            for price in sorted(levels, reverse=is_bid)[depth:]:
                del levels[price]

    def best_prices(self) -> tuple[Decimal | None, Decimal | None]:
        """Best bid and ask."""
        return max(self.bids, default=None), min(self.asks, default=None)


def okx_checksum(book: TextBook) -> int:
    """Signed CRC32 over 25 levels: bid and ask interleaved, ``price:size`` joined by colons."""
    pairs = zip_longest(book.best(True, OKX_LEVELS), book.best(False, OKX_LEVELS))
    parts = [":".join(level) for pair in pairs for level in pair if level is not None]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value


def kraken_checksum(book: TextBook) -> int:
    """CRC32 over ten asks, then ten bids; numbers without the point and leading zeros."""
    levels = book.best(False, KRAKEN_LEVELS) + book.best(True, KRAKEN_LEVELS)
    text = "".join(number.replace(".", "").lstrip("0") for level in levels for number in level)
    return zlib.crc32(text.encode())


class OkxCheck:
    """OKX: every update carries the checksum of the book after it."""

    def __init__(self, name: str, outcome: Outcome) -> None:
        self._name = name
        self._outcome = outcome
        self._books: dict[str, TextBook] = {}

    def take(self, message: Received) -> None:
        """Apply one message."""
        payload = message.payload
        if not isinstance(payload, dict) or "action" not in payload:
            return
        instrument = payload["arg"]["instId"]
        for data in payload["data"]:
            if payload["action"] == "snapshot":
                self._books[instrument] = TextBook()
            book = self._books.get(instrument)
            if book is None:
                self._outcome.add_not_applicable(NO_BOOK)
                continue
            for is_bid, side in ((True, data["bids"]), (False, data["asks"])):
                for level in side:
                    book.set(is_bid, level[0], level[1])
            if "checksum" in data:
                fails = okx_checksum(book) != int(data["checksum"])
                count_row(self._outcome, fails, f"{self._name}:{message.row}", CHECKSUM_DIFFERS)

    def finish(self) -> None:
        """Nothing waits."""


class KrakenCheck:
    """Kraken WebSocket v1: updates carry the checksum of the ten best levels."""

    def __init__(self, name: str, outcome: Outcome) -> None:
        self._name = name
        self._outcome = outcome
        self._books: dict[tuple[str, str], TextBook] = {}

    def take(self, message: Received) -> None:
        """Apply one message: ``[channel, changes, …, "book-25", "XBT/USD"]``."""
        payload = message.payload
        if not isinstance(payload, list) or len(payload) < 4:
            return
        channel, pair = payload[-2], payload[-1]
        if not isinstance(channel, str) or not channel.startswith("book"):
            return
        depth = int(channel.partition("-")[2] or KRAKEN_LEVELS)
        parts: dict[str, Any] = {}
        for part in payload[1:-2]:
            parts.update(part)
        if "as" in parts or "bs" in parts:
            self._books[channel, pair] = TextBook()
        book = self._books.get((channel, pair))
        if book is None:
            self._outcome.add_not_applicable(NO_BOOK)
            return
        for is_bid, keys in ((False, ("as", "a")), (True, ("bs", "b"))):
            for key in keys:
                for level in parts.get(key, ()):
                    book.set(is_bid, level[0], level[1])
        book.trim(depth)
        if "c" in parts:
            fails = kraken_checksum(book) != int(parts["c"])
            count_row(self._outcome, fails, f"{self._name}:{message.row}", CHECKSUM_DIFFERS)

    def finish(self) -> None:
        """Nothing waits."""


@dataclass(slots=True)
class _WaitingTicker:
    row: int
    wanted: list[Decimal | None]
    states_left: int = RACE_STATES


class CoinbaseCheck:
    """Coinbase: the best prices of tickers, which come on another channel than the levels."""

    def __init__(self, name: str, outcome: Outcome) -> None:
        self._name = name
        self._outcome = outcome
        self._books: dict[str, TextBook] = {}
        self._snapshot_ns: dict[str, int] = {}
        self._recent: dict[str, deque[tuple[Decimal | None, Decimal | None]]] = defaultdict(
            lambda: deque(maxlen=RACE_STATES)
        )
        self._waiting: dict[str, list[_WaitingTicker]] = defaultdict(list)

    def take(self, message: Received) -> None:
        """Apply one message."""
        payload = message.payload
        kind = payload.get("type") if isinstance(payload, dict) else None
        if kind == "snapshot":
            book = self._books[payload["product_id"]] = TextBook()
            self._snapshot_ns[payload["product_id"]] = message.receive_time_ns
            for is_bid, side in ((True, payload["bids"]), (False, payload["asks"])):
                for price, size in side:
                    book.set(is_bid, price, size)
        elif kind == "l2update":
            self._update(payload)
        elif kind == "ticker" and "best_bid" in payload:
            self._ticker(message.row, payload)

    def _update(self, payload: dict[str, Any]) -> None:
        product = payload["product_id"]
        book = self._books.get(product)
        if book is None:
            return
        for side, price, size in payload["changes"]:
            book.set(side == "buy", price, size)
        best = book.best_prices()
        self._recent[product].append(best)
        still: list[_WaitingTicker] = []
        for ticker in self._waiting[product]:
            ticker.wanted = [
                None if a == b else a for a, b in zip(ticker.wanted, best, strict=True)
            ]
            ticker.states_left -= 1
            if not any(ticker.wanted):
                self._outcome.add_not_applicable(RACE)
            elif ticker.states_left == 0:
                count_row(self._outcome, True, f"{self._name}:{ticker.row}", BEST_DIFFERS)
            else:
                still.append(ticker)
        self._waiting[product] = still

    def _ticker(self, row: int, payload: dict[str, Any]) -> None:
        product = payload["product_id"]
        book = self._books.get(product)
        if book is None:
            self._outcome.add_not_applicable(NO_BOOK)
            return
        told = (Decimal(payload["best_bid"]), Decimal(payload["best_ask"]))
        if told == book.best_prices():
            count_row(self._outcome, False, "", "")
            return
        if _utc_ns(payload["time"]) < self._snapshot_ns[product]:
            self._outcome.add_not_applicable(OLD_TICKER)
            return
        missing: list[Decimal | None] = list(told)
        for state in (book.best_prices(), *self._recent[product]):
            missing = _without(missing, state)
        if any(missing):
            self._waiting[product].append(_WaitingTicker(row, missing))
        else:
            self._outcome.add_not_applicable(RACE)

    def finish(self) -> None:
        """Tickers whose prices never came."""
        for waiting in self._waiting.values():
            for ticker in waiting:
                count_row(self._outcome, True, f"{self._name}:{ticker.row}", BEST_DIFFERS)


Prices = tuple[Decimal | None, Decimal | None]


def _without(wanted: list[Decimal | None], best: Prices) -> list[Decimal | None]:
    """Of wanted prices those that a state of the book doesn't show."""
    return [None if price == shown else price for price, shown in zip(wanted, best, strict=True)]


def _utc_ns(text: str) -> int:
    """A time of RFC 3339 in whole microseconds, as ns UTC."""
    moment = datetime.datetime.fromisoformat(text)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since // datetime.timedelta(microseconds=1) * 1000


def count_row(outcome: Outcome, fails: bool, identifier: str, why: str) -> None:
    """Count one statement of the vendor."""
    outcome.add_rows(1, int(fails))
    if fails:
        outcome.add_failure(identifier, why)


Check = OkxCheck | KrakenCheck | CoinbaseCheck
_VENUES: tuple[tuple[tuple[bytes, ...], Callable[[str, Outcome], Check]], ...] = (
    ((b"okx.com", b"okex.com", b'"instId"'), OkxCheck),
    ((b"kraken.com", b'"book-10"', b'"book-25"', b'"book-100"'), KrakenCheck),
    ((b"coinbase.com", b'"l2update"', b'"level2"'), CoinbaseCheck),
)


def verify_crypto(source: Source, outcome: Outcome) -> None:
    """Check one capture. A venue that none of the checks knows is a typed error."""
    head = source.head()[:HEAD_BYTES]
    maker = next((make for marks, make in _VENUES if any(mark in head for mark in marks)), None)
    if maker is None:
        detail = "there is no check for captures of this venue"
        raise file_error(reason.REASON_UNRECOGNISED_FILE, source.name, detail)
    check = maker(source.name, outcome)
    for message in received_messages(source):
        outcome.source_messages += 1
        try:
            check.take(message)
        except (KeyError, IndexError, TypeError, ValueError, InvalidOperation) as error:
            raise _malformed(source, message.row, error) from error
    check.finish()


def _malformed(source: Source, row: int, error: Exception) -> TradeCaptainError:
    detail = f"row {row} isn't of the venue's form ({type(error).__name__}: {error})"
    return file_error(reason.REASON_MALFORMED_FILE, source.name, detail)
