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
from tradecaptain.mesh.table_readers import COUNTER_BYTES, CounterReader

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


class CounterTable(CounterReader):
    """Named counters of one process."""

    def __init__(self, mapped: MappedFile) -> None:
        super().__init__(mapped)
        self._state = aligned_zeros(1, COUNTERS)
        self._state[0] = (self.items_address, self.item_count)

    @classmethod
    def create(cls, path: Path, names: Sequence[str]) -> Self:
        """Make the file anew with all counters at zero; the order of names is their index."""
        return cls(
            cls.make_file(path, item_bytes=COUNTER_BYTES, item_count=len(names), names=names)
        )

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for the kernel functions of this module."""
        return self._state

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a counter from Python."""
        counter_add(self._state, self.index(name), amount)

    def set(self, name: str, value: int) -> None:
        """Set a counter from Python."""
        counter_set(self._state, self.index(name), value)
