"""A mark beside something in memory that outlives processes and not the machine.

While it is in use the mark has the id of the machine's boot; once all of it has been written out
the mark says so. Whoever finds neither this boot's id nor that word knows that the machine ended in
between, and that what was told last may be gone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from tradecaptain.mesh.journal_files import sync_folder

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_WRITTEN_OUT: Final = "written out"


def boot_number(boot_id: Path = BOOT_ID) -> int:
    """A number of the machine's boot, not 0, that no other boot has."""
    return 1 + int(boot_id.read_text(encoding="ascii").strip().replace("-", "")[:15], 16)


class BootMark:
    """One mark."""

    def __init__(self, path: Path, boot_id: Path = BOOT_ID) -> None:
        self.path = path
        self._boot_id = boot_id

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the machine has run ever since the mark was made."""
        return self._told() == self._boot()

    @property
    def is_written_out(self) -> bool:
        """Whether all of it is on disk, and nobody uses it."""
        return self._told() == _WRITTEN_OUT

    def begin(self) -> None:
        """It is in use, and good as long as the machine runs."""
        if self.is_of_this_boot:
            return
        try:
            self._write(self._boot())
        except OSError:
            # No mark at all says the same but for a look at the boot, and takes no room.
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
                sync_folder(self.path.parent)

    def finish(self) -> None:
        """All of it has been written out."""
        self._write(_WRITTEN_OUT)

    def forget(self) -> None:
        """Whoever comes next must not trust it."""
        self.path.unlink(missing_ok=True)

    def _boot(self) -> str:
        return self._boot_id.read_text(encoding="ascii").strip()

    def _told(self) -> str:
        try:
            return self.path.read_text(encoding="ascii").strip()
        except OSError:
            return ""

    def _write(self, text: str) -> None:
        staged = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            with staged.open("w", encoding="ascii") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            staged.rename(self.path)
            sync_folder(self.path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                staged.unlink()
            raise
