"""Reading the tables of other processes, without loading a compiler.

The tables themselves, and how kernels fill them, are in :mod:`tradecaptain.mesh.counters` and
:mod:`tradecaptain.mesh.histogram`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.shared_table import SharedTable

COUNTER_BYTES: Final = 8
SUB_BITS: Final = 6
SUB_COUNT: Final = 1 << SUB_BITS
HIGHEST_BIT: Final = 62
BUCKET_COUNT: Final = (HIGHEST_BIT - SUB_BITS + 2) * SUB_COUNT
COUNT_OFFSET: Final = 0
SUM_OFFSET: Final = 8
MINIMUM_OFFSET: Final = 16
MAXIMUM_OFFSET: Final = 24
BUCKETS_OFFSET: Final = 64
HISTOGRAM_BYTES: Final = BUCKETS_OFFSET + 8 * BUCKET_COUNT


class CounterReader(SharedTable):
    """Named counters of one process."""

    magic = b"tc-counters"

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file for reading; :class:`MeshError` if it is none of ours."""
        return cls(MappedFile(path, writable=False))

    def values(self) -> dict[str, int]:
        """All counters by name."""
        words = self.mapped.array("<i8", self.item_count * 8, self.items_offset)
        return {name: int(words[8 * index]) for index, name in enumerate(self.names)}


def bucket_maximum(bucket: int) -> int:
    """Highest value of a bucket."""
    if bucket < SUB_COUNT:
        return bucket
    shift = (bucket >> SUB_BITS) - 1
    return (((bucket & (SUB_COUNT - 1)) + SUB_COUNT + 1) << shift) - 1


@dataclass(frozen=True, slots=True)
class Histogram:
    """A copy of one histogram at one moment."""

    buckets: npt.NDArray[np.int64]
    total: int
    minimum: int
    maximum: int

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self.buckets.sum())

    @property
    def mean(self) -> float:
        """Mean of the values; 0 without any."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> int:
        """Smallest bucket's highest value that at least ``percent`` of the values don't exceed."""
        if not 0 <= percent <= 100:
            raise MeshError(f"percent {percent} must be from 0 to 100")
        if self.count == 0:
            return 0
        rank = max(1, int(np.ceil(self.count * percent / 100)))
        bucket = int(np.searchsorted(np.cumsum(self.buckets), rank))
        return min(bucket_maximum(bucket), self.maximum)

    def difference(self, earlier: Histogram) -> Histogram:
        """What was counted since ``earlier``; extremes are those of the buckets."""
        buckets = self.buckets - earlier.buckets
        filled = np.flatnonzero(buckets)
        if not len(filled):
            return Histogram(buckets, 0, 0, 0)
        highest = min(bucket_maximum(int(filled[-1])), self.maximum)
        lowest = bucket_maximum(int(filled[0]) - 1) + 1 if filled[0] else 0
        return Histogram(buckets, self.total - earlier.total, max(lowest, self.minimum), highest)


class HistogramReader(SharedTable):
    """Named histograms of one process."""

    magic = b"tc-histograms"

    def __init__(self, mapped: MappedFile) -> None:
        super().__init__(mapped)
        if self.item_bytes != -(-HISTOGRAM_BYTES // 64) * 64:
            raise MeshError(f"{mapped.path} has histograms of another resolution")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file for reading; :class:`MeshError` if it is none of ours."""
        return cls(MappedFile(path, writable=False))

    def snapshot(self, name: str) -> Histogram:
        """Copy one histogram; what is counted meanwhile may be in it or not."""
        offset = self.items_offset + self.index(name) * self.item_bytes
        words = self.mapped.array("<i8", HISTOGRAM_BYTES // 8, offset).copy()
        return Histogram(
            words[BUCKETS_OFFSET // 8 :],
            int(words[SUM_OFFSET // 8]),
            int(words[MINIMUM_OFFSET // 8]),
            int(words[MAXIMUM_OFFSET // 8]),
        )

    def snapshots(self) -> dict[str, Histogram]:
        """Copies of all histograms by name."""
        return {name: self.snapshot(name) for name in self.names}
