"""Policies of other venues that published cases ask for, and how a case that turns on one is known.

A case is not applicable where the venue that it comes from decides otherwise than ours does, and
only where that makes a difference: that is told by what our engine did in the case, and, where it
can be computed, by the case asking for exactly what the other policy gives.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from tradecaptain.cli.verify.matching_venue import CaseVenue, Outcome, Resting, Trade
from tradecaptain.wire import reason

OTHERS = "a venue's policy that isn't ours: "
ELECTED_BY_TIME = OTHERS + ("stop-limit orders of one limit go by time, here by their stop price")
MIDDLE_OF_LARGEST = OTHERS + (
    "an auction takes the middle of the prices of largest volume, here surplus and pressure decide"
)
RESERVES_SHARE = OTHERS + (
    "icebergs of a price share what is beyond their displays by their reserves, here their displays"
    " go in turn"
)
ONE_REFRESH = OTHERS + (
    "an order takes what it needs from an iceberg's reserve before that is shown anew, here display"
    " by display"
)
GIVES_WAY = OTHERS + (
    "orders with priority give way so that an all-or-none order can be filled, here it is passed"
    " over"
)
MARKET_RESTS = OTHERS + "market orders rest until they trade, here they end"
LEFT_OVER_ELSEWHERE = OTHERS + (
    "what the shares leave over goes to one order, or to none, here by time"
)
REFUSED_HERE = {
    reason.REASON_REPLACE_BELOW_FILLED: OTHERS
    + "a replace by no more than what is filled ends the order, here it is refused",
    reason.REASON_INVALID_STOP_PRICE: OTHERS
    + "an elected order takes another stop price, here it has none any more",
}


def middle_price(orders: list[Resting]) -> Decimal | None:
    """Middle, rounded down, of the lowest and highest order price of largest volume; None if
    nothing would trade."""
    buys = [order for order in orders if order.side == "buy" and not order.waits]
    sells = [order for order in orders if order.side == "sell" and not order.waits]
    volumes = {
        price: min(
            sum((order.quantity for order in buys if order.price >= price), Decimal()),
            sum((order.quantity for order in sells if order.price <= price), Decimal()),
        )
        for price in {order.price for order in [*buys, *sells]}
    }
    largest = max(volumes.values(), default=Decimal())
    if not largest:
        return None
    prices = [price for price, volume in volumes.items() if volume == largest]
    return (min(prices) + max(prices)) // 2


def told_together(trades: list[Trade], icebergs: set[Any]) -> list[Trade]:
    """The trades of a step with those of an iceberg's displays with one order told as one trade."""
    merged: dict[Any, Trade] = {}
    for place, trade in enumerate(trades):
        key: Any = place
        if trade.maker in icebergs or trade.taker in icebergs:
            key = (trade.maker, trade.taker, trade.price)
        sum_before = merged[key].quantity if key in merged else Decimal()
        merged[key] = Trade(
            trade.maker, trade.taker, trade.price, trade.quantity + sum_before, trade.is_auction
        )
    return list(merged.values())


def passes_over(
    before: list[Resting], conditions: set[Any], step: dict[str, Any], outcome: Outcome
) -> bool:
    """Whether a new order and an all-or-none order could both be filled if others gave way.

    ``before`` are the orders that stood before the step, ``conditions`` names the all-or-none ones.
    """
    price = None if step["type"] == "market" else Decimal(step["price"])
    sign = 1 if step["side"] == "buy" else -1
    reach = [
        order
        for order in before
        if order.side != step["side"]
        and not order.waits
        and (price is None or sign * order.price <= sign * price)
    ]
    own = [trade for trade in outcome.trades if trade.taker == step["id"]]
    traded = sum((trade.quantity for trade in own), Decimal())
    if not own:
        needs_all = bool(step.get("aon")) or step.get("tif") == "FOK"
        there = sum((order.quantity for order in reach), Decimal())
        return needs_all and there >= Decimal(step["qty"])
    met = {trade.maker for trade in own}
    worst = max(sign * trade.price for trade in own)
    return any(
        order.name in conditions
        and order.name not in met
        and order.quantity <= traded
        and sign * order.price < worst
        for order in reach
    )


class IcebergPolicies:
    """Follows where orders took more of icebergs than they showed."""

    def __init__(self) -> None:
        self.peaks: dict[Any, Decimal] = {}
        """What each iceberg shows at most, by its name."""
        self._shares = False
        self._shown_anew: dict[str, tuple[Decimal, Decimal]] = {}

    def note(self, venue: CaseVenue, outcome: Outcome) -> None:
        """Look at a step outside of auctions."""
        touched = Counter(
            (trade.price, trade.maker)
            for trade in outcome.trades
            if trade.maker in self.peaks and not trade.is_auction
        )
        beyond = [(price, maker) for (price, maker), count in touched.items() if count > 1]
        left = {order.name: order for order in venue.orders()}
        for price, maker in beyond:
            others = [name for level, name in touched if level == price]
            if len(others) > 1 and any(name in left for name in others):
                self._shares = True
            if maker in left:
                shown = min(self.peaks[maker], left[maker].quantity)
                self._shown_anew[str(maker)] = (shown, left[maker].quantity - shown)

    def other_policy(self, expect: dict[str, Any], trades: list[Trade]) -> str | None:
        """The policy that gives what a case expects and we don't, as far as it can be told."""
        sizes = expect.get(
            "trade_sizes", [trade.get("qty", 0) for trade in expect.get("trades", [])]
        )
        traded = sum((trade.quantity for trade in trades), Decimal())
        if self._shares and sizes and sum(Decimal(size) for size in sizes) == traded:
            return RESERVES_SHARE
        for name, parts in expect.get("iceberg", {}).items():
            wanted = (parts["visible"], parts["reserve"]) if isinstance(parts, dict) else parts
            if self._shown_anew.get(name) == tuple(Decimal(part) for part in wanted):
                return ONE_REFRESH
        return None
