"""Execution events as a venue would write them, for tests of what follows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tradecaptain.wire import common, execution_event

NAMES = (
    "epoch",
    "sequence",
    "execution_type",
    "side",
    "account_id",
    "instrument_id",
    "account_sequence",
    "order_id",
    "price_units",
    "quantity_units",
    "last_price_units",
    "last_quantity_units",
    "leaves_quantity_units",
    "cumulative_quantity_units",
)


def to_records(events: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Whole messages, one after the other."""
    records = np.zeros(len(events), execution_event.DTYPE)
    for index, event in enumerate(events):
        address = int(records.ctypes.data) + index * records.dtype.itemsize
        execution_event.initialise(address)
        for name, value in event.items():
            getattr(execution_event, f"set_{name}")(address, value)
    return records


@dataclass
class ExecutionFlow:
    """Numbers events by stream and by account, and remembers what is left of each order."""

    epoch: int = 7
    sequence: int = 0
    account_sequences: dict[int, int] = field(default_factory=dict)
    leaves: dict[int, int] = field(default_factory=dict)
    terms: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def emit(self, order_id: int, execution_type: int, **values: int) -> dict[str, Any]:
        account, instrument, side = self.terms[order_id]
        self.sequence += 1
        self.account_sequences[account] = self.account_sequences.get(account, 0) + 1
        event = dict.fromkeys(NAMES, 0) | {
            "epoch": self.epoch,
            "sequence": self.sequence,
            "execution_type": execution_type,
            "side": side,
            "account_id": account,
            "instrument_id": instrument,
            "account_sequence": self.account_sequences[account],
            "order_id": order_id,
            "leaves_quantity_units": self.leaves.get(order_id, 0),
            **values,
        }
        self.events.append(event)
        return event

    def accept(self, order_id: int, account: int, instrument: int, side: int, quantity: int) -> Any:
        self.terms[order_id] = (account, instrument, side)
        self.leaves[order_id] = quantity
        return self.emit(order_id, execution_event.EXECUTION_TYPE_ACCEPTED, quantity_units=quantity)

    def trade(self, order_id: int, quantity: int, price: int) -> Any:
        self.leaves[order_id] -= quantity
        return self.emit(
            order_id,
            execution_event.EXECUTION_TYPE_TRADE,
            last_quantity_units=quantity,
            last_price_units=price,
        )

    def replace(self, order_id: int, leaves: int) -> Any:
        self.leaves[order_id] = leaves
        return self.emit(order_id, execution_event.EXECUTION_TYPE_REPLACED)

    def end(
        self, order_id: int, execution_type: int = execution_event.EXECUTION_TYPE_CANCELLED
    ) -> Any:
        self.leaves[order_id] = 0
        return self.emit(order_id, execution_type)

    def status(self, order_id: int) -> Any:
        return self.emit(order_id, execution_event.EXECUTION_TYPE_ORDER_STATUS)

    def reject(self, order_id: int, account: int, instrument: int) -> Any:
        self.terms.setdefault(order_id, (account, instrument, common.SIDE_BUY))
        return self.emit(order_id, execution_event.EXECUTION_TYPE_REJECTED, leaves_quantity_units=9)
