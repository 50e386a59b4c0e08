"""The file format of reference data: reads it with checks, and writes it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tradecaptain.base.accounts import UNLIMITED, Account, AccountLimits
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import (
    Allocation,
    Calendar,
    Instrument,
    InstrumentType,
    TickBand,
    TickTable,
)
from tradecaptain.base.reference import Reference
from tradecaptain.base.toml_table import TableReader, read_toml, toml_table
from tradecaptain.base.units import INT64_MAX, UnitScale

SYMBOL = r"[A-Z0-9][A-Z0-9._-]{0,31}"
"""What a symbol may be, as a regular expression."""
_MIC = r"[A-Z0-9]{3,8}"
_CURRENCY = r"[A-Z]{3,5}"
_UINT32_MAX = 2**32 - 1
_WHOLE_LIMITS = ("price_collar_bps", "open_orders")
_INTERVAL_MS_MAX = 86_400_000
_SOURCES = ("", "simulator", "lobster", "binance")


def read_reference(path: Path) -> Reference:
    """Read a reference file; a refusal names the key and the rule."""
    root = TableReader(read_toml(path), path.name)
    calendars = {}
    for table in root.tables("calendar"):
        calendar = _read_calendar(table)
        calendars[calendar.name] = calendar
    parser = _InstrumentParser(calendars)
    for table in root.tables("instrument"):
        parser.add(table)
    for table in root.tables("option_chain"):
        parser.add_chain(table)
    accounts = [_read_account(table) for table in root.tables("account")]
    root.finish()
    return Reference(
        tuple(sorted(parser.instruments, key=lambda item: item.instrument_id)),
        tuple(sorted(accounts, key=lambda item: item.account_id)),
    )


def _read_calendar(table: TableReader) -> Calendar:
    timezone = table.text("timezone")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise table.fail(
            "timezone", f"must be an IANA time zone, and {timezone!r} isn't"
        ) from error
    weekdays = table.items("weekdays")
    if not weekdays or any(day not in range(1, 8) for day in weekdays):
        raise table.fail("weekdays", f"must be ISO weekdays from 1 to 7, not {weekdays!r}")
    calendar = Calendar(
        name=table.text("name", pattern=r"[a-z0-9_]+"),
        timezone=timezone,
        open=table.time("open"),
        close=table.time("close"),
        weekdays=tuple(weekdays),
        holidays=frozenset(table.dates("holidays")),
    )
    if calendar.open >= calendar.close:
        raise table.fail("close", f"must be later than open, {calendar.open}")
    table.finish()
    return calendar


class _InstrumentParser:
    """Reads instruments in file order; later ones may take over values of earlier ones."""

    def __init__(self, calendars: Mapping[str, Calendar], known: Iterable[Instrument] = ()) -> None:
        self._calendars = calendars
        self._tables: dict[str, dict[str, Any]] = {}
        self._by_key = {instrument.key: instrument for instrument in known}

    @property
    def instruments(self) -> list[Instrument]:
        return list(self._by_key.values())

    def _named(self, table: TableReader, key: str) -> Instrument | None:
        name = table.text(key, "")
        if not name:
            return None
        if name not in self._by_key:
            raise table.fail(key, f"must name an instrument above it, and {name!r} is none")
        return self._by_key[name]

    def add(self, table: TableReader) -> None:
        """Read one instrument; one that mirrors another takes over what it doesn't say itself."""
        own = table.take_all()
        mirrored = own.get("mirror_of", "")
        merged = own
        if mirrored:
            if mirrored not in self._tables:
                raise table.fail("mirror_of", f"must name an instrument above it, not {mirrored!r}")
            not_inherited = ("source", "initial_price", "isin", "figi")
            inherited = self._tables[mirrored]
            merged = {key: item for key, item in inherited.items() if key not in not_inherited}
            merged.update(own)
        instrument = self._read(TableReader(merged, table.where))
        if instrument.key in self._by_key:
            raise table.fail("symbol", f"must name a new instrument, and {instrument.key} exists")
        self._tables[instrument.key] = merged
        self._by_key[instrument.key] = instrument

    def add_chain(self, table: TableReader) -> None:
        """Expand an option chain: a call and a put for every expiry and strike, in this order."""
        first_id = table.integer("first_id", minimum=1, maximum=_UINT32_MAX)
        underlying = table.text("underlying")
        expiries = table.dates("expiries")
        strikes = table.items("strikes")
        shared = table.take_all()
        symbol = underlying.partition("@")[0]
        contracts = product(expiries, strikes, ("call", "put"))
        for offset, (expiry, strike, right) in enumerate(contracts):
            values = {
                **shared,
                "id": first_id + offset,
                "type": "option",
                "symbol": f"{symbol}-{expiry:%Y%m%d}-{right[0].upper()}-{strike}",
                "name": f"{symbol} {expiry:%d %b %Y} {strike} {right}",
                "underlying": underlying,
                "strike": strike,
                "expiry": expiry,
                "right": right,
            }
            self.add(TableReader(values, table.where))

    def _read(self, table: TableReader) -> Instrument:
        price_unit = self._unit(table, "price_unit")
        quantity_unit = self._unit(table, "quantity_unit")
        price = _Counter(table, UnitScale(price_unit, 0, "price"))
        quantity = _Counter(table, UnitScale(quantity_unit, 0, "quantity"))
        calendar = self._calendar(table)
        kind = InstrumentType(table.choice("type", [item.value for item in InstrumentType]))
        mirrored = self._named(table, "mirror_of")
        lot_units = quantity.positive("lot")
        instrument = Instrument(
            instrument_id=table.integer("id", minimum=1, maximum=_UINT32_MAX),
            symbol=table.text("symbol", pattern=SYMBOL),
            mic=table.text("mic", pattern=_MIC),
            name=table.text("name"),
            type=kind,
            price_unit=price_unit,
            quantity_unit=quantity_unit,
            tick_tables=_read_tick_tables(table, price, calendar),
            lot_units=lot_units,
            minimum_order_units=quantity.positive("minimum_order"),
            maximum_order_units=quantity.positive("maximum_order"),
            minimum_price_units=price.any("minimum_price"),
            maximum_price_units=price.any("maximum_price"),
            currency=table.text("currency", pattern=_CURRENCY),
            settlement_currency=table.text("settlement_currency", pattern=_CURRENCY),
            calendar=calendar,
            multiplier=table.integer("multiplier", 1, minimum=1, maximum=1_000_000),
            isin=table.text("isin", "", pattern=r"([A-Z]{2}[A-Z0-9]{9}[0-9])?"),
            figi=table.text("figi", "", pattern=r"([A-Z0-9]{12})?"),
            source=table.choice("source", _SOURCES, ""),
            initial_price_units=price.any("initial_price", "0"),
            mirror_of=mirrored.instrument_id if mirrored else 0,
            allocation=Allocation(
                table.choice(
                    "allocation", [item.value for item in Allocation], Allocation.PRICE_TIME.value
                )
            ),
            minimum_share_units=quantity.any("minimum_share", "0"),
            batch_interval_ms=table.integer(
                "batch_interval_ms", 0, minimum=0, maximum=_INTERVAL_MS_MAX
            ),
            indication_interval_ms=table.integer(
                "indication_interval_ms", 0, minimum=0, maximum=_INTERVAL_MS_MAX
            ),
            **self._read_option(table, kind, price, calendar),
        )
        _check_order_rules(table, instrument)
        table.finish()
        return instrument

    def _unit(self, table: TableReader, key: str) -> Fraction:
        unit = table.rational(key)
        try:
            UnitScale(unit, 0, key)
        except ValueError as error:
            raise table.fail(key, f"must be a unit: {error}") from error
        return unit

    def _calendar(self, table: TableReader) -> Calendar:
        name = table.text("calendar")
        if name not in self._calendars:
            raise table.fail("calendar", f"must name a [[calendar]], and {name!r} is none")
        return self._calendars[name]

    def _read_option(
        self, table: TableReader, kind: InstrumentType, price: _Counter, calendar: Calendar
    ) -> dict[str, Any]:
        if kind is not InstrumentType.OPTION:
            return {}
        underlying = self._named(table, "underlying")
        if underlying is None:
            raise table.fail("underlying", "must be set for an option")
        expiry = table.date("expiry")
        return {
            "underlying_id": underlying.instrument_id,
            "strike_units": price.positive("strike"),
            "expiry": expiry,
            "expiry_ns": calendar.close_ns(expiry),
            "right": table.choice("right", ("call", "put")),
            "exercise_style": table.choice("exercise_style", ("european", "american")),
            "volatility": table.number("volatility", minimum=0.0001, maximum=10.0),
            "rate": table.number("rate", minimum=-1.0, maximum=1.0),
            "dividend_yield": table.number("dividend_yield", minimum=-1.0, maximum=1.0),
        }


