"""An independent client: batches of orders through Envoy, its own ledger, and what it was told.

Orders go out in batches, by unary calls and in sessions. A batch whose outcome is unknown is sent
again under the same client order ids until every row has an answer, as a careful client would. What
was acknowledged is on disk before it counts.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson
from support.running_mesh import RunningMesh
from support.wait import wait_until_async
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import records_pb2 as market_records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.client import Client
from tradecaptain.edge.tokens import token_of
from tradecaptain.wire import reason

INSTRUMENT = "ACME@TCAP"
INSTRUMENT_ID = 1001
ACCOUNTS = ("alpha", "beta")
IN_FLIGHT_LEAST = 500
SETTLE_SECONDS = 60
SAMPLED_ORDERS = 10
BATCH_ORDERS = 60
UNARY_LANES = 4
SESSION_LANES = 2
SESSION_BATCHES = 2
"""Batches that a session has under way at once."""
RESTING_PART = 0.15
SPREAD_UNITS = 60
"""How far prices lie from the middle, so that some orders trade and some don't."""
PAUSE_SECONDS, PAUSE_SECONDS_MOST = 0.05, 0.5
UNSETTLED = frozenset(
    {
        reason.REASON_UNAVAILABLE,
        reason.REASON_OUTCOME_UNKNOWN,
        reason.REASON_OVERLOADED,
        reason.REASON_DRAINING,
    }
)
"""Answers that don't say what became of an order."""


class Ledger:
    """Acknowledgements as the client got them, a line each, on disk before they count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: set[str] = set()
        self._file = path.open("ab")
        self._read_to = 0

    def acknowledge(self, rows: list[dict[str, Any]]) -> None:
        """Write rows with ``id``, ``account``, ``order_id``, ``filled`` and ``reason``."""
        for row in rows:
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        os.fdatasync(self._file.fileno())
        self._names.update(row["id"] for row in rows)

    @property
    def count(self) -> int:
        """Acknowledged orders; one that was sent again, and acknowledged again, counts once."""
        return len(self._names)

    def read_new(self) -> list[dict[str, Any]]:
        """Rows of the file that weren't read before."""
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        self._read_to += len(data)
        return [orjson.loads(line) for line in data.splitlines()]


@dataclass
class Heard:
    """An account's execution reports, as its stream told them."""

    account: str
    epoch: int = 0
    sequence: int = 0
    """Of the newest report."""
    orders: dict[str, set[int]] = field(default_factory=dict)
    """Venue order ids by client order id: one each, if nothing was doubled."""
    filled: dict[int, int] = field(default_factory=dict)
    """Filled quantity by venue order id."""
    working: dict[int, int] = field(default_factory=dict)
    """Open quantity of orders that work."""
    refused: set[str] = field(default_factory=set)
    executions: set[int] = field(default_factory=set)
    position_units: int = 0
    error: BaseException | None = None

    def take(self, report: records_pb2.ExecutionReport) -> None:
        """Add a report; it must be the next one."""
        assert self.epoch in (0, report.epoch), f"epoch {report.epoch} follows {self.epoch}"
        self.epoch = report.epoch
        assert report.sequence == self.sequence + 1, (
            f"report {report.sequence} of {self.account} follows {self.sequence}"
        )
        self.sequence = report.sequence
        if not report.order_id:
            self.refused.add(report.client_order_id)
            return
        assert report.execution_id not in self.executions, f"{report.execution_id} comes twice"
        self.executions.add(report.execution_id)
        self.orders.setdefault(report.client_order_id, set()).add(report.order_id)
        if report.execution_type == records_pb2.EXECUTION_TYPE_TRADE:
            units = report.last_quantity_units
            self.filled[report.order_id] = self.filled.get(report.order_id, 0) + units
            self.position_units += units if report.side == common_pb2.SIDE_BUY else -units
        assert self.filled.get(report.order_id, 0) == report.cumulative_quantity_units, (
            f"fills of order {report.order_id} don't add up"
        )
        if report.leaves_quantity_units:
            self.working[report.order_id] = report.leaves_quantity_units
        else:
            self.working.pop(report.order_id, None)

    async def follow(self, client: Client) -> None:
        """Take the account's reports from the first on, over every break of the connection."""
        start = common_pb2.StreamPosition(epoch=1, sequence=0)
        try:
            async for report in client.executions(resume_from=start):
                self.take(report)
        except (AssertionError, TradeCaptainError) as error:
            self.error = error


