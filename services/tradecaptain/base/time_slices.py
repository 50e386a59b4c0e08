"""How long a thread may keep its processor at a time."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from typing import Final

_SCHED_SETATTR_CALL: Final = 274 if platform.machine() == "aarch64" else 314
_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)


class _SchedulingAttributes(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime_ns", ctypes.c_uint64),
        ("deadline_ns", ctypes.c_uint64),
        ("period_ns", ctypes.c_uint64),
    )


def request_slices(slice_ns: int) -> bool:
    """Ask for slices of ``slice_ns`` of a processor for the calling thread; whether that worked.

    Its share of the processor stays what it is. A thread of shorter slices that wakes up takes the
    processor from one of longer ones at once (Linux 6.12 and later), instead of when the other's
    slice of some milliseconds is over.
    """
    attributes = _SchedulingAttributes(
        size=ctypes.sizeof(_SchedulingAttributes),
        nice=os.getpriority(os.PRIO_PROCESS, threading.get_native_id()),
        runtime_ns=slice_ns,
    )
    call = ctypes.c_long(_SCHED_SETATTR_CALL)
    return _LIBRARY.syscall(call, 0, ctypes.byref(attributes), 0) == 0
