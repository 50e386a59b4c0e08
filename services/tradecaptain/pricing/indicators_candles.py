"""Candles for indicators: from the market data service, and pushed through streams of indicators.

Candles are the market data service's to make; a stream of indicators asks it, on behalf of its own
client and with that client's token, for the newest complete ones and for each as it forms. A candle
is pushed once, when it is complete; a forming one is peeked, as often as it changes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from fractions import Fraction
from typing import Any, Final, Protocol

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2
from tradecaptain.api.pricing.v1 import indicators_pb2
from tradecaptain.client import Client
from tradecaptain.kernels.indicators.program import Program, Stream

CANDLES_MAX: Final = 10_000
"""As many as the market data service gives at once."""
_AUTHORIZATION: Final = "authorization"

Update = tuple[common_pb2.StreamHeader | None, Sequence[Any]]


class CandleSource(Protocol):
    """Where candles come from."""

    def follow(
        self, instrument: str, interval_seconds: int, count: int, metadata: Any
    ) -> AsyncIterator[Update]:
        """Header and up to ``count`` candles first, then candles as they change, without a gap."""


class MarketDataCandles:
    """Candles of the market data service at an address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def follow(
        self, instrument: str, interval_seconds: int, count: int, metadata: Any
    ) -> AsyncIterator[Update]:
        """See ``CandleSource``; refusals of the service are raised as its own."""
        async with Client(self._address, _token_of(metadata)) as client:
            changes = client.market_data.StreamCandles(
                marketdata_pb2.StreamCandlesRequest(
                    instruments=[instrument], interval_seconds=interval_seconds
                )
            )
            async with aclosing(changes):
                # What changes from here on is in the stream; what was before is asked for.
                first = await anext(changes)
                past = await client.market_data.GetCandles(
                    marketdata_pb2.GetCandlesRequest(
                        instrument=instrument,
                        interval_seconds=interval_seconds,
                        limit=min(count, CANDLES_MAX),
                    )
                )
                yield first.header, past.candles
                async for change in changes:
                    yield None, change.candles


def _token_of(metadata: Iterable[tuple[str, str]]) -> str:
    """The bearer token of a call, which was good enough for this one."""
    for key, value in metadata:
        if key == _AUTHORIZATION:
            return value.partition(" ")[2]
    return ""


class CandleFeed:
    """Streams of several indicators that take the same candles."""

    def __init__(self, programs: Iterable[Program], *, complete_only: bool) -> None:
        self._streams = [Stream(program) for program in programs]
        self._complete_only = complete_only
        self._newest_ns = -1
        self._price_unit = self._quantity_unit = Fraction(1)

    def set_units(self, header: common_pb2.StreamHeader) -> None:
        """Take over what a unit of price and of quantity is worth."""
        units = header.units[0]
        price, quantity = units.price_unit, units.quantity_unit
        self._price_unit = Fraction(price.numerator, price.denominator)
        self._quantity_unit = Fraction(quantity.numerator, quantity.denominator)

    def take(self, candles: Iterable[Any]) -> list[indicators_pb2.CandleIndicators]:
        """Values at candles, oldest first; candles that were complete before are passed over."""
        rows = []
        for candle in candles:
            if candle.open_time_ns <= self._newest_ns:
                continue
            if candle.complete:
                self._newest_ns = candle.open_time_ns
            elif self._complete_only:
                continue
            rows.append(self._row(candle))
        return rows

    def _row(self, candle: Any) -> indicators_pb2.CandleIndicators:
        bar = {
            "open": _nearest(candle.open_price_units, self._price_unit),
            "high": _nearest(candle.high_price_units, self._price_unit),
            "low": _nearest(candle.low_price_units, self._price_unit),
            "close": _nearest(candle.close_price_units, self._price_unit),
            "volume": _nearest(candle.volume_quantity_units, self._quantity_unit),
        }
        row = indicators_pb2.CandleIndicators(
            open_time_ns=candle.open_time_ns,
            complete=candle.complete,
            sequence=candle.sequence,
            close_price=bar["close"],
        )
        for stream in self._streams:
            values = [bar[name] for name in stream.program.input_names]
            is_warm = stream.bar_count >= stream.program.warm_up
            outputs = stream.push(values) if candle.complete else stream.peek(values)
            row.indicators.add(values=outputs if is_warm else [])
        return row


def _nearest(count: int, unit: Fraction) -> float:
    """The float nearest to so many units: 9996 hundredths are 99.96, not 99.96000000000001."""
    return count * unit.numerator / unit.denominator
