"""Matching cases without steps: a price level, an incoming size, and how it is shared out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradecaptain.cli.verify.matching_policies import LEFT_OVER_ELSEWHERE
from tradecaptain.cli.verify.matching_venue import (
    CaseFailed,
    CaseVenue,
    NotOffered,
    Terms,
    expect_equal,
)
from tradecaptain.kernels.matching.sharing import share_of
from tradecaptain.wire import common

PRICE = 100


def level_of(resting: Any) -> list[tuple[str, int, bool]]:
    """Orders of a level in time order: name, quantity, TOP priority.

    A level is an object of quantities by order, or a list of quantities, of pairs, or of objects.
    """
    if isinstance(resting, dict) and isinstance(resting.get("orders"), list):
        resting = resting["orders"]
    entries = list(resting.items()) if isinstance(resting, dict) else list(enumerate(resting))
    level = []
    for name, entry in entries:
        if isinstance(entry, dict):
            size = entry.get("qty", entry.get("quantity"))
            if size is None:
                raise CaseFailed(f"resting: order {name} has no qty")
            level.append((str(entry.get("id", name)), int(size), bool(entry.get("top"))))
        elif isinstance(entry, list):
            level.append((str(entry[0]), int(entry[1]), False))
        else:
            level.append((str(name), int(entry), False))
    return level


def incoming_size(aggressing: Any) -> int:
    """Quantity of the incoming order."""
    if isinstance(aggressing, dict):
        aggressing = aggressing.get("qty", aggressing.get("quantity"))
    if aggressing is None:
        raise CaseFailed("aggressing: no quantity")
    return int(aggressing)


def shares_of(level: list[tuple[str, int, bool]], quantity: int, minimum: int) -> dict[str, int]:
    """The first pass: TOP priority, then shares of at least the minimum, rounded down."""
    shares = dict.fromkeys((name for name, _, _ in level), 0)
    top = next((name for name, _, is_top in level if is_top), None)
    sizes = {name: size for name, size, _ in level}
    if top is not None:
        shares[top] = min(sizes[top], quantity)
        quantity -= shares[top]
    total = sum(sizes.values()) - sum(shares.values())
    for name, size, _ in level:
        share = share_of(quantity, size - shares[name], total) if total else 0
        shares[name] += share if share >= minimum else 0
    return shares


def judge_allocation(expect: dict[str, Any], allocation: int | None, minimum: int) -> None:
    """Let an engine share the incoming order out, and hold every share against the case."""
    if "resting" not in expect or "aggressing" not in expect:
        raise CaseFailed("a case without steps needs expect.resting and expect.aggressing")
    if allocation is None:
        raise NotOffered("a level and an incoming size without an algorithm")
    level = level_of(expect["resting"])
    quantity = incoming_size(expect["aggressing"])
    fills = _engine_fills(level, quantity, allocation, minimum)
    first = shares_of(level, min(quantity, sum(size for _, size, _ in level)), minimum)
    if "first_pass" in expect:
        _check("first_pass", level, first, expect["first_pass"])
    if "allocation" in expect:
        try:
            _check("allocation", level, fills, expect["allocation"])
        except CaseFailed:
            if _leaves_over_elsewhere(level, fills, first, expect["allocation"]):
                raise NotOffered(LEFT_OVER_ELSEWHERE) from None
            raise
    if "second_pass" in expect:
        second = {name: fills[name] - first[name] for name in fills}
        _check("second_pass", level, second, expect["second_pass"])
    if "leftover" in expect:
        expect_equal("leftover", sum(fills.values()) - sum(first.values()), int(expect["leftover"]))


def _leaves_over_elsewhere(
    level: list[tuple[str, int, bool]], fills: dict[str, int], first: dict[str, int], expected: Any
) -> bool:
    """Whether an allocation is that of the shares, and what they leave over is given to one order,
    or to none."""
    names = [name for name, _, _ in level]
    pairs = expected.items() if isinstance(expected, dict) else zip(names, expected, strict=False)
    wanted = {str(name): Decimal(size) for name, size in pairs}
    more = [wanted.get(name, Decimal()) - first[name] for name in names]
    left_over = sum(fills.values()) - sum(first.values())
    return set(wanted) <= set(names) and sorted(more) in (
        [0] * len(names),
        [*([0] * (len(names) - 1)), left_over],
    )


def _engine_fills(
    level: list[tuple[str, int, bool]], quantity: int, allocation: int, minimum: int
) -> dict[str, int]:
    venue = CaseVenue([PRICE], [1], allocation=allocation, minimum_share=minimum)
    has_top = allocation == common.ALLOCATION_PRO_RATA_TOP
    for name, size, is_top in level:
        terms = Terms("buy", "limit", "GTC", size, PRICE, has_top_priority=is_top and has_top)
        if venue.new(name, f"owner of {name}", terms).refused:
            raise CaseFailed(f"resting: order {name} was refused")
    outcome = venue.new("aggressing", "taker", Terms("sell", "limit", "IOC", quantity, PRICE))
    fills = {name: 0 for name, _, _ in level}
    for trade in outcome.trades:
        fills[trade.maker] += int(trade.quantity)
    return fills


def _check(
    key: str, level: list[tuple[str, int, bool]], ours: dict[str, int], expected: Any
) -> None:
    """Quantities by order, or in the order of the level."""
    if isinstance(expected, dict):
        wanted = {str(name): Decimal(size) for name, size in expected.items()}
        expect_equal(
            key,
            {name: Decimal(size) for name, size in ours.items() if size},
            {name: size for name, size in wanted.items() if size},
        )
    else:
        expect_equal(key, [ours[name] for name, _, _ in level], [int(size) for size in expected])
