"""Agents on a thread and by hand."""

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.wait import wait_until
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.idle import STRATEGIES
from tradecaptain.mesh.runner import AgentFailedError, AgentRunner, Placement
from tradecaptain.mesh.timeouts import MILLISECOND_NS, SECOND_NS, Timeouts

pytestmark = pytest.mark.twin

COUNTER = np.dtype([("turns", "<i8"), ("now_ns", "<i8"), ("limit", "<i8"), ("fail", "<i8")])
EXTRA = np.dtype([("value", "<i8")])


@duty_cycle
def count_turns(frame: int, now_ns: int) -> int:
    """Count; fail when told to; work as long as the limit isn't reached."""
    counter = frame_array(frame, 0, COUNTER)
    extra = frame_array(frame, 1, EXTRA)
    if counter[0]["fail"] != 0:
        return -7
    counter[0]["turns"] += 1
    counter[0]["now_ns"] = now_ns
    for index in range(extra.shape[0]):
        extra[index]["value"] += index
    return 1 if counter[0]["turns"] <= counter[0]["limit"] else 0


class CountingAgent:
    def __init__(self, **hooks: Any) -> None:
        self.counter = np.zeros(1, COUNTER)
        self.extra = np.zeros(3, EXTRA)
        self.agent = Agent("counter", count_turns, [self.counter, self.extra], **hooks)

    @property
    def turns(self) -> int:
        return int(self.counter[0]["turns"])


class ChangingResource:
    def __init__(self) -> None:
        self.changes = 0
        self.taken: list[int] = []
        self.listeners: list[Callable[[], None]] = []

    def needs_refresh(self) -> bool:
        return len(self.taken) < self.changes

    def on_change(self, callback: Callable[[], None]) -> None:
        self.listeners.append(callback)

    def change(self) -> None:
        self.changes += 1
        for callback in self.listeners:
            callback()

    def refresh(self) -> bool:
        self.taken.append(threading.get_ident())
        return True

    def close(self) -> None:
        raise AssertionError("resources belong to whoever opened them")


def test_an_agent_is_cranked_by_hand() -> None:
    counting = CountingAgent()
    counting.counter[0]["limit"] = 1
    assert counting.agent.do_work(123) == 1
    assert counting.agent.do_work(124) == 0
    assert counting.counter[0]["now_ns"] == 124
    assert counting.extra["value"].tolist() == [0, 2, 4]


@pytest.mark.parametrize("idle", list(STRATEGIES))
def test_a_runner_turns_until_it_is_closed(idle: str) -> None:
    counting = CountingAgent()
    before = SYSTEM_CLOCK.now_ns()
    with AgentRunner([counting.agent], Placement(idle=idle)) as runner:
        runner.start()
        wait_until(lambda: counting.turns > 20)
        assert runner.is_running
    turns = counting.turns
    assert not runner.is_running
    assert counting.turns == turns
    assert before < counting.counter[0]["now_ns"] <= SYSTEM_CLOCK.now_ns()


def test_agents_share_a_thread_and_their_hooks_run_on_it() -> None:
    calls: list[tuple[str, int]] = []

    def note(name: str) -> Any:
        return lambda: calls.append((name, threading.get_ident()))

    first = CountingAgent(on_start=note("start"), on_close=note("close"))
    second = CountingAgent(on_start=note("start 2"))
    with AgentRunner([first.agent, second.agent]) as runner:
        runner.start()
        wait_until(lambda: first.turns > 3 and second.turns > 3)
        inside = runner.run_in_thread_control(threading.get_ident).result(5)
    assert [name for name, _ in calls] == ["start", "start 2", "close"]
    assert {ident for _, ident in calls} == {inside} != {threading.get_ident()}


def test_a_changed_resource_is_refreshed_on_the_agents_thread() -> None:
    resource = ChangingResource()
    counting = CountingAgent(resources=[resource])
    with AgentRunner([counting.agent]) as runner:
        runner.start()
        resource.changes = 2
        wait_until(lambda: len(resource.taken) == 2)
        inside = runner.run_in_thread_control(threading.get_ident).result(5)
    assert set(resource.taken) == {inside}


