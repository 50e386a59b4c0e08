"""Log-linear latency histograms in shared memory: filled inside kernels, read by any process.

Values below 64 have buckets of their own; above, each power of two is cut into 64 buckets, so a
value is known to within 1/64. A percentile is reported as the highest value of its bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.bits import highest_set_to
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import aligned_zeros, load_i64, store_i64
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.shared_table import SharedTable

_SUB_BITS: Final = 6
_SUB_COUNT: Final = 1 << _SUB_BITS
_HIGHEST_BIT: Final = 62
BUCKET_COUNT: Final = (_HIGHEST_BIT - _SUB_BITS + 2) * _SUB_COUNT
_COUNT: Final = 0
_SUM: Final = 8
_MINIMUM: Final = 16
_MAXIMUM: Final = 24
_BUCKETS: Final = 64
_ITEM_BYTES: Final = _BUCKETS + 8 * BUCKET_COUNT

HISTOGRAMS: Final = np.dtype([("address", "<i8"), ("stride", "<i8"), ("count", "<i8")], align=True)
"""Where the histograms lie in this process."""
HISTOGRAMS_TYPE: Final[Any] = numba.from_dtype(HISTOGRAMS)[::1]


@inline
def bucket_of(value: int) -> int:
    """Bucket of a value; negative values count as 0."""
    if value < _SUB_COUNT:
        return max(value, 0)
    shift = highest_set_to(int(value), _HIGHEST_BIT) - _SUB_BITS
    return (shift << _SUB_BITS) + (value >> shift)


@inline
def histogram_record(histograms: Any, index: int, value: int) -> None:
    """Count one value; an index outside the table does nothing."""
    if not 0 <= index < histograms[0]["count"]:
        return
    address = histograms[0]["address"] + index * histograms[0]["stride"]
    count = load_i64(address + _COUNT)
    if count == 0 or value < load_i64(address + _MINIMUM):
        store_i64(address + _MINIMUM, value)
    if count == 0 or value > load_i64(address + _MAXIMUM):
        store_i64(address + _MAXIMUM, value)
    store_i64(address + _SUM, load_i64(address + _SUM) + value)
    bucket = address + _BUCKETS + 8 * bucket_of(value)
    store_i64(bucket, load_i64(bucket) + 1)
    store_i64(address + _COUNT, count + 1)


def bucket_maximum(bucket: int) -> int:
    """Highest value of a bucket."""
    if bucket < _SUB_COUNT:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return (((bucket & (_SUB_COUNT - 1)) + _SUB_COUNT + 1) << shift) - 1


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


class HistogramTable(SharedTable):
    """Named histograms of one process."""

    magic = b"tc-histograms"

    def __init__(self, mapped: MappedFile) -> None:
        super().__init__(mapped)
        if self.item_bytes != -(-_ITEM_BYTES // 64) * 64:
            raise MeshError(f"{mapped.path} has histograms of another resolution")
        self._state = aligned_zeros(1, HISTOGRAMS)
        self._state[0] = (self.items_address, self.item_bytes, self.item_count)

    @classmethod
    def create(cls, path: Path, names: Sequence[str]) -> Self:
        """Make the file anew with empty histograms; the order of names is their index."""
        return cls(cls.make_file(path, item_bytes=_ITEM_BYTES, item_count=len(names), names=names))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file for reading; :class:`MeshError` if it is none of ours."""
        return cls(MappedFile(path, writable=False))

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for ``histogram_record``."""
        return self._state

    def record(self, name: str, value: int) -> None:
        """Count a value from Python."""
        histogram_record(self._state, self.index(name), value)

    def snapshot(self, name: str) -> Histogram:
        """Copy one histogram; what is counted meanwhile may be in it or not."""
        offset = self.items_offset + self.index(name) * self.item_bytes
        words = self.mapped.array("<i8", _ITEM_BYTES // 8, offset).copy()
        return Histogram(
            words[_BUCKETS // 8 :],
            int(words[_SUM // 8]),
            int(words[_MINIMUM // 8]),
            int(words[_MAXIMUM // 8]),
        )

    def snapshots(self) -> dict[str, Histogram]:
        """Copies of all histograms by name."""
        return {name: self.snapshot(name) for name in self.names}
