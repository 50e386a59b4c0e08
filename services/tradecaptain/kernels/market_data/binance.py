"""Binance captures: REST snapshots, depth updates, book tickers and trades, spot and futures.

One line is a receive time, then one JSON object as the exchange sent it, bare or wrapped in
``{"stream": …, "data": …}``. The receive time is ns (``1723161254036059768 {…}``) or seconds
(``1633998512.06: {…}``); a line of a REST snapshot may begin with its URL, which then names the
symbol. Lines that say nothing about a book (subscriptions, other streams) give no message.
Source: Binance API documentation, "How to manage a local order book correctly".
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_u8
from tradecaptain.kernels.market_data.json_text import (
    CLOSE_BRACE,
    CLOSE_BRACKET,
    COLON,
    COMMA,
    OPEN_BRACE,
    OPEN_BRACKET,
    QUOTE,
    packed_name,
    read_decimal_string,
    read_integer,
    read_name,
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
from tradecaptain.kernels.market_data.text import find_line_end, parse_digits, parse_seconds_ns

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

# Where the values of the line at hand begin; zero where the line has none.
LINE_DTYPE = np.dtype(
    [
        ("receive_time_ns", "i8"),
        ("event", "i8"),
        ("event_time", "i8"),
        ("trade_time", "i8"),
        ("name0", "i8"),
        ("name1", "i8"),
        ("name2", "i8"),
        ("first_id", "i8"),
        ("last_id", "i8"),
        ("previous_id", "i8"),
        ("has_previous", "i8"),
        ("snapshot_id", "i8"),
        ("trade_id", "i8"),
        ("is_buyer_maker", "i8"),
        ("bids_at", "i8"),
        ("asks_at", "i8"),
        ("bid_quantity_at", "i8"),
        ("ask_quantity_at", "i8"),
        ("price_at", "i8"),
        ("quantity_at", "i8"),
    ],
    align=True,
)

BINANCE_HEADER: Any = numba.from_dtype(BINANCE_DTYPE)[::1]
SYMBOLS: Any = numba.from_dtype(SYMBOL_DTYPE)[::1]
LINES: Any = numba.from_dtype(LINE_DTYPE)[::1]

_DEPTH_UPDATE = packed_name("depthUpdate")
_BOOK_TICKER = packed_name("bookTicker")
_TRADE = packed_name("trade")
_AGGREGATE_TRADE = packed_name("aggTrade")
_KEY_DATA = packed_name("data")
_KEY_EVENT = packed_name("e")
_KEY_EVENT_TIME = packed_name("E")
_KEY_TRADE_TIME = packed_name("T")
_KEY_SYMBOL = packed_name("s")
_KEY_SYMBOL_LONG = packed_name("symbol")
_KEY_FIRST = packed_name("U")
_KEY_LAST = packed_name("u")
_KEY_PREVIOUS = packed_name("pu")
_KEY_SNAPSHOT = packed_name("lastUpdateId")
_KEY_BIDS = packed_name("bids")
_KEY_ASKS = packed_name("asks")
_KEY_B = packed_name("b")
_KEY_A = packed_name("a")
_KEY_B_QUANTITY = packed_name("B")
_KEY_A_QUANTITY = packed_name("A")
_KEY_PRICE = packed_name("p")
_KEY_QUANTITY = packed_name("q")
_KEY_TRADE_ID = packed_name("t")
_KEY_MAKER = packed_name("m")

_SYMBOL_BYTES_MAX = 24


@inline
def read_symbol(address: int, end: int, stop: int, line: Any) -> int:
    """Pack a symbol up to the byte ``stop``, in capitals; where it ends, or negative."""
    line["name0"] = 0
    line["name1"] = 0
    line["name2"] = 0
    cursor = address
    while cursor < end:
        byte = load_u8(cursor)
        if byte == stop or byte <= 32:
            return cursor if cursor > address else PARSE_MALFORMED
        position = cursor - address
        if position >= _SYMBOL_BYTES_MAX or byte > 126:
            return PARSE_MALFORMED
        if byte >= 97 and byte <= 122:
            byte -= 32
        shift = (position % 8) * 8
        if position < 8:
            line["name0"] |= np.int64(byte) << shift
        elif position < 16:
            line["name1"] |= np.int64(byte) << shift
        else:
            line["name2"] |= np.int64(byte) << shift
        cursor += 1
    return PARSE_MALFORMED


@inline
def epoch_ns(value: int) -> int:
    """A time in ms, µs or ns since 1970, told apart by its size, as ns."""
    if value < 100000000000000:
        return value * 1000000
    if value < 100000000000000000:
        return value * 1000
    return value


@inline
def read_url_symbol(address: int, end: int, line: Any) -> int:
    """Take ``symbol=…`` out of a URL; zero, or negative if there is one that can't be read."""
    cursor = address
    while cursor + 8 < end and load_u8(cursor) > 32:
        # The eight bytes "symbol=" after "?" or "&".
        if (
            load_u8(cursor) == 115
            and load_u8(cursor + 1) == 121
            and load_u8(cursor + 5) == 108
            and load_u8(cursor + 6) == 61
        ):
            return min(read_symbol(cursor + 7, end, 38, line), 0)
        cursor += 1
    return 0


