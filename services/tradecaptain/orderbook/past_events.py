"""The events before a snapshot, for the history of a venue that begins with it."""

from __future__ import annotations

from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import load_i64, load_u16
from tradecaptain.mesh.history import (
    OFFSET_COPIED,
    history_copy,
    history_publish,
    history_restart,
)
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FRAME_HEADER_BYTES,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.wire import execution_event


@kernel("int64(int64, int64, int64)")
def load_history(history: int, address: int, length: int) -> int:
    """Copy the execution events of checked frames to a history, which begins anew with the first
    that doesn't continue it; returns how many were copied."""
    consumed = 0
    count = 0
    while consumed < length:
        frame = address + consumed
        size = frame_length(frame)
        if frame_flags(frame) & FLAG_PADDING != 0:
            consumed += FRAME_HEADER_BYTES + size
            continue
        event = frame + FRAME_HEADER_BYTES
        if load_u16(event + execution_event.OFFSET_KIND) == execution_event.KIND and (
            size == execution_event.RECORD_BYTES
        ):
            sequence = execution_event.get_sequence(event)
            if sequence != load_i64(history + OFFSET_COPIED) + 1:
                history_restart(history, sequence - 1)
            history_copy(history, event)
            count += 1
        consumed += frame_bytes(size)
    history_publish(history)
    return count
