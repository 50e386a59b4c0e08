"""Segment files and the durability agent: groups, closing, damage, and disks that fail."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.journal_driver import JournalWriter
from tradecaptain.base.clock import ManualClock
from tradecaptain.mesh.journal import OFFSET_REFUSAL, journal_refusal
from tradecaptain.mesh.journal_agent import (
    DurabilityAgent,
    JournalSettings,
    expired,
)
from tradecaptain.mesh.journal_files import (
    SEGMENT_HEADER_BYTES,
    Checked,
    JournalDamaged,
    Segment,
    check_chain,
    check_segment,
    compress_segment,
    cut_torn_tail,
    list_segments,
)
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.mesh.journal_sealing import seal_tail
from tradecaptain.mesh.journal_storage import SPARE_NAME, RealFiles
from tradecaptain.wire import reason

SETTINGS = JournalSettings(segment_bytes=1 << 15, compress=False)
RECORD_FRAME_BYTES = 112


class FailingFiles(RealFiles):
    """The machine's files, with errors on demand."""

    def __init__(self) -> None:
        self.failure = 0
        self.failing = ""
        self.synced_count = 0

    def fail(self, call: str, number: int) -> None:
        self.failing, self.failure = call, number

    def _check(self, call: str) -> None:
        if call == self.failing:
            raise OSError(self.failure, os.strerror(self.failure))

    def begin(self, path: Path, length: int, head: bytes) -> int:
        self._check("begin")
        return super().begin(path, length, head)

    def write(self, descriptor: int, data: memoryview, offset: int) -> None:
        self._check("write")
        super().write(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        self._check("sync")
        self.synced_count += 1
        super().sync(descriptor)


class Desk:
    """A writer and its agent, cranked by hand."""

    def __init__(self, folder: Path, settings: JournalSettings = SETTINGS) -> None:
        self.folder = folder / "journal"
        self.clock = ManualClock()
        self.files = FailingFiles()
        self.restored_from = 0
        self.writer = JournalWriter(folder / "ring", capacity=1 << 17)
        self.agent = DurabilityAgent(
            self.writer.ring,
            self.folder,
            settings,
            Place(),
            epoch=3,
            clock=self.clock,
            files=self.files,
            is_group=True,
            restored_from=lambda: self.restored_from,
        )

    def write(self, count: int) -> None:
        self.writer.append_records(count, self.writer.place.sequence + 1)

    def sync(self) -> None:
        while self.writer.ring.tail > self.agent.place.position and not self.agent.error:
            self.agent.step(force=True)

    def close(self) -> None:
        self.agent.close()
        self.writer.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.files.failing = ""
    made.close()


def last_checked(desk: Desk) -> Checked:
    return check_segment(list_segments(desk.folder)[-1], is_last=True)


def test_what_is_synced_can_be_read_again(desk: Desk) -> None:
    for _ in range(20):
        desk.write(50)
        desk.sync()
    assert desk.writer.ring.durable_position == desk.writer.ring.tail
    assert check_chain(desk.folder) == desk.writer.place
    segments = list_segments(desk.folder)
    assert len(segments) == 4
    assert segments[0].start.sequence == 0
    times: list[tuple[int, int]] = []
    check_chain(desk.folder, on_segment=lambda checked: times.append(checked.times_ns))
    assert times[0][0] == 1_000
    assert times[-1][1] == 1_000_000


def test_a_log_is_read_while_its_segments_are_compressed(desk: Desk) -> None:
    for _ in range(20):
        desk.write(50)
        desk.sync()
    before = list_segments(desk.folder)
    frames = before[0].frames()
    # A copy that isn't whole yet, or was left so by a kill.
    (desk.folder / f".{before[1].path.stem}.journal.zst").write_bytes(b"half of it")
    assert list_segments(desk.folder) == before
    compress_segment(before[0])
    assert (before[0].frames() == frames).all()
    assert check_chain(desk.folder) == desk.writer.place


@pytest.mark.parametrize("part", ["frames", "blocks"])
def test_a_segment_that_grows_while_it_is_read_is_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    desk.write(5)
    desk.sync()
    read = getattr(Segment, part)

    def read_and_grow(segment: Segment) -> Any:
        found = read(segment)
        desk.write(5)
        desk.sync()
        return found

    monkeypatch.setattr(Segment, part, read_and_grow)
    assert last_checked(desk).frame_count in (5, 10)


def test_groups_gather_until_their_time_unless_they_are_large(tmp_path: Path) -> None:
    settings = replace(SETTINGS, group_interval_us=500, group_bytes=100 * RECORD_FRAME_BYTES)
    desk = Desk(tmp_path, settings)
    desk.write(1)
    assert desk.agent.step() == 0
    desk.clock.advance(500_000)
    assert desk.agent.step() == RECORD_FRAME_BYTES
    desk.write(99)
    assert desk.agent.step() == 0
    desk.write(1)
    assert desk.agent.step() == 100 * RECORD_FRAME_BYTES
    assert desk.files.synced_count == 2
    desk.close()


def test_closed_segments_are_compressed_and_read_the_same(tmp_path: Path) -> None:
    desk = Desk(tmp_path, replace(SETTINGS, compress=True))
    for _ in range(20):
        desk.write(50)
        desk.sync()
    desk.agent.tidy()
    segments = list_segments(desk.folder)
    assert [segment.is_compressed for segment in segments] == [True, True, True, False]
    assert check_chain(desk.folder) == desk.writer.place
    assert segments[0].path.stat().st_size < SETTINGS.segment_bytes // 2
    desk.close()


@pytest.mark.parametrize("call", ["begin", "write", "sync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_disk_refuses_new_risk_and_loses_nothing(
    desk: Desk, call: str, number: int
) -> None:
    if call != "begin":
        desk.write(10)
        desk.sync()
    durable = desk.writer.ring.durable_position
    desk.files.fail(call, number)
    desk.write(30)
    desk.agent.step(force=True)
    assert desk.writer.ring.durable_position == durable
    assert journal_refusal(desk.writer.address) == reason.REASON_JOURNAL_UNAVAILABLE
    assert os.strerror(number) in desk.agent.error
    desk.write(5)
    assert desk.agent.step(force=True) == 0
    desk.files.failing = ""
    assert desk.agent.step(force=True) > 0
    desk.sync()
    assert journal_refusal(desk.writer.address) == 0
    assert check_chain(desk.folder) == desk.writer.place
    # A file whose sync failed is trusted up to what was synced before, and no further.
    assert len(list_segments(desk.folder)) == (1 if call == "begin" else 2)


def test_an_agent_that_comes_after_a_failure_takes_orders_again(desk: Desk) -> None:
    desk.files.fail("write", errno.ENOSPC)
    desk.write(10)
    desk.agent.step(force=True)
    assert journal_refusal(desk.writer.address) == reason.REASON_JOURNAL_UNAVAILABLE
    # Killed: the ring stays as it is.
    DurabilityAgent(desk.writer.ring, desk.folder, SETTINGS, Place(), epoch=3, files=desk.files)
    assert journal_refusal(desk.writer.address) == 0


def test_a_prepared_file_becomes_the_next_segment(desk: Desk) -> None:
    desk.agent.prepare()
    spare = (desk.folder / SPARE_NAME).stat()
    assert spare.st_size == 4096 + SETTINGS.segment_bytes
    desk.agent.prepare()
    assert (desk.folder / SPARE_NAME).stat().st_ino == spare.st_ino
    desk.write(10)
    desk.sync()
    (segment,) = list_segments(desk.folder)
    assert segment.path.stat().st_ino == spare.st_ino
    assert not (desk.folder / SPARE_NAME).exists()
    assert check_chain(desk.folder) == desk.writer.place


def test_a_segment_that_was_begun_and_has_no_head_yet_is_none(desk: Desk) -> None:
    desk.write(10)
    desk.sync()
    desk.agent.close()
    (segment,) = list_segments(desk.folder)
    following = desk.folder / ".00000000000000009999.journal.begun"
    following.write_bytes(bytes(8_192))
    assert list_segments(desk.folder) == [segment]
    assert check_chain(desk.folder) == desk.writer.place


def test_a_name_that_came_to_disk_before_its_head_is_no_segment(desk: Desk) -> None:
    desk.write(10)
    desk.sync()
    desk.agent.close()
    segments = list_segments(desk.folder)
    end = desk.writer.place.position
    following = desk.folder / f"{end:020d}.journal"
    following.write_bytes(bytes(4096 + SETTINGS.segment_bytes))
    assert list_segments(desk.folder) == segments
    assert check_chain(desk.folder) == desk.writer.place
    for offset in (0, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + SETTINGS.segment_bytes - 1):
        content = bytearray(4096 + SETTINGS.segment_bytes)
        content[offset] = 1
        following.write_bytes(content)
        with pytest.raises(JournalDamaged):
            list_segments(desk.folder)
    # Whoever goes on behind the last segment takes the name.
    following.write_bytes(bytes(4096 + SETTINGS.segment_bytes))
    agent = DurabilityAgent(
        desk.writer.ring, desk.folder, SETTINGS, desk.writer.place, epoch=3, files=desk.files
    )
    desk.write(5)
    agent.step(force=True)
    agent.close()
    assert check_chain(desk.folder) == desk.writer.place


def test_a_removed_open_segment_comes_back(desk: Desk) -> None:
    desk.write(10)
    desk.sync()
    (segment,) = list_segments(desk.folder)
    segment.path.unlink()
    desk.write(10)
    desk.agent.step(force=True)
    assert desk.writer.ring.load(OFFSET_REFUSAL) == reason.REASON_JOURNAL_UNAVAILABLE
    desk.agent.step(force=True)
    assert desk.writer.ring.load(OFFSET_REFUSAL) == 0
    assert check_chain(desk.folder) == desk.writer.place


@pytest.mark.parametrize("compress", [False, True])
def test_orders_wait_for_a_missing_segment_that_a_restore_needs(
    tmp_path: Path, compress: bool
) -> None:
    desk = Desk(tmp_path, replace(SETTINGS, compress=compress))
    desk.write(1_000)
    desk.sync()
    segments = list_segments(desk.folder)
    assert len(segments) > 3
    second = segments[1]
    desk.agent.look_for_segments()
    assert desk.writer.ring.load(OFFSET_REFUSAL) == 0
    aside = tmp_path / "aside"
    second.path.rename(aside)
    desk.agent.look_for_segments()
    assert desk.writer.ring.load(OFFSET_REFUSAL) == reason.REASON_JOURNAL_UNAVAILABLE
    assert second.path.name.split(".")[0] in desk.agent.missing
    # The disk takes what comes; that alone brings nothing back.
    desk.write(10)
    desk.sync()
    desk.agent.look_for_segments()
    assert desk.writer.ring.load(OFFSET_REFUSAL) == reason.REASON_JOURNAL_UNAVAILABLE
    aside.rename(second.path)
    desk.agent.look_for_segments()
    assert desk.writer.ring.load(OFFSET_REFUSAL) == 0
    # A snapshot that has its last record's outcome makes it unneeded; the open one is another's.
    second.path.unlink()
    desk.restored_from = segments[2].start.sequence - 1
    desk.agent.look_for_segments()
    assert desk.agent.missing
    desk.restored_from += 1
    desk.agent.look_for_segments()
    assert not desk.agent.missing
    assert desk.writer.ring.load(OFFSET_REFUSAL) == 0
    desk.close()


def test_a_folder_that_was_taken_away_is_missed_and_made_again(desk: Desk) -> None:
    desk.write(1_000)
    desk.sync()
    shutil.rmtree(desk.folder)
    desk.agent.look_for_segments()
    assert desk.writer.ring.load(OFFSET_REFUSAL) == reason.REASON_JOURNAL_UNAVAILABLE
    desk.folder.mkdir()
    desk.write(10)
    desk.agent.step(force=True)
    desk.agent.step(force=True)
    assert desk.agent.error == ""
    assert desk.writer.ring.load(OFFSET_REFUSAL) == reason.REASON_JOURNAL_UNAVAILABLE


def test_of_a_torn_group_any_sectors_may_be_there(desk: Desk) -> None:
    desk.write(40)
    desk.sync()
    synced = desk.writer.place
    desk.write(40)
    desk.sync()
    (segment,) = list_segments(desk.folder)
    blocks = segment.index_path.read_bytes()
    assert len(segment.blocks()) == 2
    with segment.path.open("r+b") as file:
        # A sector in the middle of the second group never came to the disk.
        file.seek(SEGMENT_HEADER_BYTES + 60 * RECORD_FRAME_BYTES)
        file.write(bytes(512))
    for known in (2, 1):
        segment.index_path.write_bytes(blocks[: known * len(blocks) // 2])
        if known == 2:
            with pytest.raises(JournalDamaged):
                last_checked(desk)
        else:
            checked = last_checked(desk)
            assert synced.sequence < checked.end.sequence <= 60
            assert checked.torn_bytes > 0
            # A ring that survived tells what was synced.
            with pytest.raises(JournalDamaged):
                check_chain(desk.folder, durable_position=desk.writer.place.position)


def test_a_last_record_cut_at_any_byte_is_dropped_and_reported(desk: Desk) -> None:
    desk.write(40)
    desk.sync()
    (segment,) = list_segments(desk.folder)
    segment.index_path.unlink()
    whole = segment.path.read_bytes()
    end = SEGMENT_HEADER_BYTES + 40 * RECORD_FRAME_BYTES
    for kept in range(1, RECORD_FRAME_BYTES):
        segment.path.write_bytes(whole[: end - RECORD_FRAME_BYTES + kept])
        checked = last_checked(desk)
        assert checked.end.sequence == 39
        assert checked.torn_bytes >= min(kept, 1)
    cut_torn_tail(checked)
    assert last_checked(desk).torn_bytes == 0


def test_the_index_tells_a_torn_record_from_a_synced_one(desk: Desk) -> None:
    desk.write(40)
    desk.sync()
    (segment,) = list_segments(desk.folder)
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[: SEGMENT_HEADER_BYTES + 40 * RECORD_FRAME_BYTES - 1])
    with pytest.raises(JournalDamaged) as damaged:
        last_checked(desk)
    assert damaged.value.sequence == 40


@pytest.mark.parametrize("torn_bytes", [0, 50, RECORD_FRAME_BYTES - 1])
@pytest.mark.parametrize("indexed", [0, 40])
def test_frames_that_a_kill_left_unsynced_are_sealed(
    desk: Desk, indexed: int, torn_bytes: int
) -> None:
    desk.write(indexed or 1)
    desk.sync()
    desk.write(20)
    start = SEGMENT_HEADER_BYTES + desk.agent.place.position
    (segment,) = list_segments(desk.folder)
    # Killed between the write of a group and its sync, or in the middle of an index block.
    unsynced = bytes(desk.writer.ring.chunk(desk.agent.place.position, desk.writer.ring.tail))
    with segment.path.open("r+b") as file:
        file.seek(start)
        file.write(unsynced[: len(unsynced) - torn_bytes])
    if indexed:
        with segment.index_path.open("ab") as file:
            file.write(b"half a block")
    else:
        segment.index_path.unlink()
    checked = last_checked(desk)
    assert (checked.torn_bytes > 0) == (torn_bytes > 0)
    seal_tail(checked)
    sealed = last_checked(desk)
    assert (sealed.end, sealed.torn_bytes) == (checked.end, 0)
    assert sealed.block_count == checked.block_count + 1
    content = bytearray(segment.path.read_bytes())
    content[SEGMENT_HEADER_BYTES + sealed.end.position - 1] ^= 1
    segment.path.write_bytes(content)
    with pytest.raises(JournalDamaged) as damaged:
        last_checked(desk)
    assert damaged.value.sequence == sealed.end.sequence


def test_sealing_what_is_synced_changes_nothing(desk: Desk) -> None:
    desk.write(40)
    desk.sync()
    (segment,) = list_segments(desk.folder)
    before = segment.path.read_bytes(), segment.index_path.read_bytes()
    seal_tail(last_checked(desk))
    assert (segment.path.read_bytes(), segment.index_path.read_bytes()) == before


def _flip_bits(desk: Desk, rounds: int) -> None:
    """Flip random bits of the segments; every one must be found, and the record named."""
    random = np.random.default_rng(17)
    segments = list_segments(desk.folder)
    contents = [segment.path.read_bytes() for segment in segments]
    used = [
        SEGMENT_HEADER_BYTES + checked.end.position - checked.segment.start.position
        for checked in (
            check_segment(segment, is_last=segment is segments[-1]) for segment in segments
        )
    ]
    for _ in range(rounds):
        choice = int(random.integers(len(segments)))
        bit = int(random.integers(8 * used[choice]))
        hurt = bytearray(contents[choice])
        hurt[bit >> 3] ^= 1 << (bit & 7)
        path = segments[choice].path
        path.write_bytes(hurt)
        with pytest.raises(JournalDamaged):
            check_chain(desk.folder)
        path.write_bytes(contents[choice])


def test_every_flipped_bit_is_found(desk: Desk) -> None:
    desk.write(300)
    desk.sync()
    desk.write(60)
    desk.sync()
    _flip_bits(desk, 300)


@pytest.mark.full
def test_every_flipped_bit_is_found_in_many_rounds(desk: Desk) -> None:
    desk.write(300)
    desk.sync()
    desk.write(60)
    desk.sync()
    _flip_bits(desk, 100_000)


def test_the_newest_segment_is_missed_where_the_ring_tells_that_it_was_there(desk: Desk) -> None:
    desk.write(600)
    desk.sync()
    *_, last, newest = list_segments(desk.folder)
    newest.path.unlink()
    # A closed segment may have room behind its last record.
    with last.path.open("r+b") as file:
        file.truncate(SEGMENT_HEADER_BYTES + last.capacity_bytes + 512)
    end = desk.writer.place.position
    missing = f"behind {last.path.name}, and no segment has record {newest.start.sequence + 1}$"
    with pytest.raises(JournalDamaged, match=missing):
        check_chain(desk.folder, durable_position=end)


def test_a_missing_segment_is_named(desk: Desk) -> None:
    for _ in range(20):
        desk.write(50)
        desk.sync()
    segments = list_segments(desk.folder)
    segments[1].path.rename(segments[1].path.with_suffix(".away"))
    with pytest.raises(JournalDamaged) as damaged:
        check_chain(desk.folder)
    assert damaged.value.sequence == segments[1].start.sequence + 1
    assert check_chain(desk.folder, from_sequence=segments[2].start.sequence + 1)


def test_damage_in_the_ring_is_not_written_to_files(desk: Desk) -> None:
    desk.write(20)
    desk.writer.ring.frames[5 * RECORD_FRAME_BYTES + 40] ^= 1
    desk.agent.step(force=True)
    desk.agent.step(force=True)
    assert desk.agent.damage is not None
    assert desk.agent.damage.sequence == 6
    assert journal_refusal(desk.writer.address) == reason.REASON_JOURNAL_DAMAGED
    assert last_checked(desk).end.sequence == 5


def test_retention_keeps_what_a_restore_needs(tmp_path: Path) -> None:
    desk = Desk(tmp_path, replace(SETTINGS, compress=True, keep_days=7, keep_bytes=1 << 40))
    for _ in range(20):
        desk.write(50)
        desk.sync()
    desk.agent.tidy()
    segments = list_segments(desk.folder)
    late_ns = desk.clock.now_ns() + 8 * 86_400_000_000_000
    assert expired(segments, SETTINGS, late_ns, needed_from=0) == []
    assert expired(segments, SETTINGS, late_ns, needed_from=1_000) == segments[:3]
    second = segments[2].start.sequence
    assert expired(segments, SETTINGS, late_ns, needed_from=second) == segments[:1]
    assert expired(segments, SETTINGS, desk.clock.now_ns(), needed_from=1_000) == []
    small = replace(SETTINGS, keep_bytes=1)
    assert expired(segments, small, desk.clock.now_ns(), needed_from=1_000) == segments[:3]
    desk.close()
