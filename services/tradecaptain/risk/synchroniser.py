"""Gives the gate what it lost with its epoch: kill switches, positions, limits.

A new gate refuses every order until it has limits. So the order is: kill switches first, positions
next, then limits, of which an account's own come last, because they are what lets orders pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference import Reference
from tradecaptain.risk.channel import ControlChannel, ControlOutcome, ControlRequest
from tradecaptain.risk.controller import RiskController, limit_request
from tradecaptain.risk.ledger import Ledger
from tradecaptain.risk.levels import (
    SCOPE_ACCOUNT,
    SCOPE_ACCOUNT_INSTRUMENT,
    SCOPE_FIRM,
    Level,
)
from tradecaptain.risk.settings import (
    closing_price_requests,
    conversion_requests,
    firm_requests,
    kept_scenario_requests,
    margin_requests,
)
from tradecaptain.risk.store import KillRecord, RiskStore, Stamp
from tradecaptain.wire import control, reason

_LOG = structlog.get_logger("risk")
EVERYTHING = Level(SCOPE_FIRM)
_SETTINGS = (
    ("groups", control.CONTROL_ACTION_SET_GROUP),
    ("restrictions", control.CONTROL_ACTION_RESTRICT),
    ("cash", control.CONTROL_ACTION_SET_CASH),
)
"""What a gate is told before it opens, in this order, where it isn't what a gate begins with."""


def limit_requests(store: RiskStore, now_ns: int) -> list[ControlRequest]:
    """All limits, an account's own last, each with the override that holds on it right behind it.

    A limit that is set ends what was granted on it, so the two mustn't stand apart: orders between
    them would be held against the wrong one.
    """
    granted = {
        (request.level, request.kind): request
        for request in setting_requests(store, control.CONTROL_ACTION_GRANT_OVERRIDE, now_ns)
    }
    requests: list[ControlRequest] = []
    for limit in sorted(store.limits(), key=lambda limit: limit.level.scope == SCOPE_ACCOUNT):
        requests.append(limit_request(limit.level, limit.kind, limit.value))
        override = granted.pop((limit.level, limit.kind), None)
        if override is not None:
            requests.append(override)
    return [*requests, *granted.values()]


def setting_requests(store: RiskStore, action: int, now_ns: int) -> list[ControlRequest]:
    """All settings of an action that still hold; a value of zero is what a gate begins with."""
    return [
        ControlRequest(
            action, item.level, item.kind, item.value, expire_time_ns=item.expire_time_ns
        )
        for item in store.settings(action)
        if item.expire_time_ns > now_ns or (item.expire_time_ns == 0 and item.value != 0)
    ]


def kill_requests(switches: Sequence[KillRecord]) -> list[ControlRequest]:
    """The controls that turn kill switches on."""
    return [ControlRequest(control.CONTROL_ACTION_KILL, switch.level) for switch in switches]


def position_requests(ledger: Ledger) -> list[ControlRequest]:
    """All positions that aren't flat."""
    return [
        ControlRequest(
            control.CONTROL_ACTION_SET_POSITION,
            Level(SCOPE_ACCOUNT_INSTRUMENT, pair.account_id, pair.instrument_id),
            value=pair.position,
        )
        for pair in ledger.all_pairs()
        if pair.position != 0
    ]


class Synchroniser:
    """Runs whenever it is woken: at the start, at a new epoch, after lost events."""

    def __init__(
        self,
        controller: RiskController,
        channel: ControlChannel,
        ledger: Ledger,
        reference: Reference,
        *,
        accounts_currency: str,
        timeout_s: float,
        retry_s: float,
    ) -> None:
        self._controller = controller
        self._reference = reference
        self._accounts_currency = accounts_currency
        self._channel = channel
        self._ledger = ledger
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._wake = asyncio.Event()
        self.synchronised_epoch = 0
        """Epoch whose gate has everything and for which no newer request is due; else 0."""
        self.on_epoch: Callable[[int], None] = lambda epoch: None

    def wake(self) -> None:
        """Synchronise soon."""
        self.synchronised_epoch = 0
        self._wake.set()

    async def run(self) -> None:
        """Synchronise each time it is woken, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.synchronise()
            except TradeCaptainError as error:
                _LOG.warning("limits not sent yet", reason=error.name, message=error.message)
                await asyncio.sleep(self._retry_s)
                self._wake.set()

    async def synchronise(self) -> None:
        """Send everything once; raises if the venue doesn't answer or changes its epoch."""
        async with self._controller.exclusively(self._timeout_s):
            await self._channel.settle(self._timeout_s)
            # The answer tells the epoch, and the status of working orders fills the ledger.
            probe = ControlRequest(control.CONTROL_ACTION_REQUEST_STATUS, EVERYTHING)
            outcome = await self._channel.request(probe, self._timeout_s)
            epoch = outcome.epoch
            if self._ledger.epoch != epoch:
                self.on_epoch(epoch)
                raise TradeCaptainError(
                    reason.REASON_UNAVAILABLE, f"events of epoch {epoch} aren't followed yet"
                )
            store = self._controller.store
            await self._send_kills(epoch)
            if store.progress().positions_sent_epoch != epoch:
                await self._send("positions", position_requests(self._ledger), epoch)
                store.set_positions_sent(epoch)
            for what, requests in self._terms():
                await self._send(what, requests, epoch)
            now_ns = self._controller.now_ns()
            for what, action in _SETTINGS:
                await self._send(what, setting_requests(store, action, now_ns), epoch)
            await self._send("limits", limit_requests(store, now_ns), epoch)
            if not self._wake.is_set():
                self.synchronised_epoch = epoch
            _LOG.info("gate has limits, kill switches and positions", epoch=epoch)

    def _terms(self) -> list[tuple[str, list[ControlRequest]]]:
        """What instruments and accounts are to the gate, before any limit."""
        store, reference = self._controller.store, self._reference
        conversions = conversion_requests(store, reference, self._accounts_currency)
        return [
            ("firms", firm_requests(reference)),
            ("conversions", conversions),
            ("margins", margin_requests(store)),
            ("scenarios", kept_scenario_requests(store)),
            ("closing prices", closing_price_requests(store)),
        ]

    async def _send_kills(self, epoch: int) -> None:
        """Turn kill switches on; one that no venue had applied yet gets its place in the log."""
        store = self._controller.store
        switches = store.kill_switches()
        outcomes = await self._send("kill switches", kill_requests(switches), epoch)
        for switch, outcome in zip(switches, outcomes, strict=True):
            if switch.sequence == 0 and outcome.outcome == 0:
                place = outcome.time_ns, outcome.epoch, outcome.sequence
                store.set_kill(switch.level, Stamp(switch.author, *place, switch.comment))

    async def _send(
        self, what: str, requests: Sequence[ControlRequest], epoch: int
    ) -> list[ControlOutcome]:
        outcomes = await self._channel.request_all(requests, self._timeout_s)
        if any(outcome.epoch != epoch for outcome in outcomes):
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE, f"the venue restarted while {what} were sent"
            )
        _report_refused(what, requests, outcomes)
        return outcomes


def _report_refused(
    what: str, requests: Sequence[ControlRequest], outcomes: Sequence[ControlOutcome]
) -> None:
    """Log what the gate refused, such as limits of an instrument that is gone; it stays closed."""
    for request, outcome in zip(requests, outcomes, strict=True):
        if outcome.outcome != 0:
            _LOG.error(
                f"the gate refused one of the {what}",
                level=request.level,
                kind=request.kind,
                value=request.value,
                reason=reason.NAMES.get(outcome.outcome, str(outcome.outcome)),
            )
