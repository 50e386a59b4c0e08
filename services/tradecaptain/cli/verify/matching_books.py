"""Matching cases that are an initial book, one request, and the book and trades after it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from tradecaptain.cli.verify.matching_venue import (
    CaseFailed,
    CaseVenue,
    NotOffered,
    Outcome,
    expect_equal,
)

GROUPS = ("cancelOrder", "uncross/limitOrder", "uncross/marketOrder", "replaceOrder")
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
ORDER_FIELDS = frozenset({"side", "id", "type", "time", "qty", "price"})
STOCK_FIELDS = frozenset({"StockCode", "MRS", "TickSize"})
OWNER = "somebody"


def judge_book_case(case: dict[str, Any]) -> None:
    """Enter the initial book in time order, make the request, and compare trades and book."""
    group = str(case["id"]).rpartition("/")[0]
    _check_offered(group, case)
    orders = [*case["initial_book"], *case["input"]]
    venue = CaseVenue(
        [order["price"] for order in orders if "price" in order],
        [order["qty"] for order in orders if "qty" in order],
    )
    for order in sorted(case["initial_book"], key=lambda entry: str(entry.get("time", ""))):
        outcome = _enter(venue, order)
        if outcome.refused or outcome.trades:
            raise CaseFailed(f"the initial book doesn't stand: order {order['id']}")
    trades: list[dict[str, Decimal]] = []
    for order in case["input"]:
        outcome = _request(venue, group, order)
        trades += [{"price": t.price, "qty": t.quantity} for t in outcome.trades]
    wanted = [
        {"price": Decimal(t["price"]), "qty": Decimal(t["qty"])} for t in case["expected_trades"]
    ]
    expect_equal("trades", trades, wanted)
    _check_book(venue, case["expected_book"])


def _check_offered(group: str, case: dict[str, Any]) -> None:
    if group not in GROUPS:
        raise NotOffered(f"group {group!r} isn't offered")
    unknown = set(case) - CASE_FIELDS
    if unknown:
        raise NotOffered(f"field of a case {sorted(unknown)[0]!r} isn't offered")
    for order in [*case["initial_book"], *case["input"], *case["expected_book"]]:
        if order.get("type") not in ("limit", "market"):
            raise NotOffered(f"order type {order.get('type')!r} isn't offered")
        unknown = set(order) - ORDER_FIELDS
        if unknown:
            raise NotOffered(f"field of an order {sorted(unknown)[0]!r} isn't offered")
    for stock in case.get("stock", []):
        unknown = set(stock) - STOCK_FIELDS
        if unknown:
            raise NotOffered(f"field of a stock {sorted(unknown)[0]!r} isn't offered")


def _enter(venue: CaseVenue, order: dict[str, Any]) -> Outcome:
    time_in_force = "DAY" if order["type"] == "limit" else "IOC"
    return venue.new(
        order["id"],
        OWNER,
        order["side"],
        order["type"],
        time_in_force,
        order["qty"],
        order.get("price"),
    )


def _request(venue: CaseVenue, group: str, order: dict[str, Any]) -> Outcome:
    """In the cancel group an input names an order to remove; elsewhere the id of a resting order
    makes it a replace."""
    if group == "cancelOrder":
        return venue.cancel(order["id"], OWNER)
    if venue.is_resting(order["id"]):
        return venue.replace(order["id"], OWNER, price=order["price"], total=order["qty"])
    return _enter(venue, order)


def _check_book(venue: CaseVenue, expected: list[dict[str, Any]]) -> None:
    """The same orders with the same open quantities; the file's order of rows isn't graded."""
    ours = Counter(venue.resting())
    wanted = Counter(
        (order["id"], order["side"], Decimal(order["price"]), Decimal(order["qty"]))
        for order in expected
    )
    if ours != wanted:
        extra, missing = list((ours - wanted).elements()), list((wanted - ours).elements())
        raise CaseFailed(f"book: {extra!r} instead of {missing!r}")
