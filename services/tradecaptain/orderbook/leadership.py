"""Which of a venue's processes may write its log, and how another takes that right away.

A lock file names the writer, who holds its lock for life: the kernel lets go of it only when the
last thread of that process has ended. So whoever got the lock after a kill knows that the old
writer can't log, publish or acknowledge anything any more. A record on disk says who shall be the
writer, and is changed before the old one is killed: when its process is started again, it stands
by.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.durable_text import write_durably
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.wire import reason

PROCESSES: Final = ("orderbook", "standby")
"""The two processes of a venue; the first is the writer unless a promotion said otherwise."""
_LEADER_FILE: Final = "leader"
_LOCK_FILE: Final = "venue.lock"
_STEP_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class Leader:
    """Who shall write the log, and how many promotions there were."""

    term: int
    process: str


class Leadership:
    """The right to write a venue's log, as the files in a folder tell."""

    def __init__(self, folder: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self._leader_path = folder / _LEADER_FILE
        self._lock_path = folder / _LOCK_FILE
        self._clock = clock
        self._descriptor: int | None = None

    @property
    def leader(self) -> Leader:
        """Who shall write the log; the first process before any promotion."""
        try:
            term, process = self._leader_path.read_text(encoding="ascii").split()
        except FileNotFoundError:
            return Leader(0, PROCESSES[0])
        except ValueError:
            term, process = "", ""
        if not term.isdigit() or process not in PROCESSES:
            raise ConfigurationError(f"{self._leader_path} must hold a term and a process")
        return Leader(int(term), process)

    def name_leader(self, process: str) -> None:
        """Where there is no standby, the one process there is shall be the writer."""
        leader = self.leader
        if leader.process != process:
            write_durably(self._leader_path, f"{leader.term + 1} {process}\n")

    def take(self, process: str) -> None:
        """Become the writer; REASON_UNAVAILABLE if another process is, or shall be."""
        if not self._lock():
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE, f"process {self._holder()} writes the venue's log"
            )
        if self.leader.process != process:
            self.release()
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE, f"{self.leader.process} shall write the venue's log"
            )

    def seize(self, process: str, timeout_seconds: float = 5.0) -> Leader:
        """Become the writer in another's place: name it no more, kill it, and wait for its end."""
        leader = Leader(self.leader.term + 1, process)
        write_durably(self._leader_path, f"{leader.term} {leader.process}\n")
        pause = threading.Event()
        deadline_ns = self._clock.monotonic_ns() + int(timeout_seconds * 1e9)
        while not self._lock():
            self._kill_holder()
            if self._clock.monotonic_ns() > deadline_ns:
                raise TradeCaptainError(
                    reason.REASON_UNAVAILABLE,
                    f"process {self._holder()} still holds the venue's log",
                )
            pause.wait(_STEP_SECONDS)
        return leader

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self) -> bool:
        """Hold the lock and write down who does; false if another process holds it."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return True

    def _holder(self) -> int:
        text = self._lock_path.read_text(encoding="ascii").strip()
        return int(text) if text.isdigit() else 0

    def _kill_holder(self) -> None:
        """Kill the process that holds the lock, and no other.

        A process that was named before and after it was opened, while the lock was held all the
        time, is the one that is held open: its id can't have been given to another in between.
        """
        holder = self._holder()
        if holder == 0:
            return
        with suppress(ProcessLookupError):
            process = os.pidfd_open(holder)
            try:
                if self._is_held() and self._holder() == holder:
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            finally:
                os.close(process)

    def _is_held(self) -> bool:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
