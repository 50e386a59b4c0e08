"""New instruments of our own venue: from an administrator's request to reference data and book.

The request becomes a table of a reference file, so that one set of rules decides what an instrument
may be. The file is written before the venue is asked: an instrument that the venue has opened is
never unknown after a crash, and one that it hasn't yet is opened by its next start.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.orderbook.v1 import administration_pb2 as pb
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.instruments import OWN_VENUE_MIC, Instrument
from tradecaptain.base.reference_file import ReferenceFile, dump_reference
from tradecaptain.base.reference_toml import instrument_table, parse_instrument
from tradecaptain.edge.instrument_messages import instrument_message
from tradecaptain.gateway.control_desk import ControlDesk
from tradecaptain.kernels.risk_gate import notional_ratio
from tradecaptain.wire import common, control
from tradecaptain.wire import reason as reasons

INSTRUMENT_ID_END: Final = 65_536
"""Ids of instruments are below this, as the venue's tables have it."""
_MILLISECOND_NS: Final = 1_000_000
_SECOND_NS: Final = 1_000_000_000
_NOT_TAKEN_OVER: Final = ("source", "initial_price", "mirror_of", "isin", "figi")
_TYPES: Final[Mapping[int, str]] = {
    instruments_pb2.INSTRUMENT_TYPE_EQUITY: "equity",
    instruments_pb2.INSTRUMENT_TYPE_INDEX: "index",
    instruments_pb2.INSTRUMENT_TYPE_CURRENCY_PAIR: "fx",
    instruments_pb2.INSTRUMENT_TYPE_CRYPTO_PAIR: "crypto",
    instruments_pb2.INSTRUMENT_TYPE_FUTURE: "future",
    instruments_pb2.INSTRUMENT_TYPE_OPTION: "option",
}
_ALLOCATIONS: Final[Mapping[int, str]] = {
    instruments_pb2.ALLOCATION_PRICE_TIME: "price-time",
    instruments_pb2.ALLOCATION_PRO_RATA: "pro-rata",
    instruments_pb2.ALLOCATION_PRO_RATA_TOP: "pro-rata-top",
    instruments_pb2.ALLOCATION_BATCH_AUCTION: "batch-auction",
    instruments_pb2.ALLOCATION_FILTER_AND_UNCROSS: "filter-and-uncross",
}
_ALLOCATION_NUMBERS: Final[Mapping[str, int]] = {
    "price-time": common.ALLOCATION_PRICE_TIME,
    "pro-rata": common.ALLOCATION_PRO_RATA,
    "pro-rata-top": common.ALLOCATION_PRO_RATA_TOP,
    "batch-auction": common.ALLOCATION_BATCH_AUCTION,
    "filter-and-uncross": common.ALLOCATION_FILTER_AND_UNCROSS,
}
_RIGHTS: Final[Mapping[int, str]] = {
    instruments_pb2.OPTION_RIGHT_CALL: "call",
    instruments_pb2.OPTION_RIGHT_PUT: "put",
}
_STYLES: Final[Mapping[int, str]] = {
    instruments_pb2.EXERCISE_STYLE_EUROPEAN: "european",
    instruments_pb2.EXERCISE_STYLE_AMERICAN: "american",
}
_TEXTS: Final[Mapping[str, str]] = {
    "lot": "lot",
    "minimum_quantity": "minimum_order",
    "maximum_quantity": "maximum_order",
    "minimum_price": "minimum_price",
    "maximum_price": "maximum_price",
    "quote_currency": "currency",
    "settlement_currency": "settlement_currency",
    "calendar": "calendar",
    "isin": "isin",
    "figi": "figi",
    "minimum_share": "minimum_share",
}
"""Fields of the request that are texts, and the keys of a reference file that they fill."""


