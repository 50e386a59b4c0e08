"""The last value of each of many things, in shared memory, readable by any process without locks.

A slot is a sequence number and a record. The one writer makes the number odd, writes, and makes it
even again; a reader copies and takes the copy only if it saw the same even number before and after.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    acquire_fence,
    address_of,
    aligned_zeros,
    copy_bytes,
    load_acquire_i64,
    load_i64,
    pause,
    release_fence,
    store_i64,
    store_release_i64,
)
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.shared_table import SharedTable
from tradecaptain.mesh.waiting import wait_until

_RECORD_OFFSET: Final = 8
_ATTEMPTS: Final = 1_000
_PATIENCE_NS: Final = 100_000_000
"""How long a Python reader waits for a writer that was stopped in the middle of a record."""
CACHE_EMPTY: Final = 0
CACHE_READ: Final = 1
CACHE_TORN: Final = -1
CACHE_OUTSIDE: Final = -2

CACHE: Final = np.dtype(
    [("address", "<i8"), ("stride", "<i8"), ("record_bytes", "<i8"), ("capacity", "<i8")],
    align=True,
)
"""Where the cache lies in this process."""
CACHE_TYPE: Final[Any] = numba.from_dtype(CACHE)[::1]


@inline
def cache_begin(cache: Any, index: int) -> int:
    """Start to change a record in place: its address, or 0 for an index outside the cache."""
    if not 0 <= index < cache[0]["capacity"]:
        return 0
    slot = cache[0]["address"] + index * cache[0]["stride"]
    store_i64(slot, load_i64(slot) | 1)
    release_fence()
    return slot + _RECORD_OFFSET


@inline
def cache_end(cache: Any, index: int) -> None:
    """Let readers see what was written since :func:`cache_begin`."""
    slot = cache[0]["address"] + index * cache[0]["stride"]
    store_release_i64(slot, load_i64(slot) + 1)


@inline
def cache_write(cache: Any, index: int, source: int) -> int:
    """Replace a record by a copy of the one at ``source``: 1, or 0 for an index outside."""
    target = cache_begin(cache, index)
    if target == 0:
        return 0
    copy_bytes(target, source, cache[0]["record_bytes"])
    cache_end(cache, index)
    return 1


@inline
def cache_read(cache: Any, index: int, target: int) -> int:
    """Copy a record to ``target``; ``CACHE_READ``, ``CACHE_EMPTY`` or a negative reason.

    ``CACHE_TORN`` means that the writer was in the middle of this record at every attempt: it was
    stopped there, by the scheduler or for ever.
    """
    if not 0 <= index < cache[0]["capacity"]:
        return CACHE_OUTSIDE
    slot = cache[0]["address"] + index * cache[0]["stride"]
    for _ in range(_ATTEMPTS):
        before = load_acquire_i64(slot)
        if before == 0:
            return CACHE_EMPTY
        if before & 1 == 0:
            copy_bytes(target, slot + _RECORD_OFFSET, cache[0]["record_bytes"])
            acquire_fence()
            if load_i64(slot) == before:
                return CACHE_READ
        pause()
    return CACHE_TORN


@kernel(types.int64(CACHE_TYPE, types.int64, types.int64))
def _read(cache: Any, index: int, target: int) -> int:
    return cache_read(cache, index, target)


@kernel(types.int64(CACHE_TYPE, types.int64, types.int64))
def _write(cache: Any, index: int, source: int) -> int:
    return cache_write(cache, index, source)


def _layout_hash(dtype: np.dtype[Any]) -> int:
    digest = hashlib.sha256(repr(dtype.descr).encode()).digest()
    return int.from_bytes(digest[:7], "little")


class LastValueCache(SharedTable):
    """A table of records of one dtype, indexed by a numbering that writer and readers share."""

    magic = b"tc-last-values"

    def __init__(self, mapped: MappedFile, dtype: npt.DTypeLike) -> None:
        super().__init__(mapped)
        self.dtype = np.dtype(dtype)
        if self.layout_hash != _layout_hash(self.dtype):
            raise MeshError(f"{mapped.path} holds records of another layout")
        self._state = aligned_zeros(1, CACHE)
        self._state[0] = (
            self.items_address,
            self.item_bytes,
            self.dtype.itemsize,
            self.item_count,
        )

    @classmethod
    def create(cls, path: Path, dtype: npt.DTypeLike, capacity: int) -> Self:
        """Make the file anew, empty; this process is its one writer."""
        record = np.dtype(dtype)
        mapped = cls.make_file(
            path,
            item_bytes=_RECORD_OFFSET + record.itemsize,
            item_count=capacity,
            layout_hash=_layout_hash(record),
        )
        return cls(mapped, record)

    @classmethod
    def open(cls, path: Path, dtype: npt.DTypeLike) -> Self:
        """Map a file for reading; :class:`MeshError` if its records have another layout."""
        return cls(MappedFile(path, writable=False), dtype)

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for the kernel functions of this module."""
        return self._state

    def read(self, index: int) -> npt.NDArray[Any] | None:
        """A copy of a record, as an array of length one; none if it was never written."""
        copy = np.empty(1, dtype=self.dtype)
        address = address_of(copy)
        result = CACHE_TORN

        def is_whole() -> bool:
            nonlocal result
            result = _read(self._state, index, address)
            return result != CACHE_TORN

        wait_until(is_whole, _PATIENCE_NS)
        if result == CACHE_OUTSIDE:
            raise MeshError(f"index {index} must be from 0 to {self.item_count - 1}")
        if result == CACHE_TORN:
            raise MeshError(f"record {index} of {self.mapped.path} was left half written")
        return copy if result == CACHE_READ else None

    def write(self, index: int, record: npt.NDArray[Any]) -> None:
        """Replace a record from Python."""
        if record.dtype != self.dtype or record.size != 1:
            raise MeshError("a cache takes one record of its own dtype")
        if _write(self._state, index, address_of(record)) == 0:
            raise MeshError(f"index {index} must be from 0 to {self.item_count - 1}")
