"""LOBSTER files: a message line and the order book line beside it.

Message line: ``time, type, order id, size, price, direction``; times are seconds after midnight,
prices dollars times 10,000, direction 1 for a buy order and -1 for a sell order. Order book line:
``ask price, ask size, bid price, bid size`` for each level, the best first; an absent level has
price 9999999999 or -9999999999 and size 0. Source: LOBSTER_SampleFiles_ReadMe.txt of the vendor.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, inline_always, kernel
from tradecaptain.base.memory import load_u8
from tradecaptain.kernels.market_data.layout import (
    FEED_MESSAGES,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MESSAGE_ADD,
    MESSAGE_CROSS,
    MESSAGE_DELETE,
    MESSAGE_EXECUTE,
    MESSAGE_EXECUTE_HIDDEN,
    MESSAGE_HALT,
    MESSAGE_LEVEL,
    MESSAGE_REDUCE,
    MESSAGE_REVEAL,
    MESSAGE_SNAPSHOT,
    PARSE_MALFORMED,
    PARSE_OUTPUT_FULL,
    SIDE_BUY,
    SIDE_SELL,
    SIDE_UNSET,
)
from tradecaptain.kernels.market_data.lobster_line import (
    UNUSUAL,
    read_deepest_level,
    read_message_line,
)
from tradecaptain.kernels.market_data.text import (
    find_line_end,
    parse_digits,
    parse_integer,
    parse_seconds_ns,
)

ABSENT_PRICE = 9999999999
LEVEL_COUNT_MAX = 200

LOBSTER_DTYPE = np.dtype(
    [
        ("message_cursor", "i8"),  # addresses of what is still to be read
        ("message_end", "i8"),
        ("book_cursor", "i8"),
        ("book_end", "i8"),
        ("message_final", "i8"),  # one when no more text follows the range
        ("book_final", "i8"),
        ("level_count", "i8"),
        ("book_index", "i8"),
        ("day_start_ns", "i8"),  # midnight of the trading day, ns UTC
        ("row", "i8"),  # rows decoded
        ("last_ask_units", "i8"),  # price of the deepest level of the row before
        ("last_bid_units", "i8"),
        ("error", "i8"),
    ],
    align=True,
)
LOBSTER_HEADER: Any = numba.from_dtype(LOBSTER_DTYPE)[::1]


@inline
def line_content_end(start: int, line_end: int) -> int:
    """End of a line's content without a carriage return."""
    if line_end > start and load_u8(line_end - 1) == 13:
        return line_end - 1
    return line_end


@inline
def expect_comma(address: int, end: int) -> int:
    """Step over a comma; negative if there is none."""
    if address < 0:
        return address
    if address >= end or load_u8(address) != 44:
        return PARSE_MALFORMED
    return address + 1


@inline
def parse_integer_backward(end: int, start: int) -> tuple[int, int]:
    """Read the integer that ends right before ``end``; returns it and where it begins."""
    value = 0
    scale = 1
    cursor = end
    while cursor > start:
        digit = load_u8(cursor - 1) - 48
        if digit < 0 or digit > 9:
            break
        if end - cursor >= 18:
            return 0, PARSE_MALFORMED
        value += digit * scale
        scale *= 10
        cursor -= 1
    if cursor == end:
        return 0, PARSE_MALFORMED
    if cursor > start and load_u8(cursor - 1) == 45:
        return -value, cursor - 1
    return value, cursor


@inline
def message_type_of(code: int) -> int:
    """Feed message type of a LOBSTER event type, or a negative reason."""
    if code == 1:
        return MESSAGE_ADD
    if code == 2:
        return MESSAGE_REDUCE
    if code == 3:
        return MESSAGE_DELETE
    if code == 4:
        return MESSAGE_EXECUTE
    if code == 5:
        return MESSAGE_EXECUTE_HIDDEN
    if code == 6:
        return MESSAGE_CROSS
    if code == 7:
        return MESSAGE_HALT
    return PARSE_MALFORMED


