"""A sequencer over the simulated transport, with a client that writes commands and reads events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numba import types
from support.matching_driver import plain
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, copy_bytes
from tradecaptain.base.reference_file import default_reference
from tradecaptain.kernels.risk_gate import UNLIMITED
from tradecaptain.mesh.image import image_length, image_next, image_release
from tradecaptain.mesh.layout import IMAGE_TYPE, PUBLICATION_TYPE
from tradecaptain.mesh.publication import publication_offer
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.orderbook.duty_cycle import venue_agent
from tradecaptain.orderbook.venue_core import (
    VenueCore,
    VenueSettings,
    allocate_core,
    open_streams,
)
from tradecaptain.wire import book_event, control, execution_event, order_command, streams

START_NS = 1_750_000_000_000_000_000
INSTRUMENT = 1001
OTHER_INSTRUMENT = 1002
REPLAY, ALPHA, BETA = 1, 100, 101
VENUE_FIRM, ALPHA_FIRM, BETA_FIRM = 1, 10, 11
SETTINGS = VenueSettings(
    orders=256,
    levels=256,
    instruments=64,
    step_limit=4,
    history_events=1_024,
    sessions=4,
    writers=3,
    gate_accounts=64,
    gate_pairs=256,
    gate_overrides=64,
    term_bytes=256 * 1024,
)


@kernel(types.int64(PUBLICATION_TYPE, types.int64, types.int64))
def offer(publication: Any, address: int, length: int) -> int:
    """Publish one record."""
    return publication_offer(publication, address, length)


@kernel(types.int64(IMAGE_TYPE, types.int64, types.int64, types.int64))
def read_records(images: Any, target: int, record_bytes: int, limit: int) -> int:
    """Copy what all images have into ``target``; how many records."""
    count = 0
    for index in range(images.shape[0]):
        while count < limit:
            address = image_next(images, index)
            if address == 0:
                break
            length = min(image_length(images, index), record_bytes)
            copy_bytes(target + count * record_bytes, address, length)
            count += 1
        image_release(images, index)
    return count


class VenueDriver:
    """The sequencer of one epoch and everything around it, cranked by hand."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: VenueSettings = SETTINGS,
        listens: bool = True,
        seed: int = 0,
        epoch: int = 3,
    ) -> None:
        self.mesh = SimulatedMesh(seed)
        self.settings = settings
        self.core = self.make_core(folder, epoch)
        self.streams = open_streams(self.mesh, settings)
        self.core.attach(self.streams)
        self.agent = venue_agent(self.core.header)
        self.resources: list[Any] = list(self.streams.resources)
        self.now_ns = START_NS
        self.orders = self._publication(streams.ORDER_COMMANDS)
        self.replay = self._publication(streams.REPLAY_COMMANDS)
        self.controls = self._publication(streams.CONTROL_COMMANDS)
        self.readers: dict[str, Any] = {}
        if listens:
            self.listen()
        self.request_id = 0
        self.crank()

    def make_core(self, folder: Path, epoch: int) -> VenueCore:
        """The venue's memory; here without a log."""
        instruments = default_reference().own_venue()
        return allocate_core(self.settings, instruments, epoch, folder / "history")

    def _publication(self, stream_id: int) -> Any:
        publication = self.mesh.add_publication(stream_id, term_bytes=SETTINGS.term_bytes)
        self.resources.append(publication)
        return publication

    def listen(self, *, tether: bool = False) -> None:
        """Subscribe to the three streams of answers."""
        for name, stream_id in (
            ("execution", streams.EXECUTION_EVENTS),
            ("book", streams.BOOK_EVENTS),
            ("control", streams.CONTROL_EVENTS),
        ):
            self.readers[name] = self.mesh.add_subscription(stream_id, tether=tether)
            self.resources.append(self.readers[name])

    def crank(self, turns: int = 3) -> int:
        """Let driver and sequencer work in turn; returns how much the sequencer did."""
        work = 0
        for _ in range(turns):
            self.mesh.crank()
            for resource in self.resources:
                if resource.needs_refresh():
                    resource.refresh()
            work += self.turn()
            self.mesh.crank()
        return work

    def turn(self) -> int:
        """One turn of the sequencer."""
        self.now_ns += 1_000
        return self.agent.do_work(self.now_ns)

    @staticmethod
    def record(module: ModuleType, fields: dict[str, int]) -> np.ndarray[Any, Any]:
        message = np.zeros(1, module.DTYPE)
        module.initialise(address_of(message))
        for name, value in fields.items():
            message[0][name] = value
        return message

    def send(
        self, publication: Any, message: np.ndarray[Any, Any], length: int | None = None
    ) -> int:
        size = message.nbytes if length is None else length
        return int(offer(publication.state, address_of(message), size))

    def order(self, *, publication: Any = None, **fields: int) -> None:
        """Send an order command; what isn't said is a day limit order of alpha."""
        known = {
            "action": order_command.COMMAND_ACTION_NEW_ORDER,
            "account_id": ALPHA,
            "firm_id": ALPHA_FIRM,
            "instrument_id": INSTRUMENT,
            "side": 1,
            "order_type": 1,
            "time_in_force": 1,
            "price_units": 10_000,
            "quantity_units": 10,
            "send_time_ns": self.now_ns,
        }
        message = self.record(order_command, known | fields)
        assert self.send(publication or self.orders, message) > 0

    def control(self, **fields: int) -> int:
        """Send a control; returns its request id."""
        self.request_id += 1
        message = self.record(control, {"request_id": self.request_id} | fields)
        assert self.send(self.controls, message) > 0
        return self.request_id

    def read(self, name: str, limit: int = 4_096) -> list[dict[str, int]]:
        """Everything that has come on one of the three streams since the last time."""
        module = {"execution": execution_event, "book": book_event, "control": control}[name]
        target = np.zeros(limit, module.DTYPE)
        count = read_records(
            self.readers[name].images, address_of(target), module.RECORD_BYTES, limit
        )
        return [plain(row) for row in target[:count]]

    def open_gate(self, account: int, *, quantity: int = 1_000_000, **limits: int) -> None:
        """Set every limit that an account needs, wide open unless it is told otherwise."""
        kinds = {
            "order_quantity": (1, quantity),
            "order_notional": (2, UNLIMITED),
            "price_collar": (3, UNLIMITED),
            "position_long": (4, UNLIMITED),
            "position_short": (5, UNLIMITED),
            "open_orders": (6, 1_000_000),
        }
        for name, (kind, value) in kinds.items():
            self.control(
                action=control.CONTROL_ACTION_SET_LIMIT,
                scope=control.CONTROL_SCOPE_ACCOUNT,
                scope_id=account,
                limit_kind=kind,
                value=limits.get(name, value),
            )
        self.crank()

    def open_all(self) -> None:
        """Open the gate for the three accounts and forget the answers."""
        for account in (REPLAY, ALPHA, BETA):
            self.open_gate(account)
        if self.readers:
            assert all("outcome" not in answer for answer in self.read("control"))

    def events(self, turns: int = 3) -> list[dict[str, int]]:
        """Crank and return the execution events that came of it."""
        self.crank(turns)
        return self.read("execution")

    def close(self) -> None:
        self.mesh.close()
        self.core.history.close()


def with_step_limit(step_limit: int) -> VenueSettings:
    """The settings of the tests with another size of a bounded step."""
    return replace(SETTINGS, step_limit=step_limit)
