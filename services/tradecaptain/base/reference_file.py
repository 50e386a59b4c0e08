"""Reference data in its file: read, written so that no reader sees half of it, and followed."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_toml import read_reference, reference_text


def load_reference(path: Path) -> Reference:
    """Read reference data from a TOML file; a refusal names the key and the rule."""
    return read_reference(path)


def dump_reference(reference: Reference, path: Path) -> None:
    """Write reference data as a TOML file that :func:`load_reference` reads back equal.

    Whoever reads meanwhile gets the old file or the new one, whole; so does a start after a crash.
    """
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(reference_text(reference))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class ReferenceFile:
    """Reference data that follows its file: what is added to the one appears in the other.

    ``on_added`` are told what came. While the file can't be read, or contradicts what is known, the
    reference data stays as it was; the next look reads it again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = self._look()
        self.reference = load_reference(path)
        self.reference.look_again = self.refresh
        self.on_added: list[Callable[[tuple[Instrument, ...]], None]] = []

    def refresh(self) -> tuple[Instrument, ...]:
        """Read the file again if it has changed; returns the instruments that are new."""
        known = {item.instrument_id for item in self.reference.instruments}
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return ()
            read = load_reference(self.path).instruments
            added = tuple(item for item in read if item.instrument_id not in known)
            self.reference.admit(added)
        except (OSError, ConfigurationError):
            return ()
        self._stamp = stamp
        if added:
            for callback in self.on_added:
                callback(added)
        return added

    def _look(self) -> tuple[int, int, int]:
        found = self.path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size


def default_reference() -> Reference:
    """The reference data that comes with the package."""
    with resources.as_file(resources.files("tradecaptain.base") / "data/reference.toml") as path:
        return load_reference(path)