@inline
def write_message_line(header: Any, start: int, end: int, message: Any) -> int:
    """Parse one message line into ``message``; zero or a negative reason."""
    time_ns, cursor = parse_seconds_ns(start, end)
    cursor = expect_comma(cursor, end)
    if cursor < 0:
        return cursor
    code, cursor = parse_digits(cursor, end)
    cursor = expect_comma(cursor, end)
    if cursor < 0:
        return cursor
    kind = message_type_of(code)
    if kind < 0:
        return kind
    order_id, cursor = parse_integer(cursor, end)
    cursor = expect_comma(cursor, end)
    if cursor < 0:
        return cursor
    quantity, cursor = parse_integer(cursor, end)
    cursor = expect_comma(cursor, end)
    if cursor < 0:
        return cursor
    price, cursor = parse_integer(cursor, end)
    cursor = expect_comma(cursor, end)
    if cursor < 0:
        return cursor
    direction, cursor = parse_integer(cursor, end)
    if cursor < 0:
        return cursor
    if cursor != end or (direction != 1 and direction != -1):
        return PARSE_MALFORMED
    row = header[0]["row"] + 1
    message["event_time_ns"] = header[0]["day_start_ns"] + time_ns
    message["receive_time_ns"] = message["event_time_ns"]
    message["reference_id"] = order_id
    message["price_units"] = price
    message["quantity_units"] = quantity
    message["vendor_sequence"] = row
    message["row"] = row
    message["book_index"] = header[0]["book_index"]
    message["message_type"] = kind
    message["side"] = SIDE_BUY if direction == 1 else SIDE_SELL
    message["flags"] = FLAG_LAST
    return 0


@inline
def copy_envelope(target: Any, source: Any, kind: int, flags: int) -> None:
    """Begin a further message of the same row."""
    target["event_time_ns"] = source["event_time_ns"]
    target["receive_time_ns"] = source["receive_time_ns"]
    target["vendor_sequence"] = source["vendor_sequence"]
    target["row"] = source["row"]
    target["book_index"] = source["book_index"]
    target["reference_id"] = 0
    target["price_units"] = 0
    target["quantity_units"] = 0
    target["message_type"] = kind
    target["side"] = SIDE_UNSET
    target["flags"] = flags


@inline
def write_seed(header: Any, start: int, end: int, messages: Any, count: int) -> int:
    """Turn the first order book line into a snapshot; the new count or a negative reason.

    ``messages[count]`` holds the first message, whose envelope the snapshot takes over; its effect
    is in the line already.
    """
    level_count = header[0]["level_count"]
    if count + 2 * level_count + 2 > len(messages):
        return PARSE_OUTPUT_FULL
    first = messages[count]
    last_ask = 0
    last_bid = 0
    copy_envelope(first, messages[count], MESSAGE_SNAPSHOT, FLAG_SNAPSHOT)
    first["quantity_units"] = level_count
    used = count + 1
    cursor = start
    for field in range(2 * level_count):
        price, cursor = parse_integer(cursor, end)
        cursor = expect_comma(cursor, end)
        if cursor < 0:
            return cursor
        quantity, cursor = parse_digits(cursor, end)
        if field < 2 * level_count - 1:
            cursor = expect_comma(cursor, end)
        if cursor < 0:
            return cursor
        if field % 2 == 0:
            last_ask = price
        else:
            last_bid = price
        if quantity > 0:
            copy_envelope(messages[used], first, MESSAGE_LEVEL, FLAG_SNAPSHOT)
            messages[used]["side"] = SIDE_SELL if field % 2 == 0 else SIDE_BUY
            messages[used]["price_units"] = price
            messages[used]["quantity_units"] = quantity
            used += 1
    if cursor != end:
        return PARSE_MALFORMED
    messages[used - 1]["flags"] = FLAG_SNAPSHOT | FLAG_LAST
    header[0]["last_ask_units"] = last_ask
    header[0]["last_bid_units"] = last_bid
    return used


@inline
def find_deepest_level(start: int, end: int) -> tuple[int, int, int, int, int]:
    """Read the last four fields of an order book line of any form, from its end.

    Returns ask price and quantity, bid price and quantity, and one or a negative reason.
    """
    bid_quantity, cursor = parse_integer_backward(end, start)
    if cursor <= start:
        return 0, 0, 0, 0, PARSE_MALFORMED
    bid, cursor = parse_integer_backward(cursor - 1, start)
    if cursor <= start:
        return 0, 0, 0, 0, PARSE_MALFORMED
    ask_quantity, cursor = parse_integer_backward(cursor - 1, start)
    if cursor <= start:
        return 0, 0, 0, 0, PARSE_MALFORMED
    ask, cursor = parse_integer_backward(cursor - 1, start)
    if cursor < 0:
        return 0, 0, 0, 0, PARSE_MALFORMED
    return ask, ask_quantity, bid, bid_quantity, 1


