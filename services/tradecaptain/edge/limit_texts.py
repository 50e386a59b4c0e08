"""Limits in refusals as text: which unit a reason's numbers have, whence a reference came."""

from __future__ import annotations

from typing import Final

from tradecaptain.base.accounts import NOTIONAL_UNIT
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.units import UnitScale
from tradecaptain.wire import reason

QUANTITY_REASONS: Final = frozenset(
    {
        reason.REASON_ORDER_QUANTITY_LIMIT,
        reason.REASON_POSITION_LIMIT_LONG,
        reason.REASON_POSITION_LIMIT_SHORT,
        reason.REASON_GROSS_POSITION_LIMIT,
        reason.REASON_REDUCE_ONLY,
        reason.REASON_TOTAL_POSITION_LIMIT_LONG,
        reason.REASON_TOTAL_POSITION_LIMIT_SHORT,
    }
)
"""Refusals whose limit and observed value count the instrument's quantity."""
MONEY_REASONS: Final = frozenset(
    {
        reason.REASON_ORDER_NOTIONAL_LIMIT,
        reason.REASON_GROSS_EXPOSURE_LIMIT,
        reason.REASON_NET_EXPOSURE_LIMIT,
        reason.REASON_CREDIT_LIMIT,
        reason.REASON_DAILY_LOSS_LIMIT,
        reason.REASON_TOTAL_GROSS_EXPOSURE_LIMIT,
        reason.REASON_TOTAL_NET_EXPOSURE_LIMIT,
        reason.REASON_TOTAL_CREDIT_LIMIT,
        reason.REASON_TOTAL_DAILY_LOSS_LIMIT,
    }
)
"""Refusals whose limit and observed value are money."""
_MONEY: Final = UnitScale(NOTIONAL_UNIT, reason.REASON_NUMBER_OUT_OF_RANGE, "limit")
_REFERENCE_SOURCES: Final = {4: 1, 8: 2, 16: 3, 32: 4}


def limit_text(why: int, value: int, instrument: Instrument) -> str:
    """A limit or what was held against it, as exact decimal text in the limit's own unit."""
    if why in QUANTITY_REASONS:
        return instrument.quantity.format(value)
    return _MONEY.format(value) if why in MONEY_REASONS else str(value)


def reference_source(flags: int) -> int:
    """The contract's ReferencePriceSource for the bits of an event that name a reference."""
    return _REFERENCE_SOURCES.get(flags & 0b111100, 0)
