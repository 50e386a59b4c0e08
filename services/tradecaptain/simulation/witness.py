"""What the venue said, and whether it may have said so: the rules that hold whatever goes wrong.

The witness reads every execution event that the venue let anybody see, from the venue's history,
and holds it against all before it. It knows nothing of engines and gates.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.wire import common, execution_event

_OPENING: Final = execution_event.EXECUTION_TYPE_ACCEPTED
_TRADE: Final = execution_event.EXECUTION_TYPE_TRADE
_ENDING: Final = (
    execution_event.EXECUTION_TYPE_CANCELLED,
    execution_event.EXECUTION_TYPE_EXPIRED,
)
_CHANGING: Final = (
    execution_event.EXECUTION_TYPE_REPLACED,
    execution_event.EXECUTION_TYPE_RESTATED,
)
_FIELDS: Final = (
    "epoch",
    "sequence",
    "time_ns",
    "execution_type",
    "side",
    "account_id",
    "instrument_id",
    "account_sequence",
    "order_id",
    "execution_id",
    "match_id",
    "client_order_id0",
    "client_order_id1",
    "client_order_id2",
    "client_order_id3",
    "price_units",
    "quantity_units",
    "last_price_units",
    "last_quantity_units",
    "leaves_quantity_units",
    "cumulative_quantity_units",
    "order_type",
    "command_sequence",
    "durability",
)

type Key = tuple[int, int, int, int, int]
"""Account and the four words of a client order id."""


class Violation(Exception):  # noqa: N818
    """A rule that was broken; the message says which and how."""


def require(condition: object, message: str) -> None:
    """Raise :class:`Violation` unless something holds."""
    if not condition:
        raise Violation(message)


@dataclass(slots=True)
class OrderSeen:
    """An order as its events told it."""

    order_id: int
    key: Key
    instrument_id: int
    side: int
    is_limit: bool
    price_units: int
    quantity_units: int
    command_sequence: int
    durability: int
    leaves_units: int
    cumulative_units: int = 0
    is_open: bool = True
    status: int = 0


@dataclass(slots=True)
class MatchSeen:
    """The first side of a match, until the second is there."""

    side: int
    price_units: int
    quantity_units: int
    instrument_id: int


class Witness:
    """All events so far, and what follows from them."""

    def __init__(self, unique_accounts: frozenset[int]) -> None:
        """``unique_accounts`` are those whose client order ids must name one order each."""
        self._unique_accounts = unique_accounts
        self._chunks: list[npt.NDArray[Any]] = []
        self.count = 0
        self.orders: dict[int, OrderSeen] = {}
        self.by_key: dict[Key, OrderSeen] = {}
        self.refused_keys: set[Key] = set()
        self.executions: set[int] = set()
        self.open_matches: dict[int, MatchSeen] = {}
        self.positions: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.account_sequences: defaultdict[int, int] = defaultdict(int)
        self.expire_times: dict[Key, int] = {}
        """When orders that were sent good till a time must have ended, told by who sent them."""
        self.lost_places: set[tuple[int, int]] = set()
        self.lost_orders: set[int] = set()
        """Epoch and sequence of events that a loss of power took, and orders that they told of."""
        self.last_time_ns = 0

    def events(self) -> npt.NDArray[Any]:
        """Every event, as it was read."""
        if not self._chunks:
            return np.empty(0, execution_event.DTYPE)
        if len(self._chunks) > 1:
            # As bytes, for joining records compares their fields by name each time.
            joined = np.concatenate([chunk.view(np.uint8) for chunk in self._chunks])
            self._chunks = [joined.view(execution_event.DTYPE)]
        return self._chunks[0]

    def of_first(self, count: int) -> Witness:
        """One that believes the first events alone: those behind them are gone, and others may
        follow."""
        witness = Witness(self._unique_accounts)
        witness.expire_times = self.expire_times
        lost = self.events()[count:]
        places = zip(lost["epoch"].tolist(), lost["sequence"].tolist(), strict=True)
        witness.lost_places = self.lost_places.union(places)
        kept = self.events()["order_id"][:count]
        gone = np.setdiff1d(lost["order_id"], kept).tolist()
        witness.lost_orders = self.lost_orders.union(gone) - {0}
        if count:
            witness.hear(self.events()[:count].copy())
        return witness

    def hear(self, events: npt.NDArray[Any]) -> None:
        """Take the events that follow; raises :class:`Violation`."""
        self._chunks.append(events)
        for row in zip(*(events[name].tolist() for name in _FIELDS), strict=True):
            self._hear(dict(zip(_FIELDS, row, strict=True)))

    def _hear(self, event: dict[str, int]) -> None:
        self.count += 1
        sequence = event["sequence"]
        require(sequence == self.count, f"event {sequence} follows event {self.count - 1}")
        require(
            (event["epoch"], sequence) not in self.lost_places
            and event["order_id"] not in self.lost_orders,
            f"event {sequence} of epoch {event['epoch']}, about order {event['order_id']}, is told"
            " again after a loss of power",
        )
        require(
            event["time_ns"] >= self.last_time_ns,
            f"event {sequence} is stamped before the one before it",
        )
        self.last_time_ns = event["time_ns"]
        account = event["account_id"]
        self.account_sequences[account] += 1
        require(
            event["account_sequence"] == self.account_sequences[account],
            f"event {sequence} has account sequence {event['account_sequence']},"
            f" not {self.account_sequences[account]}",
        )
        kind = event["execution_type"]
        if kind == _OPENING:
            self._open(event)
        elif kind == _TRADE:
            self._trade(event)
        elif kind in _ENDING:
            order = self._working(event)
            order.is_open, order.leaves_units = False, 0
        elif kind in _CHANGING:
            order = self._working(event)
            order.price_units = event["price_units"]
            order.quantity_units = event["quantity_units"]
            order.leaves_units = event["leaves_quantity_units"]
            order.is_open = order.leaves_units > 0
        elif kind == execution_event.EXECUTION_TYPE_REJECTED:
            self.refused_keys.add(key_of(event))

    def _working(self, event: dict[str, int]) -> OrderSeen:
        order = self.orders.get(event["order_id"])
        if order is None:
            raise Violation(
                f"event {event['sequence']} is about order {event['order_id']}, which"
                " was never accepted"
            )
        require(
            order.is_open,
            f"event {event['sequence']} is about order {order.order_id}, which had ended",
        )
        return order

    def _open(self, event: dict[str, int]) -> None:
        order_id, key = event["order_id"], key_of(event)
        require(order_id not in self.orders, f"order {order_id} is accepted twice")
        if key[0] in self._unique_accounts:
            require(
                key not in self.by_key,
                f"client order id {key_text(key)} of account {key[0]} was accepted twice",
            )
        order = OrderSeen(
            order_id,
            key,
            event["instrument_id"],
            event["side"],
            event["order_type"] == common.ORDER_TYPE_LIMIT,
            event["price_units"],
            event["quantity_units"],
            event["command_sequence"],
            event["durability"],
            event["quantity_units"],
        )
        self.orders[order_id] = order
        self.by_key[key] = order

    def _trade(self, event: dict[str, int]) -> None:
        order, number = self._working(event), event["sequence"]
        units = event["last_quantity_units"]
        require(units > 0, f"event {number} trades nothing")
        require(
            event["execution_id"] not in self.executions, f"event {number} repeats an execution"
        )
        self.executions.add(event["execution_id"])
        order.cumulative_units += units
        order.leaves_units -= units
        require(
            event["cumulative_quantity_units"] == order.cumulative_units
            and event["leaves_quantity_units"] == order.leaves_units >= 0,
            f"event {number} leaves {event['leaves_quantity_units']} of order {order.order_id},"
            f" not {order.leaves_units}",
        )
        is_buy = event["side"] == common.SIDE_BUY
        better = (
            order.price_units - event["last_price_units"]
            if is_buy
            else event["last_price_units"] - order.price_units
        )
        require(
            not order.is_limit or better >= 0,
            f"event {number} trades order {order.order_id} beyond its limit",
        )
        expires = self.expire_times.get(order.key, 0)
        require(
            not expires or event["time_ns"] < expires,
            f"event {number} trades order {order.order_id} after its time",
        )
        self._match(event, is_buy)
        place = event["account_id"], event["instrument_id"]
        self.positions[place] += units if is_buy else -units
        order.is_open = order.leaves_units > 0

    def _match(self, event: dict[str, int], is_buy: bool) -> None:
        """A match has two sides, which agree in everything but the side."""
        here = MatchSeen(
            event["side"],
            event["last_price_units"],
            event["last_quantity_units"],
            event["instrument_id"],
        )
        other = self.open_matches.pop(event["match_id"], None)
        if other is None:
            self.open_matches[event["match_id"]] = here
            return
        require(
            other.side != here.side
            and other.price_units == here.price_units
            and other.quantity_units == here.quantity_units
            and other.instrument_id == here.instrument_id,
            f"the sides of match {event['match_id']} don't agree",
        )

    def check_sums(self) -> None:
        """Whether nothing came from nowhere; holds between two turns of the venue."""
        require(not self.open_matches, f"matches {sorted(self.open_matches)} have one side")
        totals: defaultdict[int, int] = defaultdict(int)
        for (_, instrument_id), units in self.positions.items():
            totals[instrument_id] += units
        require(
            not any(totals.values()), f"positions of all accounts don't sum to zero: {dict(totals)}"
        )

    def working_units(self) -> dict[tuple[int, int, int], int]:
        """What is open by account, instrument and side."""
        sums: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        for order in self.orders.values():
            if order.is_open:
                sums[order.key[0], order.instrument_id, order.side] += order.leaves_units
        return dict(sums)


def key_of(event: dict[str, int]) -> Key:
    """The key of an event's order."""
    return (
        event["account_id"],
        event["client_order_id0"],
        event["client_order_id1"],
        event["client_order_id2"],
        event["client_order_id3"],
    )


def key_from_text(account_id: int, text: str) -> Key:
    """The key of a client order id."""
    data = text.encode("ascii").ljust(32, b"\0")
    words = [int.from_bytes(data[start : start + 8], "little") for start in range(0, 32, 8)]
    return account_id, words[0], words[1], words[2], words[3]


def key_text(key: Key) -> str:
    """A client order id as its client wrote it."""
    data = b"".join(word.to_bytes(8, "little") for word in key[1:])
    return data.rstrip(b"\0").decode("ascii", "replace")
