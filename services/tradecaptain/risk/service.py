"""RiskService over gRPC: requests to levels and integers, records to messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import risk_pb2, risk_pb2_grpc
from tradecaptain.base.accounts import Account
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.edge import current_call
from tradecaptain.edge.errors import field_in_request
from tradecaptain.risk.channel import ControlRequest
from tradecaptain.risk.controller import RiskController
from tradecaptain.risk.dry_run import (
    AccountSums,
    dry_run_request,
    instrument_refusal,
    meets_venue_rules,
    refusal_detail,
)
from tradecaptain.risk.ledger import Ledger, PairState
from tradecaptain.risk.levels import (
    LIMIT_KINDS,
    MONEY,
    POSITION_TOTAL_KINDS,
    REQUIRED_KINDS,
    SCOPE_ACCOUNT,
    SCOPE_ACCOUNT_INSTRUMENT,
    SCOPE_FIRM,
    SCOPE_GROUP,
    SCOPE_INSTRUMENT,
    SCOPE_ORDER,
    SCOPE_STRATEGY,
    Level,
    format_value,
    parse_value,
    scale_of,
)
from tradecaptain.risk.names import Names
from tradecaptain.risk.store import KillRecord, LimitRecord, Stamp
from tradecaptain.risk.values import average_price, money_scale, worst_case_units
from tradecaptain.wire import control, reason

PAGE_SIZE_DEFAULT = 100
LARGEST_ID = 2**31 - 1
_FIELDS_OF_SCOPE = {
    SCOPE_FIRM: {"scope", "firm_id"},
    SCOPE_GROUP: {"scope", "group_id"},
    SCOPE_STRATEGY: {"scope", "strategy_id"},
    SCOPE_INSTRUMENT: {"scope", "instrument"},
    SCOPE_ACCOUNT: {"scope", "account"},
    SCOPE_ACCOUNT_INSTRUMENT: {"scope", "account", "instrument"},
    SCOPE_ORDER: {"scope", "order_id"},
}


class RiskService(risk_pb2_grpc.RiskServiceServicer):
    """Implements the contract over a controller and a ledger; see risk.proto for each method."""

    def __init__(
        self,
        controller: RiskController,
        ledger: Ledger,
        reference: Reference,
        *,
        control_timeout_s: float,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        """``catch_up`` applies the events that wait in the ring before it returns."""
        self._controller = controller
        self._store = controller.store
        self._ledger = ledger
        self._reference = reference
        self._control_timeout_s = control_timeout_s
        self._catch_up = catch_up
        self._names = Names(reference)
        self._firm_ids = {account.firm_id for account in reference.accounts}

    # Names

    def own_instrument(self, text: str, field: str = "target.instrument") -> Instrument:
        """An instrument of our own venue: no other has a gate in front of it."""
        instrument = self._reference.named(text)
        if instrument not in self._reference.own_venue():
            raise TradeCaptainError(
                reason.REASON_UNKNOWN_INSTRUMENT,
                f"{instrument.key} isn't traded on this venue",
                field=field,
            )
        return instrument

    def account(self, text: str) -> Account:
        """The account that a request names, if its caller may."""
        return self._reference.account(current_call().account_id(text))

    def level(self, target: risk_pb2.RiskTarget, *, spared: str = "") -> Level:
        """The level that a request names.

        Refuses a target that lacks what its scope needs, or names what the scope doesn't use but
        for the ``spared`` field: it would reach further than its author means.
        """
        scope = int(target.scope)
        for descriptor, _ in target.ListFields():
            name = descriptor.name
            if name != spared and name not in _FIELDS_OF_SCOPE.get(scope, {name}):
                raise _refuse(f"a target of this scope has no {name}", f"target.{name}")
        if scope in (SCOPE_ACCOUNT, SCOPE_ACCOUNT_INSTRUMENT) and not target.account:
            raise _refuse("the scope needs an account", "target.account")
        if scope in (SCOPE_INSTRUMENT, SCOPE_ACCOUNT_INSTRUMENT) and not target.instrument:
            raise _refuse("the scope needs an instrument", "target.instrument")
        if scope == SCOPE_ORDER:
            raise _refuse("only kill switches know a single order", "target.scope")
        if scope == SCOPE_FIRM:
            if target.HasField("firm_id") and target.firm_id not in self._firm_ids:
                raise _refuse(f"no account belongs to firm {target.firm_id}", "target.firm_id")
            return Level(scope, target.firm_id)
        if scope == SCOPE_STRATEGY:
            if not 0 < target.strategy_id <= LARGEST_ID:
                raise _refuse("a strategy id is 1 to 2147483647", "target.strategy_id")
            return Level(scope, target.strategy_id)
        if scope == SCOPE_GROUP:
            if not 0 < target.group_id <= LARGEST_ID:
                raise _refuse("a group id is 1 to 2147483647", "target.group_id")
            return Level(scope, target.group_id)
        account_id = self.account(target.account).account_id if target.account else 0
        if scope == SCOPE_ACCOUNT:
            return Level(scope, account_id)
        instrument_id = self.own_instrument(target.instrument).instrument_id
        return Level(scope, account_id if scope == SCOPE_ACCOUNT_INSTRUMENT else 0, instrument_id)

    def limit_level(self, target: risk_pb2.RiskTarget, kind: int) -> Level:
        """The level of a limit; positions of a group or firm are limited in an instrument."""
        level = self.level(target, spared="instrument")
        if kind in POSITION_TOTAL_KINDS and level.scope in (SCOPE_FIRM, SCOPE_GROUP):
            if not target.instrument:
                raise _refuse("a position is one in an instrument", "target.instrument")
            instrument_id = self.own_instrument(target.instrument).instrument_id
            return Level(level.scope, level.scope_id, instrument_id)
        if target.instrument and level.instrument_id == 0:
            raise _refuse("this isn't counted by instrument at such a level", "target.instrument")
        return level

    def target(self, level: Level) -> risk_pb2.RiskTarget:
        """A level as requests and answers name it."""
        return self._names.target(level)

    def limit_message(self, record: LimitRecord) -> risk_pb2.Limit:
        """A limit as it is answered."""
        return risk_pb2.Limit(
            target=self.target(record.level),
            kind=_kind(record.kind),
            value=format_value(record.value, record.level, record.kind, self._reference),
            update_time_ns=record.time_ns,
            sequence=record.sequence,
            author=record.author,
            expire_time_ns=record.expire_time_ns,
            comment=record.comment,
        )

    def _kill_message(self, record: KillRecord) -> risk_pb2.KillSwitch:
        return risk_pb2.KillSwitch(
            target=self.target(record.level),
            comment=record.comment,
            author=record.author,
            update_time_ns=record.time_ns,
            sequence=record.sequence,
        )

    def timeout_s(self) -> float:
        """How long to wait for the gate: the caller's deadline, less what the answer needs."""
        remaining = current_call().time_remaining()
        if remaining is None:
            return self._control_timeout_s
        return max(0.0, min(self._control_timeout_s, remaining * 0.9))

    # Limits

    async def SetLimit(  # noqa: N802
        self, request: risk_pb2.SetLimitRequest, context: Any
    ) -> risk_pb2.SetLimitResponse:
        """Set one limit in the gate and record it."""
        level = self.limit_level(request.target, request.kind)
        value = parse_value(request.value, level, request.kind, self._reference)
        author = current_call().principal.name
        record = await self._controller.set_limit(
            level, int(request.kind), value, author, self.timeout_s(), request.comment
        )
        return risk_pb2.SetLimitResponse(limit=self.limit_message(record))

    async def ClearLimit(  # noqa: N802
        self, request: risk_pb2.ClearLimitRequest, context: Any
    ) -> risk_pb2.ClearLimitResponse:
        """Clear one limit in the gate and record it."""
        level = self.limit_level(request.target, request.kind)
        scale_of(level, int(request.kind), self._reference)
        author = current_call().principal.name
        was_set, sequence = await self._controller.clear_limit(
            level, int(request.kind), author, self.timeout_s(), request.comment
        )
        return risk_pb2.ClearLimitResponse(was_set=was_set, sequence=sequence)

    async def GetLimits(  # noqa: N802
        self, request: risk_pb2.GetLimitsRequest, context: Any
    ) -> risk_pb2.GetLimitsResponse:
        """The tightest limit of each kind, by the gate's own hierarchy."""
        account = self.account(request.account)
        instrument_id = 0
        if request.instrument:
            instrument_id = self.own_instrument(request.instrument).instrument_id
        group_id = self._store.setting(
            control.CONTROL_ACTION_SET_GROUP, Level(SCOPE_ACCOUNT, account.account_id)
        )
        ids = account.firm_id, account.account_id, instrument_id, group_id
        held = self._store.limits_in_force(self._controller.now_ns())
        governing = [record for record in held if record.level.governs(*ids)]
        # Without an instrument, what is set in any lets orders pass there.
        candidates = governing if instrument_id else held
        own = {record.kind for record in candidates if record.level.is_own_of(account.account_id)}
        tightest = [
            min(of_kind, key=lambda record: record.value)
            for kind in LIMIT_KINDS
            if (of_kind := [record for record in governing if record.kind == kind])
        ]
        return risk_pb2.GetLimitsResponse(
            limits=[self.limit_message(record) for record in tightest],
            missing=[_kind(kind) for kind in REQUIRED_KINDS if kind not in own],
        )

    async def ListLimits(  # noqa: N802
        self, request: risk_pb2.ListLimitsRequest, context: Any
    ) -> risk_pb2.ListLimitsResponse:
        """All limits, filtered and by pages."""
        records = self._store.limits()
        if request.scope:
            records = [r for r in records if r.level.scope == request.scope]
        if request.account:
            account_id = self.account(request.account).account_id
            records = [r for r in records if r.level.is_own_of(account_id)]
        if request.instrument:
            instrument_id = self.own_instrument(request.instrument).instrument_id
            records = [r for r in records if r.level.instrument_id == instrument_id]
        after = _read_page_token(request.page_token)
        if after is not None:
            records = [r for r in records if _page_key(r) > after]
        size = request.page_size or PAGE_SIZE_DEFAULT
        page = records[:size]
        token = _write_page_token(page[-1]) if len(records) > size else ""
        return risk_pb2.ListLimitsResponse(
            limits=[self.limit_message(record) for record in page], next_page_token=token
        )

    # Kill switches

    async def Kill(  # noqa: N802
        self, request: risk_pb2.KillRequest, context: Any
    ) -> risk_pb2.KillResponse:
        """Turn a kill switch on; of a single order only what works is ended."""
        if int(request.target.scope) == SCOPE_ORDER:
            return await self._kill_order(request)
        record, cancelled_count = await self._controller.kill(
            self.level(request.target),
            request.cancel_working_orders,
            current_call().principal.name,
            request.comment,
            self.timeout_s(),
        )
        return risk_pb2.KillResponse(
            kill_switch=self._kill_message(record), cancelled_count=cancelled_count
        )

    async def _kill_order(self, request: risk_pb2.KillRequest) -> risk_pb2.KillResponse:
        order_id = request.target.order_id
        if not 0 < order_id < 1 << 63:
            raise _refuse("the scope needs a venue order id", "target.order_id")
        author = current_call().principal.name
        change = ControlRequest(control.CONTROL_ACTION_KILL, Level(SCOPE_ORDER), value=order_id)
        stamp = Stamp(author, 0, comment=f"order {order_id}: {request.comment}")
        try:
            outcome = await self._controller.apply("kill", change, (), stamp, self.timeout_s())
        except TradeCaptainError as error:
            if error.reason != reason.REASON_UNKNOWN_ORDER:
                raise
            message = f"order {order_id} isn't working: it has ended, or never was"
            raise TradeCaptainError(error.reason, message, field="target.order_id") from error
        return risk_pb2.KillResponse(
            kill_switch=risk_pb2.KillSwitch(
                target=request.target,
                comment=request.comment,
                author=author,
                update_time_ns=outcome.time_ns,
                sequence=outcome.sequence,
            ),
            cancelled_count=outcome.affected_count,
        )

    async def Unkill(  # noqa: N802
        self, request: risk_pb2.UnkillRequest, context: Any
    ) -> risk_pb2.UnkillResponse:
        """Turn a kill switch off."""
        was_on, sequence = await self._controller.unkill(
            self.level(request.target),
            current_call().principal.name,
            request.comment,
            self.timeout_s(),
        )
        return risk_pb2.UnkillResponse(was_on=was_on, sequence=sequence)

    async def ListKillSwitches(  # noqa: N802
        self, request: risk_pb2.ListKillSwitchesRequest, context: Any
    ) -> risk_pb2.ListKillSwitchesResponse:
        """All kill switches that are on."""
        return risk_pb2.ListKillSwitchesResponse(
            kill_switches=[self._kill_message(record) for record in self._store.kill_switches()]
        )

    # Questions to the gate

    async def CheckOrder(  # noqa: N802
        self, request: risk_pb2.CheckOrderRequest, context: Any
    ) -> risk_pb2.CheckOrderResponse:
        """A dry run of an order."""
        order = request.order
        account = self.account(order.account)
        instrument = self.own_instrument(order.instrument, "order.instrument")
        question = dry_run_request(order, account, instrument)
        outcome = await self._controller.ask(question, self.timeout_s())
        refusal = instrument_refusal(question, order, instrument, self._controller.now_ns())
        if refusal is None and outcome.outcome != 0:
            refusal = refusal_detail(outcome, order, instrument)
        response = risk_pb2.CheckOrderResponse(
            passes=refusal is None,
            sequence=outcome.sequence,
            time_ns=outcome.time_ns,
            venue_rules=meets_venue_rules(order),
        )
        if refusal is not None:
            refusal.field = field_in_request(request.DESCRIPTOR, refusal.field)
            response.refusal.CopyFrom(refusal)
        return response

    async def GetValues(  # noqa: N802
        self, request: risk_pb2.GetValuesRequest, context: Any
    ) -> risk_pb2.GetValuesResponse:
        """The sums that the gate holds limits against."""
        level = self.level(request.target)
        if level.scope not in (SCOPE_ACCOUNT, SCOPE_GROUP, SCOPE_FIRM):
            raise _refuse("values are those of an account, group or firm", "target.scope")
        if level.scope != SCOPE_ACCOUNT and not current_call().principal.all_accounts:
            raise TradeCaptainError(
                reason.REASON_PERMISSION_DENIED, "only operators see a group or firm"
            )
        question = ControlRequest(control.CONTROL_ACTION_REPORT_SUMS, level)
        outcome = await self._controller.ask(question, self.timeout_s())
        if outcome.outcome != 0:
            raise TradeCaptainError(
                outcome.outcome, "the gate has no values of it: no limit needs them yet"
            )
        sums = AccountSums.of(outcome)
        return risk_pb2.GetValuesResponse(
            cash=MONEY.format(sums.cash),
            profit=MONEY.format(sums.profit),
            profit_of_day=MONEY.format(sums.profit_of_day),
            gross_exposure=MONEY.format(sums.gross_exposure),
            net_exposure_if_bought=MONEY.format(sums.net_if_bought),
            net_exposure_if_sold=MONEY.format(sums.net_if_sold),
            margin=MONEY.format(sums.margin),
            sequence=outcome.sequence,
        )

    # Positions

    def _pairs(self, account_id: int) -> list[PairState]:
        """Pairs of an account as of now; refused if some of its events were lost."""
        self._catch_up()
        if not self._ledger.is_complete(account_id):
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE,
                "events of this account were lost, so its positions aren't known",
                field="account",
            )
        known = {instrument.instrument_id for instrument in self._reference.instruments}
        return [pair for pair in self._ledger.pairs_of(account_id) if pair.instrument_id in known]

    def _reached(self) -> common_pb2.StreamPosition:
        return common_pb2.StreamPosition(
            epoch=self._ledger.epoch, sequence=self._ledger.last_sequence
        )

    async def GetPositions(  # noqa: N802
        self, request: risk_pb2.GetPositionsRequest, context: Any
    ) -> risk_pb2.GetPositionsResponse:
        """Positions that aren't flat."""
        account = self.account(request.account)
        pairs = [pair for pair in self._pairs(account.account_id) if pair.position]
        return risk_pb2.GetPositionsResponse(
            positions=[self._position_message(pair) for pair in pairs], position=self._reached()
        )

    def _position_message(self, pair: PairState) -> risk_pb2.Position:
        instrument = self._reference.instrument(pair.instrument_id)
        message = risk_pb2.Position(
            account_id=pair.account_id,
            instrument_id=pair.instrument_id,
            instrument=instrument.key,
            quantity=instrument.quantity.format(pair.position),
            bought_quantity=instrument.quantity.format(pair.bought),
            sold_quantity=instrument.quantity.format(pair.sold),
        )
        average = average_price(pair, instrument)
        if average is not None:
            message.average_price = average
        if pair.is_value_known:
            message.realised_profit = money_scale(instrument).format(pair.realised)
        return message

    async def GetExposure(  # noqa: N802
        self, request: risk_pb2.GetExposureRequest, context: Any
    ) -> risk_pb2.GetExposureResponse:
        """Positions with their working orders and values."""
        account = self.account(request.account)
        pairs = self._pairs(account.account_id)
        open_order_count = sum(pair.open_order_count for pair in pairs)
        if request.instrument:
            instrument_id = self.own_instrument(request.instrument).instrument_id
            pairs = [pair for pair in pairs if pair.instrument_id == instrument_id]
        return risk_pb2.GetExposureResponse(
            exposures=[
                self._exposure_message(pair)
                for pair in pairs
                if pair.position or pair.open_order_count
            ],
            open_order_count=open_order_count,
            position=self._reached(),
        )

    def _exposure_message(self, pair: PairState) -> risk_pb2.InstrumentExposure:
        instrument = self._reference.instrument(pair.instrument_id)
        message = risk_pb2.InstrumentExposure(
            instrument_id=pair.instrument_id,
            instrument=instrument.key,
            position=instrument.quantity.format(pair.position),
            working_buy_quantity=instrument.quantity.format(pair.working_buy),
            working_sell_quantity=instrument.quantity.format(pair.working_sell),
            open_order_count=pair.open_order_count,
            currency=instrument.currency,
        )
        mark = self._ledger.last_price(pair.instrument_id)
        if mark is not None:
            money = money_scale(instrument)
            message.mark_price = instrument.price.format(mark)
            message.net_notional = money.format(pair.position * mark)
            message.worst_case_notional = money.format(worst_case_units(pair) * abs(mark))
        return message


def _refuse(message: str, field: str) -> TradeCaptainError:
    return TradeCaptainError(reason.REASON_INVALID_REQUEST, message, field=field)


def _kind(kind: int) -> risk_pb2.LimitKind.ValueType:
    """The contract's limit kinds have the numbers of the mesh's."""
    return cast("risk_pb2.LimitKind.ValueType", kind)


type _PageKey = tuple[int, int, int, int]


def _page_key(record: LimitRecord) -> _PageKey:
    level = record.level
    return level.scope, level.scope_id, level.instrument_id, record.kind


def _write_page_token(record: LimitRecord) -> str:
    return ".".join(str(part) for part in _page_key(record))


def _read_page_token(token: str) -> _PageKey | None:
    if not token:
        return None
    parts = token.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise _refuse("the page token isn't one that this service gave", "page_token")
    scope, scope_id, instrument_id, kind = (int(part) for part in parts)
    return scope, scope_id, instrument_id, kind
