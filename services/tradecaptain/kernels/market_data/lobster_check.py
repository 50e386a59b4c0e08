"""The check of a LOBSTER session: our own book against every line of the vendor's."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_u8
from tradecaptain.kernels.market_data.layout import (
    BOOKS,
    FEED_MESSAGES,
    FLAG_LAST,
    LEVEL_MISMATCH,
    LEVELS,
    ORDERS,
    PARSE_MALFORMED,
    SIDE_BUY,
    SIDE_SELL,
    SIDE_UNSET,
)
from tradecaptain.kernels.market_data.levels import side_count, side_offset
from tradecaptain.kernels.market_data.lobster import ABSENT_PRICE, expect_comma
from tradecaptain.kernels.market_data.mirror import clear_levels, mirror_apply_message, set_level
from tradecaptain.kernels.market_data.text import find_line_end, parse_digits, parse_integer

CHECK_DTYPE = np.dtype(
    [
        ("book_cursor", "i8"),  # address of the next line to compare with
        ("book_end", "i8"),
        ("level_count", "i8"),
        ("checked_rows", "i8"),
        ("failed_rows", "i8"),
        ("failure_count", "i8"),  # entries of the failure table in use
        ("misfit", "i8"),  # why a message of the current row didn't fit; zero if all did
        ("reserved", "i8"),
    ],
    align=True,
)
FAILURE_DTYPE = np.dtype([("row", "i8"), ("reason", "i8"), ("detail", "i8")], align=True)

CHECK_HEADER: Any = numba.from_dtype(CHECK_DTYPE)[::1]
FAILURES: Any = numba.from_dtype(FAILURE_DTYPE)[::1]


@inline
def note_failure(header: Any, failures: Any, row: int, reason: int, detail: int) -> None:
    """Count an inconsistent row and keep it while the table has room."""
    header[0]["failed_rows"] += 1
    index = header[0]["failure_count"]
    if index < len(failures):
        failures[index]["row"] = row
        failures[index]["reason"] = reason
        failures[index]["detail"] = detail
        header[0]["failure_count"] = index + 1


@inline
def level_differs(
    book: Any, levels: Any, side: int, depth: int, price_units: int, quantity_units: int
) -> bool:
    """Whether our level at ``depth`` (0 is the best) isn't the one that the vendor shows."""
    count = side_count(book, side)
    if depth >= count:
        absent = -ABSENT_PRICE if side == SIDE_BUY else ABSENT_PRICE
        return price_units != absent or quantity_units != 0
    index = side_offset(book, side) + count - 1 - depth
    if levels[index]["price_units"] != price_units:
        return True
    return levels[index]["quantity_units"] != quantity_units


@inline
def read_line(book: Any, levels: Any, start: int, end: int, level_count: int, adopt: bool) -> int:
    """Compare a line with the book, or adopt it.

    Returns 0 if all levels are equal, the number of the first that differs (from 1), or a negative
    reason if the line can't be parsed.
    """
    cursor = start
    differing = 0
    for field in range(2 * level_count):
        side = SIDE_SELL if field % 2 == 0 else SIDE_BUY
        price, cursor = parse_integer(cursor, end)
        cursor = expect_comma(cursor, end)
        if cursor < 0:
            return cursor
        quantity, cursor = parse_digits(cursor, end)
        if field < 2 * level_count - 1:
            cursor = expect_comma(cursor, end)
        if cursor < 0:
            return cursor
        if adopt:
            if quantity > 0:
                set_level(book, levels, side, price, quantity)
        elif differing == 0 and level_differs(book, levels, side, field // 2, price, quantity):
            differing = field // 2 + 1
    return differing if cursor == end else PARSE_MALFORMED


@inline
def compare_row(header: Any, book: Any, levels: Any) -> int:
    """Compare the line at the cursor with the book and step over it; see :func:`read_line`.

    After a difference the vendor's line is adopted, so that one wrong message is one wrong row.
    """
    start = header[0]["book_cursor"]
    line_end = find_line_end(start, header[0]["book_end"])
    end = line_end
    if end > start and load_u8(end - 1) == 13:
        end -= 1
    header[0]["book_cursor"] = min(line_end + 1, header[0]["book_end"])
    level_count = header[0]["level_count"]
    result = read_line(book, levels, start, end, level_count, False)
    if result > 0 or (result == 0 and header[0]["misfit"] != 0):
        # Orders stay in their table: the adopted levels are new ones, so what stood at the old
        # levels is no longer taken for known.
        clear_levels(book)
        read_line(book, levels, start, end, level_count, True)
        book["vacant_side"] = SIDE_UNSET
    return result


@kernel(numba.int64(CHECK_HEADER, FEED_MESSAGES, numba.int64, BOOKS, LEVELS, ORDERS, FAILURES))
def lobster_check(
    header: Any, messages: Any, count: int, books: Any, levels: Any, orders: Any, failures: Any
) -> int:
    """Apply decoded messages and compare all levels after each row.

    The first row seeds the book and isn't counted. Returns the number of rows compared, or a
    negative reason when a line of the order book file can't be parsed (it is the line after
    ``checked_rows + 1``).
    """
    compared = 0
    for index in range(count):
        book = books[messages[index]["book_index"]]
        outcome = mirror_apply_message(book, levels, orders, messages[index])
        if outcome < 0 and header[0]["misfit"] == 0:
            header[0]["misfit"] = outcome
        if (messages[index]["flags"] & FLAG_LAST) == 0:
            continue
        result = compare_row(header, book, levels)
        if result < 0:
            return result
        row = messages[index]["row"]
        if row > 1:
            header[0]["checked_rows"] += 1
            compared += 1
            if header[0]["misfit"] != 0:
                note_failure(header, failures, row, header[0]["misfit"], result)
            elif result > 0:
                note_failure(header, failures, row, LEVEL_MISMATCH, result)
        header[0]["misfit"] = 0
    return compared
