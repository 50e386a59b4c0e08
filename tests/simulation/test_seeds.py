"""The whole mesh under seeded faults: 40 seeds here and in the file beside it, 5,000 in full."""

from __future__ import annotations

import pytest
from tradecaptain.simulation.run import run_seed, run_seeds

BLOCK = 10


@pytest.mark.parametrize("first", range(0, 20, BLOCK))
def test_nothing_is_lost_doubled_or_stuck(first: int) -> None:
    failures, _ = run_seeds(range(first, first + BLOCK))
    assert failures == []


@pytest.mark.full
@pytest.mark.parametrize("first", range(40, 2_500, BLOCK))
def test_nothing_is_lost_doubled_or_stuck_in_many_more(first: int) -> None:
    failures, _ = run_seeds(range(first, first + BLOCK))
    assert failures == []


def test_seed_comes_out_the_same_each_time() -> None:
    assert run_seed(7) == run_seed(7)
    assert run_seed(7).digest != run_seed(8).digest
