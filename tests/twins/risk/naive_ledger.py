"""Slow and obvious twin of the ledger: one dictionary of orders, one of holdings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tradecaptain.wire import common, execution_event

STATES_LEAVES = {
    execution_event.EXECUTION_TYPE_ACCEPTED,
    execution_event.EXECUTION_TYPE_TRADE,
    execution_event.EXECUTION_TYPE_CANCELLED,
    execution_event.EXECUTION_TYPE_REPLACED,
    execution_event.EXECUTION_TYPE_EXPIRED,
    execution_event.EXECUTION_TYPE_ORDER_STATUS,
}


@dataclass
class Holding:
    position: int = 0
    bought: int = 0
    sold: int = 0
    cost: int = 0
    realised: int = 0

    def trade(self, signed: int, price: int) -> None:
        """Average cost, one side of the position at a time."""
        closing = 0
        if self.position > 0 > signed:
            closing = max(signed, -self.position)
        elif self.position < 0 < signed:
            closing = min(signed, -self.position)
        if closing:
            share = abs(self.cost) * abs(closing) // abs(self.position)
            removed = share if self.cost >= 0 else -share
            self.realised += -price * closing - removed
            self.cost -= removed
        self.cost += price * (signed - closing)
        self.position += signed
        self.bought += max(signed, 0)
        self.sold += max(-signed, 0)


@dataclass
class NaiveLedger:
    orders: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    holdings: dict[tuple[int, int], Holding] = field(default_factory=lambda: defaultdict(Holding))
    account_sequences: dict[int, int] = field(default_factory=dict)
    incomplete: set[int] = field(default_factory=set)
    last_prices: dict[int, int] = field(default_factory=dict)

    def apply(self, event: dict[str, Any]) -> None:
        account, instrument, side = event["account_id"], event["instrument_id"], event["side"]
        if event["account_sequence"] != self.account_sequences.get(account, 0) + 1:
            self.incomplete.add(account)
        self.account_sequences[account] = event["account_sequence"]
        if event["execution_type"] not in STATES_LEAVES:
            return
        holding = self.holdings[(account, instrument)]
        if event["execution_type"] == execution_event.EXECUTION_TYPE_TRADE:
            quantity, price = event["last_quantity_units"], event["last_price_units"]
            holding.trade(quantity if side == common.SIDE_BUY else -quantity, price)
            self.last_prices[instrument] = price
        self.orders.pop(event["order_id"], None)
        if event["leaves_quantity_units"]:
            leaves = event["leaves_quantity_units"]
            self.orders[event["order_id"]] = (account, instrument, side, leaves)

    def working(self, account: int, instrument: int, side: int) -> int:
        return sum(o[3] for o in self.orders.values() if o[:3] == (account, instrument, side))

    def open_orders(self, account: int, instrument: int) -> int:
        return sum(o[:2] == (account, instrument) for o in self.orders.values())
