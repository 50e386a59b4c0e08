"""Columns of float64 at an address or on the stack, for loops that must become vector code.

An index into a numpy array may be negative as far as the compiler knows, and then an access isn't a
plain walk along memory: a loop over part of an array becomes scalar or gathers its elements one by
one. What :func:`floats_at` gives is a pointer: nothing checks the index, and the caller keeps the
memory alive. :func:`stack_floats` is scratch that lasts as long as the calling kernel.

:func:`in_register` keeps a constant out of memory while a loop runs: the compiler reads the
constants of a polynomial from memory in every turn, and a core that multiplies a vector in each
cycle can't load more than one as well.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

_ITEM_BYTES = 8


class FloatsType(types.Type):  # type: ignore[misc]
    """Type of a pointer to float64."""

    def __init__(self) -> None:
        super().__init__(name="Floats")


_FLOATS = FloatsType()


@register_model(FloatsType)
class _FloatsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: FloatsType) -> None:
        super().__init__(manager, kind, ir.DoubleType().as_pointer())


def floats_at(address: int, count: int) -> Any:
    """The ``count`` float64 at ``address``, for reading and writing by index."""
    memory = (ctypes.c_double * int(count)).from_address(int(address))
    return np.frombuffer(memory, dtype=np.float64)


@intrinsic
def _floats_from(typing_context: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())

    return _FLOATS(types.int64), codegen


@overload(floats_at, strict=False)
def _floats_at_overload(address: Any, count: Any) -> Callable[..., Any]:
    return lambda address, count: _floats_from(address)


def floats_address(floats: Any) -> int:
    """Address of the first number, for a kernel that is called with it."""
    return int(floats.ctypes.data)


@intrinsic
def _address_of(typing_context: Any, floats: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.int64(floats), codegen


@overload(floats_address, strict=False)
def _floats_address_overload(floats: Any) -> Callable[..., Any]:
    return lambda floats: _address_of(floats)


def stack_floats(count: int) -> Any:
    """Scratch of ``count`` float64, a constant; not initialised.

    Each call in a kernel is a place of its own, the same one on every turn of a loop.
    """
    return np.empty(count)


@intrinsic(prefer_literal=True)
def _stack_floats(typing_context: Any, count: Any) -> Any:
    if not isinstance(count, types.IntegerLiteral):
        return None
    number = count.literal_value

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), number))
        place.align = 64
        zero = ir.IntType(32)(0)
        return builder.gep(place, [zero, zero])

    return _FLOATS(count), codegen


@overload(stack_floats, strict=False, prefer_literal=True, inline="always")
def _stack_floats_overload(count: Any) -> Callable[..., Any]:
    return lambda count: _stack_floats(count)


def in_register(constant: float, anchor: int) -> float:
    """``constant``, loaded before the innermost loop in which ``anchor`` doesn't change."""
    return constant


@intrinsic
def _in_register(typing_context: Any, constant: Any, anchor: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), ir.IntType(64)])
        # An empty instruction from which the compiler can't tell that its result is constant.
        number = builder.asm(kind, "", "=x,0,r", arguments, side_effect=False)
        number.attributes.add("readnone")
        return number

    return types.float64(types.float64, types.int64), codegen


@overload(in_register, strict=False)
def _in_register_overload(constant: Any, anchor: Any) -> Callable[..., Any]:
    return lambda constant, anchor: _in_register(constant, anchor)


@intrinsic
def _load(typing_context: Any, floats: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(builder.gep(arguments[0], [arguments[1]]))
        loaded.align = _ITEM_BYTES
        return loaded

    return types.float64(floats, types.int64), codegen


@overload(operator.getitem, strict=False)
def _floats_getitem(floats: Any, index: Any) -> Callable[..., Any] | None:
    if isinstance(floats, FloatsType) and isinstance(index, types.Integer):
        return lambda floats, index: _load(floats, index)
    return None


@intrinsic
def _store(typing_context: Any, floats: Any, index: Any, number: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        builder.store(arguments[2], place).align = _ITEM_BYTES
        return context.get_dummy_value()

    return types.void(floats, types.int64, types.float64), codegen


@overload(operator.setitem, strict=False)
def _floats_setitem(floats: Any, index: Any, number: Any) -> Callable[..., Any] | None:
    if isinstance(floats, FloatsType) and isinstance(index, types.Integer):
        return lambda floats, index, number: _store(floats, index, number)
    return None
