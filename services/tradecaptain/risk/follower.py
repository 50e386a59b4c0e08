"""Follows the venue's events into the ledger and the store, over gaps and epochs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.history import HistoryLapped, HistoryReader
from tradecaptain.risk.ledger import AccountState, Ledger, PairState, empty_history
from tradecaptain.risk.store import RiskStore
from tradecaptain.wire import execution_event

_LOG = structlog.get_logger("risk")

type Records = np.ndarray[Any, Any]


class ExecutionHistory:
    """The venue's ring of newest events, opened when there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: HistoryReader | None = None

    def epoch(self) -> int:
        """Epoch of the file as it is now; 0 if there is none."""
        self.close()
        reader = self._open()
        return 0 if reader is None else reader.epoch

    def goes_on_from(self, epoch: int) -> bool:
        """Whether the venue goes on, from its log, behind an earlier epoch."""
        reader = self._open()
        return reader is not None and reader.goes_on_from(epoch)

    def epoch_of(self, epoch: int, sequence: int) -> int | None:
        """Epoch of an event that the history of ``epoch`` holds; None if it doesn't."""
        reader = self._reader_of(epoch)
        return None if reader is None else reader.epoch_of(sequence)

    def last_sequence(self, epoch: int) -> int:
        """Newest event of an epoch; 0 if its file is gone."""
        reader = self._reader_of(epoch)
        return 0 if reader is None else reader.last_sequence()

    def is_behind(self, epoch: int, sequence: int) -> bool:
        """Whether there is a history of the epoch which hasn't come to ``sequence`` yet."""
        reader = self._reader_of(epoch)
        return reader is not None and reader.last_sequence() < sequence

    def read(self, epoch: int, sequence: int, count: int) -> Records:
        """Events from ``sequence`` on, or from the oldest held; empty if there are none."""
        reader = self._reader_of(epoch)
        if reader is None:
            return empty_history(sequence, count)
        for _ in range(8):
            try:
                return reader.read_array(sequence, count, execution_event.DTYPE)
            except HistoryLapped as lapped:
                # The venue goes on writing: aim a little after the oldest to read it in time.
                sequence = lapped.first_sequence + reader.capacity // 64
        return empty_history(sequence, count)

    def close(self) -> None:
        """Unmap the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self) -> HistoryReader | None:
        if self._reader is None:
            try:
                self._reader = HistoryReader.open(self._path)
            except OSError:
                return None
        return self._reader

    def _reader_of(self, epoch: int) -> HistoryReader | None:
        reader = self._open()
        if reader is not None and (reader.epoch != epoch or not reader.is_current()):
            self.close()
            reader = self._open()
        return reader if reader is not None and reader.epoch == epoch else None


@dataclass(frozen=True, slots=True)
class _Reached:
    """What changed up to an event, and the command that it came of."""

    pairs: list[PairState]
    accounts: list[AccountState]
    epoch: int
    sequence: int
    command: int


class HistoryBehind(Exception):  # noqa: N818
    """The history hasn't come to an event that the stream has told, and will: it is written after
    the stream, and a venue that was killed in between makes it again from its log."""


class Follower:
    """Applies execution events in order. All calls come from the loop's thread."""

    def __init__(
        self,
        ledger: Ledger,
        store: RiskStore,
        history: ExecutionHistory,
        *,
        drain_s: float,
        durable: DurablePlace | None = None,
    ) -> None:
        """``durable`` tells what of the venue's log is on disk: the store waits for it."""
        self._ledger = ledger
        self._store = store
        self._history = history
        self._drain_s = drain_s
        self._durable = durable
        self._unsaved: _Reached | None = None
        self._next_epoch = 0
        self._held_back: list[tuple[Records, int]] = []
        self._session_id: int | None = None
        self._cut_over: asyncio.TimerHandle | None = None
        self.on_new_epoch: Callable[[], None] = lambda: None
        self.on_loss: Callable[[], None] = lambda: None

    def resume(self) -> None:
        """Go on from the store, then from the history, as far as that is of the same epoch."""
        progress = self._store.progress()
        self._ledger.load(
            self._store.positions(), self._store.accounts(), progress.epoch, progress.sequence
        )
        if self._history.epoch() == progress.epoch:
            self._catch_up()
        elif self._history.epoch():
            self._begin_epoch(self._history.epoch())

    def apply(self, records: Records, session_id: int) -> None:
        """Take events that one writer wrote, in stream order; they are the caller's again after."""
        newer = np.flatnonzero(records["epoch"] > self._ledger.epoch)
        current = records[: newer[0]] if len(newer) else records
        if len(current):
            self._session_id = session_id
            self._apply_current(current)
        if len(newer):
            self._held_back.append((records[newer[0] :].copy(), session_id))
            self.expect_epoch(int(records["epoch"][newer[0]]))

    def writer_left(self, session_id: int) -> None:
        """A writer is gone and all its events have been read."""
        if session_id == self._session_id:
            self._session_id = None
            self.finish_epoch()

    def catch_up(self) -> None:
        """Take from the history what the stream may have passed over."""
        if self._ledger.epoch and not self._next_epoch:
            self._catch_up()

    def _apply_current(self, records: Records) -> None:
        lost_before = self._ledger.lost_event_count
        # What comes behind a gap that the history will fill is in the history by then.
        with contextlib.suppress(HistoryBehind):
            self._ledger.apply(records, self._read_history)
        if self._ledger.lost_event_count != lost_before:
            self._report_loss()

    def _read_history(self, sequence: int, count: int) -> Records:
        epoch = self._ledger.epoch
        if self._history.is_behind(epoch, sequence):
            raise HistoryBehind
        records = self._history.read(epoch, sequence, count)
        if len(records) and int(records["epoch"][0]) != epoch:
            # Of an earlier epoch that this one goes on from; the ledger counts through.
            records = records.copy()
            records["epoch"] = epoch
        return records

    def _catch_up(self) -> None:
        last = self._history.last_sequence(self._ledger.epoch)
        if not self._ledger.catch_up(self._read_history, last):
            self._report_loss()

    def _report_loss(self) -> None:
        _LOG.error("execution events were lost; positions may be wrong", **self._ledger.counters())
        self._ledger.clear_orders()
        self.on_loss()

    # Epochs

    def expect_epoch(self, epoch: int) -> None:
        """The venue restarted: wait for the last events of its old life, then begin the epoch."""
        if epoch <= max(self._ledger.epoch, self._next_epoch):
            return
        self._next_epoch = epoch
        if self._session_id is None:
            self.finish_epoch()
        elif self._cut_over is None:
            loop = asyncio.get_running_loop()
            self._cut_over = loop.call_later(self._drain_s, self.finish_epoch)

    def finish_epoch(self) -> None:
        """All events of the old epoch have been read: begin the one that waits, if any."""
        if self._cut_over is not None:
            self._cut_over.cancel()
            self._cut_over = None
        if not self._next_epoch:
            return
        epoch, self._next_epoch = self._next_epoch, 0
        held_back, self._held_back = self._held_back, []
        self._begin_epoch(epoch)
        for records, session_id in held_back:
            self.apply(records, session_id)
        self.on_new_epoch()

    def _begin_epoch(self, epoch: int) -> None:
        _LOG.info("epoch begins", epoch=epoch, events_of_last=self._ledger.last_sequence)
        if self._history.epoch() == epoch and self._history.goes_on_from(self._ledger.epoch):
            self._go_on_in(epoch)
            return
        self.save(at_once=True)
        self._ledger.start_epoch(epoch)
        self._store.begin_epoch(epoch)
        self._catch_up()

    def _go_on_in(self, epoch: int) -> None:
        """The venue goes on from its log: orders and positions stay, and sequences go on."""
        before, last = self._ledger.epoch, self._ledger.last_sequence
        if last and self._history.epoch_of(epoch, last) not in (before, None):
            # What the store had wasn't ahead of the log, so it was put there by somebody else.
            _LOG.error("the store knows events that the venue has lost", epoch=before, last=last)
            self._report_loss()
        self.save(at_once=True)
        self._ledger.go_on_in(epoch)
        self._store.go_on_in(epoch)
        self._catch_up()

    # The store

    def save(self, *, at_once: bool = False) -> None:
        """Write what changed, once the venue's log has it on disk, or ``at_once``.

        After a loss of power the venue may know less than it told. A store that knew more would
        count fills that are gone, and pass over those that come in their place.
        """
        self._write_unsaved(at_once=at_once)
        if self._unsaved is not None:
            return
        command = 0 if at_once else self._newest_command()
        if command is None:
            return
        pairs, accounts = self._ledger.take_dirty()
        progress = self._store.progress()
        epoch, sequence = self._ledger.epoch, self._ledger.last_sequence
        if pairs or accounts or (epoch, sequence) != (progress.epoch, progress.sequence):
            self._unsaved = _Reached(pairs, accounts, epoch, sequence, command)
            self._write_unsaved(at_once=at_once)

    def _write_unsaved(self, *, at_once: bool) -> None:
        waiting = self._unsaved
        if waiting is None:
            return
        if at_once or self._durable is None or self._durable.command >= waiting.command:
            self._store.save_ledger(
                waiting.pairs, waiting.accounts, waiting.epoch, waiting.sequence
            )
            self._unsaved = None

    def _newest_command(self) -> int | None:
        """Command of the newest event; 0 if nothing has to be waited for, None if it isn't known
        yet."""
        epoch, sequence = self._ledger.epoch, self._ledger.last_sequence
        if self._durable is None or sequence == 0:
            return 0
        if self._history.is_behind(epoch, sequence):
            return None
        records = self._history.read(epoch, sequence, 1)
        if len(records) == 0 or int(records[0]["sequence"]) != sequence:
            # The history no longer has it, or it is of another epoch.
            return 0
        return int(records[0]["command_sequence"])
