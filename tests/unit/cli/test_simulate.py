"""The command that runs seeds of the simulation."""

from __future__ import annotations

import json

import pytest
from tradecaptain.cli import simulate
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.main import build
from tradecaptain.simulation import run as simulation_run
from tradecaptain.simulation.run import Failure, Outcome
from typer.testing import CliRunner


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(["simulate"]), ["simulate", *arguments])
    return result.exit_code, result.stdout


def test_seeds_are_run_and_summed_up_as_one_object() -> None:
    status, text = run("--seeds", "2-3", "--json")
    told = json.loads(text)
    assert told.pop("seconds") > 0
    assert (status, told) == (0, {"seeds": 2, "failed": 0, "failures": []})


def test_failure_is_told_with_its_step_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failure = Failure(5, 17, "the book is crossed")

    def pretend(seeds: range, *, jobs: int, on_outcome: object) -> tuple[list[Failure], float]:
        assert callable(on_outcome)
        on_outcome(5, Outcome(17, 0, 0, "", failure))
        return [failure], 0.25

    monkeypatch.setattr(simulation_run, "run_seeds", pretend)
    status, text = run("--seeds", "5", "--json")
    assert status == 1
    assert json.loads(text) == {
        "seeds": 1,
        "failed": 1,
        "failures": [{"seed": 5, "step": 17, "why": "the book is crossed"}],
        "seconds": 0.25,
    }


@pytest.mark.parametrize("text", ["", "a-b", "9-3", "-4", "1-2-3"])
def test_what_is_no_range_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="range of seeds"):
        simulate.read_seeds(text)
