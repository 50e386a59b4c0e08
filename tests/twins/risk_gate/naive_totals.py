"""What groups and firms hold together: every total is made anew when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from tradecaptain.wire import common, reason
from twins.risk_gate.terms import (
    FIRM,
    GROUP,
    INT64_MAX,
    PASSED,
    TOTAL_CREDIT,
    TOTAL_GROSS,
    TOTAL_LONG,
    TOTAL_LOSS,
    TOTAL_NET,
    TOTAL_SHORT,
    UNLIMITED,
    Level,
    Order,
    Verdict,
    saturate,
)

QUANTITY_MAX = 1 << 48
VALUE_MAX = 1 << 56


def counted(quantity: int) -> int:
    return max(-QUANTITY_MAX, min(QUANTITY_MAX, quantity))


class NaiveTotals:
    """Rules of the gate for groups and firms; the state that they look at is the gate's."""

    accounts: set[int]
    cash: dict[int, int]
    day_start: dict[int, int]
    firms: dict[int, int]
    groups: dict[int, int]
    limits: dict[Level, dict[int, int]]
    positions: dict[tuple[int, int], int]
    total_levels: set[Level]
    values_are_kept: bool
    working: dict[tuple[int, int, int], int]
    closable: Callable[[Order], int]
    sums: Callable[[int], tuple[int, ...]]
    units: Callable[[int], tuple[int, int] | None]
    values_with: Callable[[Order, tuple[int, int], int], tuple[list[int], list[int]]]

    def members(self, scope: int, identifier: int) -> list[int]:
        of_account = self.groups if scope == GROUP else self.firms
        return [account for account in self.accounts if of_account.get(account, 0) == identifier]

    def total_sums(self, scope: int, identifier: int) -> list[int]:
        """Gross, net if bought, net if sold, margin, profit of the day, equity."""
        totals = [0] * 6
        for account in self.members(scope, identifier):
            gross, if_bought, if_sold, margin, value, trade_cash = self.sums(account)
            profit = value + trade_cash
            of_account = [gross, if_bought, if_sold, margin]
            of_account += [profit - self.day_start[account], profit + self.cash[account]]
            totals = [left + right for left, right in zip(totals, of_account, strict=True)]
        return totals

    def totals_of(self, order: Order) -> list[Level]:
        """The group and the firm of an order's account, where these have limits on totals."""
        levels = [
            (GROUP, self.groups.get(order.account, 0), 0),
            (FIRM, self.firms.get(order.account, 0), 0),
        ]
        return [level for level in levels if level in self.total_levels]

    def check_total_position(self, order: Order, added: int, level: Level) -> Verdict:
        scope, identifier, _ = level
        is_buy = order.side == common.SIDE_BUY
        kind = TOTAL_LONG if is_buy else TOTAL_SHORT
        limit = self.limits[(scope, identifier, order.instrument)].get(kind, UNLIMITED)
        if limit == UNLIMITED:
            return PASSED
        held = 0
        for account in self.members(scope, identifier):
            pair = (account, order.instrument)
            working = self.working[(*pair, order.side)]
            if account == order.account:
                working = saturate(working + added)
                if working >= QUANTITY_MAX:
                    held = INT64_MAX
            position = counted(self.positions[pair])
            held += counted(working) + (position if is_buy else -position)
        if held <= limit:
            return PASSED
        why = (
            reason.REASON_TOTAL_POSITION_LIMIT_LONG
            if is_buy
            else reason.REASON_TOTAL_POSITION_LIMIT_SHORT
        )
        return Verdict(why, scope, limit, saturate(held) if held < INT64_MAX else INT64_MAX)

    def check_total_values(
        self, order: Order, added: int, level: Level, old: list[int], new: list[int]
    ) -> Verdict:
        limits = self.limits[level]
        sums = self.total_sums(*level[:2])
        after = [
            INT64_MAX if abs(new[index]) >= VALUE_MAX else sums[index] + new[index] - old[index]
            for index in range(4)
        ]
        net = max(abs(after[1]), abs(after[2]))
        held = max(abs(sums[1]), abs(sums[2]))
        gross_reason = reason.REASON_TOTAL_GROSS_EXPOSURE_LIMIT
        net_reason = reason.REASON_TOTAL_NET_EXPOSURE_LIMIT
        for kind, why, before, now in (
            (TOTAL_GROSS, gross_reason, sums[0], after[0]),
            (TOTAL_NET, net_reason, held, net),
        ):
            limit = limits.get(kind, UNLIMITED)
            if limit != UNLIMITED and now > limit and (now > before or now == INT64_MAX):
                return Verdict(why, level[0], limit, now)
        credit = limits.get(TOTAL_CREDIT, UNLIMITED)
        allowed = saturate(credit + sums[5])
        if credit != UNLIMITED and after[3] > allowed and after[3] > sums[3]:
            return Verdict(reason.REASON_TOTAL_CREDIT_LIMIT, level[0], allowed, after[3])
        limit = limits.get(TOTAL_LOSS, UNLIMITED)
        if limit != UNLIMITED and -sums[4] > limit and added > self.closable(order):
            return Verdict(reason.REASON_TOTAL_DAILY_LOSS_LIMIT, level[0], limit, -sums[4])
        return PASSED

    def check_totals(self, order: Order, added: int) -> Verdict:
        """Positions of the group, then of the firm; then values of the group, then of the firm."""
        levels = self.totals_of(order)
        for level in levels:
            verdict = self.check_total_position(order, added, level)
            if verdict.reason:
                return verdict
        kinds = (TOTAL_GROSS, TOTAL_NET, TOTAL_CREDIT, TOTAL_LOSS)
        binding = [
            level
            for level in levels
            if any(self.limits[level].get(kind, UNLIMITED) != UNLIMITED for kind in kinds)
        ]
        if not self.values_are_kept or not binding:
            return PASSED
        units = self.units(order.instrument)
        if units is None:
            missing = self.why_without_value(order.instrument)
            return Verdict(missing, binding[0][0], observed=TOTAL_GROSS)
        old, new = self.values_with(order, units, added)
        for level in binding:
            verdict = self.check_total_values(order, added, level, old, new)
            if verdict.reason:
                return verdict
        return PASSED
