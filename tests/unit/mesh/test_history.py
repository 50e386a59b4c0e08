"""The event history: what a late reader finds, and that it is told when it came too late."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import store_i64
from tradecaptain.mesh.history import (
    HistoryLapped,
    HistoryReader,
    HistoryWriter,
    history_append,
    history_copy,
    history_publish,
)

RECORD_BYTES = 64


@kernel("int64(int64, int64, int64, int64)")
def append_numbers(history: int, scratch: int, first: int, count: int) -> int:
    last = 0
    for number in range(first, first + count):
        for word in range(8):
            store_i64(scratch + 8 * word, number)
        last = history_append(history, scratch)
    return last


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history"


def append(writer: HistoryWriter, first: int, count: int) -> int:
    scratch = np.zeros(8, np.int64)
    return int(append_numbers(writer.address, int(scratch.ctypes.data), first, count))


def numbers(reader: HistoryReader, sequence: int, count: int) -> list[int]:
    return [
        int(row[0]) for row in reader.read_array(sequence, count, np.dtype("<i8")).reshape(-1, 8)
    ]


def test_reader_finds_records_by_sequence_within_what_is_held(path: Path) -> None:
    writer = HistoryWriter(path, record_bytes=RECORD_BYTES, capacity=8, epoch=5)
    with HistoryReader.open(path) as reader:
        assert (reader.epoch, reader.first_sequence(), reader.last_sequence()) == (5, 1, 0)
        assert reader.read(1, 10) == (0, b"")
        assert append(writer, 1, 5) == 5
        assert numbers(reader, 2, 2) == [2, 3]
        assert numbers(reader, 4, 100) == [4, 5]
        assert reader.read(6, 1) == (0, b"")
    writer.close()


def test_ring_wraps_and_tells_what_is_left(path: Path) -> None:
    writer = HistoryWriter(path, record_bytes=RECORD_BYTES, capacity=8, epoch=1)
    append(writer, 1, 21)
    with HistoryReader.open(path) as reader:
        assert reader.first_sequence() == 14
        assert numbers(reader, 14, 100) == list(range(14, 22))
        with pytest.raises(HistoryLapped) as caught:
            reader.read(13, 1)
        assert caught.value.first_sequence == 14
    writer.close()


def test_new_epoch_replaces_the_file_and_is_noticed(path: Path) -> None:
    first = HistoryWriter(path, record_bytes=RECORD_BYTES, capacity=8, epoch=1)
    append(first, 1, 2)
    with HistoryReader.open(path) as old:
        assert old.is_current()
        second = HistoryWriter(path, record_bytes=RECORD_BYTES, capacity=8, epoch=2)
        assert not old.is_current()
        assert numbers(old, 1, 9) == [1, 2]
        with HistoryReader.open(path) as new:
            assert (new.epoch, new.last_sequence()) == (2, 0)
    first.close()
    second.close()


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 5_000])
def test_file_of_another_kind_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(TradeCaptainError):
        HistoryReader.open(path)


def test_shortened_file_is_refused(path: Path) -> None:
    HistoryWriter(path, record_bytes=RECORD_BYTES, capacity=8, epoch=1).close()
    with path.open("r+b") as file:
        file.truncate(4_100)
    with pytest.raises(TradeCaptainError, match="cut short"):
        HistoryReader.open(path)


@kernel("int64(int64, int64, int64)")
def copy_number(history: int, scratch: int, number: int) -> int:
    for word in range(8):
        store_i64(scratch + 8 * word, number)
    return history_copy(history, scratch)


@kernel("int64(int64)")
def publish(history: int) -> int:
    history_publish(history)
    return 0


def test_copies_are_seen_when_they_are_published_and_room_is_announced_ahead(path: Path) -> None:
    scratch = np.zeros(8, np.int64)
    with (
        HistoryWriter(path, record_bytes=RECORD_BYTES, capacity=64, epoch=1) as writer,
        HistoryReader.open(path) as reader,
    ):
        for number in range(1, 71):
            assert copy_number(writer.address, int(scratch.ctypes.data), number) == number
            if number == 40:
                assert reader.read(1, 10) == (0, b"")
                publish(writer.address)
                assert numbers(reader, 1, 100) == list(range(1, 41))
        assert reader.last_sequence() == 40
        publish(writer.address)
        assert reader.last_sequence() == 70
        # A sixteenth of the ring may be overwritten without another word.
        first = reader.first_sequence()
        assert 70 - 64 < first <= 70 - 64 + 1 + 64 // 16
        assert numbers(reader, first, 100) == list(range(first, 71))


def test_records_that_are_no_whole_lines_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        HistoryWriter(path, record_bytes=96, capacity=8, epoch=1)
