"""Record layouts: where a field lies, and records that fill cache lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

LINE_BYTES: Final = 64


def offset_of(dtype: np.dtype[Any], field: str) -> int:
    """Byte offset of ``field`` from the start of its record."""
    fields = dtype.fields
    if fields is None:
        raise TypeError(f"{dtype} has no fields")
    return int(fields[field][1])


def words_of(names: str) -> np.dtype[Any]:
    """A record of 64-bit integers, by their names."""
    return np.dtype([(name, "<i8") for name in names.split()], align=True)


def in_lines(fields: np.dtype[Any]) -> np.dtype[Any]:
    """A record filled up to an odd number of cache lines: no two share one, or always one set."""
    layout: Mapping[str, Any] = fields.fields or {}
    return np.dtype(
        {
            "names": list(layout),
            "formats": [field[0] for field in layout.values()],
            "offsets": [field[1] for field in layout.values()],
            "itemsize": (-(-fields.itemsize // LINE_BYTES) | 1) * LINE_BYTES,
        }
    )
