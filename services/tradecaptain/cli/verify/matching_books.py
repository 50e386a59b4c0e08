"""Matching cases that are an initial book, one request, and the book and trades after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tradecaptain.cli.verify.matching_policies import (
    ELECTED_BY_TIME,
    REFUSED_HERE,
)
from tradecaptain.cli.verify.matching_venue import (
    STOPS,
    TYPES,
    CaseFailed,
    CaseVenue,
    NotOffered,
    Outcome,
    Terms,
    expect_equal,
)
from tradecaptain.wire import common

AUCTION_GROUP = "auction"
REPLACE_GROUP = "replaceOrder"
CANCEL_GROUP = "cancelOrder"
GROUPS = (
    AUCTION_GROUP,
    CANCEL_GROUP,
    "filterAndUncross",
    REPLACE_GROUP,
    "uncross/hiddenOrder",
    "uncross/limitOrder",
    "uncross/marketOrder",
    "uncross/stopLimitOrder",
    "uncross/stopOrder",
)
CASE_FIELDS = frozenset(
    {
        "id",
        "description",
        "initial_book",
        "input",
        "expected_book",
        "expected_trades",
        "stock",
        "note",
    }
)
ORDER_FIELDS = frozenset(
    {
        "side",
        "id",
        "type",
        "time",
        "qty",
        "price",
        "stop",
        "min_exec_size",
        "TimeInForce",
        "ExpireTime",
    }
)
ORDER_TYPES = ("limit", "market", "hidden_limit", "stop", "stop_limit")
STOCK_FIELDS = frozenset({"StockCode", "MRS", "TickSize"})
TIMES_IN_FORCE = {
    0: "DAY",
    1: "GTC",
    2: "ATO",
    3: "IOC",
    4: "FOK",
    6: "GTD",
    7: "ATC",
    8: "GTD",
}
"""Codes of the Johannesburg exchange; 6 is good till date, 8 good till time."""
UNCROSSING_GROUPS = ("filterAndUncross", "uncross/hiddenOrder")
"""Groups in which that exchange's rule for crossed hidden orders decides."""
OWNER = "somebody"
WAITING_TYPES = ("stop", "stop_limit")


def judge_book_case(case: dict[str, Any]) -> None:
    """Enter the initial book in time order, make the request, and compare trades and book."""
    group = str(case["id"]).rpartition("/")[0]
    _check_offered(group, case)
    _check_consistent(case)
    runner = BookRunner(group, case)
    trades = runner.run()
    wanted = [(Decimal(t["price"]), Decimal(t["qty"])) for t in case["expected_trades"]]
    if group == AUCTION_GROUP:
        # The trades of one uncrossing are simultaneous, so that their order says nothing.
        trades, wanted = sorted(trades), sorted(wanted)
    expect_equal("trades", trades, wanted)
    try:
        _check_book(runner, case["expected_book"])
    except CaseFailed:
        if group == REPLACE_GROUP and not _adds_up(case):
            raise NotOffered("the expected book contradicts the expected trades") from None
        raise


