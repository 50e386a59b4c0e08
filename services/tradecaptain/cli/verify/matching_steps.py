"""Matching cases that are a set-up, steps, and what is expected after the last of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradecaptain.cli.verify.matching_allocation import judge_allocation
from tradecaptain.cli.verify.matching_expectations import (
    EXPECTATIONS,
    LEVEL_EXPECTATIONS,
    check_expectations,
)
from tradecaptain.cli.verify.matching_policies import (
    GIVES_WAY,
    MARKET_RESTS,
    MIDDLE_OF_LARGEST,
    IcebergPolicies,
    middle_price,
    passes_over,
)
from tradecaptain.cli.verify.matching_venue import (
    PREVENTIONS,
    CaseFailed,
    CaseVenue,
    NotOffered,
    Outcome,
    Terms,
)
from tradecaptain.wire import common

CASE_FIELDS = frozenset(
    {
        "id",
        "topic",
        "source",
        "setup",
        "steps",
        "expect",
        "note",
        "initial_last_price",
        "algorithm",
    }
)
STEP_FIELDS = {
    "new": frozenset(
        {
            "op",
            "id",
            "side",
            "type",
            "tif",
            "qty",
            "price",
            "owner",
            "stp",
            "stop",
            "peak",
            "min_visible",
            "aon",
            "top",
        }
    ),
    "cancel": frozenset({"op", "id", "owner"}),
    "reduce": frozenset({"op", "id", "owner", "qty"}),
    "reprice": frozenset({"op", "id", "owner", "price"}),
    "amend": frozenset({"op", "id", "owner", "qty_delta"}),
    "phase": frozenset({"op", "phase"}),
}
PHASES = {
    "auction": common.TRADING_PHASE_OPENING_AUCTION,
    "uncross": common.TRADING_PHASE_CONTINUOUS,
}
PRO_RATA = {
    "pro_rata_top": common.ALLOCATION_PRO_RATA_TOP,
    "pro_rata_min2": common.ALLOCATION_PRO_RATA,
}
"""Both withhold shares of one lot, so the smallest share given is two."""
ORDER_TYPES = ("limit", "market", "stop", "stop_limit", "iceberg")
POLICY_NOTE = "policy case"
SMALLEST_SHARE = 2


def judge_step_case(setups: dict[str, Any], case: dict[str, Any]) -> None:
    """Run a case's steps and hold the outcome against what it expects."""
    note = str(case.get("note", ""))
    if note.startswith(POLICY_NOTE):
        raise NotOffered(
            f"a venue's policy that isn't ours: {note[len(POLICY_NOTE) :].lstrip(': ')}"
        )
    refuse_unknown("field of a case", set(case) - CASE_FIELDS)
    expect = case["expect"]
    refuse_unknown("expectation", set(expect) - EXPECTATIONS)
    algorithm = expect.get("algorithm", case.get("algorithm"))
    if algorithm is not None and algorithm not in PRO_RATA:
        raise NotOffered(f"algorithm {algorithm!r} isn't offered")
    if not case.get("steps"):
        judge_allocation(expect, PRO_RATA.get(algorithm), SMALLEST_SHARE)
        return
    refuse_unknown("expectation of a case with steps", set(expect) & LEVEL_EXPECTATIONS)
    steps = _steps_of(setups, case)
    _check_offered(steps)
    runner = StepRunner(steps, expect, PRO_RATA.get(algorithm))
    last_price = expect.get("initial_last_price", case.get("initial_last_price"))
    if last_price is not None:
        runner.venue.set_phase(common.TRADING_PHASE_CONTINUOUS, last_price)
    outcomes = [runner.run(step) for step in steps]
    setup_count = len(steps) - len(case["steps"])
    for outcome in outcomes[:setup_count]:
        if outcome.refused:
            raise CaseFailed(f"the set-up doesn't stand: reason {outcome.refused}")
    try:
        check_expectations(
            expect, runner.venue, runner.owners, outcomes[setup_count:], set(runner.icebergs.peaks)
        )
    except CaseFailed:
        other = runner.other_policy(outcomes)
        if other is None:
            raise
        raise NotOffered(other) from None


def _steps_of(setups: dict[str, Any], case: dict[str, Any]) -> list[dict[str, Any]]:
    setup = case.get("setup")
    if isinstance(setup, str):
        if setup not in setups:
            raise CaseFailed(f"there is no set-up {setup!r}")
        return [*setups[setup], *case["steps"]]
    return [*(setup or []), *case["steps"]]


def _check_offered(steps: list[dict[str, Any]]) -> None:
    """Raise `NotOffered` for whatever the engine doesn't do."""
    for step in steps:
        if not isinstance(step, dict):
            raise CaseFailed("a step isn't an object")
        if step.get("op") not in STEP_FIELDS:
            raise NotOffered(f"step {step.get('op')!r} isn't offered")
        refuse_unknown(f"field of a step {step['op']}", set(step) - STEP_FIELDS[step["op"]])
        if step["op"] == "new" and step["type"] not in ORDER_TYPES:
            raise NotOffered(f"order type {step['type']!r} isn't offered")
        if step.get("stp") not in PREVENTIONS:
            raise NotOffered(f"self-trade prevention {step['stp']!r} isn't offered")
        if step["op"] == "phase" and step["phase"] not in PHASES:
            raise NotOffered(f"phase {step['phase']!r} isn't offered")


