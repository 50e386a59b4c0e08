"""The gateway's memory made again from the venue's execution log.

The log has every command as it was sequenced, with its client's key, and every event that came of
it. So a gateway whose own file is gone, or can't be trusted after a loss of power, knows its
requests, orders, reports and open sessions again: a command that is sent once more gets its first
result, and streams go on where they stood. What was never sequenced isn't in the log, and has no
effect; its key is free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import address_of, aligned_zeros, copy_bytes, load_u16
from tradecaptain.base.records import records_at
from tradecaptain.gateway.entry import remember
from tradecaptain.gateway.events import COMPLETED_MAX, EVENT_BYTES, apply_events, is_client
from tradecaptain.gateway.frame import (
    AT_ACCOUNTS,
    AT_BUCKETS,
    AT_FILE,
    AT_REQUESTS,
    AT_WORK,
)
from tradecaptain.gateway.layout import (
    ACCOUNT,
    BUCKET,
    FILE_HEADER,
    REQUEST,
    SESSION,
    SESSIONS_MAX,
    WORK,
)
from tradecaptain.gateway.lookup import find_order
from tradecaptain.gateway.store import Store
from tradecaptain.mesh.agent import frame_array
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FLAG_RESULT,
    FRAME_HEADER_BYTES,
    JournalRing,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.mesh.journal_source import LogSource
from tradecaptain.wire import control, execution_event, order_command
from tradecaptain.wire import reason as reasons

_COMMAND_BYTES: Final = order_command.RECORD_BYTES
_LOOK_SECONDS: Final = 0.005
_DAY_NS: Final = 86_400_000_000_000
_REMEMBERED: Final = 1 << 16
"""Commands whose requests are known while their events come: far more than one turn carries out."""

DONE: Final = 0
NEXT_DAY: Final = 1
"""The next command is of another trading day."""
NO_ROOM: Final = 2
"""There is no room for the next command."""
ANSWERED: Final = 3
"""Calls that wait have been answered: they must be told before more are."""

RECOVERY: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            "frames",
            "frame_bytes",
            "consumed",
            # From when on commands are of another day.
            "day_end_ns",
            # Where the sequences of the newest commands and their requests are kept.
            "commands",
            "scratch",
            "sessions",
            # Whether commands are taken, or events alone.
            "takes_commands",
            "command_count",
            "event_count",
        )
    ],
    align=True,
)
"""Where a recovery stands."""
COMMAND: Final = np.dtype([("sequence", "<i8"), ("request", "<i8")], align=True)


@inline
def _take_command(recovery: Any, frame: int, command: int) -> int:
    """Remember a command of a client as the request that it was: DONE, or why not now."""
    file = frame_array(frame, AT_FILE, FILE_HEADER)
    work = frame_array(frame, AT_WORK, WORK)
    requests = frame_array(frame, AT_REQUESTS, REQUEST)
    buckets = frame_array(frame, AT_BUCKETS, BUCKET)
    accounts = frame_array(frame, AT_ACCOUNTS, ACCOUNT)
    if not is_client(accounts, order_command.get_account_id(command)):
        return DONE
    if order_command.get_time_ns(command) >= recovery[0]["day_end_ns"]:
        return NEXT_DAY
    slot = -1
    if order_command.get_action(command) != order_command.COMMAND_ACTION_NEW_ORDER:
        slot = find_order(work, requests, buckets, order_command.get_order_id(command))
        if slot < 0:
            # It was refused for naming no order, or for naming one that is gone.
            return DONE
    index = file[0]["request_count"]
    if index >= work[0]["request_limit"]:
        return NO_ROOM
    sequence = order_command.get_sequence(command)
    places = records_at(recovery[0]["commands"], _REMEMBERED, COMMAND)
    places[sequence & (_REMEMBERED - 1)]["sequence"] = sequence
    places[sequence & (_REMEMBERED - 1)]["request"] = index
    session_id = order_command.get_session_id(command)
    work[0]["send_time_ns"] = order_command.get_send_time_ns(command)
    work[0]["session_id"] = session_id
    work[0]["waiter"] = 0
    file[0]["session_count"] = max(file[0]["session_count"], session_id)
    # The body as its client wrote it: stamps and the gateway's own notes are none of that.
    body = work[0]["commands_address"] + index * _COMMAND_BYTES
    copy_bytes(body, command, _COMMAND_BYTES)
    order_command.set_epoch(body, 0)
    order_command.set_sequence(body, 0)
    order_command.set_time_ns(body, 0)
    order_command.set_tag(body, 0)
    order_command.set_session_id(body, 0)
    order_command.set_send_time_ns(body, 0)
    remember(work, requests, buckets, accounts, index, body, slot)
    file[0]["request_count"] = index + 1
    recovery[0]["command_count"] += 1
    return DONE


@inline
def _take_event(recovery: Any, frame: int, record: int) -> int:
    """Keep and apply an event, with the number that its command's request has now."""
    file = frame_array(frame, AT_FILE, FILE_HEADER)
    work = frame_array(frame, AT_WORK, WORK)
    event = recovery[0]["scratch"]
    copy_bytes(event, record, EVENT_BYTES)
    epoch = execution_event.get_epoch(event)
    sequence = execution_event.get_sequence(event)
    if recovery[0]["takes_commands"] != 0:
        if execution_event.get_send_time_ns(event) != 0:
            command = execution_event.get_command_sequence(event)
            places = records_at(recovery[0]["commands"], _REMEMBERED, COMMAND)
            place = command & (_REMEMBERED - 1)
            is_known = places[place]["sequence"] == command
            execution_event.set_tag(event, places[place]["request"] + 1 if is_known else 0)
        if epoch > file[0]["epoch"]:
            file[0]["epoch"] = epoch
            file[0]["last_sequence"] = sequence - 1
    if epoch < file[0]["epoch"] or sequence != file[0]["last_sequence"] + 1:
        return DONE
    file[0]["epoch"] = epoch
    apply_events(frame, event, EVENT_BYTES, 0, 1)
    recovery[0]["event_count"] += 1
    answered = work[0]["completed_count"] + work[0]["followed_count"]
    return ANSWERED if answered > COMPLETED_MAX // 2 else DONE


