"""Events that must be on disk before they are told: nothing is passed over, nothing is given up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gateway_desk import ALPHA, REFERENCE, GatewayDesk, new_order
from support.venue_driver import offer, read_records
from tradecaptain.base.memory import address_of, store_i64
from tradecaptain.base.reference_file import ReferenceFile, dump_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.commands import Directory, Stager
from tradecaptain.gateway.config import GatewayConfig
from tradecaptain.gateway.process import Gateway
from tradecaptain.gateway.requests import Requests
from tradecaptain.mesh.history import OFFSET_LAST
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.simulation.process import turn_agents
from tradecaptain.simulation.time import SimulatedClock, SimulatedLoop
from tradecaptain.wire import control, execution_event, streams


class Disk:
    """Says up to which command everything is on disk; every event waits for it."""

    def __init__(self) -> None:
        self.command = 0

    def refresh(self) -> None:
        """Nothing to look up."""

    def tell_refusal(self, state: np.ndarray[Any, Any]) -> None:
        """It takes everything."""

    def released(self, events: np.ndarray[Any, Any]) -> int:
        waits = events["command_sequence"] > self.command
        return int(np.argmax(waits)) if waits.any() else len(events)


@pytest.fixture
def gateway(tmp_path: Path) -> GatewayDesk:
    return GatewayDesk(tmp_path)


def with_disk(gateway: GatewayDesk) -> Disk:
    disk = Disk()
    gateway.desk = OrderDesk(
        gateway.store,
        gateway.publication,
        gateway.folder / "history",
        gateway.clock,
        5.0,
        durable=disk,  # type: ignore[arg-type]
    )
    directory = Directory(REFERENCE)
    gateway.requests = Requests(gateway.desk, Stager(gateway.store, directory), directory)
    gateway.desk.catch_up()
    return disk


async def test_gap_of_events_that_are_not_on_disk_yet_is_no_loss(gateway: GatewayDesk) -> None:
    disk = with_disk(gateway)
    lost: list[int] = []
    gateway.desk.on_lost_events.append(lambda: lost.append(1))
    for key in ("a", "b", "c"):
        gateway.requests._stager.stage_new(0, new_order(key), ALPHA)
        gateway.desk.enter(1)
    batch = gateway.venue.work()
    # The stream lost the first two, and the history may not tell them yet.
    gateway.desk.on_batch(batch[2:])
    assert lost == []
    assert gateway.store.last_sequence == 0
    assert gateway.desk.is_behind
    disk.command = 1 << 40
    gateway.desk.catch_up()
    assert gateway.store.last_sequence == 3
    assert not gateway.desk.is_behind
    assert [report.sequence for report in gateway.reports()] == [1, 2, 3]


async def test_gap_that_a_killed_venue_will_fill_is_no_loss(gateway: GatewayDesk) -> None:
    with_disk(gateway).command = 1 << 40
    lost: list[int] = []
    gateway.desk.on_lost_events.append(lambda: lost.append(1))
    for key in ("a", "b", "c"):
        gateway.requests._stager.stage_new(0, new_order(key), ALPHA)
        gateway.desk.enter(1)
    batch = gateway.venue.work()
    # The venue was killed when the stream had its events and its history didn't yet.
    history = gateway.venue.history.address
    store_i64(history + OFFSET_LAST, 0)
    gateway.desk.on_batch(batch[1:])
    assert (gateway.store.last_sequence, lost) == (0, [])
    # It comes back from its log.
    store_i64(history + OFFSET_LAST, 3)
    assert gateway.desk.is_behind
    gateway.desk.catch_up()
    assert (gateway.store.last_sequence, lost) == (3, [])
    assert [report.sequence for report in gateway.reports()] == [1, 2, 3]


async def test_gap_that_nobody_can_fill_is_told(gateway: GatewayDesk) -> None:
    with_disk(gateway).command = 1 << 40
    lost: list[int] = []
    gateway.desk.on_lost_events.append(lambda: lost.append(1))
    await gateway.submit(new_order("a"))
    (gateway.folder / "history").unlink()
    gateway.desk._history = None
    record = np.zeros(1, execution_event.DTYPE)
    record[0] = gateway.store.records[:1].view(execution_event.DTYPE)[0]
    record["sequence"] = 9
    gateway.desk._apply(record.ctypes.data, record.dtype.itemsize, 0, 1)
    assert lost == [1]


class Waiting:
    """A gateway process on a clock of its own, before a venue that isn't there yet."""

    def __init__(self, folder: Path) -> None:
        self.paths = RunPaths(folder / "run", folder)
        self.paths.create()
        dump_reference(REFERENCE, self.paths.reference)
        self.clock = SimulatedClock()
        self.loop = SimulatedLoop(self.clock)
        self.mesh = SimulatedMesh(1)
        self.questions = self.mesh.add_subscription(streams.CONTROL_COMMANDS, tether=True)
        self.answers = self.mesh.add_publication(streams.CONTROL_EVENTS)
        self.gateway: Gateway
        config = GatewayConfig(
            requests_max=1_024, events_max=1_024, lost_after_seconds=0.2, answer_timeout_seconds=5.0
        )

        def start() -> None:
            instruments = ReferenceFile(self.paths.reference)
            self.gateway = Gateway(self.mesh, self.paths, instruments, config, self.clock, 5)
            self.gateway.start()

        self.loop.call(start)

    def pass_seconds(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.01)):
            self.clock.advance(10_000_000)
            self.mesh.crank()
            self.questions.refresh()
            for reader in self.gateway.readers:
                turn_agents([reader.agent], self.clock.now_ns())
            self.loop.turn(2)

    def answer(self) -> int:
        """Answer what the venue was asked, as the venue would; how many questions there were."""
        records = np.zeros(64, control.DTYPE)
        images = self.questions.images
        count = int(read_records(images, address_of(records), control.RECORD_BYTES, len(records)))
        for index in range(count):
            place = address_of(records) + index * control.RECORD_BYTES
            offer(self.answers.state, place, control.RECORD_BYTES)
        return count

    def settled(self) -> bool:
        return not self.gateway.desk._unsettled

    def close(self) -> None:
        for reader in self.gateway.readers:
            reader.close()
        self.loop.close()


