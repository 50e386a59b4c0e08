"""``tradecaptain perf NAME``: run one benchmark of a checkout."""

from __future__ import annotations

import subprocess
import sys

import typer
from tradecaptain.cli.checkout import require_checkout
from tradecaptain.cli.failure import CommandError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("perf")(perf)


def perf(
    name: str = typer.Argument(
        "", help="ping_pong, order_path, tick_path, edge, pricing, …; empty lists them."
    ),
    smoke: bool = typer.Option(False, "--smoke", help="Seconds instead of minutes; no goals."),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
) -> None:
    """Measure, verify the output, and compare with the stated goals and peers."""
    root = require_checkout("perf")
    if name:
        # What a mesh would compile in the background takes time from what is measured.
        command = [sys.executable, "-m", "tradecaptain.cli.main", "compile", "--quiet-when-done"]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise CommandError("the kernels can't be compiled; what the compiler says is above")
    arguments = [sys.executable, "-m", "perf"]
    if name:
        arguments.append(name)
    if smoke:
        arguments.append("--smoke")
    if json:
        arguments.append("--json")
    output = subprocess.PIPE if json else None
    answer = subprocess.run(arguments, cwd=root, check=False, stdout=output)
    if json and not answer.stdout:
        raise CommandError("the benchmark gave no answer; what it said stands above")
    if json:
        sys.stdout.buffer.write(answer.stdout)
        sys.stdout.buffer.flush()
    raise typer.Exit(answer.returncode)
