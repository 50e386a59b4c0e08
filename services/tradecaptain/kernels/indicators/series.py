"""Series of float64 at an address: what blocks read and write.

A series is one word, the address of its element 0. It is indexed as an array is, with indices that
the caller keeps in range, and LLVM sees a pointer with an offset, so that loops over it become
vector code.
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


class SeriesType(types.Type):  # type: ignore[misc]
    """Type of an address at which float64 numbers lie."""

    def __init__(self) -> None:
        super().__init__(name="Series")


SERIES: Final = SeriesType()


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


@intrinsic
def _series_from(typing_context: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())

    return SERIES(types.int64), codegen


@overload(series_at, strict=False)
def _series_at_overload(address: Any) -> Callable[..., Any]:
    return lambda address: _series_from(address)


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    index = context.cast(builder, arguments[1], signature.args[1], types.int64)
    return builder.gep(arguments[0], [index], inbounds=True)


@intrinsic
def _get(typing_context: Any, series: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature, arguments))

    return types.float64(series, index), codegen


@intrinsic
def _set(typing_context: Any, series: Any, index: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.cast(builder, arguments[2], signature.args[2], types.float64)
        builder.store(number, _place(context, builder, signature, arguments))
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
