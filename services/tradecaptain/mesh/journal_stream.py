"""The execution log as a stream: whole frames, as they are appended, for engines that follow it.

A message is a `JournalBlock` as its head, which says where in the log its frames lie, and the
frames as they lie in the ring. The sender follows the ring on a thread of its own, so neither the
venue nor its log ever waits for a follower. What a receiver missed (it was slow, or wasn't there
yet) it is told by the next message's position, and reads from the log itself.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.clock import Clock
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    acquire_fence,
    address_of,
    aligned_zeros,
    copy_bytes,
    load_acquire_i64,
    load_i64,
)
from tradecaptain.base.records import records_at
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.image import (
    image_intact,
    image_length,
    image_next,
    image_put_back,
    image_release,
)
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FRAME_HEADER_BYTES,
    FRAME_SEQUENCE,
    HEADER_BYTES,
    OFFSET_ANNOUNCED,
    OFFSET_TAIL,
    JournalRing,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.mesh.layout import IMAGE, PUBLICATION
from tradecaptain.mesh.publication import publication_claim, publication_commit
from tradecaptain.mesh.status import NOT_CONNECTED
from tradecaptain.mesh.transport import IPC_CHANNEL, Mesh, Publication, Subscription
from tradecaptain.wire import journal_block, streams

HEAD_BYTES: Final = journal_block.RECORD_BYTES
LAPPED: Final = -1
"""The sender stood at frames that have been overwritten."""
GAP: Final = -1
"""The next message begins beyond what the receiver has."""
_BATCHES_A_CALL: Final = 256
_IDLE_SECONDS: Final = 0.002

SENDER: Final = np.dtype(
    [
        ("header", "<i8"),
        ("frames", "<i8"),
        ("capacity", "<i8"),
        ("position", "<i8"),
        ("epoch", "<i8"),
        ("batch_count", "<i8"),
        ("lapped_count", "<i8"),
    ],
    align=True,
)
"""Where a sender stands in the ring."""

RECEIVER: Final = np.dtype(
    [
        ("position", "<i8"),
        ("epoch", "<i8"),
        ("batch_count", "<i8"),
        ("gap_count", "<i8"),
        ("foreign_count", "<i8"),
    ],
    align=True,
)
"""Where a receiver stands in the log, and of which epoch that is."""


@inline
def whole_frame_bytes(frame: int) -> int:
    """Bytes of a frame, of a padding frame too."""
    length = frame_length(frame)
    if frame_flags(frame) & FLAG_PADDING != 0:
        return FRAME_HEADER_BYTES + length
    return frame_bytes(length)


@inline
def sender_is_intact(state: Any) -> bool:
    """Whether the frames at the sender's place are still what the writer wrote."""
    acquire_fence()
    announced = load_acquire_i64(state[0]["header"] + OFFSET_ANNOUNCED)
    return state[0]["position"] >= announced - state[0]["capacity"]


@inline
def next_batch_bytes(state: Any, tail: int, room: int) -> int:
    """Bytes of the whole frames behind the sender's place that fit ``room``, in one piece."""
    start = state[0]["position"] & (state[0]["capacity"] - 1)
    limit = min(tail - state[0]["position"], state[0]["capacity"] - start)
    taken = 0
    while taken < limit:
        size = whole_frame_bytes(state[0]["frames"] + start + taken)
        if taken + size > min(room, limit):
            break
        taken += size
    return taken


@kernel("int64(int64, int64, int64)")
def send_frames(sender: int, publication_address: int, now_ns: int) -> int:
    """Publish what was appended behind the sender's place; how many messages, or ``LAPPED``.

    While nobody listens the sender's place follows the tail.
    """
    state = records_at(sender, 1, SENDER)
    publication = records_at(publication_address, 1, PUBLICATION)
    room = publication[0]["max_payload_length"] - HEAD_BYTES
    sent = 0
    while sent < _BATCHES_A_CALL:
        tail = load_acquire_i64(state[0]["header"] + OFFSET_TAIL)
        if state[0]["position"] >= tail:
            break
        if not sender_is_intact(state):
            return LAPPED
        length = next_batch_bytes(state, tail, room)
        if length <= 0:
            return LAPPED
        target = publication_claim(publication, 1, HEAD_BYTES + length)
        if target == NOT_CONNECTED:
            state[0]["position"] = tail
        if target < 0:
            break
        frame = state[0]["frames"] + (state[0]["position"] & (state[0]["capacity"] - 1))
        journal_block.initialise(target)
        journal_block.set_epoch(target, state[0]["epoch"])
        journal_block.set_sequence(target, load_i64(frame + FRAME_SEQUENCE))
        journal_block.set_time_ns(target, now_ns)
        journal_block.set_offset_bytes(target, state[0]["position"])
        journal_block.set_length_bytes(target, length)
        copy_bytes(target + HEAD_BYTES, frame, length)
        if not sender_is_intact(state):
            publication_commit(publication, 0)
            return LAPPED
        publication_commit(publication, 1)
        state[0]["position"] += length
        state[0]["batch_count"] += 1
        sent += 1
    return sent


