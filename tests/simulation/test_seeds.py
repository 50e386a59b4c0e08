"""The whole mesh under seeded faults: 500 seeds here and in the file beside it, 5,000 in full."""

from __future__ import annotations

import pytest
from support.seeds import check_seeds
from tradecaptain.simulation.run import run_seed

BLOCK = 25


@pytest.mark.parametrize("first", range(0, 250, BLOCK))
def test_nothing_is_lost_doubled_or_stuck(first: int) -> None:
    check_seeds(range(first, first + BLOCK))


@pytest.mark.full
@pytest.mark.parametrize("first", range(500, 2_750, BLOCK))
def test_nothing_is_lost_doubled_or_stuck_in_many_more(first: int) -> None:
    check_seeds(range(first, first + BLOCK))


def test_seed_comes_out_the_same_each_time() -> None:
    assert run_seed(7) == run_seed(7)
    assert run_seed(7).digest != run_seed(8).digest
