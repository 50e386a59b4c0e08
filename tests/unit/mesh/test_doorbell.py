"""Words by which a writer ends another thread's or process's sleep."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support.wait import wait_until
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.memory import aligned_zeros, load_i32, store_i32
from tradecaptain.base.system_calls import futex_wait
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array
from tradecaptain.mesh.doorbell import (
    NO_BELL,
    PARTS,
    Doorbells,
    doorbell_disarm,
    doorbell_ring,
    doorbell_sleep,
)
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.runner import AgentRunner, Placement

LETTER = np.dtype([("written", "<i8"), ("read", "<i8"), ("turns", "<i8")], align=True)
LONG_NS = 1_000_000_000


@duty_cycle
def read_letters(frame: int, now_ns: int) -> int:
    letter = frame_array(frame, 0, LETTER)
    letter[0]["turns"] += 1
    count = letter[0]["written"] - letter[0]["read"]
    letter[0]["read"] += count
    return count


@pytest.fixture
def bells(tmp_path: Path) -> Doorbells:
    return Doorbells(tmp_path / "doorbells")


def test_every_part_has_a_word_of_its_own(bells: Doorbells) -> None:
    addresses = [bells.bell(part) for part in PARTS]
    assert {abs(first - second) % 64 for first in addresses for second in addresses} == {0}
    assert len(set(addresses)) == len(PARTS)
    with pytest.raises(MeshError, match="collector"):
        bells.bell("collector")


def test_arming_returns_so_that_the_caller_looks_once_more(bells: Doorbells) -> None:
    bell = bells.bell("orderbook")
    doorbell_sleep(bell, 3600 * LONG_NS)
    assert load_i32(bell) == 1
    doorbell_disarm(bell)
    assert load_i32(bell) == 0


def test_a_ring_between_arming_and_sleeping_is_not_missed(bells: Doorbells) -> None:
    bell = bells.bell("orderbook")
    doorbell_sleep(bell, 3600 * LONG_NS)
    doorbell_ring(bell)
    # Armed anew, not asleep: the ring has said that there is something to look at.
    doorbell_sleep(bell, 3600 * LONG_NS)
    assert load_i32(bell) == 1


def test_nobody_is_woken_where_nobody_sleeps(bells: Doorbells) -> None:
    doorbell_ring(NO_BELL)
    doorbell_ring(bells.bell("gateway"))
    assert load_i32(bells.bell("gateway")) == 0


def test_a_sleep_ends_by_itself(bells: Doorbells) -> None:
    bell = bells.bell("gateway")
    store_i32(bell, 1)
    begun_ns = SYSTEM_CLOCK.monotonic_ns()
    doorbell_sleep(bell, 2_000_000)
    assert SYSTEM_CLOCK.monotonic_ns() - begun_ns >= 2_000_000


def test_a_word_that_is_no_word_is_an_error() -> None:
    with pytest.raises(OSError, match="address"):
        futex_wait(4096, 0, 1)


@pytest.mark.parametrize("idle", ["backoff", "sleep"])
def test_a_ring_ends_the_sleep_of_a_runner(bells: Doorbells, idle: str) -> None:
    letter = aligned_zeros(1, LETTER)
    bell = bells.bell("orderbook")
    placement = Placement(idle=idle, park_ns_max=LONG_NS)
    with AgentRunner([Agent("reader", read_letters, [letter])], placement, bell=bell) as runner:
        runner.start()
        waits_ns = []
        for number in range(1, 6):
            wait_until(lambda: load_i32(bell) == 1)
            # Armed, it looks once more and sleeps.
            begun_ns = SYSTEM_CLOCK.monotonic_ns()
            letter[0]["written"] = number
            doorbell_ring(bell)
            wait_until(lambda number=number: letter[0]["read"] == number)
            waits_ns.append(SYSTEM_CLOCK.monotonic_ns() - begun_ns)
    # Without the bell each would take a good part of a second.
    assert sorted(waits_ns)[2] < LONG_NS / 4


def test_a_runner_without_a_bell_sleeps_on_for_its_time(bells: Doorbells) -> None:
    letter = aligned_zeros(1, LETTER)
    placement = Placement(idle="sleep", park_ns_max=LONG_NS)
    with AgentRunner([Agent("reader", read_letters, [letter])], placement) as runner:
        runner.start()
        wait_until(lambda: letter[0]["turns"] == 1)
        doorbell_ring(bells.bell("orderbook"))
        threading.Event().wait(0.05)
        assert letter[0]["turns"] == 1


def test_a_ring_reaches_another_process(bells: Doorbells, tmp_path: Path) -> None:
    ringer = (
        "import sys, pathlib\n"
        "from tradecaptain.mesh.doorbell import Doorbells, doorbell_ring\n"
        "bells = Doorbells(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "doorbell_ring(bells.bell('gateway'))\n"
    )
    command = [sys.executable, "-c", ringer, str(tmp_path / "doorbells")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        bell = bells.bell("gateway")
        doorbell_sleep(bell, LONG_NS)
        sleeper = threading.Thread(target=doorbell_sleep, args=(bell, 60 * LONG_NS))
        sleeper.start()
        process.stdin.write("\n")
        process.stdin.close()
        sleeper.join(30)
        assert not sleeper.is_alive()
    assert process.returncode == 0
