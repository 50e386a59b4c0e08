"""Controls to the venue and their outcomes: a request is answered when it comes back sequenced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.base.records import records_at
from tradecaptain.risk.levels import Level
from tradecaptain.wire import control, reason

type ControlRecords = np.ndarray[Any, Any]
type Publish = Callable[[ControlRecords, float], Awaitable[None]]
"""Publishes whole Control messages within so many seconds; raises TradeCaptainError if it can't."""

AUTHOR_ID = 3
"""The author of every control that the risk service sends; the gateway and the collector have
others, and each counts its own request ids."""


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One change that is asked of the venue."""

    action: int
    level: Level
    kind: int = 0
    value: int = 0
    flags: int = 0
    expire_time_ns: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)
    """Further fields of the record, by name: terms of an order, scenarios."""


@dataclass(frozen=True, slots=True)
class ControlOutcome:
    """What became of a control: 0 or a reason, and its place in the venue's log."""

    outcome: int
    epoch: int
    sequence: int
    time_ns: int
    affected_count: int
    answer: ControlRecords
    """The record as it came back, one of `control.DTYPE`."""

    def value(self, name: str) -> int:
        """A field of the answer."""
        return int(self.answer[name][0])


type OnOutcome = Callable[[ControlOutcome], None]
BATCH_REQUESTS = 512
"""Controls that are under way at once."""
"""Called when the outcome arrives, even after the requester stopped waiting for it."""


@dataclass(frozen=True, slots=True)
class _Pending:
    future: asyncio.Future[ControlOutcome]
    on_outcome: OnOutcome | None


def write_request(
    records: ControlRecords, index: int, request: ControlRequest, request_id: int, now_ns: int
) -> None:
    """Write one request as a whole Control message."""
    record = address_of(records) + index * records.dtype.itemsize
    control.initialise(record)
    control.set_action(record, request.action)
    control.set_scope(record, request.level.scope)
    control.set_scope_id(record, request.level.scope_id)
    control.set_instrument_id(record, request.level.instrument_id)
    control.set_limit_kind(record, request.kind)
    control.set_value(record, request.value)
    control.set_flags(record, request.flags)
    control.set_expire_time_ns(record, request.expire_time_ns)
    control.set_author_id(record, AUTHOR_ID)
    control.set_request_id(record, request_id)
    control.set_send_time_ns(record, now_ns)
    for name, value in request.fields.items():
        records[index][name] = value


class ControlChannel:
    """Sends controls and pairs them with what comes back on the control stream."""

    def __init__(self, publish: Publish, clock: Clock) -> None:
        self._publish = publish
        self._clock = clock
        # Ids never repeat between two lives of the service, so that an old answer is not taken
        # for a new one.
        self._next_id = clock.now_ns()
        self._pending: dict[int, _Pending] = {}

    @property
    def pending_count(self) -> int:
        """Requests whose outcome hasn't arrived."""
        return len(self._pending)

    async def request(
        self, request: ControlRequest, timeout_s: float, on_outcome: OnOutcome | None = None
    ) -> ControlOutcome:
        """Send one control and wait until it came back.

        Raises REASON_UNAVAILABLE if it certainly had no effect, REASON_OUTCOME_UNKNOWN if the time
        ran out after it was sent, and the gate's own reason if that refused it.
        """
        recorders = () if on_outcome is None else (on_outcome,)
        future = (await self._send([request], timeout_s, recorders))[0]
        try:
            outcome = await asyncio.wait_for(asyncio.shield(future), timeout_s)
        except TimeoutError:
            raise TradeCaptainError(
                reason.REASON_OUTCOME_UNKNOWN,
                f"the venue hasn't answered within {timeout_s:g} s; the change may still happen",
            ) from None
        if outcome.outcome != 0:
            raise TradeCaptainError(outcome.outcome, "the risk gate refused the change")
        return outcome

    async def request_all(
        self,
        requests: Sequence[ControlRequest],
        timeout_s: float,
        on_outcomes: Sequence[OnOutcome] = (),
    ) -> list[ControlOutcome]:
        """Send controls in order, one after the other, and return every outcome, refused or not.

        ``on_outcomes`` has what is to be done with each outcome; empty for nothing.
        """
        outcomes: list[ControlOutcome] = []
        for start in range(0, len(requests), BATCH_REQUESTS):
            batch = slice(start, start + BATCH_REQUESTS)
            futures = await self._send(requests[batch], timeout_s, on_outcomes[batch])
            try:
                async with asyncio.timeout(timeout_s):
                    outcomes += await asyncio.gather(*futures)
            except TimeoutError:
                raise TradeCaptainError(
                    reason.REASON_OUTCOME_UNKNOWN,
                    f"the venue hasn't answered within {timeout_s:g} s",
                ) from None
        return outcomes

    async def _send(
        self, requests: Sequence[ControlRequest], timeout_s: float, on_outcomes: Sequence[OnOutcome]
    ) -> list[asyncio.Future[ControlOutcome]]:
        loop = asyncio.get_running_loop()
        records = np.zeros(len(requests), control.DTYPE)
        first_id = self._next_id
        self._next_id += len(requests)
        futures = []
        for index, request in enumerate(requests):
            write_request(records, index, request, first_id + index, self._clock.now_ns())
            future: asyncio.Future[ControlOutcome] = loop.create_future()
            on_outcome = on_outcomes[index] if on_outcomes else None
            self._pending[first_id + index] = _Pending(future, on_outcome)
            futures.append(future)
        try:
            await self._publish(records, timeout_s)
        except TradeCaptainError as error:
            self._forget(first_id, len(requests))
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE, f"the venue can't be reached: {error.message}"
            ) from error
        return futures

    def _forget(self, first_id: int, count: int) -> None:
        for request_id in range(first_id, first_id + count):
            pending = self._pending.pop(request_id, None)
            if pending is not None:
                pending.future.cancel()

    def on_control(self, record: int) -> bool:
        """Take a sequenced Control at address ``record``; False if it isn't an answer to ours."""
        if control.get_author_id(record) != AUTHOR_ID:
            return False
        pending = self._pending.pop(control.get_request_id(record), None)
        if pending is None:
            return False
        outcome = ControlOutcome(
            outcome=control.get_outcome(record),
            epoch=control.get_epoch(record),
            sequence=control.get_sequence(record),
            time_ns=control.get_time_ns(record),
            affected_count=control.get_affected_count(record),
            answer=records_at(record, 1, control.DTYPE).copy(),
        )
        if pending.on_outcome is not None:
            pending.on_outcome(outcome)
        if not pending.future.done():
            pending.future.set_result(outcome)
        return True

    def abandon(self) -> None:
        """Answer every change that is still asked for: the venue it was sent to may be gone.

        Requests without a record to make are the synchroniser's, which repeats them by itself.
        """
        for request_id in [key for key, entry in self._pending.items() if entry.on_outcome]:
            future = self._pending.pop(request_id).future
            if not future.done():
                future.set_exception(
                    TradeCaptainError(
                        reason.REASON_OUTCOME_UNKNOWN, "the venue restarted before it answered"
                    )
                )
                # A requester that stopped waiting never looks at it.
                future.exception()

    async def settle(self, timeout_s: float) -> None:
        """Wait until no change is pending; what is pending after that is abandoned."""
        futures = [entry.future for entry in self._pending.values() if entry.on_outcome]
        if futures:
            await asyncio.wait(futures, timeout=timeout_s)
        self.abandon()
        self._pending.clear()
