"""OrderBookService over a real gRPC server: states, streams, resuming, slow readers, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from support.book_client import L1, L3, BookClient
from support.book_events import records
from support.wait import wait_until_async
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.base.memory import address_of
from tradecaptain.base.reference_file import default_reference
from tradecaptain.edge import EdgeServer, EdgeSettings, Principal, Role
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.tokens import TokenEntry, TokenTable
from tradecaptain.orderbook.service import OrderBook, StepHub
from tradecaptain.orderbook.view_layout import SNAPSHOT_ORDER, ViewCapacity
from tradecaptain.orderbook.views import BookViews
from tradecaptain.wire import reason as reasons
from twins.orderbook.book_twin import Book, Event, RandomVenue

L2 = records_pb2.DEPTH_LEVEL_L2
TOKEN = "tc_reader_of_the_order_book"
REFERENCE = default_reference()
INSTRUMENT = REFERENCE.own_venue()[0]
NUMBER = INSTRUMENT.instrument_id
QUEUE_CAPACITY = 16
METADATA = (("authorization", f"Bearer {TOKEN}"),)


@dataclass
class Served:
    """A running service and the venue whose events it is given."""

    views: BookViews
    venue: RandomVenue
    server: EdgeServer
    stub: Any
    narrow: Any
    """The same over a connection of its own that takes little ahead of its reader."""

    def apply(self, events: list[Event]) -> None:
        batch = records(events)
        self.views.apply(address_of(batch), batch.strides[0], len(batch))

    def step(self, count: int) -> None:
        self.apply([self.venue.step() for _ in range(count)])

    @property
    def book(self) -> Book:
        return self.venue.books[NUMBER]

    def stream(self, stub: Any = None, **fields: Any) -> Any:
        request = orderbook_pb2.StreamBookRequest(instrument=str(NUMBER), **fields)
        return (stub or self.stub).StreamBook(request, metadata=METADATA)


@asynccontextmanager
async def serving(
    tmp_path: Path, catch_up: Callable[[], None] = lambda: None
) -> AsyncIterator[Served]:
    hub = StepHub(QUEUE_CAPACITY)
    ids = [item.instrument_id for item in REFERENCE.own_venue()]
    views = BookViews(ids, 1, ViewCapacity(4096, 1024, 1 << 12, 4096), hub)
    reader = Principal("reader", frozenset(), False, frozenset({Role.READ}))
    server = EdgeServer(
        EdgeSettings("orderbook", 0, tmp_path / "none", drain_wait_seconds=0.0),
        source=TokenTable([TokenEntry(TOKEN, reader)]),
    )
    server.add(
        orderbook_pb2_grpc.add_OrderBookServiceServicer_to_server,
        OrderBook(REFERENCE, views, hub, catch_up=catch_up),
        access={"*": Role.READ},
    )
    port = await server.start()
    try:
        target = f"127.0.0.1:{port}"
        options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16_384)]
        async with (
            grpc.aio.insecure_channel(target) as channel,
            grpc.aio.insecure_channel(target, options=options) as narrow,
        ):
            stub = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            slow = orderbook_pb2_grpc.OrderBookServiceStub(narrow)
            yield Served(views, RandomVenue(1, [NUMBER]), server, stub, slow)
    finally:
        await server.stop()


async def take(stream: Any, client: BookClient, book: Book) -> None:
    """Read until the client has seen the newest change of the book."""
    while client.position < (book.epoch, book.sequence):
        response = await asyncio.wait_for(stream.read(), 10)
        assert response is not grpc.aio.EOF
        for update in response.updates:
            client.take(update)


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def test_a_book_is_told_at_three_levels_with_its_units(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.step(200)
        for level, name in ((L1, INSTRUMENT.key), (L2, str(NUMBER)), (L3, INSTRUMENT.symbol)):
            request = orderbook_pb2.GetBookRequest(instrument=name, level=level)
            response = await served.stub.GetBook(request, metadata=METADATA)
            client = BookClient(level)
            client.take(records_pb2.DepthUpdate(stamp=response.book.stamp, snapshot=response.book))
            client.assert_equals(served.book)
            assert response.units.instrument == INSTRUMENT.key
            assert response.units.price_unit.denominator == INSTRUMENT.price_unit.denominator
        default = await served.stub.GetBook(
            orderbook_pb2.GetBookRequest(instrument=INSTRUMENT.key, level_limit=2),
            metadata=METADATA,
        )
        assert default.book.level == L2
        assert len(default.book.bids) == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"instrument": "NOSUCH@TCAP"}, reasons.REASON_UNKNOWN_INSTRUMENT),
        ({"instrument": REFERENCE.mirrors()[0].key}, reasons.REASON_UNKNOWN_INSTRUMENT),
        ({"instrument": ""}, reasons.REASON_INVALID_REQUEST),
        ({"instrument": INSTRUMENT.key, "level": 9}, reasons.REASON_INVALID_REQUEST),
        ({"instrument": INSTRUMENT.key, "level_limit": 10_001}, reasons.REASON_INVALID_REQUEST),
    ],
)
async def test_bad_requests_are_refused_on_both_calls(
    tmp_path: Path, fields: dict[str, Any], reason: int
) -> None:
    async with serving(tmp_path) as served:
        get = served.stub.GetBook(orderbook_pb2.GetBookRequest(**fields), metadata=METADATA)
        assert (await refusal(get)).reason == reason
        stream = served.stub.StreamBook(
            orderbook_pb2.StreamBookRequest(**fields), metadata=METADATA
        )
        assert (await refusal(stream.read())).reason == reason


@pytest.mark.parametrize("level", [L1, L2, L3])
async def test_a_stream_follows_the_book_and_is_resumed(tmp_path: Path, level: int) -> None:
    async with serving(tmp_path) as served:
        served.step(100)
        client = BookClient(level)
        stream = served.stream(level=level)
        first = await stream.read()
        assert first.header.units[0].instrument_id == NUMBER
        for update in first.updates:
            client.take(update)
        for size in (1, 5, 40):
            served.step(size)
            # At L1 the last change need not move the best prices; a snapshot tells the number.
            target = Book(NUMBER, 1, served.views.snapshot(NUMBER, level).stamp.sequence)
            await take(stream, client, target)
            client.assert_equals(served.book)
        stream.cancel()
        served.step(300)
        epoch, sequence = client.position
        resumed = served.stream(level=level, resume_from={"epoch": epoch, "sequence": sequence})
        target = Book(NUMBER, 1, served.views.snapshot(NUMBER, level).stamp.sequence)
        await take(resumed, client, target)
        client.assert_equals(served.book)
        assert client.gaps == 0


async def test_a_position_beyond_the_book_is_refused_and_an_old_epoch_is_told_as_a_gap(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        served.step(10)
        beyond = served.stream(resume_from={"epoch": 1, "sequence": 11})
        assert (await refusal(beyond.read())).reason == reasons.REASON_RESUME_POSITION_UNKNOWN
        older = await served.stream(resume_from={"epoch": 0, "sequence": 5}).read()
        [update] = older.updates
        assert update.stamp.gap
        assert update.HasField("snapshot")


async def test_a_slow_reader_is_let_go_and_the_others_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.step(500)
        slow, quick = served.stream(served.narrow, level=L3), served.stream(level=L3)
        client = BookClient(L3)
        await slow.read()
        await take(quick, client, served.book)
        # What isn't read fills the connection's window first, then the client's queue.
        for _ in range(100):
            served.step(100)
            await take(quick, client, served.book)
        client.assert_equals(served.book)
        assert (await refusal(drained(slow))).reason == reasons.REASON_SLOW_CONSUMER
        served.step(1)
        await take(quick, client, served.book)


async def drained(stream: Any) -> None:
    while await asyncio.wait_for(stream.read(), 10) is not grpc.aio.EOF:
        pass


async def test_a_question_waits_for_a_book_that_is_being_read_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.step(50)
        served.views.invalidate()
        request = orderbook_pb2.GetBookRequest(instrument=str(NUMBER), level=L3)
        get = asyncio.ensure_future(served.stub.GetBook(request, metadata=METADATA))
        orders = [(*order, side) for side in (1, 2) for order in served.book.side(side)]
        served.views.load(NUMBER, 1, served.book.sequence, 0, np.array(orders, SNAPSHOT_ORDER))
        assert (await get).book.stamp.sequence == served.book.sequence


async def test_a_question_is_answered_from_what_waits_in_the_ring(tmp_path: Path) -> None:
    waiting: list[Event] = []
    async with serving(tmp_path, catch_up=lambda: served.apply(waiting)) as served:
        request = orderbook_pb2.GetBookRequest(instrument=str(NUMBER), level=L3)
        waiting += [served.venue.step() for _ in range(200)]
        answer = await served.stub.GetBook(request, metadata=METADATA)
        assert answer.book.stamp.sequence == served.book.sequence


async def test_a_stream_survives_lost_events_and_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.step(50)
        client = BookClient(L2)
        stream = served.stream(level=L2, level_limit=3)
        first = await stream.read()
        assert len(first.updates[0].snapshot.bids) == 3
        served.views.invalidate()
        get = served.stub.GetBook(
            orderbook_pb2.GetBookRequest(instrument=str(NUMBER)), metadata=METADATA
        )
        assert (await refusal(get)).reason == reasons.REASON_UNAVAILABLE
        late = served.stream(level=L2)
        assert not (await late.read()).updates
        served.step(20)
        orders = [(*order, side) for side in (1, 2) for order in served.book.side(side)]
        assert served.views.load(
            NUMBER, 1, served.book.sequence, 0, np.array(orders, SNAPSHOT_ORDER)
        )
        limited = (await stream.read()).updates[0]
        assert limited.stamp.gap
        assert len(limited.snapshot.bids) == 3
        served.step(20)
        await take(late, client, served.book)
        client.assert_equals(served.book)
        assert client.gaps == 1


async def test_draining_ends_streams_with_its_reason(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stream = served.stream()
        await stream.read()
        draining = asyncio.create_task(served.server.stop(1.0))
        assert (await refusal(stream.read())).reason == reasons.REASON_DRAINING
        await draining


async def test_draining_during_the_first_write_of_a_stream_is_clean(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as served:
        # A first message that is larger than what the connection takes ahead of its reader.
        for _ in range(40):
            served.apply([served.venue.add(served.book) for _ in range(100)])
        stalled = served.stream(served.narrow, level=L3)
        await wait_until_async(lambda: served.views.watcher_count(NUMBER) == 1)
        await asyncio.wait_for(served.server.stop(0.2), 10)
        with pytest.raises(grpc.RpcError):
            await drained(stalled)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
