"""Databento: books made of orders, held against the vendor's ten levels or against themselves.

With a market-by-price file beside it, each of its lines must equal the ten best levels (price,
size, order count) right after the record that caused it. A trade, its fill and the cancel that
follows are one event there. Without one, every record must fit: no unknown order, no crossed book
after the last record of an event, no sequence that goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import InvalidOperation
from heapq import nlargest, nsmallest
from typing import Any

from tradecaptain.collector.feeds.databento import (
    FLAG_LAST,
    PRICE_SCALE,
    MboRecord,
    csv_rows,
    price_of,
)
from tradecaptain.collector.feeds.sources import Source, file_error
from tradecaptain.collector.verification.crypto import count_row
from tradecaptain.collector.verification.outcome import Outcome
from tradecaptain.wire import reason

DEPTH = 10

UNKNOWN_ORDER = "the record names an order that isn't in the book"
DUPLICATE_ORDER = "the record adds an order id that is already in the book"
OVERDRAWN = "the record takes more than the order holds"
CROSSED = "the best bid is not below the best ask after the last record of an event"
WENT_BACK = "the sequence goes back"
BOOK_DIFFERS = "our ten levels differ from the vendor's"
NO_RECORD = "no record of the order file caused this line"
BAD_RECORD = "the record's action, side, price or size isn't valid"


@dataclass(slots=True)
class MboBook:
    """Orders by id, and size and order count by price."""

    orders: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    bids: dict[int, list[int]] = field(default_factory=dict)
    asks: dict[int, list[int]] = field(default_factory=dict)

    def side(self, side: str) -> dict[int, list[int]]:
        """Levels of a side."""
        return self.bids if side == "B" else self.asks

    def apply(self, record: MboRecord) -> str:
        """Apply one record; why it doesn't fit, or an empty text."""
        action = record.action
        if action == "R":
            self.orders.clear()
            self.bids.clear()
            self.asks.clear()
            return ""
        if action in ("T", "F", "N"):
            return ""
        if action == "A":
            return self._add(record)
        if action == "C":
            return self._cancel(record)
        if action == "M":
            return self._modify(record)
        return BAD_RECORD

    def _add(self, record: MboRecord) -> str:
        if record.side not in ("B", "A") or record.price is None or record.size <= 0:
            return BAD_RECORD
        if record.order_id in self.orders:
            return DUPLICATE_ORDER
        self.orders[record.order_id] = (record.side, record.price, record.size)
        level = self.side(record.side).setdefault(record.price, [0, 0])
        level[0] += record.size
        level[1] += 1
        return ""

    def _take(self, order_id: int, size: int) -> None:
        side, price, left = self.orders[order_id]
        level = self.side(side)[price]
        level[0] -= size
        if size == left:
            del self.orders[order_id]
            level[1] -= 1
            if level[1] == 0:
                del self.side(side)[price]
        else:
            self.orders[order_id] = (side, price, left - size)

    def _cancel(self, record: MboRecord) -> str:
        order = self.orders.get(record.order_id)
        if order is None:
            return UNKNOWN_ORDER
        if (order[0], order[1]) != (record.side, record.price) or record.size <= 0:
            return BAD_RECORD
        if record.size > order[2]:
            return OVERDRAWN
        self._take(record.order_id, record.size)
        return ""

    def _modify(self, record: MboRecord) -> str:
        order = self.orders.get(record.order_id)
        if order is None:
            return UNKNOWN_ORDER
        if record.side != order[0]:
            return BAD_RECORD
        self._take(record.order_id, order[2])
        return self._add(record)

    def levels(self, side: str) -> list[tuple[int, int, int]]:
        """Price, size and order count of the ten best levels."""
        levels = self.side(side)
        prices = nlargest(DEPTH, levels) if side == "B" else nsmallest(DEPTH, levels)
        return [(price, levels[price][0], levels[price][1]) for price in prices]

    def is_crossed(self) -> bool:
        """Whether the best bid isn't below the best ask."""
        return bool(self.bids and self.asks) and max(self.bids) >= min(self.asks)


