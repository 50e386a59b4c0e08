"""What a case of steps may expect, and how each expectation is held against the engine."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from tradecaptain.cli.verify.matching_policies import told_together
from tradecaptain.cli.verify.matching_venue import (
    CaseFailed,
    CaseVenue,
    Outcome,
    Trade,
    expect_equal,
)

EXPECTATIONS = frozenset(
    {
        "trades",
        "bids",
        "asks",
        "cancelled",
        "expired",
        "rejected",
        "fills",
        "resting",
        "traded_qty",
        "trade_sizes",
        "trades_by_owner",
        "uncross_price",
        "uncross_volume",
        "pending_stops",
        "initial_last_price",
        "last_price",
        "iceberg",
        "algorithm",
        "aggressing",
        "allocation",
        "first_pass",
        "second_pass",
        "leftover",
    }
)

LEVEL_EXPECTATIONS = frozenset({"aggressing", "first_pass", "second_pass", "leftover"})
"""Of cases without steps alone."""


def check_expectations(
    expect: dict[str, Any],
    venue: CaseVenue,
    owners: dict[Any, Any],
    outcomes: list[Outcome],
    icebergs: set[Any],
) -> None:
    """Hold each expectation that a case states against the outcome of its steps.

    The displays of an iceberg that trade with one order may be told one by one, as here, or as one
    trade.
    """
    for key in ("cancelled", "expired"):
        if key in expect:
            ended = [[o, q] for out in outcomes for kind, o, q in out.ended if kind == key]
            expect_equal(key, ended, [[order, Decimal(size)] for order, size in expect[key]])
    if "rejected" in expect:
        refused = [index for index, outcome in enumerate(outcomes) if outcome.refused]
        expect_equal("rejected", refused, expect["rejected"])
    else:
        refused = [outcome.refused for outcome in outcomes if outcome.refused]
        expect_equal("refusals", refused, [])
    for key, side in (("bids", "buy"), ("asks", "sell")):
        if key in expect:
            check_levels(key, venue.depth(side), expect[key])
    check_orders(expect, venue)
    trades = [trade for outcome in outcomes for trade in outcome.trades]
    together = [t for outcome in outcomes for t in told_together(outcome.trades, icebergs)]
    try:
        check_trades(expect, trades, owners)
    except CaseFailed:
        if together == trades:
            raise
        check_trades(expect, together, owners)
    check_uncrossing(expect, outcomes)
    if "allocation" in expect:
        shares: Counter[str] = Counter()
        for trade in outcomes[-1].trades:
            shares[str(trade.maker)] += trade.quantity  # type: ignore[assignment]
        ours = {name: Decimal(size) for name, size in shares.items()}
        check_quantities("allocation", ours, expect["allocation"])


def check_levels(key: str, ours: list[tuple[Decimal, Decimal, int]], expected: Any) -> None:
    """Levels with or without their number of orders, as the case gives them."""
    expect_equal(f"number of {key}", len(ours), len(expected))
    for level, wanted in zip(ours, expected, strict=True):
        expect_equal(key, list(level[: len(wanted)]), [Decimal(value) for value in wanted])


def check_quantities(key: str, ours: dict[str, Decimal], expected: dict[str, Any]) -> None:
    """Quantities by order; an order that isn't named has none."""
    wanted = {str(order): Decimal(size) for order, size in expected.items() if Decimal(size)}
    expect_equal(key, ours, wanted)


def check_orders(expect: dict[str, Any], venue: CaseVenue) -> None:
    """Orders that rest, stops that wait, icebergs, and the last price."""
    orders = venue.orders()
    if "resting" in expect:
        resting = {str(o.name): o.quantity for o in orders if not o.waits}
        wanted = expect["resting"]
        if not isinstance(wanted, dict):
            raise CaseFailed("resting: not an object of quantities by order")
        stops = {str(o.name): o.quantity for o in orders if o.waits}
        # A case may count waiting stops among what rests, or leave them out.
        resting |= {name: size for name, size in stops.items() if name in wanted}
        check_quantities("resting", resting, wanted)
    if "pending_stops" in expect:
        stops_waiting = [str(o.name) for o in orders if o.waits and o.stop is not None]
        wanted = expect["pending_stops"]
        if isinstance(wanted, int):
            expect_equal("pending_stops", len(stops_waiting), wanted)
        else:
            names = [entry[0] if isinstance(entry, list) else entry for entry in wanted]
            expect_equal("pending_stops", sorted(stops_waiting), sorted(str(o) for o in names))
    if "last_price" in expect:
        wanted = expect["last_price"]
        expect_equal("last_price", venue.last_price, None if wanted is None else Decimal(wanted))
    for name, wanted in expect.get("iceberg", {}).items():
        visible, reserve = (
            (wanted["visible"], wanted["reserve"]) if isinstance(wanted, dict) else wanted
        )
        found = [(o.shown, o.quantity - o.shown) for o in orders if str(o.name) == name]
        parts = (Decimal(visible), Decimal(reserve))
        expect_equal(f"iceberg {name}", found or [(Decimal(), Decimal())], [parts])


