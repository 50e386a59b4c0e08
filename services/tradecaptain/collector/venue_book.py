"""Market data of one instrument of our own venue, made from its book events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.collector.broadcast import Broadcaster
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.venue_ticks import (
    EVENT_LAST,
    EVENT_SNAPSHOT,
    TICKS_PER_EVENT,
    VENUE_DTYPE,
    venue_write_ticks,
)
from tradecaptain.collector.view_kernels import Batch
from tradecaptain.collector.views import MarketViews
from tradecaptain.edge import StreamHub
from tradecaptain.kernels.market_data.layout import FEED_MESSAGE_DTYPE, SIDE_BUY, SIDE_SELL
from tradecaptain.wire import book_event, market_tick

HELD_MAX: Final = 1 << 16
"""Events that are kept while a book is read; if more come, it is read once more."""

_SECOND_NS = 1_000_000_000


class VenueBook:
    """A view of one instrument; belongs to the loop thread.

    It is valid once nothing is missing: from the first event of an epoch on, or from a snapshot of
    the venue on. ``generation`` grows whenever changes were lost, so that a snapshot which was
    asked for before is known to be too old.
    """

    def __init__(
        self, instrument_id: int, config: CollectorConfig, hub: StreamHub[bytes], epoch: int
    ) -> None:
        self.instrument_id = instrument_id
        self.views = MarketViews(
            [instrument_id],
            level_capacity=config.level_capacity,
            candle_capacity=config.candle_seconds_kept,
            depth_capacity=config.depth_rows_kept,
        )
        self.broadcaster = Broadcaster(self.views, hub)
        self.is_valid = False
        self.generation = 0
        self._position = (0, 0)
        self._held: list[npt.NDArray[Any]] = []
        self._held_count = 0
        self._has_begun = False
        self._venue = aligned_zeros(1, VENUE_DTYPE)
        self._venue["instrument_id"] = instrument_id
        self._venue["source"] = records_pb2.DATA_SOURCE_VENUE
        self._venue["epoch"] = epoch
        self._book = MirrorBooks([BookShape(config.level_capacity)])
        self._message = aligned_zeros(1, FEED_MESSAGE_DTYPE)

    @property
    def has_price(self) -> bool:
        """Whether there is a bid, an ask or a last trade."""
        view = self.views.state[0]
        return any(view[f"{side}_quantity_units"] > 0 for side in ("bid", "ask", "last"))

    def invalidate(self) -> None:
        """Note that changes may have been lost."""
        self.is_valid = False
        self.generation += 1
        self._held.clear()
        self._held_count = 0

    def take(self, events: npt.NDArray[Any], now_ns: int) -> None:
        """Apply the next events of the book, or keep them until it has been read."""
        if self.is_valid:
            self._continue(events, now_ns)
        elif int(events[0]["instrument_sequence"]) == 1:
            # An epoch of the venue begins, and its book is empty: nothing need be read.
            self._begin_anew(now_ns)
            self._continue(events, now_ns)
            self._break_trades()
        else:
            self._hold(events)

    def load(self, snapshot: records_pb2.BookSnapshot, now_ns: int) -> None:
        """Take a snapshot at L2, and what has happened since; still invalid if some is missing."""
        is_restored = self._has_begun
        self._begin_anew(now_ns)
        self._apply(_events_of(self.instrument_id, snapshot), now_ns, is_restored=is_restored)
        self._break_trades()
        self._position = (snapshot.stamp.epoch, snapshot.stamp.sequence)
        held, self._held, self._held_count = self._held, [], 0
        for events in held:
            self.take(events, now_ns)

    def _begin_anew(self, now_ns: int) -> None:
        """Let no client go on from before, where changes were lost: a new epoch begins."""
        if self._has_begun:
            venue = self._venue[0]
            venue["epoch"] = max(int(venue["epoch"]) + 1, now_ns // _SECOND_NS)
            venue["has_gap"] = 1
        self.is_valid = self._has_begun = True

    def _break_trades(self) -> None:
        """Keep the next trade from claiming to follow the last one that was told."""
        self.views.state["trade_sequence"] = self.views.state["sequence"]

    def _hold(self, events: npt.NDArray[Any]) -> None:
        if self._held_count + len(events) > HELD_MAX:
            self.invalidate()
        self._held.append(events)
        self._held_count += len(events)

    def _continue(self, events: npt.NDArray[Any], now_ns: int) -> None:
        """Apply what continues the book; what doesn't waits for it to be read."""
        new = _behind(events, *self._position)
        count = _contiguous(new, *self._position)
        if count:
            self._position = (
                int(new["epoch"][count - 1]),
                int(new["instrument_sequence"][count - 1]),
            )
            self._apply(new[:count], now_ns)
        if count < len(new):
            self.invalidate()
            self._hold(new[count:])

    def _apply(self, events: npt.NDArray[Any], now_ns: int, *, is_restored: bool = False) -> None:
        ticks = np.empty(TICKS_PER_EVENT * len(events), market_tick.DTYPE)
        count = venue_write_ticks(
            Batch(address_of(events), events.strides[0], len(events)),
            self._venue,
            self._message,
            self._book.books,
            self._book.levels,
            address_of(ticks),
            now_ns,
        )
        changes = self.views.apply(ticks[:count], ticks.itemsize)
        if is_restored:
            changes = [replace(change, restored=True) for change in changes]
        if changes:
            self.broadcaster.on_changes(changes, ticks[:count])


def _behind(events: npt.NDArray[Any], epoch: int, sequence: int) -> npt.NDArray[Any]:
    """Events after a position of the venue."""
    is_new = (events["epoch"] > epoch) | (
        (events["epoch"] == epoch) & (events["instrument_sequence"] > sequence)
    )
    return events if is_new.all() else events[is_new]


def _contiguous(events: npt.NDArray[Any], epoch: int, sequence: int) -> int:
    """How many of these follow on the position and each other without a hole."""
    epochs = np.append(epoch, events["epoch"].astype(np.int64))
    numbers = np.append(sequence, events["instrument_sequence"].astype(np.int64))
    follows = (np.diff(epochs) == 0) & (np.diff(numbers) == 1)
    follows |= (np.diff(epochs) > 0) & (numbers[1:] == 1)
    return len(events) if follows.all() else int(np.argmin(follows))


def _events_of(instrument_id: int, snapshot: records_pb2.BookSnapshot) -> npt.NDArray[Any]:
    """A snapshot as the events that make its book of an empty one."""
    levels = [
        (side, level.price_units, level.quantity_units, level.order_count)
        for side, told in ((SIDE_BUY, snapshot.bids), (SIDE_SELL, snapshot.asks))
        for level in told
    ]
    events = np.zeros(1 + len(levels), book_event.DTYPE)
    for row, (side, price, quantity, orders) in zip(events[1:], levels, strict=True):
        row["action"] = book_event.BOOK_ACTION_ADD
        row["order_id"] = 1  # any visible one
        row["side"] = side
        row["price_units"] = price
        row["level_quantity_units"] = quantity
        row["level_order_count"] = orders
    events[0]["action"] = book_event.BOOK_ACTION_CLEAR
    events["flags"] = EVENT_SNAPSHOT
    events[-1]["flags"] |= EVENT_LAST
    events["instrument_id"] = instrument_id
    events["epoch"] = snapshot.stamp.epoch
    events["instrument_sequence"] = snapshot.stamp.sequence
    events["time_ns"] = snapshot.stamp.event_time_ns
    return events