def verify_records(name: str, records: Iterable[MboRecord], outcome: Outcome) -> None:
    """Check every record of a file without a twin, and tell the final book."""
    books: dict[int, MboBook] = {}
    sequences: dict[int, int] = {}
    last = MboBook()
    sequence = 0
    for record in records:
        outcome.source_messages += 1
        last = books.setdefault(record.instrument_id, MboBook())
        why = last.apply(record)
        if not why and record.sequence < sequences.get(record.instrument_id, 0):
            why = WENT_BACK
        if not why and record.flags & FLAG_LAST and last.is_crossed():
            why = CROSSED
        sequence = record.sequence
        sequences[record.instrument_id] = max(sequence, sequences.get(record.instrument_id, 0))
        count_row(outcome, bool(why), f"{name}:{record.row}", why)
    outcome.extra["final"] = final_book(last, sequence)


def final_book(book: MboBook, sequence: int) -> dict[str, Any]:
    """The book at the end, as the checker prints it."""
    return {
        "bid_levels": len(book.bids),
        "ask_levels": len(book.asks),
        "best_bid": max(book.bids) / PRICE_SCALE if book.bids else None,
        "best_ask": min(book.asks) / PRICE_SCALE if book.asks else None,
        "sequence": sequence,
    }


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of the market-by-price file."""

    row: int
    key: tuple[int, str, int]
    bids: list[tuple[int, int, int]]
    asks: list[tuple[int, int, int]]


def price_lines(source: Source) -> Iterator[PriceLine]:
    """Lines of a market-by-price file; one that can't be read is a typed error."""
    for row, fields in csv_rows(source):
        try:
            sides: dict[str, list[tuple[int, int, int]]] = {"bid": [], "ask": []}
            for place in range(DEPTH):
                for side, levels in sides.items():
                    price = price_of(fields[f"{side}_px_{place:02d}"])
                    if price is not None:
                        size = int(fields[f"{side}_sz_{place:02d}"])
                        levels.append((price, size, int(fields[f"{side}_ct_{place:02d}"])))
            key = (int(fields["sequence"]), fields["action"], int(fields["order_id"]))
            yield PriceLine(row, key, sides["bid"], sides["ask"])
        except (KeyError, ValueError, InvalidOperation) as error:
            detail = f"row {row} isn't a market-by-price line ({error})"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail) from error


def verify_against_prices(
    records: list[MboRecord], name: str, lines: Source, outcome: Outcome
) -> None:
    """Check every line of the market-by-price file against the book of the records."""
    book = MboBook()
    position = 0
    sequence = 0
    for line in price_lines(lines):
        found = position
        while found < len(records) and _key(records[found]) != line.key:
            found += 1
        if found == len(records):
            count_row(outcome, True, f"{lines.name}:{line.row}", NO_RECORD)
            continue
        end = found + 1 + _folded(records, found)
        why = ""
        for record in records[position:end]:
            outcome.source_messages += 1
            problem = book.apply(record)
            why = why or problem
            sequence = record.sequence
        position = end
        if not why and (book.levels("B"), book.levels("A")) != (line.bids, line.asks):
            why = BOOK_DIFFERS
        count_row(outcome, bool(why), f"{lines.name}:{line.row}", why)
    for record in records[position:]:
        outcome.source_messages += 1
        if problem := book.apply(record):
            count_row(outcome, True, f"{name}:{record.row}", problem)
        sequence = record.sequence
    outcome.extra["final"] = final_book(book, sequence)


def _key(record: MboRecord) -> tuple[int, str, int]:
    return record.sequence, record.action, record.order_id


def _folded(records: list[MboRecord], found: int) -> int:
    """How many records after a trade belong to its line: its fill and the cancel it caused."""
    following = [record.action for record in records[found + 1 : found + 3]]
    if records[found].action == "T" and following == ["F", "C"]:
        return 2
    return 0
