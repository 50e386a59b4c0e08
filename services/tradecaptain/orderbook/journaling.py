"""What the sequencer writes to the execution log: commands as stamped, controls, their events.

A command is logged before it is carried out, its events before they are published. While a log is
replayed nothing is written: events are summed up instead, to be held against those of the log.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.crc32c import crc32c_run, crc32c_word
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_u8
from tradecaptain.mesh.journal import (
    FLAG_REFUSED,
    FLAG_RESULT,
    frame_bytes,
    journal_append,
    journal_has_room,
    journal_publish,
    journal_refusal,
)
from tradecaptain.mesh.publication import publication_stride
from tradecaptain.wire import control, execution_event, order_command, reason

EVENT_FRAME_BYTES = frame_bytes(execution_event.RECORD_BYTES)
COMMAND_FRAME_BYTES = frame_bytes(order_command.RECORD_BYTES)
CONTROL_FRAME_BYTES = frame_bytes(control.RECORD_BYTES)
CONTROL_ROOM_BYTES = 4 * CONTROL_FRAME_BYTES
"""A control, its answer, and those of the epoch's start."""


@inline
def look_at_journal(header: Any) -> None:
    """See, once a turn, whether the log takes new risk; replay knows from the log itself."""
    if header[0]["is_replaying"] == 0 and header[0]["journal"] != 0:
        header[0]["journal_refusal"] = journal_refusal(header[0]["journal"])


@inline
def has_journal_room(header: Any) -> bool:
    """Whether the log can take a command and every event of the open claim and one more step."""
    if header[0]["journal"] == 0:
        return True
    events = header[0]["execution_used"] + header[0]["execution_room"]
    wanted = events * EVENT_FRAME_BYTES + COMMAND_FRAME_BYTES + CONTROL_ROOM_BYTES
    return journal_has_room(header[0]["journal"], wanted)


@inline
def room_for_control(header: Any) -> bool:
    """Whether the log can take a control and its answer."""
    return header[0]["journal"] == 0 or journal_has_room(header[0]["journal"], CONTROL_ROOM_BYTES)


@inline
def journal_record(header: Any, record: int, length: int, flags: int) -> None:
    """Append a record, if there is a log."""
    if header[0]["journal"] != 0:
        journal_append(header[0]["journal"], record, length, flags)


@inline
def journal_command(header: Any, command: int) -> None:
    """Append a stamped command, and whether the log itself is why it will be refused."""
    if header[0]["journal"] == 0:
        return
    flags = 0
    if header[0]["journal_refusal"] != 0:
        # Replay refuses it with the reason that this flag stands for.
        header[0]["journal_refusal"] = reason.REASON_JOURNAL_UNAVAILABLE
        header[0]["refused_by_journal"] += 1
        flags = FLAG_REFUSED
    journal_append(header[0]["journal"], command, order_command.RECORD_BYTES, flags)


@inline
def journal_events(header: Any, event: int, count: int) -> None:
    """Append execution events that lie as in a claim, or sum them up while a log is replayed."""
    journal = header[0]["journal"]
    if journal == 0 and header[0]["is_replaying"] == 0:
        return
    stride = publication_stride(execution_event.RECORD_BYTES)
    for _ in range(count):
        if journal != 0:
            journal_append(journal, event, execution_event.RECORD_BYTES, FLAG_RESULT)
        else:
            header[0]["replayed_events"] += 1
            # Each event is summed up by itself, so that one needn't wait for the one before.
            header[0]["replayed_checksum"] = crc32c_word(
                header[0]["replayed_checksum"], crc32c_run(0, event, execution_event.RECORD_BYTES)
            )
        event += stride


@inline
def show_journal(header: Any) -> None:
    """Let everything that was appended survive this process."""
    if header[0]["journal"] != 0:
        journal_publish(header[0]["journal"])


@inline
def mark_durability(header: Any, event: int) -> None:
    """Say in an event which level of durability its instrument has."""
    instrument_id = execution_event.get_instrument_id(event)
    if instrument_id < header[0]["instrument_id_limit"]:
        execution_event.set_durability(event, int(load_u8(header[0]["durability"] + instrument_id)))