def refuse_unknown(what: str, names: set[str]) -> None:
    """Raise `NotOffered` if there are names that nothing here reads."""
    if names:
        raise NotOffered(f"{what} {sorted(names)[0]!r} isn't offered")


def terms_of(step: dict[str, Any], *, is_auction: bool) -> Terms:
    """What a new order of a step says.

    A market order never rests: whatever its time in force says beyond fill-or-kill, what it can't
    trade at once ends, in an auction with the uncrossing. A stop order with a price is a stop-limit
    order.
    """
    kind, price = step["type"], step.get("price")
    time_in_force = step.get("tif", "GTC")
    if kind == "market":
        price = None
        time_in_force = "FOK" if time_in_force == "FOK" else "DAY" if is_auction else "IOC"
    if kind == "stop" and price is not None:
        kind = "stop_limit"
    if kind in ("limit", "stop_limit", "iceberg") and price is None:
        raise CaseFailed(f"order {step['id']}: no price")
    if kind in ("stop", "stop_limit") and step.get("stop") is None:
        raise CaseFailed(f"order {step['id']}: no stop")
    if kind == "iceberg" and step.get("peak") is None:
        raise CaseFailed(f"order {step['id']}: no peak")
    quantity, peak = step["qty"], step.get("peak")
    # An iceberg no larger than its peak shows all of itself.
    is_iceberg = peak is not None and Decimal(peak) < Decimal(quantity)
    return Terms(
        side=step["side"],
        order_type="limit" if kind == "iceberg" else kind,
        time_in_force=time_in_force,
        quantity=quantity,
        price=price,
        stop=step.get("stop") if kind in ("stop", "stop_limit") else None,
        display=peak if is_iceberg else None,
        minimum_visible=step.get("min_visible") if is_iceberg else None,
        is_all_or_none=bool(step.get("aon")),
        has_top_priority=bool(step.get("top")),
        prevention=step.get("stp"),
    )


class StepRunner:
    """Carries steps out on an engine."""

    def __init__(
        self, steps: list[dict[str, Any]], expect: dict[str, Any], allocation: int | None
    ) -> None:
        prices = [
            step[name] for step in steps for name in ("price", "stop") if step.get(name) is not None
        ]
        prices += [expect["initial_last_price"]] if "initial_last_price" in expect else []
        names = ("qty", "qty_delta", "peak", "min_visible")
        sizes = [step[name] for step in steps for name in names if step.get(name) is not None]
        self.venue = CaseVenue(
            prices,
            sizes,
            allocation=allocation or common.ALLOCATION_PRICE_TIME,
            minimum_share=SMALLEST_SHARE if allocation else 0,
        )
        self.owners: dict[Any, Any] = {}
        self.icebergs = IcebergPolicies()
        self._expect = expect
        self._conditions: set[Any] = set()
        self._resting_market_orders: set[Any] = set()
        self._others: list[str] = []
        self._is_auction = False
        self._middle_price: Decimal | None = None

    def run(self, step: dict[str, Any]) -> Outcome:
        """Carry one step out."""
        before = self.venue.orders()
        outcome = self._run(step)
        self.icebergs.note(self.venue, outcome)
        is_plain = step["op"] == "new" and step["type"] in ("limit", "market")
        if (
            is_plain
            and not self._is_auction
            and passes_over(before, self._conditions, step, outcome)
        ):
            self._others.append(GIVES_WAY)
        ended = {name for _, name, _ in outcome.ended} & self._resting_market_orders
        told = [*self._expect.get("expired", []), *self._expect.get("cancelled", [])]
        if ended - {name for name, _ in told}:
            self._others.append(MARKET_RESTS)
        return outcome

    def other_policy(self, outcomes: list[Outcome]) -> str | None:
        """What another venue decides otherwise in a case that failed, if it turns on that."""
        if self._others:
            return self._others[0]
        trades = [trade for outcome in outcomes for trade in outcome.trades]
        wanted = self._expect.get("uncross_price")
        prices = {trade.price for trade in trades if trade.is_auction}
        if wanted is not None and {self._middle_price} == {Decimal(wanted)} != prices:
            return MIDDLE_OF_LARGEST
        return self.icebergs.other_policy(self._expect, trades)

    def _run(self, step: dict[str, Any]) -> Outcome:
        operation = step["op"]
        if operation == "phase":
            self._is_auction = step["phase"] == "auction"
            if not self._is_auction:
                self._middle_price = middle_price(self.venue.orders())
            return self.venue.set_phase(PHASES[step["phase"]])
        name = step["id"]
        owner = step.get("owner", self.owners.get(name, "somebody"))
        if operation == "new":
            self.owners[name] = owner
            if step["type"] == "iceberg":
                self.icebergs.peaks[name] = Decimal(step["peak"])
            if step.get("aon"):
                self._conditions.add(name)
            if step["type"] in ("market", "stop") and step.get("tif") in ("GTC", "DAY"):
                self._resting_market_orders.add(name)
            return self.venue.new(name, owner, terms_of(step, is_auction=self._is_auction))
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