def instrument_table(reference: Reference, instrument: Instrument) -> dict[str, Any]:
    """An instrument as the table that a reference file has of it."""
    return _instrument_values(instrument, {i.instrument_id: i.key for i in reference.instruments})


def parse_instrument(reference: Reference, values: Mapping[str, Any], where: str) -> Instrument:
    """Read one more instrument from its table, by the rules of a reference file.

    One of the same name, if there is one, is left out of account. A refusal names the key and the
    rule.
    """
    calendars = {item.calendar.name: item.calendar for item in reference.instruments}
    key = f"{values.get('symbol')}@{values.get('mic')}"
    others = [item for item in reference.instruments if item.key != key]
    parser = _InstrumentParser(calendars, others)
    parser.add(TableReader(values, where))
    return parser.instruments[-1]


class _Counter:
    """Takes decimal texts of a table as counts of one unit."""

    def __init__(self, table: TableReader, scale: UnitScale) -> None:
        self._table = table
        self._scale = scale

    def any(self, key: str, default: str | None = None, table: TableReader | None = None) -> int:
        """Take a count of any sign."""
        source = table or self._table
        text = source.text(key) if default is None else source.text(key, default)
        try:
            return self._scale.parse(text)
        except TradeCaptainError as error:
            raise source.fail(key, f"must be a decimal number: {error.message}") from error

    def positive(self, key: str, table: TableReader | None = None) -> int:
        """Take a count above zero."""
        units = self.any(key, table=table)
        if units <= 0:
            raise (table or self._table).fail(key, "must be positive")
        return units


