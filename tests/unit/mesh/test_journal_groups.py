"""Groups of frames as whole pages of a segment file, and the loop that puts them on disk."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.journal_driver import JournalWriter
from tradecaptain.mesh.direct_files import PAGE_BYTES
from tradecaptain.mesh.journal import OFFSET_DURABLE_COMMAND, OFFSET_SYNC_COUNT
from tradecaptain.mesh.journal_files import SEGMENT_HEADER_BYTES
from tradecaptain.mesh.journal_groups import (
    DAMAGED,
    FAILED,
    NO_ROOM,
    STOPPED,
    SYNCED,
    Groups,
    finish_group,
    run_groups,
)
from tradecaptain.mesh.journal_scan import Place

pytestmark = pytest.mark.twin
FRAME_BYTES = 112
GROUP_BYTES = 5 * PAGE_BYTES
ROOM = 100 * PAGE_BYTES


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    made = JournalWriter(tmp_path / "ring")
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "segment", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def opened(writer: JournalWriter, descriptor: int = -1, room: int = ROOM) -> Groups:
    groups = Groups(writer.ring, Place(), GROUP_BYTES)
    groups.open(descriptor, room)
    return groups


def finish(groups: Groups) -> None:
    finish_group(groups.address, 7, 1, 3)


def run(groups: Groups, most: int = 1) -> int:
    return int(run_groups(groups.address, most))


def test_groups_of_any_length_follow_one_another_in_whole_pages(writer: JournalWriter) -> None:
    source = np.random.default_rng(3)
    groups = opened(writer)
    content, frames = bytearray(ROOM), b""
    while len(frames) < ROOM - 60 * FRAME_BYTES:
        writer.append_records(int(source.integers(1, 60)), writer.place.sequence + 1)
        before = groups.place.position
        length = groups.gather(writer.ring.tail)
        pages, offset = groups.pages()
        assert len(pages) % PAGE_BYTES == offset % PAGE_BYTES == 0
        offset -= SEGMENT_HEADER_BYTES
        assert offset <= before == len(frames) < offset + len(pages)
        content[offset : offset + len(pages)] = pages
        frames += bytes(pages[before - offset : before - offset + length])
        finish(groups)
        assert writer.ring.durable_position == groups.place.position == before + length
    while groups.gather(writer.ring.tail):
        finish(groups)
    assert groups.place == writer.place
    assert bytes(content[: len(frames)]) == frames
    assert not any(content[len(frames) :])


def test_a_group_ends_where_the_log_did_when_it_was_begun(writer: JournalWriter) -> None:
    """What is appended while it is copied goes with the next: else it would never go."""
    groups = opened(writer)
    writer.append_records(3)
    tail = writer.ring.tail
    writer.append_records(2, 4)
    assert groups.gather(tail) == 3 * FRAME_BYTES
    finish(groups)
    assert groups.gather(tail) == 0
    assert not groups.is_damaged


def test_a_group_takes_no_more_than_its_segment_has_room_for(writer: JournalWriter) -> None:
    groups = opened(writer, room=2 * FRAME_BYTES + 20)
    writer.append_records(5)
    assert groups.gather(writer.ring.tail) == 2 * FRAME_BYTES
    finish(groups)
    assert groups.gather(writer.ring.tail) == 0
    assert not groups.is_damaged
    groups.open(-1, ROOM)
    assert groups.gather(writer.ring.tail) == 3 * FRAME_BYTES
    assert groups.pages()[1] == SEGMENT_HEADER_BYTES


def test_good_frames_before_a_damaged_one_are_a_group(writer: JournalWriter) -> None:
    groups = opened(writer)
    writer.append_records(4)
    writer.ring.frames[2 * FRAME_BYTES + 40] ^= 1
    assert groups.gather(writer.ring.tail) == 2 * FRAME_BYTES
    finish(groups)
    assert groups.gather(writer.ring.tail) == 0
    assert groups.is_damaged


def test_the_loop_writes_what_the_ring_has(writer: JournalWriter, file: int) -> None:
    groups = opened(writer, file)
    for first in (1, 41, 42):
        writer.append_records(40 if first == 1 else 1, first)
        assert run(groups) == SYNCED
        assert groups.place == writer.place
        assert writer.ring.load(OFFSET_DURABLE_COMMAND) == writer.place.sequence
    assert writer.ring.load(OFFSET_SYNC_COUNT) == 3
    content = os.pread(file, ROOM, SEGMENT_HEADER_BYTES)
    assert content[: 42 * FRAME_BYTES] == writer.ring.frames[: 42 * FRAME_BYTES].tobytes()
    assert not any(content[42 * FRAME_BYTES :])
    assert groups.file_bytes == SEGMENT_HEADER_BYTES + 42 * FRAME_BYTES


def test_the_loop_tells_what_it_can_not_do(writer: JournalWriter, file: int) -> None:
    writer.append_records(5)
    cut = opened(writer, file, room=20)
    assert run(cut) == NO_ROOM
    failing = opened(writer, os.open("/dev/full", os.O_RDWR))
    assert run(failing) == FAILED
    assert int(failing.record[0]["error"]) == errno.ENOSPC
    os.close(int(failing.record[0]["descriptor"]))
    assert writer.ring.durable_position == 0
    writer.ring.frames[40] ^= 1
    assert run(opened(writer, file)) == DAMAGED


def test_the_loop_tells_a_removed_file(writer: JournalWriter, file: int, tmp_path: Path) -> None:
    groups = opened(writer, file)
    writer.append_records(5)
    (tmp_path / "segment").unlink()
    assert run(groups) == FAILED
    assert int(groups.record[0]["error"]) == errno.ENOENT
    assert writer.ring.durable_position == 0


def test_the_loop_waits_until_a_group_is_due_or_it_is_stopped(
    writer: JournalWriter, file: int
) -> None:
    groups = opened(writer, file)
    row = groups.record[0]
    row["interval_ns"], row["large_bytes"], row["idle_ns_max"] = 1 << 60, 10 * FRAME_BYTES, 100_000
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(run(groups, 1_000)))
    thread.start()
    writer.append_records(9)
    groups_before = writer.ring.load(OFFSET_SYNC_COUNT)
    writer.append_records(1, 10)
    while writer.ring.durable_position < writer.ring.tail:
        assert thread.is_alive()
    assert groups_before == 0
    assert writer.ring.load(OFFSET_SYNC_COUNT) == 1
    groups.stop()
    thread.join()
    assert results == [STOPPED]
