"""Book events of the twin as mesh records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.mesh.stream_reader import EVENT_RECORD, event_dtype
from tradecaptain.wire import book_event
from twins.orderbook.book_twin import Event

DTYPE = event_dtype(book_event.DTYPE)


def records(events: Iterable[Any]) -> npt.NDArray[Any]:
    """One mesh record for each event."""
    told = list(events)
    array = np.zeros(len(told), book_event.DTYPE)
    for row, event in zip(array, told, strict=True):
        book_event.initialise(row.__array_interface__["data"][0])
        row["epoch"] = event.epoch
        row["sequence"] = event.sequence
        row["time_ns"] = event.time_ns
        row["action"] = event.action
        row["side"] = event.side
        row["flags"] = 1 if event.last else 0
        row["instrument_id"] = event.instrument_id
        row["level_order_count"] = event.level_orders
        row["instrument_sequence"] = event.sequence
        row["order_id"] = event.order_id
        row["price_units"] = event.price
        row["quantity_units"] = event.quantity
        row["level_quantity_units"] = event.level_quantity
        row["match_id"] = event.match_id
        row["command_sequence"] = event.command
    return array


def batch(*parts: list[Event] | int) -> npt.NDArray[Any]:
    """Slots of the reader: events of the venue, and what else the reader tells."""
    pieces = []
    for part in parts:
        told = records(part) if isinstance(part, list) else np.zeros(1, book_event.DTYPE)
        slots = np.zeros(len(told), DTYPE)
        slots["event"] = EVENT_RECORD if isinstance(part, list) else part
        slots["record"] = told
        pieces.append(slots)
    return np.concatenate(pieces)
