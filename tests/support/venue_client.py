"""One instrument of a running mesh's venue, as its traders and administrators see it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from support.running_mesh import CALL_SECONDS, RunningMesh
from support.wait import wait_until
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.marketdata.v1 import records_pb2 as market
from tradecaptain.api.orderbook.v1 import administration_pb2 as administration
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.api.orderbook.v1.administration_pb2_grpc import VenueAdministrationServiceStub
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.api.risk.v1 import risk_pb2, risk_pb2_grpc
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.errors import from_rpc_error

WORKING, PARTLY, FILLED, CANCELLED, REJECTED, EXPIRED = range(1, 7)
LIMIT, MARKET, STOP, STOP_LIMIT, TRAILING, PEGGED = range(1, 7)
DAY, GTC, IOC, FOK, GTD, AT_OPEN, AT_CLOSE = range(1, 8)
CONTINUOUS, CLOSED, HALTED, OPENING, CLOSING, VOLATILITY, INTRADAY = range(1, 8)
SIDES = {"buy": common_pb2.SIDE_BUY, "sell": common_pb2.SIDE_SELL}
NAMES = (f"T{number}" for number in itertools.count(1))


@dataclass
class Venue:
    """Calls through Envoy, for one instrument."""

    mesh: RunningMesh
    channel: grpc.Channel
    symbol: str = ""
    number: int = 0
    keys: Iterator[int] = field(default_factory=itertools.count)

    @property
    def name(self) -> str:
        return f"{self.symbol}@TCAP"

    def call(self, stub: Any, method: str, request: Any, principal: str) -> Any:
        """One call; a refusal is raised as a typed error."""
        metadata = self.mesh.metadata(principal)
        try:
            return getattr(stub(self.channel), method)(
                request, metadata=metadata, timeout=CALL_SECONDS
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def admin(self, method: str, **fields: Any) -> Any:
        request = getattr(administration, f"{method}Request")(**fields)
        return self.call(VenueAdministrationServiceStub, method, request, "venue")

    def create(self, **fields: Any) -> instruments_pb2.Instrument:
        """Open the instrument, and wait until accounts have limits in it."""
        fields = {"like": "ACME@TCAP", "reference_price": "10.00"} | fields
        self.symbol = next(NAMES)
        response = self.admin("CreateInstrument", symbol=self.symbol, **fields)
        self.number = response.instrument.instrument_id
        self.open_accounts(int(response.instrument.order_increments[0].lot))
        instrument: instruments_pb2.Instrument = response.instrument
        return instrument

    def open_accounts(self, lot: int = 1) -> None:
        """Wait until accounts have limits, and let them trade at any price."""
        for account in ("alpha", "beta"):
            target = risk_pb2.RiskTarget(
                scope=common_pb2.SCOPE_ACCOUNT_INSTRUMENT, account=account, instrument=self.name
            )
            request = risk_pb2.SetLimitRequest(
                target=target, kind=risk_pb2.LIMIT_KIND_PRICE_COLLAR, value="unlimited"
            )
            self.call(risk_pb2_grpc.RiskServiceStub, "SetLimit", request, "operator")
            wait_until(lambda who=account: self.is_open_for(who, lot), timeout_s=10, what="limits")

    def is_open_for(self, account: str, lot: int = 1) -> bool:
        """Whether the venue takes an account's orders; none stays."""
        order = self.try_order(account, "buy", lot, price="0.05")
        if isinstance(order, int):
            return False
        self.cancel(order.order_id, account)
        return True

    def phase(self, phase: int, **fields: Any) -> None:
        self.admin("SetPhase", instrument=self.name, phase=phase, **fields)

    def submit(self, who: str, side: str, quantity: int, **fields: Any) -> records_pb2.Order:
        fields.setdefault("type", LIMIT if "price" in fields else MARKET)
        order = records_pb2.NewOrder(
            instrument=self.name,
            client_order_id=f"{self.symbol}-{next(self.keys)}",
            side=SIDES[side],
            quantity=str(quantity),
            **fields,
        )
        request = orders_pb2.SubmitOrderRequest(order=order)
        stub = orders_pb2_grpc.OrderServiceStub
        placed: records_pb2.Order = self.call(stub, "SubmitOrder", request, who).order
        return placed

    def try_order(self, who: str, side: str, quantity: int, **fields: Any) -> Any:
        """The order, or the reason why it was refused."""
        try:
            return self.submit(who, side, quantity, **fields)
        except TradeCaptainError as error:
            return error.reason

    def order(self, order_id: int, who: str = "alpha") -> records_pb2.Order:
        request = orders_pb2.GetOrderRequest(order_id=order_id)
        stub = orders_pb2_grpc.OrderServiceStub
        found: records_pb2.Order = self.call(stub, "GetOrder", request, who).order
        return found

    def soon(self, order_id: int, who: str = "alpha", **wanted: Any) -> records_pb2.Order:
        """The order, once it has what is wanted of it."""

        def as_wanted() -> Any:
            order = self.order(order_id, who)
            return order if all(getattr(order, k) == v for k, v in wanted.items()) else None

        found: records_pb2.Order = wait_until(as_wanted, timeout_s=10, what=f"{wanted}")
        return found

    def replace(self, order_id: int, who: str = "alpha", **fields: Any) -> records_pb2.Order:
        change = records_pb2.OrderReplace(
            order_id=order_id, client_order_id=f"{self.symbol}-{next(self.keys)}", **fields
        )
        request = orders_pb2.ReplaceOrderRequest(replace=change)
        stub = orders_pb2_grpc.OrderServiceStub
        order: records_pb2.Order = self.call(stub, "ReplaceOrder", request, who).order
        return order

    def cancel(self, order_id: int, who: str = "alpha", **fields: Any) -> records_pb2.Order:
        target = records_pb2.OrderCancel(order_id=order_id, **fields)
        request = orders_pb2.CancelOrderRequest(cancel=target)
        stub = orders_pb2_grpc.OrderServiceStub
        order: records_pb2.Order = self.call(stub, "CancelOrder", request, who).order
        return order

    def mass_cancel(self, who: str = "alpha", **fields: Any) -> int:
        fields.setdefault("instrument", self.name)
        request = orders_pb2.MassCancelRequest(mass_cancel=records_pb2.MassCancel(**fields))
        stub = orders_pb2_grpc.OrderServiceStub
        return int(self.call(stub, "MassCancel", request, who).affected_count)

    def book(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Displayed (cents, quantity) of both sides, best first."""
        request = orderbook_pb2.GetBookRequest(instrument=self.name)
        stub = orderbook_pb2_grpc.OrderBookServiceStub
        book = self.call(stub, "GetBook", request, "alpha").book
        bids, asks = (
            [(level.price_units, level.quantity_units) for level in side]
            for side in (book.bids, book.asks)
        )
        return bids, asks

    def shows(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Wait until the book is as told."""
        wait_until(lambda: self.book() == (bids, asks), timeout_s=10, what=f"{bids} and {asks}")

    def updates(self) -> Iterator[market.DepthUpdate]:
        """Every change of the book from now on."""
        request = orderbook_pb2.StreamBookRequest(instrument=self.name)
        stub = orderbook_pb2_grpc.OrderBookServiceStub(self.channel)
        for response in stub.StreamBook(
            request, metadata=self.mesh.metadata(), timeout=4 * CALL_SECONDS
        ):
            yield from response.updates
