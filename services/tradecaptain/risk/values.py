"""Exact money of positions, as decimal text."""

from __future__ import annotations

import decimal
from fractions import Fraction

from tradecaptain.base.instruments import Instrument
from tradecaptain.base.units import UnitScale
from tradecaptain.risk.ledger import PairState
from tradecaptain.wire import reason

AVERAGE_PRICE_DIGITS = 12


def money_scale(instrument: Instrument) -> UnitScale:
    """Unit of price units times quantity units of an instrument, in its quote currency."""
    unit = instrument.price_unit * instrument.quantity_unit * instrument.multiplier
    return UnitScale(unit, reason.REASON_NUMBER_OUT_OF_RANGE, "value")


def average_price(pair: PairState, instrument: Instrument) -> str | None:
    """Average price of an open position, rounded to 12 digits; None if flat or not known."""
    if pair.position == 0 or not pair.is_value_known:
        return None
    exact = Fraction(pair.cost, pair.position) * instrument.price_unit
    context = decimal.Context(prec=AVERAGE_PRICE_DIGITS)
    rounded = context.divide(decimal.Decimal(exact.numerator), decimal.Decimal(exact.denominator))
    return format(rounded, "f")


def worst_case_units(pair: PairState) -> int:
    """Largest absolute position that working orders could lead to, in quantity units."""
    return max(abs(pair.position + pair.working_buy), abs(pair.position - pair.working_sell))
