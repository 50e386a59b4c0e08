"""The follower: batches of the stream reader in, snapshots of the venue where events were lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.book_client import BookClient
from support.book_events import batch
from support.wait import wait_until_async
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.mesh.stream_reader import (
    EVENT_LAPPED,
    EVENT_WRITER_JOINED,
    EVENT_WRITER_LEFT,
)
from tradecaptain.orderbook.follower import STILL_COMPARISONS, BookFollower
from tradecaptain.orderbook.view_layout import SNAPSHOT_ORDER, ViewCapacity
from tradecaptain.orderbook.views import BookViews
from twins.orderbook.book_twin import BUY, SELL, RandomVenue

IDS = [3, 7]


@dataclass
class State:
    """What the venue answers."""

    epoch: int
    instrument_sequence: int
    time_ns: int
    orders: npt.NDArray[Any]


class Venue(RandomVenue):
    """A random venue that answers questions about its books when it is told to."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, IDS)
        self.asked: dict[int, list[Future[Any]]] = defaultdict(list)

    def ask(self, instrument_id: int) -> Future[Any]:
        future: Future[Any] = Future()
        self.asked[instrument_id].append(future)
        return future

    def answer(self, instrument_id: int) -> None:
        book = self.books[instrument_id]
        orders = [(*order, side) for side in (BUY, SELL) for order in book.side(side)]
        state = State(1, book.sequence, 9, np.array(orders, SNAPSHOT_ORDER))
        for future in self.asked.pop(instrument_id):
            future.set_result(state)


class Silent:
    """A listener whom nobody gave anything to watch."""

    def changed(self, instrument_id: int, level: int, updates: list[Any]) -> None:
        raise AssertionError

    def skipped(self, instrument_id: int, level: int) -> None:
        raise AssertionError


def make(seed: int) -> tuple[Venue, BookViews, BookFollower]:
    venue = Venue(seed)
    views = BookViews(IDS, 1, ViewCapacity(4096, 512, 1 << 10, 16), Silent())
    return venue, views, BookFollower(views, venue.ask)


def assert_follows(views: BookViews, venue: Venue) -> None:
    for number, book in venue.books.items():
        client = BookClient(records_pb2.DEPTH_LEVEL_L3)
        client.take(views.snapshot_update(number, records_pb2.DEPTH_LEVEL_L3))
        client.assert_equals(book)


async def test_plain_batches_reach_the_books() -> None:
    venue, views, follower = make(1)
    for size in (1, 2, 100):
        follower.on_batch(batch([venue.step() for _ in range(size)]))
    assert_follows(views, venue)
    assert not venue.asked


@pytest.mark.parametrize("news", [EVENT_LAPPED, EVENT_WRITER_JOINED])
async def test_a_break_in_the_stream_is_mended_by_snapshots(news: int) -> None:
    venue, views, follower = make(2)
    first = [venue.step() for _ in range(60)]
    for _ in range(30):
        venue.step()
    after = [venue.step() for _ in range(40)]
    follower.on_batch(batch(first, news, after))
    assert views.invalid() == IDS
    assert sorted(venue.asked) == IDS
    later = [venue.step() for _ in range(20)]
    for number in IDS:
        venue.answer(number)
    follower.on_batch(batch(later))
    assert not venue.asked, "a book is asked for once"
    await wait_until_async(lambda: not views.invalid())
    assert_follows(views, venue)
    follower.on_batch(batch([venue.step() for _ in range(20)]))
    assert_follows(views, venue)
    assert follower.lapped_count == (news == EVENT_LAPPED)


async def test_a_writer_that_leaves_loses_nothing() -> None:
    venue, views, follower = make(3)
    follower.on_batch(batch([venue.step() for _ in range(30)], EVENT_WRITER_LEFT))
    assert_follows(views, venue)


async def test_a_missing_event_is_noticed_without_any_news() -> None:
    venue, views, follower = make(4)
    events = [venue.step() for _ in range(80)]
    lost = next(event for event in events[20:] if event.instrument_id == 7)
    follower.on_batch(batch([event for event in events if event is not lost]))
    assert list(venue.asked) == [7]
    venue.answer(7)
    await wait_until_async(lambda: not views.invalid())
    assert_follows(views, venue)


