"""What a killed supervisor leaves behind is found, and nothing else is touched."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.ports import free_port_base
from support.wait import wait_until
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.leftovers import leftover_processes, remove_leftovers
from tradecaptain.launch.mesh import run_mesh
from tradecaptain.launch.prepare import Options
from tradecaptain.launch.processes import (
    ProcessMark,
    describe_exit,
    last_words,
    open_log,
    start_ticks,
)
from tradecaptain.launch.run_state import (
    AlreadyRunningError,
    read_state,
    running_supervisor,
    supervisor_lock,
)

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")
SUPERVISOR = """
import asyncio, sys
from tradecaptain.launch.processes import spawn
async def main():
    command = (sys.executable, "-c", "import signal; signal.pause()")
    child = await spawn(command, sys.stderr.fileno(), {})
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""


def test_a_child_ends_when_its_supervisor_is_killed() -> None:
    command = [sys.executable, "-c", SUPERVISOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert start_ticks(child) is not None
        parent.kill()
    wait_until(lambda: start_ticks(child) is None, what="the orphan to end")


def test_a_process_that_is_still_there_is_ended_and_its_traces_removed(run: RunPaths) -> None:
    with subprocess.Popen(SLEEPER) as process:
        mark = ProcessMark.of(process.pid)
        assert mark is not None
        mark.write(run.pid_of("part"))
        (run.shared_memory / "aeron").mkdir()
        assert leftover_processes(run) == {"part": mark}
        said = remove_leftovers(run)
        assert process.wait(10) == -signal.SIGTERM
    assert any("part" in line and str(process.pid) in line for line in said)
    assert not run.shared_memory.exists()
    assert not list(run.pids.iterdir())


def test_another_process_with_the_same_id_is_left_alone(run: RunPaths) -> None:
    own = ProcessMark.of(os.getpid())
    assert own is not None
    ProcessMark(own.pid, own.ticks - 1).write(run.pid_of("part"))
    assert leftover_processes(run) == {}
    remove_leftovers(run)
    assert start_ticks(os.getpid()) == own.ticks


@pytest.mark.parametrize("content", ["", "12", "a b", "1 2 3"])
def test_a_damaged_pid_file_is_nothing(run: RunPaths, content: str) -> None:
    run.pid_of("part").write_text(content)
    assert leftover_processes(run) == {}


def test_one_run_folder_has_one_supervisor(run: RunPaths) -> None:
    with supervisor_lock(run):
        owner = running_supervisor(run)
        assert owner is not None
        assert owner.pid == os.getpid()
        with (
            pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
            supervisor_lock(run),
        ):
            pass
    assert running_supervisor(run) is None
    with supervisor_lock(run):
        pass


def test_a_damaged_state_file_is_no_state(run: RunPaths) -> None:
    assert read_state(run) is None
    run.state.write_text("{")
    assert read_state(run) is None


def test_an_end_is_described() -> None:
    assert describe_exit(3) == "exited with status 3"
    assert describe_exit(-signal.SIGSEGV) == "was killed by SIGSEGV"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("first\nsecond\n\n", "second"),
        ('{"event": "cannot start", "why": "no driver"}\n', "cannot start: no driver"),
        ("Traceback\nValueError: bad\n", "ValueError: bad"),
        (
            '{"event": "disk full", "level": "error"}\n{"event": "read", "level": "info"}\n',
            "disk full",
        ),
        ('{"event": "is ready", "level": "info"}\n', ""),
        ('{"event": "feed failed", "detail": "row 1"}\n', "feed failed: row 1"),
        ('{"event": "refused", "message": "no token", "level": "warning"}\n', ""),
    ],
)
def test_last_words_are_found(tmp_path: Path, text: str, words: str) -> None:
    log = tmp_path / "part.log"
    assert last_words(log) == ""
    log.write_text(text)
    assert last_words(log) == words


def test_last_words_are_those_of_the_last_life(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("an old complaint\n")
    begin = log.stat().st_size
    assert last_words(log, begin) == ""
    with log.open("a") as file:
        file.write("a new one\n")
    assert last_words(log, begin) == "a new one"
    # The log was cut while the part ran.
    log.write_text("short\n")
    assert last_words(log, begin) == "short"


def test_a_part_whose_log_cannot_be_written_has_none(tmp_path: Path) -> None:
    with open_log(tmp_path) as output:
        output.write(b"nobody reads this\n")
        assert output.seek(0, os.SEEK_END) == 0


def test_a_start_that_is_refused_leaves_no_shared_memory(run: RunPaths, tmp_path: Path) -> None:
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    recording = tmp_path / "recording.zip"
    recording.write_bytes(b"PK\x03\x04 and no directory")
    start = run_mesh(run, Options(replay=(recording,)), say=print, on_change=print)
    with pytest.raises(TradeCaptainError) as caught:
        asyncio.run(start)
    assert caught.value.name == "REASON_TRUNCATED_FILE"
    assert not run.shared_memory.exists()
