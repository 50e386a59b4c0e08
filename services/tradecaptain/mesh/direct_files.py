"""Files written and read past the page cache, in whole pages.

What a log writes is seldom read again, and never soon, so the cache only costs: each page has to be
found, on a virtual machine often asked of the host, then filled, marked and written back. Where a
file system knows no such way, the same calls go through its cache.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

PAGE_BYTES: Final = 4_096
_HUGE_BYTES: Final = 1 << 24
"""Memory from so many bytes on is filled as a whole."""
_READ_BYTES: Final = 1 << 20
_DIRECT: Final = getattr(os, "O_DIRECT", 0)


def open_direct(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open past the cache if that can be; its descriptor wants whole pages from aligned memory."""
    try:
        return os.open(path, flags | os.O_CLOEXEC | _DIRECT, mode)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.open(path, flags | os.O_CLOEXEC, mode)


def page_buffer(length: int) -> npt.NDArray[np.uint8]:
    """Zeroed memory that begins with a page; pages are taken as they are written."""
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if length >= _HUGE_BYTES:
        with contextlib.suppress(OSError):
            # Only a kernel that has huge pages takes the advice.
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def whole_pages(length: int) -> int:
    """A length rounded up to whole pages."""
    return -(-length // PAGE_BYTES) * PAGE_BYTES


def write_all(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of ``data``."""
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def read_whole(path: Path) -> npt.NDArray[np.uint8]:
    """A file's content."""
    return read_part(path, 0)


def read_part(path: Path, offset: int, length: int = 1 << 62) -> npt.NDArray[np.uint8]:
    """At most ``length`` bytes of a file's content from ``offset`` on.

    Piece by piece, so that whoever writes to the disk meanwhile needn't wait for all of it.
    """
    descriptor = open_direct(path, os.O_RDONLY)
    try:
        end = min(offset + length, os.fstat(descriptor).st_size)
        if end <= offset:
            return np.empty(0, np.uint8)
        first = offset // PAGE_BYTES * PAGE_BYTES
        content = page_buffer(whole_pages(end - first))
        taken = 0
        while first + taken < end:
            piece = content[taken : taken + _READ_BYTES]
            count = os.preadv(descriptor, [piece], first + taken)
            if count == 0:
                break
            taken += count
        return content[offset - first : min(taken, end - first)]
    finally:
        os.close(descriptor)


def read_pieces(path: Path, piece_bytes: int) -> Iterator[memoryview]:
    """A file's content piece by piece, each in the place of the one before."""
    buffer = page_buffer(whole_pages(piece_bytes))
    descriptor = open_direct(path, os.O_RDONLY)
    try:
        offset, length = 0, os.fstat(descriptor).st_size
        while offset < length:
            count = os.preadv(descriptor, [buffer], offset)
            if count == 0:
                return
            yield memoryview(buffer)[:count]
            offset += count
    finally:
        os.close(descriptor)


def read_beginning(descriptor: int, length: int) -> bytes:
    """The first bytes of an open file, which takes ordinary calls from then on."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~_DIRECT)
    return os.pread(descriptor, length, 0)


def forget_pages(descriptor: int) -> None:
    """Have the cache give back what it holds of a file that is on disk."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
