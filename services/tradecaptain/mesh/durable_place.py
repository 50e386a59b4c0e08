"""Up to which command the venue's log is on disk.

Acknowledgements of the level *group* await it, and so does whatever is kept in files of its own and
must not be ahead of the log after a loss of power. The venue's durability agent tells it in the
header of the log's ring. A venue that starts anew may make another ring, so the place is looked up
again where a wait doesn't end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of, aligned_zeros, load_acquire_i64
from tradecaptain.mesh.journal import OFFSET_DURABLE_COMMAND, OFFSET_REFUSAL, JournalRing
from tradecaptain.wire import execution_event


class DurablePlace:
    """The word with the sequence of the last command on disk; before there is a ring, zero."""

    def __init__(self, ring_path: Path) -> None:
        self._path = ring_path
        self._nothing = aligned_zeros(1, np.int64)
        self._ring: JournalRing | None = None
        self._told: list[npt.NDArray[Any]] = []
        self._told_refusal: list[npt.NDArray[Any]] = []
        self._address = address_of(self._nothing)
        self.refresh()

    def refresh(self) -> None:
        """Look whether there is a newer ring. An old one stays mapped, for kernels may read it."""
        try:
            if self._ring is not None and self._path.stat().st_ino == self._ring.inode:
                return
            self._ring = JournalRing(self._path)
        except (OSError, TradeCaptainError):
            # None yet, or one that is just being made.
            return
        self._address = self._ring.address + OFFSET_DURABLE_COMMAND
        for state in self._told:
            state["durable_address"] = self._address
        for state in self._told_refusal:
            state["refusal_address"] = self._ring.address + OFFSET_REFUSAL

    def tell(self, state: npt.NDArray[Any]) -> None:
        """Keep a kernel's ``durable_address`` up to date."""
        self._told.append(state)
        state["durable_address"] = self._address

    def tell_refusal(self, state: npt.NDArray[Any]) -> None:
        """Keep a kernel's ``refusal_address`` up to date: the word that tells why the log takes no
        new risk. It stays as it is before there is a ring."""
        self._told_refusal.append(state)
        if self._ring is not None:
            state["refusal_address"] = self._ring.address + OFFSET_REFUSAL

    @property
    def command(self) -> int:
        """Sequence of the last command on disk."""
        self.refresh()
        return int(load_acquire_i64(self._address))

    @property
    def is_awaited(self) -> bool:
        """Whether a kernel holds an event back."""
        return any(int(state[0]["is_holding"]) for state in self._told)

    def released(self, events: npt.NDArray[Any]) -> int:
        """How many of the first events may be told."""
        durable = int(load_acquire_i64(self._address))
        waits = (events["durability"] == execution_event.DURABILITY_GROUP) & (
            events["command_sequence"] > durable
        )
        return int(np.argmax(waits)) if waits.any() else len(events)
