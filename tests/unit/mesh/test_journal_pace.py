"""Closed segments wait to be packed while the log grows fast, but never too many of them."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.journal_driver import JournalWriter
from tradecaptain.base.clock import ManualClock
from tradecaptain.mesh.journal_agent import DurabilityAgent, JournalSettings
from tradecaptain.mesh.journal_files import check_chain, list_segments
from tradecaptain.mesh.journal_pace import CALM_BYTES, CALM_NS, WAITING_SHARE, PackingPace
from tradecaptain.mesh.journal_scan import Place

KEPT = 1 << 34
SETTINGS = JournalSettings(segment_bytes=1 << 15, huge_pages=False)
UNPACKED = replace(SETTINGS, compress=False)


class Disk:
    """How much is left on it, or that it can't be asked."""

    def __init__(self) -> None:
        self.free_bytes = 1 << 40
        self.error = 0

    def __call__(self, _folder: Path) -> int:
        if self.error:
            raise OSError(self.error, "asked in vain")
        return self.free_bytes


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def pace(clock: ManualClock, disk: Disk) -> PackingPace:
    return PackingPace(Path("/nowhere"), KEPT, clock, free_bytes=disk)


def test_segments_wait_while_the_log_grows_fast(pace: PackingPace, clock: ManualClock) -> None:
    position = 0
    for _ in range(20):
        position += CALM_BYTES + 1
        clock.advance(CALM_NS - 1)
        assert pace.may_wait(position, 1)


def test_they_are_packed_once_it_has_been_quiet(pace: PackingPace, clock: ManualClock) -> None:
    assert pace.may_wait(10 * CALM_BYTES, 1)
    clock.advance(CALM_NS - 1)
    assert pace.may_wait(11 * CALM_BYTES, 1)
    clock.advance(1)
    assert not pace.may_wait(11 * CALM_BYTES, 1)
    assert pace.may_wait(11 * CALM_BYTES + 1, 1)


def test_a_log_that_goes_on_from_before_is_not_taken_for_a_quiet_one(
    pace: PackingPace, clock: ManualClock
) -> None:
    clock.advance(10 * CALM_NS)
    assert pace.may_wait(1 << 40, 1)


def test_no_more_of_them_wait_than_a_part_of_what_is_kept(pace: PackingPace) -> None:
    assert pace.may_wait(1 << 40, KEPT // WAITING_SHARE)
    assert not pace.may_wait(1 << 40, KEPT // WAITING_SHARE + 1)


def test_no_more_of_them_wait_than_a_part_of_what_the_disk_has_left(
    pace: PackingPace, disk: Disk
) -> None:
    disk.free_bytes = WAITING_SHARE * 1_000
    assert pace.may_wait(1 << 40, 1_000)
    assert not pace.may_wait(1 << 40, 1_001)


def test_they_wait_while_the_disk_cannot_be_asked(pace: PackingPace, disk: Disk) -> None:
    disk.error = errno.ENOENT
    assert pace.may_wait(1 << 40, 1)


class Log:
    """A log of some segments that aren't packed, cranked by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.writer = JournalWriter(folder / "ring", capacity=1 << 17)
        self.agent = DurabilityAgent(
            self.writer.ring, self.folder, UNPACKED, Place(), epoch=3, clock=ManualClock()
        )
        for _ in range(20):
            self.writer.append_records(50, self.writer.place.sequence + 1)
            while self.writer.ring.tail > self.agent.place.position:
                self.agent.step(force=True)

    def are_packed(self) -> list[bool]:
        return [segment.is_compressed for segment in list_segments(self.folder)]

    def close(self) -> None:
        self.agent.close()
        self.writer.close()


def test_the_oldest_are_packed_until_the_others_may_wait(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.agent.settings = SETTINGS
    asked: list[int] = []

    def may_wait(waiting_bytes: int) -> bool:
        asked.append(waiting_bytes)
        return len(asked) > 1

    left = log.agent.tidy(may_wait)
    assert log.are_packed() == [True, False, False, False]
    assert len(asked) == 2
    assert left == asked[1] < asked[0]
    assert check_chain(log.folder) == log.writer.place
    assert log.agent.tidy() == 0
    assert log.are_packed() == [True, True, True, False]
    assert check_chain(log.folder) == log.writer.place
    log.close()


def test_nothing_waits_where_nothing_is_packed(tmp_path: Path) -> None:
    log = Log(tmp_path)
    assert log.agent.tidy(lambda _bytes: False) == 0
    assert log.are_packed() == [False] * 4
    log.close()


def test_segments_that_waited_when_a_life_ended_are_packed_in_the_next(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.agent.drop()
    packed = threading.Event()

    class Watched(DurabilityAgent):
        def tidy(self, *arguments: object) -> int:
            left = super().tidy()
            packed.set()
            return left

    again = Watched(log.writer.ring, log.folder, SETTINGS, log.agent.place, epoch=3)
    again.start()
    assert packed.wait(20)
    again.close()
    assert log.are_packed() == [True] * 4
    assert check_chain(log.folder) == log.writer.place
    log.writer.close()
