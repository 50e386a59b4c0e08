"""Exact numbers out of text at raw addresses.

Each helper takes the address of the first byte and the end of the range, and returns the value and
the address of the first byte it didn't use. On failure that address is a negative reason
(``PARSE_…``). Nothing reads at or beyond ``end``.
"""

from __future__ import annotations

from tradecaptain.base.bits import lowest_set_from
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_u8
from tradecaptain.base.text_scan import SCAN_BYTES, matching_bytes
from tradecaptain.kernels.market_data.layout import (
    PARSE_INEXACT,
    PARSE_MALFORMED,
    PARSE_OVERFLOW,
)

# Eighteen digits always fit a signed 64-bit integer.
DIGIT_COUNT_MAX = 18


@inline
def parse_digits(address: int, end: int) -> tuple[int, int]:
    """Read an unsigned integer of 1 to 18 digits."""
    value = 0
    cursor = address
    while cursor < end:
        digit = load_u8(cursor) - 48
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        cursor += 1
        if cursor - address > DIGIT_COUNT_MAX:
            return 0, PARSE_OVERFLOW
    if cursor == address:
        return 0, PARSE_MALFORMED
    return value, cursor


@inline
def parse_integer(address: int, end: int) -> tuple[int, int]:
    """Read an integer of up to 18 digits, with an optional minus sign."""
    if address < end and load_u8(address) == 45:
        value, cursor = parse_digits(address + 1, end)
        return -value, cursor
    return parse_digits(address, end)


@inline
def parse_decimal(address: int, end: int, decimals: int) -> tuple[int, int]:
    """Read a decimal number as an integer count of ``10 ** -decimals``.

    Digits beyond the unit must be zeros: anything else is ``PARSE_INEXACT``.
    """
    negative = address < end and load_u8(address) == 45
    start = address + 1 if negative else address
    value, cursor = parse_digits(start, end)
    if cursor < 0:
        return 0, cursor
    missing = decimals
    if cursor < end and load_u8(cursor) == 46:
        cursor += 1
        first = cursor
        while cursor < end:
            digit = load_u8(cursor) - 48
            if digit < 0 or digit > 9:
                break
            if missing > 0:
                if value > 99999999999999999:
                    return 0, PARSE_OVERFLOW
                value = value * 10 + digit
                missing -= 1
            elif digit != 0:
                return 0, PARSE_INEXACT
            cursor += 1
        if cursor == first:
            return 0, PARSE_MALFORMED
    while missing > 0:
        if value > 99999999999999999:
            return 0, PARSE_OVERFLOW
        value *= 10
        missing -= 1
    if negative:
        value = -value
    return value, cursor


@inline
def parse_seconds_ns(address: int, end: int) -> tuple[int, int]:
    """Read seconds with a fraction as nanoseconds.

    Some vendor files carry a few digits of binary noise beyond the ninth decimal; they are cut off.
    """
    seconds, cursor = parse_digits(address, end)
    if cursor < 0:
        return 0, cursor
    if seconds > 9000000000:
        return 0, PARSE_OVERFLOW
    value = seconds * 1000000000
    if cursor < end and load_u8(cursor) == 46:
        cursor += 1
        first = cursor
        scale = 100000000
        while cursor < end:
            digit = load_u8(cursor) - 48
            if digit < 0 or digit > 9:
                break
            value += digit * scale
            scale //= 10
            cursor += 1
        if cursor == first:
            return 0, PARSE_MALFORMED
    return value, cursor


@inline
def find_line_end(address: int, end: int) -> int:
    """Address of the next newline, or ``end``."""
    cursor = address
    while cursor + SCAN_BYTES <= end:
        newlines = matching_bytes(cursor, 10)
        if newlines != 0:
            return cursor + lowest_set_from(newlines, 0)
        cursor += SCAN_BYTES
    while cursor < end and load_u8(cursor) != 10:
        cursor += 1
    return cursor
