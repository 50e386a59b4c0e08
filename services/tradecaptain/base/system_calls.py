"""The few C library functions that compiled code may call.

A ctypes or cffi pointer captured as a global would make a kernel uncacheable, so each function is
declared as an ``ExternalFunction``: the code generator leaves its name open and the loader binds it
when the cached code is loaded. With the JIT off the same names do the same through Python.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import time
from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding as llvm
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

_NANOSECONDS_PER_SECOND = 1_000_000_000
_FUTEX_CALL: Final = 98 if platform.machine() == "aarch64" else 202
# Not the private kind: the word may be shared by processes.
_FUTEX_WAIT: Final = 0
_FUTEX_WAKE: Final = 1
_EVERYBODY: Final = 0x7FFFFFFF


def load_library(path: str) -> None:
    """Make the symbols of a shared library visible to compiled code for the life of the process."""
    llvm.load_library_permanently(path)


def external(name: str, signature: Any) -> Any:
    """Declare a C function for kernels; its library must be loaded before compiled code runs."""
    return types.ExternalFunction(name, signature)


_sched_yield = external("sched_yield", types.int32())
_nanosleep = external("nanosleep", types.int32(types.voidptr, types.voidptr))
_write = external("write", types.int64(types.int32, types.voidptr, types.uint64))
_system_call = external(
    "syscall",
    types.int64(types.int64, types.int64, types.int64, types.int64, types.voidptr),
)


@intrinsic
def _pair_on_stack(typing_context: Any, first: Any, second: Any) -> Any:
    """Address of two int64 on the stack of the calling function (a timespec, or a counter)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = context.get_value_type(types.int64)
        pair = cgutils.alloca_once(builder, word, size=2)
        builder.store(arguments[0], pair)
        builder.store(arguments[1], cgutils.gep(builder, pair, 1))
        return builder.bitcast(pair, cgutils.voidptr_t)

    return types.voidptr(types.int64, types.int64), codegen


@intrinsic
def _null(typing_context: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return cgutils.get_null_value(cgutils.voidptr_t)

    return types.voidptr(), codegen


def yield_processor() -> None:
    """Let another thread of this core run."""
    os.sched_yield()


@overload(yield_processor, strict=False)
def _yield_overload() -> Callable[[], None]:
    def compiled() -> None:
        _sched_yield()

    return compiled


def sleep_ns(duration_ns: int) -> None:
    """Sleep for about ``duration_ns``; a signal may end it early."""
    time.sleep(duration_ns / _NANOSECONDS_PER_SECOND)


@overload(sleep_ns, strict=False)
def _sleep_overload(duration_ns: Any) -> Callable[[int], None]:
    def compiled(duration_ns: int) -> None:
        seconds = duration_ns // _NANOSECONDS_PER_SECOND
        _nanosleep(
            _pair_on_stack(seconds, duration_ns - seconds * _NANOSECONDS_PER_SECOND), _null()
        )

    return compiled


def eventfd_signal(descriptor: int) -> None:
    """Add one to an eventfd's counter, which wakes whoever waits for it."""
    os.eventfd_write(int(descriptor), 1)


@overload(eventfd_signal, strict=False)
def _eventfd_overload(descriptor: Any) -> Callable[[int], None]:
    def compiled(descriptor: int) -> None:
        _write(types.int32(descriptor), _pair_on_stack(1, 0), types.uint64(8))

    return compiled


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_LIBRARY = ctypes.CDLL(None, use_errno=True)


def _futex(address: int, operation: int, value: int, timeout: Any) -> None:
    result = _LIBRARY.syscall(
        ctypes.c_long(_FUTEX_CALL),
        ctypes.c_long(address),
        ctypes.c_long(operation),
        ctypes.c_long(value),
        timeout,
    )
    error = ctypes.get_errno()
    # Not asleep: the word had changed. Awake: somebody woke us, the time was up, or a signal came.
    if result < 0 and error not in (errno.EAGAIN, errno.ETIMEDOUT, errno.EINTR):
        raise OSError(error, os.strerror(error))


def futex_wait(address: int, expected: int, duration_ns: int) -> None:
    """Sleep while the 32-bit word at ``address`` is ``expected``, at most ``duration_ns``.

    Returns when somebody calls :func:`futex_wake` on it, when the time is up, or at once if the
    word is something else; a signal may end it early.
    """
    timeout = _Timespec(*divmod(int(duration_ns), _NANOSECONDS_PER_SECOND))
    _futex(address, _FUTEX_WAIT, expected, ctypes.byref(timeout))


@overload(futex_wait, strict=False)
def _futex_wait_overload(address: Any, expected: Any, duration_ns: Any) -> Callable[..., None]:
    def compiled(address: int, expected: int, duration_ns: int) -> None:
        seconds = duration_ns // _NANOSECONDS_PER_SECOND
        timeout = _pair_on_stack(seconds, duration_ns - seconds * _NANOSECONDS_PER_SECOND)
        _system_call(_FUTEX_CALL, address, _FUTEX_WAIT, expected, timeout)

    return compiled


def futex_wake(address: int) -> None:
    """Wake everybody who sleeps on the 32-bit word at ``address``, in any process."""
    _futex(address, _FUTEX_WAKE, _EVERYBODY, None)


@overload(futex_wake, strict=False)
def _futex_wake_overload(address: Any) -> Callable[[int], None]:
    def compiled(address: int) -> None:
        _system_call(_FUTEX_CALL, address, _FUTEX_WAKE, _EVERYBODY, _null())

    return compiled
