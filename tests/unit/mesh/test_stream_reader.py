"""From a stream to asyncio and back, on the simulated transport and, with the JIT on, on Aeron."""

import asyncio
from typing import Any

import numpy as np
import pytest
from support.mesh_transports import SMALL_TERM, aeron_transport
from support.wait import wait_until_async
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.mesh import status
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.mesh.runner import AgentRunner
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.mesh.stream_reader import (
    EVENT_GAP,
    EVENT_LAPPED,
    EVENT_RECORD,
    EVENT_WRITER_JOINED,
    EVENT_WRITER_LEFT,
    StreamReader,
)

pytestmark = pytest.mark.twin

RECORD = np.dtype([("sequence", "<i8"), ("value", "<i8"), ("padding", "<i8", 10)])


def numbered(first: int, count: int) -> np.ndarray:
    records = np.zeros(count, RECORD)
    records["sequence"] = np.arange(first, first + count)
    records["value"] = records["sequence"] * 3
    return records


class Cranked:
    """A reader on the simulated transport that is cranked by hand."""

    def __init__(self, **options: Any) -> None:
        self.mesh = SimulatedMesh(seed=3)
        self.publisher = RecordPublisher(
            self.mesh.add_publication(11, term_bytes=SMALL_TERM), RECORD.itemsize
        )
        self.reader = StreamReader(self.mesh, 11, RECORD, **options)
        self.turn()

    def turn(self) -> None:
        self.mesh.crank()
        self.reader.agent.refresh()
        self.reader.agent.do_work(0)

    def events(self) -> list[tuple[int, int]]:
        """What came: event and, for a record its sequence, else its length."""
        found = []
        for slot in self.reader.handover.drain():
            is_record = slot["event"] == EVENT_RECORD
            value = slot["record"]["sequence"] if is_record else slot["length"]
            found.append((int(slot["event"]), int(value)))
        return found


def test_a_writer_joins_sends_and_leaves() -> None:
    cranked = Cranked()
    assert cranked.publisher.offer_batch(numbered(1, 3)) == 3
    cranked.turn()
    cranked.publisher.close()
    for _ in range(3):
        cranked.turn()
    assert cranked.events() == [
        (EVENT_WRITER_JOINED, 0),
        (EVENT_RECORD, 1),
        (EVENT_RECORD, 2),
        (EVENT_RECORD, 3),
        (EVENT_WRITER_LEFT, 0),
    ]


def test_shorter_records_are_filled_up_and_longer_ones_cut() -> None:
    cranked = Cranked()
    short = RecordPublisher(cranked.publisher.publication, 16)
    long = RecordPublisher(cranked.publisher.publication, 200)
    assert short.offer(np.array([1, 2], np.int64)) == 1
    assert long.offer(np.full(25, 9, np.int64)) == 1
    cranked.turn()
    first, second = cranked.reader.handover.drain()[1:]
    assert (first["length"], second["length"]) == (16, 200)
    assert first["record"]["value"] == 2
    assert first["record"]["padding"].tolist() == [0] * 10
    assert second["record"]["padding"].tolist() == [9] * 10


def test_missing_sequence_numbers_are_announced() -> None:
    cranked = Cranked(sequence_field="sequence")
    cranked.publisher.offer_batch(numbered(5, 2))
    cranked.publisher.offer_batch(numbered(9, 1))
    cranked.turn()
    assert cranked.events()[1:] == [
        (EVENT_RECORD, 5),
        (EVENT_RECORD, 6),
        (EVENT_GAP, 2),
        (EVENT_RECORD, 9),
    ]
    assert cranked.reader.statistics["gap_count"] == 1


def test_lost_frames_show_as_a_gap() -> None:
    cranked = Cranked(sequence_field="sequence")
    cranked.publisher.offer_batch(numbered(1, 1))
    cranked.turn()
    cranked.mesh.faults.loss_probability = 1.0
    cranked.publisher.offer_batch(numbered(2, 3))
    cranked.turn()
    cranked.mesh.faults.loss_probability = 0.0
    cranked.publisher.offer_batch(numbered(5, 1))
    cranked.turn()
    assert cranked.events()[1:] == [(EVENT_RECORD, 1), (EVENT_GAP, 3), (EVENT_RECORD, 5)]


