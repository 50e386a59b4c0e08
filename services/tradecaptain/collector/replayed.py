"""Which instruments vendor files are about."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from tradecaptain.base.instruments import Calendar, Instrument, InstrumentType, TickBand, TickTable
from tradecaptain.base.reference_file import default_reference
from tradecaptain.base.reference_toml import SYMBOL
from tradecaptain.collector.feeds.binance import VENDOR_DECIMALS, BinanceFeed
from tradecaptain.collector.feeds.lobster import LobsterFeed
from tradecaptain.collector.feeds.recognise import ContentKind, recognise
from tradecaptain.collector.feeds.sources import Source, file_error, open_sources
from tradecaptain.kernels.market_data.layout import (
    FEED_MESSAGE_DTYPE,
    MESSAGE_LEVEL,
    MESSAGE_TRADE,
)
from tradecaptain.wire import reason

LOBSTER_MIC = "XNAS"
BINANCE_MIC = "BINANCE"
LOBSTER_DECIMALS = 4
UNNAMED_SYMBOL = "REPLAY"

_GRID_SINCE = datetime.date(2000, 1, 1)
_LOBSTER_TICK_UNITS = 100
_PRICE_RANGE = 20
_QUANTITY_MAX = 10**15
_NOTIONAL_UNITS_MAX = 2**63 - 1
_INSPECTED_MESSAGES = 2_000_000
_SYMBOL_MESSAGES = 200_000
_QUOTE_ASSETS = ("USDT", "USDC", "BUSD", "FDUSD", "USD", "EUR", "BTC", "ETH", "BNB")


def lobster_pairs(files: Sequence[Path]) -> list[tuple[Source, Source]]:
    """The message and order book streams of LOBSTER files; see :func:`pair_by_name`."""
    kinds = _recognised(files)
    messages = [source for kind, source in kinds if kind is ContentKind.LOBSTER_MESSAGES]
    books = [source for kind, source in kinds if kind is ContentKind.LOBSTER_BOOK]
    pairs: list[tuple[Source, Source]] = []
    for source in messages:
        match = pair_by_name(source, books)
        if match is None:
            detail = "there is no order book file beside the message file"
            raise file_error(reason.REASON_UNRECOGNISED_FILE, source.name, detail)
        books.remove(match)
        pairs.append((source, match))
    return pairs


def pair_by_name(messages: Source, books: list[Source]) -> Source | None:
    """The order book file of a message file: by name, else of the same archive, else the first."""
    wanted = messages.name.replace("_message_", "_orderbook_")
    for book in books:
        if book.name == wanted:
            return book
    for book in books:
        if book.path == messages.path:
            return book
    is_plain = "!" not in messages.name
    return books[0] if is_plain and books else None


def binance_sources(files: Sequence[Path]) -> list[Source]:
    """The Binance captures among files."""
    return [source for kind, source in _recognised(files) if kind is ContentKind.BINANCE]


def _recognised(files: Sequence[Path]) -> list[tuple[ContentKind, Source]]:
    """Kind and stream of everything that can be replayed; other files are refused."""
    found: list[tuple[ContentKind, Source]] = []
    playable = (ContentKind.LOBSTER_MESSAGES, ContentKind.LOBSTER_BOOK, ContentKind.BINANCE)
    for path in files:
        kinds = [(recognise(source.head()), source) for source in open_sources(path)]
        useful = [pair for pair in kinds if pair[0] in playable]
        if not useful:
            names = sorted({kind.value for kind, _ in kinds})
            detail = f"can't be replayed: the content is {' and '.join(names) or 'empty'}"
            raise file_error(reason.REASON_UNRECOGNISED_FILE, str(path), detail)
        found += useful
    return found


def replayed_instruments(files: Sequence[Path]) -> list[Instrument]:
    """The mirror instrument of every symbol in vendor files.

    The instrument id is a placeholder. Raises a typed error for a file that can't be replayed.
    """
    calendars = {item.calendar.name: item.calendar for item in default_reference().instruments}
    found: dict[str, Instrument] = {}
    for messages, book in lobster_pairs(files):
        feed = LobsterFeed(messages, book)
        feed.close()
        symbol = _checked_symbol(feed.symbol or UNNAMED_SYMBOL, feed.name)
        instrument = _lobster_instrument(symbol, calendars["us_equities"])
        found.setdefault(instrument.key, instrument)
    prices: dict[str, tuple[int, int]] = {}
    for source in binance_sources(files):
        # Snapshots and updates of one symbol may lie in different files, with different decimals.
        for symbol, (decimals, highest) in _binance_prices(source).items():
            known = prices.get(_checked_symbol(symbol, source.name), (0, 0))
            prices[symbol] = (max(known[0], decimals), max(known[1], highest))
    for symbol, told in prices.items():
        instrument = _binance_instrument(symbol, *told, calendars["always_open"])
        found.setdefault(instrument.key, instrument)
    return list(found.values())


def _checked_symbol(symbol: str, name: str) -> str:
    """A symbol that reference data may hold; no later start could read it with any other."""
    if not re.fullmatch(SYMBOL, symbol):
        detail = f"its symbol {symbol!r} isn't of the form {SYMBOL}"
        raise file_error(reason.REASON_UNRECOGNISED_FILE, name, detail)
    return symbol


def _lobster_instrument(symbol: str, calendar: Calendar) -> Instrument:
    band = TickBand(from_price_units=0, increment_units=_LOBSTER_TICK_UNITS)
    return Instrument(
        instrument_id=1,
        symbol=symbol,
        mic=LOBSTER_MIC,
        name=f"{symbol} (replayed)",
        type=InstrumentType.EQUITY,
        price_unit=Fraction(1, 10**LOBSTER_DECIMALS),
        quantity_unit=Fraction(1),
        tick_tables=(TickTable(_GRID_SINCE, _midnight_ns(_GRID_SINCE), (band,)),),
        lot_units=1,
        minimum_order_units=1,
        maximum_order_units=10_000_000,
        minimum_price_units=1,
        maximum_price_units=200_000 * 10**LOBSTER_DECIMALS,
        currency="USD",
        settlement_currency="USD",
        calendar=calendar,
        source="lobster",
    )


def _binance_prices(source: Source) -> dict[str, tuple[int, int]]:
    """By symbol the decimals that hold all its prices, and the highest of them in 1e-8."""
    feed = BinanceFeed(source)
    batch = np.zeros(65_536, dtype=FEED_MESSAGE_DTYPE)
    decimals: dict[int, tuple[int, int]] = {}
    seen = 0
    try:
        while seen < _INSPECTED_MESSAGES and (count := feed.decode(batch)):
            seen += count
            numbers = batch[:count]
            kinds = numbers["message_type"]
            numbers = numbers[(kinds == MESSAGE_LEVEL) | (kinds == MESSAGE_TRADE)]
            for index in np.unique(numbers["book_index"]).tolist():
                own = numbers[numbers["book_index"] == index]
                price, highest = decimals.get(index, (0, 0))
                decimals[index] = (
                    max(price, _decimals_of(own["price_units"])),
                    max(highest, int(own["price_units"].max())),
                )
    finally:
        feed.close()
    symbols = feed.symbol_names()
    return {symbols[index]: decimals[index] for index in sorted(decimals) if index < len(symbols)}


def binance_symbols(source: Source) -> set[str]:
    """Symbols that a capture tells of, by its first messages."""
    feed = BinanceFeed(source)
    batch = np.zeros(65_536, dtype=FEED_MESSAGE_DTYPE)
    seen = 0
    try:
        while seen < _SYMBOL_MESSAGES and (count := feed.decode(batch)):
            seen += count
    finally:
        feed.close()
    return set(feed.symbol_names())


def _decimals_of(units: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Decimals that numbers counted in 1e-8 need."""
    for decimals in range(VENDOR_DECIMALS):
        if not np.any(units % 10 ** (VENDOR_DECIMALS - decimals)):
            return decimals
    return VENDOR_DECIMALS


