"""Aeron's own C client through cffi, to check that it and our direct access agree."""

from typing import Any

from support.wait import wait_until
from tradecaptain.mesh.aeron_client import AeronClient


class CApi:
    """Publications and subscriptions used only through the C functions."""

    def __init__(self, client: AeronClient) -> None:
        self.client = client
        self.functions = client.library.functions
        self.ffi = client.library.ffi
        self.received: list[bytes] = []
        self._handler = self.ffi.callback(
            "void(void *, const uint8_t *, size_t, void *)", self._on_fragment
        )

    def _on_fragment(self, _clientd: Any, buffer: Any, length: int, _header: Any) -> None:
        self.received.append(bytes(self.ffi.buffer(buffer, length)))

    def add(self, kind: str, uri: str, stream_id: int) -> Any:
        """Add a ``publication``, ``exclusive_publication`` or ``subscription``."""
        pointer = self.ffi.new("void **")
        name = f"aeron_async_add_{kind}"
        extra = [self.ffi.NULL] * 4 if kind == "subscription" else []
        self.client.call(name, pointer, self.client.handle, uri.encode(), stream_id, *extra)
        pending = pointer[0]
        wait_until(lambda: self.client.call(f"{name}_poll", pointer, pending))
        return pointer[0]

    def offer(self, kind: str, publication: Any, payload: bytes) -> int:
        """Offer until it is taken, for a bounded time; the new position."""

        def attempt() -> int:
            result: int = getattr(self.functions, f"aeron_{kind}_offer")(
                publication, payload, len(payload), self.ffi.NULL, self.ffi.NULL
            )
            return max(result, 0)

        return wait_until(attempt)

    def image_of(self, subscription: Any) -> Any:
        """The first image, once there is one."""
        return wait_until(
            lambda: self.functions.aeron_subscription_image_at_index(subscription, 0) or None
        )

    def poll(self, image: Any, limit: int = 4096) -> int:
        """Take fragments into :attr:`received`."""
        return int(self.client.call("aeron_image_poll", image, self._handler, self.ffi.NULL, limit))
