"""Files that never end, or unpack into more than anybody has room for."""

from __future__ import annotations

import errno
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tradecaptain.base.bounded_file import read_bounded, unpack_bounded
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.toml_table import read_toml
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.risk_limits_file import read_limits
from tradecaptain.cli.verify.indicator_sources.comparison import read_quotes
from tradecaptain.cli.verify.matching import load_cases
from tradecaptain.cli.verify_file import read_object
from tradecaptain.collector.feeds.sources import open_sources

READERS = [read_object, load_cases, read_quotes, read_limits, read_toml, open_sources]
DEEP = 100_000


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_and_not_waited_for(reader: Callable[[Path], object], pipe: Path) -> None:
    with pytest.raises((TradeCaptainError, CommandError), match="Not a regular file"):
        reader(pipe)


@pytest.mark.parametrize("reader", READERS)
def test_a_device_is_refused(reader: Callable[[Path], object]) -> None:
    with pytest.raises((TradeCaptainError, CommandError), match="Not a regular file"):
        reader(Path("/dev/zero"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_what_unpacks_into_too_much_is_refused(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(pack(bytes(1000)))
    assert unpack_bounded(path, 1000) == bytes(1000)
    with pytest.raises(OSError, match="More than 999 bytes") as refused:
        unpack_bounded(path, 999)
    assert refused.value.errno == errno.EFBIG


def test_a_large_file_isnt_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="More than"):
        read_bounded(path)


@pytest.mark.parametrize("reader", [read_toml, read_limits])
def test_toml_nested_without_end_is_refused(
    reader: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * DEEP + "]" * DEEP)
    with pytest.raises((ConfigurationError, CommandError), match="isn't TOML"):
        reader(path)


def test_a_folder_in_the_place_of_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_toml(tmp_path)
