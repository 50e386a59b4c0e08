"""Brings pages of mapped memory in before they are written.

The first write to a page of a mapped file costs microseconds, which an order shouldn't wait for. An
agent on a thread of its own asks the operating system for the pages that come next. It holds no
lock of Python's and runs at the lowest priority, in time that nobody else wants.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.huge_pages import POPULATE_WRITE
from tradecaptain.base.jit import JIT_DISABLED, inline, kernel
from tradecaptain.base.memory import load_acquire_i64
from tradecaptain.base.system_calls import external
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array

PAGE: Final = 4096

_madvise = external("madvise", types.int32(types.int64, types.int64, types.int32))


@kernel(types.int64(types.int64, types.int64))
def _populate(address: int, length: int) -> int:
    return _madvise(address, length, POPULATE_WRITE)


def populate(address: int, length: int) -> bool:
    """Bring in the pages of a range, and say whether that was done; holds no lock meanwhile."""
    if JIT_DISABLED or length <= 0:
        return False
    first = address & -PAGE
    return bool(_populate(first, address + length - first) == 0)


TABLE: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            "address",
            "record_bytes",
            "count_address",
            "limit_address",
            "ahead_min",
            "ahead_max",
            "populated",
            "seen_count",
            "recent_count",
            "decayed_ns",
        )
    ],
    align=True,
)
"""A table that grows: where it lies, where its number of records and their bound are told, how many
records the pages should be ahead, up to which one they are, and how many came of late."""
_DECAY_NS: Final = 1 << 27
_DECAY_SHIFT: Final = 5
_STEP_BYTES: Final = 1 << 18
_LOWEST_PRIORITY: Final = 19


@inline
def _ahead(tables: Any, index: int, count: int, now_ns: int) -> int:
    """How far ahead the pages should be: more the more records came in the last seconds."""
    tables[index]["recent_count"] += count - tables[index]["seen_count"]
    tables[index]["seen_count"] = count
    if now_ns - tables[index]["decayed_ns"] >= _DECAY_NS:
        tables[index]["decayed_ns"] = now_ns
        tables[index]["recent_count"] -= tables[index]["recent_count"] >> _DECAY_SHIFT
    wanted = tables[index]["ahead_min"] + tables[index]["recent_count"]
    return min(wanted, tables[index]["ahead_max"])


@inline
def _bring_in(tables: Any, index: int, now_ns: int) -> int:
    """Bring in the next pages of a table; 1, or 0 if it has enough."""
    limit = load_acquire_i64(tables[index]["limit_address"])
    count = load_acquire_i64(tables[index]["count_address"])
    used = min(count, limit)
    wanted = min(used + _ahead(tables, index, count, now_ns), limit)
    first = max(used, tables[index]["populated"])
    if first >= wanted:
        return 0
    record_bytes = tables[index]["record_bytes"]
    last = min(wanted, first + _STEP_BYTES // record_bytes)
    address = tables[index]["address"] + first * record_bytes
    start = address & -PAGE
    _madvise(start, (last - first) * record_bytes + address - start, POPULATE_WRITE)
    tables[index]["populated"] = last
    return 1


@duty_cycle
def prefault_do_work(frame: int, now_ns: int) -> int:
    """One turn: a step in each table; its frame is the tables."""
    tables = frame_array(frame, 0, TABLE)
    work = 0
    for index in range(tables.shape[0]):
        work += _bring_in(tables, index, now_ns)
    return work


def prefault_agent(tables: npt.NDArray[Any]) -> Agent:
    """The agent that keeps the pages of some tables ahead."""

    def on_start() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)

    return Agent("pages of the order file", prefault_do_work, [tables], on_start=on_start)