def _read_tick_tables(
    table: TableReader, price: _Counter, calendar: Calendar
) -> tuple[TickTable, ...]:
    tables = []
    for entry in table.tables("tick_tables"):
        bands = []
        for band in entry.tables("bands"):
            bands.append(TickBand(price.any("from", table=band), price.positive("increment", band)))
            band.finish()
        starts = [band.from_price_units for band in bands]
        if not bands or starts != sorted(set(starts)):
            raise entry.fail("bands", "must be a list that ascends by from")
        day = entry.date("effective_from")
        tables.append(TickTable(day, calendar.midnight_ns(day), tuple(bands)))
        entry.finish()
    days = [item.effective_from for item in tables]
    if not tables or days != sorted(set(days)):
        raise table.fail("tick_tables", "must be a list that ascends by effective_from")
    return tuple(tables)


def _check_order_rules(table: TableReader, instrument: Instrument) -> None:
    if instrument.minimum_price_units > instrument.maximum_price_units:
        raise table.fail("maximum_price", "must not be below minimum_price")
    if instrument.minimum_order_units > instrument.maximum_order_units:
        raise table.fail("maximum_order", "must not be below minimum_order")
    for key, units in (
        ("minimum_order", instrument.minimum_order_units),
        ("maximum_order", instrument.maximum_order_units),
    ):
        if units % instrument.lot_units:
            raise table.fail(key, "must be a multiple of lot")
    if instrument.minimum_share_units < 0:
        raise table.fail("minimum_share", "must not be negative")
    is_batched = instrument.allocation is Allocation.BATCH_AUCTION
    if is_batched != (instrument.batch_interval_ms > 0):
        raise table.fail("batch_interval_ms", "must be set for batch auctions, and for them alone")
    worst = (
        max(abs(instrument.minimum_price_units), abs(instrument.maximum_price_units))
        * instrument.maximum_order_units
        * instrument.multiplier
    )
    if worst > INT64_MAX:
        raise table.fail("maximum_order", "times maximum_price times multiplier must fit 64 bits")


def _read_account(table: TableReader) -> Account:
    account = Account(
        account_id=table.integer("id", minimum=1, maximum=_UINT32_MAX),
        name=table.text("name", pattern=r"[a-z][a-z0-9_-]{0,31}"),
        firm_id=table.integer("firm_id", minimum=1, maximum=_UINT32_MAX),
        firm=table.text("firm"),
        self_trade_group=table.integer("self_trade_group", 0, minimum=0, maximum=_UINT32_MAX),
        limits=_read_limits(table.table("limits", {})),
        overrides=_read_overrides(table.table("overrides", {})),
    )
    table.finish()
    return account


def _read_overrides(table: TableReader) -> dict[str, AccountLimits]:
    return {
        key: _read_limits(TableReader({key: value}, table.where).table(key))
        for key, value in table.take_all().items()
    }


