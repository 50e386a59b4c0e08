"""The venue's own thread over a real media driver: commands in, events out, epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.venue_driver import ALPHA, ALPHA_FIRM, INSTRUMENT, SETTINGS, offer, read_records
from support.wait import wait_until
from tradecaptain.base.memory import address_of
from tradecaptain.base.reference_file import default_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.kernels.risk_gate import UNLIMITED
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver import MediaDriver
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.orderbook.agent import Venue
from tradecaptain.wire import control, execution_event, order_command, streams


class Desk:
    """A client of the venue with streams of its own."""

    def __init__(self, mesh: AeronMesh) -> None:
        self.orders = mesh.add_publication(streams.ORDER_COMMANDS, term_bytes=1 << 20)
        self.controls = mesh.add_publication(streams.CONTROL_COMMANDS, term_bytes=1 << 20)
        self.events = mesh.add_subscription(streams.EXECUTION_EVENTS)
        self.seen: list[Any] = []

    def is_connected(self) -> bool:
        for end in (self.orders, self.controls, self.events):
            end.refresh()
        return bool(
            self.orders.is_connected and self.controls.is_connected and self.events.image_count
        )

    def send(self, publication: Any, module: Any, **fields: int) -> None:
        record = np.zeros(1, module.DTYPE)
        module.initialise(address_of(record))
        for name, value in fields.items():
            record[0][name] = value
        assert offer(publication.state, address_of(record), record.nbytes) > 0

    def order(self, **fields: int) -> None:
        known = {
            "action": 1, "account_id": ALPHA, "firm_id": ALPHA_FIRM, "instrument_id": INSTRUMENT,
            "side": 1, "order_type": 1, "time_in_force": 1, "price_units": 10_000,
            "quantity_units": 10,
        }  # fmt: skip
        self.send(self.orders, order_command, **(known | fields))

    def open_gate(self) -> None:
        for kind in range(1, 7):
            self.send(
                self.controls, control, action=1, scope=2, scope_id=ALPHA, limit_kind=kind,
                value=UNLIMITED,
            )  # fmt: skip

    def wait_for(self, count: int) -> list[Any]:
        target = np.zeros(256, execution_event.DTYPE)

        def has_come() -> bool:
            number = read_records(
                self.events.images, address_of(target), execution_event.RECORD_BYTES, 256
            )
            self.seen += list(target[:number].copy())
            return len(self.seen) >= count

        wait_until(has_come, what=f"{count} execution events")
        return self.seen


@pytest.fixture
def mesh(run: RunPaths) -> Iterator[AeronMesh]:
    with MediaDriver(run.aeron), AeronMesh(run.aeron, "test") as opened:
        yield opened


def open_venue(mesh: AeronMesh, run: RunPaths) -> Venue:
    venue = Venue(mesh, run, default_reference().own_venue(), SETTINGS)
    venue.start()
    return venue


def test_orders_trade_and_a_restart_opens_a_new_epoch(mesh: AeronMesh, run: RunPaths) -> None:
    with open_venue(mesh, run) as venue:
        desk = Desk(mesh)
        wait_until(desk.is_connected, what="the streams to connect")
        desk.open_gate()
        wait_until(lambda: venue.stats()["controls_sequenced"] == 6, what="the limits")
        desk.order()
        desk.order(side=2, quantity_units=4)
        kinds = [int(event["execution_type"]) for event in desk.wait_for(4)]
        assert kinds == [1, 1, 3, 3]
        state = venue.book_snapshot(INSTRUMENT).result(10)
        assert state.orders["quantity_units"].tolist() == [6]
        assert venue.state_hash().result(10) > 0
        with HistoryReader.open(run.shared_memory / "execution_history") as history:
            wait_until(lambda: history.last_sequence() == 4, what="the history")
            rows = history.read_array(1, 9, execution_event.DTYPE)
        assert rows.tobytes() == np.array(desk.seen).tobytes()
    assert not venue.running
    assert venue.error is None
    with open_venue(mesh, run) as venue:
        assert venue.epoch == 2
        wait_until(desk.is_connected, what="the streams to connect again")
        desk.order()
        event = desk.wait_for(5)[-1]
        assert (event["epoch"], event["sequence"]) == (2, 1)
        assert event["execution_type"] == execution_event.EXECUTION_TYPE_REJECTED
