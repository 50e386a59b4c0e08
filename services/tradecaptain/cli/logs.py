"""``tradecaptain logs``: what the parts wrote."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import orjson
import typer
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json

_STEP_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("logs")(logs)


def logs(
    part: str = typer.Argument("supervisor", help="Whose log: a part's name."),
    follow: bool = typer.Option(False, "-f", "--follow", help="Go on as the log grows."),
    lines: int = typer.Option(50, "-n", "--lines", min=0, help="How many lines of the past."),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
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
    if json and follow:
        raise CommandError("--json answers once", next_step="leave out --follow")
    tail, position = _tail(path, lines)
    if json:
        emit_json({"part": part, "lines": [_entry(line) for line in tail]})
        return
    sys.stdout.buffer.write(b"".join(tail))
    sys.stdout.buffer.flush()
    if follow:
        _follow(path, position)


def _tail(path: Path, lines: int) -> tuple[list[bytes], int]:
    """The last lines, and where the log ends."""
    with path.open("rb") as file:
        content = file.read()
    return content.splitlines(keepends=True)[-lines:] if lines else [], len(content)


def _entry(line: bytes) -> Any:
    """A line's object; what a library wrote past the log's form is an event of its own."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return {"event": line.decode(errors="replace").rstrip()}


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
