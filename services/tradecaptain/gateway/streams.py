"""Streams of execution reports: each client reads the kept events at its own pace.

Nothing is queued for a client. It has a place in its account's chain of events; when it falls
behind what is held, it is told so, and others never notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.reports import POSITION_UNKNOWN, find_position
from tradecaptain.gateway.views import ReportWriter, event_record
from tradecaptain.wire import reason as reasons


class Signal:
    """Wakes one waiting task; setting it twice wakes it once."""

    __slots__ = ("_is_set", "_waiter")

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self, *_arguments: Any) -> None:
        """Wake the waiter now, or the next one at once."""
        self._is_set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Return when it is set, and clear it."""
        if not self._is_set:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._is_set = False


class ReportStream:
    """One client's place among the reports of an account."""

    def __init__(
        self,
        desk: OrderDesk,
        writer: ReportWriter,
        account_id: int,
        resume_from: common_pb2.StreamPosition | None,
        tag: int,
        instrument_id: int = 0,
    ) -> None:
        """Raises REASON_RESUME_POSITION_UNKNOWN if ``resume_from`` is held no more."""
        self._desk = desk
        self._writer = writer
        self._account_id = account_id
        place = self._place(resume_from)
        self._cursor = writer.cursor(account_id, place, tag, instrument_id)
        if place > 0:
            record = event_record(desk.store, place - 1)
            self._cursor["previous_epoch"] = record["epoch"]
            self._cursor["previous_sequence"] = record["account_sequence"]

    def next_reports(self, limit: int) -> bytes:
        """The next reports, encoded as fields of their message; empty if there are none yet."""
        return self._writer.next_reports(self._cursor, limit)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever there may be more reports; undone by :meth:`unlisten`."""
        self._desk.listen(self._account_id, callback)

    def unlisten(self, callback: Callable[[], None]) -> None:
        """Undo :meth:`listen`."""
        self._desk.unlisten(self._account_id, callback)

    async def batches(self, limit: int) -> AsyncIterator[bytes]:
        """All reports from here on, as they come."""
        signal = Signal()
        self.listen(signal.set)
        try:
            while True:
                while data := self.next_reports(limit):
                    yield data
                await signal.wait()
        finally:
            self.unlisten(signal.set)

    def _place(self, resume_from: common_pb2.StreamPosition | None) -> int:
        store = self._desk.store
        if resume_from is None:
            return int(store.accounts[self._account_id]["last_event"])
        epoch, sequence = resume_from.epoch, resume_from.sequence
        place = self._find(epoch, sequence) if sequence < 1 << 63 else POSITION_UNKNOWN
        if place != POSITION_UNKNOWN:
            return place
        message = f"report {sequence} of epoch {epoch} isn't held"
        place = int(store.accounts[self._account_id]["last_event"])
        if epoch < store.epoch:
            place = self._end_of(epoch)
        newest = self._sequence_at(place)
        if epoch < store.epoch and newest == sequence:
            return place
        if epoch < store.epoch and newest < sequence:
            message += f": what was told in that epoch behind report {newest} is lost"
        raise TradeCaptainError(
            reasons.REASON_RESUME_POSITION_UNKNOWN,
            message,
            field="resume_from",
            observed=sequence,
            limit=newest,
        )

    def _find(self, epoch: int, sequence: int) -> int:
        store = self._desk.store
        return int(
            find_position(
                store.file,
                store.work,
                store.events,
                store.accounts,
                self._account_id,
                epoch,
                sequence,
            )
        )

    def _end_of(self, epoch: int) -> int:
        """The cursor place behind the last report that was kept of an epoch, or of those before it:
        a venue that lost all of it goes on from where it went on from."""
        store = self._desk.store
        place = self._find(epoch + 1, 0)
        if place >= 0:
            return place
        return int(store.events[(-place - 1) % len(store.events)]["previous_of_account"])

    def _sequence_at(self, place: int) -> int:
        """Account sequence of the report before a cursor place; 0 if there is none."""
        store = self._desk.store
        oldest = int(store.file["event_count"][0]) - len(store.events)
        if place <= max(0, oldest):
            return 0
        return int(event_record(store, place - 1)["account_sequence"])


def newest_position(desk: OrderDesk, account_id: int) -> common_pb2.StreamPosition:
    """Epoch and sequence of an account's newest report; the epoch and 0 before the first."""
    store = desk.store
    link = int(store.accounts[account_id]["last_event"])
    oldest = int(store.file["event_count"][0]) - store.events.shape[0]
    if link == 0 or link - 1 < oldest:
        return common_pb2.StreamPosition(epoch=store.epoch, sequence=0)
    record = event_record(store, link - 1)
    return common_pb2.StreamPosition(
        epoch=int(record["epoch"]), sequence=int(record["account_sequence"])
    )
