"""What a loop does between turns without work."""

from typing import Any

import numpy as np
import pytest
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import aligned_zeros
from tradecaptain.mesh.idle import BACKOFF_YIELDS, IDLE, IDLE_TYPE, STRATEGIES, idle_after

pytestmark = pytest.mark.twin

FIRST_PARK_NS = 1_000
LONGEST_PARK_NS = 4_000


@kernel(types.int64(IDLE_TYPE, types.int64, types.int64))
def pass_idle_turns(idle: Any, count: int, now_ns: int) -> int:
    """So many turns without work; the length of the next sleep."""
    for _ in range(count):
        idle_after(idle, 0, now_ns)
    length: int = idle[0]["park_ns"]
    return length


@kernel(types.int64(IDLE_TYPE, types.int64))
def pass_busy_turn(idle: Any, now_ns: int) -> int:
    """One turn with work; the length of the next sleep."""
    idle_after(idle, 1, now_ns)
    length: int = idle[0]["park_ns"]
    return length


def backoff(spin_ns: int) -> "np.ndarray[Any, Any]":
    idle = aligned_zeros(1, IDLE)
    idle[0] = (
        STRATEGIES["backoff"], 0, FIRST_PARK_NS, FIRST_PARK_NS, LONGEST_PARK_NS, 0, spin_ns, 0,
    )  # fmt: skip
    return idle


@pytest.mark.parametrize("spin_ns", [0, 10, 1_000])
def test_backoff_spins_then_yields_then_sleeps_ever_longer(spin_ns: int) -> None:
    idle = backoff(spin_ns)
    pass_busy_turn(idle, 5_000)
    if spin_ns > 0:
        assert pass_idle_turns(idle, 50, 5_000 + spin_ns - 1) == FIRST_PARK_NS
    over_ns = 5_000 + spin_ns
    assert pass_idle_turns(idle, BACKOFF_YIELDS, over_ns) == FIRST_PARK_NS
    assert pass_idle_turns(idle, 1, over_ns) == 2 * FIRST_PARK_NS
    assert pass_idle_turns(idle, 1, over_ns) == LONGEST_PARK_NS
    assert pass_idle_turns(idle, 1, over_ns) == LONGEST_PARK_NS


def test_work_starts_it_over() -> None:
    idle = backoff(100)
    assert pass_idle_turns(idle, BACKOFF_YIELDS + 1, 9_000) == 2 * FIRST_PARK_NS
    assert pass_busy_turn(idle, 10_000) == FIRST_PARK_NS
    assert pass_idle_turns(idle, 50, 10_050) == FIRST_PARK_NS


def test_a_clock_that_was_set_back_does_not_keep_it_spinning() -> None:
    idle = backoff(1_000)
    pass_busy_turn(idle, 10_000)
    assert pass_idle_turns(idle, BACKOFF_YIELDS + 1, 4_000) == 2 * FIRST_PARK_NS
