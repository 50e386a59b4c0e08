"""What a supervisor tells other processes: that it lives, and how its parts are.

The lock file is held for as long as a supervisor lives; the kernel lets go of it however the
supervisor ends. The state file is rewritten about once a second.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.processes import ProcessMark

SILENT_SECONDS: Final = 10
"""A state older than this isn't how the mesh is: the supervisor rewrites it every second."""


@dataclass(slots=True)
class PartState:
    """How one part is."""

    name: str
    state: str = "waiting"
    pid: int = 0
    port: int = 0
    restarts: int = 0
    why: str = ""
    since_ns: int = 0


@dataclass(slots=True)
class RunState:
    """How the whole mesh is. ``rates`` are computed over the last second."""

    supervisor_pid: int
    started_ns: int
    ready: bool = False
    replay: list[str] = field(default_factory=list)
    speed: str = ""
    parts: dict[str, PartState] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    updated_ns: int = 0

    def write(self, run: RunPaths) -> None:
        """Replace the state file in one step; OSError, and the old one stays, if it can't be."""
        scratch = run.state.with_suffix(f".{os.getpid()}")
        try:
            scratch.write_bytes(orjson.dumps(asdict(self)))
            scratch.replace(run.state)
        finally:
            scratch.unlink(missing_ok=True)


def read_state(run: RunPaths) -> dict[str, Any] | None:
    """What the supervisor last said; ``None`` if it said nothing."""
    try:
        state = orjson.loads(run.state.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return state if isinstance(state, dict) else None


class AlreadyRunningError(ConfigurationError):
    """A second supervisor was started for a run folder that has one."""


@contextmanager
def supervisor_lock(run: RunPaths) -> Iterator[None]:
    """Hold the run folder's lock; :class:`AlreadyRunningError` if another supervisor has it."""
    descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = ProcessMark.read(run.lock)
            who = f" (process {owner.pid})" if owner else ""
            raise AlreadyRunningError(f"a mesh is already running in {run.folder}{who}") from None
        mark = ProcessMark.of(os.getpid())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {mark.ticks if mark else 0}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def running_supervisor(run: RunPaths) -> ProcessMark | None:
    """The living supervisor of a run folder, if there is one."""
    mark = ProcessMark.read(run.lock)
    return mark if mark is not None and mark.is_alive() else None
