"""LOBSTER: line 1 seeds the book, every later line must equal it."""

from __future__ import annotations

import numpy as np
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.collector.feeds.lobster import LobsterFeed
from tradecaptain.collector.feeds.sources import Source, file_error
from tradecaptain.collector.verification.outcome import FAILURES_KEPT, Outcome
from tradecaptain.kernels.market_data.layout import FEED_MESSAGE_DTYPE, MISFIT_TEXT
from tradecaptain.kernels.market_data.lobster_check import (
    CHECK_DTYPE,
    FAILURE_DTYPE,
    lobster_check,
)
from tradecaptain.wire import reason

ORDER_SLOTS = 1 << 19
MESSAGE_BATCH = 2048


def verify_lobster(messages: Source, book: Source, outcome: Outcome) -> None:
    """Check one pair of files. Raises a typed error where a file can't be read on."""
    feed = LobsterFeed(messages, book)
    shape = BookShape(feed.level_count + 1, feed.level_count, ORDER_SLOTS, orders_time=True)
    mirror = MirrorBooks([shape])
    check = np.zeros(1, dtype=CHECK_DTYPE)
    check["level_count"] = feed.level_count
    failures = np.zeros(FAILURES_KEPT, dtype=FAILURE_DTYPE)
    buffer = np.zeros(MESSAGE_BATCH, dtype=FEED_MESSAGE_DTYPE)
    try:
        while count := _decode_batch(feed, check, buffer):
            result = lobster_check(
                check, buffer, count, mirror.books, mirror.levels, mirror.orders, failures
            )
            if result < 0:
                row = int(check[0]["checked_rows"]) + 2
                detail = f"row {row}: the row isn't of the expected form"
                raise file_error(reason.REASON_MALFORMED_FILE, book.name, detail)
    finally:
        feed.close()
        outcome.source_messages += feed.rows
        outcome.add_rows(int(check[0]["checked_rows"]), int(check[0]["failed_rows"]))
        outcome.revealed_levels += int(mirror.books[0]["revealed_levels"])
        _describe(messages.name, check, failures, outcome)


def _decode_batch(
    feed: LobsterFeed,
    check: np.ndarray,
    buffer: np.ndarray,
) -> int:
    """Decode, and point the check at the order book rows that belong to the result."""
    count = feed.decode(buffer)
    check["book_cursor"] = feed.batch_book_address
    check["book_end"] = feed.book_window.end_address
    return count


def _describe(
    name: str,
    check: np.ndarray,
    failures: np.ndarray,
    outcome: Outcome,
) -> None:
    described = int(check[0]["failure_count"])
    for failure in failures[:described]:
        why = MISFIT_TEXT[int(failure["reason"])]
        outcome.add_failure(f"{name}:{int(failure['row'])}", why)
    rest = int(check[0]["failed_rows"]) - described
    if rest > 0:
        outcome.reasons["further rows of the same file"] += rest
