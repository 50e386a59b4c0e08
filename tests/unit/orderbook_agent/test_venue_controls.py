"""Phases, the clock and special orders through the sequencer: reservations stay exact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.venue_driver import (
    ALPHA,
    BETA,
    BETA_FIRM,
    INSTRUMENT,
    VenueDriver,
)
from tradecaptain.wire import book_event, control, execution_event, reason

ACCEPTED, REJECTED, TRADE, CANCELLED, EXPIRED, RESTATED, TRIGGERED = 1, 2, 3, 4, 6, 13, 14


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueDriver]:
    driver = VenueDriver(tmp_path / "history")
    driver.open_all()
    yield driver
    driver.close()


def kinds(events: list[dict[str, int]]) -> list[int]:
    return [event["execution_type"] for event in events]


def reserved(venue: VenueDriver, account: int) -> tuple[int, int]:
    """Working buys and sells of an account that the gate has reserved."""
    position = venue.core.gate.position(account, INSTRUMENT)
    return position[1], position[2]


def set_phase(venue: VenueDriver, phase: int) -> dict[str, int]:
    venue.read("control")
    venue.control(action=control.CONTROL_ACTION_SET_PHASE, instrument_id=INSTRUMENT, phase=phase)
    venue.crank()
    (answer,) = venue.read("control")
    return answer


def test_a_stop_reserves_until_it_ends(venue: VenueDriver) -> None:
    venue.order(side=1, price_units=10_000, quantity_units=5)
    venue.order(account_id=BETA, firm_id=BETA_FIRM, side=2, price_units=10_000, quantity_units=5)
    venue.events()
    venue.order(order_type=4, stop_price_units=10_100, price_units=10_200, quantity_units=7)
    (accepted,) = venue.events()
    assert accepted["execution_type"] == ACCEPTED
    assert reserved(venue, ALPHA)[0] == 7
    venue.order(action=2, order_id=accepted["order_id"], quantity_units=0)
    assert kinds(venue.events()) == [CANCELLED]
    assert reserved(venue, ALPHA)[0] == 0
    assert venue.core.counts()["accounting_errors"] == 0


def test_decremented_quantity_is_released(venue: VenueDriver) -> None:
    venue.order(side=2, price_units=10_000, quantity_units=10, self_trade_group=3)
    venue.order(
        side=1, price_units=10_000, quantity_units=4, self_trade_group=3, self_trade_prevention=4
    )
    assert kinds(venue.events()) == [ACCEPTED, ACCEPTED, RESTATED, EXPIRED]
    assert reserved(venue, ALPHA) == (0, 6)
    assert venue.core.counts()["accounting_errors"] == 0


def test_the_clock_ends_a_good_till_date_order(venue: VenueDriver) -> None:
    venue.order(time_in_force=5, expire_time_ns=venue.now_ns + 1_000_000)
    assert kinds(venue.events()) == [ACCEPTED]
    venue.now_ns += 2_000_000
    (ended,) = venue.events()
    assert (ended["execution_type"], ended["reason"]) == (
        EXPIRED,
        reason.REASON_EXPIRE_TIME_REACHED,
    )
    assert reserved(venue, ALPHA) == (0, 0)
    assert venue.read("control")[-1]["action"] == control.CONTROL_ACTION_TIMER


def test_halt_refuses_and_an_auction_uncrosses(venue: VenueDriver) -> None:
    assert "outcome" not in set_phase(venue, 3)
    venue.order()
    (refused,) = venue.events()
    assert refused["reason"] == reason.REASON_PHASE_REFUSES
    assert reserved(venue, ALPHA) == (0, 0)
    set_phase(venue, 4)
    venue.order(price_units=10_100, quantity_units=5)
    venue.order(account_id=BETA, firm_id=BETA_FIRM, side=2, price_units=9_900, quantity_units=5)
    assert kinds(venue.events()) == [ACCEPTED, ACCEPTED]
    indications = [
        e for e in venue.read("book") if e["action"] == book_event.BOOK_ACTION_INDICATIVE
    ]
    assert indications[-1]["quantity_units"] == 5
    set_phase(venue, 1)
    trades = venue.events()
    assert [event["liquidity"] for event in trades] == [3, 3]
    assert reserved(venue, ALPHA) == (0, 0)
    assert venue.core.counts()["accounting_errors"] == 0


def test_a_control_that_contradicts_itself_is_refused(venue: VenueDriver) -> None:
    assert set_phase(venue, 9)["outcome"] == reason.REASON_INVALID_INSTRUMENT_RULES


NEW_INSTRUMENT = 5_000


def creation(**fields: int) -> dict[str, int]:
    known = {
        "action": control.CONTROL_ACTION_CREATE_INSTRUMENT,
        "scope": control.CONTROL_SCOPE_INSTRUMENT,
        "instrument_id": NEW_INSTRUMENT,
        "low_units": 1,
        "high_units": 1_000_000,
        "maximum_quantity_units": 10_000,
        "lot_units": 10,
        "tick_units": 5,
        "notional_numerator": 1,
        "notional_denominator": 1,
    }
    return known | fields


def test_an_instrument_is_created_while_the_venue_runs(venue: VenueDriver) -> None:
    venue.order(instrument_id=NEW_INSTRUMENT)
    assert venue.events()[0]["reason"] == reason.REASON_UNKNOWN_INSTRUMENT
    venue.control(**creation())
    venue.crank()
    (answer,) = venue.read("control")
    assert "outcome" not in answer
    venue.order(instrument_id=NEW_INSTRUMENT, account_id=ALPHA, side=1)
    venue.order(instrument_id=NEW_INSTRUMENT, account_id=BETA, firm_id=BETA_FIRM, side=2)
    kinds = [event["execution_type"] for event in venue.events()]
    trade = execution_event.EXECUTION_TYPE_TRADE
    accepted = execution_event.EXECUTION_TYPE_ACCEPTED
    assert kinds == [accepted, accepted, trade, trade]
    assert venue.core.gate.position(ALPHA, NEW_INSTRUMENT)[0] == 10
    venue.order(instrument_id=NEW_INSTRUMENT, quantity_units=15)
    assert venue.events()[0]["reason"] == reason.REASON_INVALID_QUANTITY


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"instrument_id": INSTRUMENT}, reason.REASON_DUPLICATE_INSTRUMENT),
        ({"lot_units": 0}, reason.REASON_INVALID_INSTRUMENT_RULES),
        ({"low_units": 9, "high_units": 8}, reason.REASON_INVALID_INSTRUMENT_RULES),
        ({"notional_denominator": 0}, reason.REASON_NUMBER_OUT_OF_RANGE),
        ({"instrument_id": 0}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"instrument_id": (1 << 32) - 1}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"allocation": 4}, reason.REASON_INVALID_INSTRUMENT_RULES),
        ({"allocation": 9}, reason.REASON_INVALID_INSTRUMENT_RULES),
    ],
)
def test_an_instrument_that_can_not_be_is_refused_and_may_be_created_right(
    venue: VenueDriver, fields: dict[str, int], why: int
) -> None:
    venue.control(**creation(**fields))
    venue.control(**creation())
    venue.crank()
    assert [answer.get("outcome", 0) for answer in venue.read("control")] == [why, 0]


def test_instruments_beyond_the_capacity_are_refused(venue: VenueDriver) -> None:
    room = venue.settings.instruments - len(venue.core.instrument_ids())
    for number in range(room + 1):
        venue.control(**creation(instrument_id=NEW_INSTRUMENT + number))
        venue.crank()
    outcomes = [answer.get("outcome", 0) for answer in venue.read("control")]
    assert outcomes == [0] * room + [reason.REASON_CAPACITY_EXHAUSTED]


def test_reduce_only_orders_only_close_a_position(venue: VenueDriver) -> None:
    venue.order(side=1, quantity_units=10)
    venue.order(side=2, quantity_units=10, account_id=BETA, firm_id=BETA_FIRM)
    venue.events()
    venue.order(side=1, quantity_units=1, instructions=2)
    (refused,) = venue.events()
    assert refused["reason"] == reason.REASON_REDUCE_ONLY
    venue.order(side=2, price_units=11_000, quantity_units=6, instructions=2)
    (accepted,) = venue.events()
    assert accepted["execution_type"] == ACCEPTED
    for quantity, outcome in ((5, REJECTED), (4, ACCEPTED), (1, REJECTED)):
        venue.order(
            side=2, order_type=3, stop_price_units=9_000, quantity_units=quantity, instructions=2
        )
        assert kinds(venue.events()) == [outcome]


def test_the_collar_lies_around_displayed_prices(venue: VenueDriver) -> None:
    def middle() -> int:
        rows = venue.core.gate.instruments
        (row,) = rows[rows["limits"]["key"] == INSTRUMENT]
        return int(row["mid_price"])

    venue.order(side=1, price_units=9_000)
    venue.order(side=2, price_units=11_000)
    venue.events()
    assert middle() == 10_000
    venue.order(side=1, price_units=10_400, instructions=4)
    venue.events()
    assert middle() == 10_000
    venue.order(side=1, price_units=9_400)
    venue.events()
    assert middle() == 10_200
