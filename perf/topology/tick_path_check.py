"""What `tick_path` publishes, held against a twin that knows only the ticks and the vendor's files.

The session is played once, untimed, and every published record is kept. A book of plain
dictionaries, built from the records alone, must show the vendor's order book line after every row;
every trade must be told; and the last-value cache must end where the vendor's book ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import address_of, copy_bytes
from tradecaptain.mesh.agent import duty_cycle, frame_array
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.layout import IMAGE
from tradecaptain.wire import market_tick

ABSENT_PRICE = 9_999_999_999
TRADE_CODES = (b"4", b"5", b"6")
SUMMED_FIELDS = (
    "price_units",
    "quantity_units",
    "bid_price_units",
    "bid_quantity_units",
    "ask_price_units",
    "ask_quantity_units",
)

KEEPER_DTYPE = np.dtype([("kept", "<i8"), ("capacity", "<i8"), ("kept_address", "<i8")], align=True)


@duty_cycle
def keep_records(frame: int, now_ns: int) -> int:
    """Copy every record as far as there is room; the number of this turn, negative when full."""
    images = frame_array(frame, 0, IMAGE)
    keeper = frame_array(frame, 1, KEEPER_DTYPE)
    taken = 0
    for index in range(len(images)):
        while True:
            tick = image_next(images, index)
            if tick <= 0:
                break
            kept = keeper[0]["kept"]
            if kept == keeper[0]["capacity"]:
                return -1
            target = keeper[0]["kept_address"] + kept * market_tick.RECORD_BYTES
            copy_bytes(target, tick, market_tick.RECORD_BYTES)
            keeper[0]["kept"] = kept + 1
            taken += 1
        image_release(images, index)
    return taken


def new_keeper(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """State of :func:`keep_records` that fills ``records``."""
    keeper = np.zeros(1, KEEPER_DTYPE)
    keeper[0] = (0, len(records), address_of(records))
    return keeper


@dataclass(frozen=True, slots=True)
class Expected:
    """What one session publishes."""

    row_count: int
    record_count: int
    value_sum: int
    """Sum of the fields of :data:`SUMMED_FIELDS` over all records."""
    last_book: list[int]
    """The vendor's last order book line."""


class TickBook:
    """A book that knows only what ticks tell."""

    def __init__(self) -> None:
        self._sides: dict[int, dict[int, int]] = {1: {}, 2: {}}
        self.trade_count = 0
        self.quote: tuple[int, ...] = ()

    def take(self, tick: Any) -> None:
        """Apply one record."""
        kind = int(tick["tick_type"])
        if kind == market_tick.TICK_TYPE_CLEAR:
            self._sides = {1: {}, 2: {}}
        elif kind == market_tick.TICK_TYPE_TRADE:
            self.trade_count += 1
        elif kind == market_tick.TICK_TYPE_QUOTE:
            self.quote = tuple(int(tick[name]) for name in SUMMED_FIELDS[2:])
        elif kind == market_tick.TICK_TYPE_LEVEL:
            side, price = self._sides[int(tick["side"])], int(tick["price_units"])
            if tick["quantity_units"]:
                side[price] = int(tick["quantity_units"])
            else:
                del side[price]

    def line(self, level_count: int) -> list[int]:
        """The book as the vendor writes it."""
        bids = sorted(self._sides[1].items(), reverse=True)
        asks = sorted(self._sides[2].items())
        fields: list[int] = []
        for place in range(level_count):
            fields += asks[place] if place < len(asks) else (ABSENT_PRICE, 0)
            fields += bids[place] if place < len(bids) else (-ABSENT_PRICE, 0)
        return fields


def check_session(records: npt.NDArray[Any], messages: Path, books: Path) -> Expected:
    """Hold one session's records against the vendor's files; what to expect of the next ones."""
    sequences = records["instrument_sequence"]
    if (np.diff(sequences) != 1).any():
        raise RuntimeError("a tick is missing or out of order")
    # The first row is the book that the day begins with.
    later = messages.read_bytes().splitlines()[1:]
    trades = sum(line.split(b",")[1] in TRADE_CODES for line in later)
    lines = books.read_bytes().splitlines()
    twin = TickBook()
    ticks = iter(records)
    tick = next(ticks, None)
    wanted: list[int] = []
    for row, text in enumerate(lines, 1):
        while tick is not None and tick["vendor_sequence"] == row:
            twin.take(tick)
            tick = next(ticks, None)
        wanted = [int(field) for field in text.split(b",")]
        if twin.line(len(wanted) // 4) != wanted:
            raise RuntimeError(f"row {row}: the book of the ticks isn't the vendor's")
    ask, ask_quantity, bid, bid_quantity = wanted[:4]
    if tick is not None or twin.quote != (bid, bid_quantity, ask, ask_quantity):
        raise RuntimeError("the last quote isn't that of the vendor's last book")
    if twin.trade_count != trades:
        raise RuntimeError(f"{twin.trade_count} trades of {trades} were told")
    value_sum = sum(int(records[name].sum()) for name in SUMMED_FIELDS)
    return Expected(len(lines), len(records), value_sum, wanted)


def check_last_value(value: Any, expected: Expected, published: int) -> None:
    """Hold the shared cache's record against the vendor's last book and the stream's number."""
    ask, ask_quantity, bid, bid_quantity = expected.last_book[:4]
    quote = [int(value[name][0]) for name in SUMMED_FIELDS[2:]]
    if quote != [bid, bid_quantity, ask, ask_quantity]:
        raise RuntimeError("the last-value cache shows another quote than the vendor's last book")
    if int(value["instrument_sequence"][0]) != published:
        raise RuntimeError("the last-value cache isn't as new as the stream")
