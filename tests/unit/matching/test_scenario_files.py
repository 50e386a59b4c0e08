"""The scenarios of tests/vectors/matching/scenarios, on the engine and on the naive venue."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.matching_scenarios import Player, Scenario, read_scenarios

FOLDER = Path(__file__).parents[2] / "vectors" / "matching" / "scenarios"
SCENARIOS = [scenario for path in sorted(FOLDER.glob("*.txt")) for scenario in read_scenarios(path)]

pytestmark = pytest.mark.twin


@pytest.mark.parametrize("kind", ["engine", "naive"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: f"{item.file}: {item.title}")
def test_scenario(scenario: Scenario, kind: str) -> None:
    player = Player(kind, scenario.rules)
    for line, expected in scenario.steps:
        assert player.play(line) == expected, line


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: f"{item.file}: {item.title}")
def test_an_engine_that_is_restored_before_every_command_goes_on_the_same(
    scenario: Scenario,
) -> None:
    player = Player("engine", scenario.rules)
    for line, expected in scenario.steps:
        player.restart()
        assert player.play(line) == expected, line


def test_titles_are_unique() -> None:
    titles = [(scenario.file, scenario.title) for scenario in SCENARIOS]
    assert len(set(titles)) == len(titles) > 30
