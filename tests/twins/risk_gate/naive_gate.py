"""Slow and obvious twin of the risk gate: dictionaries, fractions and one rule after the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

from tradecaptain.wire import common, reason
from twins.risk_gate.naive_admission import NaiveAdmission
from twins.risk_gate.naive_controls import NaiveControls
from twins.risk_gate.naive_values import NaiveValues
from twins.risk_gate.terms import (
    ACCOUNT,
    ACCOUNT_INSTRUMENT,
    DUPLICATE_WINDOW,
    EXECUTION_COUNT,
    EXECUTION_WINDOW,
    FIRM,
    GROSS_POSITION,
    GROUP,
    INSTRUMENT,
    INT64_MAX,
    LARGEST_ID,
    MILLISECOND_NS,
    OPEN_ORDERS,
    ORDER_NOTIONAL,
    ORDER_QUANTITY,
    PASSED,
    POSITION_LONG,
    POSITION_SHORT,
    PRICE_COLLAR,
    PRICE_MOVE,
    PRICE_MOVE_WINDOW_NS,
    REFERENCE_AGE,
    REFERENCE_BITS,
    REQUIRED_KINDS,
    STRATEGY,
    UNLIMITED,
    Level,
    Order,
    Verdict,
    ceiling_to_int64,
    distance_bps,
    saturate,
)


@dataclass
class NaiveGate(NaiveAdmission, NaiveControls, NaiveValues):
    """The rules of docs/risk.md, as plainly as they can be said."""

    pair_capacity: int = 10**9
    account_capacity: int = 10**9
    override_capacity: int = 10**9
    ratios: dict[int, Fraction] = field(default_factory=dict)
    limits: dict[Level, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    kills: set[Level] = field(default_factory=set)
    references: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    accounts: set[int] = field(default_factory=set)
    overrides: set[tuple[int, int]] = field(default_factory=set)
    pairs: set[tuple[int, int]] = field(default_factory=set)
    positions: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    working: dict[tuple[int, int, int], int] = field(default_factory=lambda: defaultdict(int))
    open_orders: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    groups: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    firms: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    total_levels: set[Level] = field(default_factory=set)
    restrictions: dict[Level, int] = field(default_factory=lambda: defaultdict(int))
    throttled: dict[int, tuple[int, int]] = field(default_factory=dict)
    executions: dict[int, tuple[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: (0, 0))
    )
    next_message_ns: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    remembered: dict[tuple[int, ...], int] = field(default_factory=dict)
    reference_times: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    displayed: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    windows: dict[int, tuple[int, int]] = field(default_factory=dict)
    overridden: dict[tuple[Level, int], tuple[int, int | None]] = field(default_factory=dict)
    now_ns: int = 0

    def begin(self, now_ns: int) -> None:
        """A record comes: overrides that held until now are over."""
        self.now_ns = now_ns
        for (level, kind), (end_ns, before) in list(self.overridden.items()):
            if end_ns <= now_ns:
                del self.overridden[(level, kind)]
                self.limits[level].pop(kind, None)
                if before is not None:
                    self.limits[level][kind] = before

    def add_instrument(self, instrument: int, numerator: int, denominator: int) -> int:
        self.ratios[instrument] = Fraction(numerator, denominator)
        return 0

    # Checks

    def levels(self, order: Order) -> list[Level]:
        """Every level that governs an order, the broadest first."""
        return [
            (FIRM, 0, 0),
            (FIRM, order.firm, 0),
            (GROUP, self.groups[order.account], 0),
            (INSTRUMENT, 0, order.instrument),
            (ACCOUNT, order.account, 0),
            (ACCOUNT_INSTRUMENT, order.account, order.instrument),
            (STRATEGY, order.strategy, 0),
        ]

    def tightest(self, order: Order, kind: int) -> tuple[int, int]:
        """The smallest limit of a kind and the scope of the broadest level that sets it."""
        found = [
            (self.limits[level][kind], level[0])
            for level in self.levels(order)
            if kind in self.limits[level]
        ]
        smallest = min((value for value, _ in found), default=UNLIMITED)
        if not found:
            return UNLIMITED, 0
        return smallest, next(scope for value, scope in found if value == smallest)

    def reference(self, instrument: int) -> tuple[int, int] | None:
        """Bit of the source and price of the best reference."""
        known = self.references[instrument]
        for source in ("last", "mid", "outside", "close"):
            if source in known:
                return REFERENCE_BITS[source], known[source]
        return None

    def check_terms(self, order: Order) -> Verdict:
        if order.instrument not in self.ratios:
            return Verdict(reason.REASON_UNKNOWN_INSTRUMENT)
        if order.side not in (common.SIDE_BUY, common.SIDE_SELL):
            return Verdict(reason.REASON_INVALID_SIDE, observed=order.side)
        if order.quantity <= 0:
            return Verdict(reason.REASON_INVALID_QUANTITY, observed=order.quantity)
        if not 0 < order.firm <= LARGEST_ID:
            return Verdict(reason.REASON_LIMIT_UNSET, level=FIRM)
        return PASSED

    def check_kills(self, order: Order) -> Verdict:
        for level in self.levels(order):
            if level in self.kills:
                return Verdict(reason.REASON_KILL_SWITCH, level=level[0], observed=1)
        if order.account in self.throttled:
            limit, count = self.throttled[order.account]
            return Verdict(reason.REASON_EXECUTION_THROTTLE, ACCOUNT, limit, count)
        return PASSED

    def check_age(self, order: Order, bit: int) -> Verdict:
        limit, level = self.tightest(order, REFERENCE_AGE)
        source = next(name for name, value in REFERENCE_BITS.items() if value == bit)
        if limit == UNLIMITED or source == "close":
            return PASSED
        age_ns = self.now_ns - self.reference_times[(order.instrument, source)]
        age_ms = -(-age_ns // MILLISECOND_NS)
        if age_ms <= limit:
            return PASSED
        return Verdict(reason.REASON_REFERENCE_PRICE_STALE, level, limit, age_ms, bit)

    def check_move(self, order: Order, is_priced: bool) -> Verdict:
        limit, level = self.tightest(order, PRICE_MOVE)
        if limit == UNLIMITED:
            return PASSED
        reference = self.reference(order.instrument)
        if reference is None:
            return Verdict(reason.REASON_REFERENCE_PRICE_MISSING, level, limit)
        start_ns, start = self.windows.get(order.instrument, (None, 0))
        if start_ns is None or self.now_ns - start_ns >= PRICE_MOVE_WINDOW_NS:
            start = reference[1]
            self.windows[order.instrument] = (max(self.now_ns, 1), start)
        distance = distance_bps(order.price, start)
        if not is_priced or distance <= limit:
            return PASSED
        observed = ceiling_to_int64(distance)
        return Verdict(reason.REASON_PRICE_MOVE_COLLAR, level, limit, observed)

    def check_set(self, order: Order) -> Verdict:
        own = (
            self.limits[(ACCOUNT, order.account, 0)]
            | self.limits[(ACCOUNT_INSTRUMENT, order.account, order.instrument)]
        )
        for kind in REQUIRED_KINDS:
            if kind not in own:
                return Verdict(reason.REASON_LIMIT_UNSET, level=ACCOUNT, observed=kind)
        return PASSED

    def check_quantity(self, order: Order) -> Verdict:
        limit, level = self.tightest(order, ORDER_QUANTITY)
        if order.quantity > limit:
            return Verdict(reason.REASON_ORDER_QUANTITY_LIMIT, level, limit, order.quantity)
        return PASSED

    def check_collar(self, order: Order, is_priced: bool) -> Verdict:
        limit, level = self.tightest(order, PRICE_COLLAR)
        if limit == UNLIMITED:
            return PASSED
        reference = self.reference(order.instrument)
        if reference is None:
            return Verdict(reason.REASON_REFERENCE_PRICE_MISSING, level, limit)
        source, price = reference
        verdict = self.check_age(order, source)
        if verdict.reason:
            return verdict
        distance = distance_bps(order.price, price)
        if not is_priced or distance <= limit:
            return PASSED
        observed = ceiling_to_int64(distance)
        return Verdict(reason.REASON_PRICE_COLLAR, level, limit, observed, source)

    def check_notional(self, order: Order, is_priced: bool) -> Verdict:
        limit, level = self.tightest(order, ORDER_NOTIONAL)
        if limit == UNLIMITED:
            return PASSED
        source, price = 0, Fraction(order.price)
        if not is_priced:
            reference = self.reference(order.instrument)
            if reference is None:
                return Verdict(reason.REASON_REFERENCE_PRICE_MISSING, level, limit)
            source = reference[0]
            collar, _ = self.tightest(order, PRICE_COLLAR)
            premium = 10_000 if collar == UNLIMITED else saturate(collar + 10_000)
            price = Fraction(reference[1] * premium, 10_000)
        notional = abs(price) * order.quantity * self.ratios[order.instrument]
        if notional <= limit:
            return PASSED
        observed = ceiling_to_int64(notional)
        return Verdict(reason.REASON_ORDER_NOTIONAL_LIMIT, level, limit, observed, source)

    def check_position(self, order: Order, added: int) -> Verdict:
        pair = (order.account, order.instrument)
        working = self.working[(*pair, order.side)] + added
        if order.side == common.SIDE_BUY:
            kind, number = POSITION_LONG, reason.REASON_POSITION_LIMIT_LONG
            exposure = self.positions[pair] + working
        else:
            kind, number = POSITION_SHORT, reason.REASON_POSITION_LIMIT_SHORT
            exposure = working - self.positions[pair]
        if working >= INT64_MAX:
            exposure = INT64_MAX
        limit, level = self.tightest(order, kind)
        if exposure > limit or exposure >= INT64_MAX:
            return Verdict(number, level, limit, saturate(exposure))
        return PASSED

    def check_gross(self, order: Order, added: int) -> Verdict:
        limit, level = self.tightest(order, GROSS_POSITION)
        pair = (order.account, order.instrument)
        working = self.working[(*pair, common.SIDE_BUY)] + self.working[(*pair, common.SIDE_SELL)]
        gross = saturate(abs(self.positions[pair]) + working + added)
        if gross > limit:
            return Verdict(reason.REASON_GROSS_POSITION_LIMIT, level, limit, gross)
        return PASSED

    def check_holdings(self, order: Order, added: int) -> Verdict:
        """Position, gross position and what the account as a whole is exposed to."""
        checks = (self.check_position, self.check_gross, self.check_exposure, self.check_totals)
        for check in checks:
            verdict = check(order, added)
            if verdict.reason:
                return verdict
        return PASSED

    def check_open_orders(self, order: Order) -> Verdict:
        limit, level = self.tightest(order, OPEN_ORDERS)
        count = self.open_orders[order.account] + 1
        if count > limit:
            return Verdict(reason.REASON_OPEN_ORDER_LIMIT, level, limit, count)
        return PASSED

    def check_capacity(self, order: Order) -> Verdict:
        pair = (order.account, order.instrument)
        if pair not in self.pairs and len(self.pairs) >= self.pair_capacity:
            return Verdict(reason.REASON_CAPACITY_EXHAUSTED)
        return PASSED

    def judge(self, order: Order) -> Verdict:
        """Every control of a new order, one after the other."""
        verdict = self.check_terms(order)
        if verdict.reason:
            return verdict
        self.join_firm(order)
        of_message = self.take_message(order)
        is_priced = order.order_type in (common.ORDER_TYPE_LIMIT, common.ORDER_TYPE_STOP_LIMIT)
        for check in (
            self.check_kills,
            self.check_permissions,
            self.check_set,
            lambda order: of_message,
            self.check_duplicate,
            self.check_quantity,
            self.check_share,
            lambda order: self.check_reduction(order, order.quantity),
            lambda order: self.check_short_sale(order, order.quantity),
            lambda order: self.check_collar(order, is_priced),
            lambda order: self.check_move(order, is_priced),
            lambda order: self.check_notional(order, is_priced),
            lambda order: self.check_holdings(order, order.quantity),
            self.check_open_orders,
            self.check_capacity,
        ):
            verdict = check(order)
            if verdict.reason:
                return verdict
        return PASSED

    def check_new(self, order: Order) -> Verdict:
        """Check a new order and reserve it if it passes."""
        self.begin(order.time_ns)
        verdict = self.judge(order)
        if verdict.reason:
            return verdict
        if self.tightest(order, DUPLICATE_WINDOW)[0] != UNLIMITED:
            self.remembered[self.terms(order)] = self.now_ns
        self.pairs.add((order.account, order.instrument))
        self.open_orders[order.account] += 1
        self.change_working(order.account, order.instrument, order.side, order.quantity)
        return PASSED

    def join_firm(self, order: Order) -> None:
        """An account belongs to the firm that its orders name."""
        if order.account in self.accounts:
            self.firms[order.account] = order.firm

    def dry_run(self, order: Order) -> Verdict:
        """What check_new would say now; what it counts is put back."""
        self.begin(order.time_ns)
        messages, windows = self.next_message_ns.copy(), self.windows.copy()
        verdict = self.judge(order)
        self.next_message_ns, self.windows = messages, windows
        return verdict

    def check_replace(
        self, order: Order, old_leaves: int, old_price: int, cumulative: int
    ) -> Verdict:
        """Check a replace (``order`` has the new total and price) on its difference."""
        self.begin(order.time_ns)
        verdict = self.check_terms(order)
        if verdict.reason:
            return verdict
        self.join_firm(order)
        of_message = self.take_message(order)
        if order.quantity <= cumulative:
            return Verdict(
                reason.REASON_REPLACE_BELOW_FILLED, limit=cumulative, observed=order.quantity
            )
        if (order.account, order.instrument) not in self.pairs or (
            order.account not in self.accounts
        ):
            return Verdict(reason.REASON_UNKNOWN_ORDER)
        difference = order.quantity - cumulative - old_leaves
        checks = [self.check_kills, lambda order: of_message]
        if difference > 0 or order.price != old_price:
            checks += [self.check_permissions, self.check_set]
            if difference > 0:
                checks += [
                    self.check_quantity,
                    self.check_share,
                    lambda order: self.check_reduction(order, difference),
                    lambda order: self.check_short_sale(order, difference),
                ]
            checks += [
                lambda order: self.check_collar(order, True),
                lambda order: self.check_move(order, True),
                lambda order: self.check_notional(order, True),
            ]
            if difference > 0:
                checks.append(lambda order: self.check_holdings(order, difference))
        for check in checks:
            verdict = check(order)
            if verdict.reason:
                return verdict
        self.change_working(order.account, order.instrument, order.side, difference)
        return PASSED

    def note_cancel(self, order: Order) -> None:
        """A cancel always passes, and counts as a message."""
        self.begin(order.time_ns)
        if order.instrument in self.ratios:
            self.take_message(order, is_free=True)

    # What the book's events do

    def release(
        self, account: int, instrument: int, side: int, quantity: int, order_count: int
    ) -> int:
        key = (account, instrument, side)
        known = (account, instrument) in self.pairs and account in self.accounts
        if not known or quantity > self.working[key] or order_count > self.open_orders[account]:
            return -1
        self.change_working(account, instrument, side, -quantity)
        self.open_orders[account] -= order_count
        return 0

    def apply_fill(
        self, account: int, instrument: int, side: int, quantity: int, price: int, is_done: int
    ) -> int:
        if instrument not in self.ratios or quantity < 0:
            return -1
        if self.release(account, instrument, side, quantity, is_done) != 0:
            return -1
        signed = quantity if side == common.SIDE_BUY else -quantity
        self.note_price(instrument, "last", price)
        self.note_trade(account, instrument, signed)
        position = saturate(self.positions[(account, instrument)] + signed)
        self.change_position(account, instrument, position)
        self.note_execution(account)
        return 0

    def note_price(self, instrument: int, source: str, price: int) -> None:
        self.references[instrument][source] = price
        self.reference_times[(instrument, source)] = self.now_ns

    def note_execution(self, account: int) -> None:
        """Count an execution; too many within the window stop the account."""
        levels = ((FIRM, 0, 0), (GROUP, self.groups[account], 0), (ACCOUNT, account, 0))

        def smallest(kind: int) -> int:
            return min(self.limits[level].get(kind, UNLIMITED) for level in levels)

        limit = smallest(EXECUTION_COUNT)
        if limit == UNLIMITED:
            return
        start_ns, count = self.executions[account]
        if count == 0 or self.now_ns - start_ns >= smallest(EXECUTION_WINDOW) * MILLISECOND_NS:
            start_ns, count = self.now_ns, 0
        self.executions[account] = (start_ns, count + 1)
        if count + 1 > limit:
            self.throttled.setdefault(account, (limit, count + 1))

    def apply_quote(
        self,
        instrument: int,
        bid: int | None,
        ask: int | None,
        bid_units: int = 0,
        ask_units: int = 0,
    ) -> int:
        if instrument not in self.ratios:
            return -1
        self.displayed[(instrument, common.SIDE_BUY)] = bid_units
        self.displayed[(instrument, common.SIDE_SELL)] = ask_units
        if bid is None or ask is None:
            self.references[instrument].pop("mid", None)
        else:
            self.note_price(instrument, "mid", (bid + ask) // 2)
        return 0
