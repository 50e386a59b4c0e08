"""Matching cases that are an initial book, one request, and the book and trades after it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

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
OWNER = "somebody"


def judge_book_case(case: dict[str, Any]) -> None:
    """Enter the initial book in time order, make the request, and compare trades and book."""
    group = str(case["id"]).rpartition("/")[0]
    _check_offered(group, case)
    orders = [*case["initial_book"], *case["input"]]
    venue = CaseVenue(
        [order[name] for order in orders for name in ("price", "stop") if name in order],
        [order[name] for order in orders for name in ("qty", "min_exec_size") if name in order],
    )
    trades = _run(venue, group, case)
    wanted = [
        {"price": Decimal(t["price"]), "qty": Decimal(t["qty"])} for t in case["expected_trades"]
    ]
    expect_equal("trades", trades, wanted)
    _check_book(venue, case["expected_book"])


def _run(venue: CaseVenue, group: str, case: dict[str, Any]) -> list[dict[str, Decimal]]:
    """Carry the case out; returns its trades."""
    is_auction = group == AUCTION_GROUP
    if is_auction:
        venue.set_phase(common.TRADING_PHASE_OPENING_AUCTION)
    for order in sorted(case["initial_book"], key=lambda entry: str(entry.get("time", ""))):
        outcome = _enter(venue, order)
        if outcome.refused or outcome.trades:
            raise CaseFailed(f"the initial book doesn't stand: order {order['id']}")
    outcomes = [_request(venue, group, order) for order in case["input"]]
    if is_auction:
        outcomes.append(venue.set_phase(common.TRADING_PHASE_CONTINUOUS))
    trades = [trade for outcome in outcomes for trade in outcome.trades]
    touched = {name for trade in trades for name in (trade.maker, trade.taker)}
    _drop_small_reserves(venue, case, touched)
    return [{"price": trade.price, "qty": trade.quantity} for trade in trades]


def _drop_small_reserves(venue: CaseVenue, case: dict[str, Any], touched: set[Any]) -> None:
    """What a trade leaves of a hidden order below the minimum reserve size ends."""
    reserves = [Decimal(stock["MRS"]) for stock in case.get("stock", []) if "MRS" in stock]
    hidden = {
        order["id"]
        for order in [*case["initial_book"], *case["input"]]
        if order["type"] == "hidden_limit"
    }
    for order in venue.orders():
        if order.name in touched & hidden and reserves and order.quantity < reserves[0]:
            venue.cancel(order.name, OWNER)


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


def _enter(venue: CaseVenue, order: dict[str, Any]) -> Outcome:
    kind = order["type"]
    time_in_force = TIMES_IN_FORCE[int(order.get("TimeInForce", 0))]
    may_rest = time_in_force not in ("IOC", "FOK")
    if kind == "market" and may_rest and time_in_force not in ("ATO", "ATC"):
        time_in_force = "DAY"
    is_hidden = kind == "hidden_limit"
    least = order.get("min_exec_size")
    return venue.new(
        order["id"],
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


def _request(venue: CaseVenue, group: str, order: dict[str, Any]) -> Outcome:
    """In the cancel group an input names an order to remove; the id of an order that works, or the
    replace group, makes it a replace."""
    if group == CANCEL_GROUP:
        return venue.cancel(order["id"], OWNER)
    if group == REPLACE_GROUP or venue.is_working(order["id"]):
        return venue.replace(
            order["id"],
            OWNER,
            price=order.get("price"),
            total=order["qty"],
            stop=order.get("stop"),
        )
    return _enter(venue, order)


def _check_book(venue: CaseVenue, expected: list[dict[str, Any]]) -> None:
    """The same orders with the same open quantities; the file's order of rows isn't graded.

    Stops that wait are compared where the file tells any.
    """
    orders = venue.orders()
    ours: Counter[Any] = Counter(
        (o.name, o.side, o.price, o.quantity) for o in orders if not o.waits
    )
    priced = [row for row in expected if row["type"] not in ("stop", "stop_limit")]
    wanted: Counter[Any] = Counter(
        (row["id"], row["side"], Decimal(row["price"]), Decimal(row["qty"])) for row in priced
    )
    waiting = [row for row in expected if row not in priced]
    if waiting:
        ours += Counter((o.name, o.side, o.stop, o.quantity) for o in orders if o.waits)
        stops = {o.name: o.stop for o in orders if o.waits}
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
