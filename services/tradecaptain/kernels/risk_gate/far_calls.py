"""Calls of code that is seldom needed, through pointers that the gate's header holds.

Totals, margins by scenarios and controls are compiled by themselves: the order path is then not
built with them, which costs compile time and room for instructions, and pays a call only where they
are set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from tradecaptain.base.jit import CompiledEntry, entry
from tradecaptain.base.memory import load_i64
from tradecaptain.kernels.risk_gate.layout import FAR_COUNT, HEADER_FAR_CALLS

FAR_APPLY_CONTROL: Final = 0
FAR_CHANGE_PAIR: Final = 1
FAR_TOTAL_TRIPPED: Final = 2
FAR_JOIN_FIRM: Final = 3
FAR_ADD_QUANTITY: Final = 4
FAR_SCAN_MARGIN: Final = 5
FAR_HAS_SCAN_ROOM: Final = 6
FAR_MARK_GROUP: Final = 7
assert FAR_COUNT == FAR_MARK_GROUP + 1

_ARGUMENTS: Final = 6
_SIGNATURE: Final = types.int64(*[types.int64] * _ARGUMENTS)
FAR_ENTRIES: Final[dict[int, CompiledEntry]] = {}
"""What the pointers lead to, by number."""


def far_entry(number: int) -> Callable[[Callable[..., int]], CompiledEntry]:
    """Compile a function of six numbers by itself, to be called by ``number``."""

    def decorate(function: Callable[..., int]) -> CompiledEntry:
        FAR_ENTRIES[number] = entry(_SIGNATURE)(function)
        return FAR_ENTRIES[number]

    return decorate


def call_far(gate: int, number: int, a: int, b: int, c: int, d: int, e: int, f: int) -> int:
    """Call by a pointer of the gate's header."""
    return int(FAR_ENTRIES[number].python(a, b, c, d, e, f))


@intrinsic
def _call(typing_context: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word] * _ARGUMENTS)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(*[types.int64] * (_ARGUMENTS + 1)), codegen


@overload(call_far, strict=False)
def _call_far_overload(
    gate: Any, number: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any
) -> Any:
    def compiled(gate: int, number: int, a: int, b: int, c: int, d: int, e: int, f: int) -> int:
        return _call(load_i64(gate + HEADER_FAR_CALLS + 8 * number), a, b, c, d, e, f)

    return compiled
