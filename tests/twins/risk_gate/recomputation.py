"""What a gate must hold, made anew from the records of a log: slowly, with dictionaries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tradecaptain.wire import control, execution_event
from twins.risk_gate.naive_values import UNIT_MAX, UNIT_ONE, ceiling, value_of

Pair = tuple[int, int]
_ENDED = (execution_event.EXECUTION_TYPE_CANCELLED, execution_event.EXECUTION_TYPE_EXPIRED)


@dataclass
class Recomputed:
    """Positions, working quantities, open orders, cash and what trades brought."""

    ratios: dict[int, Fraction]
    positions: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    working: dict[tuple[int, int, int], int] = field(default_factory=lambda: defaultdict(int))
    open_orders: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    cash: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    trade_cash: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    last_prices: dict[int, int] = field(default_factory=dict)
    leaves: dict[int, int] = field(default_factory=dict)

    def unit_value(self, instrument: int) -> int:
        price = abs(self.last_prices[instrument]) * self.ratios[instrument]
        return min(ceiling(price * UNIT_ONE), UNIT_MAX)

    def take_control(self, record: Any) -> None:
        if record["action"] == control.CONTROL_ACTION_SET_CASH:
            self.cash[int(record["scope_id"])] = int(record["value"])

    def _set_leaves(self, event: Any, leaves: int) -> None:
        order, account = int(event["order_id"]), int(event["account_id"])
        key = (account, int(event["instrument_id"]), int(event["side"]))
        before = self.leaves.pop(order, 0)
        self.working[key] += leaves - before
        self.open_orders[account] += (leaves > 0) - (before > 0)
        if leaves:
            self.leaves[order] = leaves

    def take_event(self, event: Any) -> None:
        kind, order = int(event["execution_type"]), int(event["order_id"])
        if kind == execution_event.EXECUTION_TYPE_ACCEPTED:
            self._set_leaves(event, int(event["quantity_units"]))
        elif kind == execution_event.EXECUTION_TYPE_REPLACED:
            filled = int(event["cumulative_quantity_units"])
            self._set_leaves(event, int(event["quantity_units"]) - filled)
        elif kind == execution_event.EXECUTION_TYPE_TRADE:
            self._trade(event)
        elif kind == execution_event.EXECUTION_TYPE_RESTATED:
            self._set_leaves(event, self.leaves[order] - int(event["last_quantity_units"]))
        elif kind in _ENDED:
            self._set_leaves(event, 0)

    def _trade(self, event: Any) -> None:
        account, instrument = int(event["account_id"]), int(event["instrument_id"])
        quantity = int(event["last_quantity_units"])
        self._set_leaves(event, self.leaves[int(event["order_id"])] - quantity)
        signed = quantity if int(event["side"]) == 1 else -quantity
        self.positions[(account, instrument)] += signed
        self.last_prices[instrument] = int(event["last_price_units"])
        self.trade_cash[account] -= value_of(signed, self.unit_value(instrument))

    def sums(self, account: int) -> dict[str, int]:
        """The account's sums once everything stands at its last price, with margin in full."""
        totals = defaultdict(int)
        keys = {(key[0], key[1]) for key in self.working} | set(self.positions)
        for key in keys:
            if key[0] != account:
                continue
            position = self.positions[key]
            bought = position + self.working[(*key, 1)]
            sold = position - self.working[(*key, 2)]
            unit = self.unit_value(key[1])
            largest = max(abs(bought), abs(sold))
            totals["gross_exposure"] += value_of(largest, unit)
            totals["net_if_bought"] += value_of(bought, unit)
            totals["net_if_sold"] += value_of(sold, unit)
            totals["margin"] += value_of(largest, unit)
            totals["position_value"] += value_of(position, unit)
        totals["trade_cash"] = self.trade_cash[account]
        totals["cash"] = self.cash[account]
        return totals


def recompute(
    ratios: dict[int, Fraction], controls: Iterable[Any], events: Iterable[Any]
) -> Recomputed:
    """From the controls and execution events of a log, up to some command."""
    state = Recomputed(ratios)
    for record in controls:
        state.take_control(record)
    for event in events:
        state.take_event(event)
    return state
