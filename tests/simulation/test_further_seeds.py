"""The other half of the seeds, so that two workers can share them."""

from __future__ import annotations

import pytest
from tradecaptain.simulation.run import run_seeds

BLOCK = 10


@pytest.mark.parametrize("first", range(20, 40, BLOCK))
def test_nothing_is_lost_doubled_or_stuck(first: int) -> None:
    failures, _ = run_seeds(range(first, first + BLOCK))
    assert failures == []


@pytest.mark.full
@pytest.mark.parametrize("first", range(2_500, 5_000, BLOCK))
def test_nothing_is_lost_doubled_or_stuck_in_many_more(first: int) -> None:
    failures, _ = run_seeds(range(first, first + BLOCK))
    assert failures == []
