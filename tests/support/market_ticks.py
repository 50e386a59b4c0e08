"""Market ticks as a collector would publish them, on any transport."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.publication import publication_offer
from tradecaptain.mesh.transport import Mesh
from tradecaptain.wire import market_tick, streams


def tick(**fields: int) -> npt.NDArray[Any]:
    """One message with these fields by name."""
    message = np.zeros(1, dtype=market_tick.DTYPE)
    market_tick.initialise(address_of(message))
    for name, value in fields.items():
        message[0][name] = value
    return message


def quote(instrument_id: int, sequence: int, bid: int, ask: int, **fields: int) -> Any:
    """A quote of size ten on both sides; a price of zero leaves its side empty."""
    return tick(
        tick_type=market_tick.TICK_TYPE_QUOTE,
        instrument_id=instrument_id,
        instrument_sequence=sequence,
        epoch=7,
        event_time_ns=1_000 + sequence,
        bid_price_units=bid,
        bid_quantity_units=10 if bid else 0,
        ask_price_units=ask,
        ask_quantity_units=10 if ask else 0,
        **fields,
    )


def trade(instrument_id: int, sequence: int, price: int) -> Any:
    """A trade of size ten."""
    return tick(
        tick_type=market_tick.TICK_TYPE_TRADE,
        instrument_id=instrument_id,
        instrument_sequence=sequence,
        epoch=7,
        event_time_ns=1_000 + sequence,
        price_units=price,
        quantity_units=10,
    )


class TickWriter:
    """A writer of market ticks."""

    def __init__(self, mesh: Mesh, **settings: int) -> None:
        self._publication = mesh.add_publication(streams.MARKET_TICKS, **settings)

    def refresh(self) -> None:
        """Open a new log if the driver has lost the old one."""
        self._publication.refresh()

    def write(self, message: npt.NDArray[Any], length: int | None = None) -> int:
        """Offer one message, or its first bytes."""
        whole = message.itemsize if length is None else length
        return int(publication_offer(self._publication.state, address_of(message), whole))
