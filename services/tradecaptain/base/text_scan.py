"""Text eight or sixty-four bytes at a time: where a byte occurs, and what digits are worth.

A number of up to eight digits is handled as one word with a digit in each byte, the first digit in
the lowest (*packed digits*). Each function is a few machine instructions without a branch inside a
kernel, and the same arithmetic in Python. Nothing here checks bounds: the caller sees to it that
what is read belongs to it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

SCAN_BYTES = 64
DIGITS_A_WORD = 8

_WORD = ir.IntType(64)
_ZEROS = 0x3030303030303030
_BEYOND_NINE = 0x7676767676767676
_TOP_BITS = 0x8080808080808080
_MASK = (1 << 64) - 1


def matching_bytes(address: int, byte: int) -> int:
    """Which of the 64 bytes at ``address`` equal ``byte``: bit k stands for the k-th."""
    text = ctypes.string_at(int(address), SCAN_BYTES)
    bits = sum(1 << index for index, found in enumerate(text) if found == byte)
    return bits - (1 << 64) if bits >> 63 else bits


@intrinsic
def _matching_bytes(typing_context: Any, address: Any, byte: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = ir.VectorType(ir.IntType(8), SCAN_BYTES)
        text = builder.load(builder.inttoptr(arguments[0], lanes.as_pointer()))
        text.align = 1
        wanted = builder.trunc(arguments[1], ir.IntType(8))
        first = builder.insert_element(
            ir.Constant(lanes, ir.Undefined), wanted, ir.Constant(ir.IntType(32), 0)
        )
        places = ir.Constant(ir.VectorType(ir.IntType(32), SCAN_BYTES), [0] * SCAN_BYTES)
        wanted_lanes = builder.shuffle_vector(first, ir.Constant(lanes, ir.Undefined), places)
        return builder.bitcast(builder.icmp_unsigned("==", text, wanted_lanes), _WORD)

    return types.int64(types.int64, types.int64), codegen


@overload(matching_bytes, strict=False)
def _matching_bytes_overload(address: Any, byte: Any) -> Callable[..., Any]:
    return lambda address, byte: _matching_bytes(address, byte)


def integer_digits(address: int, count: int) -> int:
    """The ``count`` (0 to 8) digits at ``address``, packed behind leading zeros.

    Eight bytes are read. Characters that are no digits show by :func:`digits_problem`.
    """
    word = int.from_bytes(ctypes.string_at(int(address), DIGITS_A_WORD), "little") ^ _ZEROS
    return _signed((word << (64 - 8 * count)) & _MASK)


def fraction_digits(address: int, count: int) -> int:
    """The ``count`` (0 to 8) digits at ``address``, packed before trailing zeros.

    Eight bytes are read. Characters that are no digits show by :func:`digits_problem`.
    """
    word = int.from_bytes(ctypes.string_at(int(address), DIGITS_A_WORD), "little") ^ _ZEROS
    return _signed(word & (_MASK >> (64 - 8 * count)))


def digits_value(packed: int) -> int:
    """The number that eight packed digits are; anything if they are no digits."""
    value = 0
    for digit in (packed & _MASK).to_bytes(DIGITS_A_WORD, "little"):
        value = value * 10 + digit
    return value


def digits_problem(packed: int) -> int:
    """Zero if all eight bytes of the word are digits, else anything but zero."""
    return sum(digit > 9 for digit in (packed & _MASK).to_bytes(DIGITS_A_WORD, "little"))


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _load_digits(builder: Any, address: Any) -> Any:
    word = builder.load(builder.inttoptr(address, _WORD.as_pointer()))
    word.align = 1
    return builder.xor(word, _WORD(_ZEROS))


def _half_shift(builder: Any, count: Any) -> Any:
    """Half of how far a word must be shifted: a shift by all 64 bits isn't defined."""
    return builder.sub(_WORD(32), builder.shl(count, _WORD(2)))


@intrinsic
def _integer_digits(typing_context: Any, address: Any, count: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = _load_digits(builder, arguments[0])
        distance = _half_shift(builder, arguments[1])
        return builder.shl(builder.shl(word, distance), distance)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _fraction_digits(typing_context: Any, address: Any, count: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = _load_digits(builder, arguments[0])
        distance = _half_shift(builder, arguments[1])
        kept = builder.lshr(builder.lshr(_WORD(_MASK), distance), distance)
        return builder.and_(word, kept)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _digits_value(typing_context: Any, packed: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # Neighbours are joined to numbers of two, then four, then eight digits: the multiplication
        # adds a group, times its weight, to the group above it.
        value = arguments[0]
        for width, weight, kept in (
            (8, 10, 0x00FF00FF00FF00FF),
            (16, 100, 0x0000FFFF0000FFFF),
            (32, 10_000, 0x00000000FFFFFFFF),
        ):
            joined = builder.mul(value, _WORD(weight * (1 << width) + 1))
            value = builder.and_(builder.lshr(joined, _WORD(width)), _WORD(kept))
        return value

    return types.int64(types.int64), codegen


@intrinsic
def _digits_problem(typing_context: Any, packed: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        above = builder.add(arguments[0], _WORD(_BEYOND_NINE))
        return builder.and_(builder.or_(above, arguments[0]), _WORD(_TOP_BITS))

    return types.int64(types.int64), codegen


@overload(integer_digits, strict=False)
def _integer_digits_overload(address: Any, count: Any) -> Callable[..., Any]:
    return lambda address, count: _integer_digits(address, count)


@overload(fraction_digits, strict=False)
def _fraction_digits_overload(address: Any, count: Any) -> Callable[..., Any]:
    return lambda address, count: _fraction_digits(address, count)


@overload(digits_value, strict=False)
def _digits_value_overload(packed: Any) -> Callable[..., Any]:
    return lambda packed: _digits_value(packed)


@overload(digits_problem, strict=False)
def _digits_problem_overload(packed: Any) -> Callable[..., Any]:
    return lambda packed: _digits_problem(packed)
