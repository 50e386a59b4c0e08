"""The gRPC edge of reference data: instruments, their order grids and their sessions."""

from __future__ import annotations

import datetime
from typing import Any, Final, override

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2, instruments_pb2_grpc
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Calendar, Instrument, InstrumentType, TickTable
from tradecaptain.base.reference import Reference
from tradecaptain.wire import reason

PAGE_SIZE: Final = 100
SESSION_DAYS_MAX: Final = 366

_TYPES: Final = {
    InstrumentType.EQUITY: instruments_pb2.INSTRUMENT_TYPE_EQUITY,
    InstrumentType.INDEX: instruments_pb2.INSTRUMENT_TYPE_INDEX,
    InstrumentType.FX: instruments_pb2.INSTRUMENT_TYPE_CURRENCY_PAIR,
    InstrumentType.CRYPTO: instruments_pb2.INSTRUMENT_TYPE_CRYPTO_PAIR,
    InstrumentType.FUTURE: instruments_pb2.INSTRUMENT_TYPE_FUTURE,
    InstrumentType.OPTION: instruments_pb2.INSTRUMENT_TYPE_OPTION,
}
_RIGHTS: Final = {
    "call": instruments_pb2.OPTION_RIGHT_CALL,
    "put": instruments_pb2.OPTION_RIGHT_PUT,
}
_STYLES: Final = {
    "european": instruments_pb2.EXERCISE_STYLE_EUROPEAN,
    "american": instruments_pb2.EXERCISE_STYLE_AMERICAN,
}
_LAST_SECOND = datetime.time(23, 59, 59)


