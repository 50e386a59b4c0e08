"""Alerts: refusals as they are reported, and limits that are nearly or fully used, within a second.

What counts quantities and orders is held against the ledger; what counts money is asked of the
gate, whose sums are the ones that it refuses by. An alert tells of a change: nearly used, beyond,
recovered.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from tradecaptain.api.risk.v1 import monitor_pb2, risk_pb2
from tradecaptain.base.accounts import UNLIMITED_UNITS
from tradecaptain.base.errors import TradeCaptainError, reason_info
from tradecaptain.base.reference import Reference
from tradecaptain.edge import StreamHub
from tradecaptain.edge.limit_texts import limit_text
from tradecaptain.risk.channel import ControlRequest
from tradecaptain.risk.controller import RiskController
from tradecaptain.risk.dry_run import AccountSums
from tradecaptain.risk.ledger import Ledger, PairState, Records
from tradecaptain.risk.levels import (
    SCOPE_ACCOUNT,
    SCOPE_FIRM,
    SCOPE_GROUP,
    Level,
    format_value,
)
from tradecaptain.risk.names import Names
from tradecaptain.risk.store import LimitRecord
from tradecaptain.wire import control, execution_event, reason

FIRST_RISK_REASON: Final = reason.REASON_LIMIT_UNSET
LAST_RISK_REASON: Final = reason.REASON_CONVERSION_RATE_MISSING
REFUSALS_ONE_BY_ONE: Final = 16
"""Refusals of an account for one reason that are told each by itself between two looks at limits.
What a flood has beyond is counted, and told as one: telling each would keep everybody waiting."""
ACCOUNTS_IN_A_LOOK: Final = 256
_REFUSED: Final = (
    execution_event.EXECUTION_TYPE_REJECTED,
    execution_event.EXECUTION_TYPE_REPLACE_REJECTED,
)
_BASIS_POINTS: Final = 10_000
_VALUE_KINDS: Final = range(control.LIMIT_KIND_GROSS_EXPOSURE, control.LIMIT_KIND_DAILY_LOSS + 1)
_TOTAL_VALUE_KINDS: Final = range(
    control.LIMIT_KIND_TOTAL_GROSS_EXPOSURE, control.LIMIT_KIND_TOTAL_DAILY_LOSS + 1
)
_ALL: Final = "all"
"""What a client of every account subscribes to."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a limit is used: by an account (0 for none), in an instrument (0 for all)."""

    limit: LimitRecord
    account_id: int
    instrument_id: int
    allowed: int
    observed: int

    @property
    def key(self) -> tuple[int, int, int]:
        """What an alert's state is kept by."""
        return self.limit.kind, self.account_id or -self.limit.level.scope_id, self.instrument_id

    @property
    def used_bps(self) -> int:
        """Share of the limit in basis points; a limit of zero is used up by anything."""
        if self.allowed <= 0:
            return 0 if self.observed <= 0 else _BASIS_POINTS + 1
        return max(0, self.observed) * _BASIS_POINTS // self.allowed

    @property
    def is_breached(self) -> bool:
        """Whether what is held is beyond the limit."""
        return self.observed > max(self.allowed, 0)


@dataclass(slots=True)
class _Refusals:
    """Refusals of an account for one reason since the last look at limits: how many were told, how
    many only counted, and the last of those."""

    told_count: int = 0
    counted: int = 0
    last: Any = None


def value_uses(limits: Iterable[LimitRecord], account_id: int, sums: AccountSums) -> Iterator[Use]:
    """Uses of limits on exposure, credit and loss, which an account or a total has."""
    for record in limits:
        kind = record.kind
        if kind in _TOTAL_VALUE_KINDS:
            kind += _VALUE_KINDS.start - _TOTAL_VALUE_KINDS.start
        allowed = record.value
        if kind == control.LIMIT_KIND_GROSS_EXPOSURE:
            observed = sums.gross_exposure
        elif kind == control.LIMIT_KIND_NET_EXPOSURE:
            observed = sums.net_exposure
        elif kind == control.LIMIT_KIND_CREDIT:
            observed, allowed = sums.margin, record.value + sums.cash + sums.profit
        else:
            observed = -sums.profit_of_day
        yield Use(record, account_id, 0, allowed, observed)


