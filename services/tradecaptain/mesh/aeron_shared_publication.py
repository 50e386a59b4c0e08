"""A publication that several threads and processes write: Aeron's own, through its C functions.

Writers of one shared publication meet in one log, which only Aeron's atomic tail can keep in order,
so nothing here touches the log directly. It is for cold paths with many writers; the hot paths have
an exclusive publication for each writer.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, Self

import numpy.typing as npt
from tradecaptain.mesh.aeron_client import AeronClient
from tradecaptain.mesh.aeron_resource import AeronResource
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.status import CLOSED, status_name
from tradecaptain.mesh.transport import with_parameter

_AERON_ERROR: Final = -6
"""Aeron's result for a bad argument; its message says which."""


class SharedClaim:
    """Room for one record; it is published at the end of the block, or dropped if that raises."""

    def __init__(self, publication: AeronSharedPublication, claim: Any, position: int) -> None:
        self._publication = publication
        self._claim = claim
        self.position = position

    @property
    def buffer(self) -> memoryview:
        """The record's bytes, valid inside the block."""
        buffer = self._publication.client.library.ffi.buffer(self._claim.data, self._claim.length)
        return memoryview(buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._publication.finish_claim(self._claim, is_whole=kind is None)


class AeronSharedPublication(AeronResource):
    """A concurrent publication; its methods may be called from any thread."""

    add_function = "aeron_async_add_publication"
    poll_function = "aeron_async_add_publication_poll"

    def __init__(self, client: AeronClient, stream_id: int, channel: str, term_bytes: int) -> None:
        super().__init__(
            client, stream_id, channel, with_parameter(channel, "term-length", str(term_bytes))
        )

    @property
    def is_connected(self) -> bool:
        """Whether a subscriber is attached."""
        with self.client.lock:
            return self._is_usable() and bool(
                self.client.library.functions.aeron_publication_is_connected(self._handle)
            )

    def _is_usable(self) -> bool:
        return self._handle is not None and not self._is_stale()

    def offer(self, record: bytes | npt.NDArray[Any]) -> int:
        """Publish a copy of one record; the new position, or a negative status to try again by."""
        library = self.client.library
        with self.client.lock:
            if not self._is_usable():
                return CLOSED
            data = library.ffi.from_buffer("uint8_t[]", record)
            null = library.ffi.NULL
            result = library.functions.aeron_publication_offer(
                self._handle, data, len(data), null, null
            )
            return self._checked(int(result))

    def try_claim(self, length: int) -> SharedClaim:
        """Claim room for a record to be written in place, in a ``with`` block.

        :class:`MeshError` names the status when there is none: claims are for callers that offer
        again later.
        """
        library = self.client.library
        with self.client.lock:
            if not self._is_usable():
                raise MeshError(f"stream {self.stream_id}: {status_name(CLOSED)}")
            claim = library.ffi.new("aeron_buffer_claim_t *")
            result = self._checked(
                int(library.functions.aeron_publication_try_claim(self._handle, length, claim))
            )
            if result < 0:
                raise MeshError(f"stream {self.stream_id}: {status_name(result)}")
            return SharedClaim(self, claim, result)

    def finish_claim(self, claim: Any, *, is_whole: bool) -> None:
        """Publish or drop a claimed record; a claim of a lost driver is gone with its log."""
        with self.client.lock:
            if self._is_usable():
                outcome = "commit" if is_whole else "abort"
                self.client.call(f"aeron_buffer_claim_{outcome}", claim)

    def _checked(self, result: int) -> int:
        """Pass positions and retryable statuses on; raise for what Aeron calls an error."""
        if result == _AERON_ERROR:
            raise MeshError(f"stream {self.stream_id}: {self.client.library.error_message()}")
        return result

    def _attach(self) -> None:
        """Nothing is mapped: writing goes through the C client."""

    def _has_changed(self) -> bool:
        return bool(self.client.library.functions.aeron_publication_is_closed(self._handle))

    def _update(self) -> bool:
        if not self._has_changed():
            return False
        self._handle = None
        return True

    def _detach(self) -> bool:
        return self._handle is not None

    def _release(self) -> None:
        null = self.client.library.ffi.NULL
        self.client.call("aeron_publication_close", self._handle, null, null)
