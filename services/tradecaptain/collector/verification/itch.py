"""ITCH 5.0: every field against the decoded twin beside the file, else the book of each stock.

Samples that have a twin are cut out of a day, stock by stock and message by message, so their books
are incomplete and prove nothing; a file without a twin must hold together by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from tradecaptain.collector.feeds.capture import text_lines
from tradecaptain.collector.feeds.itch import FIELDS, PRICE_SCALES, ItchMessage, itch_messages
from tradecaptain.collector.feeds.sources import Source, file_error
from tradecaptain.collector.verification.crypto import count_row
from tradecaptain.collector.verification.outcome import Outcome
from tradecaptain.wire import reason

FIELD_DIFFERS = "the field {} differs from the decoded twin"
OFFSET_DIFFERS = "the decoded twin has another message at this place"
UNKNOWN_REFERENCE = "the message names an order that isn't in the book"
OVERDRAWN = "the message takes more than the order holds"
CROSSED = "the best bid is not below the best ask"

_ADDS = ("A", "F")
_TAKES = {"E": "executed_shares", "C": "executed_shares", "X": "cancelled_shares"}


class ItchBooks:
    """Orders by stock and reference number, and shares by price."""

    def __init__(self) -> None:
        self._orders: dict[tuple[int, int], list[Any]] = {}
        self._levels: dict[tuple[int, str], dict[int, int]] = {}

    def apply(self, message: ItchMessage) -> str:
        """Apply one message; why it doesn't fit, or an empty text."""
        fields = message.fields
        if message.kind in _ADDS:
            self._enter(fields, fields["order_reference_number"], fields["buy_sell_indicator"])
            return CROSSED if self._is_crossed(fields["stock_locate"]) else ""
        if message.kind not in _TAKES and message.kind not in ("D", "U"):
            return ""
        key = (fields["stock_locate"], fields["order_reference_number"])
        order = self._orders.get(key)
        if order is None:
            return UNKNOWN_REFERENCE
        if message.kind in _TAKES:
            shares = fields[_TAKES[message.kind]]
            if shares > order[2]:
                return OVERDRAWN
            self._take(key, shares)
            return ""
        self._take(key, order[2])
        if message.kind == "U":
            self._enter(fields, fields["new_order_reference_number"], order[0])
            return CROSSED if self._is_crossed(fields["stock_locate"]) else ""
        return ""

    def _enter(self, fields: dict[str, Any], reference: int, side: str) -> None:
        locate, price, shares = fields["stock_locate"], fields["price"], fields["shares"]
        self._orders[locate, reference] = [side, price, shares]
        levels = self._levels.setdefault((locate, side), {})
        levels[price] = levels.get(price, 0) + shares

    def _take(self, key: tuple[int, int], shares: int) -> None:
        side, price, left = self._orders[key]
        levels = self._levels[key[0], side]
        levels[price] -= shares
        if levels[price] == 0:
            del levels[price]
        if shares == left:
            del self._orders[key]
        else:
            self._orders[key][2] = left - shares

    def _is_crossed(self, locate: int) -> bool:
        bids = self._levels.get((locate, "B"))
        asks = self._levels.get((locate, "S"))
        return bool(bids and asks) and max(bids or ()) >= min(asks or ())


def twin_lines(source: Source) -> Iterator[dict[str, Any]]:
    """Lines of a decoded file; one that isn't JSON is a typed error."""
    for row, line in text_lines(source):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            detail = f"row {row} isn't JSON: {error}"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail) from error


def differing_field(message: ItchMessage, twin: dict[str, Any]) -> str:
    """Name of the first field that isn't what the twin says, or an empty text."""
    for name, form, _ in FIELDS[message.kind]:
        if name not in twin:
            continue
        ours, told = message.fields[name], twin[name]
        scale = PRICE_SCALES.get(form)
        if scale is not None:
            # The twin has dollars in binary; a price of at most eight decimals comes back exactly.
            told = round(told * scale)
        if ours != told:
            return name
    return ""


def verify_itch(source: Source, twin: Source | None, outcome: Outcome) -> None:
    """Check every message of a file."""
    books = ItchBooks()
    lines = twin_lines(twin) if twin is not None else None
    for message in itch_messages(source):
        outcome.source_messages += 1
        why = ""
        if lines is None:
            why = books.apply(message)
        else:
            line = next(lines, None)
            if line is None or line.get("offset") != message.offset:
                why = OFFSET_DIFFERS
            elif line.get("message_type") != message.kind:
                why = FIELD_DIFFERS.format("message_type")
            elif name := differing_field(message, line):
                why = FIELD_DIFFERS.format(name)
        count_row(outcome, bool(why), f"{source.name}@{message.offset}", why)
    if lines is not None and next(lines, None) is not None:
        detail = "the decoded twin goes on after the last message"
        raise file_error(reason.REASON_TRUNCATED_FILE, source.name, detail)
