"""Takes snapshots while the venue runs, without stopping it: from a replica that follows the log.

The replica carries out what is on disk, in small pieces on a thread of the lowest priority. When
enough has come since the last snapshot it stops at the next place where every event of every
command so far is logged, and its state goes to a file. So a snapshot never says what a loss of
power could take back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import JournalRing
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.mesh.journal_tail import PIECE_BYTES, LogTail
from tradecaptain.orderbook.replica import EVERYTHING, Replica
from tradecaptain.orderbook.snapshot import take_snapshot
from tradecaptain.orderbook.snapshot_files import list_snapshots, read_snapshot, write_snapshot
from tradecaptain.orderbook.venue_core import VenueSettings

_LOG = structlog.get_logger("journal")
_HISTORY_EVENTS: Final = 1_024
_LOWEST_PRIORITY: Final = 19
_PAUSE_SECONDS: Final = 0.5
_FAILED_SECONDS_MAX: Final = 60.0
_SECOND_NS: Final = 1_000_000_000


class SnapshotKeeper(Closing):
    """Follows one log; :meth:`step` does one piece, :meth:`start` runs a thread."""

    def __init__(
        self,
        settings: VenueSettings,
        journal: JournalSettings,
        ring: JournalRing,
        folder: Path,
        scratch: Path,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_snapshot: Callable[[], None] = lambda: None,
        is_urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        """``scratch`` is where the replica's own files are made; ``on_snapshot`` is called behind
        each one that was written. While it ``is_urgent`` one is taken as soon as the replica has
        all that is on disk."""
        self.error = ""
        self.snapshot_sequence = 0
        self._settings = replace(settings, history_events=_HISTORY_EVENTS)
        self._journal = journal
        self._ring = ring
        self._folder = folder
        self._scratch = scratch
        self._clock = clock
        self._on_snapshot = on_snapshot
        self._is_urgent = is_urgent
        self._replica: Replica | None = None
        self._tail = LogTail(folder, ring, Place())
        self._taken_place = Place()
        self._taken_ns = clock.monotonic_ns()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def step(self) -> bool:
        """Carry out a piece of the log, and take a snapshot if one is due; False if there was
        nothing to do."""
        if self._replica is None:
            self._replica = self._begin()
        is_due = self._is_due()
        self._replica.rest_behind(0 if is_due else EVERYTHING)
        frames = self._tail.peek()
        if len(frames) == 0 and not is_due:
            return False
        self._replica.apply(frames)
        self._tail.take(frames[: self._replica.taken_bytes])
        if self._replica.is_at_rest:
            self._write(self._replica)
            return True
        return len(frames) > 0

    def _begin(self) -> Replica:
        """The replica, from the newest snapshot that is good."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        for path in reversed(list_snapshots(self._folder)):
            replica = self._make()
            try:
                snapshot = read_snapshot(path)
                replica.restore(snapshot)
            except TradeCaptainError as error:
                replica.close()
                _LOG.error("a snapshot can't be used", snapshot=path.name, why=error.message)
                continue
            self._tail.place = self._taken_place = snapshot.place
            self.snapshot_sequence = snapshot.sequence
            return replica
        self._tail.place = self._taken_place = Place()
        return self._make()

    def _make(self) -> Replica:
        path = self._scratch / "replica_history"
        for left in self._scratch.glob(f".{path.name}.*"):
            # A killed process could not take it away.
            left.unlink(missing_ok=True)
        return Replica(self._settings, self._ring.epoch, path)

    def _is_due(self) -> bool:
        behind = self._tail.place.position - self._taken_place.position
        if behind <= 0:
            return False
        has_most = self._ring.durable_position - self._tail.place.position < PIECE_BYTES
        if self._is_urgent() and has_most:
            return True
        waited_ns = self._clock.monotonic_ns() - self._taken_ns
        return (
            behind >= self._journal.snapshot_bytes
            or waited_ns >= self._journal.snapshot_interval_s * _SECOND_NS
        )

    def _write(self, replica: Replica) -> None:
        place = self._tail.place
        snapshot = take_snapshot(replica.core, place)
        path = write_snapshot(self._folder, snapshot)
        self.error = ""
        self._taken_place, self._taken_ns = place, self._clock.monotonic_ns()
        self.snapshot_sequence = snapshot.sequence
        _LOG.info("snapshot", file=path.name, bytes=path.stat().st_size)
        self._on_snapshot()

    def start(self) -> None:
        """Follow on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        failed_seconds = _PAUSE_SECONDS
        while not self._is_stopping.is_set():
            try:
                worked = self.step()
                failed_seconds = _PAUSE_SECONDS
            except OSError as error:
                # The disk is full or fails: the venue goes on, and this is tried again.
                self._note(str(error))
                worked = False
            except TradeCaptainError as error:
                # The log can't be followed, as without one of its segments: the venue goes on, and
                # a start carries out more. The replica begins anew, each time after a longer wait.
                self._note(error.message)
                self._give_up_replica()
                self._is_stopping.wait(failed_seconds)
                failed_seconds = min(2 * failed_seconds, _FAILED_SECONDS_MAX)
                continue
            if not worked:
                self._is_stopping.wait(_PAUSE_SECONDS)

    def _note(self, error: str) -> None:
        if error != self.error:
            _LOG.error("no snapshot can be taken", error=error)
        self.error = error

    def close(self) -> None:
        """Stop following, and give the replica back."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._give_up_replica()

    def _give_up_replica(self) -> None:
        if self._replica is not None:
            self._replica.close()
            self._replica = None
