"""Reading records where they lie in the log of another process.

``image_next`` walks frame by frame, ``image_release`` moves the subscriber position once a batch,
which gives the space back to the writer. A tethered reader may use a payload until it releases. An
untethered one may be lapped at any time: it copies what it needs and then asks ``image_intact``.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import fence, load_acquire_i64, load_i64, store_release_i64
from tradecaptain.mesh.layout import (
    FRAME_ALIGNMENT,
    FRAME_HEADER_LENGTH,
    FRAME_TYPE_DATA,
    PARTITION_COUNT,
)
from tradecaptain.mesh.publication import wrap_i32

_LOW_32_BITS = 0xFFFFFFFF
_TYPE_SHIFT = 48
_TYPE_MASK = 0xFFFF


@inline
def image_seek(images: Any, index: int, position: int) -> None:
    """Set the place from which ``image_next`` goes on."""
    term_length = images[index]["term_length"]
    term_count = position >> images[index]["term_shift"]
    images[index]["position"] = position
    images[index]["term_begin_position"] = term_count * term_length
    images[index]["term_address"] = (
        images[index]["log_address"] + (term_count % PARTITION_COUNT) * term_length
    )


@inline
def image_next(images: Any, index: int) -> int:
    """Address of the next payload, 0 when there is none (or no writer in this slot).

    The length is :func:`image_length`. The space stays taken until :func:`image_release`.
    """
    while images[index]["is_open"] != 0:
        offset = images[index]["position"] - images[index]["term_begin_position"]
        frame = images[index]["term_address"] + offset
        word = load_acquire_i64(frame)
        length = word & _LOW_32_BITS
        # A negative length, which is a frame still being written, has its highest bit set.
        if length == 0 or length > 0x7FFFFFFF:
            return 0
        next_offset = offset + ((length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT)
        if next_offset >= images[index]["term_length"]:
            image_seek(images, index, images[index]["term_begin_position"] + next_offset)
        else:
            images[index]["position"] = images[index]["term_begin_position"] + next_offset
        if (word >> _TYPE_SHIFT) & _TYPE_MASK == FRAME_TYPE_DATA:
            images[index]["frame_address"] = frame
            images[index]["payload_length"] = length - FRAME_HEADER_LENGTH
            images[index]["record_count"] += 1
            return frame + FRAME_HEADER_LENGTH
    return 0


@inline
def image_peek(images: Any, index: int) -> int:
    """Address of the payload behind the last one taken, to warm caches for it; 0 if none is there.

    Nothing is known about what lies there, not even that it is a record.
    """
    offset = images[index]["position"] - images[index]["term_begin_position"]
    frame = images[index]["term_address"] + offset
    length = load_acquire_i64(frame) & _LOW_32_BITS
    if length == 0 or length > 0x7FFFFFFF:
        return 0
    return frame + FRAME_HEADER_LENGTH


@inline
def image_put_back(images: Any, index: int) -> None:
    """Have the next ``image_next`` give the record of the last one again."""
    length = images[index]["payload_length"] + FRAME_HEADER_LENGTH
    taken = (length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT
    image_seek(images, index, images[index]["position"] - taken)
    images[index]["record_count"] -= 1


@inline
def image_length(images: Any, index: int) -> int:
    """Bytes of the payload that the last ``image_next`` gave."""
    return images[index]["payload_length"]


@inline
def image_release(images: Any, index: int) -> None:
    """Give the space of everything read so far back to the writer."""
    position = images[index]["position"]
    if images[index]["is_open"] != 0 and position != images[index]["released_position"]:
        images[index]["released_position"] = position
        store_release_i64(images[index]["position_address"], position)


@inline
def image_intact(images: Any, index: int) -> int:
    """1 while the frame of the last ``image_next`` is still the one that was read, else 0.

    The driver wipes what its active readers have passed, so the header of a frame whose payload has
    been touched no longer names its own place.
    """
    fence()
    frame = images[index]["frame_address"]
    aligned_length = (
        images[index]["payload_length"] + FRAME_HEADER_LENGTH + FRAME_ALIGNMENT - 1
    ) & -FRAME_ALIGNMENT
    position = images[index]["position"] - aligned_length
    term_count = position >> images[index]["term_shift"]
    expected_offset = position & (images[index]["term_length"] - 1)
    expected_term_id = wrap_i32(images[index]["initial_term_id"] + term_count)
    offset = load_i64(frame + 8) & _LOW_32_BITS
    term_id = load_i64(frame + 16) >> 32
    length = load_i64(frame) & _LOW_32_BITS
    if offset != expected_offset or term_id != expected_term_id:
        return 0
    return 1 if length == images[index]["payload_length"] + FRAME_HEADER_LENGTH else 0
