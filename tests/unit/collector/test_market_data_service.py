"""What clients are told of a replayed market, from ticks on the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.lobster_day import LobsterDay
from support.market_world import MarketWorld
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, records_pb2
from tradecaptain.base.columns import schema_of, view_block
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.collector.memory import TRACK_RING
from tradecaptain.wire import reason

ROWS = 400
NAME = "AMZN@XNAS"


@pytest.fixture
def day() -> LobsterDay:
    return LobsterDay(11, 5, ROWS)


@pytest.fixture
def world(tmp_path: Path, day: LobsterDay) -> Iterator[MarketWorld]:
    opened = MarketWorld(tmp_path, [day.write_zip(tmp_path / "day.zip", symbol="AMZN")])
    yield opened
    opened.close()


def trades_of(day: LobsterDay) -> list[tuple[float, int, int]]:
    """Time, price and size of every execution after the seed."""
    rows = [line.split(",") for line in day.messages[1:]]
    return [(float(row[0]), int(row[4]), int(row[3])) for row in rows if row[1] in "45"]


async def test_the_quote_is_the_vendors_last_line(world: MarketWorld, day: LobsterDay) -> None:
    world.play_all()
    response = await world.service.GetQuote(marketdata_pb2.GetQuoteRequest(instrument=NAME), None)
    ask, ask_size, bid, bid_size = (int(text) for text in day.lines[-1].split(",")[:4])
    quote = response.quote
    assert (quote.bid_price_units, quote.bid_quantity_units) == (bid, bid_size)
    assert (quote.ask_price_units, quote.ask_quantity_units) == (ask, ask_size)
    assert response.bid_price == f"{bid / 10000:.4f}"
    _, price, size = trades_of(day)[-1]
    assert (quote.last_price_units, quote.last_quantity_units) == (price, size)


async def test_candles_add_up_to_the_trades(world: MarketWorld, day: LobsterDay) -> None:
    world.play_all()
    trades = trades_of(day)
    for interval in (1, 60):
        request = marketdata_pb2.GetCandlesRequest(instrument=NAME, interval_seconds=interval)
        candles = (await world.service.GetCandles(request, None)).candles
        assert sum(item.trade_count for item in candles) == len(trades)
        assert sum(item.volume_quantity_units for item in candles) == sum(t[2] for t in trades)
        assert candles[0].open_price_units == trades[0][1]
        assert candles[-1].close_price_units == trades[-1][1]
        assert max(item.high_price_units for item in candles) == max(t[1] for t in trades)
        assert min(item.low_price_units for item in candles) == min(t[1] for t in trades)
        assert all(item.open_time_ns % (interval * 10**9) == 0 for item in candles)


async def test_history_is_a_block_of_columns_in_pages(world: MarketWorld) -> None:
    world.play_all()
    request = marketdata_pb2.GetHistoryRequest(
        instrument=NAME, kind=marketdata_pb2.HISTORY_KIND_DEPTH, row_limit=100
    )
    seen: list[int] = []
    while True:
        response = await world.service.GetHistory(request, None)
        block = view_block(schema_of(response.schema_id), response.block)
        assert block.row_count == response.row_count <= 100
        seen += block.columns["sequence"].tolist()
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert seen == sorted(set(seen))
    assert len(seen) == int(world.views.state[0]["depth_count"])
    assert response.position.sequence == seen[-1]


class Client:
    """Follows a stream the way a client does."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._next: asyncio.Task[Any] | None = None

    async def read(self) -> list[Any]:
        """Messages that have come by now, as bytes or objects."""
        messages = []
        while True:
            self._next = self._next or asyncio.ensure_future(anext(self._stream))
            done, _ = await asyncio.wait({self._next}, timeout=0.05)
            if not done:
                return messages
            messages.append(self._next.result())
            self._next = None

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._stream.aclose()


def parsed(messages: list[Any], kind: Any) -> list[Any]:
    return [kind.FromString(item) if isinstance(item, bytes) else item for item in messages]


def apply_update(books: dict[int, dict[int, int]], update: records_pb2.DepthUpdate) -> None:
    if update.HasField("snapshot"):
        for side, levels in ((1, update.snapshot.bids), (2, update.snapshot.asks)):
            books[side] = {level.price_units: level.quantity_units for level in levels}
    for change in update.levels:
        level = change.level
        if level.quantity_units:
            books[change.side][level.price_units] = level.quantity_units
        else:
            books[change.side].pop(level.price_units, None)


async def test_a_depth_stream_rebuilds_the_book_without_a_hole(
    world: MarketWorld, day: LobsterDay
) -> None:
    world.turn(3, batch=10)
    request = marketdata_pb2.StreamDepthRequest(
        instruments=[NAME], level=records_pb2.DEPTH_LEVEL_L2
    )
    client = Client(world.service.StreamDepth(request, None))
    messages = await client.read()
    world.play_all()
    messages += await client.read()
    await client.close()
    responses = parsed(messages, marketdata_pb2.StreamDepthResponse)
    assert responses[0].header.units[0].instrument == NAME
    books: dict[int, dict[int, int]] = {}
    last = 0
    for update in (update for response in responses for update in response.updates):
        if not update.HasField("snapshot"):
            assert update.stamp.previous_sequence == last
        last = update.stamp.sequence
        apply_update(books, update)
    fields = [int(text) for text in day.lines[-1].split(",")]
    asks = {fields[i]: fields[i + 1] for i in range(0, len(fields), 4) if fields[i + 1]}
    bids = {fields[i]: fields[i + 1] for i in range(2, len(fields), 4) if fields[i + 1]}
    assert books == {1: bids, 2: asks}


