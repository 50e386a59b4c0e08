"""A warm standby: a replica of the venue that follows the journal stream until it is promoted.

It begins with the newest snapshot and what the log has behind it, and then carries out what the
stream brings, a few milliseconds behind the venue. What the stream lacks is read from the ring, and
what that has lost from the files.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.journal import OFFSET_DURABLE_COMMAND, JournalLapped, JournalRing
from tradecaptain.mesh.journal_files import JournalDamaged, check_segment, list_segments
from tradecaptain.mesh.journal_scan import FULL, Place, Scan
from tradecaptain.mesh.journal_sealing import seal_tail
from tradecaptain.mesh.journal_stream import JournalReceiver
from tradecaptain.mesh.journal_tail import LogTail
from tradecaptain.mesh.transport import IPC_CHANNEL, Mesh
from tradecaptain.orderbook.log_reading import Found, LogPaths
from tradecaptain.orderbook.replica import Replica
from tradecaptain.orderbook.snapshot_files import list_snapshots, read_snapshot
from tradecaptain.orderbook.venue_core import VenueSettings
from tradecaptain.wire import reason

_LOG = structlog.get_logger("standby")
_IDLE_SECONDS: Final = 0.002
_SILENT_NS: Final = 100_000_000
"""After so long without a message the ring is asked whether there is more."""
_NO_FRAMES: Final = np.empty(0, np.uint8)

type Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a standby has come."""

    epoch: int
    sequence: int
    state_hash: int
    position: int
    log_position: int
    batch_count: int
    gap_count: int


class Standby(Closing):
    """Follows one venue; :meth:`step` does one turn, :meth:`start` runs a thread."""

    def __init__(
        self,
        mesh: Mesh,
        paths: LogPaths,
        settings: VenueSettings,
        *,
        channel: str = IPC_CHANNEL,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """The venue must have begun its log. Everything that it has is carried out here."""
        self.failure: TradeCaptainError | None = None
        self._paths = paths
        self._settings = settings
        self._clock = clock
        if not paths.ring.exists():
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE, f"no venue writes a log to {paths.ring}"
            )
        self._ring = JournalRing(paths.ring)
        self._place = Place()
        self._replica = self._begin()
        self._receiver = JournalReceiver(
            mesh, self._ring.epoch, self._place.position, channel=channel
        )
        self._heard_ns = clock.monotonic_ns()
        self._lock = threading.Lock()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.catch_up()

    def _begin(self) -> Replica:
        """A replica from the newest snapshot that is good, or an empty one."""
        for path in reversed(list_snapshots(self._paths.segments)):
            replica = self._make()
            try:
                snapshot = read_snapshot(path)
                replica.restore(snapshot)
            except TradeCaptainError as error:
                replica.close()
                _LOG.error("a snapshot can't be used", snapshot=path.name, why=error.message)
                continue
            self._place = snapshot.place
            return replica
        return self._make()

    def _make(self) -> Replica:
        return Replica(self._settings, self._ring.epoch, self._paths.history)

    # Following

    def step(self) -> int:
        """Carry out what the stream has brought; how many bytes of the log that were."""
        frames = self._receiver.read()
        now_ns = self._clock.monotonic_ns()
        if frames is None or (len(frames) == 0 and now_ns - self._heard_ns >= _SILENT_NS):
            self._heard_ns = now_ns
            return self.catch_up()
        if len(frames) == 0:
            return 0
        self._heard_ns = now_ns
        self._take(frames)
        return len(frames)

    def _take(self, frames: Frames) -> None:
        """Check and carry out frames that begin at the place."""
        scan = Scan(self._place)
        good = scan.take(frames)
        if scan.verdict != FULL or good != len(frames):
            named = scan.place.sequence + 1
            raise JournalDamaged(f"record {named} came damaged to the standby", named)
        self._replica.apply(frames)
        self._place = scan.place

    def catch_up(self) -> int:
        """Read from the log itself what it has behind the place; how many bytes that were."""
        before = self._place.position
        self._look_at_ring()
        while self._place.position < self._ring.tail:
            frames = self._from_ring()
            if frames is None:
                self._from_files()
            else:
                self._take(frames)
        self._receiver.seek(self._place.position)
        return self._place.position - before

    def _look_at_ring(self) -> None:
        """Take over another ring that the venue made at a start."""
        try:
            is_same = self._paths.ring.stat().st_ino == self._ring.inode
        except FileNotFoundError:
            return
        if is_same:
            return
        epoch = self._ring.epoch
        self._ring.close()
        self._ring = JournalRing(self._paths.ring)
        if self._ring.epoch != epoch:
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE,
                f"the venue began epoch {self._ring.epoch} without the log of epoch {epoch}",
            )

    def _from_ring(self) -> Frames | None:
        position, ring = self._place.position, self._ring
        if position < ring.first_position():
            return None
        frames = np.frombuffer(bytes(ring.chunk(position, ring.tail)), np.uint8)
        try:
            ring.check_intact(position)
        except JournalLapped:
            return None
        return frames

    def _from_files(self) -> None:
        tail = LogTail(self._paths.segments, self._ring, self._place)
        while self._place.position < self._ring.first_position():
            frames = tail.peek()
            self._replica.apply(frames)
            tail.take(frames)
            self._place = tail.place

    def start(self) -> None:
        """Follow on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="standby", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                with self._lock:
                    worked = self.step()
            except TradeCaptainError as error:
                _LOG.error("the standby can't follow the log any further", why=error.message)
                self.failure = error
                return
            if worked == 0:
                self._is_stopping.wait(_IDLE_SECONDS)

    def progress(self) -> Progress:
        """How far it has come, between two of its turns."""
        with self._lock:
            stats = self._receiver.stats
            return Progress(
                epoch=self._ring.epoch,
                sequence=self._replica.sequence,
                state_hash=self._replica.state_hash(),
                position=self._place.position,
                log_position=self._ring.tail,
                batch_count=stats["batch_count"],
                gap_count=stats["gap_count"],
            )

    # Promotion

    def finish(self) -> Found:
        """Stop following a venue that has ended, carry out the last of its log, and hand the log
        over as a start would have found it."""
        self._stop()
        self.catch_up()
        segments = list_segments(self._paths.segments)
        synced, torn = Place(), 0
        last_command = self._ring.load(OFFSET_DURABLE_COMMAND)
        if segments:
            checked = check_segment(segments[-1], is_last=True, check_hashes=False)
            synced, torn = checked.end, checked.torn_bytes
            last_command = max(last_command, checked.last_command)
            seal_tail(checked)
        self._ring.close()
        ring = JournalRing(self._paths.ring, writable=True)
        return Found(self._replica, synced, self._place, ring, torn, last_command)

    def _stop(self) -> None:
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._receiver.close()

    def close(self) -> None:
        """Give up without a promotion."""
        self._stop()
        self._replica.close()
        self._ring.close()
