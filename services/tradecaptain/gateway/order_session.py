"""One bidirectional order session: commands in, results and reports out.

Commands are entered as they are read, without waiting for the answers of those before; results go
out in the order of the commands. Orders that follow each other in one message are entered together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import validation
from tradecaptain.edge.errors import to_detail
from tradecaptain.gateway.agent import Entered, FutureAnswer
from tradecaptain.gateway.layout import BATCH_MAX, CODE_FRESH
from tradecaptain.gateway.order_lane import OrderLane
from tradecaptain.gateway.requests import Admitted, Change, Requests
from tradecaptain.gateway.streams import ReportStream, Signal
from tradecaptain.wire import reason as reasons

OUTSTANDING_MAX: Final = 256
"""Groups of commands without a result; the session reads no further until one is answered."""

type Results = list[orders_pb2.SessionResult]


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Commands of one kind that were entered together, and how their results are told."""

    kind: str
    request_ids: Sequence[int]
    wait_for: Sequence[FutureAnswer]
    finish: Callable[[], Results]

    def is_ready(self) -> bool:
        """Whether the venue has answered all of them, or time ran out."""
        return all(answer.done() for answer in self.wait_for)

    def encode(self) -> bytes:
        """Their results; if the outcome of one is unknown, that of all is."""
        try:
            for answer in self.wait_for:
                answer.result()
            results = self.finish()
        except TradeCaptainError as error:
            results = [_refused(request_id, self.kind, error) for request_id in self.request_ids]
        return orders_pb2.OrderSessionResponse(results=results).SerializeToString()


class PlainOrders:
    """Orders of one message in the fast lane: their own answer, and the fast form of
    :class:`Outstanding`."""

    __slots__ = (
        "_error",
        "_is_done",
        "_runner",
        "data",
        "first",
        "known",
        "request_ids",
        "wait_for",
    )

    def __init__(self, runner: OrderSessionRunner, data: bytes, request_ids: bytes) -> None:
        self.data = data
        self.request_ids = request_ids
        self.first = 0
        """The first of their requests if all were fresh."""
        self.known: Entered | None = None
        """What became of each, where some weren't fresh."""
        self.wait_for: Sequence[FutureAnswer] = ()
        """Answers to the commands that they repeat."""
        self._runner = runner
        self._is_done = False
        self._error: TradeCaptainError | None = None

    def done(self) -> bool:
        """Whether the venue has answered the fresh ones, or time ran out."""
        return self._is_done

    def set_result(self, result: None, /) -> None:
        """The venue has answered the fresh ones."""
        self._is_done = True
        self._runner.wake()

    def set_exception(self, error: TradeCaptainError, /) -> None:
        """The outcome is unknown."""
        self._error = error
        self.set_result(None)

    def is_ready(self) -> bool:
        """Whether all of them have a result."""
        return self._is_done and all(answer.done() for answer in self.wait_for)

    def encode(self) -> bytes:
        """Their results, as fields of a response; if the outcome of one is unknown, all are."""
        try:
            if self._error is not None:
                raise self._error
            for answer in self.wait_for:
                answer.result()
            return self._runner.encode_plain(self)
        except TradeCaptainError as error:
            told = [_refused(request_id, "submit", error) for request_id in self.numbers()]
            return orders_pb2.OrderSessionResponse(results=told).SerializeToString()

    def numbers(self) -> list[int]:
        """The session's numbers of them."""
        return memoryview(self.request_ids).cast("q").tolist()


