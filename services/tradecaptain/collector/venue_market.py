"""Market data of our own venue: its book events, and a snapshot where changes are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.collector.sources import Shown
from tradecaptain.collector.venue_book import VenueBook
from tradecaptain.mesh.stream_reader import EVENT_LAPPED, EVENT_RECORD, EVENT_WRITER_JOINED
from tradecaptain.wire import reason

READ_SECONDS: Final = 0.5
"""How long a question may wait for a book that is being read."""
RETRY_SECONDS: Final = 0.2
"""After so long a book is asked for again that couldn't be had, or that lost changes meanwhile."""

type ReadBook = Callable[[int], Awaitable[records_pb2.BookSnapshot]]

_LOG = structlog.get_logger("collector.venue")


class VenueMarkets:
    """What the venue tells of its books, for those instruments of which it tells something."""

    def __init__(
        self,
        read_book: ReadBook,
        make_book: Callable[[int], VenueBook],
        clock: Clock,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        """``read_book`` asks the venue for the state of a book at L2."""
        self._read_book = read_book
        self._make_book = make_book
        self._clock = clock
        self._catch_up = catch_up
        self._books: dict[int, VenueBook] = {}
        self._reading: dict[int, asyncio.Task[None]] = {}
        self.lapped_count = 0
        self.snapshot_count = 0

    def on_batch(self, batch: npt.NDArray[Any]) -> None:
        """Take what the stream reader hands over."""
        is_record = batch["event"] == EVENT_RECORD
        if is_record.all():
            self._apply(batch["record"])
            return
        places = np.flatnonzero(~is_record)
        for number, piece in enumerate(np.split(batch, places)):
            # Every piece but the first begins with something that isn't a record.
            if number:
                self._note(int(piece["event"][0]))
            self._apply((piece[1:] if number else piece)["record"])

    def find(self, instrument: Instrument) -> Shown | None:
        """Market data of an instrument that is traded here."""
        if not instrument.is_tradable:
            return None
        book = self._book(instrument.instrument_id)
        return Shown(book.views, 0, book.broadcaster)

    async def prepare(self, instruments: Iterable[Instrument]) -> None:
        """Take what waits, and wait for books that are being read.

        REASON_UNAVAILABLE if one can't be had within half a second.
        """
        self._catch_up()
        traded = [item for item in instruments if item.is_tradable]
        for instrument in traded:
            self._read(self._book(instrument.instrument_id))
        waited = [
            self._reading[item.instrument_id]
            for item in traded
            if item.instrument_id in self._reading
        ]
        if not waited:
            return
        await asyncio.wait(waited, timeout=READ_SECONDS)
        for instrument in traded:
            if not self._book(instrument.instrument_id).is_valid:
                raise TradeCaptainError(
                    reason.REASON_UNAVAILABLE,
                    f"the book of {instrument.key} is being read from the venue; ask again",
                )

    def quoted(self) -> Iterable[int]:
        """Instruments with a price on a side, or a trade, ascending."""
        return sorted(
            number for number, book in self._books.items() if book.is_valid and book.has_price
        )

    async def close(self) -> None:
        """Ask for no more books."""
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _book(self, instrument_id: int) -> VenueBook:
        book = self._books.get(instrument_id)
        if book is None:
            book = self._books[instrument_id] = self._make_book(instrument_id)
        return book

    def _apply(self, records: npt.NDArray[Any]) -> None:
        now_ns = self._clock.now_ns()
        ids = records["instrument_id"]
        for instrument_id in np.unique(ids).tolist():
            book = self._book(instrument_id)
            book.take(np.ascontiguousarray(records[ids == instrument_id]), now_ns)
            self._read(book)

    def _note(self, event: int) -> None:
        if event == EVENT_LAPPED:
            self.lapped_count += 1
            _LOG.warning("book events were overwritten before they were read; reading books again")
        # What the venue told before this reader was attached is missing too.
        if event in (EVENT_LAPPED, EVENT_WRITER_JOINED):
            for book in self._books.values():
                book.invalidate()
                self._read(book)

    def _read(self, book: VenueBook) -> None:
        """Have a book read if something of it is missing."""
        number = book.instrument_id
        if not book.is_valid and number not in self._reading:
            task = asyncio.get_running_loop().create_task(self._read_until_valid(book))
            self._reading[number] = task
            task.add_done_callback(lambda _: self._reading.pop(number))

    async def _read_until_valid(self, book: VenueBook) -> None:
        while not book.is_valid:
            generation = book.generation
            try:
                snapshot = await self._read_book(book.instrument_id)
            except TradeCaptainError as error:
                # The venue, or the door to it, isn't there yet or any more.
                _LOG.debug("no snapshot of a book", book=book.instrument_id, error=str(error))
            else:
                self.snapshot_count += 1
                if not book.is_valid and generation == book.generation:
                    book.load(snapshot, self._clock.now_ns())
            if not book.is_valid:
                await asyncio.sleep(RETRY_SECONDS)
