"""Bit scans of 64-bit words held in int64, as machine instructions inside kernels.

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


def lowest_set_from(word: int, first: int) -> int:
    """Index of the lowest set bit at or above ``first`` (0 … 63), or 64 when there is none."""
    rest = (word & _MASK) >> first << first
    return (rest & -rest).bit_length() - 1 if rest else 64


def highest_set_to(word: int, last: int) -> int:
    """Index of the highest set bit at or below ``last`` (0 … 63), or -1 when there is none."""
    return (word & ((2 << last) - 1)).bit_length() - 1


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
