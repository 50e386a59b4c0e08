"""The engine and the naive venue are given the same commands and must answer the same."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.matching_driver import EngineDriver, without_zeros
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from twins.matching.naive_venue import Book, NaiveVenue

LARGEST = 2**63 - 1
EDGES = [0, 1, -1, LARGEST, -(2**63), 2**62, 2**60 - 1, -(2**60), 2**31, 64, 63, 4_096, -64, -65]
START_NS = 1_750_000_000_000_000_000
CLOSE_PRICES = st.integers(-6, 6)
PRICES = st.one_of(CLOSE_PRICES, CLOSE_PRICES, st.sampled_from(EDGES), st.integers(-500, 500))
QUANTITIES = st.one_of(
    st.integers(1, 20), st.integers(1, 20), st.sampled_from([0, -1, LARGEST, 2**62])
)
SIDES = st.sampled_from([1, 2])
MISTAKES = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0, 3, 9])


class EngineMatchesNaiveVenue(RuleBasedStateMachine):
    @initialize(
        orders=st.sampled_from([5, 64]),
        levels=st.sampled_from([4, 64]),
        step_limit=st.sampled_from([1, 2, 16]),
    )
    def start(self, orders: int, levels: int, step_limit: int) -> None:
        capacity = MatchingCapacity(
            orders=orders,
            levels=levels,
            instruments=4,
            instrument_ids=16,
            account_ids=128,
            step_limit=step_limit,
        )
        rules = [
            InstrumentRules(1),
            InstrumentRules(2, -100, 100, 1_000, lot_units=2),
            InstrumentRules(9),
        ]
        self.engine = EngineDriver(rules, capacity, epoch=3)
        books = [Book(1), Book(2, -100, 100, 1_000, 2), Book(9)]
        self.naive = NaiveVenue(
            books, epoch=3, order_capacity=orders, level_capacity=levels, account_ids=128
        )
        self.sequence = 0
        self.placed_units = 0
        self.vendor_id = 0
        self.submitted: list[int] = []

    def both(self, command: dict[str, int]) -> None:
        self.sequence += 1
        command = command | {
            "sequence": self.sequence,
            "time_ns": START_NS + self.sequence * 3_600 * 10**9,
            "send_time_ns": self.sequence * 7,
            "tag": self.sequence,
            "firm_id": 2,
        }
        executions, book_events = self.engine.submit(command)
        expected_executions, expected_book_events = self.naive.submit(command)
        assert executions == [without_zeros(e) for e in expected_executions]
        assert book_events == [without_zeros(e) for e in expected_book_events]
        self.check_events(command, executions)

    def check_events(self, command: dict[str, int], executions: list[dict[str, int]]) -> None:
        trades = [e for e in executions if e["execution_type"] == 3]
        taken = [e for e in trades if e["liquidity"] == 2]
        made = [e for e in trades if e["liquidity"] == 1]
        volume = sum(e["last_quantity_units"] for e in taken)
        assert volume == sum(e["last_quantity_units"] for e in made)
        assert [e["match_id"] for e in taken] == [e["match_id"] for e in made]
        if command.get("time_in_force") == 4 and taken:
            assert volume == command["quantity_units"]
        for taker, maker in zip(taken, made, strict=True):
            group = taker.get("self_trade_group", 0)
            assert not group or group != maker.get("self_trade_group", 0)

    @rule(
        account=st.sampled_from([1, 5, 6, 127, 128, 0]),
        instrument=st.sampled_from([1, 1, 1, 2, 9, 3, 16]),
        side=SIDES,
        price=PRICES,
        quantity=QUANTITIES,
        kind=st.sampled_from([1, 1, 1, 2]),
        force=st.sampled_from([1, 2, 2, 3, 4]),
        group=st.sampled_from([0, 0, 7, 2**32 - 1]),
        session=st.sampled_from([0, 4, 2**31 + 1]),
        post_only=st.sampled_from([0, 0, 0, 1]),
    )
    def new(
        self, account: int, instrument: int, side: int, price: int, quantity: int, **terms: Any
    ) -> None:
        self.vendor_id += 1
        self.both(
            {
                "action": 1,
                "account_id": account,
                "instrument_id": instrument,
                "side": side,
                "price_units": price,
                "quantity_units": quantity,
                "order_type": terms["kind"],
                "time_in_force": terms["force"],
                "self_trade_group": terms["group"],
                "session_id": terms["session"],
                "instructions": terms["post_only"],
                "client_order_id0": self.vendor_id,
                "client_order_id3": 77,
            }
        )

    @rule(
        field=st.sampled_from(
            [
                "side",
                "order_type",
                "time_in_force",
                "instructions",
                "stop_price_units",
                "display_quantity_units",
                "minimum_quantity_units",
                "expire_time_ns",
                "action",
            ]
        ),
        value=st.sampled_from([0, 2, 3, 5, 65_535]),
    )
    def odd_order(self, field: str, value: int) -> None:
        command = {
            "action": 1,
            "account_id": 5,
            "instrument_id": 1,
            "side": 1,
            "price_units": -400,
            "quantity_units": 1,
            "order_type": 1,
            "time_in_force": 1,
        }
        assume(field != "action" or value not in (2, 3))
        self.both(command | {field: value})

    def pick(self, index: int) -> Any:
        orders = [order for book in self.naive.books.values() for order in book.orders]
        assume(orders)
        return orders[index % len(orders)]

    @rule(
        index=st.integers(0, 50),
        quantity=st.sampled_from([0, 0, 0, 1, 3, 50, -1]),
        foreign=MISTAKES,
    )
    def cancel(self, index: int, quantity: int, foreign: int) -> None:
        order = self.pick(index)
        self.both(
            {
                "action": 2,
                "account_id": order.account_id + foreign,
                "instrument_id": order.instrument_id,
                "order_id": order.order_id,
                "quantity_units": quantity,
            }
        )

    @rule(
        index=st.integers(0, 50),
        price=st.one_of(st.none(), PRICES),
        change=st.one_of(st.integers(-10, 10), st.sampled_from([-LARGEST, LARGEST])),
        wrong=MISTAKES,
    )
    def replace(self, index: int, price: int | None, change: int, wrong: int) -> None:
        order = self.pick(index)
        total = max(-(2**63), min(LARGEST, order.total + change))
        self.vendor_id += 1
        self.both(
            {
                "action": 3,
                "account_id": order.account_id,
                "instrument_id": order.instrument_id + wrong,
                "side": order.side if wrong != 3 else 3 - order.side,
                "order_id": order.order_id,
                "price_units": order.price if price is None else price,
                "quantity_units": total,
                "client_order_id0": self.vendor_id,
                "client_order_id1": 5,
            }
        )

    @rule(
        instrument=st.sampled_from([1, 2, 9, 3]),
        vendor_id=st.integers(0, 60),
        quantity=st.integers(0, 9),
    )
    def cancel_replayed(self, instrument: int, vendor_id: int, quantity: int) -> None:
        self.both(
            {
                "action": 2,
                "account_id": 1,
                "instrument_id": instrument,
                "client_order_id0": vendor_id,
                "quantity_units": quantity,
            }
        )

    @rule(order_id=st.sampled_from([1, (3 << 40) + 1, LARGEST, -1]), action=st.sampled_from([2, 3]))
    def change_unknown(self, order_id: int, action: int) -> None:
        self.both({"action": action, "account_id": 127, "instrument_id": 1, "order_id": order_id})

    @rule(
        account=st.sampled_from([5, 6, 1, 128]),
        instrument=st.sampled_from([0, 0, 1, 3]),
        side=st.sampled_from([0, 0, 1, 2, 3]),
        session=st.sampled_from([0, 0, 2**31 + 1]),
    )
    def mass_cancel(self, account: int, instrument: int, side: int, session: int) -> None:
        self.both(
            {
                "action": 4,
                "account_id": account,
                "instrument_id": instrument,
                "side": side,
                "session_id": session,
            }
        )

    @rule(
        action=st.sampled_from([2, 7, 8, 9, 9, 9]),
        scope=st.sampled_from(["firm", "account", "session", "instrument"]),
    )
    def control(self, action: int, scope: str) -> None:
        self.sequence += 1
        stamps = {"sequence": self.sequence, "time_ns": START_NS}
        scope_number, scope_id = {
            "firm": (1, 2),
            "account": (2, 5),
            "session": (5, 4),
            "instrument": (3, 0),
        }[scope]
        instrument = 1 if scope == "instrument" else 0
        record = {
            "action": action,
            "scope": scope_number,
            "scope_id": scope_id,
            "instrument_id": instrument,
        }
        executions, book_events, count = self.engine.control(record | stamps)
        filters = {f"{scope}_id": scope_id} if scope_id else {}
        reason = {2: 304, 8: 304, 7: 305, 9: 0}[action]
        expected = self.naive.control(
            filters, instrument_id=instrument, side=0, reason=reason, stamps=stamps
        )
        assert executions == [without_zeros(e) for e in expected[0]]
        assert book_events == [without_zeros(e) for e in expected[1]]
        assert count == expected[2]

    @invariant()
    def same_state(self) -> None:
        assert self.engine.state_hash() == self.naive.state_hash()
        for book in self.naive.books.values():
            for side in (1, 2):
                levels: dict[int, list[int]] = {}
                for order in book.side(side):
                    if not order.is_hidden:
                        levels.setdefault(order.price, []).append(order.shown)
                expected = [(price, sum(q), len(q)) for price, q in levels.items()]
                assert self.engine.depth(book.instrument_id, side) == expected
            bids, asks = ([o for o in book.side(side) if not o.is_conditional] for side in (1, 2))
            assert not bids or not asks or bids[0].price < asks[0].price

    @invariant()
    def no_record_leaks(self) -> None:
        header = self.engine.engine.header[0]
        assert header["order_count"] == self.naive.order_count()
        assert header["level_count"] == sum(b.levels() for b in self.naive.books.values())
        assert header["phase"] == 0


TestEngineMatchesNaiveVenue = EngineMatchesNaiveVenue.TestCase
TestEngineMatchesNaiveVenue.settings = settings(
    max_examples=30 if JIT_DISABLED else 150,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
