"""Where compiled kernels are kept, and what survives an edit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tradecaptain.base import compile_cache

PRINT_FOLDER = """
import os
from tradecaptain.base.compile_cache import prepare_cache
print(prepare_cache())
print(os.environ["NUMBA_CPU_NAME"])
"""


def folder_in_a_fresh_process(root: Path, **environment: str) -> list[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    answer = subprocess.run(
        [sys.executable, "-c", PRINT_FOLDER],
        env={**kept, "TRADECAPTAIN_CACHE": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.splitlines()


def test_two_processes_agree_on_folder_and_processor(tmp_path: Path) -> None:
    first, second = (folder_in_a_fresh_process(tmp_path) for _ in range(2))
    assert first == second
    assert Path(first[0]).parent == tmp_path / "kernels"
    assert Path(first[0]).is_dir()


def test_another_processor_has_a_folder_of_its_own(tmp_path: Path) -> None:
    names = {"x86-64", "znver3"}
    folders = set()
    for name in names:
        digest = compile_cache._folder_name(name, "+sse2")
        folders.add(digest)
    assert len(folders) == 2


def test_a_folder_that_somebody_else_chose_is_respected(tmp_path: Path) -> None:
    chosen = folder_in_a_fresh_process(
        tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "mine"), NUMBA_CPU_NAME="generic"
    )
    assert chosen == [str(tmp_path / "mine"), "generic"]
    assert not (tmp_path / "kernels").exists()


@pytest.fixture
def toy_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Three modules: `user` imports `helper`, `loner` imports nothing."""
    package = tmp_path / "tradecaptain"
    package.mkdir()
    texts = {
        "helper": "ONE = 1\n",
        "user": "from tradecaptain import helper\n",
        "loner": "TWO = 2\n",
    }
    sources = {}
    for name, text in texts.items():
        path = package / f"{name}.py"
        path.write_text(text)
        sources[f"tradecaptain.{name}"] = path
    monkeypatch.setattr(compile_cache, "_sources", lambda: sources)
    forget()
    return sources


def forget() -> None:
    """Drop what the module remembers about sources, as a new process would."""
    for remembered in (compile_cache._content, compile_cache._imports, compile_cache._closure):
        remembered.cache_clear()


def fill(folder: Path, *modules: str) -> None:
    """Put entries into a cache folder as numba names them."""
    place = folder / "tradecaptain_0123abc"
    place.mkdir(parents=True, exist_ok=True)
    for module in modules:
        (place / f"{module}.kernel-1.py312.nbi").write_text(module)


def entries(folder: Path) -> set[str]:
    return {path.name.split(".")[0] for path in folder.rglob("*.nbi")}


def test_an_edit_leaves_behind_what_depends_on_it_and_nothing_else(
    tmp_path: Path, toy_sources: dict[str, Path]
) -> None:
    before, after = tmp_path / "cache/before", tmp_path / "cache/after"
    compile_cache._begin_folder(before)
    fill(before, "helper", "user", "loner")
    toy_sources["tradecaptain.helper"].write_text("ONE = 11\n")
    forget()
    compile_cache._begin_folder(after)
    assert entries(after) == {"loner"}
    assert entries(before) == {"helper", "user", "loner"}


def test_without_an_edit_everything_is_taken_over(
    tmp_path: Path, toy_sources: dict[str, Path]
) -> None:
    before, after = tmp_path / "cache/before", tmp_path / "cache/after"
    compile_cache._begin_folder(before)
    fill(before, *(name.partition(".")[2] for name in toy_sources))
    compile_cache._begin_folder(after)
    assert entries(after) == {"helper", "user", "loner"}


def test_a_damaged_folder_before_costs_compilations_only(
    tmp_path: Path, toy_sources: dict[str, Path]
) -> None:
    before, after = tmp_path / "cache/before", tmp_path / "cache/after"
    compile_cache._begin_folder(before)
    fill(before, "loner")
    (before / "sources.json").write_text("{")
    compile_cache._begin_folder(after)
    assert entries(after) == set()
    assert set(json.loads((after / "sources.json").read_text())) == set(toy_sources)


def test_folders_that_nobody_has_used_for_long_are_removed(
    tmp_path: Path, toy_sources: dict[str, Path]
) -> None:
    for number in range(8):
        folder = tmp_path / f"cache/folder{number}"
        compile_cache._begin_folder(folder)
        os.utime(folder, (number, number))
    compile_cache._begin_folder(tmp_path / "cache/newest")
    left = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert left == ["folder5", "folder6", "folder7", "newest"]


def test_folders_that_are_in_use_stay(tmp_path: Path, toy_sources: dict[str, Path]) -> None:
    for number in range(8):
        compile_cache._begin_folder(tmp_path / f"cache/folder{number}")
    assert len(list((tmp_path / "cache").iterdir())) == 8
