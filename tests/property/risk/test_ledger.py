"""The compiled ledger against its twin on any flow: whole, repeated, or with holes to fill."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.execution_flow import ExecutionFlow, to_records
from tradecaptain.risk.ledger import Ledger, LedgerCapacities, empty_history
from tradecaptain.wire import common, execution_event
from twins.risk.naive_ledger import NaiveLedger

pytestmark = pytest.mark.twin

ACCOUNTS, INSTRUMENTS = (100, 101), (7, 8)
SMALL = LedgerCapacities(pairs=8, orders=16, accounts=4, instruments=4)
steps = st.tuples(
    st.sampled_from(["accept", "accept", "trade", "trade", "replace", "end", "status", "reject"]),
    st.integers(0, 30),
    st.integers(1, 50),
    st.one_of(st.integers(-20, 1000), st.integers(-(2**40), 2**40)),
)


def flow_of(choices: list[tuple[str, int, int, int]]) -> ExecutionFlow:
    """A consistent flow of events that the choices steer."""
    flow = ExecutionFlow()
    next_id = 2**40
    for verb, pick, quantity, price in choices:
        working = [order_id for order_id, leaves in flow.leaves.items() if leaves]
        if verb == "accept" and len(working) < 16:
            next_id += 1
            side = (common.SIDE_BUY, common.SIDE_SELL)[pick % 2]
            flow.accept(
                next_id, ACCOUNTS[pick // 2 % 2], INSTRUMENTS[pick // 4 % 2], side, quantity
            )
        elif verb == "reject":
            next_id += 1
            flow.reject(next_id, ACCOUNTS[pick % 2], INSTRUMENTS[0])
        elif working and verb != "accept":
            order_id = working[pick % len(working)]
            if verb == "trade":
                flow.trade(order_id, min(quantity, flow.leaves[order_id]), price)
            elif verb == "replace":
                flow.replace(order_id, quantity)
            elif verb == "status":
                flow.status(order_id)
            else:
                kinds = ("CANCELLED", "EXPIRED")
                kind = getattr(execution_event, f"EXECUTION_TYPE_{kinds[quantity % 2]}")
                flow.end(order_id, kind)
    return flow


def assert_same(ledger: Ledger, twin: NaiveLedger) -> None:
    states = {(s.account_id, s.instrument_id): s for s in ledger.all_pairs()}
    assert set(states) == set(twin.holdings)
    for (account, instrument), state in states.items():
        holding = twin.holdings[(account, instrument)]
        assert state.position == holding.position
        assert (state.bought, state.sold) == (holding.bought, holding.sold)
        assert state.working_buy == twin.working(account, instrument, common.SIDE_BUY)
        assert state.working_sell == twin.working(account, instrument, common.SIDE_SELL)
        assert state.open_order_count == twin.open_orders(account, instrument)
        assert state.is_value_known
        assert (state.cost, state.realised) == (holding.cost, holding.realised)
    for instrument in INSTRUMENTS:
        assert ledger.last_price(instrument) == twin.last_prices.get(instrument)
    for account in ACCOUNTS:
        assert ledger.is_complete(account) == (account not in twin.incomplete)


def new_ledger() -> Ledger:
    ledger = Ledger(SMALL)
    ledger.start_epoch(ExecutionFlow().epoch)
    return ledger


@given(st.lists(steps, max_size=60))
def test_ledger_equals_its_twin(choices: list[tuple[str, int, int, int]]) -> None:
    flow = flow_of(choices)
    ledger, twin = new_ledger(), NaiveLedger()
    assert ledger.apply(to_records(flow.events), empty_history)
    for event in flow.events:
        twin.apply(event)
    assert_same(ledger, twin)


@given(st.lists(steps, max_size=60))
def test_events_that_lie_apart_are_applied_where_they_lie(
    choices: list[tuple[str, int, int, int]],
) -> None:
    records = to_records(flow_of(choices).events)
    slots = np.zeros(len(records), [("prefix", "<i8", (6,)), ("record", records.dtype)])
    slots["prefix"], slots["record"] = -1, records
    apart, together = new_ledger(), new_ledger()
    assert apart.apply(slots["record"], empty_history)
    assert together.apply(records, empty_history)
    assert apart.all_pairs() == together.all_pairs()
    assert apart.last_sequence == together.last_sequence == len(records)


@given(st.lists(steps, max_size=60))
def test_profit_less_open_cost_is_what_was_paid_and_received(
    choices: list[tuple[str, int, int, int]],
) -> None:
    flow = flow_of(choices)
    ledger = new_ledger()
    ledger.apply(to_records(flow.events), empty_history)
    cash: dict[tuple[int, int], int] = {}
    for event in flow.events:
        if event["execution_type"] == execution_event.EXECUTION_TYPE_TRADE:
            key = (event["account_id"], event["instrument_id"])
            value = event["last_quantity_units"] * event["last_price_units"]
            cash[key] = cash.get(key, 0) + (value if event["side"] == common.SIDE_SELL else -value)
    for state in ledger.all_pairs():
        expected = cash.get((state.account_id, state.instrument_id), 0)
        assert state.realised - state.cost == expected
        assert state.position != 0 or state.cost == 0


@given(st.lists(steps, max_size=60), st.sets(st.integers(0, 59)), st.integers(0, 59))
def test_holes_are_filled_and_repetitions_are_passed_over(
    choices: list[tuple[str, int, int, int]], holes: set[int], repeat_from: int
) -> None:
    flow = flow_of(choices)
    records = to_records(flow.events)

    def history(sequence: int, count: int) -> Any:
        return records[sequence - 1 : sequence - 1 + count]

    seen = [index for index in range(len(records)) if index not in holes]
    ledger, twin = new_ledger(), NaiveLedger()
    assert ledger.apply(records[seen], history)
    assert ledger.apply(records[repeat_from:], history)
    if len(records):
        assert ledger.apply(records[-1:], history)
    for event in flow.events:
        twin.apply(event)
    assert_same(ledger, twin)


@given(st.lists(steps, min_size=1, max_size=60))
def test_status_of_all_working_orders_restores_what_is_working(
    choices: list[tuple[str, int, int, int]],
) -> None:
    flow = flow_of(choices)
    ledger, twin = new_ledger(), NaiveLedger()
    ledger.apply(to_records(flow.events), empty_history)
    ledger.clear_orders()
    told = len(flow.events)
    for order_id, leaves in flow.leaves.items():
        if leaves:
            flow.status(order_id)
    ledger.apply(to_records(flow.events[told:]), empty_history)
    for event in flow.events:
        twin.apply(event)
    assert_same(ledger, twin)


def test_collisions_survive_removal() -> None:
    flow = ExecutionFlow()
    rng = np.random.default_rng(5)
    ledger, twin = new_ledger(), NaiveLedger()
    for step in range(600):
        working = [order_id for order_id, leaves in flow.leaves.items() if leaves]
        if len(working) < 16 and (rng.random() < 0.6 or not working):
            flow.accept(2**40 + step * 97, 100, 7, common.SIDE_BUY, 5)
        else:
            flow.end(working[int(rng.integers(len(working)))])
    ledger.apply(to_records(flow.events), empty_history)
    for event in flow.events:
        twin.apply(event)
    assert_same(ledger, twin)