class Listing:
    """Opens instruments, one at a time."""

    def __init__(
        self,
        instruments: ReferenceFile,
        controls: ControlDesk,
        on_listed: Callable[[Instrument], None],
    ) -> None:
        """``on_listed`` is called once the venue has opened an instrument."""
        self._file = instruments
        self._controls = controls
        self._on_listed = on_listed
        self._turn = asyncio.Lock()

    async def create(self, request: pb.CreateInstrumentRequest) -> tuple[Instrument, bool]:
        """Open an instrument; returns it, and whether it was there with just these terms.

        A refusal of the venue takes it out of reference data again. If the venue didn't answer, it
        stays there, and the same request settles what became of it.
        """
        async with self._turn:
            self._file.refresh()
            wanted = self._wanted(request)
            if request.HasField("reference_price"):
                wanted.price.parse(request.reference_price)
            known = self._known(wanted)
            instrument = known or self._add(wanted)
            try:
                await self._open(instrument)
                if request.HasField("reference_price"):
                    await tell_reference(
                        self._controls, instrument, instrument.price.parse(request.reference_price)
                    )
            except TradeCaptainError as error:
                if error.reason == reasons.REASON_DUPLICATE_INSTRUMENT and known is not None:
                    return instrument, True
                if error.reason not in _UNSETTLED and known is None:
                    self._drop(instrument)
                raise
            self._on_listed(instrument)
            return instrument, False

    def message(self, instrument: Instrument) -> instruments_pb2.Instrument:
        """An instrument as the contract tells it."""
        return instrument_message(self._file.reference, instrument)

    def _wanted(self, request: pb.CreateInstrumentRequest) -> Instrument:
        """The instrument as the rules of reference data read the request, without an id yet."""
        reference = self._file.reference
        values: dict[str, Any] = {"multiplier": 1, "name": request.symbol}
        if request.like:
            like = reference.named(request.like)
            values |= instrument_table(reference, like)
            values["name"] = request.symbol
            for key in _NOT_TAKEN_OVER:
                values.pop(key, None)
        values |= _told(request)
        values |= {"id": self._next_id(), "symbol": request.symbol, "mic": OWN_VENUE_MIC}
        values.setdefault("settlement_currency", values.get("currency"))
        values.setdefault("minimum_order", values.get("lot"))
        if request.HasField("derivative"):
            values |= self._derivative(request.derivative, values)
        try:
            return parse_instrument(reference, values, "instrument")
        except ConfigurationError as error:
            raise TradeCaptainError(
                reasons.REASON_INVALID_INSTRUMENT_RULES, error.message, field=error.field
            ) from error

    def _derivative(
        self, terms: instruments_pb2.DerivativeTerms, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if terms.underlying:
            told["underlying"] = self._file.reference.named(terms.underlying).key
        if terms.HasField("strike"):
            told["strike"] = terms.strike
        if terms.expiry_time_ns:
            told["expiry"] = self._expiry_day(terms.expiry_time_ns, values.get("calendar"))
        if terms.right:
            told["right"] = _RIGHTS[terms.right]
        if terms.exercise_style:
            told["exercise_style"] = _STYLES.get(terms.exercise_style, "bermudan")
        return told

    def _expiry_day(self, expiry_ns: int, calendar: object) -> datetime.date:
        zones = {
            item.calendar.name: item.calendar.timezone for item in self._file.reference.instruments
        }
        zone = ZoneInfo(zones.get(str(calendar), "UTC"))
        return datetime.datetime.fromtimestamp(expiry_ns // _SECOND_NS, zone).date()

    def _next_id(self) -> int:
        number = max(item.instrument_id for item in self._file.reference.instruments) + 1
        if number >= INSTRUMENT_ID_END:
            raise TradeCaptainError(
                reasons.REASON_CAPACITY_EXHAUSTED, f"ids of instruments end at {number - 1}"
            )
        return number

    def _known(self, wanted: Instrument) -> Instrument | None:
        """The instrument of that name, if it has just these terms; raises if it has others."""
        for instrument in self._file.reference.instruments:
            if instrument.key != wanted.key:
                continue
            same = replace(wanted, instrument_id=instrument.instrument_id)
            # The day from which a tick table holds is that of the first request.
            if replace(same, tick_tables=instrument.tick_tables) == instrument and (
                [table.bands for table in same.tick_tables[-1:]]
                == [table.bands for table in instrument.tick_tables[-1:]]
            ):
                return instrument
            raise TradeCaptainError(
                reasons.REASON_DUPLICATE_INSTRUMENT,
                f"{wanted.key} exists, with other terms",
                field="symbol",
            )
        return None

    def _add(self, instrument: Instrument) -> Instrument:
        dump_reference(self._file.reference.with_instruments([instrument]), self._file.path)
        self._file.refresh()
        return instrument

    def _drop(self, instrument: Instrument) -> None:
        self._file.reference.withdraw(instrument.instrument_id)
        dump_reference(self._file.reference, self._file.path)
        self._file.refresh()

    async def _open(self, instrument: Instrument) -> None:
        numerator, denominator = notional_ratio(
            instrument.price_unit, instrument.quantity_unit, instrument.multiplier
        )
        await self._controls.request(
            action=control.CONTROL_ACTION_CREATE_INSTRUMENT,
            scope=control.CONTROL_SCOPE_INSTRUMENT,
            scope_id=0,
            instrument_id=instrument.instrument_id,
            low_units=instrument.minimum_price_units,
            high_units=instrument.maximum_price_units,
            lot_units=instrument.lot_units,
            tick_units=instrument.slide_units,
            maximum_quantity_units=instrument.maximum_order_units,
            minimum_share_units=instrument.minimum_share_units,
            duration_ns=instrument.batch_interval_ms * _MILLISECOND_NS,
            indication_interval_ns=instrument.indication_interval_ms * _MILLISECOND_NS,
            allocation=_ALLOCATION_NUMBERS[instrument.allocation.value],
            notional_numerator=numerator,
            notional_denominator=denominator,
        )


async def tell_reference(controls: ControlDesk, instrument: Instrument, price_units: int) -> None:
    """Give the risk gate a price to hold orders against where there is no market."""
    await controls.request(
        action=control.CONTROL_ACTION_REFERENCE_PRICE,
        scope=control.CONTROL_SCOPE_INSTRUMENT,
        scope_id=0,
        instrument_id=instrument.instrument_id,
        flags=_REFERENCE_IS_CLOSE,
        value=price_units,
    )


_REFERENCE_IS_CLOSE: Final = 16
_UNSETTLED: Final = (reasons.REASON_OUTCOME_UNKNOWN, reasons.REASON_UNAVAILABLE)
"""After these the venue may still open the instrument."""


def _told(request: pb.CreateInstrumentRequest) -> dict[str, Any]:
    """What the request says itself, by the keys of a reference file."""
    told: dict[str, Any] = {
        key: getattr(request, field) for field, key in _TEXTS.items() if getattr(request, field)
    }
    if request.description:
        told["name"] = request.description
    if request.type:
        told["type"] = _TYPES.get(request.type, instruments_pb2.InstrumentType.Name(request.type))
    for key in ("price_unit", "quantity_unit"):
        if request.HasField(key):
            told[key] = _rational(getattr(request, key), key)
    if request.price_bands:
        told["tick_tables"] = [
            {
                "effective_from": datetime.date(1970, 1, 1),
                "bands": [
                    {"from": band.lower_price or "0", "increment": band.increment}
                    for band in request.price_bands
                ],
            }
        ]
    if request.multiplier:
        told["multiplier"] = request.multiplier
    if request.allocation:
        told["allocation"] = _ALLOCATIONS[request.allocation]
    for name in ("batch_interval", "indication_interval"):
        interval_ns = getattr(request, f"{name}_ns")
        if interval_ns % _MILLISECOND_NS:
            raise TradeCaptainError(
                reasons.REASON_INVALID_INSTRUMENT_RULES,
                f"{name}_ns must be a whole number of milliseconds",
                field=f"{name}_ns",
            )
        if interval_ns:
            told[f"{name}_ms"] = interval_ns // _MILLISECOND_NS
    return told


def _rational(value: common_pb2.Rational, field: str) -> str:
    if value.denominator == 0:
        raise TradeCaptainError(
            reasons.REASON_INVALID_INSTRUMENT_RULES,
            f"{field} has a denominator of zero",
            field=field,
        )
    return str(Fraction(value.numerator, value.denominator))
