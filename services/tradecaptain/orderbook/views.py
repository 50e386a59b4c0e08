"""The books of our own venue as anyone may see them: states, changes, and where changes lead from.

A :class:`BookViews` belongs to one thread. It is given the venue's book events in batches, keeps
every book at L1, L2 and L3, and tells changes to whoever subscribed. A book whose changes were lost
is invalid until it is given a snapshot of the venue; its subscribers then get a snapshot marked as
a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.orderbook.view_kernels import (
    levels_copy,
    orders_copy,
    views_apply_batch,
    views_catch_up,
    views_load,
)
from tradecaptain.orderbook.view_layout import (
    SNAPSHOT_LEVEL,
    SNAPSHOT_ORDER,
    ViewCapacity,
    ViewState,
)
from tradecaptain.orderbook.view_updates import L1, L3, DepthLevel, Row, UpdateBuilder
from tradecaptain.wire.reason import (
    REASON_CAPACITY_EXHAUSTED,
    REASON_RESUME_POSITION_UNKNOWN,
    REASON_UNAVAILABLE,
)

# So many changes are told from one batch, which takes the loop some 20 ms; watchers of the other
# books are advised to look anew.
ROWS_TOLD_MAX: Final = 2048


_COUNTERS: Final = (
    "malformed_count",
    "unknown_instrument_count",
    "gap_count",
    "inconsistent_count",
    "capacity_count",
)


class Listener(Protocol):
    """Is told what happens to watched books."""

    def changed(
        self,
        instrument_id: int,
        level: DepthLevel,
        updates: list[records_pb2.DepthUpdate],
    ) -> None:
        """A book changed."""
        ...

    def skipped(self, instrument_id: int, level: DepthLevel) -> None:
        """Changes of a book weren't told, and it is valid: take a snapshot of it."""
        ...


