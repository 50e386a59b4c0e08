"""Whether the gateway's order file holds what it was given, for whoever opens it next.

The operating system writes the mapped file out when it likes. As long as the machine runs that
makes no difference; after a loss of power some pages are newer than others.
"""

from __future__ import annotations

from pathlib import Path

import structlog
from tradecaptain.mesh.boot_mark import BOOT_ID, BootMark

_LOG = structlog.get_logger("gateway")


class WrittenMark:
    """The mark beside one order file."""

    def __init__(self, path: Path, boot_id: Path = BOOT_ID) -> None:
        self._file = path
        self._mark = BootMark(path.with_name(f"{path.name}.written"), boot_id)
        self.begin, self.finish, self.forget = (
            self._mark.begin,
            self._mark.finish,
            self._mark.forget,
        )

    @property
    def is_good(self) -> bool:
        """Whether the file is there and holds all it was given."""
        return self._file.exists() and (self._mark.is_of_this_boot or self._mark.is_written_out)

    def put_aside(self) -> None:
        """Rename a file that isn't to be trusted, for somebody to look at."""
        if self._file.exists():
            aside = self._file.with_name(f"{self._file.name}.doubtful")
            self._file.rename(aside)
            _LOG.warning("the order file may lack what was written last", moved_to=str(aside))
