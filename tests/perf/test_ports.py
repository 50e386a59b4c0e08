"""Ports for meshes that are started side by side."""

import socket
import subprocess
import sys

from perf.support.ports import free_port_base

ASK = "from perf.support.ports import free_port_base; print(free_port_base(), flush=True); input()"


def test_processes_that_ask_at_the_same_time_get_different_ports() -> None:
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    try:
        answers = [int(asker.stdout.readline()) for asker in askers if asker.stdout]
        answers += [free_port_base(), free_port_base()]
    finally:
        for asker in askers:
            asker.communicate("\n", timeout=20)
    assert len(set(answers)) == len(answers)
    assert all(first % 32 == answers[0] % 32 for first in answers)


def test_a_base_stays_taken_while_a_mesh_outlives_who_asked() -> None:
    # What `cat` was handed is open until its input, which is this test's, is closed.
    asks = (
        "import subprocess; from perf.support.ports import free_port_base, port_holders;"
        "print(free_port_base(), flush=True);"
        "subprocess.Popen(['cat'], pass_fds=port_holders())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", asks], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as asker:
        assert asker.stdout is not None
        taken = int(asker.stdout.readline())
        asker.wait(20)
        assert free_port_base() != taken


def test_a_base_with_a_busy_port_is_passed_over() -> None:
    first = free_port_base()
    with socket.socket() as listener:
        # The next base, unless somebody holds it: none may contain the busy port.
        for port in range(first + 32, 32_000, 32):
            try:
                listener.bind(("127.0.0.1", port + 7))
            except OSError:
                continue
            break
        busy = int(listener.getsockname()[1])
        found = free_port_base()
    assert not found <= busy < found + 32
