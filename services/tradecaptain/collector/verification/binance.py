"""Binance: snapshot and updates, held against every book ticker of the same update."""

from __future__ import annotations

from typing import Any

import numpy as np
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.collector.feeds.binance import (
    DECODE_BATCH,
    SYMBOL_COUNT_MAX,
    BinanceFeed,
    LevelSequencer,
)
from tradecaptain.collector.feeds.sources import Source, file_error
from tradecaptain.collector.verification.outcome import FAILURES_KEPT, Outcome
from tradecaptain.kernels.market_data.layout import FEED_MESSAGE_DTYPE, MISFIT_TEXT
from tradecaptain.kernels.market_data.lobster_check import CHECK_DTYPE, FAILURE_DTYPE
from tradecaptain.kernels.market_data.quote_check import (
    QUOTE_DTYPE,
    QUOTE_STATE_DTYPE,
    QUOTES_PER_BOOK,
    quote_check_messages,
)
from tradecaptain.wire import reason

LEVEL_CAPACITY = 16384
MERGED_MESSAGE_COUNT_MAX = 20_000_000


def verify_binance(sources: list[Source], outcome: Outcome) -> None:
    """Check the captures of one session; several are merged by receive time."""
    if len(sources) > 1:
        verify_merged(sources, outcome)
        return
    checker = QuoteChecker()
    feed = BinanceFeed(sources[0])
    batch = np.zeros(DECODE_BATCH, dtype=FEED_MESSAGE_DTYPE)
    try:
        while count := feed.decode(batch):
            checker.apply(batch, count)
    finally:
        feed.close()
        outcome.source_messages += feed.rows
        checker.report(sources[0].name, feed.symbol_names(), outcome)


def verify_merged(sources: list[Source], outcome: Outcome) -> None:
    """Decode all captures, then apply their messages in the order of their receive times."""
    checker = QuoteChecker()
    batch = np.zeros(DECODE_BATCH, dtype=FEED_MESSAGE_DTYPE)
    total = 0
    parts: list[np.ndarray[Any, Any]] = []
    before: BinanceFeed | None = None
    for source in sources:
        feed = BinanceFeed(source)
        if before is not None:
            feed.share_symbols(before)
        before = feed
        try:
            while count := feed.decode(batch):
                parts.append(batch[:count].copy())
                total += count
                if total > MERGED_MESSAGE_COUNT_MAX:
                    detail = f"more than {MERGED_MESSAGE_COUNT_MAX} messages in several captures"
                    raise file_error(reason.REASON_UNRECOGNISED_FILE, source.name, detail)
        finally:
            feed.close()
            outcome.source_messages += feed.rows
    messages = np.concatenate(parts) if parts else batch[:0]
    messages = messages[np.argsort(messages["receive_time_ns"], kind="stable")]
    checker.apply(messages, len(messages))
    symbols = before.symbol_names() if before else []
    checker.report(", ".join(source.name for source in sources), symbols, outcome)


class QuoteChecker:
    """Books of a level feed under check."""

    def __init__(self) -> None:
        shapes = [BookShape(LEVEL_CAPACITY)] * SYMBOL_COUNT_MAX
        self.mirror = MirrorBooks(shapes)
        self.sequencer = LevelSequencer(SYMBOL_COUNT_MAX)
        self.check = np.zeros(1, dtype=CHECK_DTYPE)
        self.failures = np.zeros(FAILURES_KEPT, dtype=FAILURE_DTYPE)
        self.states = np.zeros(SYMBOL_COUNT_MAX, dtype=QUOTE_STATE_DTYPE)
        self.quotes = np.zeros(SYMBOL_COUNT_MAX * QUOTES_PER_BOOK, dtype=QUOTE_DTYPE)

    def apply(self, messages: np.ndarray[Any, Any], count: int) -> None:
        """Order and apply messages as they were received."""
        start = 0
        while start < count:
            taken, ordered = self.sequencer.order(messages, start, count)
            start += taken
            quote_check_messages(
                self.check,
                self.sequencer.output,
                ordered,
                self.mirror.books,
                self.mirror.levels,
                self.states,
                self.quotes,
                self.failures,
            )

    def report(self, name: str, symbols: list[str], outcome: Outcome) -> None:
        """Write what was found into ``outcome``."""
        checked = int(self.check[0]["checked_rows"])
        failed = int(self.check[0]["failed_rows"])
        outcome.add_rows(checked, failed)
        described = int(self.check[0]["failure_count"])
        for failure in self.failures[:described]:
            why = MISFIT_TEXT[int(failure["reason"])]
            outcome.add_failure(f"{name}:{int(failure['row'])}", why)
        if failed > described:
            outcome.reasons["further rows of the same file"] += failed - described
        for index, symbol in enumerate(symbols):
            state = self.sequencer.states[index]
            if not state["has_snapshot"] and state["pending_count"] + state["pending_lost"]:
                outcome.add_not_applicable(f"{symbol}: no snapshot to start the book from")
            elif state["has_snapshot"] and state["is_first"]:
                outcome.add_not_applicable(f"{symbol}: no update follows its snapshot")
