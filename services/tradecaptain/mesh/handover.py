"""From a compiled agent to an asyncio loop: a bounded ring in memory, and an eventfd to wake it.

One producer, one consumer. The producer writes the eventfd only when the consumer has said that it
sleeps, so a busy stream costs no system calls. A full ring refuses and counts; nothing is lost
silently, the producer decides.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    copy_bytes,
    fence,
    load_acquire_i64,
    store_release_i64,
)
from tradecaptain.base.system_calls import eventfd_signal
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.errors import MeshError

_LINE: Final = 64
_HEAD: Final = 1 * _LINE
_TAIL: Final = 2 * _LINE
_ARMED: Final = 3 * _LINE

HANDOVER: Final = np.dtype(
    {
        "names": [
            "address", "slots_address", "slot_bytes", "capacity", "descriptor",
            "head", "tail_seen", "full_count", "signal_count", "tail", "armed",
        ],
        "formats": ["<i8"] * 11,
        "offsets": [
            0, 8, 16, 24, 32,
            _HEAD, _HEAD + 8, _HEAD + 16, _HEAD + 24, _TAIL, _ARMED,
        ],
        "itemsize": 4 * _LINE,
    }
)  # fmt: skip
"""State of a ring; what the producer, the consumer and both write lies on lines of its own."""
HANDOVER_TYPE: Final[Any] = numba.from_dtype(HANDOVER)[::1]

BATCH_MAX: Final = 1024
"""Most slots in one batch that the loop is given."""


@inline
def handover_room(state: Any) -> int:
    """How many slots are free, at least; looks at the consumer only when few seem to be."""
    capacity = state[0]["capacity"]
    free = capacity - (state[0]["head"] - state[0]["tail_seen"])
    if free < 2:
        state[0]["tail_seen"] = load_acquire_i64(state[0]["address"] + _TAIL)
        free = capacity - (state[0]["head"] - state[0]["tail_seen"])
    return free


@inline
def handover_waiting(state: Any) -> int:
    """How many slots the consumer has still to take."""
    state[0]["tail_seen"] = load_acquire_i64(state[0]["address"] + _TAIL)
    return state[0]["head"] - state[0]["tail_seen"]


@inline
def handover_claim(state: Any) -> int:
    """Address of the next free slot, or 0 when the ring is full, which is counted."""
    if handover_room(state) < 1:
        state[0]["full_count"] += 1
        return 0
    index = state[0]["head"] & (state[0]["capacity"] - 1)
    return state[0]["slots_address"] + index * state[0]["slot_bytes"]


@inline
def handover_commit(state: Any) -> None:
    """Give the slot of the last claim to the consumer."""
    store_release_i64(state[0]["address"] + _HEAD, state[0]["head"] + 1)


@inline
def handover_signal(state: Any) -> None:
    """Wake the consumer if it sleeps; call it once after a batch of commits."""
    fence()
    armed_address = state[0]["address"] + _ARMED
    if load_acquire_i64(armed_address) != 0:
        store_release_i64(armed_address, 0)
        state[0]["signal_count"] += 1
        eventfd_signal(state[0]["descriptor"])


@kernel(types.int64(HANDOVER_TYPE, types.int64, types.int64))
def handover_drain(state: Any, target: int, limit: int) -> int:
    """Copy up to ``limit`` slots to ``target``; when there are none, ask to be woken."""
    tail = state[0]["tail"]
    head = load_acquire_i64(state[0]["address"] + _HEAD)
    if head == tail:
        store_release_i64(state[0]["address"] + _ARMED, 1)
        fence()
        head = load_acquire_i64(state[0]["address"] + _HEAD)
        if head == tail:
            return 0
        store_release_i64(state[0]["address"] + _ARMED, 0)
    count = min(head - tail, limit)
    slot_bytes = state[0]["slot_bytes"]
    for index in range(count):
        slot = (tail + index) & (state[0]["capacity"] - 1)
        source = state[0]["slots_address"] + slot * slot_bytes
        copy_bytes(target + index * slot_bytes, source, slot_bytes)
    store_release_i64(state[0]["address"] + _TAIL, tail + count)
    return count


@kernel(types.int64(HANDOVER_TYPE, types.int64))
def handover_look(state: Any, taken: int) -> int:
    """Give ``taken`` slots back and look at what comes next, without copying it.

    Returns the index of the first slot << 32 | how many lie there one after the other; 0 when there
    are none, and then the producer has been asked to wake the consumer.
    """
    tail = state[0]["tail"]
    if taken > 0:
        tail += taken
        store_release_i64(state[0]["address"] + _TAIL, tail)
    head = load_acquire_i64(state[0]["address"] + _HEAD)
    if head == tail:
        store_release_i64(state[0]["address"] + _ARMED, 1)
        fence()
        head = load_acquire_i64(state[0]["address"] + _HEAD)
        if head == tail:
            return 0
        store_release_i64(state[0]["address"] + _ARMED, 0)
    index = tail & (state[0]["capacity"] - 1)
    count = min(head - tail, state[0]["capacity"] - index)
    return index << 32 | min(count, BATCH_MAX)


class Handover(Closing):
    """The ring and its two ends; ``dtype`` is that of one slot."""

    def __init__(self, dtype: npt.DTypeLike, capacity: int) -> None:
        if capacity < 2 or capacity & (capacity - 1):
            raise MeshError(f"capacity {capacity} must be a power of two from 2 on")
        self.dtype = np.dtype(dtype)
        self._slots = aligned_zeros(capacity, self.dtype)
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._take: Callable[[], int] = _nothing
        self._taken = 0
        self._pause_seconds = 0.0
        self._is_urgent: Callable[[], bool] = _never
        self._next_look: asyncio.Handle | None = None
        self._is_closed = False
        self._state = aligned_zeros(1, HANDOVER)
        state = self._state[0]
        state["address"] = address_of(self._state)
        state["slots_address"] = address_of(self._slots)
        state["slot_bytes"] = self.dtype.itemsize
        state["capacity"] = capacity
        state["descriptor"] = self._descriptor

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for the kernel functions of this module."""
        return self._state

    @property
    def full_count(self) -> int:
        """How often the producer met a full ring."""
        return int(self._state[0]["full_count"])

    def drain(self, limit: int = BATCH_MAX) -> npt.NDArray[Any]:
        """Take up to ``limit`` slots; an empty result has armed the wake-up."""
        state = self._state[0]
        count = min(limit, max(1, int(state["head"] - state["tail"])))
        batch = np.empty(count, dtype=self.dtype)
        return batch[: handover_drain(self._state, address_of(batch), count)]

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_batch: Callable[[npt.NDArray[Any]], None],
        *,
        pause_seconds: float = 0.0,
        is_urgent: Callable[[], bool] | None = None,
    ) -> None:
        """Call ``on_batch`` on the loop's thread with each batch, a copy of its own.

        With ``pause_seconds`` the loop looks again only that long after a batch that was not full:
        what comes after a silence is still handed over at once, a steady flow in fewer batches.
        While ``is_urgent`` holds, because somebody waits for each record, there is no pause.
        """

        def drain() -> int:
            batch = self.drain()
            if len(batch):
                on_batch(batch)
            return len(batch)

        self._attach(loop, drain, pause_seconds, is_urgent)

    def attach_in_place(
        self,
        loop: asyncio.AbstractEventLoop,
        on_slots: Callable[[int, int], None],
        *,
        pause_seconds: float = 0.0,
    ) -> None:
        """Call ``on_slots`` on the loop's thread with the address and number of the next slots.

        They lie in the ring itself, and are the consumer's until the call returns. A pause is as in
        :meth:`attach`.
        """
        slots, slot_bytes = address_of(self._slots), self.dtype.itemsize
        # A second look in the same turn mostly finds nothing and so saves the loop a turn. It also
        # has the next record wake the loop, which a pause is to spare it.
        looks = 1 if pause_seconds > 0 else 2

        def look() -> int:
            count = 0
            for _ in range(looks):
                taken, self._taken = self._taken, 0
                found = handover_look(self._state, taken)
                self._taken = count = found & 0xFFFFFFFF
                if count == 0:
                    break
                on_slots(slots + (found >> 32) * slot_bytes, count)
            return count

        self._attach(loop, look, pause_seconds, None)

    def detach(self) -> None:
        """Stop calling."""
        if self._loop is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._descriptor)
            self._loop = None
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def _attach(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[], int],
        pause_seconds: float,
        is_urgent: Callable[[], bool] | None,
    ) -> None:
        self.detach()
        self._loop, self._take, self._pause_seconds = loop, take, pause_seconds
        self._is_urgent = is_urgent or _never
        loop.add_reader(self._descriptor, self._on_wake_up)
        self._next_look = loop.call_soon(self._look)

    def _on_wake_up(self) -> None:
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            return
        self._look()

    def _look(self) -> None:
        """Hand one batch over and let the loop serve others before the next one."""
        if self._loop is None:
            return
        count = BATCH_MAX
        try:
            count = self._take()
        finally:
            if count:
                self._look_again(count)

    def _look_again(self, count: int) -> None:
        if self._loop is None:
            return
        if self._pause_seconds > 0 and count < BATCH_MAX and not self._is_urgent():
            self._next_look = self._loop.call_later(self._pause_seconds, self._look)
        else:
            self._next_look = self._loop.call_soon(self._look)

    def catch_up(self) -> None:
        """Hand over what waits, and what comes next as soon as it comes; there may be a pause then.

        For a question that mustn't be answered from before, or whose answer is waited for.
        """
        if self._loop is None:
            return
        most = -(-int(self._state[0]["capacity"]) // BATCH_MAX)
        for _ in range(most + 1):
            if self._take() == 0:
                # That has armed the wake-up.
                return

    def close(self) -> None:
        """Detach and free the eventfd; the producer must have stopped."""
        self.detach()
        if not self._is_closed:
            self._is_closed = True
            os.close(self._descriptor)


def _nothing() -> int:
    """Nobody listens yet."""
    return 0


def _never() -> bool:
    """Nobody waits."""
    return False
