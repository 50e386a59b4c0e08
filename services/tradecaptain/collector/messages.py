"""Protobuf records of market data, made from the views."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.base.instruments import Instrument
from tradecaptain.wire import market_tick

TICK_SNAPSHOT = 1
TICK_LAST = 2
TICK_STALE = 4
TICK_GAP = 8
TICK_HIDDEN = 16


def units_of(instrument: Instrument) -> common_pb2.InstrumentUnits:
    """The units in which an instrument's integers are counted."""
    price, quantity = instrument.price_unit, instrument.quantity_unit
    return common_pb2.InstrumentUnits(
        instrument_id=instrument.instrument_id,
        instrument=instrument.key,
        price_unit=common_pb2.Rational(numerator=price.numerator, denominator=price.denominator),
        quantity_unit=common_pb2.Rational(
            numerator=quantity.numerator, denominator=quantity.denominator
        ),
    )


def quote_message(view: Any, previous_sequence: int = 0) -> records_pb2.Quote:
    """The newest quote and trade of a view; what an empty side lacks is absent."""
    quote = records_pb2.Quote(
        instrument_id=int(view["instrument_id"]),
        stamp=records_pb2.RecordStamp(
            epoch=int(view["epoch"]),
            sequence=int(max(view["quote_sequence"], view["trade_sequence"])),
            previous_sequence=previous_sequence,
            vendor_sequence=int(view["quote_vendor_sequence"]),
            event_time_ns=int(view["quote_event_ns"]),
            receive_time_ns=int(view["quote_receive_ns"]),
            publish_time_ns=int(view["quote_publish_ns"]),
            source=int(view["source"]),  # type: ignore[arg-type]
            last_of_command=bool(view["quote_flags"] & TICK_LAST),
            gap=bool(view["quote_flags"] & TICK_GAP),
        ),
    )
    for side in ("bid", "ask"):
        if view[f"{side}_quantity_units"] > 0:
            setattr(quote, f"{side}_price_units", int(view[f"{side}_price_units"]))
            setattr(quote, f"{side}_quantity_units", int(view[f"{side}_quantity_units"]))
    if view["last_quantity_units"] > 0:
        quote.last_price_units = int(view["last_price_units"])
        quote.last_quantity_units = int(view["last_quantity_units"])
    return quote


def tick_stamp(tick: Any, previous_sequence: int) -> records_pb2.RecordStamp:
    """Identity and times of a tick."""
    flags = int(tick["flags"])
    return records_pb2.RecordStamp(
        epoch=int(tick["epoch"]),
        sequence=int(tick["instrument_sequence"]),
        previous_sequence=previous_sequence,
        vendor_sequence=int(tick["vendor_sequence"]),
        event_time_ns=int(tick["event_time_ns"]),
        receive_time_ns=int(tick["receive_time_ns"]),
        publish_time_ns=int(tick["time_ns"]),
        source=int(tick["source"]),  # type: ignore[arg-type]
        snapshot=bool(flags & TICK_SNAPSHOT),
        last_of_command=bool(flags & TICK_LAST),
        stale=bool(flags & TICK_STALE),
        gap=bool(flags & TICK_GAP),
    )


def trade_message(tick: Any, previous_sequence: int) -> records_pb2.Trade:
    """A trade tick."""
    return records_pb2.Trade(
        instrument_id=int(tick["instrument_id"]),
        stamp=tick_stamp(tick, previous_sequence),
        price_units=int(tick["price_units"]),
        quantity_units=int(tick["quantity_units"]),
        aggressor_side=int(tick["side"]),  # type: ignore[arg-type]
        trade_id=int(tick["vendor_id"]) & 0xFFFFFFFFFFFFFFFF,
        hidden=bool(int(tick["flags"]) & TICK_HIDDEN),
    )


def quote_tick_message(tick: Any, previous_sequence: int) -> records_pb2.Quote:
    """A quote tick, for those who want every change."""
    quote = records_pb2.Quote(
        instrument_id=int(tick["instrument_id"]), stamp=tick_stamp(tick, previous_sequence)
    )
    for side in ("bid", "ask"):
        if tick[f"{side}_quantity_units"] > 0:
            setattr(quote, f"{side}_price_units", int(tick[f"{side}_price_units"]))
            setattr(quote, f"{side}_quantity_units", int(tick[f"{side}_quantity_units"]))
    return quote


def level_messages(levels: npt.NDArray[Any], limit: int) -> list[records_pb2.PriceLevel]:
    """Levels of one side, best first; all if ``limit`` is zero."""
    shown = levels[:limit] if limit else levels
    return [
        records_pb2.PriceLevel(
            price_units=int(level["price_units"]),
            quantity_units=int(level["quantity_units"]),
            order_count=int(level["order_count"]),
        )
        for level in shown
    ]


def level_change(row: Any) -> records_pb2.LevelChange:
    """One changed level."""
    return records_pb2.LevelChange(
        side=int(row["side"]),  # type: ignore[arg-type]
        level=records_pb2.PriceLevel(
            price_units=int(row["price_units"]),
            quantity_units=int(row["quantity_units"]),
            order_count=int(row["order_count"]),
        ),
    )


def row_stamp(row: Any, view: Any, previous_sequence: int) -> records_pb2.RecordStamp:
    """Identity and times of a depth row."""
    flags = int(row["flags"])
    return records_pb2.RecordStamp(
        epoch=int(view["epoch"]),
        sequence=int(row["sequence"]),
        previous_sequence=previous_sequence,
        vendor_sequence=int(row["vendor_sequence"]),
        event_time_ns=int(row["event_time_ns"]),
        receive_time_ns=int(row["receive_time_ns"]),
        publish_time_ns=int(row["publish_time_ns"]),
        source=int(view["source"]),  # type: ignore[arg-type]
        snapshot=bool(flags & TICK_SNAPSHOT),
        last_of_command=bool(flags & TICK_LAST),
        gap=bool(flags & TICK_GAP),
    )


def candle_message(
    candle: Any, instrument_id: int, interval_seconds: int, epoch: int, *, complete: bool
) -> records_pb2.Candle:
    """One candle."""
    return records_pb2.Candle(
        instrument_id=instrument_id,
        open_time_ns=int(candle["open_time_ns"]),
        interval_seconds=interval_seconds,
        open_price_units=int(candle["open_price_units"]),
        high_price_units=int(candle["high_price_units"]),
        low_price_units=int(candle["low_price_units"]),
        close_price_units=int(candle["close_price_units"]),
        volume_quantity_units=int(candle["volume_quantity_units"]),
        trade_count=int(candle["trade_count"]),
        complete=complete,
        epoch=epoch,
        sequence=int(candle["sequence"]),
    )


def depth_tick_types() -> tuple[int, int]:
    """Tick types that change a book."""
    return market_tick.TICK_TYPE_LEVEL, market_tick.TICK_TYPE_CLEAR