class OrderSessionRunner:
    """Runs the commands of one session."""

    REPORTS_FIELD_NUMBER: Final[int] = int(
        orders_pb2.OrderSessionResponse.DESCRIPTOR.fields_by_name["reports"].number
    )

    def __init__(
        self,
        *,
        requests: Requests,
        lane: OrderLane,
        mass_cancel: Callable[[records_pb2.MassCancel], Awaitable[int]],
        account_of: Callable[[str], int],
        stream: ReportStream,
        with_reports: bool,
        stream_batch: int,
    ) -> None:
        self._requests = requests
        self._lane = lane
        self._mass_cancel = mass_cancel
        self._account_of = account_of
        self._stream = stream
        self._with_reports = with_reports
        self._stream_batch = stream_batch
        self._outstanding: deque[Outstanding | PlainOrders] = deque()
        self._signal = Signal()
        self._room = Signal()
        self._reader: asyncio.Task[None] | None = None
        self._session_id = 0

    async def run(
        self,
        session_id: int,
        first: orders_pb2.OrderSessionRequest,
        requests: AsyncIterator[bytes],
    ) -> AsyncGenerator[bytes]:
        """Read commands and yield serialised responses until the client has ended its side."""
        self._session_id = session_id
        self._reader = asyncio.create_task(self._read(first, requests))
        self._reader.add_done_callback(self._signal.set)
        if self._with_reports:
            self._stream.listen(self._signal.set)
        while True:
            data = self._take_results()
            if self._with_reports:
                data += self._stream.next_reports(self._stream_batch)
            if data:
                yield data
            elif self._reader.done() and not self._outstanding:
                self._reader.result()
                return
            else:
                await self._signal.wait()

    async def close(self) -> None:
        """Stop reading; what was entered stays entered."""
        if self._with_reports and self._reader is not None:
            self._stream.unlisten(self._signal.set)
        if self._reader is not None and not self._reader.done():
            self._reader.cancel()
            await asyncio.wait([self._reader])

    def wake(self) -> None:
        """Have the results that are ready written."""
        self._signal.set()

    def encode_plain(self, plain: PlainOrders) -> bytes:
        """The results of orders of the fast lane whose answers have come."""
        numbers = plain.numbers()
        count = len(numbers)
        if plain.known is None:
            data = self._lane.results(plain.first, count, plain.request_ids)
            if data is not None:
                return data
            codes, targets = [CODE_FRESH] * count, list(range(plain.first, plain.first + count))
        else:
            codes, targets = plain.known.codes.tolist(), plain.known.targets.tolist()
        request = orders_pb2.OrderSessionRequest.FromString(plain.data)
        orders = [command.submit for command in request.commands]
        results = self._requests.results(orders, codes, targets)
        told = [_from_row(*pair) for pair in zip(numbers, results, strict=True)]
        return orders_pb2.OrderSessionResponse(results=told).SerializeToString()

    def _take_results(self) -> bytes:
        parts = []
        while self._outstanding and self._outstanding[0].is_ready():
            parts.append(self._outstanding.popleft().encode())
        if not parts:
            return b""
        self._room.set()
        return b"".join(parts)

    async def _read(
        self,
        first: orders_pb2.OrderSessionRequest,
        requests: AsyncIterator[bytes],
    ) -> None:
        await self._do(first.commands)
        async for data in requests:
            if self._enter_plain(data):
                if len(self._outstanding) >= OUTSTANDING_MAX:
                    await self._wait_for_room()
                continue
            request = validation.parse(orders_pb2.OrderSessionRequest, data)
            if request.HasField("open"):
                raise TradeCaptainError(
                    reasons.REASON_INVALID_REQUEST, "the session is open already", field="open"
                )
            await self._do(request.commands)

    def _enter_plain(self, data: bytes) -> bool:
        """Enter a message of plain new orders; False if it is anything else, or can't be entered
        as a whole: then nothing has happened."""
        lane = self._lane
        count = lane.parse_commands(data)
        if count < 0:
            return False
        try:
            account = self._requests.account(self._account_of(lane.account))
        except TradeCaptainError:
            return False
        plain = PlainOrders(self, data, lane.request_ids(count))
        try:
            fresh = lane.enter(count, account, self._session_id, plain)
        except TradeCaptainError:
            return False
        if fresh == 0:
            return False
        if fresh == count:
            plain.first = lane.first_target
        else:
            plain.known, plain.wait_for = self._requests.known(count, fresh)
            for answer in plain.wait_for:
                answer.add_done_callback(self._signal.set)
        self._outstanding.append(plain)
        return True

    async def _do(self, commands: Sequence[orders_pb2.SessionCommand]) -> None:
        """Enter the commands of one message, neighbouring orders together.

        A command that breaks a rule of the contract is refused by its result, and the session goes
        on.
        """
        if len(commands) > BATCH_MAX:
            raise TradeCaptainError(
                reasons.REASON_INVALID_REQUEST,
                f"at most {BATCH_MAX} commands in a message",
                field="commands",
            )
        rows: list[tuple[int, records_pb2.NewOrder]] = []
        for command in commands:
            kind = command.WhichOneof("command") or ""
            try:
                validation.check(command)
            except TradeCaptainError as error:
                self._submit_rows(rows)
                rows = []
                self._refuse(command.request_id, kind, error)
                continue
            if kind == "submit" and len(rows) < BATCH_MAX:
                rows.append((command.request_id, command.submit))
                continue
            self._submit_rows(rows)
            rows = []
            if kind == "submit":
                rows.append((command.request_id, command.submit))
            else:
                try:
                    await self._do_one(command, kind)
                except TradeCaptainError as error:
                    self._refuse(command.request_id, kind, error)
            await self._wait_for_room()
        self._submit_rows(rows)
        await self._wait_for_room()

    async def _do_one(self, command: orders_pb2.SessionCommand, kind: str) -> None:
        request_id = command.request_id
        if kind == "batch":
            account_id = self._account_of(command.batch.account)
            pending = self._requests.enter_columns(command.batch, account_id, self._session_id)
            self._add(
                kind,
                [request_id],
                pending.wait_for,
                lambda: [
                    orders_pb2.SessionResult(
                        request_id=request_id, batch=self._requests.column_results(pending)
                    )
                ],
            )
        elif kind == "cancel":
            account_id = self._account_of(command.cancel.account)
            self._add_change(
                kind,
                request_id,
                await self._requests.enter_cancel(command.cancel, account_id, self._session_id),
            )
        elif kind == "replace":
            account_id = self._account_of(command.replace.account)
            self._add_change(
                kind,
                request_id,
                await self._requests.enter_replace(command.replace, account_id, self._session_id),
            )
        else:
            count = await self._mass_cancel(command.mass_cancel)
            result = orders_pb2.SessionResult(request_id=request_id, affected_count=count)
            self._add(kind, [request_id], [], lambda: [result])

    def _submit_rows(self, rows: list[tuple[int, records_pb2.NewOrder]]) -> None:
        admitted: list[Admitted] = []
        request_ids: list[int] = []
        for request_id, order in rows:
            try:
                account_id = self._account_of(order.account)
            except TradeCaptainError as error:
                # Results go out in the order of the commands.
                self._enter_rows(request_ids, admitted)
                admitted, request_ids = [], []
                self._refuse(request_id, "submit", error)
            else:
                admitted.append((order, account_id, self._session_id))
                request_ids.append(request_id)
        self._enter_rows(request_ids, admitted)

    def _enter_rows(self, request_ids: list[int], admitted: list[Admitted]) -> None:
        if not admitted:
            return
        try:
            pending, outcomes = self._requests.enter_rows(admitted)
        except TradeCaptainError as error:
            for request_id in request_ids:
                self._refuse(request_id, "submit", error)
            return

        def finish() -> Results:
            results = self._requests.row_results(admitted, pending, outcomes)
            return [
                _from_row(request_id, row)
                for request_id, row in zip(request_ids, results, strict=True)
            ]

        self._add("submit", request_ids, pending.wait_for, finish)

    def _add_change(self, kind: str, request_id: int, change: Change) -> None:
        def finish() -> Results:
            self._requests.check(change)
            result = orders_pb2.SessionResult(request_id=request_id, duplicate=change.duplicate)
            self._requests.tell_state(result, change.slot)
            return [result]

        self._add(kind, [request_id], [] if change.answer is None else [change.answer], finish)

    def _refuse(self, request_id: int, kind: str, error: TradeCaptainError) -> None:
        self._add(kind, [request_id], [], lambda: [_refused(request_id, kind, error)])

    def _add(
        self,
        kind: str,
        request_ids: Sequence[int],
        wait_for: Sequence[FutureAnswer],
        finish: Callable[[], Results],
    ) -> None:
        self._outstanding.append(Outstanding(kind, request_ids, wait_for, finish))
        for answer in wait_for:
            answer.add_done_callback(self._signal.set)
        if not wait_for:
            self._signal.set()

    async def _wait_for_room(self) -> None:
        while len(self._outstanding) >= OUTSTANDING_MAX:
            await self._room.wait()


def _from_row(request_id: int, row: orders_pb2.SubmitResult) -> orders_pb2.SessionResult:
    result = orders_pb2.SessionResult(
        request_id=request_id,
        order_id=row.order_id,
        status=row.status,
        leaves_quantity_units=row.leaves_quantity_units,
        cumulative_quantity_units=row.cumulative_quantity_units,
        duplicate=row.duplicate,
    )
    if row.HasField("error"):
        result.error.CopyFrom(row.error)
        _name_in_command(result.error, "submit")
    return result


def _refused(request_id: int, kind: str, error: TradeCaptainError) -> orders_pb2.SessionResult:
    result = orders_pb2.SessionResult(request_id=request_id, error=to_detail(error))
    _name_in_command(result.error, kind)
    return result


def _name_in_command(detail: errors_pb2.ErrorDetail, kind: str) -> None:
    """Name the field by its path in the command, as refusals by rules of the contract do."""
    holder = orders_pb2.SessionCommand.DESCRIPTOR.fields_by_name.get(kind)
    message = holder.message_type if holder is not None else None
    name = detail.field.partition(".")[0].partition("[")[0]
    if message is not None and name in message.fields_by_name:
        detail.field = f"{kind}.{detail.field}"
