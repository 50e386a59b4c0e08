"""The market as the service shows it; belongs to the loop thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.collector.view_kernels import (
    CANDLE_DTYPE,
    DEPTH_ROW_DTYPE,
    VIEW_DTYPE,
    Batch,
    views_apply_ticks,
)
from tradecaptain.mesh.stream_reader import EVENT_LAPPED, EVENT_RECORD

_LOG = structlog.get_logger("collector")


@dataclass(frozen=True, slots=True)
class MarketState:
    """A copy of all books at one moment, from the agent's own thread."""

    epoch: int
    sequences: npt.NDArray[np.int64]
    """Number of the last tick of each instrument that the copy contains."""
    published: npt.NDArray[Any]
    books: MirrorBooks


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch did to one instrument."""

    index: int
    quote_changed: bool
    trade_changed: bool
    quote_sequence: int
    """Number of the last quote before the batch."""
    trade_sequence: int
    """Number of the last trade before the batch."""
    depth_from: int
    """Depth rows ever written before the batch."""
    restored: bool = False
    """The book was read anew: what clients have is no longer continued."""


class MarketViews:
    """Quotes, books, candles and depth history of all mirrored instruments."""

    def __init__(
        self,
        instrument_ids: Sequence[int],
        *,
        level_capacity: int,
        candle_capacity: int,
        depth_capacity: int,
    ) -> None:
        count = max(len(instrument_ids), 1)
        self.state = aligned_zeros(count, VIEW_DTYPE)
        self.state["instrument_id"][: len(instrument_ids)] = instrument_ids
        self.index_of = {number: index for index, number in enumerate(instrument_ids)}
        self.books = MirrorBooks([BookShape(level_capacity)] * count)
        self.books.books["state"] = 1
        self.candle_capacity = candle_capacity
        self.depth_capacity = depth_capacity
        # Pages of these rings cost memory only once they are written.
        self.candles = np.zeros(count * candle_capacity, dtype=CANDLE_DTYPE)
        self.depth_rows = np.zeros(count * depth_capacity, dtype=DEPTH_ROW_DTYPE)

    def apply(self, records: npt.NDArray[Any], stride: int) -> list[Change]:
        """Apply ticks that lie ``stride`` bytes apart; what changed, by instrument."""
        before = self.state.copy()
        batch = Batch(address_of(records), stride, len(records))
        views_apply_ticks(
            batch,
            self.state,
            self.books.books,
            self.books.levels,
            self.candles,
            self.depth_rows,
        )
        changed = np.flatnonzero(before["sequence"] != self.state["sequence"])
        return [
            Change(
                int(index),
                bool(before["quote_sequence"][index] != self.state["quote_sequence"][index]),
                bool(before["trade_sequence"][index] != self.state["trade_sequence"][index]),
                int(before["quote_sequence"][index]),
                int(before["trade_sequence"][index]),
                int(before["depth_count"][index]),
            )
            for index in changed
        ]

    def restore(self, copy: MarketState) -> list[Change]:
        """Take the agent's own books over, after ticks were missed."""
        for index in range(len(self.index_of)):
            view = self.state[index]
            published = copy.published[index]
            view["epoch"] = copy.epoch
            view["sequence"] = copy.sequences[index]
            view["quote_sequence"] = view["depth_sequence"] = copy.sequences[index]
            for field in ("bid", "ask", "last"):
                for unit in ("price_units", "quantity_units"):
                    view[f"{field}_{unit}"] = published[f"{field}_{unit}"]
            view["source"] = published["source"]
            # Rows from before the hole must not be joined with rows after it.
            view["depth_count"] = 0
            self._restore_side(copy.books, index, is_bid=True)
            self._restore_side(copy.books, index, is_bid=False)
        return [
            Change(index, True, False, 0, 0, 0, restored=True) for index in self.index_of.values()
        ]

    def _restore_side(self, source: MirrorBooks, index: int, *, is_bid: bool) -> None:
        levels = source.side(index, is_bid)
        book = self.books.books[index]
        capacity = int(book["level_capacity"])
        kept = levels[:capacity][::-1]
        offset = int(book["bid_offset" if is_bid else "ask_offset"])
        self.books.levels[offset : offset + len(kept)] = kept
        book["bid_count" if is_bid else "ask_count"] = len(kept)

    def candles_of(self, index: int) -> npt.NDArray[Any]:
        """Candles of one second, oldest first; a copy."""
        view = self.state[index]
        first, last = int(view["candle_start"]), int(view["candle_count"])
        places = index * self.candle_capacity + np.arange(first, last) % self.candle_capacity
        return self.candles[places]

    def depth_since(self, index: int, row: int) -> npt.NDArray[Any]:
        """Depth rows from the ``row``-th ever on, as far as they are held; a copy."""
        last = int(self.state[index]["depth_count"])
        first = max(row, last - self.depth_capacity, 0)
        places = index * self.depth_capacity + np.arange(first, last) % self.depth_capacity
        return self.depth_rows[places]


class MarketFollower:
    """Feeds the views from the stream, and mends them where ticks were missed."""

    def __init__(
        self,
        views: MarketViews,
        take_copy: Callable[[], Future[MarketState]],
        on_changes: Callable[[list[Change], npt.NDArray[Any] | None], None],
    ) -> None:
        self._views = views
        self._take_copy = take_copy
        self._on_changes = on_changes
        self._held: list[npt.NDArray[Any]] | None = None
        self._future: Future[MarketState] | None = None
        self.resync_count = 0

    def on_batch(self, batch: npt.NDArray[Any]) -> None:
        """Take what the stream reader hands over."""
        if bool((batch["event"] == EVENT_LAPPED).any()):
            self._begin_resync()
        if self._held is not None:
            self._held.append(batch)
            self._finish_resync()
            return
        self._apply(batch)

    def _apply(self, batch: npt.NDArray[Any]) -> None:
        records = batch if _all_records(batch) else batch[batch["event"] == EVENT_RECORD]
        if len(records):
            ticks = records["record"]
            changes = self._views.apply(ticks, records.dtype.itemsize)
            if changes:
                self._on_changes(changes, ticks)

    def _begin_resync(self) -> None:
        """Ask the agent for its books; what comes meanwhile is held back."""
        _LOG.warning("ticks missed", action="reading the books anew")
        self.resync_count += 1
        self._held = []
        self._future = self._take_copy()

    def poll(self) -> None:
        """See whether the books have come; called at intervals and with every batch."""
        if self._held is not None:
            self._finish_resync()

    def _finish_resync(self) -> None:
        if self._future is None or not self._future.done():
            return
        copy = self._future.result()
        held, self._held, self._future = self._held or [], None, None
        self._on_changes(self._views.restore(copy), None)
        for batch in held:
            self._apply(batch)


def _all_records(batch: npt.NDArray[Any]) -> bool:
    return bool((batch["event"] == EVENT_RECORD).all())
