"""``tradecaptain up``: start a mesh and keep it running."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import typer
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.run_paths import PRIVATE_FOLDER_MODE, RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.finding import BAD, HINT
from tradecaptain.cli.output import MESSAGES, emit_json, say
from tradecaptain.cli.run_findings import configuration
from tradecaptain.launch.prepare import Options, parse_speed
from tradecaptain.launch.run_state import RunState, read_state, running_supervisor

_DETACHED_SECONDS = 900
_STEP_SECONDS = 0.05
_WHY = "error:"
_NEXT = "next:"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("up")(up)


def up(
    replay: list[Path] = typer.Option(
        [], "--replay", help="Recorded market data to replay; may be given several times."
    ),
    more_files: list[Path] = typer.Argument(None, metavar="[FILE]…", help="More files to replay."),
    speed: str = typer.Option(
        "", "--speed", help="Replay speed: 1, a multiple such as 20, or max."
    ),
    reference: Path = typer.Option(
        None, "--reference", help="Instruments and accounts to use instead of the packaged ones."
    ),
    detach: bool = typer.Option(
        False, "--detach", help="Return once everything is ready; stop it with `down`."
    ),
    json: bool = typer.Option(
        False, "--json", help="Once everything is ready, answer with one JSON object."
    ),
) -> None:
    """Start the mesh: media driver, services and Envoy, watched and brought back if they die.

    Market data is simulated unless files are replayed. Ctrl-C or `tradecaptain down` stops all.
    """
    files = [*replay, *(more_files or [])]
    for path in files:
        if not path.is_file():
            found = "isn't a regular file" if path.exists() else "there is no such file"
            raise CommandError(f"{path}: {found}", next_step="check --replay")
    if speed:
        if not files:
            raise CommandError("--speed needs --replay", next_step="name the file to replay")
        parse_speed(speed)
    run = RunPaths.from_environment()
    _refuse_second(run)
    options = Options(replay=tuple(files), speed=speed, reference=reference)
    if detach:
        # Whom it starts looks at the settings, and what that one says is repeated here.
        _start_detached(run, options, json=json)
    else:
        _refuse_settings(run)
        _run_here(run, options, json=json)


def _refuse_second(run: RunPaths) -> None:
    owner = running_supervisor(run)
    if owner is not None:
        raise CommandError(
            f"a mesh is already running in {run.folder} (process {owner.pid})",
            next_step="stop it with `tradecaptain down`, or set TRADECAPTAIN_RUN to another folder",
        )


def _refuse_settings(run: RunPaths) -> None:
    """Let no part start and fail for settings that it can't read; name those that nobody reads."""
    for finding in configuration(run):
        if finding.state == BAD:
            raise CommandError(finding.found, next_step=finding.remedy)
        if finding.state == HINT:
            say(f"{finding.found}; {finding.remedy}")


def _run_here(run: RunPaths, options: Options, *, json: bool) -> None:
    from tradecaptain.cli.live_status import LiveStatus
    from tradecaptain.launch.mesh import run_mesh
    from tradecaptain.launch.supervisor import StartFailedError

    display = LiveStatus(MESSAGES, SYSTEM_CLOCK)
    told = False

    def on_change(state: RunState) -> None:
        nonlocal told
        display.update(state)
        if json and state.ready and not told:
            told = True
            emit_json(_started(run, os.getpid()))

    try:
        with display:
            asyncio.run(run_mesh(run, options, say=say, on_change=on_change))
    except StartFailedError as error:
        raise CommandError(
            str(error), next_step="mend what it names, or run `tradecaptain doctor`"
        ) from error
    if json and not told:
        emit_json({"run": str(run.folder), "ready": False})
    say("stopped; nothing is left running")


def _start_detached(run: RunPaths, options: Options, *, json: bool) -> None:
    command = [sys.executable, "-m", "tradecaptain.cli.main", "up"]
    for path in options.replay:
        command += ["--replay", str(path.absolute())]
    if options.speed:
        command += ["--speed", options.speed]
    if options.reference is not None:
        command += ["--reference", str(options.reference.absolute())]
    # Not the shared memory: the supervisor would take that for an earlier run's.
    run.logs.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    log = run.log_of("up")
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _follow_start(run, child, log)
    if json:
        emit_json(_started(run, child.pid))
    else:
        say(f"running in {run.folder}; Envoy listens on 127.0.0.1:{run.ports.envoy}")
        say("`tradecaptain status` shows it, `tradecaptain down` stops it")


def _started(run: RunPaths, supervisor_pid: int) -> dict[str, object]:
    return {
        "run": str(run.folder),
        "supervisor_pid": supervisor_pid,
        "address": f"127.0.0.1:{run.ports.envoy}",
        "ports": run.ports.as_dict(),
    }


def _follow_start(run: RunPaths, child: subprocess.Popen[bytes], log: Path) -> None:
    """Repeat what the detached supervisor says until the mesh is ready or it gave up."""
    pause = threading.Event()
    shown = 0
    deadline_ns = SYSTEM_CLOCK.monotonic_ns() + _DETACHED_SECONDS * 1_000_000_000
    while True:
        has_ended = child.poll() is not None
        text = log.read_text(errors="replace")
        complete = text[: text.rfind("\n") + 1]
        for line in complete[shown:].splitlines():
            # Why it gave up is told below.
            if not line.startswith((_WHY, _NEXT)):
                say(line)
        shown = len(complete)
        if has_ended:
            stopped = "it was stopped before it was ready"
            unknown = "what it said stands above"
            why = _last_said(text, _WHY) or (unknown if child.returncode else stopped)
            raise CommandError(f"the mesh didn't start: {why}", next_step=_last_said(text, _NEXT))
        if _is_ready(read_state(run), child.pid):
            return
        if SYSTEM_CLOCK.monotonic_ns() > deadline_ns:
            child.send_signal(signal.SIGTERM)
            raise CommandError(f"the mesh wasn't ready after {_DETACHED_SECONDS} s; see {log}")
        pause.wait(_STEP_SECONDS)


def _last_said(text: str, label: str) -> str:
    """What stands behind a label in the last line that begins with it; empty without one."""
    lines = [line for line in text.splitlines() if line.startswith(label)]
    return lines[-1].removeprefix(label).strip() if lines else ""


def _is_ready(state: dict[str, object] | None, pid: int) -> bool:
    return bool(state and state["ready"] and state["supervisor_pid"] == pid)
