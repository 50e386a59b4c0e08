"""Changes of limits and kill switches, from request to durable record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.risk.channel import ControlChannel, ControlOutcome, ControlRequest
from tradecaptain.risk.levels import Level
from tradecaptain.risk.store import KillRecord, LimitRecord, RiskStore, Setting, Stamp
from tradecaptain.wire import control, reason

FLAG_CANCEL_WORKING = 1
REVALUED_PAIRS = 512
"""Pairs that one control revalues; the venue's turn waits for them, some tens of microseconds."""


class RiskController:
    """Sends a change to the gate and records it when it comes back applied.

    The record is made when the outcome arrives, whether or not the caller still waits, so that the
    store is what the venue's log says. A kill switch alone is recorded before it is sent: should
    the service die in between, it is turned on at the next start rather than forgotten.
    """

    def __init__(self, store: RiskStore, channel: ControlChannel, clock: Clock) -> None:
        self._store = store
        self._channel = channel
        self._clock = clock
        self._changing = asyncio.Lock()

    def now_ns(self) -> int:
        """Time of the service's clock, ns UTC."""
        return self._clock.now_ns()

    @property
    def store(self) -> RiskStore:
        """What is recorded."""
        return self._store

    @asynccontextmanager
    async def exclusively(self, timeout_s: float) -> AsyncIterator[Callable[[], float]]:
        """Let no other change in between; yields a function that tells the seconds left."""
        deadline = self._clock.monotonic_ns() + int(timeout_s * 1e9)

        def remaining() -> float:
            return max(0.0, (deadline - self._clock.monotonic_ns()) / 1e9)

        try:
            await asyncio.wait_for(self._changing.acquire(), timeout_s)
        except TimeoutError:
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE, "limits are being sent to the venue; nothing was changed"
            ) from None
        try:
            yield remaining
        finally:
            self._changing.release()

    async def set_limit(
        self,
        level: Level,
        kind: int,
        value: int,
        author: str,
        timeout_s: float,
        comment: str = "",
    ) -> LimitRecord:
        """Set one limit; returns it as recorded."""
        made: list[LimitRecord] = []

        def record(outcome: ControlOutcome) -> None:
            if outcome.outcome == 0:
                stamp = _stamp(author, outcome, comment)
                made.append(self._store.set_limit(level, kind, value, stamp))

        request = limit_request(level, kind, value)
        async with self.exclusively(timeout_s) as remaining:
            await self._channel.request(request, remaining(), record)
        return made[0]

    async def set_limits(
        self,
        limits: Sequence[tuple[Level, int, int]],
        author: str,
        timeout_s: float,
        comments: Sequence[str] = (),
    ) -> int:
        """Set many limits, all or none; the place of the last in the venue's log.

        ``comments`` has one for each of them, if any.

        They are under way together. If the gate refuses one, what it applied is set back.
        """
        applied: list[tuple[Level, int, int | None, Stamp]] = []
        is_waiting = True

        def recorder(
            level: Level, kind: int, value: int, comment: str
        ) -> Callable[[ControlOutcome], None]:
            def record(outcome: ControlOutcome) -> None:
                if outcome.outcome == 0:
                    applied.append((level, kind, value, _stamp(author, outcome, comment)))
                    if not is_waiting:
                        self._store.set_limits(applied[-1:])

            return record

        async with self.exclusively(timeout_s) as remaining:
            before = [self._store.limit(level, kind) for level, kind, _ in limits]
            requests = [limit_request(*limit) for limit in limits]
            why = comments or [""] * len(limits)
            recorders = [
                recorder(*limit, comment) for limit, comment in zip(limits, why, strict=True)
            ]
            try:
                outcomes = await self._channel.request_all(requests, remaining(), recorders)
            finally:
                is_waiting = False
                self._store.set_limits(applied)
            refused = next((place for place, out in enumerate(outcomes) if out.outcome != 0), None)
            if refused is None:
                return outcomes[-1].sequence
            done = [
                (*limits[place][:2], before[place])
                for place, outcome in enumerate(outcomes)
                if outcome.outcome == 0
            ]
            await self._set_back(done, author, remaining())
        raise TradeCaptainError(
            outcomes[refused].outcome,
            "the risk gate refused this limit; the others were set back",
            field=f"limits[{refused}]",
        )

    async def _set_back(
        self, limits: Sequence[tuple[Level, int, int | None]], author: str, timeout_s: float
    ) -> None:
        """Give limits the values that they had; None had none."""
        requests = [
            limit_request(level, kind, value)
            if value is not None
            else ControlRequest(control.CONTROL_ACTION_CLEAR_LIMIT, level, kind)
            for level, kind, value in limits
        ]
        outcomes = await self._channel.request_all(requests, timeout_s)
        why = "set back: another limit of the import was refused"
        self._store.set_limits(
            (*limit, _stamp(author, outcome, why))
            for limit, outcome in zip(limits, outcomes, strict=True)
            if outcome.outcome == 0
        )

    async def grant_override(self, granted: Setting, stamp: Stamp, timeout_s: float) -> LimitRecord:
        """Give a limit another value until a time; returns it as recorded."""

        def record(outcome: ControlOutcome) -> None:
            if outcome.outcome == 0:
                applied = _stamp(stamp.author, outcome, stamp.comment)
                self._store.grant_override(granted, applied)

        level, kind, value, end_ns = (
            *(granted.level, granted.kind, granted.value),
            granted.expire_time_ns,
        )
        action = control.CONTROL_ACTION_GRANT_OVERRIDE
        request = ControlRequest(action, level, kind, value, expire_time_ns=end_ns)
        async with self.exclusively(timeout_s) as remaining:
            done = await self._channel.request(request, remaining(), record)
        place = done.time_ns, done.sequence
        return LimitRecord(level, kind, value, stamp.author, *place, end_ns, stamp.comment)

    async def clear_limit(
        self, level: Level, kind: int, author: str, timeout_s: float, comment: str = ""
    ) -> tuple[bool, int]:
        """Clear one limit; whether it was set, and the place in the venue's log."""
        made: list[bool] = []

        def record(outcome: ControlOutcome) -> None:
            if outcome.outcome == 0:
                stamp = _stamp(author, outcome, comment)
                made.append(self._store.clear_limit(level, kind, stamp))

        request = ControlRequest(control.CONTROL_ACTION_CLEAR_LIMIT, level, kind)
        async with self.exclusively(timeout_s) as remaining:
            outcome = await self._channel.request(request, remaining(), record)
        return made[0], outcome.sequence

    async def apply(
        self,
        name: str,
        request: ControlRequest,
        kept: Sequence[Setting],
        stamp: Stamp,
        timeout_s: float,
    ) -> ControlOutcome:
        """Have the gate apply a request; what is ``kept`` of it is recorded under a name.

        ``stamp`` has the author and the comment; time and place come from the venue.
        """

        def record(outcome: ControlOutcome) -> None:
            if outcome.outcome != 0:
                return
            applied = _stamp(stamp.author, outcome, stamp.comment)
            if kept:
                self._store.put_settings(name, kept, applied)
            else:
                self._store.note(name, request.level, applied)

        async with self.exclusively(timeout_s) as remaining:
            return await self._channel.request(request, remaining(), record)

    async def ask(self, request: ControlRequest, timeout_s: float) -> ControlOutcome:
        """Ask the gate something that changes nothing; its answer, whatever the outcome."""
        return (await self._channel.request_all([request], timeout_s))[0]

    async def revalue(self, timeout_s: float) -> ControlOutcome:
        """Bring all positions to present prices, a bounded number with each control."""
        place = 1
        while True:
            fields = {"quantity_units": REVALUED_PAIRS}
            request = ControlRequest(
                control.CONTROL_ACTION_REVALUE, Level(0), value=place, fields=fields
            )
            outcome = await self.ask(request, timeout_s)
            if outcome.outcome != 0:
                raise TradeCaptainError(outcome.outcome, "the risk gate refused to revalue")
            place = outcome.value("value")
            if place == 0:
                return outcome

    async def kill(
        self, level: Level, cancels_working: bool, author: str, comment: str, timeout_s: float
    ) -> tuple[KillRecord, int]:
        """Turn a kill switch on; the record and how many orders were cancelled.

        It waits for no other change: a kill must not queue behind limits. Where the venue can't be
        reached it stays recorded, and the next gate is given it before anything else.
        """
        was_on = self._store.kill_switch(level) is not None
        self._store.request_kill(level, Stamp(author, self._clock.now_ns(), comment=comment))
        made: list[KillRecord] = []

        def record(outcome: ControlOutcome) -> None:
            stamp = _stamp(author, outcome, comment)
            if outcome.outcome == 0:
                made.append(self._store.set_kill(level, stamp))
            elif not was_on:
                self._store.clear_kill(level, stamp)

        flags = FLAG_CANCEL_WORKING if cancels_working else 0
        request = ControlRequest(control.CONTROL_ACTION_KILL, level, flags=flags)
        try:
            outcome = await self._channel.request(request, timeout_s, record)
        except TradeCaptainError as error:
            if error.reason not in (reason.REASON_UNAVAILABLE, reason.REASON_OUTCOME_UNKNOWN):
                raise
            message = f"{error.message}; the kill switch is recorded and will be on by then"
            raise TradeCaptainError(error.reason, message) from error
        return made[0], outcome.affected_count

    async def unkill(
        self, level: Level, author: str, comment: str, timeout_s: float
    ) -> tuple[bool, int]:
        """Turn a kill switch off; whether it was on, and the place in the venue's log."""
        made: list[bool] = []

        def record(outcome: ControlOutcome) -> None:
            if outcome.outcome == 0:
                made.append(self._store.clear_kill(level, _stamp(author, outcome, comment)))

        request = ControlRequest(control.CONTROL_ACTION_UNKILL, level)
        async with self.exclusively(timeout_s) as remaining:
            outcome = await self._channel.request(request, remaining(), record)
        return made[0], outcome.sequence


def limit_request(level: Level, kind: int, value: int) -> ControlRequest:
    """The control that sets a limit."""
    return ControlRequest(control.CONTROL_ACTION_SET_LIMIT, level, kind, value)


def _stamp(author: str, outcome: ControlOutcome, comment: str = "") -> Stamp:
    return Stamp(author, outcome.time_ns, outcome.epoch, outcome.sequence, comment)
