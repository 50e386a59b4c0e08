"""``tradecaptain doctor``: what is missing on this machine, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import typer
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli import machine_findings, run_findings
from tradecaptain.cli.finding import BAD, GOOD, HINT, Finding
from tradecaptain.cli.output import emit_json, show

type Look = Callable[[RunPaths], list[Finding]]

_MARKS = {GOOD: "ok  ", HINT: "hint", BAD: "BAD "}
LOOKS: tuple[Look, ...] = (
    machine_findings.python,
    machine_findings.machine,
    machine_findings.libraries,
    machine_findings.aeron,
    machine_findings.envoy,
    machine_findings.shared_memory,
    machine_findings.huge_pages,
    machine_findings.memory,
    machine_findings.open_files,
    machine_findings.kernel_cache,
    run_findings.run_folder,
    run_findings.configuration,
    run_findings.ports,
    run_findings.reference,
    run_findings.tokens,
    run_findings.mesh,
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(json: bool = typer.Option(False, "--json", help="Answer with one JSON object.")) -> None:
    """Look at everything a mesh needs; exits 1 if something keeps it from running."""
    run = RunPaths.from_environment()
    findings = [finding for look in LOOKS for finding in _findings(look, run)]
    bad = [finding for finding in findings if finding.state == BAD]
    if json:
        emit_json({"good": not bad, "findings": [asdict(item) for item in findings]})
    else:
        for item in findings:
            show(f"{_MARKS[item.state]} {item.what}: {item.found}")
            if item.remedy:
                show(f"     → {item.remedy}")
    if bad:
        raise typer.Exit(1)


def _findings(look: Look, run: RunPaths) -> list[Finding]:
    """What a look finds; one that fails on a broken machine doesn't keep the others from theirs."""
    try:
        return look(run)
    except (OSError, TradeCaptainError) as error:
        what = look.__name__.replace("_", " ")
        return [Finding(what, BAD, f"can't be looked at: {error}", "mend what this names")]
