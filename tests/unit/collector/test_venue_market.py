"""Market data of our own venue: what clients are told of its book events, and after a loss."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from support.book_events import batch, records
from support.wait import wait_until_async
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, records_pb2
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import default_reference
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.service import MarketData
from tradecaptain.collector.venue_book import HELD_MAX, VenueBook
from tradecaptain.collector.venue_market import VenueMarkets
from tradecaptain.edge import StreamHub
from tradecaptain.mesh.stream_reader import (
    EVENT_LAPPED,
    EVENT_WRITER_JOINED,
)
from tradecaptain.wire import book_event, reason
from twins.orderbook.book_twin import BUY, CLEAR, SELL, TRADE, Event, RandomVenue

ACME, GLOBX = 1001, 1002
NAME = "ACME@TCAP"
CONFIG = CollectorConfig(level_capacity=256, candle_seconds_kept=60, depth_rows_kept=4096)
NOBODY_ANSWERS = TradeCaptainError(reason.REASON_UNAVAILABLE, "nobody answers")


@dataclass
class World:
    """A random venue, the market data of it, and the service over that."""

    venue: RandomVenue = field(default_factory=lambda: RandomVenue(5, [ACME, GLOBX]))
    is_there: bool = True
    asked: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = ManualClock(5_000_000_000)
        self.hub: StreamHub[bytes] = StreamHub(1 << 12)
        self.markets = VenueMarkets(
            self.read_book,
            lambda number: VenueBook(number, CONFIG, self.hub, 7),
            self.clock,
        )
        self.service = MarketData(default_reference(), [self.markets], self.hub)

    async def read_book(self, instrument_id: int) -> records_pb2.BookSnapshot:
        self.asked.append(instrument_id)
        if not self.is_there:
            raise NOBODY_ANSWERS
        book = self.venue.books[instrument_id]
        stamp = records_pb2.RecordStamp(
            epoch=book.epoch, sequence=book.sequence, event_time_ns=1_000 * book.sequence
        )
        told = records_pb2.BookSnapshot(instrument_id=instrument_id, stamp=stamp)
        for side, levels in ((BUY, told.bids), (SELL, told.asks)):
            for price, quantity, count in book.levels(side):
                levels.add(price_units=price, quantity_units=quantity, order_count=count)
        return told

    def open(self) -> None:
        """The venue opens: each book begins with being empty."""
        opening = [book.event(CLEAR, 0, 0, 0, 0) for book in self.venue.books.values()]
        self.markets.on_batch(batch(EVENT_WRITER_JOINED, opening))

    def steps(self, count: int) -> list[Event]:
        """What happens at the venue; nobody is told."""
        events = [self.venue.step() for _ in range(count)]
        self.events += events
        return events

    def play(self, count: int) -> None:
        """What happens at the venue, told in small batches."""
        events = self.steps(count)
        for start in range(0, count, 7):
            self.markets.on_batch(batch(events[start : start + 7]))

    def trades(self, instrument_id: int = ACME) -> list[tuple[int, int, int]]:
        """Price, quantity and aggressor's side of every trade."""
        return [
            (event.price, event.quantity, SELL if event.side == BUY else BUY)
            for event in self.events
            if event.action == TRADE and event.instrument_id == instrument_id
        ]

    async def quote(self, name: str = NAME) -> records_pb2.Quote:
        request = marketdata_pb2.GetQuoteRequest(instrument=name)
        return (await self.service.GetQuote(request, None)).quote

    async def assert_follows(self) -> None:
        """Best prices and all levels are the venue's."""
        for name, number in ((NAME, ACME), ("GLOBX@TCAP", GLOBX)):
            book = self.venue.books[number]
            quote = await self.quote(name)
            bid, ask = book.top()[:2], book.top()[3:5]
            assert (quote.bid_price_units, quote.bid_quantity_units) == bid
            assert (quote.ask_price_units, quote.ask_quantity_units) == ask
            assert quote.stamp.source == records_pb2.DATA_SOURCE_VENUE
            shown = self.markets._books[number].broadcaster.snapshot(number, 0).snapshot
            for side, levels in ((BUY, shown.bids), (SELL, shown.asks)):
                assert [
                    (item.price_units, item.quantity_units, item.order_count) for item in levels
                ] == book.levels(side)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    opened = World()
    yield opened
    await opened.markets.close()


