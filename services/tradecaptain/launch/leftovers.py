"""Cleans up after a mesh: what a killed supervisor left, and what every mesh leaves at its end."""

from __future__ import annotations

import shutil
import signal
import threading

from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.processes import ProcessMark

NANOSECONDS = 1_000_000_000
_GRACE_SECONDS = 5.0
_STEP_SECONDS = 0.02


def leftover_processes(run: RunPaths) -> dict[str, ProcessMark]:
    """Processes of an earlier supervisor that still run, by part."""
    found = {}
    for path in run.pids.glob("*.pid"):
        mark = ProcessMark.read(path)
        if mark is not None and mark.is_alive():
            found[path.stem] = mark
    return found


def end_processes(marks: list[ProcessMark], clock: Clock = SYSTEM_CLOCK) -> None:
    """End processes that aren't our children: ask first, kill those that don't go."""
    for mark in marks:
        mark.send(signal.SIGTERM)
    if not wait_until_gone(marks, _GRACE_SECONDS, clock):
        for mark in marks:
            mark.send(signal.SIGKILL)
        wait_until_gone(marks, _GRACE_SECONDS, clock)


def wait_until_gone(marks: list[ProcessMark], seconds: float, clock: Clock = SYSTEM_CLOCK) -> bool:
    """Wait until none of the processes is left; ``False`` if some still are after the time."""
    pause = threading.Event()
    deadline_ns = clock.monotonic_ns() + int(seconds * NANOSECONDS)
    while any(mark.is_alive() for mark in marks):
        if clock.monotonic_ns() > deadline_ns:
            return False
        pause.wait(_STEP_SECONDS)
    return True


def remove_leftovers(run: RunPaths, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """End what an earlier supervisor left running and remove its shared memory.

    To be called while holding the run folder's lock. Returns what was found, for a person.
    """
    found = leftover_processes(run)
    said = [f"{name} (process {mark.pid}) was still running" for name, mark in found.items()]
    end_processes(list(found.values()), clock)
    if run.shared_memory.exists():
        said.append(f"shared memory {run.shared_memory} was still there")
    remove_traces(run)
    return said


def remove_traces(run: RunPaths) -> None:
    """Remove what only a running mesh has: shared memory, process ids, state."""
    shutil.rmtree(run.shared_memory, ignore_errors=True)
    for path in run.pids.glob("*.pid"):
        path.unlink(missing_ok=True)
    run.state.unlink(missing_ok=True)
