"""``tradecaptain engine build --out DIR``: the matching engine as a library for any program."""

from __future__ import annotations

from pathlib import Path

import typer
from tradecaptain.cli.output import emit_json, say


def register(app: typer.Typer) -> None:
    """Add the verb and what it can do."""
    verbs = typer.Typer(help="The matching engine as a shared library.", no_args_is_help=True)
    verbs.callback()(_root)
    verbs.command("build")(build)
    app.add_typer(verbs, name="engine")


def _root() -> None:
    """The matching engine as a shared library, for programs in any language."""


def build(
    out: Path = typer.Option(..., "--out", help="Folder for the library and its C header."),
    portable: bool = typer.Option(
        False, "--portable", help="For every processor of this kind, not just this machine's."
    ),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
) -> None:
    """Compile the kernels into a library and a C header that need no Python at run time."""
    from tradecaptain.kernels.matching.library_build import build_library

    built = build_library(out, portable=portable)
    if json:
        emit_json({"library": str(built.library), "header": str(built.header)})
    else:
        say(f"{built.library} ({built.library.stat().st_size:,} bytes) and {built.header}")
