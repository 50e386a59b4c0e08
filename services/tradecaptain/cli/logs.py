"""``tradecaptain logs``: what the parts wrote."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import typer
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError

_STEP_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("logs")(logs)


def logs(
    part: str = typer.Argument("supervisor", help="Whose log: a part's name."),
    follow: bool = typer.Option(False, "-f", "--follow", help="Go on as the log grows."),
    lines: int = typer.Option(50, "-n", "--lines", min=0, help="How many lines of the past."),
) -> None:
    """Print the end of a part's log: JSON lines, newest last."""
    run = RunPaths.from_environment()
    path = run.log_of(part)
    if not path.is_file():
        known = sorted(entry.stem for entry in run.logs.glob("*.log"))
        raise CommandError(
            f"there is no log of {part} in {run.logs}",
            next_step=f"name one of {', '.join(known)}"
            if known
            else "start with `tradecaptain up`",
        )
    position = _print_tail(path, lines)
    if follow:
        _follow(path, position)


def _print_tail(path: Path, lines: int) -> int:
    with path.open("rb") as file:
        content = file.read()
    tail = content.splitlines(keepends=True)[-lines:] if lines else []
    sys.stdout.buffer.write(b"".join(tail))
    sys.stdout.buffer.flush()
    return len(content)


def _follow(path: Path, position: int) -> None:
    pause = threading.Event()
    while True:
        size = path.stat().st_size
        if size < position:
            # The supervisor cut a log that had grown too long.
            position = 0
        if size > position:
            with path.open("rb") as file:
                file.seek(position, os.SEEK_SET)
                sys.stdout.buffer.write(file.read(size - position))
            sys.stdout.buffer.flush()
            position = size
        pause.wait(_STEP_SECONDS)
