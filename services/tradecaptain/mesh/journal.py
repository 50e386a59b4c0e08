"""The execution log's newest part: a ring of frames in shared memory, with one writer.

A frame is a header of 16 bytes and a mesh record as it is. The header tells length and flags, the
frame's checksum, and its number in the log; the checksum is seeded with that of the frame before,
so that a frame out of place is found as surely as a changed one. Positions count bytes since the
log began and never go back; a frame lies at its position modulo the ring's length, in one piece: a
padding frame fills what is left at the end.

The writer appends without a system call, and shows what it appended by storing the tail, once a
turn and before anything that follows from it is published. What lies before the tail survives the
end of every process. The writer never overwrites what the durability agent hasn't reported as
synced. Readers in other processes read frames where they lie and find out when they were lapped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from tradecaptain.base.crc32c import crc32c_run, crc32c_word
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    copy_bytes,
    fence,
    load_acquire_i64,
    load_i64,
    load_u32,
    prefetch_write,
    store_i64,
    store_release_i64,
    zero_bytes,
)
from tradecaptain.base.records import records_at
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.wire import reason

MAGIC: Final = 0x314C_4E4A_5041_4354
RING_VERSION: Final = 1
HEADER_BYTES: Final = 4_096
PAGE_BYTES: Final = 4_096
SMALLEST_RING_BYTES: Final = 1 << 16

# The ring's header. Each side has cache lines of its own.
OFFSET_MAGIC: Final = 0
OFFSET_VERSION: Final = 8
OFFSET_CAPACITY: Final = 16
OFFSET_EPOCH: Final = 24
OFFSET_START_POSITION: Final = 32
OFFSET_START_SEQUENCE: Final = 40
OFFSET_START_CHECKSUM: Final = 48
OFFSET_BOOT: Final = 56
OFFSET_TAIL: Final = 64
OFFSET_ANNOUNCED: Final = 128
OFFSET_DURABLE_POSITION: Final = 192
OFFSET_DURABLE_SEQUENCE: Final = 200
OFFSET_DURABLE_CHECKSUM: Final = 208
OFFSET_REFUSAL: Final = 216
OFFSET_DURABLE_COMMAND: Final = 224
OFFSET_SYNC_COUNT: Final = 256
OFFSET_SYNC_NS: Final = 264
OFFSET_AGENT_NS: Final = 272
OFFSET_MARKS: Final = 512
MARK_COUNT: Final = 32
"""Positions at which frames begin, one for each announcement, for readers that begin in between."""

# A frame's header.
FRAME_HEADER_BYTES: Final = 16
FRAME_CHECKSUM: Final = 4
FRAME_SEQUENCE: Final = 8
FRAME_ALIGNMENT: Final = 16
LENGTH_MASK: Final = 0xFF_FFFF
FLAGS_SHIFT: Final = 24
FLAG_RESULT: Final = 1
"""The record came of a command, or answers a control; replay makes it again."""
FLAG_REFUSED: Final = 2
"""The sequencer refused the command because the log couldn't take more at that moment."""
FLAG_PADDING: Final = 128
"""Nothing: fills the ring up to its end. Has the number and checksum of the frame before."""
LARGEST_FRAME_BYTES: Final = 1_040
ANNOUNCE_SHIFT: Final = 4
LINE_BYTES: Final = 64
AHEAD_BYTES: Final = 1_024
"""How far ahead of the tail its writer asks for lines of the ring."""

CHECKSUM_MASK: Final = 0xFFFF_FFFF

JOURNAL: Final = np.dtype(
    [
        ("header", "<i8"),
        ("frames", "<i8"),
        ("mask", "<i8"),
        ("capacity", "<i8"),
        ("position", "<i8"),
        ("sequence", "<i8"),
        ("checksum", "<i8"),
        # Up to where the writer may write, as far as it knows, what it has announced, and up to
        # where frames follow one another without an announcement or padding.
        ("limit", "<i8"),
        ("announced", "<i8"),
        ("clear", "<i8"),
        ("published", "<i8"),
        ("blocked_count", "<i8"),
    ],
    align=True,
)
"""The writer's own state, one record."""


