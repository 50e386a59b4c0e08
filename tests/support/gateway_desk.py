"""A gateway without its process: store, desk and requests before the toy venue."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
from support.toy_venue import NOW_NS, ToyVenue
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.reference_file import default_reference
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.commands import Directory, Stager
from tradecaptain.gateway.requests import Requests
from tradecaptain.gateway.store import Capacity, Store
from tradecaptain.gateway.views import ReportWriter, order_view
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.wire import streams

REFERENCE = default_reference()
CLIENTS = [account for account in REFERENCE.accounts if account.account_id >= 100]
ALPHA, BETA = 100, 101
REPORTS = orders_pb2.StreamExecutionsResponse.DESCRIPTOR.fields_by_name["reports"].number


def new_order(key: str = "c-1", **changes: Any) -> records_pb2.NewOrder:
    """A limit order to buy 10 ACME at 100.00."""
    fields: dict[str, Any] = {
        "instrument": "ACME@TCAP",
        "client_order_id": key,
        "side": 1,
        "type": 1,
        "quantity": "10",
        "price": "100.00",
    }
    return records_pb2.NewOrder(**(fields | changes))


class GatewayDesk:
    """Everything below the servicer, cranked by hand."""

    def __init__(
        self,
        folder: Path,
        *,
        requests: int = 256,
        events: int = 256,
        account_requests: int | None = 1 << 20,
    ) -> None:
        """By default an account may use up all of the room."""
        self.folder = folder
        self.capacity = Capacity(requests, events, account_requests)
        self.clock = ManualClock(NOW_NS)
        self.mesh = SimulatedMesh(seed=3)
        self.publication = self.mesh.add_publication(streams.ORDER_COMMANDS, term_bytes=1 << 20)
        self.subscription = self.mesh.add_subscription(streams.ORDER_COMMANDS, tether=True)
        self.mesh.crank()
        self.publication.refresh()
        self.venue = ToyVenue(self.mesh, self.subscription, folder / "history")
        self.start()

    def start(self) -> None:
        """Open the store, as a process does when it starts."""
        self.store = Store(
            self.folder / "orders.state",
            self.capacity,
            CLIENTS,
            REFERENCE.instruments,
            self.clock.now_ns(),
        )
        self.desk = OrderDesk(
            self.store, self.publication, self.folder / "history", self.clock, 5.0
        )
        directory = Directory(REFERENCE)
        self.requests = Requests(self.desk, Stager(self.store, directory), directory)
        self.writer = ReportWriter(self.store)
        self.desk.catch_up()

    def restart_venue(self) -> None:
        """Kill the venue and start it anew, in the next epoch and with an empty book."""
        self.venue = ToyVenue(
            self.mesh, self.subscription, self.folder / "history", epoch=self.venue.epoch + 1
        )

    def deliver(self) -> int:
        """Let the venue handle what was sent and hand its events over; returns how many."""
        batch = self.venue.work()
        self.desk.on_batch(batch)
        return len(batch)

    async def answered[Result](self, call: Coroutine[Any, Any, Result]) -> Result:
        """The result of a call, with the venue working in between until it is done."""
        task = asyncio.create_task(call)
        while not task.done():
            await asyncio.sleep(0)
            if not task.done():
                self.deliver()
        return task.result()

    async def submit(
        self, order: records_pb2.NewOrder, account_id: int = ALPHA, session_id: int = 0
    ) -> tuple[records_pb2.Order, bool]:
        """Submit an order and wait; its state, and whether it is a duplicate."""
        number, duplicate, _ = await self.answered(
            self.requests.submit(order, account_id, session_id)
        )
        return self.order(number), duplicate

    async def cancel(
        self, cancel: records_pb2.OrderCancel, account_id: int = ALPHA
    ) -> records_pb2.Order:
        """Cancel and wait; the order's state."""
        change = await self.answered(self._finished(cancel, account_id))
        return self.order(change.slot)

    async def replace(
        self, replace: records_pb2.OrderReplace, account_id: int = ALPHA
    ) -> records_pb2.Order:
        """Replace and wait; the order's state."""
        change = await self.answered(self._finished(replace, account_id))
        return self.order(change.slot)

    async def _finished(self, request: Any, account_id: int) -> Any:
        if isinstance(request, records_pb2.OrderCancel):
            entered = await self.requests.enter_cancel(request, account_id, 0)
        else:
            entered = await self.requests.enter_replace(request, account_id, 0)
        return await self.requests.finish(entered)

    def order(self, slot: int) -> records_pb2.Order:
        """The state of an order."""
        return order_view(self.store, slot, self.requests.instrument_of(slot))

    def find(self, key: str, account_id: int = ALPHA) -> records_pb2.Order:
        """The state of an order by client order id."""
        return self.order(self.requests.find(account_id, 0, key))

    def reports(self, account_id: int = ALPHA, place: int = 0) -> list[Any]:
        """All reports of an account that are held, from a place on."""
        cursor = self.writer.cursor(account_id, place, REPORTS)
        found: list[Any] = []
        while data := self.writer.next_reports(cursor, 16):
            found += orders_pb2.StreamExecutionsResponse.FromString(data).reports
        return found

    def columns(self, keys: list[str], **changes: Any) -> records_pb2.NewOrderColumns:
        """A batch of limit orders to buy ACME, one a key."""
        count = len(keys)
        fields: dict[str, Any] = {
            "client_order_ids": keys,
            "instrument_ids": [1001] * count,
            "sides": [1] * count,
            "prices_units": np.arange(9_000, 9_000 + count).tolist(),
            "quantities_units": [10] * count,
        }
        return records_pb2.NewOrderColumns(**(fields | changes))