def test_a_change_that_is_told_is_taken_over_at_once() -> None:
    resource = ChangingResource()
    counting = CountingAgent(resources=[resource])
    # Whoever isn't told would look after an hour.
    hour_ns = 3600 * SECOND_NS
    timeouts = Timeouts(watch_interval_ns=MILLISECOND_NS, lookaround_interval_ns=hour_ns)
    with AgentRunner([counting.agent], timeouts=timeouts) as runner:
        runner.start()
        wait_until(lambda: counting.turns > 3)
        resource.change()
        wait_until(lambda: len(resource.taken) == 1)
        resource.change()
        wait_until(lambda: len(resource.taken) == 2)


def test_a_change_that_nobody_tells_is_found_by_looking_around() -> None:
    resource = ChangingResource()
    counting = CountingAgent(resources=[resource])
    timeouts = Timeouts(
        watch_interval_ns=20 * MILLISECOND_NS, lookaround_interval_ns=MILLISECOND_NS
    )
    with AgentRunner([counting.agent], timeouts=timeouts) as runner:
        runner.start()
        wait_until(lambda: counting.turns > 3)
        resource.changes = 1
        wait_until(lambda: len(resource.taken) == 1)


def test_a_resource_that_fails_stops_the_runner() -> None:
    class Failing(ChangingResource):
        def needs_refresh(self) -> bool:
            raise MeshError("the resource is broken")

    counting = CountingAgent(resources=[Failing()])
    runner = AgentRunner([counting.agent])
    runner.start()
    wait_until(lambda: not runner.is_running)
    with pytest.raises(AgentFailedError, match="broken"):
        runner.close()


def test_a_call_that_raises_fails_alone() -> None:
    counting = CountingAgent()
    with AgentRunner([counting.agent]) as runner:
        runner.start()
        with pytest.raises(ZeroDivisionError):
            runner.run_in_thread_control(lambda: 1 // 0).result(5)
        turns = counting.turns
        wait_until(lambda: counting.turns > turns)


def test_a_failing_agent_stops_its_runner_and_is_named() -> None:
    counting = CountingAgent()
    runner = AgentRunner([counting.agent])
    runner.start()
    wait_until(lambda: counting.turns > 3)
    counting.counter[0]["fail"] = 1
    wait_until(lambda: not runner.is_running)
    with pytest.raises(AgentFailedError, match="counter failed with -7"):
        runner.close()
    with pytest.raises(AgentFailedError, match="has stopped"):
        runner.run_in_thread_control(lambda: None).result(5)


def test_a_failing_start_hook_is_reported() -> None:
    counting = CountingAgent(on_start=lambda: 1 // 0)
    runner = AgentRunner([counting.agent])
    runner.start()
    wait_until(lambda: not runner.is_running)
    assert isinstance(runner.failure, ZeroDivisionError)
    with pytest.raises(AgentFailedError):
        runner.close()


def test_the_thread_is_pinned_where_the_placement_says() -> None:
    core = max(os.sched_getaffinity(0))
    counting = CountingAgent()
    with AgentRunner([counting.agent], Placement(core=core)) as runner:
        runner.start()
        cores = runner.run_in_thread_control(lambda: os.sched_getaffinity(0)).result(5)
    assert cores == {core}


def test_statistics_tell_work_and_turns() -> None:
    counting = CountingAgent()
    counting.counter[0]["limit"] = 10
    with AgentRunner([counting.agent]) as runner:
        runner.start()
        wait_until(lambda: counting.turns > 30)
    statistics = runner.statistics
    assert statistics["work_count"] == statistics["busy_turn_count"] == 10
    assert statistics["turn_count"] == counting.turns
    assert JIT_DISABLED or 0 < statistics["busy_turn_ns_max"] < 10**10


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"idle": "busy"}, "idle"),
        ({"core": 4096}, "core"),
        ({"park_ns_max": 1}, "park_ns_max"),
        ({"spin_ns": -1}, "spin_ns"),
    ],
)
def test_an_impossible_placement_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(MeshError, match=field):
        Placement(**options)
