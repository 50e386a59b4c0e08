"""The stream of journal frames: everything once and in order, and gaps that are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.journal_driver import JournalWriter
from tradecaptain.base.clock import ManualClock
from tradecaptain.mesh.journal import OFFSET_DURABLE_POSITION
from tradecaptain.mesh.journal_scan import FULL, Place, Scan
from tradecaptain.mesh.journal_stream import JournalReceiver, JournalSender
from tradecaptain.mesh.simulated import SimulatedMesh

CAPACITY = 1 << 16
TERM_BYTES = 1 << 18


class Line:
    """A writer, its sender and one receiver over a simulated mesh."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.mesh = SimulatedMesh(seed)
        self.writer = JournalWriter(folder / "ring", capacity=CAPACITY)
        self.sender = JournalSender(
            self.mesh, self.writer.ring, ManualClock(1), term_bytes=TERM_BYTES
        )
        self.receiver = JournalReceiver(self.mesh, self.writer.ring.epoch, 0)
        self.scan = Scan(Place())
        self.crank()

    def crank(self) -> None:
        self.mesh.crank()
        for resource in (self.sender.publication, self.receiver.subscription):
            if resource.needs_refresh():
                resource.refresh()

    def write(self, count: int) -> None:
        """Append records of many lengths, as if all before were on disk."""
        for _ in range(count):
            self.writer.ring.store(OFFSET_DURABLE_POSITION, self.writer.place.position)
            length = 8 * int(self.random.integers(5, 120))
            assert self.writer.append(self.random.integers(0, 256, length, np.uint8).tobytes())

    def send(self) -> int:
        sent = self.sender.step()
        self.crank()
        return sent

    def read(self) -> bool:
        """Take what is there and hold it against the chain; false at a gap."""
        frames = self.receiver.read()
        if frames is None:
            return False
        assert self.scan.take(frames) == len(frames)
        assert len(frames) == 0 or self.scan.verdict == FULL
        return True

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()
        self.writer.close()


@pytest.fixture(params=range(3))
def line(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Line]:
    made = Line(tmp_path, request.param)
    yield made
    made.close()


def test_every_frame_comes_once_and_in_order_round_and_round_the_ring(line: Line) -> None:
    for _ in range(60):
        line.write(int(line.random.integers(1, 40)))
        line.send()
        assert line.read()
    while line.send():
        assert line.read()
    assert line.read()
    assert line.scan.place == line.writer.place
    assert line.writer.place.position > 4 * CAPACITY
    assert line.receiver.stats["gap_count"] == 0


def test_what_was_read_otherwise_is_passed_over(line: Line) -> None:
    line.write(30)
    half = Scan(Place())
    half.take(np.frombuffer(line.writer.ring.chunk(0, line.writer.place.position), np.uint8)[:-1])
    line.receiver.seek(half.place.position)
    line.send()
    frames = line.receiver.read()
    assert frames is not None
    assert half.take(frames) == len(frames)
    assert half.place == line.writer.place


def test_a_receiver_that_comes_late_is_told_that_frames_are_missing(line: Line) -> None:
    line.receiver.close()
    line.crank()
    line.write(30)
    # Nobody listens: the sender doesn't wait.
    line.send()
    missed = line.writer.place
    line.receiver = JournalReceiver(line.mesh, line.writer.ring.epoch, 0)
    line.crank()
    line.write(5)
    line.send()
    assert not line.read()
    line.receiver.seek(missed.position)
    line.scan = Scan(missed)
    assert line.read()
    assert line.scan.place == line.writer.place
    assert line.receiver.stats["gap_count"] == 1


def test_a_sender_that_was_lapped_goes_on_from_the_oldest_frame(line: Line) -> None:
    line.write(600)
    assert line.writer.place.position > 2 * CAPACITY
    assert line.send() == 0
    assert line.sender.stats["lapped_count"] == 1
    assert line.send() > 0
    assert not line.read()


def test_frames_of_another_epoch_are_not_taken(line: Line) -> None:
    other = JournalReceiver(line.mesh, line.writer.ring.epoch + 1, 0)
    line.crank()
    line.write(3)
    line.send()
    frames = other.read()
    assert frames is not None and len(frames) == 0
    assert other.stats["foreign_count"] > 0
    other.close()
