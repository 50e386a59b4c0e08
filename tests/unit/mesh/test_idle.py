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


@kernel(types.int64(IDLE_TYPE, types.int64))
def pass_idle_turns(idle: Any, count: int) -> int:
    """So many turns without work; the length of the next sleep."""
    for _ in range(count):
        idle_after(idle, 0)
    length: int = idle[0]["park_ns"]
    return length


@kernel(types.int64(IDLE_TYPE))
def pass_busy_turn(idle: Any) -> int:
    """One turn with work; the length of the next sleep."""
    idle_after(idle, 1)
    length: int = idle[0]["park_ns"]
    return length


def backoff(spin_turns: int) -> "np.ndarray[Any, Any]":
    idle = aligned_zeros(1, IDLE)
    idle[0] = (
        STRATEGIES["backoff"],
        0,
        FIRST_PARK_NS,
        FIRST_PARK_NS,
        LONGEST_PARK_NS,
        0,
        spin_turns,
    )
    return idle


@pytest.mark.parametrize("spin_turns", [0, 10, 1_000])
def test_backoff_spins_then_yields_then_sleeps_ever_longer(spin_turns: int) -> None:
    idle = backoff(spin_turns)
    assert pass_idle_turns(idle, spin_turns + BACKOFF_YIELDS) == FIRST_PARK_NS
    assert pass_idle_turns(idle, 1) == 2 * FIRST_PARK_NS
    assert pass_idle_turns(idle, 1) == LONGEST_PARK_NS
    assert pass_idle_turns(idle, 1) == LONGEST_PARK_NS


def test_work_starts_it_over() -> None:
    idle = backoff(3)
    assert pass_idle_turns(idle, 3 + BACKOFF_YIELDS + 1) == 2 * FIRST_PARK_NS
    assert pass_busy_turn(idle) == FIRST_PARK_NS
    assert pass_idle_turns(idle, 3 + BACKOFF_YIELDS) == FIRST_PARK_NS
