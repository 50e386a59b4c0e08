"""Candles for indicators, from the market data service.

Candles are that service's to make; a stream of indicators asks it, on behalf of its own client and
with that client's token, for the newest complete ones and for each as it forms.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2
from tradecaptain.client import Client

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
