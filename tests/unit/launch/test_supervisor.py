"""The supervisor with small real processes in the place of the parts."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from support.ports import free_port
from support.wait import wait_until_async
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.config import SupervisorConfig
from tradecaptain.launch.parts import Part, Probe
from tradecaptain.launch.processes import start_ticks
from tradecaptain.launch.run_state import RunState, read_state
from tradecaptain.launch.supervisor import StartFailedError, Supervisor

TOY = str(Path(__file__).parents[2] / "support/toy_part.py")
QUICK = {"backoff_seconds_first": 0.05, "stop_timeout_seconds": 0.5}


def toy(name: str, mode: str = "good", needs: tuple[str, ...] = ()) -> Part:
    port = free_port()
    return Part(name, (sys.executable, TOY, str(port), mode), needs, Probe.ENVOY, port)


def state_of(run: RunPaths, part: str) -> dict[str, object]:
    state = read_state(run)
    assert state is not None
    found = state["parts"][part]
    assert isinstance(found, dict)
    return found


def pid_of(run: RunPaths, part: str) -> int:
    return int(str(state_of(run, part)["pid"]))


def events(run: RunPaths) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in run.log_of("supervisor").read_bytes().splitlines()]


@asynccontextmanager
async def supervised(
    run: RunPaths, *parts: Part, **settings: float
) -> AsyncIterator[Callable[[], RunState]]:
    """Run the parts until the block ends, then stop them in order."""
    state = RunState(os.getpid(), 0)
    supervisor = Supervisor(run, parts, SupervisorConfig(**{**QUICK, **settings}), state)
    task = asyncio.create_task(supervisor.run_until_stopped())
    try:
        yield lambda: state
    finally:
        supervisor.stop()
        await task


async def until_ready(get_state: Callable[[], RunState]) -> None:
    await wait_until_async(lambda: get_state().ready, what="all parts to be ready")


async def until_failed(get_state: Callable[[], RunState], part: str) -> None:
    def has_failed() -> bool:
        known = get_state().parts
        return part in known and known[part].state in ("failed", "stopped")

    await wait_until_async(has_failed, what=f"the start of {part} to fail")


async def test_parts_start_in_the_order_of_their_needs_and_all_end(run: RunPaths) -> None:
    first, second, third = toy("first"), toy("second", needs=("first",)), toy("third")
    async with supervised(run, third, second, first) as get_state:
        await until_ready(get_state)
        pids = [pid_of(run, name) for name in ("first", "second", "third")]
        assert all(start_ticks(pid) is not None for pid in pids)
        assert (run.pid_of("first")).read_text().split()[0] == str(pids[0])
    told = [(e["event"], e.get("started") or e.get("ready")) for e in events(run)]
    assert told.index(("part is ready", "first")) < told.index(("part started", "second"))
    assert all(start_ticks(pid) is None for pid in pids)
    assert not list(run.pids.iterdir())


async def test_a_part_is_ready_once_the_front_door_passes_calls_to_it(run: RunPaths) -> None:
    door = toy("door", "door")
    fronted = replace(toy("fronted", "grpc"), probe=Probe.GRPC)
    needing = toy("needing", needs=("fronted",))
    async with supervised(run, door, fronted, needing) as get_state:
        # Another part need not wait for the door, and starts as soon as this one serves.
        await wait_until_async(
            lambda: get_state().parts["needing"].state == "ready", what="what needs it to be ready"
        )
        assert get_state().parts["fronted"].state == "starting"
        assert not get_state().ready
        os.kill(pid_of(run, "door"), signal.SIGUSR1)
        await until_ready(get_state)
        assert get_state().parts["fronted"].state == "ready"


async def test_a_killed_part_comes_back_and_the_log_says_why(run: RunPaths) -> None:
    async with supervised(run, toy("part")) as get_state:
        await until_ready(get_state)
        before = pid_of(run, "part")
        os.kill(before, signal.SIGKILL)
        await wait_until_async(
            lambda: get_state().ready and pid_of(run, "part") not in (0, before),
            what="the part to be back",
        )
        assert get_state().parts["part"].restarts == 1
    died = next(e for e in events(run) if e["event"] == "part died")
    assert died["died"] == "part"
    assert "SIGKILL" in str(died["why"])


async def test_a_disk_that_takes_nothing_doesn_t_end_the_mesh(run: RunPaths) -> None:
    async with supervised(run, toy("part")) as get_state:
        await until_ready(get_state)
        before = pid_of(run, "part")
        # Neither state nor log can be written where there is a folder of that name.
        for path in (run.state, run.log_of("supervisor")):
            path.unlink()
            path.mkdir()
        os.kill(before, signal.SIGKILL)
        await wait_until_async(
            lambda: get_state().ready and get_state().parts["part"].restarts == 1,
            what="the part to be back",
        )
        for path in (run.state, run.log_of("supervisor")):
            path.rmdir()
        await wait_until_async(lambda: read_state(run) is not None, what="the state to be written")
        assert pid_of(run, "part") not in (0, before)


async def test_a_part_that_never_gets_ready_ends_the_start_with_its_last_words(
    run: RunPaths,
) -> None:
    with pytest.raises(StartFailedError, match=r"broken can't be started.*the cat sat on it"):
        async with supervised(run, toy("good"), toy("broken", "fails")) as get_state:
            await until_failed(get_state, "broken")
    assert not list(run.pids.iterdir())


async def test_a_part_that_ignores_the_request_to_end_is_killed(run: RunPaths) -> None:
    async with supervised(run, toy("part", "deaf")) as get_state:
        await until_ready(get_state)
        pid = pid_of(run, "part")
    assert start_ticks(pid) is None


async def test_a_part_that_stops_answering_is_started_again(run: RunPaths) -> None:
    async with supervised(run, toy("part"), unresponsive_seconds=0.3) as get_state:
        await until_ready(get_state)
        before = pid_of(run, "part")
        os.kill(before, signal.SIGUSR1)
        await wait_until_async(
            lambda: get_state().ready and pid_of(run, "part") not in (0, before),
            what="the part to be back",
        )
    died = next(e for e in events(run) if e["event"] == "part died")
    assert "didn't answer for 0.3 s" in str(died["why"])


async def test_a_part_that_takes_too_long_to_start_is_given_up(run: RunPaths) -> None:
    slow = toy("slow", "silent")
    with pytest.raises(StartFailedError, match=r"wasn't ready after 0\.2 s"):
        async with supervised(
            run, slow, start_timeout_seconds=0.2, first_start_attempts=1
        ) as get_state:
            await until_failed(get_state, "slow")


async def test_a_log_that_grew_too_long_is_kept_once_and_begun_anew(run: RunPaths) -> None:
    log = run.log_of("part")
    log.write_bytes(b"x" * 5000)
    async with supervised(run, toy("part"), log_bytes_max=4096) as get_state:
        await until_ready(get_state)
        await wait_until_async(lambda: log.stat().st_size == 0, what="the log to be cut")
    assert log.with_suffix(".log.1").stat().st_size == 5000
