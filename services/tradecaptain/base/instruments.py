"""Instruments: what can be quoted and traded, and the rules that orders for it must keep."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from zoneinfo import ZoneInfo

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.units import UnitScale
from tradecaptain.wire import reason as reasons

OWN_VENUE_MIC = "TCAP"
NANOSECONDS = 1_000_000_000


class InstrumentType(StrEnum):
    """What kind of thing an instrument is."""

    EQUITY = "equity"
    CRYPTO = "crypto"
    OPTION = "option"
    FUTURE = "future"
    INDEX = "index"
    FX = "fx"


class Allocation(StrEnum):
    """How an incoming order is shared out over resting ones at our own venue."""

    PRICE_TIME = "price-time"
    PRO_RATA = "pro-rata"
    PRO_RATA_TOP = "pro-rata-top"
    BATCH_AUCTION = "batch-auction"
    FILTER_AND_UNCROSS = "filter-and-uncross"


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a session is open: local times, ISO weekdays (Monday is 1) and holidays."""

    name: str
    timezone: str
    open: datetime.time
    close: datetime.time
    weekdays: tuple[int, ...]
    holidays: frozenset[datetime.date]

    def midnight_ns(self, day: datetime.date) -> int:
        """Nanoseconds since the epoch at which ``day`` begins in the calendar's time zone."""
        return self._instant_ns(day, datetime.time())

    def close_ns(self, day: datetime.date) -> int:
        """Nanoseconds since the epoch at which the session of ``day`` closes."""
        return self._instant_ns(day, self.close)

    def is_trading_day(self, day: datetime.date) -> bool:
        """Whether there is a session on ``day``."""
        return day.isoweekday() in self.weekdays and day not in self.holidays

    def _instant_ns(self, day: datetime.date, time: datetime.time) -> int:
        local = datetime.datetime.combine(day, time, tzinfo=ZoneInfo(self.timezone))
        return int(local.timestamp()) * NANOSECONDS


@dataclass(frozen=True, slots=True)
class TickBand:
    """From this price on (in price units) orders move in steps of ``increment_units``."""

    from_price_units: int
    increment_units: int


@dataclass(frozen=True, slots=True)
class TickTable:
    """The order increments in force from a day on; bands ascend by price."""

    effective_from: datetime.date
    effective_from_ns: int
    bands: tuple[TickBand, ...]

    def increment_at(self, price_units: int) -> int:
        """The step of orders at a price; below the first band its step holds."""
        increment_units = self.bands[0].increment_units
        for band in self.bands:
            if price_units < band.from_price_units:
                break
            increment_units = band.increment_units
        return increment_units


