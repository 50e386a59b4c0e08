"""The risk agent with the real sequencer behind it: limits, restarts of either side, positions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.risk_world import CONFIG, RiskWorld, risk_world
from support.venue_driver import ALPHA, BETA, INSTRUMENT
from support.wait import wait_until_async
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.risk.levels import SCOPE_ACCOUNT, SCOPE_ACCOUNT_INSTRUMENT, SCOPE_FIRM, Level
from tradecaptain.wire import common, control, execution_event, reason

PRICE = 10_000
BUY, SELL = common.SIDE_BUY, common.SIDE_SELL
ALPHA_HERE = Level(SCOPE_ACCOUNT_INSTRUMENT, ALPHA, INSTRUMENT)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RiskWorld]:
    async with risk_world(tmp_path) as made:
        set_reference(made)
        await made.reached()
        yield made


def set_reference(world: RiskWorld) -> None:
    world.venue.control(
        action=control.CONTROL_ACTION_REFERENCE_PRICE,
        scope=control.CONTROL_SCOPE_INSTRUMENT,
        instrument_id=INSTRUMENT,
        value=PRICE,
        flags=8,
    )


async def send(world: RiskWorld, **fields: int) -> dict[str, int]:
    """Send an order of alpha and return the last event that the venue wrote for it."""
    before = world.last_sequence()
    world.venue.order(**fields)
    await wait_until_async(lambda: world.last_sequence() > before, what="an event")
    await world.reached()
    return world.venue.read("execution")[-1]


def position(world: RiskWorld, account: int = ALPHA) -> tuple[int, int, int, int]:
    for pair in world.agent.ledger.pairs_of(account):
        if pair.instrument_id == INSTRUMENT:
            return pair.position, pair.working_buy, pair.working_sell, pair.open_order_count
    return 0, 0, 0, 0


def gate_position(world: RiskWorld, account: int = ALPHA) -> tuple[int, int, int]:
    return world.venue.core.gate.position(account, INSTRUMENT)


async def test_reference_limits_open_the_gate_at_first_start(world: RiskWorld) -> None:
    event = await send(world)
    assert event["execution_type"] == execution_event.EXECUTION_TYPE_ACCEPTED
    assert position(world) == (0, 10, 0, 1)
    assert world.store.limits()


async def test_limit_set_at_run_time_refuses_the_next_order(world: RiskWorld) -> None:
    kind = control.LIMIT_KIND_ORDER_QUANTITY
    record = await world.agent.controller.set_limit(ALPHA_HERE, kind, 9, "operator", 2.0)
    assert record.value == 9
    event = await send(world)
    assert event["reason"] == reason.REASON_ORDER_QUANTITY_LIMIT
    assert event["limit_value"] == 9
    assert event["observed_value"] == 10
    assert event["limit_level"] == SCOPE_ACCOUNT_INSTRUMENT
    newest = world.store.audit(1)[0]
    assert (newest.action, newest.after, newest.stamp.author) == ("set_limit", 9, "operator")
    assert newest.stamp.sequence == record.sequence > 0


async def test_cleared_limit_closes_the_gate(world: RiskWorld) -> None:
    kind = control.LIMIT_KIND_OPEN_ORDERS
    level = Level(SCOPE_ACCOUNT, ALPHA)
    was_set, _ = await world.agent.controller.clear_limit(level, kind, "operator", 2.0)
    assert was_set
    event = await send(world)
    assert event["reason"] == reason.REASON_LIMIT_UNSET
    was_set, _ = await world.agent.controller.clear_limit(level, kind, "operator", 2.0)
    assert not was_set


async def test_kill_cancels_what_is_working_and_unkill_lets_orders_pass(world: RiskWorld) -> None:
    await send(world)
    firm = Level(SCOPE_FIRM, 10)
    record, cancelled = await world.agent.controller.kill(firm, True, "operator", "test", 2.0)
    assert cancelled == 1
    assert record.author == "operator"
    await world.reached()
    assert position(world) == (0, 0, 0, 0)
    assert (await send(world))["reason"] == reason.REASON_KILL_SWITCH
    again, _ = await world.agent.controller.kill(firm, False, "somebody", "again", 2.0)
    assert again.author == "operator"
    was_on, _ = await world.agent.controller.unkill(firm, "operator", "", 2.0)
    assert was_on
    assert (await send(world)).get("reason", 0) == 0
    was_on, _ = await world.agent.controller.unkill(firm, "operator", "", 2.0)
    assert not was_on


async def test_trades_move_positions_of_both_sides(world: RiskWorld) -> None:
    await send(world, side=BUY)
    await send(world, side=SELL, account_id=BETA, firm_id=11, quantity_units=4)
    assert position(world) == (4, 6, 0, 1)
    assert position(world, BETA) == (-4, 0, 0, 0)
    assert gate_position(world) == (4, 6, 0)
    assert gate_position(world, BETA) == (-4, 0, 0)


async def test_refusal_by_the_gate_is_raised_and_not_recorded(world: RiskWorld) -> None:
    level = Level(SCOPE_ACCOUNT_INSTRUMENT, ALPHA, 4_000)
    kind = control.LIMIT_KIND_ORDER_QUANTITY
    with pytest.raises(TradeCaptainError) as caught:
        await world.agent.controller.set_limit(level, kind, 9, "operator", 2.0)
    assert caught.value.reason == reason.REASON_UNKNOWN_INSTRUMENT
    assert world.store.limit(level, kind) is None


async def test_refused_kill_is_forgotten(world: RiskWorld) -> None:
    level = Level(SCOPE_ACCOUNT_INSTRUMENT, ALPHA, 4_000)
    with pytest.raises(TradeCaptainError):
        await world.agent.controller.kill(level, False, "operator", "", 2.0)
    assert world.store.kill_switch(level) is None


async def test_silent_venue_leaves_the_outcome_unknown_and_records_it_later(
    world: RiskWorld,
) -> None:
    kind = control.LIMIT_KIND_ORDER_QUANTITY
    world.is_venue_up = False
    with pytest.raises(TradeCaptainError) as caught:
        await world.agent.controller.set_limit(ALPHA_HERE, kind, 7, "operator", 0.05)
    assert caught.value.reason == reason.REASON_OUTCOME_UNKNOWN
    world.is_venue_up = True
    await wait_until_async(lambda: world.store.limit(ALPHA_HERE, kind) == 7, what="the record")
    assert world.store.audit(1)[0].stamp.author == "operator"


async def test_absent_venue_is_unavailable_and_nothing_changes(world: RiskWorld) -> None:
    kind = control.LIMIT_KIND_ORDER_QUANTITY
    before = world.store.limit(ALPHA_HERE, kind)
    world.stop_venue()
    publication = world.agent._publisher.publication
    await wait_until_async(lambda: not publication.is_connected, what="the stream to be cut")
    with pytest.raises(TradeCaptainError) as caught:
        await world.agent.controller.set_limit(ALPHA_HERE, kind, 7, "operator", 0.05)
    assert caught.value.reason == reason.REASON_UNAVAILABLE
    world.start_venue()
    await world.synchronised()
    assert world.store.limit(ALPHA_HERE, kind) == before


async def test_kill_without_a_venue_holds_from_its_first_moment(world: RiskWorld) -> None:
    world.stop_venue()
    publication = world.agent._publisher.publication
    await wait_until_async(lambda: not publication.is_connected, what="the stream to be cut")
    with pytest.raises(TradeCaptainError, match="is recorded") as caught:
        await world.agent.controller.kill(Level(SCOPE_FIRM), False, "operator", "", 0.05)
    assert caught.value.reason == reason.REASON_UNAVAILABLE
    world.start_venue()
    await world.synchronised()
    set_reference(world)
    assert (await send(world))["reason"] == reason.REASON_KILL_SWITCH
    was_on, _ = await world.agent.controller.unkill(Level(SCOPE_FIRM), "operator", "", 2.0)
    assert was_on
    assert (await send(world)).get("reason", 0) == 0


async def test_new_epoch_gets_kills_positions_and_limits(world: RiskWorld) -> None:
    await send(world, side=BUY)
    await send(world, side=SELL, account_id=BETA, firm_id=11, quantity_units=4)
    await world.agent.controller.kill(Level(SCOPE_ACCOUNT, BETA), False, "operator", "", 2.0)
    world.stop_venue()
    world.start_venue()
    await world.synchronised()
    assert gate_position(world) == (4, 0, 0)
    assert gate_position(world, BETA) == (-4, 0, 0)
    assert position(world) == (4, 0, 0, 0)
    set_reference(world)
    assert (await send(world)).get("reason", 0) == 0
    refused = await send(world, account_id=BETA, firm_id=11)
    assert refused["reason"] == reason.REASON_KILL_SWITCH
    assert position(world) == (4, 10, 0, 1)


async def test_position_limit_counts_what_the_last_epoch_left(world: RiskWorld) -> None:
    await send(world, side=BUY)
    await send(world, side=SELL, account_id=BETA, firm_id=11, quantity_units=10)
    kind = control.LIMIT_KIND_POSITION_LONG
    await world.agent.controller.set_limit(ALPHA_HERE, kind, 15, "operator", 2.0)
    world.stop_venue()
    world.start_venue()
    await world.synchronised()
    set_reference(world)
    refused = await send(world, quantity_units=6)
    assert refused["reason"] == reason.REASON_POSITION_LIMIT_LONG
    assert refused["observed_value"] == 16
    assert (await send(world, quantity_units=5)).get("reason", 0) == 0


async def test_restarted_agent_catches_up_and_leaves_the_gate_its_positions(
    world: RiskWorld,
) -> None:
    await send(world, side=BUY, quantity_units=20)
    await world.stop_cranking()
    await world.stop_agent()
    # Both happen while nobody follows: only the history can tell of them.
    world.venue.order(side=SELL, account_id=BETA, firm_id=11, quantity_units=8)
    world.venue.order(side=BUY, quantity_units=3)
    world.venue.crank()
    world.start_agent(CONFIG)
    world.start_cranking()
    await world.synchronised()
    await world.reached()
    assert position(world) == (8, 15, 0, 2)
    assert position(world, BETA) == (-8, 0, 0, 0)
    assert gate_position(world) == (8, 15, 0)
    assert world.agent.ledger.is_complete(ALPHA)
    assert world.agent.ledger.lost_event_count == 0


async def test_both_restarted_the_store_alone_restores_the_gate(world: RiskWorld) -> None:
    await send(world, side=BUY)
    await send(world, side=SELL, account_id=BETA, firm_id=11, quantity_units=10)
    kind = control.LIMIT_KIND_ORDER_QUANTITY
    await world.agent.controller.set_limit(ALPHA_HERE, kind, 5, "operator", 2.0)
    await world.stop_cranking()
    await world.stop_agent()
    world.stop_venue()
    world.start_venue()
    world.start_agent(CONFIG)
    world.start_cranking()
    await world.synchronised()
    assert gate_position(world) == (10, 0, 0)
    set_reference(world)
    assert (await send(world))["reason"] == reason.REASON_ORDER_QUANTITY_LIMIT


async def test_lapped_reader_finds_the_events_in_the_history(world: RiskWorld) -> None:
    await world.stop_cranking()
    for _ in range(220):
        world.venue.order(quantity_units=1)
        world.venue.order(side=SELL, account_id=BETA, firm_id=11, quantity_units=1)
        world.venue.crank()
    world.start_cranking()
    await world.reached()
    assert world.agent.executions.statistics["lapped_count"] == 1
    assert world.agent.ledger.lost_event_count == 0
    assert position(world)[0] == 220
    assert gate_position(world)[0] == 220


async def test_events_lost_for_good_make_the_account_incomplete(world: RiskWorld) -> None:
    await send(world, quantity_units=2)
    await world.stop_cranking()
    for _ in range(1_500):
        world.venue.order(quantity_units=1)
        world.venue.order(side=SELL, account_id=BETA, firm_id=11, quantity_units=1)
        world.venue.crank(1)
    world.start_cranking()
    await wait_until_async(
        lambda: not world.agent.ledger.is_complete(ALPHA), what="the loss to be seen"
    )
    assert world.agent.ledger.lost_event_count > 0
    # What is working comes right again by asking for it.
    await world.synchronised()
    expected = gate_position(world)[1:]
    await wait_until_async(lambda: position(world)[1:3] == expected, what="working orders")


async def test_limit_set_by_another_author_is_taken_over(world: RiskWorld) -> None:
    kind = control.LIMIT_KIND_ORDER_QUANTITY
    world.venue.control(
        action=control.CONTROL_ACTION_SET_LIMIT,
        scope=SCOPE_ACCOUNT,
        scope_id=ALPHA,
        instrument_id=INSTRUMENT,
        limit_kind=kind,
        value=3,
        author_id=77,
    )
    await wait_until_async(lambda: world.store.limit(ALPHA_HERE, kind) == 3, what="the record")
    assert world.store.audit(1)[0].stamp.author == "control author 77"
