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
    engine_depth,
)
from tradecaptain.kernels.matching.layout import (
    FLAG_HIDDEN,
    FLAG_ICEBERG,
    FLAG_PARKED,
    FLAG_STOP,
    LEVEL,
    ORDER,
    SPECIAL_BOOK,
    TERMS,
)
from tradecaptain.kernels.matching.standalone import (
    engine_claim,
    engine_control,
    engine_resume,
    engine_submit,
)
from tradecaptain.kernels.matching.terms import (
    INSTRUCTION_ALL_OR_NONE,
    INSTRUCTION_HIDDEN,
    INSTRUCTION_REDUCE,
    INSTRUCTION_TOP,
)
from tradecaptain.wire import book_event, common, control, execution_event, order_command, reason

INSTRUMENT_ID = 1
FIRST_ACCOUNT_ID = 100
DEPTH_LIMIT = 4_096
TIME_NS = 1_750_000_000_000_000_000
SIDES = {"buy": common.SIDE_BUY, "sell": common.SIDE_SELL}
TYPES = {
    "limit": common.ORDER_TYPE_LIMIT,
    "market": common.ORDER_TYPE_MARKET,
    "stop": common.ORDER_TYPE_STOP,
    "stop_limit": common.ORDER_TYPE_STOP_LIMIT,
}
TIMES_IN_FORCE = {
    "DAY": common.TIME_IN_FORCE_DAY,
    "GTC": common.TIME_IN_FORCE_GOOD_TILL_CANCEL,
    "IOC": common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
    "FOK": common.TIME_IN_FORCE_FILL_OR_KILL,
    "GTD": common.TIME_IN_FORCE_GOOD_TILL_DATE,
    "ATO": common.TIME_IN_FORCE_AT_OPEN,
    "ATC": common.TIME_IN_FORCE_AT_CLOSE,
}
PREVENTIONS = {
    None: common.SELF_TRADE_PREVENTION_UNSET,
    "cn": common.SELF_TRADE_PREVENTION_CANCEL_NEWEST,
    "co": common.SELF_TRADE_PREVENTION_CANCEL_OLDEST,
    "cb": common.SELF_TRADE_PREVENTION_CANCEL_BOTH,
    "dc": common.SELF_TRADE_PREVENTION_DECREMENT,
}
STOPS = (common.ORDER_TYPE_STOP, common.ORDER_TYPE_STOP_LIMIT)
FAR_FUTURE_NS = TIME_NS + 86_400_000_000_000
FLAG_IS_REFERENCE = 16
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
    is_auction: bool = False
    """In an auction the taker is the buyer and the maker the seller."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order of a case says."""

    side: str
    order_type: str
    time_in_force: str
    quantity: Any
    price: Any = None
    stop: Any = None
    display: Any = None
    minimum_visible: Any = None
    minimum: Any = None
    is_hidden: bool = False
    is_all_or_none: bool = False
    has_top_priority: bool = False
    prevention: str | None = None


@dataclass(frozen=True, slots=True)
class Resting:
    """An order that rests or waits."""

    name: Any
    side: str
    price: Decimal
    quantity: Decimal
    shown: Decimal
    stop: Decimal | None
    waits: bool


@dataclass(slots=True)
class Outcome:
    """What one request brought about."""

    trades: list[Trade] = field(default_factory=list)
    ended: list[tuple[str, Any, Decimal]] = field(default_factory=list)
    """(``cancelled`` or ``expired``, order, open quantity) in order."""
    refused: int = 0
    """Reason of a refusal, 0 if there was none."""
    indications: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    """Price and volume of auctions, as they were published."""
    elected: list[Any] = field(default_factory=list)
    """Orders whose waiting ended, in order."""


def scale_of(values: list[Any]) -> int:
    """The number of units in one: the least that makes every value whole."""
    scale = 1
    for value in values:
        scale = lcm(scale, Decimal(value).as_integer_ratio()[1])
    return scale


