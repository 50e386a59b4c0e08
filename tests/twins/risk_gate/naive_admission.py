"""What an order may be at all, how often it may come, and what it may do to a position."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from tradecaptain.wire import common, reason
from twins.risk_gate.terms import (
    CLOSED,
    DISPLAYED_SHARE,
    DUPLICATE_WINDOW,
    LIMIT_ORDERS,
    LOCATED_INSTRUCTION,
    MARKET_ORDERS,
    MESSAGE_BURST,
    MESSAGE_RATE,
    MILLISECOND_NS,
    PASSED,
    REDUCE_ONLY_INSTRUCTION,
    SHORT_SALES,
    STOP_ORDERS,
    TO_REDUCING,
    TRADING,
    UNLIMITED,
    UNLOCATED,
    WITHOUT_KEY,
    Level,
    Order,
    Verdict,
    ceiling_to_int64,
)


class NaiveAdmission:
    """Rules of the gate that need no price; the state that they look at is the gate's."""

    now_ns: int
    accounts: set[int]
    displayed: dict[tuple[int, int], int]
    next_message_ns: dict[int, int]
    positions: dict[tuple[int, int], int]
    remembered: dict[tuple[int, ...], int]
    restrictions: dict[Level, int]
    working: dict[tuple[int, int, int], int]
    levels: Callable[[Order], list[Level]]
    tightest: Callable[[Order, int], tuple[int, int]]

    def restricted(self, order: Order, bit: int, why: int) -> Verdict:
        """A refusal if any level that governs the order has a restriction."""
        for level in self.levels(order):
            if self.restrictions[level] & bit:
                return Verdict(why, level=level[0], observed=bit)
        return PASSED

    def check_permissions(self, order: Order) -> Verdict:
        of_type = {common.ORDER_TYPE_LIMIT: LIMIT_ORDERS, common.ORDER_TYPE_MARKET: MARKET_ORDERS}
        type_bit = of_type.get(order.order_type, STOP_ORDERS)
        rules = [
            (TRADING, reason.REASON_RESTRICTED),
            (type_bit, reason.REASON_ORDER_TYPE_NOT_PERMITTED),
            (CLOSED, reason.REASON_OUTSIDE_TRADING_HOURS),
        ]
        if order.self_trade_group == 0:
            rules.append((WITHOUT_KEY, reason.REASON_SELF_MATCH_KEY_MISSING))
        verdicts = (self.restricted(order, bit, why) for bit, why in rules)
        return next((verdict for verdict in verdicts if verdict.reason), PASSED)

    def take_message(self, order: Order, is_free: bool = False) -> Verdict:
        """Count a message against the account's token bucket."""
        rate, level = self.tightest(order, MESSAGE_RATE)
        if rate == UNLIMITED or order.account not in self.accounts:
            return PASSED
        burst, _ = self.tightest(order, MESSAGE_BURST)
        burst = rate if burst == UNLIMITED else burst
        interval_ns = 10**9 // rate if rate else 10**9
        start_ns = max(self.next_message_ns[order.account], self.now_ns)
        ahead_ns = start_ns - self.now_ns
        if rate and burst and ahead_ns <= (burst - 1) * interval_ns:
            self.next_message_ns[order.account] = start_ns + interval_ns
            return PASSED
        if is_free:
            return PASSED
        observed = ahead_ns // max(interval_ns, 1) + 1
        return Verdict(reason.REASON_MESSAGE_RATE_LIMIT, level, rate, observed)

    def terms(self, order: Order) -> tuple[int, ...]:
        pair = (order.account, order.instrument)
        return (*pair, order.side, order.price, order.quantity, order.order_type)

    def check_duplicate(self, order: Order) -> Verdict:
        limit, level = self.tightest(order, DUPLICATE_WINDOW)
        sent_ns = self.remembered.get(self.terms(order))
        if limit == UNLIMITED or sent_ns is None:
            return PASSED
        elapsed_ns = self.now_ns - sent_ns
        if elapsed_ns >= limit * MILLISECOND_NS:
            return PASSED
        return Verdict(reason.REASON_DUPLICATE_ORDER, level, limit, elapsed_ns // MILLISECOND_NS)

    def check_share(self, order: Order) -> Verdict:
        limit, level = self.tightest(order, DISPLAYED_SHARE)
        other = common.SIDE_SELL if order.side == common.SIDE_BUY else common.SIDE_BUY
        displayed = self.displayed[(order.instrument, other)]
        if limit == UNLIMITED or displayed <= 0:
            return PASSED
        share = Fraction(order.quantity * 10_000, displayed)
        if share <= limit:
            return PASSED
        observed = ceiling_to_int64(share)
        return Verdict(reason.REASON_DISPLAYED_SHARE_LIMIT, level, limit, observed)

    def closable(self, order: Order) -> int:
        """What an order of this side may still take off the position."""
        position = self.positions[(order.account, order.instrument)]
        held = max(-position if order.side == common.SIDE_BUY else position, 0)
        return held - min(self.working[(order.account, order.instrument, order.side)], held)

    def check_reduction(self, order: Order, added: int) -> Verdict:
        room = self.closable(order)
        if added <= room:
            return PASSED
        if order.instructions & REDUCE_ONLY_INSTRUCTION:
            return Verdict(reason.REASON_REDUCE_ONLY, 0, room, added)
        return self.restricted(order, TO_REDUCING, reason.REASON_REDUCE_ONLY)

    def check_short_sale(self, order: Order, added: int) -> Verdict:
        if order.side != common.SIDE_SELL or added <= self.closable(order):
            return PASSED
        verdict = self.restricted(order, SHORT_SALES, reason.REASON_RESTRICTED)
        if verdict.reason:
            return verdict
        is_located = order.instructions & LOCATED_INSTRUCTION != 0
        is_exempt = order.short_sale == common.SHORT_SALE_SHORT_EXEMPT
        if is_exempt or (order.short_sale == common.SHORT_SALE_SHORT and is_located):
            return PASSED
        return self.restricted(order, UNLOCATED, reason.REASON_SHORT_SALE_LOCATE_MISSING)
