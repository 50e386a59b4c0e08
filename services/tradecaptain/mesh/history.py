"""A ring of the newest records of one stream, in a file that any process may read.

A restarted reader finds here, by sequence, what it missed. There is one writer, which counts the
sequence from 1. A new epoch makes a new file; one that goes on from a log goes on counting. The
writer announces what it is going to overwrite before it does, some way ahead, and counts records
when they are whole, so a reader that copies and then looks at the announcement knows whether its
copy is intact.

Records are copied past the caches: nobody reads them soon, and they would push out what the writer
needs for its next turn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    copy_streaming,
    fence,
    load_acquire_i64,
    load_i64,
    store_i64,
    store_release_i64,
    streaming_fence,
)
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.wire import execution_event, reason

MAGIC: Final = 0x5954_5349_4843_5403
HEADER_BYTES: Final = 4_096
PAGE_BYTES: Final = 4_096
OFFSET_MAGIC: Final = 0
OFFSET_RECORD_BYTES: Final = 8
OFFSET_CAPACITY: Final = 16
OFFSET_EPOCH: Final = 24
OFFSET_FIRST: Final = 32
"""Sequence with which the ring begins; one that is restored doesn't begin with 1."""
OFFSET_BEGAN: Final = 40
"""Epoch in which the count began with 1: those since go on from it."""
OFFSET_ANNOUNCED: Final = 64
OFFSET_LAST: Final = 128
OFFSET_COPIED: Final = 192
OFFSET_RECORD_EPOCH: Final = execution_event.OFFSET_EPOCH
"""Where the epoch is in any record of the mesh."""
LINE_BYTES: Final = 64
AHEAD_SHIFT: Final = 4
"""A sixteenth of the ring is announced at a time, so that few records wait for the fence."""


class HistoryLapped(TradeCaptainError):  # noqa: N818
    """The record asked for has been overwritten; ``first_sequence`` is the oldest that is left."""

    def __init__(self, sequence: int, first_sequence: int) -> None:
        super().__init__(
            reason.REASON_RESUME_POSITION_UNKNOWN,
            f"record {sequence} is no longer held; the oldest is {first_sequence}",
            observed=sequence,
            limit=first_sequence,
        )
        self.first_sequence = first_sequence


@inline
def history_copy(history: int, record: int) -> int:
    """Copy a record behind the newest of the ring at ``history``; returns its sequence.

    Readers see it after :func:`history_publish`, which may follow a whole batch of copies.
    """
    sequence = load_i64(history + OFFSET_COPIED) + 1
    record_bytes = load_i64(history + OFFSET_RECORD_BYTES)
    capacity = load_i64(history + OFFSET_CAPACITY)
    if sequence > load_i64(history + OFFSET_ANNOUNCED):
        # Streaming stores may overtake others: the announcement must be seen before any of them.
        store_release_i64(history + OFFSET_ANNOUNCED, sequence + (capacity >> AHEAD_SHIFT))
        streaming_fence()
    slot = (sequence - 1) & (capacity - 1)
    copy_streaming(history + HEADER_BYTES + slot * record_bytes, record, record_bytes)
    store_i64(history + OFFSET_COPIED, sequence)
    return sequence


@inline
def history_publish(history: int) -> None:
    """Let readers see every record that was copied."""
    copied = load_i64(history + OFFSET_COPIED)
    if copied != load_i64(history + OFFSET_LAST):
        streaming_fence()
        store_release_i64(history + OFFSET_LAST, copied)


@inline
def history_restart(history: int, sequence: int) -> None:
    """Have the next record count as the one behind ``sequence``; those before aren't held.

    Only while nobody reads the ring.
    """
    store_i64(history + OFFSET_FIRST, sequence + 1)
    store_i64(history + OFFSET_ANNOUNCED, sequence)
    store_i64(history + OFFSET_LAST, sequence)
    store_i64(history + OFFSET_COPIED, sequence)


@inline
def history_append(history: int, record: int) -> int:
    """Copy one record into the ring at ``history`` and let readers see it; its sequence."""
    sequence = history_copy(history, record)
    history_publish(history)
    return sequence


