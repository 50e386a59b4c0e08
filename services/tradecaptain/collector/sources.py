"""Where market data of an instrument comes from: mirrored markets, or our own venue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from tradecaptain.base.instruments import Instrument
from tradecaptain.collector.broadcast import Broadcaster
from tradecaptain.collector.views import MarketViews


@dataclass(frozen=True, slots=True)
class Shown:
    """One instrument's place in a source."""

    views: MarketViews
    index: int
    broadcaster: Broadcaster

    @property
    def state(self) -> Any:
        """What is known of the instrument now."""
        return self.views.state[self.index]


class MarketSource(Protocol):
    """A source of market data; belongs to the loop thread."""

    def find(self, instrument: Instrument) -> Shown | None:
        """An instrument's market data, or None if this source has none of it."""
        ...

    async def prepare(self, instruments: Iterable[Instrument]) -> None:
        """Bring what is asked for up to now; of instruments of other sources nothing is said."""
        ...

    def quoted(self) -> Iterable[int]:
        """Ids of the instruments of which something is known, ascending."""
        ...


class MirroredMarkets:
    """The markets that the agent of this process plays."""

    def __init__(
        self,
        views: MarketViews,
        broadcaster: Broadcaster,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        """``catch_up`` brings the views up to the last tick before it returns."""
        self._views = views
        self._broadcaster = broadcaster
        self._catch_up = catch_up

    def find(self, instrument: Instrument) -> Shown | None:
        """The mirror of an instrument."""
        index = self._views.index_of.get(instrument.instrument_id)
        return None if index is None else Shown(self._views, index, self._broadcaster)

    async def prepare(self, instruments: Iterable[Instrument]) -> None:
        """Take what waits."""
        self._catch_up()

    def quoted(self) -> Iterable[int]:
        """Mirrors that have had a tick."""
        return [
            number
            for number, index in sorted(self._views.index_of.items())
            if self._views.state[index]["sequence"] > 0
        ]
