"""The epoch file: it only grows, and a damaged one stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.orderbook.epoch import EPOCH_MAXIMUM, next_epoch


def test_epochs_grow_from_one(tmp_path: Path) -> None:
    path = tmp_path / "epochs" / "orderbook"
    assert [next_epoch(path) for _ in range(3)] == [1, 2, 3]
    assert [entry.name for entry in path.parent.iterdir()] == ["orderbook"]


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"1.5", b"\xff", b"-1", str(EPOCH_MAXIMUM).encode()]
)
def test_damaged_file_stops_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "orderbook"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        next_epoch(path)
    assert path.read_bytes() == content
