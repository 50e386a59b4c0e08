"""Whether the gateway's order file holds what it was given, for whoever opens it next.

The operating system writes the mapped file out when it likes. As long as the machine runs that
makes no difference; after a loss of power some pages are newer than others. So a mark beside the
file has the id of the machine's boot while the file is open, and says when it was written out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog

_LOG = structlog.get_logger("gateway")
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_WRITTEN_OUT: Final = "written out"


class WrittenMark:
    """The mark beside one order file."""

    def __init__(self, path: Path, boot_id: Path = BOOT_ID) -> None:
        self._file = path
        self._mark = path.with_name(f"{path.name}.written")
        self._boot = boot_id.read_text(encoding="ascii").strip()

    @property
    def is_good(self) -> bool:
        """Whether the file is there and holds all it was given."""
        try:
            told = self._mark.read_text(encoding="ascii").strip()
        except OSError:
            return False
        return self._file.exists() and told in (self._boot, _WRITTEN_OUT)

    def put_aside(self) -> None:
        """Rename a file that isn't to be trusted, for somebody to look at."""
        if self._file.exists():
            aside = self._file.with_name(f"{self._file.name}.doubtful")
            self._file.rename(aside)
            _LOG.warning("the order file may lack what was written last", moved_to=str(aside))

    def begin(self) -> None:
        """The file is open, and good as long as the machine runs."""
        self._write(self._boot)

    def finish(self) -> None:
        """All of the file has been written out."""
        self._write(_WRITTEN_OUT)

    def _write(self, text: str) -> None:
        staged = self._mark.with_name(f"{self._mark.name}.{os.getpid()}")
        with staged.open("w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        staged.rename(self._mark)
