"""Levels of the hierarchy, and limit values as text and as the gate's integers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tradecaptain.base.accounts import NOTIONAL_UNIT, UNLIMITED, UNLIMITED_UNITS
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference import Reference
from tradecaptain.base.units import UnitScale
from tradecaptain.wire import control, reason

SCOPE_FIRM: Final = control.CONTROL_SCOPE_FIRM
SCOPE_ACCOUNT: Final = control.CONTROL_SCOPE_ACCOUNT
SCOPE_INSTRUMENT: Final = control.CONTROL_SCOPE_INSTRUMENT
SCOPE_STRATEGY: Final = control.CONTROL_SCOPE_STRATEGY
SCOPE_ACCOUNT_INSTRUMENT: Final = control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT

SCOPE_GROUP: Final = control.CONTROL_SCOPE_GROUP
SCOPE_ORDER: Final = control.CONTROL_SCOPE_ORDER

LIMIT_KINDS: Final = range(
    control.LIMIT_KIND_ORDER_QUANTITY, control.LIMIT_KIND_TOTAL_POSITION_SHORT + 1
)
TOTAL_KINDS: Final = range(
    control.LIMIT_KIND_TOTAL_GROSS_EXPOSURE, control.LIMIT_KIND_TOTAL_POSITION_SHORT + 1
)
"""Limits on what a group or firm holds together."""
POSITION_TOTAL_KINDS: Final = frozenset(
    {control.LIMIT_KIND_TOTAL_POSITION_LONG, control.LIMIT_KIND_TOTAL_POSITION_SHORT}
)
REQUIRED_KINDS: Final = range(control.LIMIT_KIND_ORDER_QUANTITY, control.LIMIT_KIND_OPEN_ORDERS + 1)
"""Limits that every account must have, itself or in each instrument."""
QUANTITY_KINDS: Final = frozenset(
    {
        control.LIMIT_KIND_ORDER_QUANTITY,
        control.LIMIT_KIND_POSITION_LONG,
        control.LIMIT_KIND_POSITION_SHORT,
        control.LIMIT_KIND_GROSS_POSITION,
        *POSITION_TOTAL_KINDS,
    }
)
MONEY_KINDS: Final = frozenset(
    {
        control.LIMIT_KIND_ORDER_NOTIONAL,
        control.LIMIT_KIND_GROSS_EXPOSURE,
        control.LIMIT_KIND_NET_EXPOSURE,
        control.LIMIT_KIND_CREDIT,
        control.LIMIT_KIND_DAILY_LOSS,
        control.LIMIT_KIND_TOTAL_GROSS_EXPOSURE,
        control.LIMIT_KIND_TOTAL_NET_EXPOSURE,
        control.LIMIT_KIND_TOTAL_CREDIT,
        control.LIMIT_KIND_TOTAL_DAILY_LOSS,
    }
)
WHOLE_ACCOUNT_KINDS: Final = frozenset(
    {
        control.LIMIT_KIND_MESSAGE_RATE,
        control.LIMIT_KIND_MESSAGE_BURST,
        control.LIMIT_KIND_EXECUTION_COUNT,
        control.LIMIT_KIND_EXECUTION_WINDOW,
        control.LIMIT_KIND_GROSS_EXPOSURE,
        control.LIMIT_KIND_NET_EXPOSURE,
        control.LIMIT_KIND_CREDIT,
        control.LIMIT_KIND_DAILY_LOSS,
    }
)
"""What is counted over all instruments of an account."""

CASH_MAX: Final = (1 << 62) - 1
"""Largest cash of an account, in notional units: above or below zero."""
MONEY: Final = UnitScale(NOTIONAL_UNIT, reason.REASON_INVALID_REQUEST, "value")
"""Money of limits and sums."""
_WHOLE = UnitScale(Fraction(1), reason.REASON_INVALID_REQUEST, "value")


@dataclass(frozen=True, slots=True, order=True)
class Level:
    """What a limit or kill switch applies to; ids that the scope doesn't use are zero.

    A firm id of zero is the whole venue.
    """

    scope: int
    scope_id: int = 0
    instrument_id: int = 0

    def governs(self, firm_id: int, account_id: int, instrument_id: int, group_id: int = 0) -> bool:
        """Whether a limit here is held against an order; no instrument asks for all instruments."""
        if self.scope in (SCOPE_FIRM, SCOPE_GROUP) and self.instrument_id not in (0, instrument_id):
            return False
        if self.scope == SCOPE_FIRM:
            return self.scope_id in (0, firm_id)
        if self.scope == SCOPE_GROUP:
            return self.scope_id == group_id
        if self.scope == SCOPE_ACCOUNT:
            return self.scope_id == account_id
        if self.instrument_id != instrument_id:
            return False
        if self.scope == SCOPE_INSTRUMENT:
            return True
        return self.scope == SCOPE_ACCOUNT_INSTRUMENT and self.scope_id == account_id

    def is_own_of(self, account_id: int) -> bool:
        """Whether a limit here counts as one that the account must have."""
        return (
            self.scope in (SCOPE_ACCOUNT, SCOPE_ACCOUNT_INSTRUMENT) and self.scope_id == account_id
        )


def _refuse(message: str, field: str) -> TradeCaptainError:
    return TradeCaptainError(reason.REASON_INVALID_REQUEST, message, field=field)


def _check_total_level(level: Level, kind: int) -> None:
    """A limit on totals is that of a group or firm, on positions in an instrument."""
    if level.scope not in (SCOPE_FIRM, SCOPE_GROUP) or level.scope_id == 0:
        raise _refuse("a total is that of a group or of a firm", "target.scope")
    if kind in POSITION_TOTAL_KINDS and level.instrument_id == 0:
        raise _refuse("a position is one in an instrument", "target.instrument")
    if kind not in POSITION_TOTAL_KINDS and level.instrument_id:
        raise _refuse("this is counted over all instruments", "target.instrument")


def scale_of(level: Level, kind: int, reference: Reference) -> UnitScale:
    """Unit of a limit.

    A quantity is counted in an instrument's units, so such a limit needs a level that names one;
    raises REASON_INVALID_REQUEST otherwise, and for combinations that the gate doesn't have.
    """
    if kind in TOTAL_KINDS:
        _check_total_level(level, kind)
    elif level.scope in (SCOPE_FIRM, SCOPE_GROUP) and level.instrument_id:
        raise _refuse("only positions of a group or firm are limited so", "target.instrument")
    if kind not in QUANTITY_KINDS:
        if kind == control.LIMIT_KIND_OPEN_ORDERS and level.scope == SCOPE_ACCOUNT_INSTRUMENT:
            raise _refuse("open orders are counted by account: use scope account", "target.scope")
        if kind in WHOLE_ACCOUNT_KINDS and level.instrument_id:
            raise _refuse(
                "this is counted over all instruments: use a scope without one", "target.scope"
            )
        return MONEY if kind in MONEY_KINDS else _WHOLE
    if level.instrument_id == 0:
        raise _refuse(
            "a quantity is counted in an instrument's own units: use scope instrument or"
            " account-instrument",
            "target.scope",
        )
    return UnitScale(
        reference.instrument(level.instrument_id).quantity_unit,
        reason.REASON_INVALID_REQUEST,
        "value",
    )


def parse_value(text: str, level: Level, kind: int, reference: Reference) -> int:
    """The gate's integer for a limit's decimal text or ``unlimited``; never negative."""
    scale = scale_of(level, kind, reference)
    if text == UNLIMITED:
        return UNLIMITED_UNITS
    value = scale.parse(text)
    if value < 0:
        raise TradeCaptainError(
            reason.REASON_NUMBER_OUT_OF_RANGE, "a limit must not be negative", field="value"
        )
    if value == UNLIMITED_UNITS:
        raise TradeCaptainError(
            reason.REASON_NUMBER_OUT_OF_RANGE,
            f"{text} is more than a limit can be; no limit is the word {UNLIMITED!r}",
            field="value",
        )
    return value


def format_value(value: int, level: Level, kind: int, reference: Reference) -> str:
    """A limit's integer as decimal text in the unit of its kind, or ``unlimited``."""
    if value == UNLIMITED_UNITS:
        return UNLIMITED
    return scale_of(level, kind, reference).format(value)


def parse_cash(text: str) -> int:
    """Cash in the accounts' currency as the gate's integer; negative is a debt.

    Half of what fits: the totals of groups and firms take the difference of two of them.
    """
    cash = UnitScale(NOTIONAL_UNIT, reason.REASON_INVALID_REQUEST, "cash").parse(text)
    if abs(cash) > CASH_MAX:
        raise TradeCaptainError(
            reason.REASON_NUMBER_OUT_OF_RANGE,
            f"cash must lie within {MONEY.format(CASH_MAX)}, above or below zero",
            field="cash",
        )
    return cash
