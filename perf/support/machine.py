"""The machine a benchmark runs on, and pinning of the calling thread."""

from __future__ import annotations

import functools
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def describe() -> str:
    """Processor, cores, memory and kernel in one line."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_kib = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1])
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, {memory_kib // 1024 // 1024} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


@functools.cache
def core_pair() -> tuple[int, int]:
    """The first and the second core that this process may use, the same one if there is one.

    Those that it might use when this was first asked: a thread that is pinned since then has one.
    """
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[min(1, len(cores) - 1)]


@contextmanager
def pinned_to(core: int) -> Iterator[None]:
    """Pin the calling thread, and give it back its cores afterwards."""
    thread = threading.get_native_id()
    before = os.sched_getaffinity(thread)
    os.sched_setaffinity(thread, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(thread, before)