class Follower:
    """Reads a stream the way a client does."""

    def __init__(self, stream: Any, kind: Any) -> None:
        self._stream = stream
        self._kind = kind
        self._next: asyncio.Task[Any] | None = None

    async def read(self) -> list[Any]:
        """Messages that have come by now."""
        messages: list[Any] = []
        while True:
            self._next = self._next or asyncio.ensure_future(anext(self._stream))
            done, _ = await asyncio.wait({self._next}, timeout=0.05)
            if not done:
                return messages
            item = self._next.result()
            messages.append(self._kind.FromString(item) if isinstance(item, bytes) else item)
            self._next = None

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._stream.aclose()


@pytest.mark.twin
async def test_quotes_levels_and_the_last_trade_are_those_of_the_venue(world: World) -> None:
    world.open()
    for _ in range(20):
        world.play(50)
        await world.assert_follows()
    assert not world.asked, "a book that is followed from its beginning need not be read"
    quote = await world.quote()
    assert (quote.last_price_units, quote.last_quantity_units) == world.trades()[-1][:2]
    assert quote.stamp.vendor_sequence <= world.venue.books[ACME].sequence


async def test_candles_add_up_to_the_trades(world: World) -> None:
    world.open()
    world.play(600)
    request = marketdata_pb2.GetCandlesRequest(instrument=NAME, interval_seconds=1)
    candles = (await world.service.GetCandles(request, None)).candles
    trades = world.trades()
    assert sum(item.trade_count for item in candles) == len(trades)
    assert sum(item.volume_quantity_units for item in candles) == sum(t[1] for t in trades)
    assert candles[0].open_price_units == trades[0][0]
    assert candles[-1].close_price_units == trades[-1][0]


