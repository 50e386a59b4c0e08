"""The supervisor's own log: one JSON line an event, in the form that all parts write."""

from __future__ import annotations

import datetime
from contextlib import suppress
from pathlib import Path

import orjson
from tradecaptain.base.clock import Clock

NANOSECONDS = 1_000_000_000


class EventLog:
    """Adds lines to a file; events are rare, so the file isn't kept open.

    A line for which the disk has no room is lost: the mesh goes on without it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def info(self, event: str, **fields: object) -> None:
        """Note what happened as it should."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Note what went wrong and is being mended."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Note what went wrong for good."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        seconds = self._clock.now_ns() / NANOSECONDS
        timestamp = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        entry = {"event": event, "level": level, "timestamp": timestamp, "part": "supervisor"}
        line = orjson.dumps(entry | fields, option=orjson.OPT_APPEND_NEWLINE)
        with suppress(OSError), self._path.open("ab") as file:
            file.write(line)
