"""Series of float64 at an address: what blocks read and write.

A series is one word, the address of its element 0. It is indexed as an array is, with indices that
the caller keeps in range, and LLVM sees a pointer with an offset, so that loops over it become
vector code.

Columns never overlap the words of nodes, and LLVM is told so (``mark_kind``): what a block
remembers may then stay in a register while it writes its results.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

_VIEW_ELEMENTS: Final = 1 << 40
"""Length of the view with the JIT off; what lies beyond the series is never touched."""


COLUMN: Final = "column"
NODE: Final = "node"
BLOCK: Final = "block"
"""Kinds of memory that have no byte in common: columns, words of nodes, and blocks of bars."""


def mark_kind(instruction: Any, kind: str) -> Any:
    """Tell LLVM, by its type-based analysis of aliases, in which kind of memory an access lies."""
    module = instruction.function.module
    root = module.add_metadata(["tradecaptain indicators"])
    scalar = module.add_metadata([kind, root, ir.Constant(ir.IntType(64), 0)])
    offset = ir.Constant(ir.IntType(64), 0)
    instruction.set_metadata("tbaa", module.add_metadata([scalar, scalar, offset]))
    return instruction


class SeriesType(types.Type):  # type: ignore[misc]
    """Type of an address at which float64 numbers lie, in a kind of memory."""

    def __init__(self, kind: str) -> None:
        super().__init__(name=f"Series({kind})")
        self.kind = kind


SERIES: Final = SeriesType(COLUMN)
STATE_SERIES: Final = SeriesType(NODE)


@register_model(SeriesType)
class _SeriesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: SeriesType) -> None:
        super().__init__(manager, kind, ir.DoubleType().as_pointer())


def series_at(address: int) -> Any:
    """The series whose element 0 lies at ``address``; there is none at 0, which isn't read."""
    if address == 0:
        return np.empty(0)
    memory = (ctypes.c_double * _VIEW_ELEMENTS).from_address(int(address))
    return np.frombuffer(memory, dtype=np.float64)


def state_series_at(node: int, offset: int) -> Any:
    """The series whose element 0 lies ``offset`` bytes into a node."""
    return series_at(node + offset)


def place_in(builder: Any, address: Any, offset: Any, kind: Any) -> Any:
    """Pointer to a number of a kind, so many bytes on from an address.

    LLVM compares offsets from one pointer; of sums of numbers made pointers it knows nothing.
    """
    base = builder.inttoptr(address, ir.IntType(8).as_pointer())
    place = builder.gep(base, [offset], inbounds=True)
    return builder.bitcast(place, kind.as_pointer())


@intrinsic
def _series_from(typing_context: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())

    return SERIES(types.int64), codegen


@intrinsic
def _state_series_from(typing_context: Any, node: Any, offset: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return place_in(builder, arguments[0], arguments[1], ir.DoubleType())

    return STATE_SERIES(types.int64, types.int64), codegen


@overload(series_at, strict=False)
def _series_at_overload(address: Any) -> Callable[..., Any]:
    return lambda address: _series_from(address)


@overload(state_series_at, strict=False)
def _state_series_at_overload(node: Any, offset: Any) -> Callable[..., Any]:
    return lambda node, offset: _state_series_from(node, offset)


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    index = context.cast(builder, arguments[1], signature.args[1], types.int64)
    return builder.gep(arguments[0], [index], inbounds=True)


@intrinsic
def _get(typing_context: Any, series: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(_place(context, builder, signature, arguments))
        return mark_kind(loaded, series.kind)

    return types.float64(series, index), codegen


@intrinsic
def _set(typing_context: Any, series: Any, index: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.cast(builder, arguments[2], signature.args[2], types.float64)
        stored = builder.store(number, _place(context, builder, signature, arguments))
        mark_kind(stored, series.kind)
        return context.get_dummy_value()

    return types.void(series, index, value), codegen


@overload(operator.getitem, strict=False)
def _series_getitem(series: Any, index: Any) -> Callable[..., Any] | None:
    if isinstance(series, SeriesType) and isinstance(index, types.Integer):
        return lambda series, index: _get(series, index)
    return None


@overload(operator.setitem, strict=False)
def _series_setitem(series: Any, index: Any, value: Any) -> Callable[..., Any] | None:
    if isinstance(series, SeriesType) and isinstance(index, types.Integer):
        return lambda series, index, value: _set(series, index, value)
    return None
