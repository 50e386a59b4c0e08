"""A ready-made agent: takes the records of a stream and hands them to an asyncio loop.

When the loop is slow the ring fills and the agent stops taking: the log itself is the queue. A
tethered reader then holds the writer back; an untethered one is lapped in the end, and the loop is
told. It is told, too, when writers come and go and, if asked for, when sequence numbers are
missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import aligned_zeros, copy_bytes, load_i64, store_i64, zero_bytes
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.handover import (
    HANDOVER,
    HANDOVER_TYPE,
    Handover,
    handover_claim,
    handover_commit,
    handover_room,
    handover_signal,
)
from tradecaptain.mesh.image import image_intact, image_length, image_next, image_release
from tradecaptain.mesh.layout import IMAGE, IMAGE_TYPE
from tradecaptain.mesh.transport import DEFAULT_IMAGE_CAPACITY, IPC_CHANNEL, Mesh

EVENT_RECORD: Final = 0
"""A record; ``position`` is where its frame ends in the stream."""
EVENT_WRITER_JOINED: Final = 1
"""A writer was attached; ``position`` is where reading starts."""
EVENT_WRITER_LEFT: Final = 2
"""A writer is gone, or reading it stopped because it lapped this reader."""
EVENT_LAPPED: Final = 3
"""The same writer is read again from ``position`` on; ``length`` bytes of its log were missed."""
EVENT_GAP: Final = 4
"""Sequence numbers are missing: the first is ``position``, and ``length`` says how many."""

_PREFIX_FIELDS: Final = ("event", "stream_id", "session_id", "generation", "position", "length")
PREFIX_BYTES: Final = 8 * len(_PREFIX_FIELDS)
"""Bytes of a slot before its record; the first word says what the slot holds."""
_BATCH_RECORDS: Final = 256

READER: Final = np.dtype(
    [
        ("stream_id", "<i8"),
        ("record_bytes", "<i8"),
        ("is_tethered", "<i8"),
        ("sequence_offset", "<i8"),
        ("record_count", "<i8"),
        ("lapped_count", "<i8"),
        ("gap_count", "<i8"),
    ],
    align=True,
)
"""Settings and counters of one reader."""
READER_TYPE: Final[Any] = numba.from_dtype(READER)[::1]

TRACK: Final = np.dtype(
    [
        ("generation", "<i8"),
        ("session_id", "<i8"),
        ("is_open", "<i8"),
        ("position", "<i8"),
        ("next_sequence", "<i8"),
    ],
    align=True,
)
"""What a reader remembers of one image slot."""
TRACK_TYPE: Final[Any] = numba.from_dtype(TRACK)[::1]


@inline
def _emit(
    reader: Any, images: Any, ring: Any, index: int, event: int, position: int, length: int
) -> int:
    """Fill a slot's prefix and hand it over; room for it has been checked."""
    slot = handover_claim(ring)
    store_i64(slot, event)
    store_i64(slot + 8, reader[0]["stream_id"])
    store_i64(slot + 16, images[index]["session_id"])
    store_i64(slot + 24, images[index]["generation"])
    store_i64(slot + 32, position)
    store_i64(slot + 40, length)
    zero_bytes(slot + PREFIX_BYTES, reader[0]["record_bytes"])
    handover_commit(ring)
    return 1


@inline
def follow_image(reader: Any, images: Any, tracks: Any, ring: Any, index: int) -> int:
    """Tell of a writer that came, left or lapped this reader; 1 if there was room to."""
    if images[index]["is_open"] == 0:
        if tracks[index]["is_open"] == 0:
            return 0
        tracks[index]["is_open"] = 0
        return _emit(reader, images, ring, index, EVENT_WRITER_LEFT, tracks[index]["position"], 0)
    if images[index]["generation"] == tracks[index]["generation"]:
        return 0
    position = images[index]["position"]
    is_same_writer = (
        tracks[index]["generation"] > 0
        and tracks[index]["session_id"] == images[index]["session_id"]
    )
    missed = position - tracks[index]["position"]
    tracks[index]["generation"] = images[index]["generation"]
    tracks[index]["session_id"] = images[index]["session_id"]
    tracks[index]["is_open"] = 1
    tracks[index]["position"] = position
    tracks[index]["next_sequence"] = 0
    if is_same_writer:
        reader[0]["lapped_count"] += 1
        return _emit(reader, images, ring, index, EVENT_LAPPED, position, missed)
    return _emit(reader, images, ring, index, EVENT_WRITER_JOINED, position, 0)


@inline
def _check_sequence(
    reader: Any, images: Any, tracks: Any, ring: Any, index: int, address: int
) -> int:
    """Announce missing sequence numbers before the record that shows it."""
    offset = reader[0]["sequence_offset"]
    if offset < 0 or offset + 8 > image_length(images, index):
        return 0
    sequence = load_i64(address + offset)
    expected = tracks[index]["next_sequence"]
    tracks[index]["next_sequence"] = sequence + 1
    if expected == 0 or sequence == expected:
        return 0
    reader[0]["gap_count"] += 1
    return _emit(reader, images, ring, index, EVENT_GAP, expected, sequence - expected)


