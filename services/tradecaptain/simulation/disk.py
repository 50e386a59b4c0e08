"""The disk under the execution log, with what can go wrong there."""

from __future__ import annotations

import errno
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tradecaptain.mesh.journal_files import INDEX_SUFFIX
from tradecaptain.mesh.journal_storage import RealFiles

_SECTOR_BYTES: Final = 512


class Killed(BaseException):
    """The process ended in the middle of a call, as by ``kill -9``."""


@dataclass(slots=True)
class DiskFaults:
    """What the disk does to the calls that follow."""

    is_full: bool = False
    """No file can be begun or written; part of what was to be written may be."""
    fails_to_sync: bool = False
    """A sync reports an error."""
    dies_in_write: bool = False
    """The next write is cut short together with its process."""


@dataclass(frozen=True, slots=True)
class Unsynced:
    """A write that no sync has followed yet, and what lay there before."""

    path: Path
    offset: int
    before: bytes


class SimulatedFiles:
    """The file system of a log: real files in a folder of memory, with faults on demand."""

    def __init__(self, source: random.Random) -> None:
        self.faults = DiskFaults()
        self._random = source
        self._real = RealFiles()
        # By descriptor the file that it was opened for: numbers are given out again.
        self._opened: dict[int, int] = {}
        self._paths: dict[int, Path] = {}
        self._unsynced: list[Unsynced] = []

    def prepare(self, folder: Path, length: int) -> None:
        """Have the file of the next segment ready."""
        if self.faults.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        self._real.prepare(folder, length)

    def begin(self, path: Path, length: int, head: bytes) -> int:
        """Make a file of full length with its head."""
        if self.faults.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        descriptor = self._real.begin(path, length, head)
        self._opened[descriptor] = os.fstat(descriptor).st_ino
        self._paths[descriptor] = path
        return descriptor

    def write(self, descriptor: int, data: memoryview, offset: int) -> None:
        """Write all of ``data``, or a part of it and fail."""
        path = self._paths[descriptor]
        with path.open("rb") as file:
            file.seek(offset)
            self._unsynced.append(Unsynced(path, offset, file.read(len(data))))
        if self.faults.dies_in_write or self.faults.is_full:
            self._real.write(descriptor, data[: self._torn(len(data))], offset)
            if self.faults.dies_in_write:
                self.faults.dies_in_write = False
                raise Killed
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._real.write(descriptor, data, offset)

    def _torn(self, length: int) -> int:
        """Some length that a write may have come to: whole sectors, or any."""
        cut = self._random.randrange(length + 1)
        return cut // _SECTOR_BYTES * _SECTOR_BYTES if self._random.random() < 0.5 else cut

    def sync(self, descriptor: int) -> None:
        """Make durable, or fail."""
        if self.faults.fails_to_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._real.sync(descriptor)
        self._forget(descriptor)

    def finish(self, descriptor: int, length: int) -> None:
        """Cut a file to what it holds."""
        if self.faults.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._real.finish(descriptor, length)
        self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        path = self._paths[descriptor]
        self._unsynced = [write for write in self._unsynced if write.path != path]

    def settle(self) -> None:
        """Everything is on disk: whoever recovered from the files has synced them."""
        self._unsynced.clear()

    def lose_power(self, folder: Path) -> None:
        """Of what no sync has followed some sectors are on disk and some aren't.

        Of an index, which is never waited for, some of the end may be missing.
        """
        for write in reversed(self._unsynced):
            self._take_back(write)
        self._unsynced.clear()
        for path in sorted(folder.glob(f"*{INDEX_SUFFIX}")):
            if self._random.random() < 0.5:
                os.truncate(path, self._random.randrange(path.stat().st_size + 1))

    def _take_back(self, write: Unsynced) -> None:
        share = self._random.choice((0.0, 0.5, 1.0))
        if not write.path.exists():
            return
        with write.path.open("r+b") as file:
            end = min(write.offset + len(write.before), write.path.stat().st_size)
            for offset in range(write.offset, end, _SECTOR_BYTES):
                if self._random.random() >= share:
                    start = offset - write.offset
                    file.seek(offset)
                    file.write(write.before[start : start + min(_SECTOR_BYTES, end - offset)])

    def drop(self) -> None:
        """Close what a killed process had open."""
        for descriptor, inode in self._opened.items():
            try:
                is_open = os.fstat(descriptor).st_ino == inode
            except OSError:
                is_open = False
            if is_open:
                os.close(descriptor)
        self._opened.clear()
        self._paths.clear()


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit of a file that was turned over."""

    path: Path
    offset: int
    bit: int

    def turn(self) -> None:
        """Turn it over; a second time puts it right."""
        with self.path.open("r+b") as file:
            file.seek(self.offset)
            (byte,) = file.read(1)
            file.seek(self.offset)
            file.write(bytes([byte ^ (1 << self.bit)]))

    def __str__(self) -> str:
        """Where it is."""
        return f"bit {self.bit} of byte {self.offset} of {self.path.name}"


def choose_flip(source: random.Random, path: Path, start: int, end: int) -> Flip | None:
    """A bit between two offsets of a file; None if nothing lies there."""
    if end <= start:
        return None
    return Flip(path, source.randrange(start, end), source.randrange(8))
