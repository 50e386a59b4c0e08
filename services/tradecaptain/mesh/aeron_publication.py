"""An exclusive Aeron publication whose log this process writes directly."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from tradecaptain.base.memory import aligned_zeros
from tradecaptain.mesh.aeron_client import AeronClient
from tradecaptain.mesh.aeron_resource import AeronResource
from tradecaptain.mesh.aeron_subscription import AeronSubscription
from tradecaptain.mesh.layout import METADATA_IS_CONNECTED, PUBLICATION
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.publication import publication_position
from tradecaptain.mesh.state import LogPlace, open_publication_state
from tradecaptain.mesh.transport import with_parameter


class AeronPublication(AeronResource):
    """One writer's log of a stream; see :class:`tradecaptain.mesh.transport.Publication`."""

    add_function = "aeron_async_add_exclusive_publication"
    poll_function = "aeron_async_add_exclusive_publication_poll"

    def __init__(
        self,
        client: AeronClient,
        stream_id: int,
        channel: str,
        term_bytes: int,
        *,
        outruns_readers: bool = False,
    ) -> None:
        super().__init__(
            client, stream_id, channel, with_parameter(channel, "term-length", str(term_bytes))
        )
        self._state = aligned_zeros(1, PUBLICATION)
        self._log: MappedFile | None = None
        self._counters: MappedFile | None = None
        self._outruns_readers = outruns_readers
        self._pacer: AeronSubscription | None = None

    @property
    def is_open(self) -> bool:
        """Whether the driver has it, and its own reader if it is to have one."""
        return self._handle is not None and not self._lacks_pacer()

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
        """Grows each time a driver gives this publication a new log."""
        return int(self._state[0]["generation"])

    @property
    def is_connected(self) -> bool:
        """Whether a subscriber is attached."""
        if self._log is None or self._state[0]["is_open"] == 0:
            return False
        offset = int(self._state[0]["metadata_address"]) - self._log.address
        return bool(self._log.array("<i4", 1, offset + METADATA_IS_CONNECTED)[0] == 1)

    def _attach(self) -> None:
        constants = self.client.library.ffi.new("aeron_publication_constants_t *")
        self.client.call("aeron_exclusive_publication_constants", self._handle, constants)
        position = self.client.call("aeron_exclusive_publication_position", self._handle)
        self._log = self.client.map_log(constants.original_registration_id, writable=True)
        self._counters = self.client.counters_file()
        open_publication_state(
            self._state,
            LogPlace(
                self._log.address,
                constants.term_buffer_length,
                constants.session_id,
                constants.initial_term_id,
            ),
            stream_id=constants.stream_id,
            limit_address=self.client.counter_address(
                self._counters, constants.publication_limit_counter_id
            ),
            max_payload_length=constants.max_payload_length,
            position=position,
        )
        if self._outruns_readers:
            own = with_parameter(self.channel, "session-id", str(constants.session_id))
            self._pacer = AeronSubscription(self.client, self.stream_id, own, True, 1, None)
            self._pacer.on_change(self.announce)

    def _is_withdrawn(self) -> bool:
        return bool(
            self.client.library.functions.aeron_exclusive_publication_is_closed(self._handle)
        )

    def _lacks_pacer(self) -> bool:
        return self._outruns_readers and self._state[0]["pacer_address"] == 0

    def _has_changed(self) -> bool:
        pacer_has_changed = self._pacer is not None and self._pacer.needs_refresh()
        return self._is_withdrawn() or pacer_has_changed

    def _update(self) -> bool:
        if self._is_withdrawn():
            changed = self._detach()
            self._handle = None
            return changed
        if self._pacer is None:
            return False
        changed = self._pacer.refresh()
        image = self._pacer.images[0]
        self._state[0]["pacer_address"] = image["position_address"] if image["is_open"] else 0
        return changed

    def _detach(self) -> bool:
        was_open = bool(self._state[0]["is_open"])
        self._state[0]["is_open"] = 0
        self._state[0]["pacer_address"] = 0
        if self._pacer is not None:
            self._pacer.close()
            self._pacer = None
        return was_open

    def _release(self) -> None:
        null = self.client.library.ffi.NULL
        self.client.call("aeron_exclusive_publication_close", self._handle, null, null)
