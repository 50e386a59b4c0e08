"""Writing records straight into the log of an exclusive publication.

A claim gives room for a batch of records of one length, a commit publishes any number of the first
ones. The last thing a commit writes is the header word of its first frame, so that readers see the
whole batch at once or nothing. The log's tail counters and term count are kept as Aeron keeps them;
the driver and any Aeron client read the log as their own.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    copy_bytes,
    load_acquire_i32,
    load_acquire_i64,
    prefetch_write,
    store_i64,
    store_release_i32,
    store_release_i64,
)
from tradecaptain.mesh.layout import (
    BATCH_FRACTION,
    CACHE_LINE_BYTES,
    DATA_WORD,
    FRAME_ALIGNMENT,
    FRAME_HEADER_LENGTH,
    METADATA_ACTIVE_TERM_COUNT,
    METADATA_IS_CONNECTED,
    PACE_FRACTION,
    PADDING_WORD,
    PARTITION_COUNT,
)
from tradecaptain.mesh.status import (
    BACK_PRESSURED,
    CLAIM_TOO_LONG,
    CLOSED,
    MAX_POSITION_EXCEEDED,
    NOT_CONNECTED,
)

_LOW_32_BITS = 0xFFFFFFFF


@inline
def wrap_i32(value: int) -> int:
    """The value that a 32-bit two's complement register would hold."""
    return ((value + 0x80000000) & _LOW_32_BITS) - 0x80000000


