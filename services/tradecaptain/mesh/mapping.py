"""Files mapped into memory, with the address that kernels need."""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tradecaptain.mesh.closing import Closing

PRIVATE_FOLDER_MODE = 0o700
PRIVATE_FILE_MODE = 0o600


class MappedFile(Closing):
    """A whole file in shared memory; stays valid after the file has been unlinked."""

    def __init__(
        self, path: Path, *, writable: bool, prefault: bool = False, huge_pages: bool = False
    ) -> None:
        """``prefault`` has every page ready; ``huge_pages`` asks for them where there are any."""
        self.path = path
        self._staged: Path | None = None
        descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        try:
            status = os.fstat(descriptor)
            self.length = status.st_size
            self.inode = status.st_ino
            self._map = mmap.mmap(
                descriptor,
                self.length,
                flags=mmap.MAP_SHARED | (mmap.MAP_POPULATE if prefault else 0),
                prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0),
            )
            if huge_pages:
                with contextlib.suppress(OSError):
                    # Only a kernel that offers them for shared memory takes the advice.
                    self._map.madvise(mmap.MADV_HUGEPAGE)
        finally:
            os.close(descriptor)
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8)
        self.address = int(self._bytes.ctypes.data)

    @classmethod
    def create(cls, path: Path, length: int) -> Self:
        """Make a zeroed file of ``length`` bytes, readable by its owner only, and map it.

        It gets its name by :meth:`publish`, in one step; whoever maps an older file keeps that.
        """
        path.parent.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        # In a container an earlier life, killed before it published, had the same process id.
        staged.unlink(missing_ok=True)
        descriptor = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
        try:
            os.ftruncate(descriptor, length)
        finally:
            os.close(descriptor)
        mapped = cls(staged, writable=True)
        mapped.path = path
        mapped._staged = staged
        return mapped

    def publish(self) -> None:
        """Give a created file its name, once its content is ready for readers."""
        assert self._staged is not None
        self._staged.rename(self.path)
        self._staged = None

    def discard(self) -> None:
        """Take away a created file that never got its name."""
        if self._staged is not None:
            self._staged.unlink(missing_ok=True)
            self._staged = None

    def array(self, dtype: npt.DTypeLike, count: int, offset: int = 0) -> npt.NDArray[Any]:
        """View ``count`` items at ``offset``; the view keeps the memory mapped."""
        item = np.dtype(dtype)
        return self._bytes[offset : offset + count * item.itemsize].view(item)

    def close(self) -> None:
        """Unmap, or leave that to the last array that still views the memory."""
        self._bytes = np.empty(0, dtype=np.uint8)
        try:
            self._map.close()
        except BufferError:
            # A view is still alive; the map goes with it.
            return
