"""Candles pushed through streams of indicators.

A candle is pushed once, when it is complete; a forming one is peeked, as often as it changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.pricing.v1 import indicators_pb2
from tradecaptain.kernels.indicators.program import Program
from tradecaptain.kernels.indicators.stream import Stream


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
