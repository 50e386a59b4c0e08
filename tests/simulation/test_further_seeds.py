"""The other half of the seeds, so that two workers can share them."""

from __future__ import annotations

import pytest
from support.seeds import check_seeds

BLOCK = 25


@pytest.mark.parametrize("first", range(250, 500, BLOCK))
def test_nothing_is_lost_doubled_or_stuck(first: int) -> None:
    check_seeds(range(first, first + BLOCK))


@pytest.mark.full
@pytest.mark.parametrize("first", range(2_750, 5_000, BLOCK))
def test_nothing_is_lost_doubled_or_stuck_in_many_more(first: int) -> None:
    check_seeds(range(first, first + BLOCK))
