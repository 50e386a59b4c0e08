"""Reference data as clients get it."""

from __future__ import annotations

import pytest
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import default_reference
from tradecaptain.collector.instrument_service import Instruments
from tradecaptain.wire import reason

SERVICE = Instruments(default_reference())


async def listed(**filters: object) -> list[instruments_pb2.Instrument]:
    found: list[instruments_pb2.Instrument] = []
    request = instruments_pb2.ListInstrumentsRequest(page_size=3, **filters)
    while True:
        page = await SERVICE.ListInstruments(request, None)
        assert len(page.instruments) <= 3
        found += page.instruments
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_pages_hold_every_instrument_once() -> None:
    found = await listed()
    ids = [item.instrument_id for item in found]
    assert ids == [item.instrument_id for item in default_reference().instruments]


async def test_filters_hold_together() -> None:
    assert all(item.tradable and item.mic == "TCAP" for item in await listed(tradable_only=True))
    options = await listed(types=[instruments_pb2.INSTRUMENT_TYPE_OPTION])
    assert options
    chain = await listed(underlying="ACME@XSIM")
    assert 0 < len(chain) < len(options)
    assert chain == [item for item in options if item.name.startswith("ACME-")]
    named = [item.name for item in await listed(name_prefix="amzn")]
    assert named == [
        item.key for item in default_reference().instruments if item.symbol.startswith("AMZN")
    ]
    assert {"AMZN@XNAS", "AMZN@TCAP"} < set(named)


async def test_an_instrument_tells_units_grid_and_source() -> None:
    request = instruments_pb2.GetInstrumentRequest(instrument="AMZN@TCAP")
    response = await SERVICE.GetInstrument(request, None)
    instrument = response.instrument
    assert (instrument.price_unit.numerator, instrument.price_unit.denominator) == (1, 10_000)
    assert instrument.source_instrument == "AMZN@XNAS"
    assert instrument.order_increments[0].price_bands[0].increment == "0.0100"
    assert not instrument.order_increments[0].price_bands[0].HasField("lower_price")
    assert response.calendar.time_zone == "America/New_York"


async def test_an_option_tells_its_terms() -> None:
    chain = await listed(underlying="ACME@XSIM")
    terms = chain[0].derivative
    assert terms.underlying == "ACME@XSIM"
    assert terms.strike
    assert terms.expiry_time_ns > 0
    assert terms.right in (1, 2)


async def test_sessions_follow_the_calendar() -> None:
    request = instruments_pb2.ListTradingSessionsRequest(
        instrument="AMZN@TCAP", start_date="2026-11-24", end_date="2026-11-30"
    )
    sessions = (await SERVICE.ListTradingSessions(request, None)).sessions
    # Thanksgiving and the weekend are closed.
    assert [item.trade_date for item in sessions] == [
        "2026-11-24", "2026-11-25", "2026-11-27", "2026-11-30",
    ]  # fmt: skip
    assert all(item.end_time_ns - item.start_time_ns == 23_400 * 10**9 for item in sessions)


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"start_date": "2026-02-30"}, "start_date"),
        ({"start_date": "2026-02-02", "end_date": "2026-02-01"}, "end_date"),
        ({"start_date": "2020-01-01", "end_date": "2026-02-01"}, "end_date"),
    ],
)
async def test_impossible_dates_are_refused(request_fields: dict[str, str], field: str) -> None:
    request = instruments_pb2.ListTradingSessionsRequest(instrument="AMZN", **request_fields)
    with pytest.raises(TradeCaptainError) as caught:
        await SERVICE.ListTradingSessions(request, None)
    assert caught.value.reason == reason.REASON_INVALID_REQUEST
    assert caught.value.field == field
