"""Distinct errors in shared memory: each kind once, with how often and when it was seen.

An agent counts an error by its number from inside a kernel; Python adds a text. The table is
bounded, and errors of further kinds are counted together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import aligned_zeros, load_i64, store_i64
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.shared_table import SharedTable

DEFAULT_CAPACITY: Final = 256
OTHER_ERRORS: Final = -1
"""Code under which errors are counted once the table is full."""
_TEXT_BYTES: Final = 208

ENTRY: Final = np.dtype(
    [
        ("count", "<i8"),
        ("code", "<i8"),
        ("first_ns", "<i8"),
        ("last_ns", "<i8"),
        ("text", f"S{_TEXT_BYTES}"),
        ("reserved", "<i8", 2),
    ]
)
_CODE: Final = 8
_FIRST: Final = 16
_LAST: Final = 24

ERRORS: Final = np.dtype([("address", "<i8"), ("capacity", "<i8")], align=True)
"""Where the log lies in this process."""
ERRORS_TYPE: Final[Any] = numba.from_dtype(ERRORS)[::1]


@inline
def _count(slot: int, code: int, now_ns: int) -> None:
    count = load_i64(slot)
    if count == 0:
        store_i64(slot + _CODE, code)
        store_i64(slot + _FIRST, now_ns)
    store_i64(slot + _LAST, now_ns)
    store_i64(slot, count + 1)


@inline
def error_record(errors: Any, code: int, now_ns: int) -> None:
    """Count an error by its number; the last slot takes what finds no other."""
    last = errors[0]["capacity"] - 1
    for index in range(last):
        slot = errors[0]["address"] + index * ENTRY_BYTES
        if load_i64(slot) == 0 or load_i64(slot + _CODE) == code:
            _count(slot, code, now_ns)
            return
    _count(errors[0]["address"] + last * ENTRY_BYTES, OTHER_ERRORS, now_ns)


ENTRY_BYTES: Final = ENTRY.itemsize


@dataclass(frozen=True, slots=True)
class DistinctError:
    """One kind of error and its history."""

    code: int
    text: str
    count: int
    first_ns: int
    last_ns: int


class ErrorLog(SharedTable):
    """The distinct errors of one process."""

    magic = b"tc-errors"

    def __init__(self, mapped: MappedFile, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(mapped)
        self._clock = clock
        self._state = aligned_zeros(1, ERRORS)
        self._state[0] = (self.items_address, self.item_count)

    @classmethod
    def create(
        cls, path: Path, *, capacity: int = DEFAULT_CAPACITY, clock: Clock = SYSTEM_CLOCK
    ) -> Self:
        """Make the file anew, empty; this process is its one writer."""
        return cls(cls.make_file(path, item_bytes=ENTRY.itemsize, item_count=capacity), clock)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file for reading."""
        return cls(MappedFile(path, writable=False))

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for ``error_record``."""
        return self._state

    def _slots(self) -> npt.NDArray[Any]:
        return self.mapped.array(ENTRY, self.item_count, self.items_offset)

    def record(self, code: int, text: str) -> None:
        """Count an error from Python and give it a text if it has none yet."""
        error_record(self._state, code, self._clock.now_ns())
        for slot in self._slots():
            if slot["count"] > 0 and slot["code"] == code and not slot["text"]:
                slot["text"] = text.encode()[: _TEXT_BYTES - 1]

    def entries(self) -> list[DistinctError]:
        """All kinds seen, in the order of their first occurrence."""
        return [
            DistinctError(
                int(slot["code"]),
                bytes(slot["text"]).decode("utf-8", "replace"),
                int(slot["count"]),
                int(slot["first_ns"]),
                int(slot["last_ns"]),
            )
            for slot in self._slots()
            if slot["count"] > 0
        ]
