"""Whether a driver's process lives is told by its descriptor, else by /proc."""

import os
import struct
import subprocess
import sys

import pytest
from support.wait import wait_until
from tradecaptain.mesh.driver import CNC_HEADER_BYTES, owner_lives
from tradecaptain.mesh.driver_process import DriverProcess


def header_of(process_id: int) -> bytes:
    """A CnC file's header that names the process."""
    header = bytearray(CNC_HEADER_BYTES)
    struct.pack_into("<q", header, 40, process_id)
    return bytes(header)


def no_descriptor(_process_id: int, _flags: int = 0) -> int:
    raise OSError("this system has no descriptors of processes")


@pytest.mark.parametrize("descriptors", ["given", "refused", "unknown to the interpreter"])
def test_a_process_that_is_killed_is_gone_before_it_is_reaped(
    descriptors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if descriptors == "refused":
        monkeypatch.setattr(os, "pidfd_open", no_descriptor)
    elif descriptors != "given":
        monkeypatch.delattr(os, "pidfd_open")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child, DriverProcess(header_of(child.pid)) as process:
        try:
            assert process.lives()
        finally:
            child.kill()
        wait_until(lambda: not process.lives())
        assert not owner_lives(header_of(child.pid))
        child.wait()
        assert not process.lives()


@pytest.mark.parametrize("process_id", [0, -1, 2**31 - 1, 2**62])
def test_a_header_that_names_no_process_names_none_that_lives(process_id: int) -> None:
    with DriverProcess(header_of(process_id)) as process:
        assert not process.lives()


def test_a_header_that_is_cut_names_no_process() -> None:
    with DriverProcess(header_of(os.getpid())[:20]) as process:
        assert not process.lives()