@inline
def publication_stride(record_bytes: int) -> int:
    """Distance between the records of one claim: header and payload, aligned."""
    return (record_bytes + FRAME_HEADER_LENGTH + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT


@inline
def publication_position(publication: Any) -> int:
    """Position that the next record will have."""
    return publication[0]["term_begin_position"] + publication[0]["term_offset"]


@inline
def publication_seek(publication: Any, position: int) -> None:
    """Set the place of the next record; for set-up and rotation, not for skipping."""
    term_count = position >> publication[0]["term_shift"]
    term_length = publication[0]["term_length"]
    partition = term_count % PARTITION_COUNT
    publication[0]["term_begin_position"] = term_count * term_length
    publication[0]["term_offset"] = position - term_count * term_length
    publication[0]["dirty_offset"] = publication[0]["term_offset"]
    publication[0]["term_address"] = publication[0]["log_address"] + partition * term_length
    publication[0]["tail_address"] = publication[0]["metadata_address"] + 8 * partition
    term_id = wrap_i32(publication[0]["initial_term_id"] + term_count)
    stream_id = publication[0]["stream_term_word"] & _LOW_32_BITS
    publication[0]["stream_term_word"] = (term_id << 32) | stream_id


@inline
def _refuse(publication: Any, position: int) -> int:
    if position >= publication[0]["max_position"]:
        return MAX_POSITION_EXCEEDED
    if load_acquire_i32(publication[0]["metadata_address"] + METADATA_IS_CONNECTED) == 1:
        publication[0]["back_pressured_count"] += 1
        return BACK_PRESSURED
    publication[0]["not_connected_count"] += 1
    return NOT_CONNECTED


@inline
def _has_room(publication: Any) -> bool:
    """Whether the driver's limit lies beyond the position, reading it again only when it must.

    A writer that outruns its readers then also says, as a reader of its own, that it has come here:
    a driver passes over a reader only for lagging behind another.
    """
    position = publication_position(publication)
    if position < publication[0]["limit"]:
        return True
    limit = load_acquire_i64(publication[0]["limit_address"])
    if publication[0]["pacer_address"] != 0:
        store_release_i64(publication[0]["pacer_address"], position)
        limit = min(limit, position + publication[0]["term_length"] // PACE_FRACTION)
    publication[0]["limit"] = limit
    return position < limit


@inline
def _store_tail(publication: Any, term_offset: int) -> None:
    """Publish the tail of the active term, which the driver takes for the producer's position."""
    term_id = publication[0]["stream_term_word"] >> 32
    store_release_i64(publication[0]["tail_address"], (term_id << 32) | term_offset)


@inline
def _rotate(publication: Any) -> None:
    """Pad the rest of the active term and go on to the next."""
    term_length = publication[0]["term_length"]
    term_offset = publication[0]["term_offset"]
    _store_tail(publication, term_length)
    if term_offset < term_length:
        frame = publication[0]["term_address"] + term_offset
        store_i64(frame + 8, term_offset | publication[0]["session_word"])
        store_i64(frame + 16, publication[0]["stream_term_word"])
        store_release_i64(frame, (term_length - term_offset) | PADDING_WORD)
    publication_seek(publication, publication[0]["term_begin_position"] + term_length)
    _store_tail(publication, 0)
    term_count = publication[0]["term_begin_position"] >> publication[0]["term_shift"]
    metadata = publication[0]["metadata_address"]
    store_release_i32(metadata + METADATA_ACTIVE_TERM_COUNT, term_count)
    publication[0]["admin_action_count"] += 1


@inline
def publication_claim(publication: Any, record_count: int, record_bytes: int) -> int:
    """Reserve contiguous room for ``record_count`` records of ``record_bytes`` each.

    Returns the address of the first payload; record k lies ``k * publication_stride(record_bytes)``
    behind it. Negative results are named in :mod:`tradecaptain.mesh.status`. Nothing is visible to
    readers before :func:`publication_commit`; a new claim discards one that was not committed.
    """
    if publication[0]["is_open"] == 0:
        return CLOSED
    stride = publication_stride(record_bytes)
    length = stride * record_count
    term_length = publication[0]["term_length"]
    if (
        record_count < 1
        or record_bytes < 0
        or record_bytes > publication[0]["max_payload_length"]
        or length > term_length // BATCH_FRACTION
    ):
        return CLAIM_TOO_LONG
    publication[0]["claim_count"] = 0
    if not _has_room(publication):
        return _refuse(publication, publication_position(publication))
    if publication[0]["term_offset"] + length > term_length:
        if publication[0]["term_begin_position"] + term_length >= publication[0]["max_position"]:
            return MAX_POSITION_EXCEEDED
        _rotate(publication)
        if not _has_room(publication):
            return _refuse(publication, publication_position(publication))
    offset = publication[0]["term_offset"]
    publication[0]["dirty_offset"] = max(publication[0]["dirty_offset"], offset + length)
    address = publication[0]["term_address"] + offset
    publication[0]["claim_address"] = address
    publication[0]["claim_stride"] = stride
    publication[0]["claim_count"] = record_count
    publication[0]["claim_frame_length"] = record_bytes + FRAME_HEADER_LENGTH
    return address + FRAME_HEADER_LENGTH


@inline
def publication_commit(publication: Any, record_count: int) -> int:
    """Publish the first ``record_count`` records of the last claim; returns the new position."""
    offset = publication[0]["term_offset"]
    count = min(record_count, publication[0]["claim_count"])
    publication[0]["claim_count"] = 0
    if count <= 0:
        return publication[0]["term_begin_position"] + offset
    stride = publication[0]["claim_stride"]
    first_frame = publication[0]["claim_address"]
    word = publication[0]["claim_frame_length"] | DATA_WORD
    session_word = publication[0]["session_word"]
    stream_term_word = publication[0]["stream_term_word"]
    end_offset = offset + count * stride
    # What an abandoned part of a claim left behind must not look like a frame.
    if end_offset < publication[0]["dirty_offset"]:
        store_i64(publication[0]["term_address"] + end_offset, 0)
    for index in range(1, count):
        frame = first_frame + index * stride
        store_i64(frame + 8, (offset + index * stride) | session_word)
        store_i64(frame + 16, stream_term_word)
        store_i64(frame + 24, 0)
        store_i64(frame, word)
    store_i64(first_frame + 8, offset | session_word)
    store_i64(first_frame + 16, stream_term_word)
    store_i64(first_frame + 24, 0)
    _store_tail(publication, end_offset)
    store_release_i64(first_frame, word)
    publication[0]["term_offset"] = end_offset
    publication[0]["record_count"] += count
    return publication[0]["term_begin_position"] + end_offset


@inline
def publication_prefetch(publication: Any, length: int) -> None:
    """Ask for the cache lines that the next ``length`` bytes of the log will be written to."""
    address = publication[0]["term_address"] + publication[0]["term_offset"]
    for offset in range(0, length, CACHE_LINE_BYTES):
        prefetch_write(address + offset)


@inline
def publication_offer(publication: Any, address: int, length: int) -> int:
    """Copy one record into the log; returns the new position or a negative status."""
    target = publication_claim(publication, 1, length)
    if target < 0:
        return target
    copy_bytes(target, address, length)
    return publication_commit(publication, 1)
