"""The gRPC edge of market data: quotes, trades, depth, candles and history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final, override

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc, records_pb2
from tradecaptain.base.columns import CANDLE_COLUMNS, DEPTH_COLUMNS
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.collector.broadcast import (
    CANDLE,
    L1,
    L2,
    QUOTE,
    QUOTE_TICK,
    TRADE,
)
from tradecaptain.collector.candles import SECOND_NS, join_candles, select_candles
from tradecaptain.collector.history import candle_block, depth_block
from tradecaptain.collector.messages import candle_message, quote_message, units_of
from tradecaptain.collector.sources import MarketSource, Shown
from tradecaptain.edge import ClientQueue, StreamHub
from tradecaptain.wire import reason

CANDLE_LIMIT: Final = 500
HISTORY_LIMIT: Final = 10_000
UPDATES_PER_MESSAGE: Final = 512
MESSAGES_PER_READ: Final = 64


class MarketData(marketdata_pb2_grpc.MarketDataServiceServicer):
    """Serves the views; all of it in the loop thread."""

    def __init__(
        self, reference: Reference, sources: Sequence[MarketSource], hub: StreamHub[bytes]
    ) -> None:
        """The first source that has an instrument tells of it."""
        self._reference = reference
        self._sources = sources
        self._hub = hub

    @override
    async def GetQuote(
        self, request: marketdata_pb2.GetQuoteRequest, context: Any
    ) -> marketdata_pb2.GetQuoteResponse:
        """Best bid, best ask and last trade, in units and as text."""
        (instrument,) = await self._prepared([request.instrument])
        quote = self._quote(instrument)
        response = marketdata_pb2.GetQuoteResponse(quote=quote, units=units_of(instrument))
        for side in ("bid", "ask", "last"):
            if quote.HasField(f"{side}_price_units"):  # type: ignore[arg-type]
                price = instrument.price.format(getattr(quote, f"{side}_price_units"))
                quantity = instrument.quantity.format(getattr(quote, f"{side}_quantity_units"))
                setattr(response, f"{side}_price", price)
                setattr(response, f"{side}_quantity", quantity)
        return response

    @override
    async def ListQuotes(
        self, request: marketdata_pb2.ListQuotesRequest, context: Any
    ) -> marketdata_pb2.ListQuotesResponse:
        """Quotes of several instruments, or of all that have one."""
        names = list(request.instruments)
        if not names:
            await self._prepared([])
            names = [str(number) for source in self._sources for number in source.quoted()]
        await self._prepared(names)
        instruments = [self._instrument(name) for name in names]
        return marketdata_pb2.ListQuotesResponse(
            quotes=[self._quote(instrument) for instrument in instruments],
            units=[units_of(instrument) for instrument in instruments],
        )

    @override
    async def GetCandles(
        self, request: marketdata_pb2.GetCandlesRequest, context: Any
    ) -> marketdata_pb2.GetCandlesResponse:
        """Candles, oldest first."""
        (instrument,) = await self._prepared([request.instrument])
        shown = self._shown(instrument)
        interval = request.interval_seconds
        candles = select_candles(
            join_candles(shown.views.candles_of(shown.index), interval),
            request.start_time_ns if request.HasField("start_time_ns") else None,
            request.end_time_ns if request.HasField("end_time_ns") else None,
        )
        messages = [
            candle_message(
                candle,
                instrument.instrument_id,
                interval,
                int(shown.state["epoch"]),
                complete=_is_complete(shown, int(candle["open_time_ns"]), interval),
            )
            for candle in candles[-(request.limit or CANDLE_LIMIT) - 1 :]
        ]
        if request.complete_only and messages and not messages[-1].complete:
            messages.pop()
        return marketdata_pb2.GetCandlesResponse(
            units=units_of(instrument), candles=messages[-(request.limit or CANDLE_LIMIT) :]
        )

    @override
    async def GetHistory(
        self, request: marketdata_pb2.GetHistoryRequest, context: Any
    ) -> marketdata_pb2.GetHistoryResponse:
        """One block of columns."""
        (instrument,) = await self._prepared([request.instrument])
        shown = self._shown(instrument)
        view, views, index = shown.state, shown.views, shown.index
        epoch = int(view["epoch"])
        limit = request.row_limit or HISTORY_LIMIT
        start, end = _moments(request)
        after = _page_start(request.page_token)
        if request.kind == marketdata_pb2.HISTORY_KIND_CANDLES:
            interval = request.interval_seconds or 1
            rows = select_candles(join_candles(views.candles_of(index), interval), start, end)
            rows, token = _page(rows, "open_time_ns", after, limit)
            sequence = int(rows["sequence"].max()) if len(rows) else int(view["sequence"])
            block = candle_block(instrument, rows, interval, epoch, sequence)
            schema_id = CANDLE_COLUMNS.schema_id
        else:
            rows = views.depth_since(index, 0)
            if start is not None:
                rows = rows[rows["event_time_ns"] >= start]
            if end is not None:
                rows = rows[rows["event_time_ns"] < end]
            rows, token = _page(rows, "sequence", after, limit)
            sequence = int(rows["sequence"][-1]) if len(rows) else int(view["depth_sequence"])
            block = depth_block(instrument, rows, epoch)
            schema_id = DEPTH_COLUMNS.schema_id
        return marketdata_pb2.GetHistoryResponse(
            schema_id=schema_id,
            block=block,
            row_count=len(rows),
            units=units_of(instrument),
            position=common_pb2.StreamPosition(epoch=epoch, sequence=sequence),
            next_page_token=token,
        )

    @override
    async def StreamQuotes(
        self, request: marketdata_pb2.StreamQuotesRequest, context: Any
    ) -> AsyncIterator[Any]:
        """The current quotes, then each as it changes."""
        instruments = await self._prepared(request.instruments)
        kind = QUOTE_TICK if request.every_change else QUOTE
        keys = [(kind, instrument.instrument_id) for instrument in instruments]
        with self._hub.subscribe(keys) as queue:
            yield marketdata_pb2.StreamQuotesResponse(
                header=_header(instruments),
                quotes=[self._quote(instrument) for instrument in instruments],
            )
            async for piece in _pieces(queue):
                yield piece

    @override
    async def StreamTrades(
        self, request: marketdata_pb2.StreamTradesRequest, context: Any
    ) -> AsyncIterator[Any]:
        """Trades as they happen, after those that were missed."""
        instruments = await self._prepared(request.instruments)
        keys = [(TRADE, instrument.instrument_id) for instrument in instruments]
        with self._hub.subscribe(keys) as queue:
            missed: list[records_pb2.Trade] = []
            for resumed in request.resume_from:
                instrument = self._instrument(resumed.instrument)
                position = resumed.position
                trades = self._shown(instrument).broadcaster.trades_since(
                    instrument.instrument_id, position.epoch, position.sequence
                )
                if trades is None:
                    raise TradeCaptainError(
                        reason.REASON_RESUME_POSITION_UNKNOWN,
                        f"trades of {instrument.key} since {position.epoch}:{position.sequence}"
                        " are no longer held; begin a stream without a position",
                    )
                missed += trades
            yield marketdata_pb2.StreamTradesResponse(header=_header(instruments), trades=missed)
            async for piece in _pieces(queue):
                yield piece

    @override
    async def StreamDepth(
        self, request: marketdata_pb2.StreamDepthRequest, context: Any
    ) -> AsyncIterator[Any]:
        """A snapshot or what was missed, then every change."""
        if request.level == records_pb2.DEPTH_LEVEL_L3:
            raise TradeCaptainError(
                reason.REASON_INVALID_REQUEST,
                "market data is told as levels; single orders of our own venue come from"
                " OrderBookService.StreamBook",
                field="level",
            )
        instruments = await self._prepared(request.instruments)
        best_only = request.level == records_pb2.DEPTH_LEVEL_L1
        keys = [(L1 if best_only else L2, item.instrument_id) for item in instruments]
        with self._hub.subscribe(keys) as queue:
            first = self._first_updates(request, instruments, best_only)
            yield marketdata_pb2.StreamDepthResponse(
                header=_header(instruments), updates=first[:UPDATES_PER_MESSAGE]
            )
            for start in range(UPDATES_PER_MESSAGE, len(first), UPDATES_PER_MESSAGE):
                yield marketdata_pb2.StreamDepthResponse(
                    updates=first[start : start + UPDATES_PER_MESSAGE]
                )
            async for piece in _pieces(queue):
                yield piece

    @override
    async def StreamCandles(
        self, request: marketdata_pb2.StreamCandlesRequest, context: Any
    ) -> AsyncIterator[Any]:
        """The newest candles, then each as it forms and completes."""
        instruments = await self._prepared(request.instruments)
        interval = request.interval_seconds
        with self._watch_candles(instruments, interval) as queue:
            current = [
                candle
                for instrument in instruments
                for candle in self._newest_candles(instrument, interval)
                if candle.complete or not request.complete_only
            ]
            yield marketdata_pb2.StreamCandlesResponse(header=_header(instruments), candles=current)
            async for piece in _pieces(queue):
                if not request.complete_only:
                    yield piece
                    continue
                message = marketdata_pb2.StreamCandlesResponse.FromString(piece)
                complete = [candle for candle in message.candles if candle.complete]
                if complete:
                    yield marketdata_pb2.StreamCandlesResponse(candles=complete)

    @contextmanager
    def _watch_candles(self, instruments: list[Instrument], interval: int) -> Any:
        keys = [(CANDLE, instrument.instrument_id, interval) for instrument in instruments]
        with self._hub.subscribe(keys) as queue:
            for instrument in instruments:
                broadcaster = self._shown(instrument).broadcaster
                broadcaster.watch_candles(instrument.instrument_id, interval)
            try:
                yield queue
            finally:
                for instrument in instruments:
                    broadcaster = self._shown(instrument).broadcaster
                    broadcaster.unwatch_candles(instrument.instrument_id, interval)

    def _first_updates(
        self,
        request: marketdata_pb2.StreamDepthRequest,
        instruments: list[Instrument],
        best_only: bool,
    ) -> list[records_pb2.DepthUpdate]:
        """How a stream begins: for each instrument what was missed, or a snapshot."""
        positions = {
            self._instrument(item.instrument).instrument_id: item.position
            for item in request.resume_from
        }
        updates: list[records_pb2.DepthUpdate] = []
        for instrument in instruments:
            position = positions.get(instrument.instrument_id)
            broadcaster = self._shown(instrument).broadcaster
            missed = None
            if position is not None and not best_only:
                missed = broadcaster.steps_since(
                    instrument.instrument_id, position.epoch, position.sequence
                )
            if missed is None:
                missed = [
                    broadcaster.snapshot(
                        instrument.instrument_id,
                        request.snapshot_levels,
                        gap=position is not None,
                        best_only=best_only,
                    )
                ]
            updates += missed
        return updates

    def _newest_candles(self, instrument: Instrument, interval: int) -> list[records_pb2.Candle]:
        shown = self._shown(instrument)
        return shown.broadcaster.newest_candles(shown.index, interval)

    def _quote(self, instrument: Instrument) -> records_pb2.Quote:
        return quote_message(self._shown(instrument).state)

    async def _prepared(self, names: Iterable[str]) -> list[Instrument]:
        """Instruments by name, each once, with what is known of them brought up to now."""
        found = {item.instrument_id: item for item in map(self._instrument, names)}
        for source in self._sources:
            await source.prepare(found.values())
        return list(found.values())

    def _instrument(self, name: str) -> Instrument:
        instrument = self._reference.named(name)
        self._shown(instrument)
        return instrument

    def _shown(self, instrument: Instrument) -> Shown:
        for source in self._sources:
            shown = source.find(instrument)
            if shown is not None:
                return shown
        raise TradeCaptainError(
            reason.REASON_UNKNOWN_INSTRUMENT,
            f"{instrument.key} has no market data here: nothing is collected for it in this run",
            observed=instrument.key,
        )


def _is_complete(shown: Shown, open_time_ns: int, interval: int) -> bool:
    now_ns = int(shown.state["quote_event_ns"])
    return now_ns >= open_time_ns + interval * SECOND_NS


async def _pieces(queue: ClientQueue[bytes]) -> AsyncIterator[bytes]:
    """What is queued, in as few messages as possible: serialised lists may be joined."""
    async for items in queue.batches(MESSAGES_PER_READ):
        yield b"".join(items)


def _header(instruments: list[Instrument]) -> common_pb2.StreamHeader:
    return common_pb2.StreamHeader(units=[units_of(instrument) for instrument in instruments])


def _moments(request: marketdata_pb2.GetHistoryRequest) -> tuple[int | None, int | None]:
    start = request.start_time_ns if request.HasField("start_time_ns") else None
    end = request.end_time_ns if request.HasField("end_time_ns") else None
    return start, end


def _page_start(token: str) -> int | None:
    if not token:
        return None
    if not token.lstrip("-").isdecimal() or len(token) > 20:
        raise TradeCaptainError(
            reason.REASON_INVALID_REQUEST, "page_token isn't one of ours", field="page_token"
        )
    return int(token)


def _page(rows: Any, column: str, after: int | None, limit: int) -> tuple[Any, str]:
    """Rows after a value of an ascending column, at most ``limit``, and the next page's token."""
    if after is not None:
        rows = rows[rows[column] > after]
    if len(rows) <= limit:
        return rows, ""
    return rows[:limit], str(int(rows[limit - 1][column]))
