"""Puts the updates of a level feed in order around its snapshot.

Updates that come before the first snapshot are kept. When it comes, those that it contains are
dropped and the rest follows it. From then on each update must continue the one before; one that
doesn't is passed on with ``FLAG_GAP``. A later snapshot restarts the book only if it is newer.
Source: Binance API documentation, "How to manage a local order book correctly" (spot and futures).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.market_data.layout import (
    FEED_MESSAGES,
    FLAG_GAP,
    FLAG_LAST,
    FLAG_PREVIOUS_SEQUENCE,
    MESSAGE_LEVEL,
    MESSAGE_SNAPSHOT,
    MESSAGE_UPDATE,
)

MODE_SKIP = 0  # what to do with the levels that follow
MODE_PASS = 1
MODE_KEEP = 2

SEQUENCE_DTYPE = np.dtype(
    [
        ("has_snapshot", "i8"),
        ("last_sequence", "i8"),
        ("is_first", "i8"),  # one until the first update after a snapshot
        ("mode", "i8"),
        ("drains_pending", "i8"),  # kept updates follow once the snapshot is complete
        ("pending_offset", "i8"),
        ("pending_capacity", "i8"),
        ("pending_count", "i8"),
        ("pending_lost", "i8"),  # updates that found no room before the snapshot
        ("gap_count", "i8"),
        ("skipped_count", "i8"),  # updates older than the book
        ("reserved", "i8"),
    ],
    align=True,
)
SEQUENCES: Any = numba.from_dtype(SEQUENCE_DTYPE)[::1]


@inline
def copy_message(target: Any, source: Any) -> None:
    """Copy one feed message."""
    target["event_time_ns"] = source["event_time_ns"]
    target["receive_time_ns"] = source["receive_time_ns"]
    target["reference_id"] = source["reference_id"]
    target["price_units"] = source["price_units"]
    target["quantity_units"] = source["quantity_units"]
    target["vendor_sequence"] = source["vendor_sequence"]
    target["row"] = source["row"]
    target["book_index"] = source["book_index"]
    target["message_type"] = source["message_type"]
    target["side"] = source["side"]
    target["flags"] = source["flags"]


@inline
def continues(state: Any, message: Any) -> bool:
    """Whether an update follows the last one without a gap."""
    last = state["last_sequence"]
    if (message["flags"] & FLAG_PREVIOUS_SEQUENCE) == 0:
        return message["reference_id"] <= last + 1
    if state["is_first"] != 0:
        return message["reference_id"] <= last
    return message["reference_id"] == last


@inline
def admit_update(state: Any, message: Any) -> int:
    """Decide about an update by its first message: the mode for it and its levels."""
    sequence = message["vendor_sequence"]
    if sequence <= state["last_sequence"]:
        state["skipped_count"] += 1
        return MODE_SKIP
    if not continues(state, message):
        state["gap_count"] += 1
        message["flags"] |= FLAG_GAP
    state["is_first"] = 0
    state["last_sequence"] = sequence
    return MODE_PASS


@inline
def keep_message(state: Any, pending: Any, message: Any) -> None:
    """Keep a message for after the snapshot; when there is no room the oldest are given up."""
    if state["pending_count"] == state["pending_capacity"]:
        state["pending_lost"] += state["pending_count"]
        state["pending_count"] = 0
    index = state["pending_offset"] + state["pending_count"]
    copy_message(pending[index], message)
    state["pending_count"] += 1


@inline
def drain_pending(state: Any, pending: Any, output: Any, count: int) -> int:
    """Pass on what the snapshot doesn't contain; the new count of messages."""
    used = count
    mode = MODE_SKIP
    offset = state["pending_offset"]
    for index in range(offset, offset + state["pending_count"]):
        if pending[index]["message_type"] == MESSAGE_UPDATE:
            mode = admit_update(state, pending[index])
        if mode == MODE_PASS:
            copy_message(output[used], pending[index])
            used += 1
    state["pending_count"] = 0
    return used


@inline
def begin_snapshot(state: Any, message: Any) -> int:
    """Decide about a snapshot: the mode for it and its levels."""
    if state["has_snapshot"] != 0 and message["vendor_sequence"] <= state["last_sequence"]:
        state["skipped_count"] += 1
        return MODE_SKIP
    state["drains_pending"] = 1
    state["has_snapshot"] = 1
    state["is_first"] = 1
    state["last_sequence"] = message["vendor_sequence"]
    return MODE_PASS


@kernel(
    numba.types.UniTuple(numba.int64, 2)(
        SEQUENCES, FEED_MESSAGES, numba.int64, numba.int64, FEED_MESSAGES, FEED_MESSAGES
    )
)
def level_sequence_messages(
    states: Any, messages: Any, start: int, end: int, pending: Any, output: Any
) -> tuple[int, int]:
    """Order messages ``start`` to ``end`` into ``output``.

    Returns how many were taken and how many came out. It stops early when there might not be room
    for what a snapshot sets free, so ``output`` must be longer than the largest pending range.
    """
    count = 0
    for index in range(start, end):
        message = messages[index]
        state = states[message["book_index"]]
        if count + 1 + state["pending_count"] > len(output):
            return index - start, count
        kind = message["message_type"]
        if kind == MESSAGE_SNAPSHOT:
            state["mode"] = begin_snapshot(state, message)
        elif kind == MESSAGE_UPDATE:
            if state["has_snapshot"] == 0:
                state["mode"] = MODE_KEEP
            else:
                state["mode"] = admit_update(state, message)
        elif kind != MESSAGE_LEVEL:
            copy_message(output[count], message)
            count += 1
            continue
        if state["mode"] == MODE_PASS:
            copy_message(output[count], message)
            count += 1
        elif state["mode"] == MODE_KEEP:
            keep_message(state, pending, message)
        if (message["flags"] & FLAG_LAST) != 0 and state["drains_pending"] != 0:
            state["drains_pending"] = 0
            count = drain_pending(state, pending, output, count)
    return end - start, count
