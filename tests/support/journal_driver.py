"""Writing an execution log from Python, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.journal import (
    JournalRing,
    frame_bytes,
    journal_append,
    journal_has_room,
    journal_publish,
)
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.wire import control


@kernel("int64(int64, int64, int64, int64)")
def append(journal: int, record: int, length: int, flags: int) -> int:
    """Append and show one record; its number, or 0 if there is no room."""
    if not journal_has_room(journal, frame_bytes(length)):
        return 0
    sequence = journal_append(journal, record, length, flags)
    journal_publish(journal)
    return sequence


class JournalWriter:
    """A ring and its writer."""

    def __init__(
        self, path: Path, *, capacity: int = 1 << 16, epoch: int = 3, place: Place | None = None
    ) -> None:
        place = place or Place()
        self.ring = JournalRing.create(
            path,
            capacity=capacity,
            epoch=epoch,
            position=place.position,
            sequence=place.sequence,
            checksum=place.checksum,
        )
        self.state = self.ring.writer_state(place.position, place.sequence, place.checksum)

    @property
    def address(self) -> int:
        return address_of(self.state)

    @property
    def place(self) -> Place:
        row: Any = self.state[0]
        return Place(int(row["position"]), int(row["sequence"]), int(row["checksum"]))

    def append(self, data: bytes, flags: int = 0) -> int:
        record = np.frombuffer(data, np.uint8).copy()
        return int(append(self.address, address_of(record), len(data), flags))

    def append_records(self, count: int, first: int = 1) -> None:
        """Records with sequences and times that count up; the log must have room."""
        for number in range(first, first + count):
            assert self.append(record_bytes(number)) > 0

    def close(self) -> None:
        self.ring.close()


def record_bytes(number: int) -> bytes:
    """A record of 96 bytes with the common prefix, sequenced as ``number`` at that many µs."""
    words = np.zeros(12, np.int64)
    words[2] = control.KIND
    words[3] = number
    words[4] = number * 1_000
    words[5:] = number * 7
    return words.tobytes()
