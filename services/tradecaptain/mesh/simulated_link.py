"""Publications, subscriptions, and the links between them, of the simulated transport."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    copy_bytes,
    load_acquire_i64,
    load_i32,
    store_i64,
    store_release_i32,
    store_release_i64,
    zero_bytes,
)
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.layout import (
    FRAME_ALIGNMENT,
    IMAGE,
    METADATA_ACTIVE_TERM_COUNT,
    METADATA_IS_CONNECTED,
    PADDING_WORD,
    PARTITION_COUNT,
    PUBLICATION,
    log_length,
)
from tradecaptain.mesh.listening import Announcer
from tradecaptain.mesh.publication import publication_position, wrap_i32
from tradecaptain.mesh.state import LogPlace, choose_slot, open_image_state, open_publication_state

_WATCH_CRANKS = 4
"""Cranks for which an untethered reader may lag before it is dropped."""
_LOW_32_BITS = 0xFFFFFFFF


class SimulatedLog:
    """Three terms and a metadata page in this process's memory."""

    def __init__(self, term_length: int, session_id: int, initial_term_id: int) -> None:
        self._memory = aligned_zeros(log_length(term_length), np.uint8)
        self.place = LogPlace(
            address_of(self._memory), term_length, session_id, wrap_i32(initial_term_id)
        )
        self.term_length = term_length
        self.clean_position = 0
        for partition in range(PARTITION_COUNT):
            term_id = wrap_i32(self.place.initial_term_id + partition - PARTITION_COUNT)
            store_i64(self.place.metadata_address + 8 * partition, term_id << 32)
        store_i64(self.place.metadata_address, self.place.initial_term_id << 32)

    def address_at(self, position: int) -> int:
        """Address of the byte at a stream position."""
        partition = position // self.term_length % PARTITION_COUNT
        return self.place.address + partition * self.term_length + position % self.term_length

    def producer_position(self) -> int:
        """Where the writer is, as its tail counters tell."""
        count = load_i32(self.place.metadata_address + METADATA_ACTIVE_TERM_COUNT)
        tail = load_acquire_i64(self.place.metadata_address + 8 * (count % PARTITION_COUNT))
        return int(count * self.term_length + min(tail & _LOW_32_BITS, self.term_length))

    def wipe(self) -> None:
        """Lose everything, as a reader that was lapped sees its log overwritten."""
        zero_bytes(self.place.address, PARTITION_COUNT * self.term_length)

    def clean_to(self, position: int) -> None:
        """Wipe everything from the last cleaned position to ``position``."""
        while self.clean_position < position:
            term_end = (self.clean_position // self.term_length + 1) * self.term_length
            end = min(term_end, position)
            zero_bytes(self.address_at(self.clean_position), end - self.clean_position)
            self.clean_position = end


class SimulatedPublication(Announcer, Closing):
    """One writer's log of a stream."""

    def __init__(
        self,
        stream_id: int,
        channel: str,
        term_length: int,
        *,
        session_id: int,
        initial_term_id: int,
        max_payload_length: int,
        driver_generation: int,
    ) -> None:
        super().__init__()
        self.stream_id = stream_id
        self.channel = channel
        self.is_closed = False
        self.is_drained = False
        self._max_payload_length = max_payload_length
        self._term_length = term_length
        self._session_id = session_id
        self._initial_term_id = initial_term_id
        self._driver_generation = driver_generation
        self._open_generation = 0
        self._state = aligned_zeros(1, PUBLICATION)
        self._limit = aligned_zeros(1, np.int64)
        self.log = SimulatedLog(term_length, session_id, initial_term_id)
        self.refresh()

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one, the same object for life."""
        return self._state

    @property
    def position(self) -> int:
        """Position of the next record."""
        return int(publication_position(self._state))

    @property
    def generation(self) -> int:
        """Grows each time the driver gives this publication a new log."""
        return int(self._state[0]["generation"])

    @property
    def is_connected(self) -> bool:
        """Whether a reader is attached."""
        return load_i32(self.log.place.metadata_address + METADATA_IS_CONNECTED) == 1

    def needs_refresh(self) -> bool:
        """Whether the driver was restarted since the last refresh."""
        return not self.is_closed and self._open_generation != self._driver_generation

    def refresh(self) -> bool:
        """Write to a new log after a restart of the driver."""
        if not self.needs_refresh():
            return False
        self._open_generation = self._driver_generation
        self.log = SimulatedLog(self._term_length, self._session_id, self._initial_term_id)
        self._limit = aligned_zeros(1, np.int64)
        open_publication_state(
            self._state,
            self.log.place,
            stream_id=self.stream_id,
            limit_address=address_of(self._limit),
            max_payload_length=self._max_payload_length,
            position=0,
        )
        return True

    def lose(self, driver_generation: int) -> None:
        """The driver is gone: the log stands still until the next refresh."""
        self._driver_generation = driver_generation
        self._state[0]["is_open"] = 0
        store_release_i32(self.log.place.metadata_address + METADATA_IS_CONNECTED, 0)
        self.announce()

    def move_limit(self, links: Sequence[SimulatedLink], *, is_held: bool) -> None:
        """Give room beyond the slowest of the active readers and wipe what all have taken."""
        store_release_i32(
            self.log.place.metadata_address + METADATA_IS_CONNECTED, 1 if links else 0
        )
        self.is_drained = self.is_closed and all(link.is_finished for link in links)
        if is_held:
            return
        producer = self.log.producer_position()
        slowest = min((link.reader_position() for link in links), default=producer)
        window = self._term_length // 2 if links else 0
        self.log.clean_to(min([link.delivered_position for link in links], default=producer))
        store_release_i64(address_of(self._limit), slowest + window)

    def close(self) -> None:
        """Take no more records; readers still get what was written."""
        self.is_closed = True
        self._state[0]["is_open"] = 0


class SimulatedSubscription(Announcer, Closing):
    """All writers of a stream."""

    def __init__(
        self,
        stream_id: int,
        channel: str,
        tether: bool,
        image_capacity: int,
        images: npt.NDArray[Any] | None,
    ) -> None:
        super().__init__()
        self.stream_id = stream_id
        self.channel = channel
        self.tether = tether
        self.is_closed = False
        self._images = aligned_zeros(image_capacity, IMAGE) if images is None else images
        self._opened: dict[SimulatedLink, int] = {}
        self.links: list[SimulatedLink] = []

    @property
    def images(self) -> npt.NDArray[Any]:
        """Record array of the images, the same object for life."""
        return self._images

    @property
    def image_count(self) -> int:
        """How many writers are attached, as of the last refresh."""
        return len(self._opened)

    def needs_refresh(self) -> bool:
        """Whether images came or went since the last refresh."""
        return not self.is_closed and set(self.links) != set(self._opened)

    def refresh(self) -> bool:
        """Take over the images that the driver announced or withdrew."""
        if not self.needs_refresh():
            return False
        for link in [link for link in self._opened if link not in self.links]:
            self._images[self._opened.pop(link)]["is_open"] = 0
        for link in self.links:
            if link in self._opened:
                continue
            index = choose_slot(self._images, link.log.place.session_id)
            if index is not None:
                self._opened[link] = index
                open_image_state(
                    self._images,
                    index,
                    link.log.place,
                    position_address=link.position_address,
                    join_position=link.join_position,
                )
        return True

    def close(self) -> None:
        """Leave all streams."""
        self.is_closed = True
        for index in self._opened.values():
            self._images[index]["is_open"] = 0
        self._opened.clear()
        for link in list(self.links):
            link.close()


class SimulatedLink:
    """One writer's stream on its way to one reader, with a log of the reader's own."""

    def __init__(
        self, publication: SimulatedPublication, subscription: SimulatedSubscription
    ) -> None:
        self.publication = publication
        self.subscription = subscription
        self.is_closed = False
        self._lag_cranks = 0
        place = publication.log.place
        self.log = SimulatedLog(place.term_length, place.session_id, place.initial_term_id)
        self.join_position = self.delivered_position = self.publication.log.producer_position()
        self.log.clean_position = self.join_position
        self._position = aligned_zeros(1, np.int64)
        self._position[0] = self.join_position
        self.position_address = address_of(self._position)
        """Address of the subscriber position."""
        subscription.links.append(self)
        subscription.announce()

    @property
    def is_finished(self) -> bool:
        """Whether the reader has taken everything there is."""
        return self.is_closed or self.reader_position() >= self.publication.log.producer_position()

    @property
    def is_obsolete(self) -> bool:
        """Whether the reader is gone, or the writer is and everything was read."""
        return self.subscription.is_closed or (self.publication.is_closed and self.is_finished)

    def reader_position(self) -> int:
        """Up to where the reader has released."""
        return int(load_acquire_i64(self.position_address))

    def deliver(
        self, source: random.Random, loss_probability: float, frames_max: int | None
    ) -> int:
        """Copy committed frames into the reader's log; returns how many."""
        self.log.clean_to(self.reader_position())
        delivered = 0
        while frames_max is None or delivered < frames_max:
            frame = self.publication.log.address_at(self.delivered_position)
            word = load_acquire_i64(frame)
            length = word & _LOW_32_BITS
            if length == 0 or length > 0x7FFFFFFF:
                break
            target = self.log.address_at(self.delivered_position)
            copy_bytes(target + 8, frame + 8, length - 8)
            if loss_probability > 0 and source.random() < loss_probability:
                word = length | PADDING_WORD
            store_release_i64(target, word)
            self.delivered_position += (length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT
            delivered += 1
        return delivered

    def is_lapped(self) -> bool:
        """Whether an untethered reader has lagged by most of the window for several cranks."""
        window = self.log.term_length // 2
        behind = self.publication.log.producer_position() - self.reader_position()
        self._lag_cranks = self._lag_cranks + 1 if behind > window * 3 // 4 else 0
        return not self.subscription.tether and self._lag_cranks > _WATCH_CRANKS

    def close(self) -> None:
        """Cut the reader off."""
        self.is_closed = True
        if self in self.subscription.links:
            self.subscription.links.remove(self)
            self.subscription.announce()