def test_what_the_venue_never_mentioned_stays_open_until_the_venue_is_there(
    tmp_path: Path,
) -> None:
    waiting = Waiting(tmp_path)
    waiting.gateway.desk._unsettled[0] = (False, 0)
    waiting.pass_seconds(2.0)
    assert not waiting.settled()
    waiting.mesh.add_subscription(streams.ORDER_COMMANDS, tether=True)
    waiting.pass_seconds(0.1)
    assert (waiting.settled(), waiting.answer()) == (False, 0)
    # Somebody has listened for long enough, but a killed venue seems to listen, too.
    waiting.pass_seconds(0.5)
    assert (waiting.settled(), waiting.answer()) == (False, 1)
    waiting.pass_seconds(0.1)
    assert waiting.settled()
    waiting.close()


def test_what_the_venue_never_mentioned_is_doubted_anew_when_the_venue_was_replaced(
    tmp_path: Path,
) -> None:
    waiting = Waiting(tmp_path)
    desk = waiting.gateway.desk
    desk._unsettled[0] = (False, 0)
    waiting.mesh.add_subscription(streams.ORDER_COMMANDS, tether=True)
    waiting.pass_seconds(0.5)
    # What is asked isn't answered in time, so it is asked again, after another wait.
    waiting.pass_seconds(5.5)
    assert (waiting.settled(), waiting.answer()) == (False, 2)
    # The next venue answers, and may yet read what waits for it.
    desk._unsettled[0] = (False, waiting.clock.monotonic_ns())
    waiting.pass_seconds(0.3)
    assert not waiting.settled()
    waiting.close()
