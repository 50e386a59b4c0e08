"""Accounts, and the limits that the risk gate holds their orders against by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from tradecaptain.base.instruments import Instrument

# An explicit "no limit", which the risk gate knows as such and never computes with.
UNLIMITED_UNITS = 2**63 - 1
UNLIMITED = "unlimited"
# Notional limits count millionths of the quote currency, whatever the instrument's units.
NOTIONAL_UNIT = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class LimitUnits:
    """Limits of one account in one instrument's units; ``None`` is unset, and refuses orders.

    ``order_notional`` counts :data:`NOTIONAL_UNIT` of the quote currency.
    """

    order_quantity: int | None
    order_notional: int | None
    price_collar_bps: int | None
    position_long: int | None
    position_short: int | None
    open_orders: int | None


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """Limits as people write them: quantities and money in decimals, not yet in units.

    An infinite value can't be written as a fraction, so :data:`UNLIMITED` stands in its place.
    """

    order_quantity: Fraction | str | None = None
    order_notional: Fraction | str | None = None
    price_collar_bps: Fraction | str | None = None
    position_long: Fraction | str | None = None
    position_short: Fraction | str | None = None
    open_orders: Fraction | str | None = None

    def merged_with(self, other: AccountLimits) -> AccountLimits:
        """Return these limits with every limit that ``other`` sets put in its place."""

        def pick[T](mine: T, theirs: T) -> T:
            return mine if theirs is None else theirs

        return AccountLimits(
            order_quantity=pick(self.order_quantity, other.order_quantity),
            order_notional=pick(self.order_notional, other.order_notional),
            price_collar_bps=pick(self.price_collar_bps, other.price_collar_bps),
            position_long=pick(self.position_long, other.position_long),
            position_short=pick(self.position_short, other.position_short),
            open_orders=pick(self.open_orders, other.open_orders),
        )


def _in_units(value: Fraction | str | None, unit: Fraction) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        return UNLIMITED_UNITS
    # A limit that isn't a whole count of units is cut down, never up.
    return min(UNLIMITED_UNITS, int(value / unit))


@dataclass(frozen=True, slots=True)
class Account:
    """One trading account; ``overrides`` by instrument key differ from ``limits``."""

    account_id: int
    name: str
    firm_id: int
    firm: str
    self_trade_group: int
    limits: AccountLimits
    overrides: Mapping[str, AccountLimits] = field(default_factory=lambda: MappingProxyType({}))

    def limits_for(self, instrument: Instrument) -> LimitUnits:
        """Return the account's default limits for an instrument, in that instrument's units."""
        limits = self.limits
        if instrument.key in self.overrides:
            limits = limits.merged_with(self.overrides[instrument.key])
        quantity_unit = instrument.quantity_unit
        return LimitUnits(
            order_quantity=_in_units(limits.order_quantity, quantity_unit),
            order_notional=_in_units(limits.order_notional, NOTIONAL_UNIT),
            price_collar_bps=_in_units(limits.price_collar_bps, Fraction(1)),
            position_long=_in_units(limits.position_long, quantity_unit),
            position_short=_in_units(limits.position_short, quantity_unit),
            open_orders=_in_units(limits.open_orders, Fraction(1)),
        )
