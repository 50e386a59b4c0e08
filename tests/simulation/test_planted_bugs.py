"""The simulation finds each planted bug, within far fewer seeds than a night has."""

from __future__ import annotations

import re

import pytest
from support.planted_bugs import (
    AcknowledgesBeforeAppend,
    AcknowledgesBeforeSync,
    KeepsStaleSnapshots,
    LosesCancels,
    LosesDuplicateTable,
    ReadsCommandsAgain,
    ReordersTimers,
    SkipsChecksums,
)
from tradecaptain.simulation.run import Failure, run_seed, silence
from tradecaptain.simulation.world import Parts

SEEDS_MAX = 1_000
PLANTED = {
    "acknowledge before append": (Parts(venue=AcknowledgesBeforeAppend), "are gone after"),
    "acknowledge before sync": (Parts(venue=AcknowledgesBeforeSync), "on disk are gone after"),
    "skipped CRC": (
        Parts(venue=SkipsChecksums),
        "taken for good|departs from the log|checked again",
    ),
    "lost duplicate table": (Parts(gateway=LosesDuplicateTable), "was accepted twice"),
    "lost cancel": (Parts(venue=LosesCancels), "every request to be answered"),
    "commands read again": (Parts(venue=ReadsCommandsAgain), "was accepted twice"),
    "stale snapshot": (Parts(venue=KeepsStaleSnapshots), "the gate has|departs from the log"),
    "reordered timer": (Parts(venue=ReordersTimers), "after its time"),
}


def first_failure(parts: Parts) -> Failure:
    silence()
    for seed in range(SEEDS_MAX):
        failure = run_seed(seed, parts).failure
        if failure is not None:
            return failure
    raise AssertionError(f"nothing was found in {SEEDS_MAX} seeds")


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found_and_named(name: str) -> None:
    parts, words = PLANTED[name]
    assert re.search(words, first_failure(parts).why)


def test_failure_comes_back_at_the_same_step_of_its_seed() -> None:
    parts, _ = PLANTED["lost duplicate table"]
    failure = first_failure(parts)
    assert run_seed(failure.seed, parts).failure == failure