@dataclass(frozen=True)
class Market:
    """Where to trade: an instrument by its number, and a middle in price units."""

    instrument_id: int
    middle_units: int


class AccountLoad:
    """Keeps batches of one account's orders under way."""

    def __init__(
        self, client: Client, account: str, ledger: Ledger, market: Market, seed: int
    ) -> None:
        self._client = client
        self._account = account
        self._ledger = ledger
        self._market = market
        self._random = random.Random(seed)
        self._prefix = f"{account}-{seed:x}"
        self._number = 0
        self.sent: set[str] = set()
        self.in_flight = 0
        self.resent = 0
        """Batches that had to be sent again."""
        self.is_stopping = False

    async def run(self) -> None:
        """Send until told to stop, and until everything that was sent is settled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(UNARY_LANES):
                group.create_task(self._send_in_turn())
            for _ in range(SESSION_LANES):
                group.create_task(self._send_in_sessions())

    def _next_batch(self) -> records_pb2.NewOrderColumns:
        draw = self._random
        self._number += 1
        names = [f"{self._prefix}-{self._number}-{row}" for row in range(BATCH_ORDERS)]
        self.sent.update(names)
        return records_pb2.NewOrderColumns(
            client_order_ids=names,
            instrument_ids=[self._market.instrument_id] * BATCH_ORDERS,
            sides=draw.choices((common_pb2.SIDE_BUY, common_pb2.SIDE_SELL), k=BATCH_ORDERS),
            prices_units=[
                self._market.middle_units + draw.randint(-SPREAD_UNITS, SPREAD_UNITS) for _ in names
            ],
            quantities_units=[draw.randint(1, 9) for _ in names],
            times_in_force=draw.choices(
                (
                    records_pb2.TIME_IN_FORCE_DAY,
                    records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
                ),
                (RESTING_PART, 1 - RESTING_PART),
                k=BATCH_ORDERS,
            ),
        )

    def _settle(
        self, columns: records_pb2.NewOrderColumns, told: orders_pb2.SubmitResultColumns
    ) -> bool:
        """Write down what a batch's answer says; false if it leaves a row open."""
        rows = zip(
            columns.client_order_ids,
            told.order_ids,
            told.cumulative_quantities_units,
            told.reasons,
            strict=True,
        )
        known = [
            {"id": name, "account": self._account, "order_id": order_id, "filled": filled}
            for name, order_id, filled, why in rows
            if order_id or why not in UNSETTLED
        ]
        self._ledger.acknowledge(known)
        return len(known) == len(columns.client_order_ids)

    async def _send_in_turn(self) -> None:
        while not self.is_stopping:
            columns = self._next_batch()
            request = orders_pb2.SubmitBatchRequest(columns=columns)
            self.in_flight += BATCH_ORDERS
            pause = PAUSE_SECONDS
            while not await self._submitted(request):
                self.resent += 1
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MOST)
            self.in_flight -= BATCH_ORDERS

    async def _submitted(self, request: orders_pb2.SubmitBatchRequest) -> bool:
        try:
            answer = await self._client.orders.SubmitBatch(request)
        except TradeCaptainError as error:
            if error.reason not in UNSETTLED:
                raise
            return False
        return self._settle(request.columns, answer.columns)

    async def _send_in_sessions(self) -> None:
        """One session after the other; what one leaves open the next sends again."""
        under_way: dict[int, records_pb2.NewOrderColumns] = {}
        pause = PAUSE_SECONDS
        while under_way or not self.is_stopping:
            try:
                await self._session(under_way)
            except TradeCaptainError as error:
                if error.reason not in UNSETTLED:
                    raise
                self.resent += len(under_way)
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MOST)

    async def _session(self, under_way: dict[int, records_pb2.NewOrderColumns]) -> None:
        outgoing: asyncio.Queue[orders_pb2.OrderSessionRequest | None] = asyncio.Queue()

        async def requests() -> AsyncIterator[orders_pb2.OrderSessionRequest]:
            yield orders_pb2.OrderSessionRequest(
                open=orders_pb2.SessionOptions(without_reports=True)
            )
            while (request := await outgoing.get()) is not None:
                yield request

        def send(number: int) -> None:
            command = orders_pb2.SessionCommand(request_id=number, batch=under_way[number])
            outgoing.put_nowait(orders_pb2.OrderSessionRequest(commands=[command]))

        def send_fresh() -> None:
            while not self.is_stopping and len(under_way) < SESSION_BATCHES:
                columns = self._next_batch()
                under_way[self._number] = columns
                self.in_flight += BATCH_ORDERS
                send(self._number)

        for number in under_way:
            send(number)
        send_fresh()
        if not under_way:
            return
        async for response in self._client.orders.OrderSession(requests()):
            for result in response.results:
                columns = under_way[result.request_id]
                if result.HasField("batch") and self._settle(columns, result.batch):
                    del under_way[result.request_id]
                    self.in_flight -= BATCH_ORDERS
                elif not result.HasField("batch") and result.error.reason not in UNSETTLED:
                    raise AssertionError(f"a batch was refused: {result.error}")
                else:
                    self.resent += 1
                    await asyncio.sleep(PAUSE_SECONDS)
                    send(result.request_id)
            send_fresh()
            if not under_way:
                outgoing.put_nowait(None)


