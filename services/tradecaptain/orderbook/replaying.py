"""Replay: the sequencer's own code over the frames of a log, instead of over the streams.

Commands and controls are carried out as they were stamped; the events that come of them are held
against those that the log has. Nothing is published or logged again.

Whoever checked the frames has found each one's checksum to be that of its bytes. So an event of the
log is known by the checksum in its header, and its record isn't read again. A log is longer than
any cache, and its frames are found one by one: their lines are asked for some way ahead.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from tradecaptain.base.crc32c import crc32c_behind, crc32c_word
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import copy_bytes, load_i64, load_u16, prefetch_read
from tradecaptain.base.records import records_at
from tradecaptain.mesh.journal import (
    CHECKSUM_MASK,
    FLAG_PADDING,
    FLAG_REFUSED,
    FLAG_RESULT,
    FRAME_HEADER_BYTES,
    FRAME_SEQUENCE,
    LINE_BYTES,
    frame_bytes,
    frame_flags,
    frame_length,
    frame_stored_checksum,
)
from tradecaptain.mesh.layout import PUBLICATION
from tradecaptain.orderbook.controls import advance_control, begin_control, stamp
from tradecaptain.orderbook.events import end_turn
from tradecaptain.orderbook.sequencer import ask_ahead, ask_near, copy_raw, run_command
from tradecaptain.wire import (
    control,
    execution_event,
    instrument_definition,
    order_command,
    reason,
)

OFFSET_KIND: Final = order_command.OFFSET_KIND
EVENT_WORDS: Final = execution_event.RECORD_BYTES // 8
FRAMES_CLOSE, FRAMES_AHEAD = 3, 6
"""How many frames ahead a command is looked at: what one and two commands take, mostly."""
LOG_BYTES_AHEAD: Final = 2_048
"""How far beyond those lines of the log are asked for."""

REPLAYED_ALL: Final = 0
"""Every frame was taken."""
AT_INSTRUMENT: Final = 1
"""An instrument's definition comes next: the caller applies it and skips the frame."""
AT_LIMIT: Final = 2
"""The next command lies beyond the place to which replay was asked to go."""
DIVERGED: Final = 3
"""The events made differ from those of the log, or a command's stamp doesn't continue it."""
UNKNOWN_RECORD: Final = 4
"""A record of a kind that this version doesn't know."""
AT_REST: Final = 5
"""As far as it was asked to go, and every event so far is in the log."""
AT_EPOCH: Final = 6
"""A new epoch that goes on from the log comes next: the caller enters it and comes back."""

REPLAY: Final = np.dtype(
    [
        # Address of the frames to replay next, and their length in bytes.
        ("frames", "<i8"),
        ("frame_bytes", "<i8"),
        # Stop before the first command whose sequence or time is greater.
        ("until_sequence", "<i8"),
        ("until_time_ns", "<i8"),
        # Stop where every event is logged and the sequence has come so far.
        ("rest_sequence", "<i8"),
        # How the last call ended, and how many bytes of frames it took.
        ("verdict", "<i8"),
        ("consumed", "<i8"),
        ("command_count", "<i8"),
        # Events of the log so far, and their running checksum.
        ("logged_events", "<i8"),
        ("logged_checksum", "<i8"),
        ("checks_events", "<i8"),
        # Checksum of the last frame that was taken, with which that of the next one begins.
        ("frame_checksum", "<i8"),
    ],
    align=True,
)
"""Where a replay stands."""


@inline
def has_diverged(replay: Any, header: Any) -> bool:
    """Whether events made and events logged can't be the same.

    A turn logs its commands first and their events after, so the log may be behind, never ahead.
    """
    if replay[0]["checks_events"] == 0:
        return False
    if replay[0]["logged_events"] > header[0]["replayed_events"]:
        return True
    return (
        replay[0]["logged_events"] == header[0]["replayed_events"]
        and replay[0]["logged_checksum"] != header[0]["replayed_checksum"]
    )


@inline
def record_checksum(frame: int, previous: int) -> int:
    """Remainder of a frame's record alone, an event of ours, told by the frame's checksum."""
    word = load_i64(frame) & CHECKSUM_MASK
    state = crc32c_word(
        crc32c_word(previous ^ CHECKSUM_MASK, word), load_i64(frame + FRAME_SEQUENCE)
    )
    return frame_stored_checksum(frame) ^ CHECKSUM_MASK ^ crc32c_behind(state, EVENT_WORDS)


@inline
def take_result(replay: Any, frame: int, length: int) -> None:
    """Sum up an event of the log. One of another version's layout can't be held against ours."""
    if load_u16(frame + FRAME_HEADER_BYTES + OFFSET_KIND) == execution_event.KIND:
        replay[0]["logged_events"] += 1
        if length != execution_event.RECORD_BYTES:
            replay[0]["checks_events"] = 0
            return
        replay[0]["logged_checksum"] = crc32c_word(
            replay[0]["logged_checksum"], record_checksum(frame, replay[0]["frame_checksum"])
        )


@inline
def replay_command(header: Any, executions: Any, books: Any, frame: int) -> bool:
    """Carry out a logged order command; False if its stamp doesn't continue the log."""
    length, flags = frame_length(frame), frame_flags(frame)
    copy_raw(header, frame + FRAME_HEADER_BYTES, length)
    record = order_command.normalise(header[0]["raw_record"], length, header[0]["spare_record"])
    if record < 0 or order_command.get_sequence(record) != header[0]["sequence"] + 1:
        return False
    refused = flags & FLAG_REFUSED != 0
    header[0]["journal_refusal"] = reason.REASON_JOURNAL_UNAVAILABLE if refused else 0
    header[0]["pending_command"] = record
    run_command(header, executions, books, order_command.get_time_ns(record))
    return True


