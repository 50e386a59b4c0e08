"""Checking frames: the chain of checksums and numbers, and where it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import address_of, load_i64
from tradecaptain.base.records import records_at
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FLAG_RESULT,
    FRAME_ALIGNMENT,
    FRAME_HEADER_BYTES,
    FRAME_SEQUENCE,
    LARGEST_FRAME_BYTES,
    frame_bytes,
    frame_checksum,
    frame_flags,
    frame_length,
    frame_stored_checksum,
)
from tradecaptain.wire import execution_event, order_command

END: Final = 0
"""Nothing follows: the rest is unwritten."""
CUT: Final = 1
"""A frame begins that doesn't fit what is left."""
BAD: Final = 2
"""A frame's checksum, number or length is wrong."""
FULL: Final = 3
"""The range ends with a frame."""

OFFSET_COMMAND_SEQUENCE: Final = order_command.OFFSET_SEQUENCE
OFFSET_COMMAND_TIME: Final = order_command.OFFSET_TIME_NS
SMALLEST_RECORD_BYTES: Final = 40
"""Every record has kind, version, epoch, sequence and time."""

SCAN: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("checksum", "<i8"),
        ("consumed", "<i8"),
        ("frames", "<i8"),
        ("verdict", "<i8"),
        ("first_time_ns", "<i8"),
        ("last_time_ns", "<i8"),
        ("last_command", "<i8"),
    ],
    align=True,
)
"""Where a scan stands: the last good frame, bytes taken, why it stopped, and the stamps it met."""


@inline
def is_zero(address: int, length: int) -> bool:
    """Whether the filling behind a record, a multiple of 8 bytes, is as it was written."""
    words = 0
    for offset in range(0, length, 8):
        words |= load_i64(address + offset)
    return words == 0


@inline
def checksum_from(frame: int, sequence: int, checksum: int, length: int) -> int:
    """Checksum that a frame should tell; the commonest lengths have code of their own."""
    word = load_i64(frame) & 0xFFFF_FFFF
    record = frame + FRAME_HEADER_BYTES
    if length == execution_event.RECORD_BYTES:
        return frame_checksum(checksum, word, sequence, record, execution_event.RECORD_BYTES)
    if length == order_command.RECORD_BYTES:
        return frame_checksum(checksum, word, sequence, record, order_command.RECORD_BYTES)
    return frame_checksum(checksum, word, sequence, record, length)


@inline
def frame_is_good(frame: int, left: int, sequence: int, checksum: int) -> int:
    """Whether the frame continues the chain: ``FULL`` if so, else why not."""
    if left < FRAME_HEADER_BYTES:
        return END if left == 0 else CUT
    word = load_i64(frame)
    if word == 0 and load_i64(frame + FRAME_SEQUENCE) == 0:
        return END
    length = frame_length(frame)
    flags = frame_flags(frame)
    if flags & FLAG_PADDING != 0:
        if (
            flags != FLAG_PADDING
            or length >= LARGEST_FRAME_BYTES
            or load_i64(frame + FRAME_SEQUENCE) != sequence
            or frame_stored_checksum(frame) != checksum
        ):
            return BAD
        if FRAME_HEADER_BYTES + length > left:
            return CUT
        return FULL if is_zero(frame + FRAME_HEADER_BYTES, length) else BAD
    if (
        length < SMALLEST_RECORD_BYTES
        or length & 7 != 0
        or frame_bytes(length) > LARGEST_FRAME_BYTES
        or load_i64(frame + FRAME_SEQUENCE) != sequence + 1
    ):
        return BAD
    if frame_bytes(length) > left:
        return CUT
    record = frame + FRAME_HEADER_BYTES
    if checksum_from(frame, sequence + 1, checksum, length) != frame_stored_checksum(frame):
        return BAD
    return (
        FULL if is_zero(record + length, frame_bytes(length) - FRAME_HEADER_BYTES - length) else BAD
    )