@inline_always
def write_reveal(
    header: Any, messages: Any, count: int, ask: int, ask_quantity: int, bid: int, bid_quantity: int
) -> int:
    """Append the deepest level of a line if it came newly into depth; the new count.

    After a reduction that can only be so because another level of that side emptied: then the
    deepest price of the side is worse than it was in the line before.
    """
    last_ask = header[0]["last_ask_units"]
    last_bid = header[0]["last_bid_units"]
    header[0]["last_ask_units"] = ask
    header[0]["last_bid_units"] = bid
    kind = messages[count]["message_type"]
    is_buy = messages[count]["side"] == SIDE_BUY
    quantity = bid_quantity if is_buy else ask_quantity
    # Put together without a branch: most of these can't be foreseen, their sum mostly can.
    is_due = (kind == MESSAGE_REDUCE) | (kind == MESSAGE_DELETE) | (kind == MESSAGE_EXECUTE)
    is_due &= (is_buy & (bid < last_bid)) | ((not is_buy) & (ask > last_ask))
    is_due &= quantity > 0
    if not is_due:
        return count + 1
    messages[count]["flags"] = 0
    reveal = messages[count + 1]
    copy_envelope(reveal, messages[count], MESSAGE_REVEAL, FLAG_LAST)
    reveal["side"] = messages[count]["side"]
    reveal["price_units"] = bid if is_buy else ask
    reveal["quantity_units"] = quantity
    return count + 2


@inline_always
def decode_book_line(
    header: Any, messages: Any, count: int, start: int, line_end: int, floor: int
) -> int:
    """Decode the order book line of a row whose message is decoded; the new count or negative."""
    end = line_content_end(start, line_end)
    if header[0]["row"] == 0:
        return write_seed(header, start, end, messages, count)
    limit = header[0]["book_end"]
    ask, ask_quantity, bid, bid_quantity, outcome = read_deepest_level(start, end, floor, limit)
    if outcome == UNUSUAL:
        ask, ask_quantity, bid, bid_quantity, outcome = find_deepest_level(start, end)
        if outcome < 0:
            return outcome
    return write_reveal(header, messages, count, ask, ask_quantity, bid, bid_quantity)


@inline_always
def decode_message_line(header: Any, start: int, message: Any) -> tuple[int, int]:
    """Decode the message line at ``start``: where it ends, and zero or a negative reason.

    It ends at zero when the rest of the line isn't at hand yet.
    """
    end = header[0]["message_end"]
    line_end = read_message_line(header, start, end, message)
    if line_end != UNUSUAL:
        return line_end, 0
    line_end = find_line_end(start, end)
    if line_end == end and header[0]["message_final"] == 0:
        return 0, 0
    return line_end, write_message_line(header, start, line_content_end(start, line_end), message)


@kernel(numba.int64(LOBSTER_HEADER, FEED_MESSAGES))
def lobster_decode(header: Any, messages: Any) -> int:
    """Decode pairs of lines until a text range or the room for messages ends.

    Returns the number of messages. The cursors stay on the first line that wasn't decoded; if it
    can't be, ``header.error`` says why and the line is ``header.row + 1``.
    """
    count = 0
    header[0]["error"] = 0
    floor = header[0]["book_cursor"]
    while count + 2 <= len(messages):
        message_start = header[0]["message_cursor"]
        book_start = header[0]["book_cursor"]
        if message_start >= header[0]["message_end"] or book_start >= header[0]["book_end"]:
            break
        book_end = find_line_end(book_start, header[0]["book_end"])
        if book_end == header[0]["book_end"] and header[0]["book_final"] == 0:
            break
        message_end, result = decode_message_line(header, message_start, messages[count])
        if message_end == 0:
            break
        if result == 0:
            result = decode_book_line(header, messages, count, book_start, book_end, floor)
        if result < 0:
            if result != PARSE_OUTPUT_FULL or count == 0:
                header[0]["error"] = result
            break
        count = result
        header[0]["row"] += 1
        header[0]["message_cursor"] = min(message_end + 1, header[0]["message_end"])
        header[0]["book_cursor"] = min(book_end + 1, header[0]["book_end"])
    return count