def matches(trade: Trade, wanted: dict[str, Any], names: dict[str, Any]) -> bool:
    """Whether a trade is the wanted one; a name that the case leaves out may be any."""
    if "price" in wanted and trade.price != Decimal(wanted["price"]):
        return False
    if "qty" in wanted and trade.quantity != Decimal(wanted["qty"]):
        return False
    pairs = [(names["taker"], names["maker"])]
    if trade.is_auction:
        pairs.append((names["maker"], names["taker"]))
    sides = {"buyer": names["buyer"], "seller": names["seller"]}
    for key, ours in sides.items():
        if wanted.get(key) is not None and wanted[key] != ours:
            return False
    return any(
        wanted.get("taker") in (None, taker) and wanted.get("maker") in (None, maker)
        for taker, maker in pairs
    )


def check_trade_list(
    key: str, trades: list[Trade], expected: list[dict[str, Any]], names: Any
) -> None:
    """Trades in order."""
    expect_equal(f"number of {key}", len(trades), len(expected))
    for trade, wanted in zip(trades, expected, strict=True):
        unknown = set(wanted) - {"maker", "taker", "buyer", "seller", "price", "qty"}
        if unknown:
            raise CaseFailed(f"{key}: a trade has a field {sorted(unknown)[0]!r}")
        if not matches(trade, wanted, names(trade)):
            raise CaseFailed(f"{key}: {trade!r} instead of {wanted!r}")


def check_trades(expect: dict[str, Any], trades: list[Trade], owners: dict[Any, Any]) -> None:
    """Trades, their sizes, their sum, their owners, and what each order filled."""
    if "trades" in expect:

        def names(trade: Trade) -> dict[str, Any]:
            return {
                "taker": trade.taker,
                "maker": trade.maker,
                "buyer": trade.taker,
                "seller": trade.maker,
            }

        check_trade_list("trades", trades, expect["trades"], names)
    if "trade_sizes" in expect:
        sizes = [trade.quantity for trade in trades]
        expect_equal("trade_sizes", sizes, [Decimal(size) for size in expect["trade_sizes"]])
    if "traded_qty" in expect:
        total = sum((trade.quantity for trade in trades), Decimal())
        expect_equal("traded_qty", total, Decimal(expect["traded_qty"]))
    if "fills" in expect:
        fills: Counter[str] = Counter()
        for trade in trades:
            for order in (trade.maker, trade.taker):
                fills[str(order)] += trade.quantity  # type: ignore[assignment]
        ours = {name: Decimal(size) for name, size in fills.items()}
        check_quantities("fills", ours, expect["fills"])
    if "trades_by_owner" in expect:
        check_owners(expect["trades_by_owner"], trades, owners)


def check_owners(expected: Any, trades: list[Trade], owners: dict[Any, Any]) -> None:
    """Trades by the owners of their orders: in order, or as a quantity for each owner."""
    if isinstance(expected, dict):
        totals: Counter[str] = Counter()
        for trade in trades:
            for order in (trade.maker, trade.taker):
                totals[str(owners[order])] += trade.quantity  # type: ignore[assignment]
        ours = {name: Decimal(size) for name, size in totals.items()}
        if any(trade.is_auction for trade in trades):
            # Who meets whom in an uncrossing may be left open, and with it some of the owners.
            ours = {name: size for name, size in ours.items() if name in expected}
        check_quantities("trades_by_owner", ours, expected)
        return

    def names(trade: Trade) -> dict[str, Any]:
        taker, maker = owners[trade.taker], owners[trade.maker]
        return {"taker": taker, "maker": maker, "buyer": taker, "seller": maker}

    check_trade_list("trades_by_owner", trades, expected, names)


def check_uncrossing(expect: dict[str, Any], outcomes: list[Outcome]) -> None:
    """Price and volume at which an auction was uncrossed."""
    if "uncross_price" not in expect and "uncross_volume" not in expect:
        return
    auction = [t for outcome in outcomes for t in outcome.trades if t.is_auction]
    prices = sorted({trade.price for trade in auction})
    volume = sum((trade.quantity for trade in auction), Decimal())
    if "uncross_price" in expect:
        wanted = expect["uncross_price"]
        # A case may say null or zero for an auction in which nothing trades.
        none_wanted = wanted is None or (not auction and not Decimal(wanted))
        expect_equal("uncross_price", prices, [] if none_wanted else [Decimal(wanted)])
    if "uncross_volume" in expect:
        expect_equal("uncross_volume", volume, Decimal(expect["uncross_volume"]))
