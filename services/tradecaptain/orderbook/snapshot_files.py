"""Snapshot files beside the segments of the log: their names, writing and reading them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog
from tradecaptain.mesh.journal_files import FILE_MODE, sync_folder
from tradecaptain.orderbook.snapshot import (
    Snapshot,
    SnapshotUnusable,
    decode_snapshot,
    encode_snapshot,
    read_head,
)

_LOG = structlog.get_logger("journal")
SUFFIX: Final = ".snapshot"
KEPT: Final = 3
"""Snapshots that stay: the newest, and two for when it can't be used."""
_NAME_DIGITS: Final = 20


def list_snapshots(folder: Path) -> list[Path]:
    """Every snapshot file, the oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def write_snapshot(folder: Path, snapshot: Snapshot) -> Path:
    """Write a snapshot durably, and drop all but the newest few."""
    path = folder / f"{snapshot.sequence:0{_NAME_DIGITS}d}{SUFFIX}"
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    with staged.open("wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(encode_snapshot(snapshot))
        file.flush()
        os.fsync(file.fileno())
    staged.rename(path)
    sync_folder(folder)
    for old in list_snapshots(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def read_snapshot(path: Path) -> Snapshot:
    """A whole snapshot; SnapshotUnusable if its file isn't one any more."""
    try:
        return decode_snapshot(path.read_bytes(), path.name)
    except OSError as error:
        raise SnapshotUnusable(path.name, str(error)) from error


def needed_from(folder: Path) -> int:
    """First record of the log that must be kept, so that the snapshot before the newest one can
    take its place: 0, everything, while there aren't two."""
    held = _places(folder)
    return held[0] if len(held) > 1 else 0


def restored_from(folder: Path) -> int:
    """Last record that a start need not carry out again, for the newest snapshot has its outcome;
    0 if there is none."""
    held = _places(folder)
    return held[-1] if held else 0


def _places(folder: Path) -> list[int]:
    held = []
    for path in list_snapshots(folder):
        try:
            held.append(int(read_head(path)["journal_sequence"]))
        except (OSError, SnapshotUnusable) as error:
            _LOG.error("a snapshot can't be read", snapshot=path.name, error=str(error))
    return held
