"""Binance captures as feed messages, in the order in which the book takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tradecaptain.collector.feeds.sources import Source, TextWindow, file_error
from tradecaptain.kernels.market_data.binance import (
    BINANCE_DTYPE,
    SYMBOL_DTYPE,
    binance_decode,
)
from tradecaptain.kernels.market_data.binance_line import LINE_DTYPE
from tradecaptain.kernels.market_data.layout import (
    FEED_MESSAGE_DTYPE,
    PARSE_MALFORMED,
    PARSE_TEXT,
)
from tradecaptain.kernels.market_data.level_sequence import (
    SEQUENCE_DTYPE,
    level_sequence_messages,
)
from tradecaptain.wire import reason

SYMBOL_COUNT_MAX = 64
VENDOR_DECIMALS = 8
PENDING_PER_BOOK = 16384
DECODE_BATCH = 16384
NAME_WORDS = ("name0", "name1", "name2")


@dataclass(frozen=True, slots=True)
class SymbolUnits:
    """A symbol of the venue, and the decimals of its price and quantity unit."""

    symbol: str
    price_decimals: int
    quantity_decimals: int
    book_index: int = 0


def pack_symbol(symbol: str) -> tuple[int, int, int]:
    """A symbol as three words of eight bytes."""
    raw = symbol.encode("ascii").ljust(24, b"\0")
    return (
        int.from_bytes(raw[:8], "little"),
        int.from_bytes(raw[8:16], "little"),
        int.from_bytes(raw[16:24], "little"),
    )


def unpack_symbol(record: Any) -> str:
    """The symbol of a record of the symbol table."""
    raw = b"".join(int(record[word]).to_bytes(8, "little") for word in NAME_WORDS)
    return raw.rstrip(b"\0").decode("ascii")


class BinanceFeed:
    """Decodes one capture. Without ``symbols`` it adopts those that appear, at 8 decimals each."""

    def __init__(self, source: Source, symbols: tuple[SymbolUnits, ...] = ()) -> None:
        self.name = source.name
        self.window = TextWindow(source)
        self.header = np.zeros(1, dtype=BINANCE_DTYPE)
        self.symbols = np.zeros(len(symbols) or SYMBOL_COUNT_MAX, dtype=SYMBOL_DTYPE)
        self.header["adopts_symbols"] = not symbols
        self.header["symbol_count"] = len(symbols)
        self.symbols["price_decimals"] = VENDOR_DECIMALS
        self.symbols["quantity_decimals"] = VENDOR_DECIMALS
        for index, units in enumerate(symbols):
            record = self.symbols[index]
            record["name0"], record["name1"], record["name2"] = pack_symbol(units.symbol)
            record["price_decimals"] = units.price_decimals
            record["quantity_decimals"] = units.quantity_decimals
            record["book_index"] = units.book_index
        self._line = np.zeros(1, dtype=LINE_DTYPE)

    @property
    def rows(self) -> int:
        """Lines decoded so far."""
        return int(self.header[0]["row"])

    def symbol_names(self) -> list[str]:
        """Symbols seen so far, by book index."""
        return [unpack_symbol(self.symbols[i]) for i in range(int(self.header[0]["symbol_count"]))]

    def share_symbols(self, other: BinanceFeed) -> None:
        """Use the symbol table of another capture of the same session, as it stands now."""
        self.symbols = other.symbols
        self.header["symbol_count"] = other.header["symbol_count"]

    def decode(self, messages: np.ndarray[Any, Any]) -> int:
        """Fill ``messages`` with what comes next; zero at the end.

        Raises REASON_MALFORMED_FILE or REASON_TRUNCATED_FILE with the row.
        """
        header = self.header[0]
        while True:
            header["cursor"] = self.window.address
            header["end"] = self.window.end_address
            header["is_final"] = self.window.is_final
            count = int(binance_decode(self.header, self.symbols, self._line, messages))
            self.window.consume(int(header["cursor"]))
            if count > 0:
                return count
            if header["error"] < 0:
                self._raise_for_row(int(header["error"]))
            if self.window.is_final and self.window.address == self.window.end_address:
                return 0
            if not self.window.fill():
                self._raise_for_row(PARSE_MALFORMED)

    def close(self) -> None:
        """Close the file."""
        self.window.close()

    def _raise_for_row(self, error: int) -> None:
        row = self.rows + 1
        if self.window.is_final and b"\n" not in self.window.text(8 << 20):
            detail = f"row {row} is cut off"
            raise file_error(reason.REASON_TRUNCATED_FILE, self.name, detail)
        detail = f"row {row}: {PARSE_TEXT.get(error, PARSE_TEXT[PARSE_MALFORMED])}"
        raise file_error(reason.REASON_MALFORMED_FILE, self.name, detail)


class LevelSequencer:
    """Orders the messages of a level feed around its snapshots; see the kernel."""

    def __init__(self, book_count: int) -> None:
        self.states = np.zeros(book_count, dtype=SEQUENCE_DTYPE)
        self.states["pending_capacity"] = PENDING_PER_BOOK
        self.states["pending_offset"] = np.arange(book_count) * PENDING_PER_BOOK
        self._pending = np.zeros(book_count * PENDING_PER_BOOK, dtype=FEED_MESSAGE_DTYPE)
        self.output = np.zeros(2 * PENDING_PER_BOOK, dtype=FEED_MESSAGE_DTYPE)

    def order(self, messages: np.ndarray[Any, Any], start: int, end: int) -> tuple[int, int]:
        """Order a range into ``output``: how many were taken, how many came out."""
        return level_sequence_messages(
            self.states, messages, start, end, self._pending, self.output
        )


class OrderedBinanceFeed:
    """A capture whose updates are in order around their snapshots, ready for the books."""

    def __init__(self, source: Source, symbols: tuple[SymbolUnits, ...], book_count: int) -> None:
        self._feed = BinanceFeed(source, symbols)
        self.name = source.name
        self._sequencer = LevelSequencer(book_count)
        self._raw = np.zeros(DECODE_BATCH, dtype=FEED_MESSAGE_DTYPE)
        self._raw_position = 0
        self._raw_count = 0
        self._ready_position = 0
        self._ready_count = 0

    def decode(self, messages: np.ndarray[Any, Any]) -> int:
        """Fill ``messages`` with what comes next; zero at the end."""
        while self._ready_position == self._ready_count:
            if self._raw_position == self._raw_count:
                self._raw_count = self._feed.decode(self._raw)
                self._raw_position = 0
                if self._raw_count == 0:
                    return 0
            taken, self._ready_count = self._sequencer.order(
                self._raw, self._raw_position, self._raw_count
            )
            self._raw_position += taken
            self._ready_position = 0
        count = min(len(messages), self._ready_count - self._ready_position)
        ready = self._sequencer.output[self._ready_position : self._ready_position + count]
        messages[:count] = ready
        self._ready_position += count
        return count

    def close(self) -> None:
        """Close the file."""
        self._feed.close()
