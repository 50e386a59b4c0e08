"""Bit scans and the like of 64-bit words held in int64, as machine instructions inside kernels.

Called from Python (or with the JIT off) they work on the two's complement of their argument, so one
body of code serves both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

_MASK = (1 << 64) - 1
_SIGN = 1 << 63


def lowest_set_from(word: int, first: int) -> int:
    """Index of the lowest set bit at or above ``first`` (0 … 63), or 64 when there is none."""
    rest = (word & _MASK) >> first << first
    return (rest & -rest).bit_length() - 1 if rest else 64


def highest_set_to(word: int, last: int) -> int:
    """Index of the highest set bit at or below ``last`` (0 … 63), or -1 when there is none."""
    return (word & ((2 << last) - 1)).bit_length() - 1


def rotated_right(word: int, places: int) -> int:
    """A word whose lowest ``places`` (1 … 63) bits have come in again at the top."""
    rotated = ((word & _MASK) >> places | word << (64 - places)) & _MASK
    return rotated - ((rotated & _SIGN) << 1)


def is_below(word: int, limit: int) -> bool:
    """Whether a word is at least 0 and below a limit that is at least 0; in one comparison."""
    return (word & _MASK) < (limit & _MASK)


def fit_together(one: int, other: int) -> bool:
    """Whether a sum stays within int64."""
    return -_SIGN <= one + other < _SIGN


@intrinsic
def _lowest_set_from(typing_context: Any, word: Any, first: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i64 = ir.IntType(64)
        mask = builder.shl(ir.Constant(i64, -1), arguments[1])
        rest = builder.and_(arguments[0], mask)
        return builder.cttz(rest, ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _highest_set_to(typing_context: Any, word: Any, last: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i64 = ir.IntType(64)
        distance = builder.sub(ir.Constant(i64, 63), arguments[1])
        rest = builder.and_(arguments[0], builder.lshr(ir.Constant(i64, -1), distance))
        zeros = builder.ctlz(rest, ir.Constant(ir.IntType(1), 0))
        return builder.sub(ir.Constant(i64, 63), zeros)

    return types.int64(types.int64, types.int64), codegen


@overload(lowest_set_from, strict=False)
def _lowest_overload(word: Any, first: Any) -> Callable[[int, int], Any]:
    return lambda word, first: _lowest_set_from(word, first)


@overload(highest_set_to, strict=False)
def _highest_overload(word: Any, last: Any) -> Callable[[int, int], Any]:
    return lambda word, last: _highest_set_to(word, last)


@intrinsic
def _rotated_right(typing_context: Any, word: Any, places: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, places = arguments
        left = builder.sub(ir.Constant(places.type, 64), places)
        return builder.or_(builder.lshr(word, places), builder.shl(word, left))

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _is_below(typing_context: Any, word: Any, limit: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.icmp_unsigned("<", *arguments)

    return types.boolean(types.int64, types.int64), codegen


@intrinsic
def _fit_together(typing_context: Any, one: Any, other: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = builder.sadd_with_overflow(*arguments)
        return builder.not_(builder.extract_value(result, 1))

    return types.boolean(types.int64, types.int64), codegen


@overload(rotated_right, strict=False)
def _rotated_overload(word: Any, places: Any) -> Callable[[int, int], Any]:
    return lambda word, places: _rotated_right(word, places)


@overload(is_below, strict=False)
def _below_overload(word: Any, limit: Any) -> Callable[[int, int], Any]:
    return lambda word, limit: _is_below(word, limit)


@overload(fit_together, strict=False)
def _together_overload(one: Any, other: Any) -> Callable[[int, int], Any]:
    return lambda one, other: _fit_together(one, other)
