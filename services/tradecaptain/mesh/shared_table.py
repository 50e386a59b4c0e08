"""Files in shared memory that one process writes and any process reads: the common beginning.

The first page names the kind of table, the length of an item, how many there are, and their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.mapping import MappedFile

HEADER_BYTES: Final = 64
NAME_BYTES: Final = 64
_LINE_BYTES: Final = 64
_FORMAT_VERSION: Final = 1

HEADER: Final = np.dtype(
    [
        ("magic", "S16"),
        ("format_version", "<i8"),
        ("item_bytes", "<i8"),
        ("item_count", "<i8"),
        ("items_offset", "<i8"),
        ("layout_hash", "<i8"),
        ("reserved", "<i8"),
    ]
)


class SharedTable(Closing):
    """A mapped table of named items of equal length."""

    magic: bytes = b""

    def __init__(self, mapped: MappedFile) -> None:
        self.mapped = mapped
        header = mapped.array(HEADER, 1)[0] if mapped.length >= HEADER_BYTES else None
        if header is None or bytes(header["magic"]) != self.magic:
            raise MeshError(f"{mapped.path} is no {self.magic.decode()} table")
        if header["format_version"] != _FORMAT_VERSION:
            raise MeshError(
                f"{mapped.path} has format {header['format_version']}, not {_FORMAT_VERSION}"
            )
        self.item_bytes = int(header["item_bytes"])
        self.item_count = int(header["item_count"])
        self.items_offset = int(header["items_offset"])
        self.layout_hash = int(header["layout_hash"])
        end = self.items_offset + self.item_bytes * self.item_count
        names_end = HEADER_BYTES + NAME_BYTES * self.item_count
        if not (self.item_bytes > 0 and self.item_count >= 0 and end <= mapped.length):
            raise MeshError(f"{mapped.path} is shorter than its header says")
        self.names: tuple[str, ...] = ()
        if names_end <= self.items_offset:
            names = mapped.array(f"S{NAME_BYTES}", self.item_count, HEADER_BYTES)
            self.names = tuple(bytes(name).decode("ascii", "replace") for name in names)

    @property
    def items_address(self) -> int:
        """Address of the first item."""
        return self.mapped.address + self.items_offset

    def index(self, name: str) -> int:
        """Index of a named item; :class:`MeshError` if there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise MeshError(f"{self.mapped.path} has nothing named {name!r}") from None

    @classmethod
    def make_file(
        cls,
        path: Path,
        *,
        item_bytes: int,
        item_count: int,
        names: Sequence[str] = (),
        layout_hash: int = 0,
    ) -> MappedFile:
        """Make a zeroed table file, replacing one of that name when it is complete."""
        for name in names:
            if not name.isascii() or not 0 < len(name) < NAME_BYTES:
                raise MeshError(f"name {name!r} must be 1 to {NAME_BYTES - 1} ASCII characters")
        if len(set(names)) != len(names):
            raise MeshError("names must differ from each other")
        if item_bytes < 1 or item_count < 0:
            raise MeshError("a table needs items of at least one byte")
        offset = HEADER_BYTES + NAME_BYTES * len(names)
        stride = -(-item_bytes // _LINE_BYTES) * _LINE_BYTES
        mapped = MappedFile.create(path, offset + stride * item_count)
        header = mapped.array(HEADER, 1)[0]
        header["magic"] = cls.magic
        header["format_version"] = _FORMAT_VERSION
        header["item_bytes"] = stride
        header["item_count"] = item_count
        header["items_offset"] = offset
        header["layout_hash"] = layout_hash
        if names:
            mapped.array(f"S{NAME_BYTES}", len(names), HEADER_BYTES)[:] = [
                name.encode() for name in names
            ]
        mapped.publish()
        return mapped

    def close(self) -> None:
        """Unmap; kernels must not use the state any more."""
        self.mapped.close()