@inline
def _take_control(recovery: Any, frame: int, record: int) -> None:
    """Note which sessions are open, and where the venue went on in another epoch."""
    action = control.get_action(record)
    if action == control.CONTROL_ACTION_EPOCH_START:
        file = frame_array(frame, AT_FILE, FILE_HEADER)
        if file[0]["epoch"] != 0:
            file[0]["epoch"] = max(file[0]["epoch"], control.get_epoch(record))
        return
    is_open = action == control.CONTROL_ACTION_SESSION_OPEN
    if not is_open and action != control.CONTROL_ACTION_SESSION_CLOSE:
        return
    file = frame_array(frame, AT_FILE, FILE_HEADER)
    sessions = records_at(recovery[0]["sessions"], SESSIONS_MAX, SESSION)
    session_id = control.get_scope_id(record)
    file[0]["session_count"] = max(file[0]["session_count"], session_id)
    wanted = 0 if is_open else session_id
    for place in range(SESSIONS_MAX):
        if sessions[place]["session_id"] == wanted:
            sessions[place]["session_id"] = session_id if is_open else 0
            return


@kernel(types.int64(types.int64, types.int64))
def recover_frames(frame: int, recovery_address: int) -> int:
    """Take checked frames of the log into the store behind ``frame``: DONE, or why it stopped.

    ``consumed`` tells how many bytes were taken.
    """
    recovery = records_at(recovery_address, 1, RECOVERY)
    address, length = recovery[0]["frames"], recovery[0]["frame_bytes"]
    consumed = 0
    stop = DONE
    while consumed < length:
        size = frame_length(address + consumed)
        flags = frame_flags(address + consumed)
        record = address + consumed + FRAME_HEADER_BYTES
        if flags & FLAG_PADDING != 0:
            consumed += FRAME_HEADER_BYTES + size
            continue
        kind = load_u16(record + order_command.OFFSET_KIND)
        if kind == execution_event.KIND and size == EVENT_BYTES:
            # It is taken whether or not answers must be told next.
            stop = _take_event(recovery, frame, record)
            if stop == ANSWERED:
                consumed += frame_bytes(size)
        elif recovery[0]["takes_commands"] != 0 and flags & FLAG_RESULT == 0:
            if kind == order_command.KIND and size == _COMMAND_BYTES:
                stop = _take_command(recovery, frame, record)
            elif kind == control.KIND:
                _take_control(recovery, frame, record)
        if stop != DONE:
            break
        consumed += frame_bytes(size)
    recovery[0]["consumed"] = consumed
    return stop


