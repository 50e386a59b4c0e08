"""The index of segments: a `JournalBlock` for each range that was synced, with a strong hash.

Nothing waits for it. Whoever keeps it reads what is on disk out of the ring, like any other reader,
and is behind by some milliseconds; until then a range counts as one that wasn't synced yet.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of, load_i64
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FRAME_HEADER_BYTES,
    JournalLapped,
    JournalRing,
    frame_flags,
    frame_length,
)
from tradecaptain.mesh.journal_files import FILE_MODE, Segment, strong_hash
from tradecaptain.mesh.journal_scan import OFFSET_COMMAND_TIME, Place
from tradecaptain.wire import journal_block

type Frames = npt.NDArray[np.uint8]

_LOG = structlog.get_logger("journal")
_SYNC_NS: Final = 1_000_000_000
"""How much of the newest index a loss of power may cost: without it a torn group can't be told
from a damaged one."""


def encode_block(
    epoch: int, start: Place, end: Place, offset: int, pieces: Sequence[Frames]
) -> bytes:
    """The block of frames from ``start`` to ``end``, which lie one behind the other in ``pieces``,
    and ``offset`` bytes behind the first of their file."""
    block = np.zeros(1, journal_block.DTYPE)
    journal_block.initialise(address_of(block))
    row = block[0]
    row["epoch"] = epoch
    row["sequence"] = start.sequence + 1
    row["time_ns"] = first_time_ns(pieces)
    row["last_sequence"] = end.sequence
    row["offset_bytes"], row["length_bytes"] = offset, end.position - start.position
    row["checksum_before"] = start.checksum
    row["checksum_after"] = end.checksum
    words = strong_hash(*(memoryview(piece) for piece in pieces)).tolist()
    for index, word in enumerate(words):
        row[f"hash{index}"] = word
    return block.tobytes()


def first_time_ns(pieces: Sequence[Frames]) -> int:
    """Stamp of the first record; 0 if there is only padding."""
    for piece in pieces:
        offset = 0
        while offset < len(piece):
            frame = address_of(piece) + offset
            if frame_flags(frame) & FLAG_PADDING == 0:
                return int(load_i64(frame + FRAME_HEADER_BYTES + OFFSET_COMMAND_TIME))
            offset += FRAME_HEADER_BYTES + frame_length(frame)
    return 0


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A segment, and the descriptor of its index."""

    segment: Segment
    descriptor: int


class BlockIndex:
    """Keeps the indexes of one log's segments, behind what is on disk."""

    def __init__(self, ring: JournalRing, place: Place, epoch: int) -> None:
        """``place`` is up to where the log was indexed before."""
        self._ring = ring
        self._place = place
        self._epoch = epoch
        self._open: deque[_Indexed] = deque()
        self._synced_ns = 0
        self._is_failing = False

    def begin(self, segment: Segment) -> None:
        """What follows goes into the index of this segment. OSError if it can't be begun."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(segment.index_path, flags, FILE_MODE)
        self._open.append(_Indexed(segment, descriptor))

    def write(self, durable: Place) -> bool:
        """Index what is on disk up to a place and isn't yet, one block of one segment; whether
        there was any. A failure is told once; the next call tries again."""
        try:
            wrote = self._write(durable)
        except (OSError, TradeCaptainError) as error:
            if not self._is_failing:
                _LOG.error("synced records are not indexed", error=str(error))
            self._is_failing = True
            return False
        self._is_failing = False
        return wrote

    def _write(self, durable: Place) -> bool:
        # Behind a segment the next one begins, also behind one that was given up unwritten.
        while len(self._open) > 1 and self._open[1].segment.start.position <= self._place.position:
            os.close(self._open.popleft().descriptor)
        if not self._open or durable.position <= self._place.position:
            return False
        end = self._open[1].segment.start if len(self._open) > 1 else durable
        os.write(self._open[0].descriptor, self._block(self._open[0].segment, end))
        self._place = end
        return True

    def _block(self, segment: Segment, end: Place) -> bytes:
        start, ring = self._place, self._ring
        offset = start.position - segment.start.position
        first = np.frombuffer(ring.chunk(start.position, end.position), np.uint8)
        behind = start.position + len(first)
        pieces = [first, np.frombuffer(ring.chunk(behind, end.position), np.uint8)]
        try:
            ring.check_intact(start.position)
            block = encode_block(self._epoch, start, end, offset, pieces)
            ring.check_intact(start.position)
        except JournalLapped:
            frames = segment.part(offset, end.position - start.position)
            block = encode_block(self._epoch, start, end, offset, [frames])
        return block

    def sync(self, now_ns: int) -> None:
        """Have the newest index on disk, if it is a second since that was done."""
        if now_ns - self._synced_ns < _SYNC_NS or not self._open:
            return
        self._synced_ns = now_ns
        try:
            os.fsync(self._open[-1].descriptor)
        except OSError as error:
            _LOG.error("the index is not synced", error=str(error))

    def close(self, durable: Place) -> None:
        """Index what is left, and close."""
        while self.write(durable):
            pass
        self.drop()

    def drop(self) -> None:
        """Close the files as they are."""
        while self._open:
            os.close(self._open.popleft().descriptor)
