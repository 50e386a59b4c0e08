"""Any interleaving of orders, fills, cancels, replaces and controls: kernel and twin stay equal.

The machine keeps the orders that are working, as the book would, and holds the gate against them:
reservations are exactly the working orders, positions exactly the fills, and no accepted order
takes a position or a count over the limit that was set when it was accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.gate_driver import GateDriver
from tradecaptain.wire import common, reason
from twins.risk_gate.naive_gate import NaiveGate
from twins.risk_gate.terms import (
    ACCOUNT,
    ACCOUNT_INSTRUMENT,
    CREDIT,
    DAILY_LOSS,
    DUPLICATE_WINDOW,
    EXECUTION_COUNT,
    EXECUTION_WINDOW,
    FIRM,
    GROSS_EXPOSURE,
    GROUP,
    INSTRUMENT,
    INT64_MAX,
    KINDS,
    MESSAGE_BURST,
    MESSAGE_RATE,
    NET_EXPOSURE,
    OPEN_ORDERS,
    POSITION_LONG,
    POSITION_SHORT,
    REFERENCE_AGE,
    STRATEGY,
    TOTAL_KINDS,
    UNLIMITED,
    Level,
    Order,
    Verdict,
)

pytestmark = pytest.mark.twin

ACCOUNTS = (100, 101, 2**31 - 1)
INSTRUMENTS = (7, 8)
FIRMS = (10, 11)
STRATEGIES = (0, 5)
GROUPS = (30, 31)
MILLISECOND_NS = 1_000_000
BUY, SELL = common.SIDE_BUY, common.SIDE_SELL

small = st.integers(1, 60)
edges = st.sampled_from([2**31, 2**32, 2**62, INT64_MAX - 1, INT64_MAX])
quantities = st.one_of(small, small, st.integers(-1, 0), edges)
fair_prices = st.integers(950, 1050)
prices = st.one_of(
    st.integers(900, 1100), st.integers(-1100, 1), edges, edges.map(lambda value: -value)
)
limit_values = st.one_of(st.integers(0, 200), st.integers(0, 200), edges, st.integers(-2, -1))
levels = st.one_of(
    st.sampled_from([0, *FIRMS]).map(lambda firm: (FIRM, firm, 0)),
    st.sampled_from(ACCOUNTS).map(lambda account: (ACCOUNT, account, 0)),
    st.sampled_from([*GROUPS, 0]).map(lambda group: (GROUP, group, 0)),
    st.sampled_from([*STRATEGIES]).map(lambda strategy: (STRATEGY, strategy, 0)),
    st.sampled_from([*INSTRUMENTS, 9]).map(lambda instrument: (INSTRUMENT, 0, instrument)),
    st.tuples(st.just(ACCOUNT_INSTRUMENT), st.sampled_from(ACCOUNTS), st.sampled_from(INSTRUMENTS)),
)
total_levels = st.tuples(
    st.sampled_from([FIRM, GROUP]),
    st.sampled_from([*FIRMS, *GROUPS]),
    st.sampled_from([0, 0, *INSTRUMENTS, 9]),
)
risk_changes = st.lists(
    st.one_of(st.integers(-(10**7), 10**7), st.integers(-(2**45), 2**45)), min_size=16, max_size=16
)
# Values at which each control that isn't a plain quantity begins to bind.
rule_limits = st.one_of(
    st.tuples(st.just(MESSAGE_RATE), st.integers(0, 2_000)),
    st.tuples(st.just(MESSAGE_BURST), st.integers(0, 5)),
    st.tuples(st.just(DUPLICATE_WINDOW), st.integers(0, 50)),
    st.tuples(st.just(EXECUTION_COUNT), st.integers(0, 4)),
    st.tuples(st.just(EXECUTION_WINDOW), st.integers(0, 50)),
    st.tuples(st.just(REFERENCE_AGE), st.integers(0, 50)),
    st.tuples(
        st.sampled_from([GROSS_EXPOSURE, NET_EXPOSURE, CREDIT, DAILY_LOSS]),
        st.one_of(st.integers(0, 3_000_000_000), edges),
    ),
)
fair_orders = st.builds(
    Order,
    account=st.sampled_from(ACCOUNTS),
    instrument=st.sampled_from(INSTRUMENTS),
    side=st.sampled_from([BUY, SELL]),
    quantity=small,
    price=fair_prices,
    order_type=st.sampled_from([common.ORDER_TYPE_LIMIT] * 3 + [common.ORDER_TYPE_MARKET]),
    firm=st.sampled_from(FIRMS),
    strategy=st.sampled_from(STRATEGIES),
    instructions=st.sampled_from([0, 0, 0, 2, 1 << 15]),
    short_sale=st.integers(0, 3),
    self_trade_group=st.integers(0, 1),
)
odd_orders = st.builds(
    Order,
    account=st.sampled_from(ACCOUNTS),
    instrument=st.sampled_from([*INSTRUMENTS, 9]),
    side=st.sampled_from([BUY, SELL, 0]),
    quantity=quantities,
    price=prices,
    firm=st.sampled_from([*FIRMS, 0]),
)


@dataclass
class Working:
    """An order in the book."""

    terms: Order
    leaves: int
    filled: int = 0


class GateMachine(RuleBasedStateMachine):
    """Drives the kernel and the twin by the same steps."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = GateDriver(pairs=4, accounts=3, overrides=5)
        self.twin = NaiveGate(pair_capacity=4, account_capacity=3, override_capacity=5)
        for gate in (self.kernel, self.twin):
            gate.add_instrument(7, 10_000, 1)
            gate.add_instrument(8, 1, 3)
            for account in ACCOUNTS[:2]:
                for kind, value in enumerate((50, 1_000_000_000, 5_000, 150, 120, 6), start=1):
                    gate.set_limit((ACCOUNT, account, 0), kind, value)
        self.now_ns = 0
        self.book: list[Working] = []
        self.positions: dict[tuple[int, int], int] = {}

    def both(self, method: str, *arguments: object) -> object:
        ours = getattr(self.kernel, method)(*arguments)
        twins = getattr(self.twin, method)(*arguments)
        assert ours == twins, (method, arguments)
        return ours

    @rule(step_ms=st.one_of(st.integers(0, 3), st.integers(0, 100), st.just(61_000)))
    def pass_time(self, step_ms: int) -> None:
        self.now_ns += step_ms * MILLISECOND_NS
        self.kernel.now_ns = self.twin.now_ns = self.now_ns

    @rule(level=levels, limit=rule_limits)
    def set_rule(self, level: Level, limit: tuple[int, int]) -> None:
        self.both("set_limit", level, *limit)

    @rule(level=levels, kind=st.sampled_from(KINDS), value=limit_values, ms=st.integers(-1, 60))
    def grant(self, level: Level, kind: int, value: int, ms: int) -> None:
        self.both("grant_override", level, kind, value, self.now_ns + ms * MILLISECOND_NS)

    @rule(level=levels, bits=st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 256, 0, 511, 512]))
    def restrict(self, level: Level, bits: int) -> None:
        self.both("restrict", level, bits, True)

    @precondition(lambda self: any(self.twin.restrictions.values()))
    @rule()
    def permit_all(self) -> None:
        for level in sorted(self.twin.restrictions):
            self.both("restrict", level, 511, False)

    @rule(account=st.sampled_from([0, *ACCOUNTS]), group=st.sampled_from([0, *GROUPS, 2**31]))
    def set_group(self, account: int, group: int) -> None:
        self.both("set_group", account, group)

    @rule(account=st.sampled_from([0, *ACCOUNTS]), cash=st.integers(-(10**9), 10**10))
    def set_cash(self, account: int, cash: int) -> None:
        self.both("set_cash", account, cash)

    @rule(account=st.sampled_from([0, *ACCOUNTS]))
    def reset_throttle(self, account: int) -> None:
        self.both("reset_throttle", account)

    @rule(
        instrument=st.sampled_from([*INSTRUMENTS, 9]),
        conversion=st.sampled_from([0, 1, 10**9, 1_083_700_000, INT64_MAX, -1]),
        margin=st.sampled_from([0, 1, 500, 10_000, 1_000_000, 1_000_001, -1]),
    )
    def set_terms(self, instrument: int, conversion: int, margin: int) -> None:
        self.both("set_conversion", instrument, conversion)
        self.both("set_margin", instrument, margin)

    @rule(account=st.sampled_from([0, *ACCOUNTS]), firm=st.sampled_from([0, *FIRMS, 2**31]))
    def set_firm(self, account: int, firm: int) -> None:
        self.both("set_firm", account, firm)

    @rule(
        level=total_levels,
        kind=st.sampled_from(TOTAL_KINDS),
        value=st.one_of(st.integers(0, 3_000_000_000), st.integers(0, 200), edges),
    )
    def set_total(self, level: Level, kind: int, value: int) -> None:
        self.both("set_limit", level, kind, value)

    @rule(
        instrument=st.sampled_from([*INSTRUMENTS, 9]),
        group=st.sampled_from([0, 50, 51]),
        changes=risk_changes,
    )
    def set_scenarios(self, instrument: int, group: int, changes: list[int]) -> None:
        self.both("set_scenarios", instrument, group, changes)

    @rule(order=st.one_of(fair_orders, odd_orders))
    def ask(self, order: Order) -> None:
        """A dry run says what the order itself then gets."""
        order = replace(order, time_ns=self.now_ns)
        answer = self.both("dry_run", order)
        verdict = self.both("check_new", order)
        assert answer == verdict
        assert isinstance(verdict, Verdict)
        if verdict.reason == 0:
            self.book.append(Working(order, order.quantity))

    @rule()
    def restart_from_a_snapshot(self) -> None:
        self.kernel.restart()

    @rule()
    def revalue(self) -> None:
        self.both("revalue")

    @rule()
    def start_day(self) -> None:
        self.both("start_day")

    @rule(order=fair_orders)
    def count_cancel(self, order: Order) -> None:
        self.both("note_cancel", replace(order, time_ns=self.now_ns))

    @rule(level=levels, kind=st.integers(0, 26), value=limit_values)
    def set_limit(self, level: Level, kind: int, value: int) -> None:
        self.both("set_limit", level, kind, value)

    @rule(level=levels, kind=st.sampled_from(KINDS))
    def clear_limit(self, level: Level, kind: int) -> None:
        self.both("clear_limit", level, kind)

    @rule(level=levels, order=fair_orders)
    def kill_blocks_until_unkill(self, level: Level, order: Order) -> None:
        for _ in range(2):
            killed = self.both("switch", level, True) == 0
        order = replace(order, time_ns=self.now_ns)
        verdict = self.both("check_new", order)
        assert isinstance(verdict, Verdict)
        if killed and level in self.twin.levels(order):
            assert verdict.reason == reason.REASON_KILL_SWITCH
        if verdict.reason == 0:
            self.book.append(Working(order, order.quantity))
        self.both("switch", level, False)

    @rule(level=levels)
    def latch(self, level: Level) -> None:
        self.both("switch", level, True)

    @precondition(lambda self: self.twin.kills)
    @rule()
    def unlatch_all(self) -> None:
        for level in sorted(self.twin.kills):
            self.both("switch", level, False)

    @rule(
        instrument=st.sampled_from([*INSTRUMENTS, 9]),
        source=st.sampled_from(["last", "mid", "outside", "close"]),
        price=prices,
    )
    def set_reference(self, instrument: int, source: str, price: int) -> None:
        self.both("set_reference", instrument, source, price)

    @rule(
        instrument=st.sampled_from([*INSTRUMENTS, 9]),
        bid=st.one_of(st.none(), prices),
        ask=st.one_of(st.none(), prices),
        units=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    )
    def quote(
        self, instrument: int, bid: int | None, ask: int | None, units: tuple[int, int]
    ) -> None:
        self.both("apply_quote", instrument, bid, ask, *units)

    @rule(
        account=st.sampled_from([0, *ACCOUNTS]),
        instrument=st.sampled_from([*INSTRUMENTS, 9]),
        position=st.one_of(st.integers(-50, 50), edges, edges.map(lambda value: -value)),
    )
    def set_position(self, account: int, instrument: int, position: int) -> None:
        if self.both("set_position", account, instrument, position) == 0:
            self.positions[(account, instrument)] = position

    @rule(order=odd_orders)
    def odd_order(self, order: Order) -> None:
        self.new_order(order)

    @rule(price=fair_prices)
    def fair_references(self, price: int) -> None:
        for instrument in INSTRUMENTS:
            self.both("set_reference", instrument, "last", price)

    @rule(orders=st.lists(fair_orders, min_size=1, max_size=4))
    def fair_orders(self, orders: list[Order]) -> None:
        for order in orders:
            self.new_order(order)

    def new_order(self, order: Order) -> None:
        order = replace(order, time_ns=self.now_ns)
        verdict = self.both("check_new", order)
        assert isinstance(verdict, Verdict)
        if verdict.reason == 0:
            self.book.append(Working(order, order.quantity))
            self.check_accepted(order)

    def check_accepted(self, order: Order) -> None:
        """What was just accepted obeys the limits, said once more in its own words."""
        pair = (order.account, order.instrument)
        mine = [o for o in self.book if (o.terms.account, o.terms.instrument) == pair]
        position = self.positions.get(pair, 0)
        same_side = sum(o.leaves for o in mine if o.terms.side == order.side)
        kind = POSITION_LONG if order.side == BUY else POSITION_SHORT
        exposure = same_side + position if order.side == BUY else same_side - position
        for level in self.twin.levels(order):
            assert level not in self.twin.kills
            limits = self.twin.limits[level]
            assert exposure <= limits.get(kind, UNLIMITED)
            count = sum(o.terms.account == order.account for o in self.book)
            assert count <= limits.get(OPEN_ORDERS, UNLIMITED)
        assert same_side < INT64_MAX

    @precondition(lambda self: self.book)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order = self.book.pop(data.draw(st.integers(0, len(self.book) - 1)))
        terms = order.terms
        done = self.both("release", terms.account, terms.instrument, terms.side, order.leaves, 1)
        assert done == 0

    @precondition(lambda self: self.book)
    @rule(data=st.data(), price=st.integers(900, 1100))
    def fill(self, data: st.DataObject, price: int) -> None:
        index = data.draw(st.integers(0, len(self.book) - 1))
        order = self.book[index]
        quantity = data.draw(
            st.one_of(st.just(order.leaves), st.integers(1, min(order.leaves, 100)))
        )
        is_done = int(quantity == order.leaves)
        terms = order.terms
        pair = (terms.account, terms.instrument)
        assert self.both("apply_fill", *pair, terms.side, quantity, price, is_done) == 0
        signed = quantity if terms.side == BUY else -quantity
        total = self.positions.get(pair, 0) + signed
        self.positions[pair] = max(-(2**63), min(INT64_MAX, total))
        order.leaves -= quantity
        order.filled += quantity
        if is_done:
            self.book.pop(index)

    @precondition(lambda self: self.book)
    @rule(data=st.data(), price=st.one_of(fair_prices, prices), firm=st.sampled_from(FIRMS))
    def replace(self, data: st.DataObject, price: int, firm: int) -> None:
        order = self.book[data.draw(st.integers(0, len(self.book) - 1))]
        old = order.terms
        total = data.draw(
            st.one_of(st.integers(0, 60), st.just(order.filled + order.leaves), quantities)
        )
        new_price = data.draw(st.sampled_from([old.price, price]))
        terms = Order(
            old.account,
            old.instrument,
            old.side,
            total,
            new_price,
            firm=firm,
            strategy=5,
            time_ns=self.now_ns,
        )
        verdict = self.both("check_replace", terms, order.leaves, old.price, order.filled)
        assert isinstance(verdict, Verdict)
        if verdict.reason == 0:
            order.terms = terms
            order.leaves = total - order.filled

    @rule(
        account=st.sampled_from([0, *ACCOUNTS]),
        instrument=st.sampled_from([*INSTRUMENTS, 9]),
        side=st.sampled_from([BUY, SELL]),
    )
    def release_of_what_is_not_reserved_changes_nothing(
        self, account: int, instrument: int, side: int
    ) -> None:
        assert self.both("release", account, instrument, side, INT64_MAX, 1) == -1
        assert self.both("apply_fill", account, instrument, side, -1, 1000, 0) == -1

    @rule(account=st.just(999))
    def an_account_without_limits_is_refused(self, account: int) -> None:
        order = Order(account, 7, time_ns=self.now_ns)
        verdict = self.both("check_new", order)
        assert isinstance(verdict, Verdict)
        assert verdict.reason != 0

    @invariant()
    def sums_are_those_of_all_pairs(self) -> None:
        for account in ACCOUNTS:
            assert self.kernel.sums(account) == self.twin.sums(account)

    @invariant()
    def totals_are_those_of_all_accounts(self) -> None:
        for scope, identifier, _ in self.twin.total_levels:
            ours = self.kernel.total_sums(scope, identifier)
            assert ours == self.twin.total_sums(scope, identifier)

    @invariant()
    def reservations_are_the_working_orders(self) -> None:
        gate = self.kernel.gate
        for account in ACCOUNTS:
            mine = [order for order in self.book if order.terms.account == account]
            assert gate.open_order_count(account) == len(mine)
            for instrument in INSTRUMENTS:
                sums = {
                    side: sum(
                        order.leaves
                        for order in mine
                        if (order.terms.instrument, order.terms.side) == (instrument, side)
                    )
                    for side in (BUY, SELL)
                }
                position = self.positions.get((account, instrument), 0)
                expected = (position, sums[BUY], sums[SELL])
                assert gate.position(account, instrument) == expected


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(stateful_step_count=60)
