"""What a compiled loop does when a turn found no work."""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import pause
from tradecaptain.base.system_calls import sleep_ns, yield_processor
from tradecaptain.mesh.doorbell import NO_BELL, doorbell_disarm, doorbell_sleep

IDLE_SPIN: Final = 0
IDLE_YIELD: Final = 1
IDLE_BACKOFF: Final = 2
IDLE_SLEEP: Final = 3

STRATEGIES: Final[dict[str, int]] = {
    "spin": IDLE_SPIN,
    "yield": IDLE_YIELD,
    "backoff": IDLE_BACKOFF,
    "sleep": IDLE_SLEEP,
}
"""Strategies by the names that configuration uses."""

BACKOFF_YIELDS: Final = 5

IDLE: Final = np.dtype(
    [
        ("strategy", "<i8"),
        ("idle_turns", "<i8"),
        ("park_ns", "<i8"),
        ("park_ns_min", "<i8"),
        ("park_ns_max", "<i8"),
        ("bell", "<i8"),
        ("spin_ns", "<i8"),
        ("last_work_ns", "<i8"),
    ],
    align=True,
)
"""State of one thread's idle strategy; ``bell`` is the word that ends its sleeps, or 0.

``backoff`` spins for ``spin_ns`` after the last turn with work; ``idle_turns`` counts what follows.
"""
IDLE_TYPE: Final[Any] = numba.from_dtype(IDLE)[::1]


@inline
def park(idle: Any, duration_ns: int) -> None:
    """Sleep for a while, or until the bell rings."""
    if idle[0]["bell"] == NO_BELL:
        sleep_ns(duration_ns)
    else:
        doorbell_sleep(idle[0]["bell"], duration_ns)


@inline
def is_spinning(idle: Any, now_ns: int) -> bool:
    """Whether the last work is so recent that more may follow at once; a clock set back ends it."""
    elapsed_ns = now_ns - idle[0]["last_work_ns"]
    return 0 <= elapsed_ns < idle[0]["spin_ns"]


@inline
def idle_after(idle: Any, work_count: int, now_ns: int) -> None:
    """Spin, yield or sleep if the turn that began at ``now_ns`` had no work, ever longer."""
    if work_count > 0:
        if idle[0]["bell"] != NO_BELL:
            doorbell_disarm(idle[0]["bell"])
        idle[0]["idle_turns"] = 0
        idle[0]["last_work_ns"] = now_ns
        idle[0]["park_ns"] = idle[0]["park_ns_min"]
        return
    strategy = idle[0]["strategy"]
    if strategy == IDLE_SPIN:
        pause()
    elif strategy == IDLE_YIELD:
        yield_processor()
    elif strategy == IDLE_SLEEP:
        park(idle, idle[0]["park_ns_max"])
    elif is_spinning(idle, now_ns):
        pause()
    elif idle[0]["idle_turns"] < BACKOFF_YIELDS:
        idle[0]["idle_turns"] += 1
        yield_processor()
    else:
        park(idle, idle[0]["park_ns"])
        idle[0]["park_ns"] = min(2 * idle[0]["park_ns"], idle[0]["park_ns_max"])
