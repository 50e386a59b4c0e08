"""Whole pages past the cache: what a file holds is what was written, however it was cut."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from tradecaptain.mesh.direct_files import (
    PAGE_BYTES,
    open_direct,
    page_buffer,
    read_beginning,
    read_pieces,
    read_whole,
    write_all,
)


@pytest.fixture(params=["as it can", "through the cache"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder whose file system knows the way, as the machine has it, and one that doesn't."""
    if request.param != "as it can":
        open_file = os.open

        def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
            if flags & os.O_DIRECT:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return open_file(path, flags, mode)

        monkeypatch.setattr(os, "open", refuse)
    return tmp_path


def test_pages_are_written_and_read_past_the_cache(disk: Path) -> None:
    path = disk / "file"
    data = page_buffer(5 * PAGE_BYTES)
    data[:] = np.random.default_rng(3).integers(1, 256, len(data), np.uint8)
    descriptor = open_direct(path, os.O_RDWR | os.O_CREAT)
    try:
        write_all(descriptor, memoryview(data), 0)
        os.ftruncate(descriptor, 4 * PAGE_BYTES + 100)
        content = b"".join(bytes(piece) for piece in read_pieces(path, 3 * PAGE_BYTES))
        assert content == data[: 4 * PAGE_BYTES + 100].tobytes()
        assert read_whole(path).tobytes() == content
        assert read_beginning(descriptor, 100) == content[:100]
    finally:
        os.close(descriptor)


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_direct(tmp_path / "none", os.O_RDONLY)


def test_a_buffer_begins_with_a_page() -> None:
    assert page_buffer(PAGE_BYTES).ctypes.data % PAGE_BYTES == 0