class BookRunner:
    """Carries a case out. Its orders get names of their own, since ids may come twice."""

    def __init__(self, group: str, case: dict[str, Any]) -> None:
        self._group = group
        self._case = case
        orders = [*case["initial_book"], *case["input"]]
        self.venue = CaseVenue(
            [order[name] for order in orders for name in ("price", "stop") if name in order],
            [order[name] for order in orders for name in ("qty", "min_exec_size") if name in order],
            allocation=common.ALLOCATION_FILTER_AND_UNCROSS
            if group in UNCROSSING_GROUPS
            else common.ALLOCATION_PRICE_TIME,
        )
        self.ids: dict[int, str] = {}
        """The case's ids of orders, by their names here, which are numbers in order of entry."""
        self._entered: dict[int, dict[str, Any]] = {}

    def run(self) -> list[tuple[Decimal, Decimal]]:
        """Enter the initial book by time, make the requests; price and size of all trades.

        A book that only conditions leave crossed stands as the case gives it.
        """
        is_auction = self._group == AUCTION_GROUP
        stands = not is_auction and not _would_trade(self._case["initial_book"])
        if is_auction or stands:
            self.venue.set_phase(common.TRADING_PHASE_OPENING_AUCTION)
        outcomes = []
        for order in sorted(
            self._case["initial_book"], key=lambda entry: str(entry.get("time", ""))
        ):
            outcomes.append(self._judged(order, self._enter))
            if outcomes[-1].refused:
                raise CaseFailed(f"the initial book doesn't stand: order {order['id']}")
        if stands:
            self.venue.trade_on()
        for order in self._case["input"]:
            outcomes.append(self._judged(order, self._request))
        if is_auction:
            outcomes.append(self.venue.set_phase(common.TRADING_PHASE_CONTINUOUS))
        trades = [trade for outcome in outcomes for trade in outcome.trades]
        self._drop_small_reserves({name for t in trades for name in (t.maker, t.taker)})
        return [(trade.price, trade.quantity) for trade in trades]

    def _judged(self, order: dict[str, Any], step: Callable[[dict[str, Any]], Outcome]) -> Outcome:
        """The outcome of a step, if no policy of that venue decides what it is there."""
        outcome = step(order)
        if outcome.refused in REFUSED_HERE:
            raise NotOffered(REFUSED_HERE[outcome.refused])
        limits = [
            (Decimal(self._entered[name]["price"]), name)
            for name in outcome.elected
            if self._entered[name]["type"] == "stop_limit"
        ]
        for (limit, name), (other_limit, other) in pairwise(limits):
            if limit == other_limit and name > other:
                raise NotOffered(ELECTED_BY_TIME)
        return outcome

    def _working(self, order_id: str, *, may_wait: bool) -> int | None:
        """The newest order with an id that rests, or waits."""
        names = [
            order.name
            for order in self.venue.orders()
            if self.ids[order.name] == order_id and (may_wait or not order.waits)
        ]
        return max(names, default=None)

    def _request(self, order: dict[str, Any]) -> Outcome:
        """In the cancel group an input names an order to remove; in the replace group, and where it
        has the id of an order that rests, it makes that another one."""
        if self._group == CANCEL_GROUP:
            return self.venue.cancel(self._working(order["id"], may_wait=True), OWNER)
        is_replace = self._group == REPLACE_GROUP
        name = self._working(order["id"], may_wait=is_replace)
        if name is None and not is_replace:
            return self._enter(order)
        return self.venue.replace(
            name, OWNER, price=order.get("price"), total=order["qty"], stop=order.get("stop")
        )

    def _drop_small_reserves(self, touched: set[Any]) -> None:
        """What a trade leaves of a hidden order below the minimum reserve size ends."""
        stocks = self._case.get("stock", [])
        reserves = [Decimal(stock["MRS"]) for stock in stocks if "MRS" in stock]
        for order in self.venue.orders():
            is_hidden = self._entered[order.name]["type"] == "hidden_limit"
            if order.name in touched and is_hidden and reserves and order.quantity < reserves[0]:
                self.venue.cancel(order.name, OWNER)

    def _enter(self, order: dict[str, Any]) -> Outcome:
        name = len(self.ids)
        self.ids[name], self._entered[name] = order["id"], order
        kind = order["type"]
        time_in_force = TIMES_IN_FORCE[int(order.get("TimeInForce", 0))]
        may_rest = time_in_force not in ("IOC", "FOK")
        if kind == "market" and may_rest and time_in_force not in ("ATO", "ATC"):
            time_in_force = "DAY"
        is_hidden = kind == "hidden_limit"
        least = order.get("min_exec_size")
        return self.venue.new(
            name,
            OWNER,
            Terms(
                side=order["side"],
                order_type="limit" if is_hidden else kind,
                time_in_force=time_in_force,
                quantity=order["qty"],
                price=None if kind in ("market", "stop") else order["price"],
                # A stop order that names its limit alone waits for that price.
                stop=order.get("stop", order.get("price")) if TYPES.get(kind) in STOPS else None,
                minimum=least if least and Decimal(least) else None,
                is_hidden=is_hidden and may_rest,
            ),
        )


def _would_trade(book: list[dict[str, Any]]) -> bool:
    """Whether orders of a book without conditions would have traded with each other, or stops wait
    beside them, so that the case means that they enter one by one."""
    plain = [order for order in book if not Decimal(order.get("min_exec_size", 0))]
    if any(order["type"] in (*WAITING_TYPES, "market") for order in plain):
        return True
    buys = [Decimal(order["price"]) for order in plain if order["side"] == "buy"]
    sells = [Decimal(order["price"]) for order in plain if order["side"] == "sell"]
    return bool(buys and sells) and max(buys) >= min(sells)


