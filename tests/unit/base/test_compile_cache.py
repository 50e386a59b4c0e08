"""Where compiled kernels are kept, and what survives an edit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest
from support.wait import wait_until
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
    for module in modules:
        place = folder / f"tradecaptain.{module}"
        place.mkdir(parents=True, exist_ok=True)
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


def test_another_checkout_takes_over_what_is_equal(
    tmp_path: Path, toy_sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (tmp_path / "cache" / name for name in ("ours", "theirs"))
    compile_cache._begin_folder(ours)
    fill(ours, "helper", "user", "loner")
    copies = {}
    for module, path in toy_sources.items():
        copies[module] = tmp_path / "copy" / "tradecaptain" / path.name
        copies[module].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copies[module])
    copies["tradecaptain.user"].write_text("from tradecaptain import helper\nTHREE = 3\n")
    monkeypatch.setattr(compile_cache, "_sources", lambda: copies)
    forget()
    compile_cache._begin_folder(theirs)
    assert entries(theirs) == {"helper", "loner"}


KERNEL = """
import sys
sys.path.insert(0, sys.argv[1])
from tradecaptain.base import compile_cache
from tradecaptain.toys import sums
print(sums.__file__, len(compile_cache.cache_misses()))
assert sums.total(3) == 6
"""


def test_compiled_code_is_found_by_equal_sources_elsewhere(tmp_path: Path) -> None:
    answers = []
    for place in ("first", "second"):
        package = tmp_path / place / "tradecaptain" / "toys"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "sums.py").write_text(
            "from tradecaptain.base.jit import kernel\n\n\n"
            "@kernel('int64(int64)')\ndef total(count):\n    return count * (count + 1) // 2\n"
        )
        extended = "import tradecaptain; tradecaptain.__path__ = [*tradecaptain.__path__, "
        extended += f"{str(package.parent)!r}]\n"
        answer = subprocess.run(
            [sys.executable, "-c", extended + KERNEL, str(tmp_path / place)],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(answer.stdout.split())
    assert [Path(path).parent.parent.parent.name for path, _ in answers] == ["first", "second"]
    assert [misses for _, misses in answers] == ["1", "0"]


def test_what_the_most_alike_folder_lacks_comes_from_the_next(
    tmp_path: Path, toy_sources: dict[str, Path]
) -> None:
    whole, unfinished, after = (tmp_path / "cache" / name for name in ("a", "b", "c"))
    compile_cache._begin_folder(whole)
    fill(whole, "helper", "loner")
    toy_sources["tradecaptain.user"].write_text("from tradecaptain import helper\nTHREE = 3\n")
    forget()
    compile_cache._begin_folder(unfinished)
    for entry in unfinished.rglob("*.nbi"):
        entry.unlink()
    fill(unfinished, "user")
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


def test_what_a_function_imports_is_not_needed_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {
        "tradecaptain.mesh.driver": "",
        "tradecaptain.desk": "from tradecaptain import both\n",
        "tradecaptain.desk.__main__": "def run():\n    import tradecaptain.later\n",
        "tradecaptain.both": "if True:\n    import tradecaptain.inner\n",
        "tradecaptain.inner": "",
        "tradecaptain.later": "",
        "tradecaptain.apart": "",
    }
    sources = {}
    for name, text in texts.items():
        sources[name] = tmp_path / f"{name}.py"
        sources[name].write_text(text)
    monkeypatch.setattr(compile_cache, "_sources", lambda: sources)
    forget()
    assert compile_cache.modules_at_start() == set(sources) - {
        "tradecaptain.later",
        "tradecaptain.apart",
    }


class Worker:
    """Stands in for a process that compiles: says what it was given, and ends when it is told."""

    begun: ClassVar[list[str]] = []
    open_gates: ClassVar[dict[str, threading.Event]] = {}

    def compile(self, module: str) -> int:
        self.begun.append(module)
        assert self.open_gates[module].wait(10)
        return 1

    def close(self) -> None:
        return


def test_modules_that_import_each_other_hold_up_nobody_and_never_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {
        "loner": "",
        "one": "from tradecaptain import two\n",
        "two": "from tradecaptain import one\n",
        "user": "from tradecaptain import one\n",
    }
    sources = {}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
        sources[f"tradecaptain.{name}"] = tmp_path / f"{name}.py"
    monkeypatch.setattr(compile_cache, "_sources", lambda: sources)
    forget()
    monkeypatch.setattr(Worker, "begun", [])
    gates = {module: threading.Event() for module in sources}
    monkeypatch.setattr(Worker, "open_gates", gates)
    monkeypatch.setattr(compile_cache, "_CompileWorker", Worker)
    monkeypatch.setattr(compile_cache.os, "cpu_count", lambda: 4)
    found = compile_cache._compile_in_processes(set(sources))
    thread = threading.Thread(target=lambda: done.extend(found))
    done: list[tuple[str, int]] = []
    thread.start()
    # The loner goes on for as long as it likes beside one of the two.
    wait_until(lambda: len(Worker.begun) == 2)
    (first,) = set(Worker.begun) - {"tradecaptain.loner"}
    assert first in ("tradecaptain.one", "tradecaptain.two")
    gates[first].set()
    wait_until(lambda: len(Worker.begun) == 3)
    (second,) = {"tradecaptain.one", "tradecaptain.two"} - {first}
    assert Worker.begun[2] == second
    gates[second].set()
    wait_until(lambda: len(Worker.begun) == 4)
    assert Worker.begun[3] == "tradecaptain.user"
    gates["tradecaptain.user"].set()
    gates["tradecaptain.loner"].set()
    thread.join(10)
    assert {module for module, _ in done} == set(sources)


ASK = """
import os
from tradecaptain.base import compile_cache
worker = compile_cache._CompileWorker()
print(worker._process.pid, flush=True)
worker.compile("slow_module")
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_in_the_midst_of_a_kernel_ends_with_whoever_asked(
    tmp_path: Path, number: signal.Signals
) -> None:
    begun = tmp_path / "begun"
    # A module that takes as long to import as somebody lets it.
    (tmp_path / "slow_module.py").write_text(
        f"import pathlib, threading\npathlib.Path({str(begun)!r}).touch()\n"
        "threading.Event().wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", ASK], stdout=subprocess.PIPE, text=True, env=environment
    ) as asker:
        assert asker.stdout is not None
        worker = int(asker.stdout.readline())
        wait_until(begun.exists)
        assert is_running(worker)
        asker.send_signal(number)
    wait_until(lambda: not is_running(worker))