class BookViews:
    """Views of all books of the venue."""

    def __init__(
        self,
        instrument_ids: list[int],
        epoch: int,
        capacity: ViewCapacity,
        listener: Listener,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Begin with the empty books of a new ``epoch``.

        ``listener`` is told what happens to everything that :meth:`watch` names.
        """
        self._state = ViewState.allocate(capacity, instrument_ids)
        self._state.books["epoch"][instrument_ids] = epoch
        self._instrument_ids = np.array(sorted(instrument_ids), np.int64)
        self._listener = listener
        self._clock = clock
        # Per instrument: level → number of watchers.
        self._watched: dict[int, dict[DepthLevel, int]] = {}
        # Instruments whose watchers must be given a snapshot once the book is valid again.
        self._owed: set[int] = set()
        self._loaded = asyncio.Event()
        self._batch_rows_max = max(1, capacity.rows // 2)

    @property
    def instrument_ids(self) -> npt.NDArray[np.int64]:
        """Instruments whose books are followed."""
        return self._instrument_ids

    def add(self, instrument_id: int) -> None:
        """Begin to follow the book of an instrument that the venue has opened meanwhile.

        What happened to it so far is told by a snapshot of the venue.
        """
        limit = len(self._state.books)
        if not 0 < instrument_id < limit:
            raise TradeCaptainError(
                REASON_CAPACITY_EXHAUSTED, f"ids of instruments end at {limit - 1}"
            )
        if instrument_id in self._instrument_ids:
            return
        self._state.books[instrument_id]["is_known"] = 1
        self._instrument_ids = np.append(self._instrument_ids, np.int64(instrument_id))

    def apply(self, address: int, stride: int, count: int) -> None:
        """Apply ``count`` book events that lie ``stride`` bytes apart, and tell the changes."""
        for start in range(0, count, self._batch_rows_max):
            self._apply(address + start * stride, stride, min(self._batch_rows_max, count - start))

    @property
    def is_watched(self) -> bool:
        """Whether anybody is told of changes."""
        return bool(self._watched)

    def owe(self, instrument_id: int) -> None:
        """Tell this book's watchers to look anew as soon as it is valid."""
        self._owed.add(instrument_id)

    def is_valid(self, instrument_id: int) -> bool:
        """False while changes of a book are missing."""
        return bool(self._state.books[instrument_id]["is_valid"])

    def invalid(self) -> list[int]:
        """Instruments whose books wait for a snapshot."""
        valid = self._state.books["is_valid"][self._instrument_ids]
        return [int(number) for number in self._instrument_ids[valid == 0]]

    def invalidate(self) -> None:
        """Note that changes of any book may have been lost."""
        self._state.books["is_valid"][self._instrument_ids] = 0
        self._owed.update(self._watched)

    def invalidate_book(self, instrument_id: int) -> None:
        """Note that changes of one book were lost."""
        self._state.books[instrument_id]["is_valid"] = 0
        if instrument_id in self._watched:
            self._owed.add(instrument_id)

    def sequences(self, instrument_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Number of the last change that each of these books contains."""
        last: npt.NDArray[np.int64] = self._state.books["sequence"][instrument_ids]
        return last

    def load(
        self,
        instrument_id: int,
        epoch: int,
        sequence: int,
        time_ns: int,
        orders: npt.NDArray[Any],
    ) -> bool:
        """Give a book a snapshot of the venue; true if it is valid then.

        ``orders`` is of type ``SNAPSHOT_ORDER``. Changes that came meanwhile are applied to it. It
        stays invalid if some are missing, or if there isn't room for it.
        """
        header = self._state.header[0]
        header["load_instrument_id"] = instrument_id
        header["load_epoch"] = epoch
        header["load_sequence"] = sequence
        header["load_time_ns"] = time_ns
        views_load(*self._state.arrays(), np.ascontiguousarray(orders, SNAPSHOT_ORDER))
        if not views_catch_up(*self._state.arrays(), self._state.ring):
            return False
        self._pay_owed([instrument_id])
        # Everyone who waits holds the old event.
        self._loaded.set()
        self._loaded = asyncio.Event()
        return True

    async def wait_valid(self, instrument_id: int) -> None:
        """Return once no changes of a book are missing."""
        while not self.is_valid(instrument_id):
            await self._loaded.wait()

    def watch(self, instrument_id: int, level: DepthLevel) -> None:
        """Tell the listener this book's changes at this level; counts its callers."""
        watched = self._watched.setdefault(instrument_id, {})
        watched[level] = watched.get(level, 0) + 1

    def unwatch(self, instrument_id: int, level: DepthLevel) -> None:
        """Take back one :meth:`watch`."""
        watched = self._watched[instrument_id]
        watched[level] -= 1
        if not watched[level]:
            del watched[level]
        if not watched:
            del self._watched[instrument_id]
            self._owed.discard(instrument_id)

    def watcher_count(self, instrument_id: int) -> int:
        """How many watch a book, at whatever level."""
        return sum(self._watched.get(instrument_id, {}).values())

    def snapshot(
        self, instrument_id: int, level: DepthLevel, level_limit: int = 0
    ) -> records_pb2.BookSnapshot:
        """The state of a book, at most ``level_limit`` price levels a side (zero: all).

        REASON_UNAVAILABLE while changes of the book are missing.
        """
        book = self._state.books[instrument_id]
        if not book["is_valid"]:
            raise TradeCaptainError(
                REASON_UNAVAILABLE, "changes of this book were lost; it is being read again"
            )
        stamp = records_pb2.RecordStamp(
            epoch=int(book["epoch"]),
            sequence=int(book["top_sequence" if level == L1 else "sequence"]),
            event_time_ns=int(book["time_ns"]),
            receive_time_ns=int(book["time_ns"]),
            publish_time_ns=self._clock.now_ns(),
            source=records_pb2.DATA_SOURCE_VENUE,
            snapshot=True,
            last_of_command=True,
        )
        told = records_pb2.BookSnapshot(instrument_id=instrument_id, stamp=stamp, level=level)
        limit = 1 if level == L1 else (level_limit or len(self._state.levels))
        if level == L3:
            told.bid_orders.extend(self._orders(int(book["best_bid"]), limit, book))
            told.ask_orders.extend(self._orders(int(book["best_ask"]), limit, book))
        else:
            told.bids.extend(self._levels(int(book["best_bid"]), limit))
            told.asks.extend(self._levels(int(book["best_ask"]), limit))
        return told

    def snapshot_update(
        self,
        instrument_id: int,
        level: DepthLevel,
        level_limit: int = 0,
        *,
        gap: bool = False,
    ) -> records_pb2.DepthUpdate:
        """The state of a book as a step of a stream; ``gap`` if changes before it weren't told."""
        snapshot = self.snapshot(instrument_id, level, level_limit)
        snapshot.stamp.gap = gap
        return records_pb2.DepthUpdate(
            instrument_id=instrument_id, stamp=snapshot.stamp, snapshot=snapshot
        )

    def updates_since(
        self, instrument_id: int, level: DepthLevel, epoch: int, sequence: int
    ) -> list[records_pb2.DepthUpdate] | None:
        """What happened after a position, or None if that can't be told any more.

        REASON_RESUME_POSITION_UNKNOWN for a position that the book hasn't reached.
        """
        book = self._state.books[instrument_id]
        known = (int(book["epoch"]), int(book["sequence"]))
        if not book["is_valid"]:
            return None
        if (epoch, sequence) > known:
            raise TradeCaptainError(
                REASON_RESUME_POSITION_UNKNOWN,
                f"position ({epoch}, {sequence}) is beyond the book's {known}",
            )
        if epoch < known[0] or sequence < int(book["history_start"]):
            return None
        rows = self._rows_after(instrument_id, epoch, sequence)
        if not np.array_equal(rows["sequence"], np.arange(sequence + 1, known[1] + 1)):
            return None
        builder = UpdateBuilder(level, epoch, sequence, self._clock.now_ns())
        return list(builder.updates(_told(rows)))

    def counters(self) -> dict[str, int]:
        """What went wrong so far, by name."""
        header = self._state.header[0]
        return {name: int(header[name]) for name in _COUNTERS}

    def _apply(self, address: int, stride: int, count: int) -> None:
        header, books = self._state.header[0], self._state.books
        header["batch_address"] = address
        header["batch_stride"] = stride
        header["batch_count"] = count
        before = {
            number: (int(books[number]["epoch"]), int(books[number]["top_sequence"]))
            for number in self._watched
        }
        first = int(header["row_count"])
        added = int(views_apply_batch(*self._state.arrays(), self._state.ring))
        if not added or not self._watched:
            return
        places = np.arange(first, first + added) & int(header["ring_mask"])
        rows = self._state.ring[places]
        room = ROWS_TOLD_MAX
        for instrument_id, levels in self._watched.items():
            own = rows[rows["instrument_id"] == instrument_id]
            if not len(own):
                continue
            if not books[instrument_id]["is_valid"] or len(own) > room:
                self._owed.add(instrument_id)
            elif instrument_id not in self._owed:
                room -= len(own)
                self._tell(instrument_id, levels, _told(own), *before[instrument_id])
        self._pay_owed(list(self._owed))

    def _tell(
        self,
        instrument_id: int,
        levels: Iterable[DepthLevel],
        rows: list[Any],
        epoch: int,
        top_sequence: int,
    ) -> None:
        now_ns = self._clock.now_ns()
        for level in levels:
            previous = top_sequence if level == L1 else rows[0].sequence - 1
            updates = list(UpdateBuilder(level, epoch, previous, now_ns).updates(rows))
            if updates:
                self._listener.changed(instrument_id, level, updates)

    def _pay_owed(self, instrument_ids: Iterable[int]) -> None:
        """Tell the watchers of valid books that they must look anew."""
        for instrument_id in instrument_ids:
            if instrument_id not in self._owed or not self._state.books[instrument_id]["is_valid"]:
                continue
            self._owed.discard(instrument_id)
            for level in self._watched.get(instrument_id, ()):
                self._listener.skipped(instrument_id, level)

    def _rows_after(self, instrument_id: int, epoch: int, sequence: int) -> npt.NDArray[Any]:
        """Rows of a book in the ring after a position, oldest first; gaps are possible."""
        ring, newest = self._state.ring, int(self._state.books[instrument_id]["sequence"])
        wanted = (
            (ring["instrument_id"] == instrument_id)
            & (ring["epoch"] == epoch)
            & (ring["sequence"] > sequence)
            & (ring["sequence"] <= newest)
        )
        rows: npt.NDArray[Any] = np.sort(ring[wanted], order="sequence")
        return rows

    def _levels(self, best: int, limit: int) -> list[records_pb2.PriceLevel]:
        out = np.zeros(min(limit, len(self._state.levels)), SNAPSHOT_LEVEL)
        count = levels_copy(self._state.levels, best, out)
        return [
            records_pb2.PriceLevel(price_units=price, quantity_units=quantity, order_count=orders)
            for price, quantity, orders in out[:count].tolist()
        ]

    def _orders(self, best: int, limit: int, book: Any) -> list[records_pb2.BookOrder]:
        out = np.zeros(int(book["order_count"]), SNAPSHOT_ORDER)
        count = orders_copy(self._state.levels, self._state.orders, best, limit, out)
        return [
            records_pb2.BookOrder(order_id=number, price_units=price, quantity_units=quantity)
            for number, price, quantity, _ in out[:count].tolist()
        ]


def _told(rows: npt.NDArray[Any]) -> list[Any]:
    return [Row(*row) for row in rows.tolist()]
