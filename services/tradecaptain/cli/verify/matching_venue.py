"""A one-instrument engine that is driven by cases: named orders in, trades and a book out."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from math import lcm
from typing import Any

import numpy as np
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import (
    MORE,
    InstrumentRules,
    MatchingCapacity,
    allocate_engine,
    engine_claim,
    engine_control,
    engine_depth,
    engine_resume,
    engine_submit,
)
from tradecaptain.kernels.matching.terms import INSTRUCTION_REDUCE
from tradecaptain.wire import book_event, common, control, execution_event, order_command, reason

INSTRUMENT_ID = 1
FIRST_ACCOUNT_ID = 100
DEPTH_LIMIT = 4_096
TIME_NS = 1_750_000_000_000_000_000
SIDES = {"buy": common.SIDE_BUY, "sell": common.SIDE_SELL}
TYPES = {"limit": common.ORDER_TYPE_LIMIT, "market": common.ORDER_TYPE_MARKET}
TIMES_IN_FORCE = {
    "DAY": common.TIME_IN_FORCE_DAY,
    "GTC": common.TIME_IN_FORCE_GOOD_TILL_CANCEL,
    "IOC": common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
    "FOK": common.TIME_IN_FORCE_FILL_OR_KILL,
}
REFUSALS = (
    execution_event.EXECUTION_TYPE_REJECTED,
    execution_event.EXECUTION_TYPE_CANCEL_REJECTED,
    execution_event.EXECUTION_TYPE_REPLACE_REJECTED,
)
MALFORMED_RANGE = "a number beyond 64 bits in the instrument's units"


class NotOffered(Exception):  # noqa: N818  it isn't an error of ours but a verdict
    """The case needs something that the engine doesn't offer."""


class CaseFailed(Exception):  # noqa: N818
    """The engine's answer differs from the expected one."""


def expect_equal(what: str, ours: Any, expected: Any) -> None:
    """Fail the case unless both are equal."""
    if ours != expected:
        raise CaseFailed(f"{what}: {ours!r} instead of {expected!r}")


def offered(value: Any, table: dict[str, int], what: str) -> int:
    """Number of a name in a table; a name that isn't in it isn't offered."""
    if value not in table:
        raise NotOffered(f"{what} {value!r} isn't offered")
    return table[value]


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade by the case's names of its orders."""

    maker: Any
    taker: Any
    price: Decimal
    quantity: Decimal


@dataclass(slots=True)
class Outcome:
    """What one request brought about."""

    trades: list[Trade] = field(default_factory=list)
    ended: list[tuple[str, Any, Decimal]] = field(default_factory=list)
    """(``cancelled`` or ``expired``, order, open quantity) in order."""
    refused: int = 0
    """Reason of a refusal, 0 if there was none."""


def scale_of(values: list[Any]) -> int:
    """The number of units in one: the least that makes every value whole."""
    scale = 1
    for value in values:
        scale = lcm(scale, Decimal(value).as_integer_ratio()[1])
    return scale


