"""Replayed flow meets clients' orders at our own venue."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.lobster_day import LobsterDay
from support.replay_world import ReplayWorld
from support.truth import truth_path
from support.venue_driver import ALPHA, REPLAY
from tradecaptain.kernels.market_data.flow_layout import FLOW_LIVE
from tradecaptain.mesh.journal import OFFSET_REFUSAL, JournalRing
from tradecaptain.wire import reason

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


def test_while_the_log_takes_no_orders_the_flow_waits(world: World) -> None:
    """Each refusal takes room in the log, which is kept for cancels."""
    here = world(rows=600)
    here.play_messages(100)
    here.settle()
    assert int(here.flow["state"]) == FLOW_LIVE
    header = here.venue.core.header[0]
    header["journal_refusal"] = reason.REASON_JOURNAL_UNAVAILABLE
    here.play_messages(300)
    assert int(here.flow["state"]) != FLOW_LIVE
    before = int(header["sequence"])
    here.play_messages(500)
    assert int(header["sequence"]) - before <= 4, "only a probe now and then"
    header["journal_refusal"] = 0
    here.turn(400)
    assert int(here.flow["state"]) == FLOW_LIVE
    assert here.venue_levels(BUY) == here.mirror_levels(BUY)
    assert here.venue_levels(SELL) == here.mirror_levels(SELL)


def test_while_the_log_tells_that_it_takes_nothing_nothing_is_sent(world: World) -> None:
    """Not even probes or reference prices; and the flow goes on as soon as the log does."""
    here = world(rows=600)
    here.play_messages(100)
    here.settle()
    assert int(here.flow["state"]) == FLOW_LIVE
    with JournalRing.create(here.folder / "log_ring", capacity=1 << 16, epoch=1) as ring:
        here.market.look_for_log()
        ring.store(OFFSET_REFUSAL, reason.REASON_JOURNAL_UNAVAILABLE)
        here.turn(2)
        before = int(here.venue.core.header[0]["sequence"])
        here.play_messages(300)
        here.turn(1_000, step_ns=10_000_000)
        assert int(here.venue.core.header[0]["sequence"]) == before
        assert int(here.flow["state"]) != FLOW_LIVE
        ring.store(OFFSET_REFUSAL, 0)
        here.settle()
        assert int(here.flow["state"]) == FLOW_LIVE
        assert here.venue_levels(BUY) == here.mirror_levels(BUY)
        assert here.venue_levels(SELL) == here.mirror_levels(SELL)


Levels = list[list[str]]
FIRST_MS = 1_723_161_254_000


def update(number: int, bids: Levels, asks: Levels) -> dict[str, object]:
    """An update of levels, told at once; the numbers count updates from 11."""
    change = {"e": "depthUpdate", "E": FIRST_MS + number, "s": "BTCUSDT"}
    change |= {"U": number, "u": number, "b": bids, "a": asks}
    return {"stream": "btcusdt@depth@100ms", "data": change}


def purchase(price: str, quantity: str, after: int) -> dict[str, object]:
    """A trade with an offer, with the time of an update; told where it stands."""
    body = {"e": "trade", "E": FIRST_MS + after, "T": FIRST_MS + after, "s": "BTCUSDT", "t": 1}
    body |= {"p": price, "q": quantity, "m": False}
    return {"stream": "btcusdt@trade", "data": body}


def binance_capture(path: Path, messages: list[dict[str, object]]) -> Path:
    """A capture of a snapshot around 100.00 and what followed, half a second apart."""
    bids = [[f"{99.99 - step / 100:.2f}", "0.00050000"] for step in range(5)]
    asks = [[f"{100.01 + step / 100:.2f}", "0.00050000"] for step in range(5)]
    snapshot: dict[str, object] = {"lastUpdateId": 10, "bids": bids, "asks": asks}
    first = {"e": "depthUpdate", "E": FIRST_MS, "s": "BTCUSDT", "U": 9, "u": 10, "b": [], "a": []}
    bodies = [{"stream": "btcusdt@depth@100ms", "data": first}, snapshot, *messages]
    lines = (
        f"{FIRST_MS * 1_000_000 + number * 500_000_000} {json.dumps(body, separators=(',', ':'))}\n"
        for number, body in enumerate(bodies)
    )
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


@pytest.fixture
def replayed(tmp_path: Path) -> Iterator[Callable[[list[dict[str, object]]], ReplayWorld]]:
    """Plays messages of Binance to their end, and checks that the flow was live."""
    opened: list[ReplayWorld] = []

    def play(messages: list[dict[str, object]]) -> ReplayWorld:
        here = ReplayWorld(tmp_path, [binance_capture(tmp_path / "c.gz", messages)], speed="1")
        opened.append(here)
        here.turn(500, 10_000_000)
        here.settle()
        assert int(here.flow["state"]) == FLOW_LIVE
        return here

    yield play
    for item in opened:
        item.close()


Replayed = Callable[[list[dict[str, object]]], ReplayWorld]
STILL = update(11, [["99.90", "0.00010000"]], [])
"""The flow enters the book between this and what follows."""


def trades_of(here: ReplayWorld) -> list[tuple[int, int]]:
    """Price and size of each execution of the flow's resting orders."""
    return [
        (event["last_price_units"], event["last_quantity_units"])
        for event in here.venue.read("execution")
        if event["execution_type"] == 3 and event["side"] == SELL
    ]


