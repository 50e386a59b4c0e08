"""Views as their clients see them: streams rebuild the book, numbers chain, gaps are told."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from support.book_client import L1, L3, BookClient
from support.book_events import records
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.orderbook.view_layout import SNAPSHOT_ORDER, ViewCapacity
from tradecaptain.orderbook.views import ROWS_TOLD_MAX, BookViews
from tradecaptain.wire.reason import REASON_RESUME_POSITION_UNKNOWN, REASON_UNAVAILABLE
from twins.orderbook.book_twin import ADD, BUY, CLEAR, SELL, Book, Event, RandomVenue

L2 = records_pb2.DEPTH_LEVEL_L2
IDS = [3, 7]
SMALL = ViewCapacity(orders=20_000, levels=512, rows=1 << 10, instrument_limit=16)


class Listeners:
    """Keeps what the views tell."""

    def __init__(self) -> None:
        self.updates: dict[tuple[int, int], list[Any]] = defaultdict(list)
        self.skips: list[tuple[int, int]] = []

    def changed(self, instrument_id: int, level: int, updates: list[Any]) -> None:
        self.updates[instrument_id, level] += updates

    def skipped(self, instrument_id: int, level: int) -> None:
        self.skips.append((instrument_id, level))

    def deliver(self, instrument_id: int, client: BookClient) -> None:
        for update in self.updates.pop((instrument_id, client.level), []):
            client.take(update)


def make(capacity: ViewCapacity = SMALL) -> tuple[BookViews, Listeners]:
    told = Listeners()
    return BookViews(IDS, 1, capacity, told, ManualClock()), told


def apply(views: BookViews, events: list[Event]) -> None:
    batch = records(events)
    views.apply(address_of(batch), batch.strides[0], len(batch))


def in_commands(events: list[Event], seed: int) -> list[Event]:
    """Let neighbouring events of one book belong to one command now and then."""
    chance = random.Random(seed)
    last: dict[int, Event] = {}
    for event in events:
        before = last.get(event.instrument_id)
        if before is not None and chance.random() < 0.4:
            event.command, before.last = before.command, False
        last[event.instrument_id] = event
    return events


def load(views: BookViews, book: Book) -> bool:
    orders = [(*order, side) for side in (BUY, SELL) for order in book.side(side)]
    return views.load(
        book.instrument_id, book.epoch, book.sequence, 5, np.array(orders, SNAPSHOT_ORDER)
    )


@pytest.mark.parametrize("level", [L1, L2, L3])
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_rebuilds_the_book_at_every_level(level: int, seed: int) -> None:
    venue = RandomVenue(seed, IDS)
    views, told = make()
    apply(views, [venue.step() for _ in range(30)])
    client = BookClient(level)
    views.watch(3, level)
    client.take(views.snapshot_update(3, level))
    chance = random.Random(seed)
    for _ in range(60):
        apply(views, in_commands([venue.step() for _ in range(chance.randint(1, 20))], seed))
        told.deliver(3, client)
        client.assert_equals(venue.books[3])
    assert client.updates > 30
    assert client.gaps == 0
    assert not told.updates, "nobody watches the other book"


@pytest.mark.parametrize("level", [L1, L2, L3])
def test_a_client_resumes_without_a_gap_wherever_it_was(level: int) -> None:
    venue = RandomVenue(5, IDS)
    views, told = make()
    views.watch(3, level)
    client = BookClient(level)
    client.take(views.snapshot_update(3, level))
    events = in_commands([venue.step() for _ in range(400)], 5)
    apply(views, events[:200])
    told.deliver(3, client)
    views.unwatch(3, level)
    apply(views, events[200:])
    missed = views.updates_since(3, level, *client.position)
    assert missed
    for update in missed:
        client.take(update)
    client.assert_equals(venue.books[3])
    assert views.updates_since(3, level, *client.position) == []
    views.watch(3, level)
    apply(views, [venue.step() for _ in range(50)])
    told.deliver(3, client)
    client.assert_equals(venue.books[3])
    assert client.gaps == 0


def test_events_of_one_command_are_one_update_unless_a_batch_cuts_it() -> None:
    views, told = make()
    views.watch(3, L2)
    book = Book(3)
    events = []
    for number in (1, 2, 3):
        book.orders[number] = [BUY, 10, number]
        events.append(book.event(ADD, number, BUY, 10, number))
        events[-1].command, events[-1].last = 1, number == 3
    apply(views, events)
    [update] = told.updates[3, L2]
    assert update.stamp.sequence == 3
    assert update.stamp.previous_sequence == 0
    assert update.stamp.last_of_command
    [change] = update.levels
    assert (change.level.quantity_units, change.level.order_count) == (6, 3)
    cut, told = make()
    cut.watch(3, L3)
    apply(cut, events[:2])
    apply(cut, events[2:])
    first, second = told.updates[3, L3]
    assert not first.stamp.last_of_command
    assert second.stamp.last_of_command
    assert second.stamp.previous_sequence == first.stamp.sequence == 2


def test_clearing_is_told_as_an_empty_snapshot_even_of_an_empty_book() -> None:
    for level in (L1, L2, L3):
        views, told = make()
        views.watch(3, level)
        client = BookClient(level)
        book = Book(3)
        apply(views, [book.event(CLEAR, 0, 0, 0, 0)])
        [update] = told.updates[3, level]
        assert update.HasField("snapshot")
        assert not update.stamp.gap
        told.deliver(3, client)
        book.orders[1] = [SELL, 5, 2]
        apply(views, [book.event(ADD, 1, SELL, 5, 2)])
        told.deliver(3, client)
        client.assert_equals(book)


def test_a_position_that_is_gone_can_not_be_resumed_and_one_that_never_was_is_refused() -> None:
    venue = RandomVenue(6, [3])
    views, _ = make(ViewCapacity(20_000, 512, 64, 16))
    apply(views, [venue.step() for _ in range(300)])
    assert views.updates_since(3, L2, 1, 10) is None
    assert views.updates_since(3, L2, 0, 299) is None
    assert views.updates_since(3, L2, 1, 300) == []
    for epoch, sequence in ((1, 301), (2, 0)):
        with pytest.raises(TradeCaptainError) as caught:
            views.updates_since(3, L2, epoch, sequence)
        assert caught.value.reason == REASON_RESUME_POSITION_UNKNOWN


def test_a_lost_event_makes_the_book_unavailable_until_a_snapshot_mends_it() -> None:
    venue = RandomVenue(7, IDS)
    views, told = make()
    for level in (L1, L2, L3):
        views.watch(3, level)
    apply(views, [venue.step() for _ in range(50)])
    lost = venue.step()
    while lost.instrument_id != 3:
        apply(views, [lost])
        lost = venue.step()
    told.updates.clear()
    apply(views, [venue.step() for _ in range(50)])
    assert views.invalid() == [3]
    assert not told.updates
    with pytest.raises(TradeCaptainError) as caught:
        views.snapshot(3, L2)
    assert caught.value.reason == REASON_UNAVAILABLE
    assert views.updates_since(3, L2, 1, 1) is None
    assert views.snapshot(7, L2).bids or views.snapshot(7, L2).asks
    assert load(views, venue.books[3])
    assert views.invalid() == []
    assert sorted(told.skips) == [(3, L1), (3, L2), (3, L3)]
    for level in (L1, L2, L3):
        client = BookClient(level)
        client.take(views.snapshot_update(3, level, gap=True))
        apply(views, [venue.step() for _ in range(30)])
        told.deliver(3, client)
        client.assert_equals(venue.books[3])
        told.updates.clear()
    assert views.updates_since(3, L2, 1, 20) is None, "changes from before can't be told"
    assert views.counters()["gap_count"] == 1


def test_after_a_lap_every_book_waits_for_a_snapshot() -> None:
    venue = RandomVenue(8, IDS)
    views, told = make()
    views.watch(7, L2)
    apply(views, [venue.step() for _ in range(20)])
    views.invalidate()
    assert views.invalid() == IDS
    for book in venue.books.values():
        assert load(views, book)
    assert told.skips == [(7, L2)]
    client = BookClient(L2)
    client.take(views.snapshot_update(7, L2))
    client.assert_equals(venue.books[7])


def test_a_flood_is_told_as_advice_to_look_anew() -> None:
    venue = RandomVenue(9, [3])
    views, told = make(ViewCapacity(20_000, 512, 1 << 14, 16))
    views.watch(3, L2)
    apply(views, [venue.step() for _ in range(ROWS_TOLD_MAX + 1)])
    assert told.skips == [(3, L2)]
    assert not told.updates
    apply(views, [venue.step()])
    assert len(told.updates[3, L2]) == 1


def test_snapshots_keep_to_their_limit() -> None:
    views, _ = make()
    book = Book(3)
    events = []
    for number in range(1, 41):
        book.orders[number] = [BUY, number // 2, 1]
        events.append(book.event(ADD, number, BUY, number // 2, 1))
    apply(views, events)
    assert len(views.snapshot(3, L1).bids) == 1
    assert len(views.snapshot(3, L2, 5).bids) == 5
    assert len(views.snapshot(3, L2).bids) == 21
    assert len(views.snapshot(3, L3, 5).bid_orders) == 9
    assert [order.order_id for order in views.snapshot(3, L3, 2).bid_orders] == [40, 38, 39]


async def test_whoever_waits_for_a_book_is_woken_by_its_own_snapshot_alone() -> None:
    venue = RandomVenue(9, IDS)
    views, _ = make()
    apply(views, [venue.step() for _ in range(100)])
    views.invalidate()
    waiting = asyncio.create_task(views.wait_valid(3))
    for book, is_awake in ((venue.books[7], False), (venue.books[3], True)):
        await asyncio.sleep(0)
        assert load(views, book)
        for _ in range(3):
            await asyncio.sleep(0)
        assert waiting.done() == is_awake
    await views.wait_valid(3)
