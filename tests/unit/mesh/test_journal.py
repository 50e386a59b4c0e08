"""The ring of the execution log: frames, laps, room, followers in other processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.journal_driver import JournalWriter, record_bytes
from tradecaptain.base.crc32c import crc32c_behind, crc32c_run
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.journal import (
    CHECKSUM_MASK,
    FLAG_RESULT,
    HEADER_BYTES,
    OFFSET_DURABLE_POSITION,
    OFFSET_REFUSAL,
    JournalLapped,
    JournalRing,
    journal_refusal,
)
from tradecaptain.mesh.journal_files import checksum_of
from tradecaptain.mesh.journal_follower import JournalFollower
from tradecaptain.mesh.journal_scan import BAD, CUT, END, FULL, Place, Scan, find_later_frame
from tradecaptain.wire import reason
from twins.mesh.journal import JournalTwin, crc32c

CAPACITY = 1 << 16


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    journal = JournalWriter(tmp_path / "ring", capacity=CAPACITY)
    yield journal
    journal.close()


def records(count: int) -> list[bytes]:
    """Records of many lengths."""
    random = np.random.default_rng(5)
    lengths = 8 * random.integers(5, 120, count)
    return [random.integers(0, 256, int(length), np.uint8).tobytes() for length in lengths]


@pytest.mark.twin
@pytest.mark.parametrize(
    "length", [0, 1, 7, 8, 9, 64, 95, 96, 97, 104, 128, 129, 232, 256, 1_000, 1_519, 4_099]
)
def test_checksum_is_crc32c(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length + 1, np.uint8)
    seed = crc32c(b"before")
    assert checksum_of(address_of(data), length, seed) == crc32c(data[:length].tobytes(), seed)


@kernel("int64(int64, int64, int64)")
def checksum_in_parts(address: int, length: int, seed: int) -> int:
    """CRC32C of whole words from ``address`` on, those of the record begun with nothing before."""
    behind = crc32c_behind(seed ^ CHECKSUM_MASK, length // 8)
    return crc32c_run(0, address, length) ^ behind ^ CHECKSUM_MASK


@pytest.mark.twin
@pytest.mark.parametrize("length", [0, 8, 96, 232, 256, 1_008])
def test_a_remainder_is_the_sum_of_what_came_before_and_of_what_follows(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length + 1, np.uint8)
    seed = crc32c(b"before")
    assert checksum_in_parts(address_of(data), length, seed) == crc32c(
        data[:length].tobytes(), seed
    )


def test_checksum_of_the_standard() -> None:
    # RFC 3720, appendix B.4: 32 bytes of zeros, of ones, ascending.
    for data, expected in (
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ):
        array = np.frombuffer(data, np.uint8).copy()
        assert checksum_of(address_of(array), 32, 0) == expected


@pytest.mark.twin
def test_frames_are_those_of_the_twin(writer: JournalWriter) -> None:
    twin = JournalTwin(CAPACITY)
    checked = 0
    for index, record in enumerate(records(300)):
        writer.ring.store(OFFSET_DURABLE_POSITION, writer.place.position)
        flags = index % 3
        assert writer.append(record, flags) == index + 1
        twin.append(record, flags)
        # The ring holds only the newest; compare before it is overwritten.
        tail = writer.ring.tail
        while checked < tail:
            chunk = writer.ring.chunk(checked, tail)
            assert bytes(chunk) == twin.data[checked : checked + len(chunk)]
            checked += len(chunk)
    assert writer.ring.tail == len(twin.data) > 2 * CAPACITY


def test_ring_is_not_overwritten_before_it_is_synced(writer: JournalWriter) -> None:
    count = 0
    while writer.append(record_bytes(count + 1)):
        count += 1
    assert writer.place.position <= CAPACITY
    assert count > 500
    writer.ring.store(OFFSET_DURABLE_POSITION, 8_192)
    assert writer.append(record_bytes(count + 1)) == count + 1


def test_new_risk_is_refused_before_the_ring_is_full(writer: JournalWriter) -> None:
    count = 0
    while journal_refusal(writer.address) == 0:
        count += 1
        assert writer.append(record_bytes(count))
    assert CAPACITY // 2 < writer.place.position <= CAPACITY * 3 // 4 + 128
    assert journal_refusal(writer.address) == reason.REASON_JOURNAL_UNAVAILABLE
    writer.ring.store(OFFSET_DURABLE_POSITION, writer.place.position)
    assert journal_refusal(writer.address) == 0
    writer.ring.store(OFFSET_REFUSAL, reason.REASON_JOURNAL_UNAVAILABLE)
    assert journal_refusal(writer.address) == reason.REASON_JOURNAL_UNAVAILABLE


def test_scan_follows_the_chain_and_names_what_breaks_it(writer: JournalWriter) -> None:
    for record in records(40):
        writer.append(record, FLAG_RESULT)
    tail = writer.ring.tail
    whole = np.frombuffer(bytes(writer.ring.chunk(0, tail + 512)), np.uint8).copy()
    scan = Scan(Place())
    assert scan.take(whole) == tail
    assert scan.verdict == END
    assert scan.place == writer.place
    assert Scan(Place()).take(whole[:tail]) == tail
    short = Scan(Place())
    assert short.take(whole[: tail - 8]) < tail - 8
    assert short.verdict == CUT
    exact = Scan(Place())
    exact.take(whole[:tail])
    assert exact.verdict == FULL
    random = np.random.default_rng(11)
    for bit in random.integers(0, 8 * tail, 400):
        hurt = whole.copy()
        hurt[bit >> 3] ^= 1 << (bit & 7)
        scan = Scan(Place())
        good = scan.take(hurt)
        assert scan.verdict in (BAD, CUT, END)
        assert good <= bit >> 3


def test_a_later_frame_tells_damage_from_a_torn_tail(writer: JournalWriter) -> None:
    writer.append_records(50)
    tail = writer.ring.tail
    data = np.frombuffer(bytes(writer.ring.chunk(0, tail)), np.uint8).copy()
    data[200] ^= 1
    scan = Scan(Place())
    good = scan.take(data)
    later = find_later_frame(address_of(data[good:]), len(data) - good, scan.place.sequence)
    assert later > 0
    rest = np.ascontiguousarray(data[-100:])
    assert find_later_frame(address_of(rest), len(rest), 49) == -1


def test_follower_reads_the_tail_and_is_told_when_lapped(writer: JournalWriter) -> None:
    with JournalFollower(writer.ring.path) as follower:
        assert len(follower.read()) == 0
        writer.append_records(10)
        frames = follower.read()
        scan = Scan(Place())
        assert scan.take(frames) == len(frames)
        assert scan.place.sequence == 10
        for number in range(11, 2_000):
            writer.ring.store(OFFSET_DURABLE_POSITION, writer.place.position)
            writer.append_records(1, number)
        with pytest.raises(JournalLapped) as lapped:
            follower.read()
        assert follower.position < lapped.value.first_position <= writer.ring.tail
    with JournalFollower(writer.ring.path) as fresh:
        assert fresh.position == lapped.value.first_position
        frames = fresh.read()
        assert len(frames) > CAPACITY // 2
        # Its last frame is the writer's.
        assert fresh.position == writer.ring.tail


def _follow(path: Path, count: int, answer: multiprocessing.connection.Connection) -> None:
    seen = 0
    scan = Scan(Place())
    with JournalFollower(path) as follower:
        answer.send("ready")
        while scan.frame_count < count:
            frames = follower.read()
            seen += scan.take(frames)
    answer.send((scan.place, seen))


def test_follower_in_another_process_sees_every_frame(writer: JournalWriter) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_follow, args=(writer.ring.path, 500, theirs), daemon=True)
    child.start()
    assert ours.poll(60)
    assert ours.recv() == "ready"
    writer.append_records(500)
    assert ours.poll(60)
    place, seen = ours.recv()
    child.join(30)
    assert place == writer.place
    assert seen == writer.ring.tail


def test_ring_refuses_what_is_not_a_ring(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    path.write_bytes(bytes(2 * HEADER_BYTES))
    with pytest.raises(TradeCaptainError) as refused:
        JournalRing(path)
    assert refused.value.reason == reason.REASON_UNRECOGNISED_FILE
    with pytest.raises(TradeCaptainError) as refused:
        JournalRing.create(path, capacity=100_000, epoch=1)
    assert refused.value.reason == reason.REASON_INVALID_CONFIGURATION
