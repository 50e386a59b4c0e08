"""Publications, subscriptions, and the links between them, of the simulated transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    load_acquire_i64,
    load_i32,
    store_i64,
    store_release_i32,
    store_release_i64,
    zero_bytes,
)
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.layout import (
    IMAGE,
    METADATA_IS_CONNECTED,
    PARTITION_COUNT,
    PUBLICATION,
    log_length,
)
from tradecaptain.mesh.listening import Announcer
from tradecaptain.mesh.publication import publication_position, wrap_i32
from tradecaptain.mesh.simulated_driver import (
    LINK,
    LOG,
    drive_publication,
    log_producer_position,
)
from tradecaptain.mesh.state import LogPlace, choose_slot, open_image_state, open_publication_state

_PLACES = {name: place for place, name in enumerate(LINK.names or ())}
_IS_DELIVERING = _PLACES["is_delivering"]
_IS_LAPPED = _PLACES["is_lapped"]
_RANDOM_STATE = _PLACES["random_state"]
_DELIVERED_POSITION = _PLACES["delivered_position"]


class SimulatedLog:
    """Three terms and a metadata page in this process's memory."""

    def __init__(self, term_length: int, session_id: int, initial_term_id: int) -> None:
        self._memory = aligned_zeros(log_length(term_length), np.uint8)
        self.place = LogPlace(
            address_of(self._memory), term_length, session_id, wrap_i32(initial_term_id)
        )
        self.record = aligned_zeros(1, LOG)
        """What kernels know of it."""
        self.record_address = address_of(self.record)
        self.record[0] = (self.place.address, self.place.metadata_address, term_length, 0, 0, 0)
        for partition in range(PARTITION_COUNT):
            term_id = wrap_i32(self.place.initial_term_id + partition - PARTITION_COUNT)
            store_i64(self.place.metadata_address + 8 * partition, term_id << 32)
        store_i64(self.place.metadata_address, self.place.initial_term_id << 32)

    def producer_position(self) -> int:
        """Where the writer is, as its tail counters tell."""
        return int(log_producer_position(self.record))

    def wipe(self) -> None:
        """Lose everything, as a reader that was lapped sees its log overwritten."""
        zero_bytes(self.place.address, PARTITION_COUNT * self.place.term_length)


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
        outruns_readers: bool,
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
        self._limit_address = address_of(self._limit)
        self._outruns_readers = outruns_readers
        self._pacer = aligned_zeros(1, np.int64)
        self.log = SimulatedLog(term_length, session_id, initial_term_id)
        self.follow(())
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
        self._limit_address = address_of(self._limit)
        open_publication_state(
            self._state,
            self.log.place,
            stream_id=self.stream_id,
            limit_address=self._limit_address,
            max_payload_length=self._max_payload_length,
            position=0,
        )
        if self._outruns_readers:
            self._pacer = aligned_zeros(1, np.int64)
            self._state[0]["pacer_address"] = address_of(self._pacer)
            self.log.record[0]["pacer_address"] = address_of(self._pacer)
        return True

    def lose(self, driver_generation: int) -> None:
        """The driver is gone: the log stands still until the next refresh."""
        self._driver_generation = driver_generation
        self._state[0]["is_open"] = 0
        store_release_i32(self.log.place.metadata_address + METADATA_IS_CONNECTED, 0)
        self.announce()

    def follow(self, links: Sequence[SimulatedLink]) -> None:
        """From now on these are its readers."""
        self._links = list(links)
        self._link_addresses = np.array([link.address for link in links], dtype=np.int64)
        self._links_address = address_of(self._link_addresses)

    def join_position(self) -> int:
        """Where a new reader begins: at the slowest of those that the driver knows, or, without
        any, where the furthest had come to."""
        positions = [link.reader_position() for link in self._links if not link.is_lapped]
        if self._outruns_readers:
            positions.append(int(self._pacer[0]))
        return min(positions, default=int(self.log.record[0]["consumer_position"]))

    def furthest_reader(self) -> int:
        """How far the furthest of its readers has read, those included that were killed."""
        return max((link.reader_position() for link in self._links), default=0)

    def drive(self, frames_max: int, loss: int, *, is_held: bool) -> int:
        """Do what the driver does for it in one step; see :func:`drive_publication`."""
        delivered = drive_publication(
            self.log.record_address,
            self._links_address,
            len(self._links),
            frames_max,
            loss,
            0 if is_held else self._limit_address,
        )
        if self.is_closed:
            self.is_drained = all(link.is_finished for link in self._links)
        return int(delivered)

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
        takes_over: bool,
    ) -> None:
        super().__init__()
        self.stream_id = stream_id
        self.channel = channel
        self.tether = tether
        self.is_closed = False
        self._takes_over = takes_over
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
                if self._takes_over:
                    link.skip_to(link.publication.furthest_reader())
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
        place = publication.log.place
        self.log = SimulatedLog(place.term_length, place.session_id, place.initial_term_id)
        self.join_position = publication.join_position()
        self.log.record["clean_position"] = self.join_position
        self._position = aligned_zeros(1, np.int64)
        self._position[0] = self.join_position
        self.position_address = address_of(self._position)
        """Address of the subscriber position."""
        self._record = aligned_zeros(1, LINK)
        self._record["log"] = self.log.record_address
        self._record["position_address"] = self.position_address
        self._record["delivered_position"] = self.join_position
        self._record["is_tethered"] = subscription.tether
        self.address = address_of(self._record)
        """Address of its LINK record."""
        self._words = memoryview(self._record.view(np.int64))
        subscription.links.append(self)
        subscription.announce()

    @property
    def is_finished(self) -> bool:
        """Whether the reader has taken everything there is."""
        return self.is_closed or self.reader_position() >= self.publication.log.producer_position()

    @property
    def is_obsolete(self) -> bool:
        """Whether the reader is gone, or the writer is and all have read everything."""
        return self.subscription.is_closed or self.publication.is_drained

    def reader_position(self) -> int:
        """Up to where the reader has released."""
        return int(load_acquire_i64(self.position_address))

    def skip_to(self, position: int) -> None:
        """Read nothing before a position."""
        if position > self.reader_position():
            store_release_i64(self.position_address, position)
            given = self._words[_DELIVERED_POSITION]
            self._words[_DELIVERED_POSITION] = max(given, position)

    def allow(self, is_delivering: bool, random_state: int) -> None:
        """Say whether the next step delivers anything, and where its losses come from."""
        self._words[_IS_DELIVERING] = is_delivering
        self._words[_RANDOM_STATE] = random_state

    @property
    def is_lapped(self) -> bool:
        """Whether an untethered reader has lagged behind another for several cranks."""
        return self._words[_IS_LAPPED] != 0

    def close(self) -> None:
        """Cut the reader off."""
        self.is_closed = True
        if self in self.subscription.links:
            self.subscription.links.remove(self)
            self.subscription.announce()