@kernel(types.int64(types.int64, types.int64, types.int64))
def scan_frames(scan_address: int, address: int, length: int) -> int:
    """Check frames from ``address`` on, as far as they continue the chain of the scan's record.

    Returns the bytes of good frames; the scan's record tells the rest.
    """
    scan = records_at(scan_address, 1, SCAN)
    consumed = 0
    verdict = FULL
    while consumed < length:
        frame = address + consumed
        verdict = frame_is_good(frame, length - consumed, scan[0]["sequence"], scan[0]["checksum"])
        if verdict != FULL:
            break
        if frame_flags(frame) & FLAG_PADDING != 0:
            consumed += FRAME_HEADER_BYTES + frame_length(frame)
            continue
        scan[0]["sequence"] += 1
        scan[0]["checksum"] = frame_stored_checksum(frame)
        scan[0]["frames"] += 1
        time_ns = load_i64(frame + FRAME_HEADER_BYTES + OFFSET_COMMAND_TIME)
        if scan[0]["first_time_ns"] == 0:
            scan[0]["first_time_ns"] = time_ns
        scan[0]["last_time_ns"] = time_ns
        if frame_flags(frame) & FLAG_RESULT == 0:
            scan[0]["last_command"] = load_i64(frame + FRAME_HEADER_BYTES + OFFSET_COMMAND_SEQUENCE)
        consumed += frame_bytes(frame_length(frame))
    scan[0]["consumed"] += consumed
    scan[0]["verdict"] = verdict
    return consumed


@kernel(types.int64(types.int64, types.int64, types.int64))
def find_later_frame(address: int, length: int, sequence: int) -> int:
    """Offset of a good frame behind a bad one, numbered above ``sequence``; -1 if there is none.

    A frame counts as good when the one behind it continues it, for the checksum of the frame before
    isn't known.
    """
    for offset in range(FRAME_ALIGNMENT, length - 2 * FRAME_HEADER_BYTES, FRAME_ALIGNMENT):
        frame = address + offset
        number = load_i64(frame + FRAME_SEQUENCE)
        size = frame_length(frame)
        if number <= sequence or size < SMALLEST_RECORD_BYTES or size > LARGEST_FRAME_BYTES:
            continue
        following = offset + frame_bytes(size)
        if following < length and (
            frame_is_good(
                address + following, length - following, number, frame_stored_checksum(frame)
            )
            == FULL
        ):
            return offset
    return -1


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place between two frames of the log."""

    position: int = 0
    sequence: int = 0
    checksum: int = 0


class Scan:
    """A chain of frames that is checked piece by piece."""

    def __init__(self, place: Place) -> None:
        self._start = place
        self._record: npt.NDArray[Any] = np.zeros(1, SCAN)
        self._record["sequence"] = place.sequence
        self._record["checksum"] = place.checksum

    def take(self, frames: npt.NDArray[np.uint8]) -> int:
        """Check the frames of an array; returns the bytes of good ones."""
        return int(scan_frames(address_of(self._record), address_of(frames), len(frames)))

    @property
    def place(self) -> Place:
        """Where the chain has come to."""
        record = self._record[0]
        return Place(
            self._start.position + int(record["consumed"]),
            int(record["sequence"]),
            int(record["checksum"]),
        )

    @property
    def verdict(self) -> int:
        """Why the last piece ended: ``FULL``, ``END``, ``CUT`` or ``BAD``."""
        return int(self._record[0]["verdict"])

    @property
    def frame_count(self) -> int:
        """Good frames so far."""
        return int(self._record[0]["frames"])

    @property
    def times_ns(self) -> tuple[int, int]:
        """Stamps of the first and the last frame."""
        return int(self._record[0]["first_time_ns"]), int(self._record[0]["last_time_ns"])

    @property
    def last_command(self) -> int:
        """Sequence of the last command or control; 0 if there was none."""
        return int(self._record[0]["last_command"])