@inline
def read_prefix(start: int, end: int, line: Any) -> int:
    """Read what stands before the object; its address, zero if there is none, or negative."""
    cursor = start
    first = load_u8(cursor)
    if first == 119 or first == 104:
        if read_url_symbol(cursor, end, line) < 0:
            return PARSE_MALFORMED
        while cursor < end and load_u8(cursor) > 32:
            cursor += 1
        cursor += 1
        # Only an answer ("->") carries data; "<-" is what was sent, "<->" a connection.
        if cursor + 3 >= end or load_u8(cursor) != 45 or load_u8(cursor + 1) != 62:
            return 0
        cursor += 3
    digits_start = cursor
    value, cursor = parse_digits(cursor, end)
    if cursor < 0 and cursor == PARSE_MALFORMED:
        return PARSE_MALFORMED
    if cursor < 0 or cursor - digits_start >= 16:
        value, cursor = parse_nanoseconds(digits_start, end)
        if cursor < 0:
            return PARSE_MALFORMED
    else:
        value, cursor = parse_seconds_ns(digits_start, end)
        if cursor < 0:
            return PARSE_MALFORMED
        if cursor < end and load_u8(cursor) == COLON:
            cursor += 1
    line["receive_time_ns"] = value
    cursor = skip_space(cursor, end)
    if cursor >= end:
        return 0
    return cursor


@inline
def parse_nanoseconds(address: int, end: int) -> tuple[int, int]:
    """Read a time of 16 to 19 digits."""
    value = 0
    cursor = address
    while cursor < end:
        digit = load_u8(cursor) - 48
        if digit < 0 or digit > 9:
            break
        if cursor - address >= 19 or value > 900000000000000000:
            return 0, PARSE_MALFORMED
        value = value * 10 + digit
        cursor += 1
    return value, cursor


@inline
def note_identity(key: int, at: int, end: int, line: Any) -> int:
    """Keep the value of a key that says what the line is; 1 if it was one, or negative."""
    if key == _KEY_EVENT:
        packed, cursor = read_name(at, end)
        line["event"] = packed
        return 1 if cursor > 0 else PARSE_MALFORMED
    if key in (_KEY_SYMBOL, _KEY_SYMBOL_LONG):
        if at >= end or load_u8(at) != QUOTE:
            return PARSE_MALFORMED
        return 1 if read_symbol(at + 1, end, QUOTE, line) > 0 else PARSE_MALFORMED
    return 0


@inline
def note_number(key: int, at: int, end: int, line: Any) -> int:
    """Keep the value of a key that holds an integer; 1 if it was one, or negative."""
    is_known = key in (_KEY_EVENT_TIME, _KEY_TRADE_TIME, _KEY_FIRST)
    is_known = is_known or key in (_KEY_LAST, _KEY_PREVIOUS)
    is_known = is_known or key in (_KEY_SNAPSHOT, _KEY_TRADE_ID)
    if not is_known:
        return 0
    value, cursor = read_integer(at, end)
    if cursor < 0 or value < 0:
        return PARSE_MALFORMED
    if key == _KEY_EVENT_TIME:
        line["event_time"] = value
    elif key == _KEY_TRADE_TIME:
        line["trade_time"] = value
    elif key == _KEY_FIRST:
        line["first_id"] = value
    elif key == _KEY_LAST:
        line["last_id"] = value
    elif key == _KEY_PREVIOUS:
        line["previous_id"] = value
        line["has_previous"] = 1
    elif key == _KEY_SNAPSHOT:
        line["snapshot_id"] = value
    else:
        line["trade_id"] = value
    return 1


