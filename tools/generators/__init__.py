"""The parts of ``tools/gen.py``: one module for each kind of source.

A generator module has ``INPUTS`` (globs of what it reads), ``TOOLS`` (distributions whose
versions matter) and ``generate(root, out)``, which writes its files below ``out`` as if that were
the root of the repository. No two generators write the same file.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


class GenerationError(Exception):
    """A tool is missing or failed, or a schema breaks a rule of this repository."""


def run_tool(name: str, *arguments: str, cwd: Path) -> bytes:
    """Run a tool of the virtual environment and return its standard output."""
    tool = Path(sys.executable).parent / name
    if not tool.exists():
        raise GenerationError(f"{name} is missing from {tool.parent}: run `uv sync`")
    outcome = subprocess.run([str(tool), *arguments], cwd=cwd, capture_output=True, check=False)
    if outcome.returncode != 0:
        raise GenerationError(f"{name} failed: {outcome.stderr.decode(errors='replace').strip()}")
    return outcome.stdout


def snake_case(name: str) -> str:
    """``clientOrderId0`` or ``OrderCommand`` in snake case; digits stay with their word."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def camel_case(name: str) -> str:
    """``UNKNOWN_ORDER`` as ``unknownOrder``."""
    head, *tail = name.lower().split("_")
    return head + "".join(word.capitalize() for word in tail)


def write_text(path: Path, text: str) -> None:
    """Write a generated file, and the folders above it, with exactly one newline at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
