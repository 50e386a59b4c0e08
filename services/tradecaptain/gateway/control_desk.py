"""Control commands of the gateway (sessions, mass cancels, status) and the venue's answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.stream_reader import EVENT_RECORD
from tradecaptain.wire import control
from tradecaptain.wire import reason as reasons

SEND_NS = 1_000_000_000
"""How long a control command waits for room in its stream."""
_UNANSWERED: Final = frozenset({reasons.REASON_UNAVAILABLE, reasons.REASON_OUTCOME_UNKNOWN})


class ControlPublisher(Protocol):
    """Publishes control records; mesh's RecordPublisher."""

    async def publish(self, records: npt.NDArray[Any], *, timeout_ns: int = 0) -> None:
        """Publish records, waiting for room; MeshError when the time is up."""
        ...


class ControlDesk:
    """Sends control commands and matches the venue's answers to them."""

    def __init__(
        self,
        publisher: ControlPublisher,
        clock: Clock,
        answer_timeout_seconds: float,
        author_id: int = 0,
    ) -> None:
        """``author_id`` tells this life's answers from those of another; 0 draws one."""
        self._publisher = publisher
        self._clock = clock
        self._timeout = answer_timeout_seconds
        self._author_id = author_id or secrets.randbelow(1 << 31) + 1
        self._request_id = 0
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self.on_epoch: list[Callable[[int], None]] = []
        self.catch_up: Callable[[], None] = lambda: None
        """Has the next answer taken as soon as it comes; set by whoever reads the answers."""

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._waiting)

    async def send(
        self,
        *,
        action: int,
        scope: int,
        scope_id: int,
        flags: int = 0,
        instrument_id: int = 0,
        side: int = 0,
        **fields: int,
    ) -> int:
        """Publish a control command; returns its number. ``fields`` are further ones of its record.

        Raises REASON_UNAVAILABLE if the venue doesn't take it in time.
        """
        self._request_id += 1
        record = aligned_zeros(1, control.DTYPE)
        control.initialise(address_of(record))
        row = record[0]
        row["action"] = action
        row["scope"] = scope
        row["scope_id"] = scope_id
        row["flags"] = flags
        row["instrument_id"] = instrument_id
        row["side"] = side
        for name, value in fields.items():
            row[name] = value
        row["author_id"] = self._author_id
        row["request_id"] = self._request_id
        row["send_time_ns"] = self._clock.now_ns()
        number = self._request_id
        try:
            await self._publisher.publish(record, timeout_ns=SEND_NS)
        except MeshError as error:
            raise TradeCaptainError(
                reasons.REASON_UNAVAILABLE, f"the order book isn't reachable: {error.message}"
            ) from error
        return number

    async def request(self, **command: int) -> int:
        """Publish a control command and wait for its answer; returns the orders affected.

        Raises the venue's reason if it refused, REASON_OUTCOME_UNKNOWN without an answer in time.
        """
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # Known before it is sent, because the answer may come while the send still waits.
        number = self._request_id + 1
        self._waiting[number] = answer
        try:
            await self.send(**command)
            self.catch_up()
            return await asyncio.wait_for(answer, self._timeout)
        except TimeoutError:
            raise TradeCaptainError(
                reasons.REASON_OUTCOME_UNKNOWN, "the venue didn't answer in time", field=""
            ) from None
        finally:
            self._waiting.pop(number, None)

    async def hears_venue(self, account_id: int) -> bool:
        """Whether the venue answers now: it is asked for an account's sums, which changes nothing.

        That somebody listens says less: a driver takes a killed process for alive for seconds.
        """
        try:
            await self.request(
                action=control.CONTROL_ACTION_REPORT_SUMS,
                scope=control.CONTROL_SCOPE_ACCOUNT,
                scope_id=account_id,
            )
        except TradeCaptainError as error:
            return error.reason not in _UNANSWERED
        return True

    def on_batch(self, batch: npt.NDArray[Any]) -> None:
        """Take a batch of the control events' reader."""
        records = batch["record"][batch["event"] == EVENT_RECORD]
        starts = records[records["action"] == control.CONTROL_ACTION_EPOCH_START]
        for epoch in np.unique(starts["epoch"]).tolist():
            for callback in self.on_epoch:
                callback(epoch)
        for row in records[records["author_id"] == self._author_id]:
            answer = self._waiting.get(int(row["request_id"]))
            if answer is None or answer.done():
                continue
            outcome = int(row["outcome"])
            if outcome == 0:
                answer.set_result(int(row["affected_count"]))
            else:
                answer.set_exception(TradeCaptainError(outcome, _refusal_message(outcome)))


def _refusal_message(outcome: int) -> str:
    info = reasons.RULES.get(outcome)
    return f"the venue refused it: {info.rule}" if info is not None else "the venue refused it"