class Instruments(instruments_pb2_grpc.InstrumentServiceServicer):
    """Serves the reference data of this run."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    @override
    async def GetInstrument(
        self, request: instruments_pb2.GetInstrumentRequest, context: Any
    ) -> instruments_pb2.GetInstrumentResponse:
        """One instrument and its calendar."""
        instrument = self._reference.named(request.instrument)
        return instruments_pb2.GetInstrumentResponse(
            instrument=instrument_message(self._reference, instrument),
            calendar=_calendar_message(instrument.calendar),
        )

    @override
    async def ListInstruments(
        self, request: instruments_pb2.ListInstrumentsRequest, context: Any
    ) -> instruments_pb2.ListInstrumentsResponse:
        """Instruments that match all filters, by ascending id."""
        after = _page_start(request.page_token)
        underlying = self._reference.named(request.underlying) if request.underlying else None
        matching = [
            instrument
            for instrument in self._reference.instruments
            if instrument.instrument_id > after
            and (not request.types or _TYPES[instrument.type] in request.types)
            and (not request.mic or instrument.mic == request.mic)
            and instrument.key.lower().startswith(request.name_prefix.lower())
            and (underlying is None or instrument.underlying_id == underlying.instrument_id)
            and (instrument.is_tradable or not request.tradable_only)
        ]
        page = matching[: request.page_size or PAGE_SIZE]
        token = str(page[-1].instrument_id) if len(page) < len(matching) else ""
        return instruments_pb2.ListInstrumentsResponse(
            instruments=[instrument_message(self._reference, item) for item in page],
            next_page_token=token,
        )

    @override
    async def ListTradingSessions(
        self, request: instruments_pb2.ListTradingSessionsRequest, context: Any
    ) -> instruments_pb2.ListTradingSessionsResponse:
        """The sessions of an instrument from one date to another."""
        calendar = self._reference.named(request.instrument).calendar
        first = _date(request.start_date, "start_date")
        last = _date(request.end_date, "end_date") if request.end_date else first
        days = (last - first).days + 1
        if not 1 <= days <= SESSION_DAYS_MAX:
            raise TradeCaptainError(
                reason.REASON_INVALID_REQUEST,
                f"end_date must lie 0 to {SESSION_DAYS_MAX - 1} days after start_date",
                field="end_date",
            )
        dates = [first + datetime.timedelta(days=offset) for offset in range(days)]
        return instruments_pb2.ListTradingSessionsResponse(
            sessions=[_session(calendar, day) for day in dates if calendar.is_trading_day(day)]
        )


def instrument_message(reference: Reference, instrument: Instrument) -> instruments_pb2.Instrument:
    """An instrument as the contract tells it."""
    price, quantity = instrument.price_unit, instrument.quantity_unit
    message = instruments_pb2.Instrument(
        instrument_id=instrument.instrument_id,
        name=instrument.key,
        symbol=instrument.symbol,
        mic=instrument.mic,
        type=_TYPES[instrument.type],
        status=instruments_pb2.INSTRUMENT_STATUS_ACTIVE,
        description=instrument.name,
        price_unit=common_pb2.Rational(numerator=price.numerator, denominator=price.denominator),
        quantity_unit=common_pb2.Rational(
            numerator=quantity.numerator, denominator=quantity.denominator
        ),
        multiplier=common_pb2.Rational(numerator=instrument.multiplier, denominator=1),
        quote_currency=instrument.currency,
        settlement_currency=instrument.settlement_currency,
        order_increments=[_increments(instrument, table) for table in instrument.tick_tables],
        tradable=instrument.is_tradable,
        zero_price_allowed=instrument.minimum_price_units <= 0,
        negative_price_allowed=instrument.minimum_price_units < 0,
        minimum_price=instrument.price.format(instrument.minimum_price_units),
        maximum_price=instrument.price.format(instrument.maximum_price_units),
        calendar=instrument.calendar.name,
    )
    if instrument.isin:
        message.isin = instrument.isin
    if instrument.figi:
        message.figi = instrument.figi
    if instrument.mirror_of:
        message.source_instrument = reference.instrument(instrument.mirror_of).key
    if instrument.underlying_id:
        message.derivative.CopyFrom(_derivative(reference, instrument))
    return message


def _derivative(reference: Reference, instrument: Instrument) -> instruments_pb2.DerivativeTerms:
    terms = instruments_pb2.DerivativeTerms(
        underlying=reference.instrument(instrument.underlying_id).key,
        expiry_time_ns=instrument.expiry_ns,
        right=_RIGHTS.get(instrument.right, instruments_pb2.OPTION_RIGHT_UNSPECIFIED),
        exercise_style=_STYLES.get(
            instrument.exercise_style, instruments_pb2.EXERCISE_STYLE_UNSPECIFIED
        ),
        settlement_type=instruments_pb2.SETTLEMENT_TYPE_CASH,
    )
    if instrument.right:
        terms.strike = instrument.price.format(instrument.strike_units)
    return terms


def _increments(instrument: Instrument, table: TickTable) -> instruments_pb2.OrderIncrements:
    bands = []
    for position, band in enumerate(table.bands):
        message = instruments_pb2.PriceBand(increment=instrument.price.format(band.increment_units))
        if position > 0:
            message.lower_price = instrument.price.format(band.from_price_units)
        bands.append(message)
    return instruments_pb2.OrderIncrements(
        effective_time_ns=table.effective_from_ns,
        price_bands=bands,
        lot=instrument.quantity.format(instrument.lot_units),
        minimum_quantity=instrument.quantity.format(instrument.minimum_order_units),
        maximum_quantity=instrument.quantity.format(instrument.maximum_order_units),
    )


def _calendar_message(calendar: Calendar) -> instruments_pb2.SessionCalendar:
    closes = "24:00" if calendar.close == _LAST_SECOND else calendar.close.isoformat()
    return instruments_pb2.SessionCalendar(
        name=calendar.name,
        time_zone=calendar.timezone,
        rules=[
            instruments_pb2.SessionRule(
                days=list(calendar.weekdays),  # type: ignore[arg-type]
                phase=instruments_pb2.SESSION_PHASE_CONTINUOUS,
                start_time=calendar.open.isoformat(),
                end_time=closes,
            )
        ],
        exceptions=[
            instruments_pb2.SessionException(date=day.isoformat(), description="holiday")
            for day in sorted(calendar.holidays)
        ],
    )


def _session(calendar: Calendar, day: datetime.date) -> instruments_pb2.TradingSession:
    opening = datetime.timedelta(
        hours=calendar.open.hour, minutes=calendar.open.minute, seconds=calendar.open.second
    )
    start_ns = calendar.midnight_ns(day) + opening // datetime.timedelta(microseconds=1) * 1000
    end_ns = calendar.close_ns(day)
    if calendar.close == _LAST_SECOND:
        end_ns += 1_000_000_000
    return instruments_pb2.TradingSession(
        trade_date=day.isoformat(),
        phase=instruments_pb2.SESSION_PHASE_CONTINUOUS,
        start_time_ns=start_ns,
        end_time_ns=end_ns,
    )


def _date(text: str, field: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise TradeCaptainError(
            reason.REASON_INVALID_REQUEST, f"{field} isn't a date: {text!r}", field=field
        ) from error


def _page_start(token: str) -> int:
    if not token:
        return 0
    if not (token.isascii() and token.isdigit()) or len(token) > 10:
        raise TradeCaptainError(
            reason.REASON_INVALID_REQUEST, "page_token isn't one of ours", field="page_token"
        )
    return int(token)
