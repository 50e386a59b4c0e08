"""What the twin's accounts are worth: every sum is made anew when it is asked for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

from tradecaptain.wire import common, reason
from twins.risk_gate.naive_totals import NaiveTotals
from twins.risk_gate.terms import (
    CREDIT,
    DAILY_LOSS,
    GROSS_EXPOSURE,
    INT64_MAX,
    NET_EXPOSURE,
    PASSED,
    UNLIMITED,
    Order,
    Verdict,
    saturate,
)

VALUE_MAX = 1 << 56
UNIT_MAX = 1 << 62
UNIT_ONE = 1 << 20
Pair = tuple[int, int]


def ceiling(value: Fraction) -> int:
    return -((-value.numerator) // value.denominator)


def sign(value: int) -> int:
    return (value > 0) - (value < 0)


def value_of(quantity: int, unit: int) -> int:
    """Value of a signed quantity at a unit value in 2^-20 notional units, away from zero."""
    magnitude = min(ceiling(Fraction(abs(saturate(quantity)) * unit, UNIT_ONE)), VALUE_MAX)
    if unit >= UNIT_MAX and quantity:
        magnitude = VALUE_MAX
    return magnitude if quantity >= 0 else -magnitude


@dataclass
class NaiveValues(NaiveTotals):
    """Marks of pairs, cash and profit of accounts."""

    ratios: dict[int, Fraction] = field(default_factory=dict)
    positions: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    working: dict[tuple[int, int, int], int] = field(default_factory=lambda: defaultdict(int))
    pairs: set[Pair] = field(default_factory=set)
    accounts: set[int] = field(default_factory=set)
    references: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    conversions: dict[int, int] = field(default_factory=dict)
    margins: dict[int, int] = field(default_factory=dict)
    marks: dict[Pair, tuple[int, int]] = field(default_factory=lambda: defaultdict(lambda: (0, 0)))
    cash: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    trade_cash: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    day_start: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    values_are_kept: bool = False
    risk_groups: dict[int, int] = field(default_factory=dict)
    changes: dict[int, list[int]] = field(default_factory=dict)
    scans: dict[tuple[int, int], int] = field(default_factory=dict)

    def units(self, instrument: int) -> tuple[int, int] | None:
        """Value and margin of one quantity unit at the reference; None if it can't be told."""
        known = self.references[instrument]
        sources = [name for name in ("last", "mid", "outside", "close") if name in known]
        conversion = self.conversions.get(instrument, 10**9)
        if not sources or conversion == 0:
            return None
        price = abs(known[sources[0]]) * self.ratios[instrument] * Fraction(conversion, 10**9)
        unit = min(ceiling(price * UNIT_ONE), UNIT_MAX)
        if instrument in self.risk_groups:
            return unit, 0
        margin = ceiling(Fraction(unit * self.margins.get(instrument, 10_000), 10_000))
        return unit, min(margin, UNIT_MAX)

    def why_without_value(self, instrument: int) -> int:
        """What an instrument without units lacks: a rate, else a price."""
        if self.conversions.get(instrument, 10**9) == 0:
            return reason.REASON_CONVERSION_RATE_MISSING
        return reason.REASON_REFERENCE_PRICE_MISSING

    def mark(self, pair: Pair) -> None:
        if self.values_are_kept:
            self.marks[pair] = self.units(pair[1]) or (0, 0)
            self.scan(*pair)

    def scan(self, account: int, instrument: int) -> None:
        """Take the margin of an account in an instrument's risk group as it is now."""
        group = self.risk_groups.get(instrument)
        if group is not None:
            self.scans[(account, group)] = self.scan_margin(account, group)

    def scan_margin(self, account: int, group: int, with_order: tuple[int, int, int] = ()) -> int:
        """Largest loss over the scenarios; working orders are filled where that hurts."""
        losses = [0] * 16
        for instrument in [key for key, value in self.risk_groups.items() if value == group]:
            pair = (account, instrument)
            if pair not in self.pairs and instrument not in with_order[:1]:
                continue
            buys = self.working[(*pair, common.SIDE_BUY)]
            sells = self.working[(*pair, common.SIDE_SELL)]
            if with_order and with_order[0] == instrument:
                _, side, added = with_order
                buys += added if side == common.SIDE_BUY else 0
                sells += added if side == common.SIDE_SELL else 0
            for scenario, change in enumerate(self.changes[instrument]):
                losses[scenario] -= sign(change) * value_of(self.positions[pair], abs(change))
                losses[scenario] += value_of(saturate(sells if change >= 0 else buys), abs(change))
        return max(0, *losses)

    def set_scenarios(self, instrument: int, group: int, changes: list[int]) -> int:
        """Put an instrument into a risk group, or take it out (0)."""
        if instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        left = self.risk_groups.pop(instrument, None)
        if group:
            self.risk_groups[instrument] = group
            self.changes[instrument] = changes
        if left is not None and left != group:
            for account, of_group in self.scans:
                if of_group == left:
                    self.scans[(account, left)] = self.scan_margin(account, left)
        return 0

    def values(
        self, pair: Pair, marks: tuple[int, int], side: int = 0, added: int = 0
    ) -> list[int]:
        """Gross, net if bought, net if sold, margin and value of a pair."""
        more = {common.SIDE_BUY: 0, common.SIDE_SELL: 0} | {side: added}
        buys = saturate(self.working[(*pair, common.SIDE_BUY)] + more[common.SIDE_BUY])
        sells = saturate(self.working[(*pair, common.SIDE_SELL)] + more[common.SIDE_SELL])
        bought = saturate(self.positions[pair] + buys)
        sold = saturate(self.positions[pair] - sells)
        largest = max(abs(bought), abs(sold))
        unit, margin = marks
        return [
            value_of(largest, unit),
            value_of(bought, unit),
            value_of(sold, unit),
            value_of(largest, margin),
            value_of(self.positions[pair], unit),
        ]

    def sums(self, account: int) -> tuple[int, ...]:
        """Gross, net if bought, net if sold, margin, position value and trade cash."""
        held = [self.values(pair, self.marks[pair]) for pair in self.pairs if pair[0] == account]
        totals = [sum(column) for column in zip(*held, strict=True)] or [0] * 5
        totals[3] += sum(margin for key, margin in self.scans.items() if key[0] == account)
        return (*totals, self.trade_cash[account])

    def change_working(self, account: int, instrument: int, side: int, added: int) -> None:
        self.working[(account, instrument, side)] += added
        self.mark((account, instrument))

    def change_position(self, account: int, instrument: int, position: int) -> None:
        self.positions[(account, instrument)] = position
        self.mark((account, instrument))

    def replace_position(self, account: int, instrument: int, position: int) -> None:
        """A position that was set is neither profit nor loss."""
        before = self.sums(account)[4]
        self.change_position(account, instrument, position)
        self.trade_cash[account] -= self.sums(account)[4] - before

    def note_trade(self, account: int, instrument: int, signed: int) -> None:
        if self.values_are_kept:
            unit, _ = self.units(instrument) or (0, 0)
            self.trade_cash[account] -= value_of(signed, unit)

    def keep_values(self) -> None:
        """Begin to keep values: what there is enters without profit or loss."""
        if self.values_are_kept:
            return
        self.values_are_kept = True
        for pair in self.pairs:
            self.mark(pair)
        for account in {pair[0] for pair in self.pairs}:
            self.trade_cash[account] -= self.sums(account)[4]

    def revalue(self) -> None:
        for pair in self.pairs:
            self.mark(pair)

    def profit(self, account: int) -> int:
        return self.trade_cash[account] + self.sums(account)[4]

    def values_with(
        self, order: Order, units: tuple[int, int], added: int
    ) -> tuple[list[int], list[int]]:
        """Values of the order's pair as it stands, and with the order working."""
        pair = (order.account, order.instrument)
        old = self.values(pair, self.marks[pair])
        new = self.values(pair, units, order.side, added)
        group = self.risk_groups.get(order.instrument)
        if group is not None:
            self.scan(*pair)
            old[3] += self.scans[(order.account, group)]
            with_order = (order.instrument, order.side, added)
            new[3] += self.scan_margin(order.account, group, with_order)
        return old, new

    def check_exposure(self, order: Order, added: int) -> Verdict:
        """Gross and net exposure, credit and loss of the day, with the order working."""
        kinds = (GROSS_EXPOSURE, NET_EXPOSURE, CREDIT, DAILY_LOSS)
        limits = {kind: self.tightest(order, kind) for kind in kinds}
        first = next((kind for kind in kinds if limits[kind][0] != UNLIMITED), None)
        if not self.values_are_kept or first is None:
            return PASSED
        units = self.units(order.instrument)
        if units is None:
            limit, level = limits[first]
            return Verdict(self.why_without_value(order.instrument), level, limit, first)
        pair = (order.account, order.instrument)
        self.scan(*pair)
        sums = self.sums(order.account)
        old, new = self.values_with(order, units, added)
        after = [
            INT64_MAX if abs(new[index]) >= VALUE_MAX else sums[index] + new[index] - old[index]
            for index in range(4)
        ]
        gross = (GROSS_EXPOSURE, reason.REASON_GROSS_EXPOSURE_LIMIT, sums[0], after[0])
        net_before = max(abs(sums[1]), abs(sums[2]))
        net = (NET_EXPOSURE, reason.REASON_NET_EXPOSURE_LIMIT, net_before)
        for kind, why, before, now in (gross, (*net, max(abs(after[1]), abs(after[2])))):
            limit, level = limits[kind]
            shrinks = now <= before and now != INT64_MAX
            if limit != UNLIMITED and now > limit and not shrinks:
                return Verdict(why, level, limit, now)
        credit, level = limits[CREDIT]
        allowed = saturate(credit + self.cash[order.account] + self.profit(order.account))
        if credit != UNLIMITED and after[3] > max(allowed, sums[3]):
            return Verdict(reason.REASON_CREDIT_LIMIT, level, allowed, after[3])
        limit, level = limits[DAILY_LOSS]
        loss = self.day_start[order.account] - self.profit(order.account)
        if limit != UNLIMITED and loss > limit and added > self.closable(order):
            return Verdict(reason.REASON_DAILY_LOSS_LIMIT, level, limit, loss)
        return PASSED

    # Controls

    def set_cash(self, account: int, cash: int) -> int:
        refusal = self.resolve((2, account, 0))
        if not refusal:
            self.cash[account] = cash
        return refusal

    def set_conversion(self, instrument: int, billionths: int) -> int:
        return self._set(self.conversions, instrument, billionths, INT64_MAX)

    def set_margin(self, instrument: int, basis_points: int) -> int:
        return self._set(self.margins, instrument, basis_points, 1_000_000)

    def _set(self, table: dict[int, int], instrument: int, value: int, largest: int) -> int:
        if instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        if not 0 <= value <= largest:
            return reason.REASON_NUMBER_OUT_OF_RANGE
        table[instrument] = value
        return 0

    def start_day(self) -> int:
        for account in self.accounts:
            self.day_start[account] = self.profit(account)
        for known in self.references.values():
            if "last" in known:
                known["close"] = known["last"]
        return 0