@inline
def frame_bytes(length: int) -> int:
    """Bytes of a frame around a record of ``length``."""
    return (FRAME_HEADER_BYTES + length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT


@inline_always
def frame_checksum(previous: int, word: int, sequence: int, record: int, length: int) -> int:
    """Checksum of a frame: the frame before, length and flags, number, and the record."""
    state = crc32c_word(crc32c_word(previous ^ CHECKSUM_MASK, word), sequence)
    return crc32c_run(state, record, length) ^ CHECKSUM_MASK


@inline
def journal_has_room(journal: int, byte_count: int) -> bool:
    """Whether so many bytes of frames can be appended without losing what isn't synced."""
    state = records_at(journal, 1, JOURNAL)
    # A padding frame may be needed as well.
    wanted = state[0]["position"] + byte_count + LARGEST_FRAME_BYTES
    if wanted <= state[0]["limit"]:
        return True
    durable = load_acquire_i64(state[0]["header"] + OFFSET_DURABLE_POSITION)
    state[0]["limit"] = durable + state[0]["capacity"]
    if wanted <= state[0]["limit"]:
        return True
    state[0]["blocked_count"] += 1
    return False


@inline
def journal_announce(state: Any, position: int) -> None:
    """Tell readers what will be overwritten, some way ahead, before any of it is."""
    begins = state[0]["position"]
    place = (begins // (state[0]["capacity"] >> ANNOUNCE_SHIFT)) & (MARK_COUNT - 1)
    store_release_i64(state[0]["header"] + OFFSET_MARKS + 8 * place, begins)
    ahead = position + (state[0]["capacity"] >> ANNOUNCE_SHIFT)
    state[0]["announced"] = ahead
    store_release_i64(state[0]["header"] + OFFSET_ANNOUNCED, ahead)
    fence()


@inline
def journal_pad(state: Any, length: int) -> None:
    """Fill what is left of the ring, ``length`` bytes, with a padding frame."""
    frame = state[0]["frames"] + (state[0]["position"] & state[0]["mask"])
    word = (length - FRAME_HEADER_BYTES) | (FLAG_PADDING << FLAGS_SHIFT)
    store_i64(frame, word | (state[0]["checksum"] << 32))
    store_i64(frame + FRAME_SEQUENCE, state[0]["sequence"])
    zero_bytes(frame + FRAME_HEADER_BYTES, length - FRAME_HEADER_BYTES)
    state[0]["position"] += length


@inline
def journal_make_clear(journal: int, total: int) -> None:
    """Announce, and pad, so that a frame of ``total`` bytes may follow."""
    state = records_at(journal, 1, JOURNAL)
    left = state[0]["capacity"] - (state[0]["position"] & state[0]["mask"])
    end = state[0]["position"] + total + (left if total > left else 0)
    if end > state[0]["announced"]:
        journal_announce(state, end)
    if total > left:
        journal_pad(state, left)
    lap_end = (state[0]["position"] | state[0]["mask"]) + 1
    state[0]["clear"] = min(state[0]["announced"], lap_end)


@inline_always
def journal_append(journal: int, record: int, length: int, flags: int) -> int:
    """Append a record of ``length`` bytes (a multiple of 8); returns the frame's number.

    There must be room (:func:`journal_has_room`). Readers see it after :func:`journal_publish`. It
    vanishes into its caller, where a known length makes copy and checksum straight runs of code.
    """
    state = records_at(journal, 1, JOURNAL)
    total = frame_bytes(length)
    if state[0]["position"] + total > state[0]["clear"]:
        journal_make_clear(journal, total)
    frame = state[0]["frames"] + (state[0]["position"] & state[0]["mask"])
    word = length | (flags << FLAGS_SHIFT)
    sequence = state[0]["sequence"] + 1
    checksum = frame_checksum(state[0]["checksum"], word, sequence, record, length)
    # A filling word behind the record, if there is one, is zero.
    store_i64(frame + total - 8, 0)
    copy_bytes(frame + FRAME_HEADER_BYTES, record, length)
    store_i64(frame, word | (checksum << 32))
    store_i64(frame + FRAME_SEQUENCE, sequence)
    # Lines that the durability agent has read on another core are asked for ahead.
    for line in range(0, total, LINE_BYTES):
        prefetch_write(frame + AHEAD_BYTES + line)
    state[0]["checksum"] = checksum
    state[0]["sequence"] = sequence
    state[0]["position"] += total
    return sequence


@inline
def journal_publish(journal: int) -> None:
    """Show readers, and whoever recovers, everything that was appended."""
    state = records_at(journal, 1, JOURNAL)
    position = state[0]["position"]
    if position != state[0]["published"]:
        state[0]["published"] = position
        store_release_i64(state[0]["header"] + OFFSET_TAIL, position)


@inline
def journal_refusal(journal: int) -> int:
    """Why new risk must be refused at the moment, or 0: what the durability agent says, or that
    three quarters of the ring wait to be synced, so that cancels still find room."""
    state = records_at(journal, 1, JOURNAL)
    why = load_acquire_i64(state[0]["header"] + OFFSET_REFUSAL)
    if why != 0:
        return why
    if state[0]["position"] + (state[0]["capacity"] >> 2) > state[0]["limit"]:
        durable = load_acquire_i64(state[0]["header"] + OFFSET_DURABLE_POSITION)
        state[0]["limit"] = durable + state[0]["capacity"]
        if state[0]["position"] + (state[0]["capacity"] >> 2) > state[0]["limit"]:
            return reason.REASON_JOURNAL_UNAVAILABLE
    return 0


@inline
def frame_length(frame: int) -> int:
    """Length of the record in a frame, in bytes."""
    return int(load_u32(frame)) & LENGTH_MASK


@inline
def frame_flags(frame: int) -> int:
    """Flags of a frame."""
    return int(load_u32(frame)) >> FLAGS_SHIFT


class JournalLapped(TradeCaptainError):  # noqa: N818
    """What a reader stood at has been overwritten; it is in the segment files."""

    def __init__(self, position: int, first_position: int) -> None:
        super().__init__(
            reason.REASON_RESUME_POSITION_UNKNOWN,
            f"position {position} is no longer in the ring; the oldest is {first_position}",
            observed=position,
            limit=first_position,
        )
        self.first_position = first_position


class JournalRing(Closing):
    """The mapped ring, for whoever writes it, syncs it or reads it."""

    def __init__(self, path: Path, *, writable: bool = False, huge_pages: bool = False) -> None:
        """Who writes gets every page ready beforehand, so that no append waits for one."""
        self.path = path
        self._file = MappedFile(path, writable=writable, prefault=writable, huge_pages=huge_pages)
        self.address = self._file.address
        self.inode = self._file.inode
        if self._file.length < HEADER_BYTES or self.load(OFFSET_MAGIC) != MAGIC:
            self._file.close()
            raise TradeCaptainError(
                reason.REASON_UNRECOGNISED_FILE, f"{path} is not the ring of an execution log"
            )
        self.capacity = self.load(OFFSET_CAPACITY)
        if self.load(OFFSET_VERSION) != RING_VERSION:
            raise TradeCaptainError(
                reason.REASON_UNRECOGNISED_FILE,
                f"{path} has version {self.load(OFFSET_VERSION)}, not {RING_VERSION}",
            )
        if self._file.length < HEADER_BYTES + self.capacity:
            self._file.close()
            raise TradeCaptainError(reason.REASON_TRUNCATED_FILE, f"{path} is cut short")
        self.frames = self._file.array(np.uint8, self.capacity, HEADER_BYTES)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        capacity: int,
        epoch: int,
        position: int = 0,
        sequence: int = 0,
        checksum: int = 0,
        boot: int = 0,
        huge_pages: bool = False,
    ) -> JournalRing:
        """Make a ring that goes on from a place in the log, every page of it touched. ``boot`` is
        the machine's, see `boot_mark.boot_number`."""
        if capacity < SMALLEST_RING_BYTES or capacity & (capacity - 1):
            raise TradeCaptainError(
                reason.REASON_INVALID_CONFIGURATION,
                f"a ring's length must be a power of two from {SMALLEST_RING_BYTES} on,"
                f" not {capacity}",
                field="journal.ring_bytes",
            )
        mapped = MappedFile.create(path, HEADER_BYTES + capacity)
        # Blocks of shared memory are taken now: later a full one would kill the writer.
        descriptor = os.open(path.with_name(f".{path.name}.{os.getpid()}"), os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, HEADER_BYTES + capacity)
        finally:
            os.close(descriptor)
        mapped.array(np.uint8, capacity, HEADER_BYTES)[::PAGE_BYTES] = 0
        words = mapped.array(np.int64, HEADER_BYTES // 8)
        for offset, value in (
            (OFFSET_MAGIC, MAGIC),
            (OFFSET_VERSION, RING_VERSION),
            (OFFSET_CAPACITY, capacity),
            (OFFSET_EPOCH, epoch),
            (OFFSET_START_POSITION, position),
            (OFFSET_START_SEQUENCE, sequence),
            (OFFSET_START_CHECKSUM, checksum),
            (OFFSET_BOOT, boot),
            (OFFSET_TAIL, position),
            (OFFSET_ANNOUNCED, position),
            (OFFSET_DURABLE_POSITION, position),
            (OFFSET_DURABLE_SEQUENCE, sequence),
            (OFFSET_DURABLE_CHECKSUM, checksum),
        ):
            words[offset // 8] = value
        mapped.publish()
        mapped.close()
        return cls(path, writable=True, huge_pages=huge_pages)

    def load(self, offset: int) -> int:
        """One word of the header."""
        return int(load_acquire_i64(self.address + offset))

    def store(self, offset: int, value: int) -> None:
        """Set one word of the header; its side alone may."""
        store_release_i64(self.address + offset, value)

    @property
    def epoch(self) -> int:
        """Epoch of the sequencer that writes it."""
        return self.load(OFFSET_EPOCH)

    @property
    def boot(self) -> int:
        """The machine's boot in which it was made; 0 if it doesn't tell."""
        return self.load(OFFSET_BOOT)

    @property
    def tail(self) -> int:
        """Position behind the newest frame."""
        return self.load(OFFSET_TAIL)

    @property
    def durable_position(self) -> int:
        """Position up to which everything is on disk."""
        return self.load(OFFSET_DURABLE_POSITION)

    def first_position(self) -> int:
        """Oldest position that is certainly intact."""
        return max(self.load(OFFSET_START_POSITION), self.load(OFFSET_ANNOUNCED) - self.capacity)

    def first_frame(self) -> int:
        """Oldest position known to begin a frame that is certainly intact."""
        first = self.first_position()
        marks = [self.load(OFFSET_MARKS + 8 * place) for place in range(MARK_COUNT)]
        starts = [self.load(OFFSET_START_POSITION), self.tail, *marks]
        return min(start for start in starts if start >= first)

    def frame_address(self, position: int) -> int:
        """Where the frame at a position lies."""
        return self.address + HEADER_BYTES + (position & (self.capacity - 1))

    def check_intact(self, position: int) -> None:
        """Raise :class:`JournalLapped` if what was read at a position may have been overwritten.

        What isn't on disk never is, though room for what follows may have been announced.
        """
        fence()
        first = min(self.first_position(), self.durable_position)
        if position < first:
            raise JournalLapped(position, first)

    def chunk(self, position: int, limit: int) -> memoryview:
        """Bytes from ``position`` up to ``limit``, or up to the end of the ring, where they lie."""
        start = position & (self.capacity - 1)
        return memoryview(self.frames)[start : start + min(limit - position, self.capacity - start)]

    def writer_state(self, position: int, sequence: int, checksum: int) -> np.ndarray[Any, Any]:
        """State record of the one writer, which goes on from a place in the log."""
        state = aligned_zeros(1, JOURNAL)
        record = state[0]
        record["header"] = self.address
        record["frames"] = self.address + HEADER_BYTES
        record["mask"] = self.capacity - 1
        record["capacity"] = self.capacity
        record["position"] = record["published"] = position
        record["sequence"] = sequence
        record["checksum"] = checksum
        record["limit"] = self.durable_position + self.capacity
        record["announced"] = self.load(OFFSET_ANNOUNCED)
        return state

    def close(self) -> None:
        """Unmap the ring; it stays for the next."""
        self.frames = np.empty(0, dtype=np.uint8)
        self._file.close()


def state_address(state: np.ndarray[Any, Any]) -> int:
    """What kernels take as ``journal``."""
    return address_of(state)


@inline
def frame_stored_checksum(frame: int) -> int:
    """The checksum that a frame's header tells."""
    return (load_i64(frame) >> 32) & CHECKSUM_MASK
