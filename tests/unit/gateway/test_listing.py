"""New instruments: what a request may say, and what is left behind when the venue refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.orderbook.v1 import administration_pb2 as pb
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Allocation, Instrument
from tradecaptain.base.reference_file import (
    ReferenceFile,
    default_reference,
    dump_reference,
    load_reference,
)
from tradecaptain.gateway.listing import Listing
from tradecaptain.wire import common, control, reason


class Controls:
    """Answers each request with the next of the outcomes."""

    def __init__(self) -> None:
        self.requests: list[dict[str, int]] = []
        self.outcomes: list[int] = []

    async def request(self, **fields: int) -> int:
        self.requests.append(fields)
        outcome = self.outcomes.pop(0) if self.outcomes else 0
        if outcome:
            raise TradeCaptainError(outcome, "the venue refused it")
        return 0


class Desk:
    """A listing over a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "reference.toml"
        dump_reference(default_reference(), self.path)
        self.controls = Controls()
        self.listed: list[Instrument] = []
        self.file = ReferenceFile(self.path)
        controls: Any = self.controls
        self.listing = Listing(self.file, controls, self.listed.append)

    async def create(self, symbol: str = "NEW", **fields: Any) -> tuple[Instrument, bool]:
        fields.setdefault("like", "ACME@TCAP")
        return await self.listing.create(pb.CreateInstrumentRequest(symbol=symbol, **fields))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_an_instrument_takes_over_what_it_does_not_say(desk: Desk) -> None:
    like = desk.file.reference.named("ACME@TCAP")
    highest = desk.file.reference.instruments[-1].instrument_id
    instrument, is_duplicate = await desk.create(lot="10", minimum_quantity="20", description="N")
    assert (instrument.key, instrument.name, is_duplicate) == ("NEW@TCAP", "N", False)
    assert instrument.instrument_id == highest + 1
    assert (instrument.lot_units, instrument.minimum_order_units) == (10, 20)
    assert instrument.tick_tables == like.tick_tables
    assert (instrument.mirror_of, instrument.source) == (0, "")
    assert desk.listed == [instrument]
    assert load_reference(desk.path).named("NEW") == instrument
    (sent,) = desk.controls.requests
    assert sent["action"] == control.CONTROL_ACTION_CREATE_INSTRUMENT
    assert (sent["lot_units"], sent["notional_numerator"]) == (10, 10_000)
    assert sent["low_units"] == like.minimum_price_units


async def test_an_instrument_may_say_everything_itself(desk: Desk) -> None:
    instrument, _ = await desk.create(
        like="",
        type=instruments_pb2.INSTRUMENT_TYPE_FUTURE,
        price_unit={"numerator": 1, "denominator": 256},
        quantity_unit={"numerator": 1, "denominator": 1},
        price_bands=[{"increment": "0.00390625"}, {"lower_price": "100", "increment": "0.25"}],
        lot="2",
        maximum_quantity="1000",
        minimum_price="-50",
        maximum_price="5000",
        quote_currency="USD",
        calendar="always_open",
        multiplier=50,
        allocation=instruments_pb2.ALLOCATION_PRO_RATA,
        minimum_share="2",
    )
    assert instrument.minimum_price_units == -50 * 256
    assert instrument.slide_units == 64
    assert (instrument.allocation, instrument.minimum_share_units) == (Allocation.PRO_RATA, 2)
    assert instrument.settlement_currency == "USD"
    assert instrument.minimum_order_units == instrument.lot_units == 2


async def test_an_instrument_may_uncross_and_hold_indications_back(desk: Desk) -> None:
    instrument, _ = await desk.create(
        allocation=instruments_pb2.ALLOCATION_FILTER_AND_UNCROSS,
        indication_interval_ns=250_000_000,
    )
    assert instrument.allocation is Allocation.FILTER_AND_UNCROSS
    assert instrument.indication_interval_ms == 250
    assert load_reference(desk.path).named("NEW") == instrument
    (sent,) = desk.controls.requests
    assert sent["allocation"] == common.ALLOCATION_FILTER_AND_UNCROSS
    assert sent["indication_interval_ns"] == 250_000_000


