"""The one seam through which time enters.

Only this module reads a clock. Services take a :class:`Clock`; kernels take ``now_ns`` arguments.
The loop that drives an agent, and benchmarks, call :func:`realtime_ns_kernel` or
:func:`monotonic_ns_kernel`, which are compiled to one ``clock_gettime``.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

_NANOSECONDS_PER_SECOND = 1_000_000_000


class Clock(Protocol):
    """Tells the time in integer nanoseconds."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back; its zero means nothing."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when it is told to, for tests and simulation."""

    def __init__(self, start_ns: int = 1_750_000_000_000_000_000) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """The same instant as :meth:`now_ns`."""
        return self._now_ns

    def advance(self, delta_ns: int) -> None:
        """Move time on by ``delta_ns``, which may be negative to simulate a clock jump."""
        self._now_ns += delta_ns


SYSTEM_CLOCK: Clock = SystemClock()


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
