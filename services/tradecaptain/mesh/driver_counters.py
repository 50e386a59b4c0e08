"""What the media driver says about itself: its counters and its log of distinct errors.

Both lie in the CnC file, which any process of the user may read while the driver runs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tradecaptain.mesh.driver import CNC_HEADER_BYTES, owner_lives
from tradecaptain.mesh.errors import DriverAbsentError
from tradecaptain.mesh.layout import COUNTER_LENGTH

COUNTER_METADATA_LENGTH: Final = 512
_LABEL_LENGTH_OFFSET: Final = 128
STATE_UNUSED: Final = 0
STATE_ALLOCATED: Final = 1
READER_POSITION_TYPE: Final = 4
READER_WORDS: Final = (0, 1, 6, 7)
"""Where a record of metadata has its state and type, and the key of a reader's position the session
and stream, in words of 32 bits."""
_ERROR_HEADER: Final = struct.Struct("<iiqq")
_ERROR_ALIGNMENT: Final = 8


@dataclass(frozen=True, slots=True)
class DriverCounter:
    """One counter that is in use."""

    counter_id: int
    type_id: int
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class DriverError:
    """One kind of error and how often it happened; times are milliseconds since the Unix epoch."""

    text: str
    count: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class _Buffers:
    metadata: bytes
    values: bytes
    errors: bytes


def _read(directory: Path) -> _Buffers:
    try:
        content = (directory / "cnc.dat").read_bytes()
    except OSError as error:
        raise DriverAbsentError(directory) from error
    if len(content) < CNC_HEADER_BYTES or not owner_lives(content[:CNC_HEADER_BYTES]):
        raise DriverAbsentError(directory)
    to_driver, to_clients, metadata, values, errors = struct.unpack_from("<iiiii", content, 4)
    start = CNC_HEADER_BYTES + to_driver + to_clients
    middle = start + metadata
    end = middle + values
    return _Buffers(content[start:middle], content[middle:end], content[end : end + errors])


def driver_counters(directory: Path) -> list[DriverCounter]:
    """All counters in use; :class:`DriverAbsentError` when no driver runs in the folder."""
    buffers = _read(directory)
    found = []
    for counter_id in range(len(buffers.metadata) // COUNTER_METADATA_LENGTH):
        offset = counter_id * COUNTER_METADATA_LENGTH
        state, type_id = struct.unpack_from("<ii", buffers.metadata, offset)
        if state == STATE_UNUSED:
            break
        if state != STATE_ALLOCATED:
            continue
        (length,) = struct.unpack_from("<i", buffers.metadata, offset + _LABEL_LENGTH_OFFSET)
        label_start = offset + _LABEL_LENGTH_OFFSET + 4
        label = buffers.metadata[label_start : label_start + length].decode("utf-8", "replace")
        (value,) = struct.unpack_from("<q", buffers.values, counter_id * COUNTER_LENGTH)
        found.append(DriverCounter(counter_id, type_id, label, value))
    return found


def driver_errors(directory: Path) -> list[DriverError]:
    """The distinct errors that the driver met since it started, oldest first."""
    errors = _read(directory).errors
    found = []
    offset = 0
    while offset + _ERROR_HEADER.size <= len(errors):
        length, count, last_ms, first_ms = _ERROR_HEADER.unpack_from(errors, offset)
        if length <= 0:
            break
        text = errors[offset + _ERROR_HEADER.size : offset + length].decode("utf-8", "replace")
        found.append(DriverError(text.rstrip("\0"), count, first_ms, last_ms))
        offset += -(-length // _ERROR_ALIGNMENT) * _ERROR_ALIGNMENT
    return found