async def test_a_depth_stream_resumes_where_it_was_left(world: MarketWorld) -> None:
    world.turn(3, batch=10)
    position = common_pb2.StreamPosition(
        epoch=world.market.epoch, sequence=int(world.views.state[0]["depth_sequence"])
    )
    world.turn(3, batch=10)
    request = marketdata_pb2.StreamDepthRequest(
        instruments=[NAME],
        level=records_pb2.DEPTH_LEVEL_L2,
        resume_from=[marketdata_pb2.InstrumentPosition(instrument=NAME, position=position)],
    )
    client = Client(world.service.StreamDepth(request, None))
    (first,) = parsed(await client.read(), marketdata_pb2.StreamDepthResponse)
    await client.close()
    assert first.updates
    assert not first.updates[0].HasField("snapshot")
    assert first.updates[0].stamp.previous_sequence == position.sequence
    request.resume_from[0].position.sequence = 10**9
    client = Client(world.service.StreamDepth(request, None))
    (first,) = parsed(await client.read(), marketdata_pb2.StreamDepthResponse)
    await client.close()
    assert first.updates[0].HasField("snapshot")
    assert first.updates[0].stamp.gap


async def test_trades_are_streamed_in_order_and_resumed(
    world: MarketWorld, day: LobsterDay
) -> None:
    world.turn(2, batch=4)
    request = marketdata_pb2.StreamTradesRequest(instruments=[NAME])
    client = Client(world.service.StreamTrades(request, None))
    messages = await client.read()
    before = int(world.views.state[0]["trade_sequence"])
    world.play_all()
    messages += await client.read()
    await client.close()
    responses = parsed(messages, marketdata_pb2.StreamTradesResponse)
    trades = [trade for response in responses for trade in response.trades]
    told = [(trade.price_units, trade.quantity_units) for trade in trades]
    assert told == [(price, size) for _, price, size in trades_of(day)][-len(told) :]
    assert [trade.stamp.previous_sequence for trade in trades[1:]] == [
        trade.stamp.sequence for trade in trades[:-1]
    ]
    position = common_pb2.StreamPosition(epoch=world.market.epoch, sequence=before)
    request.resume_from.append(
        marketdata_pb2.InstrumentPosition(instrument=NAME, position=position)
    )
    client = Client(world.service.StreamTrades(request, None))
    (again,) = await client.read()
    await client.close()
    assert list(again.trades) == trades


async def test_ticks_that_were_missed_are_announced_and_mended(
    world: MarketWorld, day: LobsterDay
) -> None:
    world.turn(3, batch=10)
    request = marketdata_pb2.StreamDepthRequest(
        instruments=[NAME], level=records_pb2.DEPTH_LEVEL_L2
    )
    client = Client(world.service.StreamDepth(request, None))
    await client.read()
    world.follower._begin_resync()
    world.play_all()
    responses = parsed(await client.read(), marketdata_pb2.StreamDepthResponse)
    await client.close()
    updates = [update for response in responses for update in response.updates]
    assert updates[0].HasField("snapshot")
    assert updates[0].stamp.gap
    quote = (
        await world.service.GetQuote(marketdata_pb2.GetQuoteRequest(instrument=NAME), None)
    ).quote
    assert quote.ask_price_units == int(day.lines[-1].split(",")[0])


async def test_instruments_without_market_data_say_so(world: MarketWorld) -> None:
    request = marketdata_pb2.GetQuoteRequest(instrument="ACME@XSIM")
    with pytest.raises(TradeCaptainError, match="nothing is collected") as caught:
        await world.service.GetQuote(request, None)
    assert caught.value.reason == reason.REASON_UNKNOWN_INSTRUMENT


async def test_the_simulator_is_the_default_market(tmp_path: Path) -> None:
    world = MarketWorld(tmp_path, [], speed="1")
    world.turn(20, step_ns=50_000_000)
    response = await world.service.ListQuotes(marketdata_pb2.ListQuotesRequest(), None)
    world.close()
    assert [item.instrument for item in response.units] == [
        "ACME@XSIM", "GLOBX@XSIM", "INTEC@XSIM", "UMBRA@XSIM",
    ]  # fmt: skip
    for quote in response.quotes:
        assert 0 < quote.bid_price_units < quote.ask_price_units


async def test_a_simulated_market_does_not_lag_by_what_its_start_took(tmp_path: Path) -> None:
    world = MarketWorld(tmp_path, [], speed="1")
    world.clock.advance(250_000_000)
    started_ns = world.clock.now_ns()
    world.turn(100)
    track, ring = world.market.memory.tracks[0], world.market.memory.messages
    played = int(track["ring_head"])
    newest, following = ring[(played - 1) % TRACK_RING], ring[played % TRACK_RING]
    now_ns = world.clock.now_ns()
    world.close()
    assert started_ns < newest["event_time_ns"] <= now_ns < following["event_time_ns"]
    assert played < track["ring_tail"]
