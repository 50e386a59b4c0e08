"""``tradecaptain down``: stop a running mesh and whatever an earlier one left behind."""

from __future__ import annotations

import signal

import typer
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, say
from tradecaptain.launch.leftovers import leftover_processes, remove_leftovers, wait_until_gone
from tradecaptain.launch.run_state import running_supervisor, supervisor_lock

_STOP_SECONDS = 60.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("down")(down)


def down(json: bool = typer.Option(False, "--json", help="Answer with one JSON object.")) -> None:
    """Stop the mesh of this run folder; nothing of it is left running or in shared memory."""
    run = RunPaths.from_environment()
    owner = running_supervisor(run)
    stopped = owner is not None
    if owner is not None:
        say(f"stopping the mesh in {run.folder} (process {owner.pid})")
        owner.send(signal.SIGTERM)
        if not wait_until_gone([owner], _STOP_SECONDS):
            raise CommandError(
                f"the supervisor (process {owner.pid}) didn't stop within {_STOP_SECONDS:g} s",
                next_step=f"kill -9 {owner.pid}, then run `tradecaptain down` again",
            )
    said: list[str] = []
    if run.folder.exists():
        with supervisor_lock(run):
            said = remove_leftovers(run)
    for line in said:
        say(f"cleaned up: {line}")
    if not stopped and not said:
        say(f"nothing is running in {run.folder}")
    if json:
        left = list(leftover_processes(run)) if run.folder.exists() else []
        emit_json({"run": str(run.folder), "stopped": stopped, "cleaned": said, "left": left})
