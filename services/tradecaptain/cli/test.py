"""``tradecaptain test``: run all tests of a checkout."""

from __future__ import annotations

import subprocess
import sys

import typer
from tradecaptain.cli.checkout import require_checkout


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("test")(run_tests)


def run_tests(
    full: bool = typer.Option(False, "--full", help="Also run the long tests."),
    phase: list[str] = typer.Option(
        [], "--phase", help="Run only this phase: fast, alone or jit-off. May be repeated."
    ),
) -> None:
    """Run all tests: kernels are compiled once, then the suites run in three phases."""
    root = require_checkout("test")
    arguments = [sys.executable, str(root / "tools" / "run_tests.py")]
    if full:
        arguments.append("--full")
    for name in phase:
        arguments += ["--phase", name]
    raise typer.Exit(subprocess.run(arguments, cwd=root, check=False).returncode)
