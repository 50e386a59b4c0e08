"""Matching cases that are a set-up, steps, and what is expected after the last of them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from tradecaptain.cli.verify.matching_venue import (
    CaseFailed,
    CaseVenue,
    NotOffered,
    Outcome,
    Trade,
    expect_equal,
)

CASE_FIELDS = frozenset({"id", "topic", "source", "setup", "steps", "expect", "note"})
STEP_FIELDS = {
    "new": frozenset({"op", "id", "side", "type", "tif", "qty", "price", "owner", "stp"}),
    "cancel": frozenset({"op", "id", "owner"}),
    "reduce": frozenset({"op", "id", "owner", "qty"}),
    "reprice": frozenset({"op", "id", "owner", "price"}),
    "amend": frozenset({"op", "id", "owner", "qty_delta"}),
}
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
    }
)
POLICY_NOTE = "policy case"


def judge_step_case(setups: dict[str, Any], case: dict[str, Any]) -> None:
    """Run a case's steps and hold the outcome against what it expects."""
    steps = _steps_of(setups, case)
    check_offered(case, steps)
    runner = StepRunner(steps)
    outcomes = [runner.run(step) for step in steps]
    setup_count = len(steps) - len(case["steps"])
    check_expectations(case["expect"], runner, outcomes[setup_count:])


def _steps_of(setups: dict[str, Any], case: dict[str, Any]) -> list[dict[str, Any]]:
    if not case.get("steps"):
        raise NotOffered("a case without steps gives a level and an incoming size (allocation)")
    setup = case.get("setup")
    if isinstance(setup, str):
        if setup not in setups:
            raise CaseFailed(f"there is no set-up {setup!r}")
        return [*setups[setup], *case["steps"]]
    return [*(setup or []), *case["steps"]]


def check_offered(case: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    """Raise `NotOffered` for whatever the engine doesn't do."""
    note = str(case.get("note", ""))
    if note.startswith(POLICY_NOTE):
        raise NotOffered(
            f"a venue's policy that isn't ours: {note[len(POLICY_NOTE) :].lstrip(': ')}"
        )
    _refuse_unknown("field of a case", set(case) - CASE_FIELDS)
    _refuse_unknown("expectation", set(case["expect"]) - EXPECTATIONS)
    for step in steps:
        if step.get("op") not in STEP_FIELDS:
            raise NotOffered(f"step {step.get('op')!r} isn't offered")
        _refuse_unknown(f"field of a step {step['op']}", set(step) - STEP_FIELDS[step["op"]])
    policies = {step.get("stp") for step in case["steps"] if step["op"] == "new"}
    if policies - {None, "cn"}:
        raise NotOffered("self-trade prevention other than cancel newest isn't offered")
    if policies == {None, "cn"}:
        raise NotOffered("self-trade prevention by order isn't offered, only by group")


def _refuse_unknown(what: str, names: set[str]) -> None:
    if names:
        raise NotOffered(f"{what} {sorted(names)[0]!r} isn't offered")


class StepRunner:
    """Carries steps out on an engine."""

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        prices = [step["price"] for step in steps if step.get("price") is not None]
        sizes = [step[name] for step in steps for name in ("qty", "qty_delta") if name in step]
        self.venue = CaseVenue(prices, sizes)
        self.prevents_self_trade = any(step.get("stp") for step in steps)
        self.owners: dict[Any, Any] = {}

    def run(self, step: dict[str, Any]) -> Outcome:
        """Carry one step out."""
        name, operation = step["id"], step["op"]
        owner = step.get("owner", self.owners.get(name, "somebody"))
        if operation == "new":
            self.owners[name] = owner
            group = self.venue.account(owner) if self.prevents_self_trade else 0
            return self.venue.new(
                name,
                owner,
                step["side"],
                step["type"],
                step.get("tif", "GTC" if step["type"] == "limit" else "IOC"),
                step["qty"],
                step.get("price"),
                group,
            )
        if operation == "cancel":
            return self.venue.cancel(name, owner)
        if operation == "reduce":
            return self.venue.reduce(name, owner, step["qty"])
        if operation == "reprice":
            return self.venue.replace(name, owner, price=step["price"])
        delta = Decimal(step["qty_delta"])
        if delta < 0:
            return self.venue.reduce(name, owner, -delta)
        return self.venue.replace(name, owner, total=self.venue.total(name) + delta)


def check_expectations(expect: dict[str, Any], runner: StepRunner, outcomes: list[Outcome]) -> None:
    """Hold each expectation that a case states against the outcome of its steps."""
    trades = [trade for outcome in outcomes for trade in outcome.trades]
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
            _check_levels(key, runner.venue.depth(side), expect[key])
    if "resting" in expect:
        ours = {str(order): quantity for order, _, _, quantity in runner.venue.resting()}
        _check_quantities("resting", ours, expect["resting"])
    _check_trades(expect, trades, runner.owners)


def _check_levels(key: str, ours: list[tuple[Decimal, Decimal, int]], expected: Any) -> None:
    """Levels with or without their number of orders, as the case gives them."""
    expect_equal(f"number of {key}", len(ours), len(expected))
    for level, wanted in zip(ours, expected, strict=True):
        expect_equal(key, list(level[: len(wanted)]), [Decimal(value) for value in wanted])


def _check_quantities(key: str, ours: dict[str, Decimal], expected: dict[str, Any]) -> None:
    wanted = {str(order): Decimal(size) for order, size in expected.items() if Decimal(size)}
    expect_equal(key, ours, wanted)


def _check_trades(expect: dict[str, Any], trades: list[Trade], owners: dict[Any, Any]) -> None:
    if "trades" in expect:
        wanted = [
            Trade(t["maker"], t["taker"], Decimal(t["price"]), Decimal(t["qty"]))
            for t in expect["trades"]
        ]
        expect_equal("trades", trades, wanted)
    if "trade_sizes" in expect:
        sizes = [trade.quantity for trade in trades]
        expect_equal("trade_sizes", sizes, [Decimal(size) for size in expect["trade_sizes"]])
    if "traded_qty" in expect:
        total = sum((trade.quantity for trade in trades), Decimal())
        expect_equal("traded_qty", total, Decimal(expect["traded_qty"]))
    fills: Counter[str] = Counter()
    for trade in trades:
        for order in (trade.maker, trade.taker):
            fills[str(order)] += trade.quantity  # type: ignore[assignment]
    if "fills" in expect:
        ours = {name: Decimal(size) for name, size in fills.items()}
        _check_quantities("fills", ours, expect["fills"])
    if "trades_by_owner" in expect:
        raise NotOffered("expectation 'trades_by_owner' isn't offered")
    del owners
