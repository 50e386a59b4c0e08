"""A file of record tables, mapped into memory."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.errors import ConfigurationError

type Records = npt.NDArray[Any]
type Sections = tuple[tuple[str, np.dtype[Any], int], ...]
"""Name, record and count of each table, in the order of the file."""

_PAGE = 4096


def map_sections(
    path: Path, sections: Sections
) -> tuple[mmap.mmap, dict[str, Records], dict[str, tuple[int, int, int]]]:
    """Map the file; also returns offset, bytes of a record and count of each section."""
    length = 0
    places = {}
    for name, dtype, count in sections:
        places[name] = (length, dtype.itemsize, count)
        length += -(-dtype.itemsize * count // _PAGE) * _PAGE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        existing = os.fstat(descriptor).st_size
        if existing not in (0, length):
            raise ConfigurationError(
                f"{path} has {existing} bytes and the configured capacity needs {length}:"
                " restore gateway.requests_max and gateway.events_max, or move the file away"
            )
        os.ftruncate(descriptor, length)
        mapping = mmap.mmap(descriptor, length)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be mapped: {error}") from error
    finally:
        os.close(descriptor)
    views = {
        name: np.frombuffer(mapping, dtype=dtype, count=count, offset=places[name][0])
        for name, dtype, count in sections
    }
    return mapping, views, places
