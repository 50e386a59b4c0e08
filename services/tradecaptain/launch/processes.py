"""Child processes of the supervisor, and what an earlier supervisor left behind.

A child gets SIGTERM from the kernel when its supervisor dies, whatever kills that; should one
survive even so, its process id stands in the run folder with the time at which it started, so the
next ``up`` finds the very same process and no other.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson
from tradecaptain.base.parent_death import end_with_parent

_TAIL_BYTES = 8192
_CALM_LEVELS = ("debug", "info")
# What edge/guard.py logs of a request that it refuses: the caller's fault and no reason to die.
_REFUSED = "refused"
_START_TIME_FIELD = 19
_STATE_FIELD = 0


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; ``None`` if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything, so count from its end.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[_STATE_FIELD] in "ZX" else int(fields[_START_TIME_FIELD])


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Tells one process from every other, also from a later one with the same id."""

    pid: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> ProcessMark | None:
        """The mark of a living process."""
        ticks = start_ticks(pid)
        return None if ticks is None else cls(pid, ticks)

    @classmethod
    def read(cls, path: Path) -> ProcessMark | None:
        """The mark in a file; ``None`` if there is none or it is damaged."""
        try:
            pid, ticks = path.read_text().split()
            return cls(int(pid), int(ticks))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, path: Path) -> None:
        """Keep the mark in a file."""
        path.write_text(f"{self.pid} {self.ticks}\n")

    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return start_ticks(self.pid) == self.ticks

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to that very process; ``False`` if it is gone."""
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


async def spawn(
    command: tuple[str, ...], output: int, environment: Mapping[str, str]
) -> asyncio.subprocess.Process:
    """Start a child in a process group of its own; it prints to an open file.

    Its own group keeps a Ctrl-C in the terminal from reaching it beside the supervisor's orders.
    """
    parent = os.getpid()
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=dict(environment),
        process_group=0,
        preexec_fn=lambda: end_with_parent(parent),
    )


def describe_exit(status: int) -> str:
    """Say how a process ended, from asyncio's return code."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def open_log(log: Path) -> BinaryIO:
    """A part's log; where none can be written, nothing: the part runs all the same."""
    try:
        return log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def last_words(log: Path, begin: int = 0) -> str:
    """The last line of a log that may say why its process died, as text; empty if there is none.

    What went well is no reason, nor is a caller's refused request, nor what lies before ``begin``,
    the bytes that the log had when the process was started. A log that is shorter than that was
    cut meanwhile.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begin if begin <= size else 0, size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return ""
    for line in reversed(lines):
        if text := _as_text(line):
            return text
    return ""


def _as_text(line: bytes) -> str:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.decode(errors="replace").strip()
    if not isinstance(entry, dict):
        return str(entry)
    if entry.get("level") in _CALM_LEVELS or entry.get("event") == _REFUSED:
        return ""
    said = [
        str(entry[key]) for key in ("event", "why", "error", "message", "detail") if entry.get(key)
    ]
    return ": ".join(said) or line.decode(errors="replace")