def _binance_instrument(
    symbol: str, price_decimals: int, highest: int, calendar: Calendar
) -> Instrument:
    quote = next((asset for asset in _QUOTE_ASSETS if symbol.split("_")[0].endswith(asset)), "USD")
    highest_units = highest // 10 ** (VENDOR_DECIMALS - price_decimals)
    maximum_price_units = max(highest_units, 1) * _PRICE_RANGE
    table = TickTable(_GRID_SINCE, _midnight_ns(_GRID_SINCE), (TickBand(0, 1),))
    return Instrument(
        instrument_id=1,
        symbol=symbol,
        mic=BINANCE_MIC,
        name=f"{symbol} (replayed)",
        type=InstrumentType.FUTURE if "_" in symbol else InstrumentType.CRYPTO,
        price_unit=Fraction(1, 10**price_decimals),
        # Levels carry quantities off the lot, so the vendor's finest decimal is the unit.
        quantity_unit=Fraction(1, 10**VENDOR_DECIMALS),
        tick_tables=(table,),
        lot_units=1,
        minimum_order_units=1,
        maximum_order_units=min(_QUANTITY_MAX, _NOTIONAL_UNITS_MAX // maximum_price_units),
        minimum_price_units=1,
        maximum_price_units=maximum_price_units,
        currency=quote,
        settlement_currency=quote,
        calendar=calendar,
        source="binance",
    )


def _midnight_ns(day: datetime.date) -> int:
    midnight = datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
    return int(midnight.timestamp()) * 1_000_000_000
