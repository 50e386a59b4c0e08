"""``tradecaptain status``: how the mesh of this run folder is."""

from __future__ import annotations

import typer
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.output import RESULTS, emit_json, show
from tradecaptain.launch.run_state import (
    SILENT_SECONDS,
    PartState,
    RunState,
    read_state,
    running_supervisor,
)

# Of a table that goes into a file or a pipe: nothing is left out.
_WIDTH = 200


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("status")(status)


def status(json: bool = typer.Option(False, "--json", help="Answer with one JSON object.")) -> None:
    """Show each part's state, and rates; exits 3 if nothing runs and 1 if a part isn't ready."""
    run = RunPaths.from_environment()
    owner = running_supervisor(run)
    if owner is None:
        if json:
            emit_json({"run": str(run.folder), "running": False, "ready": False})
        else:
            show(f"nothing is running in {run.folder}; start it with `tradecaptain up`")
        raise typer.Exit(3)
    state = read_state(run)
    if state is None or state["supervisor_pid"] != owner.pid:
        # The file of an earlier run says nothing of this one.
        if json:
            emit_json({"run": str(run.folder), "running": True, "ready": False})
        else:
            show(
                f"a mesh is starting in {run.folder} (process {owner.pid}); on a new machine it"
                " compiles its kernels first, which takes a minute or two"
            )
        raise typer.Exit(1)
    if json:
        emit_json({"run": str(run.folder), "running": True, **state, "counters": _counters(run)})
    else:
        _show(run, state)
    if not state["ready"]:
        raise typer.Exit(1)


def _counters(run: RunPaths) -> dict[str, dict[str, int]]:
    from tradecaptain.launch.telemetry import part_counters

    parts = [path.stem for path in sorted(run.counters.glob("*.counters"))]
    return {part: dict(part_counters(run, part)) for part in parts}


def _show(run: RunPaths, state: dict[str, object]) -> None:
    from tradecaptain.cli.live_status import log_line, part_table, rates_line

    parts = state.pop("parts")
    assert isinstance(parts, dict)
    whole = RunState(**state)  # type: ignore[arg-type]
    whole.parts = {name: PartState(**values) for name, values in parts.items()}
    show(f"{run.folder} · 127.0.0.1:{run.ports.envoy}")
    old_seconds = (SYSTEM_CLOCK.now_ns() - whole.updated_ns) // 1_000_000_000
    if old_seconds > SILENT_SECONDS:
        show(f"this is {old_seconds} s old; `tradecaptain doctor` says why")
    RESULTS.print(part_table(whole, RESULTS.width if RESULTS.is_terminal else _WIDTH))
    show(rates_line(whole.rates))
    line = log_line(_counters(run).get("journal", {}))
    if line:
        show(line)