@dataclass(frozen=True)
class Instrument:
    """One instrument. Prices are counts of ``price_unit``, sizes counts of ``quantity_unit``.

    ``rate`` and ``dividend_yield`` are continuous and a year; ``volatility`` is a year's. They are
    the reference values of an option and zero for everything else.
    """

    instrument_id: int
    symbol: str
    mic: str
    name: str
    type: InstrumentType
    price_unit: Fraction
    quantity_unit: Fraction
    tick_tables: tuple[TickTable, ...]
    lot_units: int
    minimum_order_units: int
    maximum_order_units: int
    minimum_price_units: int
    maximum_price_units: int
    currency: str
    settlement_currency: str
    calendar: Calendar
    multiplier: int = 1
    isin: str = ""
    figi: str = ""
    source: str = ""
    initial_price_units: int = 0
    mirror_of: int = 0
    underlying_id: int = 0
    strike_units: int = 0
    expiry: datetime.date | None = None
    expiry_ns: int = 0
    right: str = ""
    exercise_style: str = ""
    volatility: float = 0.0
    rate: float = 0.0
    dividend_yield: float = 0.0
    allocation: Allocation = Allocation.PRICE_TIME
    minimum_share_units: int = 0
    batch_interval_ms: int = 0
    indication_interval_ms: int = 0

    @property
    def key(self) -> str:
        """Symbol and venue, such as ``AMZN@TCAP``."""
        return f"{self.symbol}@{self.mic}"

    @property
    def is_tradable(self) -> bool:
        """Whether clients may send orders for it: only our own venue's instruments."""
        return self.mic == OWN_VENUE_MIC

    @cached_property
    def price(self) -> UnitScale:
        """Converts price text; holds nothing against the order increments."""
        return UnitScale(self.price_unit, reasons.REASON_INVALID_PRICE, "price")

    @cached_property
    def quantity(self) -> UnitScale:
        """Converts quantity text; holds nothing against lot, minimum or maximum."""
        return UnitScale(self.quantity_unit, reasons.REASON_INVALID_QUANTITY, "quantity")

    @cached_property
    def _effective_ns(self) -> tuple[int, ...]:
        return tuple(table.effective_from_ns for table in self.tick_tables)

    def tick_table_at(self, now_ns: int) -> TickTable:
        """The order increments in force at an instant; before the first table, the first."""
        return self.tick_tables[max(0, bisect_right(self._effective_ns, now_ns) - 1)]

    @property
    def slide_units(self) -> int:
        """The step by which a price may be moved anywhere in the newest tick table."""
        return max(band.increment_units for band in self.tick_tables[-1].bands)

    def increment_at(self, price_units: int, now_ns: int) -> int:
        """The step of orders at a price and an instant, in price units."""
        return self.tick_table_at(now_ns).increment_at(price_units)

    def parse_order_price(self, text: str, now_ns: int) -> int:
        """Read an order's price and check it; see :meth:`check_order_price`."""
        price_units = self.price.parse(text)
        self.check_order_price(price_units, now_ns)
        return price_units

    def check_order_price(self, price_units: int, now_ns: int) -> None:
        """Refuse a price outside the instrument's range or off its order increments."""
        if not self.minimum_price_units <= price_units <= self.maximum_price_units:
            lowest, highest = self.minimum_price_units, self.maximum_price_units
            limit = f"{self.price.format(lowest)} to {self.price.format(highest)}"
            raise TradeCaptainError(
                reasons.REASON_PRICE_OUT_OF_RANGE,
                f"price {self.price.format(price_units)} lies outside {limit} of {self.key}",
                limit=limit,
                observed=self.price.format(price_units),
                level="instrument",
            )
        increment_units = self.increment_at(price_units, now_ns)
        if price_units % increment_units:
            increment = self.price.format(increment_units)
            raise TradeCaptainError(
                reasons.REASON_INVALID_PRICE,
                f"price {self.price.format(price_units)} is off the order increment"
                f" {increment} of {self.key}",
                limit=increment,
                observed=self.price.format(price_units),
                level="instrument",
            )

    def parse_order_quantity(self, text: str) -> int:
        """Read an order's quantity and check it; see :meth:`check_order_quantity`."""
        quantity_units = self.quantity.parse(text)
        self.check_order_quantity(quantity_units)
        return quantity_units

    def check_order_quantity(self, quantity_units: int) -> None:
        """Refuse a quantity that isn't positive, off the lot, or beyond minimum or maximum."""
        if quantity_units <= 0:
            self._refuse_quantity(quantity_units, "must be positive", "0")
        if quantity_units % self.lot_units:
            lot = self.quantity.format(self.lot_units)
            self._refuse_quantity(quantity_units, f"isn't a multiple of the lot {lot}", lot)
        if quantity_units < self.minimum_order_units:
            least = self.quantity.format(self.minimum_order_units)
            self._refuse_quantity(quantity_units, f"is below the minimum {least}", least)
        if quantity_units > self.maximum_order_units:
            most = self.quantity.format(self.maximum_order_units)
            self._refuse_quantity(quantity_units, f"is above the maximum {most}", most)

    def _refuse_quantity(self, quantity_units: int, problem: str, limit: str) -> None:
        observed = self.quantity.format(quantity_units)
        raise TradeCaptainError(
            reasons.REASON_INVALID_QUANTITY,
            f"quantity {observed} {problem} of {self.key}"
            if quantity_units > 0
            else f"quantity {observed} {problem}",
            limit=limit,
            observed=observed,
            level="instrument",
        )
