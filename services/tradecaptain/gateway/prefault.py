"""Brings pages of mapped memory in before they are written.

The first write to a page of a mapped file costs microseconds, which an order shouldn't wait for. A
helper thread asks the operating system for the pages that come next.
"""

from __future__ import annotations

from typing import Final

from numba import types
from tradecaptain.base.jit import JIT_DISABLED, kernel
from tradecaptain.base.system_calls import external

PAGE: Final = 4096
_POPULATE_WRITE: Final = 23
"""MADV_POPULATE_WRITE of Linux 5.14; an older kernel refuses it, and pages come in as before."""

_madvise = external("madvise", types.int32(types.int64, types.int64, types.int32))


@kernel(types.int64(types.int64, types.int64))
def _populate(address: int, length: int) -> int:
    return _madvise(address, length, _POPULATE_WRITE)


def populate(address: int, length: int) -> bool:
    """Bring in the pages of a range, and say whether that was done; holds no lock meanwhile."""
    if JIT_DISABLED or length <= 0:
        return False
    first = address & -PAGE
    return bool(_populate(first, address + length - first) == 0)
