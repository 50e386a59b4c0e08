"""Keeps the book views up with the venue: its book events, and a snapshot where some were lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.mesh.stream_reader import EVENT_LAPPED, EVENT_RECORD, EVENT_WRITER_JOINED
from tradecaptain.orderbook.views import BookViews
from tradecaptain.wire.reason import REASON_UNKNOWN_INSTRUMENT

# A book that a snapshot didn't mend is asked for again after so long, and one that the venue is
# about to open.
RETRY_SECONDS: Final = 0.02
ABSENT_SECONDS: Final = 0.2
# Changes of a book are lost, and not only late on a busy machine, if they haven't come within so
# many comparisons.
STILL_COMPARISONS: Final = 10

_LOG = structlog.get_logger("orderbook.views")


class BookState(Protocol):
    """One book as the venue knows it between two commands."""

    @property
    def epoch(self) -> int:
        """Epoch of the venue."""
        ...

    @property
    def instrument_sequence(self) -> int:
        """Number of the last change that it contains."""
        ...

    @property
    def time_ns(self) -> int:
        """Time of the last command, ns UTC."""
        ...

    @property
    def orders(self) -> npt.NDArray[Any]:
        """Every order as ``SNAPSHOT_ORDER``: each side best first, in queue order."""
        ...


class BookFollower:
    """Feeds the views; belongs to the loop thread."""

    def __init__(self, views: BookViews, take_snapshot: Callable[[int], Future[Any]]) -> None:
        """``take_snapshot`` asks the venue for the :class:`BookState` of an instrument."""
        self._views = views
        self._take_snapshot = take_snapshot
        self._asked: set[int] = set()
        # Books that may have lost changes since a snapshot of them was asked for, which may have
        # been taken before those.
        self._outdated: set[int] = set()
        # What the last comparison found: books, the last change that each shows, and the venue's.
        self._compared = np.zeros((3, 0), np.int64)
        # For how many comparisons in a row each of them has stood still behind the venue.
        self._still_counts = np.zeros(0, np.int64)
        self.lapped_count = 0
        self.behind_count = 0
        self.snapshot_count = 0

    def on_batch(self, batch: npt.NDArray[Any]) -> None:
        """Take what the stream reader hands over."""
        is_record = batch["event"] == EVENT_RECORD
        if is_record.all():
            self._apply(batch)
        else:
            places = np.flatnonzero(~is_record)
            for number, piece in enumerate(np.split(batch, places)):
                # Every piece but the first begins with something that isn't a record.
                if number:
                    self._note(int(piece["event"][0]))
                self._apply(piece[1:] if number else piece)
        self.mend()

    def mend(self) -> None:
        """Ask the venue for every book that waits for a snapshot."""
        for instrument_id in self._views.invalid():
            if instrument_id not in self._asked:
                self._asked.add(instrument_id)
                self._ask(instrument_id)

    def compare(self, sequences: npt.NDArray[np.int64]) -> None:
        """Hold the views against the venue; called now and then.

        ``sequences`` has two rows: the instrument of each book, and the number of its last change.
        Changes that were lost show by the next one, but in a quiet market there is none. So a book
        that stands still for ``STILL_COMPARISONS``, while the venue was beyond it already, is read
        again. Until then its changes may be on their way.
        """
        instrument_ids, last = sequences[:, np.isin(sequences[0], self._views.instrument_ids)]
        shown = self._views.sequences(instrument_ids)
        before, self._compared = self._compared, np.stack((instrument_ids, shown, last))
        if before.shape != self._compared.shape:
            self._still_counts = np.zeros(len(instrument_ids), np.int64)
            return
        is_behind = (before[:2] == self._compared[:2]).all(axis=0) & (shown < before[2])
        self._still_counts = np.where(is_behind, self._still_counts + 1, 0)
        is_lost = self._still_counts >= STILL_COMPARISONS
        self._still_counts[is_lost] = 0
        for instrument_id in instrument_ids[is_lost].tolist():
            if self._views.is_valid(instrument_id):
                self.behind_count += 1
                _LOG.warning("changes of a book didn't come; reading it again", book=instrument_id)
                self._views.invalidate_book(instrument_id)
        self.mend()

    def _apply(self, records: npt.NDArray[Any]) -> None:
        if len(records):
            address = records["record"].__array_interface__["data"][0]
            self._views.apply(address, records.strides[0], len(records))

    def _note(self, event: int) -> None:
        if event == EVENT_LAPPED:
            self.lapped_count += 1
            _LOG.warning("book events were overwritten before they were read; reading books again")
        # What the venue told before this reader was attached, at its start or after the driver came
        # back, is lost too.
        if event in (EVENT_LAPPED, EVENT_WRITER_JOINED):
            self._views.invalidate()
            self._outdated |= self._asked

    def _ask(self, instrument_id: int) -> None:
        loop = asyncio.get_running_loop()

        def answered(answer: Future[Any]) -> None:
            # Comes on the venue's thread; a loop that is closing takes nothing any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._answered, instrument_id, answer)

        self._take_snapshot(instrument_id).add_done_callback(answered)

    def _answered(self, instrument_id: int, answer: Future[Any]) -> None:
        self._asked.discard(instrument_id)
        if answer.cancelled():
            return
        if instrument_id in self._outdated:
            self._outdated.discard(instrument_id)
            self.mend()
            return
        error = answer.exception()
        pause_seconds = RETRY_SECONDS
        if error is None:
            self.snapshot_count += 1
            state: BookState = answer.result()
            if self._views.load(
                instrument_id,
                state.epoch,
                state.instrument_sequence,
                state.time_ns,
                state.orders,
            ):
                return
        elif isinstance(error, TradeCaptainError) and error.reason == REASON_UNKNOWN_INSTRUMENT:
            pause_seconds = ABSENT_SECONDS
        else:
            _LOG.error("no snapshot of a book", instrument_id=instrument_id, error=str(error))
        asyncio.get_running_loop().call_later(pause_seconds, self.mend)
