"""The venue as the service makes it: epochs, snapshots, counters, over the simulated transport."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from support.venue_driver import (
    ALPHA,
    INSTRUMENT,
    OTHER_INSTRUMENT,
    SETTINGS,
    START_NS,
    VenueDriver,
    offer,
)
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.base.reference_file import default_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.kernels.risk_gate import UNLIMITED
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.mesh.table_readers import CounterReader, HistogramReader
from tradecaptain.orderbook.agent import Venue
from tradecaptain.orderbook.reporting import REPORT_INTERVAL_NS
from tradecaptain.wire import control, order_command, streams


class CrankedVenue:
    """A venue whose agent is turned by hand."""

    def __init__(self, run: RunPaths) -> None:
        self.mesh = SimulatedMesh(1)
        self.venue = Venue(self.mesh, run, default_reference().own_venue(), SETTINGS)
        self.orders = self.mesh.add_publication(streams.ORDER_COMMANDS)
        self.controls = self.mesh.add_publication(streams.CONTROL_COMMANDS)
        self.resources: list[Any] = [
            *self.venue.streams.resources, self.orders, self.controls,
        ]  # fmt: skip
        self.turns = 0
        self.crank()

    def crank(self, turns: int = 4) -> None:
        for _ in range(turns):
            self.mesh.crank()
            for resource in self.resources:
                resource.refresh()
            self.turns += 1
            # Far enough apart for the counters to be due in each turn.
            now_ns = START_NS + self.turns * REPORT_INTERVAL_NS
            assert self.venue.agent.do_work(now_ns) >= 0

    def send(self, publication: Any, module: Any, **fields: int) -> None:
        message = VenueDriver.record(module, fields)
        assert offer(publication.state, address_of(message), message.nbytes) > 0

    def order(self, **fields: int) -> None:
        known = {
            "action": 1, "account_id": ALPHA, "firm_id": 10, "instrument_id": INSTRUMENT, "side": 1,
            "order_type": 1, "time_in_force": 1, "price_units": 10_000, "quantity_units": 10,
        }  # fmt: skip
        self.send(self.orders, order_command, **(known | fields))

    def open_gate(self) -> None:
        for kind in range(1, 7):
            self.send(
                self.controls, control, action=1, scope=2, scope_id=ALPHA, limit_kind=kind,
                value=UNLIMITED,
            )  # fmt: skip
        self.crank()


@pytest.fixture
def cranked(run: RunPaths) -> Iterator[CrankedVenue]:
    venue = CrankedVenue(run)
    yield venue
    venue.venue.stop()


def taken_now(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take snapshots at once, as the runner does between two turns."""

    def at_once(call: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call())
        except TradeCaptainError as error:
            future.set_exception(error)
        return future

    monkeypatch.setattr(venue._runner, "run_in_thread_control", at_once)


def test_each_start_opens_another_epoch(run: RunPaths) -> None:
    epochs = []
    for _ in range(2):
        venue = CrankedVenue(run)
        epochs.append(venue.venue.epoch)
        venue.venue.stop()
    assert epochs == [1, 2]


def test_snapshot_holds_a_book_in_priority(
    cranked: CrankedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    cranked.open_gate()
    for price in (9_990, 10_000, 9_990):
        cranked.order(price_units=price)
    cranked.order(side=2, price_units=10_010, quantity_units=3)
    cranked.order(instrument_id=OTHER_INSTRUMENT)
    cranked.crank()
    taken_now(cranked.venue, monkeypatch)
    state = cranked.venue.book_snapshot(INSTRUMENT).result()
    assert state.epoch == 1
    assert state.instrument_sequence == 4
    assert state.orders["price_units"].tolist() == [10_000, 9_990, 9_990, 10_010]
    assert state.orders["side"].tolist() == [1, 1, 1, 2]
    numbers = (state.orders["order_id"] & np.int64(0xFFFF)).tolist()
    assert numbers == [2, 1, 3, 4]
    with pytest.raises(TradeCaptainError):
        cranked.venue.book_snapshot(77).result()


def test_counters_in_shared_memory_follow_at_the_next_pause(
    cranked: CrankedVenue, run: RunPaths
) -> None:
    cranked.open_gate()
    cranked.order()
    cranked.order(quantity_units=-1)
    cranked.crank()
    with CounterReader.open(run.counters / "orderbook.counters") as counters:
        values = counters.values()
    assert values["commands_sequenced"] == 2
    assert values["orders_accepted"] == values["orders_working"] == 1
    assert values["refused_by_rules"] == 1
    assert values["controls_sequenced"] == 6
    assert values == values | {
        name: count for name, count in cranked.venue.stats().items() if name in values
    }
    with HistogramReader.open(run.counters / "orderbook.histograms") as histograms:
        assert histograms.snapshot("command_ns").count > 0


def test_divergence_is_counted_for_each_instrument(cranked: CrankedVenue, run: RunPaths) -> None:
    cranked.order(action=2, account_id=1, firm_id=1, client_order_id0=5, quantity_units=1)
    cranked.crank()
    with CounterReader.open(run.counters / "orderbook.counters") as counters:
        values = counters.values()
    assert values["divergence"] == values["divergence ACME@TCAP"] == 1
