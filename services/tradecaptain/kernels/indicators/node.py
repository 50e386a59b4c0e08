"""A node: one building block at work inside an indicator, with its parameters and its state.

A node is a run of 64-bit words. A block (see ``blocks``) is a compiled function of the node's
address and a range of bars: it reads its columns, writes its result columns and keeps in the node
what it must remember for the next range. So one block serves whole arrays, where the range is
thousands of bars, and ticks, where it is one.

Layout in words: the fixed part as the constants say, then ``state_count`` words of state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from numba import types
from numba.extending import intrinsic, overload
from tradecaptain.base.jit import CompiledEntry, entry, inline_always
from tradecaptain.base.memory import load_f64, load_i64, store_f64, store_i64
from tradecaptain.kernels.indicators.series import (
    NODE,
    mark_kind,
    place_in,
    series_at,
    state_series_at,
)

WORD_BYTES: Final = 8
FUNCTION: Final = 0
"""Address of the block's machine code; with the JIT off its number in the list of blocks."""
BEGIN: Final = 1
"""First bar that the block takes in."""
SEEN: Final = 2
"""How many bars it has taken in."""
INPUT_COUNT: Final = 3
COLUMN_COUNT: Final = 4
WORDS: Final = 5
"""Length of this node."""
INTEGERS: Final = 6
INTEGERS_MAX: Final = 4
REALS: Final = 10
REALS_MAX: Final = 10
COLUMN_IDS: Final = 20
"""Which columns of the program: inputs first, then results."""
COLUMNS_MAX: Final = 17
IS_REMEMBERED: Final = 37
"""Whether any node looks back on a result of this one."""
COLUMNS: Final = 38
"""Addresses of element 0 of each."""
STATE: Final = 56

Block = CompiledEntry


def block(function: Any) -> CompiledEntry:
    """Compile a building block ``function(node, first, end)``: take in bars ``first … end - 1``.

    ``first`` and ``end`` are indices into the columns; ``SEEN`` tells how many bars came before.
    """
    return entry(types.void(types.int64, types.int64, types.int64))(function)


def word_at(node: int, index: int) -> int:
    """Word number ``index`` of a node."""
    return load_i64(node + index * WORD_BYTES)


def real_at(node: int, index: int) -> float:
    """Word number ``index`` of a node, a float64."""
    return load_f64(node + index * WORD_BYTES)


def set_word_at(node: int, index: int, value: int) -> None:
    """Write word number ``index`` of a node."""
    store_i64(node + index * WORD_BYTES, value)


def set_real_at(node: int, index: int, value: float) -> None:
    """Write word number ``index`` of a node, a float64."""
    store_f64(node + index * WORD_BYTES, value)


def _word_place(context: Any, builder: Any, arguments: Any, kind: types.Type) -> Any:
    offset = builder.mul(arguments[1], context.get_constant(types.int64, WORD_BYTES))
    return place_in(builder, arguments[0], offset, context.get_value_type(kind))


def _overload_load(function: Callable[..., Any], kind: types.Type) -> None:
    @intrinsic
    def load(typing_context: Any, node: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return mark_kind(builder.load(_word_place(context, builder, arguments, kind)), NODE)

        return kind(types.int64, types.int64), codegen

    overload(function, strict=False)(lambda node, index: lambda node, index: load(node, index))


def _overload_store(function: Callable[..., Any], kind: types.Type) -> None:
    @intrinsic
    def store(typing_context: Any, node: Any, index: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = _word_place(context, builder, arguments, kind)
            mark_kind(builder.store(arguments[2], place), NODE)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, kind), codegen

    overload(function, strict=False)(
        lambda node, index, value: lambda node, index, value: store(node, index, value)
    )


_overload_load(word_at, types.int64)
_overload_load(real_at, types.float64)
_overload_store(set_word_at, types.int64)
_overload_store(set_real_at, types.float64)


@inline_always
def seen(node: int) -> int:
    """How many bars the block took in before this range."""
    return word_at(node, SEEN)


@inline_always
def integer(node: int, index: int) -> int:
    """Integer parameter number ``index``."""
    return word_at(node, INTEGERS + index)


@inline_always
def real(node: int, index: int) -> float:
    """Real parameter number ``index``."""
    return real_at(node, REALS + index)


@inline_always
def column(node: int, index: int) -> Any:
    """Column number ``index`` of the node: its inputs come first, then its results."""
    return series_at(word_at(node, COLUMNS + index))


@inline_always
def state(node: int, index: int) -> float:
    """Number ``index`` of what the block remembers; zero at first."""
    return real_at(node, STATE + index)


@inline_always
def set_state(node: int, index: int, value: float) -> None:
    """Remember a number."""
    set_real_at(node, STATE + index, value)


@inline_always
def state_integer(node: int, index: int) -> int:
    """Word ``index`` of the state as an integer."""
    return word_at(node, STATE + index)


@inline_always
def set_state_integer(node: int, index: int, value: int) -> None:
    """Remember an integer."""
    set_word_at(node, STATE + index, value)


@inline_always
def state_series(node: int, index: int) -> Any:
    """The state from word ``index`` on as a series."""
    return state_series_at(node, (STATE + index) * WORD_BYTES)
