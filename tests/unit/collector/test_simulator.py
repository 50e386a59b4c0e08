"""The simulated vendor: repeatable, consistent, and alive."""

from __future__ import annotations

import numpy as np
import pytest
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.collector.feeds.simulated import SimulatedFeed
from tradecaptain.kernels.market_data.layout import (
    FEED_MESSAGE_DTYPE,
    FLAG_LAST,
    MESSAGE_ADD,
    MESSAGE_DELETE,
    MESSAGE_EXECUTE,
    MESSAGE_EXECUTE_HIDDEN,
    MESSAGE_REDUCE,
    MESSAGE_SNAPSHOT,
)
from tradecaptain.kernels.market_data.mirror import mirror_apply_messages

MESSAGES = 2_000 if JIT_DISABLED else 40_000
START_NS = 1_750_000_000_000_000_000


def feed(seed: int = 5) -> SimulatedFeed:
    return SimulatedFeed(
        [10_000, 4_250], [1, 5], [1, 10], seed=seed, rate_per_second=1000, start_ns=START_NS
    )


def flow(seed: int = 5) -> np.ndarray:
    source = feed(seed)
    parts = []
    total = 0
    while total < MESSAGES:
        batch = np.zeros(1024, dtype=FEED_MESSAGE_DTYPE)
        count = source.decode(batch)
        parts.append(batch[:count])
        total += count
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def messages() -> np.ndarray:
    return flow()


def test_the_same_seed_gives_the_same_market(messages: np.ndarray) -> None:
    assert flow().tobytes() == messages.tobytes()
    assert flow(6).tobytes() != messages.tobytes()


def test_every_message_fits_and_the_book_never_crosses(messages: np.ndarray) -> None:
    shape = BookShape(1024, order_slots=1 << 14, orders_time=True)
    mirror = MirrorBooks([shape, shape])
    ends = np.flatnonzero(messages["flags"] & FLAG_LAST) + 1
    start = 0
    for end in ends[:: 1 if len(ends) < 3000 else 37]:
        misfits = mirror_apply_messages(
            messages, start, int(end), mirror.books, mirror.levels, mirror.orders
        )
        assert misfits == 0
        start = int(end)
        for index in range(2):
            bids, asks = mirror.side(index, True), mirror.side(index, False)
            if len(bids) and len(asks):
                assert bids[0]["price_units"] < asks[0]["price_units"]


def test_all_kinds_of_events_happen_on_the_grid_in_order(messages: np.ndarray) -> None:
    kinds = set(messages["message_type"].tolist())
    assert {MESSAGE_ADD, MESSAGE_DELETE, MESSAGE_EXECUTE, MESSAGE_SNAPSHOT} <= kinds
    assert {MESSAGE_REDUCE, MESSAGE_EXECUTE_HIDDEN} <= kinds
    assert bool((np.diff(messages["event_time_ns"]) >= 0).all())
    second = messages[(messages["book_index"] == 1) & (messages["message_type"] == MESSAGE_ADD)]
    assert not bool((second["price_units"] % 5).any())
    assert not bool((second["quantity_units"] % 10).any())


def test_the_rate_is_what_was_asked_for(messages: np.ndarray) -> None:
    seconds = (messages["event_time_ns"][-1] - START_NS) / 1e9
    # The slow cycle begins at its peak, half above the mean.
    assert 700 < len(messages) / seconds < 2500


@pytest.mark.skipif(JIT_DISABLED, reason="needs a longer market than plain Python makes in time")
def test_events_come_in_clusters(messages: np.ndarray) -> None:
    counts = np.bincount(((messages["event_time_ns"] - START_NS) // 10_000_000).astype(np.int64))
    # Independent arrivals would have a variance equal to their mean.
    assert counts.var() > 2.0 * counts.mean()
