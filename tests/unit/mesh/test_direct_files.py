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
    whole_pages,
    write_all,
)
from tradecaptain.mesh.journal_storage import GroupStage

GROUP_BYTES = 5 * PAGE_BYTES


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


def test_groups_of_any_length_follow_one_another(disk: Path) -> None:
    path = disk / "file"
    source = np.random.default_rng(3)
    stage = GroupStage(GROUP_BYTES)
    descriptor = open_direct(path, os.O_RDWR | os.O_CREAT)
    written = b""
    try:
        for round_index in range(60):
            if round_index == 30:
                # Another file begins, at one of its pages.
                os.ftruncate(descriptor, 0)
                written = b""
                stage.begin()
            group = source.integers(1, 256, int(source.integers(1, GROUP_BYTES + 1)), np.uint8)
            assert stage.take(group).tobytes() == group.tobytes()
            pages, lead = stage.pages(len(group))
            assert len(pages) % PAGE_BYTES == (len(written) - lead) % PAGE_BYTES == 0
            write_all(descriptor, pages, len(written) - lead)
            stage.keep(len(group))
            written += group.tobytes()
        content = b"".join(bytes(piece) for piece in read_pieces(path, 3 * PAGE_BYTES))
        assert content == written.ljust(whole_pages(len(written)), b"\0")
        assert read_beginning(descriptor, 100) == written[:100]
    finally:
        os.close(descriptor)


def test_what_was_taken_stays_until_the_next_but_one() -> None:
    stage = GroupStage(GROUP_BYTES)
    first = stage.take(np.full(GROUP_BYTES, 1, np.uint8))
    stage.pages(len(first))
    stage.keep(len(first))
    stage.take(np.full(GROUP_BYTES, 2, np.uint8))
    assert (first == 1).all()


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_direct(tmp_path / "none", os.O_RDONLY)


def test_a_buffer_begins_with_a_page() -> None:
    assert page_buffer(PAGE_BYTES).ctypes.data % PAGE_BYTES == 0
