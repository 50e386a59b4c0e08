"""The whole mesh under seeded faults: 500 seeds here and in the file beside it, 5,000 in full."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
from support.seeds import check_seeds
from tradecaptain.simulation.run import run_seed, silence
from tradecaptain.simulation.world import World

BLOCK = 25


@pytest.mark.parametrize("first", range(0, 250, BLOCK))
def test_nothing_is_lost_doubled_or_stuck(first: int) -> None:
    check_seeds(range(first, first + BLOCK))


@pytest.mark.full
@pytest.mark.parametrize("first", range(500, 2_750, BLOCK))
def test_nothing_is_lost_doubled_or_stuck_in_many_more(first: int) -> None:
    check_seeds(range(first, first + BLOCK))


def test_a_loss_of_power_takes_back_nothing_that_was_on_disk(tmp_path: Path) -> None:
    silence()
    lost = 0
    for seed in range(12):
        with World(seed, tmp_path / f"{seed}") as world:
            world.weather = replace(world.weather, power_probability=0.02)
            world.run()
            lost += world.power_losses
    assert lost > 12


def test_a_run_gives_back_every_descriptor() -> None:
    """Killed processes as well: thousands of runs share one process."""

    def open_count() -> int:
        gc.collect()
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    run_seed(0)
    before = open_count()
    for seed in range(1, 5):
        run_seed(seed)
    assert open_count() == before


def test_seed_comes_out_the_same_each_time() -> None:
    assert run_seed(7) == run_seed(7)
    assert run_seed(7).digest != run_seed(8).digest