async def test_a_new_strike_takes_over_the_terms_of_an_option(desk: Desk) -> None:
    like = next(item for item in desk.file.reference.instruments if item.right == "call")
    instrument, _ = await desk.create(like=like.key, derivative={"strike": "777"})
    assert instrument.strike_units == like.price.parse("777")
    assert (instrument.underlying_id, instrument.expiry) == (like.underlying_id, like.expiry)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"lot": "0"}, "lot"),
        ({"lot": "3"}, "minimum_order"),
        ({"maximum_price": "0.001"}, "maximum_price"),
        ({"calendar": "nowhere"}, "calendar"),
        ({"type": instruments_pb2.INSTRUMENT_TYPE_FUND}, "type"),
        ({"price_unit": {"numerator": 1, "denominator": 0}}, "price_unit"),
        ({"allocation": instruments_pb2.ALLOCATION_BATCH_AUCTION}, "batch_interval_ms"),
        ({"batch_interval_ns": 5_500_000}, "batch_interval_ns"),
        ({"indication_interval_ns": 1}, "indication_interval_ns"),
        ({"minimum_share": "-1"}, "minimum_share"),
        ({"like": ""}, "price_unit"),
    ],
)
async def test_terms_that_break_a_rule_are_refused_by_their_field(
    desk: Desk, fields: dict[str, Any], field: str
) -> None:
    before = desk.path.read_bytes()
    with pytest.raises(TradeCaptainError) as refused:
        await desk.create(**fields)
    assert refused.value.reason == reason.REASON_INVALID_INSTRUMENT_RULES
    assert refused.value.field == field
    assert (desk.controls.requests, desk.path.read_bytes()) == ([], before)


async def test_the_same_request_changes_nothing_and_another_is_refused(desk: Desk) -> None:
    first, _ = await desk.create()
    desk.controls.outcomes = [reason.REASON_DUPLICATE_INSTRUMENT]
    assert await desk.create() == (first, True)
    with pytest.raises(TradeCaptainError) as refused:
        await desk.create(lot="10", minimum_quantity="10")
    assert refused.value.reason == reason.REASON_DUPLICATE_INSTRUMENT
    assert len(desk.listed) == 1


async def test_price_limits_may_be_given_a_reference(desk: Desk) -> None:
    instrument, _ = await desk.create(reference_price="12.50")
    _, told = desk.controls.requests
    assert told["action"] == control.CONTROL_ACTION_REFERENCE_PRICE
    assert (told["value"], told["instrument_id"]) == (1_250, instrument.instrument_id)
    with pytest.raises(TradeCaptainError):
        await desk.create("OTHER", reference_price="12.505")


async def test_a_refusal_of_the_venue_leaves_no_trace(desk: Desk) -> None:
    before = desk.file.reference.instruments
    desk.controls.outcomes = [reason.REASON_CAPACITY_EXHAUSTED]
    with pytest.raises(TradeCaptainError):
        await desk.create()
    assert desk.file.reference.instruments == load_reference(desk.path).instruments == before
    assert desk.listed == []


async def test_without_an_answer_it_stays_and_the_same_request_settles_it(desk: Desk) -> None:
    desk.controls.outcomes = [reason.REASON_OUTCOME_UNKNOWN]
    with pytest.raises(TradeCaptainError):
        await desk.create()
    stays = load_reference(desk.path).named("NEW")
    assert desk.listed == []
    assert await desk.create() == (stays, False)
    assert desk.listed == [stays]


async def test_others_learn_of_it_from_the_file(desk: Desk) -> None:
    other = ReferenceFile(desk.path)
    told: list[str] = []
    other.on_added.append(lambda added: told.extend(item.key for item in added))
    with pytest.raises(TradeCaptainError):
        other.reference.named("NEW")
    instrument, _ = await desk.create()
    assert other.reference.named("NEW") == instrument
    assert other.reference.named(str(instrument.instrument_id)) == instrument
    assert told == ["NEW@TCAP"]
    assert other.refresh() == ()


async def test_a_file_that_cannot_be_read_changes_nothing(desk: Desk) -> None:
    other = ReferenceFile(desk.path)
    before = other.reference.instruments
    desk.path.write_text("no reference data")
    assert (other.refresh(), other.reference.instruments) == ((), before)
    desk.path.unlink()
    assert (other.refresh(), other.reference.instruments) == ((), before)
