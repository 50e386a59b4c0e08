"""The usual LOBSTER lines, parsed without a branch for each character.

Where the separators are is found for 64 bytes at a time; then every field is one or two words,
whose digits become a number at once. A line that isn't of the usual form (longer numbers, negative
prices, anything malformed, too near the end of the text at hand) gives ``UNUSUAL``, and the parsers
of :mod:`tradecaptain.kernels.market_data.lobster`, which go character by character, decide.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.bits import highest_set_to, lowest_set_from
from tradecaptain.base.jit import inline_always
from tradecaptain.base.memory import load_u8
from tradecaptain.base.text_scan import (
    SCAN_BYTES,
    digits_problem,
    digits_value,
    fraction_digits,
    integer_digits,
    matching_bytes,
)
from tradecaptain.kernels.market_data.layout import FLAG_LAST, SIDE_BUY, SIDE_SELL

UNUSUAL = 0

# The words of the last field, which begins before the line's end, lie within the bytes scanned.
LINE_BYTES_MAX = SCAN_BYTES - 16

_CARRIAGE_RETURN = 13
_COMMA = 44
_DOT = 46
_MINUS = 45
_NEWLINE = 10
_ONE = 49
_ZERO = 48
_HUNDRED_MILLION = 100_000_000


@inline_always
def read_message_line(header: Any, start: int, end: int, message: Any) -> int:
    """Parse the line at ``start`` into ``message``: where its newline is, or ``UNUSUAL``."""
    if start + SCAN_BYTES > end:
        return UNUSUAL
    line_length = lowest_set_from(matching_bytes(start, _NEWLINE), 0)
    if line_length == 0 or line_length > LINE_BYTES_MAX:
        return UNUSUAL
    line_bits = (1 << line_length) - 1
    commas = matching_bytes(start, _COMMA) & line_bits
    dot = lowest_set_from(matching_bytes(start, _DOT) & line_bits, 0)
    comma_1 = lowest_set_from(commas, 0)
    commas &= commas - 1
    comma_2 = lowest_set_from(commas, 0)
    commas &= commas - 1
    comma_3 = lowest_set_from(commas, 0)
    commas &= commas - 1
    comma_4 = lowest_set_from(commas, 0)
    commas &= commas - 1
    comma_5 = lowest_set_from(commas, 0)
    # Exactly five commas, the dot before the first.
    if comma_5 > line_length or (commas & (commas - 1)) != 0 or dot >= comma_1:
        return UNUSUAL
    last = load_u8(start + line_length - 1)
    length = line_length - (1 if last == _CARRIAGE_RETURN else 0)
    fraction_count = comma_1 - dot - 1
    order_id_count = comma_3 - comma_2 - 1
    quantity_count = comma_4 - comma_3 - 1
    price_count = comma_5 - comma_4 - 1
    # Each count is from 1 to 8, or 16, and the type is one character.
    wrong = ((dot - 1) | (quantity_count - 1) | (price_count - 1)) >> 3
    wrong |= ((fraction_count - 1) | (order_id_count - 1)) >> 4
    if (wrong | (comma_2 - comma_1 - 2)) != 0:
        return UNUSUAL
    seconds = integer_digits(start, dot)
    first_count = min(fraction_count, 8)
    fraction = fraction_digits(start + dot + 1, first_count)
    # The ninth digit counts; noise beyond it is cut off.
    rest = fraction_digits(start + dot + 9, fraction_count - first_count)
    low_count = min(order_id_count, 8)
    order_id_high = integer_digits(start + comma_2 + 1, order_id_count - low_count)
    order_id_low = integer_digits(start + comma_3 - low_count, low_count)
    quantity = integer_digits(start + comma_3 + 1, quantity_count)
    price = integer_digits(start + comma_4 + 1, price_count)
    problem = digits_problem(seconds) | digits_problem(fraction) | digits_problem(rest)
    problem |= digits_problem(order_id_high) | digits_problem(order_id_low)
    problem |= digits_problem(quantity) | digits_problem(price)
    kind = load_u8(start + comma_1 + 1) - _ZERO
    minus = 1 if load_u8(start + comma_5 + 1) == _MINUS else 0
    problem |= load_u8(start + comma_5 + 1 + minus) ^ _ONE
    problem |= length - (comma_5 + 2 + minus)
    if problem != 0 or kind < 1 or kind > 7:
        return UNUSUAL
    time_ns = digits_value(seconds) * 1_000_000_000 + digits_value(fraction) * 10 + (rest & 15)
    event_time_ns = header[0]["day_start_ns"] + time_ns
    row = header[0]["row"] + 1
    message["event_time_ns"] = event_time_ns
    message["receive_time_ns"] = event_time_ns
    message["reference_id"] = digits_value(order_id_high) * _HUNDRED_MILLION + digits_value(
        order_id_low
    )
    message["price_units"] = digits_value(price)
    message["quantity_units"] = digits_value(quantity)
    message["vendor_sequence"] = row
    message["row"] = row
    message["book_index"] = header[0]["book_index"]
    # The vendor's event types have the numbers of our message types.
    message["message_type"] = kind
    message["side"] = SIDE_SELL if minus != 0 else SIDE_BUY
    message["flags"] = FLAG_LAST
    return start + line_length


@inline_always
def read_deepest_level(
    line_start: int, end: int, floor: int, limit: int
) -> tuple[int, int, int, int, int]:
    """Parse the last four fields of the order book line from ``line_start`` to ``end``.

    Between ``floor`` and ``limit`` the text may be read. Returns ask price and quantity, bid price
    and quantity, and one, or ``UNUSUAL`` in the last place.
    """
    start = end - SCAN_BYTES
    if start < floor or end + 8 > limit:
        return 0, 0, 0, 0, UNUSUAL
    separators = matching_bytes(start, _COMMA) | matching_bytes(start, _NEWLINE)
    before_4 = highest_set_to(separators, SCAN_BYTES - 1)
    before_3 = highest_set_to(separators, max(before_4 - 1, 0))
    before_2 = highest_set_to(separators, max(before_3 - 1, 0))
    before_1 = highest_set_to(separators, max(before_2 - 1, 0))
    ask_count = before_2 - before_1 - 1
    ask_quantity_count = before_3 - before_2 - 1
    bid_count = before_4 - before_3 - 1
    bid_quantity_count = SCAN_BYTES - before_4 - 1
    wrong = (ask_count - 1) | (ask_quantity_count - 1) | (bid_count - 1) | (bid_quantity_count - 1)
    if (wrong >> 3) != 0 or before_1 < 0 or start + before_1 < line_start - 1:
        return 0, 0, 0, 0, UNUSUAL
    ask = integer_digits(start + before_1 + 1, ask_count)
    ask_quantity = integer_digits(start + before_2 + 1, ask_quantity_count)
    bid = integer_digits(start + before_3 + 1, bid_count)
    bid_quantity = integer_digits(start + before_4 + 1, bid_quantity_count)
    problem = digits_problem(ask) | digits_problem(ask_quantity)
    problem |= digits_problem(bid) | digits_problem(bid_quantity)
    if problem != 0:
        return 0, 0, 0, 0, UNUSUAL
    return (
        digits_value(ask),
        digits_value(ask_quantity),
        digits_value(bid),
        digits_value(bid_quantity),
        1,
    )
