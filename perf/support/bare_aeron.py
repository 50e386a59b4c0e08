"""Aeron's own C API called from compiled code: the peer of our direct access to its logs.

Each call is an ``ExternalFunction`` into the same library that the product loads; fragments arrive
in a compiled handler. Nothing of the product's transport is on this path but the set-up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from tradecaptain.base.jit import entry, inline, kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    load_acquire_i64,
    load_i64,
    pause,
    store_i64,
    zero_bytes,
)
from tradecaptain.base.system_calls import external, load_library
from tradecaptain.mesh.aeron_client import AeronClient
from tradecaptain.mesh.aeron_library import library_path
from tradecaptain.mesh.transport import with_parameter
from tradecaptain.mesh.waiting import wait_until

_I64 = types.int64
_I32 = types.int32
_WAIT_NS = 5_000_000_000
_STALL_NS = 5_000_000_000
_SPIN_MASK = 0xFFFF
_LIMIT = 64

# Compiled code that names a symbol can be loaded only where the symbol is known.
load_library(str(library_path()))
try_claim = external("aeron_exclusive_publication_try_claim", _I64(_I64, _I64, _I64))
claim_commit = external("aeron_buffer_claim_commit", _I32(_I64))
image_poll = external("aeron_image_poll", _I32(_I64, _I64, _I64, _I64))

CONTEXT_WORDS = 8
_PUBLICATION, _CLAIM, _LENGTH, _COUNT, _INDEX, _TIME = 0, 8, 32, 40, 48, 56
"""Offsets in a context: the publication, Aeron's claim (24 bytes), and what the handlers note."""


@inline
def send(context: int, index: int, time_ns: int) -> int:
    """Claim, write two words and zeros up to the end, commit; negative when Aeron refuses."""
    length = load_i64(context + _LENGTH)
    position = try_claim(load_i64(context + _PUBLICATION), length, context + _CLAIM)
    if position < 0:
        return position
    data = load_i64(context + _CLAIM + 8)
    store_i64(data, index)
    store_i64(data + 8, time_ns)
    zero_bytes(data + 16, length - 16)
    claim_commit(context + _CLAIM)
    return position


@entry(types.void(_I64, _I64, _I64, _I64))
def answer(context: int, data: int, _length: int, _header: int) -> None:
    """Fragment handler of the echo: send the first two words back."""
    while send(context, load_i64(data), load_i64(data + 8)) < 0:
        pause()


@entry(types.void(_I64, _I64, _I64, _I64))
def note(context: int, data: int, _length: int, _header: int) -> None:
    """Fragment handler of the client: keep what came."""
    store_i64(context + _COUNT, load_i64(context + _COUNT) + 1)
    store_i64(context + _INDEX, load_i64(data))
    store_i64(context + _TIME, load_i64(data + 8))


@kernel(_I64(_I64, _I64, _I64, _I64))
def bare_echo_until(stop_address: int, image: int, handler: int, context: int) -> int:
    """Poll and answer until told to stop."""
    answered = 0
    while load_acquire_i64(stop_address) == 0:
        answered += image_poll(image, handler, context, _LIMIT)
    return answered


@kernel(_I64(_I64, _I64, _I64, types.int64[::1]))
def bare_ping_pong(image: int, handler: int, context: int, latencies: Any) -> int:
    """Round trips one after the other; nanoseconds for all, or a negative number."""
    start_ns = monotonic_ns_kernel()
    for index in range(latencies.shape[0]):
        sent_ns = monotonic_ns_kernel()
        while send(context, index, sent_ns) < 0:
            pause()
        spins = 0
        before = load_i64(context + _COUNT)
        while load_i64(context + _COUNT) == before:
            image_poll(image, handler, context, _LIMIT)
            spins += 1
            if spins & _SPIN_MASK == 0 and monotonic_ns_kernel() - sent_ns > _STALL_NS:
                return -1
        if load_i64(context + _INDEX) != index:
            return -2
        latencies[index] = monotonic_ns_kernel() - load_i64(context + _TIME)
    return monotonic_ns_kernel() - start_ns


class BareEnd:
    """An exclusive publication and the one image of a subscription, as raw C handles."""

    def __init__(
        self, client: AeronClient, write_stream: int, read_stream: int, *,
        channel: str, term_bytes: int, record_bytes: int,
    ) -> None:  # fmt: skip
        self._client = client
        self._publication = self._add(
            "exclusive_publication",
            with_parameter(channel, "term-length", str(term_bytes)),
            write_stream,
        )
        null = client.library.ffi.NULL
        self._subscription = self._add("subscription", channel, read_stream, *[null] * 4)
        self._image: Any = None
        self._context = aligned_zeros(CONTEXT_WORDS, np.int64)
        self._context[_PUBLICATION // 8] = self._address(self._publication)
        self._context[_LENGTH // 8] = record_bytes

    def _address(self, handle: Any) -> int:
        return int(self._client.library.ffi.cast("intptr_t", handle))

    def _add(self, kind: str, uri: str, stream_id: int, *arguments: Any) -> Any:
        pointer = self._client.library.ffi.new("void **")
        name = f"aeron_async_add_{kind}"
        self._client.call(name, pointer, self._client.handle, uri.encode(), stream_id, *arguments)
        pending = pointer[0]
        if not wait_until(
            lambda: self._client.call(f"{name}_poll", pointer, pending) == 1, _WAIT_NS
        ):
            raise RuntimeError(f"the driver did not add a {kind}")
        return pointer[0]

    def wait_for_image(self) -> None:
        """Wait for the writer of the stream that this end reads."""
        functions = self._client.library.functions

        def found() -> bool:
            self._image = functions.aeron_subscription_image_at_index(self._subscription, 0)
            return bool(
                self._image != self._client.library.ffi.NULL
                and functions.aeron_exclusive_publication_is_connected(self._publication)
            )

        if not wait_until(found, _WAIT_NS):
            raise RuntimeError("the bare streams did not connect")

    @property
    def image(self) -> int:
        """The C image."""
        return self._address(self._image)

    @property
    def context(self) -> int:
        """Address of the record that the handlers are given."""
        return address_of(self._context)
