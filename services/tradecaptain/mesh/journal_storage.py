"""The disk below the execution log: the calls that can fail, in one place."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from tradecaptain.mesh.direct_files import (
    open_direct,
    page_buffer,
    whole_pages,
    write_all,
)
from tradecaptain.mesh.journal_files import FILE_MODE, sync_folder

SPARE_NAME: Final = ".spare"
_PIECE_BYTES: Final = 1 << 18
"""Of a file that is prepared so much is written at once: no group waits for more than that."""


class FileSystem(Protocol):
    """The calls that can fail; tests put failures in their place."""

    def prepare(self, folder: Path, length: int) -> None:
        """Have the file of the next segment ready, its blocks written once already."""
        ...

    def begin(self, path: Path, length: int, head: bytes) -> int:
        """Make a file of full length with its head, durably; its descriptor."""
        ...

    def write(self, descriptor: int, data: memoryview, offset: int) -> None:
        """Write all of ``data``, whole pages to whole pages."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return once everything written would survive a loss of power."""
        ...

    def finish(self, descriptor: int, length: int) -> None:
        """Cut the file to what it holds, durably."""
        ...


class RealFiles:
    """The file system of the machine, past its cache."""

    def prepare(self, folder: Path, length: int) -> None:
        """Have the file of the next segment ready, its blocks written once already.

        The first write to reserved blocks changes the file system's tables as well, which makes a
        sync several times as long (perf/micro/journal.py).
        """
        spare = folder / SPARE_NAME
        with contextlib.suppress(FileNotFoundError):
            # It may become a segment at this moment.
            if spare.stat().st_size == length:
                return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged = spare.with_name(f"{SPARE_NAME}.{os.getpid()}")
        descriptor = open_direct(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        try:
            zeros = memoryview(page_buffer(_PIECE_BYTES))
            for offset in range(0, length, _PIECE_BYTES):
                write_all(descriptor, zeros[: length - offset], offset)
                # Piece by piece, so that no sync of the log waits behind all of it.
                os.fdatasync(descriptor)
            os.fsync(descriptor)
            staged.rename(spare)
        finally:
            os.close(descriptor)
            staged.unlink(missing_ok=True)

    def begin(self, path: Path, length: int, head: bytes) -> int:
        """Make a file of full length with its head, durably; its descriptor.

        A prepared one has its blocks, so one sync of the folder brings head and name to disk. After
        a loss of power before that returns, the name may be there without the head, and zeros
        behind it: `list_segments` takes such a file for none.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.begun")
        with contextlib.suppress(FileNotFoundError):
            (path.parent / SPARE_NAME).rename(staged)
        descriptor = open_direct(staged, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            is_prepared = os.lseek(descriptor, 0, os.SEEK_END) == length
            if not is_prepared:
                os.ftruncate(descriptor, 0)
                os.posix_fallocate(descriptor, 0, length)
            page = page_buffer(whole_pages(len(head)))
            page[: len(head)] = np.frombuffer(head, np.uint8)
            write_all(descriptor, memoryview(page), 0)
            if not is_prepared:
                os.fsync(descriptor)
            staged.rename(path)
            sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            staged.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
        return descriptor

    def write(self, descriptor: int, data: memoryview, offset: int) -> None:
        """Write all of ``data``, whole pages to whole pages."""
        write_all(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        """Return once everything written would survive a loss of power."""
        os.fdatasync(descriptor)
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError("the open segment was removed from its folder")

    def finish(self, descriptor: int, length: int) -> None:
        """Cut the file to what it holds, durably."""
        os.ftruncate(descriptor, length)
        os.fsync(descriptor)