async def test_a_venue_that_fails_to_answer_is_asked_again() -> None:
    venue, views, follower = make(5)
    follower.on_batch(batch([venue.step() for _ in range(30)], EVENT_LAPPED))
    for number in IDS:
        venue.asked.pop(number)[0].set_exception(RuntimeError("not now"))
    await wait_until_async(lambda: sorted(venue.asked) == IDS)
    for number in IDS:
        venue.answer(number)
    await wait_until_async(lambda: not views.invalid())
    assert_follows(views, venue)


async def test_a_snapshot_that_is_too_old_is_asked_for_again() -> None:
    venue, views, follower = make(6)
    follower.on_batch(batch([venue.step() for _ in range(30)], EVENT_LAPPED))
    stale = {number: venue.asked.pop(number) for number in IDS}
    old = {
        number: State(
            1,
            book.sequence,
            9,
            np.array(
                [(*order, side) for side in (BUY, SELL) for order in book.side(side)],
                SNAPSHOT_ORDER,
            ),
        )
        for number, book in venue.books.items()
    }
    for _ in range(40):
        venue.step()
    follower.on_batch(batch([venue.step() for _ in range(30)]))
    for number in IDS:
        stale[number][0].set_result(old[number])
    await wait_until_async(lambda: sorted(venue.asked) == IDS)
    for number in IDS:
        venue.answer(number)
    await wait_until_async(lambda: not views.invalid())
    assert_follows(views, venue)


async def test_a_snapshot_from_before_a_second_break_isnt_taken() -> None:
    """What was lost in between shows by no missing number if nothing follows."""
    venue, views, follower = make(8)
    follower.on_batch(batch([venue.step() for _ in range(30)], EVENT_LAPPED))
    for number in IDS:
        # Answered, but the loop hasn't heard of it.
        venue.answer(number)
    for _ in range(20):
        venue.step()
    follower.on_batch(batch(EVENT_LAPPED))
    await wait_until_async(lambda: sorted(venue.asked) == IDS)
    for number in IDS:
        venue.answer(number)
    await wait_until_async(lambda: not views.invalid())
    assert_follows(views, venue)


def last_changes(venue: Venue) -> npt.NDArray[np.int64]:
    """What the venue tells of its books."""
    return np.array([[*venue.books], [book.sequence for book in venue.books.values()]])


async def test_a_last_event_that_is_lost_shows_by_comparisons() -> None:
    venue, views, follower = make(9)
    follower.on_batch(batch([venue.step() for _ in range(40)]))
    lost = venue.step().instrument_id
    for _ in range(STILL_COMPARISONS):
        follower.compare(last_changes(venue))
        assert not views.invalid(), "it may be on its way"
    follower.compare(last_changes(venue))
    assert views.invalid() == [lost] == list(venue.asked)
    venue.answer(lost)
    await wait_until_async(lambda: not views.invalid())
    assert_follows(views, venue)
    assert follower.behind_count == 1
    for _ in range(2 * STILL_COMPARISONS):
        follower.compare(last_changes(venue))
    assert not venue.asked


async def test_an_event_that_is_late_on_a_busy_machine_is_waited_for() -> None:
    venue, views, follower = make(9)
    follower.on_batch(batch([venue.step() for _ in range(40)]))
    for _ in range(3):
        late = [venue.step() for _ in range(10)]
        for _ in range(STILL_COMPARISONS):
            follower.compare(last_changes(venue))
        follower.on_batch(batch(late))
    assert not views.invalid()
    assert not venue.asked
    assert_follows(views, venue)


async def test_views_that_are_late_or_follow_only_some_books_lose_nothing() -> None:
    venue, views, follower = make(10)
    foreign = np.array([[15], [9]])
    for _ in range(6):
        late = [venue.step() for _ in range(10)]
        follower.compare(np.hstack((last_changes(venue), foreign)))
        follower.on_batch(batch(late))
    assert not views.invalid()
    assert not venue.asked
    assert_follows(views, venue)


async def test_an_answer_for_a_loop_that_is_gone_is_dropped() -> None:
    venue, views, _ = make(7)

    def broken() -> None:
        async def lap() -> None:
            BookFollower(views, venue.ask).on_batch(batch(EVENT_LAPPED))

        asyncio.run(lap())

    await asyncio.to_thread(broken)
    for number in IDS:
        venue.answer(number)
    assert views.invalid() == IDS
