"""Finds the checkout that this package runs from, for the verbs that only a checkout has."""

from __future__ import annotations

from pathlib import Path

from tradecaptain.cli.failure import CommandError


def find_checkout() -> Path | None:
    """The repository's root, or ``None`` where the package was installed from a wheel."""
    root = Path(__file__).resolve().parents[3]
    marks = ("pyproject.toml", "tools/run_tests.py", "services/tradecaptain/cli/main.py")
    return root if all((root / mark).is_file() for mark in marks) else None


def require_checkout(verb: str) -> Path:
    """The repository's root; a wheel is told that it has no such verb."""
    root = find_checkout()
    if root is None:
        raise CommandError(
            f"`tradecaptain {verb}` is a verb of a checkout, and this is an installed package",
            next_step=f"clone the repository and run ./tc {verb} there",
        )
    return root
