"""One line of a Binance capture: what it is, and where its values begin.

A line is a receive time, then one JSON object as the exchange sent it, bare or wrapped in
``{"stream": …, "data": …}``. The receive time is ns (``1723161254036059768 {…}``) or seconds
(``1633998512.06: {…}``); a line of a REST snapshot may begin with its URL, which then names the
symbol. Prices and quantities aren't read here, for they need their symbol's units.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_u8
from tradecaptain.kernels.market_data.json_text import (
    CLOSE_BRACE,
    COLON,
    COMMA,
    OPEN_BRACE,
    QUOTE,
    packed_name,
    read_integer,
    read_name,
    skip_space,
    skip_value,
)
from tradecaptain.kernels.market_data.layout import PARSE_MALFORMED
from tradecaptain.kernels.market_data.text import parse_digits, parse_seconds_ns

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
LINES: Any = numba.from_dtype(LINE_DTYPE)[::1]

EVENT_DEPTH_UPDATE = packed_name("depthUpdate")
EVENT_BOOK_TICKER = packed_name("bookTicker")
EVENT_TRADE = packed_name("trade")
EVENT_AGGREGATE_TRADE = packed_name("aggTrade")
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
def note_value(key: int, at: int, end: int, line: Any) -> int:
    """Keep what is wanted of one value; where it ends, or negative."""
    outcome = note_identity(key, at, end, line)
    if outcome == 0:
        outcome = note_number(key, at, end, line)
    if outcome < 0:
        # The same letter may hold something else in streams that nobody reads here.
        if (
            line["event"] == EVENT_DEPTH_UPDATE
            or line["event"] == 0
            or line["event"] == EVENT_TRADE
        ):
            return PARSE_MALFORMED
    elif outcome == 0:
        note_place(key, at, line)
    return skip_value(at, end)


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
