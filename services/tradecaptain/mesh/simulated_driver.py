"""What the media driver does for one writer in one step, for the simulated transport.

A kernel, because a simulation does it thousands of times a second and nothing else as often.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    copy_bytes,
    load_acquire_i64,
    load_i32,
    load_i64,
    store_release_i32,
    store_release_i64,
    zero_bytes,
)
from tradecaptain.base.records import records_at
from tradecaptain.mesh.layout import (
    FRAME_ALIGNMENT,
    METADATA_ACTIVE_TERM_COUNT,
    METADATA_IS_CONNECTED,
    PADDING_WORD,
    PARTITION_COUNT,
)

LOSS_SCALE: Final = 1 << 31
"""Loss of one means that every frame is lost."""
NO_LIMIT: Final = -1
_WATCH_CRANKS: Final = 4
"""Steps for which an untethered reader may lag before it is dropped."""
_LOW_32_BITS: Final = 0xFFFFFFFF
_LARGEST_FRAME: Final = 0x7FFFFFFF
_RANDOM_MASK: Final = 0x7FFFFFFF

LOG: Final = np.dtype(
    [
        ("address", "<i8"),
        ("metadata_address", "<i8"),
        ("term_length", "<i8"),
        # Everything before it has been wiped for the next turn of the terms.
        ("clean_position", "<i8"),
        # How far the furthest reader had read when there was one.
        ("consumer_position", "<i8"),
        # Address of the position of the writer's own reader, zero if it has none.
        ("pacer_address", "<i8"),
    ],
    align=True,
)
"""A log: three terms and a metadata page."""

LINK: Final = np.dtype(
    [
        # Address of the LOG record of the reader's own log.
        ("log", "<i8"),
        # Where the reader says up to where it has read.
        ("position_address", "<i8"),
        ("delivered_position", "<i8"),
        ("is_tethered", "<i8"),
        ("is_delivering", "<i8"),
        ("lag_cranks", "<i8"),
        ("is_lapped", "<i8"),
        ("random_state", "<i8"),
    ],
    align=True,
)
"""A writer's stream on its way to one reader; positions in bytes."""


@inline
def log_place(log: Any, position: int) -> int:
    """Address of the byte at a stream position."""
    term_length = log[0]["term_length"]
    partition = position // term_length % PARTITION_COUNT
    return int(log[0]["address"] + partition * term_length + position % term_length)


@inline
def log_clean(log: Any, position: int) -> None:
    """Wipe everything from the last cleaned position to ``position``."""
    term_length = log[0]["term_length"]
    while log[0]["clean_position"] < position:
        clean = log[0]["clean_position"]
        end = min((clean // term_length + 1) * term_length, position)
        zero_bytes(log_place(log, clean), end - clean)
        log[0]["clean_position"] = end


@inline
def log_producer_position(log: Any) -> int:
    """Where the writer is, as its tail counters tell."""
    metadata = log[0]["metadata_address"]
    count = load_i32(metadata + METADATA_ACTIVE_TERM_COUNT)
    tail = load_acquire_i64(metadata + 8 * (count % PARTITION_COUNT)) & _LOW_32_BITS
    term_length = log[0]["term_length"]
    return int(count * term_length + min(tail, term_length))


@inline
def _deliver(source: Any, link: Any, frames_max: int, loss: int) -> int:
    """Copy committed frames into the reader's log; returns how many."""
    target_log = records_at(link[0]["log"], 1, LOG)
    log_clean(target_log, load_acquire_i64(link[0]["position_address"]))
    delivered = 0
    while frames_max == NO_LIMIT or delivered < frames_max:
        position = link[0]["delivered_position"]
        frame = log_place(source, position)
        word = load_acquire_i64(frame)
        length = word & _LOW_32_BITS
        if length == 0 or length > _LARGEST_FRAME:
            break
        target = log_place(target_log, position)
        copy_bytes(target + 8, frame + 8, length - 8)
        if loss > 0:
            # Products of 31 bits stay below 2**62, so that plain Python and machine integers agree.
            state = (link[0]["random_state"] * 1_103_515_245 + 12_345) & _RANDOM_MASK
            link[0]["random_state"] = state
            if state < loss:
                word = length | PADDING_WORD
        store_release_i64(target, word)
        link[0]["delivered_position"] = position + (
            (length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT
        )
        delivered += 1
    return delivered


@inline
def _note_lag(link: Any, furthest: int, window: int) -> None:
    """Notice an untethered reader that lags behind another by most of the window for several
    steps."""
    behind = furthest - load_acquire_i64(link[0]["position_address"])
    lag_cranks = link[0]["lag_cranks"] + 1 if behind > window * 3 // 4 else 0
    link[0]["lag_cranks"] = lag_cranks
    link[0]["is_lapped"] = link[0]["is_tethered"] == 0 and lag_cranks > _WATCH_CRANKS


@inline
def _move_limit(source: Any, links: int, count: int, limit_address: int) -> None:
    """Give room beyond the slowest of the active readers and wipe what all have read; without a
    reader the writer stands where the furthest was."""
    slowest = furthest = source[0]["consumer_position"]
    active = 0
    if source[0]["pacer_address"] != 0:
        slowest = furthest = load_acquire_i64(source[0]["pacer_address"])
        active = 1
    for index in range(count):
        link = records_at(load_i64(links + 8 * index), 1, LINK)
        if link[0]["is_lapped"] == 0:
            position = load_acquire_i64(link[0]["position_address"])
            slowest = min(slowest, position) if active else position
            furthest = max(furthest, position)
            active += 1
    source[0]["consumer_position"] = furthest
    store_release_i32(source[0]["metadata_address"] + METADATA_IS_CONNECTED, 1 if active else 0)
    if limit_address != 0:
        # A reader that joins begins at the slowest, so that nothing behind it may be wiped.
        log_clean(source, slowest)
        window = source[0]["term_length"] // 2 if active else 0
        store_release_i64(limit_address, slowest + window)


@kernel("int64(int64, int64, int64, int64, int64, int64)")
def drive_publication(
    log: int, links: int, count: int, frames_max: int, loss: int, limit_address: int
) -> int:
    """Deliver a writer's frames to its readers, drop those that lag, move the writer's limit.

    ``log`` is the address of its LOG record; ``links`` that of ``count`` addresses of LINK records.
    Each link that delivers gives at most ``frames_max`` frames (:data:`NO_LIMIT` for all); ``loss``
    out of :data:`LOSS_SCALE` become padding. With a ``limit_address`` of zero the writer is held
    back. Returns how many frames were delivered; ``is_lapped`` tells who is to be cut off.
    """
    source = records_at(log, 1, LOG)
    furthest = source[0]["consumer_position"]
    window = source[0]["term_length"] // 2
    delivered = 0
    for index in range(count):
        link = records_at(load_i64(links + 8 * index), 1, LINK)
        if link[0]["is_delivering"] != 0:
            delivered += _deliver(source, link, frames_max, loss)
        _note_lag(link, furthest, window)
    _move_limit(source, links, count, limit_address)
    return delivered
