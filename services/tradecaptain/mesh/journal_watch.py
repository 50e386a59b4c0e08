"""Notices that a closed segment was taken away while a restore would need it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from tradecaptain.mesh.journal_files import (
    COMPRESSED_SUFFIX,
    SEGMENT_SUFFIX,
    Segment,
    segment_name,
)


class SegmentWatch:
    """Which segments a log has, by what its writer begins and drops."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sequences: dict[int, int] = {}

    def note(self, segment: Segment) -> None:
        """It is there."""
        self._sequences[segment.start.position] = segment.start.sequence

    def forget(self, segment: Segment) -> None:
        """It is to go."""
        self._sequences.pop(segment.start.position, None)

    def missing(self, open_position: int, restored_from: Callable[[], int]) -> str:
        """Name of the first segment before the open one that is gone and that a restore needs:
        it has records behind ``restored_from()``, the newest snapshot's. Empty if there is none."""
        known = sorted(self._sequences.copy().items())
        names = self._names()
        for (position, _), (_, following) in itertools.pairwise(known):
            if position >= open_position:
                break
            name = segment_name(position)
            # It may have been packed, or dropped, while the folder was read.
            if name in names or self._is_there(name) or position not in self._sequences:
                continue
            if following > restored_from():
                return name
        return ""

    def _names(self) -> set[str]:
        try:
            found = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return set()
        suffixes = SEGMENT_SUFFIX, COMPRESSED_SUFFIX
        return {name.split(".")[0] for name in found if name.endswith(suffixes)}

    def _is_there(self, name: str) -> bool:
        paths = (self._folder / (name + suffix) for suffix in (SEGMENT_SUFFIX, COMPRESSED_SUFFIX))
        return any(path.exists() for path in paths)
