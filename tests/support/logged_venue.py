"""A venue with an execution log over the simulated mesh, and random trading on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support.venue_driver import ALPHA, BETA, SETTINGS, VenueDriver
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.reference_file import default_reference
from tradecaptain.kernels.matching import engine_state_hash
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.orderbook.execution_log import ExecutionLog, open_log
from tradecaptain.orderbook.log_reading import LogPaths
from tradecaptain.orderbook.venue_core import VenueCore
from tradecaptain.wire import control, execution_event, order_command

JOURNAL = JournalSettings(ring_bytes=1 << 20, segment_bytes=1 << 18, compress=False)
INSTRUMENTS = default_reference().own_venue()


def log_paths(folder: Path) -> LogPaths:
    return LogPaths(
        folder / "ring", folder / "segments", folder / "history", folder / "epochs" / "orderbook"
    )


class LoggedVenue(VenueDriver):
    """A venue over the simulated mesh, with a log in a folder."""

    def __init__(self, folder: Path, journal: JournalSettings = JOURNAL, **options: Any) -> None:
        self.log: ExecutionLog
        self.folder = folder
        self.journal_settings = journal
        super().__init__(folder, **options)

    def make_core(self, folder: Path, epoch: int) -> VenueCore:
        core, self.log = open_log(
            log_paths(folder),
            SETTINGS,
            INSTRUMENTS,
            self.journal_settings,
            clock=ManualClock(),
        )
        return core

    def sync(self) -> None:
        while self.log.ring.tail > self.log.agent.place.position:
            self.log.agent.step(force=True)

    @property
    def state_hash(self) -> int:
        return int(engine_state_hash(self.core.engine.address))

    def gate_rows(self) -> list[Any]:
        gate = self.core.gate
        return [
            gate.accounts[gate.accounts["limits"]["key"] != 0].tolist(),
            gate.pairs[gate.pairs["key"] != 0].tolist(),
            gate.firms[gate.firms["key"] != 0].tolist(),
        ]

    def kill(self) -> None:
        """End without a word: nothing is synced, the ring stays."""
        self.mesh.close()
        self.core.history.close()
        self.log.ring.close()

    def stop(self) -> None:
        """End in order."""
        self.mesh.close()
        self.core.history.close()
        self.log.close()


def trade_for_a_while(venue: LoggedVenue, seed: int, count: int = 120) -> list[dict[str, int]]:
    """Random orders, cancels, replaces and controls; the events that came of them."""
    random = np.random.default_rng(seed)
    events: list[dict[str, int]] = []
    working: list[tuple[int, int]] = []
    for _ in range(count):
        kind = random.integers(0, 10)
        if kind < 6 or not working:
            venue.order(
                account_id=int(random.choice([ALPHA, BETA])),
                side=int(random.integers(1, 3)),
                price_units=10_000 + 100 * int(random.integers(-4, 5)),
                quantity_units=int(random.integers(1, 30)) * 10,
                time_in_force=int(random.choice([1, 1, 1, 3, 4])),
                seen_execution_sequence=len(events),
            )
        elif kind < 8:
            account, order_id = working.pop(int(random.integers(len(working))))
            venue.order(
                action=order_command.COMMAND_ACTION_CANCEL_ORDER,
                account_id=account,
                order_id=order_id,
                quantity_units=0,
            )
        elif kind < 9:
            account, order_id = working[int(random.integers(len(working)))]
            venue.order(
                action=order_command.COMMAND_ACTION_REPLACE_ORDER,
                account_id=account,
                order_id=order_id,
                price_units=10_000 + 100 * int(random.integers(-4, 5)),
                quantity_units=int(random.integers(1, 40)) * 10,
            )
        else:
            venue.control(
                action=control.CONTROL_ACTION_MASS_CANCEL,
                scope=control.CONTROL_SCOPE_ACCOUNT,
                scope_id=int(random.choice([ALPHA, BETA])),
            )
        for event in venue.events():
            events.append(event)
            if event["execution_type"] == execution_event.EXECUTION_TYPE_ACCEPTED:
                working.append((event["account_id"], event["order_id"]))
    return events


def opened(folder: Path) -> LoggedVenue:
    venue = LoggedVenue(folder)
    venue.open_all()
    return venue
