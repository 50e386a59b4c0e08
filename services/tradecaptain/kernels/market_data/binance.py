"""Binance captures: REST snapshots, depth updates, book tickers and trades, spot and futures.

:mod:`tradecaptain.kernels.market_data.binance_line` finds what a line holds; here it becomes feed
messages. Lines that say nothing about a book (subscriptions, other streams) give no message.
Source: Binance API documentation, "How to manage a local order book correctly".
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_u8
from tradecaptain.kernels.market_data.binance_line import (
    EVENT_AGGREGATE_TRADE,
    EVENT_BOOK_TICKER,
    EVENT_DEPTH_UPDATE,
    EVENT_TRADE,
    LINES,
    clear_line,
    read_prefix,
    scan_object,
)
from tradecaptain.kernels.market_data.json_text import (
    CLOSE_BRACKET,
    COMMA,
    OPEN_BRACKET,
    read_decimal_string,
    skip_space,
    skip_value,
)
from tradecaptain.kernels.market_data.layout import (
    FEED_MESSAGES,
    FLAG_LAST,
    FLAG_PREVIOUS_SEQUENCE,
    FLAG_SNAPSHOT,
    MESSAGE_LEVEL,
    MESSAGE_QUOTE,
    MESSAGE_SNAPSHOT,
    MESSAGE_TRADE,
    MESSAGE_UPDATE,
    PARSE_MALFORMED,
    PARSE_OUTPUT_FULL,
    SIDE_BUY,
    SIDE_SELL,
    SIDE_UNSET,
)
from tradecaptain.kernels.market_data.text import find_line_end

BINANCE_DTYPE = np.dtype(
    [
        ("cursor", "i8"),  # addresses of what is still to be read
        ("end", "i8"),
        ("is_final", "i8"),
        ("row", "i8"),  # lines decoded
        ("ignored_rows", "i8"),  # lines that say nothing about a known book
        ("symbol_count", "i8"),
        ("adopts_symbols", "i8"),  # one to enter symbols as they appear
        ("error", "i8"),
    ],
    align=True,
)

# A symbol and the units of its numbers. The name is packed eight bytes a word.
SYMBOL_DTYPE = np.dtype(
    [
        ("name0", "i8"),
        ("name1", "i8"),
        ("name2", "i8"),
        ("price_decimals", "i8"),
        ("quantity_decimals", "i8"),
        ("book_index", "i8"),
    ],
    align=True,
)

BINANCE_HEADER: Any = numba.from_dtype(BINANCE_DTYPE)[::1]
SYMBOLS: Any = numba.from_dtype(SYMBOL_DTYPE)[::1]


@inline
def epoch_ns(value: int) -> int:
    """A time in ms, µs or ns since 1970, told apart by its size, as ns."""
    if value < 100000000000000:
        return value * 1000000
    if value < 100000000000000000:
        return value * 1000
    return value


@inline
def find_symbol(header: Any, symbols: Any, line: Any) -> int:
    """Index of the line's symbol, entered if it is new and may be; -1 if it isn't ours.

    A spot snapshot names no symbol: it belongs to the only one of the capture.
    """
    count = header[0]["symbol_count"]
    if line["name0"] == 0:
        return 0 if count <= 1 and len(symbols) > 0 else -1
    for index in range(count):
        if (
            symbols[index]["name0"] == line["name0"]
            and symbols[index]["name1"] == line["name1"]
            and symbols[index]["name2"] == line["name2"]
        ):
            return index
    if header[0]["adopts_symbols"] == 0 or count >= len(symbols):
        return -1
    symbols[count]["name0"] = line["name0"]
    symbols[count]["name1"] = line["name1"]
    symbols[count]["name2"] = line["name2"]
    symbols[count]["book_index"] = count
    header[0]["symbol_count"] = count + 1
    return count


@inline
def begin_message(message: Any, header: Any, line: Any, symbol: Any, kind: int) -> None:
    """Fill a message with what all messages of the line share."""
    event_time = line["trade_time"] if line["trade_time"] > 0 else line["event_time"]
    message["receive_time_ns"] = line["receive_time_ns"]
    if event_time > 0:
        message["event_time_ns"] = epoch_ns(event_time)
    else:
        message["event_time_ns"] = line["receive_time_ns"]
    message["reference_id"] = 0
    message["price_units"] = 0
    message["quantity_units"] = 0
    message["vendor_sequence"] = line["last_id"]
    message["row"] = header[0]["row"] + 1
    message["book_index"] = symbol["book_index"]
    message["message_type"] = kind
    message["side"] = SIDE_UNSET
    message["flags"] = 0


@inline
def read_levels(at: int, end: int, symbol: Any, messages: Any, count: int, side: int) -> int:
    """Append a message for each ``[price, quantity]`` of an array; the new count or negative.

    ``messages[count]`` holds the envelope for the first of them.
    """
    if at == 0 or load_u8(at) != OPEN_BRACKET:
        return PARSE_MALFORMED
    cursor = skip_space(at + 1, end)
    used = count
    while True:
        if cursor >= end:
            return PARSE_MALFORMED
        byte = load_u8(cursor)
        if byte == CLOSE_BRACKET and used == count:
            return used
        if byte != OPEN_BRACKET:
            return PARSE_MALFORMED
        price, cursor = read_decimal_string(
            skip_space(cursor + 1, end), end, symbol["price_decimals"]
        )
        if cursor < 0:
            return cursor
        cursor = skip_space(cursor, end)
        if cursor >= end or load_u8(cursor) != COMMA:
            return PARSE_MALFORMED
        quantity, cursor = read_decimal_string(
            skip_space(cursor + 1, end), end, symbol["quantity_decimals"]
        )
        if cursor < 0:
            return cursor
        cursor = skip_space(cursor, end)
        if cursor < end and load_u8(cursor) == COMMA:
            # Old captures carry an empty third element.
            cursor = skip_space(skip_value(skip_space(cursor + 1, end), end), end)
            if cursor < 0:
                return PARSE_MALFORMED
        if cursor >= end or load_u8(cursor) != CLOSE_BRACKET or quantity < 0:
            return PARSE_MALFORMED
        if used + 1 >= len(messages):
            return PARSE_OUTPUT_FULL
        copy_envelope_of_level(messages, used)
        messages[used]["side"] = side
        messages[used]["price_units"] = price
        messages[used]["quantity_units"] = quantity
        used += 1
        cursor = skip_space(cursor + 1, end)
        if cursor >= end:
            return PARSE_MALFORMED
        byte = load_u8(cursor)
        if byte == CLOSE_BRACKET:
            return used
        if byte != COMMA:
            return PARSE_MALFORMED
        cursor = skip_space(cursor + 1, end)


@inline
def copy_envelope_of_level(messages: Any, index: int) -> None:
    """Take over the envelope of the message before as that of a level."""
    source = messages[index - 1]
    messages[index]["event_time_ns"] = source["event_time_ns"]
    messages[index]["receive_time_ns"] = source["receive_time_ns"]
    messages[index]["vendor_sequence"] = source["vendor_sequence"]
    messages[index]["reference_id"] = 0
    messages[index]["row"] = source["row"]
    messages[index]["book_index"] = source["book_index"]
    messages[index]["message_type"] = MESSAGE_LEVEL
    messages[index]["flags"] = source["flags"] & FLAG_SNAPSHOT


@inline
def write_depth(header: Any, line: Any, symbol: Any, messages: Any, count: int, end: int) -> int:
    """Messages of a snapshot or a depth update; the new count or a negative reason."""
    is_snapshot = line["snapshot_id"] > 0
    kind = MESSAGE_SNAPSHOT if is_snapshot else MESSAGE_UPDATE
    begin_message(messages[count], header, line, symbol, kind)
    if is_snapshot:
        messages[count]["vendor_sequence"] = line["snapshot_id"]
        messages[count]["flags"] = FLAG_SNAPSHOT
    elif line["last_id"] == 0 or line["first_id"] > line["last_id"]:
        return PARSE_MALFORMED
    elif line["has_previous"] != 0:
        messages[count]["reference_id"] = line["previous_id"]
        messages[count]["flags"] = FLAG_PREVIOUS_SEQUENCE
    else:
        messages[count]["reference_id"] = line["first_id"]
    used = read_levels(line["bids_at"], end, symbol, messages, count + 1, SIDE_BUY)
    if used < 0:
        return used
    used = read_levels(line["asks_at"], end, symbol, messages, used, SIDE_SELL)
    if used < 0:
        return used
    messages[used - 1]["flags"] |= FLAG_LAST
    return used


@inline
def write_quote(header: Any, line: Any, symbol: Any, messages: Any, count: int, end: int) -> int:
    """Messages of a book ticker: the bid, then the ask."""
    if line["bids_at"] == 0 or line["asks_at"] == 0:
        return PARSE_MALFORMED
    if line["bid_quantity_at"] == 0 or line["ask_quantity_at"] == 0 or line["last_id"] == 0:
        return PARSE_MALFORMED
    if count + 2 > len(messages):
        return PARSE_OUTPUT_FULL
    for index in range(2):
        message = messages[count + index]
        begin_message(message, header, line, symbol, MESSAGE_QUOTE)
        price_at = line["bids_at"] if index == 0 else line["asks_at"]
        quantity_at = line["bid_quantity_at"] if index == 0 else line["ask_quantity_at"]
        price, cursor = read_decimal_string(price_at, end, symbol["price_decimals"])
        if cursor < 0:
            return cursor
        quantity, cursor = read_decimal_string(quantity_at, end, symbol["quantity_decimals"])
        if cursor < 0:
            return cursor
        message["side"] = SIDE_BUY if index == 0 else SIDE_SELL
        message["price_units"] = price
        message["quantity_units"] = quantity
    messages[count + 1]["flags"] = FLAG_LAST
    return count + 2


@inline
def write_trade(header: Any, line: Any, symbol: Any, messages: Any, count: int, end: int) -> int:
    """Message of a trade or an aggregate trade."""
    if line["price_at"] == 0 or line["quantity_at"] == 0:
        return PARSE_MALFORMED
    message = messages[count]
    begin_message(message, header, line, symbol, MESSAGE_TRADE)
    price, cursor = read_decimal_string(line["price_at"], end, symbol["price_decimals"])
    if cursor < 0:
        return cursor
    quantity, cursor = read_decimal_string(line["quantity_at"], end, symbol["quantity_decimals"])
    if cursor < 0:
        return cursor
    message["reference_id"] = line["trade_id"]
    message["price_units"] = price
    message["quantity_units"] = quantity
    # The buyer made the price, so the seller took it.
    message["side"] = SIDE_SELL if line["is_buyer_maker"] != 0 else SIDE_BUY
    message["flags"] = FLAG_LAST
    return count + 1


@inline
def decode_line(
    header: Any, symbols: Any, line: Any, start: int, end: int, messages: Any, count: int
) -> int:
    """Decode one line; the new count of messages or a negative reason."""
    clear_line(line)
    at = read_prefix(start, end, line)
    if at <= 0:
        return count if at == 0 else at
    if load_u8(at) == OPEN_BRACKET:
        return count
    problem = scan_object(at, end, line)
    if problem < 0:
        return problem
    event = line["event"]
    is_depth = line["snapshot_id"] > 0 or event == EVENT_DEPTH_UPDATE
    has_quote = line["bid_quantity_at"] > 0 and line["ask_quantity_at"] > 0
    is_quote = event == EVENT_BOOK_TICKER or (event == 0 and has_quote)
    is_trade = event in (EVENT_TRADE, EVENT_AGGREGATE_TRADE)
    if not is_depth and not is_quote and not is_trade:
        return count
    index = find_symbol(header, symbols, line)
    if index < 0:
        return count
    symbol = symbols[index]
    if is_depth:
        return write_depth(header, line, symbol, messages, count, end)
    if is_quote:
        return write_quote(header, line, symbol, messages, count, end)
    return write_trade(header, line, symbol, messages, count, end)


@kernel(numba.int64(BINANCE_HEADER, SYMBOLS, LINES, FEED_MESSAGES))
def binance_decode(header: Any, symbols: Any, lines: Any, messages: Any) -> int:
    """Decode lines until the text or the room for messages ends.

    Returns the number of messages. The cursor stays on the first line that wasn't decoded; if it
    can't be, ``header.error`` says why and the line is ``header.row + 1``.
    """
    count = 0
    header[0]["error"] = 0
    while count + 2 <= len(messages):
        start = header[0]["cursor"]
        if start >= header[0]["end"]:
            break
        line_end = find_line_end(start, header[0]["end"])
        if line_end == header[0]["end"] and header[0]["is_final"] == 0:
            break
        content_end = line_end
        while content_end > start and load_u8(content_end - 1) <= 32:
            content_end -= 1
        result = count
        if content_end > start:
            result = decode_line(header, symbols, lines[0], start, content_end, messages, count)
        if result < 0:
            if result != PARSE_OUTPUT_FULL or count == 0:
                header[0]["error"] = result
            break
        if result == count:
            header[0]["ignored_rows"] += 1
        count = result
        header[0]["row"] += 1
        header[0]["cursor"] = min(line_end + 1, header[0]["end"])
    return count
