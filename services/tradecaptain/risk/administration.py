"""RiskAdministrationService: what governs the gate beside single limits, and who changed what."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import structlog
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import administration_pb2, administration_pb2_grpc, risk_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.edge import checks_accounts, current_call
from tradecaptain.risk.audit_texts import (
    SET_SCENARIOS,
    bits_of,
    restrictions_of,
    value_text,
)
from tradecaptain.risk.channel import ControlOutcome, ControlRequest
from tradecaptain.risk.controller import RiskController
from tradecaptain.risk.levels import SCOPE_ACCOUNT, Level, parse_cash, parse_value
from tradecaptain.risk.service import RiskService
from tradecaptain.risk.settings import (
    FLAG_CLOSE,
    FLAG_OUTSIDE,
    SCENARIO_COUNT,
    delta_changes,
    instrument_level,
    parse_decimal,
    parse_rate,
    scenario_requests,
    scenario_settings,
    unit_change,
)
from tradecaptain.risk.store import AuditFilter, AuditRecord, Setting, Stamp
from tradecaptain.risk.trading_day import TradingDay
from tradecaptain.wire import control, reason

_LOG = structlog.get_logger("risk")
AUDIT_SIZE_DEFAULT = 100
IMPORT_TIMEOUT_SECONDS = 60.0
"""How long the venue may take for a part of an import."""
SECOND_NS = 1_000_000_000


def _invalid(message: str, field: str) -> TradeCaptainError:
    return TradeCaptainError(reason.REASON_INVALID_REQUEST, message, field=field)


class RiskAdministrationService(administration_pb2_grpc.RiskAdministrationServiceServicer):
    """Implements the contract; each method returns when the gate has applied the change."""

    def __init__(
        self,
        risk: RiskService,
        controller: RiskController,
        reference: Reference,
        trading_day: TradingDay,
    ) -> None:
        """``risk`` turns names of requests into levels, and back."""
        self._trading_day = trading_day
        self._risk = risk
        self._controller = controller
        self._reference = reference
        self._imports: set[asyncio.Task[int]] = set()

    async def _change(
        self, name: str, request: ControlRequest, *kept: Setting, comment: str = ""
    ) -> ControlOutcome:
        stamp = Stamp(current_call().principal.name, 0, comment=comment)
        return await self._controller.apply(name, request, kept, stamp, self._risk.timeout_s())

    async def _change_restrictions(
        self, request: Any, action: int, name: str
    ) -> tuple[list[administration_pb2.Restriction.ValueType], int]:
        level = self._risk.level(request.target)
        bits = bits_of(request.restrictions)
        restrict = control.CONTROL_ACTION_RESTRICT
        held = self._controller.store.setting(restrict, level)
        after = held | bits if action == restrict else held & ~bits
        change = ControlRequest(action, level, value=bits)
        kept = Setting(restrict, level, 0, after)
        outcome = await self._change(name, change, kept, comment=request.comment)
        return restrictions_of(after), outcome.sequence

    async def Restrict(  # noqa: N802
        self, request: administration_pb2.RestrictRequest, context: Any
    ) -> administration_pb2.RestrictResponse:
        """Forbid something at a level."""
        action = control.CONTROL_ACTION_RESTRICT
        held, sequence = await self._change_restrictions(request, action, "restrict")
        return administration_pb2.RestrictResponse(restrictions=held, sequence=sequence)

    async def Permit(  # noqa: N802
        self, request: administration_pb2.PermitRequest, context: Any
    ) -> administration_pb2.PermitResponse:
        """Allow it again."""
        action = control.CONTROL_ACTION_PERMIT
        held, sequence = await self._change_restrictions(request, action, "permit")
        return administration_pb2.PermitResponse(restrictions=held, sequence=sequence)

    async def ListRestrictions(  # noqa: N802
        self, request: administration_pb2.ListRestrictionsRequest, context: Any
    ) -> administration_pb2.ListRestrictionsResponse:
        """All restrictions that are on."""
        settings = self._controller.store.settings(control.CONTROL_ACTION_RESTRICT)
        return administration_pb2.ListRestrictionsResponse(
            levels=[
                administration_pb2.LevelRestrictions(
                    target=self._risk.target(item.level), restrictions=restrictions_of(item.value)
                )
                for item in settings
                if item.value
            ]
        )

    async def GrantOverride(  # noqa: N802
        self, request: administration_pb2.GrantOverrideRequest, context: Any
    ) -> administration_pb2.GrantOverrideResponse:
        """Give a limit another value until a time."""
        kind = int(request.kind)
        level = self._risk.limit_level(request.target, kind)
        value = parse_value(request.value, level, kind, self._reference)
        now_ns = self._controller.now_ns()
        end_ns = now_ns + request.duration_seconds * SECOND_NS
        granted = Setting(control.CONTROL_ACTION_GRANT_OVERRIDE, level, kind, value, end_ns)
        stamp = Stamp(current_call().principal.name, 0, comment=request.comment)
        record = await self._controller.grant_override(granted, stamp, self._risk.timeout_s())
        return administration_pb2.GrantOverrideResponse(
            limit=self._risk.limit_message(record), expire_time_ns=end_ns, sequence=record.sequence
        )

    async def ListOverrides(  # noqa: N802
        self, request: administration_pb2.ListOverridesRequest, context: Any
    ) -> administration_pb2.ListOverridesResponse:
        """All overrides that hold now."""
        held = self._controller.store.overrides(self._controller.now_ns())
        return administration_pb2.ListOverridesResponse(
            overrides=[self._risk.limit_message(record) for record in held]
        )

    async def SetAccountGroup(  # noqa: N802
        self, request: administration_pb2.SetAccountGroupRequest, context: Any
    ) -> administration_pb2.SetAccountGroupResponse:
        """Put an account into a group."""
        level = Level(SCOPE_ACCOUNT, self._risk.account(request.account).account_id)
        action = control.CONTROL_ACTION_SET_GROUP
        change = ControlRequest(action, level, value=request.group_id)
        kept = Setting(action, level, 0, request.group_id)
        done = await self._change("set_group", change, kept, comment=request.comment)
        return administration_pb2.SetAccountGroupResponse(sequence=done.sequence)

    async def SetCash(  # noqa: N802
        self, request: administration_pb2.SetCashRequest, context: Any
    ) -> administration_pb2.SetCashResponse:
        """Tell the gate the cash of an account."""
        level = Level(SCOPE_ACCOUNT, self._risk.account(request.account).account_id)
        cash = parse_cash(request.cash)
        action = control.CONTROL_ACTION_SET_CASH
        change = ControlRequest(action, level, value=cash)
        kept = Setting(action, level, 0, cash)
        done = await self._change("set_cash", change, kept, comment=request.comment)
        return administration_pb2.SetCashResponse(sequence=done.sequence)

    async def ResetThrottle(  # noqa: N802
        self, request: administration_pb2.ResetThrottleRequest, context: Any
    ) -> administration_pb2.ResetThrottleResponse:
        """Let an account go on."""
        level = Level(SCOPE_ACCOUNT, self._risk.account(request.account).account_id)
        change = ControlRequest(control.CONTROL_ACTION_RESET_THROTTLE, level)
        done = await self._change("reset_throttle", change, comment=request.comment)
        return administration_pb2.ResetThrottleResponse(sequence=done.sequence)

    # Values: conversion, margin, prices, days

    async def SetConversion(  # noqa: N802
        self, request: administration_pb2.SetConversionRequest, context: Any
    ) -> administration_pb2.SetConversionResponse:
        """Give every instrument of a currency its rate."""
        rate = parse_rate(request.rate)
        quoted = [
            instrument
            for instrument in self._reference.own_venue()
            if instrument.currency == request.currency
        ]
        if not quoted:
            raise TradeCaptainError(
                reason.REASON_INVALID_REQUEST,
                f"no instrument is quoted in {request.currency}",
                field="currency",
            )
        action = control.CONTROL_ACTION_SET_CONVERSION
        for instrument in quoted:
            level = instrument_level(instrument)
            change = ControlRequest(action, level, value=rate)
            kept = Setting(action, level, 0, rate)
            done = await self._change("set_conversion", change, kept, comment=request.comment)
        return administration_pb2.SetConversionResponse(
            instrument_count=len(quoted), sequence=done.sequence
        )

    async def SetMargin(  # noqa: N802
        self, request: administration_pb2.SetMarginRequest, context: Any
    ) -> administration_pb2.SetMarginResponse:
        """Set the margin of an instrument as a share of its value."""
        level = instrument_level(self._risk.own_instrument(request.instrument, "instrument"))
        action, share = control.CONTROL_ACTION_SET_MARGIN, request.margin_basis_points
        change = ControlRequest(action, level, value=share)
        kept = Setting(action, level, 0, share)
        done = await self._change("set_margin", change, kept, comment=request.comment)
        return administration_pb2.SetMarginResponse(sequence=done.sequence)

    def _changes(
        self, request: administration_pb2.SetScenariosRequest, instrument: Instrument
    ) -> list[int]:
        """The sixteen changes that a request gives, or that its delta comes to."""
        if request.HasField("delta") == bool(request.changes):
            raise _invalid("give sixteen changes, or a delta with a price range", "changes")
        if request.changes:
            if len(request.changes) != SCENARIO_COUNT:
                raise _invalid(f"there are {SCENARIO_COUNT} scenarios", "changes")
            exact = [parse_decimal(text, "changes") for text in request.changes]
        else:
            delta = parse_decimal(request.delta, "delta")
            exact = delta_changes(delta, parse_decimal(request.price_range, "price_range"))
        return [unit_change(change, instrument) for change in exact]

    async def SetScenarios(  # noqa: N802
        self, request: administration_pb2.SetScenariosRequest, context: Any
    ) -> administration_pb2.SetScenariosResponse:
        """Put an instrument into a risk group with its scenarios, or take it out."""
        instrument = self._risk.own_instrument(request.instrument, "instrument")
        group, level = request.risk_group_id, instrument_level(instrument)
        changes = self._changes(request, instrument) if group else [0] * SCENARIO_COUNT
        *first, last = scenario_requests(level, group, changes)
        for change in first:
            outcome = await self._controller.ask(change, self._risk.timeout_s())
            if outcome.outcome != 0:
                raise TradeCaptainError(outcome.outcome, "the risk gate refused the scenarios")
        kept = scenario_settings(level, group, changes)
        done = await self._change(SET_SCENARIOS, last, *kept, comment=request.comment)
        return administration_pb2.SetScenariosResponse(sequence=done.sequence)

    async def SetReferencePrice(  # noqa: N802
        self, request: administration_pb2.SetReferencePriceRequest, context: Any
    ) -> administration_pb2.SetReferencePriceResponse:
        """Tell the gate a price; a closing price is kept and told again to a new gate."""
        instrument = self._risk.own_instrument(request.instrument, "instrument")
        level, price = instrument_level(instrument), instrument.price.parse(request.price)
        is_close = request.source == common_pb2.REFERENCE_PRICE_SOURCE_CLOSE
        action = control.CONTROL_ACTION_REFERENCE_PRICE
        flags = FLAG_CLOSE if is_close else FLAG_OUTSIDE
        change = ControlRequest(action, level, value=price, flags=flags)
        kept = (Setting(action, level, 0, price),) if is_close else ()
        done = await self._change("set_reference_price", change, *kept, comment=request.comment)
        return administration_pb2.SetReferencePriceResponse(sequence=done.sequence)

    async def StartDay(  # noqa: N802
        self, request: administration_pb2.StartDayRequest, context: Any
    ) -> administration_pb2.StartDayResponse:
        """Begin a trading day, after positions were brought to present prices."""
        author = current_call().principal.name
        done = await self._trading_day.start(author, request.comment, self._risk.timeout_s())
        return administration_pb2.StartDayResponse(sequence=done.sequence)

    async def Revalue(  # noqa: N802
        self, request: administration_pb2.RevalueRequest, context: Any
    ) -> administration_pb2.RevalueResponse:
        """Bring all positions to present prices."""
        done = await self._controller.revalue(self._risk.timeout_s())
        return administration_pb2.RevalueResponse(sequence=done.sequence)

    # Many limits

    def _read_limit(self, request: risk_pb2.SetLimitRequest) -> tuple[Level, int, int]:
        """Level, kind and value of a limit; raises for what can't be set."""
        kind = int(request.kind)
        level = self._risk.limit_level(request.target, kind)
        return level, kind, parse_value(request.value, level, kind, self._reference)

    async def _set_limits(
        self, limits: list[tuple[Level, int, int]], comments: list[str], author: str
    ) -> int:
        """Set limits to the end, even if the caller's deadline passes meanwhile."""
        setting = asyncio.create_task(
            self._controller.set_limits(limits, author, IMPORT_TIMEOUT_SECONDS, comments)
        )
        self._imports.add(setting)
        setting.add_done_callback(self._imported)
        try:
            return await asyncio.wait_for(asyncio.shield(setting), self._risk.timeout_s())
        except TimeoutError:
            raise TradeCaptainError(
                reason.REASON_OUTCOME_UNKNOWN,
                "the import goes on: all of its limits will be set, or none; the audit tells",
            ) from None

    def _imported(self, setting: asyncio.Task[int]) -> None:
        self._imports.discard(setting)
        if not setting.cancelled() and (error := setting.exception()) is not None:
            _LOG.warning("an import of limits failed", error=str(error))

    @checks_accounts
    async def ImportLimits(  # noqa: N802
        self, request: administration_pb2.ImportLimitsRequest, context: Any
    ) -> administration_pb2.ImportLimitsResponse:
        """Look at all limits, then set those that differ."""
        response = administration_pb2.ImportLimitsResponse()
        limits: list[tuple[Level, int, int]] = []
        seen: dict[tuple[Level, int], int] = {}
        for index, item in enumerate(request.limits):
            try:
                limit = self._read_limit(item)
            except TradeCaptainError as error:
                response.problems.add(index=index, field=error.field, message=error.message)
                continue
            first = seen.setdefault(limit[:2], index)
            if first != index:
                message = f"the same limit as number {first}"
                response.problems.add(index=index, field="kind", message=message)
            limits.append(limit)
        if response.problems:
            return response
        store, author = self._controller.store, current_call().principal.name
        differing = [
            (limit, item.comment)
            for limit, item in zip(limits, request.limits, strict=True)
            if store.limit(*limit[:2]) != limit[2]
        ]
        response.equal_count = len(limits) - len(differing)
        if request.validate_only:
            return response
        if differing:
            changed = [limit for limit, _ in differing]
            comments = [comment for _, comment in differing]
            response.sequence = await self._set_limits(changed, comments, author)
            response.set_count = len(differing)
        return response

    async def ListAudit(  # noqa: N802
        self, request: administration_pb2.ListAuditRequest, context: Any
    ) -> administration_pb2.ListAuditResponse:
        """The newest changes that are wanted, by pages."""
        size = request.page_size or AUDIT_SIZE_DEFAULT
        account = self._risk.account(request.account) if request.account else None
        wanted = AuditFilter(
            author=request.author,
            action=request.action,
            account_id=account.account_id if account else 0,
            before_number=_page_number(request.page_token),
        )
        records = self._controller.store.audit(size + 1, wanted)
        is_more = len(records) > size
        return administration_pb2.ListAuditResponse(
            entries=[self._entry(record) for record in records[:size]],
            next_page_token=str(records[size - 1].number) if is_more else "",
        )

    def _entry(self, record: AuditRecord) -> administration_pb2.AuditEntry:
        stamp = record.stamp
        kind = 0 if record.action == SET_SCENARIOS else record.kind
        return administration_pb2.AuditEntry(
            action=record.action,
            target=self._risk.target(record.level),
            kind=cast("risk_pb2.LimitKind.ValueType", kind),
            before=record.before,
            after=record.after,
            before_text=value_text(record, record.before, self._reference),
            after_text=value_text(record, record.after, self._reference),
            comment=stamp.comment,
            author=stamp.author,
            time_ns=stamp.time_ns,
            sequence=stamp.sequence,
            expire_time_ns=record.expire_time_ns,
        )


def _page_number(token: str) -> int:
    """The place in the audit trail that a page token names; 0 for none."""
    if token and not (token.isascii() and token.isdigit()):
        raise _invalid("the page token isn't one that this service gave", "page_token")
    return int(token or 0)