class CaseVenue:
    """Runs requests that name orders, owners and decimal numbers."""

    def __init__(self, prices: list[Any], quantities: list[Any]) -> None:
        self.price_scale = scale_of(prices)
        self.quantity_scale = scale_of(quantities)
        capacity = MatchingCapacity(
            orders=4_096, levels=4_096, instruments=1, instrument_ids=2, account_ids=4_096
        )
        self._engine = allocate_engine(capacity, [InstrumentRules(INSTRUMENT_ID)])
        self._executions = np.zeros(capacity.execution_room, execution_event.DTYPE)
        self._books = np.zeros(capacity.book_room, book_event.DTYPE)
        self._command = np.zeros(1, order_command.DTYPE)
        self._control = np.zeros(1, control.DTYPE)
        self._accounts: dict[Any, int] = {}
        self._order_ids: dict[Any, int] = {}
        self._names: dict[int, Any] = {}
        self._totals: dict[Any, int] = {}
        self._sequence = 0

    def units(self, value: Any, scale: int) -> int:
        """A decimal number in units; exact by the choice of the scale."""
        number = Decimal(value) * scale
        units = int(number)
        if units != number:
            raise CaseFailed(f"{value} is no whole number of units")
        if not -(1 << 63) <= units < 1 << 63:
            raise NotOffered(MALFORMED_RANGE)
        return units

    def account(self, owner: Any) -> int:
        """Account id of an owner."""
        return self._accounts.setdefault(owner, FIRST_ACCOUNT_ID + len(self._accounts))

    def _submit(self, name: Any, owner: Any, **fields: int) -> Outcome:
        self._sequence += 1
        order_command.initialise(address_of(self._command))
        record = self._command[0]
        record["sequence"] = self._sequence
        record["time_ns"] = TIME_NS + self._sequence
        record["instrument_id"] = INSTRUMENT_ID
        record["account_id"] = self.account(owner)
        record["firm_id"] = 1
        for field_name, value in fields.items():
            record[field_name] = value
        self._claim()
        answer = engine_submit(self._engine.address, address_of(self._command))
        return self._follow(name, answer)

    def _claim(self) -> None:
        engine_claim(
            self._engine.address,
            address_of(self._executions),
            execution_event.RECORD_BYTES,
            address_of(self._books),
            book_event.RECORD_BYTES,
        )

    def _follow(self, name: Any, answer: int) -> Outcome:
        outcome = Outcome()
        while True:
            count = int(self._engine.header[0]["execution_count"])
            for event in self._executions[:count]:
                self._take(name, event, outcome)
            if answer != MORE:
                return outcome
            self._claim()
            answer = engine_resume(self._engine.address)

    def _take(self, name: Any, event: Any, outcome: Outcome) -> None:
        kind = int(event["execution_type"])
        order_id = int(event["order_id"])
        if kind == execution_event.EXECUTION_TYPE_ACCEPTED:
            self._order_ids[name] = order_id
            self._names[order_id] = name
        if kind in REFUSALS:
            outcome.refused = int(event["reason"])
            return
        order = self._names[order_id]
        self._totals[order] = int(event["quantity_units"])
        if kind == execution_event.EXECUTION_TYPE_TRADE:
            if event["liquidity"] == execution_event.LIQUIDITY_MAKER:
                price = Decimal(int(event["last_price_units"])) / self.price_scale
                quantity = Decimal(int(event["last_quantity_units"])) / self.quantity_scale
                outcome.trades.append(Trade(order, name, price, quantity))
        elif kind in (
            execution_event.EXECUTION_TYPE_CANCELLED,
            execution_event.EXECUTION_TYPE_EXPIRED,
        ):
            left = int(event["quantity_units"]) - int(event["cumulative_quantity_units"])
            is_cancel = (
                kind == execution_event.EXECUTION_TYPE_CANCELLED
                or event["reason"] == reason.REASON_SELF_TRADE_PREVENTED
            )
            outcome.ended.append(
                (
                    "cancelled" if is_cancel else "expired",
                    order,
                    Decimal(left) / self.quantity_scale,
                )
            )

    def new(
        self,
        name: Any,
        owner: Any,
        side: str,
        order_type: str,
        time_in_force: str,
        quantity: Any,
        price: Any | None,
        self_trade_group: int = 0,
    ) -> Outcome:
        """Enter an order."""
        return self._submit(
            name,
            owner,
            action=order_command.COMMAND_ACTION_NEW_ORDER,
            side=offered(side, SIDES, "side"),
            order_type=offered(order_type, TYPES, "order type"),
            time_in_force=offered(time_in_force, TIMES_IN_FORCE, "time in force"),
            quantity_units=self.units(quantity, self.quantity_scale),
            price_units=0 if price is None else self.units(price, self.price_scale),
            self_trade_group=self_trade_group,
        )

    def cancel(self, name: Any, owner: Any) -> Outcome:
        """Cancel an order."""
        return self._submit(
            name,
            owner,
            action=order_command.COMMAND_ACTION_CANCEL_ORDER,
            order_id=self._order_ids.get(name, 0),
        )

    def reduce(self, name: Any, owner: Any, quantity: Any) -> Outcome:
        """Take a part off an order, which keeps its place."""
        return self._submit(
            name,
            owner,
            action=order_command.COMMAND_ACTION_CANCEL_ORDER,
            order_id=self._order_ids.get(name, 0),
            quantity_units=self.units(quantity, self.quantity_scale),
            instructions=INSTRUCTION_REDUCE,
        )

    def replace(
        self, name: Any, owner: Any, *, price: Any | None = None, total: Any | None = None
    ) -> Outcome:
        """Give an order another price, another total quantity, or both."""
        price_units = self._price_units(name)
        if price is not None:
            price_units = self.units(price, self.price_scale)
        total_units = self._totals.get(name, 1)
        if total is not None:
            total_units = self.units(total, self.quantity_scale)
        return self._submit(
            name,
            owner,
            action=order_command.COMMAND_ACTION_REPLACE_ORDER,
            order_id=self._order_ids.get(name, 0),
            price_units=price_units,
            quantity_units=total_units,
        )

    def total(self, name: Any) -> Decimal:
        """Total quantity of an order as last reported."""
        return Decimal(self._totals.get(name, 0)) / self.quantity_scale

    def _price_units(self, name: Any) -> int:
        for order, _, price, _ in self.resting():
            if order == name:
                return self.units(price, self.price_scale)
        return 0

    def is_resting(self, name: Any) -> bool:
        """Whether an order rests in the book."""
        return any(order == name for order, *_ in self.resting())

    def depth(self, side: str) -> list[tuple[Decimal, Decimal, int]]:
        """Levels of a side, best first: price, quantity, number of orders."""
        target = np.zeros((DEPTH_LIMIT, 3), np.int64)
        count = engine_depth(
            self._engine.address, INSTRUMENT_ID, SIDES[side], address_of(target), DEPTH_LIMIT
        )
        return [
            (
                Decimal(int(price)) / self.price_scale,
                Decimal(int(quantity)) / self.quantity_scale,
                int(orders),
            )
            for price, quantity, orders in target[:count]
        ]

    def resting(self) -> list[tuple[Any, str, Decimal, Decimal]]:
        """Orders in the book in priority: name, side, price, open quantity."""
        control.initialise(address_of(self._control))
        record = self._control[0]
        record["action"] = control.CONTROL_ACTION_REQUEST_STATUS
        record["scope"] = control.CONTROL_SCOPE_FIRM
        record["time_ns"] = TIME_NS
        self._claim()
        answer = engine_control(self._engine.address, address_of(self._control))
        found = []
        while True:
            count = int(self._engine.header[0]["execution_count"])
            for event in self._executions[:count]:
                side = "buy" if event["side"] == common.SIDE_BUY else "sell"
                price = Decimal(int(event["price_units"])) / self.price_scale
                quantity = Decimal(int(event["leaves_quantity_units"])) / self.quantity_scale
                found.append((self._names[int(event["order_id"])], side, price, quantity))
            if answer != MORE:
                return found
            self._claim()
            answer = engine_resume(self._engine.address)
