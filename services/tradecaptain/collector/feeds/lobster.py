"""A LOBSTER session: pairs the two files of a day and decodes them together."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from tradecaptain.collector.feeds.sources import READ_BYTES, Source, TextWindow, file_error
from tradecaptain.kernels.market_data.layout import PARSE_MALFORMED, PARSE_TEXT
from tradecaptain.kernels.market_data.lobster import (
    LEVEL_COUNT_MAX,
    LOBSTER_DTYPE,
    lobster_decode,
)
from tradecaptain.wire import reason

_YEARS = range(1970, 2262)
_NAME = re.compile(r"(?:^|[/\\!])(?P<symbol>[A-Z][A-Z0-9.\-]*)_(?P<day>\d{4}-\d{2}-\d{2})_")


def eastern_midnight_ns(day: date) -> int:
    """Midnight in New York as ns UTC, by the rule for summer time in force since 2007."""
    march = date(day.year, 3, 1)
    second_sunday = march + timedelta(days=(6 - march.weekday()) % 7 + 7)
    november = date(day.year, 11, 1)
    first_sunday = november + timedelta(days=(6 - november.weekday()) % 7)
    # Clocks change at two in the morning, so the day of the change begins in the old time.
    offset_hours = 4 if second_sunday < day <= first_sunday else 5
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=offset_hours)
    return int(midnight.timestamp()) * 1_000_000_000


def session_day(name: str) -> tuple[str, date]:
    """Symbol and day of a message file by its name; nothing and 1970 if that isn't the vendor's.

    Raises REASON_UNRECOGNISED_FILE for a day that there is none of, or that ns can't hold.
    """
    match = _NAME.search(name)
    if match is None:
        return "", date(1970, 1, 1)
    try:
        day = date.fromisoformat(match["day"])
    except ValueError as error:
        detail = f"its name's day, {match['day']}, isn't in the calendar"
        raise file_error(reason.REASON_UNRECOGNISED_FILE, name, detail) from error
    if day.year not in _YEARS:
        detail = f"its name's day, {match['day']}, isn't in {_YEARS[0]} to {_YEARS[-1]}"
        raise file_error(reason.REASON_UNRECOGNISED_FILE, name, detail)
    return match["symbol"], day


class LobsterFeed:
    """Decodes one pair of files to feed messages.

    ``symbol`` and ``day`` come from the member's name where it has the vendor's form; the content
    has neither. ``level_count`` comes from the first line of the order book file.
    """

    def __init__(self, messages: Source, book: Source, book_index: int = 0) -> None:
        self.name = messages.name
        self.symbol, self.day = session_day(messages.name)
        self.message_window = TextWindow(messages)
        self.book_window = TextWindow(book)
        self._fill()
        first, _, _ = self.book_window.text(1 << 20).partition(b"\n")
        fields = first.count(b",") + 1
        self.level_count = fields // 4
        if fields % 4 or not 0 < self.level_count <= LEVEL_COUNT_MAX:
            detail = f"row 1 has {fields} fields, not 4 for each of 1 to {LEVEL_COUNT_MAX} levels"
            raise file_error(reason.REASON_MALFORMED_FILE, book.name, detail)
        self.batch_book_address = self.book_window.address
        self.header = np.zeros(1, dtype=LOBSTER_DTYPE)
        self.header["level_count"] = self.level_count
        self.header["book_index"] = book_index
        self.header["day_start_ns"] = eastern_midnight_ns(self.day) if self.symbol else 0

    @property
    def rows(self) -> int:
        """Rows decoded so far."""
        return int(self.header[0]["row"])

    def decode(self, messages: np.ndarray[Any, Any]) -> int:
        """Fill ``messages`` with what comes next; zero at the end of the session.

        The text of the order book rows decoded by the call stays readable until the next one.
        Raises REASON_MALFORMED_FILE with the row, or REASON_TRUNCATED_FILE.
        """
        while True:
            self._point_at_windows()
            self.batch_book_address = self.book_window.address
            count = int(lobster_decode(self.header, messages))
            self.message_window.consume(int(self.header[0]["message_cursor"]))
            self.book_window.consume(int(self.header[0]["book_cursor"]))
            if count > 0:
                return count
            error = int(self.header[0]["error"])
            if error < 0:
                self._raise_for_row(error)
            if self.message_window.is_final and self.book_window.is_final:
                self._expect_nothing_left()
                return 0
            self._fill()

    def close(self) -> None:
        """Close both files."""
        self.message_window.close()
        self.book_window.close()

    def _point_at_windows(self) -> None:
        header = self.header[0]
        header["message_cursor"] = self.message_window.address
        header["message_end"] = self.message_window.end_address
        header["message_final"] = self.message_window.is_final
        header["book_cursor"] = self.book_window.address
        header["book_end"] = self.book_window.end_address
        header["book_final"] = self.book_window.is_final

    def _fill(self) -> None:
        windows = (self.message_window, self.book_window)
        # The two files aren't read at the same pace: only what runs short is filled, unless a row
        # is so long that this gains nothing.
        short = [window for window in windows if window.byte_count < READ_BYTES]
        for some in (short, windows):
            gained = [window.fill() for window in some]
            if any(gained):
                return
        raise file_error(reason.REASON_MALFORMED_FILE, self.name, "a row has no end")

    def _raise_for_row(self, error: int) -> None:
        row = self.rows + 1
        for window in (self.message_window, self.book_window):
            line = window.text(1 << 20)
            if window.is_final and b"\n" not in line:
                detail = f"row {row} is cut off"
                raise file_error(reason.REASON_TRUNCATED_FILE, window.name, detail)
        detail = f"row {row}: {PARSE_TEXT.get(error, PARSE_TEXT[PARSE_MALFORMED])}"
        raise file_error(reason.REASON_MALFORMED_FILE, self.name, detail)

    def _expect_nothing_left(self) -> None:
        for window, other in (
            (self.message_window, self.book_window),
            (self.book_window, self.message_window),
        ):
            if window.end_address > window.address:
                detail = f"ends after row {self.rows}, but {window.name} goes on"
                raise file_error(reason.REASON_TRUNCATED_FILE, other.name, detail)
