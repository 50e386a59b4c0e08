"""Any mixture of requests and restarts: nothing is done twice, nothing is lost or invented."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.gateway_desk import ALPHA, BETA, GatewayDesk, new_order
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason
from twins.gateway.ledger import CONFLICT, DUPLICATE, EXHAUSTED, FRESH, KeyLedger

ACCOUNTS = st.sampled_from([ALPHA, BETA])
KEYS = st.sampled_from([f"key-{number}" for number in range(8)])
KEY_LISTS = st.lists(KEYS, min_size=1, max_size=5)
PRICE_UNITS = st.integers(9_998, 10_002)
SIDES = st.sampled_from([1, 2])
PRICES = st.sampled_from(["99.98", "100.00", "100.02"])
QUANTITIES = st.sampled_from(["1", "5", "10"])
SHARE = 16
REFUSED = {
    CONFLICT: reason.REASON_DUPLICATE_CLIENT_ORDER_ID,
    EXHAUSTED: reason.REASON_ACCOUNT_SHARE_EXHAUSTED,
}
OPEN = (records_pb2.ORDER_STATUS_WORKING, records_pb2.ORDER_STATUS_PARTIALLY_FILLED)


class GatewayMachine(RuleBasedStateMachine):
    """A gateway before the toy venue, beside a dictionary of what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-machine-"))
        self.gateway = GatewayDesk(self.folder, requests=256, events=1024, account_requests=SHARE)
        self.ledger = KeyLedger(SHARE)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def run[Result](self, call: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run(call)

    @rule(account=ACCOUNTS, key=KEYS, side=SIDES, price=PRICES, quantity=QUANTITIES)
    def submit(self, account: int, key: str, side: int, price: str, quantity: str) -> None:
        expected = self.ledger.judge(account, key, ("new", side, price, quantity))
        order = new_order(key, side=side, price=price, quantity=quantity)
        sent = self.gateway.venue.commands
        if expected in REFUSED:
            with pytest.raises(TradeCaptainError) as refused:
                self.run(self.gateway.submit(order, account))
            assert refused.value.reason == REFUSED[expected]
            assert self.gateway.venue.commands == sent
            return
        state, duplicate = self.run(self.gateway.submit(order, account))
        assert duplicate == (expected == DUPLICATE)
        assert self.gateway.venue.commands == sent + (expected == FRESH)
        assert self.ledger.orders.setdefault((account, key), state.order_id) == state.order_id

    @rule(account=ACCOUNTS, key=KEYS, by_other=st.booleans())
    def cancel(self, account: int, key: str, by_other: bool) -> None:
        order_id = self.ledger.orders.get((account, key), 0)
        if order_id == 0:
            return
        caller = BETA + ALPHA - account if by_other else account
        was_open = order_id in self.gateway.venue.orders
        cancel = records_pb2.OrderCancel(order_id=order_id)
        exhausted = not by_other and self.ledger.judge_cancel(account) == EXHAUSTED
        if by_other or exhausted or not was_open:
            with pytest.raises(TradeCaptainError) as refused:
                self.run(self.gateway.cancel(cancel, caller))
            why = REFUSED[EXHAUSTED] if exhausted else reason.REASON_UNKNOWN_ORDER
            assert refused.value.reason == why
            assert (order_id in self.gateway.venue.orders) == was_open
            return
        assert self.run(self.gateway.cancel(cancel, caller)).status not in OPEN

    @rule(
        keys=st.lists(KEYS, min_size=1, max_size=5),
        account=ACCOUNTS,
        price=st.integers(9998, 10002),
    )
    def batch(self, keys: list[str], account: int, price: int) -> None:
        text = f"{price / 100:.2f}"
        expected = [self.ledger.judge(account, key, ("new", 1, text, "10")) for key in keys]
        columns = self.gateway.columns(keys, prices_units=[price] * len(keys))
        result = self.run(
            self.gateway.answered(self.gateway.requests.submit_columns(columns, account, 0))
        )
        for key, verdict, order_id, why in zip(
            keys, expected, result.order_ids, result.reasons, strict=True
        ):
            if verdict in REFUSED:
                assert (order_id, why) == (0, REFUSED[verdict])
            else:
                assert self.ledger.orders.setdefault((account, key), order_id) == order_id

    @rule()
    def restart_gateway(self) -> None:
        self.gateway.start()

    @precondition(lambda self: self.gateway.venue.epoch < 4)
    @rule()
    def restart_venue(self) -> None:
        self.gateway.restart_venue()
        self.gateway.desk.catch_up()

    @invariant()
    def what_works_here_works_at_the_venue(self) -> None:
        requests = self.gateway.store.requests
        count = int(self.gateway.store.file["request_count"][0])
        working = {
            int(row["order_id"])
            for index, row in enumerate(requests[:count])
            if int(row["slot"]) == index and int(row["status"]) in OPEN
        }
        assert working == set(self.gateway.venue.orders)

    @invariant()
    def orders_are_what_their_last_report_says(self) -> None:
        for account in (ALPHA, BETA):
            last: dict[int, Any] = {}
            previous = (0, 0)
            for report in self.gateway.reports(account):
                place = (report.epoch, report.sequence)
                if report.epoch == previous[0]:
                    assert report.sequence == report.previous_sequence + 1 == previous[1] + 1
                previous = place
                if report.execution_type != records_pb2.EXECUTION_TYPE_CANCEL_REJECTED:
                    last[report.order_id] = report
            for order_id, report in last.items():
                order = self.gateway.order(self.gateway.requests.find(account, order_id, ""))
                assert order.status == report.order_status
                assert int(order.leaves_quantity) == report.leaves_quantity_units
                assert int(order.cumulative_quantity) == report.cumulative_quantity_units


TestGatewayMachine = GatewayMachine.TestCase
TestGatewayMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
