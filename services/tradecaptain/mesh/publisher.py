"""Publishing from an asyncio loop: the claim and commit kernels, called on the loop's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import numpy.typing as npt
from numba import types
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, copy_bytes
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.doorbell import NO_BELL, doorbell_ring
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.layout import BATCH_FRACTION, PUBLICATION_TYPE
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_stride,
)
from tradecaptain.mesh.status import ADMIN_ACTION, BACK_PRESSURED, NOT_CONNECTED, status_name
from tradecaptain.mesh.timeouts import SECOND_NS, TIMEOUTS
from tradecaptain.mesh.transport import Publication

_RETRY_SECONDS: Final = 0.0005
_RETRYABLE: Final = (BACK_PRESSURED, ADMIN_ACTION, NOT_CONNECTED)


@kernel(types.int64(PUBLICATION_TYPE, types.int64, types.int64, types.int64))
def offer_records(publication: Any, address: int, count: int, record_bytes: int) -> int:
    """Publish records that lie one after the other; how many, or why not even the first."""
    stride = publication_stride(record_bytes)
    batch_max = max(1, publication[0]["term_length"] // BATCH_FRACTION // stride)
    published = 0
    while published < count:
        batch = min(batch_max, count - published)
        target = publication_claim(publication, batch, record_bytes)
        if target < 0:
            return published if published > 0 else target
        for index in range(batch):
            source = address + (published + index) * record_bytes
            copy_bytes(target + index * stride, source, record_bytes)
        publication_commit(publication, batch)
        published += batch
    return published


class RecordPublisher(Closing):
    """Publishes records of one length; all calls belong to one thread, that of the loop."""

    def __init__(
        self,
        publication: Publication,
        record_bytes: int,
        *,
        bell: int = NO_BELL,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """``bell`` is rung after every commit, for a reader that may sleep on it."""
        self.publication = publication
        self.record_bytes = record_bytes
        self._bell = bell
        self._clock = clock
        self._refresh_handle: asyncio.TimerHandle | None = None
        self.on_new_log: list[Callable[[], None]] = []
        """Called when a new driver has given the publication a new log: what nobody had read of the
        old one is lost."""

    def offer(self, record: int | npt.NDArray[Any]) -> int:
        """Publish one record, given as an array or an address: 1 or a negative status."""
        address = record if isinstance(record, int) else address_of(record)
        return self._offer(address, 1)

    def offer_batch(self, records: npt.NDArray[Any]) -> int:
        """Publish contiguous records: how many went out, or a negative status if none did."""
        count = self._count(records)
        if count == 0:
            return 0
        return self._offer(address_of(records), count)

    async def publish(
        self, records: npt.NDArray[Any], *, timeout_ns: int = TIMEOUTS.open_timeout_ns
    ) -> None:
        """Publish all, waiting for room; :class:`MeshError` names what was in the way to the end.

        On a time-out some records may have gone out; the message says how many.
        """
        deadline_ns = self._clock.monotonic_ns() + timeout_ns
        total = self._count(records)
        address = address_of(records)
        sent = 0
        while sent < total:
            result = self._offer(address + sent * self.record_bytes, total - sent)
            if result >= 0:
                sent += result
                continue
            if result not in _RETRYABLE or self._clock.monotonic_ns() >= deadline_ns:
                raise MeshError(
                    f"stream {self.publication.stream_id} took {sent} of {total} records: "
                    f"{status_name(result)}"
                )
            self.refresh()
            await asyncio.sleep(_RETRY_SECONDS)

    def _offer(self, address: int, count: int) -> int:
        state = self.publication.state
        published = int(offer_records(state, address, count, self.record_bytes))
        if published > 0:
            doorbell_ring(self._bell)
        return published

    def _count(self, records: npt.NDArray[Any]) -> int:
        count, rest = divmod(records.nbytes, self.record_bytes)
        if rest or not records.flags.c_contiguous:
            raise MeshError(f"records must be contiguous and {self.record_bytes} bytes each")
        return count

    def refresh(self) -> bool:
        """Open the publication again if the driver was restarted."""
        if not self.publication.needs_refresh():
            return False
        generation = self.publication.generation
        changed = self.publication.refresh()
        if self.publication.generation != generation:
            for callback in self.on_new_log:
                callback()
        return changed

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep the publication up to date from the loop until :meth:`close`."""
        self.refresh()
        interval = TIMEOUTS.reconnect_interval_ns / SECOND_NS
        self._refresh_handle = loop.call_later(interval, self.attach, loop)

    def close(self) -> None:
        """Stop the upkeep and close the publication."""
        if self._refresh_handle is not None:
            self._refresh_handle.cancel()
            self._refresh_handle = None
        self.publication.close()
