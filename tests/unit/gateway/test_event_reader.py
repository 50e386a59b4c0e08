"""The reader of execution events wakes the loop for clients at once, for others in time."""

import select
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gateway_desk import ALPHA, CLIENTS
from tradecaptain.base.memory import address_of
from tradecaptain.gateway.event_reader import QUIET_NS, EventReader
from tradecaptain.gateway.store import _account_table
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.journal import OFFSET_DURABLE_COMMAND, JournalRing
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.mesh.stream_reader import EVENT_RECORD
from tradecaptain.wire import execution_event, streams

REPLAY = 1
START_NS = 1_000_000_000_000


class Reading:
    """A publisher, the reader, and a look at its eventfd."""

    def __init__(self, folder: Path) -> None:
        self.durable = DurablePlace(folder / "ring")
        self.mesh = SimulatedMesh(seed=5)
        publication = self.mesh.add_publication(streams.EXECUTION_EVENTS, term_bytes=1 << 20)
        self.publisher = RecordPublisher(publication, execution_event.RECORD_BYTES)
        self.reader = EventReader(self.mesh, _account_table(CLIENTS), self.durable, capacity=64)
        self.sequence = 0
        self.turn(START_NS)
        self.drain()

    def publish(self, account_id: int, command_sequence: int, durability: int = 0) -> None:
        self.sequence += 1
        record = np.zeros(1, dtype=execution_event.DTYPE)
        execution_event.initialise(address_of(record))
        record["sequence"] = self.sequence
        record["account_id"] = account_id
        record["command_sequence"] = command_sequence
        record["durability"] = durability
        assert self.publisher.offer(record) == 1

    def turn(self, now_ns: int) -> None:
        self.mesh.crank()
        self.publisher.refresh()
        if self.reader.subscription.needs_refresh():
            self.reader.subscription.refresh()
        self.mesh.crank()
        self.reader.agent.do_work(now_ns)

    def is_woken(self) -> bool:
        descriptor = int(self.reader.handover.state["descriptor"][0])
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def drain(self) -> list[int]:
        """Take everything, until an empty look arms the wake-up again."""
        import os

        found: list[int] = []
        while len(batch := self.reader.handover.drain()):
            records: Any = batch[batch["event"] == EVENT_RECORD]
            found += records["record"]["sequence"].tolist()
        if self.is_woken():
            os.eventfd_read(int(self.reader.handover.state["descriptor"][0]))
        return found


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path)


def test_a_clients_event_wakes_at_once(reading: Reading) -> None:
    reading.publish(ALPHA, 1)
    reading.turn(START_NS + 1)
    assert reading.is_woken()
    assert reading.drain() == [1]


def test_other_events_wait_for_the_timer(reading: Reading) -> None:
    for number in range(3):
        reading.publish(REPLAY, number + 10)
        reading.turn(START_NS + number + 1)
        assert not reading.is_woken()
    reading.turn(START_NS + QUIET_NS + 1)
    assert reading.is_woken()
    assert reading.drain() == [1, 2, 3]


def test_the_end_of_a_clients_command_wakes_whoever_it_belongs_to(reading: Reading) -> None:
    reading.publish(ALPHA, 7)
    reading.turn(START_NS + 1)
    reading.drain()
    reading.publish(REPLAY, 8)
    reading.turn(START_NS + 2)
    assert not reading.is_woken()
    reading.publish(ALPHA, 9)
    reading.turn(START_NS + 3)
    assert reading.drain() == [2, 3]
    reading.publish(REPLAY, 9)
    reading.turn(START_NS + 4)
    assert reading.is_woken()
    assert reading.drain() == [4]


def test_a_ring_that_fills_wakes_early(reading: Reading) -> None:
    for number in range(33):
        reading.publish(REPLAY, 100 + number)
    reading.turn(START_NS + 1)
    assert reading.is_woken()
    assert len(reading.drain()) == 33


def test_a_group_event_waits_until_its_command_is_on_disk(tmp_path: Path) -> None:
    reading = Reading(tmp_path)
    group = execution_event.DURABILITY_GROUP
    reading.publish(ALPHA, 1)
    reading.publish(ALPHA, 2, group)
    reading.publish(ALPHA, 3)
    reading.turn(START_NS + 1)
    # What comes behind keeps its place.
    assert reading.drain() == [1]
    assert reading.durable.is_awaited
    with JournalRing.create(tmp_path / "ring", capacity=1 << 16, epoch=1) as ring:
        reading.durable.refresh()
        reading.turn(START_NS + 2)
        assert reading.drain() == []
        ring.store(OFFSET_DURABLE_COMMAND, 2)
        reading.turn(START_NS + 3)
        assert reading.drain() == [2, 3]
        assert not reading.durable.is_awaited
        # A venue that starts anew may make another ring.
        reading.publish(ALPHA, 4, group)
        reading.turn(START_NS + 4)
        assert reading.drain() == []
        with JournalRing.create(tmp_path / "ring", capacity=1 << 16, epoch=1) as newer:
            newer.store(OFFSET_DURABLE_COMMAND, 4)
            reading.durable.refresh()
            reading.turn(START_NS + 5)
            assert reading.drain() == [4]


def test_events_of_the_history_wait_for_the_disk_too(tmp_path: Path) -> None:
    events = np.zeros(3, execution_event.DTYPE)
    events["durability"] = [2, execution_event.DURABILITY_GROUP, 2]
    events["command_sequence"] = [9, 7, 8]
    durable = DurablePlace(tmp_path / "ring")
    assert durable.released(events) == 1
    with JournalRing.create(tmp_path / "ring", capacity=1 << 16, epoch=1) as ring:
        durable.refresh()
        ring.store(OFFSET_DURABLE_COMMAND, 7)
        assert durable.released(events) == 3