class HistoryWriter(Closing):
    """Makes the file of an epoch; kernels append to ``address``."""

    def __init__(
        self, path: Path, *, record_bytes: int, capacity: int, epoch: int, is_shown: bool = True
    ) -> None:
        """Unless ``is_shown``, readers find the file only after :meth:`show`."""
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError(f"capacity must be a power of two, not {capacity}")
        if record_bytes < LINE_BYTES or record_bytes % LINE_BYTES:
            raise ValueError(f"record_bytes must be a multiple of {LINE_BYTES}, not {record_bytes}")
        self.path = path
        self._record_bytes = record_bytes
        self.capacity = capacity
        self._file = MappedFile.create(path, HEADER_BYTES + capacity * record_bytes)
        header = self._file.array(np.int64, HEADER_BYTES // 8)
        header[OFFSET_MAGIC // 8] = MAGIC
        header[OFFSET_RECORD_BYTES // 8] = record_bytes
        header[OFFSET_CAPACITY // 8] = capacity
        header[OFFSET_EPOCH // 8] = header[OFFSET_BEGAN // 8] = epoch
        # Touch every page now, so that no event waits for the kernel to make one.
        self._file.array(np.uint8, capacity * record_bytes, HEADER_BYTES)[::PAGE_BYTES] = 0
        self.address = self._file.address
        self._is_shown = False
        self.began = epoch
        """Epoch in which the count began with 1."""
        self.begin_behind(0)
        if is_shown:
            self.show()

    def begin_behind(self, sequence: int) -> None:
        """Have the next record count as the one behind ``sequence``; those before aren't held."""
        history_restart(self.address, sequence)

    def begin_in(self, began: int, epoch: int) -> None:
        """What follows is of ``epoch``, which goes on from that in which the count ``began``."""
        self.began = began
        store_i64(self.address + OFFSET_BEGAN, began)
        store_i64(self.address + OFFSET_EPOCH, epoch)

    def held(self, sequence: int) -> int:
        """Address of a record that is still held."""
        slot = (sequence - 1) % self.capacity
        return self.address + HEADER_BYTES + slot * self._record_bytes

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest record that was copied."""
        return int(load_i64(self.address + OFFSET_COPIED))

    def discard(self) -> None:
        """Take away a file that was never shown."""
        self.close()
        self._file.discard()

    def show(self) -> None:
        """Put the file in the place of an earlier one."""
        if not self._is_shown:
            self._file.publish()
            self._is_shown = True

    def close(self) -> None:
        """Unmap the file; it stays for readers until the next epoch replaces it."""
        self._file.close()


class HistoryReader(Closing):
    """Reads the history of one epoch by sequence."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.stat().st_size < HEADER_BYTES:
            raise TradeCaptainError(reason.REASON_TRUNCATED_FILE, f"{path} is cut short")
        self._file = MappedFile(path, writable=False)
        self.inode = self._file.inode
        self.address = self._file.address
        if self._load(OFFSET_MAGIC) != MAGIC:
            self._file.close()
            raise TradeCaptainError(
                reason.REASON_UNRECOGNISED_FILE, f"{path} is not an event history"
            )
        self.record_bytes = self._load(OFFSET_RECORD_BYTES)
        self.capacity = self._load(OFFSET_CAPACITY)
        self.epoch = self._load(OFFSET_EPOCH)
        self.began = self._load(OFFSET_BEGAN)
        if self._file.length < HEADER_BYTES + self.record_bytes * self.capacity:
            self._file.close()
            raise TradeCaptainError(reason.REASON_TRUNCATED_FILE, f"{path} is cut short")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the history of the current epoch; OSError while there is none."""
        return cls(path)

    def _load(self, offset: int) -> int:
        return int(load_acquire_i64(self.address + offset))

    def is_current(self) -> bool:
        """Whether the file at the path is still the one that is open: no restart since."""
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False

    def last_sequence(self) -> int:
        """Sequence of the newest record, 0 while there is none."""
        return self._load(OFFSET_LAST)

    def first_sequence(self) -> int:
        """Sequence of the oldest record that is still whole."""
        return max(self._load(OFFSET_FIRST), self._load(OFFSET_ANNOUNCED) - self.capacity + 1)

    def goes_on_from(self, epoch: int) -> bool:
        """Whether sequences of an earlier epoch go on in this one."""
        return self.began <= epoch < self.epoch

    def epoch_of(self, sequence: int) -> int | None:
        """Epoch of a record of the mesh that is held; None if it isn't."""
        try:
            count, data = self.read(sequence, 1)
        except HistoryLapped:
            return None
        return int(np.frombuffer(data, np.uint32, 1, OFFSET_RECORD_EPOCH)[0]) if count else None

    def read(self, sequence: int, count: int) -> tuple[int, bytes]:
        """Up to ``count`` records from ``sequence`` on: their number and their bytes.

        The number is 0 where ``sequence`` hasn't been written yet. Raises :class:`HistoryLapped`
        when the first of them has been overwritten.
        """
        last = self.last_sequence()
        number = max(0, min(count, last - sequence + 1, self.capacity))
        if sequence < self.first_sequence():
            raise HistoryLapped(sequence, self.first_sequence())
        if number == 0:
            return 0, b""
        records = self._file.array(np.uint8, self.capacity * self.record_bytes, HEADER_BYTES)
        start = (sequence - 1) % self.capacity
        head = min(number, self.capacity - start)
        data = records[start * self.record_bytes : (start + head) * self.record_bytes].tobytes()
        data += records[: (number - head) * self.record_bytes].tobytes()
        fence()
        if sequence < self.first_sequence():
            raise HistoryLapped(sequence, self.first_sequence())
        return number, data

    def read_array(self, sequence: int, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """As :meth:`read`, as an array of whole wire messages."""
        return np.frombuffer(self.read(sequence, count)[1], dtype=dtype)

    def close(self) -> None:
        """Unmap the file."""
        self._file.close()
