"""The index of a segment: a `JournalBlock` for each synced range, with a strong hash of its bytes.

Large ranges are hashed on a thread beside while the disk works, and get into the index when that is
done; nothing waits for them. Until then a range counts as one that wasn't synced yet.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.journal_files import strong_hash
from tradecaptain.mesh.journal_scan import Place, Scan
from tradecaptain.wire import journal_block

_HASHED_ASIDE_BYTES: Final = 1 << 17
"""From so many bytes on, handing a hash to another thread costs less than it saves."""

type Words = npt.NDArray[np.int64]
type Hashing = Future[Words]


class BlockIndex:
    """Adds blocks to index files in the order in which their ranges were synced."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._hasher = ThreadPoolExecutor(1, "journal-hash")
        self._waiting: deque[tuple[int, npt.NDArray[Any], Hashing]] = deque()

    def hash_aside(self, data: npt.NDArray[np.uint8]) -> Hashing | None:
        """Begin to hash a large range, which stays as it is until its block is settled."""
        if len(data) < _HASHED_ASIDE_BYTES:
            return None
        return self._hasher.submit(strong_hash, memoryview(data))

    def add(
        self,
        descriptor: int,
        start: Place,
        scan: Scan,
        offset: int,
        data: npt.NDArray[np.uint8],
        hashing: Hashing | None,
    ) -> None:
        """Index a range that was synced: where it begins and ends, and its place in the file."""
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
        if hashing is not None:
            self._waiting.append((descriptor, block, hashing))
            return
        self.settle()
        _write_block(descriptor, block, strong_hash(memoryview(data)))

    def settle(self, left: int = 0) -> None:
        """Write the blocks whose hashes are being made, but for the newest ``left``."""
        while len(self._waiting) > left:
            descriptor, block, hashing = self._waiting.popleft()
            _write_block(descriptor, block, hashing.result())

    def close(self) -> None:
        """End the thread."""
        self._hasher.shutdown()


def _write_block(descriptor: int, block: npt.NDArray[Any], words: Words) -> None:
    for index, word in enumerate(words.tolist()):
        block[0][f"hash{index}"] = word
    os.write(descriptor, block.tobytes())
