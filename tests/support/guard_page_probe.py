"""Run as a script: compiled record checks on buffers that end, or begin, at a forbidden page.

Standard input is JSON: {"record": name, "messages": [hex, …]}. Each message is laid flush against
a page without access behind it, then against one before it. Standard output is the list of pairs of
results (the status, or 1 for accepted). A touch outside the buffer ends the process by SIGSEGV.
With the record name "overrun" the probe reads one byte too far on purpose.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import mmap
import sys
from typing import Any

import numba
import numpy as np
from tradecaptain.base.memory import load_i64

PAGE = mmap.PAGESIZE
PROT_NONE = 0


def guarded_pages(page_count: int) -> tuple[mmap.mmap, int]:
    """A mapping with forbidden pages around ``page_count`` usable ones; address of the first."""
    mapping = mmap.mmap(-1, (page_count + 2) * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for guard in (base, base + (page_count + 1) * PAGE):
        if libc.mprotect(guard, PAGE, PROT_NONE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    return mapping, base + PAGE


def main() -> None:
    """Probe every message and print the results."""
    request = json.load(sys.stdin)
    mapping, first = guarded_pages(2)
    if request["record"] == "overrun":
        ctypes.c_uint8.from_address(first + 2 * PAGE - 1).value = 1
        print(ctypes.c_uint8.from_address(first + 2 * PAGE).value)
        return
    module: Any = importlib.import_module(f"tradecaptain.wire.{request['record']}")

    word_count = module.RECORD_BYTES // 8

    @numba.njit
    def check(address: int, length: int, scratch: int) -> int:
        found = module.normalise(address, length, scratch)
        if found < 0:
            return found
        # Every byte of an accepted record may be read.
        total = 0
        for word in range(word_count):
            total += load_i64(found + 8 * word)
        return 1 if total else 0

    scratch = np.zeros(module.RECORD_BYTES // 8, dtype=np.int64)
    results = []
    for text in request["messages"]:
        message = bytes.fromhex(text)
        pair = []
        for address in (first + 2 * PAGE - len(message), first):
            ctypes.memmove(address, message, len(message))
            pair.append(int(check(address, len(message), scratch.ctypes.data)))
        results.append(pair)
    print(json.dumps(results))
    del mapping


if __name__ == "__main__":
    main()
