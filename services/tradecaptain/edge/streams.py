"""Bounded fan-out: one publisher, many clients, none of whom can hold up the others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable, Iterable, Iterator
from contextlib import contextmanager

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason as reasons

DEFAULT_CAPACITY = 1024


class ClientQueue[Item]:
    """What one client has still to read.

    The publisher never waits. A client that leaves more than ``capacity`` items unread loses the
    queue: its next read raises REASON_SLOW_CONSUMER, and it resumes from what it saw last.
    All methods belong to the loop thread.
    """

    __slots__ = ("_capacity", "_closed", "_error", "_items", "_waiter")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._items: deque[Item] = deque()
        self._capacity = capacity
        self._waiter: asyncio.Future[None] | None = None
        self._error: TradeCaptainError | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        """True once nothing more can be put."""
        return self._closed

    def put(self, item: Item) -> bool:
        """Append an item; False if the queue is closed or has just overflowed."""
        if self._closed:
            return False
        if len(self._items) >= self._capacity:
            self._items.clear()
            self.close(
                TradeCaptainError(
                    reasons.REASON_SLOW_CONSUMER,
                    f"more than {self._capacity} messages were left unread; resume from the last",
                )
            )
            return False
        self._items.append(item)
        self._wake()
        return True

    def close(self, error: TradeCaptainError | None = None) -> None:
        """End the stream after what is queued: normally, or with an error."""
        if not self._closed:
            self._closed = True
            self._error = error
            self._wake()

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            await self._wait()
        return self._items.popleft()

    async def batches(self, limit: int = 256) -> AsyncIterator[list[Item]]:
        """Whatever is queued, at most ``limit`` items at a time, oldest first."""
        items = self._items
        while True:
            while not items:
                try:
                    await self._wait()
                except StopAsyncIteration:
                    return
            yield [items.popleft() for _ in range(min(limit, len(items)))]

    async def _wait(self) -> None:
        if self._closed:
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class StreamHub[Item]:
    """Queues of clients by what they listen to; all methods belong to the loop thread."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._by_key: dict[Hashable, list[ClientQueue[Item]]] = {}

    @contextmanager
    def subscribe(
        self, keys: Iterable[Hashable], capacity: int | None = None
    ) -> Iterator[ClientQueue[Item]]:
        """A queue that receives what is published under any of ``keys`` while the block runs."""
        queue: ClientQueue[Item] = ClientQueue(self._capacity if capacity is None else capacity)
        distinct = list(dict.fromkeys(keys))
        for key in distinct:
            self._by_key.setdefault(key, []).append(queue)
        try:
            yield queue
        finally:
            for key in distinct:
                queues = self._by_key[key]
                queues.remove(queue)
                if not queues:
                    del self._by_key[key]

    def publish(self, key: Hashable, item: Item) -> None:
        """Hand an item to every subscriber of ``key``."""
        for queue in self._by_key.get(key, ()):
            queue.put(item)

    @property
    def is_followed(self) -> bool:
        """True if anybody subscribed to anything."""
        return bool(self._by_key)

    def has_subscribers(self, key: Hashable) -> bool:
        """True if publishing under ``key`` reaches anyone."""
        return key in self._by_key

    def close(self, error: TradeCaptainError | None = None) -> None:
        """Close every queue: normally, or with an error."""
        for queues in self._by_key.values():
            for queue in queues:
                queue.close(error)