def test_a_full_ring_leaves_records_in_the_log() -> None:
    cranked = Cranked(capacity=4, tether=True)
    cranked.publisher.offer_batch(numbered(1, 10))
    got = []
    for _ in range(8):
        cranked.turn()
        got += [value for event, value in cranked.events() if event == EVENT_RECORD]
    assert got == list(range(1, 11))


def test_a_lapped_reader_is_told_how_much_it_missed() -> None:
    cranked = Cranked(capacity=4)
    # Only a reader that lags behind another is passed over.
    fast = StreamReader(cranked.mesh, 11, RECORD, capacity=1 << 14)
    cranked.mesh.crank()
    written = 0
    for _ in range(60):
        fast.agent.refresh()
        fast.agent.do_work(0)
        sent = cranked.publisher.offer_batch(numbered(written, 60))
        written += max(sent, 0)
        cranked.turn()
    events = cranked.events()
    for _ in range(20):
        cranked.turn()
        events += cranked.events()
    kinds = [event for event, _ in events]
    assert EVENT_LAPPED in kinds
    assert kinds.index(EVENT_WRITER_LEFT) < kinds.index(EVENT_LAPPED)
    assert events[kinds.index(EVENT_LAPPED)][1] > 0
    assert cranked.reader.statistics["lapped_count"] == kinds.count(EVENT_LAPPED)


def test_a_restarted_driver_brings_a_new_writer() -> None:
    cranked = Cranked()
    cranked.publisher.offer_batch(numbered(1, 1))
    cranked.turn()
    cranked.mesh.restart_driver()
    assert cranked.publisher.offer_batch(numbered(2, 1)) == status.CLOSED
    cranked.turn()
    assert cranked.publisher.refresh()
    cranked.turn()
    cranked.publisher.offer_batch(numbered(7, 1))
    cranked.turn()
    records = [value for event, value in cranked.events() if event == EVENT_RECORD]
    assert records == [1, 7]
    assert cranked.publisher.publication.generation == 2


def test_back_pressure_is_named_and_counted() -> None:
    cranked = Cranked(tether=True, capacity=2)
    cranked.mesh.faults.held_streams = {11}
    sent = [cranked.publisher.offer_batch(numbered(0, 50)) for _ in range(20)]
    assert sent[-1] == status.BACK_PRESSURED
    assert cranked.publisher.publication.state[0]["back_pressured_count"] > 0


async def test_publish_waits_for_room_and_names_what_was_in_the_way() -> None:
    cranked = Cranked(tether=True)
    await cranked.publisher.publish(numbered(0, 100))
    cranked.mesh.faults.held_streams = {11}
    with pytest.raises(MeshError, match="BACK_PRESSURED"):
        await cranked.publisher.publish(numbered(100, 5000), timeout_ns=20_000_000)


def test_records_of_another_length_are_refused() -> None:
    cranked = Cranked()
    with pytest.raises(MeshError, match="96 bytes"):
        cranked.publisher.offer_batch(np.zeros(7, np.int64))


async def test_a_stream_reaches_asyncio_through_real_aeron() -> None:
    total = 1_000 if JIT_DISABLED else 30_000
    got: list[int] = []
    events: list[int] = []

    def on_batch(batch: np.ndarray) -> None:
        events.extend(set(batch["event"].tolist()))
        records = batch[batch["event"] == EVENT_RECORD]["record"]
        assert (records["value"] == records["sequence"] * 3).all()
        got.extend(records["sequence"].tolist())

    loop = asyncio.get_running_loop()
    with aeron_transport() as transport:
        mesh = transport.mesh
        publisher = RecordPublisher(
            mesh.add_publication(31, term_bytes=SMALL_TERM), RECORD.itemsize
        )
        publisher.attach(loop)
        reader = StreamReader(mesh, 31, RECORD, tether=True, sequence_field="sequence")
        with reader, AgentRunner([reader.agent]) as runner:
            runner.start()
            reader.attach(loop, on_batch)
            await publisher.publish(numbered(0, total), timeout_ns=60_000_000_000)
            await wait_until_async(lambda: len(got) >= total, timeout_s=60)
        publisher.close()
    assert got == list(range(total))
    assert set(events) == {EVENT_WRITER_JOINED, EVENT_RECORD}
