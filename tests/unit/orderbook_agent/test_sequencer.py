"""The sequencer: stamps, gate, matching and events, over the simulated transport."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.venue_driver import (
    ALPHA,
    BETA,
    BETA_FIRM,
    INSTRUMENT,
    OTHER_INSTRUMENT,
    REPLAY,
    SETTINGS,
    START_NS,
    VENUE_FIRM,
    VenueDriver,
)
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.memory import load_acquire_i64
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.mesh.publication import publication_stride
from tradecaptain.wire import book_event, control, execution_event, order_command, reason, streams

ACCEPTED, REJECTED, TRADE, CANCELLED, REPLACED, EXPIRED = 1, 2, 3, 4, 5, 6
GOOD_TILL_DATE = 5
CANCEL_REJECTED, REPLACE_REJECTED, ORDER_STATUS, MASS_CANCEL_DONE = 7, 8, 11, 12


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueDriver]:
    driver = VenueDriver(tmp_path)
    yield driver
    driver.close()


@pytest.fixture
def open_venue(venue: VenueDriver) -> VenueDriver:
    venue.open_all()
    return venue


def kinds(events: list[dict[str, int]]) -> list[int]:
    return [event["execution_type"] for event in events]


def sell_ladder(venue: VenueDriver, count: int) -> None:
    for index in range(count):
        venue.order(
            account_id=BETA, firm_id=BETA_FIRM, side=2, price_units=10_000 + index, quantity_units=1
        )
    venue.crank()
    venue.read("execution")
    venue.read("book")


def test_epoch_is_announced_once(venue: VenueDriver) -> None:
    venue.crank()
    answers = venue.read("control")
    assert [a["action"] for a in answers] == [control.CONTROL_ACTION_EPOCH_START]
    assert answers[0]["epoch"] == 3
    assert answers[0]["sequence"] == 1


def test_gate_is_closed_until_limits_are_set(venue: VenueDriver) -> None:
    venue.order(tag=9)
    (event,) = venue.events()
    assert event["execution_type"] == REJECTED
    assert event["reason"] == reason.REASON_LIMIT_UNSET
    assert event["tag"] == 9
    assert event["flags"] & 1


def test_order_is_stamped_acknowledged_and_echoed(open_venue: VenueDriver) -> None:
    open_venue.order(tag=5, client_order_id0=0x6162, send_time_ns=77)
    (event,) = open_venue.events()
    assert event["execution_type"] == ACCEPTED
    assert event["order_id"] == (3 << 40) + 1
    assert (event["epoch"], event["sequence"], event["account_sequence"]) == (3, 1, 1)
    assert START_NS < event["time_ns"] <= open_venue.now_ns
    assert (event["tag"], event["client_order_id0"], event["send_time_ns"]) == (5, 0x6162, 77)
    (book,) = open_venue.read("book")
    assert book["action"] == book_event.BOOK_ACTION_ADD
    assert (book["price_units"], book["level_quantity_units"]) == (10_000, 10)
    assert book["instrument_sequence"] == 1


def test_time_never_goes_back(open_venue: VenueDriver) -> None:
    open_venue.order()
    first = open_venue.events()[0]
    open_venue.now_ns -= 10**12
    open_venue.order()
    second = open_venue.events()[0]
    assert second["time_ns"] >= first["time_ns"]


def test_accounts_trade_and_each_sees_contiguous_sequences(open_venue: VenueDriver) -> None:
    open_venue.order(account_id=BETA, firm_id=BETA_FIRM, side=2, quantity_units=6)
    open_venue.order(quantity_units=10)
    events = open_venue.events()
    assert kinds(events) == [ACCEPTED, ACCEPTED, TRADE, TRADE]
    for account, count in ((ALPHA, 2), (BETA, 2)):
        own = [e["account_sequence"] for e in events if e["account_id"] == account]
        assert own == list(range(1, count + 1))
    assert [e["sequence"] for e in events] == [1, 2, 3, 4]
    taker, maker = events[2], events[3]
    assert taker["match_id"] == maker["match_id"]
    assert (taker["liquidity"], maker["liquidity"]) == (2, 1)
    assert "send_time_ns" not in maker


def test_risk_refusal_carries_its_limit(venue: VenueDriver) -> None:
    venue.open_gate(ALPHA, quantity=50)
    venue.order(quantity_units=51)
    (event,) = venue.events()
    assert event["reason"] == reason.REASON_ORDER_QUANTITY_LIMIT
    assert (event["limit_value"], event["observed_value"]) == (50, 51)
    assert event["limit_level"] == control.CONTROL_SCOPE_ACCOUNT


def test_position_limit_counts_fills_and_cancels_give_it_back(venue: VenueDriver) -> None:
    venue.open_gate(ALPHA, position_long=10)
    venue.open_gate(BETA)
    venue.order(quantity_units=10)
    (accepted,) = venue.events()
    venue.order(quantity_units=1)
    assert venue.events()[0]["reason"] == reason.REASON_POSITION_LIMIT_LONG
    # A part taken off, then the rest: what was reserved comes back each time.
    venue.order(action=2, order_id=accepted["order_id"], quantity_units=4)
    assert kinds(venue.events()) == [REPLACED]
    venue.order(quantity_units=4)
    assert kinds(venue.events()) == [ACCEPTED]
    venue.order(action=2, order_id=accepted["order_id"], quantity_units=0)
    assert kinds(venue.events()) == [CANCELLED]
    venue.order(quantity_units=6)
    assert kinds(venue.events()) == [ACCEPTED]
    # Filled: the position stays used.
    venue.order(account_id=BETA, firm_id=BETA_FIRM, side=2, quantity_units=10)
    assert kinds(venue.events()) == [ACCEPTED] + [TRADE] * 4
    venue.order(quantity_units=1)
    assert venue.events()[0]["reason"] == reason.REASON_POSITION_LIMIT_LONG
    assert venue.core.counts()["accounting_errors"] == 0


def test_replace_moves_the_reservation(venue: VenueDriver) -> None:
    venue.open_gate(ALPHA, position_long=10)
    venue.order(quantity_units=4)
    (accepted,) = venue.events()
    change = {"action": 3, "order_id": accepted["order_id"], "price_units": 9_990}
    venue.order(**change, quantity_units=11)
    (refused,) = venue.events()
    assert refused["execution_type"] == REPLACE_REJECTED
    assert refused["reason"] == reason.REASON_POSITION_LIMIT_LONG
    venue.order(**change, quantity_units=10, client_order_id0=5)
    (replaced,) = venue.events()
    assert replaced["execution_type"] == REPLACED
    assert replaced["order_id"] == accepted["order_id"]
    assert replaced["client_order_id0"] == 5
    venue.order(**change, quantity_units=3)
    assert kinds(venue.events()) == [REPLACED]
    venue.order(quantity_units=7)
    assert kinds(venue.events()) == [ACCEPTED]
    assert venue.core.counts()["accounting_errors"] == 0


def test_kill_overtakes_orders_that_were_sent_before_it(open_venue: VenueDriver) -> None:
    open_venue.order()
    open_venue.events()
    open_venue.order(tag=8)
    open_venue.control(
        action=control.CONTROL_ACTION_KILL,
        scope=control.CONTROL_SCOPE_ACCOUNT,
        scope_id=ALPHA,
        flags=1,
    )
    events = open_venue.events()
    assert kinds(events) == [CANCELLED, REJECTED]
    assert events[0]["reason"] == reason.REASON_CANCELLED_BY_MASS_CANCEL
    assert (events[1]["reason"], events[1]["tag"]) == (reason.REASON_KILL_SWITCH, 8)
    (answer,) = open_venue.read("control")
    assert answer["affected_count"] == 1
    assert "outcome" not in answer


def test_kill_of_many_orders_resumes_until_all_are_gone(open_venue: VenueDriver) -> None:
    for index in range(50):
        open_venue.order(price_units=9_000 + index % 7, instrument_id=INSTRUMENT + index % 2)
        open_venue.crank(1)
    open_venue.crank()
    open_venue.read("execution")
    open_venue.control(
        action=control.CONTROL_ACTION_KILL, scope=control.CONTROL_SCOPE_FIRM, flags=1
    )
    events = open_venue.events()
    assert kinds(events) == [CANCELLED] * 50
    assert open_venue.read("control")[-1]["affected_count"] == 50
    counts = open_venue.core.counts()
    assert counts["orders_working"] == 0
    assert counts["accounting_errors"] == 0


def test_mass_cancel_of_an_account_spares_others(open_venue: VenueDriver) -> None:
    open_venue.order()
    open_venue.order(instrument_id=OTHER_INSTRUMENT)
    open_venue.order(account_id=BETA, firm_id=BETA_FIRM, price_units=9_000)
    open_venue.events()
    open_venue.order(action=4, instrument_id=0, side=0, tag=3)
    events = open_venue.events()
    assert kinds(events) == [CANCELLED, CANCELLED, MASS_CANCEL_DONE]
    assert events[-1]["observed_value"] == 2
    assert all(e["tag"] == 3 for e in events)
    assert open_venue.core.counts()["orders_working"] == 1


def test_session_close_cancels_only_where_it_was_asked_for(open_venue: VenueDriver) -> None:
    scope = {"scope": control.CONTROL_SCOPE_SESSION}
    open_venue.control(action=control.CONTROL_ACTION_SESSION_OPEN, scope_id=7, flags=2, **scope)
    open_venue.control(action=control.CONTROL_ACTION_SESSION_OPEN, scope_id=8, **scope)
    for session in (7, 8, 7):
        open_venue.order(session_id=session)
    open_venue.events()
    open_venue.control(action=control.CONTROL_ACTION_SESSION_CLOSE, scope_id=8, **scope)
    assert open_venue.events() == []
    open_venue.control(action=control.CONTROL_ACTION_SESSION_CLOSE, scope_id=7, **scope)
    events = open_venue.events()
    assert kinds(events) == [CANCELLED, CANCELLED]
    assert {e["reason"] for e in events} == {reason.REASON_CANCELLED_ON_DISCONNECT}
    answers = open_venue.read("control")
    assert [a.get("affected_count", 0) for a in answers] == [0, 0, 0, 2]


def test_session_table_is_bounded_and_reused(open_venue: VenueDriver) -> None:
    scope = {"scope": control.CONTROL_SCOPE_SESSION, "flags": 2}
    outcomes = []
    for session in range(1, 12):
        open_venue.control(action=control.CONTROL_ACTION_SESSION_OPEN, scope_id=session, **scope)
        open_venue.crank()
        outcomes.append(open_venue.read("control")[0].get("outcome", 0))
    full = reason.REASON_CAPACITY_EXHAUSTED
    assert outcomes[: SETTINGS.sessions] == [0] * SETTINGS.sessions
    assert outcomes[-1] == full
    accepted = [s for s, outcome in enumerate(outcomes, start=1) if outcome == 0]
    for session in accepted:
        open_venue.control(action=control.CONTROL_ACTION_SESSION_CLOSE, scope_id=session, **scope)
    open_venue.crank()
    assert open_venue.core.counts()["sessions"] == 0


def test_status_request_reports_working_orders_in_scope(open_venue: VenueDriver) -> None:
    open_venue.order(price_units=9_990)
    open_venue.order(price_units=10_000)
    open_venue.order(account_id=BETA, firm_id=BETA_FIRM, price_units=9_000)
    open_venue.events()
    open_venue.control(
        action=control.CONTROL_ACTION_REQUEST_STATUS,
        scope=control.CONTROL_SCOPE_ACCOUNT,
        scope_id=ALPHA,
    )
    events = open_venue.events()
    assert kinds(events) == [ORDER_STATUS, ORDER_STATUS]
    assert [e["price_units"] for e in events] == [10_000, 9_990]
    assert open_venue.read("control")[-1]["affected_count"] == 2


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"action": 99}, reason.REASON_INVALID_REQUEST),
        ({"action": 8, "scope": 99, "scope_id": 5}, reason.REASON_INVALID_REQUEST),
        ({"action": 8, "scope": 2, "scope_id": 0}, reason.REASON_INVALID_REQUEST),
        ({"action": 8, "scope": 3, "instrument_id": 77}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"action": 8, "scope": 6, "scope_id": 100}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"action": 8, "scope": 2, "scope_id": 100, "side": 3}, reason.REASON_INVALID_SIDE),
        ({"action": 6, "scope": 2, "scope_id": 100}, reason.REASON_INVALID_REQUEST),
    ],
)
def test_control_that_cannot_be_served_is_answered_with_its_reason(
    open_venue: VenueDriver, fields: dict[str, int], outcome: int
) -> None:
    request_id = open_venue.control(**fields)
    open_venue.crank()
    (answer,) = open_venue.read("control")
    assert (answer["request_id"], answer["outcome"]) == (request_id, outcome)


def test_malformed_record_is_counted_and_the_next_is_served(open_venue: VenueDriver) -> None:
    rubbish = np.frombuffer(bytes(range(200)) * 2, np.uint8).copy()
    for length in (1, 16, 40, 200):
        open_venue.send(open_venue.orders, rubbish, length)
    open_venue.send(open_venue.controls, rubbish, 100)
    cut = open_venue.record(order_command, {"action": 1, "account_id": ALPHA})
    open_venue.send(open_venue.orders, cut, cut.nbytes - 8)
    long = np.zeros(2_000, np.uint8)
    open_venue.send(open_venue.orders, long)
    open_venue.order()
    assert kinds(open_venue.events()) == [ACCEPTED]
    assert open_venue.core.counts()["malformed"] == 7


def test_unknown_action_is_refused_to_its_account(open_venue: VenueDriver) -> None:
    open_venue.order(action=77, tag=4)
    (event,) = open_venue.events()
    assert (event["reason"], event["tag"]) == (reason.REASON_INVALID_REQUEST, 4)


def test_replayed_flow_meets_clients_and_divergence_is_counted(open_venue: VenueDriver) -> None:
    replay = {
        "publication": open_venue.replay,
        "account_id": REPLAY,
        "firm_id": VENUE_FIRM,
    }
    open_venue.order(**replay, side=2, client_order_id0=900, quantity_units=10)
    open_venue.order(quantity_units=4)
    assert kinds(open_venue.events()) == [ACCEPTED, ACCEPTED, TRADE, TRADE]
    cancel = replay | {"action": 2, "client_order_id0": 900}
    open_venue.order(**cancel, quantity_units=2)
    assert kinds(open_venue.events()) == [REPLACED]
    assert open_venue.core.counts()["divergence"] == 0
    open_venue.order(**cancel, quantity_units=8)
    assert kinds(open_venue.events()) == [CANCELLED]
    assert open_venue.core.counts()["divergence"] == 1
    open_venue.order(**cancel, quantity_units=1)
    assert kinds(open_venue.events()) == [CANCEL_REJECTED]
    assert open_venue.core.counts()["divergence"] == 2
    assert open_venue.core.counts()["accounting_errors"] == 0


def test_client_cannot_name_orders_by_vendor_id(open_venue: VenueDriver) -> None:
    open_venue.order(
        publication=open_venue.replay,
        account_id=REPLAY,
        firm_id=VENUE_FIRM,
        side=2,
        client_order_id0=900,
    )
    open_venue.events()
    open_venue.order(action=2, client_order_id0=900, quantity_units=0)
    (event,) = open_venue.events()
    assert event["execution_type"] == CANCEL_REJECTED


def test_sweep_over_many_levels_is_split_and_complete(open_venue: VenueDriver) -> None:
    sell_ladder(open_venue, 50)
    open_venue.order(price_units=10_100, quantity_units=60)
    open_venue.order(tag=6, price_units=1)
    events = open_venue.events()
    assert kinds(events) == [ACCEPTED] + [TRADE] * 100 + [ACCEPTED]
    takers = [e for e in events if e.get("liquidity") == 2]
    assert sum(e["last_quantity_units"] for e in takers) == 50
    assert [e["sequence"] for e in events] == list(
        range(events[0]["sequence"], events[0]["sequence"] + len(events))
    )
    books = open_venue.read("book")
    assert [b["instrument_sequence"] for b in books] == list(
        range(books[0]["instrument_sequence"], books[0]["instrument_sequence"] + len(books))
    )


def test_back_pressure_stops_commands_and_loses_nothing(open_venue: VenueDriver) -> None:
    sell_ladder(open_venue, 20)
    open_venue.mesh.faults.held_streams.add(streams.EXECUTION_EVENTS)
    before = open_venue.core.counts()["execution_events"]
    early: list[dict[str, int]] = []
    for _ in range(700):
        open_venue.order(price_units=1)
        open_venue.crank(1)
        early += open_venue.read("execution")
    blocked = open_venue.core.counts()
    assert blocked["blocked_turns"] > 0
    taken = blocked["orders_sequenced"]
    open_venue.crank(5)
    assert open_venue.core.counts()["orders_sequenced"] == taken
    open_venue.mesh.faults.held_streams.clear()
    events = early
    for _ in range(20):
        open_venue.crank(2)
        events += open_venue.read("execution")
    assert [e["sequence"] for e in events] == list(range(before + 1, before + 1 + len(events)))
    assert kinds(events).count(ACCEPTED) + kinds(events).count(REJECTED) == 700


def test_what_became_due_goes_before_a_command_that_waited_for_room(
    open_venue: VenueDriver,
) -> None:
    expire_time_ns = open_venue.now_ns + 1_000_000_000
    open_venue.order(
        account_id=BETA,
        firm_id=BETA_FIRM,
        side=2,
        price_units=10_000,
        quantity_units=1_000,
        time_in_force=GOOD_TILL_DATE,
        expire_time_ns=expire_time_ns,
    )
    open_venue.mesh.faults.held_streams.add(streams.EXECUTION_EVENTS)
    events = open_venue.events()
    assert kinds(events) == [ACCEPTED]
    while int(open_venue.core.header[0]["pending_command"]) == 0:
        open_venue.order(price_units=10_000, quantity_units=1)
        open_venue.crank(1)
        events += open_venue.read("execution")
    open_venue.now_ns = expire_time_ns + 1
    open_venue.mesh.faults.held_streams.clear()
    for _ in range(20):
        open_venue.crank(2)
        events += open_venue.read("execution")
    traded = [event for event in events if event["execution_type"] == TRADE]
    assert traded and all(event["time_ns"] < expire_time_ns for event in traded)
    ended = [event for event in events if event["execution_type"] == EXPIRED]
    assert [event["account_id"] for event in ended] == [BETA]


def test_an_order_whose_time_was_over_by_the_last_stamp_trades_no_more(
    open_venue: VenueDriver,
) -> None:
    began_ns = open_venue.now_ns
    expire_time_ns = began_ns + 1_000_000_000
    open_venue.order(
        account_id=BETA,
        firm_id=BETA_FIRM,
        side=2,
        price_units=10_000,
        quantity_units=1_000,
        time_in_force=GOOD_TILL_DATE,
        expire_time_ns=expire_time_ns,
    )
    assert kinds(open_venue.events()) == [ACCEPTED]
    # As after a start that was stamped before the clock went back.
    open_venue.core.header["time_ns"] = expire_time_ns + 1
    open_venue.now_ns = began_ns + 10_000_000
    open_venue.order(price_units=10_000, quantity_units=1)
    assert kinds(open_venue.events()) == [EXPIRED, ACCEPTED]


def test_sweep_interrupted_by_back_pressure_goes_on_where_it_stopped(
    open_venue: VenueDriver, tmp_path: Path
) -> None:
    sell_ladder(open_venue, 200)
    open_venue.mesh.faults.held_streams.add(streams.BOOK_EVENTS)
    books = open_venue.streams.book_events
    limit = load_acquire_i64(int(books.state[0]["limit_address"]))
    # An order that rests and one that meets it make two book events. A claim that begins before the
    # limit may end behind it, so the sweep gets one more: fewer events than it needs.
    while books.position < limit - 2 * publication_stride(book_event.RECORD_BYTES):
        open_venue.order(price_units=1, quantity_units=1)
        open_venue.order(
            account_id=BETA, firm_id=BETA_FIRM, side=2, price_units=1, quantity_units=1
        )
        open_venue.events()
    filler_trades = open_venue.core.counts()["trades"]
    open_venue.order(price_units=10_200, quantity_units=200)
    open_venue.crank(5)
    blocked = open_venue.core.counts()
    assert filler_trades < blocked["trades"] < filler_trades + 200
    assert blocked["blocked_turns"] > 0
    open_venue.mesh.faults.held_streams.clear()
    open_venue.crank(20)
    counts = open_venue.core.counts()
    assert counts["trades"] == filler_trades + 200
    assert counts["accounting_errors"] == 0
    # The turn that finished the sweep took no record, and yet its events are in the history.
    with HistoryReader.open(tmp_path / "history") as history:
        assert history.last_sequence() == counts["execution_events"]


def test_without_listeners_the_history_keeps_the_events(tmp_path: Path) -> None:
    venue = VenueDriver(tmp_path, listens=False)
    for account in (ALPHA, BETA):
        venue.open_gate(account)
    venue.order(tag=1)
    venue.crank()
    venue.listen()
    venue.crank()
    venue.order(tag=2)
    event = venue.events()[-1]
    assert (event["tag"], event["sequence"]) == (2, 2)
    with HistoryReader.open(tmp_path / "history") as history:
        assert history.epoch == 3
        rows = history.read_array(1, 10, execution_event.DTYPE)
        assert rows["sequence"].tolist() == [1, 2]
        assert rows["tag"].tolist() == [1, 2]
    venue.close()


def test_readers_that_all_stand_still_hold_nobody(open_venue: VenueDriver) -> None:
    generation = open_venue.readers["book"].images[0]["generation"]
    begin = open_venue.streams.book_events.position
    sent = 0
    while open_venue.streams.book_events.position < begin + 4 * SETTINGS.term_bytes:
        open_venue.order(price_units=1, quantity_units=1)
        open_venue.order(
            account_id=BETA, firm_id=BETA_FIRM, side=2, price_units=1, quantity_units=1
        )
        open_venue.crank()
        sent += 2
        assert open_venue.core.counts()["orders_sequenced"] >= sent - 16
    counts = open_venue.core.counts()
    assert counts["trades"] >= sent // 2 - 8
    assert counts["unheard_books"] == 0
    # They were cut off and joined again behind what they have missed.
    assert open_venue.readers["book"].images[0]["generation"] > generation


def test_driver_restart_keeps_the_book(open_venue: VenueDriver) -> None:
    open_venue.order()
    open_venue.events()
    open_venue.mesh.restart_driver()
    open_venue.crank(5)
    open_venue.order(account_id=BETA, firm_id=BETA_FIRM, side=2)
    events = open_venue.events(5)
    assert kinds(events) == [ACCEPTED, TRADE, TRADE]
    assert events[0]["sequence"] == 2


def test_writers_take_turns(open_venue: VenueDriver) -> None:
    second = open_venue._publication(streams.ORDER_COMMANDS)
    open_venue.crank(5)
    for index in range(100):
        open_venue.order(tag=1 + index)
        open_venue.order(tag=1_000 + index, publication=second)
    open_venue.crank(1)
    tags = [e["tag"] for e in open_venue.read("execution")]
    assert any(tag >= 1_000 for tag in tags)
    assert any(tag < 1_000 for tag in tags)


def test_step_that_does_not_fit_a_claim_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="step_limit"):
        VenueDriver(tmp_path, settings=replace(SETTINGS, term_bytes=65_536, step_limit=64))
