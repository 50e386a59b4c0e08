"""``tradecaptain replay FILE…``: check a recording, or play it into a new mesh."""

from __future__ import annotations

from pathlib import Path

import typer
from tradecaptain.cli.up import up
from tradecaptain.cli.verify.command import judge_and_show


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("replay")(replay)


def replay(
    files: list[Path] = typer.Argument(help="Recordings; several make one session."),
    verify: bool = typer.Option(
        False, "--verify", help="Build the books at full speed and compare every row; no mesh."
    ),
    speed: str = typer.Option("", "--speed", help="Without --verify: 1, a multiple, or max."),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
) -> None:
    """Verify recordings row by row, or start a mesh that replays them (as `up --replay` does)."""
    if verify:
        judge_and_show("replay", files, json=json)
    else:
        up(files, [], speed, None, False, json)  # type: ignore[arg-type]
