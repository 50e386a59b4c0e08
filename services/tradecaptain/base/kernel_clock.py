"""The compiled half of the seam for time: one ``clock_gettime`` inside a kernel.

The loop that drives an agent, and benchmarks, read the clock here; kernels below them take
``now_ns`` arguments. A module of its own, so that processes without kernels needn't load numba.
"""

from __future__ import annotations

import time
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

_NANOSECONDS_PER_SECOND = 1_000_000_000


def _clock_intrinsic(clock_id: int) -> Any:
    @intrinsic
    def read(typing_context: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word, number = ir.IntType(64), ir.IntType(32)
            timespec = cgutils.alloca_once(builder, ir.ArrayType(word, 2))
            function = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(number, [number, timespec.type]),
                "clock_gettime",
            )
            builder.call(function, [number(clock_id), timespec])
            seconds = builder.load(cgutils.gep_inbounds(builder, timespec, 0, 0))
            nanoseconds = builder.load(cgutils.gep_inbounds(builder, timespec, 0, 1))
            return builder.add(builder.mul(seconds, word(_NANOSECONDS_PER_SECOND)), nanoseconds)

        return types.int64(), codegen

    return read


_realtime_intrinsic = _clock_intrinsic(time.CLOCK_REALTIME)
_monotonic_intrinsic = _clock_intrinsic(time.CLOCK_MONOTONIC)


def realtime_ns_kernel() -> int:
    """Nanoseconds since the Unix epoch, UTC; callable from kernels."""
    return time.time_ns()


@overload(realtime_ns_kernel, strict=False)
def _realtime_overload() -> Any:
    return lambda: _realtime_intrinsic()


def monotonic_ns_kernel() -> int:
    """Nanoseconds of a clock that never goes back; callable from kernels."""
    return time.monotonic_ns()


@overload(monotonic_ns_kernel, strict=False)
def _monotonic_overload() -> Any:
    return lambda: _monotonic_intrinsic()
