"""``tradecaptain simulate``: the whole mesh under seeded faults, seed after seed."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import typer
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, say, show

if TYPE_CHECKING:
    from tradecaptain.simulation.run import Outcome

_SEEDS: Final = re.compile(r"(\d+)(?:-(\d+))?")
_SAID_EVERY: Final = 100


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("simulate")(simulate)


def read_seeds(text: str) -> range:
    """The seeds that ``A-B`` or ``A`` means, both ends included."""
    match = _SEEDS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise CommandError(
            f"{text!r} isn't a range of seeds", next_step="write one such as --seeds 0-999"
        )
    return range(first, last + 1)


def simulate(
    seeds: str = typer.Option("0-99", "--seeds", help="First and last seed, such as 0-4999."),
    jobs: int = typer.Option(1, "--jobs", min=1, help="Processes that share the seeds."),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
) -> None:
    """Run gateway, risk, book, log, market data and a strategy under one seeded clock, with faults.

    Each seed is a run of its own and comes out the same each time. Ends with status 1 if one fails.
    """
    chosen = read_seeds(seeds)
    # It loads the venue's compiled program, which no help needs.
    from tradecaptain.simulation.run import run_seeds

    done = 0

    def follow(seed: int, outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if outcome.failure is not None:
            say(f"seed {seed} failed at step {outcome.failure.step}: {outcome.failure.why}")
        if done % _SAID_EVERY == 0:
            say(f"{done} of {len(chosen)} seeds")

    failures, seconds = run_seeds(chosen, jobs=jobs, on_outcome=follow)
    result = {
        "seeds": len(chosen),
        "failed": len(failures),
        "failures": [asdict(failure) for failure in failures],
        "seconds": round(seconds, 3),
    }
    if json:
        emit_json(result)
    else:
        show(f"{len(chosen)} seeds, {len(failures)} failed, {seconds:.1f} s")
    if failures:
        raise typer.Exit(1)
