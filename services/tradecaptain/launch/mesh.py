"""One run of a mesh from an empty folder to a clean end: what `tradecaptain up` does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.config import SupervisorConfig
from tradecaptain.launch.leftovers import remove_leftovers, remove_traces
from tradecaptain.launch.parts import mesh_parts
from tradecaptain.launch.prepare import Options, check_ports, part_environment, write_run_folder
from tradecaptain.launch.run_state import RunState, supervisor_lock
from tradecaptain.launch.supervisor import Supervisor
from tradecaptain.launch.telemetry import Telemetry


async def run_mesh(
    run: RunPaths,
    options: Options,
    *,
    say: Callable[[str], None],
    on_change: Callable[[RunState], None],
) -> None:
    """Prepare the run folder, start all parts, and return when the mesh was stopped."""
    run.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with supervisor_lock(run):
        for found in remove_leftovers(run):
            say(f"cleaned up after an earlier run: {found}")
        check_ports(run)
        config = SupervisorConfig.load(run)
        write_run_folder(run, options)
        try:
            compile_kernels()
            supervisor = Supervisor(
                run,
                mesh_parts(run),
                config,
                _new_state(options),
                environment=part_environment(options),
                on_change=on_change,
                rates=Telemetry(run, SYSTEM_CLOCK).rates,
            )
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, supervisor.stop)
            await supervisor.run_until_stopped()
        finally:
            remove_traces(run)


def _new_state(options: Options) -> RunState:
    return RunState(
        supervisor_pid=os.getpid(),
        started_ns=SYSTEM_CLOCK.now_ns(),
        replay=[str(path) for path in options.replay],
        speed=options.speed,
    )


def compile_kernels() -> None:
    """Fill the kernel cache in a process of its own, so that its memory is given back.

    Says what it does on standard error only if there is something to compile.
    """
    command = [sys.executable, "-m", "tradecaptain.cli.main", "compile", "--quiet-when-done"]
    status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if status:
        raise ConfigurationError("the kernels can't be compiled; what the compiler says is above")