@kernel("int64(int64, int64, int64, int64, int64)")
def receive_frames(
    receiver: int, images_address: int, image_count: int, target: int, room: int
) -> int:
    """Copy the frames behind the receiver's place; their bytes, or ``GAP`` if the next are missing.

    What the receiver knows already is passed over, and so is what isn't of its epoch.
    """
    state = records_at(receiver, 1, RECEIVER)
    images = records_at(images_address, image_count, IMAGE)
    copied = 0
    for index in range(image_count):
        while True:
            address = image_next(images, index)
            if address == 0:
                break
            length = image_length(images, index) - HEAD_BYTES
            if (
                length <= 0
                or journal_block.get_kind(address) != journal_block.KIND
                or journal_block.get_epoch(address) != state[0]["epoch"]
            ):
                state[0]["foreign_count"] += 1
                continue
            begins = journal_block.get_offset_bytes(address)
            known = state[0]["position"] - begins
            if known >= length:
                continue
            if known < 0 or copied + length > room:
                image_put_back(images, index)
                image_release(images, index)
                if known < 0 and copied == 0:
                    state[0]["gap_count"] += 1
                    return GAP
                return copied
            copy_bytes(target + copied, address + HEAD_BYTES + known, length - known)
            if image_intact(images, index) == 0:
                # The driver withdraws this image; the next one goes on behind the gap.
                images[index]["is_open"] = 0
                break
            state[0]["position"] += length - known
            state[0]["batch_count"] += 1
            copied += length - known
        image_release(images, index)
    return copied


class JournalSender(Closing):
    """Publishes the log of one venue on a thread of its own."""

    def __init__(
        self,
        mesh: Mesh,
        ring: JournalRing,
        clock: Clock,
        *,
        channel: str = IPC_CHANNEL,
        term_bytes: int = streams.STREAMS["journal_frames"].term_bytes,
    ) -> None:
        """``channel`` is an Aeron URI: IPC, or UDP to a standby that another driver serves."""
        self.publication: Publication = mesh.add_publication(
            streams.JOURNAL_FRAMES, channel=channel, term_bytes=term_bytes
        )
        self._ring = ring
        self._clock = clock
        self._state = aligned_zeros(1, SENDER)
        record: Any = self._state[0]
        record["header"] = ring.address
        record["frames"] = ring.address + HEADER_BYTES
        record["capacity"] = ring.capacity
        record["position"] = ring.tail
        record["epoch"] = ring.epoch
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def step(self) -> int:
        """Send what was appended since the last call; how many messages went out."""
        if self.publication.needs_refresh():
            self.publication.refresh()
        sent = int(
            send_frames(
                address_of(self._state), address_of(self.publication.state), self._clock.now_ns()
            )
        )
        if sent == LAPPED:
            self._state[0]["lapped_count"] += 1
            self._state[0]["position"] = self._ring.first_frame()
            return 0
        return sent

    @property
    def stats(self) -> dict[str, int]:
        """Messages sent, and how often the ring went round before it was read."""
        return {name: int(self._state[0][name]) for name in ("batch_count", "lapped_count")}

    def start(self) -> None:
        """Send on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="journal-sender", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            if self.step() == 0:
                self._is_stopping.wait(_IDLE_SECONDS)

    def close(self) -> None:
        """Stop sending."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.publication.close()


class JournalReceiver(Closing):
    """Receives the frames of a log from a position on."""

    def __init__(
        self,
        mesh: Mesh,
        epoch: int,
        position: int,
        *,
        channel: str = IPC_CHANNEL,
        room: int = 1 << 20,
    ) -> None:
        self.subscription: Subscription = mesh.add_subscription(
            streams.JOURNAL_FRAMES, channel=channel, tether=False
        )
        self._state = aligned_zeros(1, RECEIVER)
        self._state[0]["epoch"] = epoch
        self._buffer = aligned_zeros(room, np.uint8)
        self.seek(position)

    def seek(self, position: int) -> None:
        """Go on from another place, up to which the log was read otherwise."""
        self._state[0]["position"] = position

    def read(self) -> npt.NDArray[np.uint8] | None:
        """Whole frames behind the last ones, valid until the next call; empty if there are none
        yet, None if some are missing before the next."""
        if self.subscription.needs_refresh():
            self.subscription.refresh()
        images = self.subscription.images
        count = int(
            receive_frames(
                address_of(self._state),
                address_of(images),
                len(images),
                address_of(self._buffer),
                len(self._buffer),
            )
        )
        return None if count == GAP else self._buffer[:count]

    @property
    def stats(self) -> dict[str, int]:
        """Messages taken, gaps met, and messages that weren't of this log."""
        names = ("batch_count", "gap_count", "foreign_count")
        return {name: int(self._state[0][name]) for name in names}

    def close(self) -> None:
        """Leave the stream."""
        self.subscription.close()
