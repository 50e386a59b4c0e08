"""A small JSON scanner at raw addresses: walks one object and remembers where values begin.

It accepts what RFC 8259 allows in whitespace, strings, numbers and nesting, but looks only at the
structure it needs; values that nobody asks for are skipped, not validated.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_u8
from tradecaptain.kernels.market_data.layout import PARSE_MALFORMED
from tradecaptain.kernels.market_data.text import parse_decimal, parse_integer

QUOTE = 34
COMMA = 44
COLON = 58
OPEN_BRACKET = 91
BACKSLASH = 92
CLOSE_BRACKET = 93
OPEN_BRACE = 123
CLOSE_BRACE = 125

KEY_BYTES_PACKED = 8


def packed_name(name: str) -> int:
    """The first eight bytes of a name as an integer, the way :func:`read_name` packs them."""
    return int.from_bytes(name.encode()[:KEY_BYTES_PACKED], "little")


@inline
def skip_space(address: int, end: int) -> int:
    """First byte that isn't white space."""
    cursor = address
    while cursor < end:
        byte = load_u8(cursor)
        if byte != 32 and byte != 9 and byte != 13 and byte != 10:
            break
        cursor += 1
    return cursor


@inline
def skip_string(address: int, end: int) -> int:
    """Step over a string whose opening quote is at ``address``."""
    cursor = address + 1
    while cursor < end:
        byte = load_u8(cursor)
        if byte == QUOTE:
            return cursor + 1
        cursor += 2 if byte == BACKSLASH else 1
    return PARSE_MALFORMED


@inline
def skip_value(address: int, end: int) -> int:
    """Step over any value, nested or not; negative if it doesn't end."""
    depth = 0
    cursor = address
    while cursor < end:
        byte = load_u8(cursor)
        if byte == QUOTE:
            cursor = skip_string(cursor, end)
            if cursor < 0:
                return PARSE_MALFORMED
            if depth == 0:
                return cursor
            continue
        if byte in (OPEN_BRACKET, OPEN_BRACE):
            depth += 1
        elif byte in (CLOSE_BRACKET, CLOSE_BRACE):
            if depth == 0:
                return cursor if cursor > address else PARSE_MALFORMED
            depth -= 1
            if depth == 0:
                return cursor + 1
        elif byte == COMMA and depth == 0:
            return cursor if cursor > address else PARSE_MALFORMED
        cursor += 1
    return PARSE_MALFORMED


@inline
def read_name(address: int, end: int) -> tuple[int, int]:
    """Pack the first eight bytes of the string at ``address``; returns them and where it ends."""
    if address >= end or load_u8(address) != QUOTE:
        return 0, PARSE_MALFORMED
    packed = 0
    shift = 0
    cursor = address + 1
    while cursor < end:
        byte = load_u8(cursor)
        if byte == QUOTE:
            return packed, cursor + 1
        if byte == BACKSLASH or byte > 126:
            return 0, PARSE_MALFORMED
        if shift < 64:
            packed |= byte << shift
            shift += 8
        cursor += 1
    return 0, PARSE_MALFORMED


@inline
def read_decimal_string(address: int, end: int, decimals: int) -> tuple[int, int]:
    """Read a decimal number written as a string; numbers without quotes are accepted too."""
    if address < end and load_u8(address) == QUOTE:
        value, cursor = parse_decimal(address + 1, end, decimals)
        if cursor < 0:
            return 0, cursor
        if cursor >= end or load_u8(cursor) != QUOTE:
            return 0, PARSE_MALFORMED
        return value, cursor + 1
    return parse_decimal(address, end, decimals)


@inline
def read_integer(address: int, end: int) -> tuple[int, int]:
    """Read an integer value and see that it ends where a value may end."""
    value, cursor = parse_integer(address, end)
    if cursor < 0:
        return 0, cursor
    if cursor < end:
        byte = load_u8(cursor)
        if byte != COMMA and byte != CLOSE_BRACE and byte != CLOSE_BRACKET and byte > 32:
            return 0, PARSE_MALFORMED
    return value, cursor
