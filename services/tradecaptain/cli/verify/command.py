"""``tradecaptain verify KIND FILE…``: check our answers against published ones."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import typer
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.cli import verify as package
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, show
from tradecaptain.cli.verify_result import FAILURES_SHOWN_MAX, VerifyResult

NANOSECONDS = 1_000_000_000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify")(verify)


def kinds() -> list[str]:
    """Names of the kinds there are: modules of one word; longer names are parts of them."""
    modules = pkgutil.iter_modules(package.__path__)
    found = (module.name for module in modules if not module.ispkg)
    return sorted(name for name in found if "_" not in name and name != "command")


def verify(
    kind: str = typer.Argument(help=f"What to verify: {', '.join(kinds())}."),
    files: list[Path] = typer.Argument(help="Files with published cases and answers."),
    quotes: Path | None = typer.Option(
        None, "--quotes", help="Quotes that indicator files speak of (CSV); else beside them."
    ),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
) -> None:
    """Compute the cases of files and compare; exits 1 if anything failed or nothing passed."""
    if kind not in kinds():
        raise CommandError(f"there is no kind {kind!r}", next_step=f"one of {', '.join(kinds())}")
    judge_and_show(kind, files, json=json, quotes=quotes)


def judge_and_show(kind: str, files: list[Path], *, json: bool, quotes: Path | None = None) -> None:
    """Judge files by one kind and answer; ends the command with status 1 unless all is good."""
    module = importlib.import_module(f"{package.__name__}.{kind}")
    extra: dict[str, Path] = {}
    if quotes is not None:
        if not getattr(module, "TAKES_QUOTES", False):
            raise CommandError(f"{kind} takes no quotes", next_step="leave --quotes out")
        extra["quotes"] = quotes
    started_ns = SYSTEM_CLOCK.monotonic_ns()
    result: VerifyResult = module.judge(files, **extra)
    seconds = (SYSTEM_CLOCK.monotonic_ns() - started_ns) / NANOSECONDS
    answer = result.as_dict(seconds)
    if json:
        emit_json(answer)
    else:
        _show(answer)
    if not result.is_good:
        raise typer.Exit(1)


def _show(answer: dict[str, Any]) -> None:
    for failure in answer["failures"]:
        show(f"failed {failure['id']}: {failure['why']}")
    if answer["failed"] > FAILURES_SHOWN_MAX:
        show(f"… and {answer['failed'] - FAILURES_SHOWN_MAX} more")
    for reason in answer["reasons"]:
        show(f"{reason['count']:8} x {reason['why']}")
    known = ("checked", "passed", "failed", "not_applicable", "failures", "reasons", "seconds")
    for key, value in answer.items():
        if key not in known:
            show(f"{key}: {value}")
    show(
        f"{answer['checked']} checked: {answer['passed']} passed, {answer['failed']} failed,"
        f" {answer['not_applicable']} not applicable, {answer['seconds']} s"
    )
