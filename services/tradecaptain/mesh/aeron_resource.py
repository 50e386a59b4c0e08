"""What publications and subscriptions share: opening without blocking, and opening again."""

from __future__ import annotations

from typing import Any

from tradecaptain.mesh.aeron_client import AeronClient
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.listening import Announcer


class AeronResource(Announcer, Closing):
    """A thing registered with the driver, which survives the driver by being registered again."""

    add_function: str
    poll_function: str

    def __init__(self, client: AeronClient, stream_id: int, channel: str, uri: str) -> None:
        super().__init__()
        self.client = client
        self.stream_id = stream_id
        self.channel = channel
        self._uri = uri.encode()
        self._client_generation = 0
        self._pending: Any = None
        self._handle: Any = None
        self._is_closed = False
        self._was_open = False

    @property
    def is_open(self) -> bool:
        """Whether the driver has it."""
        return self._handle is not None

    def _attach(self) -> None:
        """Take over what the driver has just opened; called with the client's lock held."""
        raise NotImplementedError

    def _detach(self) -> bool:
        """Mark everything closed for kernels; true if anything was open."""
        raise NotImplementedError

    def _update(self) -> bool:
        """Take over changes while open; true if there were any."""
        raise NotImplementedError

    def _release(self) -> None:
        """Give the C objects back; called with the client's lock held and the client alive."""
        raise NotImplementedError

    def _is_stale(self) -> bool:
        return self._client_generation != self.client.generation or self.client.is_lost

    def needs_refresh(self) -> bool:
        """Whether the driver, an image or the registration changed since the last refresh."""
        with self.client.lock:
            if self._is_closed:
                return False
            return self._handle is None or self._is_stale() or self._has_changed()

    def _has_changed(self) -> bool:
        raise NotImplementedError

    def refresh(self) -> bool:
        """Take over what changed outside; true if anything did.

        Call it on the thread that runs kernels over this state. Raises :class:`MeshError` only
        while it has never been open; later failures are kept in the client's errors.
        """
        with self.client.lock:
            if self._is_closed:
                return False
            if self._is_stale():
                changed = self._detach()
                self._handle = self._pending = None
                if not self.client.revive():
                    return changed
                self._client_generation = self.client.generation
            try:
                return self._advance()
            except MeshError as error:
                self._pending = None
                if not self._was_open:
                    raise
                self.client.errors.append(error.message)
                return False

    def _advance(self) -> bool:
        pointer = self.client.library.ffi.new("void **")
        if self._handle is not None:
            return self._update()
        if self._pending is None:
            self.client.call(
                self.add_function, pointer, self.client.handle, self._uri, *self._add_arguments()
            )
            self._pending = pointer[0]
        if self.client.call(self.poll_function, pointer, self._pending) == 0:
            return False
        self._pending = None
        self._handle = pointer[0]
        self._was_open = True
        self._attach()
        return True

    def _add_arguments(self) -> tuple[Any, ...]:
        return (self.stream_id,)

    def close(self) -> None:
        """Give it back to the driver; kernels see a closed state from now on."""
        with self.client.lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._detach()
            if self._handle is not None and not self._is_stale():
                self._release()
            self._handle = self._pending = None
