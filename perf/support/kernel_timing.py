"""Time of pure kernels: many short blocks of calls, of which the fastest count.

A kernel computes the same each time, so whatever a block takes above the fastest is the machine's
doing. Blocks are timed by the thread's own clock; the figure of a round is its fastest block, and
the answer is the median of the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 9
SMOKE_ROUNDS = 2
_ROUND_SECONDS = 0.15
_SMOKE_ROUND_SECONDS = 0.02
_BLOCK_SECONDS = 0.001


def seconds_per_call(call: Callable[[], object], *, smoke: bool) -> float:
    """Seconds of processor time that one call takes."""
    call()
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-7)
    calls = max(int(_BLOCK_SECONDS / once), 1)
    blocks = max(int((_SMOKE_ROUND_SECONDS if smoke else _ROUND_SECONDS) / (once * calls)), 1)
    rounds = SMOKE_ROUNDS if smoke else ROUNDS
    return statistics.median(_fastest_block(call, calls, blocks) for _ in range(rounds))


def _fastest_block(call: Callable[[], object], calls: int, blocks: int) -> float:
    fastest = float("inf")
    for _ in range(blocks):
        start = time.thread_time_ns()
        for _ in range(calls):
            call()
        fastest = min(fastest, (time.thread_time_ns() - start) / calls)
    return fastest / 1e9
