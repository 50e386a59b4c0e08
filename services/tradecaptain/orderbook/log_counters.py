"""The log's counters in shared memory: where it stands, and which level each instrument has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tradecaptain.base.instruments import Instrument
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.counters import CounterTable
from tradecaptain.mesh.journal import OFFSET_REFUSAL, OFFSET_SYNC_COUNT, OFFSET_SYNC_NS
from tradecaptain.orderbook.execution_log import LEVELS, ExecutionLog
from tradecaptain.orderbook.venue_core import VenueCore

COUNTER_NAMES: Final = (
    "position",
    "durable_position",
    "unsynced_bytes",
    "sync_count",
    "last_sync_ns",
    "refusal",
    "snapshot_sequence",
    *(f"instruments_{level}" for level in LEVELS),
)
"""Counters of the part ``journal``; one for each instrument's level of durability follows them."""


class LogCounters(Closing):
    """Tells what `tradecaptain status` shows of the log."""

    def __init__(
        self, path: Path, log: ExecutionLog, core: VenueCore, instruments: Iterable[Instrument]
    ) -> None:
        self._log = log
        levels = {item.key: core.instruments[item.instrument_id].durability for item in instruments}
        self._table = CounterTable.create(
            path, [*COUNTER_NAMES, *(f"durability {key}" for key in levels)]
        )
        for key, level in levels.items():
            self._table.set(f"durability {key}", level)
        for name, number in LEVELS.items():
            self._table.set(f"instruments_{name}", list(levels.values()).count(number))
        self.update()

    def update(self) -> None:
        """Bring the counters up to date."""
        ring = self._log.ring
        durable, tail = ring.durable_position, ring.tail
        for name, value in (
            ("position", tail),
            ("durable_position", durable),
            ("unsynced_bytes", max(0, tail - durable)),
            ("sync_count", ring.load(OFFSET_SYNC_COUNT)),
            ("last_sync_ns", ring.load(OFFSET_SYNC_NS)),
            ("refusal", ring.load(OFFSET_REFUSAL)),
            ("snapshot_sequence", self._log.keeper.snapshot_sequence),
        ):
            self._table.set(name, value)

    def close(self) -> None:
        """Unmap the counters; they stay for whoever reads them."""
        self._table.close()
