"""Replayed flow meets clients' orders at our own venue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.lobster_day import LobsterDay
from support.replay_world import ReplayWorld
from support.venue_driver import ALPHA, REPLAY
from tradecaptain.kernels.market_data.flow_layout import FLOW_LIVE

BUY, SELL = 1, 2
OWN = 1011

World = Callable[..., ReplayWorld]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened: list[ReplayWorld] = []

    def make(seed: int = 7, depth: int = 5, rows: int = 150) -> ReplayWorld:
        path = LobsterDay(seed, depth, rows).write_zip(tmp_path / "day.zip", symbol="AMZN")
        opened.append(ReplayWorld(tmp_path, [path]))
        return opened[-1]

    yield make
    for item in opened:
        item.close()


@pytest.mark.parametrize("depth", [1, 5])
def test_without_clients_the_venue_holds_the_vendors_book(world: World, depth: int) -> None:
    here = world(depth=depth)
    here.play_messages(150)
    here.settle()
    assert int(here.flow["state"]) == FLOW_LIVE
    assert here.venue_levels(BUY) == here.mirror_levels(BUY)
    assert here.venue_levels(SELL) == here.mirror_levels(SELL)
    assert int(here.flow["divergence_count"]) == 0
    assert int(here.market.memory.tracks[0]["misfit_count"]) == 0


def test_a_passive_client_order_is_filled_by_replayed_executions_in_queue_order(
    world: World,
) -> None:
    here = world(rows=600)
    here.play_messages(40)
    here.settle()
    here.venue.open_gate(ALPHA)
    price, ahead = here.venue_levels(BUY)[0]
    here.venue.order(instrument_id=OWN, side=BUY, price_units=price, quantity_units=10)
    here.venue.events()
    here.play_messages(600)
    here.settle()
    trades = [
        event
        for event in here.venue.read("execution")
        if event.get("account_id") == ALPHA and event.get("execution_type") == 3
    ]
    assert ahead > 0
    assert sum(event["last_quantity_units"] for event in trades) == 10
    assert int(here.flow["divergence_units"]) > 0
    # What the client took in the vendor's stead doesn't stay behind.
    assert here.venue_levels(BUY) == here.mirror_levels(BUY)
    assert here.venue_levels(SELL) == here.mirror_levels(SELL)


def test_what_a_client_takes_is_missing_until_the_vendor_takes_it_too(world: World) -> None:
    here = world(rows=400)
    here.play_messages(40)
    here.settle()
    here.venue.open_gate(ALPHA)
    price, quantity = here.venue_levels(SELL)[0]
    here.venue.order(
        instrument_id=OWN, side=BUY, price_units=price, quantity_units=quantity, time_in_force=3
    )
    here.venue.events()
    here.settle()
    assert (price, quantity) not in here.venue_levels(SELL)
    here.play_messages(400)
    here.settle()
    assert int(here.flow["divergence_units"]) > 0
    held = dict(here.mirror_levels(SELL))
    for level, left in here.venue_levels(SELL):
        assert left <= held[level]


def test_the_flow_waits_for_limits_and_enters_when_they_are_set(tmp_path: Path) -> None:
    path = LobsterDay(3, 5, 60).write_zip(tmp_path / "day.zip", symbol="AMZN")
    here = ReplayWorld(tmp_path, [path])
    here.venue.control(action=2, scope=2, scope_id=REPLAY)
    here.play_messages(60)
    here.settle()
    assert here.venue_levels(BUY) == []
    here.venue.control(action=3, scope=2, scope_id=REPLAY)
    here.turn(400)
    assert int(here.flow["state"]) == FLOW_LIVE
    assert here.venue_levels(BUY) == here.mirror_levels(BUY)
    here.close()
