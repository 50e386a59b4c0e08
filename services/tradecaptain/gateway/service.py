"""OrderService: order entry, queries and streams of execution reports."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from google.protobuf.message import Message
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.edge import current_call, raw_request, validation
from tradecaptain.gateway import queries
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.batch_lane import BatchLane
from tradecaptain.gateway.commands import Directory, Stager
from tradecaptain.gateway.config import GatewayConfig
from tradecaptain.gateway.control_desk import ControlDesk
from tradecaptain.gateway.layout import CODE_DUPLICATE, OUTCOME_REFUSED
from tradecaptain.gateway.order_lane import OrderLane
from tradecaptain.gateway.order_session import OrderSessionRunner
from tradecaptain.gateway.requests import Requests
from tradecaptain.gateway.sessions import SessionTable
from tradecaptain.gateway.streams import ReportStream, newest_position
from tradecaptain.gateway.views import ReportWriter, order_view, refusal, units_of
from tradecaptain.wire import control
from tradecaptain.wire import reason as reasons

_DEFAULT_PAGE: Final = 100
_ACCOUNT_SCOPES: Final = (control.CONTROL_SCOPE_ACCOUNT, control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT)


def _number(message: type[Message], field: str) -> int:
    descriptor: Any = message.DESCRIPTOR
    return int(descriptor.fields_by_name[field].number)


_SUBMIT_REPORTS: Final = _number(orders_pb2.SubmitOrderResponse, "reports")
_REPLACE_REPORTS: Final = _number(orders_pb2.ReplaceOrderResponse, "reports")
_STREAM_REPORTS: Final = _number(orders_pb2.StreamExecutionsResponse, "reports")
_OPEN_REPORTS: Final = _number(orders_pb2.OpenSessionResponse, "reports")


class OrderService(orders_pb2_grpc.OrderServiceServicer):
    """Serves clients; everything that it does for an account is checked against the principal."""

    def __init__(
        self,
        desk: OrderDesk,
        controls: ControlDesk,
        sessions: SessionTable,
        directory: Directory,
        config: GatewayConfig,
    ) -> None:
        self._desk = desk
        self._store = desk.store
        self._controls = controls
        self._sessions = sessions
        self._directory = directory
        self._config = config
        self._writer = ReportWriter(desk.store)
        stager = Stager(desk.store, directory)
        self._requests = Requests(desk, stager, directory)
        self._batches = BatchLane(desk, self._requests, stager.batch_template)
        self._units = {
            instrument_id: units_of(instrument)
            for instrument_id, instrument in directory.instruments.items()
            if instrument.is_tradable
        }
        self._lane = OrderLane(
            desk,
            self._writer,
            stager.batch_template,
            directory.instruments,
            self._serialised_units(),
        )
        self._header = common_pb2.StreamHeader(units=self._units.values())

    def _serialised_units(self) -> dict[int, bytes]:
        return {number: units.SerializeToString() for number, units in self._units.items()}

    def add_instrument(self, instrument: Instrument, now_ns: int) -> None:
        """Serve an instrument that the venue has opened meanwhile."""
        self._directory.add(instrument)
        self._units[instrument.instrument_id] = units_of(instrument)
        self._store.add_instrument(instrument, now_ns)
        self._lane.show_units(self._serialised_units())
        self._header = common_pb2.StreamHeader(units=self._units.values())

    @raw_request
    async def SubmitOrder(  # type: ignore[override]  # noqa: N802
        self, data: bytes, context: Any
    ) -> bytes:
        """One order, one answer; the reports of its command ride along."""
        lane = self._lane
        if not lane.parse_order(data):
            return await self._submit_any_order(data)
        account_id, session_id = self._admit(lane.account, lane.session_id)
        answer = self._desk.new_answer()
        account = self._directory.accounts[account_id]
        if lane.enter(1, account, session_id, answer) == 0:
            return await self._answer_known(int(self._store.codes[0]), int(self._store.targets[0]))
        number = self._store.first_target[0]
        await answer
        return lane.submitted(number, False) or self._answer_any(number, False)

    async def _submit_any_order(self, data: bytes) -> bytes:
        """An order in any form that the contract allows."""
        request = validation.parse(orders_pb2.SubmitOrderRequest, data)
        order = request.order
        if order.account:
            current_call().account_id(order.account)
        validation.check(request)
        account_id, session_id = self._admit(order.account, request.session_id)
        number, duplicate, _ = await self._requests.submit(order, account_id, session_id)
        return self._answer_any(number, duplicate)

    async def _answer_known(self, code: int, number: int) -> bytes:
        """The answer to a staged order that wasn't published: known before, or refused here."""
        if code != CODE_DUPLICATE:
            instrument_id = int(self._store.staging[0]["instrument_id"])
            raise self._requests.entry_error(code, 0, self._directory.instruments[instrument_id])
        first = self._desk.follow(number)
        if first is not None:
            await first
        return self._lane.submitted(number, True) or self._answer_any(number, True)

    def _answer_any(self, number: int, duplicate: bool) -> bytes:
        """The answer as the protobuf runtime writes it; raises the venue's refusal."""
        instrument = self._requests.instrument_of(number)
        if int(self._store.requests[number]["outcome"]) == OUTCOME_REFUSED:
            raise refusal(self._store, number, instrument)
        response = orders_pb2.SubmitOrderResponse(
            order=order_view(self._store, number, instrument),
            duplicate=duplicate,
            units=self._units[instrument.instrument_id],
        )
        reports = self._writer.reports_of(number, _SUBMIT_REPORTS)
        return response.SerializeToString() + reports

    @raw_request
    async def SubmitBatch(  # type: ignore[override]  # noqa: N802
        self, data: bytes, context: Any
    ) -> Any:
        """Many orders, published at once and answered together."""
        count = self._batches.parse(data)
        if count < 0:
            return await self._submit_any_batch(data)
        account_id, session_id = self._admit(self._batches.account, self._batches.session_id)
        pending = self._batches.enter(count, self._directory.accounts[account_id], session_id)
        await pending.answered()
        return self._batches.answer(pending)

    async def _submit_any_batch(self, data: bytes) -> orders_pb2.SubmitBatchResponse:
        """A batch in any form that the contract allows."""
        request = validation.parse(orders_pb2.SubmitBatchRequest, data)
        validation.check(request)
        if request.HasField("columns"):
            if request.orders:
                raise TradeCaptainError(
                    reasons.REASON_INVALID_REQUEST, "give either rows or columns", field="orders"
                )
            columns = request.columns
            account_id, session_id = self._admit(columns.account, request.session_id)
            return orders_pb2.SubmitBatchResponse(
                columns=await self._requests.submit_columns(columns, account_id, session_id)
            )
        admitted = [
            (order, *self._admit(order.account, request.session_id)) for order in request.orders
        ]
        return orders_pb2.SubmitBatchResponse(results=await self._requests.submit_rows(admitted))

    async def CancelOrder(  # noqa: N802
        self, request: orders_pb2.CancelOrderRequest, context: Any
    ) -> orders_pb2.CancelOrderResponse:
        """Cancels or reduces; answers when the venue has done it."""
        account_id, session_id = self._admit(request.cancel.account, request.session_id)
        change = await self._requests.finish(
            await self._requests.enter_cancel(request.cancel, account_id, session_id)
        )
        return orders_pb2.CancelOrderResponse(
            order=order_view(self._store, change.slot, change.instrument),
            duplicate=change.duplicate,
        )

    async def ReplaceOrder(  # type: ignore[override]  # noqa: N802
        self, request: orders_pb2.ReplaceOrderRequest, context: Any
    ) -> bytes:
        """Replaces; answers when the venue has done it, with the trades it caused."""
        account_id, session_id = self._admit(request.replace.account, request.session_id)
        change = await self._requests.finish(
            await self._requests.enter_replace(request.replace, account_id, session_id)
        )
        response = orders_pb2.ReplaceOrderResponse(
            order=order_view(self._store, change.slot, change.instrument),
            duplicate=change.duplicate,
            units=self._units[change.instrument.instrument_id],
        )
        reports = self._writer.reports_of(change.number, _REPLACE_REPORTS)
        return response.SerializeToString() + reports

    async def MassCancel(  # noqa: N802
        self, request: orders_pb2.MassCancelRequest, context: Any
    ) -> orders_pb2.MassCancelResponse:
        """Cancels what matches; answers when the venue is through."""
        count = await self.mass_cancel(request.mass_cancel)
        return orders_pb2.MassCancelResponse(affected_count=count)

    async def mass_cancel(self, mass_cancel: records_pb2.MassCancel) -> int:
        """Do a mass cancel for the current call; returns how many orders it cancelled."""
        account_id, session_id = self._admit(mass_cancel.account, mass_cancel.session_id)
        instrument_id = 0
        if mass_cancel.instrument:
            instrument_id = self._tradable(mass_cancel.instrument).instrument_id
        if session_id:
            scope, scope_id = control.CONTROL_SCOPE_SESSION, session_id
        else:
            scope, scope_id = _ACCOUNT_SCOPES[instrument_id != 0], account_id
        return await self._controls.request(
            action=control.CONTROL_ACTION_MASS_CANCEL,
            scope=scope,
            scope_id=scope_id,
            instrument_id=instrument_id,
            side=mass_cancel.side,
            value=mass_cancel.strategy_id,
        )

    async def GetOrder(  # noqa: N802
        self, request: orders_pb2.GetOrderRequest, context: Any
    ) -> orders_pb2.GetOrderResponse:
        """One order, by either of its ids; settles outcomes that a deadline left unknown."""
        account_id = current_call().account_id(request.account)
        slot = self._requests.find(
            account_id,
            request.order_id if request.HasField("order_id") else 0,
            request.client_order_id,
        )
        instrument = self._requests.instrument_of(slot)
        return orders_pb2.GetOrderResponse(order=order_view(self._store, slot, instrument))

    async def ListOrders(  # noqa: N802
        self, request: orders_pb2.ListOrdersRequest, context: Any
    ) -> orders_pb2.ListOrdersResponse:
        """A page of an account's orders."""
        account_id = current_call().account_id(request.account)
        instrument_id = 0
        if request.instrument:
            instrument_id = self._directory.instrument(request.instrument).instrument_id
        slots, following = queries.list_orders(
            self._store,
            account_id,
            self._page_start(request.page_token, account_id),
            instrument_id,
            request.working_only,
            request.page_size or _DEFAULT_PAGE,
        )
        orders = [
            order_view(self._store, slot, self._requests.instrument_of(slot)) for slot in slots
        ]
        token = str(following) if following else ""
        return orders_pb2.ListOrdersResponse(orders=orders, next_page_token=token)

    async def StreamExecutions(  # noqa: N802
        self, request: orders_pb2.StreamExecutionsRequest, context: Any
    ) -> AsyncGenerator[Any]:
        """Reports of an account from a position on; each message holds what there is."""
        account_id = current_call().account_id(request.account)
        header, instrument_id = self._header, 0
        if request.instrument:
            instrument = self._tradable(request.instrument)
            instrument_id = instrument.instrument_id
            header = common_pb2.StreamHeader(units=[self._units[instrument_id]])
        resume = request.resume_from if request.HasField("resume_from") else None
        stream = ReportStream(
            self._desk, self._writer, account_id, resume, _STREAM_REPORTS, instrument_id
        )
        yield orders_pb2.StreamExecutionsResponse(
            header=header, position=newest_position(self._desk, account_id)
        )
        async for data in stream.batches(self._config.stream_batch):
            yield data

    async def OpenSession(  # noqa: N802
        self, request: orders_pb2.OpenSessionRequest, context: Any
    ) -> AsyncGenerator[Any]:
        """A session that lives as long as this stream, for clients that send unary commands."""
        options = request.options
        account_id = current_call().account_id(options.account)
        stream = self._session_stream(options, account_id, _OPEN_REPORTS)
        session = await self._sessions.open(account_id, options.cancel_on_disconnect)
        try:
            yield orders_pb2.OpenSessionResponse(
                opened=self._opened(session.session_id, account_id), header=self._header
            )
            async for data in stream.batches(self._config.stream_batch):
                if not options.without_reports:
                    yield data
        finally:
            self._sessions.close(session)

    @raw_request
    async def OrderSession(  # noqa: N802
        self, request_iterator: Any, context: Any
    ) -> AsyncGenerator[Any]:
        """Commands one way, results and reports the other, results in the order of commands."""
        data = await anext(request_iterator, None)
        if data is None:
            return
        first = validation.parse(orders_pb2.OrderSessionRequest, data)
        validation.check(first.open)
        if not first.HasField("open"):
            raise TradeCaptainError(
                reasons.REASON_INVALID_REQUEST, "the first message opens the session", field="open"
            )
        options = first.open
        account_id = current_call().account_id(options.account)
        runner = OrderSessionRunner(
            requests=self._requests,
            lane=self._lane,
            mass_cancel=self.mass_cancel,
            account_of=current_call().account_id,
            stream=self._session_stream(
                options, account_id, OrderSessionRunner.REPORTS_FIELD_NUMBER
            ),
            with_reports=not options.without_reports,
            stream_batch=self._config.stream_batch,
        )
        session = await self._sessions.open(account_id, options.cancel_on_disconnect)
        try:
            yield orders_pb2.OrderSessionResponse(
                opened=self._opened(session.session_id, account_id), header=self._header
            )
            async for data in runner.run(session.session_id, first, request_iterator):
                yield data
        finally:
            await runner.close()
            self._sessions.close(session)

    def _session_stream(
        self, options: orders_pb2.SessionOptions, account_id: int, tag: int
    ) -> ReportStream:
        resume = options.resume_from if options.HasField("resume_from") else None
        return ReportStream(self._desk, self._writer, account_id, resume, tag)

    def _opened(self, session_id: int, account_id: int) -> orders_pb2.SessionOpened:
        return orders_pb2.SessionOpened(
            session_id=session_id,
            position=newest_position(self._desk, account_id),
            account_id=account_id,
        )

    def _admit(self, account: str, session_id: int) -> tuple[int, int]:
        """The account and session that a command means, both entitled to."""
        call = current_call()
        account_id = call.account_id(account)
        return account_id, self._sessions.check(session_id, call.principal, account_id)

    def _tradable(self, text: str) -> Instrument:
        instrument = self._directory.instrument(text)
        if not instrument.is_tradable:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_INSTRUMENT, f"{instrument.key} isn't traded here"
            )
        return instrument

    def _page_start(self, token: str, account_id: int) -> int:
        if not token:
            return 0
        count = int(self._store.file["request_count"][0])
        if token.isascii() and token.isdigit() and 0 < int(token) <= count:
            row = self._store.requests[int(token) - 1]
            if int(row["account_id"]) == account_id:
                return int(token)
        raise TradeCaptainError(
            reasons.REASON_INVALID_REQUEST, "page_token isn't one of ours", field="page_token"
        )
