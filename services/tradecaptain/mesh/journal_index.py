"""The index of a segment: a `JournalBlock` for each synced range, with a strong hash of its bytes.

Ranges that are worth it are hashed on a thread beside, while the disk takes the one behind, and get
into the index when that is done; nothing waits for them. Until then a range counts as one that
wasn't synced yet.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.journal_files import strong_hash
from tradecaptain.mesh.journal_scan import Place, Scan
from tradecaptain.wire import journal_block

_HASHED_ASIDE_BYTES: Final = 1 << 14
"""From so many bytes on, handing a range to another thread costs less than it saves."""


class BlockIndex:
    """Adds blocks to index files in the order in which their ranges were synced."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._hasher = ThreadPoolExecutor(1, "journal-hash")
        self._waiting: deque[Future[None]] = deque()

    def add(
        self,
        descriptor: int,
        start: Place,
        scan: Scan,
        offset: int,
        data: npt.NDArray[np.uint8],
    ) -> None:
        """Index a range that was synced: where it begins and ends, and its place in the file.

        A large range must stay as it is until it is settled. OSError if the index can't be written.
        """
        if len(data) >= _HASHED_ASIDE_BYTES:
            self._waiting.append(
                self._hasher.submit(self._write, descriptor, start, scan, offset, data)
            )
            return
        self.settle()
        self._write(descriptor, start, scan, offset, data)

    def _write(
        self, descriptor: int, start: Place, scan: Scan, offset: int, data: npt.NDArray[np.uint8]
    ) -> None:
        block = np.zeros(1, journal_block.DTYPE)
        journal_block.initialise(address_of(block))
        row = block[0]
        row["epoch"] = self._epoch
        row["sequence"] = start.sequence + 1
        row["time_ns"] = scan.times_ns[0]
        row["last_sequence"] = scan.place.sequence
        row["offset_bytes"], row["length_bytes"] = offset, len(data)
        row["checksum_before"] = start.checksum
        row["checksum_after"] = scan.place.checksum
        for index, word in enumerate(strong_hash(memoryview(data)).tolist()):
            row[f"hash{index}"] = word
        os.write(descriptor, block.tobytes())

    def settle(self, left: int = 0) -> None:
        """See the blocks written that are on their way, but for the newest ``left``."""
        while len(self._waiting) > left:
            self._waiting.popleft().result()

    def close(self) -> None:
        """End the thread."""
        self._hasher.shutdown()