@inline
def take_record(reader: Any, images: Any, tracks: Any, ring: Any, index: int, address: int) -> int:
    """Copy one record into a slot; 0 if the writer lapped this reader while it was copied."""
    record_bytes = reader[0]["record_bytes"]
    length = image_length(images, index)
    copied = min(length, record_bytes)
    slot = handover_claim(ring)
    store_i64(slot, EVENT_RECORD)
    store_i64(slot + 8, reader[0]["stream_id"])
    store_i64(slot + 16, images[index]["session_id"])
    store_i64(slot + 24, images[index]["generation"])
    store_i64(slot + 32, images[index]["position"])
    store_i64(slot + 40, length)
    copy_bytes(slot + PREFIX_BYTES, address, copied)
    zero_bytes(slot + PREFIX_BYTES + copied, record_bytes - copied)
    if reader[0]["is_tethered"] == 0 and image_intact(images, index) == 0:
        # The driver withdraws this image; what it announces next goes on behind the gap.
        images[index]["is_open"] = 0
        return 0
    handover_commit(ring)
    tracks[index]["position"] = images[index]["position"]
    reader[0]["record_count"] += 1
    return 1


@kernel(types.int64(READER_TYPE, IMAGE_TYPE, TRACK_TYPE, HANDOVER_TYPE))
def stream_reader_take(reader: Any, images: Any, tracks: Any, ring: Any) -> int:
    """Hand over what the images have, as far as the ring has room; how many slots were filled."""
    work = 0
    for index in range(images.shape[0]):
        if handover_room(ring) < 1:
            break
        work += follow_image(reader, images, tracks, ring, index)
        taken = 0
        # Two slots: a record may be preceded by the news of a gap.
        while taken < _BATCH_RECORDS and handover_room(ring) >= 2:
            address = image_next(images, index)
            if address == 0:
                break
            work += _check_sequence(reader, images, tracks, ring, index, address)
            if take_record(reader, images, tracks, ring, index, address) == 0:
                break
            taken += 1
        image_release(images, index)
        work += taken
    if work > 0:
        handover_signal(ring)
    return work


@duty_cycle
def stream_reader_do_work(frame: int, now_ns: int) -> int:
    """One turn of a stream reader; its frame is reader, images, tracks, ring."""
    return stream_reader_take(
        frame_array(frame, 0, READER),
        frame_array(frame, 1, IMAGE),
        frame_array(frame, 2, TRACK),
        frame_array(frame, 3, HANDOVER),
    )


def event_dtype(record_dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype of what a reader hands over: what happened, where, and the record."""
    prefix = [(name, "<i8") for name in _PREFIX_FIELDS]
    return np.dtype([*prefix, ("record", np.dtype(record_dtype))])


class StreamReader(Closing):
    """A subscription, its agent and the ring to the loop.

    Shorter records of an older schema are filled up with zeros, longer ones cut to
    ``record_dtype``; ``length`` in each slot is what was sent. With ``sequence_field`` the named
    64-bit field of the record must grow by one from record to record of a writer.
    """

    def __init__(
        self,
        mesh: Mesh,
        stream_id: int,
        record_dtype: npt.DTypeLike,
        *,
        tether: bool = False,
        capacity: int = 16_384,
        channel: str = IPC_CHANNEL,
        image_capacity: int = DEFAULT_IMAGE_CAPACITY,
        sequence_field: str | None = None,
    ) -> None:
        record = np.dtype(record_dtype)
        self.dtype = event_dtype(record)
        self.stream_id = stream_id
        self._reader = aligned_zeros(1, READER)
        fields: Any = record.fields or {}
        offset = -1 if sequence_field is None else int(fields[sequence_field][1])
        self._reader[0] = (stream_id, record.itemsize, int(tether), offset, 0, 0, 0)
        self._tracks = aligned_zeros(image_capacity, TRACK)
        self.handover = Handover(self.dtype, capacity)
        self.subscription = mesh.add_subscription(
            stream_id, channel=channel, tether=tether, image_capacity=image_capacity
        )
        self.agent = Agent(
            f"reader of stream {stream_id}",
            stream_reader_do_work,
            [self._reader, self.subscription.images, self._tracks, self.handover.state],
            resources=[self.subscription],
        )

    @property
    def statistics(self) -> dict[str, int]:
        """Records taken, laps and gaps seen, and how often the ring was full."""
        counts = {
            name: int(self._reader[0][name])
            for name in ("record_count", "lapped_count", "gap_count")
        }
        return {**counts, "full_count": self.handover.full_count}

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_batch: Callable[[npt.NDArray[Any]], None],
        *,
        pause_seconds: float = 0.0,
        is_urgent: Callable[[], bool] | None = None,
    ) -> None:
        """Call ``on_batch`` on the loop's thread with each batch of :attr:`dtype`.

        The rest is as in :meth:`tradecaptain.mesh.handover.Handover.attach`.
        """
        self.handover.attach(loop, on_batch, pause_seconds=pause_seconds, is_urgent=is_urgent)

    def catch_up(self) -> None:
        """Hand over at once what waits in the ring."""
        self.handover.catch_up()

    def attach_in_place(
        self,
        loop: asyncio.AbstractEventLoop,
        on_slots: Callable[[int, int], None],
        *,
        pause_seconds: float = 0.0,
    ) -> None:
        """As :meth:`attach`, but the slots stay where they lie, and their address is told."""
        self.handover.attach_in_place(loop, on_slots, pause_seconds=pause_seconds)

    def detach(self) -> None:
        """Stop calling."""
        self.handover.detach()

    def close(self) -> None:
        """Leave the stream; the runner of :attr:`agent` must have been closed before."""
        self.subscription.close()
        self.handover.close()