def pair_uses(limits: dict[int, LimitRecord], pair: PairState) -> Iterator[Use]:
    """Uses of limits on the position of an account in an instrument, the tightest of each kind."""
    observed = {
        control.LIMIT_KIND_POSITION_LONG: pair.position + pair.working_buy,
        control.LIMIT_KIND_POSITION_SHORT: pair.working_sell - pair.position,
        control.LIMIT_KIND_GROSS_POSITION: abs(pair.position)
        + pair.working_buy
        + pair.working_sell,
    }
    for kind, value in observed.items():
        if kind in limits:
            record = limits[kind]
            yield Use(record, pair.account_id, pair.instrument_id, record.value, value)


class AlertDesk:
    """Looks at events and limits, and tells whoever listens. All calls are the loop thread's."""

    def __init__(
        self,
        controller: RiskController,
        ledger: Ledger,
        reference: Reference,
        *,
        share_bps: int,
        timeout_s: float,
    ) -> None:
        self._controller = controller
        self._store = controller.store
        self._ledger = ledger
        self._reference = reference
        self._share_bps = share_bps
        self._timeout_s = timeout_s
        self._names = Names(reference)
        self._hub: StreamHub[monitor_pb2.Alert] = StreamHub(4_096)
        self._states: dict[tuple[int, int, int], int] = {}
        self._touched: set[int] = set()
        self._refusals: dict[tuple[int, int], _Refusals] = {}
        self._lost_count = 0

    def subscribe(self, account_ids: frozenset[int] | None) -> Any:
        """A queue of alerts of some accounts, or of everything (None), while the block runs."""
        return self._hub.subscribe([_ALL] if account_ids is None else sorted(account_ids))

    def _tell(self, alert: monitor_pb2.Alert, account_id: int) -> None:
        self._hub.publish(_ALL, alert)
        if account_id:
            self._hub.publish(account_id, alert)

    # What happens

    def on_events(self, records: Records) -> None:
        """Take execution events: refusals are told at once, their accounts looked at soon.

        While nobody follows nothing is noted: who begins to is told of every account at the next
        look at prices."""
        if not self._hub.is_followed:
            return
        self._touched.update(int(account) for account in np.unique(records["account_id"]))
        why = records["reason"]
        refused = np.isin(records["execution_type"], _REFUSED)
        refused &= (why >= FIRST_RISK_REASON) & (why <= LAST_RISK_REASON)
        if refused.any():
            self._take_refusals(records[refused])

    def _take_refusals(self, records: Records) -> None:
        """Tell the first refusals of each account and reason, and count the others."""
        keys = records["account_id"].astype(np.int64) << 16 | records["reason"]
        for key in np.unique(keys):
            alike = records[keys == key]
            account_id = int(alike["account_id"][0])
            held = self._refusals.setdefault((account_id, int(alike["reason"][0])), _Refusals())
            room = REFUSALS_ONE_BY_ONE - held.told_count
            for record in alike[: max(0, room)]:
                self._tell(self._refusal(record), account_id)
            held.told_count += min(room, len(alike))
            if len(alike) > room:
                held.counted += len(alike) - room
                held.last = alike[-1].copy()

    def _tell_counted(self) -> None:
        """Tell of refusals that were counted as one for each account and reason."""
        refusals, self._refusals = self._refusals, {}
        for (account_id, _), held in refusals.items():
            if held.last is not None:
                self._tell(self._refusal(held.last, held.counted), account_id)

    def _refusal(self, record: Any, count: int = 1) -> monitor_pb2.Alert:
        why, account_id = int(record["reason"]), int(record["account_id"])
        info = reason_info(why)
        instrument = self._names.instrument(int(record["instrument_id"]))
        words = [int(record[f"client_order_id{word}"]).to_bytes(8, "little") for word in range(4)]
        alert = monitor_pb2.Alert(
            kind=monitor_pb2.ALERT_KIND_REFUSAL,
            time_ns=int(record["time_ns"]),
            reason=why,  # type: ignore[arg-type]
            clause=info.clause,
            account=self._names.account_name(account_id),
            instrument=self._names.instrument_name(int(record["instrument_id"])),
            order_id=int(record["order_id"]),
            client_order_id=b"".join(words).rstrip(b"\0").decode("ascii", "replace"),
            command_sequence=int(record["command_sequence"]),
            message=f"refused: {info.rule}",
            refusal_count=count,
        )
        if count > 1:
            alert.message = f"{count} more refused, this one last: {info.rule}"
        scope = int(record["limit_level"])
        if scope and instrument is not None:
            alert.target.scope = scope  # type: ignore[assignment]
            alert.limit = limit_text(why, int(record["limit_value"]), instrument)
            alert.observed = limit_text(why, int(record["observed_value"]), instrument)
        return alert

    def on_control(self, record: Any) -> None:
        """Take a sequenced control: kill switches are told."""
        action, outcome = int(record["action"]), int(record["outcome"])
        is_kill = action == control.CONTROL_ACTION_KILL
        if outcome != 0 or not (is_kill or action == control.CONTROL_ACTION_UNKILL):
            return
        level = Level(int(record["scope"]), int(record["scope_id"]), int(record["instrument_id"]))
        alert = monitor_pb2.Alert(
            kind=monitor_pb2.ALERT_KIND_KILL if is_kill else monitor_pb2.ALERT_KIND_UNKILL,
            time_ns=int(record["time_ns"]),
            target=self._names.target(level),
            clause=reason_info(reason.REASON_KILL_SWITCH).clause,
            command_sequence=int(record["sequence"]),
            message="kill switch on" if is_kill else "kill switch off",
        )
        account_id = level.scope_id if level.scope == SCOPE_ACCOUNT else 0
        if account_id:
            alert.account = self._names.account_name(account_id)
        self._tell(alert, account_id)

    # Limits

    async def run(self, interval_s: float) -> None:
        """Look at what was touched every so often, until cancelled."""
        for turn in itertools.count():
            await asyncio.sleep(interval_s)
            if not self._hub.is_followed:
                self._states.clear()
                self._refusals.clear()
                continue
            self._tell_counted()
            if turn % max(1, round(0.5 / interval_s)) == 0:
                # Prices move values of accounts that do nothing.
                self._touched.update(self._ledger.account_ids())
            await self.look()

    async def look(self) -> None:
        """Hold what is used of limits against the share, and tell what changed."""
        self._look_at_losses()
        held = self._store.limits_in_force(self._controller.now_ns())
        limits = [item for item in held if item.value != UNLIMITED_UNITS]
        touched = sorted(self._touched)[:ACCOUNTS_IN_A_LOOK]
        self._touched.difference_update(touched)
        for account_id in touched:
            for use in await self._account_uses(account_id, limits):
                self._judge(use)
        for use in await self._total_uses(limits):
            self._judge(use)

    def _look_at_losses(self) -> None:
        lost_count = self._ledger.lost_event_count
        if lost_count > self._lost_count:
            self._lost_count = lost_count
            message = f"{lost_count} events of the venue were lost; positions may be wrong"
            kind = monitor_pb2.ALERT_KIND_EVENTS_LOST
            now_ns = self._controller.now_ns()
            self._tell(monitor_pb2.Alert(kind=kind, time_ns=now_ns, message=message), 0)

    async def _account_uses(self, account_id: int, limits: list[LimitRecord]) -> list[Use]:
        account = self._names.account(account_id)
        if account is None:
            return []
        group_level = Level(SCOPE_ACCOUNT, account_id)
        group_id = self._store.setting(control.CONTROL_ACTION_SET_GROUP, group_level)
        uses: list[Use] = []
        pairs = self._ledger.pairs_of(account_id)
        for pair in pairs:
            ids = account.firm_id, account_id, pair.instrument_id, group_id
            uses += pair_uses(_tightest(limits, *ids), pair)
        own = _tightest(limits, account.firm_id, account_id, 0, group_id)
        if control.LIMIT_KIND_OPEN_ORDERS in own:
            record = own[control.LIMIT_KIND_OPEN_ORDERS]
            count = sum(pair.open_order_count for pair in pairs)
            uses.append(Use(record, account_id, 0, record.value, count))
        values = [own[kind] for kind in _VALUE_KINDS if kind in own]
        sums = await self._sums(Level(SCOPE_ACCOUNT, account_id)) if values else None
        return uses + (list(value_uses(values, account_id, sums)) if sums else [])

    async def _total_uses(self, limits: list[LimitRecord]) -> list[Use]:
        totals: dict[Level, list[LimitRecord]] = {}
        for record in limits:
            if record.kind in _TOTAL_VALUE_KINDS:
                totals.setdefault(record.level, []).append(record)
        uses: list[Use] = []
        for level, records in totals.items():
            sums = await self._sums(level)
            uses += value_uses(records, 0, sums) if sums else []
        return uses + self._position_totals(limits)

    def _position_totals(self, limits: list[LimitRecord]) -> list[Use]:
        """Uses of limits on the positions of groups and firms."""
        uses = []
        for record in limits:
            is_long = record.kind == control.LIMIT_KIND_TOTAL_POSITION_LONG
            if not is_long and record.kind != control.LIMIT_KIND_TOTAL_POSITION_SHORT:
                continue
            instrument_id = record.level.instrument_id
            held = 0
            for pair in self._ledger.pairs_in(instrument_id):
                if self._belongs(pair, record.level):
                    long = pair.position + pair.working_buy
                    held += long if is_long else pair.working_sell - pair.position
            uses.append(Use(record, 0, instrument_id, record.value, held))
        return uses

    def _belongs(self, pair: PairState, level: Level) -> bool:
        account = self._names.account(pair.account_id)
        if level.scope == SCOPE_FIRM:
            return account is not None and account.firm_id == level.scope_id
        own = Level(SCOPE_ACCOUNT, pair.account_id)
        group_id = self._store.setting(control.CONTROL_ACTION_SET_GROUP, own)
        return level.scope == SCOPE_GROUP and group_id == level.scope_id

    async def _sums(self, level: Level) -> AccountSums | None:
        """The gate's sums; None if it has none, or doesn't answer now."""
        question = ControlRequest(control.CONTROL_ACTION_REPORT_SUMS, level)
        try:
            outcome = await self._controller.ask(question, self._timeout_s)
        except TradeCaptainError:
            return None
        return AccountSums.of(outcome) if outcome.outcome == 0 else None

    def _judge(self, use: Use) -> None:
        """Tell if a limit's state is another one than at the last look."""
        before = self._states.get(use.key, monitor_pb2.ALERT_KIND_RECOVERED)
        now = monitor_pb2.ALERT_KIND_RECOVERED
        if use.is_breached:
            now = monitor_pb2.ALERT_KIND_BREACH
        elif use.used_bps >= self._share_bps:
            now = monitor_pb2.ALERT_KIND_NEAR_BREACH
        if now == before:
            return
        self._states[use.key] = now
        record = use.limit
        kind = cast("risk_pb2.LimitKind.ValueType", record.kind)
        name = risk_pb2.LimitKind.Name(kind).removeprefix("LIMIT_KIND_").lower().replace("_", " ")
        alert = monitor_pb2.Alert(
            kind=now,
            time_ns=self._controller.now_ns(),
            target=self._names.target(record.level),
            limit_kind=kind,
            limit=format_value(use.allowed, record.level, record.kind, self._reference),
            observed=format_value(use.observed, record.level, record.kind, self._reference),
            used_basis_points=use.used_bps,
            message=f"{use.used_bps / 100:.2f} % of the limit of {name} is used",
        )
        if use.account_id:
            alert.account = self._names.account_name(use.account_id)
        if use.instrument_id:
            alert.instrument = self._names.instrument_name(use.instrument_id)
        self._tell(alert, use.account_id)


def _tightest(
    limits: list[LimitRecord], firm_id: int, account_id: int, instrument_id: int, group_id: int
) -> dict[int, LimitRecord]:
    """The tightest limit of each kind that governs an account in an instrument (0: in all)."""
    found: dict[int, LimitRecord] = {}
    for record in limits:
        governs = record.level.governs(firm_id, account_id, instrument_id, group_id)
        if governs and (record.kind not in found or record.value < found[record.kind].value):
            found[record.kind] = record
    return found
