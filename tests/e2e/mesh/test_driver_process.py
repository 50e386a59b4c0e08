"""The media driver as a process: its folder, its end, its death, and what clients make of that."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.mesh_kernels import read_numbers, write_numbers
from support.mesh_transports import SMALL_TERM, shared_memory_folder
from support.wait import wait_until
from tradecaptain.mesh import status
from tradecaptain.mesh.aeron_library import LIBRARY_VARIABLE, AeronLibrary
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver import driver_is_active, main
from tradecaptain.mesh.errors import DriverAbsentError, LibraryError, MeshError


class DriverProcess:
    """One folder in which drivers are started and killed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tradecaptain.mesh.driver", "--aeron-dir", str(self.directory)],
            stderr=subprocess.PIPE,
        )
        wait_until(lambda: driver_is_active(self.directory), timeout_s=30)

    def end(self, signal_number: int) -> tuple[int, str]:
        assert self.process is not None
        self.process.send_signal(signal_number)
        _, errors = self.process.communicate(timeout=30)
        code, self.process = self.process.returncode, None
        return code, errors.decode()


@pytest.fixture
def driver() -> Iterator[DriverProcess]:
    folder = shared_memory_folder()
    started = DriverProcess(folder / "aeron")
    started.start()
    yield started
    if started.process is not None:
        started.end(signal.SIGTERM)
    assert list(folder.iterdir()) == []
    folder.rmdir()


def test_its_folder_is_private_and_gone_after_sigterm(driver: DriverProcess) -> None:
    modes = {
        path.stat().st_mode & 0o777
        for path in [driver.directory.parent, driver.directory, *driver.directory.rglob("*")]
    }
    assert modes <= {0o700, 0o600}
    code, errors = driver.end(signal.SIGTERM)
    assert code == 0
    assert "media driver is ready" in errors
    assert "SIGTERM" in errors
    assert not driver.directory.exists()


def test_a_second_driver_in_the_folder_is_refused(
    driver: DriverProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--aeron-dir", str(driver.directory)]) == 1
    assert "another media driver is running" in capfd.readouterr().err
    assert driver_is_active(driver.directory)


def test_a_killed_driver_is_dead_at_once_and_can_be_replaced(driver: DriverProcess) -> None:
    driver.end(signal.SIGKILL)
    assert not driver_is_active(driver.directory)
    driver.start()


def test_without_a_driver_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DriverAbsentError, match="tradecaptain up") as refused:
        AeronMesh(tmp_path / "nothing", "lonely")
    assert str(tmp_path / "nothing") in refused.value.message
    assert refused.value.name == "REASON_UNAVAILABLE"


@pytest.mark.parametrize("outruns_readers", [False, True])
def test_streams_come_back_with_a_new_driver(driver: DriverProcess, outruns_readers: bool) -> None:
    numbers, lengths = np.zeros(64, np.int64), np.zeros(64, np.int64)
    with AeronMesh(driver.directory, "survivor") as mesh:
        publication = mesh.add_publication(
            21, term_bytes=SMALL_TERM, outruns_readers=outruns_readers
        )
        subscription = mesh.add_subscription(21, tether=True)
        state, images = publication.state, subscription.images

        def is_connected() -> bool:
            for resource in (publication, subscription):
                if resource.needs_refresh():
                    resource.refresh()
            return publication.is_connected and subscription.image_count == 1

        def exchange(number: int) -> None:
            def has_arrived() -> bool:
                found = []
                for index in range(len(images)):
                    count = read_numbers(images, index, numbers, lengths)
                    found += numbers[:count].tolist()
                return number in found

            wait_until(lambda: is_connected() and write_numbers(state, number, 1, 1, 8) > 0)
            wait_until(lambda: is_connected() and has_arrived())

        exchange(1)
        generation = publication.generation
        driver.end(signal.SIGKILL)
        # The old log is still mapped: kernels meet a driver that doesn't move, not a fault.
        results = {write_numbers(state, 2, 1, 1, 480) for _ in range(200)}
        assert status.BACK_PRESSURED in results
        wait_until(publication.needs_refresh)
        publication.refresh()
        assert write_numbers(state, 2, 1, 1, 8) == status.CLOSED
        driver.start()
        exchange(3)
        assert publication.generation == generation + 1
        wait_until(lambda: publication.refresh() or publication.is_open)
        assert bool(state[0]["pacer_address"]) == outruns_readers
        assert publication.state is state
        driver.end(signal.SIGTERM)
        wait_until(lambda: mesh.client.is_lost, timeout_s=30)
        publication.refresh()
        assert write_numbers(state, 4, 1, 1, 8) == status.CLOSED
        driver.start()
        exchange(5)


def test_aerons_own_words_are_in_the_error(driver: DriverProcess) -> None:
    with AeronMesh(driver.directory, "wrong") as mesh:
        with pytest.raises(MeshError, match="carrier"):
            mesh.add_publication(22, channel="aeron:carrier-pigeon")
        with pytest.raises(MeshError, match="endpoint"):
            mesh.add_subscription(22, channel="aeron:udp?term-length=64k")


def test_another_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "libaeron.so"
    path.write_bytes(b"no library")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(path))
    with pytest.raises(LibraryError, match=str(path)):
        AeronLibrary(path)
    libc = next(Path("/lib").rglob("libm.so.6"), None)
    if libc is not None:
        with pytest.raises(LibraryError, match="lacks aeron_"):
            AeronLibrary(libc)


def test_a_client_that_dies_leaves_no_log_behind(driver: DriverProcess) -> None:
    script = (
        "import sys, os; from pathlib import Path; from tradecaptain.mesh.client import AeronMesh\n"
        f"mesh = AeronMesh(Path({str(driver.directory)!r}), 'doomed')\n"
        "mesh.add_publication(23, term_bytes=65536)\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    logs = driver.directory / "publications"
    assert len(list(logs.iterdir())) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: list(logs.iterdir()) == [], timeout_s=30)
