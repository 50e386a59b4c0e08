"""Groups of frames as whole pages of a segment file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.journal_driver import JournalWriter
from tradecaptain.mesh.direct_files import PAGE_BYTES, whole_pages
from tradecaptain.mesh.journal import OFFSET_DURABLE_POSITION
from tradecaptain.mesh.journal_groups import Gathering
from tradecaptain.mesh.journal_scan import BAD, Place

FRAME_BYTES = 112
GROUP_BYTES = 5 * PAGE_BYTES


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    made = JournalWriter(tmp_path / "ring")
    yield made
    made.close()


def test_groups_of_any_length_follow_one_another_in_whole_pages(writer: JournalWriter) -> None:
    source = np.random.default_rng(3)
    room = 100 * PAGE_BYTES
    gathering = Gathering(writer.ring, Place(), GROUP_BYTES)
    gathering.restart(Place(), room)
    file, frames = bytearray(room), b""
    for _ in range(40):
        writer.append_records(int(source.integers(1, 60)), writer.place.sequence + 1)
        # Now and then a part of it is gathered first, which ends with a whole frame.
        gathering.take(gathering.group.end.position + int(source.integers(1, GROUP_BYTES)))
        gathering.take(writer.ring.tail)
        group = gathering.close()
        pages = group.pages()
        assert len(pages) % PAGE_BYTES == group.first_page_offset % PAGE_BYTES == 0
        assert len(frames) == group.offset
        file[group.first_page_offset : group.first_page_offset + len(pages)] = pages
        frames += group.frames.tobytes()
        writer.ring.store(OFFSET_DURABLE_POSITION, writer.ring.tail)
    assert gathering.group.start == writer.place
    assert bytes(file[: len(frames)]) == frames
    assert not any(file[len(frames) :])


def test_a_group_ends_where_the_log_did_when_it_was_begun(writer: JournalWriter) -> None:
    """What is appended while it is copied goes with the next: else it would never go."""
    gathering = Gathering(writer.ring, Place(), GROUP_BYTES)
    gathering.restart(Place(), GROUP_BYTES)
    writer.append_records(3)
    tail = writer.ring.tail
    writer.append_records(2, 4)
    assert gathering.take(tail) == 3 * FRAME_BYTES
    assert gathering.take(tail) == 0


def test_a_group_takes_no_more_than_its_segment_has_room_for(writer: JournalWriter) -> None:
    gathering = Gathering(writer.ring, Place(), GROUP_BYTES)
    gathering.restart(Place(), 2 * FRAME_BYTES + 20)
    writer.append_records(5)
    assert gathering.take(writer.ring.tail) == 2 * FRAME_BYTES
    assert gathering.close().length == 2 * FRAME_BYTES
    assert gathering.take(writer.ring.tail) == 0
    gathering.restart(gathering.group.end, GROUP_BYTES)
    assert gathering.group.first_page_offset == 0
    assert gathering.take(writer.ring.tail) == 3 * FRAME_BYTES


def test_good_frames_before_a_damaged_one_are_a_group(writer: JournalWriter) -> None:
    gathering = Gathering(writer.ring, Place(), GROUP_BYTES)
    gathering.restart(Place(), GROUP_BYTES)
    writer.append_records(4)
    writer.ring.frames[2 * FRAME_BYTES + 40] ^= 1
    assert gathering.take(writer.ring.tail) == 2 * FRAME_BYTES
    gathering.close()
    assert gathering.take(writer.ring.tail) == 0
    assert gathering.group.verdict == BAD


def test_a_written_group_stays_as_it_is_until_the_next_but_one(writer: JournalWriter) -> None:
    gathering = Gathering(writer.ring, Place(), GROUP_BYTES)
    gathering.restart(Place(), 10 * GROUP_BYTES)
    writer.append_records(100)
    gathering.take(writer.ring.tail)
    first = gathering.close()
    before = first.frames.copy()
    for _ in range(2):
        writer.append_records(100, writer.place.sequence + 1)
        gathering.take(writer.ring.tail)
        if gathering.group.start.sequence == 100:
            gathering.close()
    assert (first.frames == before).all()
    assert len(first.pages()) == whole_pages(100 * FRAME_BYTES)