@inline
def note_place(key: int, at: int, line: Any) -> None:
    """Keep where the value of a key begins, for those that are read later."""
    if key in (_KEY_B, _KEY_BIDS):
        line["bids_at"] = at
    elif key in (_KEY_A, _KEY_ASKS):
        line["asks_at"] = at
    elif key == _KEY_B_QUANTITY:
        line["bid_quantity_at"] = at
    elif key == _KEY_A_QUANTITY:
        line["ask_quantity_at"] = at
    elif key == _KEY_PRICE:
        line["price_at"] = at
    elif key == _KEY_QUANTITY:
        line["quantity_at"] = at
    elif key == _KEY_MAKER:
        line["is_buyer_maker"] = 1 if load_u8(at) == 116 else 0


@inline
def scan_object(start: int, end: int, line: Any) -> int:
    """Walk the line's object, stepping into ``data``; zero or a negative reason."""
    depth = 0
    cursor = skip_space(start, end)
    if cursor >= end or load_u8(cursor) != OPEN_BRACE:
        return PARSE_MALFORMED
    cursor = skip_space(cursor + 1, end)
    depth = 1
    expects_key = True
    while depth > 0:
        if cursor >= end:
            return PARSE_MALFORMED
        byte = load_u8(cursor)
        if byte == CLOSE_BRACE:
            depth -= 1
            cursor = skip_space(cursor + 1, end)
            expects_key = False
            continue
        if not expects_key:
            if byte != COMMA:
                return PARSE_MALFORMED
            cursor = skip_space(cursor + 1, end)
        key, cursor = read_name(cursor, end)
        if cursor < 0:
            return PARSE_MALFORMED
        cursor = skip_space(cursor, end)
        if cursor >= end or load_u8(cursor) != COLON:
            return PARSE_MALFORMED
        at = skip_space(cursor + 1, end)
        if at >= end:
            return PARSE_MALFORMED
        if key == _KEY_DATA and depth == 1 and load_u8(at) == OPEN_BRACE:
            depth += 1
            expects_key = True
            cursor = skip_space(at + 1, end)
            continue
        cursor = note_value(key, at, end, line)
        if cursor < 0:
            return PARSE_MALFORMED
        cursor = skip_space(cursor, end)
        expects_key = False
    return 0 if cursor == end else PARSE_MALFORMED


@inline
def note_value(key: int, at: int, end: int, line: Any) -> int:
    """Keep what is wanted of one value; where it ends, or negative."""
    outcome = note_identity(key, at, end, line)
    if outcome == 0:
        outcome = note_number(key, at, end, line)
    if outcome < 0:
        # The same letter may hold something else in streams that nobody reads here.
        if line["event"] == _DEPTH_UPDATE or line["event"] == 0 or line["event"] == _TRADE:
            return PARSE_MALFORMED
    elif outcome == 0:
        note_place(key, at, line)
    return skip_value(at, end)


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
def clear_line(line: Any) -> None:
    """Forget the line before."""
    line["receive_time_ns"] = 0
    line["event"] = 0
    line["event_time"] = 0
    line["trade_time"] = 0
    line["name0"] = 0
    line["name1"] = 0
    line["name2"] = 0
    line["first_id"] = 0
    line["last_id"] = 0
    line["previous_id"] = 0
    line["has_previous"] = 0
    line["snapshot_id"] = 0
    line["trade_id"] = 0
    line["is_buyer_maker"] = 0
    line["bids_at"] = 0
    line["asks_at"] = 0
    line["bid_quantity_at"] = 0
    line["ask_quantity_at"] = 0
    line["price_at"] = 0
    line["quantity_at"] = 0


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
    is_depth = line["snapshot_id"] > 0 or event == _DEPTH_UPDATE
    has_quote = line["bid_quantity_at"] > 0 and line["ask_quantity_at"] > 0
    is_quote = event == _BOOK_TICKER or (event == 0 and has_quote)
    is_trade = event in (_TRADE, _AGGREGATE_TRADE)
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