def _read_limits(table: TableReader) -> AccountLimits:
    def amount(key: str) -> Fraction | str | None:
        if not table.has(key):
            return None
        value = table.take(key)
        if value == UNLIMITED:
            return UNLIMITED
        number = TableReader({key: value}, table.where).rational(key)
        if number < 0:
            raise table.fail(key, "must not be negative")
        return number

    def whole(key: str, maximum: int) -> Fraction | str | None:
        if not table.has(key):
            return None
        value = table.take(key)
        if value == UNLIMITED:
            return UNLIMITED
        reader = TableReader({key: value}, table.where)
        return Fraction(reader.integer(key, minimum=0, maximum=maximum))

    limits = AccountLimits(
        order_quantity=amount("order_quantity"),
        order_notional=amount("order_notional"),
        price_collar_bps=whole("price_collar_bps", 1_000_000),
        position_long=amount("position_long"),
        position_short=amount("position_short"),
        open_orders=whole("open_orders", _UINT32_MAX),
    )
    table.finish()
    return limits


def reference_text(reference: Reference) -> str:
    """Write reference data in full; instruments come after those that they refer to."""
    calendars = {item.calendar.name: item.calendar for item in reference.instruments}
    parts = [toml_table("[[calendar]]", _calendar_values(item)) for item in calendars.values()]
    ordered = sorted(
        reference.instruments,
        key=lambda item: (bool(item.mirror_of or item.underlying_id), item.instrument_id),
    )
    keys = {item.instrument_id: item.key for item in reference.instruments}
    parts += [toml_table("[[instrument]]", _instrument_values(item, keys)) for item in ordered]
    parts += [toml_table("[[account]]", _account_values(item)) for item in reference.accounts]
    return "\n".join(parts)


def _calendar_values(calendar: Calendar) -> dict[str, Any]:
    return {
        "name": calendar.name,
        "timezone": calendar.timezone,
        "open": calendar.open,
        "close": calendar.close,
        "weekdays": list(calendar.weekdays),
        "holidays": sorted(calendar.holidays),
    }


def _instrument_values(instrument: Instrument, keys: Mapping[int, str]) -> dict[str, Any]:
    price, quantity = instrument.price, instrument.quantity
    values: dict[str, Any] = {
        "id": instrument.instrument_id,
        "symbol": instrument.symbol,
        "mic": instrument.mic,
        "name": instrument.name,
        "type": instrument.type.value,
        "price_unit": str(instrument.price_unit),
        "quantity_unit": str(instrument.quantity_unit),
        "tick_tables": [
            {
                "effective_from": item.effective_from,
                "bands": [
                    {
                        "from": price.format(band.from_price_units),
                        "increment": price.format(band.increment_units),
                    }
                    for band in item.bands
                ],
            }
            for item in instrument.tick_tables
        ],
        "lot": quantity.format(instrument.lot_units),
        "minimum_order": quantity.format(instrument.minimum_order_units),
        "maximum_order": quantity.format(instrument.maximum_order_units),
        "minimum_price": price.format(instrument.minimum_price_units),
        "maximum_price": price.format(instrument.maximum_price_units),
        "currency": instrument.currency,
        "settlement_currency": instrument.settlement_currency,
        "calendar": instrument.calendar.name,
        "multiplier": instrument.multiplier,
        "isin": instrument.isin,
        "figi": instrument.figi,
        "source": instrument.source,
        "initial_price": price.format(instrument.initial_price_units),
    }
    if instrument.allocation is not Allocation.PRICE_TIME:
        values["allocation"] = instrument.allocation.value
    if instrument.minimum_share_units:
        values["minimum_share"] = quantity.format(instrument.minimum_share_units)
    if instrument.batch_interval_ms:
        values["batch_interval_ms"] = instrument.batch_interval_ms
    if instrument.indication_interval_ms:
        values["indication_interval_ms"] = instrument.indication_interval_ms
    if instrument.mirror_of:
        values["mirror_of"] = keys[instrument.mirror_of]
    if instrument.type is InstrumentType.OPTION:
        values |= {
            "underlying": keys[instrument.underlying_id],
            "strike": price.format(instrument.strike_units),
            "expiry": instrument.expiry,
            "right": instrument.right,
            "exercise_style": instrument.exercise_style,
            "volatility": instrument.volatility,
            "rate": instrument.rate,
            "dividend_yield": instrument.dividend_yield,
        }
    return values


def _account_values(account: Account) -> dict[str, Any]:
    return {
        "id": account.account_id,
        "name": account.name,
        "firm_id": account.firm_id,
        "firm": account.firm,
        "self_trade_group": account.self_trade_group,
        "limits": _limit_values(account.limits),
        "overrides": {key: _limit_values(item) for key, item in account.overrides.items()},
    }


def _limit_values(limits: AccountLimits) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in AccountLimits.__slots__:
        value = getattr(limits, key)
        if value is not None:
            values[key] = _limit_value(key, value)
    return values


def _limit_value(key: str, value: Fraction | str) -> str | int:
    if isinstance(value, str):
        return value
    return int(value) if key in _WHOLE_LIMITS else str(value)
