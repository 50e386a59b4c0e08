"""The reader of execution events, which wakes the service's loop only when somebody may care.

Most events belong to the replayed market. Waking asyncio for each of them would cost a good part of
a core, so they wait in the ring until an event of a client's account comes, or a timer's time.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import aligned_zeros, load_acquire_i64
from tradecaptain.gateway.layout import ACCOUNT, ACCOUNT_TYPE
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.handover import (
    HANDOVER,
    HANDOVER_TYPE,
    handover_room,
    handover_signal,
    handover_waiting,
)
from tradecaptain.mesh.image import image_length, image_next, image_put_back, image_release
from tradecaptain.mesh.layout import IMAGE, IMAGE_TYPE
from tradecaptain.mesh.stream_reader import (
    READER,
    READER_TYPE,
    TRACK,
    TRACK_TYPE,
    StreamReader,
    follow_image,
    take_record,
)
from tradecaptain.mesh.transport import Mesh
from tradecaptain.wire import execution_event, streams

QUIET_NS: Final = 50_000_000
"""How long events that nobody waits for may stay in the ring."""
_BATCH_RECORDS: Final = 256

QUIET: Final = np.dtype(
    [
        ("client_command_sequence", "<i8"),
        ("is_pending", "<i8"),
        ("signalled_ns", "<i8"),
        # Where the sequence of the last command on disk is told, and whether an event waits for it.
        ("durable_address", "<i8"),
        ("is_holding", "<i8"),
    ],
    align=True,
)
"""What the reader remembers between turns: the newest command of a client, its last signal, and
what it holds back."""
QUIET_TYPE: Final[Any] = numba.from_dtype(QUIET)[::1]


@inline
def _matters(quiet: Any, accounts: Any, event: int, length: int) -> bool:
    """Whether an event is a client's, or belongs to a command that a client's event belonged to."""
    if length < execution_event.RECORD_BYTES:
        return True
    command_sequence = execution_event.get_command_sequence(event)
    account_id = execution_event.get_account_id(event)
    if account_id < accounts.shape[0] and accounts[account_id]["is_client"] != 0:
        quiet[0]["client_command_sequence"] = command_sequence
        return True
    return command_sequence == quiet[0]["client_command_sequence"]


@inline
def _waits_for_disk(quiet: Any, event: int, length: int) -> bool:
    """Whether an event may not be told yet: of the level *group*, and its command isn't synced."""
    return (
        length >= execution_event.RECORD_BYTES
        and execution_event.get_durability(event) == execution_event.DURABILITY_GROUP
        and execution_event.get_command_sequence(event)
        > load_acquire_i64(quiet[0]["durable_address"])
    )


@kernel(
    types.int64(
        READER_TYPE, IMAGE_TYPE, TRACK_TYPE, HANDOVER_TYPE, ACCOUNT_TYPE, QUIET_TYPE, types.int64
    )
)
def take_events(
    reader: Any, images: Any, tracks: Any, ring: Any, accounts: Any, quiet: Any, now_ns: int
) -> int:
    """Hand over what the images have, as far as there is room; how many slots were filled."""
    work = 0
    matters = 0
    for index in range(images.shape[0]):
        if handover_room(ring) < 1:
            break
        news = follow_image(reader, images, tracks, ring, index)
        matters += news
        work += news
        taken = 0
        while taken < _BATCH_RECORDS and handover_room(ring) >= 1:
            address = image_next(images, index)
            if address == 0:
                break
            if _waits_for_disk(quiet, address, image_length(images, index)):
                image_put_back(images, index)
                quiet[0]["is_holding"] = 1
                break
            quiet[0]["is_holding"] = 0
            if _matters(quiet, accounts, address, image_length(images, index)):
                matters += 1
            if take_record(reader, images, tracks, ring, index, address) == 0:
                break
            taken += 1
        image_release(images, index)
        work += taken
    if work > 0:
        quiet[0]["is_pending"] = 1
    if quiet[0]["is_pending"] != 0 and (
        matters > 0
        or now_ns - quiet[0]["signalled_ns"] >= QUIET_NS
        or handover_waiting(ring) > ring[0]["capacity"] // 2
    ):
        quiet[0]["is_pending"] = 0
        quiet[0]["signalled_ns"] = now_ns
        handover_signal(ring)
    return work


@duty_cycle
def event_reader_do_work(frame: int, now_ns: int) -> int:
    """One turn; its frame is reader, images, tracks, ring, accounts, quiet."""
    return take_events(
        frame_array(frame, 0, READER),
        frame_array(frame, 1, IMAGE),
        frame_array(frame, 2, TRACK),
        frame_array(frame, 3, HANDOVER),
        frame_array(frame, 4, ACCOUNT),
        frame_array(frame, 5, QUIET),
        now_ns,
    )


class EventReader(StreamReader):
    """A reader of execution events for the accounts of a store."""

    def __init__(
        self, mesh: Mesh, accounts: npt.NDArray[Any], durable: DurablePlace, *, capacity: int
    ) -> None:
        super().__init__(mesh, streams.EXECUTION_EVENTS, execution_event.DTYPE, capacity=capacity)
        quiet = aligned_zeros(1, QUIET)
        quiet["client_command_sequence"] = -1
        durable.tell(quiet)
        self.agent = Agent(
            "reader of execution events",
            event_reader_do_work,
            [
                self._reader,
                self.subscription.images,
                self._tracks,
                self.handover.state,
                accounts,
                quiet,
            ],
            resources=[self.subscription],
        )