class Desk:
    """The client's connections, what it heard of each account, and its ledger."""

    def __init__(self, mesh: RunningMesh, ledger: Ledger) -> None:
        self.ledger = ledger
        self.clients = {
            account: Client(mesh.address, token_of(mesh.run.tokens, account))
            for account in ACCOUNTS
        }
        self.heard = {account: Heard(account) for account in ACCOUNTS}
        self.sent: set[str] = set()
        self._followers = [
            asyncio.create_task(heard.follow(self.clients[account]))
            for account, heard in self.heard.items()
        ]

    async def close(self) -> None:
        for task in self._followers:
            task.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        for client in self.clients.values():
            await client.close()

    def has_heard(self, row: dict[str, Any]) -> bool:
        """Whether the stream told of an acknowledged order; fails if it ended or contradicts."""
        heard = self.heard[row["account"]]
        if heard.error is not None:
            raise heard.error
        if not row["order_id"]:
            return True
        return row["id"] in heard.orders and heard.filled.get(row["order_id"], 0) >= row["filled"]

    async def cancel_all(self) -> None:
        request = orders_pb2.MassCancelRequest(mass_cancel=records_pb2.MassCancel())
        for client in self.clients.values():
            await retried(client.orders.MassCancel, request)

    async def compare(self) -> None:
        """Hold reports, orders and positions against what was acknowledged in this round."""
        rows = self.ledger.read_new()
        await self.cancel_all()
        for row in rows:
            await wait_until_async(
                lambda row=row: self.has_heard(row),
                timeout_s=SETTLE_SECONDS,
                what=f"the reports of the acknowledged order {row}",
            )
            order_ids = self.heard[row["account"]].orders.get(row["id"], set())
            assert order_ids == ({row["order_id"]} if row["order_id"] else set()), (
                f"{row} is lost or doubled: {order_ids}"
            )
        for account in ACCOUNTS:
            await self._compare_account(account, [row for row in rows if row["account"] == account])

    async def _compare_account(self, account: str, rows: list[dict[str, Any]]) -> None:
        heard, client = self.heard[account], self.clients[account]
        unknown = (heard.orders.keys() | heard.refused) - self.sent
        assert not unknown, f"orders that nobody sent: {sorted(unknown)[:5]}"
        await wait_until_async(
            lambda: not heard.working, timeout_s=SETTLE_SECONDS, what="every order to end"
        )
        request = orders_pb2.ListOrdersRequest(working_only=True)
        listed = await retried(client.orders.ListOrders, request)
        assert not listed.orders, f"ended orders are listed as working: {listed.orders[:3]}"
        # What the gateway refused it doesn't keep.
        placed = [row for row in rows if row["order_id"]]
        for row in random.Random(len(rows)).sample(placed, min(SAMPLED_ORDERS, len(placed))):
            wanted = orders_pb2.GetOrderRequest(client_order_id=row["id"])
            order = (await retried(client.orders.GetOrder, wanted)).order
            assert order.order_id == row["order_id"]
            assert int(order.cumulative_quantity or 0) == heard.filled.get(row["order_id"], 0)

        async def position_agrees() -> bool:
            wanted = risk_pb2.GetPositionsRequest(account=account)
            answer = await retried(client.risk.GetPositions, wanted)
            held = {item.instrument: int(item.quantity) for item in answer.positions}
            return held.get(INSTRUMENT, 0) == heard.position_units

        await wait_until_async(
            position_agrees, timeout_s=SETTLE_SECONDS, what="the position to be the sum of fills"
        )


