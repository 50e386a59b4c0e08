"""The follower over gaps: what the history hasn't told yet isn't lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.execution_flow import ExecutionFlow, to_records
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.history import HistoryWriter, history_append
from tradecaptain.mesh.journal import OFFSET_DURABLE_COMMAND, JournalRing
from tradecaptain.risk.follower import ExecutionHistory, Follower
from tradecaptain.risk.ledger import Ledger, LedgerCapacities
from tradecaptain.risk.store import RiskStore
from tradecaptain.wire import common, execution_event

SMALL = LedgerCapacities(pairs=8, orders=16, accounts=4, instruments=4)
ACCOUNT, INSTRUMENT, WRITER = 100, 7, 1


@kernel("int64(int64, int64)")
def tell(history: int, record: int) -> int:
    return history_append(history, record)


class Desk:
    """A follower, the venue's history, and events that the two are told at different times."""

    def __init__(self, folder: Path) -> None:
        flow = ExecutionFlow()
        for order_id in range(1, 5):
            flow.accept(order_id, ACCOUNT, INSTRUMENT, common.SIDE_BUY, 10)
            flow.trade(order_id, 10, 100)
        self.events = to_records(flow.events)
        self.path = folder / "history"
        self.history = HistoryWriter(
            self.path, record_bytes=execution_event.RECORD_BYTES, capacity=64, epoch=flow.epoch
        )
        self.store = RiskStore(folder / "risk.sqlite")
        self.ledger = Ledger(SMALL)
        self.ledger.start_epoch(flow.epoch)
        reader = ExecutionHistory(self.path)
        self.follower = Follower(self.ledger, self.store, reader, drain_s=1)
        self.losses = 0
        self.follower.on_loss = self.note_loss

    def note_loss(self) -> None:
        self.losses += 1

    def tell_history(self, events: Any) -> None:
        for row in range(len(events)):
            tell(self.history.address, address_of(events[row : row + 1]))

    def close(self) -> None:
        self.history.close()
        self.store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("told", [0, 1, 3])
def test_gap_that_a_killed_venue_will_fill_is_no_loss(desk: Desk, told: int) -> None:
    desk.tell_history(desk.events[:told])
    # The stream passed over the first four; the venue was killed before its history had them.
    desk.follower.apply(desk.events[4:], WRITER)
    assert (desk.ledger.last_sequence, desk.losses) == (told, 0)
    desk.tell_history(desk.events[told:])
    desk.follower.catch_up()
    assert (desk.ledger.last_sequence, desk.losses) == (8, 0)
    (pair,) = desk.ledger.all_pairs()
    assert (pair.position, pair.working_buy) == (40, 0)
    assert desk.ledger.is_complete(ACCOUNT)


def test_gap_that_nobody_can_fill_is_a_loss(desk: Desk) -> None:
    desk.path.unlink()
    desk.follower.apply(desk.events[4:], WRITER)
    assert (desk.ledger.last_sequence, desk.losses) == (8, 1)
    assert not desk.ledger.is_complete(ACCOUNT)


def test_store_waits_until_the_log_is_on_disk(desk: Desk, tmp_path: Path) -> None:
    newest = len(desk.events)
    desk.events["command_sequence"] = range(1, newest + 1)
    desk.tell_history(desk.events)
    with JournalRing.create(tmp_path / "ring", capacity=1 << 16, epoch=1) as ring:
        follower = Follower(
            desk.ledger,
            desk.store,
            ExecutionHistory(desk.path),
            drain_s=1,
            durable=DurablePlace(tmp_path / "ring"),
        )
        follower.apply(desk.events, WRITER)
        follower.save()
        ring.store(OFFSET_DURABLE_COMMAND, newest - 1)
        follower.save()
        assert (desk.store.positions(), desk.store.progress().sequence) == ([], 0)
        ring.store(OFFSET_DURABLE_COMMAND, newest)
        follower.save()
        assert [state.position for state in desk.store.positions()] == [40]
        assert desk.store.progress().sequence == len(desk.events)


@pytest.mark.parametrize("stored", [4, 3, 0])
def test_epoch_that_goes_on_from_the_log_counts_nothing_twice(desk: Desk, stored: int) -> None:
    """The venue lost what it told behind event 4, and goes on behind that."""
    before = int(desk.events["epoch"][0])
    desk.events["epoch"][4:] = before + 1
    desk.tell_history(desk.events[:stored])
    desk.follower.apply(desk.events[:stored], WRITER)
    desk.follower.save()
    desk.store.set_positions_sent(before)
    newer = HistoryWriter(
        desk.path, record_bytes=execution_event.RECORD_BYTES, capacity=64, epoch=0, is_shown=False
    )
    newer.begin_in(before, before + 1)
    for row in range(6):
        tell(newer.address, address_of(desk.events[row : row + 1]))
    newer.show()
    again = Follower(Ledger(SMALL), desk.store, ExecutionHistory(desk.path), drain_s=0)
    for follower in (again, desk.follower):
        if follower is again:
            follower.resume()
        else:
            follower.writer_left(WRITER)
            follower.expect_epoch(before + 1)
        ledger = follower._ledger
        assert (ledger.epoch, ledger.last_sequence, ledger.lost_event_count) == (before + 1, 6, 0)
        (pair,) = ledger.all_pairs()
        assert pair.position == 30
    assert desk.losses == 0
    follower.apply(desk.events[6:], WRITER)
    assert (ledger.last_sequence, ledger.all_pairs()[0].position) == (8, 40)
    assert desk.store.progress().positions_sent_epoch == before + 1
    newer.close()


async def test_events_that_wait_for_their_epoch_are_kept_when_their_slots_are_used_again(
    desk: Desk,
) -> None:
    desk.follower.apply(desk.events[:4], WRITER)
    newer = desk.events[4:].copy()
    newer["epoch"] += 1
    newer["sequence"] -= 4
    newer["account_sequence"] -= 4
    desk.follower.apply(newer, WRITER + 1)
    newer["sequence"] = 0
    assert desk.ledger.last_sequence == 4
    desk.follower.writer_left(WRITER)
    assert (desk.ledger.epoch, desk.ledger.last_sequence) == (int(newer["epoch"][0]), 4)
    (pair,) = desk.ledger.all_pairs()
    assert (pair.position, desk.losses) == (40, 0)
