"""Typed loads and stores at raw addresses, for kernels that write records where they lie.

Each function is an LLVM load or store inside a kernel. Called from Python (or with the JIT off) it
does the same through ctypes, so that one body of code serves both. Nothing here checks bounds: the
caller owns the range. Acquire and release order as in the C11 memory model; on x86-64 they are
plain moves that the compiler may not reorder.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

_CTYPE: dict[types.Type, Any] = {
    types.int64: ctypes.c_int64,
    types.uint64: ctypes.c_uint64,
    types.int32: ctypes.c_int32,
    types.uint32: ctypes.c_uint32,
    types.int16: ctypes.c_int16,
    types.uint16: ctypes.c_uint16,
    types.int8: ctypes.c_int8,
    types.uint8: ctypes.c_uint8,
    types.float64: ctypes.c_double,
}


def _pointer(context: Any, builder: Any, address: Any, number_type: types.Type) -> Any:
    return builder.inttoptr(address, context.get_value_type(number_type).as_pointer())


def _make_load(
    name: str, number_type: types.Type, ordering: str | None, *, constant: bool = False
) -> Callable[[int], Any]:
    ctype = _CTYPE[number_type]

    def load(address: int) -> Any:
        return ctype.from_address(int(address)).value

    @intrinsic
    def load_intrinsic(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, arguments[0], number_type)
            if ordering is None:
                instruction = builder.load(pointer)
                instruction.align = 1
                if constant:
                    instruction.set_metadata("invariant.load", builder.module.add_metadata([]))
                return instruction
            return builder.load_atomic(pointer, ordering, number_type.bitwidth // 8)

        return number_type(types.int64), codegen

    load.__name__ = load.__qualname__ = name
    load.__doc__ = f"Read one {number_type} at ``address``" + (
        f" with {ordering} order." if ordering else "."
    )

    @overload(load, strict=False)
    def _load_overload(address: Any) -> Any:
        return lambda address: load_intrinsic(address)

    return load


def _make_store(
    name: str, number_type: types.Type, ordering: str | None
) -> Callable[[int, Any], None]:
    ctype = _CTYPE[number_type]
    is_integer = isinstance(number_type, types.Integer)

    def store(address: int, value: Any) -> None:
        ctype.from_address(int(address)).value = int(value) if is_integer else value

    @intrinsic
    def store_intrinsic(typing_context: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            number = context.cast(builder, arguments[1], signature.args[1], number_type)
            pointer = _pointer(context, builder, arguments[0], number_type)
            if ordering is None:
                instruction = builder.store(number, pointer)
                instruction.align = 1
            else:
                builder.store_atomic(number, pointer, ordering, number_type.bitwidth // 8)
            return context.get_dummy_value()

        return types.void(types.int64, value), codegen

    store.__name__ = store.__qualname__ = name
    store.__doc__ = f"Write one {number_type} at ``address``" + (
        f" with {ordering} order." if ordering else "."
    )

    @overload(store, strict=False)
    def _store_overload(address: Any, value: Any) -> Any:
        return lambda address, value: store_intrinsic(address, value)

    return store


load_i64 = _make_load("load_i64", types.int64, None)
load_u64 = _make_load("load_u64", types.uint64, None)
load_i32 = _make_load("load_i32", types.int32, None)
load_u32 = _make_load("load_u32", types.uint32, None)
load_i16 = _make_load("load_i16", types.int16, None)
load_u16 = _make_load("load_u16", types.uint16, None)
load_i8 = _make_load("load_i8", types.int8, None)
load_u8 = _make_load("load_u8", types.uint8, None)
load_f64 = _make_load("load_f64", types.float64, None)
load_constant_i64 = _make_load("load_constant_i64", types.int64, None, constant=True)
"""Read one int64 that no compiled code writes while a kernel that reads it so is under way.

