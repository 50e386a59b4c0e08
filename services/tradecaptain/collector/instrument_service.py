"""The gRPC edge of reference data: instruments, their order grids and their sessions."""

from __future__ import annotations

import datetime
from typing import Any, Final, override

from tradecaptain.api.instruments.v1 import instruments_pb2, instruments_pb2_grpc
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Calendar
from tradecaptain.base.reference import Reference
from tradecaptain.edge.instrument_messages import TYPES, instrument_message
from tradecaptain.wire import reason

PAGE_SIZE: Final = 100
SESSION_DAYS_MAX: Final = 366

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
        self._reference.look_again()
        after = _page_start(request.page_token)
        underlying = self._reference.named(request.underlying) if request.underlying else None
        matching = [
            instrument
            for instrument in self._reference.instruments
            if instrument.instrument_id > after
            and (not request.types or TYPES[instrument.type] in request.types)
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