async def retried(call: Any, request: Any) -> Any:
    """The answer of a call that changes nothing if made twice; a part may be just coming back."""

    async def answered() -> Any:
        try:
            return await call(request)
        except TradeCaptainError as error:
            if error.reason not in UNSETTLED:
                raise
            return None

    return await wait_until_async(answered, timeout_s=SETTLE_SECONDS, what="an answer")


async def best_bid_units(client: Client) -> int:
    """Our own venue's best bid in price units; 0 while its book is empty."""
    request = orderbook_pb2.GetBookRequest(
        instrument=INSTRUMENT, level=market_records_pb2.DEPTH_LEVEL_L1, level_limit=1
    )
    bids = (await retried(client.books.GetBook, request)).book.bids
    return int(bids[0].price_units) if bids else 0


@asynccontextmanager
async def open_desk(mesh: RunningMesh, ledger: Ledger) -> AsyncIterator[Desk]:
    desk = Desk(mesh, ledger)
    try:
        yield desk
    finally:
        await desk.close()


class Burst:
    """Orders of all accounts under way, from its making until :meth:`settle`."""

    @classmethod
    async def begin(cls, desk: Desk, seed: int) -> Self:
        """Begin around the best bid of the moment."""
        client = desk.clients[ACCOUNTS[0]]
        middle_units = await wait_until_async(
            lambda: best_bid_units(client), timeout_s=SETTLE_SECONDS, what="a bid"
        )
        return cls(desk, Market(INSTRUMENT_ID, middle_units), seed)

    def __init__(self, desk: Desk, market: Market, seed: int) -> None:
        self._desk = desk
        self._loads = [
            AccountLoad(desk.clients[account], account, desk.ledger, market, seed)
            for account in ACCOUNTS
        ]
        self._running = [asyncio.create_task(load.run()) for load in self._loads]

    async def enough_in_flight(self) -> int:
        """Wait for a moment at which enough orders are unacknowledged; how many there are then."""

        def in_flight() -> int:
            self._fail_with_a_lane()
            count = sum(load.in_flight for load in self._loads)
            return count if count >= IN_FLIGHT_LEAST else 0

        return await wait_until_async(in_flight, what="enough orders in flight")

    async def acknowledged(self, orders: int) -> None:
        """Wait until so many more orders are acknowledged."""
        ledger, before = self._desk.ledger, self._desk.ledger.count

        def have_come() -> bool:
            self._fail_with_a_lane()
            return ledger.count >= before + orders

        await wait_until_async(have_come, timeout_s=SETTLE_SECONDS, what="acknowledgements")

    def _fail_with_a_lane(self) -> None:
        for task in self._running:
            if task.done():
                task.result()

    def stop(self) -> None:
        """Send nothing new any more."""
        for load in self._loads:
            load.is_stopping = True

    async def settle(self) -> int:
        """Stop, and wait until every order has an answer; how many batches were sent again."""
        self.stop()
        async with asyncio.timeout(SETTLE_SECONDS):
            await asyncio.gather(*self._running)
        for load in self._loads:
            self._desk.sent |= load.sent
        return sum(load.resent for load in self._loads)
