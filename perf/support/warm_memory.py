"""Free memory that the host has already lent, so that a benchmark doesn't measure the lending.

On a virtual machine the first touch of a page that the host hasn't backed costs up to ten
microseconds, many times what it costs on bare metal, and free memory goes back to the host a second
after it became free in large blocks. A server that keeps what it was told pays that with every
order, and a peer that keeps nothing doesn't. Here memory is touched, and every other huge page of
it given back: blocks that small stay with the machine, and are what the kernel hands out first.
"""

from __future__ import annotations

import mmap
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tradecaptain.base.huge_pages import HUGE_PAGE_BYTES, POPULATE_WRITE

_SHARE: Final = 4
"""At most this part of what is available is touched."""


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


@contextmanager
def warmed_memory(wanted_bytes: int) -> Iterator[int]:
    """Have that many bytes of free memory warm while the block runs; yields how many there are."""
    free_bytes = min(wanted_bytes, _available_bytes() // _SHARE // 2)
    step = 2 * HUGE_PAGE_BYTES
    length = max(1, free_bytes // HUGE_PAGE_BYTES) * step
    started = time.perf_counter()
    with mmap.mmap(-1, length, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.madvise(mmap.MADV_HUGEPAGE)
        try:
            held.madvise(POPULATE_WRITE)
        except OSError:
            print("the kernel can't populate memory: none is warmed", file=sys.stderr)
            yield 0
            return
        for offset in range(0, length, step):
            held.madvise(mmap.MADV_DONTNEED, offset, HUGE_PAGE_BYTES)
        print(
            f"{length // 2 >> 20:,} MB of free memory warmed in"
            f" {time.perf_counter() - started:.1f} s",
            file=sys.stderr,
        )
        yield length // 2
