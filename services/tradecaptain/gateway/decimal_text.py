"""Exact decimal text in kernels: read into a count of units, and written from one.

Both do what :class:`tradecaptain.base.units.UnitScale` does, for numbers of the usual size; what is
longer is left to it.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_u8, store_u8

NOT_PLAIN = -1
"""The text or number isn't plain: Python's exact arithmetic has to deal with it."""
DECIMAL_BYTES_MAX = 24
_DIGITS_MAX = 17
_POINT = 0x2E
_ZERO = 0x30
_VALUE_MAX = 1 << 61


@inline
def read_decimal(address: int, length: int, numerator: int, denominator: int) -> int:
    """The whole count of units that digits with at most one point stand for, or NOT_PLAIN."""
    value = 0
    scale = 1
    digits = 0
    point = 0
    for offset in range(length):
        character = load_u8(address + offset)
        if character == _POINT and point == 0 and digits > 0:
            point = 1
            continue
        digit = character - _ZERO
        digits += 1
        if digit < 0 or digit > 9 or digits > _DIGITS_MAX:
            return NOT_PLAIN
        value = value * 10 + digit
        if point != 0:
            scale *= 10
    if digits == 0 or numerator == 0 or load_u8(address + length - 1) == _POINT:
        return NOT_PLAIN
    if value > _VALUE_MAX // denominator or scale > _VALUE_MAX // numerator:
        return NOT_PLAIN
    value *= denominator
    scale *= numerator
    return NOT_PLAIN if value % scale != 0 else value // scale


@inline
def write_decimal(address: int, units: int, decimals: int, multiplier: int) -> int:
    """Write a count of units with its decimals; returns the address behind it, or NOT_PLAIN."""
    if multiplier == 0:
        return NOT_PLAIN
    bound = _VALUE_MAX // multiplier
    if units > bound or units < -bound:
        return NOT_PLAIN
    if units < 0:
        store_u8(address, 0x2D)
        address += 1
    rest = abs(units) * multiplier
    # Written from the end of its room, and moved to the front.
    place = address + DECIMAL_BYTES_MAX
    written = 0
    while rest > 0 or written <= decimals:
        if written == decimals and decimals > 0:
            place -= 1
            store_u8(place, _POINT)
        place -= 1
        store_u8(place, _ZERO + rest % 10)
        rest //= 10
        written += 1
    length = address + DECIMAL_BYTES_MAX - place
    for offset in range(length):
        store_u8(address + offset, load_u8(place + offset))
    return address + length
