"""Servicers that answer at once, for tests of what stands around services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import Role, current_call
from tradecaptain.wire import reason

ACCOUNTS = {"alpha": 100, "beta": 101}
ACCESS = {
    "*": Role.TRADE,
    "GetOrder": Role.READ,
    "ListOrders": Role.READ,
    "MassCancel": Role.OPERATE,
}


def new_order(**changes: Any) -> records_pb2.NewOrder:
    """An order that keeps every rule of the contract."""
    fields: dict[str, Any] = {
        "instrument": "ACME@TCAP",
        "client_order_id": "c-1",
        "side": common_pb2.SIDE_BUY,
        "type": records_pb2.ORDER_TYPE_LIMIT,
        "quantity": "1",
        "price": "1.00",
    }
    return records_pb2.NewOrder(**(fields | changes))


def submit_request(**changes: Any) -> orders_pb2.SubmitOrderRequest:
    """A submit that keeps every rule of the contract."""
    return orders_pb2.SubmitOrderRequest(order=new_order(**changes))


class ToyOrders(orders_pb2_grpc.OrderServiceServicer):
    """Echoes what it is asked, and refuses what it is asked to refuse."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.release = asyncio.Event()
        self.release_streams = asyncio.Event()
        self.submits = 0

    async def SubmitOrder(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.submits += 1
        order = request.order
        if order.client_order_id == "refuse":
            raise TradeCaptainError(
                reason.REASON_PRICE_COLLAR, "too far", limit="100", observed="250", level="account"
            )
        if order.client_order_id == "wait":
            await self.release.wait()
        if order.client_order_id == "bug":
            raise KeyError("a bug")
        account_id = current_call().account_id(order.account)
        return orders_pb2.SubmitOrderResponse(
            order=records_pb2.Order(client_order_id=order.client_order_id, account_id=account_id)
        )

    async def GetOrder(self, request: Any, context: Any) -> bytes:  # noqa: N802
        response = orders_pb2.GetOrderResponse(
            order=records_pb2.Order(client_order_id=current_call().principal.name)
        )
        return response.SerializeToString()

    async def MassCancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        return orders_pb2.MassCancelResponse(affected_count=1)

    async def StreamExecutions(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        try:
            yield orders_pb2.StreamExecutionsResponse(
                reports=[records_pb2.ExecutionReport(sequence=1)]
            )
            while request.instrument == "flood":
                yield orders_pb2.StreamExecutionsResponse(
                    reports=[records_pb2.ExecutionReport(client_order_id="x" * 100_000)]
                )
            if request.instrument == "bug":
                raise KeyError("a bug")
            if request.resume_from.sequence != 1:
                await self.release_streams.wait()
            yield orders_pb2.StreamExecutionsResponse(
                reports=[records_pb2.ExecutionReport(sequence=2, previous_sequence=1)]
            )
        finally:
            self.ended.set()

    async def OrderSession(  # noqa: N802
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[Any]:
        async for request in request_iterator:
            yield orders_pb2.OrderSessionResponse(
                results=[
                    orders_pb2.SessionResult(request_id=command.request_id)
                    for command in request.commands
                ]
            )