def test_a_trade_told_before_its_update_meets_only_its_own_price(replayed: Replayed) -> None:
    trade = purchase("100.02", "0.00020000", after=12)
    told = update(13, [], [["100.01", "0.00000000"], ["100.02", "0.00030000"]])
    here = replayed([STILL, trade, told])
    assert trades_of(here) == [(10_002, 20_000)]
    assert here.venue_levels(SELL, 1021) == here.mirror_levels(SELL)
    assert int(here.flow["divergence_count"]) == 0


def test_a_trade_told_after_its_update_is_not_taken_off_twice(replayed: Replayed) -> None:
    told = update(13, [], [["100.01", "0.00030000"]])
    here = replayed([STILL, told, purchase("100.01", "0.00020000", after=12)])
    assert trades_of(here) == [(10_001, 20_000)]
    assert here.venue_levels(SELL, 1021) == here.mirror_levels(SELL)
    assert int(here.flow["divergence_count"]) == 0


def test_a_late_trade_beyond_levels_that_came_since_only_prints(replayed: Replayed) -> None:
    told = update(13, [], [["100.01", "0.00010000"]])
    here = replayed([STILL, told, purchase("100.02", "0.00020000", after=12)])
    assert trades_of(here) == []
    assert here.venue_levels(SELL, 1021) == here.mirror_levels(SELL)
    assert int(here.flow["divergence_count"]) == 0


def test_a_recorded_day_without_clients_has_no_divergence(tmp_path: Path) -> None:
    capture = truth_path("orderflow/binance/spot_btcusdt_20240808.gz")
    here = ReplayWorld(tmp_path, [capture], roomy_levels=1 << 15)
    here.venue.open_gate(REPLAY, quantity=1 << 60)
    here.play_messages(12_000, batch=64)
    here.settle()
    assert int(here.flow["state"]) == FLOW_LIVE
    assert len(trades_of(here)) > 20
    assert int(here.flow["divergence_count"]) == 0
    here.close()


@pytest.mark.parametrize("rises", [True, False])
def test_a_market_that_moves_past_its_old_levels_trades_nothing(
    replayed: Replayed, rises: bool
) -> None:
    rise = (
        [["100.02", "0.00030000"], ["100.03", "0.00020000"]],
        [["100.01", "0.00000000"], ["100.02", "0.00000000"], ["100.03", "0.00000000"]],
    )
    fall = (
        [["99.99", "0.00000000"], ["99.98", "0.00000000"]],
        [["99.98", "0.00040000"], ["99.99", "0.00010000"]],
    )
    here = replayed([STILL, update(12, *(rise if rises else fall)), update(13, [], [])])
    for side in (BUY, SELL):
        assert here.venue_levels(side, 1021) == here.mirror_levels(side)
    assert not [event for event in here.venue.read("execution") if event["execution_type"] == 3]
    assert int(here.flow["divergence_count"]) == 0


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
