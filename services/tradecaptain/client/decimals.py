"""Exact decimals from the integer counts that streams carry."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction

from tradecaptain.api.common.v1 import common_pb2

_DIGITS = 60
"""More digits than any count of a unit needs, so that nothing is ever rounded."""


def units_to_decimal(units: int, unit: common_pb2.Rational) -> Decimal:
    """The exact value of a count of units; a ValueError if it has no finite decimal expansion."""
    value = Fraction(unit.numerator, unit.denominator) * units
    with localcontext(prec=_DIGITS):
        result = Decimal(value.numerator) / Decimal(value.denominator)
    if Fraction(result) != value:
        raise ValueError(
            f"{units} times {unit.numerator}/{unit.denominator} has no finite decimals"
        )
    return result


class Units:
    """The units of instruments, as stream headers tell them."""

    def __init__(self) -> None:
        self._by_id: dict[int, common_pb2.InstrumentUnits] = {}

    def learn(self, units: Iterable[common_pb2.InstrumentUnits]) -> None:
        """Take in the units of a header."""
        self._by_id.update({item.instrument_id: item for item in units})

    def price(self, instrument_id: int, price_units: int) -> Decimal:
        """A price of an instrument; KeyError if its units were never told."""
        return units_to_decimal(price_units, self._by_id[instrument_id].price_unit)

    def quantity(self, instrument_id: int, quantity_units: int) -> Decimal:
        """A quantity of an instrument; KeyError if its units were never told."""
        return units_to_decimal(quantity_units, self._by_id[instrument_id].quantity_unit)

    def name(self, instrument_id: int) -> str:
        """Name of an instrument, SYMBOL@MIC."""
        return self._by_id[instrument_id].instrument
