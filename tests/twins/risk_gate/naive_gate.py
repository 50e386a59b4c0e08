"""Slow and obvious twin of the risk gate: dictionaries, fractions and one rule after the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

from tradecaptain.wire import common, control, reason

INT64_MAX = 2**63 - 1
UNLIMITED = INT64_MAX
LARGEST_ID = 2**31 - 1
KINDS = range(1, 7)
(ORDER_QUANTITY, ORDER_NOTIONAL, PRICE_COLLAR, POSITION_LONG, POSITION_SHORT, OPEN_ORDERS) = KINDS

FIRM = control.CONTROL_SCOPE_FIRM
ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
INSTRUMENT = control.CONTROL_SCOPE_INSTRUMENT
STRATEGY = control.CONTROL_SCOPE_STRATEGY
ACCOUNT_INSTRUMENT = control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT

REFERENCE_BITS = {"last": 4, "mid": 8, "outside": 16}

# A level is (scope, account or firm or strategy id, instrument id).
Level = tuple[int, int, int]


@dataclass(frozen=True)
class Order:
    """What the gate looks at in an order command."""

    account: int = 100
    instrument: int = 7
    side: int = common.SIDE_BUY
    quantity: int = 1
    price: int = 1000
    order_type: int = common.ORDER_TYPE_LIMIT
    firm: int = 10
    strategy: int = 0


@dataclass(frozen=True)
class Verdict:
    """0 or a reason, and the detail of a refusal."""

    reason: int = 0
    level: int = 0
    limit: int = 0
    observed: int = 0
    reference: int = 0


PASSED = Verdict()


def ceiling_to_int64(value: Fraction) -> int:
    return min(INT64_MAX, -((-value.numerator) // value.denominator))


def saturate(value: int) -> int:
    return max(-(2**63), min(INT64_MAX, value))


@dataclass
class NaiveGate:
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

    def add_instrument(self, instrument: int, numerator: int, denominator: int) -> int:
        self.ratios[instrument] = Fraction(numerator, denominator)
        return 0

    # Checks

    def levels(self, order: Order) -> list[Level]:
        """Every level that governs an order, the broadest first."""
        return [
            (FIRM, 0, 0),
            (FIRM, order.firm, 0),
            (INSTRUMENT, 0, order.instrument),
            (ACCOUNT, order.account, 0),
            (ACCOUNT_INSTRUMENT, order.account, order.instrument),
        ]

    def tightest(self, order: Order, kind: int) -> tuple[int, int]:
        """The smallest limit of a kind and the scope of the broadest level that sets it."""
        found = [
            (self.limits[level][kind], level[0])
            for level in self.levels(order)
            if kind in self.limits[level]
        ]
        smallest = min(value for value, _ in found)
        return smallest, next(scope for value, scope in found if value == smallest)

    def reference(self, instrument: int) -> tuple[int, int] | None:
        """Bit of the source and price of the best reference."""
        known = self.references[instrument]
        for source in ("last", "mid", "outside"):
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
        levels = [*self.levels(order), (STRATEGY, order.strategy, 0)]
        for level in levels:
            if level in self.kills:
                return Verdict(reason.REASON_KILL_SWITCH, level=level[0], observed=1)
        return PASSED

    def check_set(self, order: Order) -> Verdict:
        own = (
            self.limits[(ACCOUNT, order.account, 0)]
            | self.limits[(ACCOUNT_INSTRUMENT, order.account, order.instrument)]
        )
        for kind in KINDS:
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
        if not is_priced or order.price == price:
            return PASSED
        distance = INT64_MAX
        if price != 0:
            exact = Fraction(abs(order.price - price) * 10_000, abs(price))
            if exact <= limit:
                return PASSED
            distance = ceiling_to_int64(exact)
        return Verdict(reason.REASON_PRICE_COLLAR, level, limit, distance, source)

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

    def check_new(self, order: Order) -> Verdict:
        """Check a new order and reserve it if it passes."""
        is_priced = order.order_type in (common.ORDER_TYPE_LIMIT, common.ORDER_TYPE_STOP_LIMIT)
        for check in (
            self.check_terms,
            self.check_kills,
            self.check_set,
            self.check_quantity,
            lambda order: self.check_collar(order, is_priced),
            lambda order: self.check_notional(order, is_priced),
            lambda order: self.check_position(order, order.quantity),
            self.check_open_orders,
            self.check_capacity,
        ):
            verdict = check(order)
            if verdict.reason:
                return verdict
        self.pairs.add((order.account, order.instrument))
        self.working[(order.account, order.instrument, order.side)] += order.quantity
        self.open_orders[order.account] += 1
        return PASSED

    def check_replace(
        self, order: Order, old_leaves: int, old_price: int, cumulative: int
    ) -> Verdict:
        """Check a replace (``order`` has the new total and price) on its difference."""
        verdict = self.check_terms(order)
        if verdict.reason:
            return verdict
        if order.quantity <= cumulative:
            return Verdict(
                reason.REASON_REPLACE_BELOW_FILLED, limit=cumulative, observed=order.quantity
            )
        if (order.account, order.instrument) not in self.pairs or (
            order.account not in self.accounts
        ):
            return Verdict(reason.REASON_UNKNOWN_ORDER)
        difference = order.quantity - cumulative - old_leaves
        checks = [self.check_kills]
        if difference > 0 or order.price != old_price:
            checks.append(self.check_set)
            if difference > 0:
                checks.append(self.check_quantity)
                checks.append(lambda order: self.check_position(order, difference))
            checks.append(lambda order: self.check_collar(order, True))
            checks.append(lambda order: self.check_notional(order, True))
        for check in checks:
            verdict = check(order)
            if verdict.reason:
                return verdict
        self.working[(order.account, order.instrument, order.side)] += difference
        return PASSED

    # What the book's events do

    def release(
        self, account: int, instrument: int, side: int, quantity: int, order_count: int
    ) -> int:
        key = (account, instrument, side)
        known = (account, instrument) in self.pairs and account in self.accounts
        if not known or quantity > self.working[key] or order_count > self.open_orders[account]:
            return -1
        self.working[key] -= quantity
        self.open_orders[account] -= order_count
        return 0

    def apply_fill(
        self, account: int, instrument: int, side: int, quantity: int, price: int, is_done: int
    ) -> int:
        if instrument not in self.ratios or quantity < 0:
            return -1
        if self.release(account, instrument, side, quantity, is_done) != 0:
            return -1
        sign = 1 if side == common.SIDE_BUY else -1
        pair = (account, instrument)
        self.positions[pair] = saturate(self.positions[pair] + sign * quantity)
        self.references[instrument]["last"] = price
        return 0

    def apply_quote(self, instrument: int, bid: int | None, ask: int | None) -> int:
        if instrument not in self.ratios:
            return -1
        if bid is None or ask is None:
            self.references[instrument].pop("mid", None)
        else:
            self.references[instrument]["mid"] = (bid + ask) // 2
        return 0

    # Controls

    def resolve(self, level: Level) -> int:
        """0 if limits and switches can be put on a level (its rows are made), else the reason."""
        scope, identifier, instrument = level
        if scope == FIRM:
            return 0 if 0 <= identifier <= LARGEST_ID else reason.REASON_INVALID_REQUEST
        if scope == INSTRUMENT:
            return 0 if instrument in self.ratios else reason.REASON_UNKNOWN_INSTRUMENT
        if scope not in (ACCOUNT, ACCOUNT_INSTRUMENT):
            return reason.REASON_INVALID_REQUEST
        if not 0 < identifier <= LARGEST_ID:
            return reason.REASON_UNKNOWN_ACCOUNT
        if scope == ACCOUNT_INSTRUMENT and instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        if identifier not in self.accounts and len(self.accounts) >= self.account_capacity:
            return reason.REASON_CAPACITY_EXHAUSTED
        self.accounts.add(identifier)
        if scope == ACCOUNT_INSTRUMENT:
            pair = (identifier, instrument)
            if pair not in self.overrides and len(self.overrides) >= self.override_capacity:
                return reason.REASON_CAPACITY_EXHAUSTED
            self.overrides.add(pair)
        return 0

    def set_limit(self, level: Level, kind: int, value: int) -> int:
        refusal = self.check_limit(level, kind)
        if not refusal and value < 0:
            refusal = reason.REASON_NUMBER_OUT_OF_RANGE
        refusal = refusal or self.resolve(level)
        if not refusal:
            self.limits[level][kind] = value
        return refusal

    def clear_limit(self, level: Level, kind: int) -> int:
        refusal = self.check_limit(level, kind) or self.resolve(level)
        if not refusal:
            self.limits[level].pop(kind, None)
        return refusal

    def check_limit(self, level: Level, kind: int) -> int:
        if kind not in KINDS:
            return reason.REASON_INVALID_REQUEST
        if level[0] == ACCOUNT_INSTRUMENT and kind == OPEN_ORDERS:
            return reason.REASON_INVALID_REQUEST
        return 0

    def switch(self, level: Level, is_on: bool) -> int:
        if level[0] == STRATEGY:
            refusal = 0 if 0 < level[1] <= LARGEST_ID else reason.REASON_INVALID_REQUEST
        else:
            refusal = self.resolve(level)
        if not refusal:
            (self.kills.add if is_on else self.kills.discard)(level)
        return refusal

    def set_reference(self, instrument: int, source: str, price: int) -> int:
        if price == -(2**63):
            return reason.REASON_NUMBER_OUT_OF_RANGE
        if instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        self.references[instrument][source] = price
        return 0

    def set_position(self, account: int, instrument: int, position: int) -> int:
        if not 0 < account <= LARGEST_ID:
            return reason.REASON_UNKNOWN_ACCOUNT
        if instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        pair = (account, instrument)
        if pair not in self.pairs and len(self.pairs) >= self.pair_capacity:
            return reason.REASON_CAPACITY_EXHAUSTED
        self.pairs.add(pair)
        self.positions[pair] = position
        return 0