class LogRecovery:
    """Reads the venue's log for one gateway."""

    def __init__(self, folder: Path, ring: Path) -> None:
        """``folder`` has the segments; ``ring`` is where the newest part lies, if the venue runs
        or was killed."""
        self._folder = folder
        self._ring = ring

    @property
    def is_there(self) -> bool:
        """Whether there is a log."""
        return self._ring.exists() or any(self._folder.glob("*.journal*"))

    def rebuild(self, store: Store) -> int:
        """Fill an empty store; returns how many commands of clients the log had."""

        def forget() -> None:
            # Nobody waits for these answers.
            store.work["completed_count"] = store.work["followed_count"] = 0

        return self._run(store, forget, takes_commands=True)

    def wait_for_disk(self, seconds: float) -> None:
        """Return once all that a rebuild has read is on disk, for none of it waits any more before
        it is told. Raises TradeCaptainError if that takes longer."""
        if not self._ring.exists():
            return
        with JournalRing(self._ring) as ring:
            tail = ring.tail
            for _ in range(1 + int(seconds / _LOOK_SECONDS)):
                if ring.durable_position >= tail:
                    return
                threading.Event().wait(min(seconds, _LOOK_SECONDS))
        raise TradeCaptainError(
            reasons.REASON_UNAVAILABLE, "the newest part of the execution log isn't on disk yet"
        )

    def catch_up(self, store: Store, tell: Callable[[], None]) -> int:
        """Apply the events behind the store's last one; returns how many there were. ``tell`` is
        called where calls have been answered."""
        return self._run(store, tell, takes_commands=False)

    def _run(self, store: Store, tell: Callable[[], None], *, takes_commands: bool) -> int:
        commands = aligned_zeros(_REMEMBERED, COMMAND)
        scratch = aligned_zeros(EVENT_BYTES, np.uint8)
        recovery = aligned_zeros(1, RECOVERY)
        recovery["commands"] = address_of(commands)
        recovery["scratch"] = address_of(scratch)
        recovery["sessions"] = address_of(store.sessions)
        recovery["takes_commands"] = int(takes_commands)
        ring = JournalRing(self._ring) if self._ring.exists() else None
        with LogSource(self._folder, ring) as source:
            for frames in source.checked_frames():
                store.reserve(len(frames) // frame_bytes(_COMMAND_BYTES) + 1)
                self._take(store, recovery, frames, tell)
                tell()
        return int(recovery[0]["command_count" if takes_commands else "event_count"])

    @staticmethod
    def _take(
        store: Store,
        recovery: npt.NDArray[Any],
        frames: npt.NDArray[np.uint8],
        tell: Callable[[], None],
    ) -> None:
        start = 0
        while True:
            recovery["frames"] = address_of(frames) + start
            recovery["frame_bytes"] = len(frames) - start
            stop = int(recover_frames(store.frame.address, address_of(recovery)))
            start += int(recovery[0]["consumed"])
            if stop == DONE:
                return
            if stop == ANSWERED:
                tell()
                continue
            if stop == NO_ROOM:
                raise TradeCaptainError(
                    reasons.REASON_CAPACITY_EXHAUSTED,
                    "the execution log has more commands than the gateway has room for: raise"
                    " gateway.requests_max",
                    field="requests_max",
                )
            time_ns = order_command.get_time_ns(address_of(frames) + start + FRAME_HEADER_BYTES)
            store.set_day(time_ns)
            recovery["day_end_ns"] = (time_ns // _DAY_NS + 1) * _DAY_NS
