"""RiskAdministrationService: restrictions, groups, cash, overrides, and who changed what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from tradecaptain.api.risk.v1 import administration_pb2, administration_pb2_grpc, risk_pb2
from tradecaptain.base.reference import Reference
from tradecaptain.edge import current_call
from tradecaptain.risk.channel import ControlRequest
from tradecaptain.risk.controller import RiskController
from tradecaptain.risk.levels import SCOPE_ACCOUNT, Level, parse_cash, parse_value
from tradecaptain.risk.service import RiskService
from tradecaptain.risk.store import AuditRecord, LimitRecord, Setting, Stamp
from tradecaptain.wire import control

AUDIT_SIZE_DEFAULT = 100
SECOND_NS = 1_000_000_000


def bits_of(restrictions: Iterable[int]) -> int:
    """The gate's bits for restrictions of the contract: the first is bit 0."""
    bits = 0
    for restriction in restrictions:
        bits |= 1 << (int(restriction) - 1)
    return bits


def restrictions_of(bits: int) -> list[administration_pb2.Restriction.ValueType]:
    """Restrictions of the contract whose bits are on."""
    numbers = [number for number in administration_pb2.Restriction.values() if number]
    return [number for number in numbers if bits >> (number - 1) & 1]


class RiskAdministrationService(administration_pb2_grpc.RiskAdministrationServiceServicer):
    """Implements the contract; each method returns when the gate has applied the change."""

    def __init__(self, risk: RiskService, controller: RiskController, reference: Reference) -> None:
        """``risk`` turns names of requests into levels, and back."""
        self._risk = risk
        self._controller = controller
        self._reference = reference

    async def _change(
        self, name: str, request: ControlRequest, kept: Setting | None, comment: str = ""
    ) -> None:
        stamp = Stamp(current_call().principal.name, 0, comment=comment)
        await self._controller.apply(name, request, kept, stamp, self._risk.timeout_s())

    async def _change_restrictions(
        self, request: Any, action: int, name: str
    ) -> list[administration_pb2.Restriction.ValueType]:
        level = self._risk.level(request.target)
        bits = bits_of(request.restrictions)
        restrict = control.CONTROL_ACTION_RESTRICT
        held = self._controller.store.setting(restrict, level)
        after = held | bits if action == restrict else held & ~bits
        change = ControlRequest(action, level, value=bits)
        await self._change(name, change, Setting(restrict, level, 0, after), request.comment)
        return restrictions_of(after)

    async def Restrict(  # noqa: N802
        self, request: administration_pb2.RestrictRequest, context: Any
    ) -> administration_pb2.RestrictResponse:
        """Forbid something at a level."""
        action = control.CONTROL_ACTION_RESTRICT
        held = await self._change_restrictions(request, action, "restrict")
        return administration_pb2.RestrictResponse(restrictions=held)

    async def Permit(  # noqa: N802
        self, request: administration_pb2.PermitRequest, context: Any
    ) -> administration_pb2.PermitResponse:
        """Allow it again."""
        action = control.CONTROL_ACTION_PERMIT
        held = await self._change_restrictions(request, action, "permit")
        return administration_pb2.PermitResponse(restrictions=held)

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
        level, kind = self._risk.level(request.target), int(request.kind)
        value = parse_value(request.value, level, kind, self._reference)
        now_ns = self._controller.now_ns()
        end_ns = now_ns + request.duration_seconds * SECOND_NS
        action = control.CONTROL_ACTION_GRANT_OVERRIDE
        change = ControlRequest(action, level, kind, value, expire_time_ns=end_ns)
        kept = Setting(action, level, kind, value, end_ns)
        await self._change("grant_override", change, kept, request.comment)
        record = LimitRecord(level, kind, value, current_call().principal.name, now_ns, 0)
        return administration_pb2.GrantOverrideResponse(
            limit=self._risk.limit_message(record), expire_time_ns=end_ns
        )

    async def SetAccountGroup(  # noqa: N802
        self, request: administration_pb2.SetAccountGroupRequest, context: Any
    ) -> administration_pb2.SetAccountGroupResponse:
        """Put an account into a group."""
        level = Level(SCOPE_ACCOUNT, self._risk.account(request.account).account_id)
        action = control.CONTROL_ACTION_SET_GROUP
        change = ControlRequest(action, level, value=request.group_id)
        await self._change("set_group", change, Setting(action, level, 0, request.group_id))
        return administration_pb2.SetAccountGroupResponse()

    async def SetCash(  # noqa: N802
        self, request: administration_pb2.SetCashRequest, context: Any
    ) -> administration_pb2.SetCashResponse:
        """Tell the gate the cash of an account."""
        level = Level(SCOPE_ACCOUNT, self._risk.account(request.account).account_id)
        cash = parse_cash(request.cash)
        action = control.CONTROL_ACTION_SET_CASH
        change = ControlRequest(action, level, value=cash)
        await self._change("set_cash", change, Setting(action, level, 0, cash))
        return administration_pb2.SetCashResponse()

    async def ResetThrottle(  # noqa: N802
        self, request: administration_pb2.ResetThrottleRequest, context: Any
    ) -> administration_pb2.ResetThrottleResponse:
        """Let an account go on."""
        level = Level(SCOPE_ACCOUNT, self._risk.account(request.account).account_id)
        change = ControlRequest(control.CONTROL_ACTION_RESET_THROTTLE, level)
        await self._change("reset_throttle", change, None, request.comment)
        return administration_pb2.ResetThrottleResponse()

    async def ListAudit(  # noqa: N802
        self, request: administration_pb2.ListAuditRequest, context: Any
    ) -> administration_pb2.ListAuditResponse:
        """The newest changes."""
        records = self._controller.store.audit(request.page_size or AUDIT_SIZE_DEFAULT)
        return administration_pb2.ListAuditResponse(
            entries=[self._entry(record) for record in records]
        )

    def _entry(self, record: AuditRecord) -> administration_pb2.AuditEntry:
        stamp = record.stamp
        return administration_pb2.AuditEntry(
            action=record.action,
            target=self._risk.target(record.level),
            kind=cast("risk_pb2.LimitKind.ValueType", record.kind),
            before=record.before,
            after=record.after,
            comment=stamp.comment,
            author=stamp.author,
            time_ns=stamp.time_ns,
            sequence=stamp.sequence,
        )
