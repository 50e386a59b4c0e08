"""What happens in the market, serialised once and queued for every client that follows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.marketdata.v1 import marketdata_pb2, records_pb2
from tradecaptain.collector.candles import SECOND_NS, join_candles
from tradecaptain.collector.messages import (
    TICK_LAST,
    candle_message,
    level_change,
    level_messages,
    quote_message,
    quote_tick_message,
    row_stamp,
    trade_message,
)
from tradecaptain.collector.views import Change, MarketViews
from tradecaptain.edge import StreamHub
from tradecaptain.wire import market_tick

QUOTE: Final = "quote"
QUOTE_TICK: Final = "quote tick"
TRADE: Final = "trade"
L1: Final = "L1"
L2: Final = "L2"
CANDLE: Final = "candle"

# A batch with more changes of one book than this is told as a snapshot.
DEPTH_ROWS_MAX: Final = 4096
TRADES_KEPT: Final = 1024


class Broadcaster:
    """Turns what a batch changed into messages; belongs to the loop thread."""

    def __init__(self, views: MarketViews, hub: StreamHub[bytes]) -> None:
        self._views = views
        self._hub = hub
        self._trades: dict[int, deque[records_pb2.Trade]] = {
            number: deque(maxlen=TRADES_KEPT) for number in views.index_of
        }
        self._candle_intervals: dict[int, dict[int, int]] = {}
        self._open_candles: dict[tuple[int, int], int] = {}

    def on_changes(self, changes: list[Change], ticks: npt.NDArray[Any] | None) -> None:
        """Tell those who follow."""
        for change in changes:
            instrument_id = int(self._views.state[change.index]["instrument_id"])
            if change.quote_changed or change.trade_changed:
                self._tell_quote(change, instrument_id)
            if ticks is not None:
                self._tell_ticks(change, instrument_id, ticks)
            if self._hub.has_subscribers((L2, instrument_id)):
                for update in self.depth_updates(change):
                    response = marketdata_pb2.StreamDepthResponse(updates=[update])
                    self._hub.publish((L2, instrument_id), response.SerializeToString())
            self._tell_candles(change.index, instrument_id)

    def watch_candles(self, instrument_id: int, interval_seconds: int) -> None:
        """Somebody follows candles of this length."""
        intervals = self._candle_intervals.setdefault(instrument_id, {})
        intervals[interval_seconds] = intervals.get(interval_seconds, 0) + 1

    def unwatch_candles(self, instrument_id: int, interval_seconds: int) -> None:
        """One follower less."""
        intervals = self._candle_intervals[instrument_id]
        intervals[interval_seconds] -= 1
        if intervals[interval_seconds] == 0:
            del intervals[interval_seconds]
            self._open_candles.pop((instrument_id, interval_seconds), None)

    def trades_since(
        self, instrument_id: int, epoch: int, sequence: int
    ) -> list[records_pb2.Trade] | None:
        """Trades after a position; None if it is no longer held."""
        view = self._views.state[self._views.index_of[instrument_id]]
        if epoch != int(view["epoch"]) or sequence > int(view["sequence"]):
            return None
        missed: list[records_pb2.Trade] = []
        for trade in reversed(self._trades[instrument_id]):
            if trade.stamp.sequence <= sequence:
                return missed[::-1]
            missed.append(trade)
        first = missed[-1].stamp.previous_sequence if missed else int(view["trade_sequence"])
        return missed[::-1] if first <= sequence else None

    def snapshot(
        self, instrument_id: int, level_limit: int, *, gap: bool = False, best_only: bool = False
    ) -> records_pb2.DepthUpdate:
        """The whole book as one step."""
        index = self._views.index_of[instrument_id]
        view = self._views.state[index]
        quote = quote_message(view)
        stamp = quote.stamp
        stamp.sequence = int(view["quote_sequence"] if best_only else view["depth_sequence"])
        stamp.snapshot = True
        stamp.gap = gap
        limit = 1 if best_only else level_limit
        book = records_pb2.BookSnapshot(
            instrument_id=instrument_id,
            stamp=stamp,
            level=records_pb2.DEPTH_LEVEL_L1 if best_only else records_pb2.DEPTH_LEVEL_L2,
            bids=level_messages(self._views.books.side(index, True), limit),
            asks=level_messages(self._views.books.side(index, False), limit),
        )
        return records_pb2.DepthUpdate(instrument_id=instrument_id, stamp=stamp, snapshot=book)

    def depth_updates(self, change: Change) -> list[records_pb2.DepthUpdate]:
        """Steps of a book, one for each source message, or a snapshot where it started afresh."""
        view = self._views.state[change.index]
        instrument_id = int(view["instrument_id"])
        # The row before tells the number that the first step follows.
        first = max(change.depth_from - 1, 0)
        rows = self._views.depth_since(change.index, first)
        new = rows[len(rows) - (int(view["depth_count"]) - change.depth_from) :]
        is_anew = change.restored or len(new) > DEPTH_ROWS_MAX or bool((new["side"] == 0).any())
        if is_anew:
            return [self.snapshot(instrument_id, 0, gap=change.restored)]
        previous = int(rows[0]["sequence"]) if len(rows) > len(new) else 0
        return list(self._steps(instrument_id, view, new, previous))

    def _steps(
        self, instrument_id: int, view: Any, rows: npt.NDArray[Any], previous: int
    ) -> Iterator[records_pb2.DepthUpdate]:
        levels: list[records_pb2.LevelChange] = []
        following = np.append(rows["vendor_sequence"][1:], -1) if len(rows) else rows
        for position, row in enumerate(rows):
            levels.append(level_change(row))
            if int(row["flags"]) & TICK_LAST or row["vendor_sequence"] != following[position]:
                yield records_pb2.DepthUpdate(
                    instrument_id=instrument_id,
                    stamp=row_stamp(row, view, previous),
                    levels=levels,
                )
                previous = int(row["sequence"])
                levels = []

    def steps_since(
        self, instrument_id: int, epoch: int, sequence: int
    ) -> list[records_pb2.DepthUpdate] | None:
        """Steps after a position; None if it is no longer held, or the book started afresh."""
        index = self._views.index_of[instrument_id]
        view = self._views.state[index]
        if epoch != int(view["epoch"]):
            return None
        rows = self._views.depth_since(index, 0)
        place = int(np.searchsorted(rows["sequence"], sequence))
        if place >= len(rows) or int(rows[place]["sequence"]) != sequence:
            return [] if sequence == int(view["depth_sequence"]) else None
        missed = rows[place + 1 :]
        if bool((missed["side"] == 0).any()):
            return None
        return list(self._steps(instrument_id, view, missed, sequence))

    def _tell_quote(self, change: Change, instrument_id: int) -> None:
        if self._hub.has_subscribers((QUOTE, instrument_id)):
            quote = quote_message(
                self._views.state[change.index],
                max(change.quote_sequence, change.trade_sequence),
            )
            response = marketdata_pb2.StreamQuotesResponse(quotes=[quote])
            self._hub.publish((QUOTE, instrument_id), response.SerializeToString())

    def _tell_ticks(self, change: Change, instrument_id: int, ticks: npt.NDArray[Any]) -> None:
        """Single trades and quotes of a batch."""
        if change.trade_changed:
            own = _select(ticks, instrument_id, market_tick.TICK_TYPE_TRADE, change.trade_sequence)
            self._tell_trades(instrument_id, own, change.trade_sequence)
        wants_quotes = self._hub.has_subscribers((QUOTE_TICK, instrument_id))
        wants_best = self._hub.has_subscribers((L1, instrument_id))
        if change.quote_changed and (wants_quotes or wants_best):
            own = _select(ticks, instrument_id, market_tick.TICK_TYPE_QUOTE, change.quote_sequence)
            self._tell_quote_ticks(instrument_id, own, change.quote_sequence)

    def _tell_trades(self, instrument_id: int, ticks: npt.NDArray[Any], previous: int) -> None:
        kept = self._trades[instrument_id]
        trades = []
        for tick in ticks[-TRADES_KEPT:] if len(ticks) > TRADES_KEPT else ticks:
            trades.append(trade_message(tick, previous))
            previous = int(tick["instrument_sequence"])
        kept.extend(trades)
        if trades and self._hub.has_subscribers((TRADE, instrument_id)):
            response = marketdata_pb2.StreamTradesResponse(trades=trades)
            self._hub.publish((TRADE, instrument_id), response.SerializeToString())

    def _tell_quote_ticks(self, instrument_id: int, ticks: npt.NDArray[Any], previous: int) -> None:
        quotes = []
        for tick in ticks:
            quotes.append(quote_tick_message(tick, previous))
            previous = int(tick["instrument_sequence"])
        if not quotes:
            return
        every = marketdata_pb2.StreamQuotesResponse(quotes=quotes)
        self._hub.publish((QUOTE_TICK, instrument_id), every.SerializeToString())
        updates = [_best_update(quote) for quote in quotes]
        best = marketdata_pb2.StreamDepthResponse(updates=updates)
        self._hub.publish((L1, instrument_id), best.SerializeToString())

    def _tell_candles(self, index: int, instrument_id: int) -> None:
        for interval in self._candle_intervals.get(instrument_id, ()):
            candles = self.newest_candles(index, interval, news_only=True)
            if candles:
                response = marketdata_pb2.StreamCandlesResponse(candles=candles)
                key = (CANDLE, instrument_id, interval)
                self._hub.publish(key, response.SerializeToString())

    def newest_candles(
        self, index: int, interval_seconds: int, *, news_only: bool = False
    ) -> list[records_pb2.Candle]:
        """The newest two candles, or what of them followers haven't been told yet."""
        view = self._views.state[index]
        instrument_id = int(view["instrument_id"])
        seconds = self._views.candles_of(index)[-2 * interval_seconds :]
        joined = join_candles(seconds, interval_seconds)[-2:]
        if len(joined) == 0:
            return []
        key = (instrument_id, interval_seconds)
        told = self._open_candles.get(key, 0) if news_only else 0
        now_ns = int(view["quote_event_ns"])
        messages = []
        for candle in joined:
            opened, sequence = int(candle["open_time_ns"]), int(candle["sequence"])
            complete = now_ns >= opened + interval_seconds * SECOND_NS or opened < int(
                joined[-1]["open_time_ns"]
            )
            # The state told last: the candle's last record, and whether it was complete.
            state = 2 * sequence + complete
            if state > told:
                told = state
                messages.append(
                    candle_message(
                        candle,
                        instrument_id,
                        interval_seconds,
                        int(view["epoch"]),
                        complete=complete,
                    )
                )
        if news_only:
            self._open_candles[key] = told
        return messages


def _select(
    ticks: npt.NDArray[Any], instrument_id: int, tick_type: int, after: int
) -> npt.NDArray[Any]:
    """Ticks of one instrument and type after a number."""
    wanted = (ticks["instrument_id"] == instrument_id) & (ticks["tick_type"] == tick_type)
    return ticks[wanted & (ticks["instrument_sequence"] > after)]


def _best_update(quote: records_pb2.Quote) -> records_pb2.DepthUpdate:
    """A quote as both sides' best levels; an empty side has quantity zero."""
    bid = records_pb2.PriceLevel(
        price_units=quote.bid_price_units, quantity_units=quote.bid_quantity_units
    )
    ask = records_pb2.PriceLevel(
        price_units=quote.ask_price_units, quantity_units=quote.ask_quantity_units
    )
    return records_pb2.DepthUpdate(
        instrument_id=quote.instrument_id,
        stamp=quote.stamp,
        levels=[
            records_pb2.LevelChange(side=1, level=bid),  # type: ignore[arg-type]
            records_pb2.LevelChange(side=2, level=ask),  # type: ignore[arg-type]
        ],
    )
