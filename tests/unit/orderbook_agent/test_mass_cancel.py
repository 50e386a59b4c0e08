"""A kill tells of all ends before orders leave; what is kept is what was told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.logged_venue import LoggedVenue, opened
from support.matching_driver import plain
from support.venue_driver import ALPHA, ALPHA_FIRM, BETA, BETA_FIRM
from tradecaptain.base.memory import address_of, load_acquire_i64, load_u16
from tradecaptain.base.records import records_at
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.mesh.journal import (
    FLAG_RESULT,
    FRAME_HEADER_BYTES,
    JournalRing,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.mesh.journal_source import LogSource
from tradecaptain.wire import control, execution_event

CANCELLED = execution_event.EXECUTION_TYPE_CANCELLED
KINDS: tuple[dict[str, int], ...] = (
    {},
    {},
    {"instructions": 8},
    {"display_quantity_units": 2},
    {"order_type": 4, "stop_price_units": 10_900},
    {"group_id": 4, "group_role": 1},
    {"order_type": 6, "peg_reference": 1, "offset_units": -1, "price_units": 0},
)
ORDERS = 28
RESTING = 240


def fill(venue: LoggedVenue) -> None:
    """Orders of two accounts that rest or wait, of every kind that a sweep treats differently."""
    for index in range(ORDERS):
        is_alpha = index % 2 == 0
        venue.order(
            **{
                "account_id": ALPHA if is_alpha else BETA,
                "firm_id": ALPHA_FIRM if is_alpha else BETA_FIRM,
                "side": 1,
                "price_units": 9_900 + 10 * (index % 5),
                "quantity_units": 9,
                "tag": index + 1,
            }
            | KINDS[index % len(KINDS)]
        )
        venue.crank()
    venue.read("execution")
    venue.read("book")
    assert venue.core.engine.header[0]["order_count"] == ORDERS


def kill_all(venue: LoggedVenue) -> None:
    venue.control(action=control.CONTROL_ACTION_KILL, scope=control.CONTROL_SCOPE_FIRM, flags=1)
    venue.crank()


def logged_events(folder: Path) -> list[dict[str, int]]:
    """Execution events of the log, in its order."""
    events: list[dict[str, int]] = []
    with LogSource(folder / "segments", JournalRing(folder / "ring")) as source:
        for frames in source.checked_frames():
            frame, end = address_of(frames), address_of(frames) + len(frames)
            while frame < end:
                record = frame + FRAME_HEADER_BYTES
                kind = load_u16(record + execution_event.OFFSET_KIND)
                if frame_flags(frame) == FLAG_RESULT and kind == execution_event.KIND:
                    events.append(plain(records_at(record, 1, execution_event.DTYPE)[0]))
                frame += frame_bytes(frame_length(frame))
    return events


def history_events(folder: Path) -> list[dict[str, int]]:
    with HistoryReader(folder / "history") as reader:
        records = reader.read_array(
            reader.first_sequence(), reader.last_sequence(), execution_event.DTYPE
        )
        return [plain(record) for record in records]


def outcome(venue: LoggedVenue) -> tuple[Any, ...]:
    """What a kill told, and what it left."""
    executions, books = venue.read("execution"), venue.read("book")
    told = [event for event in executions if event["execution_type"] == CANCELLED]
    assert len(told) == ORDERS
    assert venue.core.engine.header[0]["order_count"] == 0
    assert venue.core.counts()["accounting_errors"] == 0
    assert not venue.core.gate.accounts["open_order_count"].any()
    assert not venue.core.gate.pairs["working_buy"].any()
    return executions, books, venue.state_hash


@pytest.mark.twin
@pytest.mark.parametrize("capacity", [1, 5, 1_000])
def test_told_before_or_as_they_leave_the_events_are_the_same(
    tmp_path: Path, capacity: int
) -> None:
    direct, telling = opened(tmp_path / "direct"), opened(tmp_path / "telling")
    direct.core.engine.header[0]["told_table"] = 0
    telling.core.engine.header[0]["told_capacity"] = capacity
    for venue in (direct, telling):
        fill(venue)
        # The same stamps for both.
        venue.now_ns += 1_000_000
        kill_all(venue)
    assert outcome(telling) == outcome(direct)
    direct.stop()
    telling.stop()


@pytest.mark.twin
def test_what_is_kept_is_what_was_told(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    fill(venue)
    kill_all(venue)
    executions = outcome(venue)[0]
    assert history_events(tmp_path)[-len(executions) :] == executions
    assert logged_events(tmp_path)[-len(executions) :] == executions
    venue.stop()


def fill_window(venue: LoggedVenue) -> None:
    """Orders that rest, and then as many book events that nobody reads as their stream takes."""
    for index in range(RESTING):
        venue.order(price_units=9_000 + index)
    venue.crank(8)
    venue.read("execution")
    books = venue.streams.book_events
    limit_address = int(books.state[0]["limit_address"])
    while load_acquire_i64(limit_address) - books.position > 10_000:
        venue.order(price_units=8_000)
        (accepted,) = venue.events()
        venue.order(action=2, order_id=accepted["order_id"], quantity_units=0)
        venue.crank()
        venue.read("execution")


@pytest.mark.twin
def test_a_venue_killed_while_orders_leave_has_told_the_truth(tmp_path: Path) -> None:
    """Its reader of books stands still, so that it tells of all ends and then has to wait."""
    venue = LoggedVenue(tmp_path, listens=False)
    venue.listen(tether=True)
    venue.open_all()
    fill_window(venue)
    venue.read("execution")
    kill_all(venue)
    told = venue.read("execution")
    assert [event["execution_type"] for event in told] == [CANCELLED] * RESTING
    assert 0 < venue.core.engine.header[0]["order_count"] < RESTING
    kept = history_events(tmp_path)
    assert kept[-1] != told[-1]
    venue.kill()
    again = LoggedVenue(tmp_path)
    assert again.core.engine.header[0]["order_count"] == 0
    assert not again.core.gate.pairs["working_buy"].any()
    assert history_events(tmp_path)[-RESTING:] == told
    assert logged_events(tmp_path)[-RESTING:] == told
    again.stop()
