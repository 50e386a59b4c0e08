"""Counters in shared memory: added to inside kernels, read by any process.

Each counter has one writer and a cache line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import aligned_zeros, load_i64, store_release_i64
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.shared_table import SharedTable

_LINE_SHIFT: Final = 6

COUNTERS: Final = np.dtype([("address", "<i8"), ("count", "<i8")], align=True)
"""Where the counters lie in this process."""
COUNTERS_TYPE: Final[Any] = numba.from_dtype(COUNTERS)[::1]


@inline
def counter_add(counters: Any, index: int, amount: int) -> None:
    """Add to a counter; an index outside the table does nothing."""
    if 0 <= index < counters[0]["count"]:
        address = counters[0]["address"] + (index << _LINE_SHIFT)
        store_release_i64(address, load_i64(address) + amount)


@inline
def counter_set(counters: Any, index: int, value: int) -> None:
    """Set a counter, for gauges; an index outside the table does nothing."""
    if 0 <= index < counters[0]["count"]:
        store_release_i64(counters[0]["address"] + (index << _LINE_SHIFT), value)


class CounterTable(SharedTable):
    """Named counters of one process."""

    magic = b"tc-counters"

    def __init__(self, mapped: MappedFile) -> None:
        super().__init__(mapped)
        self._state = aligned_zeros(1, COUNTERS)
        self._state[0] = (self.items_address, self.item_count)

    @classmethod
    def create(cls, path: Path, names: Sequence[str]) -> Self:
        """Make the file anew with all counters at zero; the order of names is their index."""
        return cls(cls.make_file(path, item_bytes=8, item_count=len(names), names=names))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file for reading; :class:`MeshError` if it is none of ours."""
        return cls(MappedFile(path, writable=False))

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for the kernel functions of this module."""
        return self._state

    def values(self) -> dict[str, int]:
        """All counters by name."""
        words = self.mapped.array("<i8", self.item_count * 8, self.items_offset)
        return {name: int(words[8 * index]) for index, name in enumerate(self.names)}

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a counter from Python."""
        counter_add(self._state, self.index(name), amount)

    def set(self, name: str, value: int) -> None:
        """Set a counter from Python."""
        counter_set(self._state, self.index(name), value)
