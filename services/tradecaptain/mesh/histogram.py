"""Log-linear latency histograms in shared memory: filled inside kernels, read by any process.

Values below 64 have buckets of their own; above, each power of two is cut into 64 buckets, so a
value is known to within 1/64. A percentile is reported as the highest value of its bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt
from tradecaptain.base.bits import highest_set_to
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import aligned_zeros, load_i64, store_i64
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.table_readers import (
    BUCKETS_OFFSET,
    COUNT_OFFSET,
    HIGHEST_BIT,
    HISTOGRAM_BYTES,
    MAXIMUM_OFFSET,
    MINIMUM_OFFSET,
    SUB_BITS,
    SUB_COUNT,
    SUM_OFFSET,
    HistogramReader,
)

HISTOGRAMS: Final = np.dtype([("address", "<i8"), ("stride", "<i8"), ("count", "<i8")], align=True)
"""Where the histograms lie in this process."""
HISTOGRAMS_TYPE: Final[Any] = numba.from_dtype(HISTOGRAMS)[::1]


@inline
def bucket_of(value: int) -> int:
    """Bucket of a value; negative values count as 0."""
    if value < SUB_COUNT:
        return max(value, 0)
    shift = highest_set_to(int(value), HIGHEST_BIT) - SUB_BITS
    return (shift << SUB_BITS) + (value >> shift)


@inline
def histogram_record(histograms: Any, index: int, value: int) -> None:
    """Count one value; an index outside the table does nothing."""
    if not 0 <= index < histograms[0]["count"]:
        return
    address = histograms[0]["address"] + index * histograms[0]["stride"]
    count = load_i64(address + COUNT_OFFSET)
    if count == 0 or value < load_i64(address + MINIMUM_OFFSET):
        store_i64(address + MINIMUM_OFFSET, value)
    if count == 0 or value > load_i64(address + MAXIMUM_OFFSET):
        store_i64(address + MAXIMUM_OFFSET, value)
    store_i64(address + SUM_OFFSET, load_i64(address + SUM_OFFSET) + value)
    bucket = address + BUCKETS_OFFSET + 8 * bucket_of(value)
    store_i64(bucket, load_i64(bucket) + 1)
    store_i64(address + COUNT_OFFSET, count + 1)


class HistogramTable(HistogramReader):
    """Named histograms of one process."""

    def __init__(self, mapped: MappedFile) -> None:
        super().__init__(mapped)
        self._state = aligned_zeros(1, HISTOGRAMS)
        self._state[0] = (self.items_address, self.item_bytes, self.item_count)

    @classmethod
    def create(cls, path: Path, names: Sequence[str]) -> Self:
        """Make the file anew with empty histograms; the order of names is their index."""
        return cls(
            cls.make_file(path, item_bytes=HISTOGRAM_BYTES, item_count=len(names), names=names)
        )

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for ``histogram_record``."""
        return self._state

    def record(self, name: str, value: int) -> None:
        """Count a value from Python."""
        histogram_record(self._state, self.index(name), value)
