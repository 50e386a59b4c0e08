"""A venue in a few lines of plain Python, for tests of what stands before one.

It reads order commands from a simulated mesh and answers with execution events in the way the real
one does: accepted or rejected first, then pairs of trades, the end of what may not rest, and the
last event of a command marked. It knows limit, market and IOC orders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tradecaptain.base.memory import address_of, aligned_zeros, copy_bytes
from tradecaptain.mesh.history import HistoryWriter, history_append
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.stream_reader import EVENT_RECORD
from tradecaptain.wire import common, execution_event, order_command, reason

NOW_NS = 1_770_000_000_000_000_000
BATCH = np.dtype(
    [
        ("event", "<i8"),
        ("stream_id", "<i8"),
        ("session_id", "<i8"),
        ("generation", "<i8"),
        ("position", "<i8"),
        ("length", "<i8"),
        ("record", execution_event.DTYPE),
    ]
)
COPIED = (
    "account_id",
    "instrument_id",
    "side",
    "order_type",
    "time_in_force",
    "price_units",
    "quantity_units",
    "firm_id",
    "session_id",
    "trader_id",
    "strategy_id",
    "self_trade_group",
    "client_order_id0",
    "client_order_id1",
    "client_order_id2",
    "client_order_id3",
)


@dataclass
class ToyOrder:
    """An order with what is left of it, and the fields that its events repeat."""

    order_id: int
    tag: int
    leaves: int
    fields: dict[str, int]
    cumulative: int = 0

    @property
    def price(self) -> int:
        return self.fields["price_units"]

    @property
    def side(self) -> int:
        return self.fields["side"]


@dataclass
class ToyVenue:
    """Reads commands and writes events; ``refuse`` maps an instrument id to a reject reason."""

    mesh: Any
    subscription: Any
    history_path: Path
    epoch: int = 1
    refuse: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sequence = 0
        self.commands = 0
        self.orders: dict[int, ToyOrder] = {}
        self.account_sequences: dict[int, int] = {}
        self.events: list[dict[str, int]] = []
        self.history = HistoryWriter(
            self.history_path,
            record_bytes=execution_event.RECORD_BYTES,
            capacity=1 << 12,
            epoch=self.epoch,
        )
        self.subscription.refresh()

    def work(self) -> np.ndarray[Any, Any]:
        """Handle the commands that are there; returns their events as a batch of the reader."""
        self.mesh.crank()
        self.subscription.refresh()
        self.events = []
        for index in range(self.subscription.images.shape[0]):
            while (address := image_next(self.subscription.images, index)) > 0:
                self._handle(address)
                image_release(self.subscription.images, index)
        return self._batch()

    def _handle(self, address: int) -> None:
        record = aligned_zeros(1, order_command.DTYPE)
        copy_bytes(address_of(record), address, order_command.RECORD_BYTES)
        command = {name: int(record[name][0]) for name in record.dtype.names or ()}
        self.commands += 1
        first = len(self.events)
        action = command["action"]
        if action == order_command.COMMAND_ACTION_NEW_ORDER:
            self._new(command)
        elif action == order_command.COMMAND_ACTION_CANCEL_ORDER:
            self._cancel(command)
        else:
            self._replace(command)
        for event in self.events[first:]:
            event["command_sequence"] = self.commands
        self.events[-1]["flags"] = 1

    def _new(self, command: dict[str, int]) -> None:
        order = ToyOrder(
            order_id=self.epoch << 40 | self.commands,
            tag=command["tag"],
            leaves=command["quantity_units"],
            fields={name: command[name] for name in COPIED},
        )
        refused = self.refuse.get(command["instrument_id"], 0)
        if refused:
            order.leaves = 0
            self._event(order, command, "rejected", "rejected", reason=refused)
            return
        self._event(order, command, "accepted", "working")
        self._match(order, command)

    def _match(self, order: ToyOrder, command: dict[str, int]) -> None:
        while order.leaves and (maker := self._best(order)) is not None:
            quantity = min(order.leaves, maker.leaves)
            for side, own in ((order, command), (maker, None)):
                side.leaves -= quantity
                side.cumulative += quantity
                self._event(
                    side,
                    own,
                    "trade",
                    "partially_filled" if side.leaves else "filled",
                    match_id=self.epoch << 40 | self.sequence + 1,
                    last_price_units=maker.price,
                    last_quantity_units=quantity,
                    liquidity=2 if own else 1,
                )
            if maker.leaves == 0:
                del self.orders[maker.order_id]
        if order.leaves == 0:
            return
        if (
            order.fields["order_type"] == common.ORDER_TYPE_MARKET
            or order.fields["time_in_force"] == common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
        ):
            order.leaves = 0
            self._event(order, command, "expired", "expired", reason=reason.REASON_NO_LIQUIDITY)
            return
        self.orders[order.order_id] = order

    def _best(self, taker: ToyOrder) -> ToyOrder | None:
        sign = 1 if taker.side == common.SIDE_BUY else -1
        market = taker.fields["order_type"] == common.ORDER_TYPE_MARKET
        crossing = [
            maker
            for maker in self.orders.values()
            if maker.side != taker.side
            and maker.fields["instrument_id"] == taker.fields["instrument_id"]
            and (market or sign * maker.price <= sign * taker.price)
        ]
        return min(crossing, key=lambda maker: (sign * maker.price, maker.order_id), default=None)

    def _found(self, command: dict[str, int], refusal: str) -> ToyOrder | None:
        order = self.orders.get(command["order_id"])
        if order is not None and order.fields["account_id"] == command["account_id"]:
            return order
        missing = ToyOrder(command["order_id"], 0, 0, {name: command[name] for name in COPIED})
        self._event(missing, command, refusal, "unset", reason=reason.REASON_UNKNOWN_ORDER)
        return None

    def _cancel(self, command: dict[str, int]) -> None:
        order = self._found(command, "cancel_rejected")
        if order is None:
            return
        if 0 < command["quantity_units"] < order.leaves:
            order.leaves -= command["quantity_units"]
            order.fields["quantity_units"] -= command["quantity_units"]
            self._event(order, command, "replaced", "working")
            return
        self.end(order, command, reason.REASON_CANCELLED_BY_OWNER)

    def end(self, order: ToyOrder, command: dict[str, int] | None, why: int) -> None:
        """Cancel a working order for a reason."""
        del self.orders[order.order_id]
        order.leaves = 0
        self._event(order, command, "cancelled", "cancelled", reason=why)

    def _replace(self, command: dict[str, int]) -> None:
        order = self._found(command, "replace_rejected")
        if order is None:
            return
        del self.orders[order.order_id]
        order.fields.update({name: command[name] for name in COPIED if "client" in name})
        order.fields["price_units"] = command["price_units"]
        order.fields["quantity_units"] = command["quantity_units"]
        order.leaves = command["quantity_units"] - order.cumulative
        order.tag = command["tag"]
        self._event(order, command, "replaced", "working")
        self._match(order, command)

    def _event(
        self, order: ToyOrder, command: dict[str, int] | None, kind: str, status: str, **more: int
    ) -> None:
        self.sequence += 1
        account_id = order.fields["account_id"]
        self.account_sequences[account_id] = self.account_sequences.get(account_id, 0) + 1
        self.events.append(
            order.fields
            | {
                "epoch": self.epoch,
                "sequence": self.sequence,
                "time_ns": NOW_NS + self.sequence,
                "execution_type": execution_event.EXECUTION_TYPE_NAMES.index(kind),
                "order_status": execution_event.ORDER_STATUS_NAMES.index(status),
                "account_sequence": self.account_sequences[account_id],
                "order_id": order.order_id,
                "execution_id": self.epoch << 40 | self.sequence,
                "leaves_quantity_units": order.leaves,
                "cumulative_quantity_units": order.cumulative,
                "trade_date": 20260202,
                "durability": execution_event.DURABILITY_PROCESS,
                "tag": command["tag"] if command else order.tag,
                "send_time_ns": command["send_time_ns"] if command else 0,
            }
            | more
        )

    def _batch(self) -> np.ndarray[Any, Any]:
        batch = np.zeros(len(self.events), dtype=BATCH)
        batch["event"] = EVENT_RECORD
        for place, event in enumerate(self.events):
            record = aligned_zeros(1, execution_event.DTYPE)
            execution_event.initialise(address_of(record))
            for name, value in event.items():
                record[name] = value
            history_append(self.history.address, address_of(record))
            batch["record"][place] = record[0]
        return batch
