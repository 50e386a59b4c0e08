"""Calls of the system on open files, from compiled code: what a log needs to be on disk.

Each returns 0, or the number of the error. With the JIT off the same names do the same through
Python.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any, Final

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from tradecaptain.base.memory import load_i32, load_u32
from tradecaptain.base.system_calls import external

_EMPTY_PATH: Final = 0x1000
_LINKS_ALONE: Final = 0x4
_STATX_WORDS: Final = 32
_STATX_LINKS_OFFSET: Final = 16

_pwrite = external("pwrite", types.int64(types.int32, types.int64, types.uint64, types.int64))
_fdatasync = external("fdatasync", types.int32(types.int32))
_statx = external(
    "statx", types.int32(types.int32, types.int64, types.int32, types.uint32, types.int64)
)
_errno_location = external("__errno_location", types.int64())


@intrinsic
def _zeros_on_stack(typing_context: Any) -> Any:
    """Address of as many zeroed int64 on the stack as a statx result has, and one more."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = context.get_value_type(types.int64)
        words = cgutils.alloca_once(builder, word, size=_STATX_WORDS + 1)
        cgutils.memset(builder, words, word(8 * (_STATX_WORDS + 1)), 0)
        return builder.ptrtoint(words, word)

    return types.int64(), codegen


def write_at(descriptor: int, address: int, length: int, offset: int) -> int:
    """Write ``length`` bytes of memory at ``offset`` of a file; 0, or the error's number."""
    data = memoryview((ctypes.c_char * int(length)).from_address(int(address))).cast("B")
    try:
        while data:
            written = os.pwrite(int(descriptor), data, int(offset))
            data, offset = data[written:], offset + written
    except OSError as error:
        return error.errno or errno.EIO
    return 0


@overload(write_at, strict=False)
def _write_at_overload(
    descriptor: Any, address: Any, length: Any, offset: Any
) -> Callable[..., int]:
    def compiled(descriptor: int, address: int, length: int, offset: int) -> int:
        done = 0
        while done < length:
            written = _pwrite(
                types.int32(descriptor),
                address + done,
                types.uint64(length - done),
                offset + done,
            )
            if written > 0:
                done += written
                continue
            error = int(load_i32(_errno_location())) if written < 0 else errno.EIO
            if error != errno.EINTR:
                return error
        return 0

    return compiled


def sync_data(descriptor: int) -> int:
    """Have a file's data survive a loss of power (fdatasync); 0, or the error's number."""
    try:
        os.fdatasync(int(descriptor))
    except OSError as error:
        return error.errno or errno.EIO
    return 0


@overload(sync_data, strict=False)
def _sync_data_overload(descriptor: Any) -> Callable[[int], int]:
    def compiled(descriptor: int) -> int:
        if _fdatasync(types.int32(descriptor)) == 0:
            return 0
        return int(load_i32(_errno_location()))

    return compiled


def link_count(descriptor: int) -> int:
    """How many names an open file has; 0 once it was removed, -1 if that can't be told.

    Compiled, nothing but that is asked: a file system gives the next write to a file whose times
    were looked at a finer time, and the next sync then has to write the file's inode as well.
    """
    try:
        return os.fstat(int(descriptor)).st_nlink
    except OSError:
        return -1


@overload(link_count, strict=False)
def _link_count_overload(descriptor: Any) -> Callable[[int], int]:
    def compiled(descriptor: int) -> int:
        result = _zeros_on_stack()
        # The word behind it is the empty path.
        path = result + 8 * _STATX_WORDS
        failed = _statx(
            types.int32(descriptor),
            path,
            types.int32(_EMPTY_PATH),
            types.uint32(_LINKS_ALONE),
            result,
        )
        return -1 if failed != 0 else int(load_u32(result + _STATX_LINKS_OFFSET))

    return compiled