A compiler that sees raw addresses must read a table's place again after every store; of a constant
it may keep what it has read. Whatever sets it up does so in a call of its own.
"""
load_acquire_i64 = _make_load("load_acquire_i64", types.int64, "acquire")
load_acquire_i32 = _make_load("load_acquire_i32", types.int32, "acquire")

store_i64 = _make_store("store_i64", types.int64, None)
store_u64 = _make_store("store_u64", types.uint64, None)
store_i32 = _make_store("store_i32", types.int32, None)
store_u32 = _make_store("store_u32", types.uint32, None)
store_i16 = _make_store("store_i16", types.int16, None)
store_u16 = _make_store("store_u16", types.uint16, None)
store_i8 = _make_store("store_i8", types.int8, None)
store_u8 = _make_store("store_u8", types.uint8, None)
store_f64 = _make_store("store_f64", types.float64, None)
store_release_i64 = _make_store("store_release_i64", types.int64, "release")
store_release_i32 = _make_store("store_release_i32", types.int32, "release")


@intrinsic
def _copy_intrinsic(typing_context: Any, target: Any, source: Any, length: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte_pointer = ir.IntType(8).as_pointer()
        destination = builder.inttoptr(arguments[0], byte_pointer)
        origin = builder.inttoptr(arguments[1], byte_pointer)
        cgutils.raw_memcpy(builder, destination, origin, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def copy_bytes(target: int, source: int, length: int) -> None:
    """Copy ``length`` bytes between ranges that do not overlap."""
    ctypes.memmove(int(target), int(source), int(length))


@overload(copy_bytes, strict=False)
def _copy_overload(target: Any, source: Any, length: Any) -> Any:
    return lambda target, source, length: _copy_intrinsic(target, source, length)


_STREAMED_BYTES = 64


@intrinsic
def _copy_streaming_intrinsic(typing_context: Any, target: Any, source: Any, length: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        line_pointer = ir.VectorType(word, _STREAMED_BYTES // 8).as_pointer()
        hint = builder.module.add_metadata([ir.IntType(32)(1)])
        lines = builder.udiv(arguments[2], word(_STREAMED_BYTES))
        with cgutils.for_range(builder, lines) as loop:
            offset = builder.mul(loop.index, word(_STREAMED_BYTES))
            origin = builder.inttoptr(builder.add(arguments[1], offset), line_pointer)
            line = builder.load(origin)
            line.align = 1
            place = builder.inttoptr(builder.add(arguments[0], offset), line_pointer)
            store = builder.store(line, place)
            store.align = _STREAMED_BYTES
            store.set_metadata("nontemporal", hint)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def copy_streaming(target: int, source: int, length: int) -> None:
    """Copy whole cache lines past the caches, for what this core won't soon read again.

    ``target`` and ``length`` are multiples of 64. The copy is ordered before later stores only by
    :func:`streaming_fence`.
    """
    ctypes.memmove(int(target), int(source), int(length))


@overload(copy_streaming, strict=False)
def _copy_streaming_overload(target: Any, source: Any, length: Any) -> Any:
    return lambda target, source, length: _copy_streaming_intrinsic(target, source, length)


@intrinsic
def _streaming_fence_intrinsic(typing_context: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if platform.machine() == "x86_64":
            fence_function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse.sfence"
            )
            builder.call(fence_function, [])
        else:
            builder.fence("release")
        return context.get_dummy_value()

    return types.void(), codegen


def streaming_fence() -> None:
    """Order every :func:`copy_streaming` before later stores."""


@overload(streaming_fence, strict=False)
def _streaming_fence_overload() -> Any:
    return lambda: _streaming_fence_intrinsic()


def _make_prefetch(name: str, for_write: int, meaning: str) -> Callable[[int], None]:
    def prefetch(address: int) -> None:
        """Plain Python has no caches to warm."""

    @intrinsic
    def prefetch_intrinsic(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            byte_pointer = ir.IntType(8).as_pointer()
            number = ir.IntType(32)
            function = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number]),
                "llvm.prefetch.p0i8",
            )
            place = builder.inttoptr(arguments[0], byte_pointer)
            builder.call(function, [place, number(for_write), number(3), number(1)])
            return context.get_dummy_value()

        return types.void(types.int64), codegen

    prefetch.__name__ = prefetch.__qualname__ = name
    prefetch.__doc__ = meaning

    @overload(prefetch, strict=False)
    def _prefetch_overload(address: Any) -> Any:
        return lambda address: prefetch_intrinsic(address)

    return prefetch


prefetch_read = _make_prefetch(
    "prefetch_read", 0, "Ask for the cache line at ``address``; any address will do, nothing waits."
)
prefetch_write = _make_prefetch(
    "prefetch_write", 1, "Ask for the cache line at ``address`` as one that will be written."
)


@intrinsic
def _zero_intrinsic(typing_context: Any, target: Any, length: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        destination = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        cgutils.memset(builder, destination, arguments[1], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def zero_bytes(target: int, length: int) -> None:
    """Set ``length`` bytes to zero."""
    ctypes.memset(int(target), 0, int(length))


@overload(zero_bytes, strict=False)
def _zero_overload(target: Any, length: Any) -> Any:
    return lambda target, length: _zero_intrinsic(target, length)


def _make_fence(name: str, ordering: str, meaning: str) -> Callable[[], None]:
    def fence_function() -> None:
        """Plain Python needs nothing: the interpreter's own locks order its accesses."""

    @intrinsic
    def fence_intrinsic(typing_context: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.fence(ordering)
            return context.get_dummy_value()

        return types.void(), codegen

    fence_function.__name__ = fence_function.__qualname__ = name
    fence_function.__doc__ = meaning

    @overload(fence_function, strict=False)
    def _fence_overload() -> Any:
        return lambda: fence_intrinsic()

    return fence_function


fence = _make_fence(
    "fence", "seq_cst", "Order every earlier load and store before every later one."
)
acquire_fence = _make_fence(
    "acquire_fence", "acquire", "Order earlier loads before every later load and store."
)
release_fence = _make_fence(
    "release_fence", "release", "Order every earlier load and store before later stores."
)


@intrinsic
def _pause_intrinsic(typing_context: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if platform.machine() == "x86_64":
            hint = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause"
            )
            builder.call(hint, [])
        return context.get_dummy_value()

    return types.void(), codegen


def pause() -> None:
    """Tell the core that this thread spins, so that its sibling may run."""


@overload(pause, strict=False)
def _pause_overload() -> Any:
    return lambda: _pause_intrinsic()


def address_of(array: npt.NDArray[Any]) -> int:
    """Address of an array's first byte; the caller keeps the array alive."""
    return int(array.ctypes.data)


def aligned_zeros(count: int, dtype: npt.DTypeLike, alignment: int = 64) -> npt.NDArray[Any]:
    """One-dimensional array of zeros whose first byte lies on a multiple of ``alignment``."""
    item = np.dtype(dtype)
    raw = np.zeros(count * item.itemsize + alignment, dtype=np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + count * item.itemsize].view(item)
