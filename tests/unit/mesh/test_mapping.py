"""Files that are made in one step, whatever an earlier life left lying about."""

from __future__ import annotations

from pathlib import Path

import pytest
from tradecaptain.mesh.mapping import MappedFile


def test_created_file_has_its_name_only_once_published(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with MappedFile.create(path, 4096) as made:
        assert not path.exists()
        made.array("<i8", 1)[0] = 7
        made.publish()
        with MappedFile(path, writable=False) as opened:
            assert opened.array("<i8", 1).tolist() == [7]


def test_who_has_mapped_the_older_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with MappedFile.create(path, 4096) as older:
        older.publish()
        older.array("<i8", 1)[0] = 1
        with MappedFile.create(path, 4096) as newer:
            newer.publish()
            assert older.array("<i8", 1).tolist() == [1]
            with MappedFile(path, writable=False) as opened:
                assert opened.array("<i8", 1).tolist() == [0]


def test_what_a_killed_process_of_the_same_number_left_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with MappedFile.create(path, 8192) as left:
        left.array("<i8", 1)[0] = 1
        # It is never published: its process was killed here, and a container gave its number again.
        with MappedFile.create(path, 4096) as made:
            assert made.length == 4096
            assert made.array("<i8", 1).tolist() == [0]
            made.publish()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_discarded_file_leaves_nothing(tmp_path: Path) -> None:
    with MappedFile.create(tmp_path / "file", 4096) as made:
        made.discard()
    assert list(tmp_path.iterdir()) == []


def test_created_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with MappedFile.create(tmp_path / "folder" / "file", 4096) as made:
        made.publish()
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "folder" / "file").stat().st_mode & 0o777 == 0o600


def test_missing_file_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        MappedFile(tmp_path / "absent", writable=False)
