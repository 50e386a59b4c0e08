"""``tradecaptain compile``: fill the kernel cache, so that no service compiles anything."""

from __future__ import annotations

import os
from typing import Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tradecaptain.base.compile_cache import (
    CompilationError,
    compile_all,
    is_complete,
    prepare_cache,
)
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import MESSAGES, emit_json, say

_LOWEST_PRIORITY: Final = 19


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("compile")(compile_kernels)


def compile_kernels(
    quiet_when_done: bool = typer.Option(
        False, "--quiet-when-done", help="Say nothing if there is nothing to compile."
    ),
    for_start: bool = typer.Option(
        False, "--for-start", help="Only the kernels that a mesh loads as it starts."
    ),
    background: bool = typer.Option(
        False, "--background", help="In time that nobody else wants, at the lowest priority."
    ),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
) -> None:
    """Compile every kernel once and keep the machine code for this processor and version."""
    folder = prepare_cache()
    if quiet_when_done and is_complete(folder, for_start=for_start):
        return
    if background:
        os.nice(_LOWEST_PRIORITY)
    columns = (
        TextColumn("compiling kernels"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=MESSAGES, transient=True) as progress:
        task = progress.add_task("", visible=False)
        lines = _PlainLines()

        def follow(done: int, total: int, name: str) -> None:
            if MESSAGES.is_terminal:
                progress.update(task, completed=done, total=total, description=name, visible=True)
            else:
                lines.follow(done, total)

        try:
            report = compile_all(follow, for_start=for_start)
        except CompilationError as error:
            raise CommandError(str(error)) from error
    if json:
        emit_json({"folder": str(folder), "kernels": report.kernels, "compiled": report.compiled})
    elif report.compiled or not quiet_when_done:
        say(f"{report.compiled} kernels compiled, now in {folder}")


class _PlainLines:
    """Progress without a terminal: a line for every tenth of the work."""

    def __init__(self) -> None:
        self._tenth = 0

    def follow(self, done: int, total: int) -> None:
        """Say how far the work is, ten times at most."""
        tenth = done * 10 // max(total, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            say(f"compiling kernels: {done} of {total}")
