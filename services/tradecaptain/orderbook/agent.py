"""The venue as its service starts and stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.kernels.matching import engine_orders, engine_state_hash
from tradecaptain.mesh.counters import CounterTable
from tradecaptain.mesh.doorbell import Doorbells
from tradecaptain.mesh.histogram import HistogramTable
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.mesh.journal_storage import FileSystem
from tradecaptain.mesh.runner import AgentRunner
from tradecaptain.mesh.transport import Mesh
from tradecaptain.orderbook.duty_cycle import venue_agent
from tradecaptain.orderbook.epoch import next_epoch
from tradecaptain.orderbook.execution_log import ExecutionLog, Recovery, open_log
from tradecaptain.orderbook.log_counters import LogCounters
from tradecaptain.orderbook.log_reading import HISTORY_FILE, Found, LogPaths
from tradecaptain.orderbook.reporting import COUNTER_NAMES, HISTOGRAM_NAMES
from tradecaptain.orderbook.venue_core import VenueSettings, allocate_core, open_streams
from tradecaptain.wire import reason

ORDER_ENTRY = np.dtype(
    [("order_id", "<i8"), ("price_units", "<i8"), ("quantity_units", "<i8"), ("side", "<i8")]
)
"""One resting order of a `BookState`."""


@dataclass(frozen=True, slots=True)
class BookState:
    """One instrument's whole book at an instant between two turns.

    ``orders`` has bids, then asks, each best price first and in queue order;
    ``instrument_sequence`` is the last book event that is contained in it.
    """

    epoch: int
    instrument_sequence: int
    time_ns: int
    orders: npt.NDArray[Any]


class Venue:
    """The orderbook: recovered from its log, started on a thread of its own, stopped.

    Making it recovers what the log holds, or opens an epoch if there is no log; its streams exist
    from then on, and nothing is taken from them before `start`.
    """

    def __init__(
        self,
        mesh: Mesh,
        paths: RunPaths,
        instruments: Sequence[Instrument],
        settings: VenueSettings,
        journal: JournalSettings | None = None,
        levels: Mapping[str, str] | None = None,
        found: Found | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        files: FileSystem | None = None,
    ) -> None:
        """Without ``journal`` nothing is logged, and each start is a new epoch. ``levels`` are
        levels of durability by instrument, see `execution_log.level_of`; ``found`` is a log that a
        standby has carried out already. ``files`` is the file system of the log, the machine's if
        absent."""
        self.settings = settings
        self.log: ExecutionLog | None = None
        if journal is None:
            epoch = next_epoch(paths.epochs / "orderbook")
            history = paths.shared_memory / HISTORY_FILE
            self.core = allocate_core(settings, instruments, epoch, history)
        else:
            self.core, self.log = open_log(
                LogPaths.of(paths),
                settings,
                instruments,
                journal,
                levels=levels,
                clock=clock,
                files=files,
                found=found,
            )
        self.epoch = self.core.epoch
        self.streams = open_streams(mesh, settings)
        self.core.attach(self.streams)
        keys = {item.instrument_id: item.key for item in instruments}
        self._counters = CounterTable.create(
            paths.counters / "orderbook.counters",
            [
                *COUNTER_NAMES,
                *(f"divergence {keys.get(book, book)}" for book in self.core.instrument_ids()),
            ],
        )
        self._counters.set("gate_bytes", self.core.gate.table_bytes())
        self._counters.set("gate_huge_bytes", self.core.gate.huge_bytes())
        self._histograms = HistogramTable.create(
            paths.counters / "orderbook.histograms", HISTOGRAM_NAMES
        )
        self.core.report_to(self._counters.state, self._histograms.state)
        self._log_counters = (
            LogCounters(paths.counters / "journal.counters", self.log, self.core, instruments)
            if self.log is not None
            else None
        )
        self._doorbells = Doorbells(paths.doorbells)
        self.agent = venue_agent(
            self.core.header,
            bell=self._doorbells.bell("gateway"),
            resources=tuple(self.streams.resources),
        )
        self._runner = AgentRunner(
            [self.agent],
            settings.placement,
            bell=self._doorbells.bell("orderbook"),
        )

    def start(self) -> None:
        """Take commands on a thread of its own."""
        if self.log is not None:
            self.log.start()
        self._runner.start()

    def stop(self) -> None:
        """Stop after the current turn and leave the mesh; raises if the thread had failed."""
        is_orderly = False
        try:
            self._runner.close()
            is_orderly = True
        finally:
            for resource in self.streams.resources:
                resource.close()
            if self.log is not None:
                self.log.close(is_orderly=is_orderly)
            if self._log_counters is not None:
                self._log_counters.close()
            self.core.history.close()
            self._counters.close()
            self._histograms.close()
            self._doorbells.close()

    @property
    def running(self) -> bool:
        """Whether the thread takes commands."""
        return self._runner.is_running

    @property
    def recovery(self) -> Recovery | None:
        """What the start found in the log; None without one."""
        return None if self.log is None else self.log.recovery

    @property
    def error(self) -> BaseException | None:
        """What stopped the thread, if it failed."""
        return self._runner.failure

    def stats(self) -> dict[str, int]:
        """Every count that the venue keeps, by name."""
        return self.core.counts()

    def report_log(self) -> None:
        """Bring the log's counters up to date; called now and then."""
        if self._log_counters is not None:
            self._log_counters.update()

    def state_hash(self) -> Future[int]:
        """Hash of the logical state between two turns."""
        return self._runner.run_in_thread_control(
            lambda: int(engine_state_hash(self.core.engine.address))
        )

    def standing(self) -> dict[str, int | str]:
        """Sequence of the last command and hash of the state behind it, while the thread rests."""
        return {
            "sequence": int(self.core.header[0]["sequence"]),
            "state_hash": f"{int(engine_state_hash(self.core.engine.address)):016x}",
        }

    def book_snapshot(self, instrument_id: int) -> Future[BookState]:
        """One instrument's book between two turns, taken on the venue's thread."""
        return self._runner.run_in_thread_control(lambda: self.copy_book(instrument_id))

    def copy_book(self, instrument_id: int) -> BookState:
        """As :meth:`book_snapshot`, for whoever turns the venue himself."""
        address = self.core.engine.address
        orders = np.zeros(int(self.core.engine.header[0]["order_count"]), ORDER_ENTRY)
        count = engine_orders(address, instrument_id, address_of(orders), len(orders))
        if count < 0:
            raise TradeCaptainError(
                reason.REASON_UNKNOWN_INSTRUMENT, f"the venue has no instrument {instrument_id}"
            )
        books = self.core.engine.books
        (book,) = books[books["instrument_id"] == instrument_id]
        return BookState(
            epoch=self.epoch,
            instrument_sequence=int(book["instrument_sequence"]),
            time_ns=int(self.core.header[0]["time_ns"]),
            orders=orders[:count],
        )

    def book_sequences(self) -> npt.NDArray[np.int64]:
        """Instrument of each book and number of its last change, two rows, from any thread."""
        count = int(self.core.engine.header[0]["instrument_count"])
        books = self.core.engine.books[1 : count + 1]
        return np.stack((books["instrument_id"], books["instrument_sequence"])).astype(np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
