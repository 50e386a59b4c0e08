"""Every kind of order, phase and allocation: the engine and the naive venue answer the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.matching_driver import EngineDriver, without_zeros
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.orderbook.view_layout import ViewCapacity
from tradecaptain.orderbook.views import BookViews
from tradecaptain.wire import book_event
from twins.matching.naive_records import Book
from twins.matching.naive_venue import NaiveVenue

LARGEST = 2**63 - 1
SMALLEST = -(2**63)
START_NS = 1_750_000_000_000_000_000
SECOND = 10**9
CONTINUOUS, CLOSED, HALTED, OPENING, CLOSING, VOLATILITY, INTRADAY = 1, 2, 3, 4, 5, 6, 7
SET_PHASE, SET_BANDS, SET_FEE, SET_FEE_TIER, TIMER = 13, 14, 15, 16, 17

PRICES = st.integers(95, 105)
SIZES = st.integers(1, 12)
ACCOUNTS = st.sampled_from([5, 5, 6, 7])
GROUPS = st.sampled_from([0, 0, 0, 7])
STP = st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4])
RESTING = st.sampled_from([1, 2, 2])


VIEWS = ViewCapacity(orders=512, levels=128, rows=1 << 10, instrument_limit=16)


class Nobody:
    """Listens to views, and does nothing."""

    def changed(self, instrument_id: int, level: Any, updates: Any) -> None:
        """Something changed."""

    def skipped(self, instrument_id: int, level: Any) -> None:
        """Something was left out."""


def comparable(events: list[dict[str, int]]) -> list[dict[str, int]]:
    """Book events without their marks: a step that ends a run may have no book event to mark."""
    return [
        {name: value for name, value in event.items() if value and name != "flags"}
        for event in events
    ]


class FeaturesMatchNaiveVenue(RuleBasedStateMachine):
    @initialize(
        step_limit=st.sampled_from([1, 3, 16]),
        allocation=st.sampled_from([1, 1, 1, 2, 3, 4, 5, 5]),
        pace=st.sampled_from([0, 0, 3 * SECOND]),
        lot=st.sampled_from([1, 1, 2]),
        minimum=st.sampled_from([0, 2]),
        levels=st.sampled_from([6, 64, 64]),
        limits=st.sampled_from([(0, 0), (0, 0), (1, 2)]),
    )
    def start(
        self,
        step_limit: int,
        allocation: int,
        pace: int,
        lot: int,
        minimum: int,
        levels: int,
        limits: tuple[int, int] = (0, 0),
    ) -> None:
        capacity = MatchingCapacity(
            orders=64,
            levels=levels,
            instruments=2,
            instrument_ids=4,
            account_ids=16,
            step_limit=step_limit,
            pegs=limits[0],
            hidden=limits[1],
        )
        interval = 60 * SECOND if allocation == 4 else 0
        rules = InstrumentRules(
            1,
            90,
            110,
            1_000,
            lot_units=lot,
            allocation=allocation,
            minimum_share_units=minimum,
            batch_interval_ns=interval,
            indication_interval_ns=pace,
        )
        self.engine = EngineDriver([rules, InstrumentRules(2)], capacity, epoch=3)
        book = Book(
            1,
            90,
            110,
            1_000,
            lot,
            allocation=allocation,
            minimum_share=minimum,
            batch_interval_ns=interval,
            indication_interval_ns=pace,
        )
        if allocation == 4:
            book.phase, book.auction_end_ns = INTRADAY, 1
        self.lot = lot
        self.allocation = allocation
        self.naive = NaiveVenue(
            [book, Book(2)],
            epoch=3,
            order_capacity=64,
            level_capacity=levels,
            account_ids=16,
            peg_limit=limits[0] or 64,
            hidden_limit=limits[1] or 64,
        )
        self.book = book
        self.sequence = 0
        self.views = BookViews([1, 2], 3, VIEWS, Nobody(), ManualClock())

    def stamps(self) -> dict[str, int]:
        self.sequence += 1
        return {"sequence": self.sequence, "time_ns": START_NS + self.sequence * SECOND}

    def same(self, ours: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
        assert ours[0] == [without_zeros(event) for event in expected[0]]
        assert comparable(ours[1]) == comparable(expected[1])
        self.check_conservation(ours[0])
        self.follow(ours[1])

    def follow(self, events: list[dict[str, int]]) -> None:
        """A follower of the book events comes to the same book, hidden orders and all."""
        records = np.zeros(len(events), book_event.DTYPE)
        for row, event in zip(records, events, strict=True):
            book_event.initialise(row.__array_interface__["data"][0])
            for name, value in event.items():
                row[name] = value
        if events:
            self.views.apply(address_of(records), records.strides[0], len(records))
        assert self.views.is_valid(1)

    def check_conservation(self, executions: list[dict[str, int]]) -> None:
        sides: Counter[tuple[int, int]] = Counter()
        parties: dict[int, list[dict[str, int]]] = {}
        for event in executions:
            if event["execution_type"] == 3:
                sides[event["match_id"], event["side"]] += event["last_quantity_units"]
                parties.setdefault(event["match_id"], []).append(event)
        for match_id, pair in parties.items():
            assert sides[match_id, 1] == sides[match_id, 2]
            assert len({event["last_price_units"] for event in pair}) == 1
            taker = [event for event in pair if event.get("liquidity") == 2]
            groups = {event.get("self_trade_group", 0) for event in pair}
            assert not taker or len(groups) == 2 or groups == {0}

    def both(self, command: dict[str, int]) -> None:
        command = (
            command
            | self.stamps()
            | {"send_time_ns": self.sequence * 7, "tag": self.sequence, "firm_id": 2}
        )
        command["instrument_id"] = command.get("instrument_id", 1)
        self.same(self.engine.submit(command), self.naive.submit(command))

    def new(self, **fields: int) -> None:
        known = {"action": 1, "order_type": 1, "time_in_force": 1, "client_order_id0": 9}
        fields["quantity_units"] = fields["quantity_units"] * self.lot
        for name in ("display_quantity_units", "minimum_visible_units"):
            if fields.get(name):
                fields[name] *= self.lot
        self.both(known | fields)

    @rule(
        account=ACCOUNTS,
        side=st.sampled_from([1, 2]),
        price=PRICES,
        quantity=SIZES,
        kind=st.sampled_from([1, 1, 1, 2]),
        force=st.sampled_from([1, 2, 3, 4]),
        group=GROUPS,
        stp=STP,
    )
    def plain(self, account: int, side: int, price: int, quantity: int, **terms: int) -> None:
        self.new(
            account_id=account,
            side=side,
            price_units=price,
            quantity_units=quantity,
            order_type=terms["kind"],
            time_in_force=terms["force"],
            self_trade_group=terms["group"],
            self_trade_prevention=terms["stp"],
        )

    @rule(
        account=ACCOUNTS,
        side=st.sampled_from([1, 2]),
        price=PRICES,
        quantity=SIZES,
        display=st.integers(0, 6),
        least=st.sampled_from([0, 0, 2]),
        minimum=st.sampled_from([0, 0, 0, 2, 5]),
        bits=st.sampled_from([0, 0, 1, 4, 4, 8, 8, 12, 5, 33, 33, 64]),
        force=st.sampled_from([1, 2, 2, 3, 4, 6, 7]),
        kind=st.sampled_from([1, 1, 1, 2]),
        stp=STP,
    )
    def conditional(self, account: int, side: int, price: int, quantity: int, **t: int) -> None:
        self.new(
            account_id=account,
            side=side,
            price_units=price,
            quantity_units=quantity,
            display_quantity_units=t["display"] if not t["bits"] and not t["minimum"] else 0,
            minimum_visible_units=t["least"] if t["display"] > 2 and not t["bits"] else 0,
            minimum_quantity_units=t["minimum"],
            instructions=t["bits"],
            time_in_force=t["force"],
            order_type=t["kind"],
            self_trade_prevention=t["stp"],
        )

    @rule(
        account=ACCOUNTS,
        side=st.sampled_from([1, 2]),
        kind=st.sampled_from([3, 3, 4, 4, 5]),
        price=PRICES,
        stop=PRICES,
        offset=st.sampled_from([0, 1, 3]),
        points=st.sampled_from([0, 0, 150]),
        quantity=SIZES,
        force=st.sampled_from([1, 2, 3, 4]),
        bits=st.sampled_from([0, 0, 4, 8]),
    )
    def stop(self, account: int, side: int, kind: int, price: int, stop: int, **t: int) -> None:
        self.new(
            account_id=account,
            side=side,
            order_type=kind,
            price_units=price,
            stop_price_units=stop if kind != 5 else 0,
            offset_units=t["offset"] if kind == 5 else 0,
            offset_basis_points=t["points"] if kind == 5 else 0,
            quantity_units=t["quantity"],
            time_in_force=t["force"],
            instructions=t["bits"],
        )

    @rule(
        account=ACCOUNTS,
        side=st.sampled_from([1, 2]),
        reference=st.sampled_from([1, 2, 3]),
        offset=st.integers(-2, 2),
        bound=PRICES,
        bits=st.sampled_from([0, 0, 4, 128]),
        quantity=SIZES,
    )
    def peg(self, account: int, side: int, reference: int, offset: int, **t: int) -> None:
        self.new(
            account_id=account,
            side=side,
            order_type=6,
            peg_reference=reference,
            offset_units=offset,
            price_units=t["bound"],
            instructions=t["bits"],
            quantity_units=t["quantity"],
            time_in_force=2,
        )

    @rule(
        account=ACCOUNTS,
        side=st.sampled_from([1, 2]),
        role=st.sampled_from([1, 1, 2, 3, 3]),
        group=st.sampled_from([1, 2, 3]),
        kind=st.sampled_from([1, 1, 3, 4, 6, 2]),
        price=PRICES,
        stop=PRICES,
        quantity=SIZES,
        force=RESTING,
    )
    def grouped(self, account: int, side: int, role: int, group: int, kind: int, **t: int) -> None:
        self.new(
            account_id=account,
            side=side,
            group_role=role,
            group_id=group,
            order_type=kind,
            price_units=t["price"],
            stop_price_units=t["stop"] if kind in (3, 4) else 0,
            peg_reference=1 if kind == 6 else 0,
            quantity_units=t["quantity"],
            time_in_force=1 if kind == 2 else t["force"],
        )

    @rule(
        account=ACCOUNTS,
        side=st.sampled_from([1, 2]),
        price=PRICES,
        quantity=SIZES,
        life=st.integers(-1, 20),
        kind=st.sampled_from([1, 1, 3, 4]),
    )
    def timed(
        self, account: int, side: int, price: int, quantity: int, life: int, **t: int
    ) -> None:
        self.new(
            account_id=account,
            side=side,
            price_units=price,
            quantity_units=quantity,
            order_type=t["kind"],
            stop_price_units=price if t["kind"] != 1 else 0,
            time_in_force=5,
            expire_time_ns=START_NS + (self.sequence + life) * SECOND,
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
                "minimum_visible_units",
                "expire_time_ns",
                "self_trade_prevention",
                "peg_reference",
                "group_role",
                "group_id",
                "offset_units",
                "offset_basis_points",
            ]
        ),
        value=st.sampled_from([0, 1, 2, 5, 9, 255, 65_535]),
        kind=st.integers(1, 6),
        force=st.integers(1, 7),
    )
    def odd(self, field: str, value: int, kind: int, force: int) -> None:
        command = {
            "account_id": 5,
            "side": 1,
            "price_units": 95,
            "quantity_units": 4,
            "order_type": kind,
            "time_in_force": force,
        }
        self.new(**(command | {field: value}))

    def pick(self, index: int) -> Any:
        orders = [o for b in self.naive.books.values() for o in [*b.orders, *b.parked]]
        assume(orders)
        return orders[index % len(orders)]

    @rule(index=st.integers(0, 40), quantity=st.sampled_from([0, 0, 1, 3]))
    def cancel(self, index: int, quantity: int) -> None:
        order = self.pick(index)
        self.both(
            {
                "action": 2,
                "account_id": order.account_id,
                "order_id": order.order_id,
                "quantity_units": quantity * self.lot,
            }
        )

    @rule(
        index=st.integers(0, 40),
        price=st.one_of(st.none(), PRICES),
        change=st.integers(-4, 4),
        stop=st.sampled_from([0, 0, 98, 102]),
    )
    def replace(self, index: int, price: int | None, change: int, stop: int) -> None:
        order = self.pick(index)
        self.both(
            {
                "action": 3,
                "account_id": order.account_id,
                "order_id": order.order_id,
                "price_units": order.price if price is None else price,
                "quantity_units": max(order.total + change * self.lot, 0),
                "stop_price_units": stop if order.is_stop else 0,
                "client_order_id0": 11,
            }
        )

    @rule(account=ACCOUNTS, side=st.sampled_from([0, 0, 1]))
    def mass_cancel(self, account: int, side: int) -> None:
        self.both({"action": 4, "account_id": account, "side": side, "instrument_id": 0})

    def control(self, **fields: int) -> tuple[Any, ...]:
        return self.engine.control({"instrument_id": 1} | fields)

    @rule(
        phase=st.sampled_from(
            [CONTINUOUS, CONTINUOUS, CONTINUOUS, OPENING, OPENING, CLOSING, HALTED, CLOSED]
        ),
        reference=st.sampled_from([None, None, 97, 103]),
        duration=st.sampled_from([0, 0, 5]),
    )
    def set_phase(self, phase: int, reference: int | None, duration: int) -> None:
        stamps = self.stamps()
        fields = {"flags": 16, "value": reference} if reference is not None else {}
        ours = self.control(
            action=SET_PHASE, phase=phase, duration_ns=duration * SECOND, **fields, **stamps
        )
        is_timed = duration and phase >= OPENING
        end_ns = stamps["time_ns"] + duration * SECOND if is_timed else 0
        expected = self.naive.set_instrument_phase(stamps, 1, phase, end_ns, reference)
        self.same(ours, expected)

    @rule(
        low=st.sampled_from([SMALLEST, SMALLEST, 97]),
        high=st.sampled_from([LARGEST, LARGEST, 103]),
        dynamic=st.sampled_from([0, 2, 3]),
        pause=st.sampled_from([0, 4]),
    )
    def set_bands(self, low: int, high: int, dynamic: int, pause: int) -> None:
        pause_ns = pause * SECOND
        bands = {"low_units": low, "high_units": high, "value": dynamic, "duration_ns": pause_ns}
        assert self.control(action=SET_BANDS, **bands, **self.stamps())[2] == 0
        self.naive.set_bands(1, low, high, dynamic, pause_ns)

    @rule(
        tier=st.sampled_from([0, 1]),
        maker=st.integers(-2_000, 2_000),
        taker=st.integers(-2_000, 2_000),
    )
    def set_fees(self, tier: int, maker: int, taker: int) -> None:
        rates = {"value": maker, "low_units": taker, "high_units": 7}
        self.control(action=SET_FEE, scope_id=tier, **rates, **self.stamps())
        self.control(action=SET_FEE_TIER, scope_id=6, value=tier, **self.stamps())
        self.naive.fees[tier] = (maker, taker, 7)
        self.naive.fee_tiers[6] = tier

    @rule(wait=st.integers(0, 70))
    def pass_time(self, wait: int) -> None:
        self.sequence += wait
        stamps = self.stamps()
        ours = self.control(action=TIMER, instrument_id=0, **stamps)
        self.same(ours, self.naive.advance_time(stamps))

    @rule()
    def restart(self) -> None:
        """An engine made from a snapshot goes on in place of the first."""
        before = self.engine
        self.engine = EngineDriver([], before.capacity, epoch=3)
        assert self.engine.restore(before.snapshot()) == 0

    @invariant()
    def same_state(self) -> None:
        assert self.engine.state_hash() == self.naive.state_hash()
        for side in (1, 2):
            levels: dict[int, list[int]] = {}
            for order in self.book.side(side):
                if not order.is_hidden:
                    levels.setdefault(order.price, []).append(order.shown)
            expected = [(price, sum(q), len(q)) for price, q in levels.items()]
            assert self.engine.depth(1, side) == expected
        if self.book.phase == CONTINUOUS:
            bids, asks = (
                [o for o in self.book.side(side) if not o.is_conditional] for side in (1, 2)
            )
            assert not bids or not asks or bids[0].price < asks[0].price

    @invariant()
    def no_record_leaks(self) -> None:
        header = self.engine.engine.header[0]
        assert header["order_count"] == self.naive.order_count()
        assert header["level_count"] == sum(b.levels() for b in self.naive.books.values())
        assert header["phase"] == 0
        ladder = sum(
            bool(
                o.is_hidden or o.display or o.is_conditional or o.role or o.kind == 6 or o.force > 5
            )
            for o in self.book.orders
        )
        assert self.engine.engine.books[1]["special"] & ((1 << 40) - 1) == ladder


TestFeaturesMatchNaiveVenue = FeaturesMatchNaiveVenue.TestCase
TestFeaturesMatchNaiveVenue.settings = settings(
    max_examples=10 if JIT_DISABLED else 100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
