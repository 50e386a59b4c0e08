"""An Aeron subscription whose images this process reads directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from tradecaptain.base.memory import aligned_zeros, load_acquire_i64, store_release_i64
from tradecaptain.mesh.aeron_client import AeronClient
from tradecaptain.mesh.aeron_resource import AeronResource
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.layout import IMAGE
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.state import LogPlace, choose_slot, open_image_state
from tradecaptain.mesh.transport import with_parameter


@dataclass(slots=True)
class _Slot:
    """The C image behind one record of the image array."""

    handle: Any
    log: MappedFile
    counters: MappedFile


class AeronSubscription(AeronResource):
    """All writers of a stream; see :class:`tradecaptain.mesh.transport.Subscription`."""

    add_function = "aeron_async_add_subscription"
    poll_function = "aeron_async_add_subscription_poll"

    def __init__(
        self,
        client: AeronClient,
        stream_id: int,
        channel: str,
        tether: bool,
        image_capacity: int,
        images: npt.NDArray[Any] | None,
        *,
        takes_over: bool = False,
    ) -> None:
        uri = channel if tether else with_parameter(channel, "tether", "false")
        super().__init__(client, stream_id, channel, uri)
        self._images = aligned_zeros(image_capacity, IMAGE) if images is None else images
        self._slots: list[_Slot | None] = [None] * len(self._images)
        self._refused_sessions: set[int] = set()
        self._takes_over = takes_over
        # Called on the thread of the client's conductor. It must not wait for the client's lock,
        # whose holder may wait for the conductor.
        self._image_callback = client.callback(
            "void(void *, void *, void *)", lambda _clientd, _subscription, _image: self.announce()
        )

    @property
    def images(self) -> npt.NDArray[Any]:
        """Record array of the images, the same object for life."""
        return self._images

    @property
    def image_count(self) -> int:
        """How many writers are attached, as of the last refresh."""
        return sum(slot is not None for slot in self._slots)

    def _add_arguments(self) -> tuple[Any, ...]:
        null = self.client.library.ffi.NULL
        return (self.stream_id, self._image_callback, null, self._image_callback, null)

    def _key(self, handle: Any) -> int:
        return int(self.client.library.ffi.cast("intptr_t", handle))

    def _retained_images(self) -> dict[int, Any]:
        """The images that the client lists now, each to be released once."""
        functions = self.client.library.functions
        found = {}
        for index in range(functions.aeron_subscription_image_count(self._handle)):
            image = functions.aeron_subscription_image_at_index(self._handle, index)
            if image != self.client.library.ffi.NULL:
                found[self._key(image)] = image
        return found

    def _release_image(self, image: Any) -> None:
        self.client.library.functions.aeron_subscription_image_release(self._handle, image)

    def _held(self) -> set[int]:
        return {self._key(slot.handle) for slot in self._slots if slot is not None}

    def _has_changed(self) -> bool:
        listed = self._retained_images()
        for image in listed.values():
            self._release_image(image)
        return listed.keys() != self._held() | (listed.keys() & self._refused_sessions)

    def _attach(self) -> None:
        self._update()

    def _update(self) -> bool:
        listed = self._retained_images()
        changed = False
        for index, slot in enumerate(self._slots):
            if slot is not None and self._key(slot.handle) not in listed:
                self._close_slot(index)
                self._release_image(slot.handle)
                changed = True
        held = self._held()
        for key, image in listed.items():
            if key in held or not self._open_slot(key, image):
                self._release_image(image)
            else:
                changed = True
        return changed

    def _close_slot(self, index: int) -> None:
        self._images[index]["is_open"] = 0
        self._slots[index] = None

    def _open_slot(self, key: int, handle: Any) -> bool:
        constants = self.client.library.ffi.new("aeron_image_constants_t *")
        self.client.call("aeron_image_constants", handle, constants)
        index = choose_slot(self._images, constants.session_id)
        if index is None:
            if key not in self._refused_sessions:
                self._refused_sessions.add(key)
                self.client.errors.append(
                    f"stream {self.stream_id} has more writers than its "
                    f"{len(self._slots)} image slots; session {constants.session_id} is not read"
                )
            return False
        try:
            log = self.client.map_log(constants.correlation_id, writable=False)
        except (MeshError, FileNotFoundError):
            # The writer went away between the list and the map; the list will say so too.
            return False
        counters = self.client.counters_file()
        self._slots[index] = _Slot(handle, log, counters)
        position_address = self.client.counter_address(counters, constants.subscriber_position_id)
        if self._takes_over:
            self._take_over(counters, position_address, constants.session_id)
        open_image_state(
            self._images,
            index,
            LogPlace(
                log.address,
                constants.term_buffer_length,
                constants.session_id,
                constants.initial_term_id,
            ),
            position_address=position_address,
            join_position=constants.join_position,
        )
        return True

    def _take_over(self, counters: MappedFile, position_address: int, session_id: int) -> None:
        """Begin where the furthest reader of the writer's stream had come to.

        A driver has a new reader join at the slowest one, and keeps a killed one for some seconds:
        what another has read since then would be read again.
        """
        furthest = self.client.furthest_reader(counters, session_id, self.stream_id)
        if furthest > load_acquire_i64(position_address):
            store_release_i64(position_address, furthest)

    def _detach(self) -> bool:
        """Close all slots; with the client alive their C images go back with the subscription."""
        was_open = self.image_count > 0
        alive = self._handle is not None and not self._is_stale()
        for index, slot in enumerate(self._slots):
            if slot is not None:
                self._close_slot(index)
                if alive:
                    self._release_image(slot.handle)
        return was_open

    def _release(self) -> None:
        null = self.client.library.ffi.NULL
        self.client.call("aeron_subscription_close", self._handle, null, null)
