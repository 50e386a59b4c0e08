"""Replayed flow meets clients' orders at our own venue."""

from __future__ import annotations

import gzip
import json
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


def binance_capture(path: Path, updates: list[tuple[list[list[str]], list[list[str]]]]) -> Path:
    """A capture of a snapshot around 100.00 and updates of bids and asks."""
    bids = [[f"{99.99 - step / 100:.2f}", "0.00050000"] for step in range(5)]
    asks = [[f"{100.01 + step / 100:.2f}", "0.00050000"] for step in range(5)]
    bodies: list[dict[str, object]] = [{"lastUpdateId": 10, "bids": bids, "asks": asks}]
    for number, (bid_changes, ask_changes) in enumerate(updates, 11):
        change = {"e": "depthUpdate", "E": 1_723_161_254_000 + number, "s": "BTCUSDT"}
        change |= {"U": number, "u": number, "b": bid_changes, "a": ask_changes}
        bodies.append({"stream": "btcusdt@depth@100ms", "data": change})
    first = {"e": "depthUpdate", "E": 1_723_161_254_000, "s": "BTCUSDT", "U": 9, "u": 10}
    bodies.insert(0, {"stream": "btcusdt@depth@100ms", "data": first | {"b": [], "a": []}})
    start_ns = 1_723_161_254_000_000_000
    lines = (
        f"{start_ns + number * 500_000_000} {json.dumps(body, separators=(',', ':'))}\n"
        for number, body in enumerate(bodies)
    )
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


@pytest.mark.parametrize("rises", [True, False])
def test_a_market_that_moves_past_its_old_levels_trades_nothing(
    tmp_path: Path, rises: bool
) -> None:
    rise = (
        [["100.02", "0.00030000"], ["100.03", "0.00020000"]],
        [["100.01", "0.00000000"], ["100.02", "0.00000000"], ["100.03", "0.00000000"]],
    )
    fall = (
        [["99.99", "0.00000000"], ["99.98", "0.00000000"]],
        [["99.98", "0.00040000"], ["99.99", "0.00010000"]],
    )
    moved = rise if rises else fall
    still: tuple[list[list[str]], list[list[str]]] = ([["99.90", "0.00010000"]], [])
    # The flow enters the book between the first update and the move.
    here = ReplayWorld(
        tmp_path, [binance_capture(tmp_path / "c.gz", [still, moved, still])], speed="1"
    )
    here.turn(500, 10_000_000)
    here.settle()
    assert int(here.flow["state"]) == FLOW_LIVE
    for side in (BUY, SELL):
        assert here.venue_levels(side, 1021) == here.mirror_levels(side)
    assert not [event for event in here.venue.read("execution") if event["execution_type"] == 3]
    assert int(here.flow["divergence_count"]) == 0
    here.close()


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
