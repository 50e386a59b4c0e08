"""Memory for large tables that are read at random, on huge pages where the system gives them.

A core finds few thousands of ordinary pages without a walk through page tables, which in a virtual
machine takes two dozen reads; of huge ones it needs one for 2 MiB. They are asked for by advice
(``MADV_HUGEPAGE``): where the system has none, the memory is the same on ordinary pages.
"""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

HUGE_PAGE_BYTES: Final = 2 << 20
_LINE_BYTES: Final = 64
POPULATE_WRITE: Final = 23
"""MADV_POPULATE_WRITE of Linux 5.14; an older kernel refuses it, and pages come at first use."""


class Arena(Protocol):
    """Where tables are cut from."""

    used_bytes: int

    def zeros(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Cut an array of zeros that begins on a cache line."""


def _next_line(offset: int) -> int:
    return -(-offset // _LINE_BYTES) * _LINE_BYTES


class ArenaSize:
    """Counts what an arena will need; its arrays are empty."""

    def __init__(self) -> None:
        self.used_bytes = 0

    def zeros(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """As :meth:`HugeArena.zeros`, of nothing."""
        self.used_bytes = _next_line(self.used_bytes) + count * np.dtype(dtype).itemsize
        return np.zeros(0, dtype)


class HugeArena:
    """Zeroed memory of this process alone, from which tables are cut one after the other.

    An array that was cut keeps the memory mapped.
    """

    def __init__(self, byte_count: int) -> None:
        """Every page is made ready, so that no later write waits for one."""
        length = -(-byte_count // HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
        self._map = mmap.mmap(
            -1, length + HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )
        whole = np.frombuffer(self._map, np.uint8)
        start = -int(whole.ctypes.data) % HUGE_PAGE_BYTES
        self._bytes = whole[start : start + length]
        self.address = int(self._bytes.ctypes.data)
        self.used_bytes = 0
        with contextlib.suppress(OSError):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        with contextlib.suppress(OSError):
            self._map.madvise(POPULATE_WRITE, start, length)

    def zeros(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Cut an array that begins on a cache line; ValueError if the arena is used up."""
        item = np.dtype(dtype)
        start = _next_line(self.used_bytes)
        end = start + count * item.itemsize
        if end > len(self._bytes):
            raise ValueError(f"an arena of {len(self._bytes)} bytes has no room for {end}")
        self.used_bytes = end
        return self._bytes[start:end].view(item)

    def huge_bytes(self) -> int:
        """How much of it lies on huge pages at the moment, as the system says."""
        return _huge_bytes_of(Path("/proc/self/smaps"), self.address)


def _huge_bytes_of(smaps: Path, address: int) -> int:
    """``AnonHugePages`` of the mapping that holds an address; 0 where the system doesn't tell."""
    inside = False
    try:
        lines = smaps.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        head = line.split(maxsplit=1)[0]
        if "-" in head and not head.endswith(":"):
            first, _, last = head.partition("-")
            inside = int(first, 16) <= address < int(last, 16)
        elif inside and head == "AnonHugePages:":
            return int(line.split()[1]) * 1024
    return 0
