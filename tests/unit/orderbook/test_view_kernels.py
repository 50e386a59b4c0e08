"""The view kernels against a plain book: changes, levels, orders, best prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.book_events import records
from tradecaptain.base.memory import address_of
from tradecaptain.orderbook.view_kernels import (
    levels_copy,
    orders_copy,
    views_apply_batch,
    views_catch_up,
    views_load,
)
from tradecaptain.orderbook.view_layout import (
    APPLIED,
    CAPACITY,
    SNAPSHOT_LEVEL,
    SNAPSHOT_ORDER,
    ViewCapacity,
    ViewState,
)
from twins.orderbook.book_twin import ADD, BUY, CLEAR, REMOVE, SELL, Book, Event, RandomVenue

pytestmark = pytest.mark.twin

SMALL = ViewCapacity(orders=4096, levels=512, rows=1 << 12, instrument_limit=64)
IDS = [3, 7, 63]


def apply(state: ViewState, events: list[Event] | npt.NDArray[Any]) -> int:
    batch = records(events) if isinstance(events, list) else events
    state.header[0]["batch_address"] = address_of(batch)
    state.header[0]["batch_stride"] = batch.strides[0]
    state.header[0]["batch_count"] = len(batch)
    return int(views_apply_batch(*state.arrays(), state.ring))


def side_levels(state: ViewState, instrument_id: int, side: int) -> list[tuple[int, ...]]:
    out = np.zeros(SMALL.levels, SNAPSHOT_LEVEL)
    best = int(state.books[instrument_id]["best_bid" if side == BUY else "best_ask"])
    return [tuple(level) for level in out[: levels_copy(state.levels, best, out)].tolist()]


def side_orders(state: ViewState, instrument_id: int, side: int) -> list[tuple[int, ...]]:
    out = np.zeros(SMALL.orders, SNAPSHOT_ORDER)
    best = int(state.books[instrument_id]["best_bid" if side == BUY else "best_ask"])
    count = orders_copy(state.levels, state.orders, best, SMALL.levels, out)
    return [tuple(order)[:3] for order in out[:count].tolist()]


def assert_same(state: ViewState, book: Book) -> None:
    number = book.instrument_id
    assert state.books[number]["is_valid"] == 1
    assert state.books[number]["sequence"] == book.sequence
    assert state.books[number]["order_count"] == len(book.orders)
    for side in (BUY, SELL):
        assert side_levels(state, number, side) == book.levels(side)
        assert side_orders(state, number, side) == book.side(side)


def snapshot(book: Book) -> npt.NDArray[Any]:
    orders = [(*order, side) for side in (BUY, SELL) for order in book.side(side)]
    return np.array(orders, SNAPSHOT_ORDER)


def load(state: ViewState, book: Book) -> int:
    header = state.header[0]
    header["load_instrument_id"] = book.instrument_id
    header["load_epoch"] = book.epoch
    header["load_sequence"] = book.sequence
    return int(views_load(*state.arrays(), snapshot(book)))


@pytest.mark.parametrize("seed", range(4))
def test_books_follow_a_random_venue(seed: int) -> None:
    venue = RandomVenue(seed, IDS)
    state = ViewState.allocate(SMALL, IDS)
    for size in (1, 2, 7, 40, 300):
        assert apply(state, [venue.step() for _ in range(size)]) == size
        for book in venue.books.values():
            assert_same(state, book)
    assert state.header[0]["gap_count"] == 0
    assert state.header[0]["inconsistent_count"] == 0


def test_rows_tell_the_best_prices_after_each_change() -> None:
    venue = RandomVenue(11, IDS)
    state = ViewState.allocate(SMALL, IDS)
    tops: list[tuple[int, ...]] = []
    moved: list[bool] = []
    last = dict.fromkeys(IDS, (0,) * 6)
    events = []
    for _ in range(600):
        event = venue.step()
        events.append(event)
        tops.append(venue.books[event.instrument_id].top())
        moved.append(tops[-1] != last[event.instrument_id] or event.action == CLEAR)
        last[event.instrument_id] = tops[-1]
    apply(state, events)
    names = [
        f"{side}_{what}"
        for side in ("bid", "ask")
        for what in ("price_units", "quantity_units", "order_count")
    ]
    rows = state.ring[:600]
    assert [tuple(row[name] for name in names) for row in rows] == tops
    assert rows["top_changed"].astype(bool).tolist() == moved
    for number in IDS:
        changed = [
            e.sequence
            for e, m in zip(events, moved, strict=True)
            if m and e.instrument_id == number
        ]
        assert state.books[number]["top_sequence"] == changed[-1]


def test_pools_are_used_again_and_end_empty() -> None:
    state = ViewState.allocate(ViewCapacity(8, 8, 1 << 12, 64), IDS)
    book = Book(3)
    for number in range(1, 500):
        price = number % 5
        book.orders[number] = [BUY, price, 2]
        apply(state, [book.event(ADD, number, BUY, price, 2)])
        del book.orders[number]
        apply(state, [book.event(REMOVE, number, BUY, price, 0)])
    assert_same(state, book)
    assert state.header[0]["used_orders"] == 1
    assert state.header[0]["used_levels"] == 1
    assert not state.order_buckets.any()
    assert not state.level_buckets.any()


@pytest.mark.parametrize("what", ["orders", "levels"])
def test_a_full_pool_makes_the_book_invalid_and_is_counted(what: str) -> None:
    capacity = ViewCapacity(4, 64, 16, 64) if what == "orders" else ViewCapacity(64, 4, 16, 64)
    state = ViewState.allocate(capacity, IDS)
    book = Book(3)
    for number in range(1, 6):
        book.orders[number] = [SELL, number, 1]
        apply(state, [book.event(ADD, number, SELL, number, 1)])
    assert state.books[3]["is_valid"] == 0
    assert state.header[0]["capacity_count"] == 1
    assert load(state, book) == CAPACITY
    assert state.books[3]["is_valid"] == 0


def test_a_new_epoch_empties_the_book() -> None:
    venue = RandomVenue(2, [3])
    state = ViewState.allocate(SMALL, IDS)
    apply(state, [venue.step() for _ in range(50)])
    fresh = Book(3, epoch=2)
    apply(state, [fresh.event(CLEAR, 0, 0, 0, 0)])
    assert_same(state, fresh)
    assert state.books[3]["epoch"] == 2
    assert apply(state, [venue.step()]) == 0, "the old epoch is over"
    assert_same(state, fresh)


def test_a_gap_makes_only_its_book_invalid() -> None:
    venue = RandomVenue(3, IDS)
    state = ViewState.allocate(SMALL, IDS)
    events = [venue.step() for _ in range(200)]
    lost = next(event for event in events[100:] if event.instrument_id == 7)
    apply(state, [event for event in events if event is not lost])
    assert state.books[7]["is_valid"] == 0
    assert state.header[0]["gap_count"] == 1
    assert_same(state, venue.books[3])
    assert_same(state, venue.books[63])


def test_a_snapshot_and_the_ring_bring_an_invalid_book_up_to_date() -> None:
    venue = RandomVenue(4, [3])
    state = ViewState.allocate(SMALL, IDS)
    events = [venue.step() for _ in range(300)]
    apply(state, events[:100] + events[101:150])
    assert state.books[3]["is_valid"] == 0
    earlier = RandomVenue(4, [3])
    for _ in range(130):
        earlier.step()
    assert load(state, earlier.books[3]) == APPLIED
    assert_same(state, earlier.books[3])
    assert views_catch_up(*state.arrays(), state.ring) == 1
    assert state.books[3]["sequence"] == 150
    assert apply(state, events[140:]) == 150, "what the book knows is skipped"
    assert_same(state, venue.books[3])


def test_a_snapshot_older_than_the_ring_leaves_the_book_invalid() -> None:
    venue = RandomVenue(5, [3])
    state = ViewState.allocate(ViewCapacity(4096, 512, 32, 64), IDS)
    events = [venue.step() for _ in range(100)]
    old = RandomVenue(5, [3])
    for _ in range(10):
        old.step()
    apply(state, events[:5] + events[6:])
    load(state, old.books[3])
    assert views_catch_up(*state.arrays(), state.ring) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"order_id": 99},
        {"price": 11},
        {"side": SELL},
        {"quantity": 7},
        {"level_quantity": 3},
        {"level_orders": 2},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("action", [2, 4])
def test_a_change_that_contradicts_the_book_makes_it_invalid(
    change: dict[str, int], action: int
) -> None:
    state = ViewState.allocate(SMALL, IDS)
    book = Book(3)
    book.orders[1] = [BUY, 10, 5]
    apply(state, [book.event(ADD, 1, BUY, 10, 5)])
    good = Event(3, 1, 2, action, BUY, 1, 10, 3 if action == 2 else 2, 3, 1)
    bad = replace(good, **change)
    if change == {"level_quantity": 3}:
        bad = replace(good, level_quantity=4)
    apply(state, [bad])
    assert state.books[3]["is_valid"] == 0
    assert state.header[0]["inconsistent_count"] == 1


def test_foreign_records_are_counted_and_left_out() -> None:
    state = ViewState.allocate(SMALL, IDS)
    batch = records([Event(number, 1, 1, CLEAR) for number in (3, 4, 64, 7)])
    batch[0]["kind"] = 2
    assert apply(state, batch) == 1
    assert state.header[0]["malformed_count"] == 1
    assert state.header[0]["unknown_instrument_count"] == 2


def test_extreme_prices_and_ids_are_kept_apart() -> None:
    state = ViewState.allocate(SMALL, IDS)
    book = Book(63)
    prices = [-(2**63), -1, 0, 1, 2**31, 2**32, 2**62, 2**63 - 1]
    events = []
    for place, price in enumerate(prices):
        number = (1 << 40) + (place << 31)
        book.orders[number] = [BUY, price, 1]
        events.append(book.event(ADD, number, BUY, price, 1))
    apply(state, events)
    assert_same(state, book)


def test_sizes_and_ids_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        ViewState.allocate(ViewCapacity(rows=3), IDS)
    with pytest.raises(ValueError, match="instrument ids"):
        ViewState.allocate(SMALL, [64])
    with pytest.raises(ValueError, match="instrument ids"):
        ViewState.allocate(SMALL, [0])