async def test_trades_are_streamed_and_resumed_without_a_hole(world: World) -> None:
    world.open()
    world.play(50)
    first = len(world.trades())
    request = marketdata_pb2.StreamTradesRequest(instruments=[NAME])
    follower = Follower(
        world.service.StreamTrades(request, None), marketdata_pb2.StreamTradesResponse
    )
    messages = await follower.read()
    world.play(400)
    messages += await follower.read()
    await follower.close()
    told = [trade for message in messages for trade in message.trades]
    assert [
        (trade.price_units, trade.quantity_units, trade.aggressor_side) for trade in told
    ] == world.trades()[first:]
    assert all(
        later.stamp.previous_sequence == trade.stamp.sequence
        for trade, later in itertools.pairwise(told)
    )
    middle = told[len(told) // 2].stamp
    position = common_pb2.StreamPosition(epoch=middle.epoch, sequence=middle.sequence)
    request.resume_from.append(
        marketdata_pb2.InstrumentPosition(instrument=NAME, position=position)
    )
    follower = Follower(
        world.service.StreamTrades(request, None), marketdata_pb2.StreamTradesResponse
    )
    (again,) = await follower.read()
    await follower.close()
    assert list(again.trades) == told[len(told) // 2 + 1 :]


async def test_a_trade_with_a_hidden_order_prints_and_changes_no_level(world: World) -> None:
    world.open()
    world.play(100)
    book = world.venue.books[ACME]
    hidden = book.event(TRADE, 0, SELL, 11, 9)
    world.events.append(hidden)
    world.markets.on_batch(batch([hidden]))
    await world.assert_follows()
    trade = world.markets._books[ACME].broadcaster._trades[ACME][-1]
    assert trade.hidden
    assert (trade.price_units, trade.quantity_units) == (11, 9)
    assert trade.aggressor_side == common_pb2.SIDE_BUY


async def test_trades_of_an_uncrossing_print_at_the_price_that_was_indicated(
    world: World,
) -> None:
    world.open()
    world.play(100)
    book = world.venue.books[ACME]
    collected = book.event(book_event.BOOK_ACTION_INDICATIVE, 0, 0, 14, 3)
    before = book.event(TRADE, 0, SELL, 11, 9)
    indicated = book.event(book_event.BOOK_ACTION_INDICATIVE, 0, 0, 15, 9)
    indicated.last = False
    first, second = (book.event(TRADE, 0, SELL, price, 4) for price in (11, 12))
    first.last = False
    after = book.event(TRADE, 0, SELL, 13, 5)
    world.markets.on_batch(batch([collected, before, indicated, first, second, after]))
    trades = world.markets._books[ACME].broadcaster._trades[ACME]
    assert [trade.price_units for trade in list(trades)[-4:]] == [11, 15, 15, 13]


@pytest.mark.parametrize("news", [EVENT_LAPPED, EVENT_WRITER_JOINED, None])
async def test_what_was_lost_is_read_and_announced(world: World, news: int | None) -> None:
    world.open()
    world.play(200)
    request = marketdata_pb2.StreamDepthRequest(
        instruments=[NAME], level=records_pb2.DEPTH_LEVEL_L2
    )
    depth = Follower(world.service.StreamDepth(request, None), marketdata_pb2.StreamDepthResponse)
    trades = Follower(
        world.service.StreamTrades(marketdata_pb2.StreamTradesRequest(instruments=[NAME]), None),
        marketdata_pb2.StreamTradesResponse,
    )
    await depth.read()
    await trades.read()
    before = world.markets._books[ACME].broadcaster._trades[ACME][-1].stamp
    world.steps(100)
    lost = batch(world.steps(60))
    world.markets.on_batch(lost if news is None else np.concatenate((batch(news), lost)))
    await wait_until_async(lambda: all(book.is_valid for book in world.markets._books.values()))
    await world.assert_follows()
    assert sorted(set(world.asked)) == [ACME, GLOBX]
    world.play(100)
    await world.assert_follows()
    updates = [update for message in await depth.read() for update in message.updates]
    assert updates[0].HasField("snapshot")
    assert updates[0].stamp.gap
    told = [trade for message in await trades.read() for trade in message.trades]
    assert told[0].stamp.previous_sequence != before.sequence, "the hole shows"
    assert told[0].stamp.epoch > before.epoch
    await depth.close()
    await trades.close()
    position = common_pb2.StreamPosition(epoch=before.epoch, sequence=before.sequence)
    resumed = marketdata_pb2.StreamTradesRequest(
        instruments=[NAME],
        resume_from=[marketdata_pb2.InstrumentPosition(instrument=NAME, position=position)],
    )
    with pytest.raises(TradeCaptainError) as caught:
        await anext(world.service.StreamTrades(resumed, None))
    assert caught.value.reason == reason.REASON_RESUME_POSITION_UNKNOWN


async def test_a_snapshot_from_before_a_loss_is_not_taken(world: World) -> None:
    world.open()
    world.play(100)
    read, answered = world.read_book, asyncio.Event()

    async def late(instrument_id: int) -> records_pb2.BookSnapshot:
        snapshot = await read(instrument_id)
        await answered.wait()
        return snapshot

    world.markets._read_book = late
    world.markets.on_batch(batch(EVENT_LAPPED))
    await wait_until_async(lambda: len(world.asked) == 2)
    world.steps(50)
    world.markets.on_batch(batch(EVENT_LAPPED))
    answered.set()
    await wait_until_async(lambda: all(book.is_valid for book in world.markets._books.values()))
    await world.assert_follows()


async def test_a_collector_that_comes_later_reads_what_it_is_asked_for(world: World) -> None:
    world.steps(300)
    world.markets.on_batch(batch(EVENT_WRITER_JOINED))
    assert not world.asked
    await world.assert_follows()
    assert world.asked == [ACME, GLOBX]
    quotes = await world.service.ListQuotes(marketdata_pb2.ListQuotesRequest(), None)
    assert [item.instrument for item in quotes.units] == [NAME, "GLOBX@TCAP"]
    world.play(50)
    await world.assert_follows()


async def test_a_venue_that_is_away_is_asked_until_it_is_there(world: World) -> None:
    world.is_there = False
    with pytest.raises(TradeCaptainError) as caught:
        await world.quote()
    assert caught.value.reason == reason.REASON_UNAVAILABLE
    world.steps(100)
    world.is_there = True
    await wait_until_async(lambda: world.markets._books[ACME].is_valid)
    await world.assert_follows()


async def test_more_than_can_be_held_is_read_once_more(world: World) -> None:
    world.is_there = False
    world.steps(40)
    book = world.markets._book(ACME)
    event = records([world.venue.add(world.venue.books[ACME])])
    generation = book.generation
    book.take(np.repeat(event, HELD_MAX), 1)
    assert book.generation == generation
    book.take(event, 1)
    assert book.generation == generation + 1