def _check_consistent(case: dict[str, Any]) -> None:
    """Refuse a case that contradicts itself: an order of the initial book that no input names has
    another side after it, or waits for another price."""
    inputs = {order["id"] for order in case["input"]}
    initial = {order["id"]: order for order in case["initial_book"]}
    for row in case["expected_book"]:
        before = initial.get(row["id"])
        if before is None or row["id"] in inputs:
            continue
        waits = row["type"] in WAITING_TYPES and before["type"] in WAITING_TYPES
        names = ("side", "stop") if waits else ("side",)
        if any(row.get(name) != before.get(name) for name in names):
            raise NotOffered("the expected book contradicts the initial one")


def _adds_up(case: dict[str, Any]) -> bool:
    """Whether each side's limit orders are what the trades and the book after them need.

    A book may leave waiting stops out, each of them whole.
    """
    initial = {order["id"]: order for order in case["initial_book"]}
    # What replaces no order is refused.
    orders = initial | {order["id"]: order for order in case["input"] if order["id"] in initial}
    traded = sum((Decimal(trade["qty"]) for trade in case["expected_trades"]), Decimal())
    for side in ("buy", "sell"):
        mine = [order for order in orders.values() if order["side"] == side]
        if any(order["type"] not in ("limit", "stop_limit") for order in mine):
            continue
        told = [Decimal(row["qty"]) for row in case["expected_book"] if row["side"] == side]
        missing = sum(Decimal(order["qty"]) for order in mine) - traded - sum(told)
        stops = [Decimal(order["qty"]) for order in mine if order["type"] == "stop_limit"]
        left_out = {Decimal()}
        for size in stops:
            left_out |= {size + others for others in left_out}
        if missing not in left_out:
            return False
    return True


def _check_offered(group: str, case: dict[str, Any]) -> None:
    if group not in GROUPS:
        raise NotOffered(f"group {group!r} isn't offered")
    unknown = set(case) - CASE_FIELDS
    if unknown:
        raise NotOffered(f"field of a case {sorted(unknown)[0]!r} isn't offered")
    for order in [*case["initial_book"], *case["input"], *case["expected_book"]]:
        if order.get("type") not in ORDER_TYPES:
            raise NotOffered(f"order type {order.get('type')!r} isn't offered")
        unknown = set(order) - ORDER_FIELDS
        if unknown:
            raise NotOffered(f"field of an order {sorted(unknown)[0]!r} isn't offered")
        if int(order.get("TimeInForce", 0)) not in TIMES_IN_FORCE:
            raise NotOffered(f"time in force {order['TimeInForce']!r} isn't offered")
    for stock in case.get("stock", []):
        unknown = set(stock) - STOCK_FIELDS
        if unknown:
            raise NotOffered(f"field of a stock {sorted(unknown)[0]!r} isn't offered")


def _check_book(runner: BookRunner, expected: list[dict[str, Any]]) -> None:
    """The same orders with the same open quantities; the file's order of rows isn't graded.

    Stops that wait are compared where the file tells any.
    """
    orders, ids = runner.venue.orders(), runner.ids
    ours: Counter[Any] = Counter(
        (ids[o.name], o.side, o.price, o.quantity) for o in orders if not o.waits
    )
    priced = [row for row in expected if row["type"] not in WAITING_TYPES]
    wanted: Counter[Any] = Counter(
        (row["id"], row["side"], Decimal(row["price"]), Decimal(row["qty"])) for row in priced
    )
    waiting = [row for row in expected if row not in priced]
    if waiting:
        ours += Counter((ids[o.name], o.side, o.stop, o.quantity) for o in orders if o.waits)
        stops = {ids[o.name]: o.stop for o in orders if o.waits}
        wanted += Counter(
            (
                row["id"],
                row["side"],
                Decimal(row["stop"]) if "stop" in row else stops.get(row["id"]),
                Decimal(row["qty"]),
            )
            for row in waiting
        )
    if ours != wanted:
        extra, missing = list((ours - wanted).elements()), list((wanted - ours).elements())
        raise CaseFailed(f"book: {extra!r} instead of {missing!r}")