@inline
def replay_control(header: Any, executions: Any, books: Any, controls: Any, frame: int) -> bool:
    """Carry out a logged control; False if its stamp doesn't continue the log."""
    length = frame_length(frame)
    copy_bytes(header[0]["raw_record"], frame + FRAME_HEADER_BYTES, length)
    record = control.normalise(header[0]["raw_record"], length, header[0]["spare_record"])
    if record < 0 or control.get_sequence(record) != header[0]["sequence"] + 1:
        return False
    stamp(header, control.get_time_ns(record))
    if control.get_action(record) != control.CONTROL_ACTION_EPOCH_START:
        copy_bytes(header[0]["control_record"], record, control.RECORD_BYTES)
        begin_control(header)
        advance_control(header, executions, books, controls)
    return True


@inline
def lies_beyond(replay: Any, record: int) -> bool:
    """Whether a command or control lies beyond the place to which replay goes."""
    return (
        order_command.get_sequence(record) > replay[0]["until_sequence"]
        or order_command.get_time_ns(record) > replay[0]["until_time_ns"]
    )


@inline
def is_at_rest(replay: Any, header: Any) -> bool:
    """Whether replay is where it was asked to rest."""
    return (
        header[0]["sequence"] >= replay[0]["rest_sequence"]
        and replay[0]["logged_events"] == header[0]["replayed_events"]
    )


@inline
def begins_epoch(header: Any, record: int) -> bool:
    """Whether a control is where the venue went on in another epoch."""
    return (
        control.get_action(record) == control.CONTROL_ACTION_EPOCH_START
        and control.get_epoch(record) != header[0]["epoch"]
    )


@inline
def replay_input(replay: Any, header: Any, frame: int) -> int:
    """Carry out one logged input: ``REPLAYED_ALL``, or why replay stops before it."""
    record = frame + FRAME_HEADER_BYTES
    executions = records_at(header[0]["execution_publication"], 1, PUBLICATION)
    books = records_at(header[0]["book_publication"], 1, PUBLICATION)
    controls = records_at(header[0]["control_publication"], 1, PUBLICATION)
    if has_diverged(replay, header):
        return DIVERGED
    if is_at_rest(replay, header):
        return AT_REST
    if lies_beyond(replay, record):
        return AT_LIMIT
    kind = load_u16(record + OFFSET_KIND)
    if kind == instrument_definition.KIND:
        return AT_INSTRUMENT
    if kind == order_command.KIND:
        continues = replay_command(header, executions, books, frame)
    elif kind == control.KIND:
        if begins_epoch(header, record):
            return AT_EPOCH
        continues = replay_control(header, executions, books, controls, frame)
    else:
        return UNKNOWN_RECORD
    if not continues:
        return DIVERGED
    end_turn(header, executions, books)
    replay[0]["command_count"] += 1
    return REPLAYED_ALL


@inline
def frame_behind(address: int, offset: int, length: int) -> int:
    """Offset of the frame behind the one at ``offset``; one beyond the frames' end stays."""
    if offset >= length:
        return offset
    return offset + frame_bytes(frame_length(address + offset))


@inline
def is_order(address: int, offset: int, length: int) -> bool:
    """Whether an order command is to be carried out at ``offset``."""
    if offset >= length or frame_flags(address + offset) & (FLAG_PADDING | FLAG_RESULT) != 0:
        return False
    return load_u16(address + offset + FRAME_HEADER_BYTES + OFFSET_KIND) == order_command.KIND


@inline
def look_ahead_in_log(header: Any, address: int, near: int, far: int, length: int) -> None:
    """Ask for the lines of the log that come, and for what two commands will need."""
    if far < length:
        # The log is longer than any cache, and where a frame lies is told by the one before.
        for line in range(0, frame_bytes(frame_length(address + far)), LINE_BYTES):
            prefetch_read(address + far + LOG_BYTES_AHEAD + line)
    if is_order(address, near, length):
        ask_near(header, address + near + FRAME_HEADER_BYTES)
    if is_order(address, far, length):
        ask_ahead(header, address + far + FRAME_HEADER_BYTES)


@inline
def replay_frames(replay: Any, header: Any) -> int:
    """Replay the checked frames that ``replay`` names; the verdict, which its record has too.

    ``consumed`` tells how many bytes were taken; the frame behind them is the one that stopped it.
    """
    address, length = replay[0]["frames"], replay[0]["frame_bytes"]
    consumed = near = far = 0
    for step in range(FRAMES_AHEAD):
        far = frame_behind(address, far, length)
        if step < FRAMES_CLOSE:
            near = far
    verdict = REPLAYED_ALL
    while consumed < length:
        frame = address + consumed
        size = frame_length(frame)
        flags = frame_flags(frame)
        look_ahead_in_log(header, address, near, far, length)
        near = frame_behind(address, near, length)
        far = frame_behind(address, far, length)
        if flags & FLAG_RESULT != 0:
            take_result(replay, frame, size)
        elif flags & FLAG_PADDING == 0:
            verdict = replay_input(replay, header, frame)
            if verdict != REPLAYED_ALL:
                break
        replay[0]["frame_checksum"] = frame_stored_checksum(frame)
        consumed += frame_bytes(size)
    if verdict == REPLAYED_ALL:
        if has_diverged(replay, header):
            verdict = DIVERGED
        elif is_at_rest(replay, header):
            verdict = AT_REST
    replay[0]["consumed"] = consumed
    replay[0]["verdict"] = verdict
    return verdict
