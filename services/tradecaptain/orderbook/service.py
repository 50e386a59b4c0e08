"""The gRPC edge of the book views: one state, or every change from a position on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, override

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.edge import ClientQueue, StreamHub
from tradecaptain.orderbook.view_updates import L2, DepthLevel
from tradecaptain.orderbook.views import BookViews
from tradecaptain.wire.reason import REASON_UNKNOWN_INSTRUMENT

# Updates in one message while a stream catches up, and messages taken from a queue at a time.
UPDATES_PER_MESSAGE: Final = 512
MESSAGES_PER_READ: Final = 64
# How long a question may wait for a book that is being read again.
REREAD_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """What is queued for a client: the same bytes for all, or the advice to look anew."""

    position: tuple[int, int] = (0, 0)
    """Epoch and sequence of the last change in it."""
    payload: bytes | None = None
    """A serialised StreamBookResponse; None where changes weren't told."""


class StepHub:
    """Hands what happens to books to the clients who follow them."""

    def __init__(self, queue_capacity: int) -> None:
        self._hub: StreamHub[Step] = StreamHub(queue_capacity)

    def changed(
        self,
        instrument_id: int,
        level: DepthLevel,
        updates: list[records_pb2.DepthUpdate],
    ) -> None:
        """Serialise updates once and queue them for everyone."""
        stamp = updates[-1].stamp
        payload = orderbook_pb2.StreamBookResponse(updates=updates).SerializeToString()
        step = Step((stamp.epoch, stamp.sequence), payload)
        self._hub.publish((instrument_id, level), step)

    def skipped(self, instrument_id: int, level: DepthLevel) -> None:
        """Queue the advice to look anew."""
        self._hub.publish((instrument_id, level), Step())

    @contextmanager
    def subscribe(
        self, views: BookViews, instrument_id: int, level: DepthLevel
    ) -> Iterator[ClientQueue[Step]]:
        """What happens to a book at a level from now on."""
        with self._hub.subscribe([(instrument_id, level)]) as queue:
            views.watch(instrument_id, level)
            try:
                yield queue
            finally:
                views.unwatch(instrument_id, level)


class OrderBook(orderbook_pb2_grpc.OrderBookServiceServicer):
    """Serves the views; all of it in the loop thread."""

    def __init__(
        self,
        reference: Reference,
        views: BookViews,
        hub: StepHub,
        *,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        """``catch_up`` brings the views up to what the venue has told before it returns."""
        self._reference = reference
        self._views = views
        self._hub = hub
        self._catch_up = catch_up

    @override
    async def GetBook(
        self, request: orderbook_pb2.GetBookRequest, context: Any
    ) -> orderbook_pb2.GetBookResponse:
        """The state of one book."""
        instrument = self._instrument(request.instrument)
        self._catch_up()
        # A book is read again in a few milliseconds; only if it takes longer the caller is told.
        with suppress(TimeoutError):
            async with asyncio.timeout(REREAD_SECONDS):
                await self._views.wait_valid(instrument.instrument_id)
        book = self._views.snapshot(
            instrument.instrument_id, request.level or L2, request.level_limit
        )
        return orderbook_pb2.GetBookResponse(units=_units(instrument), book=book)

    @override
    async def StreamBook(
        self, request: orderbook_pb2.StreamBookRequest, context: Any
    ) -> AsyncIterator[Any]:
        """A snapshot or what was missed, then every change; what many clients get is serialised."""
        instrument = self._instrument(request.instrument)
        level = request.level or L2
        self._catch_up()
        with self._hub.subscribe(self._views, instrument.instrument_id, level) as queue:
            first = self._first_updates(request, instrument.instrument_id, level)
            position = _position(first)
            header = common_pb2.StreamHeader(units=[_units(instrument)])
            yield orderbook_pb2.StreamBookResponse(
                header=header, updates=first[:UPDATES_PER_MESSAGE]
            )
            for start in range(UPDATES_PER_MESSAGE, len(first), UPDATES_PER_MESSAGE):
                yield orderbook_pb2.StreamBookResponse(
                    updates=first[start : start + UPDATES_PER_MESSAGE]
                )
            async for steps in queue.batches(MESSAGES_PER_READ):
                payload, position = self._payload(
                    steps, position, instrument.instrument_id, level, request.level_limit
                )
                if payload:
                    yield payload

    def _first_updates(
        self,
        request: orderbook_pb2.StreamBookRequest,
        instrument_id: int,
        level: DepthLevel,
    ) -> list[records_pb2.DepthUpdate]:
        """How a stream begins: what was missed since a position, or a snapshot.

        Nothing while the book is being read again: a snapshot follows as soon as it is there.
        """
        resumes = request.HasField("resume_from")
        if not self._views.is_valid(instrument_id):
            self._views.owe(instrument_id)
            return []
        if resumes:
            position = request.resume_from
            missed = self._views.updates_since(
                instrument_id, level, position.epoch, position.sequence
            )
            if missed is not None:
                return missed
        return [self._views.snapshot_update(instrument_id, level, request.level_limit, gap=resumes)]

    def _payload(
        self,
        steps: list[Step],
        position: tuple[int, int],
        instrument_id: int,
        level: DepthLevel,
        level_limit: int,
    ) -> tuple[bytes, tuple[int, int]]:
        """What to send for some steps, and the position after it.

        Serialised messages of one type may be put behind each other: their lists are joined. Steps
        that a snapshot of this client already contains are left out.
        """
        pieces: list[bytes] = []
        for step in steps:
            if step.payload is not None:
                if step.position > position:
                    position = step.position
                    pieces.append(step.payload)
            elif self._views.is_valid(instrument_id):
                update = self._views.snapshot_update(instrument_id, level, level_limit, gap=True)
                position = _position([update])
                message = orderbook_pb2.StreamBookResponse(updates=[update])
                pieces.append(message.SerializeToString())
        return b"".join(pieces), position

    def _instrument(self, name: str) -> Instrument:
        instrument = self._reference.named(name)
        if not instrument.is_tradable:
            raise TradeCaptainError(
                REASON_UNKNOWN_INSTRUMENT,
                f"{instrument.key} isn't traded here; depth of other venues is market data",
                observed=name,
            )
        return instrument


def _position(updates: list[records_pb2.DepthUpdate]) -> tuple[int, int]:
    if not updates:
        return 0, 0
    return updates[-1].stamp.epoch, updates[-1].stamp.sequence


def _units(instrument: Instrument) -> common_pb2.InstrumentUnits:
    return common_pb2.InstrumentUnits(
        instrument_id=instrument.instrument_id,
        instrument=instrument.key,
        price_unit=common_pb2.Rational(
            numerator=instrument.price_unit.numerator,
            denominator=instrument.price_unit.denominator,
        ),
        quantity_unit=common_pb2.Rational(
            numerator=instrument.quantity_unit.numerator,
            denominator=instrument.quantity_unit.denominator,
        ),
    )
