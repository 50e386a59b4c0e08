"""Reading a log from files and ring while its venue writes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.journal_driver import JournalWriter, record_bytes
from tradecaptain.mesh.journal import JournalLapped, JournalRing
from tradecaptain.mesh.journal_agent import DurabilityAgent, JournalSettings
from tradecaptain.mesh.journal_files import JournalDamaged, list_segments
from tradecaptain.mesh.journal_scan import Place, Scan
from tradecaptain.mesh.journal_source import LogSource

SETTINGS = JournalSettings(segment_bytes=1 << 15, compress=False, huge_pages=False)
ROUND = 2_000
"""Records that go round the ring more than twice."""


class Live:
    """A log that grows when it is told to; what isn't synced is in the ring alone."""

    def __init__(self, folder: Path) -> None:
        self.ring_path = folder / "ring"
        self.folder = folder / "segments"
        self.writer = JournalWriter(self.ring_path)
        self.agent = DurabilityAgent(self.writer.ring, self.folder, SETTINGS, Place(), epoch=3)

    def grow(self, count: int, *, synced: bool = True) -> None:
        first = self.writer.place.sequence + 1
        for number in range(first, first + count):
            while self.writer.append(record_bytes(number)) == 0:
                self.agent.step(force=True)
                assert not self.agent.error
        while synced and self.writer.ring.tail > self.agent.place.position:
            self.agent.step(force=True)

    def source(self) -> LogSource:
        return LogSource(self.folder, JournalRing(self.ring_path))

    def close(self) -> None:
        self.agent.close()
        self.writer.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    made = Live(tmp_path)
    yield made
    made.close()


def test_what_the_ring_lost_meanwhile_is_read_from_segments_that_came_since(live: Live) -> None:
    live.grow(300)
    # As much as that comes to lie in segments that aren't begun yet, and others behind them.
    live.grow(400, synced=False)
    end = live.writer.place
    with live.source() as source:
        scan = Scan(Place())
        reading = source.checked_frames()
        scan.take(next(reading))
        live.grow(ROUND)
        assert source.ring is not None
        assert scan.place.position < source.ring.first_position()
        for frames in reading:
            assert scan.take(frames) == len(frames)
        assert scan.place == end


def test_two_readings_end_at_the_same_record(live: Live) -> None:
    live.grow(400)
    live.grow(30, synced=False)
    with live.source() as source:
        readings = []
        for _ in range(2):
            scan = Scan(Place())
            for frames in source.frames_behind(Place()):
                assert scan.take(frames) == len(frames)
            readings.append(scan.place)
            live.grow(ROUND)
        assert readings[0] == readings[1]
        assert readings[0].sequence == 430


def test_a_reading_from_the_middle_begins_there(live: Live) -> None:
    live.grow(700)
    whole = Scan(Place())
    with live.source() as source:
        places = []
        for frames in source.checked_frames():
            whole.take(frames)
            places.append(whole.place)
        middle = Scan(Place())
        middle.take(next(iter(source.checked_frames()))[: 112 * 37])
        assert middle.place.sequence == 37
        rest = Scan(middle.place)
        for frames in source.frames_behind(middle.place):
            rest.take(frames)
        assert rest.place == whole.place == live.writer.place
        assert rest.frame_count == 700 - 37
    segments = list_segments(live.folder)
    with live.source() as source:
        first = next(source.checked_frames(400))
        begun = [item.start for item in segments if item.start.sequence < 400][-1]
        assert Scan(begun).take(first) == len(first)


def test_what_neither_has_is_told(live: Live) -> None:
    live.grow(ROUND)
    for segment in list_segments(live.folder):
        segment.path.unlink()
    with live.source() as source, pytest.raises(JournalLapped):
        list(source.checked_frames())


def test_a_segment_that_is_taken_away_is_named(live: Live) -> None:
    live.grow(1_000)
    segments = list_segments(live.folder)
    with live.source() as source:
        segments[1].path.unlink()
        missing = segments[1].start.sequence + 1
        with pytest.raises(JournalDamaged, match=f"record {missing}"):
            list(source.checked_frames())