class CaseVenue:
    """Runs requests that name orders, owners and decimal numbers."""

    def __init__(
        self,
        prices: list[Any],
        quantities: list[Any],
        *,
        allocation: int = common.ALLOCATION_PRICE_TIME,
        minimum_share: int = 0,
    ) -> None:
        self.price_scale = scale_of(prices)
        self.quantity_scale = scale_of(quantities)
        capacity = MatchingCapacity(
            orders=4_096, levels=4_096, instruments=1, instrument_ids=2, account_ids=4_096
        )
        rules = InstrumentRules(
            INSTRUMENT_ID,
            allocation=allocation,
            lot_units=self.quantity_scale if allocation != common.ALLOCATION_PRICE_TIME else 1,
            minimum_share_units=minimum_share * self.quantity_scale,
        )
        self._engine = allocate_engine(capacity, [rules])
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
        firsts: dict[int, Any] = {}
        while True:
            header = self._engine.header[0]
            for event in self._executions[: int(header["execution_count"])]:
                self._take(name, event, outcome, firsts)
            for event in self._books[: int(header["book_count"])]:
                if event["action"] == book_event.BOOK_ACTION_INDICATIVE:
                    outcome.indications.append(
                        (self._price(event["price_units"]), self._size(event["quantity_units"]))
                    )
            if answer != MORE:
                return outcome
            self._claim()
            answer = engine_resume(self._engine.address)

    def _price(self, units: Any) -> Decimal:
        return Decimal(int(units)) / self.price_scale

    def _size(self, units: Any) -> Decimal:
        return Decimal(int(units)) / self.quantity_scale

    def _take(self, name: Any, event: Any, outcome: Outcome, firsts: dict[int, Any]) -> None:
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
            # Both sides share a match id; the taker, or the buyer of an auction, is told first.
            match_id = int(event["match_id"])
            if match_id not in firsts:
                firsts[match_id] = order
                return
            outcome.trades.append(
                Trade(
                    order,
                    firsts[match_id],
                    self._price(event["last_price_units"]),
                    self._size(event["last_quantity_units"]),
                    bool(event["liquidity"] == execution_event.LIQUIDITY_AUCTION),
                )
            )
        elif kind == execution_event.EXECUTION_TYPE_TRIGGERED:
            outcome.elected.append(order)
        elif kind in (
            execution_event.EXECUTION_TYPE_CANCELLED,
            execution_event.EXECUTION_TYPE_EXPIRED,
        ):
            left = int(event["quantity_units"]) - int(event["cumulative_quantity_units"])
            is_cancel = (
                kind == execution_event.EXECUTION_TYPE_CANCELLED
                or event["reason"] == reason.REASON_SELF_TRADE_PREVENTED
            )
            outcome.ended.append(("cancelled" if is_cancel else "expired", order, self._size(left)))

    def new(self, name: Any, owner: Any, terms: Terms) -> Outcome:
        """Enter an order."""

        def size(value: Any) -> int:
            return 0 if value is None else self.units(value, self.quantity_scale)

        def price(value: Any) -> int:
            return 0 if value is None else self.units(value, self.price_scale)

        bits = (
            (INSTRUCTION_HIDDEN if terms.is_hidden else 0)
            | (INSTRUCTION_ALL_OR_NONE if terms.is_all_or_none else 0)
            | (INSTRUCTION_TOP if terms.has_top_priority else 0)
        )
        time_in_force = offered(terms.time_in_force, TIMES_IN_FORCE, "time in force")
        is_timed = time_in_force == common.TIME_IN_FORCE_GOOD_TILL_DATE
        return self._submit(
            name,
            owner,
            action=order_command.COMMAND_ACTION_NEW_ORDER,
            side=offered(terms.side, SIDES, "side"),
            order_type=offered(terms.order_type, TYPES, "order type"),
            time_in_force=time_in_force,
            expire_time_ns=FAR_FUTURE_NS if is_timed else 0,
            quantity_units=size(terms.quantity),
            price_units=price(terms.price),
            stop_price_units=price(terms.stop),
            display_quantity_units=size(terms.display),
            minimum_visible_units=size(terms.minimum_visible),
            minimum_quantity_units=size(terms.minimum),
            instructions=bits,
            self_trade_prevention=PREVENTIONS[terms.prevention],
        )

    def set_phase(self, phase: int, last_price: Any = None) -> Outcome:
        """Change the trading phase; ``last_price`` counts as the last traded one."""
        self._sequence += 1
        control.initialise(address_of(self._control))
        record = self._control[0]
        record["action"] = control.CONTROL_ACTION_SET_PHASE
        record["instrument_id"] = INSTRUMENT_ID
        record["phase"] = phase
        record["sequence"] = self._sequence
        record["time_ns"] = TIME_NS + self._sequence
        if last_price is not None:
            record["flags"] = FLAG_IS_REFERENCE
            record["value"] = self.units(last_price, self.price_scale)
        self._claim()
        return self._follow(None, engine_control(self._engine.address, address_of(self._control)))

    def trade_on(self) -> None:
        """Let the book that an auction has collected trade on without being uncrossed, as if
        an engine had been restored with it."""
        book, header = self._engine.books[1], self._engine.header[0]
        book["phase"] = common.TRADING_PHASE_CONTINUOUS
        if book["allocation"] == common.ALLOCATION_PRICE_TIME:
            book["special"] -= SPECIAL_BOOK
        book["watch_count"] -= 1
        header["watch_count"] -= 1
        book["looked_at"][0] = 1
        for place, side in ((1, "bids"), (3, "asks")):
            level = self._engine.table("levels", LEVEL, self._engine.capacity.levels + 1)[
                book[side]["best"]
            ]
            if book[side]["best"]:
                book["looked_at"][place : place + 2] = level["price_units"], level["quantity_units"]

    @property
    def last_price(self) -> Decimal | None:
        """The last price, if there is one."""
        book = self._engine.books[1]
        return self._price(book["last_price_units"]) if book["has_last"] else None

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
        self,
        name: Any,
        owner: Any,
        *,
        price: Any | None = None,
        total: Any | None = None,
        stop: Any | None = None,
    ) -> Outcome:
        """Give an order another price, another total quantity, another stop price, or several."""
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
            stop_price_units=0 if stop is None else self.units(stop, self.price_scale),
        )

    def total(self, name: Any) -> Decimal:
        """Total quantity of an order as last reported."""
        return self._size(self._totals.get(name, 0))

    def _price_units(self, name: Any) -> int:
        for order in self.orders():
            if order.name == name:
                return self.units(order.price, self.price_scale)
        return 0

    def is_working(self, name: Any) -> bool:
        """Whether an order rests or waits."""
        return any(order.name == name for order in self.orders())

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

    def orders(self) -> list[Resting]:
        """Orders that rest or wait, as they were entered. Nothing is asked of the engine, so that
        nothing is set off."""
        table = self._engine.table("orders", ORDER, self._engine.capacity.orders + 1)
        terms = self._engine.table("terms", TERMS, self._engine.capacity.orders + 1)
        found = []
        for name, order_id in self._order_ids.items():
            slots = np.flatnonzero(table["order_id"] == order_id)
            if not len(slots):
                continue
            slot = int(slots[0])
            order, term, flags = table[slot], terms[slot], int(table[slot]["flags"])
            leaves = self._size(order["leaves_units"])
            shown = self._size(term["visible_units"]) if flags & FLAG_ICEBERG else leaves
            is_stop = bool(flags & FLAG_STOP)
            found.append(
                Resting(
                    name,
                    "buy" if order["side"] == common.SIDE_BUY else "sell",
                    self._price(order["price_units"]),
                    leaves,
                    Decimal() if flags & FLAG_HIDDEN else shown,
                    self._price(term["stop_units"]) if is_stop else None,
                    bool(flags & FLAG_PARKED),
                )
            )
        return found
