"""``tradecaptain gen``: regenerate what comes from the contracts of a checkout."""

from __future__ import annotations

import subprocess
import sys

import typer
from tradecaptain.cli.checkout import require_checkout


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("gen")(generate)


def generate(
    check: bool = typer.Option(False, "--check", help="Change nothing; fail on any difference."),
) -> None:
    """Regenerate gen/ from proto/ and schemas/."""
    root = require_checkout("gen")
    arguments = [sys.executable, str(root / "tools" / "gen.py")]
    if check:
        arguments.append("--check")
    raise typer.Exit(subprocess.run(arguments, cwd=root, check=False).returncode)
